//! Fills the queues from the registers at start (QUE-2).
//!
//! A message that was in the memory of a killed process is made again from what the register says:
//! dirty, not in review, not waiting for a window. A message too many changes nothing.

use std::time::Duration;

use anyhow::Context as _;
use tidegate_engine::ports::{Listing, MAX_DELAY, Outgoing, Queue, Store};
use tidegate_model::{FlowId, MAX_PACK_KEYS, Message, RecordKey, Tier, UnixMs};
use tidegate_policy::{keys, register::Register};

/// Registers read in one call.
const PAGE: u32 = 500;

/// A record that has work to do.
struct Waiting {
    key: RecordKey,
    tier: Tier,
    since: UnixMs,
    from: UnixMs,
}

/// Queues every record of a flow that has work to do now; says how many.
pub(crate) async fn refill(
    store: &dyn Store,
    queue: &dyn Queue,
    flow: &FlowId,
    now: UnixMs,
) -> anyhow::Result<usize> {
    let mut waiting = Vec::new();
    for shard in 0..keys::REGISTER_SHARDS {
        let listing = Listing::Partition(keys::register_partition(flow, shard));
        let mut after: Option<String> = None;
        loop {
            let page = store.list(&listing, after.as_deref(), PAGE).await?;
            for (key, item) in page.items {
                let key = RecordKey::try_new(key.sort).context("a stored key is no key")?;
                let register = Register::read(&item)?;
                waiting.extend(register.and_then(|register| work_of(key, &register, now)));
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
    }
    // As they came: who has waited longest goes first.
    waiting.sort_by(|one, two| (one.since, &one.key).cmp(&(two.since, &two.key)));
    queue.send(messages(flow, &waiting, now)).await?;
    Ok(waiting.len())
}

fn work_of(key: RecordKey, register: &Register, now: UnixMs) -> Option<Waiting> {
    let since = register.dirty_since?;
    let waits_for_window = register.due.is_some_and(|due| due > now);
    if register.review.is_some() || waits_for_window {
        return None;
    }
    Some(Waiting {
        key,
        tier: register.tier,
        since,
        from: register.claimable_at(),
    })
}

/// Packs of what can be tried now in the batch tier, one message each for the rest.
fn messages(flow: &FlowId, waiting: &[Waiting], now: UnixMs) -> Vec<Outgoing> {
    let message = |keys: Vec<RecordKey>, tier, from: UnixMs| {
        let mut message = Message::new(flow.clone(), keys, tier, now);
        let delay = from.since(now);
        message.not_before = (delay > Duration::ZERO).then_some(from);
        Outgoing {
            message,
            delay: delay.min(MAX_DELAY),
        }
    };
    let is_ready = |one: &&Waiting| one.tier == Tier::Batch && one.from <= now;
    let ready: Vec<RecordKey> = waiting
        .iter()
        .filter(is_ready)
        .map(|one| one.key.clone())
        .collect();
    let packs = ready
        .chunks(MAX_PACK_KEYS)
        .map(|pack| message(pack.to_vec(), Tier::Batch, now));
    let singles = waiting
        .iter()
        .filter(|one| !is_ready(one))
        .map(|one| message(vec![one.key.clone()], one.tier, one.from));
    packs.chain(singles).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tidegate_model::item::{Condition, Item, Update, Value};
    use tidegate_model::{Content, SourceVersion, TierReason, Version};
    use tidegate_policy::register::{self, ReviewCause, ReviewKind, Stage};
    use tidegate_testkit::memory::{ManualClock, MemoryQueue, MemoryStore, QueueRules};

    use super::*;

    const NOW: UnixMs = UnixMs(1_000_000_000);

    fn flow() -> FlowId {
        FlowId::try_new("suppliers").unwrap()
    }

    fn stage_of(tier: Tier) -> Stage {
        Stage {
            version: Version {
                source: SourceVersion(1),
                revision: 1,
                read: 0,
            },
            content: Content::Record(tidegate_model::Fields::new()),
            by: "test".to_owned(),
            tier,
            tier_reason: TierReason::NotCritical,
            search: None,
            link: None,
            look_first: false,
            due: None,
            review: None,
        }
    }

    async fn put(store: &MemoryStore, key: &str, since: i64, stage: Stage) {
        let id = keys::register(&flow(), &RecordKey::try_new(key).unwrap());
        let write = register::stage(&stage, UnixMs(since));
        store.update(&id, &write).await.unwrap();
    }

    async fn set(store: &MemoryStore, key: &str, attribute: &str, value: i64) {
        let id = keys::register(&flow(), &RecordKey::try_new(key).unwrap());
        let write = Update::when(Condition::ALWAYS).set(attribute, value);
        store.update(&id, &write).await.unwrap();
        let items: Vec<Option<Item>> = store.get(&[id]).await.unwrap();
        let stored = items[0].as_ref().unwrap().get(attribute);
        assert_eq!(stored.and_then(Value::as_number), Some(value));
    }

    #[tokio::test]
    async fn what_has_work_now_is_queued_and_nothing_else() {
        let store = MemoryStore::default();
        put(&store, "plain", 5, stage_of(Tier::Batch)).await;
        put(&store, "critical", 9, stage_of(Tier::RealTime)).await;
        put(&store, "older", 1, stage_of(Tier::Batch)).await;
        let later = Stage {
            due: Some(NOW + Duration::from_mins(1)),
            ..stage_of(Tier::Batch)
        };
        put(&store, "next window", 5, later).await;
        let missed = Stage {
            due: Some(NOW - Duration::from_mins(1)),
            ..stage_of(Tier::Batch)
        };
        put(&store, "missed window", 7, missed).await;
        let cause = ReviewCause {
            kind: ReviewKind::Invalid,
            field: None,
            reason: "no".to_owned(),
            since: NOW,
        };
        let reviewed = Stage {
            review: Some((flow(), cause)),
            ..stage_of(Tier::Batch)
        };
        put(&store, "in review", 5, reviewed).await;
        put(&store, "failed", 5, stage_of(Tier::Batch)).await;
        let next = NOW + Duration::from_mins(5);
        set(&store, "failed", "nt", next.0).await;

        let clock = Arc::new(ManualClock::new(NOW));
        let queue = MemoryQueue::new(clock, QueueRules::default());
        let count = refill(&store, &queue, &flow(), NOW).await.unwrap();
        assert_eq!(count, 5);
        let sent: Vec<_> = queue
            .sent()
            .into_iter()
            .map(|one| {
                let keys: Vec<_> = one.message.keys.iter().map(ToString::to_string).collect();
                (keys.join(","), one.message.tier, one.delay.as_secs())
            })
            .collect();
        let expected = [
            ("older,plain,missed window".to_owned(), Tier::Batch, 0),
            ("failed".to_owned(), Tier::Batch, 300),
            ("critical".to_owned(), Tier::RealTime, 0),
        ];
        assert_eq!(sent, expected);
        let failed = queue.sent().remove(1);
        assert_eq!(failed.message.not_before, Some(next));
    }
}
