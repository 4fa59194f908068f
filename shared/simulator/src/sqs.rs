//! Both queues, with SQS's semantics: at least once, in no order, hidden while in flight.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
    time::Duration,
};

use tidegate_engine::ports::{Clock, MAX_DELAY, Outgoing, PortError, Receipt};
use tidegate_model::{Tier, UnixMs};
use tokio::sync::Notify;

use crate::{QueueSettings, TrueClock, locked};

/// Both tiers, in the order in which lists of this module have them.
const TIERS: [Tier; 2] = [Tier::Batch, Tier::RealTime];

/// A message as a queue delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivered {
    /// The handle of this delivery; an older one of the same message no longer counts.
    pub receipt: Receipt,
    /// The message's id.
    pub message_id: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// Its text.
    pub body: String,
}

struct Entry {
    tier: Tier,
    body: String,
    visible: UnixMs,
    receives: u32,
}

#[derive(Default)]
struct State {
    next_id: u64,
    entries: BTreeMap<u64, Entry>,
    /// By tier and time at which a message becomes visible.
    order: BTreeMap<Tier, BTreeSet<(UnixMs, u64)>>,
    dead: BTreeMap<Tier, Vec<String>>,
    sent: Vec<Outgoing>,
}

impl State {
    fn show(&mut self, id: u64, at: UnixMs) {
        let Some(entry) = self.entries.get_mut(&id) else {
            return;
        };
        let order = self.order.entry(entry.tier).or_default();
        order.remove(&(entry.visible, id));
        entry.visible = at;
        order.insert((at, id));
    }

    fn remove(&mut self, id: u64) -> Option<Entry> {
        let entry = self.entries.remove(&id)?;
        if let Some(order) = self.order.get_mut(&entry.tier) {
            order.remove(&(entry.visible, id));
        }
        Some(entry)
    }

    /// The message that a receipt names, if it is its newest delivery.
    fn named(&self, receipt: &Receipt) -> Option<u64> {
        let (id, receives) = receipt.handle.split_once('#')?;
        let (id, receives) = (id.parse().ok()?, receives.parse::<u32>().ok()?);
        let entry = self.entries.get(&id)?;
        (entry.tier == receipt.tier && entry.receives == receives).then_some(id)
    }
}

/// The two work queues and their dead letters.
pub struct Sqs {
    clock: std::sync::Arc<TrueClock>,
    rules: BTreeMap<Tier, QueueSettings>,
    state: Mutex<State>,
    came: BTreeMap<Tier, Notify>,
    died: Notify,
}

impl Sqs {
    pub(crate) fn new(
        clock: std::sync::Arc<TrueClock>,
        rules: impl Fn(Tier) -> QueueSettings,
    ) -> Self {
        Self {
            clock,
            rules: TIERS.into_iter().map(|tier| (tier, rules(tier))).collect(),
            state: Mutex::default(),
            came: TIERS
                .into_iter()
                .map(|tier| (tier, Notify::new()))
                .collect(),
            died: Notify::new(),
        }
    }

    fn wake(&self, tier: Tier) {
        if let Some(came) = self.came.get(&tier) {
            came.notify_waiters();
        }
    }

    /// Sends one message; `copies` are the extra delays of its copies.
    pub(crate) fn send(&self, outgoing: &Outgoing, copies: &[Duration]) -> Result<(), PortError> {
        if outgoing.delay > MAX_DELAY {
            return Err(PortError::new("send", "the delay is longer than SQS takes"));
        }
        let now = self.clock.now();
        let tier = outgoing.message.tier;
        let mut state = locked(&self.state);
        for extra in copies {
            state.next_id += 1;
            let id = state.next_id;
            let visible = now + outgoing.delay + *extra;
            let entry = Entry {
                tier,
                body: outgoing.message.encode(),
                visible,
                receives: 0,
            };
            state.entries.insert(id, entry);
            state.order.entry(tier).or_default().insert((visible, id));
        }
        state.sent.push(outgoing.clone());
        drop(state);
        self.wake(tier);
        Ok(())
    }

    /// Puts a text into a queue as it stands: what another release or a stranger sent.
    pub fn inject(&self, tier: Tier, body: impl Into<String>) {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        state.next_id += 1;
        let id = state.next_id;
        let entry = Entry {
            tier,
            body: body.into(),
            visible: now,
            receives: 0,
        };
        state.entries.insert(id, entry);
        state.order.entry(tier).or_default().insert((now, id));
        drop(state);
        self.wake(tier);
    }

