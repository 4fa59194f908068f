//! What the breaker learns of calls, and what a session does around them: permits that come late or
//! are not used, probes, claims that end (BRK-1, EFF-1, LIM-2, TRY-1).

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use serde_json::json;
use tidegate_engine::{Delivery, Event, RunEnd, ports::Receipt};
use tidegate_model::{EndpointId, FlowId, Message, Tier, item::ItemKey};
use tidegate_policy::{
    keys,
    limiter::{Limit, Slots},
};
use tidegate_simulator::{Fate, Operation};
use tidegate_testkit::doubles::{
    Action, Answer, Fault, Point,
    erp::{ErpSupplier, webhook::Told},
};

use crate::{
    hand::{Hand, flow, flow_with},
    world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Five failures of ten open the breaker, for a minute.
fn failures() -> String {
    flow_with(&[(
        "preset = \"slow-answers\"",
        "preset = \"failures\"\ncool_down_s = 60",
    )])
}

fn slots(tier: Tier) -> ItemKey {
    keys::slots(&EndpointId::try_new("qualio").unwrap(), tier)
}

/// A critical change of a record, as the ERP tells of it.
async fn push(hand: &Hand, n: usize) {
    let key = hand.keys[n].as_str();
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    let row = hand.world.erp.change(key, change).unwrap();
    let id = format!("{key} {}", row.version);
    let told = Told::Whole(&row);
    hand.world.webhook(told, &id, WEBHOOK_SECRETS[0]).await;
}

/// A message for one record.
fn one(hand: &Hand, n: usize, tier: Tier) -> Message {
    let keys = vec![hand.keys[n].clone()];
    Message::new(flow(), keys, tier, hand.world.engine.now())
}

fn limit(hand: &Hand, tier: Tier) -> Limit {
    let runtime = hand.world.engine.flow(&flow()).unwrap();
    Limit::of_target(runtime.flow.limits(), tier)
}

/// Slots of a tier that no call could use now.
fn used(hand: &Hand, tier: Tier) -> u32 {
    let limit = limit(hand, tier);
    let item = hand.world.table().item(&slots(tier));
    let now = hand.world.engine.now();
    limit.calls - Slots::read(item.as_ref(), limit).free_at(limit, now)
}

fn told(world: &World, of: impl Fn(&Event) -> bool) -> usize {
    world.events().iter().filter(|event| of(event)).count()
}

/// LIM-2: what was not sent is not used.
#[tokio::test(start_paused = true)]
async fn a_permit_that_a_failed_record_does_not_need_goes_back_lim_2() {
    let hand = Hand::settled(1, suppliers_flow()).await;
    push(&hand, 0).await;
    hand.qualio_answers("GET", 500);
    hand.handle(one(&hand, 0, Tier::RealTime)).await;
    // One given back falls free at its stamp.
    tokio::time::sleep(SECOND).await;
    assert_eq!(
        used(&hand, Tier::RealTime),
        1,
        "read and replace were promised"
    );
}

/// LIM-2: the AWS SDK makes a write again whose answer was lost.
#[tokio::test(start_paused = true)]
async fn a_grant_whose_answer_was_lost_is_recognised_and_costs_one_slot_lim_2() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    hand.strike_write(1, Fate::Repeat, slots(Tier::Batch));
    hand.handle(one(&hand, 0, Tier::Batch)).await;
    tokio::time::sleep(SECOND).await;
    assert_eq!(hand.world.qualio.calls().len(), 1);
    assert_eq!(used(&hand, Tier::Batch), 1);
}

/// LIM-1: a permit is good for 50 ms. One whose grants always take longer gives up after some.
#[tokio::test(start_paused = true)]
async fn where_each_permit_comes_too_late_the_work_is_deferred_lim_1() {
    let hand = Hand::staged(1, suppliers_flow()).await;
    for nth in 1..=30 {
        hand.strike_write(nth, Fate::StallAfter(2 * SECOND), slots(Tier::Batch));
    }
    let handled = hand.handle(one(&hand, 0, Tier::Batch)).await;
    assert!(hand.world.qualio.calls().is_empty());
    assert_eq!(handled.sent.len(), 1, "it comes again");
    assert!(handled.took < MINUTE, "{:?}", handled.took);
    assert_eq!(hand.world.register(hand.keys[0].as_str()).claim, None);
}

