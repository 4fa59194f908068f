//! Events as functions get them, read into what the engine takes.
//!
//! An event that can not be read is an error of that event alone: of ten messages the nine others
//! are worked.

mod request;
mod sqs;

pub use request::{
    DigestRequest, audit_request, digest_request, load_request, reconcile_request, run_request,
    sweep_request,
};
pub use sqs::{Arrival, BatchAnswer, RecordFault, Unidentified, arrivals};

/// Why an event is not one that the function takes.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Not of the form.
    #[error("the event is not readable as {form}")]
    Form {
        /// What was expected.
        form: &'static str,
        /// What is wrong.
        #[source]
        source: serde_json::Error,
    },
    /// The time of a window or of an event is not a time.
    #[error("the time {0:?} is not a time such as 2026-11-20T02:00:00Z")]
    Time(String),
    /// An event of another kind.
    #[error("the event is {found}, expected {expected}")]
    Kind {
        /// What came.
        found: String,
        /// What was expected.
        expected: &'static str,
    },
}
