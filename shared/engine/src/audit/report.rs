//! The account of an audit.

use serde::{Deserialize, Serialize};
use tidegate_model::{FlowId, RunId, UnixMs};
use tidegate_policy::{
    audit::{AuditRequest, Counts, Note, Standing, Tally},
    keys,
    reconcile::Findings,
};

use crate::{Engine, EngineError, ReconcileReport, RunEnd};

/// The account of an audit, as it is stored and shown. No field values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AuditReport {
    /// The audit, when one was begun.
    pub run: Option<RunId>,
    /// The window that it follows.
    pub window: Option<UnixMs>,
    /// When it first started.
    pub started: UnixMs,
    /// When this part of it ended.
    pub ended_at: UnixMs,
    /// How.
    #[serde(flatten)]
    pub end: RunEnd,
    /// How many records, and how each ended.
    pub counts: Counts,
    /// Findings a field and a rule.
    pub tallies: Vec<Tally>,
    /// The first of them by name; at most [`tidegate_policy::audit::MAX_NOTES`].
    pub notes: Vec<Note>,
    /// What the target does not hold yet.
    pub standing: Standing,
    /// What the newest comparison with source and target found, if there was one.
    pub compared: Option<Compared>,
    /// Values that should be unique and were too many to be compared.
    pub not_compared: u64,
    /// Findings that were put to a person.
    pub reviews: u64,
    /// Findings that were to be put to a person and are too many.
    pub not_reviewed: u64,
}

/// What a comparison found.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Compared {
    /// When it ended.
    pub at: UnixMs,
    /// How many keys, and how each ended.
    pub findings: Findings,
}

impl From<ReconcileReport> for Compared {
    fn from(report: ReconcileReport) -> Self {
        Self {
            at: report.ended_at,
            findings: report.findings,
        }
    }
}

impl AuditReport {
    /// Findings that are counted and not named.
    pub fn unnamed(&self) -> u64 {
        let named = u64::try_from(self.notes.len()).unwrap_or(u64::MAX);
        self.counts.found().saturating_sub(named)
    }

    /// The account in one line: `120 audited: 118 clean, 2 with findings (2 email missing)`.
    pub fn summary(&self) -> String {
        let terms = self.tallies.iter().map(|tally| {
            let Tally { kind, name, count } = tally;
            format!("{count} {name} {}", kind.as_str())
        });
        let terms: Vec<String> = terms.collect();
        let found = match terms.as_slice() {
            [] => String::new(),
            terms => format!(" ({})", terms.join(", ")),
        };
        let left_out = match self.not_compared {
            0 => String::new(),
            count => format!("; {count} values were too many to be compared"),
        };
        format!("{}{found}{left_out}", self.counts)
    }
}

impl Engine {
    /// The account of the newest audit.
    pub async fn latest_audit(&self, flow: &FlowId) -> Result<Option<AuditReport>, EngineError> {
        self.flow(flow)?;
        Ok(self.account(&keys::latest_audit(flow)).await?)
    }
}

pub(super) fn not_begun(end: RunEnd, request: &AuditRequest, now: UnixMs) -> AuditReport {
    AuditReport {
        run: None,
        window: request.window,
        started: now,
        ended_at: now,
        end,
        counts: Counts::default(),
        tallies: Vec::new(),
        notes: Vec::new(),
        standing: Standing::default(),
        compared: None,
        not_compared: 0,
        reviews: 0,
        not_reviewed: 0,
    }
}
