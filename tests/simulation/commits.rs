//! What a call leaves in the register, however it ended (EFF-1, EFF-2, TRY-1).

use std::time::Duration;

use tidegate_engine::Disposition;
use tidegate_model::{EndpointId, Message, Tier, UnixMs};
use tidegate_policy::{
    keys,
    limiter::Limit,
    register::{ReviewKind, State},
};
use tidegate_simulator::Fate;
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    erp::{ErpSupplier, webhook::Told},
};

use crate::{
    hand::{Hand, flow, flow_with, wait},
    world::{WEBHOOK_SECRETS, suppliers_flow},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE_MS: i64 = 60_000;

/// A critical change of a record, as the ERP tells of it.
async fn push(hand: &Hand, n: usize) -> u64 {
    let key = hand.keys[n].as_str();
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    let row = hand.world.erp.change(key, change).unwrap();
    let id = format!("{key} {}", row.version);
    let told = Told::Whole(&row);
    hand.world.webhook(told, &id, WEBHOOK_SECRETS[0]).await;
    row.version
}

/// Applied records, the first of which has changed, and a message for it.
async fn changed() -> (Hand, Message) {
    let hand = Hand::settled(2, suppliers_flow()).await;
    push(&hand, 0).await;
    let message = hand.message(1, Tier::RealTime);
    (hand, message)
}

/// The same, where the outcome of an earlier claim's call is not known.
async fn changed_while_a_call_is_open() -> (Hand, Message) {
    let (hand, message) = changed().await;
    let key = keys::register(&flow(), &hand.keys[0]);
    let mut item = hand.world.table().item(&key).unwrap();
    item.insert("un".to_owned(), "0".repeat(32).as_str().into());
    hand.world.table().put(key, item);
    (hand, message)
}

fn calls(hand: &Hand, method: &str) -> usize {
    let calls = hand.world.qualio.calls();
    calls.iter().filter(|call| call.method == method).count()
}

#[tokio::test(start_paused = true)]
async fn what_is_staged_during_a_call_waits_for_the_next_and_the_record_is_free_for_it() {
    let hand = Hand::settled(1, suppliers_flow()).await;
    let sent = push(&hand, 0).await;
    let slow = Fault::new(Action::DelayMs(1_000)).method("PUT");
    hand.world.qualio.set_fault(slow).unwrap();
    let message = hand.message(1, Tier::RealTime);
    let (handled, newer) = tokio::join!(hand.handle(message), async {
        tokio::time::sleep(SECOND).await;
        push(&hand, 0).await
    });
    assert_eq!(handled.disposition, Disposition::Delete);
    let register = hand.world.register(hand.keys[0].as_str());
    assert!(register.is_dirty());
    assert_eq!(register.desired.version.source.0, newer);
    assert_eq!(register.applied.unwrap().version.source.0, sent);
    assert_eq!((register.claim, register.unknown), (None, None));
    // The stage's own, and one more in case that it died between.
    assert_eq!(handled.sent.len(), 2);
    for copy in handled.sent {
        assert_eq!(copy.message.tier, Tier::RealTime);
        assert!(copy.message.repeat);
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_gone_from_the_target_is_a_persons_and_is_not_created_again() {
    let (hand, message) = changed().await;
    hand.qualio_answers("GET", 404);
    let created = calls(&hand, "POST");
    let handled = hand.handle(message).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.review.unwrap().kind, ReviewKind::Refused);
    assert_eq!(register.target_id, None);
    assert_eq!(calls(&hand, "POST"), created);
}

#[tokio::test(start_paused = true)]
async fn a_record_that_is_gone_while_an_earlier_call_is_open_is_created_anew() {
    let (hand, message) = changed_while_a_call_is_open().await;
    let before = hand.world.register(hand.keys[0].as_str());
    hand.qualio_answers("GET", 404);
    let created = calls(&hand, "POST");
    let handled = hand.handle(message).await;
    assert!(handled.sent.is_empty());
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.state(), State::Applied);
    assert_ne!(register.target_id, before.target_id);
    assert_eq!(calls(&hand, "POST"), created + 1);
}

#[tokio::test(start_paused = true)]
async fn a_call_that_may_have_taken_effect_holds_the_record_for_its_time_out_and_what_follows_eff_1()
 {
    let flow = flow_with(&[(
        "secret = \"QUALIO_API_KEY\"",
        "secret = \"QUALIO_API_KEY\"\ntimeout_s = 9\nsettle_s = 17",
    )]);
    let hand = Hand::staged(1, flow).await;
    let broken = Fault::new(Action::Drop).at(Point::AfterActBeforeAnswer);
    hand.world.qualio.set_fault(broken).unwrap();
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    let ended = hand.world.engine.now();
    assert_eq!(handled.disposition, Disposition::Keep);
    assert_eq!(handled.held, [SECOND * 60]);
    let register = hand.world.register(hand.keys[0].as_str());
    let started = register.history[0].at;
    assert_eq!(register.quiet_until, Some(started + SECOND * (9 + 17)));
    assert!(register.unknown.is_some() && register.claim.is_none());
    assert_eq!(register.attempts, 1);
    let next = register.next_attempt.unwrap();
    assert!(next > ended + SECOND * 59 && next <= ended + SECOND * 60);
}

/// The client made the write twice, and the second time it was refused.
#[tokio::test(start_paused = true)]
async fn a_failure_whose_write_lost_its_answer_leaves_a_message_que_2() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    hand.qualio_answers("POST", 500);
    // The claim is the first.
    hand.strike_write(2, Fate::Repeat, keys::register(&flow(), &hand.keys[0]));
    let now = hand.full_second().await;
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert_eq!(hand.world.register(hand.keys[0].as_str()).attempts, 1);
    assert_eq!(wait(&handled.sent[0], now).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_park_the_record_with_the_flow() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    hand.qualio_answers("POST", 401);
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert!(handled.sent.is_empty());
    let state = hand.world.engine.flow_state(&flow()).await.unwrap();
    assert!(state.blocker.is_some());
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!((register.claim, register.attempts), (None, 0));
}

/// What a call that began before a person mended the cause says of it is nothing.
#[tokio::test(start_paused = true)]
async fn a_record_whose_refusal_a_persons_check_has_overtaken_comes_again() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    let slow = Fault::new(Action::DelayMs(4_000)).method("POST");
    let slow = slow.key(hand.keys[1].as_str());
    hand.world.qualio.set_fault(slow).unwrap();
    hand.qualio_answers("POST", 401);
    let mut other = hand.message(2, Tier::Batch);
    other.keys.remove(0);
    let now = hand.full_second().await;
    let ((), handled) = tokio::join!(
        async {
            hand.world.engine.work(&[]).await;
            let first = hand.message(1, Tier::Batch);
            hand.handle(first).await;
            hand.world.engine.resume(&flow(), "me").await.unwrap();
        },
        hand.handle(other)
    );
    let state = hand.world.engine.flow_state(&flow()).await.unwrap();
    assert!(state.checking);
    let copy = &handled.sent[0];
    assert_eq!(copy.message.keys, hand.keys[1..]);
    assert!(!copy.message.had_turn);
    let waits = wait(copy, now);
    assert!(waits > SECOND * 9 && waits < SECOND * 11, "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_fails_counts_as_nobodys_attempt_and_costs_no_receive_try_1() {
    for (opened, outage) in [(-MINUTE_MS, false), (-20 * MINUTE_MS, true)] {
        let hand = Hand::staged(1, suppliers_flow()).await;
        hand.qualio_answers("POST", 503);
        let UnixMs(now) = hand.full_second().await;
        hand.put_breaker(
            "qualio",
            &[("opened", now + opened), ("until", now - 10_000)],
        );
        let handled = hand.handle(hand.message(1, Tier::Batch)).await;
        assert_eq!(handled.disposition, Disposition::Delete);
        assert!(handled.held.is_empty());
        assert_eq!(calls(&hand, "POST"), 1);
        let register = hand.world.register(hand.keys[0].as_str());
        assert_eq!((register.attempts, register.review), (0, None));
        assert!(register.next_attempt.unwrap() > UnixMs(now) + SECOND * 60);
        if outage {
            // Tick has another record probe next.
            assert!(handled.sent.is_empty());
        } else {
            let waits = wait(&handled.sent[0], UnixMs(now));
            assert!(waits > SECOND * 60 && waits < SECOND * 62, "{waits:?}");
        }
    }
}

/// An update of a record that turns out to be gone takes a third call, which was not asked for.
#[tokio::test(start_paused = true)]
async fn a_record_that_has_begun_waits_seconds_for_its_next_call_and_no_longer() {
    let limit = Limit::in_window(20, SECOND * 60);
    let slots = keys::slots(&EndpointId::try_new("qualio").unwrap(), Tier::RealTime);
    for (free_in_ms, waits) in [(6_000, true), (9_000, false)] {
        let (hand, message) = changed_while_a_call_is_open().await;
        hand.qualio_answers("PUT", 404);
        let created = calls(&hand, "POST");
        hand.put_slots(&slots, limit, &[-1_000, -1_000, free_in_ms], (0, 0));
        let handled = hand.handle(message).await;
        assert_eq!(handled.disposition, Disposition::Delete);
        assert_eq!(calls(&hand, "POST") - created, usize::from(waits));
        let register = hand.world.register(hand.keys[0].as_str());
        assert_eq!((register.is_dirty(), register.claim), (!waits, None));
        if waits {
            assert!(handled.sent.is_empty());
            assert!(handled.took > SECOND * 5, "{:?}", handled.took);
        } else {
            assert!(handled.took < SECOND * 2, "{:?}", handled.took);
            let copy = &handled.sent[0].message;
            assert_eq!((copy.had_turn, copy.turn), (true, None));
        }
    }
}
