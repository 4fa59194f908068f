//! Turns: who waits for calls under a limit comes back about when they can leave (LIM-4).
//!
//! Two counters stand beside the slots. `queued` counts the calls that were ever promised to work
//! that waits, `served` those that it has made or no longer needs. A [`Turn`] is what `queued` was
//! before: `turn.at - served` calls are ahead of it, so the moment of its turn is told anew from the
//! slots each time it is asked for, whatever went faster or slower than was thought. Work takes only
//! what those ahead of it leave, or what lies idle: there the queue is late or its messages are gone.

use std::time::Duration;

use rand::{Rng, RngExt};
use tidegate_model::{
    Turn, UnixMs,
    item::{Change, Condition, Item, Update, Value},
};

use super::{EARLY, Form, GUARD, Grant, HORIZON, Limit, Slots, unchanged};

const QUEUED: &str = "queued";
const SERVED: &str = "served";
/// A slot that has been free for so long lies idle: what comes to its turn is late by less.
const IDLE: Duration = Duration::from_secs(5);

/// Where work stands among those that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// Before all: it has begun, or waited for long enough.
    First,
    /// Where its turn says.
    At(Turn),
    /// It has just come: behind all that wait.
    Last,
}

/// The queue as an item counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Queue {
    queued: i64,
    served: i64,
}

impl Queue {
    pub fn read(item: Option<&Item>) -> Self {
        let number = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_number)
        };
        Self {
            queued: number(QUEUED).unwrap_or(0),
            served: number(SERVED).unwrap_or(0),
        }
    }

    /// Calls ahead of a place; below zero when it is overdue.
    fn ahead(self, place: Place) -> i64 {
        match place {
            Place::First => 0,
            Place::At(turn) => turn.at.saturating_sub(self.served),
            Place::Last => self.queued.saturating_sub(self.served),
        }
    }
}

impl Slots {
    /// Whether others come before this place.
    pub fn must_wait(&self, place: Place) -> bool {
        self.queue.ahead(place) > 0
    }

    /// Calls that the place may take now.
    pub fn open_to(&self, limit: Limit, place: Place, now: UnixMs) -> u32 {
        match u32::try_from(self.queue.ahead(place)) {
            Ok(ahead) if ahead > 0 => {
                let left = self.free_at(limit, now + HORIZON).saturating_sub(ahead);
                left.max(self.idle(limit, now))
            }
            _ => u32::MAX,
        }
    }

    /// Calls that could have left for a while and did not. Under backlog there are next to none, so
    /// where there are, work did not come to its turn: its flow was paused, or its message is gone.
    fn idle(&self, limit: Limit, now: UnixMs) -> u32 {
        self.free_at(limit, now - IDLE)
    }

    /// The same grant, counted for the place that takes it. One that overtakes the queue while half
    /// of the budget lies idle ends it: what it was promised to is gone (LIM-2).
    #[must_use]
    pub fn for_place(&self, limit: Limit, place: Place, now: UnixMs, mut grant: Grant) -> Grant {
        let calls = i64::try_from(grant.permits.len()).unwrap_or(i64::MAX);
        if self.must_wait(place) && self.idle(limit, now) * 2 >= limit.calls {
            grant.write = grant.write.set(SERVED, self.queue.queued);
        } else if let Place::At(turn) = place {
            let promised = calls.min(turn.calls.into());
            grant.write = grant.write.change(SERVED, Change::Add(promised));
        }
        grant
    }

    /// Takes a turn behind all that wait, with so many calls promised to it. Refused when another took
    /// one meanwhile.
    pub fn take_turn(&self, calls: u32) -> (Turn, Update) {
        let Queue { queued, served } = self.queue;
        let at = queued.max(served);
        let seen = Some(queued).filter(|queued| *queued != 0);
        let write =
            Update::when(unchanged(QUEUED, seen)).set(QUEUED, at.saturating_add(i64::from(calls)));
        (Turn { at, calls }, write)
    }

    /// When to come back for a turn: so long before its first slot falls free. What is overdue comes
    /// for any of as many slots as it is overdue by, or all that is would come for the same.
    pub fn comes_at(&self, limit: Limit, turn: Turn, rng: &mut impl Rng) -> UnixMs {
        let last_slot = i64::from(limit.calls) - 1;
        let ahead = match self.queue.ahead(Place::At(turn)) {
            overdue @ ..0 => rng.random_range(0..=overdue.saturating_neg().min(last_slot)),
            ahead => ahead,
        };
        self.nth_free(limit, u64::try_from(ahead).unwrap_or(0)) - EARLY
    }

    /// When the n-th call from now on can leave, if each slot is taken as soon as it falls free.
    fn nth_free(&self, limit: Limit, n: u64) -> UnixMs {
        if limit.form == Form::Bucket {
            let calls = i64::try_from(n).unwrap_or(i64::MAX).saturating_add(1);
            return self.filling(limit).free_for(calls);
        }
        let slots = u64::from(limit.calls.max(1));
        let rounds = u32::try_from(n / slots).unwrap_or(u32::MAX);
        let nth = u32::try_from(n % slots).unwrap_or(0);
        self.free_for(limit, nth + 1) + (limit.window + GUARD).saturating_mul(rounds)
    }
}

/// Gives up promised calls: what they were for is done, or waits for something else.
pub fn leave(calls: u32) -> Update {
    Update::when(Condition::Exists(QUEUED)).change(SERVED, Change::Add(calls.into()))
}

/// Forgets what is promised: the messages that it was promised to are gone.
pub fn forget_turns() -> Update {
    Update::when(Condition::Exists(QUEUED)).change(SERVED, Change::Copy(QUEUED))
}
