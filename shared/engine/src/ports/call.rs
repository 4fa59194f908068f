//! Calls to other systems.

use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_model::{
    UnixMs,
    flow::{ErrorAction, Grant, Method, SigningAlgorithm},
};

use super::Secret;

/// Whether a call changes the other system.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// It only reads.
    Read,
    /// It changes something.
    Write,
}

/// A header's value. A secret is named here and put in by the transport, so that no request that is
/// logged or shown can hold one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HeaderValue {
    /// As it stands.
    Plain(String),
    /// The secret, after a prefix such as `Bearer `.
    Secret {
        /// Text before it.
        prefix: &'static str,
        /// The secret's name.
        secret: String,
    },
    /// `Basic`, of a user and a secret.
    Basic {
        /// The user.
        user: String,
        /// The name of the secret that holds the password.
        secret: String,
    },
    /// `Basic`, of an OAuth client and its secret: each is form-encoded first (RFC 6749, 2.3.1).
    Client {
        /// The client's id.
        id: String,
        /// The name of the secret.
        secret: String,
    },
    /// `Bearer`, of a JSON Web Token by which a user of Snowflake proves to hold a private key.
    KeyPair {
        /// The account.
        account: String,
        /// The user.
        user: String,
        /// The name of the secret that holds the private key (PKCS#8, PEM).
        secret: String,
        /// When the token says that it was made.
        issued: UnixMs,
    },
    /// A token, after a prefix such as `Bearer `. The engine puts it in, just before the call leaves.
    Token {
        /// Text before it.
        prefix: &'static str,
        /// What it is given for.
        grant: Arc<Grant>,
        /// The token; none where a request is only shown.
        token: Option<Secret>,
    },
}

impl fmt::Display for HeaderValue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Plain(text) => f.write_str(text),
            Self::Secret { prefix, secret } => write!(f, "{prefix}<{secret}>"),
            Self::Basic { user, secret } => write!(f, "Basic {user}:<{secret}>"),
            Self::Client { id, secret } => write!(f, "Basic {id}:<{secret}>"),
            Self::KeyPair {
                account,
                user,
                secret,
                ..
            } => write!(f, "Bearer <token of {account}.{user} by {secret}>"),
            Self::Token { prefix, grant, .. } => write!(f, "{prefix}<token of {}>", grant.client()),
        }
    }
}

impl HeaderValue {
    /// The name of the secret in it.
    pub fn secret(&self) -> Option<&str> {
        match self {
            Self::Plain(_) | Self::Token { .. } => None,
            Self::Secret { secret, .. }
            | Self::Basic { secret, .. }
            | Self::Client { secret, .. }
            | Self::KeyPair { secret, .. } => Some(secret),
        }
    }
}

/// A header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Header {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: HeaderValue,
}

/// What a request carries.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// JSON.
    Json(Value),
    /// A form (`application/x-www-form-urlencoded`).
    Form(Vec<(&'static str, FormValue)>),
}

/// A value of a form.
#[derive(Clone, Debug, PartialEq)]
pub enum FormValue {
    /// As it stands.
    Plain(String),
    /// The secret of this name.
    Secret(String),
    /// A signed assertion: a JSON Web Token (RFC 7519).
    Assertion {
        /// How it is signed.
        algorithm: SigningAlgorithm,
        /// Names the key to who verifies it.
        key_id: Option<String>,
        /// The name of the secret that holds the private key.
        secret: String,
        /// What it says.
        claims: Value,
    },
}

/// A request to another system.
#[derive(Clone, Debug, PartialEq)]
pub struct Request {
    /// The method.
    pub method: Method,
    /// The whole address. May hold record keys, never secrets.
    pub url: String,
    /// The headers.
    pub headers: Vec<Header>,
    /// What it carries.
    pub body: Option<Body>,
    /// Whether it changes the other system.
    pub effect: Effect,
    /// Until the answer must be complete.
    pub timeout: Duration,
}

impl Request {
    /// The JSON that it carries, if it does.
    pub fn json(&self) -> Option<&Value> {
        match &self.body {
            Some(Body::Json(value)) => Some(value),
            Some(Body::Form(_)) | None => None,
        }
    }
}

/// An answer that means success, a missing record or a stale tag.
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// What it means.
    pub action: ErrorAction,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body; null when there is none.
    pub body: Value,
}

impl Answer {
    /// A header's value; `name` in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.as_str())
    }
}

