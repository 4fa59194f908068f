//! Webhooks, hints and force syncs.

use std::time::Duration;

use tidegate_engine::{HookAnswer, HookOutcome};
use tidegate_model::{EndpointId, FlowId, RecordKey, Tier, TierReason, UnixMs, item::Value};
use tidegate_policy::{keys, register::State, run::RunRequest};
use tidegate_testkit::doubles::erp::{ErpSupplier, realistic_suppliers, webhook::Told};

use crate::world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow};

const ACCEPTED: fn(HookOutcome) -> HookAnswer = HookAnswer::Accepted;

async fn settled_world(count: u32) -> (World, Vec<String>) {
    let world = World::new(realistic_suppliers(9, count, 0), &[suppliers_flow()]);
    world.start();
    world.settle().await;
    let keys = world
        .erp
        .suppliers()
        .into_iter()
        .map(|row| row.id)
        .collect();
    (world, keys)
}

#[tokio::test(start_paused = true)]
async fn a_critical_change_goes_at_once_and_says_why() {
    let (world, keys) = settled_world(3).await;
    let row = world
        .erp
        .change(&keys[0], |row| row.quality.blocked = !row.quality.blocked)
        .unwrap();
    let began = world.engine.now();
    let answer = world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;
    assert_eq!(answer, ACCEPTED(HookOutcome::Critical));
    world
        .until("applied", Duration::from_secs(10), || world.is_clean())
        .await;
    println!(
        "a critical change took {:?}",
        world.engine.now().since(began)
    );
    for sent in world.queue().sent() {
        let text = sent.message.encode();
        assert!(!text.contains(&row.legal_name), "QUE-1: {text}");
    }
    let register = world.register(&keys[0]);
    assert_eq!(register.tier, Tier::RealTime);
    assert_eq!(
        register.tier_reason,
        TierReason::Critical {
            fields: vec!["blocked".to_owned()]
        }
    );
}

#[tokio::test(start_paused = true)]
async fn another_change_waits_for_the_next_window_and_goes_with_it() {
    let (world, keys) = settled_world(3).await;
    // The night's window has run: 02:00 in Berlin was 01:00Z.
    let night =
        UnixMs(world.engine.now().0 - world.engine.now().0.rem_euclid(86_400_000) + 3_600_000);
    world
        .run(RunRequest {
            window: Some(night),
            ..MANUAL
        })
        .await;
    let calls = world.qualio.calls().len();
    let row = world
        .erp
        .change(&keys[0], |row| row.contact.phone = "+49 30 000".to_owned())
        .unwrap();
    let answer = world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[1])
        .await;
    assert_eq!(answer, ACCEPTED(HookOutcome::NextWindow));
    // 07:00Z is 08:00 in Berlin: the next window is at 10:00, two hours away.
    tokio::time::sleep(Duration::from_secs(6_000)).await;
    assert_eq!(world.register(&keys[0]).state(), State::Pending);
    assert_eq!(
        world.qualio.calls().len(),
        calls,
        "no call before the window"
    );
    // Nothing but tick starts the window here: it is the only heartbeat.
    world
        .until("applied by the window", Duration::from_secs(3_600), || {
            world.is_clean()
        })
        .await;
    let phone = world.qualio.suppliers_of_key(&keys[0])[0]
        .contact_information
        .as_ref()
        .unwrap()
        .phone
        .clone();
    assert_eq!(phone.as_deref(), Some("+49 30 000"));
}

#[tokio::test(start_paused = true)]
async fn a_replay_changes_nothing() {
    let (world, keys) = settled_world(2).await;
    let row = world
        .erp
        .change(&keys[0], |row| row.quality.audit_score = 12.0)
        .unwrap();
    world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;
    world
        .until("applied", Duration::from_secs(10), || world.is_clean())
        .await;
    let (before, calls) = (world.registers(), world.qualio.calls().len());
    for _ in 0..3 {
        assert_eq!(
            world
                .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
                .await,
            ACCEPTED(HookOutcome::Known)
        );
    }
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(world.registers(), before);
    assert_eq!(world.qualio.calls().len(), calls);
}

