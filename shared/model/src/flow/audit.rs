//! What is looked at in the data itself, apart from what the schema refuses (R10).

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A data-quality audit: what it finds is told, and keeps no record from being sent.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditSpec {
    /// Windows of the schedule, by their local time, whose complete run is followed by an audit. Left
    /// out: it runs when a person asks for it.
    #[serde(default)]
    #[schemars(length(max = 24), extend("items" = {"type": "string", "format": "local-time"}))]
    pub after: Vec<String>,
    /// Canonical fields that should be filled: one that is missing, null or empty is a finding.
    #[serde(default)]
    #[schemars(length(max = 64))]
    pub required: Vec<String>,
    /// What should hold between the fields of a record.
    #[serde(default)]
    #[schemars(length(max = 32))]
    pub rules: Vec<AuditRule>,
    /// What no two records should share.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub unique: Vec<UniqueSpec>,
}

/// What should hold between the fields of a record.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AuditRule {
    /// Names it in reports and reviews.
    #[schemars(length(min = 1, max = 64), regex(pattern = r"^[a-z0-9-]+$"))]
    pub name: String,
    /// Expression over `fields` and `key`: anything but true is a finding.
    #[schemars(extend("format" = "expression"))]
    pub holds: String,
    /// Whether a record that breaks it is put to a person. It is sent all the same.
    #[serde(default)]
    pub review: bool,
}

/// Canonical fields whose values, together, only one record should have.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UniqueSpec {
    /// The fields. A record that lacks one of them is not compared.
    #[schemars(length(min = 1, max = 8))]
    pub fields: Vec<String>,
}
