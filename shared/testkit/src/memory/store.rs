//! The table in memory.

use std::{collections::BTreeMap, ops::Bound, sync::Mutex};

use async_trait::async_trait;
use tidegate_engine::ports::{Listing, ListingPage, Store, StoreError, Written};
use tidegate_model::{
    UnixMs,
    item::{Item, ItemKey, Update, Value},
};

use super::locked;

/// Attributes of the index of reviews: the flow, and since when.
const REVIEW_FLOW: &str = "rvf";
const REVIEW_SINCE: &str = "rva";
/// The attribute by which DynamoDB removes an item: seconds since 1970.
const TIME_TO_LIVE: &str = "ttl";

#[derive(Debug, Default)]
struct State {
    items: BTreeMap<ItemKey, Item>,
    writes: u64,
    refused: u64,
}

impl State {
    fn known(&self, key: &ItemKey) -> Option<Item> {
        self.items.get(key).filter(|item| !item.is_empty()).cloned()
    }
}

/// The one table: every write is [`Update::evaluate`] under a lock. As on DynamoDB, an item without
/// attributes is shown as absent.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<State>);

impl MemoryStore {
    /// All items, by key.
    pub fn items(&self) -> BTreeMap<ItemKey, Item> {
        locked(&self.0).items.clone()
    }

    /// One item.
    pub fn item(&self, key: &ItemKey) -> Option<Item> {
        locked(&self.0).known(key)
    }

    /// Puts an item where it lies, whatever was there: for the beginning of a test.
    pub fn put(&self, key: ItemKey, item: Item) {
        locked(&self.0).items.insert(key, item);
    }

    /// Writes that happened so far.
    pub fn writes(&self) -> u64 {
        locked(&self.0).writes
    }

    /// Writes whose condition failed so far. They are billed too.
    pub fn refused(&self) -> u64 {
        locked(&self.0).refused
    }

    /// Removes what has outlived its `ttl`, as DynamoDB does at a time of its own.
    pub fn expire(&self, now: UnixMs) {
        let now_s = now.0.div_euclid(1_000);
        locked(&self.0).items.retain(|_, item| {
            let end_s = item.get(TIME_TO_LIVE).and_then(Value::as_number);
            end_s.is_none_or(|end_s| end_s >= now_s)
        });
    }
}

#[async_trait]
impl Store for MemoryStore {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        let mut state = locked(&self.0);
        let before = state.known(key);
        let Some(after) = update.evaluate(before.as_ref()) else {
            state.refused += 1;
            return Ok(Written::Refused { current: before });
        };
        state.writes += 1;
        state.items.insert(key.clone(), after.clone());
        Ok(Written::Done { before, after })
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        let state = locked(&self.0);
        Ok(keys
            .iter()
            .map(|key| state.items.get(key).cloned())
            .collect())
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        let after = after.map(Place::decode).transpose()?;
        let state = locked(&self.0);
        if let Listing::Partition(partition) = listing {
            return Ok(of_partition(&state.items, partition, after, limit));
        }
        let mut found: Vec<(Place, &Item)> = state
            .items
            .iter()
            .filter_map(|(key, item)| Some((Place::of(listing, key, item)?, item)))
            .filter(|(place, _)| after.as_ref().is_none_or(|after| place > after))
            .collect();
        found.sort_by(|(a, _), (b, _)| a.cmp(b));
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let more = found.len() > limit;
        found.truncate(limit);
        let last = found.last().map(|(place, _)| place.encode());
        let items = found
            .into_iter()
            .map(|(place, item)| (place.key, item.clone()));
        Ok(ListingPage {
            items: items.collect(),
            next: last.filter(|_| more),
        })
    }
}

/// A partition lies together and in order: nothing but the page itself is looked at.
fn of_partition(
    items: &BTreeMap<ItemKey, Item>,
    partition: &str,
    after: Option<Place>,
    limit: u32,
) -> ListingPage {
    let first = || ItemKey {
        partition: partition.to_owned(),
        sort: String::new(),
    };
    let from = after.map_or_else(
        || Bound::Included(first()),
        |place| Bound::Excluded(place.key),
    );
    let mut found = items
        .range((from, Bound::Unbounded))
        .take_while(|(key, _)| key.partition == partition)
        .peekable();
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let mut page = Vec::new();
    while let Some((key, item)) = found.next_if(|_| page.len() < limit) {
        page.push((key.clone(), item.clone()));
    }
    let last = page.last().filter(|_| found.peek().is_some());
    ListingPage {
        next: last.map(|(key, _)| {
            let key = key.clone();
            Place { since: 0, key }.encode()
        }),
        items: page,
    }
}

