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
    /// OAuth 2.0: an authorisation server gives tokens for the credentials of a client (RFC 6749, 4.4),
    /// or for a refresh token that a person once gave it (6).
    Oauth2(Oauth2),
    /// OAuth 2.0: an authorisation server gives tokens for an assertion that is signed with a private
    /// key (RFC 7523).
    JwtBearer(JwtBearer),
}

/// A client with a secret. Tokens are kept by each process, and renewed at the start of a batch once
/// four fifths of their life are over.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Oauth2 {
    /// The whole address of the token endpoint.
    #[schemars(extend("format" = "template"))]
    pub token_url: String,
    /// The client's id.
    #[schemars(extend("format" = "template"))]
    pub client_id: String,
    /// Name of the secret that holds the client's secret.
    pub secret: SecretName,
    /// Name of the secret that holds a refresh token. Left out: the client's credentials are enough.
    #[serde(default)]
    pub refresh_token: Option<SecretName>,
    /// How the client says who it is.
    #[serde(default)]
    pub client_auth: ClientAuth,
    /// What the token is to allow.
    #[serde(default)]
    #[schemars(extend("format" = "template"))]
    pub scope: Option<String>,
    /// Header of the calls that carries the token. Left out: `Authorization: Bearer`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub header: Option<String>,
}

/// A client with a private key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct JwtBearer {
    /// The whole address of the token endpoint.
    #[schemars(extend("format" = "template"))]
    pub token_url: String,
    /// Who asks: the assertion's `iss`, such as the client's id.
    #[schemars(extend("format" = "template"))]
    pub issuer: String,
    /// For whom: the assertion's `sub`. Left out: the issuer.
    #[serde(default)]
    #[schemars(extend("format" = "template"))]
    pub subject: Option<String>,
    /// Whom it is shown to: the assertion's `aud`. Left out: the token endpoint.
    #[serde(default)]
    #[schemars(extend("format" = "template"))]
    pub audience: Option<String>,
    /// Name of the secret that holds the private key: PKCS #8 in PEM.
    pub secret: SecretName,
    /// How it is signed.
    #[serde(default)]
    pub algorithm: SigningAlgorithm,
    /// Names the key to the server: the `kid` of the assertion's header.
    #[serde(default)]
    #[schemars(extend("format" = "template"))]
    pub key_id: Option<String>,
    /// What the token is to allow.
    #[serde(default)]
    #[schemars(extend("format" = "template"))]
    pub scope: Option<String>,
    /// Header of the calls that carries the token. Left out: `Authorization: Bearer`.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub header: Option<String>,
}

/// How a client says who it is (RFC 6749, 2.3.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// `Authorization: Basic`.
    Basic,
}

/// How an assertion is signed (RFC 7518, 3.1).
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "UPPERCASE")]
pub enum SigningAlgorithm {
    /// RSA with SHA-256.
    #[default]
    Rs256,
    /// The curve P-256 with SHA-256.
    Es256,
}

/// For what an authorisation server gives tokens, with settings in place.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Grant {
    /// The credentials of a client.
    Client(Oauth2),
    /// A signed assertion.
    Assertion(JwtBearer),
}

impl Grant {
    /// The token endpoint.
    pub fn token_url(&self) -> &str {
        match self {
            Self::Client(client) => &client.token_url,
            Self::Assertion(client) => &client.token_url,
        }
    }

    /// The client, as it is named to the server.
    pub fn client(&self) -> &str {
        match self {
            Self::Client(client) => &client.client_id,
            Self::Assertion(client) => &client.issuer,
        }
    }

    /// Header of the calls that carries the token; none: `Authorization: Bearer`.
    pub fn header(&self) -> Option<&str> {
        match self {
            Self::Client(client) => client.header.as_deref(),
            Self::Assertion(client) => client.header.as_deref(),
        }
    }

    /// Names of the secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let (one, other) = match self {
            Self::Client(client) => (&client.secret, client.refresh_token.as_ref()),
            Self::Assertion(client) => (&client.secret, None),
        };
        std::iter::once(one).chain(other)
    }
}

impl Auth {
    /// For what tokens are given, where calls bear one.
    pub fn grant(&self) -> Option<Grant> {
        match self {
            Self::None | Self::ApiKey { .. } | Self::Basic { .. } | Self::Bearer { .. } => None,
            Self::Oauth2(client) => Some(Grant::Client(client.clone())),
            Self::JwtBearer(client) => Some(Grant::Assertion(client.clone())),
        }
    }

    /// Names of the secrets that it needs.
    pub fn secrets(&self) -> impl Iterator<Item = &SecretName> {
        let (one, other) = match self {
            Self::None => (None, None),
            Self::ApiKey { secret, .. }
            | Self::Basic { secret, .. }
            | Self::Bearer { secret }
            | Self::JwtBearer(JwtBearer { secret, .. }) => (Some(secret), None),
            Self::Oauth2(client) => (Some(&client.secret), client.refresh_token.as_ref()),
        };
        one.into_iter().chain(other)
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
