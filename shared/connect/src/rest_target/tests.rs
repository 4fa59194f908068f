use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::ports::{CallError, Effect, Found, Landed, Removal, Request, Target, Write};
use tidegate_model::{Fields, RecordKey};

use super::RestTarget;
use crate::script::{SOURCE, Script, flow};

fn target(calls: &str) -> RestTarget {
    let target = format!(
        r#"
[target]
type = "rest"
name = "dst"
base_url = "https://dst.example/v1"
auth = {{ type = "api_key", header = "X-Key", secret = "DST_KEY" }}
headers = {{ X-Every = "yes" }}
body = {{ name = "fields.name", mail = "fields.email" }}
{calls}
"#
    );
    RestTarget::new(flow(SOURCE, &target))
}

const UPSERT: &str = r#"upsert = { method = "PUT", path = "/things/{{ key }}", id = "/id" }"#;

const CREATE: &str = r#"
create = { method = "POST", path = "/things", id = "/data/id" }
update = { method = "PATCH", path = "/things/{{ target_id }}" }
delete = { method = "DELETE", path = "/things/{{ target_id }}" }
archive = { method = "POST", path = "/things/{{ target_id }}/archive" }
idempotency_header = "Idempotency-Key"
find = { path = "/things", query = { q = "{{ search }}" }, by = "fields.name", rows = "/rows", id = "/id" }
"#;

fn key() -> RecordKey {
    RecordKey::try_new("K 1").unwrap()
}

fn fields() -> Fields {
    let Value::Object(fields) = json!({"name": "Acme & Co", "email": null}) else {
        unreachable!()
    };
    fields
}

struct Wanted {
    key: RecordKey,
    fields: Fields,
}

impl Wanted {
    fn new() -> Self {
        Self {
            key: key(),
            fields: fields(),
        }
    }

    fn write<'a>(&'a self, target_id: Option<&'a str>) -> Write<'a> {
        Write {
            key: &self.key,
            fields: &self.fields,
            target_id,
            etag: None,
            idempotency_key: "once-7",
        }
    }
}

fn header(request: &Request, name: &str) -> Option<String> {
    let found = request.headers.iter().find(|header| header.name == name);
    found.map(|header| header.value.to_string())
}

fn id(text: &str) -> Landed {
    Landed {
        target_id: Some(text.to_owned()),
        etag: None,
    }
}

#[rstest]
#[case::with_an_id(json!({"id": 4711}), Some("4711"))]
#[case::without_a_body(Value::Null, None)]
#[tokio::test]
async fn an_upsert_names_the_record_by_its_key(#[case] body: Value, #[case] found: Option<&str>) {
    let target = target(UPSERT);
    let wanted = Wanted::new();
    let mut calls = Script::new(target.errors()).answer(200, body);
    let landed = target.create(&mut calls, wanted.write(None)).await.unwrap();
    assert_eq!(landed.target_id.as_deref(), found);
    assert_eq!(calls.sent(), ["PUT https://dst.example/v1/things/K%201"]);
    assert_eq!(*calls.body(0), json!({"name": "Acme & Co"}));
    let request = &calls.requests[0];
    assert_eq!(request.effect, Effect::Write);
    assert_eq!(header(request, "X-Every").as_deref(), Some("yes"));
    assert_eq!(header(request, "X-Key").as_deref(), Some("<DST_KEY>"));
}

#[tokio::test]
async fn an_upsert_takes_no_idempotency_key_since_a_content_may_come_back() {
    let target = target(&format!(
        "{UPSERT}\nidempotency_header = \"Idempotency-Key\""
    ));
    assert!(!target.traits().idempotent_create);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(200, json!({"id": 1}));
    target.create(&mut calls, wanted.write(None)).await.unwrap();
    assert_eq!(header(&calls.requests[0], "Idempotency-Key"), None);
}

#[tokio::test]
async fn a_create_gives_the_id_and_names_itself_once() {
    let target = target(CREATE);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(201, json!({"data": {"id": "t-1"}}));
    let landed = target.create(&mut calls, wanted.write(None)).await.unwrap();
    assert_eq!(landed, id("t-1"));
    let request = &calls.requests[0];
    assert_eq!(
        header(request, "Idempotency-Key").as_deref(),
        Some("once-7")
    );
}

#[tokio::test]
async fn an_update_goes_to_the_id_without_an_idempotency_key() {
    let target = target(CREATE);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(204, Value::Null);
    let landed = target.update(&mut calls, wanted.write(Some("t/1"))).await;
    assert_eq!(landed.unwrap(), id("t/1"));
    assert_eq!(calls.sent(), ["PATCH https://dst.example/v1/things/t%2F1"]);
    assert_eq!(header(&calls.requests[0], "Idempotency-Key"), None);
}

