//! The register: one stored item per record, and every write that may change it.
//!
//! The writes are those of the register protocol, as data
//! ([`Update`](tidegate_model::item::Update)). Nothing else in Tidegate changes a register.
//!
//! Invariants held here: REG-1 (the desired version only grows), EFF-1 (a claim
//! is taken over only after its end, a commit of a lost claim changes nothing), EFF-2 (the claim of
//! a record without target id stores the search value), TRY-1 (attempts change only in the write
//! that records a call's failure).
//!
//! Every write comes back with the item as it was before, so nothing is read separately to learn
//! who won.

#[cfg(test)]
mod tests;
mod view;
mod writes;

pub use view::{
    Applied, AttemptNote, Claim, CorruptRegister, Desired, Loaded, Override, Register, ReviewCause,
    ReviewKind, State,
};
pub use writes::{
    Committed, Equal, FORGOTTEN, Failure, Outcome, Stage, adopt, claim, commit, commit_part,
    dead_letter, discard, edit, erase, fail, forget, gone_to_review, move_version, release, reopen,
    reopen_deleted, reopen_missing, replay, rewrite_intent, set_tier, stage, stage_again,
    stage_applied, to_review, why_not_erasable,
};

use std::time::Duration;

/// S: the largest difference between the clocks of two workers. AWS keeps instance clocks within
/// milliseconds; 250 ms is what FACTS grant a worker.
pub const CLOCK_SKEW: Duration = Duration::from_millis(250);

/// Attribute names: short, since every update of an item pays for the whole item.
pub(crate) mod attr {
    pub const DESIRED_VERSION: &str = "dv";
    pub const DESIRED_HASH: &str = "dh";
    pub const DESIRED_CONTENT: &str = "df";
    pub const STAGED_BY: &str = "sid";
    pub const APPLIED_VERSION: &str = "av";
    pub const APPLIED_HASH: &str = "ah";
    pub const APPLIED_AT: &str = "at";
    pub const DIRTY_SINCE: &str = "du";
    /// When the oldest change came that no claim has taken up.
    pub const PENDING_SINCE: &str = "ps";
    /// The same of those that claims have taken up and none has applied.
    pub const CLAIMED_PENDING_SINCE: &str = "pc";
    /// When the real-time tier first had work of it, since it was last clean.
    pub const URGENT_SINCE: &str = "us";
    pub const CLAIM_OWNER: &str = "co";
    pub const CLAIM_UNTIL: &str = "cu";
    pub const UNKNOWN_SINCE_CLAIM: &str = "un";
    pub const QUIET_UNTIL: &str = "uq";
    pub const INTENT: &str = "iv";
    pub const SEARCH_VALUE: &str = "sv";
    pub const ATTEMPTS: &str = "att";
    pub const ATTEMPTS_EPOCH: &str = "ae";
    pub const NEXT_ATTEMPT: &str = "nt";
    pub const TARGET_ID: &str = "tid";
    pub const ETAG: &str = "etag";
    pub const REVIEW: &str = "rv";
    /// Partition of the sparse index of what is in review: the flow.
    pub const REVIEW_FLOW: &str = "rvf";
    /// Sort key of that index: since when.
    pub const REVIEW_SINCE: &str = "rva";
    pub const TIER: &str = "ti";
    pub const TIER_REASON: &str = "tr";
    pub const DUE: &str = "due";
    pub const HISTORY: &str = "hi";
    pub const OVERRIDE: &str = "ov";
    /// The line that was last put into a file for the warehouse: its version, and in short what it says.
    pub const LOADED_LINE: &str = "ll";
    pub const LOADED_AT: &str = "la";
}
