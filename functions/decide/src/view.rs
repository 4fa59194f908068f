//! A decision as it is answered. The API's description has its form; `infra/local/tests/decide.rs` holds
//! both equal.

use jiff::Timestamp;
use serde::Serialize;
use tidegate_engine::Decision;

/// What was decided, and why. Only `yes` is a yes, and only with the status 200.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DecisionView {
    /// `yes` or `no`.
    pub decision: &'static str,
    /// `approved` with a yes; with a no `declined`, `unclear`, `no_answer_in_time`, `no_permit`,
    /// `breaker_open`, `stopped`, `refused` or `failed`.
    pub why: &'static str,
    /// When it was asked for, in RFC 3339.
    pub asked_at: String,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
}

impl From<Decision> for DecisionView {
    fn from(decision: Decision) -> Self {
        let asked_at = Timestamp::from_millisecond(decision.asked_at.0).unwrap_or_default();
        Self {
            decision: if decision.is_yes() { "yes" } else { "no" },
            why: decision.why.as_str(),
            asked_at: format!("{asked_at:.3}"),
            took_ms: u64::try_from(decision.took.as_millis()).unwrap_or(u64::MAX),
        }
    }
}
