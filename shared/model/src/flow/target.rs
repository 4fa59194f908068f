//! Targets, as a flow file describes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{
    Auth, BreakerSpec, Call, CallWindow, ErrorRow, ListSpec, Pages, Rate, SecretName, TargetLimits,
    source::{default_page_size, default_timeout_s},
};
use crate::EndpointId;

/// Where records go.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one per flow, and a box would stand in every match"
)]
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum TargetSpec {
    /// A JSON API over HTTP.
    Rest(RestTarget),
    /// Qualio suppliers.
    Qualio(QualioTarget),
    /// Our own store: a record is applied by the write that stages it, and read through the API.
    Store(StoreTarget),
}

impl TargetSpec {
    /// Names the target; flows that name the same one share its limits and breaker.
    pub fn name(&self) -> &EndpointId {
        match self {
            Self::Rest(target) => &target.name,
            Self::Qualio(target) => &target.name,
            Self::Store(target) => &target.name,
        }
    }

    /// Whether records reach it by calls. To our own store they do not.
    pub fn is_called(&self) -> bool {
        !matches!(self, Self::Store(_))
    }

    /// Names of the secrets that its calls need.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let (of_auth, of_qualio) = match self {
            Self::Rest(target) => (Some(target.auth.secrets()), None),
            Self::Qualio(target) => (None, Some(&target.secret)),
            Self::Store(_) => (None, None),
        };
        of_auth.into_iter().flatten().chain(of_qualio)
    }

    /// The target's limits; those of our own store, to which no call goes, are never reached.
    pub fn limits(&self) -> &TargetLimits {
        match self {
            Self::Rest(target) => &target.limits,
            Self::Qualio(target) => &target.limits,
            Self::Store(target) => &target.limits,
        }
    }

    /// The target's breaker.
    pub fn breaker(&self) -> &BreakerSpec {
        match self {
            Self::Rest(target) => &target.breaker,
            Self::Qualio(target) => &target.breaker,
            Self::Store(target) => &target.breaker,
        }
    }

    /// Seconds until a call's answer must be complete: T of the register protocol.
    pub fn timeout_s(&self) -> u32 {
        match self {
            Self::Rest(target) => target.timeout_s,
            Self::Qualio(target) => target.timeout_s,
            Self::Store(_) => 0,
        }
    }

    /// Seconds after its time-out in which a call may still take effect: D of the protocol.
    pub fn settle_s(&self) -> u32 {
        match self {
            Self::Rest(target) => target.settle_s,
            Self::Qualio(target) => target.settle_s,
            Self::Store(_) => 0,
        }
    }

    /// The body's template: a table whose leaves are expressions.
    pub fn body(&self) -> &serde_json::Map<String, serde_json::Value> {
        match self {
            Self::Rest(target) => &target.body,
            Self::Qualio(target) => &target.body,
            Self::Store(target) => &target.body,
        }
    }

    /// Where the target describes what it accepts, if the flow says that it does.
    pub fn contract(&self) -> Option<&ContractSpec> {
        match self {
            Self::Rest(target) => target.contract.as_ref(),
            Self::Qualio(target) => target.contract.as_ref(),
            Self::Store(_) => None,
        }
    }
}

/// A JSON API over HTTP. Either `upsert`, or `create` and `update`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RestTarget {
    /// Flows that name the same target share its limits and breaker.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    /// Scheme, host and leading path.
    #[schemars(extend("format" = "template"))]
    pub base_url: String,
    /// Seconds until an answer must be complete.
    #[serde(default = "default_timeout_s")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_s: u32,
    /// Seconds after its time-out in which a call may still take effect at the target.
    #[serde(default = "default_settle_s")]
    #[schemars(range(min = 0, max = 120))]
    pub settle_s: u32,
    /// How calls are authenticated.
    #[serde(default)]
    pub auth: Auth,
    /// Headers of every call.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub headers: BTreeMap<String, String>,
    /// What is sent: a table whose leaves are expressions over `fields` and `key`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, serde_json::Value>", extend("format" = "body"))]
    pub body: serde_json::Map<String, serde_json::Value>,
    /// Creates or replaces by the external id. The safest form: no duplicate can arise.
    #[serde(default)]
    pub upsert: Option<Call>,
    /// Creates; the answer holds the id.
    #[serde(default)]
    pub create: Option<Call>,
    /// Updates by `target_id`.
    #[serde(default)]
    pub update: Option<Call>,
    /// Deletes by `target_id` or `key`.
    #[serde(default)]
    pub delete: Option<Call>,
    /// Archives by `target_id` or `key`.
    #[serde(default)]
    pub archive: Option<Call>,
    /// Finds a record by its key, after a create whose outcome is not known.
    #[serde(default)]
    pub find: Option<FindSpec>,
    /// Lists what stands there, for the full comparison of a reconciliation. Left out: source and
    /// registers are compared, the target is not.
    #[serde(default)]
    pub list: Option<StandingSpec>,
    /// Where the target describes what it accepts. Left out: nothing is compared, and a drift shows as
    /// refused calls.
    #[serde(default)]
    pub contract: Option<ContractSpec>,
    /// Header for an idempotency key, where the target keeps one: a repeat is then safe.
    #[serde(default)]
    pub idempotency_header: Option<String>,
    /// What the target allows.
    pub limits: TargetLimits,
    /// When calls pause.
    #[serde(default)]
    pub breaker: BreakerSpec,
    /// Answers that mean something else than HTTP says.
    #[serde(default)]
    pub errors: Vec<ErrorRow>,
}

