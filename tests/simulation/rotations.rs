//! Secrets that are rotated while work goes on, and keys that really are wrong.

use std::time::Duration;

use tidegate_engine::{Event, HookAnswer, HookOutcome};
use tidegate_model::{Message, Tier};
use tidegate_policy::register::{AttemptNote, State};
use tidegate_testkit::doubles::{
    Call, Ended,
    erp::{ErpSupplier, realistic_suppliers, webhook::Told},
};

use crate::{
    hand::{Hand, flow},
    world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow},
};

const KEY: &str = "QUALIO_API_KEY";
const TOKEN: &str = "ERP_TOKEN";
const NEXT_WEBHOOK_SECRET: &str = "whsec_bmV4dC1zZWNyZXQtb2YtdGhlLXdlYmhvb2s=";
const ACCEPTED: fn(HookOutcome) -> HookAnswer = HookAnswer::Accepted;

/// New keys, where they are kept and then at once where they are asked for: the old ones are good for
/// nothing.
fn rotate_keys(world: &World, to: &str) {
    world.vault().put(KEY, to);
    world.vault().put(TOKEN, to);
    world.qualio.set_api_key(to);
    world.erp.set_token(to);
}

fn blockers(world: &World) -> usize {
    let blocked = |event: &Event| matches!(event, Event::FlowBlocked { .. });
    world.events().iter().filter(|event| blocked(event)).count()
}

/// How many calls Qualio and the ERP have refused for their credentials.
fn refused(world: &World) -> [usize; 2] {
    let count = |calls: Vec<Call>, status| {
        let is = |call: &&Call| call.ended == Ended::Answered(status);
        calls.iter().filter(is).count()
    };
    [
        count(world.qualio.calls(), 403),
        count(world.erp.calls(), 401),
    ]
}

/// A message for one record.
fn one(hand: &Hand, n: usize) -> Message {
    let keys = vec![hand.keys[n].clone()];
    Message::new(flow(), keys, Tier::Batch, hand.world.engine.now())
}

async fn push(world: &World, row: &ErpSupplier, secret: &str) -> HookAnswer {
    let id = format!("{} {}", row.id, row.version);
    world.webhook(Told::Whole(row), &id, secret).await
}

/// A critical change of a supplier.
fn change(world: &World, key: &str) -> ErpSupplier {
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    world.erp.change(key, change).unwrap()
}

#[tokio::test(start_paused = true)]
async fn keys_and_webhook_secret_are_rotated_amid_a_run_without_a_lost_change_try_1() {
    let world = World::new(realistic_suppliers(9, 130, 0), &[suppliers_flow()]);
    world.start();
    let keys: Vec<String> = world
        .erp
        .suppliers()
        .into_iter()
        .map(|row| row.id)
        .collect();
    let amid_pages = async {
        while world.erp.calls().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        rotate_keys(&world, "second");
    };
    tokio::join!(world.run(MANUAL), amid_pages);
    let amid_work = || async { world.qualio.suppliers().len() >= 20 };
    world
        .until("a part is applied", Duration::from_secs(600), amid_work)
        .await;
    rotate_keys(&world, "third");

    let row = change(&world, &keys[0]);
    let answer = push(&world, &row, WEBHOOK_SECRETS[0]).await;
    assert_eq!(answer, ACCEPTED(HookOutcome::Critical));
    world
        .vault()
        .put("SUPPLIERS_WEBHOOK_1", NEXT_WEBHOOK_SECRET);
    world.vault().put("SUPPLIERS_WEBHOOK_2", WEBHOOK_SECRETS[0]);
    for (key, secret) in [
        (&keys[1], WEBHOOK_SECRETS[0]),
        (&keys[2], NEXT_WEBHOOK_SECRET),
        (&keys[3], WEBHOOK_SECRETS[0]),
    ] {
        let row = change(&world, key);
        let answer = push(&world, &row, secret).await;
        assert_eq!(answer, ACCEPTED(HookOutcome::Critical), "{key}");
    }
    world
        .until("all is applied", Duration::from_secs(3_600), || {
            world.is_clean()
        })
        .await;

    let [by_qualio, by_erp] = refused(&world);
    assert!(
        by_qualio > 0 && by_erp > 0,
        "the old keys were used: {by_qualio}, {by_erp}"
    );
    assert_eq!(blockers(&world), 0);
    for (_, register) in world.registers() {
        assert_eq!(register.state(), State::Applied);
        assert_eq!(register.attempts, 0);
        let applied = |note: &AttemptNote| note.outcome == "applied";
        assert!(register.history.iter().all(applied), "{register:?}");
    }
    for row in world.erp.suppliers() {
        let stands = world.qualio.suppliers_of_key(&row.id);
        assert_eq!(stands.len(), 1, "{}", row.id);
        let blocked = if row.quality.blocked {
            "blocked yes"
        } else {
            "blocked no"
        };
        let contact = stands[0].contact_information.as_ref().unwrap();
        let notes = contact.notes.as_deref().unwrap();
        assert!(notes.contains(blocked), "{}: {notes}", row.id);
    }
}

