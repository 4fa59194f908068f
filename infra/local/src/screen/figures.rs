//! The figures of a flow, as people want them.

use tidegate_engine::{
    Engine, Gauges,
    api::{BreakerHealth, BudgetHealth, FlowHealth},
};
use tidegate_model::FlowId;

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
        let paused = health
            .paused
            .map(|pause| format!("paused by {}: {}", pause.by, pause.reason));
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
        let mut parts: Vec<String> = self
            .budgets
            .iter()
            .map(|budget| {
                format!(
                    "{} {} {} of {} calls free",
                    budget.endpoint,
                    budget.tier.as_str().replace('_', "-"),
                    budget.free_now,
                    budget.calls
                )
            })
            .collect();
        let troubled: Vec<String> = self
            .troubled()
            .map(|breaker| format!("{} {}", breaker.endpoint, words(breaker.state)))
            .collect();
        parts.push(if troubled.is_empty() {
            "breakers closed".to_owned()
        } else {
            format!("breakers: {}", troubled.join(", "))
        });
        parts.join(", ")
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
