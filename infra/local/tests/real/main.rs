//! The real program: killed again and again, and minutes at its true limits. One program holds both, so
//! that they wait side by side.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod kill;
mod limits;
mod machine;
