//! Who comes first when several wait for the calls of a limit, and what they take of it (LIM-4).

use std::time::Duration;

use tidegate_engine::Disposition;
use tidegate_model::{EndpointId, Message, Tier, Turn, item::ItemKey};
use tidegate_policy::{keys, limiter::Limit};
use tidegate_testkit::doubles::erp::{ErpSupplier, webhook::Told};

use crate::{
    hand::{Hand, flow_with, wait},
    world::WEBHOOK_SECRETS,
};

const LIMIT: Limit = Limit::in_window(7, Duration::from_secs(60));
const SECOND: Duration = Duration::from_secs(1);

/// Seven real-time calls a minute: as few as a flow may have.
fn seven_calls() -> String {
    flow_with(&[(
        "real_time = { calls = 20, per_s = 60 }",
        "real_time = { calls = 7, per_s = 60 }",
    )])
}

fn slots() -> ItemKey {
    keys::slots(&EndpointId::try_new("qualio").unwrap(), Tier::RealTime)
}

/// Records without a target, each of which takes one call, and a message for some of them.
async fn waiting(records: usize, free_in_ms: &[i64], queue: (i64, i64)) -> (Hand, Message) {
    let hand = Hand::staged(u32::try_from(records).unwrap(), seven_calls()).await;
    hand.full_second().await;
    hand.put_slots(&slots(), LIMIT, free_in_ms, queue);
    let message = hand.message(records, Tier::RealTime);
    (hand, message)
}

fn is_dirty(hand: &Hand, n: usize) -> bool {
    hand.world.register(hand.keys[n].as_str()).is_dirty()
}

#[tokio::test(start_paused = true)]
async fn who_has_just_come_waits_behind_those_that_wait_and_who_had_a_turn_does_not() {
    // Ten calls are promised; two slots fell free just now.
    let free = [-1_000, -1_000, 30_000];
    let (hand, message) = waiting(1, &free, (10, 0)).await;
    let handled = hand.handle(message).await;
    assert!(is_dirty(&hand, 0));
    let copy = &handled.sent[0].message;
    assert_eq!(
        (copy.turn, copy.had_turn),
        (Some(Turn { at: 10, calls: 1 }), true)
    );
    assert_eq!(hand.queue_of(&slots()), (11, 0));

    let (hand, message) = waiting(1, &free, (10, 0)).await;
    let repeats = message.repeating(true);
    let handled = hand.handle(repeats).await;
    let copy = &handled.sent[0].message;
    assert_eq!(copy.turn, Some(Turn { at: 10, calls: 0 }));
    assert_eq!(
        hand.queue_of(&slots()),
        (10, 0),
        "a repeat is promised nothing"
    );

    let (hand, mut message) = waiting(1, &free, (10, 0)).await;
    message.had_turn = true;
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty());
    assert!(!is_dirty(&hand, 0));
}

