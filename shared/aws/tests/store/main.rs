//! The contract of the store: on DynamoDB's protocol it does what it does in memory.
#![allow(clippy::unwrap_used, reason = "a panic is a test's way to fail")]

mod meter;
mod paging;
mod property;
mod served;
mod table;
