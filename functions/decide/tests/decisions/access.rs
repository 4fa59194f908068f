//! Who may ask, and what is no question. None of it ever is a yes.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tidegate_decide::MAX_BODY_BYTES;

use crate::asker::{Asker, DECIDE, PATH, TOKEN, approved, flow};

const EVENT: &str = include_str!("../../../../infra/events/decide.json");

fn asker() -> Asker {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    asker
}

#[tokio::test]
async fn no_token_but_that_of_decisions_is_good() {
    let secrets = [("DECIDE_TOKEN", TOKEN), ("API_TOKEN", "of-the-api")];
    let asker = Asker::of(&flow(DECIDE), secrets);
    asker.source_says(200, approved(5_000));
    let mut told = None;
    for given in [
        "",
        "Bearer",
        "Bearer ",
        "Bearer of-the-api",
        "Basic eA==",
        TOKEN,
    ] {
        let body = json!({"key": "C-1", "ask": {"amount": 300}}).to_string();
        let request = Request::post(PATH).header("authorization", given);
        let answer = asker.send(request.body(body.into()).unwrap()).await;
        answer.problem(401);
        assert_eq!(
            answer.headers["www-authenticate"],
            "Bearer realm=\"tidegate\""
        );
        assert_eq!(*told.get_or_insert(answer.body.clone()), answer.body);
    }
    assert!(asker.host.http.requests().is_empty());
    assert_eq!(asker.ask().await.why(), "approved");
}

#[tokio::test]
async fn a_token_that_was_rotated_is_taken_at_once() {
    let asker = asker();
    assert_eq!(asker.ask().await.why(), "approved");
    asker.host.vault.put("DECIDE_TOKEN", "another");
    let body = json!({"key": "C-1", "ask": {"amount": 300}}).to_string();
    let request = Request::post(PATH).header("authorization", "Bearer another");
    let answer = asker.send(request.body(body.into()).unwrap()).await;
    assert_eq!(answer.why(), "approved");
}

#[tokio::test]
async fn without_a_token_to_compare_with_it_is_closed() {
    for (secrets, status) in [(vec![], 500), (vec![("DECIDE_TOKEN", "")], 401)] {
        let asker = Asker::of(&flow(DECIDE), secrets);
        asker.source_says(200, approved(5_000));
        let request = Request::post(PATH).header("authorization", "Bearer ");
        let answer = asker.send(request.body(Body::empty()).unwrap()).await;
        answer.problem(status);
    }
}

#[tokio::test]
async fn what_is_no_question_is_a_problem() {
    let asker = asker();
    for (body, status, says) in [
        (json!([]), 400, "not a JSON object"),
        (json!({"ask": {"amount": 300}}), 400, "`key` is missing"),
        (json!({"key": 1}), 400, "`key` is not a text"),
        (json!({"key": ""}), 400, "`key` is no key"),
        (
            json!({"key": "C-1", "ask": 300}),
            400,
            "`ask` is not an object",
        ),
        (
            json!({"key": "C-1", "amount": 300}),
            400,
            "`amount` is not known",
        ),
        (json!({"key": "C-1"}), 422, "does not fit the question"),
        (json!({"key": ".."}), 422, "does not fit the question"),
        (json!({"key": "x".repeat(MAX_BODY_BYTES)}), 413, "bytes"),
    ] {
        let answer = asker.ask_for(body).await;
        let told = answer.problem(status);
        assert!(told.contains(says), "{told}");
    }
    assert!(asker.host.http.requests().is_empty());
}

#[tokio::test]
async fn a_flow_that_decides_nothing_has_no_decision() {
    let asker = Asker::new("");
    let answer = asker.ask().await;
    assert!(answer.problem(404).contains("no `[decide]`"));
    for path in [
        PATH.replace("contacts", "nobody"),
        PATH.replace("contacts", "No%20body"),
    ] {
        let request = Request::post(path).header("authorization", format!("Bearer {TOKEN}"));
        let body = json!({"key": "C-1"}).to_string();
        asker
            .send(request.body(body.into()).unwrap())
            .await
            .problem(404);
    }
}

#[tokio::test]
async fn only_a_post_asks() {
    let asker = asker();
    for method in ["GET", "PUT", "DELETE"] {
        let request = Request::builder().method(method).uri(PATH);
        let request = request.header("authorization", format!("Bearer {TOKEN}"));
        asker
            .send(request.body(Body::empty()).unwrap())
            .await
            .problem(405);
    }
}

#[tokio::test]
async fn the_shipped_event_is_read() {
    // It bears no token that fits: that of a place is its own.
    let request = lambda_http::request::from_str(EVENT).unwrap();
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, Body::new(body));
    asker().send(request).await.problem(401);
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["headers"]["authorization"] = json!(format!("Bearer {TOKEN}"));
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let (parts, body) = request.into_parts();
    let request = Request::from_parts(parts, Body::new(body));
    // Suppliers are asked nothing.
    asker().send(request).await.problem(404);
}
