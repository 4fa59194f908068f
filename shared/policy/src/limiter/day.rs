//! The quota of a day (R32, LIM-3): one for both tiers, exact over all workers.
//!
//! The headroom stays unused. What is kept for real-time is real-time's own; the rest is the *pool*.
//! Batch work takes from the pool alone, so it can never use what is kept. Each tier counts its
//! calls in the item of its slots, in the very write that takes them: the quota costs nothing there.
//! Real-time that has used its own *borrows* from the pool a chunk at a time, with two writes:
//!
//! 1. `lend` counts the chunk as used of the pool and adds it to `lent`, in the pool's item;
//! 2. `credit` raises `lent` in real-time's item to the same figure.
//!
//! `lent` only grows within a day and a credit only raises it, so an answer that is lost and a crash
//! between the two lose nothing: whoever borrows next credits it. Real-time uses at most its own
//! and `lent`, batch at most the pool without `lent`: together never more than the quota.
//!
//! A day is one of UTC, as the flow file says. A call counts in the day in which it reaches the
//! target whatever the clocks: none leaves so near to midnight that it could arrive in the other.

use tidegate_model::{
    UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};

use super::{GUARD, SKEW, unchanged};

pub(super) const DAY_MS: i64 = 86_400_000;
pub(super) const DAY: &str = "day";
pub(super) const USED: &str = "used";
const LENT: &str = "lent";

/// Most calls that are borrowed at once: two writes for 64 calls, 0.03 a call.
const CHUNK: i64 = 64;
/// Near the end of the pool a quarter of what is left is borrowed: what real-time borrows and does
/// not need is missing to batch.
const PART: i64 = 4;

/// The share of a tier in the quota of a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Calls that this tier may make without asking: the pool, or what is kept for real-time.
    pub own: u32,
    /// The pool from which it may borrow.
    pub pool: Option<u32>,
}

/// The quota of a day as an item counts it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Count {
    pub day: Option<i64>,
    used: i64,
    lent: i64,
}

/// How much of a tier's share is used on a day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayUse {
    /// Calls made, or promised to a permit.
    pub used: i64,
    /// Calls that it may make, with what it borrowed and without what it lent.
    pub share: i64,
}

impl Count {
    pub fn read(item: Option<&Item>) -> Self {
        let number = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_number)
        };
        Self {
            day: number(DAY),
            used: number(USED).unwrap_or(0),
            lent: number(LENT).unwrap_or(0),
        }
    }

    /// The day in which a call counts that leaves from this moment on. A clock that is behind
    /// another's does not turn the day back, or the count would be lost.
    pub fn today(self, start: UnixMs) -> i64 {
        day_of(start - SKEW).max(self.day.unwrap_or(i64::MIN))
    }

    /// The same count as of a day: nothing, when it is of another.
    fn on(self, day: i64) -> Self {
        if self.day == Some(day) {
            self
        } else {
            Self {
                day: Some(day),
                ..Self::default()
            }
        }
    }

    /// Calls that the tier may still make on a day.
    pub fn left(self, share: Share, day: i64) -> i64 {
        let count = self.on(day);
        count.allowed(share) - count.used
    }

    /// What `used` may rise to: the pool counts what it lends as used.
    fn allowed(self, share: Share) -> i64 {
        i64::from(share.own) + share.pool.map_or(0, |_| self.lent)
    }

    /// How much is used, for people.
    pub fn shown(self, share: Share, now: UnixMs) -> DayUse {
        let count = self.on(day_of(now));
        let lent = if share.pool.is_some() { 0 } else { count.lent };
        DayUse {
            used: count.used - lent,
            share: count.allowed(share) - lent,
        }
    }

    /// Counts calls in the write that takes their slots.
    pub fn take(self, update: Update, conditions: &mut Vec<Condition>, taken: Taken) -> Update {
        let Taken { share, day, calls } = taken;
        if self.day == Some(day) {
            conditions.push(Condition::is(DAY, Op::Eq, day));
            conditions.push(Condition::is(USED, Op::Le, self.allowed(share) - calls));
            update.change(USED, Change::Add(calls))
        } else {
            conditions.push(unchanged(DAY, self.day));
            update.set(DAY, day).set(USED, calls).remove(&[LENT])
        }
    }
}

/// Calls that a grant counts.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    pub share: Share,
    pub day: i64,
    pub calls: i64,
}

/// How real-time comes to calls of the pool.
#[derive(Clone, Debug, PartialEq)]
pub enum Loan {
    /// Another has borrowed since: there is room.
    Enough,
    /// The pool's item takes this write first, and is looked at again.
    Lend(Update),
    /// The pool has lent more than real-time was credited with: this write goes to its own item.
    Credit(Update),
    /// The pool has not enough left for the next group of calls.
    Nothing,
}

/// Plans a loan for a group of calls that finds the own share used up.
pub(super) fn loan(own: Count, share: Share, seen: Option<&Item>, calls: u32, day: i64) -> Loan {
    if own.left(share, day) >= i64::from(calls) {
        return Loan::Enough;
    }
    let Some(pool) = share.pool else {
        return Loan::Nothing;
    };
    let seen = Count::read(seen);
    if seen.day > Some(day) {
        return Loan::Nothing;
    }
    let lender = seen.on(day);
    if lender.lent > own.on(day).lent {
        return Loan::Credit(credit(own, lender.lent, day));
    }
    let left = i64::from(pool) - lender.used;
    let calls = i64::from(calls);
    if left < calls {
        return Loan::Nothing;
    }
    let chunk = (left / PART).clamp(1, CHUNK).max(calls);
    let write = if seen.day == Some(day) {
        Update::when(Condition::All(vec![
            Condition::is(DAY, Op::Eq, day),
            Condition::is(USED, Op::Le, i64::from(pool) - chunk),
            // Of workers that race one borrows, and the others have the same chunk credited.
            unchanged(LENT, Some(lender.lent).filter(|lent| *lent > 0)),
        ]))
        .change(USED, Change::Add(chunk))
        .change(LENT, Change::Add(chunk))
    } else {
        Update::when(unchanged(DAY, seen.day))
            .set(DAY, day)
            .set(USED, chunk)
            .set(LENT, chunk)
    };
    Loan::Lend(write)
}

/// Raises what real-time may use to what the pool has lent.
fn credit(own: Count, lent: i64, day: i64) -> Update {
    if own.day == Some(day) {
        return Update::when(Condition::All(vec![
            Condition::is(DAY, Op::Eq, day),
            Condition::absent_or(LENT, Op::Lt, lent),
        ]))
        .set(LENT, lent);
    }
    Update::when(unchanged(DAY, own.day))
        .set(DAY, day)
        .set(USED, 0)
        .set(LENT, lent)
}

/// The day (UTC) of a moment, counted from 1970.
pub(super) fn day_of(moment: UnixMs) -> i64 {
    moment.0.div_euclid(DAY_MS)
}

/// The first moment at which a call of the day may leave.
pub(super) fn opens(day: i64) -> UnixMs {
    UnixMs(day.saturating_mul(DAY_MS)) + SKEW
}

/// Whether a call stamped so reaches the target before the day ends.
pub(super) fn is_within(day: i64, from: UnixMs) -> bool {
    (from + GUARD).0 < (day + 1).saturating_mul(DAY_MS)
}
