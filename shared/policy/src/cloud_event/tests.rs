use proptest::{collection::vec, prelude::*};
use rstest::rstest;
use serde_json::json;

use super::*;

const STRUCTURED_JSON: (&str, &str) = (
    "content-type",
    "application/cloudevents+json; charset=UTF-8",
);

/// The attributes of the specification's examples (JSON event format, 3.2), as headers.
fn headers<'a>(id: &'a str, content_type: &'a str) -> Vec<(&'a str, &'a str)> {
    vec![
        ("host", "webhook.example.com"),
        ("ce-specversion", "1.0"),
        ("ce-type", "com.example.someevent"),
        ("ce-source", "/mycontext"),
        ("ce-id", id),
        ("ce-time", "2018-04-05T17:31:00Z"),
        ("ce-comexampleextension1", "value"),
        ("ce-comexampleothervalue", "5"),
        ("content-type", content_type),
    ]
}

/// The same as members of a JSON document.
fn document(id: &str, more: Value) -> Value {
    let mut document = json!({
        "specversion": "1.0", "type": "com.example.someevent", "source": "/mycontext", "id": id,
        "time": "2018-04-05T17:31:00Z", "comexampleextension1": "value", "comexampleothervalue": 5,
        "unsetextension": null,
    });
    let (Value::Object(members), Value::Object(more)) = (&mut document, more) else {
        unreachable!("both are objects")
    };
    members.extend(more);
    document
}

fn structured(document: &Value) -> Result<CloudEvent, EventError> {
    CloudEvent::read(&[STRUCTURED_JSON], document.to_string().as_bytes())
}

#[rstest]
#[case::of_bytes(
    "A234-1234-1234",
    json!({"datacontenttype": "application/vnd.apache.thrift.binary", "data_base64": "AP8="}),
    ("application/vnd.apache.thrift.binary", b"\x00\xff".as_slice()),
    Value::Null
)]
#[case::of_xml(
    "B234-1234-1234",
    json!({"datacontenttype": "application/xml", "data": "<much wow=\"xml\"/>"}),
    ("application/xml", b"<much wow=\"xml\"/>".as_slice()),
    Value::Null
)]
#[case::of_an_object(
    "C234-1234-1234",
    json!({"datacontenttype": "application/json", "data": {"appinfoA": "abc", "appinfoB": 123}}),
    ("application/json", br#"{"appinfoA": "abc", "appinfoB": 123}"#.as_slice()),
    json!({"appinfoA": "abc", "appinfoB": 123})
)]
#[case::of_an_object_in_base64(
    "C234-1234-1234",
    json!({"datacontenttype": "application/json", "data_base64": "eyJhIjoxfQ=="}),
    ("application/json", br#"{"a":1}"#.as_slice()),
    json!({"a": 1})
)]
#[case::of_another_form_of_json(
    "C234",
    json!({"datacontenttype": "Application/Vnd.Example+JSON; v=1", "data": [1]}),
    ("Application/Vnd.Example+JSON; v=1", b"[1]".as_slice()),
    json!([1])
)]
#[case::without_data("E", json!({"datacontenttype": "text/json"}), ("text/json", b"".as_slice()), Value::Null)]
fn an_event_of_the_specification_is_the_same_in_either_mode(
    #[case] id: &str,
    #[case] members: Value,
    #[case] (content_type, body): (&str, &[u8]),
    #[case] data: Value,
) {
    let read = structured(&document(id, members)).unwrap();
    assert_eq!(read.data, data);
    assert_eq!(read.attribute("id"), id);
    assert_eq!(read.attribute("comexampleothervalue"), "5");
    assert_eq!(read.attribute("unsetextension"), "");
    assert_eq!(CloudEvent::read(&headers(id, content_type), body), Ok(read));
}

#[test]
fn data_is_taken_for_json_where_nothing_says_what_it_is() {
    let text = json!("I'm just a string");
    let read = structured(&document("D234-1234-1234", json!({"data": text}))).unwrap();
    assert_eq!(read.data, text);
    let mut headers = headers("D234-1234-1234", "");
    headers.pop();
    let in_binary = CloudEvent::read(&headers, text.to_string().as_bytes());
    assert_eq!(in_binary, Ok(read));
    assert_eq!(CloudEvent::read(&headers, b"I'm"), Err(EventError::NotJson));
}

