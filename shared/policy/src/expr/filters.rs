//! Filters that flows need beside the built-in ones.

use std::sync::LazyLock;

use jiff::{Timestamp, civil::DateTime, tz::TimeZone};
use minijinja::{
    Environment, Error, ErrorKind, State,
    value::{Rest, Value},
};
use sha2::{Digest, Sha256};

/// Built-in filters over one text or number that here give null for null: a source leaves a field
/// out more often than not, and `row.name | trim` must then be null, not an error or `""`.
const NULL_FOR_NULL: [&str; 12] = [
    "upper",
    "lower",
    "title",
    "capitalize",
    "trim",
    "replace",
    "split",
    "lines",
    "int",
    "float",
    "round",
    "abs",
];

/// A refusal by one of our own filters. Its text names no value, so it may be shown.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Refusal(&'static str);

/// The refusal in an error, if one of our own filters made it.
pub(super) fn refusal(error: &Error) -> Option<&'static str> {
    std::error::Error::source(error)?
        .downcast_ref::<Refusal>()
        .map(|refusal| refusal.0)
}

pub(super) fn refuse(why: &'static str) -> Error {
    Error::new(ErrorKind::InvalidOperation, why).with_source(Refusal(why))
}

pub(super) fn add_to(environment: &mut Environment<'static>) {
    for name in NULL_FOR_NULL {
        environment.add_filter(name, move |value: Value, arguments: Rest<Value>| {
            null_for_null(name, value, &arguments)
        });
    }
    environment.add_filter("rfc3339", rfc3339);
    environment.add_filter("hash", hash);
}

/// Bytes of a hash that stands for a key: two of a billion rows are alike with a chance of 1 in 10^20.
const HASH_BYTES: usize = 16;

/// `[row.author, row.written, row.text] | hash`: names what has no id, the same at each reading: the
/// first half of the SHA-256 of the value as JSON, in hex. Of nothing there is no hash.
#[allow(
    clippy::needless_pass_by_value,
    reason = "minijinja passes arguments by value"
)]
fn hash(value: Value) -> Result<Value, Error> {
    if value.is_none() || value.is_undefined() {
        return Ok(Value::from(()));
    }
    let json = serde_json::to_value(&value)
        .map_err(|_| refuse("`hash` was given what is no JSON value"))?;
    let digest = Sha256::digest(json.to_string().as_bytes());
    Ok(Value::from(hex::encode(
        digest.get(..HASH_BYTES).unwrap_or(&digest),
    )))
}

fn null_for_null(name: &'static str, value: Value, arguments: &[Value]) -> Result<Value, Error> {
    static BUILT_IN: LazyLock<Environment<'static>> = LazyLock::new(Environment::new);
    if value.is_none() || value.is_undefined() {
        return Ok(Value::from(()));
    }
    let mut call: Vec<Value> = vec![value];
    call.extend_from_slice(arguments);
    let mut state: State<'_, '_> = BUILT_IN.empty_state();
    state.apply_filter(name, &call)
}

/// `value | rfc3339` or `value | rfc3339('Europe/Berlin')`: a moment as RFC 3339 in UTC (R29).
///
/// Takes RFC 3339 text, seconds since 1970 as a number, or, with a zone, a date and time without
/// offset as it is told there.
#[allow(
    clippy::needless_pass_by_value,
    reason = "minijinja passes arguments by value"
)]
fn rfc3339(value: Value, zone: Option<String>) -> Result<Value, Error> {
    if value.is_none() || value.is_undefined() {
        return Ok(Value::from(()));
    }
    let moment = match (value.as_str(), i64::try_from(value.clone())) {
        (Some(text), _) => moment_of_text(text, zone.as_deref())?,
        (None, Ok(seconds)) => Timestamp::from_second(seconds)
            .map_err(|_| refuse("`rfc3339` was given a number that is no time"))?,
        (None, Err(_)) => return Err(refuse("`rfc3339` takes a text or whole seconds")),
    };
    Ok(Value::from(moment.to_string()))
}

fn moment_of_text(text: &str, zone: Option<&str>) -> Result<Timestamp, Error> {
    if let Ok(moment) = text.parse::<Timestamp>() {
        return Ok(moment);
    }
    let Some(zone) = zone else {
        return Err(refuse(
            "`rfc3339` was given a text that is no time with an offset; name its zone: rfc3339('Europe/Berlin')",
        ));
    };
    let zone =
        TimeZone::get(zone).map_err(|_| refuse("`rfc3339` was given a zone that is not known"))?;
    let civil: DateTime = text
        .parse()
        .map_err(|_| refuse("`rfc3339` was given a text that is no date and time"))?;
    zone.to_timestamp(civil)
        .map_err(|_| refuse("`rfc3339` was given a time out of range"))
}