/// TRY-1: what fails while the breaker stays closed is an attempt, what opens it is none; it is told
/// once.
#[tokio::test(start_paused = true)]
async fn the_failure_that_opens_the_breaker_is_no_attempt_and_is_told_once_try_1() {
    let hand = Hand::staged(5, failures()).await;
    hand.qualio_answers("POST", 500);
    for n in 0..5 {
        hand.handle(one(&hand, n, Tier::Batch)).await;
    }
    let attempts = |n: usize| hand.world.register(hand.keys[n].as_str()).attempts;
    assert_eq!([attempts(0), attempts(3)], [1, 1]);
    assert_eq!(attempts(4), 0);
    assert!(hand.world.breaker().open_since().is_some());
    let opened = |event: &Event| matches!(event, Event::BreakerOpened { .. });
    assert_eq!(told(&hand.world, opened), 1);
}

/// Five of the last ten: what succeeded in between counts.
#[tokio::test(start_paused = true)]
async fn successes_between_failures_keep_the_breaker_closed() {
    let hand = Hand::staged(18, failures()).await;
    let work = async |range: std::ops::Range<usize>| {
        for n in range {
            hand.handle(one(&hand, n, Tier::Batch)).await;
        }
    };
    hand.qualio_answers("POST", 500);
    work(0..4).await;
    hand.world.qualio.clear_faults();
    work(4..14).await;
    hand.qualio_answers("POST", 500);
    work(14..18).await;
    assert_eq!(
        hand.world.breaker().open_since(),
        None,
        "four of the last ten"
    );
}

/// BRK-1: whether a target can be written to, a read does not tell.
#[tokio::test(start_paused = true)]
async fn a_probe_that_only_reads_does_not_close_the_breaker_brk_1() {
    let hand = Hand::settled(1, failures()).await;
    push(&hand, 0).await;
    let now = hand.world.engine.now().0;
    hand.put_breaker(
        "qualio",
        &[
            ("epoch", 1),
            ("until", now - 1_000),
            ("opened", now - 60_000),
        ],
    );
    hand.qualio_answers("PUT", 500);
    hand.handle(one(&hand, 0, Tier::RealTime)).await;
    let methods: Vec<String> = hand
        .world
        .qualio
        .calls()
        .into_iter()
        .map(|it| it.method)
        .collect();
    assert_eq!(methods[methods.len() - 2..], ["GET", "PUT"]);
    assert_eq!(hand.world.epoch(), 1, "it never closed");
    assert!(hand.world.breaker().open_since().is_some());
    let closed = |event: &Event| matches!(event, Event::BreakerClosed { .. });
    assert_eq!(told(&hand.world, closed), 0);
}

/// Of a source, reads are all there is.
#[tokio::test(start_paused = true)]
async fn a_page_that_is_read_closes_the_breaker_of_its_source() {
    let hand = Hand::empty(3, suppliers_flow());
    let now = hand.world.engine.now().0;
    hand.put_breaker(
        "erp",
        &[
            ("epoch", 1),
            ("until", now - 1_000),
            ("opened", now - 60_000),
        ],
    );
    let report = hand.world.run(MANUAL).await;
    assert_eq!(report.end, RunEnd::Complete);
    let closed = |event: &Event| matches!(event, Event::BreakerClosed { endpoint } if endpoint.as_str() == "erp");
    assert_eq!(told(&hand.world, closed), 1);
    let swept = |event: &Event| matches!(event, Event::SweepRequested { .. });
    assert_eq!(
        told(&hand.world, swept),
        0,
        "no work waits for a source's breaker"
    );
}

/// Slow answers are told of whatever was asked: reading slowly is how a target begins to fail.
#[tokio::test(start_paused = true)]
async fn slow_reads_of_a_target_open_its_breaker_r6() {
    let hand = Hand::settled(10, suppliers_flow()).await;
    let slow = Fault::new(Action::DelayMs(3_500)).method("GET");
    hand.world.qualio.set_fault(slow).unwrap();
    for n in 0..10 {
        push(&hand, n).await;
        hand.handle(one(&hand, n, Tier::RealTime)).await;
    }
    assert!(hand.world.breaker().open_since().is_some());
}

