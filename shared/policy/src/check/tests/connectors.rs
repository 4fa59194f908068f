//! A flow that names connectors is the flow that says all by itself, and each mistake has its file.

use std::sync::Arc;

use serde_json::json;

use super::*;
use crate::flow::Flow;

/// What is known of the CRM of the contacts.
const CRM: &str = r#"description = "The CRM's contacts."

[source]
type = "rest"
auth = { type = "api_key", header = "X-Api-Key" }
headers = { Accept = "application/json" }
errors = [{ status = 409, action = "retry" }]

[source.limit]
calls = 100
per_s = 60

[source.list]
path = "/v2/contacts"
rows = "/data"
page_size = 100
pages = { by = "cursor", next = "/meta/next_cursor" }

[source.list.query]
updated_since = "{{ since }}"
cursor = "{{ page.cursor }}"
limit = "{{ page.size }}"

[source.one]
path = "/v2/contacts/{{ key }}"
row = "/data"

[record]
key = "row.id"
version = { by = "time", at = "row.updated_at | rfc3339(env.CRM_ZONE)" }

[webhook]
key = "body.contact_id"
"#;

/// What is known of the newsletter service.
const NEWSLETTER: &str = r#"
[target]
type = "rest"
errors = [
    { status = 400, code_at = "/error/code", code = "undeliverable", action = "review" },
    { status = 418, action = "retry" },
]
upsert = { method = "PUT", path = "/3.0/members/{{ key }}" }
limits.real_time = { calls = 30, per_s = 60 }
limits.batch = { calls = 60, per_s = 60 }
"#;

const FLOW: &str = r#"name = "contacts"
revision = 1

[source]
connector = "crm"
name = "crm"
base_url = "{{ env.CRM_URL }}"
auth = { secret = "CRM_API_KEY" }
errors = [{ status = 400, action = "review" }]

[source.list]
page_size = 50
query = { state = "active", limit = "" }

[record]
deleted = "row.state == 'deleted'"

[fields]
email = "row.email"

[schema]
type = "object"

[schedule]
time_zone = "UTC"
every_minutes = 15

[target]
connector = "newsletter"
name = "newsletter"
base_url = "{{ env.NEWSLETTER_URL }}"
body = { email_address = "fields.email" }

[freshness]
critical_s = 300
other_s = 1_800
"#;

fn named(text: &str, crm: &str) -> FlowText {
    let file = |name: &str, text: &str| {
        let path = format!("connectors/{name}/connector.toml");
        (name.to_owned(), (path, text.to_owned()))
    };
    FlowText {
        connectors: Arc::new([file("crm", crm), file("newsletter", NEWSLETTER)].into()),
        ..FlowText::alone("flow.toml", text)
    }
}

fn with_zone() -> Settings {
    let mut settings = settings();
    settings.insert("CRM_ZONE".to_owned(), "America/New_York".to_owned());
    settings
}

fn told(text: &str, crm: &str) -> Vec<String> {
    let report = check(&[named(text, crm)], &with_zone(), NOW);
    report.mistakes.iter().map(ToString::to_string).collect()
}

#[test]
fn a_flow_has_what_its_connectors_know_and_its_own_words_go_before() {
    assert_eq!(told(FLOW, CRM), [] as [String; 0]);
    let flow = Flow::load_text(&named(FLOW, CRM), &with_zone()).unwrap();
    let source = serde_json::to_value(&flow.file().source).unwrap();
    for (at, expected) in [
        (
            "/auth",
            json!({"type": "api_key", "header": "X-Api-Key", "secret": "CRM_API_KEY"}),
        ),
        ("/limit/calls", json!(100)),
        ("/list/page_size", json!(50)),
        ("/list/query/state", json!("active")),
        ("/list/query/limit", json!("")),
        ("/list/query/cursor", json!("{{ page.cursor }}")),
        ("/one/row", json!("/data")),
        ("/errors/0/status", json!(400)),
        ("/errors/1/status", json!(409)),
        ("/errors/2", Value::Null),
    ] {
        assert_eq!(
            source.pointer(at).unwrap_or(&Value::Null),
            &expected,
            "{at}"
        );
    }
    let file = flow.file();
    assert_eq!(file.record.key, "row.id");
    assert_eq!(
        file.record.deleted.as_deref(),
        Some("row.state == 'deleted'")
    );
    assert!(file.webhook.is_none(), "nobody said that this flow listens");
    assert_eq!(flow.limits().real_time.calls(), 30);
}

#[test]
fn a_flow_that_listens_has_what_its_connector_knows_of_pushes() {
    let text = edited(
        FLOW,
        "[freshness]",
        "[webhook]\nsecrets = [\"CRM_WEBHOOK\"]\n\n[freshness]",
    );
    let text = edited(
        &text,
        "revision = 1",
        "revision = 1\nreal_time_reason = \"Letters.\"",
    );
    assert_eq!(told(&text, CRM), [] as [String; 0]);
    let flow = Flow::load_text(&named(&text, CRM), &with_zone()).unwrap();
    let webhook = flow.file().webhook.as_ref().unwrap();
    assert_eq!(webhook.key, "body.contact_id");
}

