//! Audits: asked for, and shown.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_engine::Event;
use tidegate_model::FlowId;
use tidegate_policy::audit::AuditRequest;
use tidegate_testkit::host::START;

use crate::caller::{Caller, is_now, rows};

const PATH: &str = "/v1/flows/suppliers/audit";

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

#[tokio::test]
async fn an_audit_is_asked_for_on_the_bus_where_the_flow_has_one() {
    let caller = Caller::with_contacts();
    assert_eq!(
        caller.post(PATH).await.ok(202),
        json!({ "flow": "suppliers" })
    );
    let asked = Event::AuditRequested {
        flow: flow(),
        request: AuditRequest::default(),
        request_id: None,
    };
    assert_eq!(caller.host.events.all(), [asked]);
    let none = caller.post("/v1/flows/contacts/audit").await.problem(404);
    assert_eq!(none["detail"], "the flow file has no [audit]");
    caller.post("/v1/flows/orders/audit").await.problem(404);
}

#[tokio::test]
async fn an_audit_is_shown_by_its_counts_and_its_findings() {
    let caller = Caller::new();
    caller.get(PATH).await.problem(404);
    let mut suppliers = rows(2);
    suppliers[0]["contact"]["email"] = Value::Null;
    let key = suppliers[0]["id"].clone();
    caller.batch("suppliers", suppliers).await;
    let deadline = START + Duration::from_mins(15);
    let request = AuditRequest::default();
    let engine = &caller.host.engine;
    engine.audit(&flow(), &request, deadline).await.unwrap();
    let requests = caller.host.http.requests().len();
    let found = caller.get(PATH).await.ok(200);
    assert_eq!(found["counts"]["audited"], 2);
    let note = json!({
        "key": key, "kind": "missing", "name": "email", "why": "the field is empty",
    });
    let notes = found["notes"].as_array().unwrap();
    assert!(notes.contains(&note), "{notes:?}");
    assert_eq!(found["standing"]["pending"], 2);
    is_now(&found["standing"]["pending_since"]);
    assert_eq!(
        (&found["window"], &found["compared"]),
        (&Value::Null, &Value::Null)
    );
    let shown = &caller.get("/v1/flows").await.ok(200)["items"][0]["last_audit"];
    assert_eq!(shown["summary"], found["summary"]);
    assert_eq!(shown.get("notes"), None, "they stand at their own path");
    assert_eq!(caller.host.http.requests().len(), requests, "READ-1");
}
