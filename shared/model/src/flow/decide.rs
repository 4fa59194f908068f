//! A decision that somebody waits for, which the source makes now (R28).

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{Method, Rate};

/// What the source is asked, and which of its answers is a yes; every other is a no. Address,
/// authentication, headers, `errors` and breaker are those of `[source]`.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DecideSpec {
    /// Path below the source's `base_url`; `key` and `ask`, what the caller says, are at hand,
    /// percent-encoded.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// How it is asked. Asking changes nothing there.
    #[serde(default)]
    pub method: AskMethod,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// What a POST sends: a table whose leaves are expressions over `key` and `ask`.
    #[serde(default)]
    #[schemars(
        with = "Option<BTreeMap<String, serde_json::Value>>",
        extend("format" = "body")
    )]
    pub body: Option<serde_json::Map<String, serde_json::Value>>,
    /// Expression over `answer`, `ask` and `key`. Only `true` is a yes; where a value that it names is
    /// missing or null there is none.
    #[schemars(extend("format" = "expression"))]
    pub yes: String,
    /// Calls that are kept for decisions, which no batch can use up. They come on top of the source's
    /// `limit`: what a provider allows in all is parted between the two.
    pub limit: Rate,
}

/// How a question is asked.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum AskMethod {
    /// By its address alone.
    #[default]
    Get,
    /// With a body.
    Post,
}

impl From<AskMethod> for Method {
    fn from(method: AskMethod) -> Self {
        match method {
            AskMethod::Get => Self::Get,
            AskMethod::Post => Self::Post,
        }
    }
}
