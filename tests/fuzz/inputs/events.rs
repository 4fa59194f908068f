//! What Lambda hands over: messages of queues, and what schedules and the bus ask.

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::{Event, chain};
use tidegate_lambda::event::{BatchAnswer, arrivals, digest_request, run_request, sweep_request};
use tidegate_model::{FlowId, Message};

use super::promises::{VALUE, at_once, host, tells_nothing};

/// A message of any release is read as it was meant, or kept with a reason that repeats nothing.
/// The worker ends with each message either done or kept.
pub fn queue_message(data: &[u8]) {
    let Ok(body) = std::str::from_utf8(data) else {
        return;
    };
    let is_read = match Message::decode(body) {
        Ok(message) => {
            let again = Message::decode(&message.encode());
            assert_eq!(again.ok().as_ref(), Some(&message), "{body}");
            assert!(!message.keys.is_empty() && message.keys.len() <= 10);
            true
        }
        Err(error) => {
            tells_nothing(&chain(&error));
            false
        }
    };
    let record = |id: &str| json!({"messageId": id, "receiptHandle": "h", "body": body});
    let event = json!({"Records": [record("a"), {"messageId": "b"}, record("c")]});
    let (arrived, _) = arrivals(event.clone()).unwrap();
    assert_eq!(arrived.len(), 2);
    assert!(arrived.iter().all(|one| one.message.is_ok() == is_read));
    let event = LambdaEvent::new(event, Context::default());
    let answer = at_once(tidegate_worker::handle(&host().engine, event)).unwrap();
    let kept: Vec<&str> = answer
        .batch_item_failures
        .iter()
        .map(|failure| failure.item_identifier.as_str())
        .collect();
    assert!(kept.contains(&"b"), "a record without receipt is kept");
    if !is_read {
        assert_eq!(kept.len(), 3, "what can not be read is kept");
    }
}

/// Any JSON is an event of one kind, or named as none.
pub fn schedule_event(data: &[u8]) {
    let Ok(event) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    if let Ok((flow, request)) = run_request(&event) {
        let sent = serde_json::to_value(Event::RunRequested {
            flow: flow.clone(),
            request: request.clone(),
            request_id: None,
        });
        let read = run_request(&sent.unwrap()).unwrap();
        assert_eq!(read, (flow, request), "as the bus brings it");
    }
    if let Ok(Some(flow)) = sweep_request(&event) {
        assert_eq!(FlowId::try_new(flow.as_str()), Ok(flow));
    }
    drop(digest_request(event.clone()));
    let is_named = event.is_object();
    let records = event.get("Records").cloned().unwrap_or_default();
    if let Ok((arrived, answer)) = arrivals(event) {
        for error in arrived.iter().filter_map(|one| one.message.as_ref().err()) {
            assert!(!chain(error).contains(VALUE));
        }
        // An array is read by the places of its values: Lambda sends none.
        let mut each = records.as_array().into_iter().flatten();
        if is_named && each.all(Value::is_object) {
            each_record_is_named(&records, arrived.len(), answer);
        }
    }
}

/// A record is worked, kept by its id, or makes the whole invocation fail.
fn each_record_is_named(records: &Value, arrived: usize, answer: BatchAnswer) {
    let has = |record: &Value, name: &str| {
        let text = record.get(name).and_then(Value::as_str);
        text.is_some_and(|text| !text.is_empty())
    };
    let (mut whole, mut without_receipt, mut without_id) = (0, 0, 0);
    for record in records.as_array().into_iter().flatten() {
        match (has(record, "messageId"), has(record, "receiptHandle")) {
            (true, true) => whole += 1,
            (true, false) => without_receipt += 1,
            (false, _) => without_id += 1,
        }
    }
    assert_eq!(arrived, whole);
    match answer.finish() {
        Ok(answer) => {
            assert_eq!(answer.batch_item_failures.len(), without_receipt);
            assert_eq!(without_id, 0);
        }
        Err(unidentified) => assert_eq!(unidentified.0, without_id),
    }
}
