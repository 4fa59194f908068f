//! Events: what is told of records and of freshness, and events of other systems that start a batch.

use std::time::Duration;

use tidegate_engine::{Event, FieldClass, RunEnd};
use tidegate_model::{EventId, FlowId, RunId};
use tidegate_policy::{
    flow_state::Scope,
    keys,
    register::ReviewKind,
    run::{Lease, RunRequest, Trigger},
    trigger::ForeignEvent,
};
use tidegate_simulator::Fate;
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    erp::{ErpSupplier, realistic_suppliers, webhook::Told},
};

use crate::{
    hand::Hand,
    world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// The shipped flow, which an event of the ERP starts too.
fn flow() -> String {
    let trigger = "[[trigger]]\nsource = \"erp\"\ndetail_type = \"end of day\"\n";
    format!("{}\n{trigger}", suppliers_flow())
}

/// The shipped flow without news of applied records.
fn silent() -> String {
    suppliers_flow().replace("applied = true", "applied = false")
}

fn event(world: &World, id: &str) -> ForeignEvent {
    ForeignEvent {
        id: EventId::try_new(id).unwrap(),
        at: world.engine.now(),
        source: "erp".to_owned(),
        detail_type: "end of day".to_owned(),
        detail: serde_json::Value::Null,
    }
}

fn by(id: &str, world: &World) -> RunRequest {
    RunRequest {
        trigger: Some(Trigger {
            id: EventId::try_new(id).unwrap(),
            at: world.engine.now(),
        }),
        ..MANUAL
    }
}

fn suppliers(count: u32) -> Vec<ErpSupplier> {
    realistic_suppliers(4, count, 0)
}

/// A run of the window that is due, so that tick starts none.
fn window(world: &World) -> RunRequest {
    RunRequest {
        window: Some(world.engine.now()),
        ..MANUAL
    }
}

/// Runs of events that ended complete, by name.
fn complete(world: &World) -> Vec<String> {
    let ended = |event| match event {
        Event::RunFinished {
            run,
            complete: true,
            ..
        } => Some(run),
        _ => None,
    };
    let runs = world.events().into_iter().filter_map(ended);
    runs.filter(|run| run.starts_with("event-")).collect()
}

#[tokio::test(start_paused = true)]
async fn each_applied_record_is_told_once_and_each_review_with_its_reason() {
    let mut rows = suppliers(12);
    let mut bad = rows.pop().unwrap();
    bad.legal_name = String::new();
    rows.push(bad);
    let world = World::new(rows.clone(), &[suppliers_flow()]);
    world.start();
    world.settle().await;
    world
        .until("all is told", HOUR, || async {
            applied(&world).len() == 11
        })
        .await;
    let mut told = applied(&world);
    told.sort();
    let expected: Vec<String> = rows[..11].iter().map(|row| row.id.clone()).collect();
    assert_eq!(told, expected);
    let reviews: Vec<Event> = world
        .events()
        .into_iter()
        .filter(|event| matches!(event, Event::RecordInReview { .. }))
        .collect();
    assert_eq!(reviews.len(), 1, "{reviews:?}");
    let Event::RecordInReview {
        review,
        key,
        kind,
        field,
        ..
    } = &reviews[0]
    else {
        unreachable!();
    };
    assert_eq!(review, &format!("suppliers~{}", rows[11].id));
    assert_eq!(key.as_ref().unwrap().as_str(), rows[11].id);
    assert_eq!(
        (*kind, field.as_deref()),
        (ReviewKind::Invalid, Some("name"))
    );
}

fn applied(world: &World) -> Vec<String> {
    let told = |event| match event {
        Event::RecordApplied { key, hash, .. } => {
            let register = world.register(key.as_str());
            assert_eq!(register.applied.map(|applied| applied.hash), Some(hash));
            Some(key.to_string())
        }
        _ => None,
    };
    world.events().into_iter().filter_map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_does_not_ask_for_it_tells_of_no_applied_record_and_writes_no_less() {
    let mut writes = Vec::new();
    for (text, told) in [(suppliers_flow(), 10), (silent(), 0)] {
        let world = World::new(suppliers(10), &[text]);
        world.start();
        world.settle().await;
        tokio::time::sleep(Duration::from_secs(5)).await;
        assert_eq!(applied(&world).len(), told);
        writes.push(world.store_meter().write_units);
    }
    assert_eq!(writes[0], writes[1], "news costs no write");
}

/// Classes of fields that were told to be old: their age and goal in seconds.
fn breaches(world: &World) -> Vec<(FieldClass, u64, u64)> {
    let told = |event| match event {
        Event::FreshnessBreached {
            class,
            age_s,
            goal_s,
            ..
        } => Some((class, age_s, goal_s)),
        _ => None,
    };
    world.events().into_iter().filter_map(told).collect()
}

#[tokio::test(start_paused = true)]
async fn an_old_class_of_fields_is_told_once_until_its_goal_is_met_again() {
    let world = World::new(suppliers(3), &[suppliers_flow()]);
    world.run(MANUAL).await;
    world.engine.tick(None).await.unwrap();
    assert_eq!(breaches(&world), []);
    // Nothing works on the three that wait, and no window is read.
    tokio::time::sleep(Duration::from_secs(32_400)).await;
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_secs(300)).await;
        world.engine.tick(None).await.unwrap();
    }
    let told = breaches(&world);
    assert_eq!(told.len(), 1, "{told:?}");
    let (class, age_s, goal_s) = told[0];
    assert_eq!((class, goal_s), (FieldClass::Other, 32_400));
    assert!((32_700..33_000).contains(&age_s), "{age_s}");
    world.start();
    world.settle().await;
    world.engine.tick(None).await.unwrap();
    world.stop();
    tokio::time::sleep(Duration::from_secs(33_000)).await;
    world.engine.tick(None).await.unwrap();
    assert_eq!(breaches(&world).len(), 2, "a second breach is told too");
}

