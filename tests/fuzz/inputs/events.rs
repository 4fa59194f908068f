//! What Lambda hands over: messages of queues, and what schedules and the bus ask.

use serde_json::{Value, json};
use tidegate_engine::chain;
use tidegate_lambda::event::{arrivals, digest_request, run_request, sweep_request};
use tidegate_model::Message;

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
        assert!(!flow.as_str().is_empty());
        let again = json!({
            "detail-type": "RunRequested",
            "detail": {"flow": flow, "request": request},
        });
        if let Ok((same, _)) = run_request(&again) {
            assert_eq!(same, flow);
        }
    }
    if let Ok(Some(flow)) = sweep_request(&event) {
        assert!(!flow.as_str().is_empty());
    }
    drop(digest_request(event.clone()));
    let records = event
        .get("Records")
        .and_then(Value::as_array)
        .map_or(0, Vec::len);
    if let Ok((arrived, answer)) = arrivals(event) {
        let bodies = arrived.iter().filter_map(|one| one.message.as_ref().err());
        for error in bodies {
            assert!(!chain(error).contains(VALUE));
        }
        let named = match answer.finish() {
            Ok(answer) => answer.batch_item_failures.len(),
            Err(unidentified) => records - arrived.len() - unidentified.0.min(records),
        };
        assert!(arrived.len() + named <= records);
    }
}
