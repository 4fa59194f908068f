//! Reconciliation: each kind of finding provoked, healed through `apply`, and counted once.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::{Event, ReconcileReport, RunEnd, ports::Write};
use tidegate_model::{
    ClaimToken, FlowId, RecordKey, Tier, TierReason, UnixMs, Version,
    item::{Item, ItemKey},
};
use tidegate_policy::{
    fingerprint,
    flow::{Flow, NormalRow},
    keys,
    reconcile::{Findings, Kind, ReconcileRequest},
    register::{self, ReviewKind},
};
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    erp::realistic_suppliers,
    qualio::{RiskLevel, Supplier, key_marker},
};

use crate::world::{MANUAL, World, settings, suppliers_flow};

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

fn calls_that_write(world: &World) -> usize {
    let calls = world.qualio.calls();
    calls.iter().filter(|call| call.method != "GET").count()
}

#[tokio::test(start_paused = true)]
async fn what_agrees_is_compared_and_nothing_is_sent() {
    let world = settled(30).await;
    let written = calls_that_write(&world);
    let first = world.reconcile(&anew()).await;
    complete(&first);
    assert_eq!(
        (first.rows, counts(&first.findings)),
        (30, vec![(Kind::Equal, 30)])
    );
    let before = world.store_meter();
    let second = world.reconcile(&anew()).await;
    assert_eq!(counts(&second.findings), [(Kind::Equal, 30)]);
    assert_eq!((second.queued, second.notes.len()), (0, 0));
    let registers_read = world.store_meter().gets - before.gets;
    assert!(
        registers_read < 30,
        "the index spares them: {registers_read}"
    );
    assert_eq!(calls_that_write(&world), written);
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
async fn a_hand_in_the_target_is_found_and_the_desired_content_sent_again() {
    let world = settled(10).await;
    world.reconcile(&anew()).await;
    let rows = world.erp.suppliers();
    let (edited, unmarked, kept) = (&rows[0].id, &rows[1].id, &rows[2].id);
    let phone = rows[0].contact.phone.clone();
    world.qualio.edit(&id_of(&world, edited), |supplier| {
        supplier.contact_information.as_mut().unwrap().phone = Some("0".to_owned());
    });
    let unmarked_id = id_of(&world, unmarked);
    world.qualio.edit(&unmarked_id, |supplier| {
        supplier.contact_information.as_mut().unwrap().notes = None;
    });
    // What people write beside our line is theirs, and so is how a text is spaced.
    world.qualio.edit(&id_of(&world, kept), |supplier| {
        let contact = supplier.contact_information.as_mut().unwrap();
        let ours = contact.notes.clone().unwrap();
        contact.notes = Some(format!("Ask for Jo.\r\n{ours}\n"));
        supplier.name.push(' ');
    });
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 8), (Kind::EditedAtTarget, 2)]
    );
    let before = world.register(edited).desired;
    assert!(
        world.register(edited).is_dirty(),
        "healed through apply alone"
    );
    heals(&world).await;
    assert_eq!(world.register(edited).desired, before, "REG-1");
    let contact = |key: &str| {
        world.qualio.suppliers_of_key(key)[0]
            .contact_information
            .clone()
    };
    assert_eq!(contact(edited).unwrap().phone, Some(phone));
    assert_eq!(id_of(&world, unmarked), unmarked_id, "found by its id");
    assert!(
        contact(kept)
            .unwrap()
            .notes
            .unwrap()
            .starts_with("Ask for Jo.")
    );
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 10)]);
    assert_eq!(world.qualio.suppliers().len(), 10, "nothing stands twice");
}

/// A target may show what was written only after a while (`settle_s`).
#[tokio::test(start_paused = true)]
async fn what_was_applied_a_moment_ago_is_not_held_against_a_listing() {
    let world = settled(10).await;
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    world.settle().await;
    world
        .qualio
        .edit(&id_of(&world, &key), |supplier| supplier.name.push('!'));
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 9), (Kind::Pending, 1)]
    );
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.edited_at_target, 1, "{report:?}");
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
    let shown: Vec<_> = rows.iter().filter(|row| row.id != rows[7].id).collect();
    let page = json!({ "items": shown, "has_more": false });
    let listed = Fault::new(Action::answer(200, page)).at(Point::BeforeAct);
    world
        .erp
        .set_fault(listed.path_contains("limit").times(1))
        .unwrap();
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

