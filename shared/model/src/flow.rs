//! The flow file: one object kept in step from one source to one target.
//!
//! These are the shapes of the file as it is written. Texts that hold an expression or a template
//! carry a `format`, by which the check of a flow file finds and compiles every one of them:
//! - `expression`: a minijinja expression that gives a value (`row.name | trim`);
//! - `template`: text with minijinja in it (`/suppliers/{{ key }}`);
//! - `json-pointer`, `time-zone`, `local-time`: as they say.

mod audit;
mod cloud_events;
mod decide;
mod expected;
mod http;
mod limits;
mod schedule;
mod secret;
mod source;
mod target;
mod trigger;
mod warehouse;

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

pub use audit::{AuditRule, AuditSpec, UniqueSpec};
pub use cloud_events::{CloudEventsSpec, ORIGIN_PATTERN};
pub use decide::{AskMethod, DecideSpec};
pub use expected::Expected;
pub use http::{
    Auth, Call, ClientAuth, ErrorAction, ErrorRow, Grant, JwtBearer, Method, Oauth2,
    SigningAlgorithm,
};
pub use limits::{
    BreakerPreset, BreakerSpec, CallBucket, CallWindow, DayLimit, PerSecond, Rate, TargetLimits,
};
pub use schedule::{Schedule, WindowSpec};
pub use secret::{SecretName, SecretNameError};
pub use source::{
    Delimiter, FileFormat, FilesSource, ListSpec, OneSpec, Pages, RestSource, SourceSpec,
};
pub use target::{
    ContractSpec, FindSpec, QualioTarget, RestTarget, StandingSpec, StoreTarget, TargetSpec,
};
pub use trigger::{EventsSpec, TriggerSpec};
pub use warehouse::{VIEW_PATTERN, WarehouseSpec};

use crate::FlowId;

/// One flow file.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FlowFile {
    /// Names the flow in paths, logs and keys.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: FlowId,
    /// Raise it when mapping or schema change: records are then staged anew.
    #[schemars(range(min = 1))]
    pub revision: u32,
    /// What the flow is for, in a sentence.
    #[serde(default)]
    pub description: String,
    /// Names of canonical fields whose change of value makes a change critical: it goes at once.
    #[serde(default)]
    pub critical: Vec<String>,
    /// Names of canonical fields that hold personal data: masked wherever people are shown fields,
    /// unless their token has the scope `fields`.
    #[serde(default)]
    pub private: Vec<String>,
    /// Why some changes cannot wait for a batch, in a sentence. Needed where `critical` or
    /// `[webhook]` makes changes real-time, since batch is the default (R37).
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub real_time_reason: Option<String>,
    /// What the flow is expected to carry: `tidegate plan` holds it against rules and quotas.
    #[serde(default)]
    pub expected: Option<Expected>,
    /// What a deletion at the source does.
    #[serde(default)]
    pub deletion: Deletion,
    /// Where records come from.
    pub source: SourceSpec,
    /// How a row of the source is identified and ordered.
    pub record: RecordSpec,
    /// Canonical fields: each an expression over `row` (and `key`, `env`).
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "expression"}))]
    pub fields: BTreeMap<String, String>,
    /// JSON Schema that the canonical fields must satisfy before any call is spent on them.
    #[schemars(with = "BTreeMap<String, serde_json::Value>")]
    pub schema: serde_json::Map<String, serde_json::Value>,
    /// When batches start.
    pub schedule: Schedule,
    /// Where records go.
    pub target: TargetSpec,
    /// What happens after a failed call.
    #[serde(default)]
    pub retry: RetrySpec,
    /// How old data may become before somebody is told.
    pub freshness: FreshnessGoals,
    /// How the source pushes changes, if it does.
    #[serde(default)]
    pub webhook: Option<WebhookSpec>,
    /// Events that start a batch, beside the schedule. On AWS each is a rule of its own.
    #[serde(default)]
    #[schemars(length(max = 8))]
    pub trigger: Vec<TriggerSpec>,
    /// What is told of records on the event bus.
    #[serde(default)]
    pub events: EventsSpec,
    /// What is looked at in the data itself, beyond what the schema refuses.
    #[serde(default)]
    pub audit: Option<AuditSpec>,
    /// A decision that the source makes while somebody waits, such as one on credit.
    #[serde(default)]
    pub decide: Option<DecideSpec>,
    /// A warehouse that its records are loaded into.
    #[serde(default)]
    pub warehouse: Option<WarehouseSpec>,
}

impl FlowFile {
    /// Names of the secrets by which its source and its target are called.
    pub fn system_secrets(&self) -> impl Iterator<Item = &SecretName> {
        let source = self.source.rest().into_iter();
        source
            .flat_map(|source| source.auth.secrets())
            .chain(self.target.secrets())
    }

    /// Names of the secrets by which its warehouse is called.
    pub fn warehouse_secrets(&self) -> impl Iterator<Item = &SecretName> {
        self.warehouse.iter().map(|warehouse| &warehouse.key)
    }
}

