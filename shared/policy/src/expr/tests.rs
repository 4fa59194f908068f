use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;

use super::*;

fn row() -> Context {
    let row = json!({
        "id": "SUP/1 2", "n": 7, "big": 9_007_199_254_740_993_u64, "price": 12.5, "flag": true, "none": null,
        "name": " Acme ", "tags": ["b", "a"], "contact": {"email": "a@b.example"}, "secret": "hunter2", "dots": "..",
        "at": "2026-11-20T09:00:00+01:00", "civil": "2026-11-20 09:00:00", "unix": 1_795_161_600,
    });
    Context::new().with("row", &row).with("key", "K-1")
}

fn eval(text: &str) -> Result<Value, ExprError> {
    Expression::compile(text)?.eval(&row())
}

#[rstest]
#[case::numbers_stay_whole("row.n", json!(7))]
#[case::beyond_a_double("row.big", json!(9_007_199_254_740_993_u64))]
#[case::fractions("row.price", json!(12.5))]
#[case::arithmetic("row.n * 2 + 1", json!(15))]
#[case::flags("row.flag", json!(true))]
#[case::null("row.none", Value::Null)]
#[case::lists("row.tags | sort", json!(["a", "b"]))]
#[case::tables("row.contact", json!({"email": "a@b.example"}))]
#[case::missing("row.phone", Value::Null)]
#[case::missing_below_missing("row.address.city.name", Value::Null)]
#[case::missing_below_null("row.none.name", Value::Null)]
#[case::filter_on_missing("row.phone | trim | upper", Value::Null)]
#[case::filter_on_null("row.none | int", Value::Null)]
#[case::filter_on_a_text("row.name | trim | upper", json!("ACME"))]
#[case::replace("row.name | replace('A', 'E') | trim", json!("Ecme"))]
#[case::default_for_missing("row.phone | default('none')", json!("none"))]
#[case::choice("'yes' if row.flag else 'no'", json!("yes"))]
#[case::either("row.phone or row.name", json!(" Acme "))]
#[case::time_with_an_offset("row.at | rfc3339", json!("2026-11-20T08:00:00Z"))]
#[case::time_in_a_zone("row.civil | rfc3339('Europe/Berlin')", json!("2026-11-20T08:00:00Z"))]
#[case::time_in_seconds("row.unix | rfc3339", json!("2026-11-20T08:00:00Z"))]
#[case::no_time("row.none | rfc3339", Value::Null)]
// sha256sum of `["hunter2"]`, its first half.
#[case::hash("[row.secret] | hash", json!("1def95a8f36410a6b7c15498b02ec714"))]
#[case::hash_of_nothing("row.none | hash", Value::Null)]
fn an_expression_gives_a_json_value(#[case] text: &str, #[case] expected: Value) {
    assert_eq!(eval(text), Ok(expected));
}

#[rstest]
#[case::no_offset(
    "row.civil | rfc3339",
    "`rfc3339` was given a text that is no time with an offset; name its zone: rfc3339('Europe/Berlin')"
)]
#[case::no_zone(
    "row.civil | rfc3339('Mars')",
    "`rfc3339` was given a zone that is not known"
)]
#[case::kinds(
    "row.contact + 1",
    "tried to use + operator on unsupported types map and number"
)]
#[case::number("row.secret | int", "invalid operation")]
#[case::calculation("row.n // 0", "invalid operation")]
#[case::a_list_as_a_name("{[row.n]: 1}", "its value has no form in JSON")]
fn an_expression_that_fails_says_why_without_values(#[case] text: &str, #[case] expected: &str) {
    let error = eval(text).unwrap_err();
    let told = format!("{error} {error:?}");
    assert!(
        !told.contains("hunter2") && !told.contains("09:00"),
        "{told}"
    );
    assert_eq!(error.why(), expected);
}

#[test]
fn a_loop_that_would_stall_a_worker_runs_out_of_fuel() {
    let text =
        "{% for a in range(9000) %}{% for b in range(9000) %}{{ a }}{% endfor %}{% endfor %}";
    let error = Template::compile(text, Encoding::Plain)
        .unwrap()
        .render(&row())
        .unwrap_err();
    assert_eq!(error.why(), "it does more work than one expression may");
}

