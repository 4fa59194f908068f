//! `[decide]`: what its check refuses.

use tidegate_model::UnixMs;

use super::super::check;
use crate::flow::{FlowText, Settings};

const CONTACTS: &str = include_str!("../../../../../infra/flows/examples/contacts.toml");
const DECIDE: &str = r#"
[decide]
path = "/v2/contacts/{{ key }}/credit"
query = { amount = "{{ ask.amount }}" }
yes = "answer.decision == 'approved' and answer.limit | float >= ask.amount | float"
limit = { calls = 5, per_s = 60 }
"#;

fn settings() -> Settings {
    ["CRM_URL", "NEWSLETTER_URL"]
        .map(|name| (name.to_owned(), "https://example.com".to_owned()))
        .into()
}

fn mistakes(decide: &str) -> Vec<String> {
    let flow = FlowText::alone("contacts.toml", format!("{CONTACTS}{decide}"));
    let report = check(&[flow], &settings(), UnixMs::EPOCH);
    report.mistakes.into_iter().map(|one| one.message).collect()
}

fn with_yes(yes: &str) -> String {
    let (before, _) = DECIDE.split_once("yes = ").unwrap();
    let (_, after) = DECIDE.split_once("limit = ").unwrap();
    format!("{before}yes = {yes:?}\nlimit = {after}")
}

#[test]
fn a_flow_that_decides_is_right_and_says_what_its_source_must_allow() {
    assert_eq!(mistakes(DECIDE), Vec::<String>::new());
    let flow = FlowText::alone("contacts.toml", format!("{CONTACTS}{DECIDE}"));
    let told = check(&[flow], &settings(), UnixMs::EPOCH).to_string();
    let line = "  decisions: 7200 calls a day, on top of 144000 of its reads: the source must allow both together\n";
    assert!(told.contains(line), "{told}");
}

#[test]
fn what_orders_a_text_and_a_number_is_refused() {
    for yes in [
        "answer.limit >= ask.amount",
        "answer.limit | float >= ask.amount",
        "answer.limit > 300",
        "300 < answer.limit",
        "answer.ok and (answer.limit | float > ask.amount) or answer.vip",
        "answer.limit | float >= ask.amount | string",
        "answer.limit | float | default('x') >= ask.amount | float",
        "answer.limit | float >= '300'",
        "not answer.limit <= 5",
    ] {
        let found = mistakes(&with_yes(yes));
        assert!(
            found.iter().any(|one| one.contains("orders by")),
            "{yes}: {found:?}"
        );
    }
    for yes in [
        "answer.limit | float >= ask.amount | float",
        "answer.limit|int>=300",
        "1.5 < answer.limit | float and answer.ok",
        "(answer.limit) | float >= ask.amount | float",
        "answer.ok and (answer.limit | float > ask.amount | float or answer.vip)",
        "answer.until | string > '2026-01-01' and answer.said != 'a < b'",
        "answer.items | length < 3",
        "answer.decision in ['approved', 'granted']",
        "answer.ok == true",
    ] {
        assert_eq!(mistakes(&with_yes(yes)), Vec::<String>::new(), "{yes}");
    }
}

#[test]
fn what_may_be_missing_unseen_is_refused() {
    for yes in [
        "answer['limit'] | float > 5",
        "answer.rows[0].ok",
        "answer.ok and ask ['x']",
    ] {
        let found = mistakes(&with_yes(yes));
        assert!(
            found.iter().any(|one| one.contains("by brackets")),
            "{yes}: {found:?}"
        );
    }
    let found = mistakes(&with_yes("ask.amount | float < 300"));
    assert!(
        found[0].contains("reads nothing of the answer"),
        "{found:?}"
    );
}

#[test]
fn a_question_that_cannot_be_asked_is_refused() {
    let body = "limit = { calls = 5, per_s = 60 }\nbody = { who = \"key\" }";
    let with_body = DECIDE.replace("limit = { calls = 5, per_s = 60 }", body);
    assert!(mistakes(&with_body)[0].contains("a GET has no body"));
    let posts = with_body.replace("query =", "method = \"POST\"\nquery =");
    assert_eq!(mistakes(&posts), Vec::<String>::new());
    let unknown = posts.replace("\"key\"", "\"fields.email\"");
    assert!(
        mistakes(&unknown)[0].contains("fields"),
        "{:?}",
        mistakes(&unknown)
    );
    let invoices = include_str!("../../../../../infra/flows/examples/invoices.toml");
    let of_files = FlowText::alone("invoices.toml", format!("{invoices}{DECIDE}"));
    let found = check(&[of_files], &settings(), UnixMs::EPOCH).mistakes;
    let found: Vec<_> = found.into_iter().map(|one| one.message).collect();
    assert!(
        found
            .iter()
            .any(|one| one.contains("files can not be asked")),
        "{found:?}"
    );
}

#[test]
fn decisions_of_one_source_have_one_limit() {
    let other = CONTACTS
        .replace("name = \"contacts\"", "name = \"leads\"")
        .replace("/v2/contacts", "/v2/leads");
    let flows = |limit: &str| {
        let decide = DECIDE.replace("calls = 5", limit);
        [
            FlowText::alone("contacts.toml", format!("{CONTACTS}{DECIDE}")),
            FlowText::alone("leads.toml", format!("{other}{decide}")),
        ]
    };
    let found = |limit| {
        let report = check(&flows(limit), &settings(), UnixMs::EPOCH);
        let of_limit = |one: &super::super::Mistake| one.message.contains("counted together");
        report.mistakes.iter().filter(|one| of_limit(one)).count()
    };
    assert_eq!(found("calls = 5"), 0);
    assert_eq!(found("calls = 6"), 1);
}
