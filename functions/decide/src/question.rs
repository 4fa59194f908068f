//! What is asked: a key, and what the flow's question says of it. No mistake is told with its value.

use axum::{
    body::Bytes,
    extract::{FromRequest, Request},
    http::StatusCode,
};
use serde_json::{Map, Value};
use tidegate_lambda::Problem;
use tidegate_model::RecordKey;

/// Largest body: a key and a few figures.
pub const MAX_BODY_BYTES: usize = 16 * 1_024;

/// What is asked.
pub(crate) struct Question {
    /// About whom.
    pub key: RecordKey,
    /// What the flow's expressions see as `ask`.
    pub ask: Map<String, Value>,
}

impl Question {
    /// Reads `{"key": …, "ask": {…}}`, of which `ask` may be left out. What is misspelt is an error.
    pub(crate) async fn read(request: Request) -> Result<Self, Problem> {
        let body = Bytes::from_request(request, &()).await;
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(MAX_BODY_BYTES),
            _ => Problem::bad_request("the body did not arrive whole"),
        })?;
        let Ok(Value::Object(mut members)) = serde_json::from_slice(&body) else {
            return Err(Problem::bad_request("the body is not a JSON object"));
        };
        let key = match members.remove("key") {
            Some(Value::String(key)) => RecordKey::try_new(key)
                .map_err(|error| wrong("key", &format!("is no key: {error}")))?,
            Some(_) => return Err(wrong("key", "is not a text")),
            None => return Err(wrong("key", "is missing")),
        };
        let ask = match members.remove("ask") {
            Some(Value::Object(ask)) => ask,
            None => Map::new(),
            Some(_) => return Err(wrong("ask", "is not an object")),
        };
        match members.keys().next() {
            None => Ok(Self { key, ask }),
            Some(name) => Err(wrong(name, "is not known here")),
        }
    }
}

fn wrong(name: &str, what: &str) -> Problem {
    Problem::bad_request(format!("`{name}` {what}")).with_field(name)
}
