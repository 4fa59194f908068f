//! Freshness goals: which class of fields misses its own, and since when.

use std::time::Duration;

use tidegate_model::{Tier, UnixMs};
use tidegate_policy::flow::Flow;

use super::Gauges;
use crate::{Event, FieldClass, FlowRuntime};

impl FieldClass {
    /// Its name in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Critical => "critical",
            Self::Other => "other",
        }
    }

    fn goal(self, flow: &Flow) -> Duration {
        match self {
            Self::Critical => flow.critical_goal(),
            Self::Other => flow.other_goal(),
        }
    }
}

impl Gauges {
    /// The age that a goal is held against. Critical changes that no webhook tells of are found by the
    /// next run at the latest, so for critical fields only a change that waits counts. `None` for others
    /// before the first complete run.
    pub(super) fn age(
        &self,
        class: FieldClass,
        covered: Option<UnixMs>,
        now: UnixMs,
    ) -> Option<Duration> {
        match class {
            FieldClass::Critical => {
                let oldest = self.oldest_real_time_ms.map(UnixMs);
                Some(oldest.map_or(Duration::ZERO, |oldest| now.since(oldest)))
            }
            FieldClass::Other => self.staleness(Tier::Batch, covered, now),
        }
    }

    /// The age of a class of fields where it misses its goal.
    pub(crate) fn breach(
        &self,
        class: FieldClass,
        flow: &Flow,
        covered: Option<UnixMs>,
        now: UnixMs,
    ) -> Option<Duration> {
        let age = self.age(class, covered, now);
        age.filter(|age| *age > class.goal(flow))
    }

    /// Keeps since when a goal is missed, and gives what is to be told: the beginning of a breach, once.
    pub(super) fn note_breaches(
        &mut self,
        before: &Self,
        runtime: &FlowRuntime,
        covered: Option<UnixMs>,
        now: UnixMs,
    ) -> Vec<Event> {
        let flow = &runtime.flow;
        let mut told = Vec::new();
        for class in [FieldClass::Critical, FieldClass::Other] {
            let since = before.breached(class);
            let age = self.breach(class, flow, covered, now);
            self.set_breached(class, age.map(|_| since.unwrap_or(now.0)));
            match (since, age) {
                (None, Some(age)) => {
                    let (age_s, goal_s) = (age.as_secs(), class.goal(flow).as_secs());
                    tracing::error!(flow = %flow.id(), class = class.as_str(), age_s, goal_s, "freshness goal missed");
                    told.push(Event::FreshnessBreached {
                        flow: flow.id().clone(),
                        class,
                        age_s,
                        goal_s,
                        at_ms: now,
                    });
                }
                (Some(since), None) => {
                    let lasted_s = now.since(UnixMs(since)).as_secs();
                    tracing::info!(flow = %flow.id(), class = class.as_str(), lasted_s, "freshness goal met again");
                }
                _ => {}
            }
        }
        told
    }

    fn breached(&self, class: FieldClass) -> Option<i64> {
        match class {
            FieldClass::Critical => self.breached_critical_ms,
            FieldClass::Other => self.breached_other_ms,
        }
    }

    fn set_breached(&mut self, class: FieldClass, since: Option<i64>) {
        match class {
            FieldClass::Critical => self.breached_critical_ms = since,
            FieldClass::Other => self.breached_other_ms = since,
        }
    }
}
