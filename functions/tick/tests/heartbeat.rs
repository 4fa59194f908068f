//! The heartbeat, and a sweep that was asked for.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::Event;
use tidegate_model::UnixMs;
use tidegate_testkit::host::Host;
use tidegate_tick::{TickError, handle};

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/tick.json");

fn host() -> Host {
    let vendors = FLOW.replace("name = \"suppliers\"", "name = \"vendors\"");
    Host::new(&[FLOW, &vendors], [], tidegate_connect::connect).unwrap()
}

fn sweep(flow: &str) -> Value {
    json!({
        "version": "0", "id": "1", "detail-type": "SweepRequested", "source": "tidegate",
        "account": "0", "time": "2026-11-20T02:00:00Z", "region": "us-east-1", "resources": [],
        "detail": {"flow": flow},
    })
}

/// The flows whose window of 02:00 in Berlin was found to have no run.
fn started(host: &Host) -> Vec<String> {
    let events = host.events.take().into_iter();
    events
        .filter_map(|event| match event {
            Event::RunRequested { flow, request, .. } => {
                assert_eq!(request.window, Some(UnixMs(1_795_136_400_000)));
                Some(flow.to_string())
            }
            _ => None,
        })
        .collect()
}

async fn tick(host: &Host, event: Value) -> Result<Value, TickError> {
    handle(&host.engine, LambdaEvent::new(event, Context::default())).await
}

#[tokio::test]
async fn the_heartbeat_looks_at_every_flow() {
    let host = host();
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let answer = tick(&host, event).await.unwrap();
    assert_eq!(answer, json!({"flow": null}));
    assert_eq!(started(&host), ["suppliers", "vendors"]);
}

#[tokio::test]
async fn a_sweep_looks_at_the_flow_that_it_names() {
    let host = host();
    let answer = tick(&host, sweep("vendors")).await.unwrap();
    assert_eq!(answer, json!({"flow": "vendors"}));
    assert_eq!(started(&host), ["vendors"]);
    assert!(tick(&host, sweep("orders")).await.is_err());
    assert!(tick(&host, sweep("No Flow")).await.is_err());
}

#[tokio::test]
async fn what_it_could_not_do_is_an_error_and_the_next_one_does_it() {
    let host = host();
    host.store.fail(true);
    assert!(tick(&host, json!({})).await.is_err());
    host.store.fail(false);
    host.events.fail(true);
    assert!(tick(&host, json!({})).await.is_err());
    host.events.fail(false);
    tick(&host, json!({})).await.unwrap();
    assert_eq!(started(&host), ["suppliers", "vendors"]);
}
