//! Everything that reads outside input, against anything that could come in.
//!
//! Each input is a plain function over bytes in [`inputs`]: it feeds the production code and fails
//! where a promise breaks. The code never panics and never waits, every input ends in a named
//! outcome, no error repeats a secret or a field's value, and what is written can be read again.
//! The same functions run in three ways:
//! - the kept corpus, what a search once found, is replayed by `cargo test` ([`replay`]);
//! - random edits of it are tried by `cargo test` too ([`edits`]);
//! - a search guided by coverage is in `guided/`, which needs a nightly toolchain (see there).

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod edits;
mod inputs;
mod messages;
mod replay;
