//! What needs a person and has no register: a row that is no record, a message that nobody can
//! read, a record that could not be fetched. It stands among the reviews, under the same name when
//! it comes again.

use serde_json::Value;
use tidegate_model::{
    Content, FlowId, RecordKey, UnixMs,
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

/// Says that a person decided about it.
const DISCARDED: &str = "discarded";
/// When the audit began that found it last.
pub(crate) const SEEN_BY_AUDIT: &str = "audit";
/// The record that an audit found something in.
pub(crate) const KEY: &str = "key";
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
        let cause = (kind, reason);
        self.keep(flow, name, cause, body, Condition::ALWAYS).await
    }

    /// Keeps a row that is no record. One that a person has discarded stays so, since each lookback
    /// reads it again, unless a person asked for it.
    pub(crate) async fn keep_row(
        &self,
        flow: &FlowId,
        row: &Value,
        reason: String,
        is_asked_for: bool,
    ) -> Result<(), StoreError> {
        let cause = (ReviewKind::Rejected, reason);
        let undecided = if is_asked_for {
            Condition::ALWAYS
        } else {
            Condition::Absent(DISCARDED.to_owned())
        };
        let (name, body) = (name_of(row), row.to_string());
        self.keep(flow, &name, cause, &body, undecided).await
    }

    async fn keep(
        &self,
        flow: &FlowId,
        name: &str,
        cause: (ReviewKind, String),
        body: &str,
        condition: Condition,
    ) -> Result<(), StoreError> {
        let body: String = body.chars().take(MAX_KEPT).collect();
        let write = Update::when(condition).set("body", body);
        self.show(flow, name, None, cause, write).await?;
        Ok(())
    }

    /// Keeps what an audit that `began` then found in a record. One that a person has discarded stays so
    /// until an audit no longer finds it.
    pub(crate) async fn keep_audited(
        &self,
        flow: &FlowId,
        name: &str,
        key: &RecordKey,
        reason: String,
        began: UnixMs,
    ) -> Result<(), StoreError> {
        let seen = |write: Update| write.set(SEEN_BY_AUDIT, began.0);
        let undecided = Condition::Absent(DISCARDED.to_owned());
        let write = seen(Update::when(undecided)).set(KEY, key.as_str());
        let cause = (ReviewKind::Audit, reason);
        let shown = self.show(flow, name, Some(key), cause, write).await?;
        if let Written::Refused { .. } = shown {
            let write = seen(Update::when(Condition::Exists(DISCARDED)));
            self.write(&keys::orphan(flow, name), &write).await?;
        }
        Ok(())
    }

    /// Puts it among the reviews by this write.
    async fn show(
        &self,
        flow: &FlowId,
        name: &str,
        key: Option<&RecordKey>,
        (kind, reason): (ReviewKind, String),
        write: Update,
    ) -> Result<Written, StoreError> {
        let now = self.now();
        let cause = ReviewCause {
            kind,
            field: None,
            reason,
            since: now,
        };
        let write = write
            .set("rv", serde_json::to_string(&cause).unwrap_or_default())
            .set("rvf", flow.as_str())
            .change("rva", Change::Default(now.0.into()));
        let written = self.write(&keys::orphan(flow, name), &write).await?;
        // One that comes again is told of already.
        let is_new = match &written {
            Written::Done { before, .. } => {
                before.as_ref().is_none_or(|item| !item.contains_key("rv"))
            }
            Written::Refused { .. } => false,
        };
        if is_new {
            self.note(Event::RecordInReview {
                flow: flow.clone(),
                review: ReviewId::Orphan(flow.clone(), name.to_owned()).to_string(),
                key: key.cloned(),
                kind,
                field: None,
                at_ms: now,
            });
        }
        Ok(written)
    }
}

/// A person decides that nothing is to be done about it.
pub(crate) fn discard() -> Update {
    Update::when(Condition::Exists("rv"))
        .set(DISCARDED, 1)
        .remove(&["rv", "rvf", "rva", "body"])
}

/// It is no more, nor what a person decided about it.
pub(crate) fn forget(condition: Condition) -> Update {
    Update::when(condition).remove(&["rv", "rvf", "rva", SEEN_BY_AUDIT, KEY, DISCARDED])
}

/// Names a row by its content.
fn name_of(row: &Value) -> String {
    Content::Record(std::iter::once(("row".to_owned(), row.clone())).collect())
        .hash()
        .0
}
