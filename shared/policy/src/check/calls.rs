//! What the calls of a flow must name so that each record reaches its own place.

use serde_json::Value;

use super::{Findings, words::instead};
use crate::expr::{Encoding, Expression, Names, Template};

/// What Qualio takes (its public `OpenAPI`, `createSupplier`), and nothing else.
const QUALIO_BODY: [&str; 5] = [
    "name",
    "contact_information",
    "intended_use",
    "sponsor_user_id",
    "risk_id",
];
/// What Qualio takes as contact information.
const QUALIO_CONTACT: [&str; 6] = ["name", "email", "phone", "address", "website", "notes"];

pub(super) fn check(findings: &mut Findings<'_>) {
    check_since(findings);
    check_one(findings);
    match findings.document.text("/target/type") {
        Some("rest") => {
            check_rest_calls(findings);
            check_find(findings);
            check_body_is_sent(findings);
            check_contract(findings);
        }
        Some("qualio") => check_qualio_body(findings),
        _ => {}
    }
    check_deletion(findings);
}

/// `since` moves on by what rows say of their last change.
fn check_since(findings: &mut Findings<'_>) {
    let document = findings.document;
    let says = document.get("/record/modified").is_some()
        || document.text("/record/version/by") == Some("time")
        || document.text("/source/list/pages/by") == Some("keyset");
    let uses_since =
        names_in_call(findings, "/source/list").is_some_and(|names| names.roots.contains("since"));
    if uses_since && !says {
        findings.odd(
            "/record",
            "`source.list` asks by `since`, but no row says when it was changed: name `record.modified`, or every run reads everything",
        );
    }
}

fn check_one(findings: &mut Findings<'_>) {
    let document = findings.document;
    let has_one = document.get("/source/one").is_some();
    if !has_one && document.get("/webhook").is_some() && document.get("/webhook/row").is_none() {
        let told = "`webhook` brings hints, but without `source.one` no record can be read by its key: each would start a run of the whole listing; name `webhook.row`, or `source.one`";
        findings.wrong("/webhook", told);
    }
    if findings.document.text("/source/one/path").is_some()
        && !uses(findings, "/source/one", &["key"])
    {
        findings.wrong(
            "/source/one",
            "`source.one` does not use `key`: every record would be read as the same one",
        );
    }
}

fn check_rest_calls(findings: &mut Findings<'_>) {
    let document = findings.document;
    let has = |name: &str| document.get(&format!("/target/{name}")).is_some();
    match (has("upsert"), has("create"), has("update")) {
        (true, false, false) | (false, true, true) => {}
        (true, ..) => {
            let other = if has("create") {
                "/target/create"
            } else {
                "/target/update"
            };
            findings.wrong(
                other,
                "`upsert` creates and updates: leave out `create` and `update`, or `upsert`",
            );
        }
        (false, true, false) => findings.wrong(
            "/target",
            "`update` is missing in `target`: `create` alone cannot keep a record in step",
        ),
        (false, false, true) => findings.wrong(
            "/target",
            "`create` is missing in `target`: `update` alone cannot make a new record",
        ),
        (false, false, false) => findings.wrong(
            "/target",
            "`target` cannot write: it needs `upsert`, or `create` and `update`",
        ),
    }
    if has("upsert")
        && !uses(findings, "/target/upsert", &["key", "fields"])
        && !body_names_key(findings)
    {
        findings.wrong(
            "/target/upsert",
            "`upsert` does not use `key`: every record would replace the same one",
        );
    }
    for call in ["update", "delete", "archive"] {
        if has(call)
            && !uses(
                findings,
                &format!("/target/{call}"),
                &["target_id", "key", "fields"],
            )
            && !body_names_key(findings)
        {
            findings.wrong(
                &format!("/target/{call}"),
                format!("`{call}` uses neither `target_id` nor `key`: every record would be the same one"),
            );
        }
    }
    check_id_is_known(findings);
}

/// After a create, calls by `target_id` need to know where its answer holds the id.
fn check_id_is_known(findings: &mut Findings<'_>) {
    let document = findings.document;
    let maker = if document.get("/target/upsert").is_some() {
        "upsert"
    } else {
        "create"
    };
    if document.get(&format!("/target/{maker}")).is_none()
        || document.get(&format!("/target/{maker}/id")).is_some()
    {
        return;
    }
    for call in ["update", "delete", "archive"] {
        let names = names_in_call(findings, &format!("/target/{call}"));
        if names.is_some_and(|names| names.roots.contains("target_id")) {
            findings.wrong(
                &format!("/target/{maker}"),
                format!("`{call}` uses `target_id`, so `{maker}` needs `id`: a JSON pointer to the id in its answer"),
            );
            return;
        }
    }
}

