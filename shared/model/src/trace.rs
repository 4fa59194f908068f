//! How a piece of work came about, so that the log can be followed from function to function.

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{IdError, RequestId, RunId};

/// What a message, and whoever works for it, bears of where it comes from. For the log alone: nothing
/// is decided by it, and work that differs in it only is the same work. So a part of it that can not
/// be read is left out, and the rest of the message is done.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Trace {
    /// The invocation with which it began.
    #[serde(
        default,
        deserialize_with = "readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub request_id: Option<RequestId>,
    /// The run or reconciliation that queued it.
    #[serde(
        default,
        deserialize_with = "readable",
        skip_serializing_if = "Option::is_none"
    )]
    pub run: Option<RunId>,
}

impl Trace {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.request_id.is_none() && self.run.is_none()
    }
}

/// An id where there is one that can be read.
pub fn readable<'de, T, D>(input: D) -> Result<Option<T>, D::Error>
where
    T: TryFrom<String, Error = IdError>,
    D: Deserializer<'de>,
{
    let value = serde_json::Value::deserialize(input)?;
    let text = value.as_str().map(str::to_owned);
    Ok(text.and_then(|text| T::try_from(text).ok()))
}
