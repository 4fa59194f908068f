//! Flows: health, runs, pause and resume.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tidegate_engine::{Event, ports::Store as _};
use tidegate_model::FlowId;
use tidegate_policy::{
    contract,
    flow_state::{self, Blocker, BlockerCause, Side},
    keys,
    reconcile::ReconcileRequest,
    run::{Mode, RunRequest},
};
use tidegate_testkit::{host::START, memory::MemoryHttp};

use crate::caller::{Caller, bearing, is_now, rows};

const FLOWS: [&str; 2] = ["suppliers", "vendors"];

async fn health(caller: &Caller) -> Value {
    let body = caller.get("/v1/flows").await.ok(200);
    let names: Vec<_> = body["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|flow| flow["flow"].as_str().unwrap())
        .collect();
    assert_eq!(names, FLOWS);
    body["items"][0].clone()
}

#[tokio::test]
async fn a_flow_that_never_ran_says_so() {
    let flow = health(&Caller::new()).await;
    for absent in ["last_run", "running", "paused", "blocker"] {
        assert_eq!(flow[absent], Value::Null, "{absent}");
    }
    assert_eq!(flow["backlog"]["counted_at"], Value::Null);
    assert_eq!(flow["freshness"]["other_s"], Value::Null);
    // It is 03:00 in Berlin.
    assert_eq!(flow["windows"]["next"], "2026-11-20T09:00:00.000Z");
    assert_eq!(flow["windows"]["worst_staleness_s"], 9 * 3_600);
    assert_eq!(
        flow["budgets"][0],
        json!({
            "endpoint": "qualio", "tier": "real_time", "free_now": 20, "calls": 20, "per_s": 60,
            "day_used": flow["budgets"][0]["day_used"], "day_calls": flow["budgets"][0]["day_calls"],
        })
    );
    assert_eq!(
        flow["breakers"][0],
        json!({"endpoint": "qualio", "state": "closed", "until": null, "open_since": null})
    );
}

#[tokio::test]
async fn health_shows_the_last_run_and_what_tick_counted() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(3)).await;
    caller.host.engine.tick(None).await.unwrap();
    let flow = health(&caller).await;
    let run = &flow["last_run"];
    assert_eq!(run["ended"], "complete");
    is_now(&run["started"]);
    assert_eq!(run["counts"]["received"], 3);
    is_now(&flow["backlog"]["counted_at"]);
    assert_eq!(flow["backlog"]["pending_batch"], 3);
    is_now(&flow["backlog"]["oldest_batch"]);
}

fn asked(mode: Option<Mode>) -> Event {
    Event::RunRequested {
        flow: FlowId::try_new("suppliers").unwrap(),
        request: RunRequest {
            window: None,
            mode,
            lookback_s: None,
            resume: None,
            trigger: None,
        },
        request_id: None,
    }
}

#[tokio::test]
async fn a_run_is_asked_for_on_the_bus() {
    let caller = Caller::new();
    let path = "/v1/flows/suppliers/runs";
    let answer = caller.post(path).await.ok(202);
    assert_eq!(answer, json!({"flow": "suppliers", "mode": null}));
    let answer = caller.post_json(path, json!({"mode": "initial"})).await;
    assert_eq!(answer.ok(202)["mode"], "initial");
    caller.post_json(path, json!({})).await.ok(202);
    let all = [asked(None), asked(Some(Mode::Initial)), asked(None)];
    assert_eq!(caller.host.events.all(), all);
}

#[tokio::test]
async fn a_run_that_can_not_be_read_or_sent_is_not_asked_for() {
    let caller = Caller::new();
    let path = "/v1/flows/suppliers/runs";
    let wrong = caller.post_json(path, json!({"mode": "full"})).await;
    assert_eq!(wrong.problem(400)["field"], "mode");
    let misspelt = caller.post_json(path, json!({"Mode": "initial"})).await;
    assert_eq!(misspelt.problem(400)["field"], "Mode");
    caller.post("/v1/flows/orders/runs").await.problem(404);
    caller.post("/v1/flows/No%20Flow/runs").await.problem(404);
    caller.host.events.fail(true);
    caller.post(path).await.problem(503);
    caller.host.events.fail(false);
    assert!(caller.host.events.all().is_empty());
}

/// A Qualio that holds one record of ours which nothing knows, and an ERP that is empty.
fn one_stray(caller: &Caller) {
    let stray = json!({
        "supplier_id": "q-1", "name": "Nobody's",
        "contact_information": {"notes": "[key:SUP-999999]"},
    });
    caller.host.http.answer(move |request| {
        let rows = if request.url.contains("status=DRAFT") {
            vec![stray.clone()]
        } else {
            Vec::new()
        };
        let body = json!({"items": rows, "has_more": false});
        Ok(MemoryHttp::json(200, body))
    });
}

