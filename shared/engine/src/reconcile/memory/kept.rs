//! What was seen of the target, kept between two invocations of one pass, under the fence of the run
//! that saw it: what a run without lease keeps is never read.

use tidegate_model::{
    RecordKey,
    item::{Condition, Item, Update, Value},
};
use tidegate_policy::{
    fingerprint::{Entry, KeyPrint, StatePrint, pack, unpack},
    keys,
    reconcile::Listed,
};

use super::{Comparing, Memory, SEEN_KEPT, Stands, Step};
use crate::EngineError;

/// Keys of one part: three texts of 22 bytes a key, and an item has at most 400 KB.
const PART_KEYS: usize = 5_000;
/// Names of one part: a key and an id of at most 256 bytes each, and what JSON puts between them.
const PART_NAMES: usize = 500;

const IDS: &str = "i";
const PRINTS: &str = "p";
const DOUBLED: &str = "d";
const UNMARKED: &str = "u";
const NAMES: &str = "s";

/// A number under a key's print, as the index packs them.
fn entry(key: KeyPrint, number: u64) -> Entry {
    Entry {
        key,
        state: StatePrint(number),
    }
}

impl Memory {
    /// What the target showed, in parts that fit an item.
    fn parts(&self) -> Vec<Update> {
        let always = || Update::when(Condition::ALWAYS);
        let standing: Vec<(&KeyPrint, &Stands)> = self.standing.iter().collect();
        let standing = standing.chunks(PART_KEYS).map(|part| {
            let all = |number: fn(&Stands) -> u64| {
                let entries = part.iter().map(|(key, one)| entry(**key, number(one)));
                pack(&entries.collect::<Vec<_>>())
            };
            let doubled = part.iter().filter(|(_, stands)| stands.doubled);
            let doubled = doubled.map(|(key, _)| entry(**key, 0)).collect::<Vec<_>>();
            always()
                .set(IDS, all(|stands| stands.id))
                .set(PRINTS, all(|stands| stands.print))
                .set(DOUBLED, pack(&doubled))
        });
        let unmarked: Vec<Entry> = self
            .unmarked
            .iter()
            .map(|id| entry(KeyPrint(*id), 0))
            .collect();
        let unmarked = unmarked
            .chunks(PART_KEYS)
            .map(|part| always().set(UNMARKED, pack(part)));
        let names: Vec<&(RecordKey, String)> = self.strangers.values().collect();
        let names = names.chunks(PART_NAMES).map(|part| {
            let part: Vec<(&str, &str)> = part
                .iter()
                .map(|(key, id)| (key.as_str(), id.as_str()))
                .collect();
            // Pairs of texts always have a JSON form.
            always().set(NAMES, serde_json::to_string(&part).unwrap_or_default())
        });
        standing.chain(unmarked).chain(names).collect()
    }

    /// Takes up one part.
    fn take_up(&mut self, item: &Item) {
        let text = |name| item.get(name).and_then(Value::as_text).unwrap_or_default();
        let ids = unpack(text(IDS)).into_iter();
        for (id, print) in ids.zip(unpack(text(PRINTS))) {
            let stands = Stands {
                id: id.state.0,
                print: print.state.0,
                doubled: false,
            };
            self.standing.insert(id.key, stands);
        }
        for doubled in unpack(text(DOUBLED)) {
            if let Some(stands) = self.standing.get_mut(&doubled.key) {
                stands.doubled = true;
            }
        }
        let unmarked = unpack(text(UNMARKED)).into_iter();
        self.unmarked.extend(unmarked.map(|entry| entry.key.0));
        let names: Vec<(String, String)> = serde_json::from_str(text(NAMES)).unwrap_or_default();
        for (key, id) in names {
            if let Ok(key) = RecordKey::try_new(key) {
                self.strangers.insert(KeyPrint::of(&key), (key, id));
            }
        }
    }
}

impl Comparing<'_> {
    /// Keeps what the target showed so far for the next invocation, so that no page is called for
    /// twice.
    pub(in crate::reconcile) async fn keep_listed(&mut self) -> Result<(), EngineError> {
        if self.progress.listed.is_none() {
            return Ok(());
        }
        let flow = self.runtime.flow.id();
        let ttl = (self.engine.now() + SEEN_KEPT).0 / 1_000;
        let mut kept = 0;
        for part in self.memory.parts() {
            let key = keys::reconcile_listed(flow, self.lease.holder.fence, kept);
            self.engine.write(&key, &part.set("ttl", ttl)).await?;
            kept += 1;
        }
        if let Some(listed) = &mut self.progress.listed {
            listed.kept = Some((self.lease.holder.fence, kept));
        }
        Ok(())
    }

    /// Takes up what an earlier invocation of this pass kept, or begins the listing: also where not
    /// all of it is there.
    pub(in crate::reconcile) async fn take_up_listing(&mut self) -> Step<()> {
        let kept = self.progress.listed.as_ref().and_then(|listed| listed.kept);
        if let Some((fence, parts)) = kept {
            let partition = keys::reconcile_listed_partition(self.runtime.flow.id(), fence);
            let (mut memory, mut found) = (Memory::default(), 0);
            self.each_item(partition, |item| {
                found += 1;
                memory.take_up(item);
            })
            .await?;
            if found == parts {
                self.memory.standing = memory.standing;
                self.memory.unmarked = memory.unmarked;
                self.memory.strangers = memory.strangers;
                return Ok(());
            }
        }
        self.progress.listed = Some(Listed::begin(self.engine.now()));
        Ok(())
    }
}
