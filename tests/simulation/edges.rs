//! What happens seldom and must be right all the same: a fetch whose message died, a probe that is
//! answered slowly, a day's quota that is used up.

use std::{collections::BTreeMap, time::Duration};

use tidegate_engine::DeadLetter;
use tidegate_model::{Fetch, FlowId, Message, RecordKey, Tier};
use tidegate_testkit::doubles::{Action, Fault, Point, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const DAY_MS: i64 = 86_400_000;

#[tokio::test(start_paused = true)]
async fn a_fetch_whose_message_died_is_seen_by_a_person_que_2() {
    let world = World::new(realistic_suppliers(5, 1, 0), &[suppliers_flow()]);
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new("SUP-000009").unwrap();
    let now = world.engine.now();
    let message = Message::new(flow, vec![key], Tier::RealTime, now).fetching(Fetch::Hint);
    let letter = DeadLetter {
        id: "m-1".to_owned(),
        body: message.encode(),
        message: Some(message),
    };
    world.engine.dead_letters(&[letter]).await.unwrap();
    let mail = world.engine.daily_digest("").await.unwrap();
    assert!(mail.text.contains("SUP-000009"), "{}", mail.text);
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_answered_slowly_opens_the_breaker_again_brk_1() {
    let world = World::new(realistic_suppliers(5, 60, 0), &[suppliers_flow()]);
    let slow = Fault::new(Action::DelayMs(3_500)).at(Point::BeforeAct);
    world.qualio.set_fault(slow).unwrap();
    world.start();
    world.run(MANUAL).await;
    let opened = || async { world.epoch() > 0 };
    let limit = Duration::from_secs(600);
    world.until("it opens", limit, opened).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let since = world.clock_ms();
    // Two cool-downs of five minutes, and a bit.
    tokio::time::sleep(Duration::from_secs(660)).await;
    let probes = world.qualio.calls_between(since, i64::MAX).len();
    assert!((1..=2).contains(&probes), "{probes} probes in 11 minutes");
    assert!(world.breaker().open_since().is_some());
    assert_eq!(world.epoch(), 1, "it never closed");
}

#[tokio::test(start_paused = true)]
async fn work_that_finds_the_days_quota_used_up_waits_for_the_next_day_lim_3() {
    // 70 may be used; 21 of them are kept for real-time.
    let flow = suppliers_flow().replace("day = { calls = 100_000 }", "day = { calls = 100 }");
    let world = World::new(realistic_suppliers(5, 120, 0), &[flow]);
    world.start();
    world.run(MANUAL).await;
    let limit = Duration::from_secs(4 * 86_400);
    world.until("applied", limit, || world.is_done()).await;
    assert!(world.registers().values().all(|one| !one.is_dirty()));
    let mut days: BTreeMap<i64, usize> = BTreeMap::new();
    for call in world.qualio.calls() {
        *days.entry(call.at_ms.div_euclid(DAY_MS)).or_default() += 1;
    }
    println!("LIM-3: calls a day {days:?}");
    assert!(days.values().all(|calls| *calls <= 49), "LIM-3: {days:?}");
    assert_eq!(
        days.values().next(),
        Some(&49),
        "the pool of the day is used"
    );
    assert_eq!(days.len(), 3, "49, 49 and the rest: {days:?}");
    // A message comes back every 15 minutes, and no sweep adds to them.
    let received = world.queue_meter(Tier::Batch).received;
    println!("LIM-3: {received} receives over two days of waiting");
    assert!(received <= 5_000, "{received} receives");
}
