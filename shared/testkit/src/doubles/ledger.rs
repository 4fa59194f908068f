//! The orders of a shop, or the reviews at a source of them: as many as a test likes, in memory that
//! does not grow with their number. What is said of orders holds of reviews.
//!
//! Most orders are never touched. What such a one is follows from its number, so it is computed when
//! somebody asks; only what a test has changed, added or removed is held.
//!
//! Invariants:
//! - Times of untouched orders never fall as their numbers grow, so that a place in a listing is found
//!   by halving. Several share a second: a cursor of time alone loses or repeats some.
//! - A listing has one order: time, then number. A changed order stands where its new time puts it.

mod page;
#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Map, Value};

pub(super) use page::{Ask, Axis, Direction, Key, Page};

use super::Seed;

/// Untouched orders lie in so many seconds before the start: 50 days, within the 60 that Shopify shows
/// to whoever has no wider leave.
const SPAN_S: i64 = 50 * 24 * 3_600;
/// From its creation to its last change, an untouched order takes so long.
const SETTLES_S: i64 = 3_600;
/// The newest untouched order was changed so long before the start.
const QUIET_S: i64 = 3_600;
/// Of so many orders in a row, the last shares the second of the one before it.
const TIE_EVERY: u64 = 4;

/// When an order came and when it last changed, in seconds since the epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) created_s: i64,
    pub(super) updated_s: i64,
}

impl Times {
    /// Those of an order that comes at `now_ms`.
    pub(super) const fn at(now_ms: i64) -> Self {
        let second = now_ms.div_euclid(1_000);
        Self {
            created_s: second,
            updated_s: second,
        }
    }
}

/// What a test made of an order.
#[derive(Debug)]
struct Held {
    times: Times,
    /// Nothing once it was removed.
    body: Option<Map<String, Value>>,
}

/// All orders of a shop.
#[derive(Debug)]
pub(super) struct Ledger {
    seed: u64,
    /// Orders that follow from their numbers, from 1.
    count: u64,
    start_s: i64,
    last: u64,
    held: BTreeMap<u64, Held>,
    /// Where the held ones that still stand are listed, by axis.
    created: BTreeSet<Key>,
    updated: BTreeSet<Key>,
}

impl Ledger {
    /// `count` orders in the 50 days before `start_ms`.
    pub(super) const fn new(seed: u64, count: u64, start_ms: i64) -> Self {
        Self {
            seed,
            count,
            start_s: start_ms.div_euclid(1_000),
            last: count,
            held: BTreeMap::new(),
            created: BTreeSet::new(),
            updated: BTreeSet::new(),
        }
    }

    /// The choices from which the order of this number is made, the same each time.
    pub(super) fn choices(&self, number: u64) -> Seed {
        let mut seed = Seed::new(self.seed ^ number.rotate_left(32));
        seed.next_u64();
        seed
    }

    /// The number of the newest order, removed ones too.
    pub(super) const fn last(&self) -> u64 {
        self.last
    }

    /// When an order came and changed; nothing when there is none.
    pub(super) fn times(&self, number: u64) -> Option<Times> {
        match self.held.get(&number) {
            Some(held) => held.body.as_ref().map(|_| held.times),
            None => (1..=self.count)
                .contains(&number)
                .then(|| self.untouched(number)),
        }
    }

    /// What a test made of an order; nothing while it is untouched or when there is none.
    pub(super) fn body(&self, number: u64) -> Option<&Map<String, Value>> {
        self.held.get(&number)?.body.as_ref()
    }

    /// Holds this of an order, a new one too.
    pub(super) fn put(&mut self, number: u64, times: Times, body: Map<String, Value>) {
        self.hold(number, times, Some(body));
        self.created.insert(Key::new(times.created_s, number));
        self.updated.insert(Key::new(times.updated_s, number));
    }

    /// Removes an order; says whether there was one.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let times = self.times(number);
        times.map(|times| self.hold(number, times, None)).is_some()
    }

    fn hold(&mut self, number: u64, times: Times, body: Option<Map<String, Value>>) {
        self.last = self.last.max(number);
        if let Some(old) = self.held.insert(number, Held { times, body }) {
            self.created.remove(&Key::new(old.times.created_s, number));
            self.updated.remove(&Key::new(old.times.updated_s, number));
        }
    }

    /// Times of an order that nobody has touched.
    fn untouched(&self, number: u64) -> Times {
        let place = if number.is_multiple_of(TIE_EVERY) {
            number - 1
        } else {
            number
        };
        let place = i128::from(place) * i128::from(SPAN_S) / i128::from(self.count.max(1));
        let back = i64::try_from(place).unwrap_or(SPAN_S);
        let updated_s = self.start_s - QUIET_S - SPAN_S + back;
        Times {
            created_s: updated_s - SETTLES_S,
            updated_s,
        }
    }
}

/// To which whole second a time goes that lies between two.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Round {
    /// Of an earliest time: nothing before it is listed.
    Up,
    /// Of a latest time: nothing after it is listed.
    Down,
}

/// A time as a caller writes it, in seconds since the epoch; nothing when it has no offset or is none.
pub(super) fn whole_second(text: &str, round: Round) -> Option<i64> {
    let at: Timestamp = text.parse().ok()?;
    let second = at.as_millisecond().div_euclid(1_000);
    let is_between = at.as_nanosecond().rem_euclid(1_000_000_000) != 0;
    Some(second + i64::from(is_between && round == Round::Up))
}
