//! What needs a person and has no register: a row that is no record, a message that nobody can
//! read, a record that could not be fetched. It stands among the reviews, under the same name when
//! it comes again.

use tidegate_model::{
    FlowId,
    item::{Change, Condition, Update},
};
use tidegate_policy::{
    keys,
    register::{ReviewCause, ReviewKind},
};

use crate::{
    Engine, Event,
    api::ReviewId,
    ports::{StoreError, Written},
};

/// Largest text that is kept, in characters.
const MAX_KEPT: usize = 10_240;

impl Engine {
    /// Keeps it for a person. `name` tells it from others of the flow.
    pub(crate) async fn keep_orphan(
        &self,
        flow: &FlowId,
        name: &str,
        kind: ReviewKind,
        reason: String,
        body: &str,
    ) -> Result<(), StoreError> {
        let now = self.now();
        let cause = ReviewCause {
            kind,
            field: None,
            reason,
            since: now,
        };
        let body: String = body.chars().take(MAX_KEPT).collect();
        let write = Update::when(Condition::ALWAYS)
            .set("rv", serde_json::to_string(&cause).unwrap_or_default())
            .set("rvf", flow.as_str())
            .change("rva", Change::Default(now.0.into()))
            .set("body", body);
        let written = self.write(&keys::orphan(flow, name), &write).await?;
        // One that comes again is told of already.
        if matches!(written, Written::Done { before: None, .. }) {
            self.note(Event::RecordInReview {
                flow: flow.clone(),
                review: ReviewId::Orphan(flow.clone(), name.to_owned()).to_string(),
                key: None,
                kind,
                field: None,
                at_ms: now,
            });
        }
        Ok(())
    }
}