#[tokio::test(start_paused = true)]
async fn a_key_that_really_is_wrong_is_a_blocker_after_one_look_at_the_vault() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    hand.world.qualio.set_api_key("another");
    let handled = hand.handle(one(&hand, 0)).await;
    assert_eq!(handled.sent, [], "parked until a person acts");
    assert_eq!(hand.world.qualio.calls().len(), 1);
    // For the call, and once more for its refusal.
    assert_eq!(hand.world.vault().fetched(KEY), 2);
    assert_eq!(blockers(&hand.world), 1);
    assert_eq!(hand.world.register(hand.keys[0].as_str()).attempts, 0);
}

/// Both the old and the new key are refused: the second refusal is by a fresh key.
#[tokio::test(start_paused = true)]
async fn a_new_key_that_is_refused_too_is_a_blocker() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    hand.handle(one(&hand, 0)).await;
    hand.world.vault().put(KEY, "mistyped");
    hand.world.qualio.set_api_key("new");
    change(&hand.world, hand.keys[0].as_str());
    hand.world.run(MANUAL).await;
    let first = hand.handle(one(&hand, 0)).await;
    assert_eq!(first.sent.len(), 1, "it comes again at once");
    assert!(first.sent[0].delay <= Duration::from_secs(1));
    assert_eq!(blockers(&hand.world), 0);
    let again = first.sent[0].message.clone();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let second = hand.handle(again).await;
    assert_eq!(second.sent, []);
    assert_eq!(blockers(&hand.world), 1);
    assert_eq!(refused(&hand.world)[0], 2);
    assert_eq!(hand.world.vault().fetched(KEY), 3);
}

#[tokio::test(start_paused = true)]
async fn a_vault_that_does_not_answer_makes_no_blocker_and_no_attempt_try_1() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    hand.handle(one(&hand, 1)).await;
    hand.world.qualio.set_api_key("new");
    hand.world.vault().set_down(true);
    let handled = hand.handle(one(&hand, 0)).await;
    assert_eq!(handled.disposition, tidegate_engine::Disposition::Keep);
    assert_eq!(blockers(&hand.world), 0);
    // What is refused is not sent again, though it was read less than five minutes ago.
    hand.handle(one(&hand, 0)).await;
    assert_eq!(hand.world.qualio.calls().len(), 2);
    hand.world.vault().set_down(false);
    hand.world.vault().put(KEY, "new");
    hand.handle(one(&hand, 0)).await;
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!((register.state(), register.attempts), (State::Applied, 0));
}

#[tokio::test(start_paused = true)]
async fn forged_webhooks_cost_a_look_at_the_vault_in_twenty_seconds() {
    let hand = Hand::settled(1, suppliers_flow()).await;
    let looked = || hand.world.vault().fetched("SUPPLIERS_WEBHOOK_1");
    let row = change(&hand.world, hand.keys[0].as_str());
    let before = looked();
    for _ in 0..100 {
        let answer = push(&hand.world, &row, NEXT_WEBHOOK_SECRET).await;
        assert_eq!(answer, HookAnswer::Unauthorized);
        tokio::time::sleep(Duration::from_millis(199)).await;
    }
    assert_eq!(looked() - before, 2, "the first reading, and one look");
    tokio::time::sleep(Duration::from_millis(100)).await;
    hand.world
        .vault()
        .put("SUPPLIERS_WEBHOOK_1", NEXT_WEBHOOK_SECRET);
    let answer = push(&hand.world, &row, NEXT_WEBHOOK_SECRET).await;
    assert_eq!(answer, ACCEPTED(HookOutcome::Critical));
}
