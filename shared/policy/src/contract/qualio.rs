//! What the connector of Qualio makes of a flow's body.
//!
//! Of what a flow maps nothing but texts, a number and one table is ever sent: a record of which an
//! expression gives something else costs no call. Notes are always sent, since they hold the marker that
//! stands in for an external id. What the flow does not map is sent back as Qualio showed it, which can
//! not be known beforehand and is not compared.

use tidegate_model::flow::{Method, QualioTarget};

use super::{
    Operation,
    schema::{Kind, Schema, both},
};

const CONTACT: &str = "contact_information";
const NOTES: &str = "notes";
const SPONSOR: &str = "sponsor_user_id";

/// The create, and the replace that an update is.
pub(super) fn operations() -> Vec<Operation> {
    let of_one = format!("{}/{{id}}", QualioTarget::SUPPLIERS);
    vec![
        Operation::new("create", Method::Post, QualioTarget::SUPPLIERS),
        Operation::new("update", Method::Put, &of_one),
    ]
}

/// The body as it is sent, of the body as the flow file has it.
pub(super) fn body(mut body: Schema) -> Schema {
    let contact = body.properties.remove(CONTACT);
    for (name, property) in &mut body.properties {
        let kinds = match name.as_str() {
            SPONSOR => &[Kind::Integer, Kind::Number][..],
            _ => &[Kind::String],
        };
        only(property, kinds);
    }
    let mut contact = contact.unwrap_or_default();
    only(&mut contact, &[Kind::Object]);
    for property in contact.properties.values_mut() {
        only(property, &[Kind::String]);
    }
    // Our line, and the lines of others: longer than what the flow makes of it, and another text.
    let mut notes = Schema::any();
    only(&mut notes, &[Kind::String]);
    contact.properties.insert(NOTES.to_owned(), notes);
    contact.required.insert(NOTES.to_owned());
    body.properties.insert(CONTACT.to_owned(), contact);
    body.required.insert(CONTACT.to_owned());
    body
}

fn only(schema: &mut Schema, kinds: &[Kind]) {
    let kinds = kinds.iter().copied().collect();
    schema.kinds = both(schema.kinds.take(), Some(kinds));
}