#[tokio::test]
async fn a_reconciliation_is_shown_like_a_run_and_by_its_findings() {
    let caller = Caller::new();
    let path = "/v1/flows/suppliers/reconcile";
    caller.get(path).await.problem(404);
    assert_eq!(health(&caller).await["last_reconcile"], Value::Null);
    one_stray(&caller);
    let flow = FlowId::try_new("suppliers").unwrap();
    let deadline = START + std::time::Duration::from_secs(900);
    let request = ReconcileRequest::default();
    let engine = &caller.host.engine;
    engine.reconcile(&flow, &request, deadline).await.unwrap();
    let found = caller.get(path).await.ok(200);
    assert_eq!(
        found["notes"],
        json!([{
            "key": "SUP-999999", "kind": "unknown_at_source",
            "why": "the target has it, the source does not; look at it",
        }])
    );
    let shown = &health(&caller).await["last_reconcile"];
    assert_eq!(shown["summary"], "1 compared: 1 unknown at source");
    assert_eq!(shown["findings"]["unknown_at_source"], 1);
    assert_eq!(
        (&shown["ended"], &shown["not_compared"]),
        (&json!("complete"), &Value::Null)
    );
    assert!(shown["ended_at"].is_string());
    assert_eq!(shown.get("notes"), None, "they stand at their own path");
}

#[tokio::test]
async fn a_reconciliation_is_asked_for_on_the_bus() {
    let caller = Caller::new();
    let path = "/v1/flows/suppliers/reconcile";
    caller.post(path).await.ok(202);
    let accepted = caller
        .post_json(path, json!({"accept_absent": true}))
        .await
        .ok(202);
    assert_eq!(accepted["accept_absent"], true);
    let asked = |accept_absent| Event::ReconcileRequested {
        flow: FlowId::try_new("suppliers").unwrap(),
        request: ReconcileRequest {
            accept_absent,
            ..ReconcileRequest::default()
        },
        request_id: None,
    };
    assert_eq!(caller.host.events.all(), [asked(false), asked(true)]);
    let wrong = caller
        .post_json(path, json!({"accept_absent": "yes"}))
        .await;
    assert_eq!(wrong.problem(400)["field"], "accept_absent");
    let misspelt = caller.post_json(path, json!({"accept": true})).await;
    assert_eq!(misspelt.problem(400)["field"], "accept");
    caller.post("/v1/flows/orders/reconcile").await.problem(404);
    assert!(caller.host.http.requests().is_empty(), "READ-1");
}

#[tokio::test]
async fn a_pause_stands_until_it_is_resumed() {
    let caller = Caller::new();
    let pause = json!({"scope": "target", "reason": "audit at Qualio", "by": "Ana"});
    let answer = caller
        .post_json("/v1/flows/suppliers/pause", pause)
        .await
        .ok(200);
    let since = "2026-11-20T02:00:00.000Z";
    let paused = json!({
        "source": null,
        "target": {"reason": "audit at Qualio", "by": "Ana", "since": since},
    });
    assert_eq!(
        answer,
        json!({"flow": "suppliers", "paused": paused, "blocker": null, "checking": false})
    );
    assert_eq!(health(&caller).await["paused"], paused);

    let answer = caller
        .post_json(
            "/v1/flows/suppliers/resume",
            json!({"by": "Ana", "reason": "done"}),
        )
        .await
        .ok(200);
    assert_eq!(answer["paused"], Value::Null);
    assert_eq!(health(&caller).await["paused"], Value::Null);
    let flow = FlowId::try_new("suppliers").unwrap();
    assert_eq!(
        caller.host.events.all(),
        [Event::SweepRequested {
            flow,
            request_id: None
        }]
    );
}

#[tokio::test]
async fn a_second_pause_does_not_lift_the_first() {
    let caller = Caller::new();
    for (scope, by) in [("target", "Ana"), ("source", "Ben")] {
        let pause = json!({"scope": scope, "reason": "audit", "by": by});
        let path = "/v1/flows/suppliers/pause";
        caller.post_json(path, pause).await.ok(200);
    }
    let paused = health(&caller).await["paused"].clone();
    assert_eq!(paused["target"]["by"], "Ana");
    assert_eq!(paused["source"]["by"], "Ben");
    let resume = json!({"by": "Cem"});
    let answer = caller.post_json("/v1/flows/suppliers/resume", resume).await;
    assert_eq!(answer.ok(200)["paused"], Value::Null);
}

