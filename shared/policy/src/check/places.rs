//! Every text of a flow file that holds an expression, a template or the like: does it parse, and
//! is every name in it known there.

use serde_json::Value;

use super::{
    Findings, Purpose,
    document::child,
    words::{dotted, instead},
};
use crate::{
    expr::{Encoding, ExprError, Expression, MAX_VALUE_BYTES, Names, Template},
    flow::{MAX_CONTENT_BYTES, Settings},
    schedule,
};

/// What a text holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    /// An expression over these first names.
    Expression(&'static [&'static str]),
    /// A template over these first names.
    Template(&'static [&'static str]),
    /// A template of a path below `base_url`.
    Path(&'static [&'static str]),
    /// A table whose leaves are expressions over these first names.
    Body(&'static [&'static str]),
    /// A JSON pointer.
    Pointer,
    /// The name of a zone.
    Zone,
    /// `HH:MM`.
    LocalTime,
}

const ROW: &[&str] = &["row", "env"];
const ROW_AND_KEY: &[&str] = &["row", "key", "env"];
const SETTINGS: &[&str] = &["env"];
const LIST: &[&str] = &["since", "page", "env"];
const ONE: &[&str] = &["key", "env"];
const BODY: &[&str] = &["fields", "key", "env"];
const CREATE: &[&str] = &["key", "fields", "env"];
const CALL: &[&str] = &["key", "target_id", "fields", "env"];
const FIND: &[&str] = &["search", "env"];
const ASK: &[&str] = &["key", "ask", "env"];
const ANSWERED: &[&str] = &["answer", "key", "ask", "env"];
const STANDING: &[&str] = &["page", "env"];
/// `event` with CloudEvents only, which another step looks at.
const PUSHED: &[&str] = &["body", "event", "env"];

/// What `page` has.
pub(super) const PAGE: [&str; 6] = [
    "size",
    "offset",
    "number",
    "cursor",
    "after_time",
    "after_id",
];

/// What is known of settings.
#[derive(Clone, Copy)]
struct Scope<'a> {
    settings: &'a Settings,
}

