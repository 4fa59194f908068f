//! The accounts of an environment, and in which order they changed.
//!
//! Invariants: each change has the next version of the environment, so the changes since a version are
//! found by it; what nobody touched has the version 0 and is computed, so that a million accounts take
//! no memory.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::account;
use crate::doubles::Seed;

/// Untouched accounts were made so long before the start.
const MADE_BEFORE_MS: i64 = 30 * 24 * 3_600 * 1_000;

/// What became of an account that somebody touched.
struct Touched {
    version: u64,
    /// Nothing once it was removed.
    body: Option<Map<String, Value>>,
}

/// An account of a page.
pub(super) enum Entry {
    Stands(Map<String, Value>),
    /// It was removed; its id.
    Gone(String),
}

/// Some entries, and behind which place the others lie, where there are more.
pub(super) type Entries = (Vec<Entry>, Option<u64>);

pub(super) struct Books {
    seed: u64,
    /// Accounts that follow from their numbers, from 1.
    count: u64,
    start_ms: i64,
    last: u64,
    /// The version of the newest change.
    version: u64,
    /// Changes up to this version are forgotten.
    purged: Option<u64>,
    touched: BTreeMap<u64, Touched>,
    /// Numbers by the version of their newest change.
    changes: BTreeMap<u64, u64>,
}

impl Books {
    pub(super) const fn new(seed: u64, count: u64, start_ms: i64) -> Self {
        Self {
            seed,
            count,
            start_ms,
            last: count,
            version: 0,
            purged: None,
            touched: BTreeMap::new(),
            changes: BTreeMap::new(),
        }
    }

    pub(super) const fn version(&self) -> u64 {
        self.version
    }

    /// Every link that was given until now is gone.
    pub(super) fn purge(&mut self) {
        self.purged = Some(self.version);
        self.version += 1;
    }

    /// Whether what changed since this version can still be told.
    pub(super) fn knows(&self, version: u64) -> bool {
        version <= self.version && self.purged.is_none_or(|purged| version > purged)
    }

    /// The account of this number as it stands.
    pub(super) fn account(&self, number: u64) -> Option<Map<String, Value>> {
        match self.touched.get(&number) {
            Some(touched) => touched.body.clone(),
            None => (1..=self.count).contains(&number).then(|| {
                let at_ms = self.start_ms - MADE_BEFORE_MS;
                account::made(self.choices(number), number, at_ms)
            }),
        }
    }

    /// Holds this of an account, and gives it as it then stands.
    pub(super) fn put(
        &mut self,
        number: u64,
        mut body: Map<String, Value>,
        at_ms: i64,
    ) -> Map<String, Value> {
        let old = self.account(number);
        let created = old.as_ref().and_then(|old| old.get("createdon"));
        let created = created
            .cloned()
            .unwrap_or_else(|| account::time(at_ms).into());
        body.insert("createdon".to_owned(), created);
        let body = account::stamped(body, number, self.version + 1, at_ms);
        self.touch(number, Some(body.clone()));
        body
    }

    /// A new account.
    pub(super) fn insert(
        &mut self,
        now_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Map<String, Value> {
        let number = self.last + 1;
        let mut body = account::made(self.choices(number), number, now_ms);
        alter(&mut body);
        self.last = number;
        self.put(number, body, now_ms)
    }

    /// Removes an account; says whether there was one.
    pub(super) fn remove(&mut self, number: u64) -> bool {
        let stands = self.account(number).is_some();
        if stands {
            self.touch(number, None);
        }
        stands
    }

    /// The accounts that stand behind this number, in the order of their numbers.
    pub(super) fn standing(&self, after: u64, most: usize) -> Entries {
        let standing = (after + 1..=self.last).filter_map(|number| {
            let body = self.account(number)?;
            Some((number, Entry::Stands(body)))
        });
        page(standing, most)
    }

    /// What changed behind this version up to another one, in the order of its newest changes.
    pub(super) fn changed(&self, after: u64, until: u64, most: usize) -> Entries {
        let within = after.saturating_add(1)..=until.max(after.saturating_add(1));
        let found = self.changes.range(within);
        let found = found.filter(|(version, _)| **version <= until);
        let entries = found.map(|(version, number)| {
            let stands = self.account(*number).map(Entry::Stands);
            let gone = || Entry::Gone(account::id_of(*number));
            (*version, stands.unwrap_or_else(gone))
        });
        page(entries, most)
    }

    fn touch(&mut self, number: u64, body: Option<Map<String, Value>>) {
        self.version += 1;
        let version = self.version;
        if let Some(old) = self.touched.insert(number, Touched { version, body }) {
            self.changes.remove(&old.version);
        }
        self.changes.insert(version, number);
    }

    fn choices(&self, number: u64) -> Seed {
        let mut seed = Seed::new(self.seed ^ number.rotate_left(32));
        seed.next_u64();
        seed
    }
}

fn page(found: impl Iterator<Item = (u64, Entry)>, most: usize) -> Entries {
    let mut found = found.peekable();
    let mut entries = Vec::new();
    let mut last = None;
    while entries.len() < most {
        let Some((place, entry)) = found.next() else {
            return (entries, None);
        };
        entries.push(entry);
        last = Some(place);
    }
    let has_more = found.peek().is_some();
    (entries, last.filter(|_| has_more))
}
