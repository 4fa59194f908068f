//! What makes a flow real-time, and one object in two flows (R35, R37).

use super::*;

/// The supplier flow without anything real-time.
fn batch_only() -> String {
    let critical = SUPPLIERS.find("critical = [").unwrap();
    let deletion = SUPPLIERS.find("# Qualio has no DELETE").unwrap();
    let webhook = SUPPLIERS.find("[webhook]").unwrap();
    let target = SUPPLIERS.find("# --- Where suppliers go").unwrap();
    let cut = |from, to| &SUPPLIERS[from..to];
    [
        cut(0, critical),
        cut(deletion, webhook),
        cut(target, SUPPLIERS.len()),
    ]
    .concat()
}

#[test]
fn batch_needs_no_reason_and_takes_none() {
    assert_eq!(lines(&check_text(batch_only()).mistakes), [""; 0]);
    let text = edited(
        &batch_only(),
        "revision = 1",
        "revision = 1\nreal_time_reason = \"somebody waits\"",
    );
    let line = line_of(&text, "real_time_reason");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: nothing here is real-time: leave `real_time_reason` out, or name `critical` fields or a `[webhook]`"
        )]
    );
}

#[test]
fn a_webhook_alone_needs_a_reason() {
    let hook = "[webhook]\nsecrets = [\"S\"]\nkey = \"body.id\"\n\n[target]";
    let text = edited(&batch_only(), "[target]", hook);
    let line = line_of(&text, "[webhook]");
    assert_eq!(
        lines(&check_text(text).mistakes),
        [format!(
            "{line}: `[webhook]` makes changes real-time, and batch is the default: say in `real_time_reason` why they cannot wait, or leave `[webhook]` out"
        )]
    );
}

/// Messages about two flows of one object, the second a copy of the first but for its version.
fn two(first: &str, second: &str) -> Vec<String> {
    let by = |version: &str, name: &str| {
        let text = edited(
            SUPPLIERS,
            "{ by = \"sequence\", at = \"row.version\" }",
            version,
        );
        edited(&text, "name = \"suppliers\"", name)
    };
    let files = [
        ("a.toml".to_owned(), by(first, "name = \"day\"")),
        ("b.toml".to_owned(), by(second, "name = \"night\"")),
    ];
    check_all(&files)
        .mistakes
        .iter()
        .map(ToString::to_string)
        .collect()
}

const SEQUENCE: &str = "{ by = \"sequence\", at = \"row.version\" }";
const TIME: &str = "{ by = \"time\", at = \"row.modified_at\" }";
const READ: &str = "{ by = \"read\" }";
/// What orders the contacts.
const BY_TIME: &str = "{ by = \"time\", at = \"row.updated_at | rfc3339('America/New_York')\" }";

fn overtaken(file: &str, other: &str, by: &str) -> String {
    format!(
        "{file}:{}: {other}:{} carries the same object from `erp` to `qualio`, and by `{by}` nothing tells which of the two is newer: leave the object to one flow, or order both by a `sequence` of the source",
        line_of(SUPPLIERS, "version = {"),
        line_of(SUPPLIERS, "name = \"suppliers\""),
    )
}

#[test]
fn two_flows_of_one_object_need_sequence_numbers() {
    let [told] = &two(SEQUENCE, TIME)[1..] else {
        panic!("one for each flow");
    };
    assert_eq!(*told, overtaken("b.toml", "a.toml", "time"));
    assert_eq!(
        two(READ, TIME),
        [
            overtaken("a.toml", "b.toml", "read"),
            overtaken("b.toml", "a.toml", "time")
        ]
    );
}

#[test]
fn two_flows_of_one_object_need_a_target_that_knows_it_by_our_key() {
    let doubled = |file: &str, other: &str| {
        format!(
            "{file}:{}: {other}:{} carries the same object from `erp` to `qualio`, and each flow would create a record of its own in `qualio`: leave the object to one flow, or write to a target that upserts by our key",
            line_of(SUPPLIERS, "[target]"),
            line_of(SUPPLIERS, "name = \"suppliers\""),
        )
    };
    let told = two(SEQUENCE, SEQUENCE);
    assert_eq!(
        told,
        [doubled("a.toml", "b.toml"), doubled("b.toml", "a.toml")]
    );
    let other = edited(CONTACTS, "name = \"contacts\"", "name = \"people\"");
    let files = [("a.toml", CONTACTS), ("b.toml", &other)];
    let files = files.map(|(name, text)| (name.to_owned(), edited(text, BY_TIME, SEQUENCE)));
    let told = lines(&check_all(&files).mistakes);
    let same = told.iter().filter(|line| line.contains("the same object"));
    assert_eq!(same.count(), 0, "{told:?}");
}

#[test]
fn one_object_is_one_however_its_path_is_written() {
    for path in ["/api/suppliers/", "/api/suppliers?active=1"] {
        let first = edited(SUPPLIERS, SEQUENCE, TIME);
        let other = edited(&first, "name = \"suppliers\"", "name = \"makers\"");
        let other = edited(
            &other,
            "path = \"/api/suppliers\"",
            &format!("path = \"{path}\""),
        );
        let files = [("a.toml".to_owned(), first), ("b.toml".to_owned(), other)];
        let told = lines(&check_all(&files).mistakes);
        let same = told.iter().filter(|line| line.contains("the same object"));
        assert_eq!(same.count(), 2, "{told:?}");
    }
}

#[test]
fn two_flows_of_different_objects_may_order_as_they_like() {
    for (from, to) in [
        ("path = \"/api/suppliers\"", "path = \"/api/makers\""),
        ("name = \"erp\"", "name = \"crm\""),
        ("name = \"qualio\"", "name = \"qualio-2\""),
    ] {
        let other = edited(SUPPLIERS, from, to);
        let other = edited(&other, "name = \"suppliers\"", "name = \"makers\"");
        let files = [SUPPLIERS, &other].map(|text| {
            let text = edited(text, SEQUENCE, TIME);
            (text.len().to_string() + &to.replace(' ', ""), text)
        });
        assert_eq!(lines(&check_all(&files).mistakes), [""; 0]);
    }
}

#[test]
fn two_flows_into_different_objects_of_one_target_may_order_as_they_like() {
    let other = edited(CONTACTS, "name = \"contacts\"", "name = \"people\"");
    let first = ("a.toml".to_owned(), CONTACTS.to_owned());
    let clash = [first.clone(), ("b.toml".to_owned(), other.clone())];
    assert_eq!(check_all(&clash).mistakes.len(), 2);
    let other = edited(&other, "path = \"/3.0/members", "path = \"/3.0/people");
    let apart = [first, ("b.toml".to_owned(), other)];
    assert_eq!(lines(&check_all(&apart).mistakes), [""; 0]);
}