#[tokio::test(start_paused = true)]
async fn a_hint_has_the_record_fetched_once() {
    let (world, keys) = settled_world(2).await;
    let changed = world
        .erp
        .change(&keys[1], |row| row.quality.approved = !row.quality.approved)
        .unwrap();
    let reads = world.erp.calls().len();
    assert_eq!(
        world
            .webhook(Told::Partial(&keys[1]), "m7", WEBHOOK_SECRETS[0])
            .await,
        ACCEPTED(HookOutcome::Fetching)
    );
    assert_eq!(
        world
            .webhook(Told::Partial(&keys[1]), "m7", WEBHOOK_SECRETS[0])
            .await,
        ACCEPTED(HookOutcome::Known)
    );
    world
        .until("fetched", Duration::from_secs(30), || async {
            world.register(&keys[1]).desired.version.source.0 == changed.version
        })
        .await;
    world
        .until("applied", Duration::from_secs(30), || world.is_clean())
        .await;
    assert_eq!(world.erp.calls().len(), reads + 1);
}

#[tokio::test(start_paused = true)]
async fn an_older_payload_that_comes_late_does_not_win() {
    let (world, keys) = settled_world(1).await;
    let older = world
        .erp
        .change(&keys[0], |row| row.quality.audit_score = 11.0)
        .unwrap();
    let newer = world
        .erp
        .change(&keys[0], |row| row.quality.audit_score = 99.0)
        .unwrap();
    world
        .webhook(Told::Whole(&newer), "m2", WEBHOOK_SECRETS[0])
        .await;
    assert_eq!(
        world
            .webhook(Told::Whole(&older), "m1", WEBHOOK_SECRETS[0])
            .await,
        ACCEPTED(HookOutcome::Known)
    );
    world
        .until("applied", Duration::from_secs(30), || world.is_clean())
        .await;
    let fields = world.register(&keys[0]).effective();
    assert_eq!(fields.fields().unwrap()["audit_score"], 99.0, "REG-1");
}

#[tokio::test(start_paused = true)]
async fn a_force_sync_fetches_and_applies_and_repeats_coalesce() {
    let (world, keys) = settled_world(2).await;
    world
        .erp
        .change(&keys[0], |row| row.contact.phone = "1".to_owned())
        .unwrap();
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new(keys[0].clone()).unwrap();
    assert!(
        !world
            .engine
            .force_sync(&flow, &key)
            .await
            .unwrap()
            .coalesced
    );
    assert!(
        world
            .engine
            .force_sync(&flow, &key)
            .await
            .unwrap()
            .coalesced
    );
    world
        .until("fetched", Duration::from_secs(30), || async {
            world.register(&keys[0]).tier_reason == TierReason::ForceSync
        })
        .await;
    world
        .until("applied", Duration::from_secs(30), || world.is_clean())
        .await;
    tokio::time::sleep(Duration::from_secs(11)).await;
    assert!(
        !world
            .engine
            .force_sync(&flow, &key)
            .await
            .unwrap()
            .coalesced,
        "after 10 s a repeat is a new one"
    );
}

#[tokio::test(start_paused = true)]
async fn five_changes_of_one_record_in_a_backlog_are_one_update() {
    let (world, keys) = settled_world(1).await;
    let flow = FlowId::try_new("suppliers").unwrap();
    let pause = serde_json::from_value(
        serde_json::json!({"reason": "test", "by": "me", "scope": "target"}),
    )
    .unwrap();
    world.engine.pause(&flow, pause).await.unwrap();
    for score in 1..=5 {
        let row = world
            .erp
            .change(&keys[0], |row| row.quality.audit_score = f64::from(score))
            .unwrap();
        world
            .webhook(Told::Whole(&row), &format!("m{score}"), WEBHOOK_SECRETS[0])
            .await;
    }
    let calls = world.qualio.calls().len();
    tokio::time::sleep(Duration::from_secs(400)).await;
    assert_eq!(world.qualio.calls().len(), calls, "paused");
    world.engine.resume(&flow, "me").await.unwrap();
    world
        .until("applied", Duration::from_secs(60), || world.is_clean())
        .await;
    assert_eq!(
        world.qualio.calls().len() - calls,
        2,
        "an update is a read and a replace"
    );
}

/// What a limit has promised to those that wait.
fn promised(world: &World) -> i64 {
    let slots = keys::slots(&EndpointId::try_new("qualio").unwrap(), Tier::RealTime);
    let item = world.table().item(&slots);
    item.and_then(|item| item.get("queued").and_then(Value::as_number))
        .unwrap_or(0)
}

