//! The true limits for three minutes, on the real program: two flows on one target, 20 and 50 calls
//! in 60 s (LIM-1, LIM-2). The double counts and never refuses.

use std::{collections::BTreeSet, time::Duration};

use tidegate_testkit::doubles::{
    busiest_window,
    erp::{
        ErpSupplier, realistic_suppliers,
        webhook::{Told, sign},
    },
};

use super::machine::{Program, Systems, WEBHOOK_SECRET, now_ms, suppliers_flow, until};
use crate::binaries::command;

const WINDOW_MS: i64 = 60_000;
const REAL_TIME: usize = 20;
const BATCH: usize = 50;
/// Of each flow: enough backlog for three full windows of 50.
const SUPPLIERS: u32 = 150;
/// Critical records that a webhook brings to the first flow: three full windows of 20, and some more.
const CRITICAL: usize = 70;
const FULL_WINDOWS: i64 = 3;

fn second_flow() -> String {
    suppliers_flow()
        .replace("name = \"suppliers\"", "name = \"vendors\"")
        .replace("key = \"row.id\"", "key = \"'V-' ~ row.id\"")
}

async fn push(program: &Program, row: &ErpSupplier) {
    let id = format!("m-{}", row.id);
    let hook = sign(Told::Whole(row), WEBHOOK_SECRET, &id, now_ms() / 1_000).unwrap();
    let mut request =
        reqwest::Client::new().post(format!("{}/v1/flows/suppliers/webhook", program.url));
    for (name, value) in &hook.headers {
        request = request.header(*name, value);
    }
    let answer = request.body(hook.body).send().await.unwrap();
    assert_eq!(answer.status(), 202);
}

#[tokio::test(flavor = "multi_thread")]
async fn three_minutes_at_the_true_limits() {
    let flows = [("suppliers", suppliers_flow()), ("vendors", second_flow())];
    let count = SUPPLIERS + u32::try_from(CRITICAL).unwrap();
    let mut suppliers = realistic_suppliers(12, count, 0);
    // Pushed and not listed: no batch knows them, so every call about them is real-time.
    let pushed = suppliers.split_off(usize::try_from(SUPPLIERS).unwrap());
    let critical: BTreeSet<String> = pushed.iter().map(|row| row.id.clone()).collect();
    let systems = Systems::new(suppliers, &flows).await;
    let program = systems.start(&command());
    until(
        "both flows are staged",
        Duration::from_secs(180),
        async || {
            let health = program.health().await;
            let staged = |flow: usize| health["items"][flow]["last_run"]["ended"] == "complete";
            (staged(0) && staged(1)).then_some(())
        },
    )
    .await;
    for row in &pushed {
        push(&program, row).await;
    }
    let times = |of_critical: bool| -> Vec<i64> {
        let calls = systems.qualio.calls();
        // The listings of the initial runs drew on the batch limit too.
        let mine = calls.iter().filter(|call| {
            call.key.as_ref().is_some_and(|key| critical.contains(key)) == of_critical
        });
        mine.map(|call| call.at_ms).collect()
    };
    let full = FULL_WINDOWS * WINDOW_MS;
    until(
        "three full windows of both",
        Duration::from_secs(400),
        async || {
            let spans = |times: &[i64]| {
                times
                    .first()
                    .is_some_and(|first| now_ms() > first + full + 1_000)
            };
            (spans(&times(true)) && spans(&times(false))).then_some(())
        },
    )
    .await;
    for (name, limit, times) in [
        ("real-time", REAL_TIME, times(true)),
        ("batch", BATCH, times(false)),
    ] {
        let busiest = busiest_window(times.iter().copied(), WINDOW_MS);
        let first = times[0];
        let windows: Vec<usize> = (0..FULL_WINDOWS)
            .map(|n| {
                let from = first + n * WINDOW_MS;
                times
                    .iter()
                    .filter(|at| (from..from + WINDOW_MS).contains(*at))
                    .count()
            })
            .collect();
        println!("{name}: limit {limit}, busiest window {busiest}, full windows {windows:?}");
        assert!(busiest <= limit, "LIM-1: {name} {busiest} of {limit}");
        assert!(
            windows.iter().all(|calls| calls * 100 >= limit * 95),
            "LIM-2: {name} {windows:?}"
        );
    }
}