/// What work waits for. A wait is never an attempt (TRY-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wait {
    /// A permit of the budget.
    Permit,
    /// Its turn among those that wait for permits.
    Turn,
    /// The breaker's cool-down.
    Breaker,
    /// Another's probe.
    Probe,
    /// The provider asked to wait (429).
    Provider,
    /// Another's claim, an earlier call's end, or the record's own next attempt.
    Claim,
    /// Newer content, which a new message is for.
    NewerContent,
    /// The source: its lease, its budget or its health.
    Source,
    /// A read that failed while the source answers others.
    FailedRead,
    /// The release with the newer flow file that staged the content.
    NewerRevision,
    /// A call of another record that succeeds: none has since this one failed first.
    AnotherSuccess,
    /// A secret that was replaced meanwhile: the next call bears the new one.
    Secret,
    /// A person's pause or a blocker.
    Stopped,
    /// The store.
    Store,
}

impl Wait {
    /// The wait in logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Turn => "turn",
            Self::Breaker => "breaker",
            Self::Probe => "probe",
            Self::Provider => "provider",
            Self::Claim => "claim",
            Self::NewerContent => "newer_content",
            Self::Source => "source",
            Self::FailedRead => "failed_read",
            Self::NewerRevision => "newer_revision",
            Self::AnotherSuccess => "another_success",
            Self::Secret => "secret",
            Self::Stopped => "stopped",
            Self::Store => "store",
        }
    }
}

/// A call that gave no usable answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Not sent: no permit, or the breaker is open. Not an attempt (TRY-1).
    #[error("deferred: {}", .why.as_str())]
    Deferred {
        /// When to come back.
        until: UnixMs,
        /// What for.
        why: Wait,
    },
    /// Not sent: its claim or lease would end before the call surely has (EFF-1).
    #[error("not sent, the claim ends too soon")]
    Lapsed,
    /// Answered with "too many calls" (429): not processed, and not an attempt.
    #[error("the provider asks to wait")]
    Throttled {
        /// How long.
        until: UnixMs,
    },
    /// The credentials are refused: nothing more is sent until a person acts.
    #[error("{reason}")]
    Blocked {
        /// What was answered, without secrets or field values.
        reason: String,
    },
    /// The record is refused as it is.
    #[error("{reason}")]
    Refused {
        /// What was answered, without field values.
        reason: String,
        /// The field at fault.
        field: Option<String>,
    },
    /// There is no such record: what was to be changed is gone.
    #[error("{reason}")]
    Gone {
        /// What was answered, without field values.
        reason: String,
    },
    /// 5xx, time-out, broken connection, or an answer that can not be read: an attempt.
    #[error("{reason}")]
    Failed {
        /// What happened.
        reason: String,
        /// When the call started.
        started: UnixMs,
        /// It may have taken effect, or may yet.
        may_have_effect: bool,
        /// The breaker's epoch it counts in; `None` when it is nobody's attempt.
        attempt: Option<u64>,
    },
    /// The store failed while a call was being prepared; nothing was sent.
    #[error("not sent, {0}")]
    Store(String),
}

/// How connectors make calls: each one with a permit, a closed breaker and a claim that holds.
#[async_trait]
pub trait Calls: Send {
    /// Makes one call.
    async fn call(&mut self, request: Request) -> Result<Answer, CallError>;

    /// Whether a page was done with this mark ([`Page::done`](super::Page::done)).
    async fn is_done(&mut self, _mark: &str) -> Result<bool, CallError> {
        Ok(false)
    }

    /// The failure of the last call, which was answered with something that the connector cannot
    /// use: no rows where rows belong, no id after a create. `may_have_effect` when it changed the
    /// other system. An implementation that counts attempts tells which one it was.
    fn unusable(&self, reason: String, may_have_effect: bool) -> CallError {
        CallError::Failed {
            reason,
            started: UnixMs::EPOCH,
            may_have_effect,
            attempt: None,
        }
    }
}

/// What the transport brings back.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// The status.
    pub status: u16,
    /// Headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// The JSON body; `None` when there was one that is not JSON.
    pub body: Option<Value>,
}

/// Why no answer came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TransportError {
    /// No connection: nothing was sent.
    #[error("no connection")]
    NotConnected,
    /// No complete answer in time.
    #[error("no answer within {0:?}")]
    TimedOut(Duration),
    /// The connection broke after something was sent.
    #[error("the connection broke")]
    Broken,
    /// The answer is larger than a connector reads.
    #[error("the answer is larger than {limit_bytes} bytes")]
    TooLarge {
        /// The limit.
        limit_bytes: usize,
    },
    /// A secret that the request names is not configured: nothing was sent.
    #[error("the secret {0} is not configured")]
    NoSecret(String),
    /// The place that keeps a secret did not answer: nothing was sent.
    #[error("the secret {0} could not be read")]
    SecretUnavailable(String),
    /// The address can not be used: nothing was sent.
    #[error("the address can not be used: {0}")]
    BadRequest(String),
}

/// The transport: one request, one answer; no redirects, no retries.
#[async_trait]
pub trait Http: Send + Sync {
    /// Sends.
    async fn send(&self, request: &Request) -> Result<Sent, TransportError>;
}
