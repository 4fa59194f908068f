//! A warehouse: files are put where its pipe reads, and statements are run in it.

use async_trait::async_trait;
use tidegate_model::{FlowId, UnixMs, Version, flow::WarehouseSpec};

use super::PortError;

/// Where files are put that nobody has put there before.
#[async_trait]
pub trait Shelf: Send + Sync {
    /// Puts a whole file, or nothing. A name is used once: one that is there already was put by an earlier
    /// try whose answer was lost, with the same bytes, and stays.
    async fn put(&self, place: &str, name: &str, bytes: Vec<u8>) -> Result<(), ShelfError>;
}

/// Why it is not known that a file was put.
#[derive(Debug, thiserror::Error)]
pub enum ShelfError {
    /// It was not, and no later try will be: the place is none, or may not be written to. A person must act.
    #[error("no file may be put: {}", crate::chain(.0))]
    Refused(PortError),
    /// It may have been.
    #[error("a file may not have been put: {}", crate::chain(.0))]
    Failed(PortError),
}

/// Why a warehouse did not do what it was asked for. No text of it holds a value or a secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WarehouseError {
    /// It refuses: credentials, rights, or names that it does not know. A person must act.
    #[error("{reason}")]
    Refused {
        /// What it says.
        reason: String,
    },
    /// It answered that it failed: of what was asked for, nothing happened or stays.
    #[error("{reason}")]
    Undone {
        /// What it says.
        reason: String,
    },
    /// It asks to wait (429), or its statements are not done by the deadline.
    #[error("{reason}")]
    Later {
        /// What for.
        reason: String,
    },
    /// It failed, answered what is no answer, or did not answer. What was asked for may have happened.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
    },
}

/// A column of a table or view.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Column {
    /// Table or view, in capital letters.
    pub table: String,
    /// Its name, in capital letters.
    pub name: String,
    /// Its type, in capital letters and without length or precision: `VARCHAR`.
    pub kind: String,
}

/// What is counted of records: equal counts and sums mean equal records.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// Rows, deletions included.
    pub held: u64,
    /// Those that are deletions.
    pub deleted: u64,
    /// Rows beyond the first of a key; known of a flow, zero of a bucket.
    pub duplicates: u64,
    /// Sum of the first 60 bits of each digest.
    pub checksum: u128,
}

/// A row as a warehouse holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WarehouseRow {
    /// The record's key.
    pub key: String,
    /// Its version.
    pub version: Version,
    /// Its digest, from what its columns hold now.
    pub digest: String,
}

/// A file that the pipe did not load whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotLoaded {
    /// Its name.
    pub file: String,
    /// What became of it.
    pub status: String,
}

/// A row that is not what was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsound {
    /// `records` or `landing`.
    pub held_in: String,
    /// Its key.
    pub key: String,
}

/// A warehouse. Every call ends by `deadline`, and one that can not be begun before it is not.
#[async_trait]
pub trait Warehouse: Send + Sync {
    /// Puts a file where the pipe reads.
    async fn put(&self, spec: &WarehouseSpec, name: &str, bytes: Vec<u8>)
    -> Result<(), ShelfError>;

    /// Columns of `landing` and `records`, and of the view that the flow names.
    async fn columns(
        &self,
        spec: &WarehouseSpec,
        deadline: UnixMs,
    ) -> Result<Vec<Column>, WarehouseError>;

    /// Merges what has landed. `id` names this merge, a UUID: the same one may be asked for `again`, and
    /// is done once.
    async fn merge(
        &self,
        spec: &WarehouseSpec,
        id: &str,
        again: bool,
        deadline: UnixMs,
    ) -> Result<(), WarehouseError>;

    /// Rows that have landed and are in no merge yet.
    async fn waiting(&self, spec: &WarehouseSpec, deadline: UnixMs) -> Result<u64, WarehouseError>;

    /// What is held of a flow.
    async fn held(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Sums, WarehouseError>;

    /// What is held of a flow by bucket: the first byte of the SHA-256 of the key. Empty ones are left out.
    async fn buckets(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<(u8, Sums)>, WarehouseError>;

    /// The rows of a bucket, by key.
    async fn rows(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        bucket: u8,
        deadline: UnixMs,
    ) -> Result<Vec<WarehouseRow>, WarehouseError>;

    /// Rows of a flow that are not what was sent, the first thousand.
    async fn unsound(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<Unsound>, WarehouseError>;

    /// Files of a flow of the last day that the pipe did not load whole.
    async fn not_loaded(
        &self,
        spec: &WarehouseSpec,
        flow: &FlowId,
        deadline: UnixMs,
    ) -> Result<Vec<NotLoaded>, WarehouseError>;
}
