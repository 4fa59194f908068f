//! The production engine in a world of virtual time.
//!
//! A [`World`] holds the processes of the bundle (workers, batch-sync, tick, webhook, api, digest),
//! each with its own [`Engine`](tidegate_engine::Engine) and its own skewed clock, over one table,
//! two queues, a bus and whatever [`Http`](tidegate_engine::ports::Http) stands for the other
//! systems. Every port call of every process passes an [`Interposer`], which may let it fail, lose
//! its answer, kill or freeze the process; and the [`Meters`], which count what it costs.
//!
//! It runs on tokio's paused clock, on one thread: `#[tokio::test(start_paused = true)]`, or a
//! current-thread runtime with `start_paused(true)`. Then time passes only when everybody waits, a
//! day takes seconds, and one seed is one story.
//!
//! Invariants: nothing here reads the real clock, does real I/O or iterates an unordered map; a
//! `select!` is biased; no decision of the engine is repeated here.

mod bus;
mod call;
mod clock;
mod deployment;
mod doubles;
mod host;
mod interposer;
mod life;
mod meter;
mod ports;
mod process;
mod setup;
mod sqs;
mod world;

pub use call::{Effect, Operation, PortCall, ProcessId, ProcessKind};
pub use clock::{MONDAY_MORNING, TrueClock};
pub use deployment::BadFlow;
pub use doubles::Doubles;
pub use interposer::{Fate, Interposer, Quiet};
pub use life::Died;
pub use meter::{CallMade, Invocations, Meters, QueueMeter, StoreMeter, item_bytes};
pub use ports::caller;
pub use setup::{Latencies, QueueSettings, Setup, Workers};
pub use sqs::{Delivered, Sqs};
pub use world::World;

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state behind a lock. Whoever panicked while it held the lock has failed already.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