/// QUE-2: after an outage of a quarter of an hour messages were dropped, so its end is told to the
/// flows of this target, and to no other; after a short one they are all there.
#[tokio::test(start_paused = true)]
async fn the_end_of_a_long_outage_has_the_flows_of_the_target_swept_que_2() {
    let elsewhere = suppliers_flow()
        .replace("name = \"suppliers\"", "name = \"vendors\"")
        .replace("name = \"qualio\"", "name = \"other\"")
        .replace("[webhook]", "[unused_webhook]");
    let elsewhere = without_webhook(&elsewhere);
    for (open_s, sweeps) in [(1_200, 1), (120, 0)] {
        let flows = [failures(), elsewhere.clone()];
        let hand = Hand::settled_under(1, &flows).await;
        push(&hand, 0).await;
        let now = hand.world.engine.now().0;
        let opened = now - open_s * 1_000;
        hand.put_breaker(
            "qualio",
            &[("epoch", 1), ("until", now - 1_000), ("opened", opened)],
        );
        let before = hand.world.events().len();
        hand.handle(one(&hand, 0, Tier::RealTime)).await;
        assert_eq!(
            hand.world.breaker().open_since(),
            None,
            "the probe closed it"
        );
        let swept: Vec<FlowId> = hand.world.events()[before..]
            .iter()
            .filter_map(|event| match event {
                Event::SweepRequested { flow, .. } => Some(flow.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(swept, vec![flow(); sweeps], "open for {open_s} s");
    }
}

fn without_webhook(text: &str) -> String {
    let start = text.find("[unused_webhook]").unwrap();
    let rest = &text[start + 1..];
    let end = rest.find("\n# --- Where suppliers go").unwrap();
    format!("{}{}", &text[..start], &rest[end..])
}

/// BRK-1: a probe of two calls holds for both, however slow they are.
#[tokio::test(start_paused = true)]
async fn while_a_probe_is_under_way_nobody_else_calls_brk_1() {
    let flow = flow_with(&[
        (
            "preset = \"slow-answers\"",
            "preset = \"failures\"\ncool_down_s = 60",
        ),
        (
            "secret = \"QUALIO_API_KEY\"",
            "secret = \"QUALIO_API_KEY\"\ntimeout_s = 10\nsettle_s = 1",
        ),
    ]);
    let hand = Arc::new(Hand::settled(2, flow).await);
    push(&hand, 0).await;
    push(&hand, 1).await;
    let now = hand.world.engine.now().0;
    hand.put_breaker(
        "qualio",
        &[
            ("epoch", 1),
            ("until", now - 1_000),
            ("opened", now - 60_000),
        ],
    );
    let slow = Fault::new(Action::DelayMs(8_000)).at(Point::BeforeAct);
    hand.world.qualio.set_fault(slow).unwrap();
    let since = hand.world.clock_ms();
    let key = hand.keys[0].clone();
    let probe = one(&hand, 0, Tier::RealTime);
    let engine = Arc::clone(&hand.world.engine);
    let probing = tokio::spawn(async move {
        let handle = "probe".to_owned();
        let tier = Tier::RealTime;
        let receipt = Receipt { tier, handle };
        engine
            .work(&[Delivery {
                message: probe,
                receipt,
            }])
            .await
    });
    tokio::time::sleep(SECOND).await;
    let [read] = hand
        .world
        .qualio
        .calls_between(since, i64::MAX)
        .try_into()
        .unwrap();
    let ended = read.at_ms + 10_000 + 1_000 + 250;
    let until = hand.world.breaker().probe_until().unwrap();
    assert!(
        until.0 >= ended,
        "time-out, D and the clocks' difference: {until:?}, {ended}"
    );
    // During the read; and during the replacement, when the read would have been over at the latest.
    for wait in [1, 12] {
        tokio::time::sleep(wait * SECOND).await;
        hand.handle(one(&hand, 1, Tier::RealTime)).await;
    }
    let calls = hand.world.qualio.calls_between(since, i64::MAX);
    let id = hand.world.register(key.as_str()).target_id.unwrap();
    assert_eq!(calls.len(), 2, "{calls:?}");
    assert!(calls.iter().all(|call| call.path.contains(&id)));
    probing.await.unwrap();
}

/// A 429 is a deferral for as long as it says, for all.
#[tokio::test(start_paused = true)]
async fn a_429_holds_every_call_for_as_long_as_it_says_try_1() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    let answer = Answer {
        status: 429,
        headers: [
            ("a-number".to_owned(), "1".to_owned()),
            ("retry-after".to_owned(), "120".to_owned()),
        ]
        .into(),
        body: json!({}),
    };
    hand.world
        .qualio
        .set_fault(Fault::new(Action::Answer(answer)).times(1))
        .unwrap();
    let began = hand.world.engine.now();
    let first = hand.handle(one(&hand, 0, Tier::Batch)).await;
    let until = first.sent[0].message.not_before.unwrap();
    let waits = until.since(began);
    assert!((118..=135).contains(&waits.as_secs()), "{waits:?}");
    assert_eq!(hand.world.register(hand.keys[0].as_str()).attempts, 0);
    tokio::time::sleep(100 * SECOND).await;
    hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert_eq!(hand.world.qualio.calls().len(), 1, "another record's too");
    tokio::time::sleep(30 * SECOND).await;
    hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert_eq!(hand.world.qualio.calls().len(), 2);
}

/// The next call to the target is refused with a header of this name and value.
fn refuse_with(hand: &Hand, name: &str, value: &str) {
    let answer = Answer {
        status: 400,
        headers: [(name.to_owned(), value.to_owned())].into(),
        body: json!({}),
    };
    let fault = Fault::new(Action::Answer(answer)).times(1);
    hand.world.qualio.set_fault(fault).unwrap();
}

/// Nothing left until a moment, told by an answer of any status, holds every call as a 429 does.
#[tokio::test(start_paused = true)]
async fn an_answer_that_says_nothing_is_left_holds_every_call_until_its_window_ends() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    refuse_with(&hand, "ratelimit", "\"default\";r=0;t=120");
    hand.handle(one(&hand, 0, Tier::Batch)).await;
    tokio::time::sleep(100 * SECOND).await;
    hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert_eq!(hand.world.qualio.calls().len(), 1, "another record's too");
    tokio::time::sleep(30 * SECOND).await;
    hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert_eq!(hand.world.qualio.calls().len(), 2);
}

/// Both tiers may make 70 calls a minute together; of 30 that the provider allows batch has its part.
#[tokio::test(start_paused = true)]
async fn a_lower_rate_that_an_answer_tells_is_kept_for_all_until_it_is_told_no_more_lim_1() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    let batch = limit(&hand, Tier::Batch);
    let left = || {
        let item = hand.world.table().item(&slots(Tier::Batch));
        batch.as_told(item.as_ref(), hand.world.engine.now()).calls
    };
    assert_eq!(left(), 50);
    refuse_with(&hand, "x-amzn-ratelimit-limit", "0.5");
    hand.handle(one(&hand, 0, Tier::Batch)).await;
    assert_eq!(left(), 21);
    tokio::time::sleep(14 * MINUTE).await;
    assert_eq!(left(), 21);
    tokio::time::sleep(2 * MINUTE).await;
    assert_eq!(left(), 50);
}

