//! Health of a flow.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_model::{Tier, UnixMs};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow_state::{Blocker, Paused},
    keys,
    run::Lease,
};

use crate::{
    Engine, EngineError, FieldClass, FlowRuntime, batch::RunReport, fetch::source_budget,
    tick::Gauges, worker::target_budget,
};

/// Health of one flow, from the table alone.
#[derive(Clone, Debug, Serialize)]
pub struct FlowHealth {
    /// The flow.
    pub flow: String,
    /// Revision of its file.
    pub revision: u32,
    /// Hash of its file.
    pub file_hash: String,
    /// The newest run.
    pub last_run: Option<RunReport>,
    /// A run that is under way or waits to go on.
    pub running: Option<String>,
    /// The windows.
    pub windows: WindowHealth,
    /// Budgets of target and source.
    pub budgets: Vec<BudgetHealth>,
    /// Breakers of target and source.
    pub breakers: Vec<BreakerHealth>,
    /// Backlog as tick last counted it.
    pub backlog: Gauges,
    /// Age per class of field.
    pub freshness: FreshnessHealth,
    /// What people paused.
    pub paused: Paused,
    /// What needs a person.
    pub blocker: Option<Blocker>,
}

/// The windows of a flow.
#[derive(Clone, Debug, Serialize)]
pub struct WindowHealth {
    /// The next scheduled start, in milliseconds since 1970.
    pub next_ms: Option<UnixMs>,
    /// The same in the flow's zone.
    pub next_local: Option<String>,
    /// The longest time between two windows, in seconds (R2).
    pub worst_staleness_s: u64,
    /// Between which.
    pub worst_between: [String; 2],
}

/// A budget at this moment.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct BudgetHealth {
    /// The system.
    pub endpoint: String,
    /// The tier.
    pub tier: Tier,
    /// Calls that could leave at once.
    pub free_now: u32,
    /// Calls in a window, or those that a bucket holds. Fewer than the flow's where the provider says so.
    pub calls: u32,
    /// Length of the window in seconds, or the time in which a full bucket empties.
    pub per_s: u64,
    /// Calls used of today's share, where there is a quota.
    pub day_used: Option<i64>,
    /// Today's share, with what real-time borrowed and without what batch lent.
    pub day_calls: Option<i64>,
}

/// A breaker at this moment.
#[derive(Clone, Debug, Serialize)]
pub struct BreakerHealth {
    /// The system.
    pub endpoint: String,
    /// `closed`, `open`, `half_open` or `held`.
    pub state: &'static str,
    /// When the state may change.
    pub until_ms: Option<UnixMs>,
    /// Since when it has been open.
    pub open_since_ms: Option<UnixMs>,
}

/// Age per class of field.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct FreshnessHealth {
    /// Age of critical fields in seconds; none before the first complete run.
    pub critical_s: Option<u64>,
    /// Its goal.
    pub critical_goal_s: u64,
    /// Age of the others in seconds.
    pub other_s: Option<u64>,
    /// Its goal.
    pub other_goal_s: u64,
    /// Whether a goal is missed.
    pub stale: bool,
}

impl Engine {
    /// Health of every flow.
    pub async fn health(&self) -> Result<Vec<FlowHealth>, EngineError> {
        let mut all = Vec::new();
        for runtime in self.flows() {
            all.push(self.flow_health(runtime).await?);
        }
        Ok(all)
    }

