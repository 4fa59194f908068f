use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::Value;

use super::{
    places::{Holds, PLACES},
    *,
};

const SUPPLIERS: &str = include_str!("../../../../infra/flows/suppliers.toml");
const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");

/// 2026-11-20T08:00:00Z.
const NOW: UnixMs = UnixMs(1_795_161_600_000);

fn settings() -> Settings {
    let urls = ["ERP_URL", "QUALIO_URL", "CRM_URL", "NEWSLETTER_URL"]
        .map(|name| (name, "https://example.com"));
    let risks =
        ["QUALIO_RISK_HIGH", "QUALIO_RISK_MEDIUM", "QUALIO_RISK_LOW"].map(|name| (name, "risk"));
    urls.into_iter()
        .chain(risks)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

fn check_text(text: String) -> CheckReport {
    check(&[("flow.toml".to_owned(), text)], &settings(), NOW)
}

/// Replaces once, and fails when there is nothing to replace.
fn edited(base: &str, from: &str, to: &str) -> String {
    assert!(base.contains(from), "the flow does not hold {from:?}");
    base.replacen(from, to, 1)
}

/// Messages as `LINE: text`.
fn lines(findings: &[Mistake]) -> Vec<String> {
    findings
        .iter()
        .map(|mistake| format!("{}: {}", mistake.line, mistake.message))
        .collect()
}

/// The line of the first text of a flow that starts so, which keeps the tables below readable.
fn line_of(text: &str, start: &str) -> usize {
    1 + text
        .lines()
        .position(|line| line.contains(start))
        .unwrap_or_else(|| panic!("no line holds {start:?}"))
}

fn assert_one(base: &str, from: &str, to: &str, at: &str, expected: &str) {
    let text = edited(base, from, to);
    let line = line_of(&text, at);
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: {expected}")]
    );
}

#[test]
fn shipped_flows_have_no_mistakes_and_no_warnings() {
    let files = [("suppliers.toml", SUPPLIERS), ("contacts.toml", CONTACTS)]
        .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let report = check(&files, &settings(), NOW);
    assert_eq!(report.mistakes, []);
    assert_eq!(report.warnings, []);
    assert_eq!(
        report.to_string(),
        format!(
            "suppliers.toml: flow suppliers, revision 1, hash {}
  real-time: 20 calls a minute, 10 records a minute (2 calls a record)
  batch: 50 calls a minute, 25 records a minute (2 calls a record)
  a day: 70000 calls of the quota, 21000 of them kept for real-time; the limits by themselves would allow 100800, so a full day ends at the quota
  worst-case staleness: 8 h, and 9 h when the clock is changed (between 2026-10-25 02:00 and 2026-10-25 10:00)
  next windows (Europe/Berlin): 2026-11-20 10:00, 2026-11-20 14:00, 2026-11-20 18:00
contacts.toml: flow contacts, revision 1, hash {}
  real-time: 30 calls a minute, 30 records a minute (1 call a record)
  batch: 60 calls a minute, 60 records a minute (1 call a record)
  worst-case staleness: 15 min (between 2026-01-01 00:00 and 2026-01-01 00:15)
  next windows (America/New_York): 2026-11-20 03:15, 2026-11-20 03:30, 2026-11-20 03:45
2 flows: no mistakes
",
            crate::flow::hash_of(SUPPLIERS),
            crate::flow::hash_of(CONTACTS)
        )
    );
}

