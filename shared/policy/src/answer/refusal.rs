//! Why a provider refused: the error shapes in common use, read as one.
//!
//! A provider that is not named here gets the same chance: the first text under a usual name wins,
//! and a body that says nothing gives a fixed sentence. What is read may hold values of the record:
//! only [`super::scrub`] makes it fit to be shown.

use serde_json::{Map, Value};

/// Mistakes of one answer that are told. A person needs to see what to correct, not a whole form.
const MAX_MISTAKES: usize = 3;

/// What stands in place of a reason where the answer gives none.
const NO_REASON: &str = "no reason is given";

/// Names under which an object carries its text, the most telling first.
const TEXTS: [&str; 11] = [
    "detail",            // RFC 9457, NetSuite
    "message",           // Qualio, Salesforce, OData, AWS
    "description",       // Qualio
    "error_description", // RFC 6749
    "reason",            // RFC 9457 `invalid-params`, Google
    "errorMessage",
    "error_message",
    "msg",
    "value", // OData v2: `message: {lang, value}`
    "error",
    "title", // RFC 9457
];

/// Names under which an object lists several mistakes.
const LISTS: [&str; 5] = [
    "errors",
    "invalid-params", // RFC 9457
    "invalid_params",
    "o:errorDetails", // NetSuite
    "details",        // OData
];

/// Names under which a mistake in a list says its field. An answer as a whole says it as `field` or
/// `fields` only: its `name` is an error's class, and its `path` the address that was called.
const FIELDS: [&str; 6] = ["field", "name", "path", "target", "pointer", "property"];

/// Reads what a refusal says: the first field that it names, and its reason.
///
/// Knows Qualio (`{errors:[{name|field, description|message}]}`), RFC 9457 (`{title, detail}`),
/// `{message}`, `{error:{message}}`, `OData`, `NetSuite`, and Salesforce's array of
/// `{message, fields}`.
pub fn refusal(body: &Value) -> (Option<String>, String) {
    let mistakes = mistakes(body);
    let field = mistakes.iter().find_map(|mistake| mistake.field.clone());
    let mut texts: Vec<String> = Vec::new();
    for mistake in mistakes {
        if let Some(text) = mistake.text
            && !texts.contains(&text)
        {
            texts.push(text);
        }
    }
    texts.truncate(MAX_MISTAKES);
    let reason = if texts.is_empty() {
        NO_REASON.to_owned()
    } else {
        texts.join("; ")
    };
    (field, reason)
}

/// One thing that a provider finds wrong.
#[derive(Debug, Default)]
struct Mistake {
    field: Option<String>,
    text: Option<String>,
}

fn mistakes(body: &Value) -> Vec<Mistake> {
    match body {
        Value::Array(items) => items.iter().map(mistake).collect(),
        Value::Object(object) => {
            let inner = match object.get("error") {
                Some(Value::Object(error)) => error,
                _ => object,
            };
            let listed = LISTS
                .iter()
                .find_map(|name| inner.get(*name))
                .map(listed)
                .filter(|listed| listed.iter().any(|mistake| mistake.text.is_some()));
            listed.unwrap_or_else(|| vec![of_object(inner, &["field"])])
        }
        Value::String(_) => vec![mistake(body)],
        _ => Vec::new(),
    }
}

fn listed(list: &Value) -> Vec<Mistake> {
    match list {
        Value::Array(items) => items.iter().map(mistake).collect(),
        // `{"errors": {"email": ["is not valid"]}}`
        Value::Object(by_field) => by_field
            .iter()
            .map(|(field, said)| Mistake {
                field: Some(field.clone()),
                text: first_text(said),
            })
            .collect(),
        other => vec![mistake(other)],
    }
}

fn mistake(value: &Value) -> Mistake {
    match value {
        Value::Object(object) => of_object(object, &FIELDS),
        other => Mistake {
            field: None,
            text: first_text(other),
        },
    }
}

