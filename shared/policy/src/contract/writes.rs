//! What a flow writes, read of its file alone.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tidegate_model::flow::{Call, FlowFile, Method, RestTarget, TargetSpec};

use super::{
    qualio,
    schema::{Below, Kind, Part, Reader, Schema},
};
use crate::expr::{Context, Expression};

/// A call that sends the flow's body.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// The method.
    pub method: Method,
    /// Name of the call in the flow file: `upsert`, `create` or `update`.
    pub call: &'static str,
    /// Segments of its path below `base_url`, each parameter as `{}`.
    path: Vec<String>,
}

impl Operation {
    pub(super) fn new(call: &'static str, method: Method, path: &str) -> Self {
        Self {
            method,
            call,
            path: segments(path),
        }
    }

    /// `PUT /members/{}`: names the call in contracts and messages.
    pub fn name(&self) -> String {
        format!("{} /{}", self.method.as_str(), self.path.join("/"))
    }
}

/// What a flow writes to its target: the calls with a body, and what the body can hold.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writes {
    operations: Vec<Operation>,
    /// Segments of the path of `base_url`; none where it has none or is not known.
    base: Vec<String>,
    body: Schema,
}

impl Writes {
    /// Of a flow file. `base_url` is empty where its settings are not known.
    pub fn of(file: &FlowFile, base_url: &str) -> Self {
        let body = table(file.target.body(), &file.schema);
        let (operations, body) = match &file.target {
            TargetSpec::Rest(rest) => (operations(rest), body),
            TargetSpec::Qualio(_) => (qualio::operations(), qualio::body(body)),
            TargetSpec::Store(_) => (Vec::new(), body),
        };
        let host = base_url.split_once("://").map_or("", |(_, rest)| rest);
        let base = host.split_once('/').map_or("", |(_, path)| path);
        Self {
            operations,
            base: segments(base),
            body,
        }
    }

    /// The calls, in the order `upsert`, `create`, `update`.
    pub fn operations(&self) -> &[Operation] {
        &self.operations
    }

    /// What the body can hold.
    pub fn body(&self) -> &Schema {
        &self.body
    }

    /// Whether a described path is where a call goes. A description may leave out what `base_url` has
    /// in front, or have more in front than is known of it.
    pub(super) fn goes_to(
        &self,
        operation: &Operation,
        described: &[String],
        same: fn(&str, &str) -> bool,
    ) -> bool {
        let whole = [self.base.as_slice(), &operation.path].concat();
        let own = operation.path.len();
        let fits = |described: Option<&[String]>, called: Option<&[String]>| {
            let (Some(described), Some(called)) = (described, called) else {
                return false;
            };
            let mut pairs = described.iter().zip(called);
            pairs.all(|(described, called)| same(described, called))
        };
        if described.len() >= own && described.len() <= whole.len() {
            return fits(Some(described), tail(&whole, described.len()));
        }
        let names_something = operation.path.iter().any(|segment| segment != "{}");
        self.base.is_empty() && names_something && fits(tail(described, own), Some(&operation.path))
    }
}

fn operations(rest: &RestTarget) -> Vec<Operation> {
    let calls = [
        ("upsert", &rest.upsert),
        ("create", &rest.create),
        ("update", &rest.update),
    ];
    let calls = calls
        .into_iter()
        .filter_map(|(name, call)| Some((name, call.as_ref()?)));
    calls
        .filter(|(_, call)| sends_body(call))
        .map(|(name, call)| Operation::new(name, call.method, &call.path))
        .collect()
}

/// The last segments of a path, if it has so many.
fn tail(path: &[String], len: usize) -> Option<&[String]> {
    path.get(path.len().checked_sub(len)?..)
}

fn sends_body(call: &Call) -> bool {
    let usual = matches!(call.method, Method::Post | Method::Put | Method::Patch);
    call.send_body.unwrap_or(usual)
}

