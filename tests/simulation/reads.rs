//! A record that is to be read from its source first: when the read begins, whom it waits for, and what
//! its failure leaves (LIM-4, QUE-2).

use std::time::Duration;

use tidegate_engine::{Disposition, RunEnd};
use tidegate_model::{EndpointId, Fetch, Message, Tier, Turn, UnixMs, item::ItemKey};
use tidegate_policy::{
    keys,
    limiter::Limit,
    run::{Mode, RunRequest},
};
use tidegate_simulator::Fate;
use tidegate_testkit::doubles::{Action, Fault, erp::ErpSupplier};

use crate::{
    hand::{Hand, flow, flow_with, wait},
    world::{MANUAL, suppliers_flow},
};

const SECOND: Duration = Duration::from_secs(1);
/// What changed at the source.
const PHONE: &str = "+49 30 7";
/// What the flow allows of the ERP.
const LIMIT: Limit = Limit::in_window(120, Duration::from_secs(60));
/// Patience, the call's time-out, and what follows it.
const FETCH_LEASE: Duration = Duration::from_secs(5 + 10 + 10);

fn slots() -> ItemKey {
    keys::slots(&EndpointId::try_new("erp").unwrap(), Tier::Batch)
}

/// A flow whose source has no versions, so that reads must not overlap.
fn by_read() -> String {
    flow_with(&[(
        r#"version = { by = "sequence", at = "row.version" }"#,
        r#"version = { by = "read" }"#,
    )])
}

/// Applied records, and a hint about the first, which has changed.
async fn hinted(flow: String) -> (Hand, Message) {
    let hand = Hand::settled(2, flow).await;
    // What the settling used of the source's limit is free again.
    tokio::time::sleep(SECOND * 61).await;
    let alter = |row: &mut ErpSupplier| PHONE.clone_into(&mut row.contact.phone);
    let key = hand.keys[0].as_str();
    hand.world.erp.change(key, alter).unwrap();
    hand.full_second().await;
    let hint = hand.message(1, Tier::RealTime).fetching(Fetch::Hint);
    (hand, hint)
}

fn is_read(hand: &Hand) -> bool {
    let content = hand.world.register(hand.keys[0].as_str()).desired.content;
    content.fields().unwrap()["phone"] == PHONE
}

/// Another holds the flow's lease until so long from now: a run, or a fetch.
fn hold_lease(hand: &Hand, until: UnixMs, fetches: bool) {
    let lease = keys::lease(&flow());
    let mut item = hand.world.table().item(&lease).unwrap();
    item.insert("owner".to_owned(), "0".repeat(32).as_str().into());
    item.insert("until".to_owned(), until.0.into());
    if fetches {
        item.insert("fetches".to_owned(), 1.into());
    }
    hand.world.table().put(lease, item);
}

fn free_lease(hand: &Hand) {
    let lease = keys::lease(&flow());
    let mut item = hand.world.table().item(&lease).unwrap();
    for name in ["owner", "until", "fetches"] {
        item.remove(name);
    }
    hand.world.table().put(lease, item);
}

fn written(hand: &Hand) -> u64 {
    hand.world.writes() + hand.world.table().refused()
}

