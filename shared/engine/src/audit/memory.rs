//! Which values several records have: prints alone, never the values.

use std::{collections::BTreeSet, time::Duration};

use tidegate_model::item::{Condition, Update, Value};
use tidegate_policy::{
    audit::ValuePrint,
    fingerprint::{Entry, KeyPrint, MAX_BUCKET_ENTRIES, StatePrint, pack, unpack},
    keys,
};

use super::{Auditing, Step};
use crate::ports::Listing;

/// Parts read in one call: at most 1 MB comes back anyway.
const LIST_PAGE: u32 = 16;
/// What was seen is kept so long for the next invocation.
const SEEN_KEPT: Duration = Duration::from_secs(2 * 86_400);

/// What is known of values so far.
pub(super) struct Memory {
    seen: BTreeSet<ValuePrint>,
    /// Those of them that several records have.
    shared: BTreeSet<ValuePrint>,
    most: usize,
}

impl Memory {
    pub(super) fn within(most: usize) -> Self {
        Self {
            seen: BTreeSet::new(),
            shared: BTreeSet::new(),
            most,
        }
    }

    /// A record has these values. Whether they are remembered: where there is no room, a later record
    /// with the same ones is not found.
    pub(super) fn saw(&mut self, print: ValuePrint) -> bool {
        if self.seen.contains(&print) {
            self.shared.insert(print);
        } else if self.seen.len() < self.most {
            self.seen.insert(print);
        } else {
            return false;
        }
        true
    }

    pub(super) fn is_shared(&self, print: ValuePrint) -> bool {
        self.shared.contains(&print)
    }

    /// Forgets what only one record has.
    pub(super) fn keep_shared(&mut self) {
        self.seen = self.shared.clone();
    }

    /// Each print once for each time that it was seen, as far as that matters.
    fn entries(&self) -> Vec<Entry> {
        let prints = self.seen.iter().chain(&self.shared);
        prints.map(|print| entry(*print)).collect()
    }
}

/// A print as an index packs entries: 22 bytes of text.
fn entry(print: ValuePrint) -> Entry {
    let low = u64::try_from(print & ValuePrint::from(u64::MAX)).unwrap_or(0);
    let high = u64::try_from(print >> u64::BITS).unwrap_or(0);
    Entry {
        key: KeyPrint(high),
        state: StatePrint(low),
    }
}

fn print(entry: Entry) -> ValuePrint {
    (ValuePrint::from(entry.key.0) << u64::BITS) | ValuePrint::from(entry.state.0)
}

impl Auditing<'_> {
    /// Reads what an earlier invocation has seen.
    pub(super) async fn load(&mut self) -> Step<()> {
        let Some((fence, parts)) = self.progress.seen else {
            return Ok(());
        };
        let flow = self.runtime.flow.id();
        let listing = Listing::Partition(keys::audit_seen_partition(flow, fence));
        let (mut after, mut read) = (None, 0);
        loop {
            let store = &self.engine.ports.store;
            let page = store.list(&listing, after.as_deref(), LIST_PAGE).await?;
            for (_, item) in &page.items {
                // A part beyond was kept for a checkpoint that was never written.
                if read < parts {
                    let text = item.get("e").and_then(Value::as_text).unwrap_or_default();
                    for entry in unpack(text) {
                        self.memory.saw(print(entry));
                    }
                    read += 1;
                }
            }
            after = page.next;
            if after.is_none() {
                break;
            }
        }
        if read < parts {
            // What was seen is not known, so it begins again.
            self.memory = Memory::within(self.memory.most);
            self.progress.begin_again(self.audit.compares());
        }
        Ok(())
    }

    /// Keeps what was seen for the next invocation, under this fence: what a run without lease keeps is
    /// never read.
    pub(super) async fn keep_seen(&mut self) -> Step<()> {
        let flow = self.runtime.flow.id();
        let ttl = (self.engine.now() + SEEN_KEPT).0 / 1_000;
        let mut parts = 0;
        for chunk in self.memory.entries().chunks(MAX_BUCKET_ENTRIES) {
            let write = Update::when(Condition::ALWAYS)
                .set("e", pack(chunk))
                .set("ttl", ttl);
            let key = keys::audit_seen(flow, self.lease.holder.fence, parts);
            self.engine.write(&key, &write).await?;
            parts += 1;
        }
        self.progress.seen = Some((self.lease.holder.fence, parts));
        Ok(())
    }
}
