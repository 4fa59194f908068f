//! Holds real calls against an OpenAPI 3.1 description.
//!
//! Stricter than the description: a member that it does not name is a fault, although whoever reads
//! an answer must let it pass.

#![allow(
    clippy::indexing_slicing,
    reason = "what a JSON value lacks is null, and components are a table"
)]

use std::collections::BTreeMap;

use jsonschema::Validator;
use serde_json::{Value, json};

/// Media type of a problem.
const PROBLEM: &str = "application/problem+json";

/// A description, compiled.
pub struct Described {
    operations: Vec<Operation>,
}

struct Operation {
    method: String,
    path: Vec<String>,
    id: String,
    body: Option<(bool, Validator)>,
    answers: BTreeMap<u16, Option<(String, Validator)>>,
}

/// A call that was made, and its answer.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// In capitals.
    pub method: &'a str,
    /// Without its query.
    pub path: &'a str,
    /// What was sent, where it was JSON.
    pub sent: Option<&'a Value>,
    /// The answer's status.
    pub status: u16,
    /// The answer's media type; empty where it has none.
    pub media_type: &'a str,
    /// The answer's body; null where it has none.
    pub body: &'a Value,
}

impl Described {
    /// Compiles a description. The error says what can not be used in it.
    pub fn try_new(document: &Value) -> Result<Self, String> {
        let mut operations = Vec::new();
        let paths = document["paths"].as_object().ok_or("there are no paths")?;
        for (path, methods) in paths {
            for (method, operation) in methods.as_object().into_iter().flatten() {
                operations.push(Operation::read(document, path, method, operation)?);
            }
        }
        // `/records/{key}/sync` before `/records/{key}`: a key may hold a `/`.
        operations.sort_by_key(|operation| std::cmp::Reverse(operation.path.len()));
        Ok(Self { operations })
    }

    /// Names of all operations.
    pub fn ids(&self) -> Vec<&str> {
        let ids = self.operations.iter();
        ids.map(|operation| operation.id.as_str()).collect()
    }

    /// The name of the operation that was called; an error says what is not as described.
    pub fn check(&self, call: Call<'_>) -> Result<Option<&str>, String> {
        let segments: Vec<&str> = call.path.split('/').collect();
        let found = self.operations.iter().find(|operation| {
            operation.method.eq_ignore_ascii_case(call.method) && is_at(&operation.path, &segments)
        });
        let Some(operation) = found else {
            // Nothing is described there, so nothing may have been done.
            let refused = matches!(call.status, 401 | 404 | 405) && call.media_type == PROBLEM;
            return if refused {
                Ok(None)
            } else {
                Err(format!("{call:?} is not described"))
            };
        };
        let told = |what: String| format!("{} {}: {what}", operation.id, call.status);
        operation.check(call).map_err(told)?;
        Ok(Some(&operation.id))
    }
}

impl Operation {
    fn read(document: &Value, path: &str, method: &str, described: &Value) -> Result<Self, String> {
        let id = described["operationId"]
            .as_str()
            .ok_or("an operation has no id")?;
        let compile =
            |schema: &Value| compile(document, schema).map_err(|error| format!("{id}: {error}"));
        let body = match &described["requestBody"] {
            Value::Null => None,
            body => {
                let schema = &body["content"]["application/json"]["schema"];
                Some((body["required"] == json!(true), compile(schema)?))
            }
        };
        let mut answers = BTreeMap::new();
        for (status, answer) in described["responses"].as_object().into_iter().flatten() {
            let status = status
                .parse()
                .map_err(|_| format!("{id}: status {status}"))?;
            let content = answer["content"].as_object();
            let content = match content.and_then(|content| content.iter().next()) {
                Some((media_type, form)) => Some((media_type.clone(), compile(&form["schema"])?)),
                None => None,
            };
            answers.insert(status, content);
        }
        Ok(Self {
            method: method.to_owned(),
            path: path.split('/').map(str::to_owned).collect(),
            id: id.to_owned(),
            body,
            answers,
        })
    }

    fn check(&self, call: Call<'_>) -> Result<(), String> {
        let answer = self
            .answers
            .get(&call.status)
            .ok_or("the status is not described")?;
        match answer {
            None if call.body.is_null() => {}
            None => return Err("it has a body".to_owned()),
            Some((media_type, _)) if media_type != call.media_type => {
                return Err(format!("it is {:?}, not {media_type}", call.media_type));
            }
            Some((_, schema)) => faults(schema, call.body)?,
        }
        if !(200..300).contains(&call.status) {
            return Ok(());
        }
        // What was taken is described as something that may be sent.
        match (&self.body, call.sent) {
            (None | Some((false, _)), None) => Ok(()),
            (Some((_, schema)), Some(sent)) => faults(schema, sent),
            (None, Some(_)) => Err("it takes no body".to_owned()),
            (Some((true, _)), None) => Err("it was taken without a body".to_owned()),
        }
    }
}

fn is_at(path: &[String], segments: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else {
        return segments.is_empty();
    };
    if !first.starts_with('{') {
        return segments.first() == Some(&first.as_str())
            && is_at(rest, segments.get(1..).unwrap_or_default());
    }
    // A key may hold a `/`, a flow may not.
    let most = if first == "{flow}" { 1 } else { segments.len() };
    (1..=most).any(|taken| {
        segments
            .get(taken..)
            .is_some_and(|after| is_at(rest, after))
    })
}

fn compile(document: &Value, schema: &Value) -> Result<Validator, String> {
    let mut components = document["components"].clone();
    let mut schema = schema.clone();
    close(&mut components["schemas"]);
    close(&mut schema);
    let whole = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "allOf": [schema],
        "components": components,
    });
    jsonschema::validator_for(&whole).map_err(|error| error.to_string())
}

/// Lets no table have a member that its schema does not name.
pub fn close(schema: &mut Value) {
    match schema {
        Value::Object(table) => {
            table.values_mut().for_each(close);
            let is_form = table.get("properties").is_some_and(Value::is_object)
                && table.get("type") == Some(&json!("object"));
            if is_form {
                table.entry("additionalProperties").or_insert(json!(false));
            }
        }
        Value::Array(entries) => entries.iter_mut().for_each(close),
        _ => {}
    }
}

fn faults(schema: &Validator, value: &Value) -> Result<(), String> {
    let faults: Vec<String> = schema
        .iter_errors(value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect();
    if faults.is_empty() {
        Ok(())
    } else {
        Err(faults.join("; "))
    }
}