#[tokio::test(start_paused = true)]
async fn only_the_first_of_a_records_messages_is_promised_calls_lim_4() {
    let (world, keys) = settled_world(30).await;
    let push = async |key: &str, id: &str| {
        let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
        let row = world.erp.change(key, change).unwrap();
        let secret = WEBHOOK_SECRETS[0];
        world.webhook(Told::Whole(&row), id, secret).await;
    };
    // Ten updates use the 20 calls of a minute up; twenty wait.
    for key in &keys {
        push(key, &format!("first of {key}")).await;
    }
    let waiting = || keys.iter().filter(|key| world.register(key).is_dirty());
    let others_wait = || async { promised(&world) == 40 && waiting().count() == 20 };
    world
        .until("20 wait", Duration::from_secs(20), others_wait)
        .await;
    for again in 0..2 {
        for key in waiting().collect::<Vec<_>>() {
            push(key, &format!("change {again} of {key}")).await;
        }
    }
    let began = world.engine.now();
    world
        .until("applied", Duration::from_secs(600), || world.is_clean())
        .await;
    assert_eq!(promised(&world), 40, "a repeat is promised nothing");
    let took = world.engine.now().since(began);
    assert!(
        took < Duration::from_secs(130),
        "40 calls leave in the next two minutes: {took:?}"
    );
}

/// Dirty records whose messages are gone are pushed again: each message repeats one that is not there.
#[tokio::test(start_paused = true)]
async fn repeats_of_messages_that_are_gone_queue_in_order_lim_4() {
    let (world, keys) = settled_world(100).await;
    let flow = FlowId::try_new("suppliers").unwrap();
    let push_all = async |score: u8| {
        for key in &keys {
            let row = world
                .erp
                .change(key, |row| {
                    row.quality.blocked = !row.quality.blocked;
                    row.quality.audit_score = f64::from(score);
                })
                .unwrap();
            let id = format!("{score} of {key}");
            world
                .webhook(Told::Whole(&row), &id, WEBHOOK_SECRETS[0])
                .await;
        }
    };
    let pause = serde_json::from_value(
        serde_json::json!({"reason": "test", "by": "me", "scope": "target"}),
    )
    .unwrap();
    let state = keys::flow_state(&flow);
    let running = world.table().item(&state);
    world.engine.pause(&flow, pause).await.unwrap();
    push_all(1).await;
    let all_parked = || async { world.queue().is_empty() };
    world
        .until("all parked", Duration::from_secs(60), all_parked)
        .await;
    // Not resumed, which would queue everything anew: as if the messages had been lost.
    world.table().put(state, running.unwrap_or_default());
    let before = world.queue_meter(Tier::RealTime).received;
    let calls_before = world.qualio.calls().len();
    push_all(2).await;
    tokio::time::sleep(Duration::from_secs(240)).await;
    let received = world.queue_meter(Tier::RealTime).received - before;
    assert!(
        received <= 400,
        "100 messages were received {received} times in four minutes"
    );
    let calls = world.qualio.calls().len() - calls_before;
    assert!(calls >= 78, "and {calls} calls were made");
}

#[tokio::test(start_paused = true)]
async fn an_applied_change_costs_three_conditional_writes_and_its_share_of_a_permit() {
    let (world, _) = settled_world(1).await;
    for row in world.erp.suppliers() {
        world
            .erp
            .change(&row.id, |row| row.quality.blocked = !row.quality.blocked)
            .unwrap();
    }
    let before = world.writes();
    let row = world.erp.suppliers().remove(0);
    world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;
    world
        .until("applied", Duration::from_secs(30), || world.is_clean())
        .await;
    // Stage, claim, commit; and one grant that holds both permits of the update.
    assert_eq!(world.writes() - before, 4);
}

#[tokio::test(start_paused = true)]
async fn an_idle_budget_is_used_at_once_after_a_pause_in_a_backlog() {
    let world = World::new(realistic_suppliers(9, 400, 0), &[suppliers_flow()]);
    world.start();
    world.run(MANUAL).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    // Eight minutes of capacity are promised to messages that are parked now.
    let flow = FlowId::try_new("suppliers").unwrap();
    let pause = serde_json::from_value(serde_json::json!({"reason": "test", "by": "me"})).unwrap();
    world.engine.pause(&flow, pause).await.unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    world.engine.resume(&flow, "me").await.unwrap();
    let resumed = world.engine.now();
    world
        .until("all applied", Duration::from_secs(3_600), || {
            world.is_clean()
        })
        .await;
    let calls = world
        .qualio
        .calls_between(resumed.0, resumed.0 + 60_000)
        .len();
    assert!(calls >= 48, "LIM-2: {calls} of 50 in the first minute");
    let took = world.engine.now().since(resumed);
    assert!(
        took < Duration::from_secs(460),
        "350 calls at 50 a minute take 7 minutes: {took:?}"
    );
}
