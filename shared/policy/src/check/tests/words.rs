//! What a message repeats, and paths.

use rstest::rstest;

use super::*;
use crate::check::words::written;

#[test]
fn a_value_is_repeated_only_where_it_is_short() {
    let longest = "x".repeat(60);
    assert_eq!(written(&longest.clone().into()), format!("`{longest}`"));
    assert_eq!(written(&"x".repeat(61).into()), "a text");
    assert_eq!(written(&serde_json::json!({"a": 1})), "a table");
    assert_eq!(written(&serde_json::json!([1, 2])), "a list of 2");
}

#[rstest]
#[case::a_question_behind_a_value(
    "/v2/contacts/{{ key }}?all=1",
    "a path has no `?`; write what follows it into `query`, where it is encoded"
)]
#[case::a_mark(
    "/v2/con#tacts/{{ key }}",
    "a path has no blank and no `#`; write them as `%20` and `%23`"
)]
#[case::a_blank(
    "/v2/con tacts/{{ key }}",
    "a path has no blank and no `#`; write them as `%20` and `%23`"
)]
fn a_path_is_a_path_alone(#[case] path: &str, #[case] expected: &str) {
    let text = edited(CONTACTS, "/v2/contacts/{{ key }}", path);
    let line = line_of(&text, path);
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!("{line}: {expected}")]
    );
}

#[test]
fn a_name_that_is_not_offered_is_told_once() {
    let text = edited(
        CONTACTS,
        "limit = \"{{ page.size }}\"",
        "limit = \"{{ fields.nope }}\"",
    );
    assert_eq!(check_text(text).mistakes.len(), 1);
}

#[test]
fn a_goal_as_long_as_the_worst_gap_is_kept() {
    let text = edited(
        CONTACTS,
        "[webhook]\nsecrets = [\"CRM_WEBHOOK\"]\nkey = \"body.contact_id\"",
        "",
    );
    let text = edited(&text, "critical_s = 300", "critical_s = 900");
    let report = check_text(text);
    assert_eq!((report.mistakes, report.warnings), (vec![], vec![]));
}

/// Every line after it upsets the parser.
#[test]
fn a_bracket_that_is_not_closed_is_told_by_the_first_lines() {
    let text = edited(CONTACTS, "name = \"contacts\"", "name = [ \"contacts\"");
    let opened = line_of(&text, "name = [");
    let mistakes = check_text(text).mistakes;
    assert_eq!(mistakes.len(), 3);
    assert!(mistakes[0].line - opened <= 3, "{mistakes:?}");
    assert!(mistakes[2].message.contains("more lines can not be read"));
}

#[test]
fn a_day_too_short_for_a_record_is_odd() {
    let text = edited(
        SUPPLIERS,
        "day = { calls = 100_000 }",
        "day = { calls = 10 }",
    );
    let line = line_of(&text, "day = {");
    let expected = format!(
        "{line}: a record whose create went unanswered takes 7 calls (5 to look it up, 2 to update it), and of 10 a day the batch tier may make 5: allow more, or lower `headroom_percent` or `real_time_percent`"
    );
    assert!(lines(&check_text(text).warnings).contains(&expected));
    let text = edited(
        CONTACTS,
        "[target.limits]",
        "[target.limits]\nday = { calls = 1 }",
    );
    let told = lines(&check_text(text).warnings).concat();
    assert!(
        told.contains(": a record takes 1 call, and of 1 a day the batch tier may make 0: "),
        "{told}"
    );
}

#[test]
fn a_limit_that_does_not_carry_what_is_expected_is_odd() {
    let slow = edited(
        SUPPLIERS,
        "batch = { calls = 50, per_s = 60 }",
        "batch = { calls = 10, per_s = 3600 }",
    );
    let line = line_of(&slow, "batch = {");
    let report = check_text(slow);
    let expected = format!(
        "{line}: `[expected]` brings this tier 1350 changes a day, which are 2700 calls, and 240 are allowed: what waits grows day by day"
    );
    assert_eq!(lines(&report.mistakes), [""; 0]);
    assert!(
        lines(&report.warnings).contains(&expected),
        "{:?}",
        report.warnings
    );
    let told = report.to_string();
    assert!(
        told.contains("  batch: 240 calls a day, 120 records a day (2 calls a record)\n"),
        "{told}"
    );
}

/// By the batch alone, and by the quota of a day as well.
#[rstest]
#[case::real_time_carries_nothing("real_time = { calls = 1, per_s = 3600 }", None)]
#[case::all_in_the_batch(
    "batch = { calls = 1400, per_s = 86400 }",
    Some("1500 changes a day, which are 3000 calls, and 1400 are allowed")
)]
#[case::beyond_the_quota(
    "day = { calls = 2_000 }",
    Some("1500 changes a day, which are 3000 calls, and 980 are allowed")
)]
fn what_is_expected_of_a_flow_without_critical_fields_goes_by_the_batch(
    #[case] limit: &str,
    #[case] told: Option<&str>,
) {
    let name = limit.split(' ').next().unwrap();
    let begins = |line: &&str| line.starts_with(&format!("{name} = {{"));
    let before = SUPPLIERS.lines().find(begins).unwrap();
    let critical = SUPPLIERS.find("critical = [").unwrap();
    let end = critical + SUPPLIERS[critical..].find("\n]").unwrap() + 2;
    let text = edited(SUPPLIERS, &SUPPLIERS[critical..end], "");
    let warned = lines(&check_text(edited(&text, before, limit)).warnings).concat();
    match told {
        Some(told) => assert!(warned.contains(told), "{warned}"),
        None => assert!(!warned.contains("`[expected]` brings"), "{warned}"),
    }
}

#[test]
fn an_expectation_beyond_any_number_is_a_mistake_of_shape() {
    let text = edited(
        SUPPLIERS,
        "changes_a_day = 1_500",
        "changes_a_day = 9_223_372_036_854_775_807",
    );
    let report = check_text(text);
    assert!(!report.is_ok());
    assert!(
        !report.to_string().contains("`[expected]` brings"),
        "{report}"
    );
}
