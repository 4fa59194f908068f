//! The adapter of the warehouse against a double of Snowflake's SQL API that runs the shipped statements
//! (`tests/warehouse`), over true HTTP and with a true key pair.
//!
//! Why: the adapter's own tests know what it sends, and the double's what Snowflake takes; only together do
//! they show that the one is the other.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a panic is how a test fails, and its helpers are part of it"
)]

mod double;
mod load;
mod place;
mod python;
mod trouble;
