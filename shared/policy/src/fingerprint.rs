//! The fingerprint index: what the newest reconciliation found in order, 16 bytes a record.
//!
//! A full comparison reads this instead of a register for each record that has not changed. Buckets
//! by the print of the key, each one item; an entry is the key's print and the print of (source
//! version, revision, content).
//!
//! Invariants: a record is skipped only when the version in it is equal too, or a zombie's damage
//! would be skipped with it; a bucket is written after the checkpoint that it belongs to and under
//! that run's fence, and one whose checkpoint never came is not believed (CP-1). An index that is
//! stale or lost costs a read of each register and nothing else.

#[cfg(test)]
mod tests;

use base64::{Engine, engine::general_purpose::STANDARD_NO_PAD};
use sha2::{Digest, Sha256};
use tidegate_model::{
    ContentHash, FlowId, RecordKey, SourceVersion,
    item::{Condition, Item, ItemKey, Op, Update, Value},
};

use crate::keys::{self, REGISTER_SHARDS};

/// Buckets of a flow's index. With 256 a flow of 5,000 records has 20 entries a bucket, so that
/// names and keys add a tenth, and one of a million has 4,000, a fifth of what an item holds.
pub const BUCKETS: u32 = 256;
/// Entries of a bucket: 22 bytes each as text, and an item has at most 400 KB. Records beyond are
/// not in the index, so that their registers are read.
pub const MAX_BUCKET_ENTRIES: usize = 16_000;

const FENCE: &str = "f";
const ENTRIES: &str = "e";
/// A key's print and a state's print.
const ENTRY_BYTES: usize = 16;
/// Bits of a key's print that name the shard of its register.
const SHARD_BITS: u32 = 4;
const _: () = assert!(REGISTER_SHARDS == 1 << SHARD_BITS);

/// The print of a key. Its upper four bits are the shard of its register, so that a print that
/// nobody knows leads to one sixteenth of the registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyPrint(pub u64);

impl KeyPrint {
    /// The print of this key.
    pub fn of(key: &RecordKey) -> Self {
        let shard = u64::from(keys::shard_of(key)) << (u64::BITS - SHARD_BITS);
        Self(shard | (digest(&[key.as_str().as_bytes()]) >> SHARD_BITS))
    }

    /// The least print that a key of this shard can have.
    pub fn first_of(shard: u32) -> Self {
        Self(u64::from(shard) << (u64::BITS - SHARD_BITS))
    }

    /// The shard of its register.
    pub fn shard(self) -> u32 {
        u32::try_from(self.0 >> (u64::BITS - SHARD_BITS)).unwrap_or(0)
    }

    fn bucket(self) -> u32 {
        u32::try_from(self.0 >> (u64::BITS - BUCKETS.trailing_zeros())).unwrap_or(0)
    }
}

/// What the index knows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatePrint(pub u64);

impl StatePrint {
    /// It has a register, which has to be read: it was not in order.
    pub const LOOK: Self = Self(0);
    /// It is gone at the source and nothing is left to do.
    pub const GONE: Self = Self(1);

    /// Source, register and target agreed on this content of this version. The read number is not
    /// part of it: a later read of the same version is the same version, as for a stage.
    pub fn of(
        key: &RecordKey,
        version: SourceVersion,
        revision: u32,
        content: &ContentHash,
    ) -> Self {
        let print = digest(&[
            key.as_str().as_bytes(),
            &version.0.to_be_bytes(),
            &revision.to_be_bytes(),
            content.0.as_bytes(),
        ]);
        Self(print.max(2))
    }
}

/// One record of the index.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// Names it.
    pub key: KeyPrint,
    /// What is known of it.
    pub state: StatePrint,
}

/// A print of any text: an id, a hash.
pub fn print_of_text(text: &str) -> u64 {
    digest(&[text.as_bytes()])
}

/// The partition of a flow's index.
pub fn partition(flow: &FlowId) -> String {
    format!("index#{flow}")
}

/// A bucket's item.
pub fn bucket_key(flow: &FlowId, bucket: u32) -> ItemKey {
    ItemKey {
        partition: partition(flow),
        sort: format!("{bucket:02x}"),
    }
}

/// Reads a bucket, sorted by key. `trusted` is the fence of the newest run whose checkpoint lets its
/// index be used; a bucket of a later fence was written before its checkpoint and is not believed.
pub fn read(item: &Item, trusted: i64) -> Vec<Entry> {
    let fence = item.get(FENCE).and_then(Value::as_number);
    if fence.is_none_or(|fence| fence > trusted) {
        return Vec::new();
    }
    unpack(
        item.get(ENTRIES)
            .and_then(Value::as_text)
            .unwrap_or_default(),
    )
}

/// The writes that make an index hold these entries, sorted by key, where it held `before`: one for
/// each bucket that differs, and none for what has not changed. Refused to a run that a later one
/// has followed.
pub fn writes(before: &[Entry], after: &[Entry], fence: i64) -> Vec<(u32, Update)> {
    let mut writes = Vec::new();
    let (mut old, mut new) = (before, after);
    for bucket in 0..BUCKETS {
        let kept = take_bucket(&mut old, bucket);
        let wanted = take_bucket(&mut new, bucket);
        let wanted = wanted.get(..MAX_BUCKET_ENTRIES).unwrap_or(wanted);
        if kept != wanted {
            writes.push((bucket, write(wanted, fence)));
        }
    }
    writes
}

/// One bucket as a write.
pub fn write(entries: &[Entry], fence: i64) -> Update {
    Update::when(Condition::absent_or(FENCE, Op::Le, fence))
        .set(FENCE, fence)
        .set_or_remove(ENTRIES, Some(pack(entries)).filter(|text| !text.is_empty()))
}

/// Entries as text: 16 bytes each, without padding between them.
pub fn pack(entries: &[Entry]) -> String {
    let mut bytes = Vec::with_capacity(entries.len() * ENTRY_BYTES);
    for entry in entries {
        bytes.extend(entry.key.0.to_be_bytes());
        bytes.extend(entry.state.0.to_be_bytes());
    }
    STANDARD_NO_PAD.encode(bytes)
}

/// Reads what [`pack`] wrote; a text that it did not write holds nothing.
pub fn unpack(text: &str) -> Vec<Entry> {
    let bytes = STANDARD_NO_PAD.decode(text).unwrap_or_default();
    let entries = bytes.as_chunks::<ENTRY_BYTES>();
    if !entries.1.is_empty() {
        return Vec::new();
    }
    let number = |bytes: &[u8]| bytes.iter().fold(0, |n, byte| (n << 8) | u64::from(*byte));
    let halves = entries
        .0
        .iter()
        .map(|entry| entry.split_at(ENTRY_BYTES / 2));
    halves
        .map(|(key, state)| Entry {
            key: KeyPrint(number(key)),
            state: StatePrint(number(state)),
        })
        .collect()
}

/// Splits the entries of a bucket off a sorted list.
fn take_bucket<'a>(entries: &mut &'a [Entry], bucket: u32) -> &'a [Entry] {
    let end = entries.partition_point(|entry| entry.key.bucket() <= bucket);
    let (taken, rest) = entries.split_at(end);
    *entries = rest;
    taken
}

/// The first 64 bits of a SHA-256 over the parts, each with its length.
fn digest(parts: &[&[u8]]) -> u64 {
    let mut hasher = Sha256::new();
    for part in parts {
        hasher.update((part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    let bytes = hasher.finalize();
    bytes
        .iter()
        .take(8)
        .fold(0, |number, byte| (number << 8) | u64::from(*byte))
}
