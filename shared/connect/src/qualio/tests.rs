use rstest::rstest;
use serde_json::{Map, Value, json};
use tidegate_engine::ports::{CallError, Found, Removal, Target, Write};
use tidegate_model::{Fields, RecordKey};

use super::{QualioTarget, merge};
use crate::script::{SOURCE, Script, flow};

const RISK: &str = "458bf34c-8ee1-475f-8c4c-ae735518991a";
const OTHER_RISK: &str = "11111111-2222-4333-8444-555555555555";

/// A flow that maps the name, the mail and our line.
const SOME: &str = r#"
name = "fields.name"
contact_information = { email = "fields.email", notes = "fields.line" }"#;

fn target_of(body: &str) -> QualioTarget {
    let target = format!(
        r#"
[target]
type = "qualio"
name = "qualio"
base_url = "https://api.qualio.com"
secret = "QUALIO_API_KEY"
[target.body]
{body}
"#
    );
    QualioTarget::new(flow(SOURCE, &target))
}

/// The canonical fields of a record.
fn fields(value: Value) -> Fields {
    match value {
        Value::Object(fields) => fields,
        other => panic!("{other}"),
    }
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

struct Wanted {
    key: RecordKey,
    fields: Fields,
}

fn wanted(value: Value) -> Wanted {
    Wanted {
        key: key("SUP-1"),
        fields: fields(value),
    }
}

impl Wanted {
    fn write<'a>(&'a self, target_id: Option<&'a str>) -> Write<'a> {
        Write {
            key: &self.key,
            fields: &self.fields,
            target_id,
            etag: None,
            idempotency_key: "once",
        }
    }
}

fn standing() -> Value {
    json!({
        "supplier_id": "q-1",
        "name": "Acme (old)",
        "status": "APPROVED",
        "archived": false,
        "intended_use": "Reagents",
        "sponsor_user_id": 101,
        "risk_type": {"id": RISK, "title": "High"},
        "approvers": [{"user_id": 1}],
        "contact_information": {
            "name": "Jo",
            "email": "old@acme.example",
            "phone": "1",
            "notes": "Call first.\nERP: score 1 [key:SUP-1]\nClosed in August."
        }
    })
}

#[tokio::test]
async fn a_create_sends_the_marker_and_gives_the_id() {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme", "email": "a@acme.example", "line": "ERP: score 2"}));
    let mut calls = Script::new(target.errors()).answer(200, standing());
    let landed = target.create(&mut calls, wanted.write(None)).await.unwrap();
    assert_eq!(landed.target_id.as_deref(), Some("q-1"));
    assert_eq!(
        calls.sent(),
        ["POST https://api.qualio.com/v1/suppliers/suppliers"]
    );
    let expected = json!({
        "name": "Acme",
        "contact_information": {"email": "a@acme.example", "notes": "ERP: score 2 [key:SUP-1]"}
    });
    assert_eq!(*calls.body(0), expected);
    let header = &calls.requests[0].headers[0];
    assert_eq!(
        (header.name.as_str(), header.value.to_string().as_str()),
        ("X-Api-Key", "<QUALIO_API_KEY>")
    );
}

#[tokio::test]
async fn an_update_keeps_what_the_flow_does_not_map() {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme", "email": null, "line": "ERP: score 2"}));
    let mut calls = Script::new(target.errors())
        .answer(200, standing())
        .answer(200, standing());
    target
        .update(&mut calls, wanted.write(Some("q-1")))
        .await
        .unwrap();
    let one = "https://api.qualio.com/v1/suppliers/suppliers/q-1";
    assert_eq!(calls.sent(), [format!("GET {one}"), format!("PUT {one}")]);
    let expected = json!({
        "name": "Acme",
        "intended_use": "Reagents",
        "sponsor_user_id": 101,
        "risk_id": RISK,
        "contact_information": {
            "name": "Jo",
            "phone": "1",
            "notes": "Call first.\nERP: score 2 [key:SUP-1]\nClosed in August."
        }
    });
    // The mail is the flow's, and has no value: it is cleared.
    assert_eq!(*calls.body(1), expected);
}

/// Where each part of a replace comes from.
#[rstest]
#[case::risk_not_mapped("", "/risk_id", Some(json!(RISK)))]
#[case::risk_mapped("risk_id = \"fields.risk\"", "/risk_id", Some(json!(OTHER_RISK)))]
#[case::risk_mapped_without_value("risk_id = \"fields.nothing\"", "/risk_id", None)]
#[case::sponsor_not_mapped("", "/sponsor_user_id", Some(json!(101)))]
#[case::sponsor_mapped("sponsor_user_id = \"fields.sponsor\"", "/sponsor_user_id", Some(json!(102)))]
#[case::use_not_mapped("", "/intended_use", Some(json!("Reagents")))]
#[case::use_mapped_without_value("intended_use = \"fields.nothing\"", "/intended_use", None)]
#[case::contact_not_mapped("", "/contact_information/email", Some(json!("old@acme.example")))]
#[case::one_contact_field_mapped(
    "contact_information = { phone = \"fields.phone\" }", "/contact_information/phone", Some(json!("2"))
)]
#[case::another_contact_field(
    "contact_information = { phone = \"fields.phone\" }", "/contact_information/name", Some(json!("Jo"))
)]
#[case::contact_mapped_as_a_whole(
    "contact_information = \"fields.contact\"",
    "/contact_information/name",
    None
)]
#[case::notes_not_mapped(
    "", "/contact_information/notes", Some(json!("Call first.\n[key:SUP-1]\nClosed in August."))
)]
#[case::status_is_never_sent("", "/status", None)]
#[case::approvers_are_never_sent("", "/approvers", None)]
#[case::risk_type_is_never_sent("", "/risk_type", None)]
#[tokio::test]
async fn a_replace_is_merged_by_rule(
    #[case] body: &str,
    #[case] pointer: &str,
    #[case] expected: Option<Value>,
) {
    let target = target_of(&format!("name = \"fields.name\"\n{body}"));
    let wanted = wanted(json!({
        "name": "Acme", "risk": OTHER_RISK, "sponsor": 102, "phone": "2",
        "contact": {"email": "new@acme.example"}
    }));
    let mut calls = Script::new(target.errors())
        .answer(200, standing())
        .answer(200, standing());
    target
        .update(&mut calls, wanted.write(Some("q-1")))
        .await
        .unwrap();
    assert_eq!(calls.body(1).pointer(pointer), expected.as_ref());
}