fn check_find(findings: &mut Findings<'_>) {
    let document = findings.document;
    if document.get("/target/find").is_some() && !uses(findings, "/target/find", &["search"]) {
        findings.wrong(
            "/target/find",
            "`find` does not use `search`: it would find every record",
        );
    }
    let recovers = document.get("/target/find").is_some()
        || document.get("/target/idempotency_header").is_some();
    if document.get("/target/create").is_some() && !recovers {
        findings.odd(
            "/target/create",
            "without `find` or `idempotency_header` a create whose outcome is not known goes to review",
        );
    }
}

fn check_body_is_sent(findings: &mut Findings<'_>) {
    let document = findings.document;
    if !document.names("/target/body").is_empty() {
        return;
    }
    let sender = ["upsert", "create", "update"]
        .into_iter()
        .find(|call| sends_body(findings, call));
    if let Some(call) = sender {
        findings.wrong(
            "/target",
            format!("`{call}` sends a body, but `[target.body]` is missing or empty"),
        );
    }
}

/// A description is held against what is sent.
fn check_contract(findings: &mut Findings<'_>) {
    let has = findings.document.get("/target/contract").is_some();
    let mut calls = ["upsert", "create", "update"].into_iter();
    if has && !calls.any(|call| sends_body(findings, call)) {
        findings.wrong(
            "/target/contract",
            "`[target.contract]` has nothing to be held against: no call sends a body",
        );
    }
}

fn sends_body(findings: &Findings<'_>, call: &str) -> bool {
    let at = |name: &str| format!("/target/{call}/{name}");
    let document = findings.document;
    match document.get(&at("send_body")).and_then(Value::as_bool) {
        Some(sends) => sends && document.get(&at("path")).is_some(),
        None => matches!(document.text(&at("method")), Some("POST" | "PUT" | "PATCH")),
    }
}

fn check_qualio_body(findings: &mut Findings<'_>) {
    let document = findings.document;
    for (table, allowed) in [
        ("/target/body", &QUALIO_BODY[..]),
        ("/target/body/contact_information", &QUALIO_CONTACT[..]),
    ] {
        for name in document.names(table) {
            if !allowed.contains(&name) {
                let instead = instead(name, allowed.iter().copied());
                findings.wrong(
                    &super::document::child(table, name),
                    format!("Qualio takes no `{name}`{instead}"),
                );
            }
        }
    }
    if document.get("/target/body").is_some() && document.get("/target/body/name").is_none() {
        findings.wrong(
            "/target/body",
            "`name` is missing in `target.body`: Qualio requires it",
        );
    }
}

fn check_deletion(findings: &mut Findings<'_>) {
    let document = findings.document;
    if document.text("/target/type") == Some("store") {
        if document.text("/deletion") != Some("delete") {
            let told = "our own store holds what the source says, and nothing beside it: write `deletion = \"delete\"`, which leaves a tombstone";
            findings.wrong("/deletion", told);
        }
        return;
    }
    let Some(call @ ("delete" | "archive")) = document.text("/deletion") else {
        return;
    };
    match document.text("/target/type") {
        Some("qualio") => findings.wrong(
            "/deletion",
            format!("`deletion` is `{call}`, but Qualio can neither delete nor archive a supplier; write `review` or `keep`"),
        ),
        Some("rest") if document.get(&format!("/target/{call}")).is_none() => findings
            .wrong("/deletion", format!("`deletion` is `{call}`, so the target needs a call `[target.{call}]`")),
        _ => {}
    }
}

/// Whether a call uses one of these names. One that does not parse is told elsewhere.
fn uses(findings: &Findings<'_>, call: &str, names: &[&str]) -> bool {
    names_in_call(findings, call)
        .is_none_or(|used| names.iter().any(|name| used.roots.contains(*name)))
}

/// Some targets take the external id in the body alone.
fn body_names_key(findings: &Findings<'_>) -> bool {
    fn any(value: &Value) -> bool {
        match value {
            Value::String(text) => {
                Expression::compile(text).is_ok_and(|leaf| leaf.names().roots.contains("key"))
            }
            Value::Object(table) => table.values().any(any),
            Value::Array(entries) => entries.iter().any(any),
            _ => false,
        }
    }
    findings.document.get("/target/body").is_some_and(any)
}

/// Every name in the path, the query and the headers of a call; none where one does not parse.
pub(super) fn names_in_call(findings: &Findings<'_>, call: &str) -> Option<Names> {
    let document = findings.document;
    let tables = ["query", "headers"].map(|table| {
        document
            .get(&format!("{call}/{table}"))
            .and_then(Value::as_object)
    });
    let texts = tables
        .into_iter()
        .flatten()
        .flat_map(|table| table.values())
        .filter_map(Value::as_str);
    let mut names = Names::default();
    for text in document
        .text(&format!("{call}/path"))
        .into_iter()
        .chain(texts)
    {
        let found = Template::compile(text, Encoding::Plain).ok()?.names();
        names.roots.extend(found.roots);
        names.paths.extend(found.paths);
    }
    Some(names)
}
