//! The bundle on an AWS emulator: the real function binaries, deployed from the real template,
//! driven by real event source mappings and schedules.
//!
//! Why: the engine is tested without AWS; what is left is whether the template, the mains and the
//! adapters fit each other, and only a deployment shows that.
//!
//! Invariants: a test installs what it needs below the build folder, listens on free ports of
//! loopback, and leaves no process behind however it ends.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "a panic is how a test fails, and its helpers are part of it"
)]

mod binaries;
mod emulator;
mod evaluation;
#[path = "../bare/first_poll.rs"]
#[allow(dead_code, reason = "the benchmark reads the time too")]
mod first_poll;
mod local;
mod metrics;
mod python;
mod stack;
#[path = "../snowflake"]
#[allow(dead_code, reason = "for other tests")]
mod snowflake {
    pub mod double;
    pub mod python;
}
mod supervised;
mod template;
mod until;
mod wire;
mod world;

mod alarms;
mod bridged;
mod canaries;
mod declared;
mod deployment;
mod journey;
#[cfg(target_os = "linux")]
mod kills;
mod real;
mod roles;
mod start;
mod triggers;
mod watch;
