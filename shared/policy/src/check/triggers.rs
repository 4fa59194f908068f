//! Events that start a batch: none may be our own, none stands there twice, and what they ask of a
//! detail can be written as one pattern.

use serde_json::Value;

use super::{Findings, document::child};
use crate::trigger::{OWN_SOURCE, steps};

/// How the sources of AWS services begin.
const AWS_SOURCES: &str = "aws.";

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    let triggers = document.get("/trigger").and_then(Value::as_array);
    let triggers = triggers.map_or(&[][..], Vec::as_slice);
    for (index, trigger) in triggers.iter().enumerate() {
        let at = format!("/trigger/{index}");
        let source = trigger.get("source").and_then(Value::as_str);
        let source = source.unwrap_or_default();
        if source == OWN_SOURCE {
            findings.wrong(
                &child(&at, "source"),
                format!("`source` is `{OWN_SOURCE}`, but events of our own start no batch: they would go round in circles"),
            );
        }
        if source.starts_with(AWS_SOURCES) && trigger.get("bus").is_none() {
            findings.odd(
                &child(&at, "source"),
                "AWS services send to the bus `default`, and the trigger listens on the stack's own: name `bus = \"default\"`",
            );
        }
        if triggers.iter().take(index).any(|before| before == trigger) {
            findings.wrong(&at, "this trigger stands there twice");
        }
        check_detail(findings, trigger, &child(&at, "detail"));
    }
}

fn check_detail(findings: &mut Findings<'_>, trigger: &Value, at: &str) {
    let detail = trigger.get("detail").and_then(Value::as_object);
    let pointers: Vec<&String> = detail
        .into_iter()
        .flat_map(|detail| detail.keys())
        .collect();
    for pointer in &pointers {
        let place = child(at, pointer);
        if !pointer.starts_with('/') || steps(pointer).iter().any(String::is_empty) {
            findings.wrong(
                &place,
                format!("`{pointer}` is not a JSON pointer to a name in the event's detail, such as `/bucket/name`"),
            );
            continue;
        }
        let within = format!("{pointer}/");
        if let Some(deeper) = pointers.iter().find(|other| other.starts_with(&within)) {
            findings.wrong(
                &place,
                format!(
                    "`{pointer}` must be a value, and `{deeper}` leads through it: name one of them"
                ),
            );
        }
    }
}