/// Where a target describes what it accepts. The calls that are looked up there are the flow's own.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ContractSpec {
    /// Path below `base_url` of an `OpenAPI` 3.x document in JSON.
    #[schemars(extend("format" = "template"))]
    pub openapi: String,
}

/// Finds a record by the value under which it was created.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct FindSpec {
    /// Path below `base_url`; `search` holds the value as it was sent.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// Expression over `fields` and `key` that gives the value to search by.
    #[schemars(extend("format" = "expression"))]
    pub by: String,
    /// JSON pointer to the rows of the answer; empty when the body is the array.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub rows: String,
    /// JSON pointer to the id within a row.
    #[schemars(extend("format" = "json-pointer"))]
    pub id: String,
}

/// How a target lists what stands there, by pages as a source does. At hand in templates: `page.size`,
/// `page.offset`, `page.number`, `page.cursor`, `page.after_time`, `page.after_id`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StandingSpec {
    /// Path below `base_url`.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// JSON pointer to the rows; empty when the body is the array.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub rows: String,
    /// Rows asked for in a page.
    #[serde(default = "default_page_size")]
    #[schemars(range(min = 1, max = 1_000))]
    pub page_size: u32,
    /// How the next page is found.
    #[serde(default)]
    pub pages: Pages,
    /// Expression over `row` for our key. A row that gives null or an empty text is not ours.
    #[schemars(extend("format" = "expression"))]
    pub key: String,
    /// JSON pointer to the target's own id within a row. Left out: the key is the id.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub id: Option<String>,
    /// What is compared: for properties of `body` the expression over `row` that gives the value as
    /// `body` sends it. Left out: each property of `body` with the row's property of its name.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "expression"}))]
    pub compare: Option<BTreeMap<String, String>>,
}

impl StandingSpec {
    /// The listing without what its rows mean: what a source has too.
    pub fn list(&self) -> ListSpec {
        ListSpec {
            path: self.path.clone(),
            query: self.query.clone(),
            rows: self.rows.clone(),
            page_size: self.page_size,
            pages: self.pages.clone(),
        }
    }
}

/// Qualio suppliers: no external id, no idempotency key, names not unique. A marker in the notes
/// stands in for the external id.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct QualioTarget {
    /// Flows that name the same target share its limits and breaker.
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    /// `https://api.qualio.com`, or a double.
    #[schemars(extend("format" = "template"))]
    pub base_url: String,
    /// Seconds until an answer must be complete.
    #[serde(default = "default_timeout_s")]
    #[schemars(range(min = 1, max = 60))]
    pub timeout_s: u32,
    /// Seconds after its time-out in which a call may still take effect at the target.
    #[serde(default = "default_settle_s")]
    #[schemars(range(min = 0, max = 120))]
    pub settle_s: u32,
    /// Name of the secret that holds the API key.
    pub secret: SecretName,
    /// What is sent: `name`, `contact_information`, `intended_use`, `sponsor_user_id`, `risk_id`,
    /// with expressions over `fields` and `key` as leaves.
    #[schemars(with = "BTreeMap<String, serde_json::Value>", extend("format" = "body"))]
    pub body: serde_json::Map<String, serde_json::Value>,
    /// Where the target describes what it accepts. Left out: nothing is compared, and a drift shows as
    /// refused calls.
    #[serde(default)]
    pub contract: Option<ContractSpec>,
    /// What the target allows.
    pub limits: TargetLimits,
    /// When calls pause.
    #[serde(default)]
    pub breaker: BreakerSpec,
}

/// Our own store. What the flow calls its fields is what stands there; nothing is called, so nothing is
/// limited, slow or looked for.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct StoreTarget {
    /// Names the store in the account of a flow.
    #[serde(default = "store_name")]
    #[schemars(
        with = "String",
        length(min = 1, max = 64),
        regex(pattern = r"^[a-z0-9-]+$")
    )]
    pub name: EndpointId,
    #[serde(skip)]
    body: serde_json::Map<String, serde_json::Value>,
    #[serde(skip, default = "no_limits")]
    limits: TargetLimits,
    #[serde(skip)]
    breaker: BreakerSpec,
}

#[allow(clippy::expect_used, reason = "it always is a name")]
fn store_name() -> EndpointId {
    EndpointId::try_new("store").expect("`store` is a name")
}

fn no_limits() -> TargetLimits {
    let most = Rate::Window(CallWindow {
        calls: 300,
        per_s: 1,
    });
    TargetLimits {
        real_time: most,
        batch: most,
        account: None,
        day: None,
    }
}

impl QualioTarget {
    /// Path below `base_url` where suppliers are listed and created; each lies below it by its id.
    pub const SUPPLIERS: &str = "/v1/suppliers/suppliers";
}

/// 20 s: gateways in front of hosted APIs end a request within 30 s, of which the time-out takes 10.
fn default_settle_s() -> u32 {
    20
}
