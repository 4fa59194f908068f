//! What a record holds, and the hash that tells whether two contents are equal.

#[cfg(test)]
mod tests;

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The canonical fields of a record, by name.
pub type Fields = serde_json::Map<String, Value>;

/// The desired content of a record: its fields, or that it is gone at the source.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// The record exists with these fields.
    Record(Fields),
    /// The source deleted it.
    Deleted,
    /// It exists, and its fields were erased at somebody's wish. What they were is told from others by
    /// the hash that was stored with them, never by this content's own.
    Forgotten,
}

/// A hash of a content: equal for equal contents, whatever the order of their fields.
#[derive(
    Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(transparent)]
pub struct ContentHash(pub String);

/// Bytes of the SHA-256 that are kept: 16 make an accidental equality of two contents of one
/// record impossible in practice, and a register stays below 1 KB.
const HASH_BYTES: usize = 16;

impl Content {
    /// The content's hash.
    pub fn hash(&self) -> ContentHash {
        let mut hasher = Sha256::new();
        match self {
            Self::Record(fields) => {
                hasher.update(b"r");
                feed_map(&mut hasher, fields);
            }
            Self::Deleted => hasher.update(b"d"),
            Self::Forgotten => hasher.update(b"f"),
        }
        let digest = hasher.finalize();
        ContentHash(hex::encode(digest.get(..HASH_BYTES).unwrap_or(&digest)))
    }

    /// The fields, unless the record is deleted or forgotten.
    pub fn fields(&self) -> Option<&Fields> {
        match self {
            Self::Record(fields) => Some(fields),
            Self::Deleted | Self::Forgotten => None,
        }
    }
}

impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

fn feed_map(hasher: &mut Sha256, map: &Fields) {
    // Sorted here, since a feature of serde_json elsewhere in a build can change a map's order.
    let mut entries: Vec<(&String, &Value)> = map.iter().collect();
    entries.sort_by_key(|(name, _)| *name);
    feed_len(hasher, b'{', entries.len());
    for (name, value) in entries {
        feed_text(hasher, name);
        feed(hasher, value);
    }
}

fn feed(hasher: &mut Sha256, value: &Value) {
    match value {
        Value::Null => hasher.update(b"n"),
        Value::Bool(true) => hasher.update(b"t"),
        Value::Bool(false) => hasher.update(b"f"),
        Value::Number(number) => {
            hasher.update(b"#");
            feed_text(hasher, &number.to_string());
        }
        Value::String(text) => feed_text(hasher, text),
        Value::Array(items) => {
            feed_len(hasher, b'[', items.len());
            for item in items {
                feed(hasher, item);
            }
        }
        Value::Object(map) => feed_map(hasher, map),
    }
}

fn feed_text(hasher: &mut Sha256, text: &str) {
    feed_len(hasher, b'"', text.len());
    hasher.update(text.as_bytes());
}

fn feed_len(hasher: &mut Sha256, tag: u8, len: usize) {
    hasher.update([tag]);
    hasher.update((len as u64).to_be_bytes());
}