#[test]
fn seven_mistakes_get_seven_messages_with_their_lines() {
    let text = [
        ("    \"blocked\",", "    \"blokced\","),
        ("by = \"sequence\"", "by = \"sequense\""),
        (
            "email = \"row.contact.email\"",
            "email = \"rwo.contact.email\"",
        ),
        ("windows = [", "lookbak_s = 60\nwindows = ["),
        ("{ at = \"14:00\" }", "{ at = \"25:00\" }"),
        ("calls = 20,", "calls = 0,"),
        ("name = \"fields.name\"", "name = \"fields.name ~\""),
    ]
    .iter()
    .fold(SUPPLIERS.to_owned(), |text, (from, to)| {
        edited(&text, from, to)
    });
    let at = |start: &str| line_of(&text, start);
    let expected = [
        (
            at("\"blokced\""),
            "`critical` names `blokced`, which is not in `[fields]`; did you mean `blocked`?",
        ),
        (
            at("sequense"),
            "`by` must be one of sequence, time, read, `sequense` is written; did you mean `sequence`?",
        ),
        (
            at("rwo"),
            "`rwo` is not known here; known: row, key, env; did you mean `row`?",
        ),
        (
            at("lookbak_s"),
            "unknown key `lookbak_s` in `schedule`; did you mean `lookback_s`?",
        ),
        (
            at("25:00"),
            "`25:00` is no time of day; write `HH:MM` from `00:00` to `23:59`",
        ),
        (at("calls = 0"), "`calls` must be at least 1, 0 is written"),
        (
            at("fields.name ~"),
            "`target.body.name` does not parse: unexpected end of input, expected expression",
        ),
    ];
    let expected: Vec<String> = expected
        .iter()
        .map(|(line, message)| format!("flow.toml:{line}: {message}"))
        .collect();
    let report = check_text(text.clone());
    assert_eq!(
        report
            .mistakes
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        expected
    );
    assert_eq!(
        report.to_string(),
        format!("{}\n7 mistakes\n", expected.join("\n"))
    );
    let refused: Vec<String> = crate::flow::Flow::load("flow.toml", &text, &settings())
        .err()
        .into_iter()
        .flatten()
        .map(|mistake| mistake.to_string())
        .collect();
    assert_eq!(
        refused, expected,
        "a flow that is loaded is checked in the same way"
    );
}

