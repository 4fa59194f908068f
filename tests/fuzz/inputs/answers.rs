//! Answers of other systems: pages of sources, answers of targets, refusals.

use std::{cell::Cell, sync::Arc, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_engine::ports::{
    Answer, CallError, Calls, PageRequest, Removal, Request, Source, Target, Write,
};
use tidegate_model::{
    Fields, RecordKey, UnixMs,
    flow::{ErrorAction, ErrorRow},
};
use tidegate_policy::{
    answer::{self, classify, hold, scrub},
    flow::Flow,
};
use tidegate_testkit::host::settings;

use super::promises::{FLOWS, SUPPLIERS, VALUE, at_once};

/// Pages that are read of one listing: each by the same answer, so it ends or is refused at once.
const MAX_PAGES: usize = 4;
/// Calls that one verb of a connector may make: Qualio lists once a status, and a few more.
const MAX_CALLS: usize = 16;

/// Ways of paging that the shipped flows do not use.
const PAGES: [&str; 7] = [
    r#"{ by = "none" }"#,
    r#"{ by = "offset" }"#,
    r#"{ by = "number", first = 1 }"#,
    r#"{ by = "cursor", next = "/next" }"#,
    r#"{ by = "link" }"#,
    r#"{ by = "header", name = "X-Next" }"#,
    r#"{ by = "delta", next = "/next", delta = "/delta" }"#,
];

/// The supplier flow with each way of paging.
fn sources() -> Vec<Arc<Flow>> {
    thread_local! {
        static SOURCES: Vec<Arc<Flow>> = PAGES.iter().map(|pages| paged(pages)).collect();
    }
    let mut flows = FLOWS.clone();
    SOURCES.with(|more| flows.extend(more.iter().cloned()));
    flows
}

fn paged(pages: &str) -> Arc<Flow> {
    let keyset =
        r#"{ by = "keyset", time = "row.modified_at", id = "row.id", more = "/has_more" }"#;
    let query =
        "modified_since = \"{{ page.after_time or since }}\"\nafter_id = \"{{ page.after_id }}\"\n";
    let all = "a = \"{{ page.offset }}\"\nb = \"{{ page.number }}\"\nc = \"{{ page.cursor }}\"\nd = \"{{ since }}\"\n";
    let text = SUPPLIERS
        .replace(keyset, pages)
        .replace(query, all)
        .replace(
            "at = \"row.version\" }",
            "at = \"row.version\" }\nmodified = \"row.modified_at\"",
        );
    // Of what was deleted, a link to changes tells no version.
    let text = if pages.contains("delta") {
        text.replace(
            r#"{ by = "sequence", at = "row.version" }"#,
            r#"{ by = "read" }"#,
        )
    } else {
        text
    };
    Flow::load("flow.toml", &text, &settings())
        .map(Arc::new)
        .unwrap()
}

/// Calls that are all answered alike, judged as the engine judges them.
struct SameAnswer<'a> {
    origin: &'a str,
    rows: &'a [ErrorRow],
    status: u16,
    header: &'a str,
    body: &'a Value,
    calls: usize,
}

#[async_trait]
impl Calls for SameAnswer<'_> {
    async fn call(&mut self, request: Request) -> Result<Answer, CallError> {
        assert!(
            request.url == self.origin || request.url.starts_with(&format!("{}/", self.origin)),
            "{} leaves {}",
            request.url,
            self.origin
        );
        self.calls += 1;
        assert!(self.calls <= MAX_CALLS, "the connector calls without end");
        let action = classify(self.rows, self.status, Some(self.body));
        let (field, reason) = answer::refusal(self.body);
        let reason = scrub(&reason, request.json());
        if request.json().is_some_and(holds_value) {
            assert!(!reason.contains(VALUE), "{reason}");
        }
        match action {
            ErrorAction::Ok | ErrorAction::Missing | ErrorAction::Stale => Ok(Answer {
                status: self.status,
                action,
                headers: ["link", "x-next", "etag"]
                    .map(|name| (name.to_owned(), self.header.to_owned()))
                    .into(),
                body: self.body.clone(),
            }),
            ErrorAction::Defer => Err(CallError::Throttled {
                until: UnixMs::EPOCH + hold(Some(self.header), UnixMs::EPOCH),
            }),
            ErrorAction::Blocked => Err(CallError::Blocked { reason }),
            ErrorAction::Review => Err(CallError::Refused { reason, field }),
            ErrorAction::Retry => Err(CallError::Failed {
                reason,
                started: UnixMs::EPOCH,
                may_have_effect: true,
                attempt: Some(1),
            }),
        }
    }
}

fn holds_value(body: &Value) -> bool {
    match body {
        Value::String(text) => text == VALUE,
        Value::Array(entries) => entries.iter().any(holds_value),
        Value::Object(table) => table.values().any(holds_value),
        _ => false,
    }
}

/// Status, one header and the body of an answer, a line each. A body that is not JSON never reaches
/// a connector.
fn read_answer(data: &[u8]) -> Option<(u16, String, Value)> {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let status = std::str::from_utf8(line()).ok()?.parse().ok()?;
    let header = String::from_utf8_lossy(line()).into_owned();
    let body = serde_json::from_slice(line()).ok()?;
    (100..=599)
        .contains(&status)
        .then_some((status, header, body))
}

