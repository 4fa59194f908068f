#![no_main]

#[path = "../../inputs/events.rs"]
mod events;
#[path = "../../inputs/promises.rs"]
mod promises;

libfuzzer_sys::fuzz_target!(|data: &[u8]| events::schedule_event(data));
