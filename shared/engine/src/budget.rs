//! Taking permits (LIM-1 to LIM-4).

use std::time::Duration;

use rand::RngExt;
use tidegate_model::{EndpointId, FlowId, Tier, Turn, UnixMs, flow::PerSecond, item::Item};
use tidegate_policy::{
    keys,
    limiter::{self, Limit, Loan, Permit, Place, Plan, Slots},
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

impl Budget {
    /// The slots of an item, and the limit that holds now.
    pub(crate) fn slots(&self, item: Option<&Item>, now: UnixMs) -> (Slots, Limit) {
        let limit = self.limit.as_told(item, now);
        (Slots::read(item, limit), limit)
    }
}

/// What became of asking for permits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Permits {
    /// Permits for whole groups in order; by group, and by time within a group.
    Granted(Vec<Permit>),
    /// Slots for the first group fall free at this moment, too late to be reserved.
    NoneBefore(UnixMs),
    /// The day's quota is used up until this moment.
    DayUsedUp(UnixMs),
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
    /// Asks for permits for groups of calls, a `step` apart within a group, from this place among
    /// those that wait.
    pub(crate) async fn permits(
        &self,
        budget: &Budget,
        groups: &[u32],
        step: Duration,
        place: Place,
    ) -> Result<Permits, StoreError> {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let one_at_a_time = self.grant_lock(&key);
        let _one_at_a_time = one_at_a_time.lock().await;
        let mut item: Option<Item> = match self.remembered(&key) {
            // What this process saw last may be older than a window, and shows everything idle.
            Some(item) if !Slots::read(Some(&item), budget.limit).must_wait(place) => Some(item),
            _ => self.read(&key).await?,
        };
        let mut dice = self.dice();
        let mut none_before = self.now();
        for _ in 0..GRANT_TRIES {
            let now = self.now();
            let (slots, limit) = budget.slots(item.as_ref(), now);
            let groups_now = fitting(groups, slots.open_to(limit, place, now));
            if groups_now.is_empty() {
                self.remember(&key, item);
                return Ok(Permits::OthersWait);
            }
            let grant = match slots.plan(limit, groups_now, step, now, &mut dice) {
                Plan::Take(grant) => slots.for_place(limit, place, now, grant),
                Plan::DayUsedUp(until) => {
                    let first = groups_now.first().copied().unwrap_or(1);
                    match self.borrow(budget, &mut item, first).await? {
                        Borrowed::Some => continue,
                        Borrowed::None => {
                            self.remember(&key, item);
                            return Ok(Permits::DayUsedUp(until));
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
                    self.remember(&key, Some(after));
                    return Ok(Permits::Granted(grant.permits));
                }
                Written::Refused { current } if limiter::is_mine(current.as_ref(), &grant) => {
                    self.remember(&key, current);
                    return Ok(Permits::Granted(grant.permits));
                }
                Written::Refused { current } => {
                    let (slots, limit) = budget.slots(current.as_ref(), now);
                    none_before = slots.free_for(limit, 1);
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

    /// Takes a turn behind all that wait, with so many calls promised to it. Where none are, there is
    /// nothing to write.
    pub(crate) async fn take_turn(&self, budget: &Budget, calls: u32) -> Result<Turn, StoreError> {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let one_at_a_time = self.grant_lock(&key);
        let _one_at_a_time = one_at_a_time.lock().await;
        let item = match self.remembered(&key) {
            // The write finds out whether the queue is as it was; without one it is read anew.
            Some(item) if calls > 0 => Some(item),
            _ => self.read(&key).await?,
        };
        let mut dice = self.dice();
        let (mut turn, mut write) = Slots::read(item.as_ref(), budget.limit).take_turn(calls);
        if calls == 0 {
            return Ok(turn);
        }
        for _ in 0..GRANT_TRIES {
            match self.write(&key, &write).await? {
                Written::Done { after, .. } => {
                    self.remember(&key, Some(after));
                    return Ok(turn);
                }
                Written::Refused { current } => {
                    let wait = Duration::from_millis(dice.random_range(RACE_WAIT_MS));
                    self.ports.clock.wait_until(self.now() + wait).await;
                    let slots = Slots::read(current.as_ref(), budget.limit);
                    (turn, write) = slots.take_turn(calls);
                }
            }
        }
        // It may be promised to another too: one of them waits a little longer.
        Ok(turn)
    }

    /// Gives up calls of a turn that are not needed any more.
    pub(crate) async fn leave_queue(&self, budget: &Budget, calls: u32) -> Result<(), StoreError> {
        if calls == 0 {
            return Ok(());
        }
        let key = keys::slots(&budget.endpoint, budget.tier);
        match self.write(&key, &limiter::leave(calls)).await? {
            Written::Done { after, .. } => self.remember(&key, Some(after)),
            Written::Refused { current } => self.remember(&key, current),
        }
        Ok(())
    }

    /// When to come back for a turn.
    pub(crate) async fn comes_at(&self, budget: &Budget, turn: Turn) -> Result<UnixMs, StoreError> {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let item = self.read(&key).await?;
        let (slots, limit) = budget.slots(item.as_ref(), self.now());
        self.remember(&key, item);
        Ok(slots.comes_at(limit, turn, &mut self.dice()))
    }

    /// Keeps the rate that the provider told to whoever draws on these limits together.
    pub(crate) async fn tell_rate(&self, budget: &Budget, of_all: u64, rate: PerSecond) {
        let key = keys::slots(&budget.endpoint, budget.tier);
        let item = self.remembered(&key);
        let now = self.now();
        let Some(write) = limiter::tell(item.as_ref(), budget.limit, of_all, rate, now) else {
            return;
        };
        match self.write(&key, &write).await {
            Ok(Written::Done { after, .. }) => {
                tracing::info!(endpoint = %budget.endpoint, tier = budget.tier.as_str(), millionths_a_second = rate.millionths(), "the provider allows less than the flow");
                self.remember(&key, Some(after));
            }
            // Another has told it.
            Ok(Written::Refused { current }) => self.remember(&key, current),
            Err(error) => {
                tracing::debug!(error = %crate::chain(&error), "a lower rate was not kept");
            }
        }
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

    /// Gives permits back whose calls were not sent, the last first, as a bucket needs it. A failure
    /// costs an idle slot and nothing else.
    pub(crate) async fn give_back(&self, budget: &Budget, permits: &[Permit]) {
        let key = keys::slots(&budget.endpoint, budget.tier);
        for permit in permits.iter().rev() {
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

/// The first groups that need no more than so many calls together.
fn fitting(groups: &[u32], mut calls: u32) -> &[u32] {
    let count = groups.iter().take_while(|group| {
        let fits = **group <= calls;
        calls = calls.saturating_sub(**group);
        fits
    });
    groups.get(..count.count()).unwrap_or_default()
}
