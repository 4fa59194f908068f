//! What the work costs, counted at the ports in the units in which AWS bills.

use std::{collections::BTreeMap, time::Duration};

use tidegate_engine::ports::Effect as CallEffect;
use tidegate_model::{
    EndpointId, Tier, UnixMs,
    item::{Item, ItemKey, Value},
};

use crate::{ProcessId, ProcessKind};

/// A write unit of DynamoDB covers 1 KB of the item, a read unit of a strongly consistent read 4 KB
/// (Amazon DynamoDB developer guide, "Read/write capacity mode").
const WRITE_UNIT_BYTES: usize = 1_024;
const READ_UNIT_BYTES: usize = 4_096;
/// SQS takes, deletes and hands out at most ten messages a request, and bills each request.
const SQS_BATCH: usize = 10;

/// What the table was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreMeter {
    /// Conditional writes that happened.
    pub writes: u64,
    /// Conditional writes that were refused; they cost the same.
    pub refused: u64,
    /// Write units of both, for the table.
    pub write_units: u64,
    /// Write units for the sparse index of reviews.
    pub index_write_units: u64,
    /// Items read by key.
    pub gets: u64,
    /// Pages listed.
    pub lists: u64,
    /// Halves of read units of both: listings of reviews come from an index and cost half.
    pub half_read_units: u64,
}

impl StoreMeter {
    /// Read units.
    pub fn read_units(&self) -> f64 {
        #[allow(clippy::cast_precision_loss, reason = "far below 2^52")]
        let halves = self.half_read_units as f64;
        halves / 2.0
    }
}

/// What a queue was asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QueueMeter {
    /// Messages sent.
    pub sent: u64,
    /// Requests that sent them, at most ten messages each.
    pub send_requests: u64,
    /// Messages received.
    pub received: u64,
    /// Requests that received them. Requests that brought nothing are not made here: the mapping's
    /// pollers wait up to 20 s for a message.
    pub receive_requests: u64,
    /// Messages deleted.
    pub deleted: u64,
    /// Requests that deleted them.
    pub delete_requests: u64,
    /// Changes of visibility.
    pub holds: u64,
}

/// Invocations of a kind of process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Invocations {
    /// How many.
    pub count: u64,
    /// How long they took together; Lambda bills it by the millisecond.
    pub busy: Duration,
    /// How many of them died.
    pub died: u64,
}

/// A call to another system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CallMade {
    /// The true time at which it left.
    pub at: UnixMs,
    /// How long until its answer or failure.
    pub took: Duration,
    /// The source or target, if its address is one of the flows'.
    pub endpoint: Option<EndpointId>,
    /// The tier whose limit it counts against.
    pub tier: Tier,
    /// Who made it.
    pub process: ProcessId,
    /// Whether it was to change the other system.
    pub effect: CallEffect,
    /// The status that came back; `None` when nothing did.
    pub status: Option<u16>,
}

/// Everything counted since the beginning of the world.
#[derive(Clone, Debug, Default)]
pub struct Meters {
    /// Port calls of any kind.
    pub operations: u64,
    /// The table.
    pub store: StoreMeter,
    /// The queues.
    pub queues: BTreeMap<Tier, QueueMeter>,
    /// Events on the bus.
    pub events: u64,
    /// Mails.
    pub mails: u64,
    /// Invocations by kind.
    pub invocations: BTreeMap<ProcessKind, Invocations>,
    /// Calls to other systems, in the order of their ends.
    pub calls: Vec<CallMade>,
}

impl Meters {
    pub(crate) fn wrote(&mut self, key: &ItemKey, before: Option<&Item>, after: &Item) {
        let bytes = item_bytes(key, after).max(before.map_or(0, |item| item_bytes(key, item)));
        self.store.writes += 1;
        self.store.write_units += units(bytes, WRITE_UNIT_BYTES);
        // The index holds what has both of its keys; an entry that moves costs two writes.
        let in_index = |item: &Item| Some((item.get("rvf")?.clone(), item.get("rva")?.clone()));
        let (old, new) = (before.and_then(in_index), in_index(after));
        if old.is_some() && old != new {
            self.store.index_write_units += 1;
        }
        if new.is_some() {
            self.store.index_write_units += units(bytes, WRITE_UNIT_BYTES);
        }
    }

    pub(crate) fn refused(&mut self, key: &ItemKey, current: Option<&Item>) {
        let bytes = current.map_or(0, |item| item_bytes(key, item));
        self.store.refused += 1;
        self.store.write_units += units(bytes, WRITE_UNIT_BYTES);
    }

    pub(crate) fn read(&mut self, keys: &[ItemKey], items: &[Option<Item>]) {
        self.store.gets += count(keys.len());
        for (key, item) in keys.iter().zip(items) {
            let bytes = item.as_ref().map_or(0, |item| item_bytes(key, item));
            self.store.half_read_units += 2 * units(bytes, READ_UNIT_BYTES);
        }
    }

    pub(crate) fn listed(&mut self, items: &[(ItemKey, Item)], from_index: bool) {
        let bytes = items.iter().map(|(key, item)| item_bytes(key, item)).sum();
        self.store.lists += 1;
        let halves = if from_index { 1 } else { 2 };
        self.store.half_read_units += halves * units(bytes, READ_UNIT_BYTES);
    }

    pub(crate) fn sent(&mut self, tiers: &[Tier]) {
        for tier in [Tier::Batch, Tier::RealTime] {
            let messages = tiers.iter().filter(|sent| **sent == tier).count();
            if messages > 0 {
                let queue = self.queues.entry(tier).or_default();
                queue.sent += count(messages);
                queue.send_requests += count(messages.div_ceil(SQS_BATCH));
            }
        }
    }

    pub(crate) fn received(&mut self, tier: Tier, messages: usize) {
        let queue = self.queues.entry(tier).or_default();
        queue.received += count(messages);
        queue.receive_requests += 1;
    }

    pub(crate) fn deleted(&mut self, tier: Tier, messages: usize) {
        let queue = self.queues.entry(tier).or_default();
        queue.deleted += count(messages);
        queue.delete_requests += count(messages.div_ceil(SQS_BATCH));
    }

    pub(crate) fn held(&mut self, tier: Tier) {
        self.queues.entry(tier).or_default().holds += 1;
    }

    pub(crate) fn invoked(&mut self, kind: ProcessKind, took: Duration, died: bool) {
        let invocations = self.invocations.entry(kind).or_default();
        invocations.count += 1;
        invocations.busy += took;
        invocations.died += u64::from(died);
    }
}

/// The size of an item as DynamoDB counts it: names and values in UTF-8, numbers at about half a
/// byte a digit and one more.
pub fn item_bytes(key: &ItemKey, item: &Item) -> usize {
    let keys = "pk".len() + key.partition.len() + "sk".len() + key.sort.len();
    let attributes = item.iter().map(|(name, value)| {
        let size = match value {
            Value::Text(text) => text.len(),
            Value::Number(number) => number.to_string().len().div_ceil(2) + 1,
        };
        name.len() + size
    });
    keys + attributes.sum::<usize>()
}

/// Started units; nothing there still costs one.
fn units(bytes: usize, of: usize) -> u64 {
    count(bytes.div_ceil(of).max(1))
}

fn count(len: usize) -> u64 {
    u64::try_from(len).unwrap_or(u64::MAX)
}
