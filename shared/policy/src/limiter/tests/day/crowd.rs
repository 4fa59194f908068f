//! Sixteen workers of both tiers around midnight, in virtual time: clocks apart, calls that travel,
//! answers that get lost, workers that die between two writes. Judged by the day in which a call
//! reaches the target.

use std::collections::BTreeMap;

use super::*;
use crate::limiter::tests::crowd::{CLOCKS_APART, TRAVELS, extreme};

const WORKERS: usize = 16;
/// Calls a minute of each tier; more than the quotas of the tests in the time there is.
const CALLS_A_MINUTE: u32 = 50;

#[derive(Clone, Copy, Debug)]
pub(super) struct DayCrowd {
    pub kept: u32,
    pub pool: u32,
    /// Of a hundred asks so many are of the real-time tier.
    pub urgent_percent: u32,
    /// Of a hundred writes so many lose their answer or their worker.
    pub trouble_percent: u32,
    pub seed: u64,
    /// Half of it lies before midnight.
    pub lasts_min: i64,
}

/// Calls of both tiers.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Both {
    pub real_time: u32,
    pub batch: u32,
}

#[derive(Default)]
pub(super) struct Seen {
    pub days: BTreeMap<i64, Both>,
    pub loan_writes: u32,
}

struct World {
    crowd: DayCrowd,
    items: BTreeMap<bool, Item>,
    seen: Seen,
    dice: StdRng,
}

#[derive(Clone, Default)]
struct Worker {
    ahead_us: i64,
    remembered: BTreeMap<bool, Item>,
    borrows: bool,
    /// The pool as it saw it then.
    pool: Option<Item>,
}

/// What a worker learns of a write.
enum Told {
    Done,
    Refused,
    /// It died, or gave up: the write may have happened.
    Nothing,
}

impl World {
    /// A write: once, or again after a lost answer, or its worker dies over it.
    fn write(&mut self, urgent: bool, write: &Update) -> Told {
        let done = self.try_once(urgent, write);
        if !self.dice.random_ratio(self.crowd.trouble_percent, 100) {
            return if done { Told::Done } else { Told::Refused };
        }
        if self.dice.random_bool(0.5) {
            return Told::Nothing;
        }
        if self.try_once(urgent, write) {
            Told::Done
        } else {
            Told::Refused
        }
    }

    fn try_once(&mut self, urgent: bool, write: &Update) -> bool {
        let after = write.evaluate(self.items.get(&urgent));
        let done = after.is_some();
        if let Some(after) = after {
            self.items.insert(urgent, after);
        }
        done
    }

    fn limit(&self, urgent: bool) -> Limit {
        let DayCrowd { kept, pool, .. } = self.crowd;
        let day = if urgent {
            Share {
                own: kept,
                pool: Some(pool),
            }
        } else {
            Share {
                own: pool,
                pool: None,
            }
        };
        Limit {
            day: Some(day),
            ..limit(CALLS_A_MINUTE, 60)
        }
    }

    /// One thing that a worker does; the true time of its next.
    fn step(&mut self, worker: &mut Worker, at_us: i64) -> i64 {
        let now = UnixMs((at_us + worker.ahead_us).div_euclid(MICROS));
        let urgent = self.dice.random_ratio(self.crowd.urgent_percent, 100);
        let limit = self.limit(urgent);
        let groups: Vec<u32> = (0..self.dice.random_range(1..=3))
            .map(|_| self.dice.random_range(1..=2))
            .collect();
        let groups = if self.crowd.trouble_percent == 0 {
            &[1][..]
        } else {
            &groups
        };
        if std::mem::take(&mut worker.borrows) {
            return self.borrow(worker, at_us, now, groups[0]);
        }
        let slots = Slots::read(worker.remembered.get(&urgent), limit);
        let grant = match slots.plan(limit, groups, ms(100), now, &mut self.dice) {
            Plan::Take(grant) => grant,
            Plan::Wait(until) => return (until.0 * MICROS - worker.ahead_us).max(at_us + MICROS),
            Plan::DayUsedUp(until) => {
                let soon = at_us + self.dice.random_range(3_000..=9_000) * MICROS;
                let renewed = until.0 * MICROS - worker.ahead_us;
                return if urgent {
                    self.look(worker, true);
                    worker.borrows = true;
                    worker.pool = self.items.get(&false).cloned();
                    at_us + 4 * MICROS
                } else {
                    renewed.min(soon).max(at_us + MICROS)
                };
            }
        };
        let told = self.write(urgent, &grant.write);
        self.look(worker, urgent);
        let mine = is_mine(self.items.get(&urgent), &grant);
        match told {
            Told::Done => {}
            Told::Refused if mine => {}
            Told::Refused => return at_us + self.dice.random_range(5..=60) * MICROS,
            Told::Nothing => {
                worker.remembered.clear();
                return at_us + 1_000 * MICROS;
            }
        }
        self.call(worker, urgent, &grant, at_us)
    }

