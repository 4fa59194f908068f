//! The audit: it follows windows that there are, names fields that there are, and finds something.

use serde_json::Value;

use super::{Findings, fields::check_named, words::instead};

pub(super) fn check(findings: &mut Findings<'_>) {
    let document = findings.document;
    if document.get("/audit").is_none() {
        return;
    }
    check_named(findings, "audit/required");
    let entries = |list: &str| {
        let entries = document.get(list).and_then(Value::as_array);
        entries.map_or(&[][..], Vec::as_slice)
    };
    let (rules, unique) = (entries("/audit/rules"), entries("/audit/unique"));
    if rules.is_empty() && unique.is_empty() && entries("/audit/required").is_empty() {
        findings.wrong(
            "/audit",
            "`[audit]` looks for nothing: name `required` fields, `rules` or what is `unique`",
        );
    }
    let name_of = |rule: &Value| rule.get("name").and_then(Value::as_str).map(str::to_owned);
    for (index, rule) in rules.iter().enumerate() {
        let name = name_of(rule);
        let mut before = rules.iter().take(index);
        if let Some(name) =
            name.filter(|name| before.any(|one| name_of(one).as_ref() == Some(name)))
        {
            findings.wrong(
                &format!("/audit/rules/{index}/name"),
                format!("the rule `{name}` stands there twice"),
            );
        }
    }
    for (index, one) in unique.iter().enumerate() {
        check_named(findings, &format!("audit/unique/{index}/fields"));
        if unique.iter().take(index).any(|before| before == one) {
            findings.wrong(
                &format!("/audit/unique/{index}"),
                "these fields stand there twice",
            );
        }
    }
    check_after(
        findings,
        entries("/audit/after"),
        entries("/schedule/windows"),
    );
}

fn check_after(findings: &mut Findings<'_>, after: &[Value], windows: &[Value]) {
    let windows: Vec<&str> = windows
        .iter()
        .filter_map(|window| window.get("at")?.as_str())
        .collect();
    for (index, time) in after.iter().enumerate() {
        let Some(time) = time.as_str().filter(|time| !windows.contains(time)) else {
            continue;
        };
        let message = if windows.is_empty() {
            format!("`{time}` is no window: a schedule by `every_minutes` has none to follow")
        } else {
            let instead = instead(time, windows.iter().copied());
            format!("`{time}` is no window of `[schedule]`{instead}")
        };
        findings.wrong(&format!("/audit/after/{index}"), message);
    }
}