#[test]
fn a_limit_of_another_form_takes_nothing_of_the_connector_s() {
    let bucket = edited(
        FLOW,
        "[source.list]",
        "[source.limit]\nbucket = 40\nleak_per_s = 2\n\n[source.list]",
    );
    assert_eq!(told(&bucket, CRM), [] as [String; 0]);
    let flow = Flow::load_text(&named(&bucket, CRM), &with_zone()).unwrap();
    assert_eq!(flow.source().unwrap().spec().limit.calls(), 40);
    let of_a_bucket = edited(
        CRM,
        "calls = 100\nper_s = 60",
        "bucket = 40\nleak_per_s = 2",
    );
    let window = edited(
        FLOW,
        "[source.list]",
        "[source.limit]\ncalls = 7\nper_s = 60\n\n[source.list]",
    );
    assert_eq!(told(&window, &of_a_bucket), [] as [String; 0]);
    // Of the same form a part is enough.
    let slower = edited(
        FLOW,
        "[source.list]",
        "[source.limit]\nleak_per_s = 1\n\n[source.list]",
    );
    assert_eq!(told(&slower, &of_a_bucket), [] as [String; 0]);
}

#[test]
fn another_form_of_a_part_takes_nothing_of_the_connector_s() {
    let text = edited(
        FLOW,
        "auth = { secret = \"CRM_API_KEY\" }",
        "auth = { type = \"bearer\", secret = \"CRM_TOKEN\" }",
    );
    let text = edited(
        &text,
        "page_size = 50",
        "page_size = 50\npages = { by = \"header\", name = \"X-Next\" }",
    );
    assert_eq!(told(&text, CRM), [] as [String; 0]);
}

#[test]
fn the_hash_of_a_flow_is_that_of_its_connectors_too() {
    let hash = |flow: &FlowText| {
        Flow::load_text(flow, &with_zone())
            .unwrap()
            .hash()
            .to_owned()
    };
    let first = hash(&named(FLOW, CRM));
    assert_eq!(first, hash(&named(FLOW, CRM)));
    assert_ne!(first, hash(&named(FLOW, &format!("{CRM}# another\n"))));
    let mut with_another = named(FLOW, CRM);
    Arc::make_mut(&mut with_another.connectors).insert("x".to_owned(), Default::default());
    assert_eq!(first, hash(&with_another), "one that it does not name");
}

#[test]
fn each_mistake_is_told_in_the_file_that_has_it() {
    let of_flow = |start| format!("flow.toml:{}: ", line_of(FLOW, start));
    let of_crm = |start| format!("connectors/crm/connector.toml:{}: ", line_of(CRM, start));
    let with = |from: &str, to: &str| (edited(FLOW, from, to), CRM.to_owned());
    let in_crm = |from: &str, to: &str| (FLOW.to_owned(), edited(CRM, from, to));
    let named = "connector = \"crm\"";
    for ((flow, crm), expected) in [
        (
            with(named, "connector = \"crn\""),
            of_flow("[source]").replace(":4:", ":5:") + "there is no connector `crn`; did you mean `crm`?",
        ),
        (
            with(named, "connector = 7"),
            "flow.toml:5: `source.connector` must be the name of a connector, in quotes".to_owned(),
        ),
        (
            with(named, "connector = \"newsletter\""),
            "flow.toml:5: the connector `newsletter` is for no source: connectors/newsletter/connector.toml has no `[source]`".to_owned(),
        ),
        (
            in_crm("path = \"/v2/contacts\"", "path = \"v2/contacts\""),
            of_crm("path = \"/v2/contacts\"") + "a path starts with `/`; it is added to `base_url`",
        ),
        (
            in_crm("calls = 100", "calls = 0"),
            of_crm("calls = 100") + "`calls` must be at least 1, 0 is written",
        ),
        (
            in_crm("key = \"row.id\"", "key = \"rov.id\""),
            of_crm("key = \"row.id\"") + "`rov` is not known here; known: row, env; did you mean `row`?",
        ),
        (
            in_crm("status = 409, ", ""),
            of_crm("errors = ") + "this row would match every answer: give it a `status` or a `code`",
        ),
        (
            in_crm("[webhook]", "[schedule]\nevery_minutes = 5\n\n[webhook]"),
            of_crm("[webhook]") + "a connector has no `schedule`: that is for each flow to say",
        ),
        (
            with("page_size = 50", "page_size = 0"),
            of_flow("page_size") + "`page_size` must be at least 1, 0 is written",
        ),
        (
            in_crm("type = \"rest\"\n", ""),
            "flow.toml:4: `type` is missing in `source`: one of rest, files".to_owned(),
        ),
    ] {
        let told = told(&flow, &crm);
        assert!(told.contains(&expected), "{expected} in {told:#?}");
    }
    let told = told(FLOW, "[source\n");
    assert!(
        told[0].starts_with("connectors/crm/connector.toml:1: "),
        "{told:?}"
    );
}

#[test]
fn a_flow_without_connectors_at_hand_is_told_so() {
    let told = check_text(FLOW.to_owned()).mistakes;
    let expected =
        "5: there is no connector `crm`, and no folder `connectors` beside the flow file";
    assert!(lines(&told).contains(&expected.to_owned()), "{told:#?}");
}
