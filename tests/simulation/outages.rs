//! TRY-1 and BRK-1: an outage spends no retries and sends nothing to review; one record that alone
//! makes a healthy target fail reaches review after its retries.

use std::{collections::BTreeMap, time::Duration};

use tidegate_model::{FlowId, Tier, UnixMs};
use tidegate_policy::{
    register::{ReviewKind, State},
    run::RunRequest,
};
use tidegate_testkit::doubles::{Action, Answer, Fault, Point, erp::realistic_suppliers};

use crate::world::{World, suppliers_flow};

const OUTAGE: Duration = Duration::from_secs(180);

async fn run(world: &World) {
    let flow = FlowId::try_new("suppliers").unwrap();
    let request = RunRequest {
        window: None,
        mode: None,
        lookback_s: None,
        resume: None,
        trigger: None,
    };
    let report = world
        .engine
        .run(&flow, &request, UnixMs(i64::MAX))
        .await
        .unwrap();
    assert!(report.counts.add_up(), "OUT-1: {report:?}");
}

fn answer(status: u16) -> Action {
    Action::Answer(Answer {
        status,
        headers: BTreeMap::new(),
        body: serde_json::Value::Null,
    })
}

#[tokio::test(start_paused = true)]
async fn three_minutes_of_503_spend_no_retry_and_send_nothing_to_review() {
    // A short cool-down, so that the outage spans several probes.
    let flow = suppliers_flow().replace(
        "preset = \"slow-answers\"",
        "preset = \"failures\"\ncool_down_s = 20",
    );
    let world = World::new(realistic_suppliers(5, 120, 0), &[flow]);
    world.start();
    run(&world).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let began = world.engine.now();
    let until = began + OUTAGE;
    world
        .qualio
        .set_fault(
            Fault::new(answer(503))
                .at(Point::BeforeAct)
                .between(began.0, until.0),
        )
        .unwrap();

    let opened = || async { world.epoch() > 0 };
    world
        .until("the breaker opens", Duration::from_secs(120), opened)
        .await;
    let before: BTreeMap<_, _> = world
        .registers()
        .into_iter()
        .map(|(id, register)| (id, register.attempts_in(world.epoch())))
        .collect();
    let open_since = world.engine.now();
    while world.engine.now() < until {
        for (id, register) in world.registers() {
            assert_eq!(
                register.attempts_in(world.epoch()),
                before[&id],
                "TRY-1: {id:?}"
            );
            assert_eq!(register.review, None, "TRY-1: {id:?}");
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    // Calls that had passed the breaker when it opened are still under way.
    let refused = world
        .qualio
        .calls_between(open_since.0 + 250, until.0)
        .len();
    let probes = usize::try_from(OUTAGE.as_secs() / 20).unwrap();
    println!("BRK-1: {refused} calls while open or half-open, at most {probes} probes are due");
    assert!(refused <= probes, "BRK-1: {refused} calls in an outage");
    assert!(refused > 0, "no probe was made");

    world
        .until(
            "all applied after the outage",
            Duration::from_secs(3_600),
            || world.is_clean(),
        )
        .await;
    assert!(
        world
            .registers()
            .values()
            .all(|register| register.state() == State::Applied)
    );
    assert!(
        world
            .qualio
            .created_by_key()
            .values()
            .all(|created| *created == 1),
        "EFF-2"
    );
    assert_eq!(world.qualio.created_by_key().len(), 120);
}

/// A batch that finds one other supplier changed: a call of another record.
async fn another_record_is_sent(world: &World) {
    let other = world.erp.suppliers()[3].id.clone();
    world
        .erp
        .change(&other, |row| row.sponsor_id = 102)
        .unwrap();
    run(world).await;
}

#[tokio::test(start_paused = true)]
async fn in_an_outage_that_one_record_alone_meets_it_is_not_reviewed_try_1() {
    let world = World::new(realistic_suppliers(5, 30, 0), &[suppliers_flow()]);
    world.start();
    run(&world).await;
    let hour = Duration::from_secs(3_600);
    world.until("all applied", hour, || world.is_clean()).await;
    let began = world.engine.now();
    let down = Fault::new(answer(503)).at(Point::BeforeAct);
    let until = began + hour * 6;
    world
        .qualio
        .set_fault(down.between(began.0, until.0).method("PUT"))
        .unwrap();
    another_record_is_sent(&world).await;
    tokio::time::sleep(hour * 6).await;
    let registers = world.registers();
    assert!(registers.values().all(|it| it.review.is_none()));
    assert_eq!(world.epoch(), 0, "one record does not open the breaker");
    let calls = world.qualio.calls_between(began.0, until.0);
    let tried = calls.iter().filter(|call| call.method == "PUT").count();
    assert!((20..=30).contains(&tried), "every 15 minutes: {tried}");
    world.until("all applied", hour, || world.is_clean()).await;
}

#[tokio::test(start_paused = true)]
async fn a_record_that_alone_draws_500_is_reviewed_after_four_calls() {
    let world = World::new(realistic_suppliers(5, 30, 0), &[suppliers_flow()]);
    let poison = world.erp.suppliers()[7].id.clone();
    world
        .qualio
        .set_fault(
            Fault::new(answer(500))
                .at(Point::BeforeAct)
                .method("POST")
                .key(&poison),
        )
        .unwrap();
    world.start();
    run(&world).await;
    let began = world.engine.now();
    tokio::time::sleep(Duration::from_secs(600)).await;
    another_record_is_sent(&world).await;
    world
        .until("in review", Duration::from_secs(7_200), || async {
            world.registers()[&("suppliers".to_owned(), poison.clone())]
                .review
                .is_some()
        })
        .await;
    let took = world.engine.now().since(began);
    let drawn = world
        .qualio
        .calls()
        .iter()
        .filter(|call| call.key.as_deref() == Some(poison.as_str()))
        .count();
    println!("4 calls and review after {took:?}");
    assert_eq!(drawn, 4);
    assert!(
        took >= Duration::from_secs(60 + 300 + 900),
        "the steps of R8 were waited for: {took:?}"
    );
    assert_eq!(world.epoch(), 0, "one record does not open the breaker");
    let registers = world.registers();
    let register = &registers[&("suppliers".to_owned(), poison)];
    assert_eq!(
        register.review.as_ref().unwrap().kind,
        ReviewKind::RetriesSpent
    );
    assert_eq!(register.history.len(), 4);
    assert_eq!(
        registers
            .values()
            .filter(|register| register.state() == State::Applied)
            .count(),
        29
    );
}

#[tokio::test(start_paused = true)]
async fn a_call_that_took_effect_without_an_answer_is_not_made_twice() {
    let world = World::new(realistic_suppliers(5, 20, 0), &[suppliers_flow()]);
    // Every third create acts and then breaks the connection.
    for nth in [3, 6, 9, 12] {
        world
            .qualio
            .set_fault(
                Fault::new(Action::Drop)
                    .at(Point::AfterActBeforeAnswer)
                    .method("POST")
                    .nth(nth)
                    .times(1),
            )
            .unwrap();
    }
    world.start();
    run(&world).await;
    world
        .until("all applied", Duration::from_secs(7_200), || {
            world.is_clean()
        })
        .await;
    assert!(!world.qualio.fired().is_empty());
    let created = world.qualio.created_by_key();
    assert_eq!(created.len(), 20);
    assert!(
        created.values().all(|count| *count == 1),
        "EFF-2: {created:?}"
    );
}

/// Of an hour without target the last half, when every message has met the breaker.
#[tokio::test(start_paused = true)]
async fn in_a_long_outage_one_message_makes_the_probes_and_after_it_all_are_queued_again_que_2() {
    let flow = suppliers_flow().replace(
        "preset = \"slow-answers\"",
        "preset = \"failures\"\ncool_down_s = 60",
    );
    let world = World::new(realistic_suppliers(5, 120, 0), &[flow]);
    let hour = Duration::from_secs(3_600);
    world.start();
    run(&world).await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let (began, until) = (world.engine.now(), world.engine.now() + hour);
    let down = Fault::new(answer(503)).at(Point::BeforeAct);
    world
        .qualio
        .set_fault(down.between(began.0, until.0))
        .unwrap();
    tokio::time::sleep(hour / 2).await;
    let messages = world.queue().len(Tier::Batch) + world.queue().len(Tier::RealTime);
    assert!(
        messages <= 1,
        "{messages} messages beside the one that probes"
    );
    assert!(world.breaker().open_since().is_some());
    let received = world.queue_meter(Tier::Batch).received;
    let probed = world.qualio.calls().len();
    tokio::time::sleep(hour / 3).await;
    let received = world.queue_meter(Tier::Batch).received - received;
    let probed = u64::try_from(world.qualio.calls().len() - probed).unwrap();
    // One at each tick. Of seventy messages that wake each minute it would be 1,400 receives.
    assert!((3..=4).contains(&probed), "BRK-1: {probed} probes");
    assert!(
        received <= probed * 2,
        "{received} receives for {probed} probes"
    );

    world
        .until("all applied after the outage", hour, || world.is_clean())
        .await;
    // A probe at each tick; from the first that is answered on as fast as the limit allows. How many
    // creates were under way when it began, and have to be looked for, is a matter of moments.
    let took = world.engine.now().since(until);
    let after = world.qualio.calls_between(until.0, i64::MAX);
    let probe = UnixMs(after[0].at_ms).since(until);
    println!(
        "LIM-2: probed {probe:?} and applied {took:?} after the outage, {} calls",
        after.len()
    );
    assert!(probe <= Duration::from_secs(330), "{probe:?}");
    let windows = u32::try_from(after.len().div_ceil(50)).unwrap();
    assert!(
        took <= probe + Duration::from_secs(62) * windows,
        "LIM-2: not by a sweep of the stranded: {took:?}"
    );
    assert_eq!(world.qualio.created_by_key().len(), 120);
    let registers = world.registers();
    assert!(registers.values().all(|it| it.state() == State::Applied));
}
