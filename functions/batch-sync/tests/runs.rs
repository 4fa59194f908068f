//! Runs, as a schedule and the bus ask for them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_batch_sync::handle;
use tidegate_engine::{Event, RunEnd, RunReport, ports::TransportError};
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START},
    memory::MemoryHttp,
};

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/batch-sync.json");

/// An ERP with three suppliers, and a Qualio with none.
fn host() -> Host {
    let host = Host::new(&[FLOW], [], tidegate_connect::connect).unwrap();
    let page = json!({ "items": realistic_suppliers(1, 3, START.0), "has_more": false });
    let none = json!({ "items": [] });
    host.http.answer(move |request| {
        let of_erp = request.url.starts_with("https://erp.");
        let rows = if of_erp { &page } else { &none };
        Ok(MemoryHttp::json(200, rows.clone()))
    });
    host
}

fn event(payload: Value) -> LambdaEvent<Value> {
    LambdaEvent::new(payload, Context::default())
}

fn shipped() -> LambdaEvent<Value> {
    event(serde_json::from_str(EVENT).unwrap())
}

/// What the bus delivers.
fn envelope(detail: &Value) -> LambdaEvent<Value> {
    event(json!({
        "version": "0", "id": "1", "detail-type": "RunRequested", "source": "tidegate",
        "account": "0", "time": "2026-11-20T02:00:00Z", "region": "us-east-1", "resources": [],
        "detail": detail,
    }))
}

async fn run(host: &Host, event: LambdaEvent<Value>) -> RunReport {
    handle(&host.engine, event).await.unwrap()
}

#[tokio::test]
async fn a_window_runs_once_whoever_asks_and_tells_what_it_did() {
    let host = host();
    let report = run(&host, shipped()).await;
    let answer = serde_json::to_value(&report).unwrap();
    assert_eq!(answer["ended"], "complete");
    assert_eq!(answer["window"], 1_795_136_400_000_i64);
    assert_eq!(answer["counts"]["staged"], 3);

    assert_eq!(run(&host, shipped()).await.end, RunEnd::AlreadyDone);
    let asked = json!({"flow": "suppliers", "window": 1_795_136_400_000_i64});
    assert_eq!(run(&host, envelope(&asked)).await.end, RunEnd::AlreadyDone);
}

#[tokio::test]
async fn a_run_asked_for_on_the_bus_is_done_as_it_was_asked() {
    let host = host();
    let asked = json!({"flow": "suppliers", "mode": "incremental"});
    let report = run(&host, envelope(&asked)).await;
    assert_eq!((report.end, report.window), (RunEnd::Complete, None));
}

#[tokio::test]
async fn a_source_that_breaks_off_is_told_and_is_no_error() {
    let host = host();
    host.http.answer(|_| Err(TransportError::Broken));
    let report = run(&host, shipped()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
}

#[tokio::test]
async fn a_run_without_time_for_a_page_leaves_it_to_the_heartbeat() {
    let host = host();
    let mut soon = shipped();
    soon.context.deadline = u64::try_from(START.0 + 10_000).unwrap();
    let report = run(&host, soon).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let asks_again = |event: &Event| matches!(event, Event::RunRequested { .. });
    assert!(
        !host.events.all().iter().any(asks_again),
        "it would ask for itself until its deadline is another"
    );
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_an_error_so_that_lambda_asks_again() {
    let host = host();
    host.store.fail(true);
    assert!(handle(&host.engine, shipped()).await.is_err());
    host.store.fail(false);
    assert_eq!(run(&host, shipped()).await.end, RunEnd::Complete);
}

#[tokio::test]
async fn an_event_that_asks_for_no_run_is_an_error() {
    let host = host();
    for payload in [
        json!({}),
        json!({"flow": "orders"}),
        json!({"flow": "suppliers", "window": "noon"}),
        json!({"flow": "suppliers", "modus": "initial"}),
    ] {
        let shown = payload.to_string();
        let refused = handle(&host.engine, event(payload)).await;
        assert!(refused.is_err(), "{shown}");
    }
    assert!(host.http.requests().is_empty());
}
