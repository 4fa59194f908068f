//! `GET /v1/flows/{flow}/warehouse`.

use schemars::JsonSchema;
use serde::Serialize;
use tidegate_engine::{Comparison, LoadReport};
use tidegate_policy::load::{Checksum, Counts, Difference, Kind};

use super::{flow::ended, moment::Moment};

/// What became of the newest load, and what the newest comparison with the warehouse found.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WarehouseView {
    load: Option<LoadView>,
    comparison: Option<ComparisonView>,
}

/// A load.
#[derive(Debug, Serialize, JsonSchema)]
struct LoadView {
    started: Moment,
    ended_at: Moment,
    ended: &'static str,
    reason: Option<String>,
    /// The counts in words.
    summary: String,
    counts: Counts,
    /// Files that were put.
    files: u32,
    /// Their compressed bytes.
    bytes: u64,
    /// What had landed was merged.
    merged: bool,
}

/// A complete comparison of registers and warehouse.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WarehouseComparison")]
struct ComparisonView {
    began: Moment,
    ended_at: Moment,
    /// Counts and checksums of both sides are the same.
    agrees: bool,
    /// Nothing is wrong: what is not equal may lawfully differ at present.
    clean: bool,
    /// Share of the compared records with nothing wrong.
    integrity_percent: f64,
    found: Difference,
    /// What the registers say to be loaded.
    registers: Checksum,
    /// What the warehouse holds.
    warehouse: Checksum,
    /// Rows beyond the first of a key.
    duplicates: u64,
    /// Keys of rows that are not what was sent.
    unsound: Vec<String>,
    /// Files that the pipe did not load whole.
    not_loaded: Vec<FileView>,
    /// The first findings by name.
    notes: Vec<NoteView>,
}

/// A file that the pipe did not load whole.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WarehouseFile")]
struct FileView {
    file: String,
    status: String,
}

/// One finding.
#[derive(Debug, Serialize, JsonSchema)]
#[schemars(rename = "WarehouseNote")]
struct NoteView {
    key: String,
    kind: Kind,
    /// What is done about it, or is to be done.
    remedy: Option<&'static str>,
}

impl WarehouseView {
    pub(crate) fn new(load: Option<LoadReport>, comparison: Option<Comparison>) -> Self {
        Self {
            load: load.map(LoadView::from),
            comparison: comparison.map(ComparisonView::from),
        }
    }
}

impl From<LoadReport> for LoadView {
    fn from(report: LoadReport) -> Self {
        let summary = report.summary();
        let (ended, reason, _) = ended(report.end);
        Self {
            started: Moment(report.started),
            ended_at: Moment(report.ended_at),
            ended,
            reason,
            summary,
            counts: report.counts,
            files: report.files,
            bytes: report.bytes,
            merged: report.merged,
        }
    }
}

impl From<Comparison> for ComparisonView {
    fn from(comparison: Comparison) -> Self {
        let (agrees, clean) = (comparison.agrees(), comparison.is_clean());
        let integrity_percent = comparison.integrity_percent();
        let files = comparison.not_loaded.into_iter();
        let notes = comparison.notes.into_iter();
        Self {
            began: Moment(comparison.began),
            ended_at: Moment(comparison.ended_at),
            agrees,
            clean,
            integrity_percent,
            found: comparison.found,
            registers: comparison.registers,
            warehouse: comparison.warehouse,
            duplicates: comparison.duplicates,
            unsound: comparison.unsound,
            not_loaded: files
                .map(|(file, status)| FileView { file, status })
                .collect(),
            notes: notes
                .map(|note| NoteView {
                    key: note.key,
                    kind: note.kind,
                    remedy: note.kind.remedy(),
                })
                .collect(),
        }
    }
}
