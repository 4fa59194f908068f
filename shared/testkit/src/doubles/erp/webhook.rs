//! The webhooks by which the ERP tells of a change, signed by Standard Webhooks.
//!
//! The double builds and signs; sending is the caller's, who knows when and how often.

use serde_json::json;
use standardwebhooks::Webhook;

use super::ErpSupplier;

/// What a webhook says of a change.
#[derive(Clone, Copy, Debug)]
pub enum Told<'a> {
    /// The whole row: `{"event":"supplier.changed","supplier":{...}}`.
    Whole(&'a ErpSupplier),
    /// Only which row: `{"event":"supplier.changed","id":"SUP-000123"}`.
    Partial(&'a str),
}

/// A webhook ready to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignedWebhook {
    /// Names and values of the headers, the content type too.
    pub headers: [(&'static str, String); 4],
    /// The exact body that was signed.
    pub body: String,
}

/// The secret or the message could not be used to sign.
#[derive(Debug, thiserror::Error)]
#[error("the webhook could not be signed")]
pub struct SignError(#[source] standardwebhooks::WebhookError);

/// Builds and signs a webhook. `secret` is base64, with or without `whsec_`; `timestamp_s` is
/// seconds since the epoch.
///
/// # Errors
/// When the secret is not base64.
pub fn sign(
    told: Told<'_>,
    secret: &str,
    message_id: &str,
    timestamp_s: i64,
) -> Result<SignedWebhook, SignError> {
    let body = match told {
        Told::Whole(row) => json!({ "event": "supplier.changed", "supplier": row }),
        Told::Partial(id) => json!({ "event": "supplier.changed", "id": id }),
    };
    sign_body(body.to_string(), secret, message_id, timestamp_s)
}

/// Signs any body, for what a sender with mistakes would send.
///
/// # Errors
/// When the secret is not base64.
pub fn sign_body(
    body: String,
    secret: &str,
    message_id: &str,
    timestamp_s: i64,
) -> Result<SignedWebhook, SignError> {
    let signature = Webhook::new(secret)
        .and_then(|key| key.sign(message_id, timestamp_s, body.as_bytes()))
        .map_err(SignError)?;
    Ok(SignedWebhook {
        headers: [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", message_id.to_owned()),
            ("webhook-timestamp", timestamp_s.to_string()),
            ("webhook-signature", signature),
        ],
        body,
    })
}
