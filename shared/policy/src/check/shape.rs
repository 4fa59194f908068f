//! The shape of a flow file against its JSON Schema, told in plain sentences.

use std::sync::LazyLock;

use jsonschema::{
    ValidationError, Validator,
    error::{TypeKind, ValidationErrorKind as Kind},
};
use serde_json::Value;
use tidegate_model::flow::{ORIGIN_PATTERN, SecretName, VIEW_PATTERN};

use super::{
    Findings,
    document::child,
    secrets::{NOT_REPEATED, is_named_at},
    words::{dotted, instead, nearest, short, written},
};
use crate::flow::{compile_schema, type_words};

/// The schema of a flow file, as it is shipped and as a test holds it equal to the types. It becomes code
/// when the program is built: to compile it at run time took each start of a function over a millisecond.
#[jsonschema::validator(path = "../../infra/flows/flow.schema.json", validate_formats = false)]
struct Shape;

/// The same as a document, to explain what it refuses.
static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let shipped = include_str!("../../../../infra/flows/flow.schema.json");
    serde_json::from_str(shipped).unwrap_or_default()
});

/// The same compiled at run time, for what is refused alone: as code, what names a mistake would be a
/// hundredth of each function (56 KB of its zip).
static EXPLAINS: LazyLock<Option<Validator>> =
    LazyLock::new(|| compile_schema(SCHEMA.as_object()?).ok());

/// The patterns of the schema, in words.
const PATTERNS: [(&str, &str); 4] = [
    ("^[a-z0-9-]+$", "lower-case letters, digits and `-`"),
    (
        SecretName::PATTERN,
        "the name of a secret: capital letters, digits and `_`, a letter first, 64 at most",
    ),
    (ORIGIN_PATTERN, "a DNS name, as `eventgrid.azure.net`"),
    (VIEW_PATTERN, "letters, digits and `_`, no digit first"),
];

pub(super) fn check(findings: &mut Findings<'_>) {
    let value = &findings.document.value;
    if Shape::is_valid(value) {
        return;
    }
    let told = findings.mistakes.len();
    for error in EXPLAINS
        .iter()
        .flat_map(|explains| explains.iter_errors(value))
    {
        explain(findings, &SCHEMA, &error);
    }
    if findings.mistakes.len() == told {
        // A test holds the two equal; a file that only one of them refuses is refused all the same.
        findings.wrong("", "this is no flow file");
    }
}

fn explain(findings: &mut Findings<'_>, schema: &Value, error: &ValidationError<'_>) {
    let at = error.instance_path().to_string();
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => {
            let known = known_names(schema, &error.schema_path().to_string());
            for name in unexpected {
                let names = known.iter().map(String::as_str);
                if is_named_at(&at) && nearest(name, names).is_none() {
                    let known = known.join("`, `");
                    findings.wrong(
                        &child(&at, name),
                        format!(
                            "unknown key{}, which takes `{known}`{NOT_REPEATED}",
                            within(&at)
                        ),
                    );
                    continue;
                }
                let instead = instead(name, known.iter().map(String::as_str));
                findings.wrong(
                    &child(&at, name),
                    format!("unknown key `{name}`{}{instead}", within(&at)),
                );
            }
        }
        Kind::Required { property } => {
            let name = property.as_str().unwrap_or_default();
            findings.wrong(&at, format!("`{name}` is missing{}", within(&at)));
        }
        Kind::OneOfNotValid { context } | Kind::AnyOf { context } => {
            match missing_tag(schema, &error.schema_path().to_string(), error.instance()) {
                Some((tag, allowed)) => {
                    findings.wrong(
                        &at,
                        format!(
                            "`{tag}` is missing{}: one of {}",
                            within(&at),
                            allowed.join(", ")
                        ),
                    );
                }
                None => match forms_by_keys(schema, &error.schema_path().to_string()) {
                    Some(forms) => {
                        explain_form(findings, schema, (&at, error.instance()), &forms, context);
                    }
                    None => explain_choice(findings, schema, &at, error.instance(), context),
                },
            }
        }
        kind => {
            let rule = rule(kind);
            findings.wrong(
                &at,
                format!(
                    "`{}` {rule}{}",
                    short(&at),
                    but_written(&at, error.instance())
                ),
            );
        }
    }
}