/// EFF-1: the margin is the call's time-out, what may follow it, and the clocks' difference, no less.
#[tokio::test(start_paused = true)]
async fn no_call_starts_that_might_end_after_its_claim_eff_1() {
    // The claim leaves ten seconds to prepare: after 10.3 of them a call could end too late by as
    // little as that.
    for (stall_ms, calls) in [(9_000, 1), (10_300, 0), (12_000, 0)] {
        let hand = Hand::staged(1, suppliers_flow()).await;
        let register = keys::register(&flow(), &hand.keys[0]);
        let stall = Fate::StallAfter(Duration::from_millis(stall_ms));
        hand.strike(1, stall, move |operation| {
            matches!(operation, Operation::Update { key, .. } if **key == register)
        });
        hand.handle(one(&hand, 0, Tier::Batch)).await;
        assert_eq!(
            hand.world.qualio.calls().len(),
            calls,
            "after {stall_ms} ms"
        );
    }
}

/// LIM-2: a listing waits a few seconds for its permits rather than giving the run up.
#[tokio::test(start_paused = true)]
async fn the_listing_of_an_initial_run_waits_for_permits() {
    let hand = Hand::empty(2, suppliers_flow());
    hand.put_slots(
        &slots(Tier::Batch),
        limit(&hand, Tier::Batch),
        &[5_000],
        (0, 0),
    );
    let report = hand.world.run(MANUAL).await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(hand.world.qualio.calls().len(), 5);
}

