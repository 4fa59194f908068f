//! Taking permits (LIM-1 to LIM-4).

use std::time::Duration;

use rand::RngExt;
use tidegate_model::{EndpointId, FlowId, Tier, UnixMs, item::Item};
use tidegate_policy::{
    keys,
    limiter::{self, Limit, Loan, Permit, Plan, Slots},
};

use crate::{
    Engine, EngineError,
    ports::{StoreError, Written},
};

/// Tries after lost races; with 16 workers a grant loses about once.
const GRANT_TRIES: u32 = 12;
/// Waits after a lost race, at random between these, so that racers part.
const RACE_WAIT_MS: std::ops::RangeInclusive<u64> = 5..=60;
/// Looks at a loan: it is lent, credited and found in three; lost races add some.
const LOAN_TRIES: u32 = 12;

/// The budget of one tier of a system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Budget {
    pub endpoint: EndpointId,
    pub tier: Tier,
    pub limit: Limit,
}

/// What became of asking for permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permits {
    /// Permits for whole groups in order.
    Granted {
        /// By group, and by time within a group.
        permits: Vec<Permit>,
        /// When the first group that got none finds room.
        room_at: UnixMs,
    },
    /// Nothing before this moment.
    NoneBefore(UnixMs),
    /// Others wait already; take a turn.
    OthersWait,
}

/// What became of asking for a loan.
enum Borrowed {
    /// There may be some: look again.
    Some,
    /// The pool has nothing left.
    None,
}

impl Engine {
    /// Asks for permits for groups of calls, a `step` apart within a group. `had_turn`: this work
    /// waited for its turn and does not queue again.
    pub(crate) async fn permits(
        &self,
        budget: &Budget,
        groups: &[u32],
        step: Duration,
        had_turn: bool,
    ) -> Result<Permits, StoreError> {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let one_at_a_time = self.grant_lock(&key);
        let _one_at_a_time = one_at_a_time.lock().await;
        let mut item: Option<Item> = match self.remembered(&key) {
            // Whoever would overtake those that wait looks at what is idle now: what this process
            // saw last may be older than a window, and shows everything idle.
            Some(item)
                if had_turn || !Slots::read(Some(&item), budget.limit).has_queue(self.now()) =>
            {
                Some(item)
            }
            _ => self.read(&key).await?,
        };
        let mut dice = self.dice();
        let mut none_before = self.now();
        for _ in 0..GRANT_TRIES {
            let now = self.now();
            let slots = Slots::read(item.as_ref(), budget.limit);
            let overtakes = !had_turn && slots.has_queue(now);
            let idle = slots.idle(budget.limit, now);
            let groups_now = if overtakes {
                fitting(groups, idle)
            } else {
                groups
            };
            if groups_now.is_empty() {
                return Ok(Permits::OthersWait);
            }
            let grant = match slots.plan(budget.limit, groups_now, step, now, &mut dice) {
                Plan::Take(grant) if overtakes => slots.forget_queue(budget.limit, now, grant),
                Plan::Take(grant) => grant,
                Plan::DayUsedUp(until) => {
                    let first = groups_now.first().copied().unwrap_or(1);
                    match self.borrow(budget, &mut item, first).await? {
                        Borrowed::Some => continue,
                        Borrowed::None => {
                            self.remember(&key, item);
                            return Ok(Permits::NoneBefore(until));
                        }
                    }
                }
                Plan::Wait(until) => {
                    self.remember(&key, item);
                    return Ok(Permits::NoneBefore(until));
                }
            };
            match self.write(&key, &grant.write).await? {
                Written::Done { after, .. } => {
                    let room_at = room_at(Some(&after), budget.limit, groups, grant.permits.len());
                    self.remember(&key, Some(after));
                    return Ok(Permits::Granted {
                        permits: grant.permits,
                        room_at,
                    });
                }
                Written::Refused { current } if limiter::is_mine(current.as_ref(), &grant) => {
                    let room_at =
                        room_at(current.as_ref(), budget.limit, groups, grant.permits.len());
                    self.remember(&key, current);
                    return Ok(Permits::Granted {
                        permits: grant.permits,
                        room_at,
                    });
                }
                Written::Refused { current } => {
                    none_before =
                        Slots::read(current.as_ref(), budget.limit).next_free(budget.limit);
                    item = current;
                    let wait = Duration::from_millis(dice.random_range(RACE_WAIT_MS));
                    self.ports.clock.wait_until(self.now() + wait).await;
                }
            }
        }
        Ok(Permits::NoneBefore(none_before.max(self.now())))
    }

