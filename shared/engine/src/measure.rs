//! What is measured: kept until a piece of work ends, then given to the port together, so that one
//! invocation is a few lines and not one for each call.
//!
//! It makes no port call that can fail or wait. A process that dies with values in hand takes them
//! along: they harm no record, and what must add up is counted in the table.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use tidegate_model::{
    Tier, UnixMs,
    metric::{self, Metric, Sample, Statistic},
};
use tidegate_policy::{
    flow::Flow,
    register::{Register, ReviewKind},
    run::Progress,
};

use crate::{
    Engine, Event, FlowRuntime,
    ports::{Answer, CallError, Consumed},
    session::Scope,
    staging::Staged,
};

/// Values of one series that are kept. Pages tell after each, and none makes so many calls; more only
/// wait where nobody tells, and must not fill the memory.
const MAX_VALUES: usize = 1_000;

/// Values that were not emitted yet, by metric and dimension values.
#[derive(Debug, Default)]
pub(crate) struct Measured(Mutex<BTreeMap<(&'static str, Vec<String>), Sample>>);

impl Measured {
    fn add(&self, metric: &'static Metric, dimensions: &[&str], value: f64) {
        debug_assert_eq!(metric.dimensions.len(), dimensions.len(), "{metric}");
        let named: Vec<String> = dimensions.iter().map(|one| (*one).to_owned()).collect();
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let sample = kept
            .entry((metric.name, named.clone()))
            .or_insert_with(|| Sample {
                metric,
                dimensions: named,
                values: Vec::new(),
            });
        let has_room = sample.values.len() < MAX_VALUES;
        match (metric.statistic, sample.values.first_mut()) {
            (Statistic::Sum, Some(sum)) => *sum += value,
            (Statistic::Maximum, Some(most)) => *most = most.max(value),
            _ if has_room => sample.values.push(value),
            _ => tracing::debug!(metric = metric.name, "a value was dropped"),
        }
    }

    fn take(&self) -> Vec<Sample> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        std::mem::take(&mut *kept).into_values().collect()
    }
}

impl Engine {
    /// Notes a value; [`Engine::emit_measured`] emits it.
    pub(crate) fn measure(&self, metric: &'static Metric, dimensions: &[&str], value: f64) {
        self.measured.add(metric, dimensions, value);
    }

    /// Notes that something happened so many times, if it did.
    pub(crate) fn measure_count(
        &self,
        metric: &'static Metric,
        dimensions: &[&str],
        count: impl Into<u64>,
    ) {
        let count = count.into();
        if count > 0 {
            self.measure(metric, dimensions, exact(count));
        }
    }

    /// Notes that a message stays, or a request is answered 5xx, for something of our own that failed.
    pub fn note_failure(&self) {
        self.measure(&metric::FAILED, &[], 1.0);
    }

    /// Emits what was measured since the last time, and what the table was asked for. A host calls it
    /// at the end of work that reports nothing itself.
    pub fn emit_measured(&self) {
        let Consumed { reads, writes } = self.ports.store.consumed();
        for (metric, units) in [(&metric::READ_UNITS, reads), (&metric::WRITE_UNITS, writes)] {
            if units > 0.0 {
                self.measure(metric, &[], units);
            }
        }
        let samples = self.measured.take();
        if !samples.is_empty() {
            self.ports.metrics.emit(self.now(), &samples);
        }
    }

    /// A call of a system that ended: whether it was answered, and when that began.
    pub(crate) fn measure_call(
        &self,
        scope: &Scope<'_>,
        status: u16,
        (started, took): (UnixMs, Duration),
        outcome: &Result<Answer, CallError>,
    ) {
        let system = scope.budget.endpoint.as_str();
        let answered = status != 0;
        // Without a secret or a usable address nothing is sent, and that is no call.
        let is_sent = answered || matches!(outcome, Err(CallError::Failed { .. }));
        if !is_sent {
            return;
        }
        let of_tier = [system, scope.budget.tier.as_str()];
        self.measure(&metric::CALLS, &of_tier, 1.0);
        let is_well = matches!(outcome, Ok(_) | Err(CallError::Refused { .. }));
        let success = if is_well { 100.0 } else { 0.0 };
        self.measure(&metric::CALL_SUCCESS, &of_tier, success);
        if answered {
            let window = if scope.runtime.in_window(started) {
                "inside"
            } else {
                "outside"
            };
            self.measure(&metric::RESPONSE_TIME, &[system, window], millis(took));
        }
    }

    /// A change that was staged, or found to need nothing.
    pub(crate) fn measure_staged(&self, runtime: &FlowRuntime, staged: Staged) {
        let flow = runtime.flow.id().as_str();
        self.measure(&metric::RECEIVED, &[flow], 1.0);
        // What is to be reviewed is counted where that is told, what is new where it ends.
        if let Staged::Unchanged | Staged::Superseded = staged {
            self.measure(&metric::OUTCOMES, &[flow, staged.as_str()], 1.0);
        }
    }

    /// New content over a change that still waits and is not being sent: one call does for both.
    pub(crate) fn measure_coalesced(
        &self,
        runtime: &FlowRuntime,
        before: Option<&Register>,
        is_new: bool,
    ) {
        let waits = |old: &Register| old.is_dirty() && old.review.is_none() && old.claim.is_none();
        let coalesced = is_new && before.is_some_and(waits);
        let flow = runtime.flow.id().as_str();
        self.measure_count(&metric::OUTCOMES, &[flow, "coalesced"], coalesced);
    }

    /// A record whose target holds what is desired, after so long.
    pub(crate) fn measure_applied(&self, flow: &str, tier: Tier, latency_ms: Option<u64>) {
        self.measure(&metric::OUTCOMES, &[flow, "applied"], 1.0);
        if let Some(latency_ms) = latency_ms {
            let of_tier = [flow, tier.as_str()];
            self.measure(&metric::SYNC_LATENCY, &of_tier, exact(latency_ms));
        }
    }

    /// News that is also a figure.
    pub(crate) fn measure_news(&self, event: &Event) {
        let Event::RecordInReview {
            flow, key, kind, ..
        } = event
        else {
            return;
        };
        let kind: ReviewKind = *kind;
        let flow = flow.as_str();
        self.measure(&metric::REVIEWS_OPENED, &[flow, kind.as_str()], 1.0);
        // What an audit finds is no end of a change.
        if key.is_some() && kind != ReviewKind::Audit {
            self.measure(&metric::OUTCOMES, &[flow, "in_review"], 1.0);
        }
    }
}

/// What started a run, as the metric of run times tells it.
pub(crate) fn started_by(flow: &Flow, progress: &Progress) -> String {
    match progress.window {
        Some(window) => flow.schedule().start_name(window),
        None if progress.run.as_str().starts_with("event-") => "event".to_owned(),
        None => "manual".to_owned(),
    }
}

/// A count as a metric's value.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn exact(count: u64) -> f64 {
    count as f64
}

