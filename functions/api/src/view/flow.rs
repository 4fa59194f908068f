//! A flow's health.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_engine::{
    AuditReport, Gauges, ReconcileReport, RunEnd, RunReport,
    api::{BreakerHealth, BudgetHealth, FlowHealth, FreshnessHealth},
};
use tidegate_model::{FlowId, RunId, UnixMs};
use tidegate_policy::{
    flow_state::{Blocker, FlowState, Pause, Paused, Side},
    reconcile::{Findings, Kind},
    run::Counts,
};

use super::{AuditView, moment::Moment};

/// `GET /v1/flows`, one flow.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct FlowView {
    flow: String,
    revision: u32,
    file_hash: String,
    last_run: Option<RunView>,
    last_reconcile: Option<ReconcileView>,
    last_audit: Option<AuditView>,
    running: Option<String>,
    windows: WindowView,
    budgets: Vec<BudgetHealth>,
    breakers: Vec<BreakerView>,
    backlog: BacklogView,
    freshness: FreshnessHealth,
    paused: Option<PausedView>,
    blocker: Option<BlockerView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct RunView {
    run: Option<RunId>,
    window: Option<Moment>,
    started: Moment,
    ended_at: Moment,
    ended: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<Moment>,
    pages: u64,
    counts: Counts,
}

/// `GET /v1/flows/{flow}/reconcile`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReconcileView {
    run: Option<RunId>,
    window: Option<Moment>,
    started: Moment,
    ended_at: Moment,
    ended: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
    /// The counts in words.
    summary: String,
    pages: u64,
    rows: u64,
    findings: Findings,
    queued: u64,
    not_compared: Option<String>,
    /// What was found, by name: what needs a person before what was healed.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<Vec<NoteView>>,
    /// Findings that are counted and not among the notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<u64>,
    /// Findings that only a person can put right.
    needing_person: u64,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
struct NoteView {
    key: String,
    kind: Kind,
    why: &'static str,
}

#[derive(Debug, Serialize, JsonSchema)]
struct WindowView {
    next: Option<Moment>,
    next_local: Option<String>,
    worst_staleness_s: u64,
    worst_between: [String; 2],
}