/// Where in a file which texts stand; `*` is any one step.
pub(super) const PLACES: &[(&str, Holds)] = &[
    ("/source/base_url", Holds::Template(SETTINGS)),
    ("/source/auth/audience", Holds::Template(SETTINGS)),
    ("/source/auth/client_id", Holds::Template(SETTINGS)),
    ("/source/auth/issuer", Holds::Template(SETTINGS)),
    ("/source/auth/key_id", Holds::Template(SETTINGS)),
    ("/source/auth/scope", Holds::Template(SETTINGS)),
    ("/source/auth/subject", Holds::Template(SETTINGS)),
    ("/source/auth/token_url", Holds::Template(SETTINGS)),
    ("/source/auth/user", Holds::Template(SETTINGS)),
    ("/source/headers/*", Holds::Template(SETTINGS)),
    ("/source/place", Holds::Template(SETTINGS)),
    ("/source/list/path", Holds::Path(LIST)),
    ("/source/list/query/*", Holds::Template(LIST)),
    ("/source/list/rows", Holds::Pointer),
    ("/source/list/pages/next", Holds::Pointer),
    ("/source/list/pages/more", Holds::Pointer),
    ("/source/list/pages/delta", Holds::Pointer),
    ("/source/list/pages/time", Holds::Expression(ROW)),
    ("/source/list/pages/id", Holds::Expression(ROW)),
    ("/source/one/path", Holds::Path(ONE)),
    ("/source/one/query/*", Holds::Template(ONE)),
    ("/source/one/row", Holds::Pointer),
    ("/source/errors/*/code_at", Holds::Pointer),
    ("/record/key", Holds::Expression(ROW)),
    ("/record/version/at", Holds::Expression(ROW)),
    ("/record/modified", Holds::Expression(ROW)),
    ("/record/deleted", Holds::Expression(ROW_AND_KEY)),
    ("/fields/*", Holds::Expression(ROW_AND_KEY)),
    ("/schedule/time_zone", Holds::Zone),
    ("/schedule/windows/*/at", Holds::LocalTime),
    ("/target/base_url", Holds::Template(SETTINGS)),
    ("/target/auth/audience", Holds::Template(SETTINGS)),
    ("/target/auth/client_id", Holds::Template(SETTINGS)),
    ("/target/auth/issuer", Holds::Template(SETTINGS)),
    ("/target/auth/key_id", Holds::Template(SETTINGS)),
    ("/target/auth/scope", Holds::Template(SETTINGS)),
    ("/target/auth/subject", Holds::Template(SETTINGS)),
    ("/target/auth/token_url", Holds::Template(SETTINGS)),
    ("/target/auth/user", Holds::Template(SETTINGS)),
    ("/target/headers/*", Holds::Template(SETTINGS)),
    ("/target/body", Holds::Body(BODY)),
    ("/target/upsert/path", Holds::Path(CREATE)),
    ("/target/upsert/query/*", Holds::Template(CREATE)),
    ("/target/upsert/headers/*", Holds::Template(CREATE)),
    ("/target/upsert/id", Holds::Pointer),
    ("/target/create/path", Holds::Path(CREATE)),
    ("/target/create/query/*", Holds::Template(CREATE)),
    ("/target/create/headers/*", Holds::Template(CREATE)),
    ("/target/create/id", Holds::Pointer),
    ("/target/update/path", Holds::Path(CALL)),
    ("/target/update/query/*", Holds::Template(CALL)),
    ("/target/update/headers/*", Holds::Template(CALL)),
    ("/target/update/id", Holds::Pointer),
    ("/target/delete/path", Holds::Path(CALL)),
    ("/target/delete/query/*", Holds::Template(CALL)),
    ("/target/delete/headers/*", Holds::Template(CALL)),
    ("/target/delete/id", Holds::Pointer),
    ("/target/archive/path", Holds::Path(CALL)),
    ("/target/archive/query/*", Holds::Template(CALL)),
    ("/target/archive/headers/*", Holds::Template(CALL)),
    ("/target/archive/id", Holds::Pointer),
    ("/target/find/path", Holds::Path(FIND)),
    ("/target/find/query/*", Holds::Template(FIND)),
    ("/target/find/by", Holds::Expression(BODY)),
    ("/target/find/rows", Holds::Pointer),
    ("/target/find/id", Holds::Pointer),
    ("/target/list/path", Holds::Path(STANDING)),
    ("/target/list/query/*", Holds::Template(STANDING)),
    ("/target/list/rows", Holds::Pointer),
    ("/target/list/pages/next", Holds::Pointer),
    ("/target/list/pages/more", Holds::Pointer),
    ("/target/list/pages/delta", Holds::Pointer),
    ("/target/list/pages/time", Holds::Expression(ROW)),
    ("/target/list/pages/id", Holds::Expression(ROW)),
    ("/target/list/key", Holds::Expression(ROW)),
    ("/target/list/id", Holds::Pointer),
    ("/target/list/compare/*", Holds::Expression(ROW)),
    ("/target/contract/openapi", Holds::Path(SETTINGS)),
    ("/target/errors/*/code_at", Holds::Pointer),
    ("/audit/after/*", Holds::LocalTime),
    ("/audit/rules/*/holds", Holds::Expression(BODY)),
    ("/decide/path", Holds::Path(ASK)),
    ("/decide/query/*", Holds::Template(ASK)),
    ("/decide/body", Holds::Body(ASK)),
    ("/decide/yes", Holds::Expression(ANSWERED)),
    ("/warehouse/account", Holds::Template(SETTINGS)),
    ("/warehouse/base_url", Holds::Template(SETTINGS)),
    ("/warehouse/database", Holds::Template(SETTINGS)),
    ("/warehouse/place", Holds::Template(SETTINGS)),
    ("/warehouse/role", Holds::Template(SETTINGS)),
    ("/warehouse/schema", Holds::Template(SETTINGS)),
    ("/warehouse/user", Holds::Template(SETTINGS)),
    ("/warehouse/warehouse", Holds::Template(SETTINGS)),
    ("/webhook/key", Holds::Expression(PUSHED)),
    ("/webhook/row", Holds::Expression(PUSHED)),
];

