use rstest::rstest;

use super::*;

fn spec(detail: Value) -> TriggerSpec {
    TriggerSpec {
        source: "erp.files".to_owned(),
        detail_type: "file received".to_owned(),
        bus: None,
        detail: serde_json::from_value(detail).unwrap(),
    }
}

fn event(detail: Value) -> ForeignEvent {
    ForeignEvent {
        id: EventId::try_new("e-1").unwrap(),
        at: UnixMs(0),
        source: "erp.files".to_owned(),
        detail_type: "file received".to_owned(),
        detail,
    }
}

/// `EventBridge`'s rules, read from its documentation: every name must be there; a list in a pattern
/// is "one of"; a list in an event matches by any entry, and a list of tables by any table.
fn bus_matches(pattern: &Value, event: &Value) -> bool {
    match (pattern, event) {
        (_, Value::Array(entries)) => entries.iter().any(|entry| bus_matches(pattern, entry)),
        (Value::Object(names), Value::Object(table)) => names.iter().all(|(name, inner)| {
            table
                .get(name)
                .is_some_and(|value| bus_matches(inner, value))
        }),
        (Value::Array(values), leaf) => values.contains(leaf),
        _ => false,
    }
}

#[rstest]
#[case::nothing_asked(json!({}), json!({"any": 1}), true)]
#[case::equal(json!({"/kind": ["suppliers"]}), json!({"kind": "suppliers"}), true)]
#[case::one_of(json!({"/kind": ["a", "b"]}), json!({"kind": "b"}), true)]
#[case::another(json!({"/kind": ["a", "b"]}), json!({"kind": "c"}), false)]
#[case::missing(json!({"/kind": ["a"]}), json!({}), false)]
#[case::no_detail(json!({"/kind": ["a"]}), Value::Null, false)]
#[case::deeper(json!({"/bucket/name": ["drop"]}), json!({"bucket": {"name": "drop"}}), true)]
#[case::not_deep_enough(json!({"/bucket/name": ["drop"]}), json!({"bucket": "drop"}), false)]
#[case::two_of_one_table(
    json!({"/bucket/name": ["drop"], "/bucket/owner": ["me"]}),
    json!({"bucket": {"name": "drop", "owner": "you"}}),
    false
)]
#[case::a_flag_is_no_text(json!({"/last": [true]}), json!({"last": "true"}), false)]
#[case::a_flag(json!({"/last": [true]}), json!({"last": true}), true)]
#[case::a_number(json!({"/company": [1000]}), json!({"company": 1000}), true)]
#[case::a_list(json!({"/kinds": ["b"]}), json!({"kinds": ["a", "b"]}), true)]
#[case::a_list_of_tables(json!({"/files/kind": ["b"]}), json!({"files": [{"kind": "a"}, {"kind": "b"}]}), true)]
#[case::a_name_with_a_slash(json!({"/a~1b": ["x"]}), json!({"a/b": "x"}), true)]
fn a_trigger_matches_as_its_pattern_does(
    #[case] asked: Value,
    #[case] detail: Value,
    #[case] expected: bool,
) {
    let spec = spec(asked);
    assert_eq!(matches(&spec, &event(detail.clone())), expected);
    let sent = json!({"source": "erp.files", "detail-type": "file received", "detail": detail});
    assert_eq!(bus_matches(&pattern(&spec), &sent), expected);
}

#[test]
fn source_and_detail_type_must_be_equal() {
    let mut other = event(json!({}));
    assert!(matches(&spec(json!({})), &other));
    other.source = "erp".to_owned();
    assert!(!matches(&spec(json!({})), &other));
    let mut other = event(json!({}));
    other.detail_type = "end of day".to_owned();
    assert!(!matches(&spec(json!({})), &other));
}

#[test]
fn a_rule_hands_the_id_and_the_time_of_an_event_to_its_flow() {
    let text = include_str!("../../../../infra/flows/examples/contacts.toml");
    let file: FlowFile = toml::from_str(text).unwrap();
    let rules = rules(&file);
    assert_eq!(
        rules,
        [Rule {
            name: "contacts-event-1".to_owned(),
            bus: None,
            pattern: json!({
                "source": ["crm"],
                "detail-type": ["end of day"],
                "detail": {"region": ["us"]},
            }),
            transformer: json!({
                "InputPathsMap": {"id": "$.id", "time": "$.time"},
                "InputTemplate":
                    r#"{"flow":"contacts","trigger":{"id":"<id>","time":"<time>"}}"#,
            }),
        }]
    );
}