    /// Real-time work that has used its share of the day borrows what batch leaves (LIM-3).
    async fn borrow(
        &self,
        budget: &Budget,
        item: &mut Option<Item>,
        calls: u32,
    ) -> Result<Borrowed, StoreError> {
        if budget.limit.day.and_then(|share| share.pool).is_none() {
            return Ok(Borrowed::None);
        }
        let own = keys::slots(&budget.endpoint, budget.tier);
        let lender = keys::slots(&budget.endpoint, Tier::Batch);
        let mut dice = self.dice();
        for _ in 0..LOAN_TRIES {
            *item = self.read(&own).await?;
            let pool = self.read(&lender).await?;
            let slots = Slots::read(item.as_ref(), budget.limit);
            let (key, write) = match slots.loan(budget.limit, pool.as_ref(), calls, self.now()) {
                Loan::Nothing => return Ok(Borrowed::None),
                Loan::Enough => return Ok(Borrowed::Some),
                Loan::Lend(write) => (&lender, write),
                Loan::Credit(write) => (&own, write),
            };
            if let Written::Refused { .. } = self.write(key, &write).await? {
                let wait = Duration::from_millis(dice.random_range(RACE_WAIT_MS));
                self.ports.clock.wait_until(self.now() + wait).await;
            }
        }
        Ok(Borrowed::None)
    }

    /// Takes a turn for so many calls and says when to come back.
    pub(crate) async fn turn(&self, budget: &Budget, calls: u32) -> Result<UnixMs, StoreError> {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let one_at_a_time = self.grant_lock(&key);
        let _one_at_a_time = one_at_a_time.lock().await;
        let mut item = match self.remembered(&key) {
            Some(item) => Some(item),
            None => self.read(&key).await?,
        };
        let mut dice = self.dice();
        let mut begin = self.now();
        for _ in 0..GRANT_TRIES {
            let slots = Slots::read(item.as_ref(), budget.limit);
            let (at, write) = slots.take_turn(budget.limit, calls.max(1), self.now());
            begin = at;
            match self.write(&key, &write).await? {
                Written::Done { after, .. } => {
                    self.remember(&key, Some(after));
                    break;
                }
                Written::Refused { current } => {
                    item = current;
                    let wait = Duration::from_millis(dice.random_range(RACE_WAIT_MS));
                    self.ports.clock.wait_until(self.now() + wait).await;
                }
            }
        }
        Ok(begin - limiter::EARLY)
    }

    /// Forgets the turns at a flow's target. Right when its messages are gone: at the start of a
    /// host that keeps them in memory, and when everything is queued again.
    pub async fn forget_turns(&self, flow: &FlowId) -> Result<(), EngineError> {
        let runtime = self.flow(flow)?;
        for tier in [Tier::RealTime, Tier::Batch] {
            let key = keys::slots(runtime.flow.file().target.name(), tier);
            self.write(&key, &limiter::forget_turns()).await?;
            self.remember(&key, None);
        }
        Ok(())
    }

    /// Gives permits back whose calls were not sent. A failure costs an idle slot and nothing else.
    pub(crate) async fn give_back(&self, budget: &Budget, permits: &[Permit]) {
        let key = keys::slots(&budget.endpoint, budget.tier);
        for permit in permits {
            match self.write(&key, &limiter::give_back(*permit)).await {
                Ok(Written::Done { after, .. }) => self.remember(&key, Some(after)),
                Ok(Written::Refused { current }) => self.remember(&key, current),
                Err(error) => {
                    tracing::debug!(error = %crate::chain(&error), "a permit was not given back");
                }
            }
        }
    }
}

/// When the first group that got no permits finds room.
fn room_at(item: Option<&Item>, limit: Limit, groups: &[u32], granted: usize) -> UnixMs {
    let mut left = granted;
    let waiting = groups.iter().find(|calls| {
        let calls = usize::try_from(**calls).unwrap_or(usize::MAX);
        let served = calls <= left;
        left = left.saturating_sub(calls);
        !served
    });
    Slots::read(item, limit).free_for(limit, waiting.copied().unwrap_or(1))
}

/// The first groups that need no more than so many calls together.
fn fitting(groups: &[u32], mut calls: u32) -> &[u32] {
    let count = groups.iter().take_while(|group| {
        let fits = **group <= calls;
        calls = calls.saturating_sub(**group);
        fits
    });
    groups.get(..count.count()).unwrap_or_default()
}
