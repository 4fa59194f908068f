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
mod commits;
mod creates;
mod cuts;
mod drift;
mod edges;
mod events;
mod fetches;
mod hand;
mod health;
mod limits;
mod measured;
mod one_supplier;
mod outages;
mod pages;
mod people;
mod pushes;
mod reads;
mod reconcile;
mod reconcile_faults;
mod rotations;
mod runs;
mod stages;
mod store;
mod ticks;
mod tokens;
mod turns;
mod waits;
mod world;
