//! A comparison in parts and passes: cut, paused, without its lease, asked for twice; stranded work.

use std::{sync::Arc, time::Duration};

use tidegate_engine::RunEnd;
use tidegate_model::{RecordKey, UnixMs};
use tidegate_policy::{
    keys,
    reconcile::{Kind, ReconcileRequest},
    register,
};
use tidegate_testkit::doubles::{Action, Fault, Point};

use super::{
    LATER, anew, asked, complete, counts, flow, heals, in_parts, index_items, settled,
    settled_under,
};
use crate::world::suppliers_flow;

#[tokio::test(start_paused = true)]
async fn a_listing_that_breaks_off_deletes_nothing_and_goes_on_later() {
    let world = settled(120).await;
    world.reconcile(&anew()).await;
    let broken = Fault::new(Action::Garbage).at(Point::BeforeAct);
    world.erp.set_fault(broken.nth(2).times(3)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    assert_eq!(counts(&report.findings), [(Kind::Equal, 50)]);
    world.erp.clear_faults();
    world.engine.tick(None).await.unwrap();
    let request = asked(&world).expect("tick goes on with it");
    let report = world.reconcile(&request).await;
    complete(&report);
    assert_eq!(counts(&report.findings), [(Kind::Equal, 120)]);
}

/// QUE-2.
#[tokio::test(start_paused = true)]
async fn what_is_stranded_is_queued() {
    let world = settled(10).await;
    let key = world.erp.suppliers()[2].id.clone();
    let id = keys::register(&flow(), &RecordKey::try_new(key.as_str()).unwrap());
    let compared = world.register(&key);
    let since = UnixMs(world.clock_ms());
    let item = world.table().item(&id).unwrap();
    let dirty = register::reopen(&compared, since).evaluate(Some(&item));
    world.table().put(id, dirty.unwrap());
    let pending = world.reconcile(&anew()).await;
    assert_eq!(pending.findings.pending, 1, "its message may be on its way");
    // Without a tick in between: that would sweep it.
    world.stop();
    tokio::time::sleep(Duration::from_secs(7_200)).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 9), (Kind::Stranded, 1)]
    );
    // Not the sweep's doing.
    assert_eq!(report.queued, 1);
    assert!(!world.queue().is_empty());
    world.start();
    heals(&world).await;
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 10)]);
}

/// CP-1: it stops before its deadline and counts every key once over all parts.
#[tokio::test(start_paused = true)]
async fn a_reconciliation_that_is_cut_goes_on_where_it_was() {
    let world = settled(260).await;
    world.stop();
    let key = world.erp.suppliers()[200].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    tokio::time::sleep(LATER).await;
    let (report, parts) = in_parts(&world, Duration::from_secs(34)).await;
    assert!(parts > 1);
    assert_eq!(
        (report.rows, counts(&report.findings)),
        (260, vec![(Kind::Equal, 259), (Kind::WebhookMissed, 1)])
    );
}

/// A person's pause is heard within a minute, by which the lease is kept too.
#[tokio::test(start_paused = true)]
async fn a_pause_stops_a_reconciliation_that_is_under_way() {
    let text = suppliers_flow().replace("page_size = 50", "page_size = 5");
    let world = settled_under(200, &text).await;
    world.stop();
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let engine = Arc::clone(&world.engine);
    let running = tokio::spawn(async move {
        let deadline = UnixMs(i64::MAX);
        engine.reconcile(&flow(), &anew(), deadline).await.unwrap()
    });
    tokio::time::sleep(Duration::from_secs(10)).await;
    let pause = tidegate_engine::api::PauseRequest {
        scope: tidegate_policy::flow_state::Scope::Source,
        reason: "stock taking".to_owned(),
        by: "ada".to_owned(),
    };
    world.engine.pause(&flow(), pause).await.unwrap();
    let report = running.await.unwrap();
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert!(report.findings.add_up(), "OUT-1: {report:?}");
    assert!(report.findings.equal < 200, "{report:?}");
    world.erp.clear_faults();
    world.engine.resume(&flow(), "ada").await.unwrap();
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(
        (report.rows, counts(&report.findings)),
        (200, vec![(Kind::Equal, 200)])
    );
}

/// Memory is bounded: keys beyond the limit are compared in further passes.
#[tokio::test(start_paused = true)]
async fn more_keys_than_memory_holds_are_compared_in_passes() {
    let world = settled(60).await;
    for _ in 0..2 {
        let deadline = UnixMs(i64::MAX);
        let report = world
            .engine
            .reconcile_within(&flow(), &anew(), deadline, 10)
            .await;
        let report = report.unwrap();
        complete(&report);
        assert_eq!(
            (report.rows, counts(&report.findings)),
            (60, vec![(Kind::Equal, 60)])
        );
        assert!(report.pages > 8, "several passes: {}", report.pages);
    }
    let key = world.erp.suppliers()[9].id.clone();
    assert!(world.erp.delete(&key));
    let deadline = UnixMs(i64::MAX);
    let report = world
        .engine
        .reconcile_within(&flow(), &anew(), deadline, 10)
        .await;
    assert_eq!(report.unwrap().findings.deleted_at_source, 1);
}

/// CP-2, CP-1: who lost the lease passes nothing, and leaves no index.
#[tokio::test(start_paused = true)]
async fn a_reconciliation_that_lost_its_lease_writes_no_index() {
    let world = settled(120).await;
    world.stop();
    let slow = Fault::new(Action::DelayMs(4_000)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let engine = Arc::clone(&world.engine);
    let running = tokio::spawn(async move {
        let deadline = UnixMs(i64::MAX);
        engine.reconcile(&flow(), &anew(), deadline).await.unwrap()
    });
    tokio::time::sleep(Duration::from_secs(6)).await;
    // Another took it: its fence is higher.
    let lease = keys::reconcile_lease(&flow());
    let mut item = world.table().item(&lease).unwrap();
    let fence = item["fence"].as_number().unwrap();
    item.insert("fence".to_owned(), (fence + 1).into());
    item.insert("owner".to_owned(), "another".into());
    world.table().put(lease, item);
    let report = running.await.unwrap();
    assert_eq!(report.end, RunEnd::LeaseLost);
    assert_eq!(index_items(&world), []);
}

#[tokio::test(start_paused = true)]
async fn a_repeated_delivery_of_the_schedule_compares_once() {
    let world = settled(5).await;
    let daily = ReconcileRequest {
        window: Some(UnixMs(world.clock_ms())),
        ..anew()
    };
    complete(&world.reconcile(&daily).await);
    assert_eq!(world.reconcile(&daily).await.end, RunEnd::AlreadyDone);
    let latest = world
        .engine
        .latest_reconcile(&flow())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(counts(&latest.findings), [(Kind::Equal, 5)]);
}
