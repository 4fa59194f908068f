//! What tick counts of a flow, and what follows from two counts: how long a record may lawfully wait.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::{Tier, UnixMs};
use tidegate_policy::{
    fingerprint::KeyPrint,
    keys,
    limiter::Limit,
    register::{Register, State},
    sweep,
};

use crate::FlowRuntime;

/// What tick counted of a flow.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Gauges {
    /// When it was counted, in milliseconds since 1970.
    pub at_ms: i64,
    /// When the flow was first counted; none before its first count, and in one of an earlier release.
    pub first_ms: Option<i64>,
    /// Records that have a register.
    pub records: u64,
    /// Records that the target holds as desired.
    pub applied: u64,
    /// Waiting in the real-time tier.
    pub pending_real_time: u64,
    /// Waiting in the batch tier.
    pub pending_batch: u64,
    /// In review.
    pub in_review: u64,
    /// Decided not to be sent.
    pub discarded: u64,
    /// Applied, and in no file for the warehouse.
    pub not_loaded: u64,
    /// Since when there are such.
    pub not_loaded_since_ms: Option<i64>,
    /// Since when the oldest change of the real-time tier waits.
    pub oldest_real_time_ms: Option<i64>,
    /// Since when the oldest other change waits: of the batch tier, or one that came before its record
    /// rose to the real-time tier.
    pub oldest_batch_ms: Option<i64>,
    /// Sum of the prints of all keys, by shard: tells a reconciliation whether there are registers
    /// that nothing led it to, without reading them.
    pub key_sums: Vec<u64>,
    /// Queued again by this tick.
    pub swept: u64,
    /// When the sweep last queued something of the real-time tier, and of the batch tier.
    pub swept_real_time_ms: Option<i64>,
    /// See above.
    pub swept_batch_ms: Option<i64>,
    /// What is left of the longest lawful waits that earlier ticks found, in milliseconds.
    pub carried_real_time_ms: u64,
    /// See above.
    pub carried_batch_ms: u64,
    /// Since when the goal of critical fields is missed, and that of the others.
    pub breached_critical_ms: Option<i64>,
    /// See above.
    pub breached_other_ms: Option<i64>,
}

impl Gauges {
    /// The beginning of a count.
    pub(super) fn after(before: &Self, runtime: &FlowRuntime, now: UnixMs) -> Self {
        let passed = now.since(UnixMs(before.at_ms));
        let carried = |tier| {
            let (longest, _) = before.lawful_wait(runtime, tier);
            u64::try_from(sweep::carried(longest, passed).as_millis()).unwrap_or(u64::MAX)
        };
        Self {
            at_ms: now.0,
            first_ms: before.first_ms.or(Some(now.0)),
            key_sums: (0..keys::REGISTER_SHARDS).map(|_| 0).collect(),
            swept_real_time_ms: before.swept_real_time_ms,
            swept_batch_ms: before.swept_batch_ms,
            carried_real_time_ms: carried(Tier::RealTime),
            carried_batch_ms: carried(Tier::Batch),
            ..Self::default()
        }
    }

    /// The longest lawful wait of a record in a tier, and when the tier was last swept.
    pub(crate) fn lawful_wait(
        &self,
        runtime: &FlowRuntime,
        tier: Tier,
    ) -> (Duration, Option<UnixMs>) {
        let (backlog, carried_ms, swept) = match tier {
            Tier::RealTime => (
                self.pending_real_time,
                self.carried_real_time_ms,
                self.swept_real_time_ms,
            ),
            Tier::Batch => (
                self.pending_batch,
                self.carried_batch_ms,
                self.swept_batch_ms,
            ),
        };
        let traits = runtime.target.traits();
        let calls = traits.update_calls.max(traits.create_calls);
        let limit = Limit::of_target(runtime.flow.limits(), tier);
        let longest = sweep::longest_wait(backlog, calls, limit);
        let carried = Duration::from_millis(carried_ms);
        (longest.max(carried), swept.map(UnixMs))
    }

    pub(super) fn count(&mut self, register: &Register) {
        self.records += 1;
        match register.state() {
            State::Applied => self.applied += 1,
            State::InReview => self.in_review += 1,
            State::Discarded => self.discarded += 1,
            State::Pending => {
                match register.tier {
                    Tier::RealTime => self.pending_real_time += 1,
                    Tier::Batch => self.pending_batch += 1,
                }
                let (pending, urgent) = (register.pending_since, register.urgent_since);
                let other = pending.filter(|since| urgent.is_none_or(|urgent| *since < urgent));
                keep_older(&mut self.oldest_real_time_ms, urgent);
                keep_older(&mut self.oldest_batch_ms, other);
            }
        }
    }

    /// Since when records wait for a load, and for how long. What waits now came after the newest load
    /// that put all that was due.
    pub(super) fn note_not_loaded(
        &mut self,
        before: &Self,
        staged_at: Option<UnixMs>,
        now: UnixMs,
    ) -> Duration {
        let since = before.not_loaded_since_ms.unwrap_or(now.0);
        let since = since.max(staged_at.map_or(since, |at| at.0));
        self.not_loaded_since_ms = (self.not_loaded > 0).then_some(since);
        now.since(UnixMs(self.not_loaded_since_ms.unwrap_or(now.0)))
    }

    /// Age of a class of field at a moment: since the last complete run, or since the oldest change
    /// that waits (DESIGN, freshness). `None` before the first complete run.
    pub fn staleness(&self, tier: Tier, covered: Option<UnixMs>, now: UnixMs) -> Option<Duration> {
        let oldest = match tier {
            Tier::RealTime => self.oldest_real_time_ms,
            Tier::Batch => self.oldest_batch_ms,
        };
        let since = oldest.map_or(covered?, |oldest| {
            UnixMs(oldest).min(covered.unwrap_or(UnixMs(oldest)))
        });
        Some(now.since(since))
    }
}

fn keep_older(oldest_ms: &mut Option<i64>, since: Option<UnixMs>) {
    if let Some(UnixMs(since)) = since {
        *oldest_ms = Some(oldest_ms.map_or(since, |oldest| oldest.min(since)));
    }
}

/// Adds a key to the sum of its shard.
pub(crate) fn add_print(sums: &mut [u64], print: KeyPrint) {
    let shard = usize::try_from(print.shard()).unwrap_or(0);
    if let Some(sum) = sums.get_mut(shard) {
        *sum = sum.wrapping_add(print.0);
    }
}