/// Whether a connector's own words repeat what the answer holds. What a provider says of itself is
/// scrubbed of what was sent only, so an answer that is refused may hold anything.
fn own_words(error: &CallError, status: u16) {
    if (200..300).contains(&status) {
        let text = error.to_string();
        assert!(!text.contains(VALUE), "{text}");
    }
}

/// A page is rows and a way on that can be stored, or an error; it never leaves the source's origin
/// and never goes round.
pub fn source_page(data: &[u8]) {
    let Some((status, header, body)) = read_answer(data) else {
        return;
    };
    for flow in sources() {
        let (source, _) = tidegate_connect::connect(&flow);
        let mut calls = SameAnswer {
            origin: flow.source().unwrap().base_url(),
            rows: &flow.source().unwrap().spec().errors,
            status,
            header: &header,
            body: &body,
            calls: 0,
        };
        read_pages(source.as_ref(), &mut calls);
        // What a checkpoint holds may be of another release, or of anybody's making.
        let stored = PageRequest {
            since_us: Some(u64::from(status) * 1_000_000_000_000),
            cursor: Some(body.clone()),
        };
        if let Err(error) = at_once(source.page(&mut calls, &stored)) {
            own_words(&error, status);
        }
        let key = RecordKey::try_new("SUP-000123").unwrap();
        match at_once(source.fetch(&mut calls, &key)) {
            Ok(Some(row)) => {
                let named = flow.key_of_row(&row);
                assert!(named.is_err() || named.as_ref() == Ok(&key), "{named:?}");
            }
            Ok(None) => {}
            Err(error) => own_words(&error, status),
        }
    }
}

fn read_pages(source: &dyn Source, calls: &mut SameAnswer<'_>) {
    let mut request = PageRequest {
        since_us: None,
        cursor: None,
    };
    for _ in 0..MAX_PAGES {
        match at_once(source.page(calls, &request)) {
            Ok(page) => {
                assert!(
                    page.next.is_none() || page.next != request.cursor,
                    "it goes round"
                );
                // As a checkpoint keeps it.
                request.cursor = page
                    .next
                    .map(|next| serde_json::from_str(&next.to_string()).unwrap());
                if request.cursor.is_none() {
                    return;
                }
            }
            Err(error) => return own_words(&error, calls.status),
        }
    }
}

/// Each verb of each target ends in a named outcome, whatever is answered.
pub fn target_answer(data: &[u8]) {
    let Some((status, header, body)) = read_answer(data) else {
        return;
    };
    let key = RecordKey::try_new("SUP-000123").unwrap();
    for flow in FLOWS.iter() {
        let (_, target) = tidegate_connect::connect(flow);
        let fields: Fields = flow
            .file()
            .fields
            .keys()
            .map(|name| (name.clone(), Value::from(VALUE)))
            .collect();
        let write = Write {
            key: &key,
            fields: &fields,
            target_id: Some("5a1d3f6e"),
            etag: None,
            idempotency_key: "k",
        };
        let count = Cell::new(0);
        let calls = || {
            count.set(count.get() + 1);
            SameAnswer {
                origin: flow.target().base_url(),
                rows: target.errors(),
                status,
                header: &header,
                body: &body,
                calls: 0,
            }
        };
        each_verb(target.as_ref(), &calls, write, status);
        assert_eq!(count.get(), 6, "every verb was tried");
    }
}

fn each_verb<'a>(
    target: &dyn Target,
    calls: &dyn Fn() -> SameAnswer<'a>,
    write: Write<'_>,
    status: u16,
) {
    let quiet = |error: Option<CallError>| {
        if let Some(error) = error {
            own_words(&error, status);
        }
    };
    quiet(at_once(target.find(&mut calls(), "SUP-000123")).err());
    let fresh = Write {
        target_id: None,
        ..write
    };
    quiet(at_once(target.create(&mut calls(), fresh)).err());
    quiet(at_once(target.update(&mut calls(), write)).err());
    quiet(at_once(target.remove(&mut calls(), Removal::Delete, write.key, write.target_id)).err());
    quiet(at_once(target.index(&mut calls())).err());
    quiet(at_once(target.standing(&mut calls(), None)).err());
}

/// A refusal of any shape is told without what was sent.
pub fn refusal(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (retry_after, sent, body) = (line(), line(), line());
    let retry_after = std::str::from_utf8(retry_after).ok();
    let held = hold(retry_after, UnixMs(784_111_657_000));
    assert!((Duration::from_secs(1)..=Duration::from_mins(15)).contains(&held));
    let (Ok(sent), Ok(body)) = (
        serde_json::from_slice::<Value>(sent),
        serde_json::from_slice::<Value>(body),
    ) else {
        return;
    };
    let (_, reason) = answer::refusal(&body);
    let shown = scrub(&reason, Some(&sent));
    assert!(
        shown.chars().count() <= answer::MAX_REASON_CHARS + 1,
        "{shown}"
    );
    assert!(!shown.contains(char::is_control), "{shown:?}");
    let mut values = Vec::new();
    texts(&sent, &mut values);
    for value in values {
        assert!(!shown.contains(value), "{value:?} in {shown:?}");
    }
}

/// Texts that say something: a shorter one stands in any sentence by chance.
fn texts<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
    match value {
        Value::String(text) if text.trim().chars().count() >= 3 => found.push(text.trim()),
        Value::Array(entries) => entries.iter().for_each(|entry| texts(entry, found)),
        Value::Object(table) => table.values().for_each(|entry| texts(entry, found)),
        _ => {}
    }
}