/// The segments of a path; what stands in `{{ }}` or `{ }` is a parameter. Without its query.
pub(super) fn segments(path: &str) -> Vec<String> {
    let mut plain = String::new();
    let mut open = 0_u32;
    for c in path.chars() {
        match c {
            '{' => {
                if open == 0 {
                    plain.push_str("{}");
                }
                open += 1;
            }
            '}' => open = open.saturating_sub(1),
            '?' | '#' if open == 0 => break,
            _ if open > 0 => {}
            _ => plain.push(c),
        }
    }
    let segments = plain.split('/').filter(|segment| !segment.is_empty());
    segments.map(str::to_owned).collect()
}

/// A table of the body. What is null is left out of it, so what may be null need not be there.
fn table(body: &Map<String, Value>, fields: &Map<String, Value>) -> Schema {
    let mut schema = Schema {
        kinds: Some(BTreeSet::from([Kind::Object])),
        ..Schema::default()
    };
    for (name, leaf) in body {
        let (property, is_there) = written(leaf, fields);
        if is_there {
            schema.required.insert(name.clone());
        }
        schema.properties.insert(name.clone(), property);
    }
    schema
}

/// What stands at a place of the body, and whether it is surely there. An expression that computes is
/// taken to give something.
fn written(leaf: &Value, fields: &Map<String, Value>) -> (Schema, bool) {
    match leaf {
        Value::String(text) => expression(text, fields),
        Value::Object(body) => {
            let schema = table(body, fields);
            let is_there = body.is_empty() || !schema.required.is_empty();
            (schema, is_there)
        }
        Value::Array(items) => {
            let entries = match items.as_slice() {
                [only] => Some(Box::new(written(only, fields).0)),
                _ => None,
            };
            let schema = Schema {
                kinds: Some(BTreeSet::from([Kind::Array])),
                entries,
                ..Schema::any()
            };
            (schema, true)
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => (constant(leaf), !leaf.is_null()),
    }
}

fn expression(text: &str, fields: &Map<String, Value>) -> (Schema, bool) {
    if let Some(name) = text.trim().strip_prefix("fields.") {
        let is_name =
            !name.is_empty() && name.chars().all(|c| c == '_' || c.is_ascii_alphanumeric());
        if is_name {
            return field(name, fields);
        }
    }
    let computed = (Schema::any(), true);
    let Ok(expression) = Expression::compile(text) else {
        return computed;
    };
    if !expression.names().roots.is_empty() {
        return computed;
    }
    match expression.eval(&Context::new()) {
        Ok(value) => (constant(&value), !value.is_null()),
        Err(_) => computed,
    }
}

/// A field of the flow, as its schema has it.
fn field(name: &str, fields: &Map<String, Value>) -> (Schema, bool) {
    let schema = Value::Object(fields.clone());
    let root = Part {
        at: String::new(),
        value: &schema,
    };
    let said = root
        .get("properties")
        .and_then(|properties| properties.get(name));
    // A schema that refers to itself without an end says nothing that could be compared.
    let read = said.and_then(|said| Reader::new(&schema).read(&said, Below::All, 0).ok());
    let known = read.unwrap_or_else(Schema::any);
    let required = schema.get("required").and_then(Value::as_array);
    let is_required = required.is_some_and(|names| names.iter().any(|one| one == name));
    // Null is required of a field, or not, but never written: a field that must be there and of
    // which no more is said is taken to have a value.
    let is_there = is_required && (known.kinds.is_none() || !known.may_be_null());
    (known, is_there)
}

fn constant(value: &Value) -> Schema {
    let kind = Kind::of(value);
    let mut kinds = BTreeSet::from([kind]);
    if kind == Kind::Number {
        kinds.insert(Kind::Integer);
    }
    Schema {
        kinds: Some(kinds),
        values: Some(BTreeSet::from([value.to_string()])),
        ..Schema::any()
    }
}

#[cfg(test)]
impl Writes {
    pub(super) fn set_body(&mut self, body: Schema) {
        self.body = body;
    }
}
