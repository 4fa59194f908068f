//! The limiter: one item for each target and tier, with N slots or a bucket (LIM-1 to LIM-4).
//!
//! Of a limit by the window each slot is granted at most once in the window plus a guard, so no window of any start sees
//! more calls than slots, over all workers and flows, clocks 250 ms apart and 250 ms of travel
//! included. A grant is one conditional write for several slots. A permit is the stamp at which its
//! call leaves; a call that would leave later than [`LEAVE`] after it gives the permit back. A slot
//! given back falls free at the stamp that it had, never earlier: a slot reserved ahead still owes
//! its window to the call before. A limit by the bucket keeps one stamp instead: see `bucket`.
//!
//! A lower rate that the provider tells stands in the same item: see [`Limit::as_told`].
//!
//! Work that finds no slot takes a turn, so that it comes back about when its calls can leave.

mod bucket;
mod day;
mod limit;
#[cfg(test)]
mod tests;
mod told;
mod turn;

use std::time::Duration;

use bucket::{EMPTY, Filling};
use day::{Count, DAY, Taken, USED};
pub use day::{DayUse, Loan, Share};
pub use limit::{Form, Limit};
use rand::{Rng, RngExt};
use tidegate_model::{
    UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};
pub use told::{KEPT, tell};
use turn::Queue;
pub use turn::{Place, forget_turns, leave};

/// Largest difference between two workers' clocks.
const SKEW: Duration = Duration::from_millis(250);
/// Longest travel of a call to its target.
const TRAVEL: Duration = Duration::from_millis(250);
/// u: how long after its stamp a call may leave.
pub const LEAVE: Duration = Duration::from_millis(50);
/// G = skew + travel + u + 1 ms.
pub const GUARD: Duration = SKEW
    .saturating_add(TRAVEL)
    .saturating_add(LEAVE)
    .saturating_add(Duration::from_millis(1));
/// A permit is stamped so far ahead, that the claim of its record fits before it.
pub const LEAD: Duration = Duration::from_millis(60);
/// A slot is reserved at most so far ahead for a record's first call: waiting is paid for by the
/// millisecond, and a slot that is promised for later is idle until then.
pub const HORIZON: Duration = Duration::from_millis(2_500);
/// A record of several calls reserves farther ahead, by what the calls after its first take at an even
/// pace: smaller ones would take each slot as it falls free, and it would never find enough at once.
/// No farther than this: an invocation of the real-time worker ends after a minute, and the calls
/// take their time too.
pub(crate) const REACH: Duration = Duration::from_secs(20);
/// Deferred work comes back so long before its turn: a queue delays by whole seconds and delivers
/// late rather than early.
pub const EARLY: Duration = Duration::from_millis(1_500);
const MICROS: i64 = 1_000;

/// Number of the newest grant: tells one's own write after a lost answer.
const BY: &str = "by";

/// Leave to make one call at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The stamp in microseconds. That of a slot has random low digits.
    pub stamp_us: i64,
    /// What it holds of the limit.
    held: Held,
    /// The day in whose quota the call counts, where there is one.
    day: Option<i64>,
}

/// What a permit holds of a limit, and how that is given back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    /// A slot.
    Slot {
        /// Which.
        slot: u32,
        /// What it holds once the permit is given back: it falls free at the stamp.
        back_us: i64,
    },
    /// Room in a bucket.
    Room {
        /// When the bucket would have been empty without the call, and with it.
        empty_us: (i64, i64),
        /// The number of the grant.
        grant: i64,
    },
}

impl Permit {
    /// The moment from which the call may leave.
    pub fn from(self) -> UnixMs {
        UnixMs(self.stamp_us.div_euclid(MICROS))
    }

    /// The last moment at which it may leave.
    pub fn until(self) -> UnixMs {
        self.from() + LEAVE
    }
}

/// The slots of a limit, or its bucket, as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    stamps_us: Vec<Option<i64>>,
    /// When the bucket is empty.
    empty_us: Option<i64>,
    queue: Queue,
    count: Count,
}