/// Of several forms, tells what is wrong with the one that was meant: that whose tag is written.
fn explain_choice(
    findings: &mut Findings<'_>,
    schema: &Value,
    at: &str,
    instance: &Value,
    forms: &[Vec<ValidationError<'static>>],
) {
    let mut tags: Vec<(String, String)> = Vec::new();
    for errors in forms {
        // The form is another one than was meant when its tag, or the whole value, is another.
        let other = errors.iter().find_map(|error| match error.kind() {
            Kind::Constant { expected_value } => Some((
                error.instance_path().to_string(),
                expected_value.as_str().unwrap_or_default().to_owned(),
            )),
            Kind::Type {
                kind: TypeKind::Single(kind),
            } if kind.to_string() == "null" => Some((at.to_owned(), String::new())),
            _ => None,
        });
        let Some(other) = other else {
            for error in errors {
                explain(findings, schema, error);
            }
            return;
        };
        tags.push(other);
    }
    let place = tags
        .iter()
        .map(|(place, _)| place.clone())
        .max_by_key(String::len)
        .unwrap_or_else(|| at.to_owned());
    let allowed: Vec<&str> = tags
        .iter()
        .map(|(_, tag)| tag.as_str())
        .filter(|tag| !tag.is_empty())
        .collect();
    let found = findings.document.get(&place).unwrap_or(instance);
    let near = found
        .as_str()
        .and_then(|text| nearest(text, allowed.iter().copied()));
    let is = match near {
        Some(name) => format!(", {} is written; did you mean `{name}`?", written(found)),
        None => but_written(&place, found),
    };
    let message = match allowed.as_slice() {
        [only] => format!("`{}` must be `{only}`{is}", short(&place)),
        _ => format!(
            "`{}` must be one of {}{is}",
            short(&place),
            allowed.join(", ")
        ),
    };
    findings.wrong(&place, message);
}

/// Of forms that no tag tells apart, tells what is wrong with the one whose keys are written.
fn explain_form(
    findings: &mut Findings<'_>,
    schema: &Value,
    (at, instance): (&str, &Value),
    forms: &[Vec<&str>],
    errors: &[Vec<ValidationError<'static>>],
) {
    let listed = |keys: &Vec<&str>| format!("`{}`", keys.join("` and `"));
    let all: Vec<String> = forms.iter().map(listed).collect();
    let all = all.join(", or ");
    let Some(table) = instance.as_object() else {
        findings.wrong(
            at,
            format!(
                "`{}` must be a table of {all}{}",
                short(at),
                but_written(at, instance)
            ),
        );
        return;
    };
    let written = |keys: &&Vec<&str>| keys.iter().any(|key| table.contains_key(*key));
    let mut meant = forms.iter().zip(errors).filter(|(keys, _)| written(keys));
    match (meant.next(), meant.next()) {
        (Some((_, errors)), None) => {
            for error in errors {
                explain(findings, schema, error);
            }
        }
        (Some(_), Some(_)) => {
            findings.wrong(at, format!("`{}` takes {all}, not keys of both", short(at)));
        }
        (None, _) => findings.wrong(at, format!("`{}` takes {all}", short(at))),
    }
}

/// The keys of forms that no tag tells apart, where each is a table.
fn forms_by_keys<'a>(schema: &'a Value, refused_by: &str) -> Option<Vec<Vec<&'a str>>> {
    let keys = |form: &'a Value| {
        let form = match form.get("$ref") {
            Some(at) => schema.pointer(at.as_str()?.trim_start_matches('#'))?,
            None => form,
        };
        let properties = form.get("properties")?.as_object()?;
        let is_tagged = properties.values().any(|it| it.get("const").is_some());
        (!is_tagged).then(|| properties.keys().map(String::as_str).collect())
    };
    let forms = node(schema, refused_by)?.as_array()?;
    forms.iter().map(keys).collect()
}