#[rstest]
#[case::of_the_specification("Euro%20%E2%82%AC%20%F0%9F%98%80", Some("Euro € 😀"))]
#[case::small_digits("%e2%82%ac", Some("€"))]
#[case::needlessly_encoded("%41", Some("A"))]
#[case::once_only("%2541", Some("%41"))]
#[case::quoted("\"a \\\"b\\\" \\\\ %20c\"", Some("a \"b\" \\  c"))]
#[case::quotes_within("a\"b", Some("a\"b"))]
#[case::too_long_a_form_of_a_blank("%C0%A0", None)]
#[case::no_digits("100%", None)]
#[case::one_digit("%4", None)]
#[case::other_digits("%zz", None)]
#[case::a_sign("%+1", None)]
#[case::not_encoded("€", None)]
#[case::not_ended("\"a", None)]
#[case::ended_by_an_escape("\"a\\\"", None)]
#[case::ended_early("\"a\"b\"", None)]
#[case::one_quote("\"", None)]
fn a_header_is_decoded_as_the_binding_says(#[case] written: &str, #[case] read: Option<&str>) {
    let mut headers = headers("1", "application/json");
    headers.push(("Ce-Subject", written));
    let event = CloudEvent::read(&headers, b"{}");
    let refused = EventError::Attribute {
        name: "subject".to_owned(),
        fault: AttributeFault::Encoding,
    };
    let read = read.map(str::to_owned).ok_or(refused);
    assert_eq!(
        event.map(|event| event.attribute("subject").to_owned()),
        read
    );
}

#[rstest]
#[case::no_version(json!({"specversion": null}), "the attribute `specversion` is missing")]
#[case::no_id(json!({"id": null}), "the attribute `id` is missing")]
#[case::empty_id(json!({"id": ""}), "the attribute `id` is missing")]
#[case::no_source(json!({"source": null}), "the attribute `source` is missing")]
#[case::no_type(json!({"type": null}), "the attribute `type` is missing")]
#[case::old(json!({"specversion": "0.3"}), "the attribute `specversion` is not 1.x")]
#[case::new(json!({"specversion": "10.0"}), "the attribute `specversion` is not 1.x")]
#[case::no_minor(json!({"specversion": "1."}), "the attribute `specversion` is not 1.x")]
#[case::number(json!({"specversion": 1.0}), "the attribute `specversion` is no text, whole number, true or false")]
#[case::list(json!({"subject": ["c4n4ry"]}), "the attribute `subject` is no text, whole number, true or false")]
#[case::control(json!({"subject": "c4n4ry\n"}), "the attribute `subject` has a control character")]
#[case::long(json!({"subject": "c4n4ry".repeat(400)}), "the attribute `subject` is longer than 2048 bytes")]
#[case::capitals(json!({"c4n4Ry": "x"}), "an attribute's name is of small letters and digits, 64 at most; one is not")]
#[case::long_name(json!({"a".repeat(65): "x"}), "an attribute's name is of small letters and digits, 64 at most; one is not")]
#[case::both(json!({"data": {}, "data_base64": "e30="}), "`data` and `data_base64` are both there; an event has one of them")]
#[case::no_base64(json!({"data_base64": "c4n4ry"}), "`data_base64` is not in base64")]
#[case::no_text(json!({"data_base64": {"c4n4ry": 1}}), "`data_base64` is not in base64")]
#[case::no_json(json!({"data_base64": "/w=="}), "the data is no JSON, and `datacontenttype` does not say that it is something else")]
fn what_breaks_a_rule_is_named_and_its_value_is_not(#[case] members: Value, #[case] told: &str) {
    let error = structured(&document("1", members)).unwrap_err();
    assert_eq!(error.to_string(), told);
}

#[test]
fn in_binary_mode_an_attribute_stands_once_and_the_content_type_in_its_own_header() {
    for (name, told) in [
        ("ce-id", "the attribute `id` is there twice"),
        (
            "ce-datacontenttype",
            "the attribute `datacontenttype` stands in `Content-Type` in binary mode, and in no header of its own",
        ),
        (
            "ce-with-dash",
            "an attribute's name is of small letters and digits, 64 at most; one is not",
        ),
    ] {
        let mut headers = headers("1", "application/json");
        headers.push((name, "c4n4ry"));
        let error = CloudEvent::read(&headers, b"{}").unwrap_err();
        assert_eq!(error.to_string(), told);
    }
    let plain = CloudEvent::read(&[("content-type", "application/json")], b"{}");
    assert_eq!(plain, Err(EventError::Missing("specversion")));
}

