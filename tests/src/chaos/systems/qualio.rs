//! Qualio's double as a target: a record is known by the mark in its notes.

use serde_json::Value;
use tidegate_engine::ports::Request;
use tidegate_model::flow::Method;
use tidegate_testkit::doubles::{Incoming, qualio::QualioDouble};

use crate::chaos::target::{Asked, Did, TargetEffect};

/// The notes that a call is about to replace.
pub(super) fn notes_of(qualio: &QualioDouble, asked: &Asked) -> Option<String> {
    let supplier = qualio.supplier(asked.path.get(3)?)?;
    supplier.contact_information?.notes
}

/// The record key in Qualio's notes.
pub fn marked_key(notes: &str) -> Option<String> {
    let (_, rest) = notes.rsplit_once("[key:")?;
    rest.split_once(']').map(|(key, _)| key.to_owned())
}

/// The version in Qualio's notes, `level/stamp/revision [key:..]`.
fn stamp_in(notes: &str) -> Option<u64> {
    notes.split('/').nth(1)?.parse().ok()
}

/// What a call that went well did.
pub(super) fn qualio_effect(
    request: &Request,
    body: &Value,
    standing: Option<&str>,
) -> TargetEffect {
    let notes = body
        .pointer("/contact_information/notes")
        .and_then(Value::as_str);
    let notes = notes.unwrap_or_default();
    TargetEffect {
        did: if request.method == Method::Post {
            Did::Created
        } else {
            Did::Updated
        },
        key: marked_key(notes).unwrap_or_default(),
        stamp: stamp_in(notes),
        alters: standing != Some(notes),
    }
}

/// A call as the double takes it.
pub(super) fn incoming(request: &Request) -> Incoming {
    let mut headers = axum::http::HeaderMap::new();
    let json = axum::http::HeaderValue::from_static("application/json");
    headers.insert("content-type", json);
    headers.insert("x-api-key", axum::http::HeaderValue::from_static("key"));
    Incoming {
        method: request.method.as_str().to_owned(),
        uri: request.url.parse().unwrap_or_default(),
        headers,
        body: request
            .json()
            .map_or_else(axum::body::Bytes::new, |body| body.to_string().into()),
    }
}
