//! What becomes of a message whose records can not be worked on now (QUE-2, BRK-1, TRY-1).

use std::time::Duration;

use tidegate_engine::Disposition;
use tidegate_model::{EndpointId, Fetch, Tier, UnixMs};
use tidegate_policy::keys;
use tidegate_simulator::Fate;

use crate::{
    hand::{Hand, flow, wait},
    world::suppliers_flow,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE_MS: i64 = 60_000;

#[tokio::test(start_paused = true)]
async fn a_message_that_comes_early_goes_on_waiting_and_does_nothing_else() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    // A queue delays by 15 minutes at most: the rest of an hour is another hop.
    for (early_s, delay_s) in [(60, 60), (3_600, 900)] {
        let mut message = hand.message(1, Tier::Batch);
        let not_before = hand.world.engine.now() + Duration::from_secs(early_s);
        message.not_before = Some(not_before);
        let writes = hand.world.writes();
        let handled = hand.handle(message.clone()).await;
        assert_eq!(handled.disposition, Disposition::Delete);
        assert_eq!(handled.sent.len(), 1);
        message.hops += 1;
        assert_eq!(handled.sent[0].message, message);
        let delay = handled.sent[0].delay;
        let due = Duration::from_secs(delay_s);
        assert!(delay <= due && delay + SECOND > due, "{delay:?}");
        assert_eq!(hand.world.writes(), writes);
    }
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    assert!(handled.sent.is_empty());
    assert!(!hand.world.register(hand.keys[0].as_str()).is_dirty());
}

#[tokio::test(start_paused = true)]
async fn a_message_older_than_the_sweep_that_queued_everything_again_does_nothing() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    let old = hand.message(1, Tier::Batch);
    let item = [("swept".to_owned(), (old.first_sent.0 + 1).into())];
    hand.world
        .table()
        .put(keys::flow_state(&flow()), item.into());
    let writes = hand.world.writes();
    let handled = hand.handle(old.clone()).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert!(handled.sent.is_empty());
    assert_eq!(hand.world.writes(), writes);
    let mut young = old;
    young.first_sent = young.first_sent + Duration::from_millis(1);
    hand.handle(young).await;
    assert!(!hand.world.register(hand.keys[0].as_str()).is_dirty());
}

#[tokio::test(start_paused = true)]
async fn of_a_stopped_flow_a_record_is_parked_and_a_hint_comes_back_in_a_minute() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    let pause = serde_json::json!({"reason": "test", "by": "me", "scope": "target"});
    let pause = serde_json::from_value(pause).unwrap();
    hand.world.engine.pause(&flow(), pause).await.unwrap();
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert!(handled.sent.is_empty());
    let now = hand.full_second().await;
    let mut hint = hand.message(1, Tier::RealTime).fetching(Fetch::Hint);
    hint.hops = 7;
    let handled = hand.handle(hint).await;
    assert_eq!(handled.disposition, Disposition::Delete);
    assert_eq!(handled.sent.len(), 1);
    assert_eq!(handled.sent[0].message.hops, 7, "it waits for a person");
    assert_eq!(handled.sent[0].message.fetch, Some(Fetch::Hint));
    assert_eq!(wait(&handled.sent[0], now).as_secs(), 60);
}

/// What a breaker makes of a message of three records.
struct Case {
    what: &'static str,
    /// Milliseconds from now, by attribute of the breaker.
    breaker: &'static [(&'static str, i64)],
    /// Calls that are made.
    calls: usize,
    /// Records that wait, and for how long in seconds, at least; `None`: they are dropped.
    wait: Option<(usize, u64)>,
}

const OUTAGE: (&str, i64) = ("opened", -20 * MINUTE_MS);
const OPENED: (&str, i64) = ("opened", -MINUTE_MS);