#[test]
fn a_supplier_without_contact_gets_our_line_alone() {
    let mut body = Map::new();
    body.insert("name".to_owned(), json!("fields.name"));
    let mapped = merge::Mapped::of(&body);
    let current = json!({"name": "Acme", "contact_information": null, "risk_type": null});
    let merged = merge::merge(&current, fields(json!({"name": "A"})), &mapped, &key("K")).unwrap();
    assert_eq!(
        merged,
        json!({"name": "A", "contact_information": {"notes": "[key:K]"}})
    );
}

#[rstest]
#[case::risk_without_id("/risk_type", json!({"title": "High"}))]
#[case::contact_is_a_text("/contact_information", json!("Jo"))]
#[case::notes_are_a_list("/contact_information/notes", json!(["a"]))]
#[case::another_supplier("/supplier_id", json!("q-2"))]
#[case::no_supplier("/supplier_id", json!(null))]
#[tokio::test]
async fn what_can_not_be_sent_back_is_not_erased(#[case] pointer: &str, #[case] value: Value) {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme"}));
    let mut current = standing();
    *current.pointer_mut(pointer).unwrap() = value;
    let mut calls = Script::new(target.errors()).answer(200, current);
    let error = target.update(&mut calls, wanted.write(Some("q-1"))).await;
    assert!(
        matches!(
            error,
            Err(CallError::Failed {
                may_have_effect: false,
                ..
            })
        ),
        "{error:?}"
    );
    assert_eq!(calls.requests.len(), 1, "nothing is replaced");
}

#[rstest]
#[case::at_the_read(&[404], 1)]
#[case::at_the_replace(&[200, 404], 2)]
#[tokio::test]
async fn an_update_of_a_supplier_that_is_gone_is_told_as_such(
    #[case] statuses: &[u16],
    #[case] calls_made: usize,
) {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme"}));
    let mut calls = Script::new(target.errors());
    for status in statuses {
        calls = calls.answer(*status, standing());
    }
    let error = target.update(&mut calls, wanted.write(Some("q-1"))).await;
    assert!(matches!(error, Err(CallError::Gone { .. })), "{error:?}");
    assert_eq!(calls.requests.len(), calls_made);
}