pub(super) fn check(findings: &mut Findings<'_>, settings: &Settings) {
    let scope = Scope { settings };
    for (pattern, holds) in PLACES {
        let document = findings.document;
        for (pointer, value) in matches(&document.value, pattern) {
            match (holds, value) {
                (Holds::Body(known), value) => {
                    check_body(findings, &pointer, value, known, scope);
                }
                (_, Value::String(text)) => {
                    check_text(findings, &pointer, text, *holds, scope);
                }
                // Another kind of value is a mistake of shape.
                _ => {}
            }
        }
    }
}

/// The parts of a file to which a pattern points.
pub(super) fn matches<'a>(root: &'a Value, pattern: &str) -> Vec<(String, &'a Value)> {
    let mut found = vec![(String::new(), root)];
    for step in pattern.split('/').skip(1) {
        let below = |(pointer, value): (String, &'a Value)| -> Vec<(String, &'a Value)> {
            match value {
                Value::Object(table) if step == "*" => table
                    .iter()
                    .map(|(name, value)| (child(&pointer, name), value))
                    .collect(),
                Value::Array(entries) if step == "*" => entries
                    .iter()
                    .enumerate()
                    .map(|(index, value)| (format!("{pointer}/{index}"), value))
                    .collect(),
                _ => value
                    .get(step)
                    .map(|value| (child(&pointer, step), value))
                    .into_iter()
                    .collect(),
            }
        };
        found = found.into_iter().flat_map(below).collect();
    }
    found
}

