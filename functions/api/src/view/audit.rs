//! `GET /v1/flows/{flow}/audit`.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_engine::{AuditReport, Compared};
use tidegate_model::RunId;
use tidegate_policy::{
    audit::{Counts, FindingKind, Note, Standing, Tally},
    reconcile::Findings,
};

use super::{flow::ended, moment::Moment};

/// What an audit found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AuditView {
    run: Option<RunId>,
    /// The window that it follows; none where a person asked for it.
    window: Option<Moment>,
    started: Moment,
    ended_at: Moment,
    ended: &'static str,
    /// The counts in words.
    summary: String,
    counts: Counts,
    /// Findings a field and a rule.
    tallies: Vec<Tally>,
    standing: StandingView,
    /// What the newest comparison of source, registers and target had found by then.
    compared: Option<ComparedView>,
    /// Values that should be unique and were too many to be compared.
    not_compared: u64,
    /// Findings that were put to a person.
    reviews: u64,
    /// Findings that were to be put to a person and are too many.
    not_reviewed: u64,
    /// The first findings by name.
    #[serde(skip_serializing_if = "Option::is_none")]
    notes: Option<Vec<NoteView>>,
    /// Findings that are counted and not among the notes.
    #[serde(skip_serializing_if = "Option::is_none")]
    unnamed: Option<u64>,
}

/// What the target does not hold yet, counted from the registers.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditStanding")]
struct StandingView {
    applied: u64,
    pending: u64,
    pending_since: Option<Moment>,
    in_review: u64,
    in_review_since: Option<Moment>,
    discarded: u64,
}

/// What a comparison found.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditCompared")]
struct ComparedView {
    at: Moment,
    summary: String,
    findings: Findings,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "AuditNote")]
struct NoteView {
    key: String,
    kind: FindingKind,
    /// The field, the rule, or the fields that are shared.
    name: String,
    why: &'static str,
}

impl AuditView {
    /// One by one they stand at their own path.
    pub(crate) fn without_notes(self) -> Self {
        Self {
            notes: None,
            unnamed: None,
            ..self
        }
    }
}

impl From<AuditReport> for AuditView {
    fn from(report: AuditReport) -> Self {
        let (summary, unnamed) = (report.summary(), report.unnamed());
        // The stored account is that of a complete one.
        let (ended, ..) = ended(report.end);
        let notes = report.notes.into_iter().map(NoteView::from).collect();
        Self {
            run: report.run,
            window: report.window.map(Moment),
            started: Moment(report.started),
            ended_at: Moment(report.ended_at),
            ended,
            summary,
            counts: report.counts,
            tallies: report.tallies,
            standing: StandingView::from(report.standing),
            compared: report.compared.map(ComparedView::from),
            not_compared: report.not_compared,
            reviews: report.reviews,
            not_reviewed: report.not_reviewed,
            notes: Some(notes),
            unnamed: Some(unnamed),
        }
    }
}

impl From<Note> for NoteView {
    fn from(note: Note) -> Self {
        Self {
            why: note.kind.why(),
            key: note.key,
            kind: note.kind,
            name: note.name,
        }
    }
}

impl From<Standing> for StandingView {
    fn from(standing: Standing) -> Self {
        Self {
            applied: standing.applied,
            pending: standing.pending,
            pending_since: standing.pending_since.map(Moment),
            in_review: standing.in_review,
            in_review_since: standing.in_review_since.map(Moment),
            discarded: standing.discarded,
        }
    }
}

impl From<Compared> for ComparedView {
    fn from(compared: Compared) -> Self {
        Self {
            at: Moment(compared.at),
            summary: compared.findings.summary(),
            findings: compared.findings,
        }
    }
}
