//! Each rule that a flow between two JSON APIs can break, a row, and what is only odd.

use rstest::rstest;

use super::*;

fn assert_one(base: &str, from: &str, to: &str, at: &str, expected: &str) {
    let text = edited(base, from, to);
    let line = line_of(&text, at);
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
    "path = \"/3.0/members/{{ key }}\"\n\n# What stands",
    "path = \"/3.0/members/{{ target_id }}\"\n\n# What stands",
    "[target.upsert]",
    "`delete` uses `target_id`, so `upsert` needs `id`: a JSON pointer to the id in its answer"
)]
#[case::delete_the_same(
    "path = \"/3.0/members/{{ key }}\"\n\n# What stands",
    "path = \"/3.0/members\"\n\n# What stands",
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
    "full_name = \"target_id\"",
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
    "`secret` must be the name of a secret: capital letters, digits and `_`, a letter first, 64 at most; what is written may be the secret itself, so it is not repeated"
)]
fn a_mistake_in_the_contact_flow_is_told(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    assert_one(CONTACTS, from, to, at, expected);
}

const KEY: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// A key that is pasted where its name belongs.
#[rstest]
#[case::of_calls("secret = \"CRM_API_KEY\"", "secret = \"KEY\"")]
#[case::of_a_bearer("secret = \"NEWSLETTER_TOKEN\"", "secret = \"KEY\"")]
#[case::of_webhooks("secrets = [\"CRM_WEBHOOK\"]", "secrets = [\"KEY\"]")]
#[case::twice("secrets = [\"CRM_WEBHOOK\"]", "secrets = [\"KEY\", \"KEY\"]")]
#[case::no_list("secrets = [\"CRM_WEBHOOK\"]", "secrets = \"KEY\"")]
#[case::in_a_list("secret = \"NEWSLETTER_TOKEN\"", "secret = [\"KEY\"]")]
#[case::no_table(
    "auth = { type = \"bearer\", secret = \"NEWSLETTER_TOKEN\" }",
    "auth = \"KEY\""
)]
#[case::no_quotes("secrets = [\"CRM_WEBHOOK\"]", "secrets = [KEY]")]
fn a_secret_in_the_place_of_its_name_is_not_repeated(#[case] from: &str, #[case] to: &str) {
    let text = edited(CONTACTS, from, &to.replace("KEY", KEY));
    let line = line_of(&text, KEY);
    let told = lines(&check_text(text).mistakes);
    assert!(!told.is_empty());
    for told in told {
        assert!(told.starts_with(&format!("{line}: ")), "{told}");
        assert!(!told.contains("whsec") && !told.contains("C2FV"), "{told}");
    }
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

#[rstest]
#[case::idempotent("idempotency_header = \"X-Key\"", "the create again, an update")]
#[case::searchable(
    "find = { path = \"/3.0/members\", query = { q = \"{{ search }}\" }, by = \"key\", id = \"/id\" }",
    "one to look it up, one to update it"
)]
fn a_limit_below_one_record_is_refused(#[case] further: &str, #[case] what: &str) {
    let upsert = CONTACTS.find("# The key is part of the path").unwrap();
    let delete = CONTACTS.find("[target.delete]").unwrap();
    let text = format!("{}{}", &CONTACTS[..upsert], &CONTACTS[delete..]);
    let calls = format!(
        "name = \"newsletter\"\n{further}\ncreate = {{ method = \"POST\", path = \"/3.0/members\", id = \"/id\" }}\nupdate = {{ method = \"PUT\", path = \"/3.0/members/{{{{ target_id }}}}\" }}"
    );
    let text = edited(&text, "name = \"newsletter\"", &calls);
    let text = edited(
        &text,
        "key = \"row.id\"\n\n# How",
        "key = \"row.id\"\nid = \"/id\"\n\n# How",
    );
    let with = |calls: u32| edited(&text, "{ calls = 30,", &format!("{{ calls = {calls},"));
    assert_eq!(lines(&check_text(with(2)).mistakes), [""; 0]);
    let line = line_of(&text, "real_time = {");
    assert_eq!(
        lines(&check_text(with(1)).mistakes),
        [format!(
            "{line}: a record whose create went unanswered takes 2 calls in one window ({what}): allow at least 2"
        )]
    );
}

#[test]
fn an_upsert_needs_one_call() {
    let text = edited(CONTACTS, "{ calls = 30,", "{ calls = 1,");
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

#[rstest]
#[case::its_own_events(
    "source = \"crm\"\ndetail_type",
    "source = \"tidegate\"\ndetail_type",
    "source = \"tidegate\"",
    "`source` is `tidegate`, but events of our own start no batch: they would go round in circles"
)]
#[case::twice(
    "# Each contact",
    "[[trigger]] # again\nsource = \"crm\"\ndetail_type = \"end of day\"\ndetail = { \"/region\" = [\"us\"] }\n# Each contact",
    "# again",
    "this trigger stands there twice"
)]
#[case::no_pointer(
    "\"/region\"",
    "region",
    "detail = { region",
    "`region` is not a JSON pointer to a name in the event's detail, such as `/bucket/name`"
)]
#[case::through_a_value(
    "{ \"/region\" = [\"us\"] }",
    "{ \"/region\" = [\"us\"], \"/region/name\" = [\"x\"] }",
    "detail = {",
    "`/region` must be a value, and `/region/name` leads through it: name one of them"
)]
#[case::a_value_that_no_pattern_has(
    "[\"us\"]",
    "[1.5]",
    "detail = {",
    "`/region[0]` must be true or false or a whole number or a text, 1.5 is written"
)]
#[case::no_value(
    "[\"us\"]",
    "[]",
    "detail = {",
    "`/region` must have at least 1 entry, an empty list is written"
)]
fn each_rule_of_a_trigger_is_told(
    #[case] from: &str,
    #[case] to: &str,
    #[case] at: &str,
    #[case] expected: &str,
) {
    assert_one(CONTACTS, from, to, at, expected);
}

#[test]
fn a_service_of_aws_is_heard_on_its_own_bus() {
    let of_s3 = edited(
        CONTACTS,
        "source = \"crm\"\ndetail",
        "source = \"aws.s3\"\ndetail",
    );
    let report = check_text(of_s3.clone());
    assert_eq!(report.mistakes, []);
    assert_eq!(report.warnings.len(), 1, "{:?}", report.warnings);
    let named = edited(
        &of_s3,
        "source = \"aws.s3\"",
        "source = \"aws.s3\"\nbus = \"default\"",
    );
    assert_eq!(check_text(named).warnings, []);
}