#[rstest]
#[case::text("'x' * 300_000", "it gives more than 262144 bytes")]
#[case::of_the_row("row.name * 90_000", "it gives more than 262144 bytes")]
#[case::list("[row.n] * 90_000_000", "it gives more than 262144 bytes")]
#[case::more_than_can_be_made("'x' * 900_000_000", "repeated string is too large")]
#[case::range("range(900_000) | sum", "range has too many elements")]
fn what_gives_too_much_is_stopped(#[case] text: &str, #[case] why: &str) {
    let error = eval(text).unwrap_err();
    assert_eq!(error.why(), why);
    assert!(matches!(error, ExprError::TooCostly { .. }));
}

#[rstest]
#[case::one("{{ 'x' * 300_000 }}")]
#[case::many("{% for n in range(9) %}{{ 'x' * 30_000 }}{% endfor %}")]
fn a_template_that_gives_too_much_is_stopped(#[case] text: &str) {
    let template = Template::compile(text, Encoding::Plain).unwrap();
    let error = template.render(&row()).unwrap_err();
    assert_eq!(error.why(), "it gives more than 262144 bytes");
}

#[test]
fn the_largest_value_is_given() {
    let most = MAX_VALUE_BYTES - "\"\"".len();
    let eval = |bytes: usize| eval(&format!("'x' * {bytes}"));
    assert_eq!(eval(most).unwrap().as_str().map(str::len), Some(most));
    assert!(eval(most + 1).is_err());
}

#[rstest]
#[case::encoded("/s/{{ row.id }}", Ok("/s/SUP%2F1%202"))]
#[case::number("/s/{{ row.n }}", Ok("/s/7"))]
#[case::flag("/s/{{ row.flag }}", Ok("/s/true"))]
#[case::literal_stays("/s/a,b/{{ key }}", Ok("/s/a,b/K-1"))]
#[case::null("/s/{{ row.none }}", Err("a value in a path is empty"))]
#[case::missing("/s/{{ row.phone }}", Err("a name in it is not there"))]
#[case::list(
    "/s/{{ row.tags }}",
    Err("a list or table cannot be written into text; use `| join(',')` or one of its entries")
)]
fn a_path_encodes_each_value(#[case] text: &str, #[case] expected: Result<&str, &str>) {
    let rendered = Template::compile(text, Encoding::PathSegment)
        .unwrap()
        .render(&row());
    assert_eq!(rendered.as_deref().map_err(ExprError::why), expected);
}

#[rstest]
#[case::as_it_is("{{ row.id }}", Ok("SUP/1 2"))]
#[case::null_is_empty("{{ row.none }}", Ok(""))]
#[case::flag("{{ row.flag }}", Ok("true"))]
#[case::either("{{ row.phone or row.n }}", Ok("7"))]
#[case::missing("{{ row.phone }}", Err("a name in it is not there"))]
#[case::missing_below_missing("{{ row.phone.home }}", Err("a name in it is not there"))]
#[case::unknown("{{ rwo }}", Err("a name in it is not there"))]
#[case::joined("{{ row.tags | join(',') }}", Ok("b,a"))]
fn a_plain_template_writes_values_as_they_are(
    #[case] text: &str,
    #[case] expected: Result<&str, &str>,
) {
    let rendered = Template::compile(text, Encoding::Plain)
        .unwrap()
        .render(&row());
    assert_eq!(rendered.as_deref().map_err(ExprError::why), expected);
}

#[test]
fn a_body_leaves_out_what_is_null_and_tables_left_empty() {
    let table = json!({
        "name": "row.name | trim", "phone": "row.phone", "fixed": 3, "list": ["row.n", "row.phone"],
        "contact": {"phone": "row.phone"}, "nested": {"email": "row.contact.email", "fax": "row.fax"},
    });
    let body = Body::compile(table.as_object().unwrap())
        .unwrap()
        .render(&row())
        .unwrap();
    assert_eq!(
        Value::Object(body),
        json!({"name": "Acme", "fixed": 3, "list": [7, null], "nested": {"email": "a@b.example"}})
    );
}

