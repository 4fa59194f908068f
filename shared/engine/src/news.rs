//! News of records: noted where it becomes true, told together at the end of a piece of work.
//!
//! It costs no write of its own, and its loss harms no record: a process that dies with notes in hand
//! takes them along, and what the bus does not take is logged.

use std::sync::{Mutex, PoisonError};

use tidegate_model::{FlowId, RecordKey};
use tidegate_policy::register::ReviewCause;

use crate::{Engine, Event, api::ReviewId};

/// News that is kept until it is told. Whatever reads pages tells after each, and the longest page has
/// 1,000 rows of one news item each; more only waits where nobody tells, and must not fill the memory.
const MAX_NOTED: usize = 1_000;

/// News that was noted and is not told yet.
#[derive(Debug, Default)]
pub(crate) struct Noted(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    events: Vec<Event>,
    /// How many there was no room for.
    dropped: usize,
}

impl Noted {
    fn push(&self, event: Event) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.events.len() < MAX_NOTED {
            kept.events.push(event);
        } else {
            kept.dropped += 1;
        }
    }

    fn take(&self) -> Kept {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Engine {
    /// Notes news; [`Engine::tell_noted`] publishes it.
    pub(crate) fn note(&self, event: Event) {
        self.measure_news(&event);
        self.noted.push(event);
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

    /// Publishes what was noted, and emits what was measured.
    pub(crate) async fn tell_noted(&self) {
        self.emit_measured();
        let Kept { events, dropped } = self.noted.take();
        if dropped > 0 {
            tracing::warn!(
                events = dropped,
                "news was dropped: too much was noted at once"
            );
        }
        if events.is_empty() {
            return;
        }
        if let Err(error) = self.ports.events.emit_all(&events).await {
            tracing::warn!(events = events.len(), error = %crate::chain(&error), "news was not published, or not all of it");
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::EndpointId;

    use super::*;

    #[test]
    fn what_is_noted_beyond_the_bound_is_counted_and_not_kept() {
        let noted = Noted::default();
        let endpoint = EndpointId::try_new("qualio").unwrap();
        for _ in 0..MAX_NOTED + 2 {
            let endpoint = endpoint.clone();
            noted.push(Event::BreakerClosed { endpoint });
        }
        let kept = noted.take();
        assert_eq!((kept.events.len(), kept.dropped), (MAX_NOTED, 2));
        let kept = noted.take();
        assert_eq!((kept.events.len(), kept.dropped), (0, 0), "it begins anew");
    }
}
