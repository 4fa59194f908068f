//! Targets: where records go.

use std::{collections::BTreeMap, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_model::{
    ContentHash, Fields, RecordKey,
    flow::{ErrorRow, Grant},
};
pub use tidegate_policy::plan::{Removal, TargetTraits};

use super::{CallError, Calls, Request};

/// What is to be written.
#[derive(Clone, Copy, Debug)]
pub struct Write<'a> {
    /// The record.
    pub key: &'a RecordKey,
    /// Its canonical fields.
    pub fields: &'a Fields,
    /// The record's id at the target.
    pub target_id: Option<&'a str>,
    /// The stored tag.
    pub etag: Option<&'a str>,
    /// Names the create: equal for its repeats until its outcome is known, for targets that keep
    /// such keys.
    pub idempotency_key: &'a str,
}

/// What a call that succeeded left.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Landed {
    /// The record's id at the target.
    pub target_id: Option<String>,
    /// The tag of its state.
    pub etag: Option<String>,
}

/// What a look-up found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Found {
    /// No such record.
    None,
    /// One.
    One(String),
    /// Several: a person must decide.
    Many(usize),
}

/// Ids at the target by our keys; `None` where a key stands at several records, or beside another
/// key: a person must decide, since a create would make one more.
pub type Index = BTreeMap<RecordKey, Option<String>>;

/// What stands at the target under one id.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Its id there.
    pub id: String,
    /// Our keys that it bears: none where it is not ours, or a person removed the key.
    pub keys: Vec<RecordKey>,
    /// A print of what it holds, as far as a write of ours decides it: equal to
    /// [`Target::print`] of the fields that were written.
    pub print: ContentHash,
}

/// Some of what stands at the target.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct StandingPage {
    /// What stands there, as far as it is ours or has an id.
    pub standing: Vec<Standing>,
    /// Rows that the page had, others' too.
    pub rows: u64,
    /// A print of them all, where pages could go round without an end; none without rows.
    pub print: Option<ContentHash>,
    /// Where to go on; `None` at the end.
    pub next: Option<Value>,
}

/// A system that takes records.
#[async_trait]
pub trait Target: Send + Sync {
    /// For what the tokens are given that its calls bear, if they bear one.
    fn grant(&self) -> Option<&Arc<Grant>> {
        None
    }
    /// What it can do.
    fn traits(&self) -> TargetTraits;
    /// What its answers mean where HTTP says otherwise.
    fn errors(&self) -> &[ErrorRow];
    /// The value by which the record could be searched for, where the target can be searched.
    fn search_value(&self, key: &RecordKey, fields: &Fields) -> Option<String>;
    /// Why the target can not take these fields, if it can be told without a call (R7). Names
    /// fields, never values; where it names the one field at fault, the reason is what follows its name.
    fn reject(&self, key: &RecordKey, fields: &Fields) -> Option<(Option<String>, String)>;
    /// Looks for a record.
    async fn find(&self, calls: &mut dyn Calls, search: &str) -> Result<Found, CallError>;
    /// Creates, or upserts where the target can.
    async fn create(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError>;
    /// Updates the record with `target_id`. `CallError::Gone` when there is none.
    async fn update(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError>;
    /// Deletes or archives; a record that is gone already is a success.
    async fn remove(
        &self,
        calls: &mut dyn Calls,
        how: Removal,
        key: &RecordKey,
        target_id: Option<&str>,
    ) -> Result<Landed, CallError>;
    /// All records that bear one of our keys.
    async fn index(&self, calls: &mut dyn Calls) -> Result<Index, CallError>;
    /// One page of what stands at the target, for a full comparison. A target that can not be listed
    /// says so: what it does not tell is not compared.
    async fn standing(
        &self,
        _: &mut dyn Calls,
        _: Option<&Value>,
    ) -> Result<StandingPage, CallError> {
        Err(CallError::Refused {
            reason: "this target can not list what it holds".to_owned(),
            field: None,
        })
    }
    /// The document in which it says what it accepts, where the flow says that it has one.
    async fn contract(&self, _: &mut dyn Calls) -> Result<Value, CallError> {
        Err(CallError::Refused {
            reason: "this target does not say what it accepts".to_owned(),
            field: None,
        })
    }
    /// The print that these fields have once they are written. `None` where it can not be told.
    fn print(&self, _: &RecordKey, _: &Fields) -> Option<ContentHash> {
        None
    }
    /// The requests that a write would send, secrets as names. Where the target's present state
    /// would be merged in, the fields of this write alone.
    fn describe(&self, write: Write<'_>) -> Result<Vec<Request>, CallError>;
}
