//! The accounts of loads and of comparisons with the warehouse.

use serde::{Deserialize, Serialize};
use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::{
    keys,
    load::{Checksum, Counts, Difference, Note},
};

use crate::{Engine, EngineError, RunEnd};

/// The account of a load, as it is stored and shown. No field values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct LoadReport {
    /// When it started.
    pub started: UnixMs,
    /// When it ended.
    pub ended_at: UnixMs,
    /// How.
    #[serde(flatten)]
    pub end: RunEnd,
    /// How many registers were looked at, and what became of each.
    pub counts: Counts,
    /// Files that were put.
    pub files: u32,
    /// Their compressed bytes.
    pub bytes: u64,
    /// Whether what had landed was merged.
    pub merged: bool,
}

impl LoadReport {
    /// The account in one line: `120 records: 12 loaded in 1 file, 108 unchanged`.
    pub fn summary(&self) -> String {
        let Counts {
            records,
            loaded,
            unchanged,
            held_back,
            overtaken,
            unreadable,
        } = self.counts;
        let files = match self.files {
            1 => "1 file".to_owned(),
            files => format!("{files} files"),
        };
        let done = format!("{records} records: {loaded} loaded in {files}, {unchanged} unchanged");
        let mut parts = vec![done];
        for (count, what) in [
            (held_back, "held back"),
            (overtaken, "changed meanwhile"),
            (unreadable, "unreadable"),
        ] {
            if count > 0 {
                parts.push(format!("{count} {what}"));
            }
        }
        parts.join(", ")
    }
}

/// The account of a complete comparison of a flow's registers with its warehouse.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparison {
    /// When it began.
    pub began: UnixMs,
    /// When it ended.
    pub ended_at: UnixMs,
    /// How many keys were compared, and how each ended.
    pub found: Difference,
    /// The first findings by name; at most [`tidegate_policy::load::MAX_NOTES`].
    pub notes: Vec<Note>,
    /// What the registers say to be loaded.
    pub registers: Checksum,
    /// What the warehouse holds.
    pub warehouse: Checksum,
    /// Rows of the warehouse beyond the first of a key.
    pub duplicates: u64,
    /// Keys of rows of this flow that are not what was sent, where known.
    pub unsound: Vec<String>,
    /// Files that the pipe did not load whole, with what became of each.
    pub not_loaded: Vec<(String, String)>,
}

impl Comparison {
    /// Whether counts and checksums of both sides are the same.
    pub fn agrees(&self) -> bool {
        self.registers == self.warehouse && self.duplicates == 0
    }

    /// Whether nothing is wrong: what is not equal may lawfully differ at present.
    pub fn is_clean(&self) -> bool {
        self.found.found() == 0 && self.duplicates == 0 && self.unsound.is_empty()
    }

    /// How many rows are wrong.
    pub fn wrong(&self) -> u64 {
        let is_named = |key: &String| self.notes.iter().any(|note| note.key == *key);
        let unsound = self.unsound.iter().filter(|key| !is_named(key)).count();
        let unsound = u64::try_from(unsound).unwrap_or(u64::MAX);
        self.found.found() + self.duplicates + unsound
    }

    /// Share of the compared records with nothing wrong, in percent (R22 promises 99.9).
    pub fn integrity_percent(&self) -> f64 {
        let compared = self.found.compared();
        if compared == 0 {
            return 100.0;
        }
        crate::measure::exact(compared.saturating_sub(self.wrong())) * 100.0
            / crate::measure::exact(compared)
    }
}

impl Engine {
    /// The account of the newest load.
    pub async fn latest_load(&self, flow: &FlowId) -> Result<Option<LoadReport>, EngineError> {
        self.flow(flow)?;
        Ok(self.account(&keys::latest_load(flow)).await?)
    }

    /// The account of the newest complete comparison with the warehouse.
    pub async fn latest_load_comparison(
        &self,
        flow: &FlowId,
    ) -> Result<Option<Comparison>, EngineError> {
        self.flow(flow)?;
        Ok(self.account(&keys::latest_load_comparison(flow)).await?)
    }
}

pub(super) fn not_begun(end: RunEnd, now: UnixMs) -> LoadReport {
    LoadReport {
        started: now,
        ended_at: now,
        end,
        counts: Counts::default(),
        files: 0,
        bytes: 0,
        merged: false,
    }
}
