//! Both queues in memory, with SQS's semantics.

use std::{
    fmt,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use tidegate_engine::ports::{Clock, MAX_DELAY, Outgoing, PortError, Queue, Receipt};
use tidegate_model::{Tier, UnixMs};

use super::{Delivery, QueueRules, locked};

struct Entry {
    id: u64,
    tier: Tier,
    body: String,
    visible: UnixMs,
    receives: u32,
}

impl Entry {
    /// Names this delivery and no other.
    fn receipt(&self) -> Receipt {
        Receipt {
            tier: self.tier,
            handle: format!("{}#{}", self.id, self.receives),
        }
    }
}

#[derive(Default)]
struct State {
    next_id: u64,
    waiting: Vec<Entry>,
    dead: Vec<Entry>,
    sent: Vec<Outgoing>,
    held: Vec<(Receipt, Duration)>,
}

/// The two work queues. It delivers what is visible by its clock, the one that became visible first
/// first; counts deliveries; hides what it delivered; makes dead letters of what came too often.
pub struct MemoryQueue {
    clock: Arc<dyn Clock>,
    rules: QueueRules,
    state: Mutex<State>,
}

impl fmt::Debug for MemoryQueue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryQueue")
            .field("rules", &self.rules)
            .finish_non_exhaustive()
    }
}

impl MemoryQueue {
    /// Empty queues.
    pub fn new(clock: Arc<dyn Clock>, rules: QueueRules) -> Self {
        Self {
            clock,
            rules,
            state: Mutex::default(),
        }
    }

    /// Delivers up to `max` messages.
    pub fn receive(&self, tier: Tier, max: usize) -> Vec<Delivery> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let worn = |entry: &Entry| {
            entry.tier == tier && entry.visible <= now && entry.receives >= self.rules.max_receives
        };
        let dead: Vec<Entry> = state.waiting.extract_if(.., |entry| worn(entry)).collect();
        state.dead.extend(dead);
        state.waiting.sort_by_key(|entry| (entry.visible, entry.id));
        let ready = state
            .waiting
            .iter_mut()
            .filter(|entry| entry.tier == tier && entry.visible <= now);
        ready
            .take(max)
            .map(|entry| {
                entry.visible = now + self.rules.visibility;
                entry.receives += 1;
                Delivery {
                    receipt: entry.receipt(),
                    message_id: entry.id.to_string(),
                    receive_count: entry.receives,
                    body: entry.body.clone(),
                }
            })
            .collect()
    }

    /// Deletes a delivered message. One that was delivered again since stays.
    pub fn delete(&self, receipt: &Receipt) {
        locked(&self.state)
            .waiting
            .retain(|entry| entry.receipt() != *receipt);
    }

    /// When the next message becomes visible: now or earlier if one is; `None` when there is none.
    pub fn next_visible(&self, tier: Tier) -> Option<UnixMs> {
        let state = locked(&self.state);
        let of_tier = state.waiting.iter().filter(|entry| entry.tier == tier);
        of_tier.map(|entry| entry.visible).min()
    }

    /// Messages in a queue: visible, delayed and in flight.
    pub fn len(&self, tier: Tier) -> usize {
        let state = locked(&self.state);
        state
            .waiting
            .iter()
            .filter(|entry| entry.tier == tier)
            .count()
    }

    /// Whether both queues are empty.
    pub fn is_empty(&self) -> bool {
        locked(&self.state).waiting.is_empty()
    }

    /// Texts of the dead letters of a queue, in the order of their death.
    pub fn dead_letters(&self, tier: Tier) -> Vec<String> {
        let state = locked(&self.state);
        let of_tier = state.dead.iter().filter(|entry| entry.tier == tier);
        of_tier.map(|entry| entry.body.clone()).collect()
    }

    /// All that was ever sent, in order.
    pub fn sent(&self) -> Vec<Outgoing> {
        locked(&self.state).sent.clone()
    }

    /// All that was ever held, in order.
    pub fn held(&self) -> Vec<(Receipt, Duration)> {
        locked(&self.state).held.clone()
    }
}