/// Where an item stands in a listing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    since: i64,
    key: ItemKey,
}

impl Place {
    fn of(listing: &Listing, key: &ItemKey, item: &Item) -> Option<Self> {
        let since = match listing {
            Listing::Partition(partition) => (key.partition == *partition).then_some(0),
            Listing::Reviews(flow) => (item.get(REVIEW_FLOW)?.as_text()? == flow)
                .then(|| item.get(REVIEW_SINCE)?.as_number())
                .flatten(),
        };
        let key = key.clone();
        since.map(|since| Self { since, key })
    }

    fn encode(&self) -> String {
        let parts = (self.since, &self.key.partition, &self.key.sort);
        hex::encode(serde_json::to_vec(&parts).unwrap_or_default())
    }

    fn decode(token: &str) -> Result<Self, StoreError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| StoreError {
            operation: "list: read the token".to_owned(),
            source,
        };
        let bytes = hex::decode(token).map_err(|error| failed(error.into()))?;
        let (since, partition, sort) =
            serde_json::from_slice(&bytes).map_err(|error| failed(error.into()))?;
        let key = ItemKey { partition, sort };
        Ok(Self { since, key })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::item::{Condition, Op};

    use super::*;

    fn key(partition: &str, sort: &str) -> ItemKey {
        ItemKey {
            partition: partition.to_owned(),
            sort: sort.to_owned(),
        }
    }

    #[tokio::test]
    async fn a_write_whose_condition_fails_changes_nothing() {
        let store = MemoryStore::default();
        let once = Update::when(Condition::Absent("a".to_owned())).set("a", 1);
        let at = key("p", "s");
        let first = store.update(&at, &once).await.unwrap();
        assert!(matches!(first, Written::Done { before: None, .. }));
        let second = store.update(&at, &once).await.unwrap();
        let current = store.item(&at);
        assert!(current.is_some());
        assert_eq!(second, Written::Refused { current });
        assert_eq!((store.writes(), store.refused()), (1, 1));
    }

    #[tokio::test]
    async fn a_listing_is_cut_into_pages_without_loss() {
        let store = MemoryStore::default();
        for sort in ["c", "a", "b", "d"] {
            store.put(key("p", sort), Item::new());
            store.put(key("q", sort), Item::new());
        }
        let partition = Listing::Partition("p".to_owned());
        let mut seen = Vec::new();
        let mut after = None;
        loop {
            let page = store.list(&partition, after.as_deref(), 2).await.unwrap();
            seen.extend(page.items.into_iter().map(|(key, _)| key.sort));
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        assert_eq!(seen, ["a", "b", "c", "d"]);
    }

    #[tokio::test]
    async fn reviews_come_oldest_first_and_only_those_of_the_flow() {
        let store = MemoryStore::default();
        for (sort, flow, since) in [("x", "f", 30), ("y", "f", 10), ("z", "g", 5)] {
            let review = Update::when(Condition::ALWAYS)
                .set(REVIEW_FLOW, flow)
                .set(REVIEW_SINCE, since);
            store.update(&key("p", sort), &review).await.unwrap();
        }
        store.put(key("p", "none"), Item::new());
        let listing = Listing::Reviews("f".to_owned());
        let page = store.list(&listing, None, 10).await.unwrap();
        let keys: Vec<_> = page
            .items
            .iter()
            .map(|(key, _)| key.sort.as_str())
            .collect();
        assert_eq!(keys, ["y", "x"]);
    }

    #[tokio::test]
    async fn what_has_outlived_its_time_goes() {
        let store = MemoryStore::default();
        let end = Update::when(Condition::is("ttl", Op::Ne, 0)).set(TIME_TO_LIVE, 10);
        store.update(&key("p", "s"), &end).await.unwrap();
        store.expire(UnixMs(10_999));
        assert_eq!(store.items().len(), 1);
        store.expire(UnixMs(11_000));
        assert!(store.items().is_empty());
    }
}