#[rstest]
// The TOML itself.
#[case::duplicate_key(
    "revision = 1",
    "revision = 1\nrevision = 2",
    "revision = 2",
    "the key `revision` stands there twice"
)]
#[case::open_text(
    "revision = 1",
    "revision = 1\nname2 = \"x",
    "name2",
    "invalid basic string, expected `\"`"
)]
// Its shape.
#[case::missing_key("revision = 1\n", "", "#:schema", "`revision` is missing")]
#[case::zero(
    "revision = 1",
    "revision = 0",
    "revision",
    "`revision` must be at least 1, 0 is written"
)]
#[case::beyond_32_bits(
    "revision = 1",
    "revision = 5_000_000_000",
    "revision",
    "`revision` must be at most 4294967295, 5000000000 is written"
)]
#[case::wrong_type(
    "revision = 1",
    "revision = \"one\"",
    "revision",
    "`revision` must be a whole number, `one` is written"
)]
#[case::a_date(
    "revision = 1",
    "revision = 2026-01-01",
    "revision",
    "`revision` must be a whole number, a date is written"
)]
#[case::wrong_name(
    "name = \"suppliers\"",
    "name = \"Suppliers\"",
    "name =",
    "`name` must be lower-case letters, digits and `-`, `Suppliers` is written"
)]
#[case::unknown_table(
    "[webhook]",
    "[webhok]",
    "[webhok]",
    "unknown key `webhok`; did you mean `webhook`?"
)]
#[case::unknown_word(
    "deletion = \"review\"",
    "deletion = \"revew\"",
    "deletion",
    "`deletion` must be one of delete, archive, keep, review, `revew` is written; did you mean `review`?"
)]
#[case::unknown_tag(
    "type = \"qualio\"",
    "type = \"qulio\"",
    "qulio",
    "`type` must be one of rest, qualio, `qulio` is written; did you mean `qualio`?"
)]
#[case::missing_tag(
    "by = \"keyset\", ",
    "",
    "has_more",
    "`by` is missing in `source.list.pages`: one of none, offset, number, cursor, link, header, keyset"
)]
#[case::key_of_another_tag(
    "{ by = \"sequence\", at",
    "{ by = \"read\", at",
    "by = \"read\"",
    "unknown key `at` in `record.version`; known: by"
)]
#[case::empty_list(
    "after_s = [60, 300, 900]",
    "after_s = []",
    "after_s",
    "`after_s` must have at least 1 entry, an empty list is written"
)]
#[case::one_of_a_list(
    "after_s = [60, 300, 900]",
    "after_s = [60, 0, 900]",
    "after_s",
    "`after_s[1]` must be at least 1, 0 is written"
)]
#[case::three_secrets(
    "secrets = [\"SUPPLIERS_WEBHOOK_1\",",
    "secrets = [\"A\", \"B\",",
    "secrets",
    "`secrets` must have at most 2 entries, a list of 3 is written"
)]
// Texts.
#[case::bad_expression(
    "\"row.contact.email\"",
    "\"row.contact.email |\"",
    "email =",
    "`fields.email` does not parse: unexpected end of input, expected identifier"
)]
#[case::bad_template(
    "{{ key }}",
    "{{ key }",
    "/api/suppliers/{{",
    "`source.one.path` does not parse: unexpected `}`, expected end of variable block"
)]
#[case::unknown_filter(
    "\"row.contact.email\"",
    "\"row.contact.email | trm\"",
    "email =",
    "there is no filter `trm`; did you mean `trim`?"
)]
#[case::unknown_test(
    "\"row.contact.email\"",
    "\"row.contact.email is nonne\"",
    "email =",
    "there is no test `nonne`; did you mean `none`?"
)]
#[case::unknown_function(
    "\"row.contact.email\"",
    "\"rang(3)\"",
    "email =",
    "there is no function `rang`; did you mean `range`?"
)]
#[case::method(
    "\"row.contact.email\"",
    "\"row.contact.email.upper()\"",
    "email =",
    "there is no method `upper`; values have no methods, filters are written `| upper`"
)]
#[case::unknown_field(
    "\"fields.email\"",
    "\"fields.emial\"",
    "emial",
    "`fields.emial` is not in `[fields]`; did you mean `email`?"
)]
#[case::unknown_page_name(
    "page.after_id",
    "page.after_key",
    "page.after_key",
    "`page` has no `after_key`; did you mean `after_id`?"
)]
#[case::row_in_a_path(
    "{{ key }}",
    "{{ row.id ~ key }}",
    "row.id ~ key",
    "`row` is not known here; known: key, env"
)]
#[case::no_pointer(
    "more = \"/has_more\"",
    "more = \"has.more\"",
    "has.more",
    "`has.more` is no JSON pointer; it starts with `/`, as `/has/more`"
)]
#[case::unknown_zone(
    "Europe/Berlin",
    "Europe/Brelin",
    "Brelin",
    "`Europe/Brelin` is no time zone; zones are named as `Europe/Berlin` or `UTC`"
)]
#[case::relative_path(
    "path = \"/api/suppliers\"",
    "path = \"api/suppliers\"",
    "path = \"api",
    "`api/suppliers` must start with `/`; it is added to `base_url`"
)]
#[case::query_in_a_path(
    "path = \"/api/suppliers\"",
    "path = \"/api/suppliers?all=1\"",
    "?all",
    "a path has no `?`; write what follows it into `query`, where it is encoded"
)]
#[case::no_address(
    "\"{{ env.ERP_URL }}\"",
    "\"ftp://erp.example\"",
    "ftp",
    "`base_url` must be an address such as `https://api.example.com`, without user, query or fragment; `ftp://erp.example` gives another text"
)]
// Fields and schema.
#[case::critical_twice(
    "    \"blocked\",",
    "    \"approved\",",
    "\"approved\",\n",
    "the critical field `approved` stands there twice"
)]
#[case::required(
    "required = [\"name\",",
    "required = [\"nmae\",",
    "required",
    "`schema.required` names `nmae`, which is not in `[fields]`; did you mean `name`?"
)]
#[case::property(
    "email = { type",
    "emial = { type",
    "emial",
    "`[schema.properties]` names `emial`, which is not in `[fields]`; did you mean `email`?"
)]
#[case::no_schema(
    "type = \"number\"",
    "type = \"nummer\"",
    "nummer",
    "`[schema]` is no JSON Schema: `type` must be one of string, number, integer, boolean, array, object, null"
)]
// Windows and goals.
#[case::equal_windows(
    "{ at = \"14:00\" }",
    "{ at = \"10:00\" }",
    "\"18:00\"",
    "the window `10:00` stands there twice"
)]
#[case::two_cadences(
    "windows = [",
    "every_minutes = 5\nwindows = [",
    "every_minutes",
    "`windows` and `every_minutes` exclude each other: keep one"
)]
#[case::goal_below_the_schedule(
    "other_s = 32_400",
    "other_s = 28_800",
    "other_s",
    "`other_s` is 28800, but up to 32400 s (9 h) lie between the windows 2026-10-25 02:00 and 2026-10-25 10:00: make it at least 32400, or add a window"
)]
// Calls.
#[case::page_variable(
    "{{ page.after_time or since }}",
    "{{ since }}",
    "pages = ",
    "pages go by `keyset`, but `source.list` does not use `page.after_time`: every page would be the first"
)]
#[case::one_without_key(
    "{{ key }}",
    "1",
    "[source.one]",
    "`source.one` does not use `key`: every record would be read as the same one"
)]
#[case::qualio_body(
    "intended_use =",
    "purpose =",
    "purpose = \"fields",
    "Qualio takes no `purpose`; known: name, contact_information, intended_use, sponsor_user_id, risk_id"
)]
#[case::qualio_contact(
    "website = \"fields",
    "web = \"fields",
    "web = ",
    "Qualio takes no `web`; known: name, email, phone, address, website, notes"
)]
#[case::qualio_deletion(
    "deletion = \"review\"",
    "deletion = \"delete\"",
    "deletion",
    "`deletion` is `delete`, but Qualio can neither delete nor archive a supplier; write `review` or `keep`"
)]
#[case::secret_twice(
    "SUPPLIERS_WEBHOOK_2",
    "SUPPLIERS_WEBHOOK_1",
    "secrets =",
    "the secret `SUPPLIERS_WEBHOOK_1` stands there twice: name two different ones, or one"
)]
// Limits.
#[case::above_the_account(
    "calls = 50,",
    "calls = 190,",
    "account",
    "both tiers together may make 210 calls in 60 s, but the account allows 200: lower `real_time` or `batch`"
)]
#[case::deaf_breaker(
    "preset = \"slow-answers\"",
    "failures = 20",
    "failures = 20",
    "`failures` is 20, `of` is 10: the breaker would never open"
)]
#[case::never_slow(
    "preset = \"slow-answers\"",
    "slow_ms = 10_000",
    "slow_ms",
    "no answer can be slow: `slow_ms` is 10000, and a call is cut after 10000 ms (`timeout_s`)"
)]
fn a_mistake_in_the_supplier_flow_is_told(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    let text = edited(SUPPLIERS, from, to);
    // The line above the one that is meant, where the meant one is not the first of its kind.
    let line = match from {
        "{ at = \"14:00\" }" => line_of(&text, at) - 1,
        "    \"blocked\"," => line_of(&text, "\"approved\",") + 1,
        _ => line_of(&text, at.trim_end()),
    };
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: {expected}")]
    );
}

