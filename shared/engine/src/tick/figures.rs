//! What tick measures of a flow: freshness, backlog, reviews, budgets, breakers, and the run that did
//! not happen.

use std::time::Duration;

use tidegate_model::{Tier, UnixMs, metric};
use tidegate_policy::{
    breaker::Breaker,
    flow_state::FlowState,
    keys,
    limiter::{Limit, Slots},
    reconcile::Checkpoint,
    run::Lease,
};

use super::Gauges;
use crate::{
    Engine, EngineError, FieldClass, FlowRuntime, budget::Budget, fetch::source_budget,
    measure::exact, worker::target_budget,
};

/// A flow's breakers and budgets.
pub(super) struct Look {
    /// The target's breaker.
    pub target: Breaker,
    source: Breaker,
    budgets: Vec<(Budget, Slots)>,
}

impl Engine {
    /// Reads breakers and budgets together: one call.
    pub(super) async fn look(&self, runtime: &FlowRuntime) -> Result<Look, EngineError> {
        let source = source_budget(runtime);
        let [real_time, batch] =
            [Tier::RealTime, Tier::Batch].map(|tier| target_budget(runtime, tier));
        let ids = [
            keys::breaker(&batch.endpoint),
            keys::breaker(&source.endpoint),
            keys::slots(&real_time.endpoint, real_time.tier),
            keys::slots(&batch.endpoint, batch.tier),
            keys::slots(&source.endpoint, source.tier),
        ];
        let mut items = self.ports.store.get(&ids).await?.into_iter();
        let mut next = || items.next().flatten();
        let (target, of_source) = (
            Breaker::read(next().as_ref()),
            Breaker::read(next().as_ref()),
        );
        let now = self.now();
        let budgets = [real_time, batch, source].map(|mut budget| {
            let (slots, limit) = budget.slots(next().as_ref(), now);
            budget.limit = limit;
            (budget, slots)
        });
        Ok(Look {
            target,
            source: of_source,
            budgets: budgets.into(),
        })
    }

    /// Measures what was counted and looked at.
    pub(super) fn measure_tick(
        &self,
        runtime: &FlowRuntime,
        (before, gauges): (&Gauges, &Gauges),
        look: &Look,
        (lease, compared): (&Lease, &Checkpoint),
        state: &FlowState,
    ) {
        let now = self.now();
        let flow = runtime.flow.id().as_str();
        for class in [FieldClass::Critical, FieldClass::Other] {
            if let Some(age) = gauges.age(class, lease.covered, now) {
                self.measure(
                    &metric::FRESHNESS,
                    &[flow, class.as_str()],
                    age.as_secs_f64(),
                );
            }
        }
        for (tier, waiting) in [
            (Tier::RealTime, gauges.pending_real_time),
            (Tier::Batch, gauges.pending_batch),
        ] {
            self.measure(&metric::BACKLOG, &[flow, tier.as_str()], exact(waiting));
        }
        let (reviews, before) = (exact(gauges.in_review), exact(before.in_review));
        self.measure(&metric::REVIEWS, &[flow], reviews);
        self.measure(&metric::REVIEWS_GROWTH, &[flow], reviews - before);
        let first = gauges.first_ms.map_or(now, UnixMs);
        let overdue = overdue(runtime, lease, first, now);
        self.measure(&metric::RUN_OVERDUE, &[flow], overdue.as_secs_f64());
        if runtime.flow.file().source.lists_all() {
            let compared = now.since(compared.done_window.unwrap_or(first));
            self.measure(&metric::RECONCILE_AGE, &[flow], compared.as_secs_f64());
        }
        let blocked = state
            .blocker
            .as_ref()
            .map(|blocker| now.since(blocker.since));
        let blocked = blocked.unwrap_or_default().as_secs_f64();
        self.measure(&metric::BLOCKED, &[flow], blocked);
        self.measure_look(runtime, look, now);
    }

    fn measure_look(&self, runtime: &FlowRuntime, look: &Look, now: UnixMs) {
        let target = &runtime.flow.file().target;
        let of_target = target.is_called().then_some((target.name(), &look.target));
        let source = runtime.flow.file().source.rest();
        let of_source = source.map(|source| (&source.name, &look.source));
        for (system, breaker) in of_target.into_iter().chain(of_source) {
            let open = breaker.open_since().map(|since| now.since(since));
            let open = open.unwrap_or_default().as_secs_f64();
            self.measure(&metric::BREAKER_OPEN, &[system.as_str()], open);
        }
        let is_called = |endpoint| {
            let uncalled = [
                (!target.is_called()).then_some(target.name()),
                source.is_none().then_some(runtime.flow.file().source.name()),
            ];
            !uncalled.contains(&Some(endpoint))
        };
        for (budget, slots) in &look.budgets {
            if !is_called(&budget.endpoint) {
                continue;
            }
            let limit: Limit = budget.limit;
            let of_tier = [budget.endpoint.as_str(), budget.tier.as_str()];
            let free = percent(slots.free_at(limit, now).into(), limit.calls.into());
            self.measure(&metric::BUDGET_LEFT, &of_tier, free);
            if let Some(day) = slots.day_use(limit, now) {
                let left = percent(day.share - day.used, day.share);
                self.measure(&metric::QUOTA_LEFT, &of_tier, left);
            }
        }
    }
}

/// Since the first window that is due and that no complete run has covered; before the first complete
/// run, the one that was due when the flow was first counted, so that a flow that never completes a run
/// grows overdue however often its windows come.
fn overdue(runtime: &FlowRuntime, lease: &Lease, first: UnixMs, now: UnixMs) -> Duration {
    let schedule = runtime.flow.schedule();
    let missing = match lease.done_window {
        Some(done) => schedule.next_after(done),
        None => schedule.latest_due(first),
    };
    missing.map_or(Duration::ZERO, |due| now.since(due.at))
}

/// A part of a whole; all of nothing is none.
fn percent(part: i64, whole: i64) -> f64 {
    let part = exact(u64::try_from(part.min(whole)).unwrap_or(0));
    let whole = exact(u64::try_from(whole).unwrap_or(0));
    if whole > 0.0 {
        100.0 * part / whole
    } else {
        0.0
    }
}
