//! What a replace sends: the flow's properties over what stands in Qualio.
//!
//! A replace clears what it does not name. So what the flow does not map is read and sent back; what
//! it maps and has no value is left out, which clears it: the flow owns it. Two properties do not
//! come back as they are read: the risk level (read as `risk_type.id`, written as `risk_id`) and the
//! notes, of which one line is ours.

use serde_json::{Map, Value};
use tidegate_model::RecordKey;

use super::{
    marker,
    rules::{CONTACT, CONTACT_FIELDS, NAME, NOTES, RISK, TEXTS_AND_SPONSOR},
};

/// What a flow maps, whatever its values.
#[derive(Clone, Debug)]
pub(super) struct Mapped {
    body: Map<String, Value>,
}

impl Mapped {
    pub(super) fn of(body: &Map<String, Value>) -> Self {
        Self { body: body.clone() }
    }

    pub(super) fn has(&self, property: &str) -> bool {
        self.body.contains_key(property)
    }

    /// Contact information that is one expression is the flow's as a whole.
    pub(super) fn has_contact(&self, field: &str) -> bool {
        match self.body.get(CONTACT) {
            None => false,
            Some(Value::Object(fields)) => fields.contains_key(field),
            Some(_) => true,
        }
    }
}

/// The body of a create: what the flow makes of the record, with our line as the notes.
pub(super) fn whole(mut wanted: Map<String, Value>, key: &RecordKey) -> Value {
    let mut contact = contact_of(&mut wanted);
    let line = our_line(&contact, key);
    contact.insert(NOTES.to_owned(), line.into());
    wanted.insert(CONTACT.to_owned(), Value::Object(contact));
    Value::Object(wanted)
}

/// The body of a replace. An error says what of `current` is not as Qualio documents it: sending it
/// back would erase it.
pub(super) fn merge(
    current: &Value,
    mut wanted: Map<String, Value>,
    mapped: &Mapped,
    key: &RecordKey,
) -> Result<Value, String> {
    let mut contact = contact_of(&mut wanted);
    let line = our_line(&contact, key);
    for property in [NAME].into_iter().chain(TEXTS_AND_SPONSOR) {
        if !mapped.has(property) {
            keep(current.get(property), property, &mut wanted);
        }
    }
    if !mapped.has(RISK) {
        keep(risk_of(current)?, RISK, &mut wanted);
    }
    let current_contact = match current.get(CONTACT) {
        None | Some(Value::Null) => None,
        Some(Value::Object(contact)) => Some(contact),
        Some(_) => return Err("contact_information is no object".to_owned()),
    };
    let stands = |field: &str| current_contact.and_then(|contact| contact.get(field));
    for field in CONTACT_FIELDS {
        if !mapped.has_contact(field) {
            keep(stands(field), field, &mut contact);
        }
    }
    let notes = match stands(NOTES) {
        None | Some(Value::Null) => "",
        Some(Value::String(notes)) => notes,
        Some(_) => return Err("the notes are no text".to_owned()),
    };
    let notes = marker::replace(notes, &line, key);
    contact.insert(NOTES.to_owned(), notes.into());
    wanted.insert(CONTACT.to_owned(), Value::Object(contact));
    Ok(Value::Object(wanted))
}

fn contact_of(wanted: &mut Map<String, Value>) -> Map<String, Value> {
    match wanted.remove(CONTACT) {
        Some(Value::Object(contact)) => contact,
        _ => Map::new(),
    }
}

pub(super) fn our_line(contact: &Map<String, Value>, key: &RecordKey) -> String {
    marker::line(contact.get(NOTES).and_then(Value::as_str), key)
}

fn keep(found: Option<&Value>, name: &str, into: &mut Map<String, Value>) {
    if let Some(value) = found.filter(|value| !value.is_null()) {
        into.insert(name.to_owned(), value.clone());
    }
}

/// The risk level as it is written.
fn risk_of(current: &Value) -> Result<Option<&Value>, String> {
    match current.get("risk_type") {
        None | Some(Value::Null) => Ok(None),
        Some(risk) => match risk.get("id") {
            Some(id @ Value::String(_)) => Ok(Some(id)),
            _ => Err("its risk_type has no id".to_owned()),
        },
    }
}
