//! What the source shows and the registers lack, and what it shows no longer.

use std::time::Duration;

use serde_json::json;
use tidegate_engine::{Event, RunEnd, api::Access};
use tidegate_policy::{
    keys,
    reconcile::{Kind, ReconcileRequest},
    register::ReviewKind,
};
use tidegate_testkit::doubles::{Action, Fault, Point, erp::ErpSupplier};

use super::{LATER, anew, complete, counts, flow, heals, settled, settled_under};
use crate::world::{MANUAL, World, suppliers_flow};

/// The ERP's next listing has these rows.
pub(super) fn list_once(world: &World, rows: &[ErpSupplier]) {
    let page = json!({ "items": rows, "has_more": false });
    let listed = Fault::new(Action::answer(200, page)).at(Point::BeforeAct);
    world
        .erp
        .set_fault(listed.path_contains("limit").times(1))
        .unwrap();
}

/// R33: independent of events and of the watermark.
#[tokio::test(start_paused = true)]
async fn a_change_whose_webhook_never_came_is_found_and_applied() {
    let world = settled(12).await;
    let key = &world.erp.suppliers()[3].id;
    world
        .erp
        .change(key, |row| row.quality.blocked ^= true)
        .unwrap();
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 11), (Kind::WebhookMissed, 1)]
    );
    assert_eq!(
        (report.notes[0].key.as_str(), report.queued),
        (key.as_str(), 1)
    );
    heals(&world).await;
    let notes = world.qualio.suppliers_of_key(key)[0]
        .contact_information
        .clone();
    let wanted = if world.erp.supplier(key).unwrap().quality.blocked {
        "yes"
    } else {
        "no"
    };
    let notes = notes.unwrap().notes.unwrap();
    assert!(notes.contains(&format!("blocked {wanted}")), "{notes}");
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 12)]);
}

#[tokio::test(start_paused = true)]
async fn a_change_that_a_window_passed_over_is_told_apart() {
    let world = settled(12).await;
    let rows = world.erp.suppliers();
    // Committed late: its time lies before everything that the windows have read.
    let long_ago = world.clock_ms() - 7_200_000;
    world
        .erp
        .change_at(&rows[0].id, long_ago, |row| row.purpose.push_str(" (late)"))
        .unwrap();
    // One that is just made may still be told by its webhook.
    world
        .erp
        .change(&rows[1].id, |row| row.purpose.push_str(" (new)"))
        .unwrap();
    world
        .erp
        .change_at(&rows[2].id, world.clock_ms(), |_| {})
        .unwrap();
    world.run(MANUAL).await;
    tokio::time::sleep(Duration::from_secs(5)).await;
    world
        .erp
        .change_at(&rows[0].id, long_ago, |row| {
            row.purpose.push_str(" (later)");
        })
        .unwrap();
    world
        .erp
        .change(&rows[4].id, |row| row.purpose.push_str(" (newer)"))
        .unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.window_missed, 1, "{report:?}");
    assert_eq!(report.findings.not_yet_due, 1, "{report:?}");
    heals(&world).await;
    let purpose = world.qualio.suppliers_of_key(&rows[0].id)[0]
        .intended_use
        .clone();
    assert!(purpose.unwrap().ends_with("(later)"));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_is_asked_for_by_key_and_staged_once() {
    let world = settled(30).await;
    world.reconcile(&anew()).await;
    let key = world.erp.suppliers()[5].id.clone();
    assert!(world.erp.delete(&key));
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 29), (Kind::DeletedAtSource, 1)]
    );
    let asked = world
        .erp
        .calls()
        .iter()
        .any(|call| call.path.ends_with(&key));
    assert!(asked, "the source was asked by key");
    let review = world.register(&key).review.unwrap();
    assert_eq!(review.kind, ReviewKind::DeletedAtSource);
    for _ in 0..2 {
        let again = world.reconcile(&anew()).await;
        assert_eq!(
            counts(&again.findings),
            [(Kind::Equal, 29), (Kind::InReview, 1)]
        );
    }
    assert_eq!(world.qualio.suppliers().len(), 30, "a person decides");
}

/// What the index never held is known from tick's sum of keys.
#[tokio::test(start_paused = true)]
async fn a_record_that_no_reconciliation_has_seen_is_missed_when_it_goes() {
    let world = settled(30).await;
    let key = world.erp.suppliers()[5].id.clone();
    assert!(world.erp.delete(&key));
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 29), (Kind::DeletedAtSource, 1)]
    );
}

