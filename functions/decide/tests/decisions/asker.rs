//! Who asks for credit, a source in memory, and a flow that asks it.

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request},
};
use serde_json::{Value, json};
use tidegate_decide::router;
use tidegate_engine::Decisions;
use tidegate_testkit::{
    host::Host,
    memory::{INNER_TEXT, MemoryHttp},
};
use tower::ServiceExt;

pub const TOKEN: &str = "the-token-of-those-who-ask";
pub const PATH: &str = "/v1/flows/contacts/decide";
const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");
/// What is asked unless a test asks something else.
pub const DECIDE: &str = r#"
[decide]
path = "/v2/contacts/{{ key }}/credit"
query = { amount = "{{ ask.amount }}" }
yes = "answer.decision == 'approved' and answer.limit | float >= ask.amount | float"
limit = { calls = 5, per_s = 60 }
"#;

/// The shipped example, which decides.
pub fn flow(decide: &str) -> String {
    format!("{CONTACTS}\n{decide}")
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// It is a decision, whose reason is given. Yes is what is approved, and nothing else.
    pub fn why(&self) -> &str {
        assert_eq!(self.status, 200, "{}", self.body);
        let why = self.body["why"].as_str().unwrap();
        let expected = if why == "approved" { "yes" } else { "no" };
        assert_eq!(self.body["decision"], expected);
        why
    }

    /// It is a problem of this status, and no decision. Returns what it says.
    pub fn problem(&self, status: u16) -> &str {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        let text = self.body.to_string();
        for never in [INNER_TEXT, "decision\"", "yes"] {
            assert!(!text.contains(never), "{never} in {text}");
        }
        self.body["detail"].as_str().unwrap()
    }
}

/// A host that decides.
pub struct Asker {
    pub host: Host,
    decisions: Arc<Decisions>,
}

impl Asker {
    pub fn new(decide: &str) -> Self {
        Self::of(&flow(decide), [("DECIDE_TOKEN", TOKEN)])
    }

    pub fn of<'a>(flow: &str, secrets: impl IntoIterator<Item = (&'a str, &'a str)>) -> Self {
        let host = Host::new(&[flow], secrets, tidegate_connect::connect).unwrap();
        let decisions = Arc::new(Decisions::of(&host.engine));
        Self { host, decisions }
    }

    /// The source answers this from now on.
    pub fn source_says(&self, status: u16, body: Value) {
        self.host
            .http
            .answer(move |_| Ok(MemoryHttp::json(status, body.clone())));
    }

    /// Asks whether C-1 has credit for 300.
    pub async fn ask(&self) -> Answer {
        self.ask_for(json!({"key": "C-1", "ask": {"amount": 300}}))
            .await
    }

    pub async fn ask_for(&self, body: Value) -> Answer {
        let request = Request::post(PATH).header("authorization", format!("Bearer {TOKEN}"));
        self.send(request.body(body.to_string().into()).unwrap())
            .await
    }

    pub async fn send(&self, request: Request<Body>) -> Answer {
        let answer = router(Arc::clone(&self.decisions)).oneshot(request).await;
        let (parts, body) = answer.unwrap().into_parts();
        let body = to_bytes(body, 10_000).await.unwrap();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body: serde_json::from_slice(&body).unwrap(),
        }
    }
}

/// What a source says that gives credit up to this.
pub fn approved(limit: impl Into<Value>) -> Value {
    json!({"decision": "approved", "limit": limit.into()})
}
