//! What the adapters send to AWS, and what they make of its answers: also of those that say 200 and
//! mean no.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a panic is a test's way to fail"
)]

mod double;
mod mail;
mod queue;
mod secret;
mod store;
