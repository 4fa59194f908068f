//! What is measured, held against what happened.

#![allow(clippy::float_cmp, reason = "counts are whole numbers")]

use std::time::Duration;

use tidegate_model::{
    FlowId, UnixMs,
    metric::{self, Metric},
};
use tidegate_policy::reconcile::ReconcileRequest;
use tidegate_testkit::doubles::{Action, Fault, Point, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const FLOW: &str = "suppliers";
const SUPPLIERS: u32 = 30;

fn flow() -> FlowId {
    FlowId::try_new(FLOW).unwrap()
}

fn sum(world: &World, metric: &Metric, dimensions: &[&str]) -> f64 {
    world.metrics.values(metric, dimensions).iter().sum()
}

fn newest(world: &World, metric: &Metric, dimensions: &[&str]) -> Option<f64> {
    world.metrics.values(metric, dimensions).last().copied()
}

fn world() -> World {
    let world = World::new(realistic_suppliers(1, SUPPLIERS, 0), &[suppliers_flow()]);
    world.start();
    world
}

async fn applied(world: &World) {
    let clean = || world.is_clean();
    world
        .until("applied", Duration::from_secs(900), clean)
        .await;
}

#[tokio::test(start_paused = true)]
async fn every_change_that_came_in_has_its_outcome_and_every_call_is_counted() {
    let world = world();
    world.run(MANUAL).await;
    applied(&world).await;
    world.run(MANUAL).await;

    let all = f64::from(SUPPLIERS);
    assert_eq!(sum(&world, &metric::RECEIVED, &[FLOW]), 2.0 * all);
    let outcome = |name| sum(&world, &metric::OUTCOMES, &[FLOW, name]);
    assert_eq!((outcome("applied"), outcome("unchanged")), (all, all));
    let names = ["superseded", "coalesced", "rejected", "in_review"];
    assert_eq!(names.map(outcome), [0.0; 4]);

    let of_batch = ["qualio", "batch"];
    let calls = u32::try_from(world.qualio.calls().len()).unwrap();
    assert_eq!(sum(&world, &metric::CALLS, &of_batch), f64::from(calls));
    let success = world.metrics.values(&metric::CALL_SUCCESS, &of_batch);
    assert_eq!(success, vec![100.0; world.qualio.calls().len()]);
    // The world begins at 08:00, six hours after the window of 02:00.
    let outside = world
        .metrics
        .values(&metric::RESPONSE_TIME, &["qualio", "outside"]);
    assert_eq!(outside, vec![120.0; world.qualio.calls().len()]);
    let latencies = world
        .metrics
        .values(&metric::SYNC_LATENCY, &[FLOW, "batch"]);
    assert_eq!(latencies.len(), usize::try_from(SUPPLIERS).unwrap());
    assert_eq!(
        world
            .metrics
            .values(&metric::RUN_TIME, &[FLOW, "manual"])
            .len(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_change_over_one_that_waits_is_coalesced() {
    let world = world();
    world.run(MANUAL).await;
    let key = world.erp.suppliers()[0].id.clone();
    world.stop();
    for name in ["Once GmbH", "Twice GmbH"] {
        world
            .erp
            .change(&key, |row| name.clone_into(&mut row.legal_name));
        world.run(MANUAL).await;
    }
    let coalesced = sum(&world, &metric::OUTCOMES, &[FLOW, "coalesced"]);
    assert!(coalesced >= 1.0, "{coalesced}");
}

#[tokio::test(start_paused = true)]
async fn an_outage_shows_in_success_breaker_and_freshness_and_ends() {
    let world = world();
    world.run(MANUAL).await;
    let fault = Fault::new(Action::answer(503, serde_json::Value::Null)).at(Point::BeforeAct);
    let began = world.engine.now();
    let until = began + Duration::from_secs(2 * 3_600);
    world
        .qualio
        .set_fault(fault.between(began.0, until.0))
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2 * 3_600 - 60)).await;

    let failed = world
        .metrics
        .values(&metric::CALL_SUCCESS, &["qualio", "batch"]);
    assert!(failed.contains(&0.0), "{failed:?}");
    let open = newest(&world, &metric::BREAKER_OPEN, &["qualio"]).unwrap();
    assert!(open > 3_600.0, "{open} s");
    let waiting = newest(&world, &metric::BACKLOG, &[FLOW, "batch"]).unwrap();
    assert!(waiting > 0.0);
    let age = newest(&world, &metric::FRESHNESS, &[FLOW, "other"]).unwrap();
    assert!(age > 3_600.0, "{age} s");
    assert!(sum(&world, &metric::TICKS, &[]) >= 23.0);

    applied(&world).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(
        newest(&world, &metric::BREAKER_OPEN, &["qualio"]),
        Some(0.0)
    );
    assert_eq!(
        newest(&world, &metric::BACKLOG, &[FLOW, "batch"]),
        Some(0.0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_window_without_a_complete_run_is_overdue_until_it_has_one() {
    let world = world();
    world.engine.tick(None).await.unwrap();
    // The window of 02:00, at 08:00: tick has just asked for its run.
    let overdue = || newest(&world, &metric::RUN_OVERDUE, &[FLOW]).map(f64::floor);
    assert_eq!(overdue(), Some(6.0 * 3_600.0));
    applied(&world).await;
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert_eq!(overdue(), Some(0.0));
    let runs = world.metrics.values(&metric::RUN_TIME, &[FLOW, "02:00"]);
    assert_eq!(runs.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_never_completed_a_run_grows_overdue_however_often_its_windows_come() {
    let world = World::new(realistic_suppliers(1, SUPPLIERS, 0), &[suppliers_flow()]);
    for day in 0..3 {
        world.engine.tick(None).await.unwrap();
        let overdue = newest(&world, &metric::RUN_OVERDUE, &[FLOW]).map(f64::floor);
        assert_eq!(overdue, Some(f64::from(6 + day * 24) * 3_600.0));
        tokio::time::sleep(Duration::from_hours(24)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_comparison_that_does_not_come_grows_older_until_one_is_complete() {
    let world = world();
    let age = || newest(&world, &metric::RECONCILE_AGE, &[FLOW]).map(f64::floor);
    world.engine.tick(None).await.unwrap();
    assert_eq!(age(), Some(0.0));
    applied(&world).await;
    tokio::time::sleep(Duration::from_hours(40)).await;
    world.engine.tick(None).await.unwrap();
    assert!(age() >= Some(40.0 * 3_600.0), "{:?}", age());
    // The daily one, and one that a person asks for.
    for is_daily in [true, false] {
        tokio::time::sleep(Duration::from_hours(40)).await;
        let began = UnixMs(world.clock_ms());
        let asked = ReconcileRequest {
            window: is_daily.then_some(began),
            ..ReconcileRequest::default()
        };
        world.reconcile(&asked).await;
        world.engine.tick(None).await.unwrap();
        let since = UnixMs(world.clock_ms()).since(began).as_secs_f64();
        assert_eq!(age(), Some(since.floor()), "daily: {is_daily}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_the_target_fails_at_is_no_failure_of_ours() {
    let world = world();
    let failed = || sum(&world, &metric::FAILED, &[]);
    world.run(MANUAL).await;
    applied(&world).await;
    let broken = Fault::new(Action::answer(503, serde_json::json!({}))).times(1);
    world.qualio.set_fault(broken).unwrap();
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.change(&key, |row| row.legal_name.push('x'));
    world.run(MANUAL).await;
    applied(&world).await;
    assert_eq!(failed(), 0.0, "what the target fails at is not ours");
}

#[tokio::test(start_paused = true)]
async fn a_flow_is_blocked_from_a_refusal_until_a_resume_that_is_answered() {
    let world = world();
    let blocked = || newest(&world, &metric::BLOCKED, &[FLOW]).map(f64::floor);
    world.engine.tick(None).await.unwrap();
    assert_eq!(blocked(), Some(0.0));
    let refused = Action::answer(403, serde_json::json!({"message": "forbidden"}));
    let refused = Fault::new(refused).at(Point::BeforeAct);
    world.qualio.set_fault(refused).unwrap();
    world.run(MANUAL).await;
    let state = || async { world.engine.flow_state(&flow()).await.unwrap() };
    let stands = || async { state().await.blocker.is_some() };
    world
        .until("blocked", Duration::from_secs(60), stands)
        .await;
    let since = state().await.blocker.unwrap().since;
    tokio::time::sleep(Duration::from_secs(900)).await;
    world.engine.tick(None).await.unwrap();
    let stood = UnixMs(world.clock_ms()).since(since).as_secs_f64();
    assert_eq!(blocked(), Some(stood.floor()));
    world.qualio.clear_faults();
    world.engine.resume(&flow(), "ada").await.unwrap();
    let goes_on = || async { state().await.blocker.is_none() };
    world
        .until("answered", Duration::from_secs(600), goes_on)
        .await;
    world.engine.tick(None).await.unwrap();
    assert_eq!(blocked(), Some(0.0));
    applied(&world).await;
}

#[tokio::test(start_paused = true)]
async fn the_growth_of_reviews_adds_up_to_their_number() {
    let world = world();
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.change(&key, |row| row.legal_name.clear());
    world.run(MANUAL).await;
    tokio::time::sleep(Duration::from_secs(900)).await;
    let reviews = newest(&world, &metric::REVIEWS, &[FLOW]);
    assert_eq!(reviews, Some(1.0));
    assert_eq!(sum(&world, &metric::REVIEWS_GROWTH, &[FLOW]), 1.0);
    let opened = sum(&world, &metric::REVIEWS_OPENED, &[FLOW, "invalid"]);
    let outcome = sum(&world, &metric::OUTCOMES, &[FLOW, "in_review"]);
    assert_eq!((opened, outcome), (1.0, 1.0));
}

#[tokio::test(start_paused = true)]
async fn no_key_and_no_value_of_a_record_stands_in_a_metric() {
    let world = world();
    world.run(MANUAL).await;
    applied(&world).await;
    let rows = world.erp.suppliers();
    for sample in world.metrics.all() {
        assert_eq!(sample.dimensions.len(), sample.metric.dimensions.len());
        for word in &sample.dimensions {
            let of_a_row = rows
                .iter()
                .any(|row| row.id == *word || row.legal_name == *word);
            assert!(!of_a_row, "{word} in {}", sample.metric);
        }
    }
}
