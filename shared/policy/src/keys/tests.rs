use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;

fn flow(name: &str) -> FlowId {
    FlowId::try_new(name).unwrap()
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

#[test]
fn the_place_of_a_register_never_changes_between_releases() {
    // FNV-1a of known texts: a register that moved would be lost.
    for (text, partition) in [
        ("a", "register#suppliers#c"),
        ("SUP-000123", "register#suppliers#6"),
    ] {
        let place = register(&flow("suppliers"), &key(text));
        assert_eq!(
            (place.partition.as_str(), place.sort.as_str()),
            (partition, text)
        );
    }
}

#[test]
fn registers_spread_evenly_over_the_shards() {
    let mut counts = [0_u32; REGISTER_SHARDS as usize];
    for number in 0..16_000 {
        counts[shard_of(&key(&format!("SUP-{number:06}"))) as usize] += 1;
    }
    for count in counts {
        assert!((800..1_200).contains(&count), "{counts:?}");
    }
}

#[test]
fn every_shard_has_a_partition_of_its_own() {
    let partitions: BTreeSet<String> = (0..REGISTER_SHARDS)
        .map(|shard| register_partition(&flow("suppliers"), shard))
        .collect();
    assert_eq!(partitions.len(), 16);
}

#[test]
fn accounts_of_runs_sort_by_time() {
    let of = |ms: i64| run_report(&flow("suppliers"), UnixMs(ms)).sort;
    assert!(of(999_999_999_999) < of(1_800_000_000_000));
}

#[test]
fn what_a_reconciliation_kept_lies_where_it_is_looked_for() {
    let flow = flow("suppliers");
    assert_eq!(
        reconcile_seen(&flow, 7, 1).partition,
        reconcile_seen_partition(&flow, 7)
    );
    assert_eq!(
        reconcile_listed(&flow, 7, 1).partition,
        reconcile_listed_partition(&flow, 7)
    );
    assert_eq!(
        audit_seen(&flow, 7, 1).partition,
        audit_seen_partition(&flow, 7)
    );
}

/// Every item of a flow's own.
fn places_of(flow: &FlowId, text: &str) -> Vec<ItemKey> {
    let mut places = vec![
        register(flow, &key(text)),
        lease(flow),
        latest_run(flow),
        run_report(flow, UnixMs(1)),
        reconcile_lease(flow),
        latest_reconcile(flow),
        reconcile_report(flow, UnixMs(1)),
        audit_lease(flow),
        latest_audit(flow),
        audit_report(flow, UnixMs(1)),
        flow_state(flow),
        flow_gauges(flow),
        memory("webhook", flow, text),
        memory("force", flow, text),
        orphan(flow, text),
    ];
    for (fence, part) in [(1, 1), (1, 2), (2, 1)] {
        places.push(reconcile_seen(flow, fence, part));
        places.push(reconcile_listed(flow, fence, part));
        places.push(audit_seen(flow, fence, part));
    }
    places
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_two_items_share_a_place(
        one in "[a-z0-9-]{1,12}",
        other in "[a-z0-9-]{1,12}",
        text in "[ -~]{1,20}",
    ) {
        let (one, other) = (flow(&one), flow(&other));
        let endpoint = EndpointId::try_new(other.as_str()).unwrap();
        let mut places = vec![
            slots(&endpoint, Tier::Batch),
            slots(&endpoint, Tier::RealTime),
            breaker(&endpoint),
        ];
        places.extend(places_of(&one, &text));
        if one != other {
            places.extend(places_of(&other, &text));
        }
        let distinct: BTreeSet<_> = places.iter().collect();
        prop_assert_eq!(distinct.len(), places.len());
    }
}