#[derive(Debug, Serialize, JsonSchema)]
struct BreakerView {
    endpoint: String,
    state: &'static str,
    until: Option<Moment>,
    open_since: Option<Moment>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BacklogView {
    counted_at: Option<Moment>,
    records: u64,
    applied: u64,
    pending_real_time: u64,
    pending_batch: u64,
    in_review: u64,
    discarded: u64,
    oldest_real_time: Option<Moment>,
    oldest_batch: Option<Moment>,
    swept: u64,
}

/// What is paused, side by side.
#[derive(Debug, Serialize, JsonSchema)]
struct PausedView {
    source: Option<PauseView>,
    target: Option<PauseView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct PauseView {
    reason: String,
    by: String,
    since: Moment,
}

#[derive(Debug, Serialize, JsonSchema)]
struct BlockerView {
    side: Side,
    reason: String,
    since: Moment,
}

/// What stops a flow: the answer to pause and resume.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct StopView {
    flow: FlowId,
    paused: Option<PausedView>,
    blocker: Option<BlockerView>,
    /// The blocker's cause is being checked again by the next call.
    checking: bool,
}

impl StopView {
    pub(crate) fn new(flow: FlowId, state: FlowState) -> Self {
        Self {
            flow,
            paused: PausedView::of(state.paused),
            blocker: state.blocker.map(BlockerView::from),
            checking: state.checking,
        }
    }
}

impl FlowView {
    pub(crate) fn new(
        health: FlowHealth,
        reconciled: Option<ReconcileReport>,
        audited: Option<AuditReport>,
    ) -> Self {
        Self {
            flow: health.flow,
            revision: health.revision,
            file_hash: health.file_hash,
            last_run: health.last_run.map(RunView::from),
            last_reconcile: reconciled.map(|report| ReconcileView {
                // One by one they stand at their own path.
                notes: None,
                unnamed: None,
                ..ReconcileView::from(report)
            }),
            last_audit: audited.map(|report| AuditView::from(report).without_notes()),
            running: health.running,
            windows: WindowView {
                next: health.windows.next_ms.map(Moment),
                next_local: health.windows.next_local,
                worst_staleness_s: health.windows.worst_staleness_s,
                worst_between: health.windows.worst_between,
            },
            budgets: health.budgets,
            breakers: health.breakers.into_iter().map(BreakerView::from).collect(),
            backlog: BacklogView::from(health.backlog),
            freshness: health.freshness,
            paused: PausedView::of(health.paused),
            blocker: health.blocker.map(BlockerView::from),
        }
    }
}

/// How a run, a reconciliation or an audit ended: in a word, why, and until when to wait.
pub(super) fn ended(end: RunEnd) -> (&'static str, Option<String>, Option<Moment>) {
    match end {
        RunEnd::Complete => ("complete", None, None),
        RunEnd::AlreadyDone => ("already_done", None, None),
        RunEnd::Busy { until } => ("busy", None, Some(Moment(until))),
        RunEnd::Continues => ("continues", None, None),
        RunEnd::Cut => ("cut", None, None),
        RunEnd::Interrupted { reason } => ("interrupted", Some(reason), None),
        RunEnd::Stopped { reason } => ("stopped", Some(reason), None),
        RunEnd::LeaseLost => ("lease_lost", None, None),
    }
}

impl From<ReconcileReport> for ReconcileView {
    fn from(report: ReconcileReport) -> Self {
        let (summary, unnamed) = (report.summary(), report.unnamed());
        let (ended, reason, _) = ended(report.end);
        let notes = report.notes.into_iter().map(|note| NoteView {
            key: note.key,
            kind: note.kind,
            why: note.kind.why(),
        });
        Self {
            run: report.run,
            window: report.window.map(Moment),
            started: Moment(report.started),
            ended_at: Moment(report.ended_at),
            ended,
            reason,
            summary,
            pages: report.pages,
            rows: report.rows,
            findings: report.findings,
            needing_person: report.findings.needing_person(),
            queued: report.queued,
            not_compared: report.not_compared,
            notes: Some(notes.collect()),
            unnamed: Some(unnamed),
        }
    }
}

impl From<RunReport> for RunView {
    fn from(report: RunReport) -> Self {
        let (ended, reason, until) = ended(report.end);
        Self {
            run: report.run,
            window: report.window.map(Moment),
            started: Moment(report.started),
            ended_at: Moment(report.ended_at),
            ended,
            reason,
            until,
            pages: report.pages,
            counts: report.counts,
        }
    }
}

impl From<BreakerHealth> for BreakerView {
    fn from(breaker: BreakerHealth) -> Self {
        Self {
            endpoint: breaker.endpoint,
            state: breaker.state,
            until: breaker.until_ms.map(Moment),
            open_since: breaker.open_since_ms.map(Moment),
        }
    }
}

impl From<Gauges> for BacklogView {
    fn from(gauges: Gauges) -> Self {
        let moment = |ms: i64| Moment(UnixMs(ms));
        Self {
            // Zero stands for "never".
            counted_at: Some(gauges.at_ms).filter(|ms| *ms > 0).map(moment),
            records: gauges.records,
            applied: gauges.applied,
            pending_real_time: gauges.pending_real_time,
            pending_batch: gauges.pending_batch,
            in_review: gauges.in_review,
            discarded: gauges.discarded,
            oldest_real_time: gauges.oldest_real_time_ms.map(moment),
            oldest_batch: gauges.oldest_batch_ms.map(moment),
            swept: gauges.swept,
        }
    }
}

impl PausedView {
    /// None when nothing is.
    fn of(paused: Paused) -> Option<Self> {
        let [source, target] = [paused.source, paused.target].map(|side| side.map(PauseView::from));
        (source.is_some() || target.is_some()).then_some(Self { source, target })
    }
}

impl From<Pause> for PauseView {
    fn from(pause: Pause) -> Self {
        Self {
            reason: pause.reason,
            by: pause.by,
            since: Moment(pause.since),
        }
    }
}

impl From<Blocker> for BlockerView {
    fn from(blocker: Blocker) -> Self {
        Self {
            side: blocker.side,
            reason: blocker.reason,
            since: Moment(blocker.since),
        }
    }
}
