#![no_main]

#[path = "../../inputs/people.rs"]
mod people;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| people::api_request(data));
