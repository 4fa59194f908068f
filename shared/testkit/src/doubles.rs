//! Doubles of other systems: small servers on loopback that stand in for an ERP, for Qualio, for a
//! service that upserts, for a login, for the orders of Shopify and of Amazon, for the accounts of
//! Dataverse, and for the reviews of Trustpilot and of Webwinkelkeur.
//!
//! Why: tests and the demo need another side that behaves as the true one does, that can be
//! told to fail at an exact point of an exact call, and that remembers every call it got.
//!
//! How: a double is a [`System`] (what it knows and how it answers) inside a [`Double`] (the
//! server, the log of calls, the faults). Each is driven in two ways that do the same: by its
//! handle in the same process, and over HTTP under `/_double/` from another process.
//!
//! Invariants:
//! - A double never reads the clock of the machine; it asks the [`Clock`] it was given.
//! - A call that was received runs to its end even if its client goes away, as at a real
//!   server: a time-out at the client does not mean that nothing happened.
//! - Every call is in the log, refused ones too; calls under `/_double/` are not.

pub mod amazon;
pub mod authority;
mod bucket;
mod call_log;
mod control;
pub mod dataverse;
mod double;
pub mod erp;
mod exchange;
mod fault;
mod fault_script;
mod form;
mod gate;
mod goods;
mod ledger;
mod limit;
pub mod members;
mod opinions;
pub mod qualio;
mod seed;
mod serve;
mod shop;
mod shop_config;
pub mod shopify;
mod standing;
#[cfg(test)]
mod tests;
pub mod trustpilot;
pub mod webwinkelkeur;

use std::sync::Arc;

pub use bucket::Quota;
pub use call_log::{Call, Ended, busiest_window};
pub use double::Double;
pub use exchange::{Acted, Incoming, Reply, Subject, System};
pub use fault::{Action, Answer, CallFacts, Callback, Fault, FaultError, Point};
pub use fault_script::Fired;
pub use gate::Gate;
pub use limit::Limit;
pub use seed::Seed;
pub use shop_config::ShopConfig;
pub use standing::stand_in_qualio;

/// Gives the time in milliseconds since the Unix epoch.
///
/// Passed in, so that a test's manual clock and the demo's true clock are one case.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// Whether faults set over HTTP may kill a process.
///
/// The handle may always. Over HTTP it is off unless a test asks for it, since the demo's
/// doubles listen on loopback, where any local program can reach them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KillsOverHttp {
    /// A fault that kills is refused with 403.
    Refused,
    /// A fault that kills is accepted.
    Allowed,
}

/// The outcome of locking a mutex, whether or not a test thread panicked while it held it: one
/// failed assertion must not turn every later call into a second failure.
pub(crate) fn locked<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
