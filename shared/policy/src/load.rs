//! Loading the records of a flow into a warehouse (R22), as decisions: what is to be loaded, as which
//! line of a file, and what a comparison of registers and warehouse found.
//!
//! A register says which line of it was put into a file, and is to be loaded when it has another by now: one
//! of a newer version, of other content, or with other fields left out. So no write of the register protocol
//! has to know of a warehouse, a load that dies is repeated by the next one, and a flow that is given a
//! warehouse late is loaded whole. Lines of a record are one row: the merge keeps that of the greatest
//! version, and of one version that of the newest file.

mod account;
mod progress;
#[cfg(test)]
mod tests;

pub use account::{Checksum, Counts, Difference, Kind, MAX_NOTES, Note};
pub use progress::{
    Checkpoint, Comparing, LoadRequest, Progress, Start, begin, merge_id, merge_token, plan, wish,
    wished,
};

use std::time::Duration;

use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};
use tidegate_model::{
    Content, ContentHash, Fields, FlowId, RecordKey, UnixMs, Version,
    item::{Condition, Item, Op, Update, Value},
};

use crate::register::{FORGOTTEN, Register, State, attr};

/// How long a file takes at most from when it was put to when its rows are merged, while all goes well: a
/// pipe lands it within about a minute, and merges are five minutes apart.
pub const LANDING: Duration = Duration::from_mins(30);

/// The bucket of a key: the first byte of its SHA-256, as the statements compute it.
pub fn bucket(key: &RecordKey) -> u8 {
    let [first, ..]: [u8; 32] = Sha256::digest(key.as_str().as_bytes()).into();
    first
}

/// One line of a file: a record as of one version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    /// What orders the lines of a record.
    pub version: Version,
    /// SHA-256 over all that the line says.
    pub digest: [u8; 32],
    hash: ContentHash,
    /// Its canonical JSON; `None` of a record that is deleted.
    content: Option<String>,
}

impl Line {
    /// The line of a register, or none while its newest content is not applied: it waits, is in review, or
    /// was discarded. `private` fields are left out. What was erased goes as a deletion whatever became of
    /// it, one read later than all that may be loaded of it, or that would stand.
    pub fn of(
        flow: &FlowId,
        key: &RecordKey,
        register: &Register,
        private: &[String],
    ) -> Option<Self> {
        let content = match register.effective() {
            Content::Record(fields) => Some(canonical(fields, private)),
            Content::Deleted | Content::Forgotten => None,
        };
        let applied = register.applied.as_ref().map(|applied| &applied.hash);
        let mut line = Self {
            version: version_to_load(register)?,
            hash: applied.unwrap_or(&register.desired.hash).clone(),
            digest: [0; 32],
            content,
        };
        line.digest = line.digest_of(flow, key);
        Some(line)
    }

    fn digest_of(&self, flow: &FlowId, key: &RecordKey) -> [u8; 32] {
        let deleted = if self.content.is_none() { "1" } else { "0" };
        let content = self.content.as_deref().unwrap_or_default();
        let version = self.version.encode();
        let parts = [
            version.as_str(),
            deleted,
            &self.hash.0,
            flow.as_str(),
            key.as_str(),
            content,
        ];
        Sha256::digest(parts.join("\n").as_bytes()).into()
    }

    /// As it stands in a file, without a line break.
    pub fn text(&self, flow: &FlowId, key: &RecordKey) -> String {
        let version = json!({
            "source": self.version.source.0,
            "revision": self.version.revision,
            "read": self.version.read,
        });
        json!({
            "flow": flow,
            "key": key,
            "version": version,
            "deleted": self.content.is_none(),
            "hash": self.hash,
            "content": self.content,
            "digest": hex::encode(self.digest),
        })
        .to_string()
    }

    /// Whether it says that the record is deleted.
    pub fn is_deletion(&self) -> bool {
        self.content.is_none()
    }
}

/// Names sorted, no space: the same text on every machine.
fn canonical(fields: Fields, private: &[String]) -> String {
    let shown = fields
        .into_iter()
        .filter(|(name, _)| !private.contains(name));
    sorted(Json::Object(shown.collect())).to_string()
}

/// With the names of every object sorted: a feature of `serde_json` elsewhere in a build can keep them as
/// they came.
fn sorted(value: Json) -> Json {
    match value {
        Json::Object(map) => {
            let mut entries: Vec<(String, Json)> = map.into_iter().collect();
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
            let sorted = entries.into_iter().map(|(name, of)| (name, sorted(of)));
            Json::Object(sorted.collect())
        }
        Json::Array(entries) => Json::Array(entries.into_iter().map(sorted).collect()),
        plain => plain,
    }
}

/// The name of a line: its version, and in short the hash of the content and which fields are left out.
fn line_name(version: &str, hash: &str, private: &[String]) -> String {
    let mut left_out: Vec<&str> = private.iter().map(String::as_str).collect();
    left_out.sort_unstable();
    let said = format!("{hash}\n{}", left_out.join("\n"));
    let short: [u8; 32] = Sha256::digest(said.as_bytes()).into();
    let short: &[u8; 8] = short.first_chunk().unwrap_or(&[0; 8]);
    format!("{version}.{}", hex::encode(short))
}

/// The version of the line of a register, if it has one.
fn version_to_load(register: &Register) -> Option<Version> {
    if is_erased(register) {
        let newest = register.desired.version;
        return Some(Version {
            read: newest.read.saturating_add(1),
            ..newest
        });
    }
    let applied = register.applied.as_ref()?;
    (register.state() == State::Applied).then_some(applied.version)
}

