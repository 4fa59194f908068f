//! Words in which mistakes are told.

use serde_json::Value;

use super::document::DATE;

/// How alike two names must be (1 is equal) for one to be offered for the other: two letters of
/// three, so that `rwo` still finds `row`.
const ALIKE: f64 = 0.6;

/// Names that are listed where none is alike; more would hide the mistake.
const MAX_LISTED: usize = 16;

/// The known name nearest to what was written, if one is near enough.
pub(crate) fn nearest<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::normalized_damerau_levenshtein(written, name), name))
        .filter(|(alike, _)| *alike >= ALIKE)
        .max_by(|(a, _), (b, _)| a.total_cmp(b))
        .map(|(_, name)| name)
}

/// What to say after a name that is not known: the nearest, or all there are.
pub(crate) fn instead<'a>(
    written: &str,
    known: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    if let Some(name) = nearest(written, known.clone()) {
        return format!("; did you mean `{name}`?");
    }
    let names: Vec<&str> = known.into_iter().collect();
    match names.len() {
        1..=MAX_LISTED => format!("; known: {}", names.join(", ")),
        _ => String::new(),
    }
}

/// A value as the file has it, short enough for a message.
pub(crate) fn written(value: &Value) -> String {
    match value {
        Value::Null => "a number out of range".to_owned(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
        Value::String(text) if text.is_empty() => "an empty text".to_owned(),
        Value::String(text) if text.chars().count() <= 60 => format!("`{text}`"),
        Value::String(_) => "a text".to_owned(),
        Value::Array(entries) if entries.is_empty() => "an empty list".to_owned(),
        Value::Array(entries) => format!("a list of {}", entries.len()),
        Value::Object(table) if table.contains_key(DATE) => "a date".to_owned(),
        Value::Object(_) => "a table".to_owned(),
    }
}

/// Whether a text only stands where an answer belongs.
pub(crate) fn is_placeholder(text: &str) -> bool {
    let text = text.trim().to_lowercase();
    let said = text.chars().any(char::is_alphanumeric);
    !said || ["tbd", "tba", "todo", "n/a", "na", "none", "unknown", "xxx"].contains(&text.as_str())
}

/// `1 flow`, `2 flows`.
pub(crate) fn count(number: usize, noun: &str) -> String {
    if number == 1 {
        format!("1 {noun}")
    } else {
        format!("{number} {noun}s")
    }
}

/// Seconds as a person says them: `8 h`, `1 h 30 min`, `45 s`.
pub(crate) fn span(seconds: u64) -> String {
    let parts = [
        (seconds / 3_600, "h"),
        (seconds / 60 % 60, "min"),
        (seconds % 60, "s"),
    ];
    let said: Vec<String> = parts
        .iter()
        .filter(|(number, _)| *number > 0)
        .map(|(number, unit)| format!("{number} {unit}"))
        .collect();
    if said.is_empty() {
        "0 s".to_owned()
    } else {
        said.join(" ")
    }
}

/// The last step of a JSON pointer as the file's reader names it: `calls`, `after_s[1]`.
pub(crate) fn short(pointer: &str) -> String {
    let mut index = String::new();
    for step in pointer.rsplit('/') {
        if !step.is_empty() && step.bytes().all(|b| b.is_ascii_digit()) {
            index.insert_str(0, &format!("[{step}]"));
        } else {
            return format!("{}{index}", step.replace("~1", "/").replace("~0", "~"));
        }
    }
    index
}

/// A JSON pointer as a path in the file: `target.limits`.
pub(crate) fn dotted(pointer: &str) -> String {
    pointer
        .trim_start_matches('/')
        .replace('/', ".")
        .replace("~1", "/")
        .replace("~0", "~")
}
