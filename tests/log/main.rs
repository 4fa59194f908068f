//! How a change is followed through the log of all functions: by the id of the request with which it
//! began. A process of its own, since the log is the process's.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests fail by panic"
)]

use std::{
    sync::{Arc, LazyLock},
    time::Duration,
};

use axum::{Router, body::Body, http::Request};
use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::Event;
use tidegate_lambda::{LogFilter, start_telemetry_to};
use tidegate_model::{Message, Tier, flow::Method};
use tidegate_testkit::{
    doubles::erp::webhook::sign_body,
    host::{Host, START},
    log::Log,
    memory::MemoryHttp,
};
use tower::ServiceExt as _;

const FLOW: &str = include_str!("../../infra/flows/examples/contacts.toml");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const TOKEN: &str = "token-of-the-api";

/// The log of all tests here. Each has requests of its own, by whose ids it finds its lines.
static LOG: LazyLock<Arc<Log>> = LazyLock::new(|| {
    let log = Arc::new(Log::default());
    start_telemetry_to(&LogFilter("info".to_owned()), Arc::clone(&log)).unwrap();
    log
});

/// The lines of a request, by what they tell.
fn lines(request_id: &str, message: &str) -> Vec<Value> {
    let text = LOG.text();
    let lines = text.lines().map(|line| serde_json::from_str(line).unwrap());
    lines
        .filter(|line: &Value| line["request_id"] == request_id && line["message"] == message)
        .collect()
}

/// The only such line, with the fields that it must have.
fn line(request_id: &str, message: &str, fields: &[&str]) -> Value {
    let mut found = lines(request_id, message);
    assert_eq!(found.len(), 1, "{message}: {}", LOG.text());
    let line = found.remove(0);
    for field in fields {
        assert!(!line[field].is_null(), "{field} in {line}");
    }
    line
}

fn contact(id: &str) -> Value {
    json!({
        "id": id, "updated_at": "2026-11-19T10:00:00", "state": "active",
        "email": format!("{id}@example.com"), "given_name": "A", "family_name": "B",
        "locale": "en", "consent": {"newsletter": true}, "tags": [],
    })
}

/// A source that has one contact, and a target that answers so.
fn host(id: &'static str, put: u16) -> Host {
    LazyLock::force(&LOG);
    let secrets = [
        ("API_TOKEN", TOKEN),
        ("CRM_WEBHOOK", SECRET),
        ("CRM_API_KEY", "key"),
        ("NEWSLETTER_TOKEN", "token"),
    ];
    let host = Host::new(&[FLOW], secrets, tidegate_connect::connect).unwrap();
    answer(&host, id, put);
    host
}

fn answer(host: &Host, id: &'static str, put: u16) {
    host.http.answer(move |request| {
        Ok(match request.method {
            Method::Put => MemoryHttp::json(put, json!({})),
            _ if request.url.contains("/v2/contacts/") => {
                MemoryHttp::json(200, json!({"data": contact(id)}))
            }
            _ => {
                let page = json!({"data": [contact(id)], "meta": {"next_cursor": null}});
                MemoryHttp::json(200, page)
            }
        })
    });
}

/// What an invocation of this id is told beside its event.
fn context(request_id: &str) -> Context {
    let mut context = Context::default();
    request_id.clone_into(&mut context.request_id);
    context
}

/// The status of what a function's router answers in the invocation of this id.
async fn status(router: Router, request_id: &str, mut request: Request<Body>) -> u16 {
    request.extensions_mut().insert(context(request_id));
    router.oneshot(request).await.unwrap().status().as_u16()
}

async fn post(host: &Host, request_id: &str, path: &str) -> u16 {
    let request = Request::post(path).header("authorization", format!("Bearer {TOKEN}"));
    let request = request.body(Body::empty()).unwrap();
    let router = tidegate_api::router(Arc::clone(&host.engine));
    status(router, request_id, request).await
}

async fn webhook(host: &Host, request_id: &str, body: &Value) -> u16 {
    let signed = sign_body(body.to_string(), SECRET, request_id, START.0 / 1_000).unwrap();
    let mut request = Request::post("/v1/flows/contacts/webhook");
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(signed.body)).unwrap();
    let router = tidegate_webhook::router(Arc::clone(&host.engine));
    status(router, request_id, request).await
}

/// Hands all that waits in a queue to the worker, in an invocation of this id.
async fn work(host: &Host, request_id: &str, tier: Tier) {
    let deliveries = host.queue.receive(tier, 10);
    assert!(!deliveries.is_empty(), "nothing waits");
    let records = deliveries.iter().map(|delivery| {
        json!({
            "messageId": delivery.message_id, "receiptHandle": "handle", "body": delivery.body,
            "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
            "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
            "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tidegate-dev-realtime",
        })
    });
    let event = json!({ "Records": records.collect::<Vec<_>>() });
    let event = LambdaEvent::new(event, context(request_id));
    let kept = tidegate_worker::handle(&host.engine, event).await.unwrap();
    for delivery in deliveries {
        let is_kept = |id: &str| id == delivery.message_id;
        let mut kept = kept.batch_item_failures.iter();
        if !kept.any(|kept| is_kept(&kept.item_identifier)) {
            host.queue.delete(&delivery.receipt);
        }
    }
}