#[test]
fn an_expression_and_a_template_keep_their_text_as_the_flow_file_has_it() {
    let template = Template::compile(" {{ row.name }} ", Encoding::Plain).unwrap();
    assert_eq!(template.text(), " {{ row.name }} ");
    let expression = Expression::compile(" row.name  | trim ").unwrap();
    assert_eq!(expression.text(), " row.name  | trim ");
}

#[rstest]
#[case::variables("row.a.b + key", &["key", "row"], &[])]
#[case::known_function("range(row.n)", &["row"], &[])]
#[case::in_a_text("'x | nope' ~ row.a", &["row"], &[])]
#[case::escaped_quote(r"'it\'s | nope' ~ row.a | nope", &["row"], &[(CallKind::Filter, "nope")])]
#[case::filters("row.a | trim | nope('x') | upper", &["row"], &[(CallKind::Filter, "nope")])]
#[case::tests("row.a is not nope and row.b is defined and row.c is in [1]", &["row"], &[(CallKind::Test, "nope")])]
#[case::functions("nope(row.a) if (row.b) else (1)", &["row"], &[(CallKind::Function, "nope")])]
#[case::methods("row.a.upper()", &["row"], &[(CallKind::Method, "upper")])]
#[case::an_entry_named_is("row.is and row.b", &["row"], &[])]
#[case::removed("debug() ~ (row.a | pprint)", &["row"], &[(CallKind::Filter, "pprint"), (CallKind::Function, "debug")])]
fn names_tell_what_an_expression_refers_to(
    #[case] text: &str,
    #[case] roots: &[&str],
    #[case] unknown: &[(CallKind, &str)],
) {
    let names = Expression::compile(text).unwrap().names();
    assert_eq!(
        names.roots.iter().map(String::as_str).collect::<Vec<_>>(),
        roots
    );
    let found: Vec<(CallKind, &str)> = names
        .unknown_calls
        .iter()
        .map(|call| (call.kind, call.name.as_str()))
        .collect();
    assert_eq!(found, unknown);
}

#[test]
fn names_of_a_template_are_those_in_its_code() {
    let text = "a | nope {# b | nope #} {{ row.a | trim }}{% if '}}' in row.b %}{{ key | wrong }}{% endif %} is (c)";
    let names = Template::compile(text, Encoding::Plain).unwrap().names();
    assert_eq!(
        names.roots.iter().map(String::as_str).collect::<Vec<_>>(),
        ["key", "row"]
    );
    assert_eq!(
        names
            .unknown_calls
            .iter()
            .map(|call| call.name.as_str())
            .collect::<Vec<_>>(),
        ["wrong"]
    );
}

#[rstest]
#[case::in_a_block("{% if row.a is nope %}{% endif %}", &["nope"])]
#[case::not_in_a_comment("{# {{ row.a | nope }} #}{{ row.a }}", &[])]
#[case::after_an_empty_comment("{##}{{ row.a | nope }}", &["nope"])]
#[case::after_an_end_in_a_text("{{ '}}' ~ (row.a | nope) }}", &["nope"])]
#[case::after_an_end_in_quotes(r#"{{ "}}" ~ (row.a | nope) }}"#, &["nope"])]
#[case::not_behind_the_code("{{ row.a }} | nope", &[])]
#[case::after_an_apostrophe_in_a_comment("{# it's #}{{ row.a | nope }}", &["nope"])]
fn unknown_names_of_a_template_are_found_wherever_its_code_stands(
    #[case] text: &str,
    #[case] expected: &[&str],
) {
    let names = Template::compile(text, Encoding::Plain).unwrap().names();
    let unknown: Vec<&str> = names
        .unknown_calls
        .iter()
        .map(|call| call.name.as_str())
        .collect();
    assert_eq!(unknown, expected);
}

#[test]
fn names_of_a_template_leave_out_what_it_makes_itself() {
    let text = "{% set n = row.n %}{% for tag in row.tags %}{{ loop.index ~ tag ~ n }}{% endfor %}";
    let template = Template::compile(text, Encoding::Plain).unwrap();
    assert_eq!(
        template
            .names()
            .roots
            .iter()
            .map(String::as_str)
            .collect::<Vec<_>>(),
        ["row"]
    );
    assert_eq!(template.render(&row()).unwrap(), "1b72a7");
}

