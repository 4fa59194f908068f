//! Prints of a supplier: whether Qualio holds what the flow would write.
//!
//! Only what the flow writes is compared: its properties, and of the notes our one line. What people
//! keep beside it is theirs. What Qualio's answers normalise (space around a text, line breaks, an
//! empty text that is left out, 101.0 as 101, letters of a UUID) is no difference.

use serde_json::{Map, Value};
use tidegate_model::{Content, ContentHash, RecordKey};

use super::{
    marker,
    merge::{self, Mapped},
    rules::{CONTACT, CONTACT_FIELDS, NAME, NOTES, RISK, TEXTS_AND_SPONSOR},
};

/// The print of a supplier as Qualio answers it. Without a key there is no line of ours.
pub(super) fn as_read(supplier: &Value, mapped: &Mapped, key: Option<&RecordKey>) -> ContentHash {
    let contact = supplier.get(CONTACT).unwrap_or(&Value::Null);
    let notes = contact.get(NOTES).and_then(Value::as_str);
    let risk = supplier.pointer("/risk_type/id");
    let line = key.map(|key| our_lines(notes.unwrap_or_default(), key));
    print(supplier, risk, contact, line.as_deref(), mapped)
}

/// The print of what the flow makes of a record, once it is written.
pub(super) fn as_written(body: &Value, mapped: &Mapped, key: &RecordKey) -> ContentHash {
    let empty = Map::new();
    let contact = body.get(CONTACT).and_then(Value::as_object);
    let line = merge::our_line(contact.unwrap_or(&empty), key);
    let contact = body.get(CONTACT).unwrap_or(&Value::Null);
    print(body, body.get(RISK), contact, Some(&line), mapped)
}

/// Every line that bears the key's marker. One that a person has split or doubled is no longer ours.
fn our_lines(notes: &str, key: &RecordKey) -> String {
    let ours = notes
        .split('\n')
        .filter(|line| marker::keys(line).any(|found| found == key.as_str()))
        .map(str::trim);
    ours.collect::<Vec<_>>().join("\n")
}

fn print(
    of: &Value,
    risk: Option<&Value>,
    contact: &Value,
    line: Option<&str>,
    mapped: &Mapped,
) -> ContentHash {
    let mut view = Map::new();
    for property in [NAME].into_iter().chain(TEXTS_AND_SPONSOR) {
        if mapped.has(property) {
            put(&mut view, property, of.get(property));
        }
    }
    if mapped.has(RISK) {
        let risk = risk.and_then(Value::as_str).map(str::to_lowercase);
        put(&mut view, RISK, risk.map(Value::from).as_ref());
    }
    for field in CONTACT_FIELDS {
        if mapped.has_contact(field) {
            put(&mut view, &format!("{CONTACT}.{field}"), contact.get(field));
        }
    }
    put(&mut view, NOTES, line.map(Value::from).as_ref());
    Content::Record(view).hash()
}

/// Adds a value as it is compared; one that says nothing is left out.
fn put(view: &mut Map<String, Value>, name: &str, value: Option<&Value>) {
    let value = match value {
        None | Some(Value::Null) => return,
        Some(Value::String(text)) => {
            let text = text.replace("\r\n", "\n");
            match text.trim() {
                "" => return,
                text => Value::from(text),
            }
        }
        // JSON has one kind of number: 101.0 and 101 are the same.
        Some(Value::Number(number)) => number
            .as_f64()
            .map_or_else(|| Value::Number(number.clone()), Value::from),
        Some(other) => other.clone(),
    };
    view.insert(name.to_owned(), value);
}
