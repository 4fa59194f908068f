//! The repository tests itself: which crate may use which, what may stand in which crate, and what
//! may lie at the top. The rules are those of the design; each can be seen to fail on a made-up
//! manifest or source.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod arrows;
mod layout;
mod manifest;
mod source;

use std::path::PathBuf;

/// The top of the repository.
fn root() -> PathBuf {
    let tests = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    tests.parent().unwrap().to_path_buf()
}
