//! A warehouse in memory, with its pipe: what the statements of `infra/snowflake` make of the files.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    io::Read as _,
    sync::Mutex,
};

use async_trait::async_trait;
use flate2::read::GzDecoder;
use serde::Deserialize;
use sha2::{Digest as _, Sha256};
use tidegate_engine::ports::{
    Column, NotLoaded, PortError, ShelfError, Sums, Unsound, Warehouse, WarehouseError,
    WarehouseRow,
};
use tidegate_model::{FlowId, SourceVersion, UnixMs, Version, flow::WarehouseSpec};

use super::locked;

/// A line of a file, read.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LoadedLine {
    /// The flow.
    pub flow: String,
    /// The record.
    pub key: String,
    version: LineVersion,
    /// It is gone.
    pub deleted: bool,
    hash: String,
    /// Its canonical JSON.
    pub content: Option<String>,
    /// SHA-256 over all of it.
    pub digest: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct LineVersion {
    source: u64,
    revision: u32,
    read: u64,
}

impl LoadedLine {
    /// What orders the lines of a record.
    pub fn version(&self) -> Version {
        Version {
            source: SourceVersion(self.version.source),
            revision: self.version.revision,
            read: self.version.read,
        }
    }

    /// The digest as the statements compute it.
    pub fn digest_now(&self) -> String {
        let text = format!(
            "{}\n{}\n{}\n{}\n{}\n{}",
            self.version().encode(),
            u8::from(self.deleted),
            self.hash,
            self.flow,
            self.key,
            self.content.as_deref().unwrap_or_default(),
        );
        hex::encode(Sha256::digest(text))
    }

    fn bucket(&self) -> u8 {
        let [first, ..]: [u8; 32] = Sha256::digest(&self.key).into();
        first
    }
}

/// What the next call of a name does instead.
#[derive(Clone, Debug)]
pub enum Trouble {
    /// It fails and has no effect.
    Fails(WarehouseError),
    /// It takes effect, and its answer is lost.
    AnswerLost,
}

#[derive(Default)]
struct State {
    files: Vec<(String, Vec<u8>)>,
    landed: usize,
    /// Lines, each with its file.
    landing: Vec<(String, LoadedLine)>,
    records: BTreeMap<(String, String), LoadedLine>,
    /// The file of each record.
    came_with: BTreeMap<(String, String), String>,
    columns: Option<Vec<Column>>,
    merges: BTreeSet<String>,
    /// Keys of rows that somebody altered where the digest does not reach.
    spoilt: BTreeSet<String>,
    trouble: VecDeque<(&'static str, Trouble)>,
    calls: Vec<String>,
}

/// A warehouse in memory.
#[derive(Default)]
pub struct MemoryWarehouse(Mutex<State>);

impl MemoryWarehouse {
    /// The pipe reads what was put.
    pub fn land(&self) {
        let state = &mut *locked(&self.0);
        let new = state.files.iter().skip(state.landed);
        for (name, bytes) in new {
            let lines = read(bytes).into_iter();
            state.landing.extend(lines.map(|line| (name.clone(), line)));
        }
        state.landed = state.files.len();
    }

    /// The files that were put, with their lines.
    pub fn files(&self) -> Vec<(String, Vec<LoadedLine>)> {
        let state = locked(&self.0);
        let files = state.files.iter();
        files
            .map(|(name, bytes)| (name.clone(), read(bytes)))
            .collect()
    }

    /// What the table holds.
    pub fn records(&self) -> Vec<LoadedLine> {
        locked(&self.0).records.values().cloned().collect()
    }

    /// Somebody changes the table.
    pub fn meddle(&self, meddle: impl FnOnce(&mut BTreeMap<(String, String), LoadedLine>)) {
        meddle(&mut locked(&self.0).records);
    }

    /// Somebody alters a row where the digest does not reach, until its line comes in another file.
    pub fn spoil(&self, key: &str) {
        locked(&self.0).spoilt.insert(key.to_owned());
    }

