use std::{collections::BTreeMap, fs, path::PathBuf};

use serde_json::json;

use super::*;

fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../infra/events/schemas")
}

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

#[test]
fn the_shipped_schemas_are_those_of_the_types() {
    let mut shipped = BTreeMap::new();
    for entry in fs::read_dir(folder()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_str().unwrap().to_owned();
        shipped.insert(name, fs::read_to_string(path).unwrap());
    }
    let generated = Event::schemas().into_iter();
    let generated: BTreeMap<String, String> = generated
        .map(|(name, schema)| (name, format!("{schema:#}\n")))
        .collect();
    for (name, text) in &generated {
        assert!(
            shipped.get(name) == Some(text),
            "{name} differs: cargo run -- schema --events {name} > infra/events/schemas/{name}.json"
        );
    }
    let names = |of: &BTreeMap<String, String>| of.keys().cloned().collect::<Vec<_>>();
    assert_eq!(names(&shipped), names(&generated));
}

#[test]
fn every_kind_of_news_has_a_schema_and_no_request_has() {
    let schemas = Event::schemas();
    let names: Vec<&str> = schemas.keys().map(String::as_str).collect();
    let mut expected = [
        "RecordApplied",
        "RecordInReview",
        "RunFinished",
        "ReconcileFinished",
        "AuditFinished",
        "FlowBlocked",
        "FreshnessBreached",
        "BreakerOpened",
        "BreakerClosed",
    ];
    expected.sort_unstable();
    let mut names = names;
    names.sort_unstable();
    assert_eq!(names, expected);
    for (name, schema) in &schemas {
        assert_eq!(schema["title"], *name);
        assert!(schema["description"].is_string(), "{name}");
        assert!(jsonschema::meta::is_valid(schema), "{name}");
        for (member, form) in schema["properties"].as_object().unwrap() {
            let told = form.get("description").is_some();
            assert!(told, "{name}.{member} has no description");
        }
    }
}

#[test]
fn a_schema_takes_what_is_sent_and_refuses_what_is_not() {
    let schema = Event::schemas().remove("RecordInReview").unwrap();
    let schema = jsonschema::validator_for(&schema).unwrap();
    let event = Event::RecordInReview {
        flow: flow(),
        review: "suppliers!row".to_owned(),
        key: None,
        kind: ReviewKind::Rejected,
        field: None,
        at_ms: UnixMs(1),
    };
    let sent = serde_json::to_value(&event).unwrap();
    assert_eq!(sent["detail-type"], "RecordInReview");
    assert!(schema.is_valid(&sent["detail"]), "{sent}");
    let mut wrong = sent["detail"].clone();
    wrong["kind"] = json!("because");
    assert!(!schema.is_valid(&wrong));
    let mut short = sent["detail"].clone();
    short.as_object_mut().unwrap().remove("at_ms");
    assert!(!schema.is_valid(&short));
}

#[test]
fn a_request_bears_the_invocation_with_which_it_began_and_is_read_without() {
    for name in [
        "RunRequested",
        "ReconcileRequested",
        "AuditRequested",
        "SweepRequested",
    ] {
        let form = |id: Value| json!({"detail-type": name, "detail": {"flow": "suppliers", "request_id": id}});
        let bears = |id: Value| {
            let event: Event = serde_json::from_value(form(id)).unwrap();
            event.request_id().map(ToString::to_string)
        };
        assert_eq!(
            bears(json!("8f5f3f4c-0b1a")).as_deref(),
            Some("8f5f3f4c-0b1a")
        );
        for wrong in [json!("a".repeat(65)), json!("a\nb"), json!(7), json!(null)] {
            assert_eq!(bears(wrong), None);
        }
        let older = json!({"detail-type": name, "detail": {"flow": "suppliers"}});
        let event: Event = serde_json::from_value(older).unwrap();
        assert_eq!(event.request_id(), None);
        let again = serde_json::to_value(&event).unwrap();
        assert!(again["detail"].get("request_id").is_none(), "{again}");
    }
}

#[test]
fn what_asks_a_function_for_something_is_a_request_and_news_is_none() {
    assert!(
        Event::SweepRequested {
            flow: flow(),
            request_id: None
        }
        .is_request()
    );
    let endpoint = EndpointId::try_new("qualio").unwrap();
    assert!(!Event::BreakerClosed { endpoint }.is_request());
}