#[test]
fn an_event_has_no_more_attributes_than_may_be() {
    let most: Map<String, Value> = (0..MAX_ATTRIBUTES - 7)
        .map(|at| (format!("x{at}"), json!("y")))
        .collect();
    let mut members = Value::from(most);
    assert!(structured(&document("1", members.clone())).is_ok());
    members["onemore"] = json!("y");
    assert_eq!(
        structured(&document("1", members)),
        Err(EventError::TooMany)
    );
}

#[test]
fn a_batch_and_other_formats_are_not_taken() {
    for format in [
        "application/cloudevents-batch+json",
        "Application/CloudEvents-Batch+JSON; charset=utf-8",
        "application/cloudevents+xml",
        "application/cloudevents",
    ] {
        // With headers as in binary mode too: the content type decides.
        let read = CloudEvent::read(&headers("1", format), b"[]");
        assert_eq!(read, Err(EventError::Format), "{format}");
    }
    for body in ["", "[]", "\"c4n4ry\"", "{", "null"] {
        let read = CloudEvent::read(&[STRUCTURED_JSON], body.as_bytes());
        assert_eq!(read, Err(EventError::Envelope), "{body}");
    }
}

#[test]
fn an_event_is_named_by_its_source_and_its_id() {
    let named = |source: &str, id: &str, kind: &str| {
        let members = json!({"source": source, "type": kind, "time": id});
        structured(&document(id, members)).unwrap().name()
    };
    assert_eq!(named("/a", "1", "x"), named("/a", "1", "y"));
    assert_ne!(named("/a", "1", "x"), named("/a", "2", "x"));
    assert_ne!(named("/a", "1", "x"), named("/b", "1", "x"));
    assert_ne!(
        named("/a", "b1", "x"),
        named("/ab", "1", "x"),
        "no joined text"
    );
}

/// Text of which senders might make a header or a document.
fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        Just("c4n4ry"),
        Just("%"),
        Just("\""),
        Just("\\"),
        Just("1.0"),
        Just("{"),
        Just("}"),
        Just("\"id\":"),
        Just("ce-id"),
        Just("ce-"),
        Just(","),
        Just("/"),
        Just("€"),
        Just("\0"),
        Just("content-type"),
        Just("application/cloudevents+json"),
        Just("data_base64"),
        Just("e30="),
    ];
    prop_oneof![
        vec(word, 0..6).prop_map(|words| words.concat()),
        any::<String>()
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_is_sent_makes_it_panic_or_repeat_a_value(
        sent in vec((any_text(), any_text()), 0..6),
        is_structured in any::<bool>(),
        body in prop_oneof![any_text().prop_map(String::into_bytes), vec(any::<u8>(), 0..64)],
    ) {
        let mut headers: Vec<(&str, &str)> = Vec::new();
        if is_structured {
            headers.push(STRUCTURED_JSON);
        }
        headers.extend(sent.iter().map(|(name, value)| (name.as_str(), value.as_str())));
        match CloudEvent::read(&headers, &body) {
            Ok(event) => prop_assert!(event.attributes.values().all(|value| !value.contains(char::is_control))),
            Err(error) => prop_assert!(
                sent.iter().any(|(name, _)| name.contains("c4n4ry"))
                    || body.windows(6).any(|part| part == b"c4n4ry")
                    || !error.to_string().contains("c4n4ry")
            ),
        }
    }

    #[test]
    fn what_the_binding_writes_is_read_as_it_was(value in "[^\\p{Cc}]{1,40}") {
        prop_assume!(value.len() <= MAX_VALUE_BYTES);
        let written: String = value
            .bytes()
            .map(|byte| match byte {
                b'"' | b'%' | 0..=b' ' | 0x7f.. => format!("%{byte:02X}"),
                byte => char::from(byte).to_string(),
            })
            .collect();
        let mut headers = headers("1", "application/json");
        headers.push(("ce-subject", &written));
        let read = CloudEvent::read(&headers, b"{}").unwrap();
        prop_assert_eq!(read.attribute("subject"), value);
    }
}
