//! Typed ids. An id is checked once, where it enters.

#[cfg(test)]
mod tests;

use std::{borrow::Cow, fmt};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Longest key of a record, in bytes: a sort key may have 1,024, and a key also stands in messages.
const MAX_KEY_BYTES: usize = 256;
/// Longest name of a flow or endpoint, in bytes: it stands in every key, log line and metric.
const MAX_NAME_BYTES: usize = 64;

/// Longest id of an event, in bytes: EventBridge gives 36, and it stands in the name of a run.
const MAX_EVENT_ID_BYTES: usize = 128;

/// Longest id of a request, in bytes: Lambda gives 36, and it stands in each message and log line.
const MAX_REQUEST_ID_BYTES: usize = 64;

/// Why a text is not an id.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum IdError {
    /// Nothing is no id.
    #[error("{what} is empty")]
    Empty {
        /// Which kind of id.
        what: &'static str,
    },
    /// Too long to be stored.
    #[error("{what} has {bytes} bytes, at most {limit} are allowed")]
    TooLong {
        /// Which kind of id.
        what: &'static str,
        /// Its length.
        bytes: usize,
        /// The longest allowed.
        limit: usize,
    },
    /// A character that would be lost or misread in a key, a path or a log.
    #[error("{what} may hold {allowed}; it has {found:?}")]
    Character {
        /// Which kind of id.
        what: &'static str,
        /// What may stand in it.
        allowed: &'static str,
        /// The first character that may not.
        found: char,
    },
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $what:literal, $limit:expr, $allowed:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// Checks the text and makes the id of it.
            pub fn try_new(text: impl Into<String>) -> Result<Self, IdError> {
                let text = text.into();
                if text.is_empty() {
                    return Err(IdError::Empty { what: $what });
                }
                if text.len() > $limit {
                    return Err(IdError::TooLong { what: $what, bytes: text.len(), limit: $limit });
                }
                let allowed: fn(char) -> bool = $check;
                match text.chars().find(|&c| !allowed(c)) {
                    Some(found) => Err(IdError::Character { what: $what, allowed: $allowed, found }),
                    None => Ok(Self(text)),
                }
            }

            /// The id as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn schema_name() -> Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut SchemaGenerator) -> Schema {
                json_schema!({
                    "description": concat!("Text that is ", $what, ": it may hold ", $allowed, "."),
                    "type": "string",
                    "minLength": 1,
                    "maxLength": $limit,
                })
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl TryFrom<String> for $name {
            type Error = IdError;
            fn try_from(text: String) -> Result<Self, IdError> {
                Self::try_new(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.0
            }
        }
    };
}

fn is_name(c: char) -> bool {
    c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'
}

fn is_plain(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '-' || c == '_'
}

fn is_visible(c: char) -> bool {
    !c.is_control()
}

id!(
    /// Names a flow: lower-case letters, digits and `-`.
    FlowId, "the name of a flow", MAX_NAME_BYTES, "lower-case letters, digits and -", is_name
);
id!(
    /// Names a source or target whose limits and breaker flows share.
    EndpointId, "the name of a source or target", MAX_NAME_BYTES, "lower-case letters, digits and -", is_name
);
id!(
    /// Names one record of a flow: the external id.
    RecordKey, "the key of a record", MAX_KEY_BYTES, "no control characters", is_visible
);
id!(
    /// Names one run: `window-{scheduled time}`, `event-{id}` or `manual-{token}`, so that a repeated
    /// delivery of a window or of an event is the same run.
    RunId, "the id of a run", MAX_KEY_BYTES, "no control characters", is_visible
);
id!(
    /// Names one event of a bus, so that a repeated delivery is the same one.
    EventId, "the id of an event", MAX_EVENT_ID_BYTES, "no control characters", is_visible
);
id!(
    /// Names one holder of a claim or lease. New for each claim (PROTOCOL rule 4).
    ClaimToken, "a claim token", MAX_NAME_BYTES, "no control characters", is_visible
);
id!(
    /// Names the invocation with which a piece of work began: a call of the API, a webhook, a schedule's
    /// start. For the log alone; nothing is decided by it.
    RequestId, "the id of a request", MAX_REQUEST_ID_BYTES, "letters, digits, - and _", is_plain
);
