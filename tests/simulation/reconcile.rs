//! Reconciliation: each kind of finding provoked, healed through `apply`, and counted once.

mod forgotten;
mod index;
mod parts;
mod put_back;
mod service;
mod source;
mod target;

use std::time::Duration;

use tidegate_engine::{Event, ReconcileReport, RunEnd};
use tidegate_model::{FlowId, UnixMs, item::ItemKey};
use tidegate_policy::{
    fingerprint,
    reconcile::{Findings, Kind, ReconcileRequest},
};
use tidegate_testkit::doubles::erp::realistic_suppliers;

use crate::world::{World, suppliers_flow};

/// Long enough that everything applied has settled at the target, and no webhook is still awaited.
const LATER: Duration = Duration::from_secs(600);

fn anew() -> ReconcileRequest {
    ReconcileRequest::default()
}

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

/// A world in which so many suppliers are applied, and a while has passed.
async fn settled(count: u32) -> World {
    settled_under(count, &suppliers_flow()).await
}

async fn settled_under(count: u32, text: &str) -> World {
    let world = World::new(realistic_suppliers(9, count, 0), &[text.to_owned()]);
    world.start();
    world.settle().await;
    tokio::time::sleep(LATER).await;
    world.engine.tick(None).await.unwrap();
    world
}

/// The limits as they are not: for worlds whose size matters and whose speed does not.
fn without_limits() -> String {
    suppliers_flow()
        .replace(
            "batch = { calls = 50, per_s = 60 }",
            "batch = { calls = 250, per_s = 1 }",
        )
        .replace(
            "account = { calls = 200, per_s = 60 }",
            "account = { calls = 300, per_s = 1 }",
        )
        .replace("day = { calls = 100_000 }", "day = { calls = 10_000_000 }")
        .replace(
            "limit = { calls = 120, per_s = 60 }",
            "limit = { calls = 300, per_s = 1 }",
        )
        .replace("page_size = 50", "page_size = 500")
}

/// Counts by kind, without zeros.
fn counts(findings: &Findings) -> Vec<(Kind, u64)> {
    let all = Kind::ALL.iter().map(|kind| (*kind, findings.of(*kind)));
    all.filter(|(_, count)| *count > 0).collect()
}

fn id_of(world: &World, key: &str) -> String {
    world.qualio.suppliers_of_key(key)[0].supplier_id.clone()
}

async fn heals(world: &World) {
    world
        .until("healed", Duration::from_secs(1_200), || world.is_clean())
        .await;
    tokio::time::sleep(LATER).await;
    world.engine.tick(None).await.unwrap();
}

fn complete(report: &ReconcileReport) {
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(report.not_compared, None);
}

/// A reconciliation whose invocations are so short, to its end, and how many of them it took.
async fn in_parts(world: &World, each: Duration) -> (ReconcileReport, u32) {
    let (mut request, mut parts) = (anew(), 0);
    loop {
        let deadline = UnixMs(world.clock_ms()) + each;
        let report = world.engine.reconcile(&flow(), &request, deadline).await;
        let report = report.unwrap();
        assert!(report.findings.add_up(), "OUT-1: {report:?}");
        parts += 1;
        assert!(parts < 12, "{report:?}");
        if report.end != RunEnd::Continues {
            complete(&report);
            return (report, parts);
        }
        request = asked(world).expect("an event asks for the rest");
    }
}

fn calls_that_write(world: &World) -> usize {
    let calls = world.qualio.calls();
    calls.iter().filter(|call| call.method != "GET").count()
}

/// The newest request for a reconciliation on the bus.
fn asked(world: &World) -> Option<ReconcileRequest> {
    world
        .events()
        .into_iter()
        .rev()
        .find_map(|event| match event {
            Event::ReconcileRequested { request, .. } => Some(request),
            _ => None,
        })
}

fn index_items(world: &World) -> Vec<ItemKey> {
    let partition = fingerprint::partition(&flow());
    let items = world.table().items().into_keys();
    items.filter(|key| key.partition == partition).collect()
}
