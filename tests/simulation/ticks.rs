//! What tick starts, goes on with, counts and queues again, each by itself: no worker runs.

use std::{collections::BTreeMap, time::Duration};

use tidegate_engine::{Event, Gauges, RunEnd, api::ReviewId, ports::Clock};
use tidegate_model::{
    EndpointId, FlowId, RecordKey, Tier, UnixMs,
    item::{Condition, Item, Update, Value},
};
use tidegate_policy::{
    breaker::{Breaker, Gate, Report, Settings},
    flow_state, keys,
    limiter::{Limit, Slots},
    reconcile::ReconcileRequest,
    run::RunRequest,
};
use tidegate_simulator::MONDAY_MORNING;
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    erp::{ErpSupplier, realistic_suppliers},
};

use crate::world::{MANUAL, World, suppliers_flow};

const HOUR: Duration = Duration::from_secs(3_600);
/// The world begins on a Monday at 08:00 of the flow's zone; its last window was at 02:00.
const LAST_WINDOW: Duration = Duration::from_secs(6 * 3_600);
/// The next one is at 10:00.
const NEXT_WINDOW: Duration = Duration::from_secs(2 * 3_600);

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn qualio() -> EndpointId {
    EndpointId::try_new("qualio").unwrap()
}

fn world(suppliers: u32) -> World {
    World::new(realistic_suppliers(5, suppliers, 0), &[suppliers_flow()])
}

async fn tick(world: &World) {
    world.engine.tick(None).await.unwrap();
}

/// What ticks have asked for so far.
fn asked(world: &World) -> Vec<RunRequest> {
    let requests = world.events().into_iter().filter_map(|event| match event {
        Event::RunRequested { request, .. } => Some(request),
        _ => None,
    });
    requests.collect()
}

/// Tiers of the messages that were ever sent, by key.
fn queued(world: &World) -> BTreeMap<String, Vec<Tier>> {
    let mut queued: BTreeMap<String, Vec<Tier>> = BTreeMap::new();
    for outgoing in world.queue().sent() {
        for key in &outgoing.message.keys {
            let tiers = queued.entry(key.to_string()).or_default();
            tiers.push(outgoing.message.tier);
        }
    }
    queued
}

fn edit(world: &World, key: &str, change: impl FnOnce(&mut Item)) {
    let id = keys::register(&flow(), &RecordKey::try_new(key).unwrap());
    let mut item = world.table().item(&id).unwrap();
    change(&mut item);
    world.table().put(id, item);
}

fn put(world: &World, id: tidegate_model::item::ItemKey, write: &Update) {
    let before = world.table().item(&id);
    let after = write.evaluate(before.as_ref()).unwrap();
    world.table().put(id, after);
}

#[tokio::test(start_paused = true)]
async fn a_window_that_has_no_run_is_started_a_minute_after_its_time() {
    let world = world(1);
    let last = MONDAY_MORNING - LAST_WINDOW;
    let next = MONDAY_MORNING + NEXT_WINDOW;
    tick(&world).await;
    let [request] = asked(&world).try_into().unwrap();
    assert_eq!((request.window, &request.resume), (Some(last), &None));
    assert_eq!(world.run(request.clone()).await.end, RunEnd::Complete);

    tick(&world).await;
    assert_eq!(asked(&world).len(), 1, "its run is done");
    world.clock.wait_until(next + Duration::from_secs(59)).await;
    tick(&world).await;
    assert_eq!(
        asked(&world).len(),
        1,
        "its schedule's own start comes first"
    );
    world.clock.wait_until(next + Duration::from_secs(61)).await;
    tick(&world).await;
    assert_eq!(asked(&world).last().unwrap().window, Some(next));
    assert_eq!(asked(&world).len(), 2, "the done window is an earlier one");
}

