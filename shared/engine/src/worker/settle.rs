//! What follows from the verdicts of a message's keys.

use std::{collections::BTreeMap, time::Duration};

use tidegate_model::{Message, RecordKey, Tier, UnixMs, metric};
use tidegate_policy::{limiter::Limit, schedule::utc};

use super::{Delivery, Disposition, Judged, Settled};
use crate::{
    Engine, FlowRuntime,
    apply::Verdict,
    ports::{MAX_DELAY, Outgoing, Wait},
};

/// Keys of a pack whose handling broke off come back after this: a claim that lapsed ends meanwhile.
const LEFT_WAIT: Duration = Duration::from_secs(45);
/// Deferrals within so much of each other share a message.
const SAME_TIME_MS: i64 = 1_000;

/// Each so many hops of a message in which nothing came of it are told. A backlog hops every 15
/// minutes, so this is one of two days; an outage is parked after a quarter of an hour, in which
/// waits for a probe hop 180 times.
const TELL_EVERY_HOPS: u32 = 200;

/// How deferred keys queue for permits when they come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Queueing {
    Turn,
    First,
    Anew,
}

impl Queueing {
    fn of(why: Wait) -> Self {
        match why {
            Wait::Turn => Self::Turn,
            Wait::Permit => Self::First,
            // After any other wait the backlog is another, and a new turn is taken.
            _ => Self::Anew,
        }
    }
}

impl Engine {
    /// Does what follows for a message whose handling began at `began`.
    pub(super) async fn settle(
        &self,
        delivery: &Delivery,
        settled: Settled,
        began: UnixMs,
    ) -> Disposition {
        let message = &delivery.message;
        let single = message.keys.len() == 1;
        let now = self.now();
        let mut outgoing = Vec::new();
        let mut rest = message.clone();
        if message.fetch.is_some() && settled.fetch.is_none() {
            // The record became dirty just now: no earlier sweep has queued it.
            (rest.first_sent, rest.hops, rest.failing_since) = (now, 0, None);
        }
        let applied = |judged: &Judged| matches!(judged.verdict, Verdict::Applied);
        if settled.verdicts.iter().any(applied) {
            rest.hops = 0;
        }
        rest.fetch = settled.fetch;
        let waits_for = |wait: Wait| {
            let waits = |judged: &Judged| matches!(judged.verdict, Verdict::Defer { why, .. } if why == wait);
            settled.verdicts.iter().any(waits)
        };
        if waits_for(Wait::FailedRead) {
            rest.failing_since.get_or_insert(now);
        }
        // Who waits for a person goes round for a reason.
        let is_hop = !waits_for(Wait::Stopped);
        rest.repeat = settled.repeat;
        let mut deferred: BTreeMap<(i64, Queueing), Vec<RecordKey>> = BTreeMap::new();
        for judged in settled.verdicts {
            self.log_verdict(message, &judged, began);
            let Judged { key, verdict, .. } = judged;
            if matches!(verdict, Verdict::Leave(_)) {
                self.note_failure();
            }
            match verdict {
                Verdict::Applied | Verdict::Nothing(_) | Verdict::Review(_) | Verdict::Parked => {}
                Verdict::Defer { until, why } => {
                    let slot = until.0.max(now.0).div_euclid(SAME_TIME_MS);
                    let group = (slot, Queueing::of(why));
                    deferred.entry(group).or_default().push(key);
                }
                Verdict::Retry { after, .. } if single => return self.hold(delivery, after).await,
                Verdict::Leave(_) if single => return Disposition::Keep,
                Verdict::Retry { after, .. } => outgoing.push(self.own_message(&rest, key, after)),
                Verdict::Leave(_) => outgoing.push(self.own_message(&rest, key, LEFT_WAIT)),
            }
        }
        for ((slot, queueing), keys) in deferred {
            let until = UnixMs((slot + 1) * SAME_TIME_MS - 1);
            let mut copy = with_keys(&rest, keys);
            copy.had_turn = matches!(queueing, Queueing::Turn | Queueing::First);
            copy.turn = settled.turn.filter(|_| queueing == Queueing::Turn);
            let copy = if is_hop { self.hopped(copy) } else { copy };
            outgoing.push(delayed(copy, until, now));
        }
        self.send_then(outgoing, message).await
    }

    /// It came before its time: a queue delays by 15 minutes at most, so long waits go in hops.
    pub(super) async fn delay_again(&self, delivery: &Delivery, not_before: UnixMs) -> Disposition {
        let hopped = self.hopped(delivery.message.clone());
        let copy = delayed(hopped, not_before, self.now());
        self.send_then(vec![copy], &delivery.message).await
    }