#[tokio::test]
async fn what_is_paused_is_all_when_it_is_left_out() {
    let caller = Caller::new();
    let pause = json!({"reason": "stock taking", "by": "Ana"});
    let answer = caller.post_json("/v1/flows/vendors/pause", pause).await;
    let paused = answer.ok(200)["paused"].clone();
    for side in ["source", "target"] {
        assert_eq!(paused[side]["reason"], "stock taking", "{side}");
    }
}

#[tokio::test]
async fn resuming_has_the_cause_of_a_blocker_checked_again() {
    let caller = Caller::new();
    let flow = FlowId::try_new("suppliers").unwrap();
    let blocker = Blocker {
        side: Side::Target,
        cause: BlockerCause::Refusal,
        reason: "qualio answered 403".to_owned(),
        since: START,
    };
    let write = flow_state::block(&blocker, START);
    caller
        .host
        .store
        .update(&keys::flow_state(&flow), &write)
        .await
        .unwrap();
    assert_eq!(
        health(&caller).await["blocker"],
        json!({"side": "target", "reason": "qualio answered 403", "since": "2026-11-20T02:00:00.000Z"})
    );
    let answer = caller
        .post_json("/v1/flows/suppliers/resume", json!({"by": "Ana"}))
        .await
        .ok(200);
    assert_eq!(answer["checking"], true);
    assert_eq!(answer["blocker"]["side"], "target");
}

#[tokio::test]
async fn a_pause_must_say_who_and_why() {
    let caller = Caller::new();
    let long = "x".repeat(101);
    for (body, field) in [
        (json!({"reason": "audit"}), "by"),
        (json!({"by": "Ana"}), "reason"),
        (json!({"by": "Ana", "reason": "  "}), "reason"),
        (json!({"by": 7, "reason": "audit"}), "by"),
        (json!({"by": long, "reason": "audit"}), "by"),
        (
            json!({"by": "Ana", "reason": "audit", "scope": "everything"}),
            "scope",
        ),
        (
            json!({"by": "Ana", "reason": "audit", "until": "noon"}),
            "until",
        ),
    ] {
        let shown = body.to_string();
        let problem = caller
            .post_json("/v1/flows/suppliers/pause", body)
            .await
            .problem(400);
        assert_eq!(problem["field"], field, "{shown}");
        assert!(problem["detail"].as_str().unwrap().contains(field));
    }
    let nobody = caller.post("/v1/flows/suppliers/pause").await;
    nobody.problem(400);
    let nobody = caller
        .post_json("/v1/flows/suppliers/resume", json!({}))
        .await;
    assert_eq!(nobody.problem(400)["field"], "by");
    let unknown = json!({"by": "Ana", "reason": "audit"});
    caller
        .post_json("/v1/flows/orders/pause", unknown)
        .await
        .problem(404);
    caller
        .post_json("/v1/flows/orders/resume", json!({"by": "Ana"}))
        .await
        .problem(404);
    assert_eq!(health(&caller).await["paused"], Value::Null);
}

#[tokio::test]
async fn a_body_that_is_no_object_is_refused() {
    let caller = Caller::new();
    for (text, says) in [
        ("{\"by\": \"Ana\",\n oops}", "line 2"),
        ("[1]", "not an object"),
        ("\u{0}", "not JSON"),
    ] {
        let request = bearing(Request::post("/v1/flows/suppliers/pause"));
        let problem = caller.send(request, Body::from(text)).await.problem(400);
        assert!(
            problem["detail"].as_str().unwrap().contains(says),
            "{problem}"
        );
    }
}

#[tokio::test]
async fn what_a_flow_writes_and_its_target_accepts_is_shown_without_a_call() {
    let caller = Caller::with_contacts();
    let path = "/v1/flows/contacts/schema";
    let shown = caller.get(path).await.ok(200);
    assert_eq!(shown["contract"], Value::Null, "it never told");
    assert_eq!(shown["schema"]["properties"]["name"]["maxLength"], 120);
    let settings = shown["settings"].as_object().unwrap();
    let names: Vec<&String> = settings.keys().collect();
    assert_eq!(
        names,
        ["CRM_URL", "NEWSLETTER_URL"],
        "no other of the place"
    );
    let is_hash = |hash: &Value| hash.as_str().unwrap().len() == 12;
    assert!(settings.values().all(is_hash) && !shown.to_string().contains("http"));
    let flow = FlowId::try_new("contacts").unwrap();
    let write = contract::keep(&contract::Contract::default(), 1, START);
    let kept = caller
        .host
        .store
        .update(&keys::contract(&flow), &write)
        .await;
    kept.unwrap();
    let told = caller.get(path).await.ok(200)["contract"].clone();
    assert_eq!(told["hash"], contract::Contract::default().hash());
    assert_eq!(told["format"], contract::FORMAT);
    assert_eq!(told["accepts"], json!({"operations": {}}));
    caller.get("/v1/flows/nobody/schema").await.problem(404);
}
