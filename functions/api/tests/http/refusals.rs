//! What goes wrong, on the caller's side and on ours.

use axum::{Router, body::Body, http::Request, routing::post};
use serde_json::json;
use tidegate_api::{MAX_BODY_BYTES, router};
use tidegate_model::{FlowId, RecordKey, item::Value as Stored, metric};
use tidegate_policy::keys;
use tower::ServiceExt;

use crate::caller::{Caller, bearing, invalid, rows};

#[tokio::test]
async fn an_unknown_path_is_a_problem_too() {
    let caller = Caller::new();
    for path in [
        "/",
        "/v1",
        "/v1/flows/",
        "/v2/flows",
        "/v1/flows/suppliers/webhook",
    ] {
        caller.get(path).await.problem(404);
    }
}

#[tokio::test]
async fn another_method_is_told_which_ones_are_right() {
    let caller = Caller::new();
    for (method, path, right) in [
        ("POST", "/v1/flows", "GET,HEAD"),
        ("GET", "/v1/flows/suppliers/runs", "POST"),
        ("DELETE", "/v1/reviews/suppliers~A", "GET,HEAD,PATCH,POST"),
    ] {
        let request = bearing(Request::builder().method(method).uri(path));
        let answer = caller.send(request, Body::empty()).await;
        assert_eq!(answer.headers["allow"], right, "{path}");
        answer.problem(405);
    }
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused() {
    let caller = Caller::new();
    caller
        .batch("suppliers", vec![invalid(rows(1).remove(0))])
        .await;
    let path = "/v1/reviews/suppliers~SUP-000001";
    let sized = |bytes: usize| {
        let frame = json!({"by": "Ana", "why": "x", "fields": {"purpose": ""}}).to_string();
        let text = "x".repeat(bytes - frame.len());
        json!({"by": "Ana", "why": "x", "fields": {"purpose": text}})
    };
    caller.patch_json(path, sized(MAX_BODY_BYTES)).await.ok(200);
    let over = caller.patch_json(path, sized(MAX_BODY_BYTES + 1)).await;
    over.problem(413);
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_told_as_such_and_no_more() {
    let caller = Caller::new();
    caller
        .batch("suppliers", vec![invalid(rows(1).remove(0))])
        .await;
    caller.host.store.fail(true);
    let who = json!({"by": "Ana", "reason": "x"});
    let edit = json!({"by": "Ana", "why": "x", "fields": {"name": "x"}});
    let review = "/v1/reviews/suppliers~SUP-000001";
    let answers = [
        caller.get("/v1/flows").await,
        caller.get("/v1/flows/suppliers/records").await,
        caller.get("/v1/flows/suppliers/records/A").await,
        caller.get("/v1/reviews").await,
        caller.get(review).await,
        caller.post("/v1/flows/suppliers/records/A/sync").await,
        caller.post(&format!("{review}/replay")).await,
        caller.post(&format!("{review}/replay?dry_run=true")).await,
        caller.post(&format!("{review}/discard")).await,
        caller.patch_json(review, edit).await,
        caller
            .post_json("/v1/flows/suppliers/pause", who.clone())
            .await,
        caller.post_json("/v1/flows/suppliers/resume", who).await,
    ];
    for answer in answers {
        assert_eq!(answer.headers["retry-after"], "5");
        let text = answer.problem(503).to_string();
        assert!(!text.contains("secret-operation"), "{text}");
    }
    caller.host.store.fail(false);
    caller.get(review).await.ok(200);
}

#[tokio::test]
async fn what_could_not_be_queued_is_not_accepted() {
    let caller = Caller::new();
    caller.host.queue.fail(true);
    let path = "/v1/flows/suppliers/records/A/sync";
    caller.post(path).await.problem(503);
    caller.host.queue.fail(false);
    // The failed one is not remembered as done.
    assert_eq!(caller.post(path).await.ok(202)["coalesced"], false);
}

#[tokio::test]
async fn an_item_that_can_not_be_read_is_our_fault() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(1)).await;
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new("SUP-000001").unwrap();
    let at = keys::register(&flow, &key);
    let mut item = caller.host.store.item(&at).unwrap();
    item.insert("dv".to_owned(), Stored::Text("not a version".to_owned()));
    caller.host.store.put(at, item);
    let path = "/v1/flows/suppliers/records/SUP-000001";
    caller.get(path).await.problem(500);
    let failed = || caller.host.metrics.values(&metric::FAILED, &[]);
    assert_eq!(failed(), [1.0]);
    // What the caller did wrong is no failure of ours.
    caller.get("/v1/flows/none").await.problem(404);
    assert_eq!(failed(), [1.0]);
}

#[tokio::test]
async fn it_can_be_merged_with_the_webhook_which_asks_for_no_token() {
    let caller = Caller::new();
    let webhook = Router::new().route("/v1/flows/{flow}/webhook", post(async || "taken"));
    let both = router(caller.host.engine.clone()).merge(webhook);
    let request = Request::post("/v1/flows/suppliers/webhook");
    let answer = both
        .clone()
        .oneshot(request.body(Body::empty()).unwrap())
        .await
        .unwrap();
    assert_eq!(answer.status(), 200);
    let request = Request::get("/v1/flows").body(Body::empty()).unwrap();
    assert_eq!(both.oneshot(request).await.unwrap().status(), 401);
}
