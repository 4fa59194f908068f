//! The ports: what the engine asks of the world. Owned here, implemented by adapters.
//!
//! No SDK type crosses a port. Every implementation has a time-out; none retries a write unless a
//! repeat is safe (a conditional write of this engine always is: it recognises its own).

mod call;
mod files;
mod secret;
mod source;
mod store;
mod target;
mod warehouse;

use std::time::Duration;

use async_trait::async_trait;
use tidegate_model::{Message, Tier, UnixMs, metric::Sample};

pub use call::{
    Answer, Body, CallError, Calls, Effect, FormValue, Header, HeaderValue, Http, Request, Sent,
    TransportError, Wait,
};
pub use files::{DroppedFile, Files, MOST_FILES};
pub use secret::{Doubt, Secret, SecretError, Secrets, Vault};
pub use source::{BadRow, FilePart, Page, PageRequest, PageSize, Source};
pub use store::{Consumed, Listing, ListingPage, Store, StoreError, Written};
pub use target::{
    Found, Index, Landed, Removal, Standing, StandingPage, Target, TargetTraits, Write,
};
pub use warehouse::{
    Column, NotLoaded, Shelf, ShelfError, Sums, Unsound, Warehouse, WarehouseError, WarehouseRow,
};

use crate::Event;

/// A queue could not be reached, or refused.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct PortError {
    /// What was tried, with its ids.
    pub operation: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

impl PortError {
    /// Names what failed.
    pub fn new(
        operation: impl Into<String>,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            operation: operation.into(),
            source: source.into(),
        }
    }
}

/// The longest delay that a queue can give a message (SQS `DelaySeconds`).
pub const MAX_DELAY: Duration = Duration::from_secs(900);

/// A message to send.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outgoing {
    /// The message; its tier names the queue.
    pub message: Message,
    /// Not delivered before; at most [`MAX_DELAY`].
    pub delay: Duration,
}

/// A delivery's handle, as the queue gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Receipt {
    /// The queue.
    pub tier: Tier,
    /// SQS's receipt handle.
    pub handle: String,
}

/// The two work queues.
#[async_trait]
pub trait Queue: Send + Sync {
    /// Sends all; on an error some may have been sent, and a repeat is harmless.
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError>;
    /// Lets a delivered message come back after this time (changed visibility).
    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError>;
}

/// The event bus.
#[async_trait]
pub trait Events: Send + Sync {
    /// Publishes events in their order, each at least once. On an error some may not have been
    /// published: where that matters, one is sent by itself.
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError>;

    /// Publishes one event, at least once.
    async fn emit(&self, event: &Event) -> Result<(), PortError> {
        self.emit_all(std::slice::from_ref(event)).await
    }
}

/// A mail to the people who look after the flows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
}

/// Sends mail. Sender and receiver are the adapter's configuration.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail.
    async fn send(&self, mail: &Mail) -> Result<(), PortError>;
}

/// Time. The one place where it enters the engine.
#[async_trait]
pub trait Clock: Send + Sync {
    /// The present moment.
    fn now(&self) -> UnixMs;
    /// Returns at the moment, or at once when it is past.
    async fn wait_until(&self, moment: UnixMs);
}

/// Metrics. What is lost harms no record, so nothing can fail and nothing waits.
pub trait Metrics: Send + Sync {
    /// Emits values as of a moment.
    fn emit(&self, at: UnixMs, samples: &[Sample]);
}

/// Chance. The one place where it enters the engine.
pub trait Chance: Send + Sync {
    /// 64 random bits.
    fn next(&self) -> u64;
}