#[test]
fn every_offered_name_exists() {
    let offered = [CallKind::Filter, CallKind::Test, CallKind::Function].map(CallKind::known);
    assert!(offered.iter().all(|names| names.len() > 1));
    assert!(CallKind::Method.known().is_empty());
    for kind in [CallKind::Filter, CallKind::Test, CallKind::Function] {
        for name in kind.known() {
            let text = match kind {
                CallKind::Filter => format!("1 | {name}"),
                CallKind::Test => format!("1 is {name}"),
                CallKind::Function | CallKind::Method => format!("{name}()"),
            };
            let unknown = Expression::compile(&text).map(|text| text.names().unknown_calls);
            // `1 is in` alone does not parse; what is offered is its name.
            assert!(
                unknown.is_err() || unknown.is_ok_and(|unknown| unknown.is_empty()),
                "{text}"
            );
        }
    }
}

proptest! {
    #[test]
    fn no_text_makes_an_expression_panic(text in "\\PC{0,60}") {
        if let Ok(expression) = Expression::compile(&text) {
            expression.names();
            let _value = expression.eval(&row());
        }
    }

    #[test]
    fn no_text_of_the_language_makes_an_expression_panic(
        words in prop::collection::vec(prop::sample::select(vec![
            "row", ".", "n", "name", "|", "trim", "int", "(", ")", "[", "]", "{", "}", "'a'", "1", "-", "*", "**", "~", "is", "not",
            "in", "if", "else", "and", ",", ":", "range", "join", "==", "<", "tags", "%", "//", "9999999999999999999", "none",
        ]), 0..12)
    ) {
        let text = words.join(" ");
        if let Ok(expression) = Expression::compile(&text) {
            expression.names();
            let _value = expression.eval(&row());
        }
    }

    #[test]
    fn no_text_makes_a_template_panic(text in "[{}%#'\" a-z|.()\\PC]{0,60}") {
        if let Ok(template) = Template::compile(&text, Encoding::Plain) {
            template.names();
            let _text = template.render(&row());
        }
    }

    #[test]
    fn a_value_in_a_path_never_leaves_its_segment(value in "\\PC{1,40}") {
        let context = Context::new().with("key", &value);
        let path = Template::compile("/s/{{ key }}/x", Encoding::PathSegment).unwrap().render(&context).unwrap();
        let segment = path.strip_prefix("/s/").unwrap().strip_suffix("/x").unwrap();
        prop_assert!(segment.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)));
        let decoded = percent_encoding::percent_decode_str(segment).decode_utf8().unwrap();
        prop_assert_eq!(decoded, value);
    }
}

#[rstest]
#[case::minus("", "-", "1")]
#[case::plus("1", "+1", "")]
#[case::joins("1", "~1", "")]
#[case::not("", "not ", "1")]
#[case::or("1", " or 1", "")]
#[case::power("1", "**1", "")]
#[case::attributes("row", ".a", "")]
#[case::indices("row", "[0]", "")]
#[case::filters("row", "|trim", "")]
#[case::choices("1", " if 1 else 1", "")]
fn a_chain_of_any_length_is_compiled_or_refused_and_never_ends_the_process(
    #[case] start: &str,
    #[case] link: &str,
    #[case] end: &str,
) {
    let links = |count| format!("{start}{}{end}", link.repeat(count));
    let longest = links((1_024 - start.len() - end.len()) / link.len());
    // Which chains the parser takes is its own affair; that it comes back is ours.
    let compiled = Expression::compile(&longest).map(|expression| expression.names());
    drop(compiled);
    drop(Template::compile(
        &format!("{{{{{}}}}}", &links(100)),
        Encoding::Plain,
    ));
    let refused = Expression::compile(&links(100_000)).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("bytes, at most 1024 are allowed")
    );
    assert!(refused.to_string().len() < 200, "the text is not repeated");
    assert!(Template::compile(&links(100_000), Encoding::Plain).is_err());
}
