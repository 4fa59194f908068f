//! Names of port call sites: the kind of process, the operation, and what it is about. Two calls of
//! the same name are the same line of code, as far as can be seen from outside.

use tidegate_engine::ports::{Effect, Listing};
use tidegate_model::item::ItemKey;
use tidegate_simulator::{Operation, PortCall, ProcessKind};

/// Sites that few stories pass, by the beginning of their names: their first calls in a story end in
/// one way after the other.
pub const RARE: &[&str] = &[
    "api events.emit",
    "api queue.send",
    "api store.get flow-state",
    "api store.get register",
    "api store.update budget",
    "api store.update register",
    "api store.update flow-state",
    "batch-sync events.emit Breaker",
    "batch-sync events.emit FlowBlocked",
    "batch-sync events.emit RunRequested",
    "batch-sync events.emit SweepRequested",
    "batch-sync http.send tgt GET",
    "batch-sync store.update breaker{by,epoch",
    "batch-sync store.update breaker{hold",
    "batch-sync store.update breaker{probe",
    "batch-sync store.update budget{s*}",
    "batch-sync store.update flow-state",
    "batch-sync store.update register{att,df,dh,du,due,dv,iv",
    "batch-sync store.update register{att,df,dh,du,due,dv,nt,ov,rv,rva,rvf,sid,sv,ti,tid",
    "batch-sync store.update register{att,du",
    "digest",
    "reconcile events.emit FlowBlocked",
    "reconcile events.emit ReconcileRequested",
    "reconcile events.emit SweepRequested",
    "reconcile queue.send",
    "reconcile store.list",
    "reconcile store.update breaker",
    "reconcile store.update flow-state",
    "reconcile store.update index",
    "reconcile store.update lease{fe",
    "reconcile store.update listed",
    "reconcile store.update reconcile{owner",
    "reconcile store.update register",
    "reconcile store.update seen",
    "tick events.emit ReconcileRequested",
    "tick queue.send",
    "tick store.get budget",
    "tick store.get gauges",
    "tick store.update budget",
    "tick store.update flow-state",
    "webhook queue.send batch",
    "webhook store.update budget",
    "webhook store.update register{att,du",
    "webhook store.update register{ti,tr}",
    "worker events.emit",
    "worker http.send tgt DELETE",
    "worker store.update breaker{by,epoch",
    "worker store.update breaker{hold",
    "worker store.update breaker{probe",
    "worker store.update budget{by,s*,served,used",
    "worker store.update budget{by,s*,used",
    "worker store.update budget{lent",
    "worker store.update budget{s*,used",
    "worker store.update flow-state",
    "worker store.update lease",
    "worker store.update register{ae,ah,at,att,av,co,cu,du,due,etag",
    "worker store.update register{ae,ah,at,att,av,co,cu,hi",
    "worker store.update register{ae,att",
    "worker store.update register{att,co,cu,etag",
    "worker store.update register{att,co,cu,hi,iv,nt",
    "worker store.update register{att,co,cu,hi,nt,rv",
    "worker store.update register{att,co,cu,hi,nt}",
    "worker store.update register{att,du",
    "worker store.update register{co,cu,hi",
    "worker store.update register{co,cu,rv",
    "worker store.update register{dv,sid}",
    "worker store.update register{etag",
    "worker store.update register{iv",
];
/// Calls of a rare site in a story that are aimed at: one is not sent, of one the answer is lost, and
/// one gets through.
pub const RARE_TIMES: u64 = 3;

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
            // Of a quota, the first write of a day counts anew: that is no site of its own.
            if family(key) == "budget" && attributes.contains(&"day") {
                let grants = attributes.contains(&"s*");
                attributes.retain(|name| *name != "day" && !(grants && *name == "lent"));
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
