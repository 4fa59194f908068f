//! What people ask and tell: health, records, force sync, runs, pause, reviews.
//!
//! READ-1: nothing here calls another system. Reads come from the table; what changes the world is
//! queued.

mod access;
mod control;
mod forget;
mod health;
mod records;
mod reviews;

pub use access::{Access, MASK};
pub use control::{Accepted, PauseRequest};
pub use forget::{ForgetError, Forgotten};
pub use health::{BreakerHealth, BudgetHealth, FlowHealth, FreshnessHealth, WindowHealth};
pub use records::{RecordPage, RecordView};
pub use reviews::{
    DryRun, EditRequest, FaultView, PlannedRequest, ReviewEntry, ReviewError, ReviewId, ReviewPage,
    waiting_since,
};
