#![no_main]

#[path = "../../inputs/signatures.rs"]
mod signatures;

libfuzzer_sys::fuzz_target!(|data: &[u8]| signatures::signature(data));
