//! Nouns and ids of Tidegate: what the other crates talk about.
//!
//! No I/O, no clock, no async, so that every crate may depend on it. Types here cannot be wrong:
//! fields that obey a rule are private and made by `try_new`.

mod content;
pub mod flow;
mod id;
pub mod item;
mod message;
pub mod metric;
mod tier;
mod time;
mod trace;
mod version;

pub use content::{Content, ContentHash, Fields};
pub use id::{ClaimToken, EndpointId, EventId, FlowId, IdError, RecordKey, RequestId, RunId};
pub use message::{Fetch, MAX_PACK_KEYS, Message, MessageError, Turn};
pub use tier::{Tier, TierReason};
pub use time::UnixMs;
pub use trace::{Trace, readable};
pub use version::{SourceVersion, Version, VersionError};
