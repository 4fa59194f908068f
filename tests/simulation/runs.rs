//! Batches: pages, cuts, lookback, linking, rows that are none.

use std::time::Duration;

use tidegate_engine::{Event, RunEnd, api::Access};
use tidegate_model::{FlowId, RecordKey, UnixMs};
use tidegate_policy::{
    register::{ReviewKind, State},
    run::{Mode, RunRequest},
};
use tidegate_testkit::doubles::{
    Action, Fault, Point, Seed, erp::realistic_suppliers, stand_in_qualio,
};

use crate::world::{MANUAL, World, suppliers_flow};

#[tokio::test(start_paused = true)]
async fn an_initial_run_links_what_stands_in_the_target() {
    let rows = realistic_suppliers(4, 30, 0);
    let world = World::new(rows.clone(), &[suppliers_flow()]);
    stand_in_qualio(&world.qualio, &rows[..10], &mut Seed::new(1));
    world.start();
    let report = world
        .run(RunRequest {
            mode: Some(Mode::Initial),
            ..MANUAL
        })
        .await;
    assert_eq!((report.end, report.counts.linked), (RunEnd::Complete, 10));
    world
        .until("applied", Duration::from_secs(1_200), || world.is_clean())
        .await;
    assert_eq!(
        world.qualio.suppliers().len(),
        30,
        "no supplier stands twice"
    );
    assert_eq!(world.qualio.created_by_key().len(), 20);
    for row in &rows[..10] {
        let standing = &world.qualio.suppliers_of_key(&row.id)[0];
        let notes = standing
            .contact_information
            .as_ref()
            .unwrap()
            .notes
            .clone()
            .unwrap();
        assert!(
            notes.lines().count() >= 2,
            "what people wrote stays: {notes}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn an_initial_run_leaves_what_stands_twice_to_a_person() {
    let rows = realistic_suppliers(4, 3, 0);
    let world = World::new(rows.clone(), &[suppliers_flow()]);
    for _ in 0..2 {
        stand_in_qualio(&world.qualio, &rows[..1], &mut Seed::new(1));
    }
    assert_eq!(world.qualio.suppliers_of_key(&rows[0].id).len(), 2);
    world.start();
    world.settle().await;
    assert_eq!(
        world.register(&rows[0].id).review.unwrap().kind,
        ReviewKind::Ambiguous
    );
    assert_eq!(world.qualio.suppliers_of_key(&rows[0].id).len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_stops_before_its_deadline_goes_on_where_it_was() {
    let world = World::new(realistic_suppliers(4, 260, 0), &[suppliers_flow()]);
    let flow = FlowId::try_new("suppliers").unwrap();
    world
        .erp
        .set_fault(Fault::new(Action::DelayMs(8_000)).at(Point::BeforeAct))
        .unwrap();
    let report = world
        .engine
        .run(&flow, &MANUAL, world.engine.now() + Duration::from_secs(35))
        .await
        .unwrap();
    assert_eq!(report.end, RunEnd::Continues);
    let asked = world.events().into_iter().find_map(|event| match event {
        Event::RunRequested { request, .. } => Some(request),
        _ => None,
    });
    let first_part = report.counts.received;
    assert!(first_part > 0 && first_part < 260, "{first_part}");
    world.erp.clear_faults();
    let report = world
        .engine
        .run(&flow, &asked.unwrap(), UnixMs(i64::MAX))
        .await
        .unwrap();
    assert_eq!(
        (report.end, report.counts.received, report.counts.staged),
        (RunEnd::Complete, 260, 260)
    );
}

#[tokio::test(start_paused = true)]
async fn a_page_that_fails_undoes_nothing_and_tick_goes_on() {
    let world = World::new(realistic_suppliers(4, 150, 0), &[suppliers_flow()]);
    world
        .erp
        .set_fault(
            Fault::new(Action::Garbage)
                .at(Point::BeforeAct)
                .nth(2)
                .times(3),
        )
        .unwrap();
    let report = world.run(MANUAL).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "no silent success: {:?}",
        report.end
    );
    assert_eq!(world.registers().len(), 50, "CP-1: the first page stands");
    world.start();
    world
        .until(
            "tick went on and all is applied",
            Duration::from_secs(3_600),
            || async { world.registers().len() == 150 && world.is_clean().await },
        )
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_repeated_delivery_of_a_window_is_the_same_run() {
    let world = World::new(realistic_suppliers(4, 10, 0), &[suppliers_flow()]);
    let window = RunRequest {
        window: Some(world.engine.now()),
        ..MANUAL
    };
    assert_eq!(world.run(window.clone()).await.end, RunEnd::Complete);
    let reads = world.erp.calls().len();
    assert_eq!(world.run(window).await.end, RunEnd::AlreadyDone);
    assert_eq!(world.erp.calls().len(), reads);
}

#[tokio::test(start_paused = true)]
async fn two_runs_at_once_are_one() {
    let world = World::new(realistic_suppliers(4, 120, 0), &[suppliers_flow()]);
    let (one, other) = tokio::join!(world.run(MANUAL), world.run(MANUAL));
    let complete = [&one, &other]
        .iter()
        .filter(|report| report.end == RunEnd::Complete)
        .count();
    assert_eq!(complete, 1, "{one:?} {other:?}");
    assert!(
        [one, other]
            .iter()
            .any(|report| matches!(report.end, RunEnd::Busy { .. })),
        "CP-2"
    );
}

#[tokio::test(start_paused = true)]
async fn an_invalid_record_goes_to_a_person_without_a_call() {
    let mut rows = realistic_suppliers(4, 10, 0);
    rows[3].legal_name = String::new();
    rows[5].quality.audit_score = 140.0;
    let world = World::new(rows.clone(), &[suppliers_flow()]);
    world.start();
    let report = world.run(MANUAL).await;
    assert_eq!((report.counts.in_review, report.counts.staged), (2, 8));
    world
        .until("the others applied", Duration::from_secs(600), || {
            world.is_clean()
        })
        .await;
    let review = world.register(&rows[5].id).review.unwrap();
    assert_eq!(
        (review.kind, review.field.as_deref()),
        (ReviewKind::Invalid, Some("audit_score"))
    );
    assert!(
        !review.reason.contains("140"),
        "no field value: {}",
        review.reason
    );
    assert!(
        world
            .qualio
            .calls()
            .iter()
            .all(|call| call.key.as_deref() != Some(rows[5].id.as_str()))
    );
    // Mended at the source, the next run sends it.
    world
        .erp
        .change(&rows[5].id, |row| row.quality.audit_score = 40.0)
        .unwrap();
    world.settle().await;
    assert_eq!(world.register(&rows[5].id).state(), State::Applied);
}

#[tokio::test(start_paused = true)]
async fn a_newer_revision_is_sent_although_the_fields_are_the_same() {
    let world = World::new(realistic_suppliers(4, 5, 0), &[suppliers_flow()]);
    world.start();
    world.settle().await;
    let remapped = suppliers_flow()
        .replace("revision = 1", "revision = 2")
        .replace("'ERP: audit score '", "'Audit score '");
    let world = world.redeployed(&[remapped]);
    world.start();
    let report = world
        .run(RunRequest {
            mode: Some(Mode::Initial),
            ..MANUAL
        })
        .await;
    assert_eq!((report.counts.staged, report.counts.unchanged), (5, 0));
    world
        .until("applied", Duration::from_secs(600), || world.is_clean())
        .await;
    for supplier in world.qualio.suppliers() {
        let notes = supplier.contact_information.unwrap().notes.unwrap();
        assert!(
            notes.contains("Audit score ") && !notes.contains("ERP: audit"),
            "{notes}"
        );
    }
    let calls = world.qualio.calls().len();
    let again = world
        .run(RunRequest {
            mode: Some(Mode::Initial),
            ..MANUAL
        })
        .await;
    assert_eq!(again.counts.unchanged, 5);
    tokio::time::sleep(Duration::from_secs(60)).await;
    let listings = 5;
    assert_eq!(
        world.qualio.calls().len(),
        calls + listings,
        "the same revision is not sent twice"
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_cut_goes_on_with_the_next_request() {
    let flow = suppliers_flow().replace("time_zone =", "max_run_minutes = 1\ntime_zone =");
    let world = World::new(realistic_suppliers(4, 1_500, 0), &[flow]);
    let slow = Fault::new(Action::DelayMs(2_800)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let report = world.run(MANUAL).await;
    assert_eq!(report.end, RunEnd::Cut);
    let first_part = report.counts.received;
    assert!(first_part > 0 && first_part < 1_500, "{first_part}");
    world.erp.clear_faults();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let report = world.run(MANUAL).await;
    assert_eq!(
        (report.end, report.counts.received),
        (RunEnd::Complete, 1_500)
    );
}

#[tokio::test(start_paused = true)]
async fn an_initial_run_makes_no_call_to_a_target_that_is_paused() {
    let world = World::new(realistic_suppliers(4, 3, 0), &[suppliers_flow()]);
    let flow = FlowId::try_new("suppliers").unwrap();
    let pause = serde_json::json!({"reason": "audit", "by": "me", "scope": "target"});
    let pause = serde_json::from_value(pause).unwrap();
    world.engine.pause(&flow, pause).await.unwrap();
    let mode = Some(Mode::Initial);
    let report = world.run(RunRequest { mode, ..MANUAL }).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert_eq!(world.qualio.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn an_unchanged_record_is_fresh_as_of_the_newest_complete_run() {
    let world = World::new(realistic_suppliers(4, 1, 0), &[suppliers_flow()]);
    world.start();
    world.settle().await;
    world.stop();
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new(&*world.erp.suppliers()[0].id).unwrap();
    tokio::time::sleep(Duration::from_secs(3_600)).await;
    let began = world.engine.now();
    assert_eq!(world.run(MANUAL).await.end, RunEnd::Complete);
    let view = world
        .engine
        .record(&flow, &key, Access::Fields)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(view.state, State::Applied);
    let last_updated = view.last_updated.unwrap();
    assert!(last_updated >= began, "{last_updated:?} {began:?}");
}
