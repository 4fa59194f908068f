#![no_main]

#[path = "../../inputs/flows.rs"]
mod flows;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| flows::row(data));