#[rstest]
#[case::no_upsert_key(
    "path = \"/3.0/members/{{ key }}\"",
    "path = \"/3.0/members\"",
    "[target.upsert]",
    "`upsert` does not use `key`: every record would replace the same one"
)]
#[case::no_way_to_write(
    "[target.upsert]\nmethod = \"PUT\"\npath = \"/3.0/members/{{ key }}\"",
    "",
    "[target]",
    "`target` cannot write: it needs `upsert`, or `create` and `update`"
)]
#[case::create_alone(
    "[target.upsert]\nmethod = \"PUT\"",
    "[target.create]\nmethod = \"POST\"",
    "[target]",
    "`update` is missing in `target`: `create` alone cannot keep a record in step"
)]
#[case::create_beside_upsert(
    "[target.delete]",
    "[target.create]\nmethod = \"POST\"\npath = \"/x\"\n[target.delete]",
    "[target.create]",
    "`upsert` creates and updates: leave out `create` and `update`, or `upsert`"
)]
#[case::id_is_not_known(
    "path = \"/3.0/members/{{ key }}\"\n\n# Each",
    "path = \"/3.0/members/{{ target_id }}\"\n\n# Each",
    "[target.upsert]",
    "`delete` uses `target_id`, so `upsert` needs `id`: a JSON pointer to the id in its answer"
)]
#[case::delete_the_same(
    "path = \"/3.0/members/{{ key }}\"\n\n# Each",
    "path = \"/3.0/members\"\n\n# Each",
    "[target.delete]",
    "`delete` uses neither `target_id` nor `key`: every record would be the same one"
)]
#[case::archive_without_a_call(
    "deletion = \"delete\"",
    "deletion = \"archive\"",
    "deletion",
    "`deletion` is `archive`, so the target needs a call `[target.archive]`"
)]
#[case::target_id_in_an_upsert(
    "full_name = \"fields.name\"",
    "full_name = \"target_id\"",
    "full_name",
    "`target_id` is not known here; known: fields, key, env"
)]
#[case::header_name(
    "Accept =",
    "\"Acc ept\" =",
    "Acc ept",
    "`Acc ept` is no name of a header; letters, digits and `-` make one"
)]
#[case::code_without_a_place(
    "code_at = \"/error/code\", ",
    "",
    "undeliverable",
    "`code` needs `code_at`, a JSON pointer to where it stands"
)]
#[case::every_answer(
    "status = 400, code_at = \"/error/code\", code = \"undeliverable\", ",
    "",
    "action = \"review\"",
    "this row would match every answer: give it a `status` or a `code`"
)]
#[case::no_window(
    "every_minutes = 15\n",
    "",
    "[schedule]",
    "no window is named: set `windows` or `every_minutes`"
)]
#[case::cursor(
    "cursor = \"{{ page.cursor }}\", ",
    "",
    "pages = ",
    "pages go by `cursor`, but `source.list` does not use `page.cursor`: every page would be the first"
)]
#[case::no_email_in_a_table(
    "type = \"string\", format = \"email\"",
    "type = \"string\", minLength = -1",
    "minLength",
    "`[schema]` is no JSON Schema: -1 is less than the minimum of 0"
)]
#[case::a_setting_in_a_list(
    "secret = \"CRM_API_KEY\"",
    "secret = \"\"",
    "auth = { type = \"api_key\"",
    "`secret` must not be empty, an empty text is written"
)]
fn a_mistake_in_the_contact_flow_is_told(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    assert_one(CONTACTS, from, to, at, expected);
}