    /// The columns are these from now on.
    pub fn has_columns(&self, columns: Vec<Column>) {
        locked(&self.0).columns = Some(columns);
    }

    /// The next call of this name meets trouble.
    pub fn trouble(&self, call: &'static str, trouble: Trouble) {
        locked(&self.0).trouble.push_back((call, trouble));
    }

    /// The calls so far: a name, and of a merge its id.
    pub fn calls(&self) -> Vec<String> {
        locked(&self.0).calls.clone()
    }

    /// Notes a call; what is to be said instead of its answer, before or after its effect.
    fn called<T>(
        &self,
        call: &'static str,
        told: &str,
        effect: impl FnOnce(&mut State) -> T,
    ) -> Result<T, WarehouseError> {
        let state = &mut *locked(&self.0);
        state.calls.push(told.to_owned());
        let at = state.trouble.iter().position(|(of, _)| *of == call);
        match at.and_then(|at| state.trouble.remove(at)) {
            None => Ok(effect(state)),
            Some((_, Trouble::Fails(error))) => Err(error),
            Some((_, Trouble::AnswerLost)) => {
                effect(state);
                let reason = "the answer was lost".to_owned();
                Err(WarehouseError::Failed { reason })
            }
        }
    }
}

fn read(bytes: &[u8]) -> Vec<LoadedLine> {
    let mut text = String::new();
    #[allow(clippy::expect_used, reason = "what is no such file fails its test")]
    GzDecoder::new(bytes)
        .read_to_string(&mut text)
        .expect("gzip of UTF-8");
    #[allow(clippy::expect_used, reason = "what is no such line fails its test")]
    text.lines()
        .map(|line| serde_json::from_str(line).expect("a line"))
        .collect()
}

/// The columns as `infra/snowflake/02_objects.sql` makes them, and a view of these fields.
pub fn warehouse_columns(view: &str, fields: &[&str]) -> Vec<Column> {
    let column = |table: &str, name: &str, kind: &str| Column {
        table: table.to_owned(),
        name: name.to_owned(),
        kind: kind.to_owned(),
    };
    let mut columns = Vec::new();
    for table in ["LANDING", "RECORDS"] {
        for (name, kind) in [
            ("FLOW", "VARCHAR"),
            ("RECORD_KEY", "VARCHAR"),
            ("SOURCE_VERSION", "NUMBER"),
            ("REVISION", "NUMBER"),
            ("READ_NUMBER", "NUMBER"),
            ("DELETED", "BOOLEAN"),
            ("CONTENT_HASH", "VARCHAR"),
            ("CONTENT", "VARCHAR"),
            ("DIGEST", "VARCHAR"),
        ] {
            columns.push(column(table, name, kind));
        }
    }
    columns.push(column("RECORDS", "FIELDS", "VARIANT"));
    columns.push(column("RECORDS", "LOADED_FROM", "VARCHAR"));
    for field in fields {
        columns.push(column(view, &field.to_uppercase(), "VARCHAR"));
    }
    columns
}

fn sum<'a>(rows: impl Iterator<Item = &'a LoadedLine>) -> Sums {
    rows.fold(Sums::default(), |mut sums, row| {
        sums.held += 1;
        sums.deleted += u64::from(row.deleted);
        let digest = row.digest_now();
        let first = digest.get(..15).unwrap_or_default();
        sums.checksum += u128::from_str_radix(first, 16).unwrap_or_default();
        sums
    })
}

