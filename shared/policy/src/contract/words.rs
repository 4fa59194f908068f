//! Schemas in words. What comes from a document is printable and short.

use std::collections::BTreeSet;

use super::{Kind, Schema};

/// Characters of a name or text of a document that are told.
const MAX_TOLD: usize = 80;
/// Values of an `enum` that are told.
const MAX_VALUES_TOLD: usize = 8;

/// Characters of a pointer that are told.
const MAX_POINTER: usize = 400;

/// A text of a document: on one line, and not longer than anybody reads.
pub(super) fn short(text: &str) -> String {
    cut(text, MAX_TOLD)
}

/// A pointer into a document. Its end says most, so it is long.
pub(super) fn pointer(text: &str) -> String {
    cut(text, MAX_POINTER)
}

fn cut(text: &str, most: usize) -> String {
    let printable = text.chars().flat_map(|c| {
        let escaped = c.is_control().then(|| c.escape_debug().collect::<Vec<_>>());
        escaped.unwrap_or_else(|| vec![c])
    });
    let mut told: String = printable.take(most + 1).collect();
    if told.chars().count() > most {
        told = told.chars().take(most).chain(['…']).collect();
    }
    told
}

/// `a text or null`.
pub(super) fn kinds(schema: &Schema) -> String {
    let Some(kinds) = &schema.kinds else {
        return "anything".to_owned();
    };
    let whole = !kinds.contains(&Kind::Number);
    let words: Vec<&str> = kinds
        .iter()
        .filter(|kind| whole || **kind != Kind::Integer)
        .map(|kind| match kind {
            Kind::Array => "a list",
            Kind::Boolean => "true or false",
            Kind::Integer => "a whole number",
            Kind::Null => "null",
            Kind::Number => "a number",
            Kind::Object => "a table",
            Kind::String => "a text",
        })
        .collect();
    if words.is_empty() {
        return "nothing".to_owned();
    }
    words.join(" or ")
}

/// `"a", "b"`, the first few.
pub(super) fn values(values: &BTreeSet<String>) -> String {
    let mut told: Vec<String> = values
        .iter()
        .take(MAX_VALUES_TOLD)
        .map(|value| short(value))
        .collect();
    if values.len() > MAX_VALUES_TOLD {
        told.push(format!("{} more", values.len() - MAX_VALUES_TOLD));
    }
    told.join(", ")
}