#[tokio::test(start_paused = true)]
async fn what_the_listing_leaves_out_and_the_source_still_has_is_not_deleted() {
    let world = settled(60).await;
    world.reconcile(&anew()).await;
    let rows = world.erp.suppliers();
    let shown = rows.iter().filter(|row| row.id != rows[7].id).cloned();
    let shown: Vec<_> = shown.collect();
    list_once(&world, &shown);
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 60)], "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn over_five_percent_absent_at_once_stops_the_flow_and_deletes_nothing() {
    let world = settled(50).await;
    world.reconcile(&anew()).await;
    let rows = world.erp.suppliers();
    for row in &rows[..3] {
        assert!(world.erp.delete(&row.id));
    }
    let report = world.reconcile(&anew()).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert_eq!(report.findings.deleted_at_source, 0);
    let state = world.engine.flow_state(&flow()).await.unwrap();
    let reason = state.blocker.unwrap().reason;
    assert!(reason.contains("3 of 50"), "{reason}");
    let blocked = world.reconcile(&anew()).await;
    assert!(matches!(blocked.end, RunEnd::Stopped { .. }));
    assert!(
        world
            .registers()
            .values()
            .all(|register| register.review.is_none())
    );
    // A person looks, and takes the responsibility.
    world.engine.resume(&flow(), "ada").await.unwrap();
    assert!(
        world
            .events()
            .iter()
            .any(|event| matches!(event, Event::RunRequested { .. })),
        "the source is asked without a wait for its next window"
    );
    let accepted = ReconcileRequest {
        accept_absent: true,
        ..anew()
    };
    let report = world.reconcile(&accepted).await;
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 47), (Kind::DeletedAtSource, 3)]
    );
}

/// One absent record is no mass. But where many others were not listed either and are left to the
/// next comparison, because they were staged meanwhile, it is doubtful too.
#[tokio::test(start_paused = true)]
async fn an_absent_record_is_left_alone_where_a_mass_is_not_listed_that_just_moved() {
    let world = settled(30).await;
    world.reconcile(&anew()).await;
    tokio::time::sleep(LATER).await;
    let rows = world.erp.suppliers();
    let (gone, moved) = (&rows[0].id, &rows[1..6]);
    assert!(world.erp.delete(gone));
    for row in moved {
        world
            .erp
            .change(&row.id, |row| row.purpose.push_str(" (new)"));
    }
    world.run(MANUAL).await;
    list_once(&world, &rows[6..]);
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 24), (Kind::Pending, 6)],
        "{report:?}"
    );
    assert!(world.register(gone).review.is_none(), "not judged");
    heals(&world).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 29), (Kind::DeletedAtSource, 1)],
        "{report:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn rows_that_are_no_record_and_records_in_review_are_counted_as_such() {
    let world = settled(10).await;
    let rows = world.erp.suppliers();
    world
        .erp
        .change(&rows[0].id, |row| row.quality.audit_score = 140.0)
        .unwrap();
    let mut nameless = rows[1].clone();
    nameless.id = String::new();
    world.erp.insert(nameless);
    world.settle().await;
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 9), (Kind::Rejected, 1), (Kind::InReview, 1)]
    );
    assert_eq!((report.findings.compared, report.rows), (11, 11));
}

/// No run need have seen it before.
#[tokio::test(start_paused = true)]
async fn a_row_that_is_no_record_is_left_to_a_person_once() {
    let world = settled(3).await;
    let mut nameless = world.erp.suppliers()[1].clone();
    nameless.id = String::new();
    world.erp.insert(nameless);
    for _ in 0..2 {
        let report = world.reconcile(&anew()).await;
        assert_eq!(report.findings.rejected, 1, "{report:?}");
        let reviews = world
            .engine
            .reviews(&flow(), None, 50, Access::Fields)
            .await
            .unwrap()
            .items;
        assert_eq!(reviews.len(), 1, "{reviews:?}");
        assert_eq!(reviews[0].cause.kind, ReviewKind::Rejected);
    }
}

/// Where a source has no versions, its reads are serialised by the flow's lease, these too.
#[tokio::test(start_paused = true)]
async fn where_reads_order_the_changes_a_run_and_a_reconciliation_take_turns() {
    let text = suppliers_flow().replace(
        r#"version = { by = "sequence", at = "row.version" }"#,
        r#"version = { by = "read" }"#,
    );
    let world = settled_under(60, &text).await;
    let row = world.erp.suppliers()[4].clone();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 60)]);
    let version = world.register(&row.id).desired.version;
    world
        .erp
        .change(&row.id, |row| row.purpose.push('!'))
        .unwrap();
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 59), (Kind::WebhookMissed, 1)]
    );
    assert!(world.register(&row.id).desired.version > version, "REG-1");
    heals(&world).await;
    // A run holds the flow's lease: no page is read before it ends.
    let lease = keys::lease(&flow());
    let mut item = world.table().item(&lease).unwrap();
    item.insert("owner".to_owned(), "a-run".into());
    item.insert("until".to_owned(), (world.clock_ms() + 60_000).into());
    world.table().put(lease, item);
    let began = world.clock_ms();
    complete(&world.reconcile(&anew()).await);
    let pages = world.erp.calls();
    let first = pages.iter().map(|call| call.at_ms).find(|at| *at >= began);
    assert!(first.unwrap() >= began + 60_000, "{first:?}");
}
