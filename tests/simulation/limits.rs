//! LIM-1 and LIM-2, judged by the target's log: two flows on one target, a backlog of 300 in the
//! batch tier and 60 critical changes.

use std::{collections::BTreeSet, time::Duration};

use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::run::RunRequest;
use tidegate_testkit::doubles::{busiest_window, erp::realistic_suppliers};

use crate::world::{World, suppliers_flow};

const WINDOW_MS: i64 = 60_000;
const REAL_TIME: usize = 20;
const BATCH: usize = 50;
/// Suppliers whose critical fields change, in each of the two flows.
const CRITICAL: usize = 30;
/// Suppliers that are new, in each of the two flows.
const NEW: usize = 150;

/// The same suppliers under other keys: another flow on the same target.
fn second_flow() -> String {
    suppliers_flow()
        .replace("name = \"suppliers\"", "name = \"vendors\"")
        .replace("key = \"row.id\"", "key = \"'V-' ~ row.id\"")
}

async fn run_both(world: &World) {
    for flow in ["suppliers", "vendors"] {
        let request = RunRequest {
            window: None,
            mode: None,
            lookback_s: None,
            resume: None,
            trigger: None,
        };
        let flow = FlowId::try_new(flow).unwrap();
        let report = world
            .engine
            .run(&flow, &request, UnixMs(i64::MAX))
            .await
            .unwrap();
        assert!(report.counts.add_up(), "OUT-1: {report:?}");
    }
}

/// Times of the calls of a tier since a moment: those about the critical records, or the others.
fn times(world: &World, critical: &BTreeSet<String>, of_critical: bool, since: i64) -> Vec<i64> {
    let ids: BTreeSet<String> = world
        .registers()
        .iter()
        .filter(|((_, key), _)| critical.contains(key))
        .filter_map(|(_, register)| register.target_id.clone())
        .collect();
    let calls = world.qualio.calls_between(since, i64::MAX);
    let mine = calls.iter().filter(|call| {
        let about = call.id.as_ref().is_some_and(|id| ids.contains(id));
        about == of_critical
    });
    mine.map(|call| call.at_ms).collect()
}

/// Runs the story; returns the calls of both tiers and how long the critical changes took.
async fn story(with_backlog: bool) -> (Vec<i64>, Vec<i64>, Duration) {
    let world = World::new(
        realistic_suppliers(3, u32::try_from(CRITICAL).unwrap(), 0),
        &[suppliers_flow(), second_flow()],
    );
    world.start();
    run_both(&world).await;
    world
        .until("first applied", Duration::from_secs(1_200), || {
            world.is_clean()
        })
        .await;
    let critical: BTreeSet<String> = world.registers().into_keys().map(|(_, key)| key).collect();
    tokio::time::sleep(Duration::from_secs(120)).await;

    for supplier in world.erp.suppliers() {
        world
            .erp
            .change(&supplier.id, |row| {
                row.quality.blocked = !row.quality.blocked;
            })
            .unwrap();
    }
    if with_backlog {
        let count = u32::try_from(CRITICAL + NEW).unwrap();
        for supplier in realistic_suppliers(3, count, 0).into_iter().skip(CRITICAL) {
            world.erp.insert(supplier);
        }
    }
    let began = world.engine.now();
    run_both(&world).await;
    let critical_done = || async {
        let registers = world.registers();
        registers
            .iter()
            .filter(|((_, key), _)| critical.contains(key))
            .all(|(_, register)| !register.is_dirty())
    };
    world
        .until(
            "critical applied",
            Duration::from_secs(3_600),
            critical_done,
        )
        .await;
    let took = world.engine.now().since(began);
    world
        .until("all applied", Duration::from_secs(3_600), || {
            world.is_clean()
        })
        .await;
    let real_time = times(&world, &critical, true, began.0);
    let batch = times(&world, &critical, false, began.0);
    (real_time, batch, took)
}

/// The least calls in any full window of backlog, windows laid from the first call.
fn emptiest_full_window(times: &[i64]) -> usize {
    let (first, last) = (times[0], times[times.len() - 1]);
    let windows = (last - first) / WINDOW_MS;
    (0..windows)
        .map(|n| {
            let from = first + n * WINDOW_MS;
            times
                .iter()
                .filter(|at| (from..from + WINDOW_MS).contains(*at))
                .count()
        })
        .min()
        .unwrap()
}

#[tokio::test(start_paused = true)]
async fn no_window_exceeds_a_limit_and_a_backlog_fills_each() {
    let (real_time, batch, _) = story(true).await;
    assert_eq!(real_time.len(), 2 * 2 * CRITICAL, "an update is two calls");
    assert_eq!(batch.len(), 2 * NEW, "a create is one call");
    let busiest = |times: &[i64]| busiest_window(times.iter().copied(), WINDOW_MS);
    println!(
        "LIM-1 busiest window: real-time {} of {REAL_TIME}, batch {} of {BATCH}",
        busiest(&real_time),
        busiest(&batch)
    );
    assert!(busiest(&real_time) <= REAL_TIME);
    assert!(busiest(&batch) <= BATCH);
    let (least_real_time, least_batch) = (
        emptiest_full_window(&real_time),
        emptiest_full_window(&batch),
    );
    println!(
        "LIM-2 emptiest full window: real-time {least_real_time} of {REAL_TIME}, batch {least_batch} of {BATCH}"
    );
    assert!(least_real_time * 100 >= REAL_TIME * 95);
    assert!(least_batch * 100 >= BATCH * 95);
}

#[tokio::test(start_paused = true)]
async fn a_batch_backlog_does_not_slow_critical_changes() {
    let (_, _, alone) = story(false).await;
    let (_, _, beside) = story(true).await;
    println!("60 critical changes took {alone:?} alone and {beside:?} beside a backlog");
    assert!(beside <= alone + Duration::from_secs(5));
}
