//! What tick queues again: the stranded (QUE-2), everything after a pause or an outage, and in an
//! outage the one record that asks whether it is over.

use std::time::Duration;

use tidegate_model::{FlowId, Message, RecordKey, Tier, UnixMs};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow_state::{self, FlowState, Side},
    keys,
    limiter::{Limit, Slots},
    register::Register,
    sweep::Waits,
};

use super::Gauges;
use crate::{
    Engine, EngineError, FlowRuntime,
    ports::{MAX_DELAY, Outgoing},
    worker::chunks_of_messages,
};

/// Keys queued by one sweep of the stranded: more wait for the next tick, five minutes later.
const SWEEP_MOST: usize = 5_000;
/// Records that became dirty later than this before the tick can not be stranded yet.
const QUICK_LOOK: Duration = Duration::from_secs(300);

/// A create that fails leaves it unknown whether it happened, and costs a look-up after the outage: it
/// probes so much later than an update.
const CREATE_PROBES_LATER: Duration = Duration::from_hours(1);

/// What a tick does for the records of a flow that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sweep {
    /// Nothing: calls to the target are stopped, and all is queued again when they go on.
    Nothing,
    /// Queues every dirty record: a pause or an outage is over.
    All,
    /// Queues those whose message was lost, so many of a tier at most.
    Stranded {
        /// The most.
        most: usize,
    },
    /// Has one record make the next probe: in an outage messages are dropped (BRK-1).
    Ask {
        /// When the probe is due.
        not_before: UnixMs,
    },
}

/// A dirty record, as far as the sweep must know it. Its content stays in the table.
pub(super) struct Waiting {
    key: RecordKey,
    tier: Tier,
    waits: Waits,
    /// Whether it is not known under which id the target holds it.
    has_no_id: bool,
}

impl Waiting {
    /// Since when it waits to probe.
    fn to_probe(&self) -> UnixMs {
        if self.has_no_id {
            self.waits.from + CREATE_PROBES_LATER
        } else {
            self.waits.from
        }
    }
}

impl Sweep {
    pub(super) fn of(state: &FlowState, breaker: &Breaker, now: UnixMs) -> Self {
        if state.stops(Side::Target).is_some() {
            return Self::Nothing;
        }
        if state.sweep_all.is_some() {
            return Self::All;
        }
        let gate = breaker.gate(now);
        if breaker.parks(now) {
            let not_before = match gate {
                Gate::Open { until } | Gate::Probing { until } | Gate::Held { until } => until,
                Gate::HalfOpen | Gate::Closed { .. } => now,
            };
            return Self::Ask { not_before };
        }
        match gate {
            Gate::Closed { .. } => Self::Stranded { most: SWEEP_MOST },
            // Work would only wait; one record is enough to make the probe.
            _ => Self::Stranded { most: 1 },
        }
    }

    /// A record that this sweep may queue. The rest of a large flow is not kept in memory.
    pub(super) fn candidate(
        self,
        key: RecordKey,
        register: &Register,
        now: UnixMs,
    ) -> Option<Waiting> {
        let waits = Waits::of(register)?;
        let old = || {
            let since = register.dirty_since;
            since.is_some_and(|since| since + QUICK_LOOK <= now)
        };
        // One whose window is still to come has no message that could be missing.
        let had_message = || waits.due.is_none_or(|due| due <= now);
        let may = match self {
            Self::Nothing => false,
            Self::All | Self::Ask { .. } => had_message(),
            Self::Stranded { .. } => old(),
        };
        may.then_some(Waiting {
            key,
            tier: register.tier,
            waits,
            has_no_id: register.target_id.is_none(),
        })
    }
}

/// Keeps the record whose turn to probe it is: what failed a probe waits from then on, so each has
/// its turn, and one that alone makes its target fail does not keep the others out (TRY-1).
pub(super) fn keep_next(waiting: &mut Vec<Waiting>) {
    let next = waiting.drain(..).min_by_key(Waiting::to_probe);
    waiting.extend(next);
}

