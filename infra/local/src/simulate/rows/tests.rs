use std::sync::Arc;

use tidegate_connect::connect;
use tidegate_testkit::host::settings;

use super::*;

const SUPPLIERS: &str = include_str!("../../../../flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../../flows/examples/contacts.toml");

fn runtime(text: &str) -> FlowRuntime {
    let flow = Arc::new(Flow::load("flow.toml", text, &settings()).unwrap());
    let (source, target) = connect(&flow);
    FlowRuntime::new(flow, source, target)
}

#[test]
fn rows_of_the_shipped_flows_are_made_up_and_changed_as_asked() {
    for text in [SUPPLIERS, CONTACTS] {
        let runtime = runtime(text);
        let rows = Rows::of(&runtime, None).unwrap();
        let mut seed = Seed::new(7);
        let mut made = rows
            .first(&runtime.flow, 12, 1_772_434_800_000_000, &mut seed)
            .unwrap();
        assert_eq!(made.normal.key.as_str(), key_text(12));
        for kind in [Kind::Critical, Kind::Other, Kind::Critical, Kind::Other] {
            let at_us = 1_772_434_900_000_000 + made.version * 1_000_000;
            let (next, made_kind) = rows
                .change(&runtime, &made, kind, at_us, &mut seed)
                .unwrap();
            assert_eq!(made_kind, kind);
            let critical = runtime
                .flow
                .critical_changes(made.fields(), next.fields().unwrap());
            assert_eq!(critical.is_empty(), kind == Kind::Other);
            assert!(next.normal.source_version > made.normal.source_version);
            assert_eq!(next.normal.modified_us, Some(at_us));
            assert_eq!(runtime.flow.validate(next.fields().unwrap()), []);
            made = next;
        }
        let body = hook_body(&runtime.flow, &made.row, &made.normal.key).unwrap();
        assert_eq!(
            runtime.flow.webhook_key(Pushed::plain(&body)).unwrap(),
            made.normal.key
        );
    }
}

#[test]
fn the_webhook_of_a_flow_that_takes_rows_holds_the_row() {
    let runtime = runtime(SUPPLIERS);
    let rows = Rows::of(&runtime, None).unwrap();
    let made = rows.first(&runtime.flow, 1, 0, &mut Seed::new(1)).unwrap();
    let body = hook_body(&runtime.flow, &made.row, &made.normal.key).unwrap();
    assert_eq!(
        runtime.flow.webhook_row(Pushed::plain(&body)).unwrap(),
        Some(made.row)
    );
}

#[test]
fn what_can_not_be_made_up_is_named_and_a_sample_is_varied_instead() {
    let text = SUPPLIERS.replace(
        "name = { type = \"string\", minLength = 1, maxLength = 200 }",
        "name = { type = \"string\", pattern = \"^ACME [0-9]+$\" }\ncode = { type = \"string\" }",
    );
    let text = text.replace(
        "name = \"row.legal_name\"",
        "name = \"row.legal_name\"\ncode = \"row.code\"",
    );
    let runtime = runtime(&text);
    let error = Rows::of(&runtime, None).err().unwrap().to_string();
    assert!(error.contains("row.legal_name"), "{error}");
    assert!(error.contains("pattern"), "{error}");
    assert!(error.contains("--sample"), "{error}");

    let sample = json!({
        "id": "S-1", "version": 3, "modified_at": "2026-01-01T00:00:00Z",
        "legal_name": "ACME 12", "code": "x",
        "quality": {
            "audit_score": 80, "certification_status": "valid", "certificates": [],
            "blocked": false, "approved": true, "regulatory_compliant": true,
        },
    });
    let rows = Rows::of(&runtime, Some(&sample)).unwrap();
    let mut seed = Seed::new(3);
    let made = rows.first(&runtime.flow, 5, 0, &mut seed).unwrap();
    assert_eq!(
        made.row["legal_name"], "ACME 12",
        "what can not be varied stays"
    );
    let (next, _) = rows
        .change(&runtime, &made, Kind::Other, 1_000, &mut seed)
        .unwrap();
    assert_ne!(next.fields(), made.fields());
}
