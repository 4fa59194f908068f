mod calls;
mod decisions;
mod faults;
mod figures;
mod modified;
mod pages;
mod standing;

use rstest::rstest;
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

fn texts<'a>(names: impl IntoIterator<Item = &'a SecretName>) -> Vec<&'a str> {
    names.into_iter().map(SecretName::as_str).collect()
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
        flow.source()
            .unwrap()
            .list_call(&first)
            .unwrap()
            .path_and_query,
        "/api/suppliers?limit=50&modified_since=2026-11-20T07%3A55%3A00Z"
    );
    let next = ListPosition {
        after_time: Some(json!("2026-11-20T08:00:00Z")),
        after_id: Some("SUP 1&2".to_owned()),
        ..first
    };
    assert_eq!(
        flow.source()
            .unwrap()
            .list_call(&next)
            .unwrap()
            .path_and_query,
        "/api/suppliers?after_id=SUP%201%262&limit=50&modified_since=2026-11-20T08%3A00%3A00Z"
    );
}

#[test]
fn the_shipped_schema_of_flow_files_is_the_one_of_the_types() {
    const SHIPPED: &str = include_str!("../../../../infra/flows/flow.schema.json");
    assert!(
        SHIPPED.trim_end() == json_schema().trim_end(),
        "infra/flows/flow.schema.json is stale; renew it: cargo run -- schema > infra/flows/flow.schema.json"
    );
}

const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");

/// The contact flow, edited.
fn contacts(edits: &[(&str, &str)]) -> Flow {
    let text = edits.iter().fold(CONTACTS.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "the flow does not hold {from:?}");
        text.replacen(from, to, 1)
    });
    let settings = ["CRM_URL", "NEWSLETTER_URL"]
        .map(|name| (name.to_owned(), "https://example.com/api//".to_owned()));
    Flow::load("contacts.toml", &text, &settings.into())
        .unwrap_or_else(|mistakes| panic!("{mistakes:#?}"))
}

fn contact() -> Value {
    json!({
        "id": 4711, "updated_at": "2026-11-20T03:00:00.25", "state": "active", "email": " A@B.example ",
        "given_name": "Ada", "locale": null, "consent": {"newsletter": true}, "tags": ["b", "a"],
    })
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("no table: {other}"),
    }
}

#[test]
fn the_example_flow_maps_a_contact() {
    let flow = contacts(&[]);
    let normal = flow.normalise(&contact()).unwrap();
    assert_eq!(normal.key.as_str(), "4711");
    // 03:00 in New York is 08:00 UTC; R29.
    assert_eq!(
        normal.source_version,
        Some(SourceVersion(1_795_161_600_250_000))
    );
    let expected = json!({"email": "a@b.example", "name": "Ada", "language": "en", "subscribed": true, "tags": ["a", "b"]});
    assert_eq!(normal.content, Content::Record(fields(expected)));
    let gone = json!({"id": 4711, "updated_at": "2026-11-20T03:00:00", "state": "deleted"});
    assert_eq!(flow.normalise(&gone).unwrap().content, Content::Deleted);
    let upsert = flow.target().upsert().unwrap();
    let call = upsert
        .render(&flow.target().context(&key("a/b"), None, &Fields::new()))
        .unwrap();
    assert_eq!(
        (
            call.method.as_str(),
            call.path_and_query.as_str(),
            call.sends_body
        ),
        ("PUT", "/3.0/members/a%2Fb", true)
    );
    assert_eq!(
        flow.target().base_url(),
        "https://example.com/api",
        "no slash at the end"
    );
    assert!(!flow.target().delete().unwrap().sends_body());
    let listed = flow
        .source()
        .unwrap()
        .list_call(&ListPosition {
            cursor: Some("x=1".to_owned()),
            ..ListPosition::default()
        })
        .unwrap();
    assert_eq!(listed.path_and_query, "/v2/contacts?cursor=x%3D1&limit=200");
    assert_eq!(
        listed.headers,
        [("Accept".to_owned(), "application/json".to_owned())]
    );
    assert_eq!(
        flow.secret_names().into_iter().collect::<Vec<_>>(),
        ["CRM_API_KEY", "CRM_WEBHOOK", "NEWSLETTER_TOKEN"]
    );
}

#[rstest]
#[case::no_key(
    "id",
    Value::Null,
    "the key is missing; it must be a text or a whole number"
)]
#[case::empty_key("id", json!(""), "the key is refused: it is empty")]
#[case::fraction("id", json!(4.5), "the key is a number with a fraction; it must be a text or a whole number")]
#[case::control("id", json!("a\nb"), "the key is refused: it has a control character")]
#[case::long_key("id", json!("x".repeat(257)), "the key is refused: it is longer than 256 bytes")]
#[case::no_version(
    "updated_at",
    Value::Null,
    "the version is missing; it must be an RFC 3339 time with an offset, from 1970 on"
)]
#[case::bad_version("updated_at", json!("yesterday"), "the version cannot be read: `row.updated_at | rfc3339('America/New_York')` gives no value: `rfc3339` was given a text that is no date and time")]
#[case::before_1970("updated_at", json!("1969-12-31T00:00:00"), "the version is a text of another form; it must be an RFC 3339 time with an offset, from 1970 on")]
#[case::bad_field("tags", json!(5), "the field `tags` cannot be read: `row.tags | default([], true) | sort` gives no value: cannot convert value to list")]
#[case::too_large("email", json!("x".repeat(200_000)), "the fields take 200076 bytes as JSON, at most 102400 are allowed")]
fn a_row_that_cannot_be_taken_says_why(
    #[case] field: &str,
    #[case] value: Value,
    #[case] expected: &str,
) {
    let mut row = contact();
    row[field] = value;
    let error = contacts(&[]).normalise(&row).unwrap_err();
    let chain: Vec<String> =
        std::iter::successors(Some(&error as &dyn std::error::Error), |error| {
            error.source()
        })
        .map(ToString::to_string)
        .collect();
    assert_eq!(chain.join(": "), expected);
}

