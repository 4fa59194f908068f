//! What critical fields, private fields and schema say about the canonical fields.

use serde_json::Value;

use super::{
    Findings, Purpose,
    document::child,
    words::{dotted, instead},
};
use crate::flow::{compile_known_schema, compile_schema};

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    let Some(fields) = document.get("/fields").and_then(Value::as_object) else {
        return;
    };
    if fields.is_empty() {
        findings.wrong(
            "/fields",
            "`[fields]` names no field: a record would hold nothing",
        );
        return;
    }
    check_named(findings, "critical");
    check_named(findings, "private");
    let Some(schema) = document.get("/schema").and_then(Value::as_object) else {
        return;
    };
    let compile = match findings.purpose {
        Purpose::Check => compile_schema,
        Purpose::Run => compile_known_schema,
    };
    match compile(schema) {
        Ok(compiled) => findings.schema = Some(compiled),
        Err(fault) => findings.wrong(
            &format!("/schema{}", fault.pointer),
            format!("`[schema]` is no JSON Schema: {}", fault.why),
        ),
    }
    check_required(findings);
    for name in document.names("/schema/properties") {
        refuse_unknown(
            findings,
            &child("/schema/properties", name),
            "`[schema.properties]`",
            name,
        );
    }
}

/// A list of names of fields, such as `critical` or `audit/required`.
pub(super) fn check_named(findings: &mut Findings<'_>, list: &str) {
    let names = texts(findings, &format!("/{list}"));
    for (index, name) in names.iter().enumerate() {
        let pointer = format!("/{list}/{index}");
        if names.iter().take(index).any(|before| before == name) {
            findings.wrong(
                &pointer,
                format!("the {} field `{name}` stands there twice", dotted(list)),
            );
        } else {
            refuse_unknown(findings, &pointer, &format!("`{}`", dotted(list)), name);
        }
    }
}

fn check_required(findings: &mut Findings<'_>) {
    for (index, name) in texts(findings, "/schema/required").iter().enumerate() {
        refuse_unknown(
            findings,
            &format!("/schema/required/{index}"),
            "`schema.required`",
            name,
        );
    }
}

fn refuse_unknown(findings: &mut Findings<'_>, pointer: &str, place: &str, name: &str) {
    let fields = findings.document.names("/fields");
    if !fields.contains(&name) {
        let instead = instead(name, fields.iter().copied());
        findings.wrong(
            pointer,
            format!("{place} names `{name}`, which is not in `[fields]`{instead}"),
        );
    }
}

fn texts(findings: &Findings<'_>, pointer: &str) -> Vec<String> {
    findings
        .document
        .get(pointer)
        .and_then(Value::as_array)
        .map_or_else(Vec::new, |names| {
            names
                .iter()
                .filter_map(|name| name.as_str().map(str::to_owned))
                .collect()
        })
}
