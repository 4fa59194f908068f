use serde_json::json;
use tidegate_model::{Content, SourceVersion};

use super::*;

const SUPPLIERS: &str = include_str!("../../../../infra/flows/suppliers.toml");

fn settings() -> Settings {
    [
        ("ERP_URL", "http://127.0.0.1:9/"),
        ("QUALIO_URL", "https://api.qualio.com"),
        ("QUALIO_RISK_HIGH", "risk-high"),
        ("QUALIO_RISK_MEDIUM", "risk-medium"),
        ("QUALIO_RISK_LOW", "risk-low"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

fn suppliers() -> Flow {
    match Flow::load("suppliers.toml", SUPPLIERS, &settings()) {
        Ok(flow) => flow,
        Err(mistakes) => panic!(
            "{}",
            mistakes
                .iter()
                .map(ToString::to_string)
                .collect::<Vec<_>>()
                .join("\n")
        ),
    }
}

fn row() -> Value {
    json!({
        "id": "SUP-000123", "version": 7, "legal_name": "Acme GmbH", "purpose": "Filters", "sponsor_id": 4,
        "modified_at": "2026-11-20T08:00:00Z", "contact": {"name": "A. Muster", "email": "a@acme.example"},
        "quality": {
            "audit_score": 91.5, "certification_status": "valid", "certificates": ["ISO 9001"], "blocked": false,
            "approved": true, "regulatory_compliant": true
        }
    })
}

#[test]
fn a_row_becomes_key_version_and_fields() {
    let flow = suppliers();
    let normal = flow.normalise(&row()).unwrap();
    assert_eq!(normal.key.as_str(), "SUP-000123");
    assert_eq!(normal.source_version, Some(SourceVersion(7)));
    let Content::Record(fields) = normal.content else {
        panic!("not a deletion")
    };
    assert_eq!(fields["audit_score"], json!(91.5));
    assert_eq!(fields["phone"], Value::Null, "a missing attribute is null");
    assert_eq!(flow.validate(&fields), []);
    let body = flow.body(&normal.key, &fields).unwrap();
    assert_eq!(
        body,
        json!({
            "name": "Acme GmbH", "intended_use": "Filters", "sponsor_user_id": 4, "risk_id": "risk-low",
            "contact_information": {
                "name": "A. Muster", "email": "a@acme.example",
                "notes": "ERP: audit score 91.5, certification valid, blocked no, approved yes, compliant yes"
            }
        })
    );
}

#[test]
fn a_flow_can_be_shared_between_threads() {
    fn shared<T: Send + Sync + 'static>(_: &T) {}
    shared(&suppliers());
}

#[test]
fn the_listing_carries_its_position() {
    let flow = suppliers();
    let first = ListPosition {
        since: Some("2026-11-20T07:55:00Z".to_owned()),
        ..ListPosition::default()
    };
    assert_eq!(
        flow.source().list_call(&first).unwrap().path_and_query,
        "/api/suppliers?limit=50&modified_since=2026-11-20T07%3A55%3A00Z"
    );
    let next = ListPosition {
        after_time: Some(json!("2026-11-20T08:00:00Z")),
        after_id: Some("SUP 1&2".to_owned()),
        ..first
    };
    assert_eq!(
        flow.source().list_call(&next).unwrap().path_and_query,
        "/api/suppliers?after_id=SUP%201%262&limit=50&modified_since=2026-11-20T08%3A00%3A00Z"
    );
}

#[test]
fn the_shipped_schema_of_flow_files_is_the_one_of_the_types() {
    const SHIPPED: &str = include_str!("../../../../infra/flows/flow.schema.json");
    assert!(
        SHIPPED == json_schema(),
        "infra/flows/flow.schema.json is stale; renew it: cargo run -- schema > infra/flows/flow.schema.json"
    );
}
