//! A double of the engine's calls for tests: answers as they were written down, classified as the
//! engine does, and every request kept.

use std::{collections::VecDeque, sync::Arc};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_engine::ports::{Answer, CallError, Calls, Request};
use tidegate_model::{
    UnixMs,
    flow::{ErrorAction, ErrorRow},
};
use tidegate_policy::{
    answer::{classify, refusal, scrub},
    flow::{Flow, Settings},
};

struct Scripted {
    status: u16,
    headers: Vec<(String, String)>,
    body: Value,
}

/// Answers to come, and the requests that came.
pub(crate) struct Script {
    rows: Vec<ErrorRow>,
    answers: VecDeque<Scripted>,
    pub(crate) requests: Vec<Request>,
}

impl Script {
    pub(crate) fn new(rows: &[ErrorRow]) -> Self {
        Self {
            rows: rows.to_vec(),
            answers: VecDeque::new(),
            requests: Vec::new(),
        }
    }

    pub(crate) fn answer(self, status: u16, body: Value) -> Self {
        self.answer_with(status, &[], body)
    }

    pub(crate) fn answer_with(
        mut self,
        status: u16,
        headers: &[(&str, &str)],
        body: Value,
    ) -> Self {
        let headers = headers
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        self.answers.push_back(Scripted {
            status,
            headers,
            body,
        });
        self
    }

    /// `METHOD address` of each request.
    pub(crate) fn sent(&self) -> Vec<String> {
        let line = |request: &Request| format!("{} {}", request.method.as_str(), request.url);
        self.requests.iter().map(line).collect()
    }

    pub(crate) fn body(&self, at: usize) -> &Value {
        self.requests[at].json().unwrap()
    }
}

#[async_trait]
impl Calls for Script {
    async fn call(&mut self, request: Request) -> Result<Answer, CallError> {
        let Scripted {
            status,
            headers,
            body,
        } = self
            .answers
            .pop_front()
            .unwrap_or_else(|| panic!("no answer left for {}", request.url));
        let action = classify(&self.rows, status, Some(&body));
        let (field, reason) = refusal(&body);
        let reason = scrub(&reason, request.json());
        self.requests.push(request);
        match action {
            ErrorAction::Ok | ErrorAction::Missing | ErrorAction::Stale => Ok(Answer {
                status,
                action,
                headers,
                body,
            }),
            ErrorAction::Defer => Err(CallError::Throttled { until: UnixMs(1) }),
            ErrorAction::Blocked => Err(CallError::Blocked { reason }),
            ErrorAction::Review => Err(CallError::Refused { reason, field }),
            ErrorAction::Retry => Err(CallError::Failed {
                reason,
                started: UnixMs(1),
                may_have_effect: true,
                attempt: Some(1),
            }),
        }
    }
}

const FLOW: &str = r#"
name = "things"
revision = 1

[record]
key = "row.id"
version = { by = "sequence", at = "row.version" }

[fields]
name = "row.name"
email = "row.email"
use = "row.use"
sponsor = "row.sponsor"
risk = "row.risk"
phone = "row.phone"
contact = "row.contact"
line = "row.line"
nothing = "row.nothing"

[schema]
type = "object"

[schedule]
time_zone = "UTC"
windows = [{ at = "02:00" }]

[freshness]
critical_s = 100_000
other_s = 100_000
"#;

/// The source of flows under test, where the test is not about it.
pub(crate) const SOURCE: &str = r#"
[source]
type = "rest"
name = "src"
base_url = "https://src.example/api"
limit = { calls = 60, per_s = 60 }
[source.list]
path = "/things"
[source.one]
path = "/things/{{ key }}"
"#;

/// The target of flows under test, where the test is not about it.
pub(crate) const TARGET: &str = r#"
[target]
type = "rest"
name = "dst"
base_url = "https://dst.example"
body = { name = "fields.name" }
upsert = { method = "PUT", path = "/things/{{ key }}" }
"#;

const LIMITS: &str = r"
[target.limits]
real_time = { calls = 20, per_s = 60 }
batch = { calls = 50, per_s = 60 }
";

/// A flow from a source to a target, both in TOML.
pub(crate) fn flow(source: &str, target: &str) -> Arc<Flow> {
    load(&format!("{FLOW}{source}{target}{LIMITS}"))
}

/// The same where the order of reads is the version.
pub(crate) fn flow_by_reads(source: &str, target: &str) -> Arc<Flow> {
    let sequence = r#"{ by = "sequence", at = "row.version" }"#;
    assert!(FLOW.contains(sequence));
    let flow = FLOW.replace(sequence, r#"{ by = "read" }"#);
    load(&format!("{flow}{source}{target}{LIMITS}"))
}

fn load(text: &str) -> Arc<Flow> {
    match Flow::load("things.toml", text, &Settings::new()) {
        Ok(flow) => Arc::new(flow),
        Err(mistakes) => panic!("{mistakes:#?}"),
    }
}
