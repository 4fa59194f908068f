//! Each way into Tidegate as a function over bytes. It panics where a promise breaks.

mod answers;
mod cloud_events;
mod events;
mod flows;
mod hooks;
mod people;
mod promises;
mod sheets;
mod signatures;

pub use promises::VALUE;

/// An input: its name, which is that of its corpus folder, and what it does.
pub type Input = (&'static str, fn(&[u8]));

/// All inputs.
pub const INPUTS: [Input; 12] = [
    ("api_request", people::api_request),
    ("cloud_event", cloud_events::cloud_event),
    ("flow_file", flows::flow_file),
    ("plan_sheet", sheets::plan_sheet),
    ("queue_message", events::queue_message),
    ("refusal", answers::refusal),
    ("row", flows::row),
    ("schedule_event", events::schedule_event),
    ("signature", signatures::signature),
    ("source_page", answers::source_page),
    ("target_answer", answers::target_answer),
    ("webhook", hooks::webhook),
];
