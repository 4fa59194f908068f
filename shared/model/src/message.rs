//! What travels through a queue: keys, never field values (QUE-1).

#[cfg(test)]
mod tests;

use serde::{Deserialize, Deserializer, Serialize};

use crate::{FlowId, RecordKey, Tier, Trace, UnixMs};

/// Most keys in one message. A pack of 25 fits one invocation well within its time, since the calls
/// of its keys run side by side; and in a backlog of hours, in which a message comes back every 15
/// minutes, it costs a record less than a receive.
pub const MAX_PACK_KEYS: usize = 25;

/// The form of the message. Raised when a reader of the older form would misread it.
const FORM: u8 = 1;

/// Why a record is read from its source before it is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Fetch {
    /// A person asked for it: it is applied at once, critical or not.
    Forced,
    /// A webhook hinted at a change: it is applied at once if it turns out to be critical.
    Hint,
}

/// A place in the queue for calls under a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Turn {
    /// Calls that were promised before it, counted since the limit was first used.
    pub at: i64,
    /// Calls that are promised to it.
    pub calls: u32,
}

/// "These records may need work." What the work is, the register says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    v: u8,
    /// The flow of the records.
    pub flow: FlowId,
    /// One to [`MAX_PACK_KEYS`] keys.
    pub keys: Vec<RecordKey>,
    /// The queue it travels in.
    pub tier: Tier,
    /// Read the record from the source first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fetch: Option<Fetch>,
    /// When a message for this work was first sent: a fetch is given up by it, and a message older
    /// than a sweep that queued everything again is dropped.
    pub first_sent: UnixMs,
    /// Not before this moment: a deferral longer than a queue can delay goes in hops.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<UnixMs>,
    /// It waited for its turn, so it does not queue again behind those that came later.
    #[serde(default, skip_serializing_if = "is_false")]
    pub had_turn: bool,
    /// As far as registers tell, other messages are on their way for its records: it waits like them,
    /// but no calls are promised to it, since it will most likely find nothing left to do.
    #[serde(default, skip_serializing_if = "is_false")]
    pub repeat: bool,
    /// The turn that it waits for: at the source's limit while the record is to be read, then at the
    /// target's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub turn: Option<Turn>,
    /// Reads of the source that had begun when a hint came. One with a higher number began after it,
    /// and has seen what it tells of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_read: Option<u64>,
    /// Copies of it that waited, one after another, without a record of it being read or applied in
    /// between: our own guard against a loop, since Lambda's is off. One of an older release has none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub hops: u32,
    /// Since when its record could not be read although the source answers others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing_since: Option<UnixMs>,
    /// How it came about, for the log.
    #[serde(
        default,
        deserialize_with = "readable_trace",
        skip_serializing_if = "Trace::is_empty"
    )]
    pub trace: Trace,
}

/// Why a body is not a message.
#[derive(Debug, thiserror::Error)]
pub enum MessageError {
    /// Not JSON, or not of the form. The parser's own words are left out: they repeat what it found,
    /// and what is no message could be anything.
    #[error("the message is not readable at line {line}, column {column}")]
    Form {
        /// Where the parser stopped, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
    },
    /// A form of another release.
    #[error("the message has form {0}, this release reads form {FORM}")]
    UnknownForm(u8),
    /// No key, or too many.
    #[error("the message has {0} keys, a message has 1 to {MAX_PACK_KEYS}")]
    Keys(usize),
}

impl From<serde_json::Error> for MessageError {
    fn from(error: serde_json::Error) -> Self {
        Self::Form {
            line: error.line(),
            column: error.column(),
        }
    }
}

impl Message {
    /// A first message for these keys.
    pub fn new(flow: FlowId, keys: Vec<RecordKey>, tier: Tier, now: UnixMs) -> Self {
        Self {
            v: FORM,
            flow,
            keys,
            tier,
            fetch: None,
            first_sent: now,
            not_before: None,
            had_turn: false,
            repeat: false,
            turn: None,
            after_read: None,
            hops: 0,
            failing_since: None,
            trace: Trace::default(),
        }
    }

    /// The same, asking for the record to be read from the source first.
    #[must_use]
    pub fn fetching(mut self, why: Fetch) -> Self {
        self.fetch = Some(why);
        self
    }

    /// The same, where other messages may be on their way for its records.
    #[must_use]
    pub fn repeating(mut self, repeat: bool) -> Self {
        self.repeat = repeat;
        self
    }

    /// The message's text.
    pub fn encode(&self) -> String {
        // A struct of strings and numbers always has a JSON form.
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Reads a message's text.
    pub fn decode(body: &str) -> Result<Self, MessageError> {
        #[derive(Deserialize)]
        struct Form {
            v: u8,
        }
        let form: Form = serde_json::from_str(body)?;
        if form.v != FORM {
            return Err(MessageError::UnknownForm(form.v));
        }
        let message: Self = serde_json::from_str(body)?;
        if message.keys.is_empty() || message.keys.len() > MAX_PACK_KEYS {
            return Err(MessageError::Keys(message.keys.len()));
        }
        Ok(message)
    }
}

/// What can not be read of it is left out: the work is done all the same.
fn readable_trace<'de, D: Deserializer<'de>>(input: D) -> Result<Trace, D::Error> {
    let value = serde_json::Value::deserialize(input)?;
    Ok(serde_json::from_value(value).unwrap_or_default())
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for this signature"
)]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde asks for this signature"
)]
fn is_zero(count: &u32) -> bool {
    *count == 0
}
