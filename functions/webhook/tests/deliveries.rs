//! Deliveries of a webhook, as HTTP sees them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::time::Duration;

use axum::{
    body::{Body, Bytes, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};
use tidegate_engine::MAX_BODY_BYTES;
use tidegate_model::{FlowId, Tier, metric};
use tidegate_policy::run::{Mode, RunRequest};
use tidegate_testkit::{
    doubles::erp::{
        ErpSupplier, realistic_suppliers,
        webhook::{SignedWebhook, Told, sign, sign_body},
    },
    host::{Host, START},
    memory::{INNER_TEXT, MemoryHttp},
};
use tidegate_webhook::router;
use tower::ServiceExt;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEXT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATH: &str = "/v1/flows/suppliers/webhook";
const NOW_S: i64 = START.0 / 1_000;

fn host() -> Host {
    let secrets = [
        ("SUPPLIERS_WEBHOOK_1", SECRET),
        ("SUPPLIERS_WEBHOOK_2", NEXT_SECRET),
    ];
    Host::new(&[FLOW], secrets, tidegate_connect::connect).unwrap()
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn is_problem(&self, status: u16) {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        let text = self.body.to_string();
        for inner in [INNER_TEXT, "secret", "whsec_", "register"] {
            assert!(!text.contains(inner), "{inner} in {text}");
        }
    }
}

async fn answer_to(host: &Host, request: Request<Body>) -> Answer {
    let answer = router(host.engine.clone()).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap(),
    }
}

async fn deliver_to(host: &Host, path: &str, signed: SignedWebhook) -> Answer {
    let mut request = Request::post(path);
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(signed.body)).unwrap();
    answer_to(host, request).await
}

async fn deliver(host: &Host, signed: SignedWebhook) -> Answer {
    deliver_to(host, PATH, signed).await
}

fn signed_text(text: &str) -> SignedWebhook {
    sign_body(text.to_owned(), SECRET, "msg_1", NOW_S).unwrap()
}

/// A batch reads one supplier, which is then known and in the batch tier.
async fn first_seen_by_a_batch(host: &Host) -> ErpSupplier {
    let row = realistic_suppliers(1, 1, START.0).remove(0);
    let page = json!({ "items": [&row], "has_more": false });
    host.http
        .answer(move |_| Ok(MemoryHttp::json(200, page.clone())));
    let flow = FlowId::try_new("suppliers").unwrap();
    let request = RunRequest {
        window: None,
        mode: Some(Mode::Incremental),
        lookback_s: None,
        resume: None,
        trigger: None,
    };
    let deadline = START + Duration::from_mins(5);
    let report = host.engine.run(&flow, &request, deadline).await.unwrap();
    assert_eq!(report.counts.staged, 1, "{report:?}");
    row
}

#[tokio::test]
async fn a_critical_change_is_queued_at_once_and_another_waits_for_the_next_window() {
    let host = host();
    let mut row = first_seen_by_a_batch(&host).await;

    row.contact.phone = "+49 30 1".to_owned();
    row.version += 1;
    let other = deliver(&host, sign(Told::Whole(&row), SECRET, "b", NOW_S).unwrap()).await;
    assert_eq!(
        (other.status, other.body),
        (202, json!({"outcome": "next_window"}))
    );
    assert!(host.queue.receive(Tier::RealTime, 10).is_empty());

    row.quality.blocked = !row.quality.blocked;
    row.version += 1;
    let signed = sign(Told::Whole(&row), NEXT_SECRET, "c", NOW_S).unwrap();
    let critical = deliver(&host, signed.clone()).await;
    assert_eq!(
        (critical.status, critical.body),
        (202, json!({"outcome": "critical"}))
    );
    assert_eq!(host.queue.receive(Tier::RealTime, 10).len(), 1);

    let replayed = deliver(&host, signed).await;
    assert_eq!(
        (replayed.status, replayed.body),
        (202, json!({"outcome": "known"}))
    );
}

#[tokio::test]
async fn a_body_with_the_id_alone_is_a_hint_and_its_replay_is_known() {
    let host = host();
    let signed = sign(Told::Partial("SUP-000001"), SECRET, "msg_2", NOW_S).unwrap();
    let first = deliver(&host, signed.clone()).await;
    assert_eq!(
        (first.status, first.body),
        (202, json!({"outcome": "fetching"}))
    );
    let again = deliver(&host, signed).await;
    assert_eq!(
        (again.status, again.body),
        (202, json!({"outcome": "known"}))
    );
    assert_eq!(host.queue.len(Tier::RealTime), 1);
}

