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
use crate::print::plain;

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
    if let Some(value) = value.and_then(plain) {
        view.insert(name.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::json;

    use super::*;

    const RISK_ID: &str = "458bf34c-8ee1-475f-8c4c-ae735518991a";

    fn key() -> RecordKey {
        RecordKey::try_new("SUP-1").unwrap()
    }

    /// A flow that maps all but the sponsor and the address.
    fn mapped() -> Mapped {
        let contact =
            json!({"name": "x", "email": "x", "phone": "x", "website": "x", "notes": "x"});
        let body = json!({
            "name": "x", "intended_use": "x", "risk_id": "x", "contact_information": contact,
        });
        Mapped::of(body.as_object().unwrap())
    }

    fn written() -> ContentHash {
        let body = json!({
            "name": "Acme", "intended_use": "Reagents", "risk_id": RISK_ID,
            "contact_information": {"email": "a@acme.example", "phone": "1", "notes": "ERP: ok"},
        });
        as_written(&body, &mapped(), &key())
    }

    fn standing() -> Value {
        json!({
            "supplier_id": "q-1", "status": "APPROVED", "archived": false,
            "name": "Acme", "intended_use": "Reagents",
            "risk_type": {"id": RISK_ID, "title": "High"},
            "contact_information": {
                "email": "a@acme.example", "phone": "1", "notes": "ERP: ok [key:SUP-1]",
            },
        })
    }

    /// The print of what stands after something was set by a JSON pointer.
    fn after(pointer: &str, value: Value) -> ContentHash {
        let mut supplier = standing();
        let (parent, name) = pointer.rsplit_once('/').unwrap();
        let parent = supplier.pointer_mut(parent).unwrap();
        parent
            .as_object_mut()
            .unwrap()
            .insert(name.to_owned(), value);
        as_read(&supplier, &mapped(), Some(&key()))
    }

    #[rstest]
    #[case::as_it_was("/name", json!("Acme"))]
    #[case::space("/name", json!(" Acme "))]
    #[case::empty_text("/contact_information/website", json!(""))]
    #[case::null("/contact_information/website", Value::Null)]
    #[case::letters_of_the_risk("/risk_type/id", json!(RISK_ID.to_uppercase()))]
    #[case::not_ours("/status", json!("ARCHIVED"))]
    #[case::not_mapped("/sponsor_user_id", json!(101))]
    #[case::not_mapped_in_contact("/contact_information/address", json!("here"))]
    #[case::beside_our_line(
        "/contact_information/notes", json!("Call first.\r\nERP: ok [key:SUP-1]\r\nThanks")
    )]
    fn what_qualio_normalises_and_what_people_keep_is_no_edit(
        #[case] pointer: &str,
        #[case] value: Value,
    ) {
        assert_eq!(after(pointer, value), written());
    }

    #[rstest]
    #[case::name("/name", json!("ACME"))]
    #[case::purpose("/intended_use", Value::Null)]
    #[case::risk("/risk_type", Value::Null)]
    #[case::risk_of_another_level("/risk_type/id", json!("another"))]
    #[case::mail("/contact_information/email", json!("b@acme.example"))]
    #[case::filled("/contact_information/website", json!("https://acme.example"))]
    #[case::contact("/contact_information", Value::Null)]
    #[case::our_line("/contact_information/notes", json!("ERP: bad [key:SUP-1]"))]
    #[case::line_removed("/contact_information/notes", json!("Call first."))]
    #[case::line_twice(
        "/contact_information/notes", json!("ERP: ok [key:SUP-1]\nERP: ok [key:SUP-1]")
    )]
    #[case::line_of_another("/contact_information/notes", json!("ERP: ok [key:SUP-12]"))]
    fn every_property_that_the_flow_maps_is_compared(#[case] pointer: &str, #[case] value: Value) {
        assert_ne!(after(pointer, value), written());
    }

    #[test]
    fn a_number_is_compared_by_its_value() {
        let body = json!({"sponsor_user_id": "x"});
        let mapped = Mapped::of(body.as_object().unwrap());
        let print = |sponsor: Value| {
            let supplier = json!({"sponsor_user_id": sponsor});
            as_read(&supplier, &mapped, None)
        };
        assert_eq!(print(json!(101)), print(json!(101.0)));
        assert_ne!(print(json!(101)), print(json!(102)));
    }
}
