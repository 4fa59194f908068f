//! A review.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_engine::api::ReviewEntry;
use tidegate_model::{Fields, FlowId};

use super::{
    moment::Moment,
    record::{AttemptView, CauseView, EditView},
};

/// `GET /v1/reviews/{id}`
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ReviewView {
    id: String,
    flow: FlowId,
    key: Option<String>,
    cause: CauseView,
    /// Since when the oldest change waits that the target is without.
    pending_since: Option<Moment>,
    fields: Option<Fields>,
    edited: Option<EditView>,
    history: Vec<AttemptView>,
    body: Option<String>,
}

impl From<ReviewEntry> for ReviewView {
    fn from(entry: ReviewEntry) -> Self {
        Self {
            id: entry.id,
            flow: entry.flow,
            key: entry.key,
            cause: entry.cause.into(),
            pending_since: entry.pending_since.map(Moment),
            fields: entry.fields,
            edited: entry.edited.map(EditView::from),
            history: entry.history.into_iter().map(AttemptView::from).collect(),
            body: entry.body,
        }
    }
}