#[test]
fn a_body_that_is_sent_must_not_be_empty() {
    let start = CONTACTS.find("[target.body]").unwrap();
    let end = CONTACTS.find("[target.limits]").unwrap();
    let text = format!("{}{}", &CONTACTS[..start], &CONTACTS[end..]);
    let line = line_of(&text, "[target]");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `upsert` sends a body, but `[target.body]` is missing or empty"
        )]
    );
}

#[rstest]
#[case::settle(
    SUPPLIERS,
    "after_s = [60, 300, 900]",
    "after_s = [5]",
    "after_s",
    "the first retry is named after 5 s, but after a time-out a record stays quiet for 30 s (`timeout_s` 10 and `settle_s` 20)"
)]
#[case::no_webhook(
    CONTACTS,
    "[webhook]\nsecrets = [\"CRM_WEBHOOK\"]\nkey = \"body.contact_id\"",
    "",
    "critical_s",
    "`critical_s` is 300, but without `[webhook]` critical changes are found by batches only, and up to 900 s (15 min) lie between the windows 2026-01-01 00:00 and 2026-01-01 00:15"
)]
#[case::since(
    CONTACTS,
    "by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\"",
    "by = \"sequence\", at = \"row.number\"",
    "[record]",
    "`source.list` asks by `since`, but no row says when it was changed: name `record.modified`, or every run reads everything"
)]
#[case::no_setting(
    CONTACTS,
    "CRM_URL",
    "CRM_ADDRESS",
    "CRM_ADDRESS",
    "the setting `CRM_ADDRESS` is not set"
)]
fn what_works_but_perhaps_not_as_meant_is_a_warning(
    #[case] base: &str,
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    let text = edited(base, from, to);
    let line = line_of(&text, at);
    let report = check_text(text);
    assert_eq!(report.mistakes, []);
    assert_eq!(lines(&report.warnings), [format!("{line}: {expected}")]);
}

#[test]
fn a_missing_setting_refuses_a_flow_that_is_to_run() {
    let mistakes = mistakes_of("flow.toml", CONTACTS, &Settings::new());
    let line = |start| line_of(CONTACTS, start);
    assert_eq!(
        lines(&mistakes),
        [
            format!("{}: the setting `CRM_URL` is not set", line("CRM_URL")),
            format!(
                "{}: the setting `NEWSLETTER_URL` is not set",
                line("NEWSLETTER_URL")
            ),
        ]
    );
}

