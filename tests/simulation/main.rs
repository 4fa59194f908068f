//! The production engine in virtual time: minutes of limits pass in milliseconds, and the doubles'
//! logs judge.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod backlog;
mod bad_days;
mod cuts;
mod edges;
mod events;
mod fetches;
mod limits;
mod one_supplier;
mod outages;
mod people;
mod pushes;
mod reconcile;
mod reconcile_faults;
mod runs;
mod world;
