//! Decisions, as HTTP sees them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod access;
mod answers;
mod asker;
mod limits;
mod time;
