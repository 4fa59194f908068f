//! One side of a flow as something that requests can be made to.

use std::{sync::Arc, time::Duration};

use serde_json::Value;
use tidegate_engine::ports::{Body, CallError, Effect, Header, HeaderValue, Request};
use tidegate_model::flow::{Auth, Grant, Method};
use tidegate_policy::{expr::ExprError, flow::Rendered};

/// Base address, authentication and time-out of a source or target.
#[derive(Clone, Debug)]
pub(crate) struct Endpoint {
    base_url: String,
    auth: Option<Header>,
    timeout: Duration,
    grant: Option<Arc<Grant>>,
}

impl Endpoint {
    /// `timeout_s`: seconds until an answer must be complete.
    pub(crate) fn new(base_url: &str, auth: &Auth, timeout_s: u32) -> Self {
        Self {
            base_url: base_url.to_owned(),
            auth: auth_header(auth),
            timeout: Duration::from_secs(u64::from(timeout_s)),
            grant: auth.grant().map(Arc::new),
        }
    }

    /// For what the tokens are given that its requests bear, if they bear one.
    pub(crate) fn grant(&self) -> Option<&Arc<Grant>> {
        self.grant.as_ref()
    }

    /// Scheme, host and leading path, without a slash at the end.
    pub(crate) fn base_url(&self) -> &str {
        &self.base_url
    }

    /// A request below the base address.
    pub(crate) fn request(
        &self,
        call: Rendered,
        effect: Effect,
        body: Option<Value>,
        further: Option<Header>,
    ) -> Request {
        let token = self.grant.as_ref().map(token_header);
        let headers = call.headers.into_iter().map(|(name, text)| Header {
            name,
            value: HeaderValue::Plain(text),
        });
        Request {
            method: call.method,
            url: format!("{}{}", self.base_url, call.path_and_query),
            // Authentication last: the last header of a name is the one that is sent.
            headers: headers
                .chain(further)
                .chain(self.auth.clone())
                .chain(token)
                .collect(),
            body: body.map(Body::Json),
            effect,
            timeout: self.timeout,
        }
    }

    /// A request to a path below the base address, already percent-encoded.
    pub(crate) fn plain(
        &self,
        method: Method,
        path_and_query: String,
        effect: Effect,
        body: Option<Value>,
    ) -> Request {
        let call = Rendered {
            method,
            path_and_query,
            headers: Vec::new(),
            sends_body: body.is_some(),
        };
        self.request(call, effect, body, None)
    }
}

fn auth_header(auth: &Auth) -> Option<Header> {
    let (name, value) = match auth {
        Auth::None | Auth::Oauth2(_) | Auth::JwtBearer(_) => return None,
        Auth::ApiKey { header, secret } => (
            header.as_str(),
            HeaderValue::Secret {
                prefix: "",
                secret: secret.to_string(),
            },
        ),
        Auth::Basic { user, secret } => (
            "Authorization",
            HeaderValue::Basic {
                user: user.clone(),
                secret: secret.to_string(),
            },
        ),
        Auth::Bearer { secret } => (
            "Authorization",
            HeaderValue::Secret {
                prefix: "Bearer ",
                secret: secret.to_string(),
            },
        ),
    };
    Some(Header {
        name: name.to_owned(),
        value,
    })
}

fn token_header(grant: &Arc<Grant>) -> Header {
    let (name, prefix) = match grant.header() {
        Some(name) => (name, ""),
        None => ("Authorization", "Bearer "),
    };
    Header {
        name: name.to_owned(),
        value: HeaderValue::Token {
            prefix,
            grant: Arc::clone(grant),
            token: None,
        },
    }
}

/// A record that cannot be put into a call as it is: a person must see it. The error names the flow
/// file's expression, never a value.
pub(crate) fn cannot_render(error: &ExprError) -> CallError {
    refused(error.to_string())
}

/// The record is refused as it is.
pub(crate) fn refused(reason: impl Into<String>) -> CallError {
    CallError::Refused {
        reason: reason.into(),
        field: None,
    }
}

/// An id as other systems give it: a text or a number.
pub(crate) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}