/// What a deletion at the source (a 404 for one record, a tombstone) does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Deletion {
    /// Delete it in the target.
    Delete,
    /// Archive it in the target.
    Archive,
    /// Leave the target as it is.
    Keep,
    /// Let a person decide.
    #[default]
    Review,
}

/// How a row of the source is identified and ordered.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordSpec {
    /// Expression over `row` that gives the key, the external id.
    #[schemars(extend("format" = "expression"))]
    pub key: String,
    /// What orders the changes of one record.
    pub version: VersionSpec,
    /// Expression over `row` that gives the RFC 3339 time of its last change, from which the next
    /// run starts. Left out: the time of `version`, or that of the pages.
    #[serde(default)]
    #[schemars(extend("format" = "expression"))]
    pub modified: Option<String>,
    /// Expression over `row` that is true for a tombstone.
    #[serde(default)]
    #[schemars(extend("format" = "expression"))]
    pub deleted: Option<String>,
}

/// What orders the changes of one record.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "by", rename_all = "snake_case")]
pub enum VersionSpec {
    /// A sequence number that grows with each change.
    Sequence {
        /// Expression over `row` that gives a whole number.
        #[schemars(extend("format" = "expression"))]
        at: String,
    },
    /// A last-modified time with its zone or offset.
    Time {
        /// Expression over `row` that gives an RFC 3339 time.
        #[schemars(extend("format" = "expression"))]
        at: String,
    },
    /// The source has neither: reads are serialised by the flow's lease and order the changes.
    Read,
}

/// What happens after a call that failed.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RetrySpec {
    /// Seconds to wait before each further attempt; after the last one a person decides (R8).
    #[serde(default = "default_retry_after_s")]
    #[schemars(length(min = 1, max = 8), inner(range(min = 1, max = 43_200)))]
    pub after_s: Vec<u32>,
}

impl Default for RetrySpec {
    fn default() -> Self {
        Self {
            after_s: default_retry_after_s(),
        }
    }
}

/// 1, 5 and 15 minutes (R8).
fn default_retry_after_s() -> Vec<u32> {
    vec![60, 300, 900]
}

/// How old data may become before somebody is told, per class of field.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FreshnessGoals {
    /// Goal for critical fields, in seconds.
    #[schemars(range(min = 1))]
    pub critical_s: u32,
    /// Goal for the others, in seconds. Must not be below what the schedule allows.
    #[schemars(range(min = 1))]
    pub other_s: u32,
}

/// How the source pushes changes, in JSON bodies.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WebhookSpec {
    /// Names of the active secrets: one, or two while a secret rotates.
    #[schemars(length(min = 1, max = 2))]
    pub secrets: Vec<SecretName>,
    /// How the sender shows that it knows one of them.
    #[serde(default)]
    pub signed: Signing,
    /// Header that names a delivery where it is not signed by Standard Webhooks, which has one of its
    /// own: a repeat of a hint is known by it. Left out: each hint is read.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub id: Option<String>,
    /// That each delivery is an event of `CloudEvents` 1.0, in structured or in binary mode; `{}` says so.
    /// `body` is then its data, and `event` holds its attributes, as texts.
    #[serde(default)]
    pub cloud_events: Option<CloudEventsSpec>,
    /// Expression over `body` (and `event`) that gives the record's key.
    #[schemars(extend("format" = "expression"))]
    pub key: String,
    /// Expression over `body` (and `event`) that gives the whole row, or nothing when it is only a hint.
    #[serde(default)]
    #[schemars(extend("format" = "expression"))]
    pub row: Option<String>,
    /// Hours without a delivery after which somebody is told.
    #[serde(default = "default_silent_after_h")]
    #[schemars(range(min = 1, max = 168))]
    pub silent_after_h: u32,
}

/// How the sender of a webhook shows that it knows a secret.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "by", rename_all = "snake_case")]
pub enum Signing {
    /// Standard Webhooks 1.0.0: id, time and body are signed, for five minutes.
    #[default]
    Standard,
    /// HMAC-SHA256 of the body, in a header. It says no time: a repeat is told by version or id.
    Hmac {
        /// The header, such as `X-Shopify-Hmac-Sha256`.
        #[schemars(length(min = 1))]
        header: String,
        /// How its bytes are written.
        encoding: Encoding,
        /// What stands before them, such as `sha256=`.
        #[serde(default)]
        prefix: String,
    },
    /// The secret itself, in a header.
    Header {
        /// The header.
        #[schemars(length(min = 1))]
        header: String,
    },
    /// The secret itself, in the query.
    Query {
        /// The parameter, such as `code`.
        #[schemars(length(min = 1))]
        parameter: String,
    },
}

/// How bytes are written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// As hexadecimal digits.
    Hex,
    /// As base64 (RFC 4648, 4).
    Base64,
}

/// A day: a source that pushes at all has changes every day.
fn default_silent_after_h() -> u32 {
    24
}
