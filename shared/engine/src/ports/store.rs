//! The store: conditional writes of single items.

use async_trait::async_trait;
use tidegate_model::item::{Item, ItemKey, Update};

/// The store could not be reached, or its answer was lost: a write may have happened.
#[derive(Debug, thiserror::Error)]
#[error("{operation} failed")]
pub struct StoreError {
    /// The operation and the item's key.
    pub operation: String,
    /// The cause.
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

/// What became of a conditional write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Written {
    /// It happened.
    Done {
        /// The item before it.
        before: Option<Item>,
        /// The item after it.
        after: Item,
    },
    /// Its condition failed: another was there first. A normal outcome, not an error.
    Refused {
        /// The item as it stands.
        current: Option<Item>,
    },
}

/// What to list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Listing {
    /// The items of a partition, by sort key.
    Partition(String),
    /// What is in review in a flow, oldest first (the sparse index on `rvf` and `rva`).
    Reviews(String),
}

/// Some items of a listing.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListingPage {
    /// Keys and items.
    pub items: Vec<(ItemKey, Item)>,
    /// Where to go on; `None` at the end. Opaque, and safe in a URL.
    pub next: Option<String>,
}

/// What the table was asked for, in the units that are billed.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Consumed {
    /// Read request units; half of one for what is not strongly consistent.
    pub reads: f64,
    /// Write request units.
    pub writes: f64,
}

/// The one table.
#[async_trait]
pub trait Store: Send + Sync {
    /// Writes one item under a condition.
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError>;
    /// Reads items, strongly consistent, in the order of the keys. At most 100 keys.
    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError>;
    /// Lists items, at most `limit` (1 to 1,000) a page.
    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError>;
    /// What was consumed since this was asked last; nothing where nothing is billed.
    fn consumed(&self) -> Consumed {
        Consumed::default()
    }
}