impl Engine {
    /// Queues all that was found, and forgets it.
    pub(super) async fn queue_all(
        &self,
        runtime: &FlowRuntime,
        gauges: &mut Gauges,
        waiting: &mut Vec<Waiting>,
    ) -> Result<(), EngineError> {
        for tier in [Tier::RealTime, Tier::Batch] {
            let of_tier = waiting.iter().filter(|found| found.tier == tier);
            let keys: Vec<RecordKey> = of_tier.map(|found| found.key.clone()).collect();
            if !keys.is_empty() {
                tracing::info!(flow = %runtime.flow.id(), tier = tier.as_str(), keys = keys.len(), request_id = self.request(), "swept: all that waits is queued");
            }
            self.queue_again(runtime, gauges, &keys, tier).await?;
        }
        waiting.clear();
        Ok(())
    }

    /// The sweep of all is done.
    pub(super) async fn swept_all(
        &self,
        flow: &FlowId,
        state: &FlowState,
        gauges: &Gauges,
    ) -> Result<(), EngineError> {
        if let Some(asked) = state.sweep_all {
            let done = flow_state::swept_all(asked, UnixMs(gauges.at_ms));
            self.write(&keys::flow_state(flow), &done).await?;
        }
        Ok(())
    }

    /// Queues those whose message was lost.
    pub(super) async fn sweep_stranded(
        &self,
        runtime: &FlowRuntime,
        gauges: &mut Gauges,
        waiting: &[Waiting],
        most: usize,
    ) -> Result<(), EngineError> {
        let now = self.now();
        for tier in [Tier::RealTime, Tier::Batch] {
            if self.is_day_used_up(runtime, tier).await? {
                // Messages wait for the new day; more of them would only wait too.
                continue;
            }
            let (longest, swept) = gauges.lawful_wait(runtime, tier);
            let stranded: Vec<RecordKey> = waiting
                .iter()
                .filter(|found| found.tier == tier)
                .filter(|found| found.waits.is_stranded(longest, swept, now))
                .map(|found| found.key.clone())
                .take(most)
                .collect();
            if !stranded.is_empty() {
                tracing::warn!(flow = %runtime.flow.id(), tier = tier.as_str(), keys = stranded.len(), request_id = self.request(), "swept: no message was on its way");
            }
            self.queue_again(runtime, gauges, &stranded, tier).await?;
        }
        Ok(())
    }

    async fn queue_again(
        &self,
        runtime: &FlowRuntime,
        gauges: &mut Gauges,
        keys: &[RecordKey],
        tier: Tier,
    ) -> Result<(), EngineError> {
        if keys.is_empty() {
            return Ok(());
        }
        let now = self.now();
        self.send(chunks_of_messages(runtime, keys, tier, now))
            .await?;
        match tier {
            Tier::RealTime => gauges.swept_real_time_ms = Some(now.0),
            Tier::Batch => gauges.swept_batch_ms = Some(now.0),
        }
        gauges.swept += u64::try_from(keys.len()).unwrap_or(u64::MAX);
        Ok(())
    }

    /// Queues a record for the time of the next probe.
    pub(super) async fn ask(
        &self,
        runtime: &FlowRuntime,
        waiting: &[Waiting],
        not_before: UnixMs,
    ) -> Result<(), EngineError> {
        let Some(next) = waiting.first() else {
            return Ok(());
        };
        let now = self.now();
        let flow = runtime.flow.id().clone();
        let mut message = Message::new(flow, vec![next.key.clone()], next.tier, now);
        message.not_before = Some(not_before);
        let delay = not_before.since(now).min(MAX_DELAY);
        self.send(vec![Outgoing { message, delay }]).await?;
        Ok(())
    }

    /// Whether a tier has no call left today.
    async fn is_day_used_up(&self, runtime: &FlowRuntime, tier: Tier) -> Result<bool, EngineError> {
        let limit = Limit::of_target(runtime.flow.limits(), tier);
        if limit.day.is_none() {
            return Ok(false);
        }
        let key = keys::slots(runtime.flow.file().target.name(), tier);
        let slots = Slots::read(self.read(&key).await?.as_ref(), limit);
        let day = slots.day_use(limit, self.now());
        Ok(day.is_some_and(|day| day.used >= day.share))
    }
}
