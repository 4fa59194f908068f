//! A port call in words, for the lines of a story.

use serde_json::Value;
use tidegate_model::item::Value as Attribute;
use tidegate_simulator::{Fate, Operation, PortCall};

use super::record_of;

/// The record that a call is about.
pub(super) fn about(call: &PortCall<'_>) -> Option<String> {
    match &call.operation {
        Operation::Update { key, .. } => record_of(key).map(str::to_owned),
        Operation::Get { keys } => keys.first().and_then(record_of).map(str::to_owned),
        Operation::Send { messages } => {
            let keys = messages.iter().flat_map(|sent| &sent.message.keys);
            let all: Vec<&str> = keys.map(tidegate_model::RecordKey::as_str).collect();
            Some(all.join(" "))
        }
        _ => None,
    }
}

/// What it does.
pub(super) fn shown(call: &PortCall<'_>) -> String {
    match &call.operation {
        Operation::Update { key, update } => {
            let changes: Vec<String> = update
                .changes
                .iter()
                .map(|(name, change)| match change {
                    tidegate_model::item::Change::Set(Attribute::Number(n)) => {
                        format!("{name}={n}")
                    }
                    tidegate_model::item::Change::Set(Attribute::Text(text)) => {
                        let cut: String = text.chars().take(44).collect();
                        format!("{name}={cut}")
                    }
                    tidegate_model::item::Change::Remove => format!("-{name}"),
                    other => format!("{name}:{other:?}"),
                })
                .collect();
            format!(
                "update {}/{} {}",
                key.partition,
                key.sort,
                changes.join(" ")
            )
        }
        Operation::Get { keys } => {
            let names: Vec<String> = keys
                .iter()
                .map(|key| format!("{}/{}", key.partition, key.sort))
                .collect();
            format!("get {}", names.join(" "))
        }
        Operation::Send { messages } => {
            let texts: Vec<String> = messages
                .iter()
                .map(|sent| format!("{} +{}s", sent.message.encode(), sent.delay.as_secs()))
                .collect();
            format!("send {}", texts.join(" "))
        }
        Operation::Http { request } => {
            let body = request.json().map_or_else(String::new, Value::to_string);
            format!("http {} {} {body}", request.method.as_str(), request.url)
        }
        Operation::Emit { events } => format!("emit {events:?}"),
        other => format!("{other:?}"),
    }
}

/// What becomes of it.
pub(super) fn told(fate: Fate) -> String {
    match fate {
        Fate::Proceed => String::new(),
        other => format!("  <== {other:?}"),
    }
}
