//! Use cases of Tidegate, and the ports they own.
//!
//! The engine spawns no task, sleeps nowhere and iterates no unordered map: concurrency and time
//! come from its caller, so that one seed is one story. It plans with `policy` and acts through
//! ports; every effect on a target, whoever asked for it, goes through the one `apply`.

mod account;
pub mod api;
mod apply;
mod audit;
mod batch;
mod budget;
mod contract;
mod decide;
mod digest;
mod engine;
mod event;
mod fetch;
mod lease;
mod load;
mod measure;
mod news;
mod orphan;
pub mod ports;
mod preview;
mod reconcile;
mod secret;
mod session;
mod staging;
mod tick;
mod trigger;
mod webhook;
mod words;
mod worker;

pub use apply::Verdict;
pub use audit::{AuditReport, Compared, MOST_VALUES};
pub use batch::{RunEnd, RunReport};
pub use decide::{ANSWER_WITHIN, DecideError, Decision, Decisions, Why};
pub use digest::{Audited, DeadLetter, FlowDigest, Reconciled, digest_mail};
pub use engine::{Engine, EngineError, FlowRuntime, Ports, UnknownFlow, chain};
pub use event::{Event, FieldClass};
pub use load::{Comparison, LoadReport};
pub use preview::{Foreseen, PreviewError, PreviewRequest, Previewed};
pub use reconcile::{MOST_KEYS, ReconcileReport};
pub use secret::CachedSecrets;
pub use staging::Staged;
pub use tick::Gauges;
pub use webhook::{HookAnswer, HookError, HookOutcome, HookRequest, MAX_BODY_BYTES};
pub use worker::{Delivery, Disposition};
