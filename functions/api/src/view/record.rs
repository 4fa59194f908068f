//! A record.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_engine::api;
use tidegate_model::{Fields, FlowId, RecordKey, Tier, TierReason};
use tidegate_policy::register::{AttemptNote, Override, ReviewCause, ReviewKind, State};

use super::moment::Moment;

/// `GET /v1/flows/{flow}/records/{key}`
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct RecordView {
    flow: FlowId,
    key: RecordKey,
    state: State,
    fields: Option<Fields>,
    version: String,
    last_updated: Option<Moment>,
    staleness_s: Option<u64>,
    stale: bool,
    degraded: Option<String>,
    tier: Tier,
    tier_reason: TierReason,
    pending_since: Option<Moment>,
    attempts: u32,
    next_attempt: Option<Moment>,
    history: Vec<AttemptView>,
    target_id: Option<String>,
    review: Option<CauseView>,
    edited: Option<EditView>,
}

/// One attempt.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct AttemptView {
    at: Moment,
    outcome: String,
}

/// Why a person must look.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct CauseView {
    kind: ReviewKind,
    field: Option<String>,
    reason: String,
    since: Moment,
}

/// What a person changed.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EditView {
    fields: Fields,
    by: String,
    why: String,
    at: Moment,
}

impl From<api::RecordView> for RecordView {
    fn from(record: api::RecordView) -> Self {
        Self {
            flow: record.flow,
            key: record.key,
            state: record.state,
            fields: record.fields,
            version: record.version,
            last_updated: record.last_updated.map(Moment),
            staleness_s: record.staleness_s,
            stale: record.stale,
            degraded: record.degraded,
            tier: record.tier,
            tier_reason: record.tier_reason,
            pending_since: record.pending_since.map(Moment),
            attempts: record.attempts,
            next_attempt: record.next_attempt.map(Moment),
            history: record.history.into_iter().map(AttemptView::from).collect(),
            target_id: record.target_id,
            review: record.review.map(CauseView::from),
            edited: record.edited.map(EditView::from),
        }
    }
}

impl From<AttemptNote> for AttemptView {
    fn from(note: AttemptNote) -> Self {
        Self {
            at: Moment(note.at),
            outcome: note.outcome,
        }
    }
}

impl From<ReviewCause> for CauseView {
    fn from(cause: ReviewCause) -> Self {
        Self {
            kind: cause.kind,
            field: cause.field,
            reason: cause.reason,
            since: Moment(cause.since),
        }
    }
}

impl From<Override> for EditView {
    fn from(edit: Override) -> Self {
        Self {
            fields: edit.fields,
            by: edit.by,
            why: edit.why,
            at: Moment(edit.at),
        }
    }
}