    async fn flow_health(&self, runtime: &FlowRuntime) -> Result<FlowHealth, EngineError> {
        let flow = &runtime.flow;
        let now = self.now();
        let state = self.flow_state(flow.id()).await?;
        let lease = Lease::read(self.read(&keys::lease(flow.id())).await?.as_ref());
        let gauges = self.gauges(flow.id()).await?;
        let last_run = self.account(&keys::latest_run(flow.id())).await?;
        let gap = flow.schedule().worst_gap();
        let next = flow.schedule().next_after(now).map(|due| due.at);
        Ok(FlowHealth {
            flow: flow.id().to_string(),
            revision: flow.revision(),
            file_hash: flow.hash().to_owned(),
            last_run,
            running: lease
                .progress
                .as_ref()
                .map(|progress| progress.run.to_string()),
            windows: WindowHealth {
                next_ms: next,
                next_local: next.map(|at| flow.schedule().local(at)),
                worst_staleness_s: gap.span.as_secs(),
                worst_between: [gap.from, gap.to],
            },
            budgets: self.budgets(runtime, now).await?,
            breakers: self.breakers(runtime, now).await?,
            freshness: freshness(runtime, &gauges, lease.covered, now),
            backlog: gauges,
            paused: state.paused,
            blocker: state.blocker,
        })
    }

    async fn budgets(
        &self,
        runtime: &FlowRuntime,
        now: UnixMs,
    ) -> Result<Vec<BudgetHealth>, EngineError> {
        let mut all = Vec::new();
        let tiers: &[Tier] = if runtime.flow.file().target.is_called() {
            &[Tier::RealTime, Tier::Batch]
        } else {
            &[]
        };
        let of_target = tiers.iter().map(|tier| target_budget(runtime, *tier));
        let source = runtime.flow.file().source.rest();
        let of_source = source.map(|_| source_budget(runtime));
        for budget in of_target.chain(of_source) {
            let item = self
                .read(&keys::slots(&budget.endpoint, budget.tier))
                .await?;
            let (slots, limit) = budget.slots(item.as_ref(), now);
            let day = slots.day_use(limit, now);
            all.push(BudgetHealth {
                endpoint: budget.endpoint.to_string(),
                tier: budget.tier,
                free_now: slots.free_at(limit, now),
                calls: limit.calls,
                per_s: limit.window.as_secs(),
                day_used: day.map(|day| day.used),
                day_calls: day.map(|day| day.share),
            });
        }
        Ok(all)
    }

    async fn breakers(
        &self,
        runtime: &FlowRuntime,
        now: UnixMs,
    ) -> Result<Vec<BreakerHealth>, EngineError> {
        let mut all = Vec::new();
        let target = &runtime.flow.file().target;
        let called = target.is_called().then_some(target.name());
        let source = runtime.flow.file().source.rest();
        let of_source = source.map(|source| &source.name);
        for endpoint in called.into_iter().chain(of_source) {
            let breaker = Breaker::read(self.read(&keys::breaker(endpoint)).await?.as_ref());
            let (state, until_ms) = match breaker.gate(now) {
                Gate::Closed { .. } => ("closed", None),
                Gate::Open { until } => ("open", Some(until)),
                Gate::HalfOpen => ("half_open", None),
                Gate::Probing { until } => ("half_open", Some(until)),
                Gate::Held { until } => ("held", Some(until)),
            };
            all.push(BreakerHealth {
                endpoint: endpoint.to_string(),
                state,
                until_ms,
                open_since_ms: breaker.open_since(),
            });
        }
        Ok(all)
    }
}

fn freshness(
    runtime: &FlowRuntime,
    gauges: &Gauges,
    covered: Option<UnixMs>,
    now: UnixMs,
) -> FreshnessHealth {
    let flow = &runtime.flow;
    let age = |tier| {
        gauges
            .staleness(tier, covered, now)
            .map(|age| age.as_secs())
    };
    let (critical_s, other_s) = (age(Tier::RealTime), age(Tier::Batch));
    let (critical_goal_s, other_goal_s) =
        (flow.critical_goal().as_secs(), flow.other_goal().as_secs());
    let missed = |class| gauges.breach(class, flow, covered, now).is_some();
    FreshnessHealth {
        critical_s,
        critical_goal_s,
        other_s,
        other_goal_s,
        stale: missed(FieldClass::Critical) || missed(FieldClass::Other),
    }
}