#[test]
fn flows_that_share_a_system_must_say_the_same_of_it() {
    let second = edited(
        &edited(SUPPLIERS, "calls = 50,", "calls = 40,"),
        "name = \"suppliers\"",
        "name = \"makers\"",
    );
    let third = edited(
        SUPPLIERS,
        "preset = \"slow-answers\"",
        "preset = \"failures\"",
    );
    let files = [
        ("a.toml", SUPPLIERS),
        ("b.toml", &second),
        ("c.toml", &third),
    ]
    .map(|(name, text)| (name.to_owned(), text.to_owned()));
    let told: Vec<String> = check(&files, &settings(), NOW)
        .mistakes
        .iter()
        .map(ToString::to_string)
        .collect();
    let [name, limits, breaker] = [
        "name = \"suppliers\"",
        "[target.limits]",
        "[target.breaker]",
    ]
    .map(|start| line_of(SUPPLIERS, start));
    assert_eq!(
        told,
        [
            format!(
                "b.toml:{limits}: the target `qualio` has another `limits` in a.toml:{limits}: flows that share a target say the same, or name it otherwise"
            ),
            format!(
                "c.toml:{name}: the flow `suppliers` is also in a.toml:{name}: give it another name"
            ),
            format!(
                "c.toml:{breaker}: the target `qualio` has another `breaker` in a.toml:{breaker}: flows that share a target say the same, or name it otherwise"
            ),
        ]
    );
}

/// Every place of the schema with a format that the check knows, as a pattern of `PLACES`.
fn places_of(schema: &Value, root: &Value, at: &str, found: &mut BTreeSet<(String, String)>) {
    if let Some(to) = schema.get("$ref").and_then(Value::as_str) {
        places_of(
            root.pointer(to.trim_start_matches('#')).unwrap(),
            root,
            at,
            found,
        );
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        found.insert((at.to_owned(), format.to_owned()));
    }
    for (name, property) in schema
        .get("properties")
        .and_then(Value::as_object)
        .into_iter()
        .flatten()
    {
        places_of(property, root, &format!("{at}/{name}"), found);
    }
    for below in ["additionalProperties", "items"] {
        if let Some(below) = schema.get(below).filter(|below| below.is_object()) {
            places_of(below, root, &format!("{at}/*"), found);
        }
    }
    for forms in ["oneOf", "anyOf"] {
        for form in schema
            .get(forms)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
        {
            places_of(form, root, at, found);
        }
    }
}

#[test]
fn every_text_that_the_schema_marks_is_checked() {
    let schema = crate::flow::schema_of_flow_file();
    let mut marked = BTreeSet::new();
    places_of(&schema, &schema, "", &mut marked);
    let checked: BTreeSet<(String, String)> = PLACES
        .iter()
        .map(|(pattern, holds)| {
            let format = match holds {
                Holds::Expression(_) => "expression",
                Holds::Template(_) | Holds::Path(_) => "template",
                Holds::Body(_) => "body",
                Holds::Pointer => "json-pointer",
                Holds::Zone => "time-zone",
                Holds::LocalTime => "local-time",
            };
            ((*pattern).to_owned(), format.to_owned())
        })
        .collect();
    assert_eq!(marked, checked);
}

proptest! {
    #[test]
    fn no_text_makes_the_check_panic(text in "\\PC{0,400}") {
        let report = check_text(text);
        prop_assert!(report.mistakes.iter().all(|mistake| mistake.line >= 1));
    }

    #[test]
    fn no_edit_of_a_flow_makes_the_check_panic(at in 0..SUPPLIERS.len(), cut in 0..12_usize, put in "[\\PC\n\"{}\\[\\]=|.]{0,6}") {
        let start = (0..=at).rev().find(|at| SUPPLIERS.is_char_boundary(*at)).unwrap();
        let end = (start + cut..=SUPPLIERS.len()).find(|at| SUPPLIERS.is_char_boundary(*at)).unwrap_or(SUPPLIERS.len());
        let text = format!("{}{put}{}", &SUPPLIERS[..start], &SUPPLIERS[end..]);
        let last = text.lines().count().max(1);
        let report = check_text(text);
        prop_assert!(report.mistakes.iter().all(|mistake| (1..=last + 1).contains(&mistake.line)));
        prop_assert_eq!(report.mistakes.is_empty(), report.flows.len() == 1);
    }
}
