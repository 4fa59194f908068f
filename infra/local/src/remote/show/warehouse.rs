//! Loads into a warehouse, and comparisons with it.

use jiff::Timestamp;
use serde::Deserialize;
use tidegate_policy::load::{Checksum, Difference};

/// The newest of each.
#[derive(Debug, PartialEq, Deserialize)]
pub(crate) struct Warehouse {
    load: Option<Load>,
    comparison: Option<Comparison>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Load {
    started: Timestamp,
    ended: String,
    reason: Option<String>,
    summary: String,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Comparison {
    began: Timestamp,
    agrees: bool,
    clean: bool,
    integrity_percent: f64,
    found: Difference,
    registers: Checksum,
    warehouse: Checksum,
    duplicates: u64,
    notes: Vec<Note>,
    unsound: Vec<String>,
    not_loaded: Vec<File>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Note {
    key: String,
    kind: String,
    remedy: Option<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct File {
    file: String,
    status: String,
}

impl Warehouse {
    /// A load has ended since, with the comparison that was asked for unless it did not come so far.
    pub fn has_ended_since(&self, before: &Self) -> bool {
        let started = |of: &Self| of.load.as_ref().map(|load| load.started);
        let began = |of: &Self| of.comparison.as_ref().map(|one| one.began);
        let is_complete = self
            .load
            .as_ref()
            .is_some_and(|load| load.ended == "complete");
        started(self) != started(before) && (!is_complete || began(self) != began(before))
    }

    /// The load did what was to be done, and nothing is wrong.
    pub fn is_clean(&self) -> bool {
        self.load
            .as_ref()
            .is_some_and(|load| load.ended == "complete")
            && self.comparison.as_ref().is_some_and(|one| one.clean)
    }

    /// In words.
    pub fn told(&self, flow: &str) -> String {
        let mut lines = Vec::new();
        match &self.load {
            None => lines.push(format!("{flow}: never loaded")),
            Some(load) => {
                lines.push(format!("{flow}: {}", load.summary));
                if load.ended != "complete" {
                    let reason = load.reason.as_deref().unwrap_or("it goes on");
                    lines.push(format!("  {}: {reason}", load.ended));
                }
            }
        }
        match &self.comparison {
            None => lines.push("never compared with the warehouse".to_owned()),
            Some(comparison) => comparison.tell(&mut lines),
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

impl Comparison {
    fn tell(&self, lines: &mut Vec<String>) {
        let (found, agrees) = (self.found, if self.agrees { "agree" } else { "differ" });
        lines.push(format!(
            "compared at {}: {} equal, {} waiting, {} on their way for at most 30 minutes, {} wrong ({:.2} % right)",
            self.began,
            found.equal,
            found.waiting,
            found.in_transit,
            found.found() + self.duplicates,
            self.integrity_percent
        ));
        let side = |of: &Checksum| {
            format!(
                "{} held, {} of them deletions, checksum {}",
                of.held, of.deleted, of.checksum
            )
        };
        lines.push(format!("counts and checksums {agrees}"));
        lines.push(format!("  registers: {}", side(&self.registers)));
        lines.push(format!("  warehouse: {}", side(&self.warehouse)));
        let notes = self.notes.iter();
        lines.extend(notes.map(|note| {
            let remedy = note.remedy.as_deref().unwrap_or_default();
            format!("  {:<16} {}: {remedy}", note.key, note.kind)
        }));
        let named = |key: &&String| self.notes.iter().any(|note| note.key == **key);
        let unsound = self.unsound.iter().filter(|key| !named(key));
        lines.extend(unsound.map(|key| {
            format!("  {key:<16} unsound: a row or a landed line of it is not what was sent, as 24_unsound.sql shows; it is loaded again")
        }));
        let files = self.not_loaded.iter();
        lines.extend(
            files.map(|one| format!("  file {} was not loaded whole: {}", one.file, one.status)),
        );
    }
}