fn of_object(object: &Map<String, Value>, field_names: &[&str]) -> Mistake {
    // Salesforce: `fields: ["Name"]`.
    let fields = object.get("fields").and_then(first_text);
    let named = || {
        field_names
            .iter()
            .find_map(|name| object.get(*name).and_then(plain_text))
    };
    Mistake {
        field: fields.or_else(named),
        text: TEXTS
            .iter()
            .find_map(|name| object.get(*name).and_then(first_text)),
    }
}

fn plain_text(value: &Value) -> Option<String> {
    let text = value.as_str()?.trim();
    (!text.is_empty()).then(|| text.to_owned())
}

/// The text itself, the first of a list, or the one that an object carries.
fn first_text(value: &Value) -> Option<String> {
    match value {
        Value::Array(items) => items.iter().find_map(plain_text),
        Value::Object(object) => TEXTS
            .iter()
            .find_map(|name| object.get(*name).and_then(plain_text)),
        other => plain_text(other),
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;
    use serde_json::{Value, json};

    use super::refusal;

    #[rstest]
    #[case::qualio_400(
        json!({"status": "error", "errors": [{"location": "body", "name": "email", "description": "email is not a string"}]}),
        Some("email"), "email is not a string"
    )]
    #[case::qualio_409(
        json!({"errors": [{"field": "name", "message": "name is taken"}]}),
        Some("name"), "name is taken"
    )]
    #[case::qualio_429(json!({"message": "Too many requests"}), None, "Too many requests")]
    #[case::several(
        json!({"errors": [{"description": "a"}, {"name": "n", "description": "b"}, {"description": "b"}, {"description": "c"}, {"description": "d"}]}),
        Some("n"), "a; b; c"
    )]
    #[case::rfc_9457(
        json!({"type": "about:blank", "title": "Unprocessable", "status": 422, "detail": "price is below zero"}),
        None, "price is below zero"
    )]
    #[case::rfc_9457_title_alone(json!({"title": "Conflict", "status": 409}), None, "Conflict")]
    #[case::rfc_9457_parameters(
        json!({"title": "Invalid", "invalid-params": [{"name": "age", "reason": "must be positive"}]}),
        Some("age"), "must be positive"
    )]
    #[case::nested(
        json!({"error": {"code": "bad", "message": "the code is unknown"}}),
        None, "the code is unknown"
    )]
    #[case::nested_text(json!({"error": "invalid_grant", "error_description": "expired"}), None, "expired")]
    #[case::odata_v2(
        json!({"error": {"code": "x", "message": {"lang": "en", "value": "no such partner"}}}),
        None, "no such partner"
    )]
    #[case::odata_v4(
        json!({"error": {"message": "several", "details": [{"target": "Name", "message": "too long"}]}}),
        Some("Name"), "too long"
    )]
    #[case::salesforce(
        json!([{"message": "Required fields are missing: [Name]", "errorCode": "REQUIRED_FIELD_MISSING", "fields": ["Name"]}]),
        Some("Name"), "Required fields are missing: [Name]"
    )]
    #[case::netsuite(
        json!({"title": "Bad Request", "o:errorDetails": [{"detail": "invalid entity", "o:errorCode": "INVALID"}]}),
        None, "invalid entity"
    )]
    #[case::by_field(json!({"errors": {"email": ["is not valid"]}}), Some("email"), "is not valid")]
    #[case::class_and_path(
        json!({"name": "ValidationError", "path": "/suppliers", "message": "too old"}),
        None, "too old"
    )]
    #[case::list_of_texts(json!({"errors": ["too old"]}), None, "too old")]
    #[case::list_that_says_nothing(json!({"message": "no", "errors": []}), None, "no")]
    #[case::text(json!("gone wrong"), None, "gone wrong")]
    #[case::nothing(Value::Null, None, "no reason is given")]
    #[case::another_shape(json!({"ok": false}), None, "no reason is given")]
    fn a_refusal_is_read_whatever_the_provider(
        #[case] body: Value,
        #[case] field: Option<&str>,
        #[case] reason: &str,
    ) {
        assert_eq!(
            refusal(&body),
            (field.map(str::to_owned), reason.to_owned())
        );
    }
}