#[tokio::test(start_paused = true)]
async fn a_critical_change_that_waits_beyond_its_goal_is_told_once() {
    let world = World::new(suppliers(1), &[suppliers_flow()]);
    world.start();
    world.settle().await;
    world.stop();
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    let row = world.erp.change(&world.erp.suppliers()[0].id, change);
    let row = row.unwrap();
    world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;
    for (wait_s, times) in [(899, 0), (2, 1), (300, 1)] {
        tokio::time::sleep(Duration::from_secs(wait_s)).await;
        world.engine.tick(None).await.unwrap();
        assert_eq!(breaches(&world).len(), times, "{wait_s}");
        let health = world.engine.health().await.unwrap();
        assert_eq!(health[0].freshness.stale, times > 0, "{wait_s}");
    }
    let (class, _, goal_s) = breaches(&world)[0];
    assert_eq!((class, goal_s), (FieldClass::Critical, 900));
}

#[tokio::test(start_paused = true)]
async fn an_event_starts_a_batch_and_its_repeat_is_the_same_one() {
    let world = World::new(suppliers(5), &[flow()]);
    world.start();
    for _ in 0..3 {
        let asked = world
            .engine
            .take_event(&event(&world, "day-1"))
            .await
            .unwrap();
        assert_eq!(asked, [FlowId::try_new("suppliers").unwrap()]);
    }
    let mut other = event(&world, "day-2");
    other.detail_type = "start of day".to_owned();
    assert_eq!(world.engine.take_event(&other).await.unwrap(), []);
    world
        .until("it is applied", HOUR, || async {
            world.registers().len() == 5 && world.is_clean().await
        })
        .await;
    assert_eq!(complete(&world), ["event-day-1"]);
    assert_eq!(
        world.run(by("day-1", &world)).await.end,
        RunEnd::AlreadyDone
    );
    let report = world.run(by("day-3", &world)).await;
    assert_eq!(report.run, Some(RunId::try_new("event-day-3").unwrap()));
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_amid_a_run_gets_a_run_of_its_own_afterwards() {
    let world = World::new(suppliers(120), &[flow()]);
    let slow = Fault::new(Action::DelayMs(5_000)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let (under_way, (asked, repeated)) = tokio::join!(world.run(window(&world)), async {
        tokio::time::sleep(Duration::from_secs(6)).await;
        // What the event tells of: after this run has read its first page.
        let asked = world.run(by("day-1", &world)).await.end;
        (asked, world.run(by("day-1", &world)).await.end)
    });
    assert_eq!(under_way.end, RunEnd::Complete);
    assert!(matches!(asked, RunEnd::Busy { .. }), "{asked:?}");
    assert!(matches!(repeated, RunEnd::Busy { .. }), "{repeated:?}");
    world.erp.clear_faults();
    world.start();
    world
        .until("tick started it", HOUR, || async {
            complete(&world) == ["event-day-1"]
        })
        .await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(complete(&world), ["event-day-1"], "and once");
}

async fn pause(world: &World) -> FlowId {
    let suppliers = FlowId::try_new("suppliers").unwrap();
    let pause = tidegate_engine::api::PauseRequest {
        scope: Scope::All,
        reason: "audit".to_owned(),
        by: "Ana".to_owned(),
    };
    world.engine.pause(&suppliers, pause).await.unwrap();
    suppliers
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_while_the_flow_is_paused_is_followed_when_it_goes_on() {
    let world = World::new(suppliers(3), &[flow()]);
    world.run(window(&world)).await;
    let suppliers = pause(&world).await;
    world.start();
    world
        .engine
        .take_event(&event(&world, "day-1"))
        .await
        .unwrap();
    tokio::time::sleep(HOUR / 2).await;
    assert_eq!(complete(&world), [] as [&str; 0]);
    world.engine.resume(&suppliers, "Ana").await.unwrap();
    world
        .until("it ran", HOUR, || async {
            complete(&world) == ["event-day-1"]
        })
        .await;
    tokio::time::sleep(HOUR).await;
    assert_eq!(complete(&world), ["event-day-1"], "and once");
}

#[tokio::test(start_paused = true)]
async fn an_event_that_waits_does_not_make_way_for_the_repeat_of_one_that_had_its_run() {
    let world = World::new(suppliers(3), &[flow()]);
    assert_eq!(world.run(by("day-1", &world)).await.end, RunEnd::Complete);
    world.run(window(&world)).await;
    let suppliers = pause(&world).await;
    for id in ["day-2", "day-1"] {
        let report = world.run(by(id, &world)).await;
        assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    }
    world.engine.resume(&suppliers, "Ana").await.unwrap();
    world.start();
    world
        .until("it ran", HOUR, || async {
            complete(&world) == ["event-day-1", "event-day-2"]
        })
        .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_is_let_wait_although_a_run_begins_meanwhile() {
    let hand = Hand::staged(1, flow()).await;
    let suppliers = pause(&hand.world).await;
    let key = keys::lease(&suppliers);
    hand.strike_write(1, Fate::StallBefore(Duration::from_secs(2)), key.clone());
    let begin = async {
        tokio::time::sleep(Duration::from_secs(1)).await;
        let mut item = hand.world.table().item(&key).unwrap();
        item.insert("events".to_owned(), "0123456789ab".into());
        hand.world.table().put(key.clone(), item);
    };
    let request = by("day-2", &hand.world);
    let (report, ()) = tokio::join!(hand.world.run(request.clone()), begin);
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    let lease = Lease::read(hand.world.table().item(&key).as_ref());
    assert_eq!(lease.triggers.waiting(), request.trigger.as_ref());
}