/// The tag that tells forms apart, and its values, when the table has forms and names none.
fn missing_tag<'a>(
    schema: &'a Value,
    refused_by: &str,
    instance: &Value,
) -> Option<(&'a str, Vec<&'a str>)> {
    let table = instance.as_object()?;
    let mut tag = None;
    let mut allowed = Vec::new();
    for form in node(schema, refused_by)?.as_array()? {
        let (name, value) = form
            .get("properties")?
            .as_object()?
            .iter()
            .find_map(|(name, property)| Some((name, property.get("const")?.as_str()?)))?;
        tag = Some(name.as_str());
        allowed.push(value);
    }
    Some((tag.filter(|tag| !table.contains_key(*tag))?, allowed))
}

fn within(at: &str) -> String {
    if at.is_empty() {
        String::new()
    } else {
        format!(" in `{}`", dotted(at))
    }
}

/// What the file has instead.
fn but_written(at: &str, value: &Value) -> String {
    if is_named_at(at) && matches!(value, Value::String(_) | Value::Number(_)) {
        NOT_REPEATED.to_owned()
    } else {
        format!(", {} is written", written(value))
    }
}

fn entries(limit: u64) -> &'static str {
    if limit == 1 { "entry" } else { "entries" }
}

/// What a value must be, where it is not.
fn rule(kind: &Kind) -> String {
    match kind {
        Kind::Type { kind } => format!("must be {}", type_words(kind)),
        Kind::Minimum { limit } => format!("must be at least {limit}"),
        Kind::Maximum { limit } => format!("must be at most {limit}"),
        Kind::MinLength { .. } => "must not be empty".to_owned(),
        Kind::MaxLength { limit } => format!("must have at most {limit} characters"),
        Kind::MinItems { limit } => format!("must have at least {limit} {}", entries(*limit)),
        Kind::MaxItems { limit } => format!("must have at most {limit} {}", entries(*limit)),
        Kind::Pattern { pattern } => match words_of(pattern) {
            Some(words) => format!("must be {words}"),
            None => format!("must match `{pattern}`"),
        },
        Kind::Constant { expected_value } => format!("must be {expected_value}"),
        other => format!("breaks the rule `{}`", other.keyword()),
    }
}

/// What a text must be, by the pattern that it breaks: a test holds that each of the schema has its words.
fn words_of(pattern: &str) -> Option<&'static str> {
    let (_, words) = PATTERNS.iter().find(|(known, _)| *known == pattern)?;
    Some(words)
}

/// The names that a table may have, found from where the schema refused one.
fn known_names(schema: &Value, refused_by: &str) -> Vec<String> {
    let parent = refused_by.rsplit_once('/').map_or("", |(parent, _)| parent);
    node(schema, parent)
        .and_then(|table| table.get("properties"))
        .and_then(Value::as_object)
        .map_or_else(Vec::new, |names| names.keys().cloned().collect())
}

/// A part of the schema by the path of a refusal, which goes through references.
fn node<'a>(schema: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('/')
        .skip(1)
        .try_fold(schema, |at, step| match (step, at) {
            ("$ref", _) => schema.pointer(at.get(step)?.as_str()?.trim_start_matches('#')),
            (_, Value::Array(forms)) => forms.get(step.parse::<usize>().ok()?),
            _ => at.get(step),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn patterns<'a>(schema: &'a Value, found: &mut Vec<&'a str>) {
        match schema {
            Value::Object(table) => {
                found.extend(table.get("pattern").and_then(Value::as_str));
                table.values().for_each(|below| patterns(below, found));
            }
            Value::Array(entries) => entries.iter().for_each(|below| patterns(below, found)),
            _ => {}
        }
    }

    #[test]
    fn each_pattern_of_the_schema_has_its_words() {
        let mut found = Vec::new();
        patterns(&SCHEMA, &mut found);
        for (known, _) in PATTERNS {
            assert!(found.contains(&known), "no text has the pattern {known}");
        }
        for pattern in found {
            assert!(words_of(pattern).is_some(), "{pattern} has no words");
        }
    }
}
