//! The account of a reconciliation.

use serde::{Deserialize, Serialize};
use tidegate_model::{FlowId, RunId, UnixMs};
use tidegate_policy::{
    keys,
    reconcile::{Findings, Note, ReconcileRequest},
};

use crate::{Engine, EngineError, RunEnd};

/// The account of a reconciliation, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReconcileReport {
    /// The reconciliation, when one was begun.
    pub run: Option<RunId>,
    /// Its scheduled time.
    pub window: Option<UnixMs>,
    /// When it first started.
    pub started: UnixMs,
    /// When this part of it ended.
    pub ended_at: UnixMs,
    /// How.
    #[serde(flatten)]
    pub end: RunEnd,
    /// Pages of the source over all parts and passes.
    pub pages: u64,
    /// Rows of the source.
    pub rows: u64,
    /// Keys compared, and how each ended.
    pub findings: Findings,
    /// What was found, by name; at most [`tidegate_policy::reconcile::MAX_NOTES`].
    pub notes: Vec<Note>,
    /// Keys queued.
    pub queued: u64,
    /// Why the target was not compared, if it was not or only in part.
    pub not_compared: Option<String>,
}

impl ReconcileReport {
    /// Findings that are counted and not named.
    pub fn unnamed(&self) -> u64 {
        let named = u64::try_from(self.notes.len()).unwrap_or(u64::MAX);
        self.findings.found().saturating_sub(named)
    }

    /// The account in one line: `120 compared: 119 equal, 1 edited at target`.
    pub fn summary(&self) -> String {
        let how = match &self.end {
            RunEnd::Complete => String::new(),
            end => format!(" ({})", end.words()),
        };
        let target = match &self.not_compared {
            None => String::new(),
            Some(why) => format!("; the target was not compared: {why}"),
        };
        format!("{}{how}{target}", self.findings.summary())
    }
}

impl RunEnd {
    /// How a reconciliation ended, for a person.
    fn words(&self) -> String {
        match self {
            Self::Complete => "complete".to_owned(),
            Self::AlreadyDone => "done before".to_owned(),
            Self::Busy { .. } => "another is under way".to_owned(),
            Self::Continues => "goes on".to_owned(),
            Self::Cut => "cut".to_owned(),
            Self::Interrupted { reason } => format!("interrupted: {reason}"),
            Self::Stopped { reason } => format!("stopped: {reason}"),
            Self::LeaseLost => "another goes on with it".to_owned(),
        }
    }
}

impl Engine {
    /// The account of the newest reconciliation.
    pub async fn latest_reconcile(
        &self,
        flow: &FlowId,
    ) -> Result<Option<ReconcileReport>, EngineError> {
        self.flow(flow)?;
        Ok(self.account(&keys::latest_reconcile(flow)).await?)
    }
}

pub(super) fn not_begun(end: RunEnd, request: &ReconcileRequest, now: UnixMs) -> ReconcileReport {
    ReconcileReport {
        run: None,
        window: request.window,
        started: now,
        ended_at: now,
        end,
        pages: 0,
        rows: 0,
        findings: Findings::default(),
        notes: Vec::new(),
        queued: 0,
        not_compared: None,
    }
}
