//! Bodies: the forms of those that are read member by member, for the description, and small answers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_engine::{HookOutcome, Why};
use tidegate_model::{EventId, FlowId, RecordKey};
use tidegate_policy::{flow_state::Scope, run::Mode};

use crate::{
    flows::{MAX_NAME, MAX_REASON},
    view::Moment,
};

/// Characters of an event's source, as EventBridge has them.
pub(crate) const MAX_SOURCE: usize = 256;
/// Characters of an event's detail type, as EventBridge has them.
pub(crate) const MAX_DETAIL_TYPE: usize = 128;

/// Asks for a run.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct RunBody {
    /// How to read; incremental, or initial before the first complete run, when left out.
    mode: Option<Mode>,
}

/// Asks for a reconciliation.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct ReconcileBody {
    /// A person has looked: records that the source lacks are deleted however many they are.
    accept_absent: Option<bool>,
}

/// Stops calls.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct PauseBody {
    /// What; all when left out.
    scope: Option<Scope>,
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    reason: String,
    /// Who.
    #[schemars(length(min = 1, max = MAX_NAME))]
    by: String,
}

/// Lets calls go on.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct ResumeBody {
    /// Who.
    #[schemars(length(min = 1, max = MAX_NAME))]
    by: String,
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    reason: Option<String>,
}

/// Edits a record in review.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct EditBody {
    /// Canonical fields to replace.
    #[schemars(extend("minProperties" = 1))]
    fields: BTreeMap<String, Value>,
    /// Who.
    #[schemars(length(min = 1, max = MAX_NAME))]
    by: String,
    /// Why.
    #[schemars(length(min = 1, max = MAX_REASON))]
    why: String,
}

/// Tells of an event that may start batches.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "it is the form alone")]
pub(crate) struct EventBody {
    /// Who tells of it.
    #[schemars(length(min = 1, max = MAX_SOURCE))]
    source: String,
    /// What happened.
    #[schemars(length(min = 1, max = MAX_DETAIL_TYPE))]
    detail_type: String,
    /// More of it.
    detail: Option<BTreeMap<String, Value>>,
    /// Names it, so that a repeat is the same event; a new name when left out. At most 128 bytes in
    /// UTF-8.
    id: Option<EventId>,
}

/// Asks for a decision.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "another function reads it; it is the form alone")]
pub(crate) struct DecideBody {
    /// About whom: a key as the source knows it. With `ask` at most 16 KiB.
    key: RecordKey,
    /// What the flow's question and its `yes` read as `ask`, such as an amount.
    #[serde(default)]
    ask: BTreeMap<String, Value>,
}

/// A run was asked for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct RunAsked {
    pub(crate) flow: FlowId,
    /// How it was asked to read.
    pub(crate) mode: Option<Mode>,
}

/// A reconciliation was asked for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReconcileAsked {
    pub(crate) flow: FlowId,
    pub(crate) accept_absent: bool,
}

/// An audit was asked for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct AuditAsked {
    pub(crate) flow: FlowId,
}

/// A load and a comparison were asked for.
#[derive(Serialize, JsonSchema)]
pub(crate) struct LoadAsked {
    pub(crate) flow: FlowId,
}

/// Which review it was done to.
#[derive(Serialize, JsonSchema)]
pub(crate) struct ReviewNamed {
    pub(crate) id: String,
}

/// An event was taken.
#[derive(Serialize, JsonSchema)]
pub(crate) struct EventTaken {
    pub(crate) id: EventId,
    /// The flows of which a run was asked for.
    pub(crate) flows: Vec<FlowId>,
}

/// A change that was pushed is durable.
#[derive(Serialize, JsonSchema)]
#[allow(
    dead_code,
    reason = "another function answers so; it is the form alone"
)]
pub(crate) struct HookTaken {
    outcome: HookOutcome,
}

/// What was decided, and why.
#[derive(Serialize, JsonSchema)]
#[allow(
    dead_code,
    reason = "another function answers so; it is the form alone"
)]
pub(crate) struct Decided {
    /// Only `yes` is a yes.
    decision: YesOrNo,
    /// `approved` with a yes; each other comes with a no.
    why: Why,
    /// When it was asked for.
    asked_at: Moment,
    /// How long it took, in milliseconds.
    took_ms: u64,
}

#[derive(Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[allow(dead_code, reason = "it is the form alone")]
enum YesOrNo {
    Yes,
    No,
}
