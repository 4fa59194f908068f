//! Loads into a warehouse: asked for, and shown.

use std::time::Duration;

use serde_json::json;
use tidegate_engine::Event;
use tidegate_model::FlowId;
use tidegate_policy::load::LoadRequest;
use tidegate_testkit::{host::START, memory::MemoryWarehouse};

use crate::caller::{Caller, is_now, rows};

const PATH: &str = "/v1/flows/suppliers/warehouse";

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

#[tokio::test]
async fn a_load_is_asked_for_on_the_bus_where_the_flow_has_a_warehouse() {
    let caller = Caller::with_warehouse();
    let answer = caller.post(PATH).await.ok(202);
    assert_eq!(answer, json!({ "flow": "suppliers" }));
    let asked = Event::LoadRequested {
        flow: flow(),
        request: LoadRequest { compare: true },
        request_id: None,
    };
    assert_eq!(caller.host.events.all(), [asked]);
    let none = Caller::new().post(PATH).await.problem(404);
    assert_eq!(none["detail"], "the flow file has no [warehouse]");
}

#[tokio::test]
async fn a_load_and_a_comparison_are_shown_by_their_counts_and_checksums() {
    let caller = Caller::with_warehouse();
    let before = caller.get(PATH).await.ok(200);
    assert_eq!(before, json!({ "load": null, "comparison": null }));
    caller.batch("suppliers", rows(2)).await;
    let warehouse = MemoryWarehouse::default();
    let deadline = START + Duration::from_mins(15);
    let request = LoadRequest { compare: true };
    let engine = &caller.host.engine;
    let report = engine.load(&warehouse, &flow(), request, deadline).await;
    assert_eq!(report.unwrap().counts.held_back, 2, "not sent yet");
    let requests = caller.host.http.requests().len();
    let shown = caller.get(PATH).await.ok(200);
    assert_eq!(shown["load"]["ended"], "complete");
    assert_eq!(
        shown["load"]["summary"],
        "2 records: 0 loaded in 0 files, 0 unchanged, 2 held back"
    );
    is_now(&shown["load"]["started"]);
    let comparison = &shown["comparison"];
    assert_eq!(comparison["found"]["waiting"], 2);
    assert_eq!(comparison["agrees"], true);
    assert_eq!(comparison["registers"], comparison["warehouse"]);
    assert_eq!(caller.host.http.requests().len(), requests, "READ-1");
}
