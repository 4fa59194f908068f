//! Messages, as SQS hands them over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::float_cmp,
    reason = "tests fail by panic"
)]

use std::time::Duration;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_model::{FlowId, Message, RecordKey, Tier, flow::Method, metric};
use tidegate_policy::run::RunRequest;
use tidegate_testkit::{
    host::{Host, START},
    memory::{Delivery, MemoryHttp},
};
use tidegate_worker::handle;

const FLOW: &str = include_str!("../../../infra/flows/examples/contacts.toml");
const SUPPLIERS: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/worker.json");

/// A flow whose two contacts are staged and wait in the batch queue.
async fn host() -> Host {
    let host = Host::new(&[FLOW, SUPPLIERS], [], tidegate_connect::connect).unwrap();
    let contact = |id: &str| {
        json!({
            "id": id, "updated_at": "2026-11-19T10:00:00", "state": "active",
            "email": format!("{id}@example.com"), "given_name": "A", "family_name": "B",
            "locale": "en", "consent": {"newsletter": true}, "tags": [],
        })
    };
    let page = json!({"data": [contact("c1"), contact("c2")], "meta": {"next_cursor": null}});
    host.http
        .answer(move |_| Ok(MemoryHttp::json(200, page.clone())));
    let request = RunRequest {
        window: None,
        mode: None,
        lookback_s: None,
        resume: None,
        trigger: None,
    };
    let flow = FlowId::try_new("contacts").unwrap();
    let deadline = START + Duration::from_mins(5);
    let report = host.engine.run(&flow, &request, deadline).await.unwrap();
    assert_eq!(report.counts.staged, 2, "{report:?}");
    host.http.answer(|_| Ok(MemoryHttp::json(200, json!({}))));
    host
}

fn record(id: &str, body: &str) -> Value {
    json!({
        "messageId": id, "receiptHandle": format!("handle-{id}"), "body": body,
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
        "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tidegate-dev-batch",
    })
}

fn delivered(delivery: &Delivery) -> Value {
    record(&delivery.message_id, &delivery.body)
}

fn message(key: &str) -> String {
    let flow = FlowId::try_new("contacts").unwrap();
    let key = RecordKey::try_new(key).unwrap();
    Message::new(flow, vec![key], Tier::Batch, START).encode()
}

/// What our own side failed at, as it is measured.
fn failed(host: &Host) -> f64 {
    host.metrics.values(&metric::FAILED, &[]).iter().sum()
}

async fn kept(host: &Host, records: Vec<Value>) -> Vec<String> {
    let event = json!({ "Records": records });
    let answer = handle(&host.engine, LambdaEvent::new(event, Context::default()))
        .await
        .unwrap();
    let answer = serde_json::to_value(answer).unwrap();
    let failures = answer["batchItemFailures"].as_array().unwrap().iter();
    failures
        .map(|failure| failure["itemIdentifier"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_waits_in_the_queue_is_sent_to_the_target_and_deleted() {
    let host = host().await;
    let waiting = host.queue.receive(Tier::Batch, 10);
    assert!(!waiting.is_empty());
    let records = waiting.iter().map(delivered).collect();
    assert_eq!(kept(&host, records).await, [""; 0]);
    let mut sent: Vec<_> = host
        .http
        .requests()
        .into_iter()
        .filter(|request| request.method == Method::Put)
        .map(|request| request.url)
        .collect();
    sent.sort();
    let url = |key: &str| format!("https://newsletter.example.com/3.0/members/{key}");
    assert_eq!(sent, [url("c1"), url("c2")]);
}

#[tokio::test]
async fn a_text_that_is_no_message_is_kept_and_the_others_are_worked() {
    let host = host().await;
    let records = vec![
        record("good", &message("c1")),
        record("bad", "{\"v\":1}"),
        record("newer", "{\"v\":9}"),
        record("unknown", &message("c1").replace("contacts", "orders")),
        record("also-good", &message("c2")),
    ];
    let mut kept = kept(&host, records).await;
    kept.sort();
    assert_eq!(kept, ["bad", "newer", "unknown"]);
    assert_eq!(
        failed(&host),
        1.0,
        "what another release sent is no failure"
    );
    let sent = host.http.requests().into_iter();
    assert_eq!(
        sent.filter(|request| request.method == Method::Put).count(),
        2
    );
}

#[tokio::test]
async fn while_the_store_does_not_answer_every_message_stays() {
    let host = host().await;
    host.store.fail(true);
    let records = vec![record("a", &message("c1")), record("b", &message("c2"))];
    assert_eq!(kept(&host, records).await, ["a", "b"]);
    assert_eq!(failed(&host), 2.0);
}

#[tokio::test]
async fn the_shipped_event_finds_nothing_to_do() {
    let host = host().await;
    let event: Value = serde_json::from_str(EVENT).unwrap();
    let answer = handle(&host.engine, LambdaEvent::new(event, Context::default()))
        .await
        .unwrap();
    assert!(answer.batch_item_failures.is_empty());
}

#[tokio::test]
async fn what_can_not_be_named_or_is_not_from_sqs_fails_as_a_whole() {
    let host = host().await;
    let nameless = json!({"Records": [record("", &message("c1"))]});
    assert!(
        handle(&host.engine, LambdaEvent::new(nameless, Context::default()))
            .await
            .is_err()
    );
    let daily = json!({"digest": "daily"});
    assert!(
        handle(&host.engine, LambdaEvent::new(daily, Context::default()))
            .await
            .is_err()
    );
}
