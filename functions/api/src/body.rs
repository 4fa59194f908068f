//! JSON bodies, read member by member, so that every mistake is told by the name of its field and
//! never by its value.

use axum::{body::Bytes, extract::rejection::BytesRejection, http::StatusCode};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};
use tidegate_lambda::Problem;
use tidegate_model::EventId;

use crate::MAX_BODY_BYTES;

/// A body as it arrived, or why it did not.
pub(crate) type Arrived = Result<Bytes, BytesRejection>;

/// The members of a JSON object that are not read yet.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    /// Reads a body that must be an object.
    pub(crate) fn read(arrived: Arrived) -> Result<Self, Problem> {
        let members = Self::read_optional(arrived)?;
        members.ok_or_else(|| Problem::bad_request("the body is empty; send a JSON object"))
    }

    /// Reads a body that may be left out.
    pub(crate) fn read_optional(arrived: Arrived) -> Result<Option<Self>, Problem> {
        let bytes = arrived.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(MAX_BODY_BYTES),
            _ => Problem::bad_request("the body did not arrive whole"),
        })?;
        if bytes.is_empty() {
            return Ok(None);
        }
        match serde_json::from_slice(&bytes) {
            Ok(Value::Object(members)) => Ok(Some(Self(members))),
            Ok(_) => Err(Problem::bad_request("the body is JSON, but not an object")),
            Err(error) => Err(Problem::bad_request(format!(
                "the body is not JSON, see line {}, column {}",
                error.line(),
                error.column()
            ))),
        }
    }

    /// A text that must be there, with 1 to `most` characters.
    pub(crate) fn text(&mut self, name: &'static str, most: usize) -> Result<String, Problem> {
        self.optional_text(name, most)?
            .ok_or_else(|| at_fault(name, "is missing"))
    }

    /// A text with 1 to `most` characters; null counts as left out.
    pub(crate) fn optional_text(
        &mut self,
        name: &'static str,
        most: usize,
    ) -> Result<Option<String>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) if text.trim().is_empty() => {
                Err(at_fault(name, "is an empty text"))
            }
            Some(Value::String(text)) if text.chars().count() > most => {
                Err(at_fault(name, &format!("has more than {most} characters")))
            }
            Some(Value::String(text)) => Ok(Some(text.trim().to_owned())),
            Some(_) => Err(at_fault(name, "is not a text")),
        }
    }

    /// One of some words; null counts as left out. `words` is shown when it is none of them.
    pub(crate) fn word<T: DeserializeOwned>(
        &mut self,
        name: &'static str,
        words: &str,
    ) -> Result<Option<T>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(value) => serde_json::from_value(value)
                .map(Some)
                .map_err(|_| at_fault(name, &format!("is not one of: {words}"))),
        }
    }

    /// The id of an event; null counts as left out.
    pub(crate) fn event_id(&mut self, name: &'static str) -> Result<Option<EventId>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => EventId::try_new(text).map(Some).map_err(|error| {
                Problem::bad_request(format!("`{name}`: {error}")).with_field(name)
            }),
            Some(_) => Err(at_fault(name, "is not a text")),
        }
    }

    /// An object that must be there, with at least one member.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Map<String, Value>, Problem> {
        match self.0.remove(name) {
            Some(Value::Object(members)) if !members.is_empty() => Ok(members),
            Some(Value::Object(_)) => Err(at_fault(name, "is an empty object")),
            Some(_) => Err(at_fault(name, "is not an object")),
            None => Err(at_fault(name, "is missing")),
        }
    }

    /// An object that may be left out or empty; null counts as left out.
    pub(crate) fn optional_object(
        &mut self,
        name: &'static str,
    ) -> Result<Option<Map<String, Value>>, Problem> {
        match self.0.remove(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(at_fault(name, "is not an object")),
        }
    }

    /// Ends the reading: what is left is misspelt.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(at_fault(name, "is not known here")),
        }
    }
}

fn at_fault(name: &str, what: &str) -> Problem {
    Problem::bad_request(format!("`{name}` {what}")).with_field(name)
}