/// What every line about a record's way to its target tells.
const OF_A_RECORD: [&str; 5] = ["flow", "key", "tier", "attempt", "took_ms"];

#[tokio::test]
async fn a_webhook_is_followed_through_a_deferral_to_the_call_that_it_led_to() {
    let host = host("hooked", 429);
    let body = json!({"contact_id": "hooked"});
    assert_eq!(webhook(&host, "hook-1", &body).await, 202);
    let taken = line("hook-1", "webhook", &["flow", "key", "took_ms"]);
    assert_eq!(taken["key"], "hooked");
    assert_eq!(taken["outcome"], "fetching");

    work(&host, "worker-1", Tier::RealTime).await;
    let fetched = line("hook-1", "fetched", &["flow", "key", "tier", "took_ms"]);
    assert_eq!(fetched["key"], "hooked");
    let put = |line: &&Value| line["method"] == "PUT";
    let calls = lines("hook-1", "call");
    let first = calls.iter().find(put).expect("a call");
    assert_eq!(first["outcome"], "throttled");
    let deferred = line("hook-1", "verdict", &OF_A_RECORD);
    assert_eq!(deferred["verdict"], "deferred");
    assert_eq!(deferred["reason"], "provider");

    answer(&host, "hooked", 200);
    host.clock.advance(Duration::from_mins(2));
    work(&host, "worker-2", Tier::RealTime).await;
    let applied = line("hook-1", "applied", &OF_A_RECORD);
    assert_eq!(
        (&applied["key"], &applied["attempt"]),
        (&json!("hooked"), &json!(1))
    );
    let calls = lines("hook-1", "call");
    let second = calls.iter().rfind(put).expect("a call");
    assert_eq!(second["outcome"], "answered");
    for field in OF_A_RECORD {
        assert!(!second[field].is_null(), "{field} in {second}");
    }
    let verdicts = lines("hook-1", "verdict");
    assert_eq!(verdicts.len(), 2);
    assert_eq!(verdicts[1]["verdict"], "applied");
    // What a worker did for somebody bears that request, and not its own.
    assert!(!LOG.text().contains("\"request_id\":\"worker-"));
}

#[tokio::test]
async fn a_call_of_the_api_is_followed_to_the_failure_of_what_it_asked_for() {
    let host = host("asked", 503);
    let path = "/v1/flows/contacts/records/asked/sync";
    assert_eq!(post(&host, "api-1", path).await, 202);
    line("api-1", "force sync", &["flow", "key"]);
    work(&host, "api-worker-1", Tier::RealTime).await;
    let failed = line("api-1", "attempt failed", &OF_A_RECORD);
    assert_eq!(
        (&failed["attempt"], &failed["tier"]),
        (&json!(1), &json!("real_time"))
    );
    let verdict = line("api-1", "verdict", &OF_A_RECORD);
    assert_eq!(verdict["verdict"], "retry");
    assert_eq!(host.http.requests().len(), lines("api-1", "call").len());
}

#[tokio::test]
async fn a_run_bears_the_request_that_asked_for_it_and_its_records_bear_both() {
    let host = host("listed", 200);
    assert_eq!(post(&host, "api-2", "/v1/flows/contacts/runs").await, 202);
    line("api-2", "run asked for", &["flow"]);
    let asked = host.events.all().pop().unwrap();
    assert!(matches!(asked, Event::RunRequested { .. }));
    let mut event = serde_json::to_value(&asked).unwrap();
    event["source"] = json!("tidegate");
    let event = LambdaEvent::new(event, context("batch-1"));
    let report = tidegate_batch_sync::handle(&host.engine, event)
        .await
        .unwrap();
    let run = report.run.unwrap().to_string();
    for message in ["run begins", "run ends"] {
        assert_eq!(line("api-2", message, &["flow"])["run"], run, "{message}");
    }

    let sent = host.queue.sent().pop().unwrap().message;
    assert_eq!(sent.trace.run.map(|run| run.to_string()), Some(run.clone()));
    work(&host, "batch-worker-1", sent.tier).await;
    for message in ["applied", "verdict"] {
        assert_eq!(
            line("api-2", message, &OF_A_RECORD)["run"],
            run,
            "{message}"
        );
    }
    let calls = lines("api-2", "call");
    assert!(calls.iter().all(|call| call["run"] == run), "{calls:?}");
}

#[tokio::test]
async fn a_message_of_an_older_release_is_of_the_invocation_that_has_it() {
    let host = host("older", 200);
    assert_eq!(
        post(&host, "api-3", "/v1/flows/contacts/records/older/sync").await,
        202
    );
    let mut delivery = host.queue.receive(Tier::RealTime, 10).remove(0);
    let mut message = Message::decode(&delivery.body).unwrap();
    message.trace = tidegate_model::Trace::default();
    delivery.body = message.encode();
    assert!(!delivery.body.contains("trace"));
    let record = json!({
        "messageId": delivery.message_id, "receiptHandle": "handle", "body": delivery.body,
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
        "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tidegate-dev-realtime",
    });
    let event = LambdaEvent::new(json!({ "Records": [record] }), context("old-worker-1"));
    tidegate_worker::handle(&host.engine, event).await.unwrap();
    assert_eq!(
        line("old-worker-1", "applied", &OF_A_RECORD)["key"],
        "older"
    );
}
