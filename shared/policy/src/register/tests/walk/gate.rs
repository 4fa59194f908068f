//! What stands before each call of the walk: the quota of a day and the breaker, with the writes
//! that production makes. How they race over many workers is the story of their own crowds; here
//! they defer, come too late and give back, while claims come and go.

use std::collections::BTreeMap;

use tidegate_model::RecordKey;

use super::*;
use crate::{
    breaker::{Breaker, Gate as Passage, Report, Settings},
    limiter::{self, Limit, Loan, Permit, Plan, Share, Slots},
};

/// Calls a day that real-time keeps for itself, and those that both may take: fewer than a walk
/// would like to make.
const KEPT: u32 = 2;
const POOL: u32 = 3;
const DAY_MS: i64 = 86_400_000;
const SETTINGS: Settings = Settings {
    slow_after: None,
    slow: 5,
    of: 6,
    failures: 3,
    cool_down: Duration::from_secs(3),
};

/// Why a call may not leave: wait until then.
pub(super) struct Deferred(pub UnixMs);

#[derive(Clone)]
pub(super) struct Gate {
    breaker: Table,
    slots: BTreeMap<bool, Item>,
    /// The target answers nothing but errors.
    pub(super) down: bool,
    /// Calls that left, by day: of real-time, and of batch.
    left: BTreeMap<i64, (u32, u32)>,
    dice: SmallRng,
}

impl Gate {
    pub(super) fn new(seed: u64) -> Self {
        Self {
            breaker: Table::default(),
            slots: BTreeMap::new(),
            down: false,
            left: BTreeMap::new(),
            dice: SmallRng::seed_from_u64(seed),
        }
    }

    fn breaker(&self) -> Breaker {
        Breaker::read(self.breaker.item.as_ref())
    }

    pub(super) fn epoch(&self) -> u64 {
        self.breaker().epoch()
    }

    pub(super) fn permit(&mut self, tier: Tier, now: UnixMs) -> Result<Permit, Deferred> {
        let urgent = tier == Tier::RealTime;
        let limit = limit(urgent);
        loop {
            let slots = Slots::read(self.slots.get(&urgent), limit);
            let (of, write) = match slots.plan(limit, &[1], TIMEOUT, now, &mut self.dice) {
                Plan::Take(grant) => {
                    self.write(urgent, &grant.write);
                    return Ok(grant.permits[0]);
                }
                Plan::Wait(until) => return Err(Deferred(until)),
                Plan::DayUsedUp(until) => match slots.loan(limit, self.slots.get(&false), 1, now) {
                    Loan::Enough => continue,
                    Loan::Nothing => return Err(Deferred(until)),
                    Loan::Lend(write) => (false, write),
                    Loan::Credit(write) => (urgent, write),
                },
            };
            self.write(of, &write);
        }
    }

    pub(super) fn give_back(&mut self, tier: Tier, permit: Permit) {
        self.write(tier == Tier::RealTime, &limiter::give_back(permit));
    }

    fn write(&mut self, urgent: bool, update: &Update) {
        if let Some(after) = update.evaluate(self.slots.get(&urgent)) {
            self.slots.insert(urgent, after);
        }
    }

    /// The epoch in which a call's failure counts; `None`: it is the probe.
    pub(super) fn pass(&mut self, by: &ClaimToken, now: UnixMs) -> Result<Option<u64>, Deferred> {
        let ended = now + TIMEOUT + SETTLE + S;
        match self.breaker().gate(now) {
            Passage::Closed { epoch } => Ok(Some(epoch)),
            Passage::HalfOpen => {
                let take = self.breaker().take_probe(by, ended, now);
                if self.breaker.write(&take) {
                    Ok(None)
                } else {
                    Err(Deferred(ended))
                }
            }
            Passage::Open { until } | Passage::Probing { until } | Passage::Held { until } => {
                Err(Deferred(until))
            }
        }
    }

    /// A call leaves.
    pub(super) fn leave(&mut self, tier: Tier, permit: Permit) {
        let day = permit.from().0.div_euclid(DAY_MS);
        let (urgent, batch) = self.left.entry(day).or_default();
        match tier {
            Tier::RealTime => *urgent += 1,
            Tier::Batch => *batch += 1,
        }
        assert!(*batch <= POOL, "LIM-3: batch took of what is kept");
        assert!(
            *urgent + *batch <= KEPT + POOL,
            "LIM-3: over the day's quota"
        );
    }

    /// A call of the epoch, or the probe, was answered well.
    pub(super) fn healthy(&mut self, by: &ClaimToken, epoch: Option<u64>, now: UnixMs) {
        let seen = self.breaker();
        match epoch {
            None => {
                self.breaker.write(&seen.close(by, now));
            }
            Some(epoch) if seen.wants_successes() => {
                self.report(Report::Ok(1), epoch, now);
            }
            Some(_) => {}
        }
    }

    /// It was not. Returns the epoch in which it counts as an attempt (TRY-1).
    pub(super) fn unhealthy(
        &mut self,
        by: &ClaimToken,
        key: &str,
        epoch: Option<u64>,
        now: UnixMs,
    ) -> Option<u64> {
        let Some(epoch) = epoch else {
            self.breaker.write(&Breaker::reopen(by, &SETTINGS, now));
            return None;
        };
        let key = RecordKey::try_new(key).unwrap();
        self.report(Report::Failed { key }, epoch, now);
        let seen = self.breaker();
        (seen.epoch() == epoch && seen.open_since().is_none()).then_some(epoch)
    }

    fn report(&mut self, report: Report, epoch: u64, now: UnixMs) {
        let by = self.dice.random_range(0..i64::MAX);
        if let Some((write, _)) = self.breaker().report(&[report], epoch, by, &SETTINGS, now) {
            self.breaker.write(&write);
        }
    }

    /// A call of another record, from beginning to end.
    pub(super) fn other(&mut self, by: &ClaimToken, key: &str, now: UnixMs) {
        if let Ok(epoch) = self.pass(by, now) {
            if self.down {
                self.unhealthy(by, key, epoch, now);
            } else {
                self.healthy(by, epoch, now);
            }
        }
    }
}

fn limit(urgent: bool) -> Limit {
    let day = if urgent {
        Share {
            own: KEPT,
            pool: Some(POOL),
        }
    } else {
        Share {
            own: POOL,
            pool: None,
        }
    };
    Limit {
        day: Some(day),
        ..Limit::in_window(60, Duration::from_secs(1))
    }
}
