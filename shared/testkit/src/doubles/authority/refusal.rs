//! How the token endpoint says no: RFC 6749, 5.2.

use serde_json::json;

use crate::doubles::Reply;

/// A refusal: status, `error`, `error_description`, and whether a challenge is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    status: u16,
    error: &'static str,
    description: String,
    header: Option<(&'static str, &'static str)>,
}

impl Refusal {
    fn new(status: u16, error: &'static str, description: &str) -> Self {
        Self {
            status,
            error,
            description: description.to_owned(),
            header: None,
        }
    }

    pub(super) fn request(description: &str) -> Self {
        Self::new(400, "invalid_request", description)
    }

    pub(super) fn grant(description: &str) -> Self {
        Self::new(400, "invalid_grant", description)
    }

    pub(super) fn grant_type() -> Self {
        let what = "this grant type is not served here";
        Self::new(400, "unsupported_grant_type", what)
    }

    pub(super) fn scope(description: &str) -> Self {
        Self::new(400, "invalid_scope", description)
    }

    /// The client named itself in the body.
    pub(super) fn client() -> Self {
        Self::new(401, "invalid_client", "Client authentication failed")
    }

    /// The client named itself by the `Authorization` header: the scheme that it should use is told.
    pub(super) fn challenged_client() -> Self {
        let mut refusal = Self::client();
        refusal.header = Some(("www-authenticate", "Basic realm=\"token\""));
        refusal
    }

    pub(super) fn path() -> Self {
        Self::new(404, "not_found", "there is no such path")
    }

    pub(super) fn method() -> Self {
        let what = "a token is asked for by POST";
        let mut refusal = Self::new(405, "invalid_request", what);
        refusal.header = Some(("allow", "POST"));
        refusal
    }

    pub(super) fn reply(&self) -> Reply {
        let body = json!({ "error": self.error, "error_description": self.description });
        let mut reply = uncached(Reply::json(self.status, &body));
        let header = self.header.map(|(name, value)| (name.into(), value.into()));
        reply.headers.extend(header);
        reply
    }
}

/// RFC 6749, 5.1: what holds a token, or might, is stored nowhere on the way.
pub(super) fn uncached(mut reply: Reply) -> Reply {
    for (name, value) in [("cache-control", "no-store"), ("pragma", "no-cache")] {
        reply.headers.push((name.to_owned(), value.to_owned()));
    }
    reply
}
