//! The two work queues, in the process, with SQS's semantics.
//!
//! A delivered message is hidden for a while and comes back unless it is deleted; a message can be
//! delayed; what comes too often is a dead letter. It lives in memory, since a message says only
//! that a record may need work and the register says what: at start the queues are filled again
//! from the registers. A message that asks for a fetch stands in no register, so it lies in the
//! spool from before it is accepted until it is deleted (HOOK-1).

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use tidegate_engine::{
    Delivery,
    ports::{Clock, MAX_DELAY, Outgoing, PortError, Queue, Receipt},
};
use tidegate_model::{Message, Tier, UnixMs};
use tokio::sync::Notify;

use crate::spool::{Slip, Spool};

/// How long a delivered message stays hidden. A record takes less: a wait for permits (20 s at most),
/// two calls of at most 20 s each that are usual, and the writes around them.
const VISIBILITY: Duration = Duration::from_mins(2);
/// Deliveries until a message is a dead letter: as in the template.
const MAX_RECEIVES: u32 = 10;
/// Most messages of one queue: at 300 bytes each they fit a small machine. A run that would queue
/// more stops at its page and goes on later.
const MAX_MESSAGES: usize = 200_000;

/// The longest sleep in one piece: a machine that was suspended wakes up with the wrong idea of how
/// long it slept.
const LONGEST_NAP: Duration = Duration::from_secs(20);

/// The two queues.
pub(crate) struct LocalQueue {
    clock: Arc<dyn Clock>,
    spool: Arc<Spool>,
    real_time: Line,
    batch: Line,
}

/// One queue.
#[derive(Default)]
struct Line {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Default)]
struct State {
    next_id: u64,
    messages: BTreeMap<u64, Held>,
    /// By the moment at which it can be delivered, then by age.
    order: BTreeSet<(UnixMs, u64)>,
}

struct Held {
    message: Message,
    visible: UnixMs,
    receives: u32,
    slip: Option<Slip>,
}

/// What a look into a queue gave.
enum Look {
    Ready(Delivery),
    /// It came too often.
    Dead(DeadMessage),
    /// Nothing before this moment; `None`: nothing at all.
    Nothing(Option<UnixMs>),
}

/// What a queue hands out.
#[derive(Debug)]
pub(crate) enum Next {
    /// A message to work on.
    Work(Delivery),
    /// A message that came too often: it was taken out.
    Dead(DeadMessage),
}

/// A message that came too often.
#[derive(Debug)]
pub(crate) struct DeadMessage {
    /// What it says.
    pub message: Message,
    slip: Option<Slip>,
}

impl State {
    fn add(&mut self, message: Message, visible: UnixMs, slip: Option<Slip>) {
        self.next_id += 1;
        self.order.insert((visible, self.next_id));
        let held = Held {
            message,
            visible,
            receives: 0,
            slip,
        };
        self.messages.insert(self.next_id, held);
    }

    fn take_out(&mut self, id: u64) -> Option<Held> {
        let held = self.messages.remove(&id)?;
        self.order.remove(&(held.visible, id));
        Some(held)
    }

    fn look(&mut self, tier: Tier, now: UnixMs) -> Look {
        let Some((visible, id)) = self.order.first().copied() else {
            return Look::Nothing(None);
        };
        if visible > now {
            return Look::Nothing(Some(visible));
        }
        let Some(mut held) = self.take_out(id) else {
            return Look::Nothing(None);
        };
        if held.receives >= MAX_RECEIVES {
            return Look::Dead(DeadMessage {
                message: held.message,
                slip: held.slip,
            });
        }
        held.receives += 1;
        held.visible = now + VISIBILITY;
        let delivery = Delivery {
            message: held.message.clone(),
            receipt: Receipt {
                tier,
                handle: handle(id, held.receives),
            },
        };
        self.order.insert((held.visible, id));
        self.messages.insert(id, held);
        Look::Ready(delivery)
    }

    /// The message of a receipt, if no later delivery has made it void.
    fn delivered(&self, receipt: &Receipt) -> Option<u64> {
        let id = receipt.handle.split_once('#')?.0.parse().ok()?;
        let held = self.messages.get(&id)?;
        (handle(id, held.receives) == receipt.handle).then_some(id)
    }
}

