//! A target that is written by `create` and `update`, and what its calls carry.

use rstest::rstest;

use super::*;

/// The contact flow with these two calls in place of its upsert, and what else is said of the target.
fn creates(further: &str) -> String {
    let upsert = CONTACTS.find("# The key is part of the path").unwrap();
    let delete = CONTACTS.find("[target.delete]").unwrap();
    let text = format!("{}{}", &CONTACTS[..upsert], &CONTACTS[delete..]);
    let calls = format!(
        "name = \"newsletter\"\n{further}\ncreate = {{ method = \"POST\", path = \"/3.0/members\", id = \"/id\" }}\nupdate = {{ method = \"PUT\", path = \"/3.0/members/{{{{ target_id }}}}\" }}"
    );
    let text = edited(&text, "name = \"newsletter\"", &calls);
    edited(
        &text,
        "key = \"row.id\"\n\n# How",
        "key = \"row.id\"\nid = \"/id\"\n\n# How",
    )
}

#[test]
fn a_create_that_can_not_be_found_again_is_odd() {
    let text = creates("");
    let line = line_of(&text, "create = {");
    let report = check_text(text);
    assert_eq!(lines(&report.mistakes), [""; 0]);
    assert_eq!(
        lines(&report.warnings),
        [format!(
            "{line}: without `find` or `idempotency_header` a create whose outcome is not known goes to review"
        )]
    );
    let find =
        "find = { path = \"/m\", query = { q = \"{{ search }}\" }, by = \"key\", id = \"/id\" }";
    for recovers in ["idempotency_header = \"X-Key\"", find] {
        let report = check_text(creates(recovers));
        assert_eq!((report.mistakes, report.warnings), (vec![], vec![]));
    }
}

#[test]
fn a_look_up_without_its_search_value_is_refused() {
    let text = creates("find = { path = \"/m\", by = \"key\", id = \"/id\" }");
    let line = line_of(&text, "find = {");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `find` does not use `search`: it would find every record"
        )]
    );
}

#[rstest]
#[case("full_name = \"key\"")]
#[case("full_name = [\"fields.name\", \"key\"]")]
#[case("full_name = { of = { whom = \"key\" } }")]
fn the_key_of_an_upsert_may_stand_in_its_body(#[case] leaf: &str) {
    let text = edited(CONTACTS, "full_name = \"fields.name\"", leaf);
    let text = edited(
        &text,
        "method = \"PUT\"\npath = \"/3.0/members/{{ key }}\"",
        "method = \"PUT\"\npath = \"/3.0/members\"",
    );
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

#[test]
fn a_body_may_be_missing_where_no_call_sends_one() {
    let start = CONTACTS.find("[target.body]").unwrap();
    let end = CONTACTS.find("[target.limits]").unwrap();
    let text = format!("{}{}", &CONTACTS[..start], &CONTACTS[end..]);
    let text = edited(
        &text,
        "method = \"PUT\"",
        "method = \"PUT\"\nsend_body = false",
    );
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

#[test]
fn a_place_of_a_code_without_the_code_is_refused() {
    let text = edited(CONTACTS, "code = \"undeliverable\", ", "");
    let line = line_of(&text, "code_at");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `code_at` says where a code stands, but not which: add `code`"
        )]
    );
}

#[test]
fn only_a_create_that_is_found_again_takes_a_second_call() {
    let one_call = |text: &str| edited(text, "{ calls = 30,", "{ calls = 1,");
    let upsert = edited(
        CONTACTS,
        "name = \"newsletter\"",
        "name = \"newsletter\"\nidempotency_header = \"X-Key\"",
    );
    for text in [upsert, creates("")] {
        assert_eq!(lines(&check_text(one_call(&text)).mistakes), [""; 0]);
    }
}

#[test]
fn a_target_without_a_listing_needs_no_id_in_its_rows() {
    let start = CONTACTS.find("# What stands there").unwrap();
    let end = CONTACTS.find("# Each leaf is").unwrap();
    let text = creates("idempotency_header = \"X-Key\"");
    let text = edited(
        &text,
        "key = \"row.id\"\nid = \"/id\"\n\n# How",
        "key = \"row.id\"\n\n# How",
    );
    let text = edited(&text, &CONTACTS[start..end], "");
    assert_eq!(lines(&check_text(text).mistakes), [""; 0]);
}

#[rstest]
#[case::both_tiers_make_what_the_account_allows("calls = 50,", "calls = 180,")]
#[case::as_many_failures_as_are_remembered(
    "preset = \"slow-answers\"",
    "preset = \"slow-answers\"\nfailures = 20\nof = 20"
)]
#[case::a_retry_when_the_quiet_time_is_over("after_s = [60, 300, 900]", "after_s = [30]")]
fn what_just_fits_is_right(#[case] from: &str, #[case] to: &str) {
    let report = check_text(edited(SUPPLIERS, from, to));
    assert_eq!((report.mistakes, report.warnings), (vec![], vec![]));
}