#[rstest]
#[case::number(json!(7), Some(7))]
#[case::digits(json!("9007199254740993"), Some(9_007_199_254_740_993))]
#[case::zero(json!(0), Some(0))]
#[case::negative(json!(-1), None)]
#[case::fraction(json!(1.5), None)]
#[case::text(json!("v7"), None)]
#[case::empty(json!(""), None)]
#[case::signed(json!("+7"), None)]
#[case::missing(Value::Null, None)]
fn a_sequence_is_a_whole_number(#[case] version: Value, #[case] expected: Option<u64>) {
    let mut row = row();
    row["version"] = version;
    let read = suppliers()
        .normalise(&row)
        .ok()
        .and_then(|normal| normal.source_version);
    assert_eq!(read, expected.map(SourceVersion));
}

#[rstest]
#[case(json!(-1), "a number out of range")]
#[case(json!(1.5), "a number with a fraction")]
#[case(json!(""), "empty")]
#[case(json!("v7"), "a text of another form")]
#[case(json!([7]), "a list")]
fn a_version_that_is_no_sequence_is_told_by_its_kind(#[case] version: Value, #[case] kind: &str) {
    let mut row = row();
    row["version"] = version;
    let told = suppliers().normalise(&row).unwrap_err().to_string();
    assert!(
        told.starts_with(&format!("the version is {kind};")),
        "{told}"
    );
}

#[test]
fn a_source_without_versions_gives_none() {
    let flow = contacts(&[(
        "{ by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\" }",
        "{ by = \"read\" }",
    )]);
    assert_eq!(flow.normalise(&contact()).unwrap().source_version, None);
}

#[rstest]
#[case::unchanged(Some(json!({"audit_score": 80, "blocked": false})), json!({"audit_score": 80, "blocked": false}), &[])]
#[case::same_number(Some(json!({"audit_score": 80})), json!({"audit_score": 80.0}), &[])]
#[case::missing_is_null(Some(json!({"audit_score": null})), json!({}), &[])]
#[case::in_the_order_of_the_flow(Some(json!({"blocked": false, "audit_score": 80})), json!({"blocked": true, "audit_score": 81}), &["audit_score", "blocked"])]
#[case::beyond_a_double(Some(json!({"audit_score": 9_007_199_254_740_992_u64})), json!({"audit_score": 9_007_199_254_740_993_u64}), &["audit_score"])]
#[case::not_critical(Some(json!({"name": "a"})), json!({"name": "b"}), &[])]
#[case::taken_away(Some(json!({"approved": true})), json!({}), &["approved"])]
#[case::first_seen(None, json!({"approved": true, "blocked": null, "name": "a"}), &["approved"])]
fn a_change_is_critical_when_a_critical_field_changes_value(
    #[case] old: Option<Value>,
    #[case] new: Value,
    #[case] expected: &[&str],
) {
    assert_eq!(
        suppliers().critical_changes(old.map(fields).as_ref(), &fields(new)),
        expected
    );
}

#[test]
fn a_webhook_gives_a_key_and_a_row_when_it_is_whole() {
    let flow = suppliers();
    let whole = json!({"supplier": row()});
    assert_eq!(
        flow.webhook_key(Pushed::plain(&whole)).unwrap().as_str(),
        "SUP-000123"
    );
    assert_eq!(
        flow.webhook_row(Pushed::plain(&whole)).unwrap(),
        Some(row())
    );
    let hint = json!({"id": "SUP-000123"});
    assert_eq!(
        flow.webhook_key(Pushed::plain(&hint)).unwrap().as_str(),
        "SUP-000123"
    );
    assert_eq!(flow.webhook_row(Pushed::plain(&hint)).unwrap(), None);
    assert_eq!(
        flow.webhook_row(Pushed::plain(&json!({"supplier": "SUP-000123"})))
            .unwrap(),
        None,
        "a text is no row"
    );
    assert_eq!(
        flow.webhook_key(Pushed::plain(&json!([]))),
        Err(RowError::KeyKind("missing"))
    );
    assert_eq!(
        texts(flow.webhook_secrets()),
        ["SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_2"]
    );
}

#[test]
fn an_event_gives_a_key_and_a_row_by_its_attributes_and_its_data() {
    let text = SUPPLIERS
        .replace("[webhook]", "[webhook]\ncloud_events = {}")
        .replace(
            "key = \"body.supplier.id if body.supplier else body.id\"",
            "key = \"event.subject\"",
        )
        .replace(
            "row = \"body.supplier\"",
            "row = \"body if event.type == 'changed'\"",
        );
    let flow = Flow::load("suppliers.toml", &text, &settings()).unwrap();
    let row = row();
    let attributes = |kind: &str| {
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        [pair("subject", "SUP-000123"), pair("type", kind)].into()
    };
    let (changed, gone) = (attributes("changed"), attributes("gone"));
    let pushed = |event| Pushed {
        body: &row,
        event: Some(event),
    };
    assert_eq!(
        flow.webhook_key(pushed(&gone)).unwrap().as_str(),
        "SUP-000123"
    );
    assert_eq!(
        flow.webhook_row(pushed(&changed)).unwrap(),
        Some(row.clone())
    );
    assert_eq!(flow.webhook_row(pushed(&gone)).unwrap(), None);
}
