//! What JSON Schema itself passes over in silence in a flow's `[schema]`: misspelt words, by which a
//! record would be sent that nobody checked, and bounds or lists that no value fits, by which every record
//! that has the field would end in review.

mod empty;

use serde_json::Value;

use super::{
    Findings,
    document::child,
    words::{dotted, nearest},
};

/// Keywords under which one schema stands. These four lists are the vocabulary of draft 2020-12, and
/// what drafts before it named otherwise.
const ONE: [&str; 12] = [
    "additionalItems",
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Keywords under which a list of schemas stands.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Keywords under which schemas stand by name.
const NAMED: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// Keywords whose value is no schema.
const PLAIN: [&str; 37] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];
/// Formats that are checked.
const FORMATS: [&str; 19] = [
    "date",
    "date-time",
    "duration",
    "email",
    "hostname",
    "idn-email",
    "idn-hostname",
    "ipv4",
    "ipv6",
    "iri",
    "iri-reference",
    "json-pointer",
    "regex",
    "relative-json-pointer",
    "time",
    "uri",
    "uri-reference",
    "uri-template",
    "uuid",
];

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    if let Some(schema) = document.get("/schema") {
        walk(findings, schema, "/schema", true);
        empty::check_forbidden(findings);
    }
}

/// Keywords whose schemas a value must fit by themselves. Others may say what is not, or are one of several.
const MUST_FIT: [&str; 3] = ["items", "prefixItems", "properties"];

fn walk(findings: &mut Findings<'_>, schema: &Value, at: &str, must_fit: bool) {
    let Some(keywords) = schema.as_object() else {
        return;
    };
    if must_fit {
        empty::check(findings, keywords, at);
    }
    let known = || ONE.iter().chain(&LIST).chain(&NAMED).chain(&PLAIN).copied();
    for (keyword, value) in keywords {
        let pointer = child(at, keyword);
        let name = keyword.as_str();
        let must_fit = must_fit && MUST_FIT.contains(&name);
        if ONE.contains(&name) {
            walk(findings, value, &pointer, must_fit);
        } else if LIST.contains(&name) || NAMED.contains(&name) {
            walk_each(findings, value, &pointer, must_fit);
        } else if name == "format" {
            check_format(findings, value, &pointer);
        } else if !PLAIN.contains(&name)
            && let Some(meant) = nearest(name, known())
        {
            // Words like none are notes for other tools, which JSON Schema allows.
            findings.wrong(
                &pointer,
                format!(
                    "unknown keyword `{name}` in `{}`; did you mean `{meant}`?",
                    dotted(at)
                ),
            );
        }
    }
}

fn walk_each(findings: &mut Findings<'_>, schemas: &Value, at: &str, must_fit: bool) {
    match schemas {
        Value::Object(schemas) => {
            for (name, schema) in schemas {
                walk(findings, schema, &child(at, name), must_fit);
            }
        }
        Value::Array(schemas) => {
            for (index, schema) in schemas.iter().enumerate() {
                walk(findings, schema, &format!("{at}/{index}"), must_fit);
            }
        }
        _ => {}
    }
}

fn check_format(findings: &mut Findings<'_>, format: &Value, at: &str) {
    let Some(format) = format.as_str() else {
        return;
    };
    if !FORMATS.contains(&format)
        && let Some(meant) = nearest(format, FORMATS)
    {
        findings.wrong(
            at,
            format!("`[schema]` is no JSON Schema: there is no format `{format}`; did you mean `{meant}`?"),
        );
    }
}
