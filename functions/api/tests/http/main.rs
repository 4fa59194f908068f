//! The API as its callers see it: every path, every refusal.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panic"
)]

mod access;
mod audits;
mod caller;
mod description;
mod events;
mod flows;
mod forget;
mod gateway;
mod private;

mod records;
mod refusals;
mod reviews;
mod warehouses;