/// A grant to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The permits, group by group, by time within a group.
    pub permits: Vec<Permit>,
    /// The write that takes them: all or none.
    pub write: Update,
    /// Random, so that no other grant has it: two workers that race for one slot choose the same
    /// stamp once in a thousand races.
    number: i64,
}

/// What the slots allow.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Take these.
    Take(Grant),
    /// The first group finds no room before this moment.
    Wait(UnixMs),
    /// The day's quota is used up until this moment.
    DayUsedUp(UnixMs),
}

impl Slots {
    /// Reads the item; an absent one is all free.
    pub fn read(item: Option<&Item>, limit: Limit) -> Self {
        let number = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_number)
        };
        let slots = match limit.form {
            Form::Window => limit.calls,
            Form::Bucket => 0,
        };
        Self {
            stamps_us: (0..slots).map(|slot| number(&slot_name(slot))).collect(),
            empty_us: number(EMPTY),
            queue: Queue::read(item),
            count: Count::read(item),
        }
    }

    /// Calls that could leave at this moment.
    pub fn free_at(&self, limit: Limit, now: UnixMs) -> u32 {
        if limit.form == Form::Bucket {
            return self.filling(limit).free_at(now);
        }
        let free = self
            .stamps_us
            .iter()
            .filter(|stamp| Self::slot_free_at(**stamp, limit) <= now);
        u32::try_from(free.count()).unwrap_or(u32::MAX)
    }

    /// How much of the share of today is used, where there is a quota.
    pub fn day_use(&self, limit: Limit, now: UnixMs) -> Option<DayUse> {
        limit.day.map(|share| self.count.shown(share, now))
    }

    /// How work that finds its share of the day used up comes to more. `pool` is the item of the
    /// batch tier's slots; both items are read just before, since a refused write costs one.
    pub fn loan(&self, limit: Limit, pool: Option<&Item>, calls: u32, now: UnixMs) -> Loan {
        limit.day.map_or(Loan::Nothing, |share| {
            let today = self.count.today(now + LEAD);
            day::loan(self.count, share, pool, calls, today)
        })
    }

    /// When the slot may be granted next.
    fn slot_free_at(stamp_us: Option<i64>, limit: Limit) -> UnixMs {
        match stamp_us {
            None => UnixMs::EPOCH,
            Some(stamp) => UnixMs(stamp.div_euclid(MICROS) + 1) + limit.window + GUARD,
        }
    }

    /// Plans permits for groups of calls: group g needs `groups[g]` calls one after another, a
    /// `step` apart. Whole groups only, in order, as long as slots fall free within each one's reach.
    pub fn plan(
        &self,
        limit: Limit,
        groups: &[u32],
        step: Duration,
        now: UnixMs,
        rng: &mut impl Rng,
    ) -> Plan {
        let today = self.count.today(now + LEAD);
        let first_group = groups.first().copied().unwrap_or(1);
        let mut start = now + LEAD;
        let mut day_left = i64::MAX;
        if let Some(share) = limit.day {
            start = start.max(day::opens(today));
            day_left = self.count.left(share, today);
            if day_left < i64::from(first_group) {
                return Plan::DayUsedUp(day::opens(today + 1));
            }
        }
        let by_time = self.by_time(limit, now, rng);
        let mut room = match limit.form {
            Form::Window => Room::Slots(&by_time),
            Form::Bucket => Room::Bucket(self.filling(limit)),
        };
        let mut permits = Vec::new();
        let mut next_day = false;
        for &calls in groups {
            if i64::from(calls) > day_left {
                break;
            }
            let mut left = room.clone();
            let until = now + limit.reach(calls);
            let Some(group) = left.take(calls, (start, until), step) else {
                break;
            };
            let group: Vec<Permit> = group
                .into_iter()
                .map(|(from, spot)| permit(spot, from, limit, today, rng))
                .collect();
            let within = |call: &Permit| day::is_within(today, call.from());
            next_day = limit.day.is_some() && !group.iter().all(within);
            if next_day {
                break;
            }
            room = left;
            day_left -= i64::from(calls);
            permits.extend(group);
        }
        if permits.is_empty() {
            let room = if next_day {
                day::opens(today + 1)
            } else {
                self.free_for(limit, first_group)
            };
            return Plan::Wait(room.max(now + Duration::from_millis(1)));
        }
        let number = rng.random_range(0..i64::MAX);
        for permit in &mut permits {
            permit.held.is_of(number);
        }
        let write = self.take(&permits, limit, today, number);
        Plan::Take(Grant {
            permits,
            write,
            number,
        })
    }

    /// The slots by the time at which they fall free. Those free now come at random, so that workers
    /// that race seldom pick the same.
    fn by_time(&self, limit: Limit, now: UnixMs, rng: &mut impl Rng) -> Vec<(UnixMs, u32)> {
        let mut free: Vec<(UnixMs, u32)> = self
            .stamps_us
            .iter()
            .zip(0..)
            .map(|(stamp, slot)| (Self::slot_free_at(*stamp, limit), slot))
            .collect();
        let start = now + LEAD;
        free.sort_by_key(|(free_at, slot)| ((*free_at).max(start), *slot));
        let ready = free
            .iter()
            .take_while(|(free_at, _)| *free_at <= start)
            .count();
        shuffle(free.get_mut(..ready).unwrap_or_default(), rng);
        free
    }

    fn filling(&self, limit: Limit) -> Filling {
        Filling::new(self.empty_us.unwrap_or(0), limit)
    }

    /// When so many slots are free, or there is room for so many calls.
    pub fn free_for(&self, limit: Limit, calls: u32) -> UnixMs {
        if limit.form == Form::Bucket {
            return self.filling(limit).free_for(calls.max(1).into());
        }
        let mut free: Vec<UnixMs> = self
            .stamps_us
            .iter()
            .map(|stamp| Self::slot_free_at(*stamp, limit))
            .collect();
        free.sort_unstable();
        let last = usize::try_from(calls.max(1) - 1).unwrap_or(usize::MAX);
        free.get(last)
            .or(free.last())
            .copied()
            .unwrap_or(UnixMs::EPOCH)
    }

    fn take(&self, permits: &[Permit], limit: Limit, today: i64, number: i64) -> Update {
        let guard_us = guard_us(limit);
        let mut conditions = Vec::new();
        let mut update = Update::when(Condition::ALWAYS).set(BY, number);
        for permit in permits {
            match permit.held {
                Held::Slot { slot, .. } => {
                    let name = slot_name(slot);
                    let before = permit.stamp_us - guard_us;
                    conditions.push(Condition::absent_or(&name, Op::Lt, before));
                    update = update.set(name, permit.stamp_us);
                }
                // Of the calls of a grant the last says when the bucket is empty after all of them.
                Held::Room { empty_us, .. } => update = update.set(EMPTY, empty_us.1),
            }
        }
        if limit.form == Form::Bucket {
            conditions.push(unchanged(EMPTY, self.empty_us));
        }
        if let Some(share) = limit.day {
            let taken = Taken {
                share,
                day: today,
                calls: i64::try_from(permits.len()).unwrap_or(i64::MAX),
            };
            update = self.count.take(update, &mut conditions, taken);
        }
        update.condition = Condition::All(conditions);
        update
    }
}

