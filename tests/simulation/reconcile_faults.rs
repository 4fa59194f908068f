//! Reconciliation on bad days: a target that can not be listed, sources that do not answer, items
//! that can not be read, crashes, and holders that wake too late.

use std::{sync::Arc, time::Duration};

use serde_json::json;
use tidegate_engine::{Event, ReconcileReport, RunEnd, api::PauseRequest};
use tidegate_model::{EndpointId, FlowId, RecordKey, Tier, UnixMs, item::Item};
use tidegate_policy::{
    flow_state::Scope,
    keys,
    reconcile::{Findings, Kind, ReconcileRequest},
    register,
};
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    erp::realistic_suppliers,
    qualio::{Supplier, key_marker},
};

use crate::world::{MANUAL, World, suppliers_flow};

/// Long enough that everything applied has settled at the target, and no webhook is still awaited.
const LATER: Duration = Duration::from_secs(600);

fn anew() -> ReconcileRequest {
    ReconcileRequest::default()
}

fn accepting() -> ReconcileRequest {
    ReconcileRequest {
        accept_absent: true,
        ..anew()
    }
}

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn key_of(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

/// A world in which so many suppliers are applied, and a while has passed.
async fn settled_under(count: u32, text: &str) -> World {
    let world = World::new(realistic_suppliers(9, count, 0), &[text.to_owned()]);
    world.start();
    world.settle().await;
    tokio::time::sleep(LATER).await;
    world.engine.tick(None).await.unwrap();
    world
}

async fn settled(count: u32) -> World {
    settled_under(count, &suppliers_flow()).await
}

/// Waits until everything is applied and settled.
async fn heals(world: &World) {
    world
        .until("healed", Duration::from_secs(1_200), || world.is_clean())
        .await;
    tokio::time::sleep(LATER).await;
    world.engine.tick(None).await.unwrap();
}

/// Counts by kind, without zeros.
fn counts(findings: &Findings) -> Vec<(Kind, u64)> {
    let all = Kind::ALL.iter().map(|kind| (*kind, findings.of(*kind)));
    all.filter(|(_, count)| *count > 0).collect()
}

/// The newest request for a reconciliation on the bus.
fn asked(world: &World) -> Option<ReconcileRequest> {
    let events = world.events().into_iter().rev();
    events.into_iter().find_map(|event| match event {
        Event::ReconcileRequested { request, .. } => Some(request),
        _ => None,
    })
}

/// The source's list leaves these out once, whatever it asks for by key.
fn leave_out(world: &World, left_out: &[&str]) {
    let rows = world.erp.suppliers();
    let shown: Vec<_> = rows
        .iter()
        .filter(|row| !left_out.contains(&row.id.as_str()))
        .collect();
    let page = json!({ "items": shown, "has_more": false });
    let listed = Fault::new(Action::answer(200, page)).at(Point::BeforeAct);
    world
        .erp
        .set_fault(listed.path_contains("limit").times(1))
        .unwrap();
}

fn spawn(world: &World, request: ReconcileRequest) -> tokio::task::JoinHandle<ReconcileReport> {
    let engine = Arc::clone(&world.engine);
    tokio::spawn(async move {
        let deadline = UnixMs(i64::MAX);
        engine.reconcile(&flow(), &request, deadline).await.unwrap()
    })
}

/// Puts attributes into a stored item.
fn alter(world: &World, key: tidegate_model::item::ItemKey, change: impl FnOnce(&mut Item)) {
    let mut item = world.table().item(&key).unwrap_or_default();
    change(&mut item);
    world.table().put(key, item);
}

/// EFF-2: a reconciliation that comes before the initial run knows what stands at the target, or
/// does nothing.
#[tokio::test(start_paused = true)]
async fn before_the_initial_run_nothing_is_created_that_stands_at_a_target_that_was_not_listed() {
    let rows = realistic_suppliers(9, 8, 0);
    let world = World::new(rows, &[suppliers_flow()]);
    for row in world.erp.suppliers() {
        let mut standing = Supplier::draft("From before");
        standing.contact_information.get_or_insert_default().notes = Some(key_marker(&row.id));
        world.qualio.put_standing(standing);
    }
    let pause = PauseRequest {
        scope: Scope::Target,
        reason: "audit".to_owned(),
        by: "ada".to_owned(),
    };
    world.engine.pause(&flow(), pause).await.unwrap();
    let report = world.reconcile(&anew()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    world.engine.resume(&flow(), "ada").await.unwrap();
    world.start();
    world.settle().await;
    assert_eq!(world.qualio.suppliers().len(), 8, "nothing stands twice");
}

/// EFF-2: afterwards, what is new and was not listed is looked for before it is created.
#[tokio::test(start_paused = true)]
async fn what_was_not_listed_is_looked_for_before_it_is_created() {
    let world = settled(8).await;
    let mut row = world.erp.suppliers()[0].clone();
    row.id = "SUP-000777".to_owned();
    let row = world.erp.insert(row);
    let mut standing = Supplier::draft("From before");
    standing.contact_information.get_or_insert_default().notes = Some(key_marker(&row.id));
    world.qualio.put_standing(standing);
    tokio::time::sleep(LATER).await;
    let broken = Fault::new(Action::answer(500, json!({}))).at(Point::BeforeAct);
    world.qualio.set_fault(broken.times(3)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert!(report.not_compared.is_some());
    assert_eq!(report.findings.webhook_missed, 1, "{report:?}");
    heals(&world).await;
    let standing = world.qualio.suppliers_of_key(&row.id);
    assert_eq!((standing.len(), &standing[0].name), (1, &row.legal_name));
}

/// Records that were deleted long ago make no listing more believable.
#[tokio::test(start_paused = true)]
async fn five_percent_are_of_the_records_that_live() {
    let text = suppliers_flow().replace(r#"deletion = "review""#, r#"deletion = "keep""#);
    let world = settled_under(40, &text).await;
    let rows = world.erp.suppliers();
    for row in &rows[..20] {
        assert!(world.erp.delete(&row.id));
    }
    let report = world.reconcile(&accepting()).await;
    assert_eq!(report.findings.deleted_at_source, 20, "{report:?}");
    heals(&world).await;
    world.reconcile(&anew()).await;
    for row in &rows[20..22] {
        assert!(world.erp.delete(&row.id));
    }
    let report = world.reconcile(&anew()).await;
    assert!(
        matches!(&report.end, RunEnd::Stopped { reason } if reason.contains("2 of 20")),
        "{report:?}"
    );
    assert_eq!(report.findings.deleted_at_source, 0);
}

/// What came while the source was read is not absent.
#[tokio::test(start_paused = true)]
async fn records_that_come_during_a_comparison_are_not_absent() {
    let world = settled(20).await;
    let slow = Fault::new(Action::DelayMs(20_000)).at(Point::AfterActBeforeAnswer);
    world
        .erp
        .set_fault(slow.path_contains("limit").nth(1).times(1))
        .unwrap();
    let running = spawn(&world, anew());
    tokio::time::sleep(Duration::from_secs(10)).await;
    world.erp.clear_faults();
    for n in 0..5 {
        let mut row = world.erp.suppliers()[0].clone();
        row.id = format!("SUP-00077{n}");
        world.erp.insert(row);
    }
    world.run(MANUAL).await;
    world.engine.tick(None).await.unwrap();
    let report = running.await.unwrap();
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(report.findings.equal, 20, "{report:?}");
}

/// A target that is out of order for days does not put the comparison with the source off for days.
#[tokio::test(start_paused = true)]
async fn behind_an_open_breaker_source_and_registers_are_compared_all_the_same() {
    let world = settled(10).await;
    world.stop();
    let key = world.erp.suppliers()[3].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    tokio::time::sleep(LATER).await;
    for attribute in ["until", "hold"] {
        let until = world.clock_ms() + 3_600_000;
        let breaker = keys::breaker(&EndpointId::try_new("qualio").unwrap());
        alter(&world, breaker.clone(), |item| {
            item.insert(attribute.to_owned(), until.into());
        });
        let deadline = UnixMs(world.clock_ms()) + Duration::from_secs(900);
        let report = world
            .engine
            .reconcile(&flow(), &anew(), deadline)
            .await
            .unwrap();
        assert_eq!(report.end, RunEnd::Complete, "{report:?}");
        assert!(report.not_compared.is_some());
        assert_eq!(report.findings.compared, 10);
        alter(&world, breaker, |item| {
            item.remove(attribute);
        });
    }
}

/// One record that the source refuses by its key stops nothing.
#[tokio::test(start_paused = true)]
async fn a_record_that_the_source_does_not_answer_for_is_left_as_it_is_and_named() {
    for status in [400, 500] {
        let world = settled(60).await;
        world.reconcile(&anew()).await;
        let rows = world.erp.suppliers();
        let (gone, refused) = (rows[3].id.as_str(), rows[7].id.as_str());
        leave_out(&world, &[gone, refused]);
        let refuse = Fault::new(Action::answer(status, json!({}))).at(Point::BeforeAct);
        world
            .erp
            .set_fault(refuse.path_contains(refused).times(20))
            .unwrap();
        let report = world.reconcile(&anew()).await;
        assert_eq!(report.end, RunEnd::Complete, "{report:?}");
        assert_eq!(
            counts(&report.findings),
            [(Kind::Equal, 59), (Kind::Unanswered, 1)]
        );
        assert_eq!(report.notes[0].key, refused);
        assert!(world.register(refused).review.is_none());
    }
}

/// One register that can not be read is for a person; the others go on, in a run too.
#[tokio::test(start_paused = true)]
async fn a_register_that_can_not_be_read_stops_neither_comparison_nor_run() {
    let world = settled(30).await;
    world.stop();
    let key = world.erp.suppliers()[4].id.clone();
    let id = keys::register(&flow(), &key_of(&key));
    alter(&world, id, |item| {
        item.insert("df".to_owned(), "{".into());
    });
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 29), (Kind::Rejected, 1)]
    );
    assert_eq!(report.notes[0].key, key);
    let initial = tidegate_policy::run::RunRequest {
        mode: Some(tidegate_policy::run::Mode::Initial),
        ..MANUAL
    };
    let run = world.run(initial).await;
    assert_eq!((run.end, run.counts.rejected), (RunEnd::Complete, 1));
    // The source no longer lists it either: it is found among the registers.
    assert!(world.erp.delete(&key));
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(report.findings.rejected, 1, "{report:?}");
}

/// REG-1: a deletion is older than what was staged after the source had said that it is gone.
#[tokio::test(start_paused = true)]
async fn what_comes_back_while_the_source_says_that_it_is_gone_is_not_deleted() {
    let world = settled(30).await;
    world.reconcile(&anew()).await;
    let key = world.erp.suppliers()[5].id.clone();
    leave_out(&world, &[&key]);
    let gone = Fault::new(Action::answer(404, json!({}))).at(Point::BeforeAct);
    let slow = Fault::new(Action::DelayMs(5_000)).at(Point::BeforeAct);
    world
        .erp
        .set_fault(slow.path_contains(&key).times(1))
        .unwrap();
    world
        .erp
        .set_fault(gone.path_contains(&key).times(1))
        .unwrap();
    let running = spawn(&world, anew());
    tokio::time::sleep(Duration::from_secs(1)).await;
    world
        .until("asked for by its key", Duration::from_secs(120), || {
            let calls = world.erp.calls();
            std::future::ready(calls.iter().any(|call| call.path.ends_with(&key)))
        })
        .await;
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    world.run(MANUAL).await;
    let report = running.await.unwrap();
    assert_eq!(report.findings.deleted_at_source, 0, "{report:?}");
    assert!(world.register(&key).review.is_none());
}

/// A crash within a pass loses at most a minute of its account.
#[tokio::test(start_paused = true)]
async fn what_was_healed_before_a_crash_is_told_as_what_it_was() {
    let text = suppliers_flow().replace("page_size = 50", "page_size = 5");
    let world = settled_under(300, &text).await;
    world.stop();
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    tokio::time::sleep(LATER).await;
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let running = spawn(&world, anew());
    tokio::time::sleep(Duration::from_secs(130)).await;
    running.abort();
    world.erp.clear_faults();
    tokio::time::sleep(Duration::from_secs(180)).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(
        (report.rows, counts(&report.findings)),
        (300, vec![(Kind::Equal, 299), (Kind::WebhookMissed, 1)])
    );
}

/// Who lost the lease says nothing: the account is that of whoever goes on.
#[tokio::test(start_paused = true)]
async fn one_that_lost_its_lease_keeps_no_account_and_tells_nothing() {
    let world = settled(120).await;
    world.stop();
    let slow = Fault::new(Action::DelayMs(4_000)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let running = spawn(&world, anew());
    tokio::time::sleep(Duration::from_secs(6)).await;
    // Another took it: its fence is higher.
    alter(&world, keys::reconcile_lease(&flow()), |item| {
        let fence = item["fence"].as_number().unwrap();
        item.insert("fence".to_owned(), (fence + 1).into());
        item.insert("owner".to_owned(), "another".into());
    });
    let report = running.await.unwrap();
    assert_eq!(report.end, RunEnd::LeaseLost);
    assert_eq!(world.engine.latest_reconcile(&flow()).await.unwrap(), None);
    let told = |event: &Event| matches!(event, Event::ReconcileFinished { .. });
    assert!(!world.events().iter().any(told));
}

/// The account is there before the checkpoint forgets the comparison (OUT-1).
#[tokio::test(start_paused = true)]
async fn the_account_is_kept_before_the_checkpoint_says_that_it_is_done() {
    let world = settled(10).await;
    let fence = |world: &World, key| {
        let item = world.table().item(&key);
        item.and_then(|item| {
            item.get("fence")
                .and_then(tidegate_model::item::Value::as_number)
        })
    };
    world.reconcile(&anew()).await;
    let latest = keys::latest_reconcile(&flow());
    let newest = fence(&world, latest.clone());
    assert_eq!(newest, fence(&world, keys::reconcile_lease(&flow())));
    // A holder that wakes late does not put its own over it.
    let before = world.table().item(&latest);
    alter(&world, latest.clone(), |item| {
        item.insert("fence".to_owned(), 1_000.into());
    });
    world.reconcile(&anew()).await;
    let report = |item: Option<Item>| item.unwrap()["report"].clone();
    assert_eq!(report(world.table().item(&latest)), report(before));
}

/// Gone at the target, and its id too: it is created anew, and nobody is asked.
#[tokio::test(start_paused = true)]
async fn a_record_that_is_gone_at_the_target_is_created_again() {
    let world = settled(1).await;
    let key = world.erp.suppliers()[0].id.clone();
    let old = world.register(&key).target_id.unwrap();
    let nothing = Fault::new(Action::answer(200, json!({"items": []}))).at(Point::BeforeAct);
    world
        .qualio
        .set_fault(nothing.path_contains("DRAFT").times(1))
        .unwrap();
    let gone = Fault::new(Action::answer(404, json!({}))).at(Point::BeforeAct);
    world.qualio.set_fault(gone.path_contains(&old)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::MissingAtTarget, 1)]);
    heals(&world).await;
    let register = world.register(&key);
    assert_eq!(register.review, None);
    assert_ne!(register.target_id, Some(old));
}

