//! Events of CloudEvents, in either mode.

use std::fmt::Write as _;

use serde_json::{Map, Value};
use tidegate_policy::cloud_event::CloudEvent;

use super::promises::{VALUE, tells_nothing};

/// In structured mode.
const STRUCTURED: (&str, &str) = ("content-type", "application/cloudevents+json");

/// Headers, an empty line, a body. An event is the same in whichever mode it is written again, or is
/// refused without its values.
pub fn cloud_event(data: &[u8]) {
    let end = data.windows(2).position(|pair| pair == b"\n\n");
    let (head, body) = match end {
        Some(end) => (&data[..end], &data[end + 2..]),
        None => (data, &[][..]),
    };
    let head = String::from_utf8_lossy(head);
    let headers: Vec<(&str, &str)> = head
        .lines()
        .map(|line| line.split_once(": ").unwrap_or((line, "")))
        .collect();
    let event = match CloudEvent::read(&headers, body) {
        Ok(event) => event,
        Err(error) => {
            // A name may be told, and in a body which is one is not looked for here.
            let names = headers.iter().any(|(name, _)| name.contains(VALUE));
            if !names && !String::from_utf8_lossy(body).contains(VALUE) {
                tells_nothing(&error.to_string());
            }
            return;
        }
    };
    for name in ["specversion", "id", "source", "type"] {
        assert!(!event.attribute(name).is_empty(), "{name}");
    }
    let controls = |text: &String| text.contains(char::is_control);
    assert!(!event.attributes.values().any(controls));
    assert_eq!(again_structured(&event).as_ref(), Ok(&event));
    assert_eq!(again_binary(&event).as_ref(), Ok(&event));
}

fn again_structured(event: &CloudEvent) -> Result<CloudEvent, String> {
    let attributes = event.attributes.iter();
    let mut members: Map<String, Value> = attributes
        .map(|(name, text)| (name.clone(), Value::from(text.as_str())))
        .collect();
    members.insert("data".to_owned(), event.data.clone());
    let body = Value::from(members).to_string();
    CloudEvent::read(&[STRUCTURED], body.as_bytes()).map_err(|error| error.to_string())
}

fn again_binary(event: &CloudEvent) -> Result<CloudEvent, String> {
    let attributes = event.attributes.iter();
    let written: Vec<(String, String)> = attributes
        .map(|(name, text)| match name.as_str() {
            "datacontenttype" => ("content-type".to_owned(), text.clone()),
            name => (format!("ce-{name}"), encoded(text)),
        })
        .collect();
    let headers: Vec<(&str, &str)> = written
        .iter()
        .map(|(name, text)| (name.as_str(), text.as_str()))
        .collect();
    let body = match &event.data {
        Value::Null => String::new(),
        data => data.to_string(),
    };
    CloudEvent::read(&headers, body.as_bytes()).map_err(|error| error.to_string())
}

fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut written, byte| {
        if byte.is_ascii_graphic() && !b"\"%".contains(&byte) {
            written.push(char::from(byte));
        } else {
            write!(written, "%{byte:02X}").unwrap();
        }
        written
    })
}
