#![no_main]

#[path = "../../inputs/hooks.rs"]
mod hooks;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| hooks::webhook(data));
