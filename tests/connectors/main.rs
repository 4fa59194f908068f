//! The shipped connectors against doubles of their systems: the production engine and transport over true
//! HTTP, time by hand. A double keeps the vendor's quota on the same clock, so that a call too many is
//! refused.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a panic is a test's way to fail"
)]

mod accounts;
mod amazon;
mod generic;
mod invoices;
mod keys;
mod orders;
mod pages;
mod place;
mod reviews;
mod shopify;
mod tokens;
