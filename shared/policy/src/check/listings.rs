//! What listings must name: each page follows the one before, and a row of a target's listing is one
//! record, with what is compared of it.

use super::{Findings, calls::names_in_call, document::child, places::PAGE, words::instead};
use crate::expr::Expression;

pub(super) fn check(findings: &mut Findings<'_>) {
    for list in ["/source/list", "/target/list"] {
        check_pages(findings, list);
    }
    if findings.document.get("/target/list").is_some()
        && findings.document.text("/target/type") == Some("rest")
    {
        check_rows(findings);
        check_id(findings);
        check_compared(findings);
    }
}

/// Each way of paging needs its variable in the call, or every page would be the first.
fn check_pages(findings: &mut Findings<'_>, list: &str) {
    let document = findings.document;
    let by = document.text(&format!("{list}/pages/by"));
    let needed = match by {
        Some("offset") => "page.offset",
        Some("number") => "page.number",
        Some("cursor" | "header") => "page.cursor",
        Some("keyset") => "page.after_time",
        Some("delta") => return check_delta(findings, list),
        _ => return,
    };
    let Some(names) = names_in_call(findings, list) else {
        return;
    };
    // A misspelt `page.x` is told where it stands.
    let misspelt = names
        .paths
        .iter()
        .filter_map(|path| path.strip_prefix("page."))
        .any(|name| !PAGE.contains(&name));
    if !misspelt && !names.paths.contains(needed) {
        let (by, call) = (by.unwrap_or_default(), super::words::dotted(list));
        findings.wrong(
            &format!("{list}/pages"),
            format!("pages go by `{by}`, but `{call}` does not use `{needed}`: every page would be the first"),
        );
    }
}

/// A link to what changes later is kept by runs alone. It tells of deletions without a version, which
/// only the order of our reads can place.
fn check_delta(findings: &mut Findings<'_>, list: &str) {
    if list != "/source/list" {
        let message = "pages go by `delta`, which only a source's runs keep the link of";
        return findings.wrong(&format!("{list}/pages"), message.to_owned());
    }
    let by = findings.document.text("/record/version/by");
    if let Some(by) = by.filter(|by| *by != "read") {
        let message = format!(
            "pages go by `delta`, whose deletions have no `{by}`: write `version = {{ by = \"read\" }}`"
        );
        findings.wrong("/record/version", message);
    }
}

/// What is read of a row must come from the row.
fn check_rows(findings: &mut Findings<'_>) {
    let document = findings.document;
    let expressions = ["/target/list/key".to_owned()].into_iter().chain(
        document
            .names("/target/list/compare")
            .into_iter()
            .map(|name| child("/target/list/compare", name)),
    );
    for pointer in expressions.collect::<Vec<_>>() {
        let Some(Ok(expression)) = document.text(&pointer).map(Expression::compile) else {
            continue;
        };
        let roots = expression.names().roots;
        // Another name is told where it stands.
        if roots.iter().all(|root| root == "env") {
            let place = super::words::dotted(&pointer);
            findings.wrong(
                &pointer,
                format!("`{place}` does not use `row`: it would be the same for every row"),
            );
        }
    }
}

/// Where calls go by the target's own id, a row must say it: a record that is linked by the listing
/// is written to by that id.
fn check_id(findings: &mut Findings<'_>) {
    let document = findings.document;
    let has = |place: &str| document.get(place).is_some();
    // That the answer to a create must say the id is told where that is missing.
    let known = has("/target/upsert/id") || has("/target/create/id");
    if has("/target/list/id") || !known {
        return;
    }
    for call in ["upsert", "update", "delete", "archive"] {
        let names = names_in_call(findings, &format!("/target/{call}"));
        if names.is_some_and(|names| names.roots.contains("target_id")) {
            findings.wrong(
                "/target/list",
                format!("`{call}` uses `target_id`, so `target.list` needs `id`: a JSON pointer to the id in a row"),
            );
            return;
        }
    }
}

/// Only what is sent can be compared.
fn check_compared(findings: &mut Findings<'_>) {
    let document = findings.document;
    let sent = document.names("/target/body");
    if sent.is_empty() {
        // That nothing is sent is told elsewhere.
        return;
    }
    for name in document.names("/target/list/compare") {
        if !sent.contains(&name) {
            let instead = instead(name, sent.iter().copied());
            findings.wrong(
                &child("/target/list/compare", name),
                format!("`target.list.compare` names `{name}`, which `[target.body]` does not send{instead}"),
            );
        }
    }
}