/// Rule 1, QUE-2: who staged it died before it was queued; the part that goes on queues it.
#[tokio::test(start_paused = true)]
async fn what_a_crash_left_staged_and_not_queued_is_queued_by_the_part_that_goes_on() {
    let world = settled(120).await;
    world.stop();
    let key = world.erp.suppliers()[110].id.clone();
    let broken = Fault::new(Action::Garbage).at(Point::BeforeAct);
    world.erp.set_fault(broken.nth(2).times(3)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let id = keys::register(&flow(), &key_of(&key));
    let item = world.table().item(&id).unwrap();
    let staged = register::reopen(&world.register(&key), UnixMs(world.clock_ms()));
    let staged = staged.evaluate(Some(&item)).unwrap();
    world.table().put(id, staged);
    world.erp.clear_faults();
    tokio::time::sleep(Duration::from_secs(5)).await;
    let before = world.queue().len(Tier::Batch);
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.pending, 1, "{report:?}");
    assert_eq!(
        (report.queued, world.queue().len(Tier::Batch)),
        (1, before + 1)
    );
}

/// Where reads order the changes, a forced record is read between two pages.
#[tokio::test(start_paused = true)]
async fn a_forced_record_is_read_while_a_reconciliation_takes_the_lease_page_by_page() {
    let text = suppliers_flow()
        .replace(
            r#"version = { by = "sequence", at = "row.version" }"#,
            r#"version = { by = "read" }"#,
        )
        .replace("page_size = 50", "page_size = 5");
    let world = settled_under(200, &text).await;
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.erp.set_fault(slow.path_contains("limit")).unwrap();
    let key = world.erp.suppliers()[150].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    let running = spawn(&world, anew());
    tokio::time::sleep(Duration::from_secs(20)).await;
    world
        .engine
        .force_sync(&flow(), &key_of(&key))
        .await
        .unwrap();
    let before = world.register(&key).desired;
    world
        .until("read", Duration::from_secs(30), || {
            std::future::ready(world.register(&key).desired.hash != before.hash)
        })
        .await;
    assert!(!running.is_finished());
    let report = running.await.unwrap();
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert!(asked(&world).is_none_or(|request| request.resume.is_none()));
}