#[tokio::test(start_paused = true)]
async fn a_run_that_was_interrupted_is_gone_on_with_until_it_is_cut_r34() {
    let world = world(150);
    let last = MONDAY_MORNING - LAST_WINDOW;
    let broken = Fault::new(Action::Garbage).at(Point::BeforeAct);
    world.erp.set_fault(broken.nth(2).times(3)).unwrap();
    let request = RunRequest {
        window: Some(last),
        ..MANUAL
    };
    let report = world.run(request).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let begun = asked(&world).len();

    tick(&world).await;
    let [request] = asked(&world).split_off(begun).try_into().unwrap();
    assert_eq!(
        (request.window, request.resume),
        (None, report.run),
        "the rest of it, not its window anew"
    );
    // A run lasts four hours at most; by then the next window is due, and has its own.
    tokio::time::sleep(4 * HOUR).await;
    let begun = asked(&world).len();
    tick(&world).await;
    let [request] = asked(&world).split_off(begun).try_into().unwrap();
    assert_eq!(request.resume, None, "it is cut");
    assert!(request.window > Some(last));
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_was_interrupted_is_gone_on_with() {
    let world = world(150);
    let broken = Fault::new(Action::Garbage).at(Point::BeforeAct);
    world.erp.set_fault(broken.nth(2).times(3)).unwrap();
    let report = world.reconcile(&ReconcileRequest::default()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    tick(&world).await;
    let resumed = world.events().into_iter().find_map(|event| match event {
        Event::ReconcileRequested { request, .. } => request.resume,
        _ => None,
    });
    assert_eq!(resumed, report.run);
}

/// OUT-1: pending is counted from the registers.
#[tokio::test(start_paused = true)]
async fn each_record_is_counted_once_as_what_it_is_out_1() {
    let world = world(12);
    world.start();
    world.settle().await;
    world.stop();
    let suppliers = world.erp.suppliers();
    let now = world.engine.now();
    let key = |at: usize| suppliers[at].id.clone();
    for (at, age_ms) in [(0, 0), (1, 2_000), (2, 0)] {
        edit(&world, &key(at), |item| {
            item.insert("du".to_owned(), Value::from(now.0 - age_ms));
            item.insert("ti".to_owned(), Value::from("real_time"));
        });
    }
    for at in 3..5 {
        edit(&world, &key(at), |item| {
            item.insert("du".to_owned(), Value::from(now.0 - 1_000));
            item.insert("ti".to_owned(), Value::from("batch"));
        });
    }
    tick(&world).await;
    let counted = world.engine.gauges(&flow()).await.unwrap();
    assert_eq!(
        (
            counted.records,
            counted.applied,
            counted.pending_real_time,
            counted.pending_batch,
            counted.in_review,
            counted.discarded,
        ),
        (12, 7, 3, 2, 0, 0)
    );
    // The oldest critical change is no change of the other fields.
    assert_eq!(counted.oldest_real_time_ms, Some(now.0 - 2_000));
    assert_eq!(counted.oldest_batch_ms, Some(now.0 - 1_000));
    let again = world.engine.count(&flow()).await.unwrap();
    let same = |gauges: &Gauges| (gauges.records, gauges.applied, gauges.key_sums.clone());
    assert_eq!(same(&again), same(&counted));
}

/// Stages everything and loses all messages.
async fn stranded(world: &World) -> Vec<String> {
    world.run(MANUAL).await;
    let keys: Vec<String> = world.erp.suppliers().into_iter().map(|it| it.id).collect();
    assert_eq!(queued(world).len(), keys.len());
    keys
}

#[tokio::test(start_paused = true)]
async fn all_that_is_stranded_is_queued_in_its_tier_and_counted_que_2() {
    let world = world(6);
    let keys = stranded(&world).await;
    for key in &keys[..2] {
        edit(&world, key, |item| {
            item.insert("ti".to_owned(), Value::from("real_time"));
        });
    }
    tokio::time::sleep(2 * HOUR).await;
    tick(&world).await;
    let queued = queued(&world);
    for (at, key) in keys.iter().enumerate() {
        let tier = if at < 2 { Tier::RealTime } else { Tier::Batch };
        assert_eq!(queued[key][1..], [tier], "{key}: once, in its tier");
    }
    let counted = world.engine.gauges(&flow()).await.unwrap();
    assert_eq!(counted.swept, 6);
}

#[tokio::test(start_paused = true)]
async fn while_the_days_quota_is_used_up_nothing_is_swept_lim_3() {
    let world = world(4);
    let keys = stranded(&world).await;
    tokio::time::sleep(2 * HOUR).await;
    let runtime = world.engine.flow(&flow()).unwrap();
    let limit = Limit::of_target(runtime.flow.limits(), Tier::Batch);
    // All that the tier may use today is taken.
    let id = keys::slots(&qualio(), Tier::Batch);
    let now = world.engine.now();
    let free = Slots::read(None, limit).day_use(limit, now).unwrap();
    let used = Update::when(Condition::ALWAYS)
        .set("day", now.0.div_euclid(86_400_000))
        .set("used", free.share);
    put(&world, id, &used);
    tick(&world).await;
    let queued = queued(&world);
    assert!(keys.iter().all(|key| queued[key].len() == 1), "{queued:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_pause_what_had_a_message_is_queued_once_and_turns_begin_anew_que_2() {
    let world = world(4);
    let keys = stranded(&world).await;
    edit(&world, &keys[0], |item| {
        item.insert("ti".to_owned(), Value::from("real_time"));
    });
    // One that waits for the window to come has no message that could be missing.
    let later = world.engine.now() + NEXT_WINDOW;
    edit(&world, &keys[1], |item| {
        item.insert("due".to_owned(), Value::from(later.0));
    });
    // One whose window has passed meanwhile does.
    let passed = world.engine.now() - HOUR;
    edit(&world, &keys[2], |item| {
        item.insert("due".to_owned(), Value::from(passed.0));
    });
    let slots = keys::slots(&qualio(), Tier::Batch);
    let turns = Update::when(Condition::ALWAYS).set("queued", 40);
    put(&world, slots.clone(), &turns);
    tick(&world).await;
    let served = |world: &World| world.table().item(&slots).unwrap().get("served").cloned();
    assert_eq!(served(&world), None, "turns stay");

    let state = world.engine.flow_state(&flow()).await.unwrap();
    let resumed = flow_state::resume(&state, world.engine.now());
    put(&world, keys::flow_state(&flow()), &resumed);
    tick(&world).await;
    let swept = |world: &World| -> Vec<Vec<Tier>> {
        let queued = queued(world);
        keys.iter().map(|key| queued[key][1..].to_vec()).collect()
    };
    let expected = vec![
        vec![Tier::RealTime],
        vec![],
        vec![Tier::Batch],
        vec![Tier::Batch],
    ];
    assert_eq!(swept(&world), expected);
    assert_eq!(
        served(&world),
        Some(Value::from(40)),
        "their messages are gone"
    );
    tick(&world).await;
    assert_eq!(swept(&world), expected, "it is done");
}

/// An outage of the target that began then. When its first probe is due, an hour later.
fn outage(world: &World, began: UnixMs) -> UnixMs {
    let settings = Settings {
        cool_down: HOUR,
        ..world.engine.flow(&flow()).unwrap().target_breaker
    };
    let id = keys::breaker(&qualio());
    let read = || Breaker::read(world.table().item(&id).as_ref());
    for by in 0.. {
        if let Gate::Open { until } = read().gate(began) {
            return until;
        }
        let key = RecordKey::try_new(format!("SUP-{by}")).unwrap();
        let failed = [Report::Failed { key }];
        let breaker = read();
        let report = breaker.report(&failed, breaker.epoch(), by, &settings, began);
        put(world, id.clone(), &report.unwrap().0);
    }
    unreachable!()
}

#[tokio::test(start_paused = true)]
async fn in_a_long_outage_the_longest_waiting_that_may_have_an_id_asks_first_brk_1() {
    let failures = suppliers_flow().replace("preset = \"slow-answers\"", "preset = \"failures\"");
    let world = World::new(realistic_suppliers(5, 40, 0), &[failures]);
    let keys = stranded(&world).await;
    let since = world.engine.now();
    // It became dirty last of all, but it is an update: a failed create costs a look-up.
    let update = &keys[20];
    edit(&world, update, |item| {
        item.insert("tid".to_owned(), Value::from("1"));
        item.insert("du".to_owned(), Value::from((since + HOUR / 3).0));
    });
    tokio::time::sleep(HOUR / 2).await;
    let probe = outage(&world, since);
    tick(&world).await;
    let asking = |world: &World| {
        let sent = world.queue().sent().into_iter();
        let asked = sent.filter(|it| it.message.not_before.is_some());
        asked.collect::<Vec<_>>()
    };
    let [asked] = asking(&world).try_into().unwrap();
    assert_eq!(asked.message.keys.len(), 1);
    assert_eq!(asked.message.keys[0].as_str(), update);
    assert_eq!(asked.message.not_before, Some(probe));
    assert_eq!(
        asked.delay,
        Duration::from_secs(900),
        "a queue's longest delay"
    );

    // Without it, of the creates the one that waits longest, in whichever shard it lies.
    edit(&world, update, |item| {
        item.remove("du");
    });
    let oldest = &keys[33];
    edit(&world, oldest, |item| {
        item.insert("du".to_owned(), Value::from((since - HOUR).0));
    });
    tick(&world).await;
    assert_eq!(asking(&world)[1].message.keys[0].as_str(), oldest);
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_everything_is_queued_once_que_2() {
    let failures = suppliers_flow().replace("preset = \"slow-answers\"", "preset = \"failures\"");
    let world = World::new(realistic_suppliers(5, 3, 0), &[failures]);
    let keys = stranded(&world).await;
    outage(&world, world.engine.now() - 2 * HOUR);
    let id = keys::breaker(&qualio());
    let breaker = || Breaker::read(world.table().item(&id).as_ref());
    let token = tidegate_model::ClaimToken::try_new("0123456789abcdef0123456789abcdef").unwrap();
    let now = world.engine.now();
    put(
        &world,
        id.clone(),
        &breaker().take_probe(&token, now + HOUR, now),
    );
    put(&world, id.clone(), &breaker().close(&token, now));
    assert!(breaker().outage_over().is_some());
    tick(&world).await;
    let sent = |world: &World| -> Vec<usize> {
        let queued = queued(world);
        keys.iter().map(|key| queued[key].len()).collect()
    };
    assert_eq!(sent(&world), [2, 2, 2]);
    tick(&world).await;
    assert_eq!(sent(&world), [2, 2, 2], "the outage is over for good");
}

/// An account is found again by who asks how things stand, and is gone after 90 days.
#[tokio::test(start_paused = true)]
async fn the_account_of_a_run_is_kept_for_ninety_days() {
    let world = world(2);
    let report = world.run(MANUAL).await;
    let item = |key| world.table().item(&key).unwrap();
    let own = item(keys::run_report(&flow(), report.started));
    let ttl = own.get("ttl").and_then(Value::as_number);
    assert_eq!(ttl, Some(report.ended_at.0 / 1_000 + 90 * 86_400));
    let latest = item(keys::latest_run(&flow()));
    assert_eq!(latest.get("report"), own.get("report"));
    assert_eq!(latest.get("ttl"), None, "the newest one stays");
    let [health] = world.engine.health().await.unwrap().try_into().unwrap();
    assert_eq!(health.last_run, Some(report));
}

/// QUE-2: what one tick found is what the next one judges by.
#[tokio::test(start_paused = true)]
async fn a_tick_takes_over_what_the_last_one_swept_and_how_long_records_may_wait() {
    let world = world(6);
    let keys = stranded(&world).await;
    edit(&world, &keys[0], |item| {
        item.insert("ti".to_owned(), Value::from("real_time"));
    });
    tokio::time::sleep(2 * HOUR).await;
    tick(&world).await;
    let first = world.engine.gauges(&flow()).await.unwrap();
    let swept = (first.swept_real_time_ms, first.swept_batch_ms);
    assert!(swept.0.is_some() && swept.1.is_some(), "{first:?}");
    tokio::time::sleep(HOUR / 12).await;
    tick(&world).await;
    let second = world.engine.gauges(&flow()).await.unwrap();
    assert_eq!((second.swept_real_time_ms, second.swept_batch_ms), swept);
    // Half an hour at least, less a quarter of the five minutes that passed.
    for carried in [second.carried_real_time_ms, second.carried_batch_ms] {
        assert!(carried > 28 * 60_000, "{carried}");
    }
    assert_eq!(second.key_sums.len(), 16);
    assert!(second.key_sums.iter().any(|sum| *sum != 0));
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_person_or_was_let_be_is_counted_and_ages_are_told() {
    let world = world(6);
    world.start();
    world.settle().await;
    world.stop();
    let rows = world.erp.suppliers();
    for row in &rows[..3] {
        let wrong = |row: &mut ErpSupplier| row.quality.audit_score = 140.0;
        world.erp.change(&row.id, wrong).unwrap();
    }
    world.run(MANUAL).await;
    for row in &rows[..2] {
        let key = RecordKey::try_new(&*row.id).unwrap();
        let review = ReviewId::Record(flow(), key);
        world.engine.discard(&review).await.unwrap();
    }
    tick(&world).await;
    let counted = world.engine.gauges(&flow()).await.unwrap();
    assert_eq!(
        (counted.applied, counted.in_review, counted.discarded),
        (3, 1, 2)
    );
    let [health] = world.engine.health().await.unwrap().try_into().unwrap();
    assert!(health.freshness.other_s.is_some(), "{:?}", health.freshness);
}