#[rstest]
#[case::made_anew(json!({"id": "t-2"}), "t-2")]
#[case::said_nothing(Value::Null, "t-1")]
#[tokio::test]
async fn an_upsert_of_what_was_removed_gives_its_new_id(#[case] body: Value, #[case] told: &str) {
    let target = target(UPSERT);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(201, body);
    let landed = target.update(&mut calls, wanted.write(Some("t-1"))).await;
    assert_eq!(landed.unwrap(), id(told));
}

#[tokio::test]
async fn a_create_without_an_id_in_its_answer_has_happened_all_the_same() {
    let target = target(CREATE);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(201, json!({"data": {}}));
    let error = target.create(&mut calls, wanted.write(None)).await;
    assert!(
        matches!(
            error,
            Err(CallError::Failed {
                may_have_effect: true,
                ..
            })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_target_that_gives_no_ids_knows_the_record_by_its_key() {
    let target = target(
        r#"create = { method = "POST", path = "/things" }
update = { method = "PUT", path = "/things/{{ key }}" }"#,
    );
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(201, Value::Null);
    let landed = target.create(&mut calls, wanted.write(None)).await;
    assert_eq!(landed.unwrap(), id("K 1"));
}

#[rstest]
#[case::gone(404, "no longer has it")]
#[case::gone_for_good(410, "no longer has it")]
#[case::stale(412, "changed meanwhile")]
#[tokio::test]
async fn an_update_of_what_is_not_there_says_so(#[case] status: u16, #[case] said: &str) {
    let target = target(CREATE);
    let wanted = Wanted::new();
    let mut calls = Script::new(&[]).answer(status, json!({}));
    let error = target.update(&mut calls, wanted.write(Some("t-1"))).await;
    let ((Err(CallError::Gone { reason }), 404 | 410)
    | (Err(CallError::Refused { reason, .. }), 412)) = (&error, status)
    else {
        panic!("{error:?}");
    };
    assert!(reason.contains(said), "{reason}");
}

#[rstest]
#[case::deleted(Removal::Delete, 204, "DELETE https://dst.example/v1/things/t-1")]
#[case::gone_already(Removal::Delete, 404, "DELETE https://dst.example/v1/things/t-1")]
#[case::archived(
    Removal::Archive,
    200,
    "POST https://dst.example/v1/things/t-1/archive"
)]
#[tokio::test]
async fn a_removal_of_what_is_gone_is_a_success(
    #[case] how: Removal,
    #[case] status: u16,
    #[case] sent: &str,
) {
    let mut calls = Script::new(&[]).answer(status, Value::Null);
    let (target, key) = (target(CREATE), key());
    let removed = target.remove(&mut calls, how, &key, Some("t-1"));
    removed.await.unwrap();
    assert_eq!(calls.sent(), [sent]);
    assert_eq!(
        calls.requests[0].body, None,
        "a record without fields has no body"
    );
}

#[tokio::test]
async fn a_removal_sends_a_body_where_the_flow_says_so() {
    let target = target(
        r#"create = { method = "POST", path = "/things" }
update = { method = "PUT", path = "/things/{{ key }}" }
archive = { method = "PATCH", path = "/things/{{ key }}", send_body = true }"#,
    );
    let mut calls = Script::new(&[]).answer(200, Value::Null);
    let key = key();
    let removed = target.remove(&mut calls, Removal::Archive, &key, None);
    removed.await.unwrap();
    assert_eq!(*calls.body(0), json!({}));
}

#[rstest]
#[case::none(200, json!({"rows": []}), Found::None)]
#[case::not_found(404, json!({}), Found::None)]
#[case::one(200, json!({"rows": [{"id": 7}]}), Found::One("7".to_owned()))]
#[case::the_same_twice(200, json!({"rows": [{"id": 7}, {"id": 7}]}), Found::One("7".to_owned()))]
#[case::several(200, json!({"rows": [{"id": "a"}, {"id": "b"}, {"id": "c"}]}), Found::Many(3))]
#[tokio::test]
async fn a_record_is_found_by_the_value_it_was_sent_with(
    #[case] status: u16,
    #[case] body: Value,
    #[case] expected: Found,
) {
    let target = target(CREATE);
    let search = target.search_value(&key(), &fields()).unwrap();
    let mut calls = Script::new(&[]).answer(status, body);
    let found = target.find(&mut calls, &search).await.unwrap();
    assert_eq!(found, expected);
    assert_eq!(
        calls.sent(),
        ["GET https://dst.example/v1/things?q=Acme%20%26%20Co"]
    );
    assert_eq!(calls.requests[0].effect, Effect::Read);
}

#[rstest]
#[case::no_rows(json!({"data": []}))]
#[case::no_id(json!({"rows": [{"id": 1}, {"name": "x"}]}))]
#[tokio::test]
async fn a_look_up_that_can_not_be_read_found_nothing_out(#[case] body: Value) {
    let mut calls = Script::new(&[]).answer(200, body);
    let error = target(CREATE).find(&mut calls, "Acme").await;
    assert!(matches!(
        error,
        Err(CallError::Failed {
            may_have_effect: false,
            ..
        })
    ));
}

#[rstest]
#[case::ours_first("errors = [{ status = 403, action = \"defer\" }]", 403, json!({}), "throttled")]
#[case::by_code(
    "errors = [{ status = 400, code_at = \"/code\", code = \"DUP\", action = \"ok\" }]",
    400, json!({"code": "DUP", "data": {"id": "t-9"}}), "landed"
)]
#[case::another_code(
    "errors = [{ status = 400, code_at = \"/code\", code = \"DUP\", action = \"ok\" }]",
    400, json!({"code": "BAD"}), "refused"
)]
#[case::http_403("", 403, json!({}), "blocked")]
#[case::http_401("", 401, json!({}), "blocked")]
#[case::http_429("", 429, json!({}), "throttled")]
#[case::http_500("", 500, json!({}), "failed")]
#[case::http_422("", 422, json!({}), "refused")]
#[case::redirect("", 302, json!({}), "refused")]
#[tokio::test]
async fn the_flows_error_table_comes_before_http(
    #[case] errors: &str,
    #[case] status: u16,
    #[case] body: Value,
    #[case] meaning: &str,
) {
    let target = target(&format!("{CREATE}{errors}"));
    let wanted = Wanted::new();
    let mut calls = Script::new(target.errors()).answer(status, body);
    let found = match target.create(&mut calls, wanted.write(None)).await {
        Ok(_) => "landed",
        Err(CallError::Throttled { .. }) => "throttled",
        Err(CallError::Refused { .. }) => "refused",
        Err(CallError::Blocked { .. }) => "blocked",
        Err(CallError::Failed { .. }) => "failed",
        Err(other) => panic!("{other:?}"),
    };
    assert_eq!(found, meaning);
}