#[tokio::test(start_paused = true)]
async fn what_only_the_target_has_is_told_by_name_and_left_alone() {
    let world = settled(8).await;
    let mut stray = Supplier::draft("Nobody's");
    let contact = stray.contact_information.get_or_insert_default();
    contact.notes = Some(key_marker("SUP-999999"));
    world.qualio.put_standing(stray);
    world.qualio.put_standing(Supplier::draft("Without a mark"));
    for _ in 0..2 {
        let report = world.reconcile(&anew()).await;
        assert_eq!(
            counts(&report.findings),
            [(Kind::Equal, 8), (Kind::UnknownAtSource, 1)]
        );
        assert_eq!(report.notes[0].key, "SUP-999999");
    }
    assert_eq!(world.qualio.suppliers().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_stands_twice_is_told_and_not_written_to() {
    let world = settled(8).await;
    let key = world.erp.suppliers()[0].id.clone();
    let mut twin = Supplier::draft("Twin");
    twin.contact_information.get_or_insert_default().notes = Some(key_marker(&key));
    world.qualio.put_standing(twin);
    let written = calls_that_write(&world);
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 7), (Kind::DoubledAtTarget, 1)]
    );
    heals(&world).await;
    assert_eq!(calls_that_write(&world), written);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_register_that_stands_in_the_target_is_linked() {
    let world = settled(8).await;
    let mut row = world.erp.suppliers()[0].clone();
    row.id = "SUP-000777".to_owned();
    let row = world.erp.insert(row);
    let mut standing = Supplier::draft("From before");
    standing.contact_information.get_or_insert_default().notes = Some(key_marker(&row.id));
    world.qualio.put_standing(standing);
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.webhook_missed, 1, "{report:?}");
    heals(&world).await;
    let standing = world.qualio.suppliers_of_key(&row.id);
    assert_eq!((standing.len(), &standing[0].name), (1, &row.legal_name));
}

/// A listing of the target that lost records makes work, and no second record.
#[tokio::test(start_paused = true)]
async fn what_the_target_does_not_list_is_sent_again_and_never_created_twice() {
    let world = settled(10).await;
    let nothing = Action::answer(200, json!({"items": []}));
    let drafts = Fault::new(nothing)
        .at(Point::BeforeAct)
        .path_contains("DRAFT");
    world.qualio.set_fault(drafts.times(1)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::MissingAtTarget, 10)]);
    heals(&world).await;
    assert_eq!(world.qualio.suppliers().len(), 10);
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_can_not_be_listed_is_said_and_nothing_is_concluded_from_it() {
    let world = settled(10).await;
    let broken = Fault::new(Action::answer(500, json!({}))).at(Point::BeforeAct);
    world.qualio.set_fault(broken.times(3)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.end, RunEnd::Complete);
    assert!(report.not_compared.unwrap().contains("500"));
    assert_eq!(counts(&report.findings), [(Kind::Equal, 10)]);
    let pause = tidegate_engine::api::PauseRequest {
        scope: tidegate_policy::flow_state::Scope::Target,
        reason: "audit".to_owned(),
        by: "ada".to_owned(),
    };
    world.engine.pause(&flow(), pause).await.unwrap();
    let before = world.qualio.calls().len();
    let report = world.reconcile(&anew()).await;
    assert!(report.not_compared.unwrap().contains("audit"));
    assert_eq!(world.qualio.calls().len(), before);
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
    let mut request = anew();
    let mut parts = 0;
    let report = loop {
        let deadline = UnixMs(world.clock_ms()) + Duration::from_secs(34);
        let report = world
            .engine
            .reconcile(&flow(), &request, deadline)
            .await
            .unwrap();
        assert!(report.findings.add_up(), "OUT-1: {report:?}");
        parts += 1;
        assert!(parts < 10, "{report:?}");
        if report.end != RunEnd::Continues {
            break report;
        }
        request = asked(&world).expect("an event asks for the rest");
    };
    complete(&report);
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

fn index_items(world: &World) -> Vec<ItemKey> {
    let partition = fingerprint::partition(&flow());
    let items = world.table().items().into_keys();
    items.filter(|key| key.partition == partition).collect()
}

/// Rule 9: a stale index costs a read; it never hides a change.
#[tokio::test(start_paused = true)]
async fn an_index_that_is_stale_hides_nothing() {
    let world = settled(20).await;
    world.reconcile(&anew()).await;
    let stale = world.table().items();
    let row = world.erp.suppliers()[4].clone();
    let purpose = row.purpose.clone();
    // There and back: the content is the old one, the version is not.
    world
        .erp
        .change(&row.id, |row| row.purpose.push('!'))
        .unwrap();
    world
        .erp
        .change(&row.id, |row| row.purpose.clone_from(&purpose))
        .unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 20)]);
    let version = world.erp.supplier(&row.id).unwrap().version;
    assert_eq!(
        world.register(&row.id).desired.version.source.0,
        version,
        "REG-1"
    );
    // The old index comes back, and a hand has been in the target.
    for key in index_items(&world) {
        world.table().put(key.clone(), stale[&key].clone());
    }
    world
        .qualio
        .edit(&id_of(&world, &row.id), |supplier| supplier.name.push('!'));
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 19), (Kind::EditedAtTarget, 1)]
    );
}

