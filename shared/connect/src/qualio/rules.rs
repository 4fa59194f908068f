//! What Qualio takes as the body of a create or a replace (`createSupplier` in the vendor's public
//! `OpenAPI` document): a record that breaks a rule costs no call.

use serde_json::{Map, Value};

use super::marker;

pub(super) const NAME: &str = "name";
pub(super) const CONTACT: &str = "contact_information";
pub(super) const RISK: &str = "risk_id";
pub(super) const NOTES: &str = "notes";

const USE: &str = "intended_use";
const SPONSOR: &str = "sponsor_user_id";

/// Properties that are written as they are read.
pub(super) const TEXTS_AND_SPONSOR: [&str; 2] = [USE, SPONSOR];

/// Contact fields that are written as they are read: all but the notes.
pub(super) const CONTACT_FIELDS: [&str; 5] = ["name", "email", "phone", "address", "website"];

/// The part of the body at fault, and what is wrong with it; its value is not named.
pub(super) type Fault = (String, &'static str);

/// The first rule that the body breaks.
pub(super) fn reject(body: &Value) -> Option<Fault> {
    let Value::Object(body) = body else {
        return fault("(body)", "is no table");
    };
    for (name, value) in body {
        let broken = match name.as_str() {
            NAME | USE => text(value),
            SPONSOR => number(value),
            RISK => uuid(value),
            CONTACT => match value {
                Value::Object(contact) => {
                    if let Some(fault) = reject_contact(contact) {
                        return Some(fault);
                    }
                    None
                }
                _ => Some("must be a table"),
            },
            _ => Some("is none that Qualio takes"),
        };
        if let Some(broken) = broken {
            return fault(name, broken);
        }
    }
    match body.get(NAME).and_then(Value::as_str).map(str::trim) {
        None => fault(NAME, "has no value"),
        Some("") => fault(NAME, "must not be empty"),
        Some(_) => None,
    }
}

fn reject_contact(contact: &Map<String, Value>) -> Option<Fault> {
    for (name, value) in contact {
        let broken = if name == NOTES || CONTACT_FIELDS.contains(&name.as_str()) {
            text(value)
        } else {
            Some("is none that Qualio takes")
        };
        if let Some(broken) = broken {
            return fault(&format!("{CONTACT}.{name}"), broken);
        }
    }
    let notes = contact.get(NOTES).and_then(Value::as_str);
    if notes.is_some_and(marker::is_in) {
        let broken = "holds the beginning of a marker, so it could be taken for another record";
        return fault(&format!("{CONTACT}.{NOTES}"), broken);
    }
    None
}

#[allow(
    clippy::unnecessary_wraps,
    reason = "every caller returns what it gives"
)]
fn fault(part: &str, broken: &'static str) -> Option<Fault> {
    Some((part.to_owned(), broken))
}

fn text(value: &Value) -> Option<&'static str> {
    (!value.is_string()).then_some("must be a text")
}

fn number(value: &Value) -> Option<&'static str> {
    (!value.is_number()).then_some("must be a number")
}

fn uuid(value: &Value) -> Option<&'static str> {
    let fits = value.as_str().is_some_and(is_uuid);
    (!fits).then_some("must be a UUID")
}

/// 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    text.split('-').map(str::len).eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
