//! What a flow writes, and what its target accepts: for a comparison with another stage.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tidegate_model::FlowId;
use tidegate_policy::{
    contract::{FORMAT, Kept},
    flow::Flow,
};

use super::moment::Moment;

/// `GET /v1/flows/{flow}/schema`.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SchemaView {
    flow: FlowId,
    revision: u32,
    file_hash: String,
    /// JSON Schema of the canonical fields.
    schema: Map<String, Value>,
    /// The settings that the file names (`env.NAME`), each with a hash of its value:
    /// first 12 hex digits of its SHA-256.
    settings: BTreeMap<String, String>,
    /// What the target was last known to accept; none before it told.
    contract: Option<ContractView>,
}

#[derive(Debug, Serialize, JsonSchema)]
struct ContractView {
    /// Version of how `accepts` is written.
    format: i64,
    hash: String,
    /// Revision of the flow that it was held against.
    revision: u32,
    fetched_at: Moment,
    accepts: Map<String, Value>,
}

impl SchemaView {
    pub(crate) fn new(flow: &Flow, kept: Option<Kept>) -> Self {
        Self {
            flow: flow.id().clone(),
            revision: flow.revision(),
            file_hash: flow.hash().to_owned(),
            schema: flow.file().schema.clone(),
            settings: flow.setting_hashes(),
            contract: kept.map(ContractView::from),
        }
    }
}

impl From<Kept> for ContractView {
    fn from(kept: Kept) -> Self {
        let accepts = match serde_json::to_value(kept.contract) {
            Ok(Value::Object(accepts)) => accepts,
            _ => Map::new(),
        };
        Self {
            format: FORMAT,
            hash: kept.hash,
            revision: kept.revision,
            fetched_at: Moment(kept.fetched_at),
            accepts,
        }
    }
}
