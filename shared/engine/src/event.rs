//! Events on the bus: requests between functions, and what others may want to know.
//!
//! A request must arrive. News is told after the write that makes it true, at most once: what can not
//! be published is logged and harms no record. No event holds a field's value; a field is named only
//! where the flow file names it.

#[cfg(test)]
mod tests;

use schemars::{JsonSchema, generate::SchemaSettings};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tidegate_model::{
    ContentHash, EndpointId, FlowId, RecordKey, RequestId, Tier, UnixMs, readable,
};
use tidegate_policy::{
    audit::{self, AuditRequest},
    flow_state::Side,
    load::LoadRequest,
    reconcile::{Findings, ReconcileRequest},
    register::ReviewKind,
    run::{Counts, RunRequest},
    trigger::OWN_SOURCE,
};

/// An event. Its name on the bus is `detail-type`, the rest is `detail`. Only news has a schema that
/// is shipped: requests are between our own functions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "detail-type", content = "detail")]
pub enum Event {
    /// Starts or continues a run.
    #[schemars(skip)]
    RunRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: RunRequest,
        /// The invocation with which it began.
        #[serde(
            default,
            deserialize_with = "readable",
            skip_serializing_if = "Option::is_none"
        )]
        request_id: Option<RequestId>,
    },
    /// Starts or continues a reconciliation.
    #[schemars(skip)]
    ReconcileRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: ReconcileRequest,
        /// The invocation with which it began.
        #[serde(
            default,
            deserialize_with = "readable",
            skip_serializing_if = "Option::is_none"
        )]
        request_id: Option<RequestId>,
    },
    /// Starts or continues an audit.
    #[schemars(skip)]
    AuditRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: AuditRequest,
        /// The invocation with which it began.
        #[serde(
            default,
            deserialize_with = "readable",
            skip_serializing_if = "Option::is_none"
        )]
        request_id: Option<RequestId>,
    },
    /// Asks for a load into the warehouse.
    #[schemars(skip)]
    LoadRequested {
        /// The flow.
        flow: FlowId,
        /// What is asked for.
        #[serde(flatten)]
        request: LoadRequest,
        /// The invocation with which it began.
        #[serde(
            default,
            deserialize_with = "readable",
            skip_serializing_if = "Option::is_none"
        )]
        request_id: Option<RequestId>,
    },
    /// Asks tick to look at a flow now.
    #[schemars(skip)]
    SweepRequested {
        /// The flow.
        flow: FlowId,
        /// The invocation with which it began.
        #[serde(
            default,
            deserialize_with = "readable",
            skip_serializing_if = "Option::is_none"
        )]
        request_id: Option<RequestId>,
    },
    /// The target holds what is desired of a record. Told only of flows whose file asks for it
    /// (`events.applied`).
    RecordApplied {
        /// The flow.
        flow: FlowId,
        /// The record.
        key: RecordKey,
        /// The tier of its change.
        tier: Tier,
        /// What was applied: source version, flow revision and read number.
        version: String,
        /// A hash of the content that was sent; equal for equal contents.
        hash: ContentHash,
        /// The record's id at the target, where it has one of its own.
        target_id: Option<String>,
        /// The record is gone at the source, and the flow's `deletion` was followed.
        deleted: bool,
        /// When it was committed, in milliseconds since 1970.
        at_ms: UnixMs,
        /// Time from the staging of the change to its commit, in milliseconds.
        latency_ms: Option<u64>,
    },
    /// A person must look at a record, a row or a message.
    RecordInReview {
        /// The flow.
        flow: FlowId,
        /// The review, as `/v1/reviews/{id}` names it.
        review: String,
        /// The record; none for a row or a message that is no record.
        key: Option<RecordKey>,
        /// Why.
        kind: ReviewKind,
        /// The canonical field at fault, where one is known.
        field: Option<String>,
        /// Since when, in milliseconds since 1970.
        at_ms: UnixMs,
    },
    /// A run, or a part of one, ended.
    RunFinished {
        /// The flow.
        flow: FlowId,
        /// The run: `window-{time}`, `event-{id}` or `manual-{token}`.
        run: String,
        /// Whether everything was read. Where it was not, the run goes on in another part, which ends
        /// with an event of its own.
        complete: bool,
        /// What became of its rows, over all parts.
        counts: Counts,
    },
    /// A reconciliation ended.
    ReconcileFinished {
        /// The flow.
        flow: FlowId,
        /// The reconciliation.
        run: String,
        /// Whether everything was compared.
        complete: bool,
        /// How many keys, and how each ended.
        findings: Findings,
    },
    /// An audit, or a part of one, ended.
    AuditFinished {
        /// The flow.
        flow: FlowId,
        /// The audit: `audit-{window}` or `audit-{token}`.
        run: String,
        /// Whether everything was looked at. Where it was not, it goes on in another part, which ends
        /// with an event of its own.
        complete: bool,
        /// How many records, how each ended, and how many findings.
        counts: audit::Counts,
    },
    /// A flow needs a person.
    FlowBlocked {
        /// The flow.
        flow: FlowId,
        /// The system that refuses.
        side: Side,
        /// What it refuses, without any value of a record.
        reason: String,
    },
    /// The age of a class of fields passed its goal. Told once, until the goal is met again.
    FreshnessBreached {
        /// The flow.
        flow: FlowId,
        /// The class of fields.
        class: FieldClass,
        /// Their age in seconds: for critical fields that of the oldest change that waits, for the
        /// others that of the newest complete run or of the oldest change that waits.
        age_s: u64,
        /// The goal in seconds.
        goal_s: u64,
        /// When it was noticed, in milliseconds since 1970.
        at_ms: UnixMs,
    },
    /// Calls to a system pause.
    BreakerOpened {
        /// The system.
        endpoint: EndpointId,
    },
    /// Calls go on.
    BreakerClosed {
        /// The system.
        endpoint: EndpointId,
    },
}

