#![no_main]

#[path = "../../inputs/answers.rs"]
mod answers;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| answers::refusal(data));