    /// Sends before the delivery is deleted: a crash between the two makes a duplicate, never a gap.
    async fn send_then(&self, outgoing: Vec<Outgoing>, message: &Message) -> Disposition {
        if outgoing.is_empty() {
            return Disposition::Delete;
        }
        match self.send(outgoing).await {
            Ok(()) => Disposition::Delete,
            Err(error) => {
                tracing::error!(flow = %message.flow, run = self.run_id(), request_id = self.request(), error = %crate::chain(&error), "copies were not sent, the message stays");
                self.note_failure();
                Disposition::Keep
            }
        }
    }

    async fn hold(&self, delivery: &Delivery, after: Duration) -> Disposition {
        if let Err(error) = self.ports.queue.hold(&delivery.receipt, after).await {
            // It comes back by the queue's visibility; the register's next attempt holds it off.
            tracing::warn!(flow = %delivery.message.flow, run = self.run_id(), request_id = self.request(), error = %crate::chain(&error), "visibility was not changed");
        }
        Disposition::Keep
    }

    fn own_message(&self, pack: &Message, key: RecordKey, after: Duration) -> Outgoing {
        let now = self.now();
        let mut message = with_keys(pack, vec![key]);
        (message.had_turn, message.turn) = (false, None);
        delayed(message, now + after, now)
    }

    /// The same, after one more wait. One that goes round for long is told of, and goes on: what it
    /// says is still to be done.
    fn hopped(&self, mut message: Message) -> Message {
        message.hops = message.hops.saturating_add(1);
        let flow = message.flow.as_str();
        self.measure_count(&metric::MESSAGE_HOPS, &[flow], message.hops);
        if is_told(message.hops) {
            tracing::warn!(
                flow,
                tier = message.tier.as_str(),
                keys = message.keys.len(),
                hops = message.hops,
                first_sent = %message.first_sent,
                run = self.run_id(),
                request_id = self.request(),
                "a message goes round without progress"
            );
        }
        message
    }

    fn log_verdict(&self, message: &Message, judged: &Judged, began: UnixMs) {
        let Judged { key, verdict, .. } = judged;
        let (name, reason) = match verdict {
            Verdict::Applied => ("applied", None),
            Verdict::Nothing(why) => ("nothing", Some(*why)),
            Verdict::Defer { why, .. } => ("deferred", Some(why.as_str())),
            Verdict::Retry { .. } => ("retry", None),
            Verdict::Review(kind) => ("in_review", Some(kind.as_str())),
            Verdict::Parked => ("parked", None),
            Verdict::Leave(why) => ("left", Some(why.as_str())),
        };
        let until = match verdict {
            Verdict::Defer { until, .. } => Some(utc(*until)),
            _ => None,
        };
        let (after_s, attempt) = match verdict {
            Verdict::Retry { after, attempt } => (Some(after.as_secs()), Some(*attempt)),
            _ => (None, judged.attempt),
        };
        tracing::info!(
            flow = %message.flow,
            key = key.as_str(),
            tier = message.tier.as_str(),
            run = self.run_id(),
            request_id = self.request(),
            verdict = name,
            reason,
            until,
            after_s,
            attempt,
            took_ms = self.ms_since(began),
            "verdict"
        );
    }
}

fn is_told(hops: u32) -> bool {
    hops > 0 && hops.is_multiple_of(TELL_EVERY_HOPS)
}

fn with_keys(message: &Message, keys: Vec<RecordKey>) -> Message {
    let mut message = message.clone();
    message.keys = keys;
    message
}

/// A message that comes at a moment; a long wait goes in hops.
pub(crate) fn delayed(mut message: Message, until: UnixMs, now: UnixMs) -> Outgoing {
    message.not_before = Some(until);
    Outgoing {
        message,
        delay: until.since(now).min(MAX_DELAY),
    }
}

/// Messages for keys: packs in the batch tier, one key each in real-time.
pub(crate) fn chunks_of_messages(
    runtime: &FlowRuntime,
    keys: &[RecordKey],
    tier: Tier,
    now: UnixMs,
) -> Vec<Outgoing> {
    let size = match tier {
        Tier::Batch => {
            let traits = runtime.target.traits();
            let calls = traits.create_calls.max(traits.update_calls);
            Limit::of_target(runtime.flow.limits(), tier).pack_keys(calls)
        }
        Tier::RealTime => 1,
    };
    keys.chunks(size)
        .map(|pack| Outgoing {
            message: Message::new(runtime.flow.id().clone(), pack.to_vec(), tier, now),
            delay: Duration::ZERO,
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_goes_round_is_told_of_now_and_then() {
        let told: Vec<u32> = (0..=2 * TELL_EVERY_HOPS)
            .filter(|&hops| is_told(hops))
            .collect();
        assert_eq!(told, [TELL_EVERY_HOPS, 2 * TELL_EVERY_HOPS]);
    }
}
