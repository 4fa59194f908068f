//! An event of CloudEvents 1.0, as HTTP brings it: in structured mode as one JSON document, in binary
//! mode with its attributes in `ce-` headers and its data in the body.
//!
//! Attributes are texts in either mode, as the specification writes their values, so that a sender may
//! change the mode and the flow file stays. Data is JSON; data of another content type is not read. What
//! is refused is named by its attribute, and no value is repeated. Batches are not taken: one delivery
//! has one answer.

mod header;

use std::collections::BTreeMap;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Map, Value};
use tidegate_model::Content;

/// Attributes by their names.
pub type Attributes = BTreeMap<String, String>;

/// What every media type of CloudEvents begins with.
const MEDIA_TYPE: &str = "application/cloudevents";
/// Of those, the one that is taken: an event, as JSON.
const STRUCTURED: &str = "application/cloudevents+json";
/// What stands before an attribute's name in a header.
const PREFIX: &str = "ce-";
/// Attributes of an event: the specification and its extensions name some thirty.
const MAX_ATTRIBUTES: usize = 64;
/// Bytes of an attribute's name: the specification asks senders for 20 at most.
const MAX_NAME_BYTES: usize = 64;
/// Bytes of an attribute: it is there to route an event by, and stands in the log. API Gateway takes
/// 10 KB of headers in all.
const MAX_VALUE_BYTES: usize = 2_048;
/// The content type of the data. In binary mode it is the message's own.
const CONTENT_TYPE: &str = "datacontenttype";

/// An event that keeps the rules.
#[derive(Clone, Debug, PartialEq)]
pub struct CloudEvent {
    /// What it says of itself: `id`, `source`, `type`, and what else was sent.
    pub attributes: Attributes,
    /// Its data; null where there is none, or none in JSON.
    pub data: Value,
}

/// Why a message is no event that can be taken. Names attributes, never their values.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EventError {
    /// A batch, or a format that is not JSON.
    #[error(
        "of CloudEvents, `{STRUCTURED}` and binary mode are taken: one event at a time, no batch and no other format"
    )]
    Format,
    /// In structured mode the body is no event.
    #[error("the event is no JSON object")]
    Envelope,
    /// An attribute that every event has.
    #[error("the attribute `{0}` is missing")]
    Missing(&'static str),
    /// Another version of the specification.
    #[error("the attribute `specversion` is not 1.x")]
    Version,
    /// More attributes than an event has.
    #[error("the event has more than {MAX_ATTRIBUTES} attributes")]
    TooMany,
    /// An attribute's name breaks the rule of names.
    #[error(
        "an attribute's name is of small letters and digits, {MAX_NAME_BYTES} at most; one is not"
    )]
    Name,
    /// An attribute's value breaks a rule.
    #[error("the attribute `{name}` {fault}")]
    Attribute {
        /// Its name.
        name: String,
        /// Which rule.
        fault: AttributeFault,
    },
    /// Data in both forms.
    #[error("`data` and `data_base64` are both there; an event has one of them")]
    TwoData,
    /// Encoded data that is not encoded.
    #[error("`data_base64` is not in base64")]
    Base64,
    /// Data that is not what it says.
    #[error("the data is no JSON, and `{CONTENT_TYPE}` does not say that it is something else")]
    NotJson,
}

/// Which rule the value of an attribute breaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum AttributeFault {
    /// It is longer than an attribute may be.
    #[error("is longer than {MAX_VALUE_BYTES} bytes")]
    TooLong,
    /// It has a control character.
    #[error("has a control character")]
    Character,
    /// It is a JSON value of another kind.
    #[error("is no text, whole number, true or false")]
    Kind,
    /// Its header is not encoded as it should be.
    #[error("is not percent-encoded as a header must be")]
    Encoding,
    /// It is there twice.
    #[error("is there twice")]
    Twice,
    /// It stands where the content type has a header of its own.
    #[error("stands in `Content-Type` in binary mode, and in no header of its own")]
    Misplaced,
}

impl CloudEvent {
    /// Reads the event of a message, whose headers have names in lower case.
    pub fn read(headers: &[(&str, &str)], body: &[u8]) -> Result<Self, EventError> {
        let content_type = headers
            .iter()
            .find(|(name, _)| is_named(name, "content-type"));
        let content_type = content_type.map(|(_, value)| *value);
        let event = match content_type.map(media_type) {
            Some(format) if format == STRUCTURED => Self::structured(body)?,
            Some(format) if format.starts_with(MEDIA_TYPE) => return Err(EventError::Format),
            _ => Self::binary(headers, content_type, body)?,
        };
        event.has_what_each_has()?;
        Ok(event)
    }

    /// An attribute; empty where it is not there.
    pub fn attribute(&self, name: &str) -> &str {
        self.attributes.get(name).map_or("", String::as_str)
    }

