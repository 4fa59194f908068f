//! Ports in memory: the engine's whole world for a test.
//!
//! They hold what the real adapters promise and no more: [`MemoryStore`] runs the same
//! [`Update`](tidegate_model::item::Update) that DynamoDB runs, [`MemoryQueue`] keeps SQS's
//! visibility, receive counts and dead letters. Time is a [`ManualClock`], chance a
//! [`SeededChance`], so that one seed is one story.

mod chance;
mod clock;
mod delivery;
mod faulty;
mod files;
mod http;
mod mail;
mod metrics;
mod queue;
mod secret;
mod store;
mod warehouse;

pub use chance::SeededChance;
pub use clock::ManualClock;
pub use delivery::{Delivery, QueueRules};
pub use faulty::{Faulty, INNER_TEXT};
pub use files::MemoryFiles;
pub use http::MemoryHttp;
pub use mail::{MemoryEvents, MemoryMailer};
pub use metrics::MemoryMetrics;
pub use queue::MemoryQueue;
pub use secret::MemoryVault;
pub use store::MemoryStore;
pub use warehouse::{LoadedLine, MemoryWarehouse, Trouble, warehouse_columns};

use std::sync::{Mutex, MutexGuard, PoisonError};

/// The state behind a lock. A test that panicked while it held the lock has failed already.
fn locked<T>(state: &Mutex<T>) -> MutexGuard<'_, T> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}
