//! What a flow file can get wrong about its audit.

use rstest::rstest;

use super::*;

#[rstest]
#[case::unknown_field(
    "required = [\"purpose\", ",
    "required = [\"purpos\", ",
    "required = [\"purpos",
    "`audit.required` names `purpos`, which is not in `[fields]`; did you mean `purpose`?"
)]
#[case::twice(
    "required = [\"purpose\", ",
    "required = [\"email\", ",
    "required = [\"email",
    "the audit.required field `email` stands there twice"
)]
#[case::unknown_in_a_rule(
    "not (fields.blocked and",
    "not (fields.bloked and",
    "bloked",
    "`fields.bloked` is not in `[fields]`; did you mean `blocked`?"
)]
#[case::a_row_is_not_at_hand(
    "not (fields.blocked and",
    "not (row.blocked and",
    "row.blocked and",
    "`row` is not known here; known: fields, key, env"
)]
#[case::no_expression(
    "not (fields.blocked and",
    "not ((fields.blocked and",
    "not ((fields",
    "`audit.rules.2.holds` does not parse: unexpected end of input, expected `)`"
)]
#[case::rule_twice(
    "name = \"valid-has-certificates\"",
    "name = \"approved-is-certified\"",
    "holds = \"fields.certification_status != ",
    "the rule `approved-is-certified` stands there twice"
)]
#[case::unknown_unique(
    "[[audit.unique]]\nfields = [\"email\"]",
    "[[audit.unique]]\nfields = [\"mail\"]",
    "fields = [\"mail\"]",
    "`audit.unique.0.fields` names `mail`, which is not in `[fields]`; did you mean `email`?"
)]
#[case::no_window(
    "after = [\"02:00\"]",
    "after = [\"03:00\"]",
    "after = [",
    "`03:00` is no window of `[schedule]`; did you mean `02:00`?"
)]
#[case::no_time(
    "after = [\"02:00\"]",
    "after = [\"night\"]",
    "after = [",
    "`night` is no time of day; write `HH:MM` from `00:00` to `23:59`"
)]
fn a_mistake_in_an_audit_is_told_with_its_line(
    #[case] from: &str,
    #[case] to: &str,
    #[case] place: &str,
    #[case] message: &str,
) {
    let text = edited(SUPPLIERS, from, to);
    let line = line_of(&text, place);
    let told = lines(&check_text(text).mistakes);
    let expected = format!("{line}: {message}");
    let above = format!("{}: {message}", line - 1);
    assert!(
        told.contains(&expected) || told.contains(&above),
        "{told:#?}"
    );
}

#[test]
fn an_audit_that_looks_for_nothing_is_a_mistake() {
    let (before, _) = CONTACTS.split_once("[target]").unwrap();
    let text = edited(CONTACTS, "[target]", "[audit]\n\n[target]");
    let line = before.lines().count() + 1;
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `[audit]` looks for nothing: name `required` fields, `rules` or what is `unique`"
        )]
    );
}

#[test]
fn a_schedule_by_minutes_has_no_window_that_an_audit_could_follow() {
    let audit = "[audit]\nafter = [\"02:00\"]\nrequired = [\"email\"]\n\n[target]";
    let text = edited(CONTACTS, "[target]", audit);
    let line = line_of(&text, "after = [\"02:00\"]");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `02:00` is no window: a schedule by `every_minutes` has none to follow"
        )]
    );
}

#[test]
fn what_an_audit_looks_at_and_when_is_said() {
    let audit = "[audit]\nrequired = [\"email\"]\n\n[target]";
    let report = check_text(edited(CONTACTS, "[target]", audit)).to_string();
    let line = "  audit: when it is asked for; 1 field that should be filled\n";
    assert!(report.contains(line), "{report}");
}
