//! What is a yes.

use serde_json::{Value, json};
use tidegate_model::RecordKey;

use crate::{
    check,
    flow::{Flow, Said, Settings},
};

const CONTACTS: &str = include_str!("../../../../../infra/flows/examples/contacts.toml");

fn said(yes: &str, ask: &Value, answer: &Value) -> Said {
    let settings: Settings = ["CRM_URL", "NEWSLETTER_URL"]
        .map(|name| (name.to_owned(), "https://example.com".to_owned()))
        .into();
    let decide = format!(
        "[decide]\npath = \"/credit\"\nyes = {yes:?}\nlimit = {{ calls = 5, per_s = 60 }}\n"
    );
    let flow: Result<_, Vec<check::Mistake>> =
        Flow::load("flow.toml", &format!("{CONTACTS}\n{decide}"), &settings);
    let flow = flow.unwrap();
    let key = RecordKey::try_new("C-1").unwrap();
    let decide = flow.decide().unwrap();
    decide.said(&key, ask.as_object().unwrap(), answer)
}

#[test]
fn a_value_that_is_named_and_not_there_is_no_yes() {
    // Each would be a yes by what minijinja makes of null.
    for (yes, ask, answer) in [
        ("answer.blocked != true", json!({}), json!({})),
        (
            "answer.blocked != true",
            json!({}),
            json!({"blocked": null}),
        ),
        ("not answer.risk.high", json!({}), json!({"risk": {}})),
        ("not answer.risk.high", json!({}), json!({"risk": "none"})),
        ("answer != 'no'", json!({}), Value::Null),
        ("answer.of == ask.of", json!({}), json!({})),
        (
            "answer.of == ask.by.whom",
            json!({"by": {}}),
            json!({"of": null}),
        ),
        ("answer.ok or ask.vip", json!({}), json!({"ok": true})),
    ] {
        assert_eq!(said(yes, &ask, &answer), Said::Unclear, "{yes}");
    }
    let ask = json!({"by": {"whom": "me"}});
    let is_me = "answer.of == ask.by.whom and key == 'C-1'";
    assert_eq!(said(is_me, &ask, &json!({"of": "me"})), Said::Yes);
    assert_eq!(said(is_me, &ask, &json!({"of": "you"})), Said::No);
}