/// Whether somebody wished its values to be erased and nothing newer has come. Of one whose deletion at the
/// source was discarded the content does not tell, and the history does.
fn is_erased(register: &Register) -> bool {
    match &register.desired.content {
        Content::Forgotten => true,
        Content::Record(_) => false,
        Content::Deleted => {
            let last = register.history.last();
            register.state() == State::Discarded
                && last.is_some_and(|note| note.outcome == FORGOTTEN)
        }
    }
}

/// Whether an item is a register of which a line is in no file yet: tick looks at every one, so that most
/// are told without reading their content.
pub fn is_due(item: &Item, private: &[String]) -> bool {
    let text = |name: &str| item.get(name).and_then(Value::as_text);
    let loaded = text(attr::LOADED_LINE);
    let content = text(attr::DESIRED_CONTENT);
    let may_be_erased = [Content::Forgotten, Content::Deleted]
        .iter()
        .any(|gone| content == Some(stored(gone).as_str()));
    if !may_be_erased {
        let applied = text(attr::APPLIED_VERSION).zip(text(attr::APPLIED_HASH));
        let line = applied.map(|(version, hash)| line_name(version, hash, private));
        return Register::is_at_rest(item) && loaded != line.as_deref();
    }
    let Ok(Some(register)) = Register::read(item) else {
        return false;
    };
    Mark::of(&register, private).is_some_and(|mark| loaded != Some(mark.line.as_str()))
}

/// A register as it was when its line was made: what is remembered of it until the file is put.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    line: String,
    was: Was,
}

/// What may not have changed since.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Was {
    /// This was applied.
    Applied(Version, ContentHash),
    /// It was erased, as of this version.
    Erased(Version),
}

impl Mark {
    /// Of a register that has a line.
    pub fn of(register: &Register, private: &[String]) -> Option<Self> {
        let version = version_to_load(register)?.encode();
        let (hash, was) = match &register.applied {
            Some(applied) if !is_erased(register) => {
                let hash = &applied.hash;
                (hash, Was::Applied(applied.version, hash.clone()))
            }
            _ => {
                let desired = &register.desired;
                (&desired.hash, Was::Erased(desired.version))
            }
        };
        let line = line_name(&version, &hash.0, private);
        Some(Self { line, was })
    }

    /// `loaded`: its line is in a file. Refused when something else was applied since, or it was erased.
    pub fn loaded(&self, now: UnixMs) -> Update {
        Update::when(self.as_read())
            .set(attr::LOADED_LINE, self.line.as_str())
            .set(attr::LOADED_AT, now.0)
    }

    /// `load again`: the warehouse lacks what was loaded.
    pub fn load_again(&self) -> Update {
        Update::when(self.as_read()).remove(&[attr::LOADED_LINE, attr::LOADED_AT])
    }

    fn as_read(&self) -> Condition {
        match &self.was {
            Was::Erased(newest) => Condition::is(attr::DESIRED_VERSION, Op::Eq, newest.encode()),
            Was::Applied(version, hash) => Condition::All(vec![
                Condition::is(attr::APPLIED_VERSION, Op::Eq, version.encode()),
                Condition::is(attr::APPLIED_HASH, Op::Eq, hash.0.as_str()),
                Condition::is(attr::DESIRED_CONTENT, Op::Ne, stored(&Content::Forgotten)),
            ]),
        }
    }
}

/// The part of a digest that is summed: its first 60 bits, as the statements take them.
pub fn summed(digest: &[u8; 32]) -> u64 {
    let first = digest.first_chunk().copied().unwrap_or_default();
    u64::from_be_bytes(first) >> 4
}

/// A content as a register keeps it.
fn stored(content: &Content) -> String {
    serde_json::to_string(content).unwrap_or_default()
}

/// What a register says that the warehouse should hold of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Expected {
    /// The version and digest of its line; `None`: it has none at present.
    pub line: Option<(Version, [u8; 32])>,
    /// Whether its line says that it is deleted.
    pub deleted: bool,
    /// When that line was put into a file, if it was.
    pub loaded: Option<UnixMs>,
}

impl Expected {
    /// What a register says.
    pub fn of(flow: &FlowId, key: &RecordKey, register: &Register, private: &[String]) -> Self {
        let line = Line::of(flow, key, register, private);
        let deleted = line.as_ref().is_some_and(Line::is_deletion);
        let line = line.map(|line| (line.version, line.digest));
        let mark = Mark::of(register, private);
        let loaded = register.loaded.as_ref().zip(mark);
        let loaded = loaded.filter(|(loaded, mark)| loaded.line == mark.line);
        Self {
            loaded: loaded.map(|(loaded, _)| loaded.at),
            deleted,
            line,
        }
    }

    /// The digest of what was loaded, if it is what the register says now.
    pub fn digest(&self) -> Option<&[u8; 32]> {
        self.loaded?;
        self.line.as_ref().map(|(_, digest)| digest)
    }
}

/// How the comparison of a key ends: what its register says, against the version and digest of its row.
pub fn judge(expected: Option<&Expected>, row: Option<(Version, &str)>, now: UnixMs) -> Kind {
    let Some(expected) = expected else {
        return Kind::Unknown;
    };
    let (Some((version, digest)), Some(loaded)) = (expected.line, expected.loaded) else {
        return Kind::Waiting;
    };
    let in_transit = now < loaded + LANDING;
    match row {
        None if in_transit => Kind::InTransit,
        None => Kind::Missing,
        Some((held, _)) if held < version && in_transit => Kind::InTransit,
        Some((held, _)) if held < version => Kind::Older,
        Some((held, _)) if held > version => Kind::Newer,
        Some((_, held)) if held == hex::encode(digest) => Kind::Equal,
        Some(_) if in_transit => Kind::InTransit,
        Some(_) => Kind::Altered,
    }
}
