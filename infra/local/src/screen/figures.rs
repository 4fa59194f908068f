//! The figures of a flow, as people want them.

use tidegate_engine::{
    Engine, Gauges,
    api::{BreakerHealth, BudgetHealth, FlowHealth},
};
use tidegate_model::{FlowId, Tier};
use tidegate_policy::flow_state::Side;

/// One flow now.
#[derive(Clone, Debug)]
pub(crate) struct Figures {
    /// The flow.
    pub flow: String,
    /// Its records by state.
    pub gauges: Gauges,
    /// Rows read by the newest run.
    pub received: u64,
    budgets: Vec<BudgetHealth>,
    breakers: Vec<BreakerHealth>,
    stopped: Option<String>,
}

/// Counts every flow.
pub(crate) async fn read(engine: &Engine) -> anyhow::Result<Vec<Figures>> {
    let mut all = Vec::new();
    for health in engine.health().await? {
        let flow = FlowId::try_new(health.flow.clone())?;
        let gauges = engine.count(&flow).await?;
        all.push(Figures::new(health, gauges));
    }
    Ok(all)
}

impl Figures {
    fn new(health: FlowHealth, gauges: Gauges) -> Self {
        let blocked = health.blocker.map(|blocker| blocker.reason);
        let paused = [Side::Target, Side::Source]
            .into_iter()
            .find_map(|side| Some((side, health.paused.of(side)?)))
            .map(|(side, pause)| {
                let side = side.as_str();
                format!("{side} paused by {}: {}", pause.by, pause.reason)
            });
        Self {
            flow: health.flow,
            gauges,
            received: health.last_run.map_or(0, |run| run.counts.received),
            budgets: health.budgets,
            breakers: health.breakers,
            stopped: blocked.or(paused),
        }
    }

    /// Records that wait for a call.
    pub(crate) fn waiting(&self) -> u64 {
        self.gauges.pending_real_time + self.gauges.pending_batch
    }

    /// What waits and what needs a person.
    pub(crate) fn rest(&self) -> String {
        let gauges = &self.gauges;
        let discarded = match gauges.discarded {
            0 => String::new(),
            count => format!(", {count} discarded"),
        };
        format!(
            "{} waiting ({} critical), {} in review{discarded}",
            self.waiting(),
            gauges.pending_real_time,
            gauges.in_review
        )
    }

    /// Why nothing moves, when it is the limit alone: a first look at a still bar asks that.
    pub(crate) fn held_by(&self) -> Option<String> {
        let pending = |tier| match tier {
            Tier::RealTime => self.gauges.pending_real_time,
            Tier::Batch => self.gauges.pending_batch,
        };
        if self.stopped.is_some() || self.troubled().next().is_some() {
            return None;
        }
        let mut budgets = self.budgets.iter();
        let spent = budgets.find(|budget| {
            self.has_tiers(&budget.endpoint) && budget.free_now == 0 && pending(budget.tier) > 0
        })?;
        let BudgetHealth { calls, per_s, .. } = spent;
        Some(format!("the {calls} calls of {per_s} s are used up"))
    }

    /// All counts in one line.
    pub(crate) fn counts(&self) -> String {
        let mut parts = vec![format!(
            "{}: {} staged, {} applied, {}",
            self.flow,
            self.gauges.records,
            self.gauges.applied,
            self.rest()
        )];
        let troubled = self.troubled();
        parts.extend(troubled.map(|one| format!("{} {}", one.endpoint, words(one.state))));
        parts.extend(self.stopped.as_ref().map(|why| format!("stopped: {why}")));
        parts.join(", ")
    }

    /// Budgets and breakers in one line.
    pub(crate) fn limits(&self) -> String {
        let mut systems: Vec<(&str, Vec<String>)> = Vec::new();
        for budget in &self.budgets {
            let free = format!("{} of {}", budget.free_now, budget.calls);
            let tier = budget.tier.as_str().replace('_', "-");
            match systems.last_mut() {
                Some((name, tiers)) if *name == budget.endpoint => {
                    tiers.push(format!("{free} {tier}"));
                }
                _ if self.has_tiers(&budget.endpoint) => {
                    systems.push((&budget.endpoint, vec![format!("{free} {tier}")]));
                }
                _ => systems.push((&budget.endpoint, vec![free])),
            }
        }
        let systems: Vec<String> = systems
            .into_iter()
            .map(|(name, tiers)| format!("{name} {}", tiers.join(" and ")))
            .collect();
        let troubled: Vec<String> = self
            .troubled()
            .map(|breaker| format!("{} {}", breaker.endpoint, words(breaker.state)))
            .collect();
        if systems.is_empty() {
            return "no calls are made".to_owned();
        }
        let breakers = if troubled.is_empty() {
            "breakers closed".to_owned()
        } else {
            format!("breakers: {}", troubled.join(", "))
        };
        format!("free calls: {}; {breakers}", systems.join(", "))
    }

    /// A target has a budget for each tier, a source has one for all.
    fn has_tiers(&self, endpoint: &str) -> bool {
        let budgets = self.budgets.iter();
        budgets.filter(|budget| budget.endpoint == endpoint).count() > 1
    }

    /// Why nothing is called, if so.
    pub(crate) fn stopped(&self) -> Option<&str> {
        self.stopped.as_deref()
    }

    fn troubled(&self) -> impl Iterator<Item = &BreakerHealth> {
        self.breakers
            .iter()
            .filter(|breaker| breaker.state != "closed")
    }
}

/// A breaker's state for people.
fn words(state: &str) -> &str {
    match state {
        "open" => "open (calls pause)",
        "half_open" => "half-open (one call tries)",
        "held" => "asked to wait",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::UnixMs;

    use super::*;

    fn figures(state: &'static str) -> Figures {
        let budget = |endpoint: &str, tier, free_now, calls| BudgetHealth {
            endpoint: endpoint.to_owned(),
            tier,
            free_now,
            calls,
            per_s: 60,
            day_used: None,
            day_calls: None,
        };
        Figures {
            flow: "suppliers".to_owned(),
            gauges: Gauges {
                records: 120,
                applied: 48,
                pending_real_time: 1,
                pending_batch: 69,
                in_review: 2,
                ..Gauges::default()
            },
            received: 120,
            budgets: vec![
                budget("qualio", Tier::RealTime, 18, 20),
                budget("qualio", Tier::Batch, 0, 50),
                budget("erp", Tier::Batch, 119, 120),
            ],
            breakers: vec![BreakerHealth {
                endpoint: "qualio".to_owned(),
                state,
                until_ms: Some(UnixMs(1)),
                open_since_ms: None,
            }],
            stopped: None,
        }
    }

    #[test]
    fn counts_and_limits_are_a_line_each() {
        let calm = figures("closed");
        assert_eq!(
            calm.counts(),
            "suppliers: 120 staged, 48 applied, 70 waiting (1 critical), 2 in review"
        );
        assert_eq!(
            calm.limits(),
            "free calls: qualio 18 of 20 real-time and 0 of 50 batch, erp 119 of 120; breakers closed"
        );
        let held_by = calm.held_by();
        assert_eq!(held_by.unwrap(), "the 50 calls of 60 s are used up");
    }

    #[test]
    fn an_open_breaker_is_seen() {
        let troubled = figures("open");
        assert_eq!(troubled.held_by(), None, "it is not the limit");
        assert!(troubled.counts().ends_with(", qualio open (calls pause)"));
        assert!(
            troubled
                .limits()
                .ends_with("breakers: qualio open (calls pause)")
        );
    }
}