#[rstest]
#[case::upsert(UPSERT, [true, false, false, false, false])]
#[case::create(CREATE, [false, true, true, true, true])]
fn what_a_target_can_do_is_what_the_flow_names(#[case] calls: &str, #[case] expected: [bool; 5]) {
    let traits = target(calls).traits();
    let found = [
        traits.upsert,
        traits.idempotent_create,
        traits.searchable,
        traits.deletes,
        traits.archives,
    ];
    assert_eq!(found, expected);
    assert!(!traits.listable);
}

#[test]
fn a_record_that_can_not_be_put_into_the_call_is_rejected_without_one() {
    let target =
        target(r#"upsert = { method = "PUT", path = "/things/{{ key }}/{{ fields.email }}" }"#);
    let (_, reason) = target.reject(&key(), &fields()).unwrap();
    assert!(reason.contains("fields.email"), "{reason}");
    assert!(!reason.contains("Acme"), "{reason}");
    let mut whole = fields();
    whole.insert("email".to_owned(), json!("a@b.example"));
    assert_eq!(target.reject(&key(), &whole), None);
}

#[test]
fn a_described_write_is_the_request_that_would_be_sent() {
    let target = target(CREATE);
    let wanted = Wanted::new();
    let describe = |target_id| {
        let requests = target.describe(wanted.write(target_id)).unwrap();
        requests
            .iter()
            .map(|request| format!("{} {}", request.method.as_str(), request.url))
            .collect::<Vec<_>>()
    };
    assert_eq!(describe(None), ["POST https://dst.example/v1/things"]);
    assert_eq!(
        describe(Some("t-1")),
        ["PATCH https://dst.example/v1/things/t-1"]
    );
}

#[tokio::test]
async fn a_target_without_a_listing_says_so_without_a_call() {
    let target = target(UPSERT);
    let mut calls = Script::new(target.errors());
    let refused = target.standing(&mut calls, None).await.unwrap_err();
    assert!(refused.to_string().contains("[target.list]"), "{refused}");
    assert!(calls.requests.is_empty());
    assert_eq!(target.print(&key(), &fields()), None);
}

const LIST: &str = r#"
upsert = { method = "PUT", path = "/things/{{ key }}" }
list = { path = "/things", query = { page = "{{ page.number }}" }, rows = "/rows", pages = { by = "number" }, key = "row.ref" }"#;

#[tokio::test]
async fn without_an_id_of_its_own_a_record_is_known_by_its_key() {
    let target = target(LIST);
    let rows = json!([{"ref": "K 1", "name": "Acme & Co"}, {"ref": null}, {"name": "x"}, 7]);
    let mut calls = Script::new(&[]).answer(200, json!({"rows": rows}));
    let page = target.standing(&mut calls, None).await.unwrap();
    assert_eq!(calls.sent(), ["GET https://dst.example/v1/things?page=1"]);
    assert_eq!(calls.requests[0].effect, Effect::Read);
    assert_eq!(
        header(&calls.requests[0], "X-Every").as_deref(),
        Some("yes")
    );
    let [one] = page.standing.as_slice() else {
        panic!("{page:?}");
    };
    assert_eq!(
        (one.id.as_str(), one.keys.as_slice()),
        ("K 1", &[key()][..])
    );
    assert_eq!(Some(&one.print), target.print(&key(), &fields()).as_ref());
    assert_eq!(page.rows, 4, "others' rows are counted");
    assert_eq!(page.next, Some(json!({"by": "number", "at": 2})));
}

/// To take such a row for nobody's would be to say that our record is missing.
#[rstest]
#[case::no_id("id = \"/id\"", json!({"ref": "K 1"}), "no id at")]
#[case::a_table_for_an_id("id = \"/id\"", json!({"ref": "K 1", "id": {}}), "no id at")]
#[case::a_table_for_a_key("", json!({"ref": {}}), "row.ref")]
#[tokio::test]
async fn a_row_that_can_not_be_read_is_no_absence(
    #[case] further: &str,
    #[case] row: Value,
    #[case] said: &str,
) {
    let list = LIST.replace(
        "key = \"row.ref\"",
        &format!("key = \"row.ref\", {further}"),
    );
    let target = target(&list.replace(", }", " }"));
    let mut calls = Script::new(&[]).answer(200, json!({"rows": [row]}));
    let error = target.standing(&mut calls, None).await.unwrap_err();
    assert!(matches!(error, CallError::Refused { .. }), "{error:?}");
    let told = error.to_string();
    assert!(told.contains(said) && !told.contains("SECRET"), "{told}");
}

/// Where it fails for every record of a page, the flow is mistaken.
#[rstest]
#[case::of_a_hand(json!([{"ref": "K 1", "name": "SECRET"}, {"ref": "K 2", "name": 7}]), true)]
#[case::of_the_flow(json!([{"ref": "K 1", "name": "SECRET"}, {"name": 7}]), false)]
#[tokio::test]
async fn what_can_not_be_compared_in_one_record_is_an_edit_of_it(
    #[case] rows: Value,
    #[case] read: bool,
) {
    let further = "key = \"row.ref\", compare = { name = \"row.name - 1\" }";
    let target = target(&LIST.replace("key = \"row.ref\"", further));
    let mut calls = Script::new(&[]).answer(200, json!({"rows": rows}));
    match target.standing(&mut calls, None).await {
        Ok(page) if read => {
            let prints: Vec<&str> = page
                .standing
                .iter()
                .map(|one| one.print.0.as_str())
                .collect();
            assert_ne!(prints[0], prints[1]);
            assert_ne!(
                Some(&page.standing[0].print),
                target.print(&key(), &fields()).as_ref()
            );
        }
        Err(error @ CallError::Refused { .. }) if !read => {
            let told = error.to_string();
            assert!(
                told.contains("row.name") && !told.contains("SECRET"),
                "{told}"
            );
        }
        other => panic!("{other:?}"),
    }
}

/// The listing of a target goes by the same code as that of a source.
#[tokio::test]
async fn a_next_page_that_leaves_the_target_is_never_called() {
    let target = target(
        r#"upsert = { method = "PUT", path = "/things/{{ key }}" }
list = { path = "/things", pages = { by = "link" }, key = "row.ref" }"#,
    );
    let link = "<https://evil.example/things?page=2>; rel=next";
    let mut calls = Script::new(&[]).answer_with(200, &[("link", link)], json!([]));
    let error = target.standing(&mut calls, None).await.unwrap_err();
    assert!(matches!(error, CallError::Blocked { .. }), "{error:?}");
    assert_eq!(calls.requests.len(), 1);
}
