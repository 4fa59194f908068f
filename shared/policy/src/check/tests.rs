use std::collections::BTreeSet;

use proptest::prelude::*;
use serde_json::Value;

use super::{
    places::{Holds, PLACES},
    *,
};

mod audits;
mod columns;
mod connectors;
mod contacts;
mod creates;
mod decisions;
mod events;
mod listings;
mod patterns;
mod secrets;
mod store;
mod suppliers;
mod tokens;
mod warehouses;
mod words;

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
    check(&[FlowText::alone("flow.toml", text)], &settings(), NOW)
}

fn check_all(files: &[(String, String)]) -> CheckReport {
    let flows: Vec<FlowText> = files
        .iter()
        .map(|(name, text)| FlowText::alone(name, text))
        .collect();
    check(&flows, &settings(), NOW)
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

#[test]
fn shipped_flows_have_no_mistakes_and_no_warnings() {
    let files = [("suppliers.toml", SUPPLIERS), ("contacts.toml", CONTACTS)]
        .map(|(name, text)| FlowText::alone(name, text));
    let report = check(&files, &settings(), NOW);
    assert_eq!(report.mistakes, []);
    assert_eq!(report.warnings, []);
    assert_eq!(
        report.to_string(),
        format!(
            r#"suppliers.toml: flow suppliers, revision 1, hash {}
  real-time: 20 calls a minute, 10 records a minute (2 calls a record)
  batch: 50 calls a minute, 25 records a minute (2 calls a record)
  a day: 70000 calls of the quota, 21000 of them kept for real-time; the limits by themselves would allow 100800, so a full day ends at the quota
  audit: after 02:00; 3 fields that should be filled, 3 rules (1 of them for review), 1 value that should be unique
  reconcile: source, registers and target
  worst-case staleness: 8 h, and 9 h when the clock is changed (between 2026-10-25 02:00 and 2026-10-25 10:00), plus the time that a batch takes: `tidegate simulate` measures it
  next windows (Europe/Berlin): 2026-11-20 10:00, 2026-11-20 14:00, 2026-11-20 18:00
contacts.toml: flow contacts, revision 1, hash {}
  real-time: 30 calls a minute, 30 records a minute (1 call a record)
  batch: 60 calls a minute, 60 records a minute (1 call a record)
  reconcile: source, registers and target
  worst-case staleness: 15 min (between 2026-01-01 00:00 and 2026-01-01 00:15), plus the time that a batch takes: `tidegate simulate` measures it
  next windows (America/New_York): 2026-11-20 03:15, 2026-11-20 03:30, 2026-11-20 03:45
  rule contacts-event-1 on the stack's bus, to batch-sync: EventPattern {{"detail":{{"region":["us"]}},"detail-type":["end of day"],"source":["crm"]}}, InputTransformer {{"InputPathsMap":{{"id":"$.id","time":"$.time"}},"InputTemplate":"{{\"flow\":\"contacts\",\"trigger\":{{\"id\":\"<id>\",\"time\":\"<time>\"}}}}"}}
2 flows: no mistakes
"#,
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

#[test]
fn what_a_file_holds_can_not_write_to_the_terminal() {
    let found = check_text("\"a\\u001b[31m\\nb\" = 1\n".to_owned()).mistakes;
    let told = lines(&found);
    assert!(
        told.iter()
            .any(|line| line.starts_with("1: unknown key `a\\u{1b}[31m\\nb`")),
        "{told:?}"
    );
}

#[test]
fn a_file_beyond_any_flow_is_not_read() {
    let text = format!("# {}\n{SUPPLIERS}", "x".repeat(262_144));
    let told = format!(
        "1: the file has {} bytes, a flow file has at most 262144",
        text.len()
    );
    let report = check_text(text);
    assert_eq!(lines(&report.mistakes), [told]);
    assert!(!report.is_ok());
    // As large as it may be.
    let comment = "x".repeat(262_144 - SUPPLIERS.len() - "# \n".len());
    assert!(check_text(format!("# {comment}\n{SUPPLIERS}")).is_ok());
}

#[test]
fn a_missing_setting_refuses_a_flow_that_is_to_run() {
    let mistakes = sound(&FlowText::alone("flow.toml", CONTACTS), &Settings::new())
        .err()
        .unwrap();
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
    .map(|(name, text)| FlowText::alone(name, text));
    let told: Vec<String> = check(&files, &settings(), NOW)
        .mistakes
        .iter()
        .map(ToString::to_string)
        // That they carry one object is told as well.
        .filter(|line| !line.contains("the same object"))
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

#[test]
fn a_system_that_is_read_and_written_has_two_names() {
    let target = edited(SUPPLIERS, "name = \"qualio\"", "name = \"erp\"");
    let (source_at, target_at) = (
        line_of(SUPPLIERS, "name = \"erp\""),
        line_of(SUPPLIERS, "name = \"qualio\""),
    );
    let expected = format!(
        "{target_at}: `erp` is a source too in flow.toml:{source_at}, and a name has one limit and one breaker: give the target another name"
    );
    assert_eq!(lines(&check_text(target).mistakes), [expected]);
}

#[test]
fn every_word_of_json_schema_is_known() {
    let more = r#"
uniqueItems = true
minProperties = 1
unevaluatedProperties = false
$comment = "for editors"
x-owner = "quality"
"#;
    let text = edited(
        SUPPLIERS,
        "\n[schema.properties]",
        &format!("{more}\n[schema.properties]"),
    );
    assert_eq!(
        lines(&check_text(text.replace("$comment", "\"$comment\"")).mistakes),
        [] as [String; 0]
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
    if let Some(form) = schema.get("else") {
        places_of(form, root, at, found);
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
