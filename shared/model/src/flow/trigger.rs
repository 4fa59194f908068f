//! Events on a bus that start a batch, and events of ours that others may listen to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// An event on an event bus that starts a batch: "end of day", "file received".
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TriggerSpec {
    /// Who sends it: the event's `source`.
    #[schemars(length(min = 1, max = 256))]
    pub source: String,
    /// What happened: the event's `detail-type`.
    #[schemars(length(min = 1, max = 128))]
    pub detail_type: String,
    /// Name of the event bus on AWS on which it comes. Left out: the stack's own; `default` is the
    /// one to which AWS services send, such as S3.
    #[serde(default)]
    #[schemars(length(min = 1, max = 256))]
    pub bus: Option<String>,
    /// What must stand in its `detail`: JSON pointers, each with the values of which one must be
    /// there. A list matches when one of its entries does.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {
        "type": "array",
        "minItems": 1,
        "maxItems": 20,
        "items": {"type": ["string", "boolean", "integer"]},
    }))]
    pub detail: BTreeMap<String, Vec<Value>>,
}

/// What the flow tells on the event bus beyond what it always tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct EventsSpec {
    /// Whether each record that the target has come to hold is told of as `RecordApplied`. An event
    /// costs what half of the record's writes do, and is of use only where somebody listens, so it
    /// is off unless it is asked for.
    #[serde(default)]
    pub applied: bool,
}
