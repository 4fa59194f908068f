//! What the log says of records that are read one by one. Alone in its process, since the log is the
//! process's.

#![allow(clippy::unwrap_used, reason = "tests fail by panic")]

use std::{sync::Arc, time::Duration};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_model::{FlowId, RecordKey, Tier};
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START},
    log::Log,
    memory::MemoryHttp,
};
use tidegate_worker::handle;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");

/// What is logged while a record is synced that the source answers so about.
async fn log_of_a_sync(host: &Host, status: u16, row: &Value) -> String {
    let answer = row.clone();
    host.http
        .answer(move |_| Ok(MemoryHttp::json(status, answer.clone())));
    let log = Arc::new(Log::default());
    let subscriber = tracing_subscriber::fmt().with_writer(Arc::clone(&log));
    let _guard = tracing::subscriber::set_default(subscriber.finish());
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new("SUP-000001").unwrap();
    host.engine.force_sync(&flow, &key).await.unwrap();
    let delivery = host.queue.receive(Tier::RealTime, 10).remove(0);
    let record = json!({
        "messageId": delivery.message_id, "receiptHandle": "handle", "body": delivery.body,
        "attributes": {"ApproximateReceiveCount": "1"}, "messageAttributes": {},
        "md5OfBody": "", "eventSource": "aws:sqs", "awsRegion": "us-east-1",
        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:tidegate-dev-realtime",
    });
    let event = LambdaEvent::new(json!({ "Records": [record] }), Context::default());
    let done = handle(&host.engine, event).await;
    assert!(done.unwrap().batch_item_failures.is_empty());
    // The next one is a request of its own.
    host.clock.advance(Duration::from_secs(11));
    log.text()
}

#[tokio::test]
async fn a_key_that_nobody_knows_is_told_and_an_invalid_row_once() {
    let secrets = [("ERP_TOKEN", "t"), ("QUALIO_API_KEY", "k")];
    let host = Host::new(&[FLOW], secrets, tidegate_connect::connect).unwrap();
    let nowhere = log_of_a_sync(&host, 404, &json!({})).await;
    assert!(nowhere.contains("WARN") && nowhere.contains("not found at source"));
    assert!(!nowhere.contains("unchanged"), "{nowhere}");

    let mut supplier = realistic_suppliers(1, 1, START.0).remove(0);
    supplier.quality.audit_score = 140.0;
    let row = serde_json::to_value(&supplier).unwrap();
    let first = log_of_a_sync(&host, 200, &row).await;
    let told = first.lines().filter(|line| line.contains("WARN"));
    assert_eq!(told.count(), 1, "{first}");
    assert!(first.contains("audit_score must be at most 100"), "{first}");
    let again = log_of_a_sync(&host, 200, &row).await;
    assert!(!again.contains("WARN"), "{again}");
    assert!(again.contains("outcome=\"unchanged\""), "{again}");
    // Gone from the source, it is a deletion: known here, it is no key that nobody knows.
    let gone = log_of_a_sync(&host, 404, &json!({})).await;
    assert!(!gone.contains("not found at source"), "{gone}");
}
