//! What a pass holds in memory: fixed-size prints, never contents.

mod kept;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidegate_model::{
    ContentHash, RecordKey,
    item::{Condition, Item, Update, Value},
};
use tidegate_policy::{
    fingerprint::{self, Entry, KeyPrint, StatePrint, print_of_text},
    keys,
    reconcile::{AtTarget, in_pass},
};

use super::{Comparing, Step, Stop};
use crate::{
    EngineError,
    ports::{Listing, Standing},
    tick::add_print,
};

/// Items of the index, or of what was seen, read in one call: at most 1 MB comes back anyway.
const LIST_PAGE: u32 = 256;
/// Entries of one part of what was seen: 22 bytes each as text, and an item has at most 400 KB.
const PART_ENTRIES: usize = fingerprint::MAX_BUCKET_ENTRIES;
/// What was seen is kept so long for the next invocation.
const SEEN_KEPT: Duration = Duration::from_secs(2 * 86_400);
/// Keys of the target that the index does not know and that are kept by name, to be linked or
/// reported: after the first reconciliation there are few. Of 256 bytes, 5 MB with their ids.
const MOST_STRANGERS: usize = 10_000;

/// What is known in this pass.
#[derive(Default)]
pub(super) struct Memory {
    /// The index as the newest complete reconciliation left it, sorted by key.
    index: Vec<Entry>,
    /// Keys that were compared.
    pub(super) seen: BTreeMap<KeyPrint, StatePrint>,
    /// Those of them that are not kept under this fence yet.
    fresh: Vec<Entry>,
    /// The target was listed to its end.
    pub(super) target_listed: bool,
    /// What the target shows of keys.
    standing: BTreeMap<KeyPrint, Stands>,
    /// Ids at the target that bear no key.
    unmarked: BTreeSet<u64>,
    /// Keys at the target of which the index does not say that they agree, with their ids.
    strangers: BTreeMap<KeyPrint, (RecordKey, String)>,
}

/// What the target shows of one key.
struct Stands {
    id: u64,
    print: u64,
    doubled: bool,
}

impl Memory {
    pub(super) fn index_of(&self, key: KeyPrint) -> Option<StatePrint> {
        let at = self.index.binary_search_by_key(&key, |entry| entry.key);
        at.ok()
            .and_then(|at| self.index.get(at))
            .map(|entry| entry.state)
    }

    /// Entries of the index whose key was not compared.
    pub(super) fn unseen(&self) -> Vec<Entry> {
        let unseen = self
            .index
            .iter()
            .filter(|entry| !self.seen.contains_key(&entry.key));
        unseen.copied().collect()
    }

    /// Whether the target has a record of this key although it is deleted.
    pub(super) fn has_deleted(&self, key: KeyPrint) -> AtTarget {
        match self.standing.get(&key) {
            _ if !self.target_listed => AtTarget::NotCompared,
            Some(stands) if stands.doubled => AtTarget::Doubled,
            Some(_) => AtTarget::Other,
            None => AtTarget::Missing,
        }
    }

    /// What the target shows of a key whose desired content has this print.
    pub(super) fn at_target(
        &self,
        key: KeyPrint,
        wanted: Option<&ContentHash>,
        target_id: Option<&str>,
    ) -> AtTarget {
        if !self.target_listed {
            return AtTarget::NotCompared;
        }
        match self.standing.get(&key) {
            Some(stands) if stands.doubled => AtTarget::Doubled,
            Some(stands) => match wanted {
                Some(wanted) if print_of_text(&wanted.0) == stands.print => AtTarget::Same,
                Some(_) => AtTarget::Other,
                None => AtTarget::NotCompared,
            },
            // A person took our mark out of it.
            None if target_id.is_some_and(|id| self.unmarked.contains(&print_of_text(id))) => {
                AtTarget::Other
            }
            None => AtTarget::Missing,
        }
    }

    /// Keys that the index knows.
    pub(super) fn known(&self) -> usize {
        self.index.len()
    }

    pub(super) fn stands(&self, key: KeyPrint) -> bool {
        self.standing.contains_key(&key)
    }

    /// The id under which a key of which the index says nothing stands at the target.
    pub(super) fn stranger(&self, key: KeyPrint) -> Option<&(RecordKey, String)> {
        self.strangers.get(&key)
    }

    /// Keys at the target that nothing else led to.
    pub(super) fn standing_unseen(&self) -> Vec<KeyPrint> {
        let unseen = self
            .standing
            .keys()
            .filter(|key| !self.seen.contains_key(key));
        unseen.copied().collect()
    }

    pub(super) fn forget_target(&mut self) {
        self.target_listed = false;
        self.standing.clear();
        self.unmarked.clear();
        self.strangers.clear();
    }
}

