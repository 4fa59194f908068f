//! Names of port call sites: the kind of process, the operation, and what it is about. Two calls of
//! the same name are the same line of code, as far as can be seen from outside.

use tidegate_engine::ports::{Effect, Listing};
use tidegate_model::item::ItemKey;
use tidegate_simulator::{Operation, PortCall, ProcessKind};

/// The family of an item: the first part of its partition.
fn family(key: &ItemKey) -> &str {
    let family = key.partition.split('#').next().unwrap_or_default();
    match (family, key.sort.as_str()) {
        ("run", "lease") => "lease",
        ("run", _) => "report",
        ("flow", "gauges") => "gauges",
        ("flow", "state") => "flow-state",
        _ => family,
    }
}

/// The name of a call's site.
pub fn site(call: &PortCall<'_>) -> String {
    let operation = call.operation.as_str();
    let about = match &call.operation {
        Operation::Update { key, update } => {
            let mut attributes: Vec<&str> = Vec::new();
            for name in update.changes.keys() {
                // Slots are many of a kind.
                let slot = name.strip_prefix('s').is_some_and(|rest| {
                    !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit())
                });
                let name = if slot { "s*" } else { name.as_str() };
                if attributes.last() != Some(&name) {
                    attributes.push(name);
                }
            }
            format!("{}{{{}}}", family(key), attributes.join(","))
        }
        Operation::Get { keys } => keys.first().map(family).unwrap_or_default().to_owned(),
        Operation::List { listing } => match listing {
            Listing::Partition(partition) => {
                partition.split('#').next().unwrap_or_default().to_owned()
            }
            Listing::Reviews(_) => "reviews".to_owned(),
        },
        Operation::Send { messages } => messages.first().map_or_else(String::new, |first| {
            let kind = if first.message.fetch.is_some() {
                " fetch"
            } else {
                ""
            };
            format!("{}{kind}", first.message.tier.as_str())
        }),
        Operation::Hold { .. }
        | Operation::Receive { .. }
        | Operation::Delete { .. }
        | Operation::Mail { .. }
        | Operation::Secret { .. } => String::new(),
        Operation::Emit { event } => serde_json::to_value(event)
            .ok()
            .and_then(|event| Some(event.get("detail-type")?.as_str()?.to_owned()))
            .unwrap_or_default(),
        Operation::Http { request } => {
            let host = request.url.split('/').nth(2).unwrap_or_default();
            let effect = match request.effect {
                Effect::Read => "read",
                Effect::Write => "write",
            };
            format!("{host} {} {effect}", request.method.as_str())
        }
    };
    let kind = match call.process.kind {
        // The same code serves both tiers.
        ProcessKind::Worker(_) => "worker",
        other => other.as_str(),
    };
    format!("{kind} {operation} {about}").trim_end().to_owned()
}