#[async_trait]
impl Warehouse for MemoryWarehouse {
    async fn put(&self, _: &WarehouseSpec, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError> {
        let file = (name.to_owned(), bytes);
        let put = self.called("put", "put", |state| state.files.push(file));
        put.map_err(|error| {
            let is_refused = matches!(error, WarehouseError::Refused { .. });
            let error = PortError::new("put", error);
            if is_refused {
                ShelfError::Refused(error)
            } else {
                ShelfError::Failed(error)
            }
        })
    }

    async fn columns(
        &self,
        spec: &WarehouseSpec,
        _: UnixMs,
    ) -> Result<Vec<Column>, WarehouseError> {
        let view = spec.view.clone().unwrap_or_default();
        self.called("columns", "columns", |state| {
            let known = state.columns.clone();
            known.unwrap_or_else(|| warehouse_columns(&view, &[]))
        })
    }

    async fn merge(
        &self,
        _: &WarehouseSpec,
        id: &str,
        _: bool,
        _: UnixMs,
    ) -> Result<(), WarehouseError> {
        self.called("merge", &format!("merge {id}"), |state| {
            if !state.merges.insert(id.to_owned()) {
                return;
            }
            for (file, line) in std::mem::take(&mut state.landing) {
                let at = (line.flow.clone(), line.key.clone());
                let held = state.records.get(&at).map(LoadedLine::version);
                let held = held.map(|version| (version, state.came_with.get(&at)));
                if held < Some((line.version(), Some(&file))) {
                    state.came_with.insert(at.clone(), file);
                    state.spoilt.remove(&line.key);
                    state.records.insert(at, line);
                }
            }
        })
    }

    async fn waiting(&self, _: &WarehouseSpec, _: UnixMs) -> Result<u64, WarehouseError> {
        self.called("waiting", "waiting", |state| {
            u64::try_from(state.landing.len()).unwrap_or(u64::MAX)
        })
    }

    async fn held(
        &self,
        _: &WarehouseSpec,
        flow: &FlowId,
        _: UnixMs,
    ) -> Result<Sums, WarehouseError> {
        self.called("held", "held", |state| {
            sum(state
                .records
                .values()
                .filter(|row| row.flow == flow.as_str()))
        })
    }

    async fn buckets(
        &self,
        _: &WarehouseSpec,
        flow: &FlowId,
        _: UnixMs,
    ) -> Result<Vec<(u8, Sums)>, WarehouseError> {
        self.called("buckets", "buckets", |state| {
            let of_flow = |row: &&LoadedLine| row.flow == flow.as_str();
            let rows: Vec<&LoadedLine> = state.records.values().filter(of_flow).collect();
            (0..=u8::MAX)
                .map(|bucket| {
                    (
                        bucket,
                        sum(rows.iter().copied().filter(|row| row.bucket() == bucket)),
                    )
                })
                .filter(|(_, sums)| sums.held > 0)
                .collect()
        })
    }

    async fn rows(
        &self,
        _: &WarehouseSpec,
        flow: &FlowId,
        bucket: u8,
        _: UnixMs,
    ) -> Result<Vec<WarehouseRow>, WarehouseError> {
        self.called("rows", "rows", |state| {
            let rows = state.records.values();
            rows.filter(|row| row.flow == flow.as_str() && row.bucket() == bucket)
                .map(|row| WarehouseRow {
                    key: row.key.clone(),
                    version: row.version(),
                    digest: row.digest_now(),
                })
                .collect()
        })
    }

    async fn unsound(
        &self,
        _: &WarehouseSpec,
        flow: &FlowId,
        _: UnixMs,
    ) -> Result<Vec<Unsound>, WarehouseError> {
        self.called("unsound", "unsound", |state| {
            let rows = state.records.values();
            let rows = rows.filter(|row| row.flow == flow.as_str());
            rows.filter(|row| row.digest != row.digest_now() || state.spoilt.contains(&row.key))
                .map(|row| Unsound {
                    held_in: "records".to_owned(),
                    key: row.key.clone(),
                })
                .collect()
        })
    }

    async fn not_loaded(
        &self,
        _: &WarehouseSpec,
        _: &FlowId,
        _: UnixMs,
    ) -> Result<Vec<NotLoaded>, WarehouseError> {
        self.called("not_loaded", "not_loaded", |_| Vec::new())
    }
}