#[tokio::test(start_paused = true)]
async fn a_read_takes_a_permit_a_number_and_a_stage_and_leaves_at_its_permits_moment() {
    let (hand, hint) = hinted(suppliers_flow()).await;
    let before = written(&hand);
    let handled = hand.handle(hint).await;
    assert!(is_read(&hand));
    assert!(handled.sent.is_empty(), "it waits for its window");
    assert_eq!(written(&hand) - before, 3);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_waits_seconds_for_a_call_of_its_source_writes_nothing_for_it() {
    let mut writes = Vec::new();
    // An initial run would list the target first.
    let mode = Some(Mode::Incremental);
    for free_in_ms in [-1_000, 4_000] {
        let hand = Hand::empty(3, suppliers_flow());
        hand.put_slots(&slots(), LIMIT, &[free_in_ms], (0, 0));
        let report = hand.world.run(RunRequest { mode, ..MANUAL }).await;
        assert_eq!((report.end, report.counts.staged), (RunEnd::Complete, 3));
        writes.push(written(&hand));
    }
    assert_eq!(writes[0], writes[1]);
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_finds_no_call_takes_a_turn_and_keeps_it() {
    let (hand, mut hint) = hinted(suppliers_flow()).await;
    hint.first_sent = UnixMs(hint.first_sent.0 - 60_000);
    hand.put_slots(&slots(), LIMIT, &[40_000], (20, 5));
    let handled = hand.handle(hint.clone()).await;
    let copy = &handled.sent[0].message;
    assert_eq!(copy.turn, Some(Turn { at: 20, calls: 1 }));
    assert!(copy.had_turn);
    assert_eq!((copy.fetch, copy.first_sent), (hint.fetch, hint.first_sent));
    assert_eq!(hand.queue_of(&slots()), (21, 5));
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_waits_for_something_else_gives_its_turn_up() {
    let (hand, mut hint) = hinted(suppliers_flow()).await;
    let now = hand.world.engine.now();
    hand.put_slots(&slots(), LIMIT, &[-1_000], (20, 5));
    let open = [("opened", now.0 - 1_000), ("until", now.0 + 100_000)];
    hand.put_breaker("erp", &open);
    hint.turn = Some(Turn { at: 5, calls: 1 });
    hint.had_turn = true;
    let handled = hand.handle(hint).await;
    assert_eq!(hand.queue_of(&slots()), (20, 6));
    let copy = &handled.sent[0];
    assert_eq!((copy.message.turn, copy.message.had_turn), (None, false));
    assert!(wait(copy, now) >= SECOND * 100, "{copy:?}");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_fails_is_made_again_in_a_minute_and_spends_nothing() {
    for status in [500, 401] {
        let (hand, mut hint) = hinted(suppliers_flow()).await;
        hint.first_sent = UnixMs(hint.first_sent.0 - 60_000);
        let now = hand.world.engine.now();
        let answer = Action::answer(status, serde_json::Value::Null);
        hand.world.erp.set_fault(Fault::new(answer)).unwrap();
        let handled = hand.handle(hint.clone()).await;
        assert_eq!(handled.disposition, Disposition::Delete);
        let copy = &handled.sent[0];
        assert_eq!(copy.message.fetch, Some(Fetch::Hint));
        assert_eq!(copy.message.first_sent, hint.first_sent);
        assert_eq!(copy.message.failing_since.is_some(), status == 500);
        assert_eq!(wait(copy, now).as_secs(), 60);
        let state = hand.world.engine.flow_state(&flow()).await.unwrap();
        assert_eq!(state.blocker.is_some(), status == 401);
        assert!(!is_read(&hand));
    }
}

#[tokio::test(start_paused = true)]
async fn a_record_that_could_not_be_read_for_a_day_needs_a_person_que_2() {
    for (fails_for_s, given_up) in [(None, false), (Some(86_340), false), (Some(86_401), true)] {
        let (hand, mut hint) = hinted(suppliers_flow()).await;
        // Older by the time in which it waited for something else.
        hint.first_sent = UnixMs(hint.first_sent.0 - 200_000_000);
        let now = hand.world.engine.now().0;
        hint.failing_since = fails_for_s.map(|span| UnixMs(now - span * 1_000));
        let answer = Action::answer(500, serde_json::Value::Null);
        hand.world.erp.set_fault(Fault::new(answer)).unwrap();
        let handled = hand.handle(hint).await;
        assert_eq!(handled.disposition, Disposition::Delete);
        assert_eq!(handled.sent.is_empty(), given_up);
        let mail = hand.world.engine.daily_digest("").await.unwrap();
        assert_eq!(mail.text.contains("dead_letter: 1"), given_up);
    }
}

#[tokio::test(start_paused = true)]
async fn a_pause_a_queue_or_an_outage_of_more_than_a_day_gives_no_hint_up_que_2() {
    let outage = |hand: &Hand, until_ms: i64| {
        let now = hand.world.engine.now();
        let breaker = [("opened", now.0 - 90_000_000), ("until", now.0 + until_ms)];
        hand.put_breaker("erp", &breaker);
    };
    for what in ["a queue", "an open breaker", "a probe that fails"] {
        let (hand, mut hint) = hinted(suppliers_flow()).await;
        hint.failing_since = Some(UnixMs(hint.first_sent.0 - 90_000_000));
        let answer = Action::answer(500, serde_json::Value::Null);
        hand.world.erp.set_fault(Fault::new(answer)).unwrap();
        match what {
            "a queue" => hand.put_slots(&slots(), LIMIT, &[40_000], (20, 5)),
            "an open breaker" => outage(&hand, 100_000),
            _ => outage(&hand, -1_000),
        }
        let handled = hand.handle(hint).await;
        assert_eq!(handled.sent.len(), 1, "{what}");
        assert_eq!(handled.sent[0].message.fetch, Some(Fetch::Hint), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_source_that_answers_with_another_record_changes_none() {
    let (hand, hint) = hinted(suppliers_flow()).await;
    let other = hand.world.erp.supplier(hand.keys[1].as_str()).unwrap();
    let answer = Action::answer(200, serde_json::to_value(other).unwrap());
    hand.world.erp.set_fault(Fault::new(answer)).unwrap();
    let (before, now) = (hand.world.registers(), hand.world.engine.now());
    let handled = hand.handle(hint).await;
    assert_eq!(hand.world.registers(), before);
    assert_eq!(wait(&handled.sent[0], now).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_source_with_versions_is_read_whoever_holds_the_lease() {
    let (hand, hint) = hinted(suppliers_flow()).await;
    hold_lease(&hand, hand.world.engine.now() + SECOND * 100, false);
    let handled = hand.handle(hint).await;
    assert!(is_read(&hand));
    assert!(handled.took < SECOND, "{:?}", handled.took);
}

#[tokio::test(start_paused = true)]
async fn a_read_waits_for_another_that_has_just_begun_and_does_not_leave_the_process() {
    let (hand, hint) = hinted(by_read()).await;
    hold_lease(&hand, hand.world.engine.now() + FETCH_LEASE, true);
    let before = written(&hand);
    let (handled, ()) = tokio::join!(hand.handle(hint), async {
        tokio::time::sleep(SECOND * 3).await;
        assert!(!is_read(&hand), "no read overlaps another");
        free_lease(&hand);
    });
    assert!(is_read(&hand));
    assert!(handled.sent.is_empty());
    assert!(handled.took < SECOND * 5, "{:?}", handled.took);
    // It looks every half a second, and its permit came too late for the call.
    let written = written(&hand) - before;
    assert!(written < 25, "{written} writes");
}

#[tokio::test(start_paused = true)]
async fn a_read_that_does_not_end_is_waited_for_five_seconds_and_then_until_its_lease_does() {
    let (hand, hint) = hinted(by_read()).await;
    let end = hand.world.engine.now() + FETCH_LEASE;
    hold_lease(&hand, end, true);
    let handled = hand.handle(hint).await;
    assert!(handled.took > SECOND * 4, "{:?}", handled.took);
    assert!(handled.took < SECOND * 7, "{:?}", handled.took);
    let copy = &handled.sent[0];
    assert_eq!(copy.message.fetch, Some(Fetch::Hint));
    assert!(copy.message.not_before.unwrap() > end);
}

#[tokio::test(start_paused = true)]
async fn a_read_that_has_died_or_a_run_is_waited_for_without_a_write() {
    for (lasts, fetches) in [(SECOND * 10, true), (SECOND * 100, false)] {
        let (hand, hint) = hinted(by_read()).await;
        let end = hand.world.engine.now() + lasts;
        hold_lease(&hand, end, fetches);
        let before = written(&hand);
        let handled = hand.handle(hint).await;
        assert_eq!(written(&hand), before);
        assert!(handled.took < SECOND, "{:?}", handled.took);
        assert!(handled.sent[0].message.not_before.unwrap() > end);
    }
}

#[tokio::test(start_paused = true)]
async fn a_run_that_begins_while_a_read_waits_for_its_permit_is_not_waited_for_here() {
    let (hand, hint) = hinted(by_read()).await;
    let end = hand.world.engine.now() + SECOND * 120;
    let (handled, ()) = tokio::join!(hand.handle(hint), async {
        tokio::time::sleep(Duration::from_millis(10)).await;
        hold_lease(&hand, end, false);
    });
    assert!(handled.took < SECOND, "{:?}", handled.took);
    assert!(handled.sent[0].message.not_before.unwrap() > end);
    assert!(!is_read(&hand));
}

/// The process stood still: another may read by now.
#[tokio::test(start_paused = true)]
async fn no_read_begins_after_its_lease_has_ended() {
    let (hand, hint) = hinted(by_read()).await;
    let stall = Fate::StallAfter(FETCH_LEASE + SECOND * 5);
    hand.strike_write(1, stall, keys::lease(&flow()));
    let reads = hand.world.erp.calls().len();
    let handled = hand.handle(hint).await;
    assert_eq!(handled.disposition, Disposition::Keep);
    assert_eq!(hand.world.erp.calls().len(), reads);
}
