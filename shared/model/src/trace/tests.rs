use rstest::rstest;
use serde_json::json;

use super::*;

#[test]
fn what_is_known_is_written_and_read() {
    let trace = Trace {
        request_id: RequestId::try_new("8f5f3f4c-0b1a").ok(),
        run: RunId::try_new("manual-1").ok(),
    };
    let form = json!({"request_id": "8f5f3f4c-0b1a", "run": "manual-1"});
    assert_eq!(serde_json::to_value(&trace).unwrap(), form);
    assert_eq!(serde_json::from_value::<Trace>(form).unwrap(), trace);
    assert_eq!(serde_json::to_value(Trace::default()).unwrap(), json!({}));
}

#[rstest]
#[case::too_long(json!("a".repeat(65)))]
#[case::empty(json!(""))]
#[case::of_lines(json!("a\nb"))]
#[case::of_quotes(json!("a\"b"))]
#[case::a_number(json!(7))]
#[case::an_object(json!({"a": 1}))]
#[case::nothing(json!(null))]
fn a_part_that_can_not_be_read_is_left_out_and_the_others_stay(#[case] id: serde_json::Value) {
    let read: Trace = serde_json::from_value(json!({"request_id": id, "run": "r"})).unwrap();
    assert_eq!(read.request_id, None);
    assert_eq!(read.run, RunId::try_new("r").ok());
}

#[test]
fn the_longest_id_is_read() {
    let id = "a".repeat(64);
    let read: Trace = serde_json::from_value(json!({ "request_id": id })).unwrap();
    assert_eq!(read.request_id, RequestId::try_new(id).ok());
    assert!(read.request_id.is_some());
}