const CASES: [Case; 10] = [
    Case {
        what: "open",
        breaker: &[OPENED, ("until", 100_000)],
        calls: 0,
        wait: Some((3, 100)),
    },
    Case {
        what: "open in an outage",
        breaker: &[OUTAGE, ("until", 100_000)],
        calls: 0,
        wait: None,
    },
    Case {
        what: "shortly before the probe of an outage, which it is to make",
        breaker: &[OUTAGE, ("until", 3_000)],
        calls: 0,
        wait: Some((3, 3)),
    },
    Case {
        what: "the provider asked to wait",
        breaker: &[("hold", 100_000)],
        calls: 0,
        wait: Some((3, 100)),
    },
    Case {
        what: "the provider asked to wait, in an outage",
        breaker: &[OUTAGE, ("until", -10_000), ("hold", 100_000)],
        calls: 0,
        wait: Some((3, 100)),
    },
    Case {
        what: "half-open",
        breaker: &[OPENED, ("until", -10_000)],
        calls: 1,
        wait: Some((2, 5)),
    },
    Case {
        what: "half-open in an outage",
        breaker: &[OUTAGE, ("until", -10_000)],
        calls: 1,
        wait: None,
    },
    Case {
        what: "another probes for long",
        breaker: &[OPENED, ("until", -10_000), ("probe_until", 60_000)],
        calls: 0,
        wait: Some((3, 5)),
    },
    Case {
        what: "another's probe is over soon",
        breaker: &[OPENED, ("until", -10_000), ("probe_until", 2_000)],
        calls: 0,
        wait: Some((3, 2)),
    },
    Case {
        what: "another probes in an outage",
        breaker: &[OUTAGE, ("until", -10_000), ("probe_until", 60_000)],
        calls: 0,
        wait: None,
    },
];

