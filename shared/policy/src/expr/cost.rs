//! What an expression or a template may cost. Its work is bounded by fuel, what it gives by its size;
//! what no value at hand could make cheaper is found when a flow is checked.

use std::io;

use minijinja::{ErrorKind, value::Value, value::ValueKind};

use super::{ExprError, Names};

/// Bytes that one expression or template may give. The largest that one is made of is a webhook's
/// body, which has 256 KiB at most.
pub(crate) const MAX_VALUE_BYTES: usize = 256 * 1_024;

/// What minijinja says of a value that it will not make, whatever the values at hand.
const TOO_LARGE: [&str; 3] = [
    "repeated string is too large",
    "repeated sequence is too large",
    "range has too many elements",
];

/// Why an evaluation was stopped for its cost; `None` where it failed for another reason.
pub(super) fn of_error(error: &minijinja::Error) -> Option<String> {
    match error.kind() {
        ErrorKind::OutOfFuel => Some("it does more work than one expression may".to_owned()),
        ErrorKind::WriteFailure => Some(too_large(MAX_VALUE_BYTES)),
        _ => {
            let detail = error.detail()?;
            let told = TOO_LARGE.iter().find(|known| **known == detail);
            told.map(|known| (*known).to_owned())
        }
    }
}

/// What is said of a value that is larger than that.
pub(super) fn too_large(most_bytes: usize) -> String {
    format!("it gives more than {most_bytes} bytes")
}

/// Whether the JSON form of a value has so many bytes at most. A larger one is not written out.
pub(super) fn fits(value: &Value, most_bytes: usize) -> bool {
    match value.kind() {
        ValueKind::Bool | ValueKind::None | ValueKind::Undefined | ValueKind::Number => true,
        _ => {
            let mut bounded = Bounded::new(most_bytes);
            // A value without a form in JSON is told where it is turned into it.
            serde_json::to_writer(&mut bounded, value).is_ok() || !bounded.overflowed
        }
    }
}

/// Values that make an evaluation as cheap as it can be: nothing, and the number 1 wherever something
/// is read.
pub(super) fn stand_ins(names: &Names) -> [Value; 2] {
    let mut ones = serde_json::Value::Null;
    let is_value = |path: &&String| {
        let root = path.split('.').next().unwrap_or_default();
        names.roots.contains(root)
    };
    for path in names.paths.iter().filter(is_value) {
        let steps = path.split('.');
        let place = steps.fold(&mut ones, |place, step| {
            if !place.is_object() {
                *place = serde_json::Value::Object(serde_json::Map::new());
            }
            &mut place[step]
        });
        if place.is_null() {
            *place = serde_json::Value::from(1);
        }
    }
    [Value::from(()), Value::from(minijinja::value::Serde(&ones))]
}

/// The first evaluation that was stopped for its cost.
pub(super) fn first_stopped<T>(
    results: impl IntoIterator<Item = Result<T, ExprError>>,
) -> Option<ExprError> {
    let mut stopped = results.into_iter().filter_map(Result::err);
    stopped.find(|error| matches!(error, ExprError::TooCostly { .. }))
}

/// Keeps so many bytes, and is full when more come.
pub(super) struct Bounded {
    pub(super) kept: Vec<u8>,
    most: usize,
    overflowed: bool,
}

impl Bounded {
    pub(super) fn new(most: usize) -> Self {
        Self {
            kept: Vec::new(),
            most,
            overflowed: false,
        }
    }
}

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.kept.len() + bytes.len() > self.most {
            self.overflowed = true;
            return Err(io::ErrorKind::FileTooLarge.into());
        }
        self.kept.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
