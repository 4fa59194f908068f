//! Events that start a run, and what the lease remembers of them.
//!
//! An event is known by its id: a repeated delivery is the same run. One that finds another run under
//! way, or the flow stopped, waits in the lease until the tick starts a run for it; a run that begins
//! after it came covers it, whoever asked for that run.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use tidegate_model::{
    EventId, UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};

use super::{Lease, Progress, json};

const EVENTS: &str = "events";
const WAITING: &str = "waiting";
/// Events that a lease remembers. EventBridge repeats a delivery within seconds; one that comes after
/// so many others starts a run in which nothing is new.
const REMEMBERED: usize = 8;
/// Bytes of the SHA-256 of an event's id that are kept: every advance pays for the whole item.
const MARK_BYTES: usize = 6;

/// An event that asks for a run.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trigger {
    /// Its id.
    pub id: EventId,
    /// When it was sent, as it says itself.
    pub at: UnixMs,
}

/// What a lease remembers of events.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Triggers {
    /// Marks of the newest events for which a run began, oldest first.
    marks: Vec<String>,
    waiting: Option<Trigger>,
}

impl Triggers {
    pub(super) fn read(item: &Item) -> Self {
        let text = |name: &str| item.get(name).and_then(Value::as_text);
        Self {
            marks: text(EVENTS)
                .unwrap_or_default()
                .split_whitespace()
                .map(str::to_owned)
                .collect(),
            waiting: text(WAITING).and_then(|text| serde_json::from_str(text).ok()),
        }
    }

    /// Whether a run began for this event.
    pub fn has_begun(&self, event: &EventId) -> bool {
        self.marks.contains(&mark(event))
    }

    /// An event that no run covers yet.
    pub fn waiting(&self) -> Option<&Trigger> {
        let waiting = self.waiting.as_ref();
        waiting.filter(|trigger| !self.has_begun(&trigger.id))
    }

    /// The write of a lease's taking. A new run covers what waits and what asks for it; one that goes
    /// on began before, so what asks waits until it has ended.
    pub(super) fn taken(
        seen: &Lease,
        progress: &Progress,
        asked: Option<&Trigger>,
        write: Update,
    ) -> Update {
        let known = &seen.triggers;
        let goes_on = seen
            .progress
            .as_ref()
            .is_some_and(|old| old.run == progress.run);
        if goes_on {
            return match asked.filter(|trigger| !known.has_begun(&trigger.id)) {
                Some(trigger) => write.set(WAITING, json(trigger)),
                None => write,
            };
        }
        let mut marks = known.marks.clone();
        marks.extend(
            [known.waiting(), asked]
                .into_iter()
                .flatten()
                .map(|trigger| mark(&trigger.id)),
        );
        marks.dedup();
        if marks == known.marks {
            return write;
        }
        let surplus = marks.len().saturating_sub(REMEMBERED);
        let kept = marks.get(surplus..).unwrap_or(&marks).join(" ");
        write.set(EVENTS, kept).change(WAITING, Change::Remove)
    }
}

/// `run lease`: an event that can not be followed now waits. Touches neither lease nor checkpoint.
/// Refused if a run has begun for an event since the lease was `seen`: it may have been this one, and
/// what waits for a run must not make way for what had one.
pub fn let_wait(seen: &Triggers, trigger: &Trigger) -> Update {
    let begun = if seen.marks.is_empty() {
        Condition::Absent(EVENTS.to_owned())
    } else {
        Condition::is(EVENTS, Op::Eq, seen.marks.join(" "))
    };
    Update::when(begun).set(WAITING, json(trigger))
}

fn mark(event: &EventId) -> String {
    let digest = Sha256::digest(event.as_str().as_bytes());
    hex::encode(digest.get(..MARK_BYTES).unwrap_or(&digest))
}