impl Comparing<'_> {
    pub(super) fn is_in_pass(&self, key: KeyPrint) -> bool {
        in_pass(key.0, self.progress.pass, self.progress.passes)
    }

    /// A key was compared: what the next reconciliation needs of it.
    pub(super) fn saw(&mut self, key: KeyPrint, state: StatePrint, has_register: bool) -> Step<()> {
        self.memory.fresh.push(Entry { key, state });
        if self.memory.seen.insert(key, state).is_none() && has_register {
            add_print(&mut self.progress.sums, key);
        }
        self.within_memory(self.memory.seen.len())
    }

    fn within_memory(&self, keys: usize) -> Step<()> {
        if keys > self.most_keys {
            return Err(Stop::TooManyKeys);
        }
        Ok(())
    }

    /// Reads the index, and what this pass has seen in earlier invocations.
    pub(super) async fn load(&mut self) -> Step<()> {
        self.memory = Memory::default();
        let flow = self.runtime.flow.id().clone();
        let (pass, passes, trusted) = (self.progress.pass, self.progress.passes, self.indexed);
        let mut index: Vec<Entry> = Vec::new();
        self.each_item(fingerprint::partition(&flow), |item| {
            let entries = fingerprint::read(item, trusted).into_iter();
            index.extend(entries.filter(|entry| in_pass(entry.key.0, pass, passes)));
        })
        .await?;
        self.within_memory(index.len())?;
        index.sort_unstable();
        self.memory.index = index;
        let Some((fence, parts)) = self.progress.seen else {
            return Ok(());
        };
        let (mut seen, mut kept) = (BTreeMap::new(), 0);
        self.each_item(keys::reconcile_seen_partition(&flow, fence), |item| {
            // A part beyond was kept for a checkpoint that was never written.
            if kept == parts {
                return;
            }
            kept += 1;
            let text = item.get("e").and_then(Value::as_text).unwrap_or_default();
            let entries = fingerprint::unpack(text).into_iter();
            seen.extend(entries.map(|entry| (entry.key, entry.state)));
        })
        .await?;
        if kept == parts {
            let all = seen.iter().map(|(key, state)| Entry {
                key: *key,
                state: *state,
            });
            self.memory.fresh = all.collect();
            self.memory.seen = seen;
        } else {
            // It is not all there: what was compared is not known, so the pass begins again.
            self.progress.begin_again(pass, passes);
        }
        Ok(())
    }

    /// Reads a partition page by page, so that no more than a page of it is in memory.
    async fn each_item(
        &self,
        partition: String,
        mut take: impl FnMut(&Item) + Send,
    ) -> Result<(), EngineError> {
        let listing = Listing::Partition(partition);
        let mut after: Option<String> = None;
        loop {
            let store = &self.engine.ports.store;
            let page = store.list(&listing, after.as_deref(), LIST_PAGE).await?;
            page.items.iter().for_each(|(_, item)| take(item));
            after = page.next;
            if after.is_none() {
                return Ok(());
            }
        }
    }

    /// Keeps what this pass has seen for the next invocation, under this fence: what a run without
    /// lease keeps is never read. What is kept already is not written again.
    pub(super) async fn keep_seen(&mut self) -> Result<(), EngineError> {
        let flow = self.runtime.flow.id();
        let ttl = (self.engine.now() + SEEN_KEPT).0 / 1_000;
        let own = |(fence, _): &(i64, u32)| *fence == self.lease.holder.fence;
        let mut parts = self.progress.seen.filter(own).map_or(0, |(_, parts)| parts);
        for chunk in self.memory.fresh.chunks(PART_ENTRIES) {
            let write = Update::when(Condition::ALWAYS)
                .set("e", fingerprint::pack(chunk))
                .set("ttl", ttl);
            let key = keys::reconcile_seen(flow, self.lease.holder.fence, parts);
            self.engine.write(&key, &write).await?;
            parts += 1;
        }
        self.memory.fresh.clear();
        self.progress.seen = Some((self.lease.holder.fence, parts));
        Ok(())
    }

    /// Writes what changed of the index, after the checkpoint that it belongs to (CP-1). A part that
    /// fails costs register reads next time, so it ends nothing.
    pub(super) async fn write_index(&mut self) -> Step<()> {
        let flow = self.runtime.flow.id();
        let seen = std::mem::take(&mut self.memory.seen);
        let after: Vec<Entry> = seen
            .into_iter()
            .map(|(key, state)| Entry { key, state })
            .collect();
        let writes = fingerprint::writes(&self.memory.index, &after, self.lease.holder.fence);
        let count = writes.len();
        for (bucket, write) in writes {
            let key = fingerprint::bucket_key(flow, bucket);
            if let Err(error) = self.engine.write(&key, &write).await {
                tracing::warn!(flow = %flow, error = %crate::chain(&error), "a part of the index was not written");
            }
        }
        tracing::debug!(flow = %flow, buckets = count, "index written");
        self.indexed = self.lease.holder.fence;
        Ok(())
    }

    /// Remembers what stands at the target.
    pub(super) fn remember_standing(&mut self, standing: Vec<Standing>) -> Step<()> {
        for one in standing {
            let id = print_of_text(&one.id);
            if one.keys.is_empty() && self.memory.unmarked.len() < self.most_keys {
                self.memory.unmarked.insert(id);
            }
            let print = print_of_text(&one.print.0);
            let several = one.keys.len() > 1;
            for key in one.keys {
                let at = KeyPrint::of(&key);
                if !self.is_in_pass(at) {
                    continue;
                }
                let before = self.memory.standing.get(&at);
                // One that moves on while the lists are read is seen twice under one id.
                let doubled =
                    several || before.is_some_and(|before| before.doubled || before.id != id);
                let stands = Stands { id, print, doubled };
                self.memory.standing.insert(at, stands);
                let strangers = self.memory.strangers.len();
                let known = self.memory.index_of(at);
                let strange =
                    known.is_none_or(|state| matches!(state, StatePrint::GONE | StatePrint::LOOK));
                if strangers < MOST_STRANGERS && strange {
                    self.memory.strangers.insert(at, (key, one.id.clone()));
                }
            }
        }
        self.within_memory(self.memory.standing.len())
    }
}