#[tokio::test(start_paused = true)]
async fn behind_a_breaker_nothing_is_claimed_but_by_the_probe_and_an_outage_drops_messages_brk_1() {
    for case in CASES {
        let what = case.what;
        let hand = Hand::staged(3, suppliers_flow()).await;
        let mut message = hand.message(3, Tier::Batch);
        message.first_sent = UnixMs(message.first_sent.0 - MINUTE_MS);
        message.hops = 7;
        let first_sent = message.first_sent;
        let now = hand.full_second().await;
        let moments = case.breaker.iter().map(|(name, at)| (*name, now.0 + at));
        hand.put_breaker("qualio", &moments.collect::<Vec<_>>());
        let writes = hand.world.writes();
        let handled = hand.handle(message).await;
        assert_eq!(handled.disposition, Disposition::Delete, "{what}");
        assert_eq!(hand.world.qualio.calls().len(), case.calls, "{what}");
        if case.calls == 0 {
            assert_eq!(hand.world.writes(), writes, "{what}: nothing is claimed");
        }
        let Some((records, seconds)) = case.wait else {
            assert!(handled.sent.is_empty(), "{what}: {:?}", handled.sent);
            continue;
        };
        assert_eq!(handled.sent.len(), 1, "{what}: {:?}", handled.sent);
        let copy = &handled.sent[0];
        assert_eq!(copy.message.keys.len(), records, "{what}");
        assert_eq!(copy.message.first_sent, first_sent, "{what}");
        // The probe was applied: something came of it.
        let hops = if case.calls > 0 { 1 } else { 8 };
        assert_eq!(copy.message.hops, hops, "{what}");
        // Another backlog awaits it then: it queues anew.
        assert!(!copy.message.had_turn, "{what}");
        let waits = wait(copy, now);
        let least = Duration::from_secs(seconds);
        assert!(waits >= least, "{what}: {waits:?}");
        assert!(waits < least + SECOND * 2, "{what}: {waits:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failed_call_hides_a_message_of_one_record_and_leaves_a_pack_by_a_message_of_its_own() {
    for records in [1, 2] {
        let hand = Hand::staged(records, suppliers_flow()).await;
        hand.qualio_answers("POST", 500);
        let now = hand.full_second().await;
        let records = records as usize;
        let handled = hand.handle(hand.message(records, Tier::Batch)).await;
        let step = Duration::from_secs(60);
        if records == 1 {
            assert_eq!(handled.disposition, Disposition::Keep);
            assert_eq!(handled.held, [step]);
            assert!(handled.sent.is_empty());
            continue;
        }
        assert_eq!(handled.disposition, Disposition::Delete);
        assert!(handled.held.is_empty());
        assert_eq!(handled.sent.len(), 2);
        for copy in &handled.sent {
            assert_eq!(copy.message.keys.len(), 1);
            assert!(wait(copy, now) >= step, "{copy:?}");
            assert!(wait(copy, now) < step + SECOND, "{copy:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_table_that_fails_leaves_the_message_and_of_a_pack_the_record_alone() {
    for records in [1, 2] {
        let hand = Hand::staged(records, suppliers_flow()).await;
        let register = keys::register(&flow(), &hand.keys[0]);
        hand.strike_write(1, Fate::FailUnsent, register);
        let now = hand.full_second().await;
        let records = records as usize;
        let handled = hand.handle(hand.message(records, Tier::Batch)).await;
        assert!(handled.held.is_empty());
        assert!(hand.world.register(hand.keys[0].as_str()).is_dirty());
        if records == 1 {
            assert_eq!(handled.disposition, Disposition::Keep);
            assert!(handled.sent.is_empty());
            continue;
        }
        assert_eq!(handled.disposition, Disposition::Delete);
        assert!(!hand.world.register(hand.keys[1].as_str()).is_dirty());
        assert_eq!(handled.sent.len(), 1);
        assert_eq!(handled.sent[0].message.keys, hand.keys[..1]);
        assert_eq!(wait(&handled.sent[0], now).as_secs(), 45);
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_release_has_staged_is_left_to_it_for_a_quarter_of_an_hour() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    let key = keys::register(&flow(), &hand.keys[0]);
    let mut item = hand.world.table().item(&key).unwrap();
    let mut version = hand.world.register(hand.keys[0].as_str()).desired.version;
    version.revision += 1;
    item.insert("dv".to_owned(), version.encode().as_str().into());
    hand.world.table().put(key, item);
    let (now, writes) = (hand.full_second().await, hand.world.writes());
    let handled = hand.handle(hand.message(1, Tier::Batch)).await;
    assert_eq!(wait(&handled.sent[0], now).as_secs(), 60);
    assert_eq!(hand.world.writes(), writes, "nothing is claimed for it");
    assert_eq!(hand.world.qualio.calls().len(), 0);
    // The newer release was taken back.
    tokio::time::sleep(SECOND * 900).await;
    hand.handle(hand.message(1, Tier::Batch)).await;
    assert!(!hand.world.register(hand.keys[0].as_str()).is_dirty());
}

#[tokio::test(start_paused = true)]
async fn what_a_newer_release_stages_just_before_a_claim_is_released_unsent() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    let key = keys::register(&flow(), &hand.keys[0]);
    let version = hand.world.register(hand.keys[0].as_str()).desired.version;
    let newer = tidegate_model::Version {
        revision: version.revision + 1,
        ..version
    };
    // It is staged between the worker's read and its claim.
    let stall = Fate::StallBefore(SECOND * 2);
    hand.strike_write(1, stall, key.clone());
    let stage = async {
        tokio::time::sleep(SECOND).await;
        let mut item = hand.world.table().item(&key).unwrap();
        item.insert("dv".to_owned(), newer.encode().as_str().into());
        hand.world.table().put(key.clone(), item);
    };
    let (handled, ()) = tokio::join!(hand.handle(hand.message(1, Tier::Batch)), stage);
    assert_eq!(handled.sent.len(), 1);
    let slots = keys::slots(&EndpointId::try_new("qualio").unwrap(), Tier::Batch);
    let slots = hand.world.table().item(&slots).unwrap();
    assert_eq!(
        slots["used"].as_number(),
        Some(0),
        "its permit is given back"
    );
    let register = hand.world.register(hand.keys[0].as_str());
    assert!(register.is_dirty() && register.claim.is_none());
    assert_eq!(hand.world.qualio.calls().len(), 0);
}
