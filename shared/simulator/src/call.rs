//! A port call as data: who makes it, what it asks for, what came of it.

use std::{fmt, time::Duration};

use tidegate_engine::{
    Event,
    ports::{Listing, Mail, Outgoing, Receipt, Request, Sent, TransportError},
};
use tidegate_model::{
    Tier, UnixMs,
    item::{Item, ItemKey, Update},
};

use crate::Delivered;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ProcessKind {
    /// Works the messages of a tier's queue.
    Worker(Tier),
    /// Runs batches.
    BatchSync,
    /// The heartbeat.
    Tick,
    /// Takes webhooks.
    Webhook,
    /// Answers people.
    Api,
    /// Takes dead letters, sends the daily mail.
    Digest,
    /// The daily full comparison.
    Reconcile,
}

impl ProcessKind {
    /// The kind in traces and tables.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Worker(Tier::RealTime) => "worker-rt",
            Self::Worker(Tier::Batch) => "worker-batch",
            Self::BatchSync => "batch-sync",
            Self::Tick => "tick",
            Self::Webhook => "webhook",
            Self::Api => "api",
            Self::Digest => "digest",
            Self::Reconcile => "reconcile",
        }
    }
}

/// One process: it may die and start anew, and stays the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ProcessId {
    /// What it is for.
    pub kind: ProcessKind,
    /// Its number among its kind, from zero.
    pub number: u32,
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.kind.as_str(), self.number)
    }
}

/// What a port is asked for.
#[derive(Clone, Copy, Debug)]
pub enum Operation<'a> {
    /// A conditional write.
    Update {
        /// The item.
        key: &'a ItemKey,
        /// The write.
        update: &'a Update,
    },
    /// Reads of items.
    Get {
        /// The items.
        keys: &'a [ItemKey],
    },
    /// A page of a listing.
    List {
        /// What is listed.
        listing: &'a Listing,
    },
    /// Messages to send.
    Send {
        /// The messages.
        messages: &'a [Outgoing],
    },
    /// A delivered message is hidden for another while.
    Hold {
        /// The delivery.
        receipt: &'a Receipt,
        /// For so long.
        after: Duration,
    },
    /// The host asks for messages of a tier.
    Receive {
        /// The queue.
        tier: Tier,
    },
    /// The host deletes what was handled.
    Delete {
        /// The deliveries.
        receipts: &'a [Receipt],
    },
    /// Events.
    Emit {
        /// The events.
        events: &'a [Event],
    },
    /// A mail.
    Mail {
        /// The mail.
        mail: &'a Mail,
    },
    /// A call to another system.
    Http {
        /// The request.
        request: &'a Request,
    },
    /// A secret is read.
    Secret {
        /// Its name.
        name: &'a str,
    },
}

impl Operation<'_> {
    /// The operation in traces and tables.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Update { .. } => "store.update",
            Self::Get { .. } => "store.get",
            Self::List { .. } => "store.list",
            Self::Send { .. } => "queue.send",
            Self::Hold { .. } => "queue.hold",
            Self::Receive { .. } => "queue.receive",
            Self::Delete { .. } => "queue.delete",
            Self::Emit { .. } => "events.emit",
            Self::Mail { .. } => "mailer.send",
            Self::Http { .. } => "http.send",
            Self::Secret { .. } => "secrets.get",
        }
    }
}

/// One port call of one process.
#[derive(Clone, Copy, Debug)]
pub struct PortCall<'a> {
    /// Its number in the world, from 1.
    pub seq: u64,
    /// The true time.
    pub at: UnixMs,
    /// The process.
    pub process: ProcessId,
    /// How often the process has started before.
    pub incarnation: u32,
    /// What is asked for.
    pub operation: Operation<'a>,
}

/// What a port call did, seen at the moment when it did it, whether or not its caller learns of it.
#[derive(Clone, Copy, Debug)]
pub enum Effect<'a> {
    /// A write happened.
    Written {
        /// The item before it.
        before: Option<&'a Item>,
        /// The item after it.
        after: &'a Item,
    },
    /// A write's condition failed.
    Refused {
        /// The item as it stands.
        current: Option<&'a Item>,
    },
    /// Items were read.
    Read {
        /// In the order of the keys.
        items: &'a [Option<Item>],
    },
    /// A page of a listing was read.
    Listed {
        /// Its items.
        items: &'a [(ItemKey, Item)],
    },
    /// Messages were delivered.
    Delivered {
        /// The messages.
        messages: &'a [Delivered],
    },
    /// Another system was called, and this came back.
    Answered {
        /// When the call left.
        left: UnixMs,
        /// The answer.
        answer: &'a Result<Sent, TransportError>,
    },
    /// It was done; there is nothing more to see.
    Done,
}
