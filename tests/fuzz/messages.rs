//! Messages of other releases.

use proptest::{collection::vec, prelude::*};
use serde_json::{Value, json};
use tidegate_model::{Fetch, FlowId, Message, MessageError, RecordKey, Tier, UnixMs};

fn message() -> Value {
    json!({
        "v": 1, "flow": "suppliers", "keys": ["SUP-000123"], "tier": "batch", "first_sent": 1_795_140_000_000_i64,
    })
}

#[test]
fn a_message_of_a_newer_form_is_kept_for_a_release_that_reads_it() {
    for form in [0, 2, 255] {
        let mut body = message();
        body["v"] = json!(form);
        let error = Message::decode(&body.to_string()).unwrap_err();
        assert!(matches!(error, MessageError::UnknownForm(found) if found == form));
    }
    for form in [json!(256), json!(-1), json!("1"), Value::Null] {
        let mut body = message();
        body["v"] = form;
        let error = Message::decode(&body.to_string()).unwrap_err();
        assert!(matches!(error, MessageError::Form { .. }), "{error}");
    }
}

#[test]
fn a_field_that_a_newer_release_added_is_passed_over() {
    let plain = Message::decode(&message().to_string()).unwrap();
    let mut body = message();
    body["priority"] = json!({"of": "another release"});
    assert_eq!(Message::decode(&body.to_string()).unwrap(), plain);
}

#[test]
fn what_can_not_be_read_is_told_without_what_it_holds() {
    for (field, wrong) in [
        ("tier", json!("4711-secret")),
        ("keys", json!("4711-secret")),
        ("first_sent", json!("4711-secret")),
        ("flow", json!("4711 secret")),
    ] {
        let mut body = message();
        body[field] = wrong;
        let error = Message::decode(&body.to_string()).unwrap_err();
        let told = tidegate_engine::chain(&error);
        assert!(!told.contains("4711"), "{told}");
        assert!(told.starts_with("the message is not readable"), "{told}");
    }
}

#[test]
fn a_trace_of_any_form_keeps_no_work_back_and_does_not_grow() {
    let plain = Message::decode(&message().to_string()).unwrap();
    for trace in [
        json!({"request_id": "a".repeat(10_000)}),
        json!([[]]),
        json!("x"),
        json!(7),
    ] {
        let mut body = message();
        body["trace"] = trace;
        assert_eq!(Message::decode(&body.to_string()).unwrap(), plain);
    }
}

proptest! {
    #[test]
    fn every_message_is_read_as_it_was_written(
        keys in vec("[^\\p{Cc}]{1,60}", 1..=10), forced in any::<Option<bool>>(), real_time in any::<bool>(),
        sent in any::<i64>(), not_before in any::<Option<i64>>(), had_turn in any::<bool>()
    ) {
        let keys: Vec<RecordKey> = keys.into_iter().map(|key| RecordKey::try_new(key).unwrap()).collect();
        let tier = if real_time { Tier::RealTime } else { Tier::Batch };
        let mut message = Message::new(FlowId::try_new("f").unwrap(), keys, tier, UnixMs(sent));
        message.fetch = forced.map(|forced| if forced { Fetch::Forced } else { Fetch::Hint });
        message.not_before = not_before.map(UnixMs);
        message.had_turn = had_turn;
        let read = Message::decode(&message.encode());
        prop_assert_eq!(read.ok(), Some(message));
    }
}