impl Held {
    /// Names the grant that took it.
    fn is_of(&mut self, number: i64) {
        if let Self::Room { grant, .. } = self {
            *grant = number;
        }
    }
}

/// What of a limit is not yet taken by the calls that are planned.
#[derive(Clone)]
enum Room<'a> {
    /// Slots by the time at which they fall free.
    Slots(&'a [(UnixMs, u32)]),
    /// A bucket with what is planned in it.
    Bucket(Filling),
}

/// What a call takes.
#[derive(Clone, Copy)]
enum Spot {
    Slot(u32),
    Room { empty_us: (i64, i64) },
}

impl Room<'_> {
    /// Takes room for so many calls, a `step` apart, not before the first of these moments. None
    /// where one of them finds none until the second.
    fn take(
        &mut self,
        calls: u32,
        (mut earliest, until): (UnixMs, UnixMs),
        step: Duration,
    ) -> Option<Vec<(UnixMs, Spot)>> {
        let mut taken = Vec::new();
        for _ in 0..calls {
            let (free_at, spot) = match self {
                Self::Slots(free) => {
                    let ((free_at, number), others) = free.split_first()?;
                    *free = others;
                    (*free_at, Spot::Slot(*number))
                }
                Self::Bucket(filling) => {
                    let free_at = filling.free_for(1);
                    let empty_us = filling.take(earliest.max(free_at));
                    (free_at, Spot::Room { empty_us })
                }
            };
            if free_at > until {
                return None;
            }
            let from = earliest.max(free_at);
            taken.push((from, spot));
            earliest = from + step;
        }
        Some(taken)
    }
}