/// One test a row of the error table.
#[rstest]
#[case::bad_key(403, json!({"message": "no"}), Err("blocked"))]
#[case::conflict(409, json!({"errors": [{"field": "name", "message": "`Acme` exists"}]}), Ok(Some("name")))]
#[case::mistake(
    400,
    json!({"status": "error", "errors": [{"location": "body", "name": "risk_id", "description": "risk_id is unknown"}]}),
    Ok(Some("risk_id"))
)]
#[case::too_many(429, json!({"message": "slow down"}), Err("throttled"))]
#[case::down(503, Value::Null, Err("failed"))]
#[tokio::test]
async fn each_error_of_qualio_means_one_thing(
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: Result<Option<&str>, &str>,
) {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme"}));
    let mut calls = Script::new(target.errors()).answer(status, body);
    let error = target
        .create(&mut calls, wanted.write(None))
        .await
        .unwrap_err();
    assert!(!error.to_string().contains("Acme"), "{error}");
    let found = match &error {
        CallError::Refused { field, .. } => Ok(field.as_deref()),
        CallError::Blocked { .. } => Err("blocked"),
        CallError::Throttled { .. } => Err("throttled"),
        CallError::Failed { .. } => Err("failed"),
        other => panic!("{other:?}"),
    };
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_create_without_an_id_in_its_answer_has_happened_all_the_same() {
    let target = target_of(SOME);
    let wanted = wanted(json!({"name": "Acme"}));
    let mut calls = Script::new(target.errors()).answer(200, json!({"name": "Acme"}));
    let error = target.create(&mut calls, wanted.write(None)).await;
    assert!(matches!(
        error,
        Err(CallError::Failed {
            may_have_effect: true,
            ..
        })
    ));
}

fn supplier(id: &str, notes: &str) -> Value {
    json!({"supplier_id": id, "name": "Same name", "contact_information": {"notes": notes}})
}

/// Five lists by status, of which the first and the last hold suppliers.
fn lists(first: &[Value], last: &[Value]) -> Script {
    let mut script = Script::new(&[]).answer(200, json!({"items": first}));
    for _ in 0..3 {
        script = script.answer(200, json!({"items": []}));
    }
    script.answer(200, json!({"items": last}))
}

#[rstest]
#[case::nobody(&[], &[], Found::None)]
#[case::same_name(&[supplier("q-1", "")], &[], Found::None)]
#[case::longer_key(&[supplier("q-1", "[key:SUP-12]")], &[], Found::None)]
#[case::one(&[supplier("q-1", "Call.\nERP [key:SUP-1]"), supplier("q-2", "[key:SUP-2]")], &[], Found::One("q-1".to_owned()))]
#[case::archived(&[], &[supplier("q-1", "[key:SUP-1]")], Found::One("q-1".to_owned()))]
#[case::moved_on_while_listing(&[supplier("q-1", "[key:SUP-1]")], &[supplier("q-1", "[key:SUP-1]")], Found::One("q-1".to_owned()))]
#[case::two(&[supplier("q-1", "[key:SUP-1]")], &[supplier("q-2", "[key:SUP-1]")], Found::Many(2))]
#[case::of_two_records(&[supplier("q-1", "[key:SUP-2]\nas [key:SUP-1]")], &[], Found::Many(2))]
#[tokio::test]
async fn a_supplier_is_found_by_its_marker_alone(
    #[case] first: &[Value],
    #[case] last: &[Value],
    #[case] expected: Found,
) {
    let target = target_of(SOME);
    let search = target.search_value(&key("SUP-1"), &Fields::new()).unwrap();
    let mut calls = lists(first, last);
    assert_eq!(target.find(&mut calls, &search).await.unwrap(), expected);
    let statuses = [
        "DRAFT",
        "REVIEW_PENDING",
        "APPROVED",
        "REJECTED",
        "ARCHIVED",
    ];
    let list = "GET https://api.qualio.com/v1/suppliers/suppliers";
    assert_eq!(
        calls.sent(),
        statuses.map(|status| format!("{list}?status={status}"))
    );
    assert_eq!(calls.requests.len(), target.traits().find_calls as usize);
}

#[tokio::test]
async fn the_index_tells_keys_that_are_sure_from_those_that_are_not() {
    let first = [
        supplier("q-1", "[key:A]"),
        supplier("q-2", "text\nERP [key:B]"),
        supplier("q-3", "[key:C] [key:D]"),
        json!({"supplier_id": "q-4", "name": "without contact"}),
        supplier("q-5", "[key:E]"),
    ];
    let last = [supplier("q-6", "[key:A]"), supplier("q-5", "[key:E]")];
    let index = target_of(SOME)
        .index(&mut lists(&first, &last))
        .await
        .unwrap();
    let found: Vec<(&str, Option<&str>)> = index
        .iter()
        .map(|(key, id)| (key.as_str(), id.as_deref()))
        .collect();
    let unsure = [("A", None), ("C", None), ("D", None)];
    let sure = [("B", Some("q-2")), ("E", Some("q-5"))];
    assert_eq!(found, [unsure[0], sure[0], unsure[1], unsure[2], sure[1]]);
}

#[rstest]
#[case::no_items(json!({"suppliers": []}))]
#[case::no_id(json!({"items": [{"name": "Acme"}]}))]
#[tokio::test]
async fn a_list_that_can_not_be_read_is_no_empty_list(#[case] body: Value) {
    let mut calls = Script::new(&[]).answer(200, body);
    let error = target_of(SOME).find(&mut calls, "SUP-1").await;
    assert!(matches!(error, Err(CallError::Failed { .. })), "{error:?}");
}

const ALL: &str = r#"
name = "fields.name"
intended_use = "fields.use"
sponsor_user_id = "fields.sponsor"
risk_id = "fields.risk"
contact_information = "fields.contact""#;

#[rstest]
#[case::whole(json!({"name": "A", "use": "u", "sponsor": 101, "risk": RISK, "contact": {"email": "e", "notes": "n"}}), None)]
#[case::name_alone(json!({"name": "A"}), None)]
#[case::no_name(json!({"use": "u"}), Some("name makes `name`, which has no value"))]
#[case::empty_name(json!({"name": "  "}), Some("name makes `name`, which must not be empty"))]
#[case::name_is_a_number(json!({"name": 7}), Some("name makes `name`, which must be a text"))]
#[case::use_is_a_flag(json!({"name": "A", "use": true}), Some("use makes `intended_use`, which must be a text"))]
#[case::sponsor_is_a_text(json!({"name": "A", "sponsor": "101"}), Some("sponsor makes `sponsor_user_id`, which must be a number"))]
#[case::risk_is_no_uuid(json!({"name": "A", "risk": "high"}), Some("risk makes `risk_id`, which must be a UUID"))]
#[case::contact_is_a_text(json!({"name": "A", "contact": "Jo"}), Some("contact makes `contact_information`, which must be a table"))]
#[case::phone_is_a_number(json!({"name": "A", "contact": {"phone": 1}}), Some("contact makes `contact_information.phone`, which must be a text"))]
#[case::unknown_contact(json!({"name": "A", "contact": {"fax": "1"}}), Some("contact makes `contact_information.fax`, which is none that Qualio takes"))]
#[case::marker_in_the_text(json!({"name": "A", "contact": {"notes": "x [key:SUP-9]"}}), Some("contact makes `contact_information.notes`, which holds the beginning of a marker, so it could be taken for another record"))]
fn a_body_that_qualio_refuses_costs_no_call(#[case] value: Value, #[case] fault: Option<&str>) {
    let rejected = target_of(ALL).reject(&key("SUP-1"), &fields(value));
    let told = rejected.map(|(field, reason)| format!("{} {reason}", field.unwrap()));
    assert_eq!(told.as_deref(), fault);
}

#[test]
fn a_part_that_is_made_of_several_fields_names_them() {
    let body = r#"
name = "fields.name"
risk_id = "fields.risk if fields.use else fields.contact.risk"
sponsor_user_id = "'nobody'""#;
    let rejected = |value| target_of(body).reject(&key("SUP-1"), &fields(value));
    assert_eq!(
        rejected(json!({"name": "A", "risk": "high", "use": "u"})),
        Some((
            None,
            "`risk_id` must be a UUID; it is made of `contact`, `risk`, `use`".to_owned()
        ))
    );
    assert_eq!(
        rejected(json!({"name": "A"})),
        Some((None, "`sponsor_user_id` must be a number".to_owned()))
    );
}

#[test]
fn a_key_that_would_break_the_marker_is_rejected() {
    let (field, reason) = target_of(SOME)
        .reject(&key("SUP]1"), &fields(json!({"name": "A"})))
        .unwrap();
    assert_eq!(field, None);
    assert!(reason.contains("bracket"), "{reason}");
}

#[tokio::test]
async fn nothing_can_be_removed() {
    let target = target_of(SOME);
    assert!(!target.traits().deletes && !target.traits().archives);
    let mut calls = Script::new(&[]);
    let key = key("SUP-1");
    let error = target.remove(&mut calls, Removal::Archive, &key, Some("q-1"));
    assert!(matches!(error.await, Err(CallError::Refused { .. })));
}

#[rstest]
#[case::path(
    "../users",
    Some("https://api.qualio.com/v1/suppliers/suppliers/..%2Fusers")
)]
#[case::dots("..", None)]
#[case::nothing("", None)]
fn an_id_never_leads_to_another_resource(#[case] id: &str, #[case] url: Option<&str>) {
    let wanted = wanted(json!({"name": "A"}));
    let described = target_of(SOME).describe(wanted.write(Some(id)));
    assert_eq!(
        described
            .ok()
            .map(|requests| requests[0].url.clone())
            .as_deref(),
        url
    );
}

#[test]
fn a_described_update_is_the_read_and_the_replace() {
    let wanted = wanted(json!({"name": "A", "line": "ERP"}));
    let target = target_of(SOME);
    let requests = target.describe(wanted.write(Some("q-1"))).unwrap();
    let methods: Vec<&str> = requests
        .iter()
        .map(|request| request.method.as_str())
        .collect();
    assert_eq!(methods, ["GET", "PUT"]);
    assert_eq!(
        requests[1].json().unwrap()["contact_information"]["notes"],
        "ERP [key:SUP-1]"
    );
    let requests = target.describe(wanted.write(None)).unwrap();
    assert_eq!(requests.len(), 1);
}