/// A span in milliseconds, as a metric's value.
pub(crate) fn millis(span: Duration) -> f64 {
    exact(u64::try_from(span.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_one_series_become_what_its_statistic_makes_of_them() {
        let measured = Measured::default();
        for value in [2.0, 5.0, 3.0] {
            measured.add(&metric::CALLS, &["qualio", "batch"], value);
            measured.add(&metric::RUN_OVERDUE, &["suppliers"], value);
            measured.add(&metric::CALL_SUCCESS, &["qualio", "batch"], value);
        }
        measured.add(&metric::CALLS, &["qualio", "real_time"], 1.0);
        let told: Vec<_> = measured
            .take()
            .into_iter()
            .map(|sample| (sample.metric.name, sample.dimensions, sample.values))
            .collect();
        let named = |words: &[&str]| -> Vec<String> {
            words.iter().map(|word| (*word).to_owned()).collect()
        };
        assert_eq!(
            told,
            [
                (
                    "CallSuccess",
                    named(&["qualio", "batch"]),
                    vec![2.0, 5.0, 3.0]
                ),
                ("Calls", named(&["qualio", "batch"]), vec![10.0]),
                ("Calls", named(&["qualio", "real_time"]), vec![1.0]),
                ("RunOverdue", named(&["suppliers"]), vec![5.0]),
            ]
        );
        assert_eq!(measured.take(), []);
    }

    #[test]
    fn values_that_nobody_emits_do_not_fill_the_memory() {
        let measured = Measured::default();
        for _ in 0..=MAX_VALUES {
            measured.add(&metric::CALL_SUCCESS, &["qualio", "batch"], 100.0);
        }
        assert_eq!(measured.take()[0].values.len(), MAX_VALUES);
    }
}