fn handle(id: u64, receives: u32) -> String {
    format!("{id}#{receives}")
}

impl LocalQueue {
    /// Empty queues.
    pub(crate) fn new(clock: Arc<dyn Clock>, spool: Arc<Spool>) -> Self {
        Self {
            clock,
            spool,
            real_time: Line::default(),
            batch: Line::default(),
        }
    }

    fn line(&self, tier: Tier) -> &Line {
        match tier {
            Tier::RealTime => &self.real_time,
            Tier::Batch => &self.batch,
        }
    }

    /// Puts a spooled message back, as after a restart.
    pub(crate) fn put_back(&self, message: Message, slip: Slip) {
        let line = self.line(message.tier);
        line.lock().add(message, self.clock.now(), Some(slip));
        line.changed.notify_waiters();
    }

    /// The next message of a queue; waits until there is one.
    pub(crate) async fn next(&self, tier: Tier) -> Next {
        let line = self.line(tier);
        loop {
            // Made before the look, so that a message that comes in between is not missed.
            let changed = line.changed.notified();
            let look = line.lock().look(tier, self.clock.now());
            match look {
                Look::Ready(delivery) => return Next::Work(delivery),
                Look::Dead(dead) => return Next::Dead(dead),
                Look::Nothing(None) => changed.await,
                Look::Nothing(Some(until)) => {
                    tokio::select! {
                        () = changed => {}
                        () = self.clock.wait_until(until.min(self.clock.now() + LONGEST_NAP)) => {}
                    }
                }
            }
        }
    }

    /// Deletes a delivered message. One that was delivered again since stays.
    pub(crate) fn delete(&self, receipt: &Receipt) {
        let mut state = self.line(receipt.tier).lock();
        let id = state.delivered(receipt);
        let held = id.and_then(|id| state.take_out(id));
        drop(state);
        if let Some(slip) = held.and_then(|held| held.slip) {
            self.spool.forget(&slip);
        }
    }

    /// A dead message is in somebody's care.
    pub(crate) fn buried(&self, dead: &DeadMessage) {
        if let Some(slip) = &dead.slip {
            self.spool.forget(slip);
        }
    }

    /// Makes a message durable if nothing else holds what it says.
    async fn spooled(&self, message: &Message) -> Result<Option<Slip>, PortError> {
        if message.fetch.is_none() {
            return Ok(None);
        }
        let (spool, text) = (Arc::clone(&self.spool), message.encode());
        let kept = tokio::task::spawn_blocking(move || spool.keep(&text)).await;
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
            PortError::new("keep a message in the spool", source)
        };
        match kept {
            Ok(Ok(slip)) => Ok(Some(slip)),
            Ok(Err(error)) => Err(failed(error.into())),
            Err(error) => Err(failed(error.into())),
        }
    }
}

impl Line {
    /// A panic while the lock is held leaves the state as it was before or after one step.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Queue for LocalQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        for outgoing in messages {
            if outgoing.delay > MAX_DELAY {
                return Err(PortError::new(
                    "send",
                    "the delay is longer than 15 minutes",
                ));
            }
            let line = self.line(outgoing.message.tier);
            if line.lock().messages.len() >= MAX_MESSAGES {
                return Err(PortError::new("send", "the queue is full"));
            }
            let slip = self.spooled(&outgoing.message).await?;
            let visible = self.clock.now() + outgoing.delay;
            line.lock().add(outgoing.message, visible, slip);
            line.changed.notify_waiters();
        }
        Ok(())
    }

    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let line = self.line(receipt.tier);
        let visible = self.clock.now() + after;
        let mut state = line.lock();
        let Some((id, mut held)) = state
            .delivered(receipt)
            .and_then(|id| Some((id, state.take_out(id)?)))
        else {
            return Err(PortError::new("hold", "the receipt names no delivery"));
        };
        held.visible = visible;
        state.order.insert((visible, id));
        state.messages.insert(id, held);
        drop(state);
        line.changed.notify_waiters();
        Ok(())
    }
}

#[cfg(test)]
mod tests;