    /// Returns when a message of the tier is visible.
    pub(crate) async fn ready(&self, tier: Tier) {
        let Some(came) = self.came.get(&tier) else {
            return;
        };
        loop {
            let came = came.notified();
            match self.next_visible(tier) {
                Some(at) if at <= self.clock.now() => return,
                Some(at) => tokio::select! {
                    biased;
                    () = came => {}
                    () = self.clock.wait_until(at) => {}
                },
                None => came.await,
            }
        }
    }

    /// Delivers visible messages. `pick` chooses among so many that are visible, oldest first;
    /// `again` says when a message comes again before its visibility ends.
    pub(crate) fn receive(
        &self,
        tier: Tier,
        pick: impl Fn(usize) -> usize,
        again: impl Fn() -> Option<Duration>,
    ) -> Vec<Delivered> {
        let Some(rules) = self.rules.get(&tier).copied() else {
            return Vec::new();
        };
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let mut delivered = Vec::new();
        let mut deaths = false;
        while delivered.len() < rules.batch_size {
            let visible: Vec<u64> = state
                .order
                .get(&tier)
                .into_iter()
                .flat_map(|order| order.range(..=(now, u64::MAX)))
                // Messages are chosen from the oldest ones: no queue holds all back for one.
                .take(CHOICE)
                .map(|(_, id)| *id)
                .collect();
            let Some(id) = visible.get(pick(visible.len()).min(visible.len().saturating_sub(1)))
            else {
                break;
            };
            let Some(entry) = state.entries.get_mut(id) else {
                break;
            };
            if entry.receives >= rules.max_receives {
                deaths = true;
                if let Some(entry) = state.remove(*id) {
                    state.dead.entry(tier).or_default().push(entry.body);
                }
                continue;
            }
            entry.receives += 1;
            delivered.push(Delivered {
                receipt: Receipt {
                    tier,
                    handle: format!("{id}#{}", entry.receives),
                },
                message_id: id.to_string(),
                receive_count: entry.receives,
                body: entry.body.clone(),
            });
            let hidden = again().map_or(rules.visibility, |again| again.min(rules.visibility));
            // At least a millisecond, or this very receive would deliver it twice.
            state.show(*id, now + hidden.max(Duration::from_millis(1)));
        }
        drop(state);
        if deaths {
            self.died.notify_waiters();
        }
        delivered
    }

    /// Deletes a delivered message. One that was delivered again since stays.
    pub(crate) fn delete(&self, receipt: &Receipt) {
        let mut state = locked(&self.state);
        if let Some(id) = state.named(receipt) {
            state.remove(id);
        }
    }

    pub(crate) fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let now = self.clock.now();
        let mut state = locked(&self.state);
        let Some(id) = state.named(receipt) else {
            return Err(PortError::new("hold", "the receipt names no delivery"));
        };
        state.show(id, now + after);
        drop(state);
        self.wake(receipt.tier);
        Ok(())
    }

    /// When the next message becomes visible: now or earlier if one is; `None` when there is none.
    pub fn next_visible(&self, tier: Tier) -> Option<UnixMs> {
        let state = locked(&self.state);
        let first = state.order.get(&tier)?.first()?;
        Some(first.0)
    }

    /// Messages in a queue: visible, delayed and in flight.
    pub fn len(&self, tier: Tier) -> usize {
        let state = locked(&self.state);
        state.order.get(&tier).map_or(0, BTreeSet::len)
    }

    /// Whether both queues are empty.
    pub fn is_empty(&self) -> bool {
        locked(&self.state).entries.is_empty()
    }

    /// Texts of all messages in both queues, by id.
    pub fn bodies(&self) -> Vec<String> {
        let state = locked(&self.state);
        state.entries.values().map(|e| e.body.clone()).collect()
    }

    /// All that was ever sent, in order.
    pub fn sent(&self) -> Vec<Outgoing> {
        locked(&self.state).sent.clone()
    }

    /// Waits for dead letters and takes those of one tier, with the tier.
    pub(crate) async fn dead(&self) -> (Tier, Vec<String>) {
        loop {
            let died = self.died.notified();
            {
                let mut state = locked(&self.state);
                for tier in TIERS {
                    let letters = state.dead.remove(&tier).unwrap_or_default();
                    if !letters.is_empty() {
                        return (tier, letters);
                    }
                }
            }
            died.await;
        }
    }

    /// Puts dead letters back that could not be taken.
    pub(crate) fn bury_again(&self, tier: Tier, letters: Vec<String>) {
        let mut state = locked(&self.state);
        state.dead.entry(tier).or_default().extend(letters);
        drop(state);
        self.died.notify_waiters();
    }
}

/// Messages among which the next one is chosen.
const CHOICE: usize = 16;