    /// What a repeat is known by: producers make `source` and `id` together unique for each event.
    pub fn name(&self) -> String {
        let named = |name: &str| (name.to_owned(), Value::from(self.attribute(name)));
        let named = ["id", "source"].map(named);
        Content::Record(named.into_iter().collect()).hash().0
    }

    fn structured(body: &[u8]) -> Result<Self, EventError> {
        let Ok(mut members) = serde_json::from_slice::<Map<String, Value>>(body) else {
            return Err(EventError::Envelope);
        };
        // What is null is not there.
        members.retain(|_, value| !value.is_null());
        let plain = members.remove("data");
        let encoded = members.remove("data_base64");
        let mut attributes = Attributes::new();
        for (name, value) in members {
            let text = match value {
                Value::String(text) => Ok(text),
                Value::Bool(flag) => Ok(flag.to_string()),
                Value::Number(number) if !number.is_f64() => Ok(number.to_string()),
                _ => Err(AttributeFault::Kind),
            };
            put(&mut attributes, &name, text)?;
        }
        let is_json = declares_json(attributes.get(CONTENT_TYPE).map(String::as_str));
        let data = match (plain, encoded) {
            (Some(_), Some(_)) => return Err(EventError::TwoData),
            (Some(data), None) if is_json => data,
            (None, Some(encoded)) => {
                let bytes = encoded.as_str().and_then(|text| STANDARD.decode(text).ok());
                data_of(&bytes.ok_or(EventError::Base64)?, is_json)?
            }
            _ => Value::Null,
        };
        Ok(Self { attributes, data })
    }

    fn binary(
        headers: &[(&str, &str)],
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Self, EventError> {
        let mut attributes = Attributes::new();
        for (header, value) in headers {
            let header = header.to_ascii_lowercase();
            let Some(name) = header.strip_prefix(PREFIX) else {
                continue;
            };
            let text = match name {
                CONTENT_TYPE => Err(AttributeFault::Misplaced),
                _ => header::decoded(value).ok_or(AttributeFault::Encoding),
            };
            put(&mut attributes, name, text)?;
        }
        if let Some(content_type) = content_type {
            put(&mut attributes, CONTENT_TYPE, Ok(content_type.to_owned()))?;
        }
        let data = data_of(body, declares_json(content_type))?;
        Ok(Self { attributes, data })
    }

    fn has_what_each_has(&self) -> Result<(), EventError> {
        for name in ["specversion", "id", "source", "type"] {
            if self.attribute(name).is_empty() {
                return Err(EventError::Missing(name));
            }
        }
        let minor = self.attribute("specversion").strip_prefix("1.");
        let is_number =
            |minor: &str| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
        minor
            .filter(|minor| is_number(minor))
            .map(drop)
            .ok_or(EventError::Version)
    }
}

/// Adds an attribute that keeps the rules.
fn put(
    attributes: &mut Attributes,
    name: &str,
    text: Result<String, AttributeFault>,
) -> Result<(), EventError> {
    let is_name = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    if name.is_empty() || name.len() > MAX_NAME_BYTES || !name.bytes().all(is_name) {
        return Err(EventError::Name);
    }
    if attributes.len() == MAX_ATTRIBUTES {
        return Err(EventError::TooMany);
    }
    let fault = |fault| EventError::Attribute {
        name: name.to_owned(),
        fault,
    };
    let text = text.map_err(fault)?;
    // What is empty says nothing, and is not there.
    let broken = if text.is_empty() {
        None
    } else if text.len() > MAX_VALUE_BYTES {
        Some(AttributeFault::TooLong)
    } else if text.contains(char::is_control) {
        Some(AttributeFault::Character)
    } else if attributes.insert(name.to_owned(), text).is_some() {
        Some(AttributeFault::Twice)
    } else {
        None
    };
    broken.map_or(Ok(()), |broken| Err(fault(broken)))
}

/// Data as JSON, where it says no other form.
fn data_of(bytes: &[u8], is_json: bool) -> Result<Value, EventError> {
    if bytes.is_empty() || !is_json {
        return Ok(Value::Null);
    }
    serde_json::from_slice(bytes).map_err(|_| EventError::NotJson)
}

/// Where nothing is said, it is JSON (JSON event format, 3.1.2).
fn declares_json(content_type: Option<&str>) -> bool {
    content_type.map(media_type).is_none_or(|declared| {
        declared
            .split_once('/')
            .is_some_and(|(_, subtype)| subtype == "json" || subtype.ends_with("+json"))
    })
}

/// A content type without its parameters.
fn media_type(content_type: &str) -> String {
    let declared = content_type.split(';').next().unwrap_or_default();
    declared.trim().to_ascii_lowercase()
}

fn is_named(header: &str, name: &str) -> bool {
    header.eq_ignore_ascii_case(name)
}

#[cfg(test)]
mod tests;
