//! Bad days by the dozen: one seed makes a flow, a world and everything that goes wrong in it, and
//! checkers hold what happened against the invariants of the design.
//!
//! The production engine runs as it is, in [`tidegate_simulator`]'s virtual time. The ledger is kept
//! by the world: it sees port calls, raw items and effects, and shares no decision with the engine;
//! a test refuses any use of `tidegate_policy` in this folder.

#![allow(
    clippy::expect_used,
    reason = "this is the code of tests: what can not be is a bug of theirs"
)]

pub mod book;
mod burst;
pub mod check;
mod comparing;
mod day;
mod dice;
pub mod dose;
mod doses;
mod faults;
mod flow;
mod hunting;
mod ledger;
mod person;
pub mod plan;
mod push;
mod script;
mod shrink;
mod site;
mod source;
mod story;
mod systems;
mod target;
pub mod theme;

pub use book::Ends;
pub use dice::Dice;
pub use hunting::{Bag, Hunt, hunt};
pub use shrink::{Shortest, shortest};
pub use story::{Outcome, Telling, tell};

use std::sync::{Mutex, MutexGuard, PoisonError};

fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
