//! What Qualio accepts as the body of a create or a replace, and what it says of the rest.
//!
//! Every mistake of a body is told at once. The test beside this module has one row per rule,
//! with the source of the rule.

use std::collections::BTreeSet;

use axum::body::Bytes;
use serde::Serialize;
use serde_json::{Map, Value};

use super::{Contact, RiskLevel, Supplier};

/// One mistake, in the shape of the vendor's error list.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Refusal {
    pub(super) location: &'static str,
    pub(super) name: String,
    pub(super) description: String,
}

impl Refusal {
    pub(super) fn new(location: &'static str, name: &str, description: &str) -> Self {
        Self {
            location,
            name: name.to_owned(),
            description: description.to_owned(),
        }
    }
}

/// What a create or a replace sets; what is absent is cleared.
#[derive(Debug)]
pub(super) struct Wanted {
    name: String,
    contact_information: Option<Contact>,
    intended_use: Option<String>,
    sponsor_user_id: Option<u32>,
    risk_type: Option<RiskLevel>,
}

impl Wanted {
    /// Replaces everything that a body can set.
    pub(super) fn replace_in(self, supplier: &mut Supplier) {
        supplier.name = self.name;
        supplier.contact_information = self.contact_information;
        supplier.intended_use = self.intended_use;
        supplier.sponsor_user_id = self.sponsor_user_id;
        supplier.risk_type = self.risk_type;
    }
}

/// Reads a body; gives every mistake in it.
pub(super) fn read(body: &Bytes, sponsors: &BTreeSet<u32>) -> Result<Wanted, Vec<Refusal>> {
    let whole = |description| vec![Refusal::new("body", "body", description)];
    let json: Value = serde_json::from_slice(body).map_err(|_| whole("body is not JSON"))?;
    let Value::Object(object) = json else {
        return Err(whole("body is not an object"));
    };
    let mut reader = Reader::default();
    reader.known(
        &object,
        "",
        &[
            "name",
            "contact_information",
            "intended_use",
            "sponsor_user_id",
            "risk_id",
        ],
    );
    let name = reader.text(&object, "", "name");
    if !object.contains_key("name") {
        reader.refuse("name", "is missing from payload");
    }
    let wanted = Wanted {
        name: name.unwrap_or_default(),
        contact_information: reader.contact(&object),
        intended_use: reader.text(&object, "", "intended_use"),
        sponsor_user_id: reader.sponsor(&object, sponsors),
        risk_type: reader.risk(&object),
    };
    if reader.refusals.is_empty() {
        Ok(wanted)
    } else {
        Err(reader.refusals)
    }
}

#[derive(Default)]
struct Reader {
    refusals: Vec<Refusal>,
}

impl Reader {
    fn refuse(&mut self, name: &str, what: &str) {
        let description = format!("{name} {what}");
        self.refusals.push(Refusal::new("body", name, &description));
    }

    fn known(&mut self, object: &Map<String, Value>, within: &str, names: &[&str]) {
        for name in object.keys().filter(|name| !names.contains(&name.as_str())) {
            self.refuse(&format!("{within}{name}"), "is not allowed");
        }
    }

    fn text(&mut self, object: &Map<String, Value>, within: &str, name: &str) -> Option<String> {
        let value = object.get(name)?;
        let text = value.as_str().map(str::to_owned);
        if text.is_none() {
            self.refuse(&format!("{within}{name}"), "is not a string");
        }
        text
    }

    fn contact(&mut self, object: &Map<String, Value>) -> Option<Contact> {
        let Value::Object(contact) = object.get("contact_information")? else {
            self.refuse("contact_information", "is not an object");
            return None;
        };
        let within = "contact_information.";
        let names = ["name", "email", "phone", "address", "website", "notes"];
        self.known(contact, within, &names);
        Some(Contact {
            name: self.text(contact, within, "name"),
            email: self.text(contact, within, "email"),
            phone: self.text(contact, within, "phone"),
            address: self.text(contact, within, "address"),
            website: self.text(contact, within, "website"),
            notes: self.text(contact, within, "notes"),
        })
    }

    fn sponsor(&mut self, object: &Map<String, Value>, sponsors: &BTreeSet<u32>) -> Option<u32> {
        let Value::Number(number) = object.get("sponsor_user_id")? else {
            self.refuse("sponsor_user_id", "is not a number");
            return None;
        };
        // JSON has one kind of number: 101 and 101.0 are the same.
        let number = number.as_f64();
        let is =
            |id: &&u32| number.is_some_and(|number| number.total_cmp(&f64::from(**id)).is_eq());
        let sponsor = sponsors.iter().find(is).copied();
        if sponsor.is_none() {
            self.refuse("sponsor_user_id", "is not a user of this company");
        }
        sponsor
    }

    fn risk(&mut self, object: &Map<String, Value>) -> Option<RiskLevel> {
        let id = self.text(object, "", "risk_id")?;
        let level = RiskLevel::of_id(&id);
        if !is_uuid(&id) {
            self.refuse("risk_id", "is not a UUID");
        } else if level.is_none() {
            self.refuse("risk_id", "is not a risk level of this company");
        }
        level
    }
}

/// Whether `text` has the shape of a UUID: 8, 4, 4, 4 and 12 hexadecimal digits.
fn is_uuid(text: &str) -> bool {
    let lengths = text.split('-').map(str::len);
    lengths.eq([8, 4, 4, 4, 12])
        && text
            .bytes()
            .all(|byte| byte == b'-' || byte.is_ascii_hexdigit())
}