#[tokio::test(start_paused = true)]
async fn a_message_waits_for_its_turn_as_it_is_told_anew_and_not_as_it_was_told() {
    let turn = Some(Turn { at: 5, calls: 1 });
    // The five before it have been served: it comes long before it was told to.
    let (hand, mut message) = waiting(1, &[-1_000], (20, 5)).await;
    message.turn = turn;
    message.not_before = Some(hand.world.engine.now() + SECOND * 600);
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty());
    assert!(!is_dirty(&hand, 0));
    // The next slot falls free in 1.6 s, and work comes 1.5 s early: another hop is not worth it.
    let (hand, mut message) = waiting(1, &[1_600], (20, 5)).await;
    message.turn = turn;
    message.not_before = Some(hand.world.engine.now() + SECOND * 600);
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty());
    assert!(!is_dirty(&hand, 0));
    // They have not: it waits longer than it was told to.
    let (hand, mut message) = waiting(1, &[30_000], (20, -2)).await;
    let now = hand.world.engine.now();
    message.turn = turn;
    message.not_before = Some(now + SECOND * 10);
    let handled = hand.handle(message).await;
    assert_eq!(handled.sent[0].message.turn, turn);
    // Seven calls are before it: one round, then the first of the next.
    let waits = wait(&handled.sent[0], now);
    assert!(waits > SECOND * 85 && waits < SECOND * 92, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_message_whose_time_has_come_takes_what_lies_idle_although_others_are_before_it() {
    let (hand, mut message) = waiting(1, &[-10_000], (100, 0)).await;
    message.turn = Some(Turn { at: 90, calls: 1 });
    message.not_before = Some(hand.world.engine.now());
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty(), "{handled:?}");
    assert!(!is_dirty(&hand, 0));
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_promised_and_are_not_needed_any_more_are_given_up() {
    // Promised four, and two of its records are done.
    let (hand, mut message) = waiting(2, &[-1_000], (20, 5)).await;
    message.turn = Some(Turn { at: 5, calls: 4 });
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty(), "{handled:?}");
    assert_eq!(hand.queue_of(&slots()), (20, 9), "two given up, two made");

    let (hand, mut message) = waiting(2, &[40_000], (20, 5)).await;
    let now = hand.world.engine.now();
    message.turn = Some(Turn { at: 5, calls: 5 });
    let handled = hand.handle(message).await;
    assert_eq!(hand.queue_of(&slots()), (20, 8), "three given up");
    let copy = &handled.sent[0];
    assert_eq!(copy.message.turn, Some(Turn { at: 8, calls: 2 }));
    // A slot falls free in 40 s, and it comes a little before.
    let waits = wait(copy, now);
    assert!(waits >= SECOND * 38 && waits < SECOND * 40, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn of_a_pack_that_gets_some_of_its_calls_the_rest_keeps_its_turn() {
    let (hand, mut message) = waiting(3, &[-1_000, 40_000], (20, 5)).await;
    message.turn = Some(Turn { at: 5, calls: 3 });
    let handled = hand.handle(message).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert_eq!(hand.world.qualio.calls().len(), 1);
    let copy = &handled.sent[0].message;
    assert_eq!(copy.keys, hand.keys[1..]);
    assert_eq!(copy.turn, Some(Turn { at: 6, calls: 2 }));
    assert_eq!(hand.queue_of(&slots()), (20, 6));
}

/// An update is two calls, and one is left over by those that wait.
#[tokio::test(start_paused = true)]
async fn who_finds_too_few_calls_does_not_come_back_at_once() {
    let hand = Hand::settled(1, seven_calls()).await;
    let key = hand.keys[0].as_str();
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    let row = hand.world.erp.change(key, change).unwrap();
    let told = Told::Whole(&row);
    hand.world.webhook(told, "m1", WEBHOOK_SECRETS[0]).await;
    let now = hand.full_second().await;
    let free = [-1_000, -1_000, 40_000];
    hand.put_slots(&slots(), LIMIT, &free, (6, 5));
    let handled = hand.handle(hand.message(1, Tier::RealTime)).await;
    let copy = &handled.sent[0];
    assert_eq!(copy.message.turn, Some(Turn { at: 6, calls: 2 }));
    let waits = wait(copy, now);
    assert!(waits >= SECOND && waits < SECOND * 3, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn who_finds_the_days_quota_used_up_gives_its_turn_up_and_comes_first_the_next_day_lim_3() {
    // Of ten calls seven may be used, and two of them are kept for real-time.
    let flow = flow_with(&[("day = { calls = 100_000 }", "day = { calls = 10 }")]);
    let hand = Hand::staged(6, flow).await;
    let handled = hand.handle(hand.message(6, Tier::Batch)).await;
    assert_eq!(hand.world.qualio.calls().len(), 5);
    let mut rest = handled.sent[0].message.clone();
    assert_eq!(rest.turn.unwrap().calls, 1);
    rest.not_before = None;
    let now = hand.full_second().await;
    let handled = hand.handle(rest).await;
    let copy = &handled.sent[0];
    assert_eq!((copy.message.turn, copy.message.had_turn), (None, true));
    let slots = keys::slots(&EndpointId::try_new("qualio").unwrap(), Tier::Batch);
    assert_eq!(hand.queue_of(&slots), (1, 1));
    let midnight = 86_400_000 - now.0.rem_euclid(86_400_000);
    let waits = i64::try_from(wait(copy, now).as_millis()).unwrap();
    assert!(waits >= midnight && waits < midnight + 3_000, "{waits}");
}