/// An index that was written before its checkpoint is not believed (CP-1).
#[tokio::test(start_paused = true)]
async fn an_index_of_a_run_that_never_reached_its_checkpoint_is_not_read() {
    let world = settled(20).await;
    world.reconcile(&anew()).await;
    for key in index_items(&world) {
        let mut item = world.table().item(&key).unwrap();
        let fence = item["f"].as_number().unwrap();
        item.insert("f".to_owned(), (fence + 5).into());
        world.table().put(key, item);
    }
    let before = world.store_meter().gets;
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 20)]);
    assert!(
        world.store_meter().gets - before >= 20,
        "each register is read"
    );
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

/// Puts every supplier of the ERP into Qualio and the registers, as if each had been applied long ago.
fn put_applied(world: &World) {
    let flow = Arc::new(Flow::load("flow.toml", &without_limits(), &settings()).unwrap());
    let (_, target) = tidegate_connect::connect(&flow);
    let long_ago = UnixMs(world.clock_ms() - 86_400_000);
    for row in world.erp.suppliers() {
        let row = flow.normalise(&serde_json::to_value(row).unwrap()).unwrap();
        let fields = row.content.fields().unwrap();
        let write = Write {
            key: &row.key,
            fields,
            target_id: None,
            etag: None,
            idempotency_key: "",
        };
        let sent = target.describe(write).unwrap().remove(0).body.unwrap();
        let mut standing = Supplier::draft(sent["name"].as_str().unwrap());
        standing.risk_type = RiskLevel::of_id(sent["risk_id"].as_str().unwrap());
        standing.intended_use = sent["intended_use"].as_str().map(str::to_owned);
        standing.sponsor_user_id = serde_json::from_value(sent["sponsor_user_id"].clone()).unwrap();
        standing.contact_information =
            serde_json::from_value(sent["contact_information"].clone()).unwrap();
        let id = world.qualio.put_standing(standing).supplier_id;
        let item = applied(&row, &id, long_ago);
        world
            .table()
            .put(keys::register(&self::flow(), &row.key), item);
    }
}

/// The register after a stage, a claim and a commit.
fn applied(row: &NormalRow, id: &str, at: UnixMs) -> Item {
    let token = ClaimToken::try_new("t").unwrap();
    let version = Version {
        source: row.source_version.unwrap(),
        revision: 1,
        read: 1,
    };
    let stage = register::Stage {
        version,
        content: row.content.clone(),
        by: "t".to_owned(),
        tier: Tier::Batch,
        tier_reason: TierReason::FirstSeenInBatch,
        search: Some(row.key.to_string()),
        link: None,
        look_first: false,
        due: None,
        review: None,
    };
    let item = register::stage(&stage, at).evaluate(None).unwrap();
    let until = at + Duration::from_secs(60);
    let item = register::claim(&token, until, at, true).evaluate(Some(&item));
    let item = item.unwrap();
    let claimed = register::Register::read(&item).unwrap().unwrap();
    let done = register::Committed {
        hash: row.content.hash(),
        version,
        target_id: Some(id.to_owned()),
        etag: None,
        deleted: false,
        started: at,
    };
    let commit = register::commit(&token, &done, &claimed, at);
    commit.evaluate(Some(&item)).unwrap()
}

/// At most 0.01 read units and no register write for a record that has not changed: all reads of the
/// reconciliation are in it, those of budgets and breakers too.
#[tokio::test(start_paused = true)]
async fn five_thousand_unchanged_records_cost_a_hundredth_of_a_read_unit_each() {
    let rows = realistic_suppliers(9, 5_000, 0);
    let world = World::new(rows, &[without_limits()]);
    put_applied(&world);
    world.engine.tick(None).await.unwrap();
    let first = world.reconcile(&anew()).await;
    assert_eq!(counts(&first.findings), [(Kind::Equal, 5_000)], "{first:?}");
    world.engine.tick(None).await.unwrap();
    let registers = world.registers();
    let before = world.store_meter();
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(counts(&report.findings), [(Kind::Equal, 5_000)]);
    let after = world.store_meter();
    let units = after.read_units() - before.read_units();
    let writes = (after.writes + after.refused) - (before.writes + before.refused);
    println!(
        "5,000 unchanged records: {units} read units in all, {writes} writes of lease, budgets and report"
    );
    assert!(units <= 50.0, "{units} read units for 5,000 records");
    assert!(writes < 60, "{writes}");
    assert!(world.registers() == registers, "no register was written");
}
