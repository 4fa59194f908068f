#![no_main]

#[path = "../../inputs/cloud_events.rs"]
mod cloud_events;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| cloud_events::cloud_event(data));
