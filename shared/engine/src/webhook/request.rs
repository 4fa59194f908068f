//! A delivery as it came, and what it says.

use serde_json::Value;
use tidegate_model::{
    Content,
    flow::{Signing, WebhookSpec},
};
use tidegate_policy::{
    cloud_event::{Attributes, CloudEvent, EventError},
    flow::Pushed,
    signature::{Proof, Signed},
};

use super::HookAnswer;

/// Names a delivery of Standard Webhooks.
const ID: &str = "webhook-id";

/// A delivery, as it came.
#[derive(Clone, Copy, Debug)]
pub struct HookRequest<'a> {
    /// The flow in the path.
    pub flow: &'a str,
    /// The headers, names in lower case.
    pub headers: &'a [(&'a str, &'a str)],
    /// The parameters of the query, decoded.
    pub query: &'a [(String, String)],
    /// The raw body.
    pub body: &'a [u8],
}

impl<'a> HookRequest<'a> {
    /// A header's text; empty when it is absent.
    fn header(&self, name: &str) -> &'a str {
        let mut found = self.headers.iter();
        let found = found.find(|(found, _)| found.eq_ignore_ascii_case(name));
        found.map_or("", |(_, text)| text)
    }

    fn parameter(&self, name: &str) -> &'a str {
        let mut found = self.query.iter();
        let found = found.find(|(found, _)| found == name);
        found.map_or("", |(_, text)| text.as_str())
    }

    /// How it shows that its sender knows a secret.
    pub(super) fn proof(&self, signing: &Signing) -> Proof<'a> {
        match signing {
            Signing::Standard => Proof::Standard(Signed {
                id: self.header(ID),
                timestamp: self.header("webhook-timestamp"),
                signature: self.header("webhook-signature"),
                body: self.body,
            }),
            Signing::Hmac {
                header,
                encoding,
                prefix,
            } => Proof::Hmac {
                encoding: *encoding,
                given: self
                    .header(header)
                    .strip_prefix(prefix.as_str())
                    .unwrap_or(""),
                body: self.body,
            },
            Signing::Header { header } => Proof::Secret(self.header(header)),
            Signing::Query { parameter } => Proof::Secret(self.parameter(parameter)),
        }
    }

    /// What names it; empty where nothing does.
    fn id(&self, webhook: Option<&WebhookSpec>) -> &'a str {
        let named = webhook.and_then(|webhook| webhook.id.as_deref());
        match (named, signing_of(webhook)) {
            (Some(header), _) => self.header(header),
            (None, Signing::Standard) => self.header(ID),
            (None, _) => "",
        }
    }

    /// What a repeat of a hint is known by: its id. Without one, a sender of Standard Webhooks is known by
    /// the body, which it signs together with the moment.
    fn name(&self, webhook: Option<&WebhookSpec>) -> Option<String> {
        match (self.id(webhook), signing_of(webhook)) {
            ("", Signing::Standard) => Some(body_name(self.body)),
            ("", _) => None,
            (id, _) => Some(id.to_owned()),
        }
    }

    /// What it says, once its signature holds (HOOK-1); else the answer to it.
    pub(super) fn read(&self, webhook: Option<&WebhookSpec>) -> Result<Delivered, HookAnswer> {
        let events = webhook.and_then(|webhook| webhook.cloud_events.as_ref());
        if let Some(spec) = events {
            let event =
                CloudEvent::read(self.headers, self.body).map_err(|error| refused(&error))?;
            return Ok(Delivered {
                id: event.attribute("id").to_owned(),
                name: Some(event.name()),
                is_of_no_record: !spec.takes(event.attribute("type")),
                body: event.data,
                event: Some(event.attributes),
            });
        }
        let Ok(body) = serde_json::from_slice(self.body) else {
            let reason = "the body is not JSON".to_owned();
            return Err(HookAnswer::Unusable { reason });
        };
        Ok(Delivered {
            id: self.id(webhook).to_owned(),
            name: self.name(webhook),
            is_of_no_record: false,
            body,
            event: None,
        })
    }
}

/// What a signed delivery says.
pub(super) struct Delivered {
    /// Names it in the log; empty where nothing does.
    pub(super) id: String,
    /// What a repeat of a hint is known by.
    pub(super) name: Option<String>,
    /// The flow has said that events of its type tell of no record.
    pub(super) is_of_no_record: bool,
    body: Value,
    event: Option<Attributes>,
}

impl Delivered {
    pub(super) fn pushed(&self) -> Pushed<'_> {
        Pushed {
            body: &self.body,
            event: self.event.as_ref(),
        }
    }
}

/// A flow that is not there is taken for one of Standard Webhooks.
pub(super) fn signing_of(webhook: Option<&WebhookSpec>) -> &Signing {
    webhook.map_or(&Signing::Standard, |webhook| &webhook.signed)
}

fn refused(error: &EventError) -> HookAnswer {
    let reason = crate::chain(error);
    match error {
        EventError::Format => HookAnswer::Unsupported { reason },
        _ => HookAnswer::Unusable { reason },
    }
}

/// Names a delivery that has no id by its body.
fn body_name(body: &[u8]) -> String {
    let text = Value::String(String::from_utf8_lossy(body).into_owned());
    Content::Record(std::iter::once(("body".to_owned(), text)).collect())
        .hash()
        .0
}
