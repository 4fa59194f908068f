//! Calls over HTTP, as a flow file describes them.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::SecretName;

/// How calls are authenticated. Secrets are named, never written into the file.
#[derive(Clone, Debug, Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, tag = "type", rename_all = "snake_case")]
pub enum Auth {
    /// No authentication.
    #[default]
    None,
    /// A key in a header.
    ApiKey {
        /// The header, such as `X-Api-Key`.
        #[schemars(length(min = 1))]
        header: String,
        /// Name of the secret.
        secret: SecretName,
    },
    /// `Authorization: Basic`.
    Basic {
        /// The user.
        #[schemars(extend("format" = "template"))]
        user: String,
        /// Name of the secret that holds the password.
        secret: SecretName,
    },
    /// `Authorization: Bearer`.
    Bearer {
        /// Name of the secret.
        secret: SecretName,
    },
}

impl Auth {
    /// The secret's name, where one is needed.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::None => None,
            Self::ApiKey { secret, .. } | Self::Basic { secret, .. } | Self::Bearer { secret } => {
                Some(secret.as_str())
            }
        }
    }
}

/// The methods a flow may use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum Method {
    /// Read.
    Get,
    /// Create, or query with a body.
    Post,
    /// Replace.
    Put,
    /// Change in part.
    Patch,
    /// Delete.
    Delete,
}

impl Method {
    /// The method's name on the wire.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        }
    }
}

/// One call to a target.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The method.
    pub method: Method,
    /// Path below `base_url`; `key`, `target_id` and `fields` are at hand, percent-encoded.
    #[schemars(extend("format" = "template"))]
    pub path: String,
    /// Query parameters; one that renders empty is left out.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub query: BTreeMap<String, String>,
    /// Headers besides those of authentication.
    #[serde(default)]
    #[schemars(extend("additionalProperties" = {"type": "string", "format": "template"}))]
    pub headers: BTreeMap<String, String>,
    /// Send the target's `body`. Left out: yes for POST, PUT and PATCH.
    #[serde(default)]
    pub send_body: Option<bool>,
    /// JSON pointer to the record's id in the answer.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub id: Option<String>,
}

/// What an answer means, where it differs from what HTTP says. The first row that matches decides.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ErrorRow {
    /// The status it applies to; left out: every status.
    #[serde(default)]
    #[schemars(range(min = 100, max = 599))]
    pub status: Option<u16>,
    /// JSON pointer to an error code in the body.
    #[serde(default)]
    #[schemars(extend("format" = "json-pointer"))]
    pub code_at: Option<String>,
    /// The code that must stand there.
    #[serde(default)]
    pub code: Option<String>,
    /// What it means.
    pub action: ErrorAction,
}

/// What is done about an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ErrorAction {
    /// It is a success.
    Ok,
    /// Too many calls: wait and slow down; no attempt is spent (TRY-1).
    Defer,
    /// A passing failure: an attempt.
    Retry,
    /// This record will never be accepted as it is: a person decides.
    Review,
    /// Credentials are refused: the flow stops until a person acts.
    Blocked,
    /// There is no such record.
    Missing,
    /// The stored tag is stale.
    Stale,
}