    /// One write of a loan, as the engine makes it, from what was seen a while ago.
    fn borrow(&mut self, worker: &mut Worker, at_us: i64, now: UnixMs, calls: u32) -> i64 {
        let limit = self.limit(true);
        let seen = worker.pool.take();
        let slots = Slots::read(worker.remembered.get(&true), limit);
        let (write, urgent) = match slots.loan(limit, seen.as_ref(), calls, now) {
            Loan::Nothing => return at_us + self.dice.random_range(3_000..=9_000) * MICROS,
            Loan::Enough => return at_us + MICROS,
            Loan::Lend(write) => (write, false),
            Loan::Credit(write) => (write, true),
        };
        self.seen.loan_writes += 1;
        match self.write(urgent, &write) {
            Told::Nothing => worker.remembered.clear(),
            Told::Refused => return at_us + self.dice.random_range(5..=60) * MICROS,
            Told::Done if urgent => self.look(worker, true),
            Told::Done => {
                worker.borrows = true;
                worker.pool = self.items.get(&false).cloned();
            }
        }
        at_us + 4 * MICROS
    }

    fn look(&self, worker: &mut Worker, urgent: bool) {
        if let Some(item) = self.items.get(&urgent) {
            worker.remembered.insert(urgent, item.clone());
        }
    }

    fn call(&mut self, worker: &Worker, urgent: bool, grant: &Grant, at_us: i64) -> i64 {
        let mut free_again_us = at_us + MICROS;
        for permit in &grant.permits {
            if self.dice.random_ratio(self.crowd.trouble_percent, 100) {
                let back = give_back(*permit);
                self.try_once(urgent, &back);
                continue;
            }
            let from_us = permit.from().0 * MICROS - worker.ahead_us;
            let until_us = permit.until().0 * MICROS + MICROS - 1 - worker.ahead_us;
            let leaves_us = self.dice.random_range(from_us..=until_us).max(at_us);
            let arrives_us = leaves_us + extreme(&mut self.dice, TRAVELS);
            let day = arrives_us.div_euclid(DAY_MS * MICROS);
            let calls = self.seen.days.entry(day).or_default();
            if urgent {
                calls.real_time += 1;
            } else {
                calls.batch += 1;
            }
            free_again_us = free_again_us.max(from_us);
        }
        free_again_us
    }
}

pub(super) fn run(crowd: DayCrowd) -> Seen {
    let mut world = World {
        crowd,
        items: BTreeMap::new(),
        seen: Seen::default(),
        dice: StdRng::seed_from_u64(crowd.seed),
    };
    let mut workers = vec![Worker::default(); WORKERS];
    for worker in &mut workers {
        worker.ahead_us = extreme(&mut world.dice, CLOCKS_APART);
    }
    let lasts_us = crowd.lasts_min * 60_000_000;
    let begin_us = MIDNIGHT.0 * MICROS - lasts_us / 2;
    let mut turns: std::collections::BTreeSet<(i64, usize)> =
        (0..WORKERS).map(|worker| (begin_us, worker)).collect();
    while let Some((at_us, index)) = turns.pop_first() {
        if at_us > begin_us + lasts_us {
            break;
        }
        let next_us = world.step(&mut workers[index], at_us);
        turns.insert((next_us.max(at_us + MICROS), index));
    }
    world.seen
}
