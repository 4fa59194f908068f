//! Where each item lies in the one table.
//!
//! A register's partition is its flow and one of 16 shards, so that a flow of any size spreads over
//! partitions and a scan of it can be cut into parts.

#[cfg(test)]
mod tests;

use tidegate_model::{EndpointId, FlowId, RecordKey, Tier, UnixMs, item::ItemKey};

/// Shards of a flow's registers.
pub const REGISTER_SHARDS: u32 = 16;

const STATE: &str = "state";

/// The register of a record.
pub fn register(flow: &FlowId, key: &RecordKey) -> ItemKey {
    at(register_partition(flow, shard_of(key)), key.as_str())
}

/// One shard of a flow's registers.
pub fn register_partition(flow: &FlowId, shard: u32) -> String {
    format!("register#{flow}#{shard:x}")
}

/// The lease and checkpoint of a flow's runs.
pub fn lease(flow: &FlowId) -> ItemKey {
    at(format!("run#{flow}"), "lease")
}

/// The account of one finished or cut run, newest last.
pub fn run_report(flow: &FlowId, started: UnixMs) -> ItemKey {
    at(format!("run#{flow}"), &format!("report#{:015}", started.0))
}

/// The account of the newest run.
pub fn latest_run(flow: &FlowId) -> ItemKey {
    at(format!("run#{flow}"), "latest")
}

/// The lease and checkpoint of a flow's reconciliations.
pub fn reconcile_lease(flow: &FlowId) -> ItemKey {
    at(format!("reconcile#{flow}"), "lease")
}

/// The account of one reconciliation, newest last.
pub fn reconcile_report(flow: &FlowId, started: UnixMs) -> ItemKey {
    at(
        format!("reconcile#{flow}"),
        &format!("report#{:015}", started.0),
    )
}

/// The account of the newest reconciliation.
pub fn latest_reconcile(flow: &FlowId) -> ItemKey {
    at(format!("reconcile#{flow}"), "latest")
}

/// Keys that a reconciliation has compared, kept while it goes on in another invocation: one part
/// of what the run of this fence kept.
pub fn reconcile_seen(flow: &FlowId, fence: i64, part: u32) -> ItemKey {
    at(reconcile_seen_partition(flow, fence), &format!("{part:05}"))
}

/// Where these parts lie.
pub fn reconcile_seen_partition(flow: &FlowId, fence: i64) -> String {
    format!("seen#{flow}#{fence}")
}

/// What a reconciliation has seen of the target, kept while it goes on in another invocation: one part
/// of what the run of this fence kept.
pub fn reconcile_listed(flow: &FlowId, fence: i64, part: u32) -> ItemKey {
    at(
        reconcile_listed_partition(flow, fence),
        &format!("{part:05}"),
    )
}

/// Where these parts lie.
pub fn reconcile_listed_partition(flow: &FlowId, fence: i64) -> String {
    format!("listed#{flow}#{fence}")
}

/// The lease and checkpoint of a flow's audits.
pub fn audit_lease(flow: &FlowId) -> ItemKey {
    at(format!("audit#{flow}"), "lease")
}

/// The account of one audit, newest last.
pub fn audit_report(flow: &FlowId, started: UnixMs) -> ItemKey {
    at(
        format!("audit#{flow}"),
        &format!("report#{:015}", started.0),
    )
}

/// The account of the newest audit.
pub fn latest_audit(flow: &FlowId) -> ItemKey {
    at(format!("audit#{flow}"), "latest")
}

/// Prints of values that an audit has seen, kept while it goes on in another invocation: one part of
/// what the run of this fence kept.
pub fn audit_seen(flow: &FlowId, fence: i64, part: u32) -> ItemKey {
    at(audit_seen_partition(flow, fence), &format!("{part:05}"))
}

/// Where these parts lie.
pub fn audit_seen_partition(flow: &FlowId, fence: i64) -> String {
    format!("shared#{flow}#{fence}")
}

/// The lease and checkpoint of a flow's loads into its warehouse.
pub fn load_lease(flow: &FlowId) -> ItemKey {
    at(format!("load#{flow}"), "lease")
}