/// A class of fields with a freshness goal of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum FieldClass {
    /// Those that the flow names as critical.
    Critical,
    /// All others.
    Other,
}

impl Event {
    /// The `source` of every event of ours.
    pub const SOURCE: &str = OWN_SOURCE;

    /// Whether it asks one of our own functions for something, and so must arrive.
    pub fn is_request(&self) -> bool {
        matches!(
            self,
            Self::RunRequested { .. }
                | Self::ReconcileRequested { .. }
                | Self::AuditRequested { .. }
                | Self::LoadRequested { .. }
                | Self::SweepRequested { .. }
        )
    }

    /// The invocation with which what it asks for began, where it tells. For the log alone: events that
    /// differ in it only ask for the same.
    pub fn request_id(&self) -> Option<&RequestId> {
        match self {
            Self::RunRequested { request_id, .. }
            | Self::ReconcileRequested { request_id, .. }
            | Self::AuditRequested { request_id, .. }
            | Self::LoadRequested { request_id, .. }
            | Self::SweepRequested { request_id, .. } => request_id.as_ref(),
            _ => None,
        }
    }

    /// JSON Schemas of the `detail` of each kind of news, by its `detail-type`.
    pub fn schemas() -> Map<String, Value> {
        let generator = SchemaSettings::draft2020_12()
            .for_serialize()
            .into_generator();
        let whole = generator.into_root_schema_for::<Self>().to_value();
        let kinds = whole.get("oneOf").and_then(Value::as_array);
        let named = |kind: &Value| {
            let name = kind.pointer("/properties/detail-type/const")?.as_str()?;
            let detail = kind.pointer("/properties/detail")?.as_object()?.clone();
            let mut schema = json!({"$schema": whole.get("$schema"), "title": name});
            let members = schema.as_object_mut()?;
            members.extend(
                kind.get("description")
                    .map(|text| ("description".to_owned(), text.clone())),
            );
            members.extend(detail);
            let used = used_definitions(&whole, &schema);
            if !used.is_empty() {
                let members = schema.as_object_mut()?;
                members.insert("$defs".to_owned(), used.into());
            }
            Some((name.to_owned(), schema))
        };
        kinds.into_iter().flatten().filter_map(named).collect()
    }
}

/// The definitions that a schema refers to, those that they refer to included.
fn used_definitions(whole: &Value, schema: &Value) -> Map<String, Value> {
    let mut used = Map::new();
    let mut text = schema.to_string();
    while let Some(definitions) = whole.get("$defs").and_then(Value::as_object) {
        let new: Vec<_> = definitions
            .iter()
            .filter(|(name, _)| !used.contains_key(*name))
            .filter(|(name, _)| text.contains(&format!("\"#/$defs/{name}\"")))
            .map(|(name, definition)| (name.clone(), definition.clone()))
            .collect();
        if new.is_empty() {
            break;
        }
        for (_, definition) in &new {
            text.push_str(&definition.to_string());
        }
        used.extend(new);
    }
    used
}
