//! The limiter: N slots in one item for each target and tier (LIM-1 to LIM-4).
//!
//! Each slot is granted at most once in the window plus a guard, so no window of any start sees
//! more calls than slots, over all workers and flows, clocks 250 ms apart and 250 ms of travel
//! included. A grant is one conditional write for several slots. A permit is the stamp at which its
//! call leaves; a call that would leave later than [`LEAVE`] after it gives the permit back.
//!
//! Work that finds no slot takes a *turn*: the item's `tail` says until when capacity is promised
//! to those that wait, so a message comes back about when its calls can leave.

use std::time::Duration;

use rand::{Rng, RngExt};
use tidegate_model::{
    Tier, UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};

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
/// Slots are reserved at most so far ahead: waiting is paid for by the millisecond, and a slot that
/// is promised for later is idle until then.
pub const HORIZON: Duration = Duration::from_millis(2_500);
/// Deferred work comes back so long before its turn: a queue delays by whole seconds and delivers
/// late rather than early.
pub const EARLY: Duration = Duration::from_millis(1_500);
const MICROS: i64 = 1_000;

const TAIL: &str = "tail";
const DAY: &str = "day";
const USED: &str = "used";

/// A limit: so many calls in every window, and in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls in a window.
    pub calls: u32,
    /// Length of the window.
    pub window: Duration,
    /// Calls in a day (UTC), where there is a quota.
    pub day: Option<u32>,
}

impl Limit {
    /// The limit of one tier of a target. Both tiers draw on one quota of a day: the headroom stays
    /// unused, batch work never touches the share of real-time (LIM-3), and real-time keeps to its
    /// share, so that the two together can not pass the quota.
    pub fn of_target(limits: &tidegate_model::flow::TargetLimits, tier: Tier) -> Self {
        let rate = match tier {
            Tier::RealTime => limits.real_time,
            Tier::Batch => limits.batch,
        };
        let day = limits.day.map(|day| {
            let usable = share(day.calls, 100 - day.headroom_percent.min(100));
            let kept = share(usable, day.real_time_percent);
            match tier {
                Tier::RealTime => kept,
                Tier::Batch => usable - kept,
            }
        });
        Self {
            calls: rate.calls,
            window: Duration::from_secs(rate.per_s.into()),
            day,
        }
    }

    /// The limit of a source.
    pub fn of_source(rate: tidegate_model::flow::Rate) -> Self {
        Self {
            calls: rate.calls,
            window: Duration::from_secs(rate.per_s.into()),
            day: None,
        }
    }

    /// Average time between two calls at full use.
    fn pace(self) -> Duration {
        (self.window + GUARD) / self.calls.max(1)
    }
}

fn share(whole: u32, percent: u32) -> u32 {
    u32::try_from(u64::from(whole) * u64::from(percent.min(100)) / 100).unwrap_or(whole)
}

/// Leave to make one call at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permit {
    /// The slot.
    pub slot: u32,
    /// The stamp in microseconds; its low digits are random and tell one's own write.
    pub stamp_us: i64,
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

/// The slots of a limit as last seen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Slots {
    stamps_us: Vec<Option<i64>>,
    tail: Option<UnixMs>,
    day: Option<i64>,
    used: i64,
}

/// A grant to try.
#[derive(Clone, Debug, PartialEq)]
pub struct Grant {
    /// The permits, by time.
    pub permits: Vec<Permit>,
    /// The write that takes them: all or none.
    pub write: Update,
}