fn permit(spot: Spot, from: UnixMs, limit: Limit, today: i64, rng: &mut impl Rng) -> Permit {
    let from_us = from.0 * MICROS;
    let (stamp_us, held) = match spot {
        Spot::Slot(number) => {
            let stamp_us = from_us + rng.random_range(0..MICROS);
            let held = Held::Slot {
                slot: number,
                back_us: stamp_us - guard_us(limit) - 1,
            };
            (stamp_us, held)
        }
        Spot::Room { empty_us } => (from_us, Held::Room { empty_us, grant: 0 }),
    };
    Permit {
        stamp_us,
        held,
        day: limit.day.map(|_| today),
    }
}

/// The window and the guard in microseconds.
fn guard_us(limit: Limit) -> i64 {
    i64::try_from((limit.window + GUARD).as_micros()).unwrap_or(i64::MAX)
}

/// Gives a permit back. Only when no byte of its call was sent. A call counted on a day that is
/// over can not be taken off the count of the next: then the slot stays taken. Room in a bucket goes
/// back last in, first out, while the grant is the newest: what later calls were planned on stays.
pub fn give_back(permit: Permit) -> Update {
    let (mut conditions, name, back_us) = match permit.held {
        Held::Slot { slot, back_us } => {
            let name = slot_name(slot);
            let own = Condition::is(name.as_str(), Op::Eq, permit.stamp_us);
            (vec![own], name, back_us)
        }
        Held::Room {
            empty_us: (before, after),
            grant,
        } => {
            let own = vec![
                Condition::is(BY, Op::Eq, grant),
                Condition::is(EMPTY, Op::Eq, after),
            ];
            (own, EMPTY.to_owned(), before)
        }
    };
    if let Some(day) = permit.day {
        conditions.push(Condition::is(DAY, Op::Eq, day));
    }
    let update = Update::when(Condition::All(conditions)).set(name, back_us);
    match permit.day {
        Some(_) => update.change(USED, Change::Add(-1)),
        None => update,
    }
}

/// Whether an item that refused a grant shows the grant itself: the answer of an earlier try was
/// lost. Where another grant came after it, the permits are lost, and their slots idle for once.
pub fn is_mine(item: Option<&Item>, grant: &Grant) -> bool {
    item.and_then(|item| item.get(BY)) == Some(&Value::Number(grant.number))
}

fn slot_name(slot: u32) -> String {
    format!("s{slot}")
}

fn unchanged(attribute: &str, seen: Option<i64>) -> Condition {
    match seen {
        None => Condition::Absent(attribute.to_owned()),
        Some(value) => Condition::is(attribute, Op::Eq, value),
    }
}

/// Fisher and Yates.
fn shuffle<T>(items: &mut [T], rng: &mut impl Rng) {
    for last in (1..items.len()).rev() {
        items.swap(last, rng.random_range(0..=last));
    }
}
