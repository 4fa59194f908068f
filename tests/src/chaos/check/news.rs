//! News: every event that is published has the form that its shipped schema says.

use std::{collections::BTreeMap, sync::LazyLock};

use jsonschema::Validator;
use serde_json::Value;
use tidegate_engine::Event;
use tidegate_simulator::PortCall;
use tidegate_testkit::openapi::close;

use super::super::book::Book;

/// Stricter than what is shipped: a member that no schema names is a fault.
static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    Event::schemas()
        .into_iter()
        .map(|(name, mut schema)| {
            close(&mut schema);
            let schema = jsonschema::validator_for(&schema).expect("a schema");
            (name, schema)
        })
        .collect()
});

/// Looks at an event that is published.
pub fn tells(book: &mut Book, call: &PortCall<'_>, event: &Event) {
    if event.is_request() {
        return;
    }
    let sent = serde_json::to_value(event).unwrap_or_default();
    let name = sent.get("detail-type").and_then(Value::as_str);
    let name = name.unwrap_or_default();
    let faults: Vec<String> = match SCHEMAS.get(name) {
        Some(schema) => schema
            .iter_errors(sent.get("detail").unwrap_or(&Value::Null))
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect(),
        None => vec!["it has no schema".to_owned()],
    };
    if !faults.is_empty() {
        let what = format!("{name}: {}", faults.join("; "));
        book.fault("NEWS", call.at, None, what);
    }
}