/// What the slots allow.
#[derive(Clone, Debug, PartialEq)]
pub enum Plan {
    /// Take these.
    Take(Grant),
    /// Nothing is free before this moment.
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
        Self {
            stamps_us: (0..limit.calls)
                .map(|slot| number(&slot_name(slot)))
                .collect(),
            tail: number(TAIL).map(UnixMs),
            day: number(DAY),
            used: number(USED).unwrap_or(0),
        }
    }

    /// Calls that could leave at this moment.
    pub fn free_at(&self, limit: Limit, now: UnixMs) -> u32 {
        let free = self
            .stamps_us
            .iter()
            .filter(|stamp| Self::slot_free_at(**stamp, limit) <= now);
        u32::try_from(free.count()).unwrap_or(u32::MAX)
    }

    /// Calls used of the quota of the day of this moment.
    pub fn used_on_day_of(&self, now: UnixMs) -> i64 {
        if self.day == Some(day_of(now)) {
            self.used
        } else {
            0
        }
    }

    /// When the slot may be granted next.
    fn slot_free_at(stamp_us: Option<i64>, limit: Limit) -> UnixMs {
        match stamp_us {
            None => UnixMs::EPOCH,
            Some(stamp) => UnixMs(stamp.div_euclid(MICROS) + 1) + limit.window + GUARD,
        }
    }

    /// When the next slot falls free.
    pub fn next_free(&self, limit: Limit) -> UnixMs {
        self.stamps_us
            .iter()
            .map(|stamp| Self::slot_free_at(*stamp, limit))
            .min()
            .unwrap_or(UnixMs::EPOCH)
    }

    /// Whether capacity is promised to work that waits.
    pub fn has_queue(&self, now: UnixMs) -> bool {
        self.tail.is_some_and(|tail| tail > now + EARLY)
    }

    /// Plans permits for groups of calls: group g needs `groups[g]` calls one after another, a
    /// `step` apart. Whole groups only, in order, as many as slots fall free within the horizon.
    pub fn plan(
        &self,
        limit: Limit,
        groups: &[u32],
        step: Duration,
        now: UnixMs,
        rng: &mut impl Rng,
    ) -> Plan {
        let today = day_of(now);
        let used_today = if self.day == Some(today) {
            self.used
        } else {
            0
        };
        let mut day_left = limit
            .day
            .map_or(i64::MAX, |calls| i64::from(calls) - used_today);
        if day_left < groups.first().copied().map_or(1, i64::from) {
            return Plan::DayUsedUp(UnixMs((today + 1) * DAY_MS));
        }
        let mut free: Vec<(UnixMs, u32)> = self
            .stamps_us
            .iter()
            .zip(0..)
            .map(|(stamp, slot)| (Self::slot_free_at(*stamp, limit), slot))
            .filter(|(free_at, _)| *free_at <= now + HORIZON)
            .collect();
        // Those free now at random, so that workers that race seldom pick the same.
        let start = now + LEAD;
        free.sort_by_key(|(free_at, slot)| ((*free_at).max(start), *slot));
        let ready = free
            .iter()
            .take_while(|(free_at, _)| *free_at <= start)
            .count();
        shuffle(free.get_mut(..ready).unwrap_or_default(), rng);
        let mut free = free.into_iter();
        let mut permits = Vec::new();
        for &calls in groups {
            if i64::from(calls) > day_left || free.len() < calls as usize {
                break;
            }
            day_left -= i64::from(calls);
            let mut earliest = start;
            for (free_at, slot) in free.by_ref().take(calls as usize) {
                let from = earliest.max(free_at);
                permits.push(Permit {
                    slot,
                    stamp_us: from.0 * MICROS + rng.random_range(0..MICROS),
                });
                earliest = from + step;
            }
        }
        if permits.is_empty() {
            return Plan::Wait(self.next_free(limit).max(now + Duration::from_millis(1)));
        }
        let write = self.take(&permits, limit, today);
        Plan::Take(Grant { permits, write })
    }

    fn take(&self, permits: &[Permit], limit: Limit, today: i64) -> Update {
        let guard_us = i64::try_from((limit.window + GUARD).as_micros()).unwrap_or(i64::MAX);
        let mut conditions: Vec<Condition> = permits
            .iter()
            .map(|permit| {
                Condition::absent_or(&slot_name(permit.slot), Op::Lt, permit.stamp_us - guard_us)
            })
            .collect();
        let count = i64::try_from(permits.len()).unwrap_or(i64::MAX);
        let mut update = Update::when(Condition::ALWAYS);
        for permit in permits {
            update = update.set(slot_name(permit.slot), permit.stamp_us);
        }
        match limit.day {
            None => {}
            Some(calls) if self.day == Some(today) => {
                conditions.push(Condition::is(DAY, Op::Eq, today));
                conditions.push(Condition::is(USED, Op::Le, i64::from(calls) - count));
                update = update.change(USED, Change::Add(count));
            }
            Some(_) => {
                conditions.push(unchanged(DAY, self.day));
                update = update.set(DAY, today).set(USED, count);
            }
        }
        update.condition = Condition::All(conditions);
        update
    }

    /// Takes a turn for so many calls: the moment to come back at, and the write that promises the
    /// capacity. Refused when another took a turn meanwhile.
    pub fn take_turn(&self, limit: Limit, calls: u32, now: UnixMs) -> (UnixMs, Update) {
        let begin = self
            .tail
            .unwrap_or(UnixMs::EPOCH)
            .max(self.next_free(limit))
            .max(now);
        let write = Update::when(unchanged(TAIL, self.tail.map(|tail| tail.0)))
            .set(TAIL, (begin + limit.pace() * calls).0);
        (begin, write)
    }
}

/// Gives a permit back. Only when no byte of its call was sent.
pub fn give_back(permit: Permit) -> Update {
    let name = slot_name(permit.slot);
    Update::when(Condition::is(name.as_str(), Op::Eq, permit.stamp_us)).remove(&[&name])
}

/// Whether an item that refused a grant shows the grant itself: the answer of an earlier try was
/// lost.
pub fn is_mine(item: Option<&Item>, grant: &Grant) -> bool {
    grant.permits.iter().all(|permit| {
        item.and_then(|item| item.get(&slot_name(permit.slot)))
            == Some(&Value::Number(permit.stamp_us))
    })
}

const DAY_MS: i64 = 86_400_000;

/// The day (UTC) of a moment, counted from 1970.
fn day_of(now: UnixMs) -> i64 {
    now.0.div_euclid(DAY_MS)
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