#[async_trait]
impl Queue for MemoryQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        for outgoing in messages {
            if outgoing.delay > MAX_DELAY {
                return Err(PortError::new("send", "the delay is longer than SQS takes"));
            }
            state.next_id += 1;
            let entry = Entry {
                id: state.next_id,
                tier: outgoing.message.tier,
                body: outgoing.message.encode(),
                visible: now + outgoing.delay,
                receives: 0,
            };
            state.waiting.push(entry);
            state.sent.push(outgoing);
        }
        Ok(())
    }

    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        state.held.push((receipt.clone(), after));
        let mut waiting = state.waiting.iter_mut();
        match waiting.find(|entry| entry.receives > 0 && entry.receipt() == *receipt) {
            Some(entry) => {
                entry.visible = now + after;
                Ok(())
            }
            None => Err(PortError::new("hold", "the receipt names no delivery")),
        }
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::{FlowId, Message, RecordKey};

    use super::*;
    use crate::memory::ManualClock;

    fn outgoing(tier: Tier, delay_s: u64) -> Outgoing {
        let flow = FlowId::try_new("suppliers").unwrap();
        let key = RecordKey::try_new("SUP-1").unwrap();
        Outgoing {
            message: Message::new(flow, vec![key], tier, UnixMs::EPOCH),
            delay: Duration::from_secs(delay_s),
        }
    }

    fn queue() -> (Arc<ManualClock>, MemoryQueue) {
        let clock = Arc::new(ManualClock::new(UnixMs::EPOCH));
        let rules = QueueRules {
            visibility: Duration::from_secs(30),
            max_receives: 2,
        };
        (clock.clone(), MemoryQueue::new(clock, rules))
    }

    #[tokio::test]
    async fn a_delayed_message_comes_when_its_delay_is_over() {
        let (clock, queue) = queue();
        let sent = vec![outgoing(Tier::Batch, 60), outgoing(Tier::RealTime, 0)];
        queue.send(sent).await.unwrap();
        assert!(queue.receive(Tier::Batch, 10).is_empty());
        assert_eq!(queue.receive(Tier::RealTime, 10).len(), 1);
        clock.set(queue.next_visible(Tier::Batch).unwrap());
        let delivered = queue.receive(Tier::Batch, 10);
        assert_eq!(delivered[0].body, outgoing(Tier::Batch, 0).message.encode());
        queue.delete(&delivered[0].receipt);
        assert_eq!(queue.len(Tier::Batch), 0);
    }

    #[tokio::test]
    async fn what_is_not_deleted_comes_again_and_then_dies() {
        let (clock, queue) = queue();
        queue.send(vec![outgoing(Tier::Batch, 0)]).await.unwrap();
        let first = queue.receive(Tier::Batch, 1);
        assert!(queue.receive(Tier::Batch, 1).is_empty());
        clock.advance(Duration::from_secs(30));
        let second = queue.receive(Tier::Batch, 1);
        assert_eq!(second[0].receive_count, 2);
        queue.delete(&first[0].receipt);
        assert_eq!(queue.len(Tier::Batch), 1, "an old receipt deletes nothing");
        clock.advance(Duration::from_secs(30));
        assert!(queue.receive(Tier::Batch, 1).is_empty());
        assert_eq!(queue.dead_letters(Tier::Batch).len(), 1);
    }

    #[tokio::test]
    async fn a_held_message_comes_when_the_hold_is_over() {
        let (clock, queue) = queue();
        queue.send(vec![outgoing(Tier::Batch, 0)]).await.unwrap();
        let delivered = queue.receive(Tier::Batch, 1);
        let receipt = &delivered[0].receipt;
        queue.hold(receipt, Duration::from_mins(5)).await.unwrap();
        clock.advance(Duration::from_secs(299));
        assert!(queue.receive(Tier::Batch, 1).is_empty());
        clock.advance(Duration::from_secs(1));
        assert_eq!(queue.receive(Tier::Batch, 1).len(), 1);
        assert!(queue.hold(receipt, Duration::ZERO).await.is_err());
    }
}
