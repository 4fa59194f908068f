//! Events that start a batch: the rule that matches them on AWS, and the same match in the process.
//!
//! What a flow file can ask for is a part of `EventBridge`'s event patterns: equal source, equal
//! detail type, and exact values in the detail. [`rules`] writes it as a pattern, [`matches()`] decides
//! it here; a test holds the two side by side.

#[cfg(test)]
mod tests;

use serde_json::{Map, Value, json};
use tidegate_model::{
    EventId, UnixMs,
    flow::{FlowFile, TriggerSpec},
};

/// The source of Tidegate's own events: none of them starts a batch.
pub const OWN_SOURCE: &str = "tidegate";

/// An event of another system.
#[derive(Clone, Debug, PartialEq)]
pub struct ForeignEvent {
    /// Its id.
    pub id: EventId,
    /// When it was sent.
    pub at: UnixMs,
    /// Who sent it.
    pub source: String,
    /// What happened.
    pub detail_type: String,
    /// More of it.
    pub detail: Value,
}

/// A rule of an event bus that hands events to batch-sync.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rule {
    /// Names it among the rules of a stage: `{flow}-event-{number from 1}`.
    pub name: String,
    /// The bus; `None` is the stack's own.
    pub bus: Option<String>,
    /// The rule's event pattern.
    pub pattern: Value,
    /// The target's `InputTransformer`, by which batch-sync gets what it can read.
    pub transformer: Value,
}

/// The rules that a flow's triggers ask for, in the order of its file.
pub fn rules(file: &FlowFile) -> Vec<Rule> {
    (1..)
        .zip(&file.trigger)
        .map(|(number, spec)| Rule {
            name: format!("{}-event-{number}", file.name),
            bus: spec.bus.clone(),
            pattern: pattern(spec),
            transformer: json!({
                "InputPathsMap": {"id": "$.id", "time": "$.time"},
                "InputTemplate": format!(
                    r#"{{"flow":"{}","trigger":{{"id":"<id>","time":"<time>"}}}}"#,
                    file.name
                ),
            }),
        })
        .collect()
}

/// The event pattern of a trigger.
pub fn pattern(spec: &TriggerSpec) -> Value {
    let mut detail = Map::new();
    for (pointer, values) in &spec.detail {
        put(&mut detail, &steps(pointer), values);
    }
    if detail.is_empty() {
        return json!({"source": [spec.source], "detail-type": [spec.detail_type]});
    }
    json!({"source": [spec.source], "detail-type": [spec.detail_type], "detail": detail})
}

/// Whether an event starts a batch by this trigger.
pub fn matches(spec: &TriggerSpec, event: &ForeignEvent) -> bool {
    event.source == spec.source
        && event.detail_type == spec.detail_type
        && spec
            .detail
            .iter()
            .all(|(pointer, values)| has_one(&event.detail, &steps(pointer), values))
}

/// The names that a JSON pointer leads through.
pub(crate) fn steps(pointer: &str) -> Vec<String> {
    let steps = pointer.split('/').skip(1);
    steps
        .map(|step| step.replace("~1", "/").replace("~0", "~"))
        .collect()
}

fn put(table: &mut Map<String, Value>, steps: &[String], values: &[Value]) {
    let Some((first, rest)) = steps.split_first() else {
        return;
    };
    if rest.is_empty() {
        table.insert(first.clone(), Value::Array(values.to_vec()));
        return;
    }
    let inner = table
        .entry(first.clone())
        .or_insert_with(|| Value::Object(Map::new()));
    // The check refuses a pointer that leads through another one's values.
    if let Value::Object(inner) = inner {
        put(inner, rest, values);
    }
}

/// As a pattern matches: a list stands for each of its entries.
fn has_one(value: &Value, steps: &[String], values: &[Value]) -> bool {
    match (value, steps.split_first()) {
        (Value::Array(entries), _) => entries.iter().any(|entry| has_one(entry, steps, values)),
        (Value::Object(table), Some((first, rest))) => table
            .get(first)
            .is_some_and(|inner| has_one(inner, rest, values)),
        (leaf, None) => values.contains(leaf),
        (_, Some(_)) => false,
    }
}
