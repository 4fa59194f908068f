//! Use cases of Tidegate, and the ports they own.
//!
//! The engine spawns no task, sleeps nowhere and iterates no unordered map: concurrency and time
//! come from its caller, so that one seed is one story. It plans with `policy` and acts through
//! ports; every effect on a target, whoever asked for it, goes through [`apply`].

mod event;
pub mod ports;

pub use event::Event;
