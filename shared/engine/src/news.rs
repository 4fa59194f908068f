//! News of records: noted where it becomes true, told together at the end of a piece of work.
//!
//! It costs no write of its own, and its loss harms no record: a process that dies with notes in hand
//! takes them along, and what the bus does not take is logged.

use std::sync::PoisonError;

use tidegate_model::{FlowId, RecordKey};
use tidegate_policy::register::ReviewCause;

use crate::{Engine, Event, api::ReviewId};

impl Engine {
    /// Notes news; [`Engine::tell_noted`] publishes it.
    pub(crate) fn note(&self, event: Event) {
        let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
        noted.push(event);
    }

    /// Notes that a record has come to review. A field is named only where the flow names it: what
    /// another system calls a field may be anything.
    pub(crate) fn note_review(&self, flow: &FlowId, key: &RecordKey, cause: &ReviewCause) {
        let fields = self.flow(flow).map(|runtime| &runtime.flow.file().fields);
        let known = |name: &&String| fields.is_ok_and(|fields| fields.contains_key(*name));
        self.note(Event::RecordInReview {
            flow: flow.clone(),
            review: ReviewId::Record(flow.clone(), key.clone()).to_string(),
            key: Some(key.clone()),
            kind: cause.kind,
            field: cause.field.as_ref().filter(known).cloned(),
            at_ms: cause.since,
        });
    }

    /// Publishes what was noted.
    pub(crate) async fn tell_noted(&self) {
        let noted = {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut *noted)
        };
        if noted.is_empty() {
            return;
        }
        if let Err(error) = self.ports.events.emit_all(&noted).await {
            tracing::warn!(events = noted.len(), error = %crate::chain(&error), "news was not published, or not all of it");
        }
    }
}