/// A call whose permit has run out takes another: where one falls free within seconds it is waited
/// for, else the record is let go.
#[tokio::test(start_paused = true)]
async fn the_rest_of_a_record_waits_for_a_near_permit_and_is_let_go_for_a_far_one() {
    for (free_in_ms, copies) in [(4_000, 0), (50_000, 1)] {
        let hand = Hand::settled(1, suppliers_flow()).await;
        push(&hand, 0).await;
        let since = hand.world.clock_ms();
        // Longer than the two calls' permits are apart.
        let slow = Fault::new(Action::DelayMs(2_000)).method("GET");
        hand.world.qualio.set_fault(slow).unwrap();
        let of = limit(&hand, Tier::RealTime);
        hand.put_slots(
            &slots(Tier::RealTime),
            of,
            &[-1_000, -1_000, free_in_ms],
            (0, 0),
        );
        // The grant of both, and what gives the second one back.
        hand.strike_write(2, Fate::FailUnsent, slots(Tier::RealTime));
        let began = hand.world.engine.now();
        let handled = hand.handle(one(&hand, 0, Tier::RealTime)).await;
        assert_eq!(handled.sent.len(), copies, "{free_in_ms} ms: {handled:?}");
        assert!(handled.took < 10 * SECOND, "{:?}", handled.took);
        let calls = hand.world.qualio.calls_between(since, i64::MAX);
        assert_eq!(calls.len(), 2 - copies);
        let register = hand.world.register(hand.keys[0].as_str());
        assert_eq!((register.claim, register.attempts), (None, 0));
        for copy in handled.sent {
            let waits = copy.message.not_before.unwrap().since(began);
            assert!(waits > 40 * SECOND, "{waits:?}");
        }
    }
}

/// Reads of a tier's budget from now on.
fn budget_reads(hand: &Hand, tier: Tier) -> Arc<AtomicU32> {
    let reads = Arc::new(AtomicU32::new(0));
    let (count, slots) = (Arc::clone(&reads), slots(tier));
    hand.strike(u32::MAX, Fate::Proceed, move |operation| {
        if let Operation::Get { keys } = operation {
            count.fetch_add(u32::from(keys.contains(&slots)), Ordering::SeqCst);
        }
        false
    });
    reads
}

#[tokio::test(start_paused = true)]
async fn a_budget_that_was_seen_with_calls_to_spare_is_not_read_again() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    let reads = budget_reads(&hand, Tier::Batch);
    hand.handle(one(&hand, 0, Tier::Batch)).await;
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert_eq!(reads.load(Ordering::SeqCst), 1);
    assert_eq!(hand.world.qualio.calls().len(), 2);
}

/// LIM-4: a queue that was seen more than a window ago would look as if nobody used its calls.
#[tokio::test(start_paused = true)]
async fn who_comes_last_does_not_overtake_a_queue_that_it_saw_long_ago_lim_4() {
    let hand = Hand::staged(2, suppliers_flow()).await;
    let (key, of) = (slots(Tier::Batch), limit(&hand, Tier::Batch));
    hand.put_slots(&key, of, &[5_000], (100, 0));
    hand.handle(one(&hand, 0, Tier::Batch)).await;
    tokio::time::sleep(2 * MINUTE).await;
    let mut free_in = vec![-1_000; 49];
    free_in.push(30_000);
    hand.put_slots(&key, of, &free_in, (200, 90));
    let handled = hand.handle(one(&hand, 1, Tier::Batch)).await;
    assert!(hand.world.qualio.calls().is_empty());
    assert!(handled.sent[0].message.turn.is_some(), "{handled:?}");
}