/// The turn to merge into a schema, which the flows of a warehouse may share. Names are without case there.
pub fn merge_lease(account: &str, database: &str, schema: &str) -> ItemKey {
    let schema = format!("{account}#{database}#{schema}").to_uppercase();
    at(format!("merge#{schema}"), "lease")
}

/// The account of one load, newest last.
pub fn load_report(flow: &FlowId, started: UnixMs) -> ItemKey {
    at(format!("load#{flow}"), &format!("report#{:015}", started.0))
}

/// The account of the newest load.
pub fn latest_load(flow: &FlowId) -> ItemKey {
    at(format!("load#{flow}"), "latest")
}

/// The account of one comparison with the warehouse, newest last.
pub fn load_comparison(flow: &FlowId, began: UnixMs) -> ItemKey {
    at(format!("load#{flow}"), &format!("compared#{:015}", began.0))
}

/// The account of the newest comparison with the warehouse.
pub fn latest_load_comparison(flow: &FlowId) -> ItemKey {
    at(format!("load#{flow}"), "latest-comparison")
}

/// The slots of a limit.
pub fn slots(endpoint: &EndpointId, tier: Tier) -> ItemKey {
    at(format!("budget#{endpoint}"), tier.as_str())
}

/// The breaker of a source or target.
pub fn breaker(endpoint: &EndpointId) -> ItemKey {
    at(format!("breaker#{endpoint}"), STATE)
}

/// Pause and blocker of a flow.
pub fn flow_state(flow: &FlowId) -> ItemKey {
    at(format!("flow#{flow}"), STATE)
}

/// What the target of a flow was last known to accept.
pub fn contract(flow: &FlowId) -> ItemKey {
    at(format!("flow#{flow}"), "contract")
}

/// What tick last counted of a flow.
pub fn flow_gauges(flow: &FlowId) -> ItemKey {
    at(format!("flow#{flow}"), "gauges")
}

/// An id to remember until its time to live ends: a webhook without version, a force sync.
pub fn memory(kind: &str, flow: &FlowId, id: &str) -> ItemKey {
    at(format!("memory#{kind}#{flow}"), id)
}

/// Something that needs a person and has no register: a row without key, a dead letter unread.
pub fn orphan(flow: &FlowId, id: &str) -> ItemKey {
    let of_file = id.strip_prefix(OF_FILE).and_then(|id| id.split_once(':'));
    let partition = of_file.map(|(file, _)| file_orphan_partition(flow, file));
    at(partition.unwrap_or_else(|| orphan_partition(flow)), id)
}

/// The id of one that is of a file. Those of one file lie by themselves, so that they are found when it is
/// read again, whatever else of the flow needs a person.
pub fn file_orphan(file: &str, id: &str) -> String {
    format!("{OF_FILE}{file}:{id}")
}

/// Where those of a file lie.
pub fn file_orphan_partition(flow: &FlowId, file: &str) -> String {
    format!("{}#{file}", orphan_partition(flow))
}

/// Where these lie.
pub fn orphan_partition(flow: &FlowId) -> String {
    format!("orphan#{flow}")
}

/// What the ids begin with of what is of a file.
const OF_FILE: &str = "file:";

/// What the partitions begin with whose items say whether a call may be made now, and hold nothing of
/// any record: limits, breakers, and last what stops a flow.
pub const OF_CALLS: [&str; 3] = ["budget#", "breaker#", "flow#"];

/// Whether it is such an item.
pub fn is_of_calls(key: &ItemKey) -> bool {
    let [limits, breakers, flows] = OF_CALLS.map(|begin| key.partition.starts_with(begin));
    limits || breakers || (flows && key.sort == STATE)
}

fn at(partition: String, sort: &str) -> ItemKey {
    ItemKey {
        partition,
        sort: sort.to_owned(),
    }
}

/// FNV-1a over the key: even, stable across releases and machines.
pub(crate) fn shard_of(key: &RecordKey) -> u32 {
    const OFFSET: u32 = 0x811c_9dc5;
    const PRIME: u32 = 0x0100_0193;
    let hash = key.as_str().bytes().fold(OFFSET, |hash, byte| {
        (hash ^ u32::from(byte)).wrapping_mul(PRIME)
    });
    hash % REGISTER_SHARDS
}
