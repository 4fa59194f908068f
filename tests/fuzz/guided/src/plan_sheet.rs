#![no_main]

#[path = "../../inputs/promises.rs"]
mod promises;
#[path = "../../inputs/sheets.rs"]
mod sheets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| sheets::plan_sheet(data));