#[tokio::test]
async fn an_unknown_flow_and_a_wrong_signature_get_the_same_answer() {
    let host = host();
    let good = || sign(Told::Partial("SUP-000001"), SECRET, "msg_3", NOW_S).unwrap();
    let mut forged = good();
    forged.body.push(' ');
    let wrong = deliver(&host, forged).await;
    wrong.is_problem(401);
    assert!(wrong.headers.contains_key("www-authenticate"));
    for path in [
        "/v1/flows/orders/webhook",
        "/v1/flows/No%20Flow/webhook",
        "/v1/flows/%ff/webhook",
    ] {
        let unknown = deliver_to(&host, path, good()).await;
        unknown.is_problem(401);
        assert_eq!(unknown.body, wrong.body, "{path}");
        assert_eq!(unknown.headers, wrong.headers, "{path}");
    }
    assert_eq!(host.queue.len(Tier::RealTime), 0);
}

#[tokio::test]
async fn a_delivery_without_signature_or_too_old_is_refused() {
    let host = host();
    let bare = Request::post(PATH).body(Body::from("{}")).unwrap();
    answer_to(&host, bare).await.is_problem(401);
    let old = sign(Told::Partial("SUP-000001"), SECRET, "msg_4", NOW_S - 301).unwrap();
    deliver(&host, old).await.is_problem(401);
}

#[tokio::test]
async fn what_is_signed_and_can_not_be_used_is_the_senders_mistake() {
    let host = host();
    for text in ["not JSON", "[]", "{}", "{\"id\": null}"] {
        let answer = deliver(&host, signed_text(text)).await;
        answer.is_problem(400);
    }
    let unsigned = Request::post(PATH).body(Body::from("not JSON")).unwrap();
    answer_to(&host, unsigned).await.is_problem(401);
}

#[tokio::test]
async fn a_body_over_the_limit_is_refused_before_its_signature_is_looked_at() {
    let host = host();
    let at_limit = "x".repeat(MAX_BODY_BYTES);
    deliver(&host, signed_text(&at_limit)).await.is_problem(400);
    // Well signed, so only its size is against it.
    let over = format!("{at_limit}x");
    deliver(&host, signed_text(&over)).await.is_problem(413);

    let announced = Request::post(PATH)
        .header("content-length", MAX_BODY_BYTES + 1)
        .body(Body::from("{}"))
        .unwrap();
    answer_to(&host, announced).await.is_problem(413);

    let chunks = (0..=MAX_BODY_BYTES / 1_024)
        .map(|_| Ok::<_, std::io::Error>(Bytes::from(vec![b'x'; 1_024])));
    let streamed = Body::from_stream(futures_util::stream::iter(chunks));
    let streamed = Request::post(PATH).body(streamed).unwrap();
    answer_to(&host, streamed).await.is_problem(413);
}

#[tokio::test]
async fn what_is_not_durable_is_not_accepted() {
    let told = |id: &str| sign(Told::Partial("SUP-000001"), SECRET, id, NOW_S).unwrap();
    let host = host();
    host.store.fail(true);
    let answer = deliver(&host, told("a")).await;
    answer.is_problem(503);
    assert!(answer.headers.contains_key("retry-after"));
    host.store.fail(false);
    host.queue.fail(true);
    deliver(&host, told("a")).await.is_problem(503);
    host.queue.fail(false);
    let failed = host.metrics.values(&metric::FAILED, &[]);
    assert_eq!(failed, [1.0, 1.0]);
    let at_last = deliver(&host, told("a")).await;
    assert_eq!(
        (at_last.status, at_last.body),
        (202, json!({"outcome": "fetching"}))
    );
    assert_eq!(host.metrics.values(&metric::FAILED, &[]).len(), 2);
}

#[tokio::test]
async fn without_its_secrets_a_flow_takes_nothing() {
    let told = sign(Told::Partial("SUP-000001"), SECRET, "a", NOW_S).unwrap();
    let missing = Host::new(&[FLOW], [], tidegate_connect::connect).unwrap();
    deliver(&missing, told.clone()).await.is_problem(503);
    let bad = [
        ("SUPPLIERS_WEBHOOK_1", "whsec_%"),
        ("SUPPLIERS_WEBHOOK_2", "short"),
    ];
    let bad = Host::new(&[FLOW], bad, tidegate_connect::connect).unwrap();
    deliver(&bad, told).await.is_problem(503);
}

#[tokio::test]
async fn another_method_is_told_which_one_is_right() {
    let get = Request::get(PATH).body(Body::empty()).unwrap();
    let answer = answer_to(&host(), get).await;
    answer.is_problem(405);
    assert_eq!(answer.headers["allow"], "POST");
}

#[tokio::test]
async fn the_memory_of_a_hint_ends_after_28_hours() {
    let host = host();
    let told = |at_s: i64| sign(Told::Partial("SUP-000001"), SECRET, "same", at_s).unwrap();
    assert_eq!(
        deliver(&host, told(NOW_S)).await.body["outcome"],
        "fetching"
    );
    host.clock.advance(Duration::from_secs(28 * 3_600 - 1));
    let late = NOW_S + 28 * 3_600 - 1;
    assert_eq!(deliver(&host, told(late)).await.body["outcome"], "known");
    host.clock.advance(Duration::from_secs(2));
    assert_eq!(deliver(&host, told(late)).await.body["outcome"], "fetching");
}