fn check_body(
    findings: &mut Findings<'_>,
    pointer: &str,
    value: &Value,
    known: &'static [&'static str],
    scope: Scope<'_>,
) {
    match value {
        Value::String(text) => check_text(findings, pointer, text, Holds::Expression(known), scope),
        Value::Object(table) => {
            for (name, value) in table {
                check_body(findings, &child(pointer, name), value, known, scope);
            }
        }
        Value::Array(entries) => {
            for (index, value) in entries.iter().enumerate() {
                check_body(findings, &format!("{pointer}/{index}"), value, known, scope);
            }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

fn check_text(
    findings: &mut Findings<'_>,
    pointer: &str,
    text: &str,
    holds: Holds,
    scope: Scope<'_>,
) {
    // That takes a trial, at each start of a function.
    let tries = findings.purpose == Purpose::Check;
    let template = |encoding| {
        let compiled = Template::compile(text, encoding)?;
        let costs = tries.then(|| compiled.always_costs_too_much());
        Ok((compiled.names(), costs.flatten()))
    };
    let (compiled, known) = match holds {
        Holds::Expression(known) => {
            // No record may hold more, so no field of one.
            let of_field = pointer.starts_with("/fields/");
            let most = if of_field {
                MAX_CONTENT_BYTES
            } else {
                MAX_VALUE_BYTES
            };
            let compiled = Expression::compile(text).map(|compiled| {
                let costs = tries.then(|| compiled.always_costs_too_much(most));
                (compiled.names(), costs.flatten())
            });
            (compiled, known)
        }
        Holds::Template(known) => (template(Encoding::Plain), known),
        Holds::Path(known) => {
            check_path(findings, pointer, text);
            (template(Encoding::PathSegment), known)
        }
        Holds::Body(_) => return,
        Holds::Pointer => {
            if !is_pointer(text) {
                let right = format!("/{}", text.replace('.', "/"));
                findings.wrong(
                    pointer,
                    format!("`{text}` is no JSON pointer; it starts with `/`, as `{right}`"),
                );
            }
            return;
        }
        Holds::Zone => return refuse(findings, pointer, schedule::parse_zone(text).err()),
        Holds::LocalTime => return refuse(findings, pointer, schedule::parse_time(text).err()),
    };
    match compiled {
        Ok((names, costs_too_much)) => {
            check_names(findings, pointer, &names, known, scope);
            check_reads_row(findings, pointer, &names);
            if let Some(error) = costs_too_much {
                let place = dotted(pointer);
                findings.wrong(
                    pointer,
                    format!("`{place}` costs too much: {}", error.why()),
                );
            }
        }
        Err(error) => findings.wrong(pointer, does_not_parse(pointer, &error)),
    }
}

/// What is the same for each row tells no record from another, nor an older state from a newer.
fn check_reads_row(findings: &mut Findings<'_>, pointer: &str, names: &Names) {
    let why = match pointer {
        "/record/key" => "all records would be one",
        "/record/version/at" => "no change would be newer than another",
        _ => return,
    };
    if !names.roots.contains("row") {
        findings.wrong(
            pointer,
            format!("`{}` reads nothing of the row: {why}", dotted(pointer)),
        );
    }
}

fn refuse(findings: &mut Findings<'_>, pointer: &str, error: Option<schedule::ScheduleError>) {
    if let Some(error) = error {
        findings.wrong(pointer, error.to_string());
    }
}

fn does_not_parse(pointer: &str, error: &ExprError) -> String {
    format!("`{}` does not parse: {}", dotted(pointer), error.why())
}

fn check_path(findings: &mut Findings<'_>, pointer: &str, text: &str) {
    let literal = literal_text(text);
    if !text.starts_with('/') {
        findings.wrong(pointer, "a path starts with `/`; it is added to `base_url`");
    }
    if literal.contains('?') {
        findings.wrong(
            pointer,
            "a path has no `?`; write what follows it into `query`, where it is encoded",
        );
    } else if literal.contains(|c: char| c.is_whitespace() || c == '#') {
        findings.wrong(
            pointer,
            "a path has no blank and no `#`; write them as `%20` and `%23`",
        );
    }
}

/// A template without what stands in `{{ }}` and `{% %}`.
pub(super) fn literal_text(text: &str) -> String {
    let mut literal = String::new();
    let mut rest = text;
    while let Some(open) = rest.find("{{").into_iter().chain(rest.find("{%")).min() {
        literal.push_str(rest.get(..open).unwrap_or_default());
        let tail = rest.get(open..).unwrap_or_default();
        let close = if tail.starts_with("{{") { "}}" } else { "%}" };
        rest = tail
            .find(close)
            .and_then(|end| tail.get(end + 2..))
            .unwrap_or_default();
    }
    literal + rest
}

fn is_pointer(text: &str) -> bool {
    let escapes_are_right = |text: &str| {
        text.match_indices('~')
            .all(|(at, _)| matches!(text.as_bytes().get(at + 1), Some(b'0' | b'1')))
    };
    (text.is_empty() || text.starts_with('/')) && escapes_are_right(text)
}

fn check_names(
    findings: &mut Findings<'_>,
    pointer: &str,
    names: &Names,
    known: &[&str],
    scope: Scope<'_>,
) {
    for root in names
        .roots
        .iter()
        .filter(|root| !known.contains(&root.as_str()))
    {
        let near = super::words::nearest(root, known.iter().copied())
            .map_or_else(String::new, |name| format!("; did you mean `{name}`?"));
        findings.wrong(
            pointer,
            format!(
                "`{root}` is not known here; known: {}{near}",
                known.join(", ")
            ),
        );
    }
    for call in &names.unknown_calls {
        let (kind, name) = (call.kind.as_str(), &call.name);
        let instead = match call.kind {
            crate::expr::CallKind::Method => {
                format!("; values have no methods, filters are written `| {name}`")
            }
            kind => super::words::nearest(name, kind.known().iter().copied())
                .map_or_else(String::new, |name| format!("; did you mean `{name}`?")),
        };
        findings.wrong(pointer, format!("there is no {kind} `{name}`{instead}"));
    }
    let document = findings.document;
    let fields = document.names("/fields");
    for path in &names.paths {
        let mut steps = path.split('.');
        let (Some(root), Some(name)) = (steps.next(), steps.next()) else {
            continue;
        };
        match root {
            "fields"
                if known.contains(&"fields")
                    && document.get("/fields").is_some()
                    && !fields.contains(&name) =>
            {
                let instead = instead(name, fields.iter().copied());
                findings.wrong(
                    pointer,
                    format!("`fields.{name}` is not in `[fields]`{instead}"),
                );
            }
            "page" if known.contains(&"page") && !PAGE.contains(&name) => {
                let instead = instead(name, PAGE);
                findings.wrong(pointer, format!("`page` has no `{name}`{instead}"));
            }
            "env" if !scope.settings.contains_key(name) => {
                let message = format!("the setting `{name}` is not set");
                match findings.purpose {
                    Purpose::Run => findings.wrong(pointer, message),
                    Purpose::Check => findings.odd(pointer, message),
                }
            }
            _ => {}
        }
    }
}
