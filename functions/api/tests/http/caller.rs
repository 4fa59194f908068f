//! A caller with the token, an engine in memory behind it, and suppliers in its table.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex},
    time::Duration,
};

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Request, request::Builder},
};
use serde_json::{Value, json};
use tidegate_api::{openapi, router};
use tidegate_engine::ports::Store as _;
use tidegate_model::{ClaimToken, FlowId, RecordKey};
use tidegate_policy::{
    keys,
    register::{self, Committed, Register},
    run::{Mode, RunRequest},
};
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START},
    memory::{INNER_TEXT, MemoryHttp},
    openapi::{Call, Described},
};
use tower::ServiceExt;

pub const TOKEN: &str = "the-token-of-this-test";
/// The token with the scope `fields`.
pub const FIELDS_TOKEN: &str = "the-other-token-of-this-test";
const SUPPLIERS: &str = include_str!("../../../../infra/flows/suppliers.toml");

const CONTACTS: &str = include_str!("../../../../infra/flows/examples/contacts.toml");

/// What the API says of itself.
pub fn described() -> &'static Described {
    static DESCRIBED: LazyLock<Described> =
        LazyLock::new(|| Described::try_new(&openapi()).unwrap());
    &DESCRIBED
}

/// What came back.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: Value,
}

impl Answer {
    /// It is a problem of this status that tells nothing of the inside. Returns its body.
    pub fn problem(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        for member in ["type", "title", "detail"] {
            assert!(self.body[member].is_string(), "{member} in {}", self.body);
        }
        self.body
    }

    /// It succeeded with this status. Returns its body.
    pub fn ok(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.body);
        self.body
    }
}

/// A caller and its host.
pub struct Caller {
    pub host: Host,
    called: Mutex<BTreeSet<String>>,
}

impl Caller {
    /// The shipped flow of suppliers, and the same one under the name `vendors`.
    pub fn new() -> Self {
        Self::with_secrets(&[("API_TOKEN", TOKEN), ("API_TOKEN_FIELDS", FIELDS_TOKEN)])
    }

    pub fn with_secrets(secrets: &[(&str, &str)]) -> Self {
        let vendors = SUPPLIERS.replace("name = \"suppliers\"", "name = \"vendors\"");
        Self::of(&[SUPPLIERS, &vendors], secrets)
    }

    /// With a flow that has a warehouse.
    pub fn with_warehouse() -> Self {
        let warehouse = "\n[warehouse]\nname = \"snowflake\"\nplace = \"staged\"\n\
            base_url = \"https://snowflake.example\"\naccount = \"a\"\nuser = \"u\"\nkey = \"KEY\"\n\
            role = \"r\"\nwarehouse = \"w\"\ndatabase = \"d\"\nschema = \"s\"\n";
        let flow = format!("{SUPPLIERS}{warehouse}");
        Self::of(&[&flow], &[("API_TOKEN", TOKEN)])
    }

    /// The shipped flow of suppliers, and the example of contacts, which events start.
    pub fn with_contacts() -> Self {
        Self::of(&[SUPPLIERS, CONTACTS], &[("API_TOKEN", TOKEN)])
    }

    fn of(flows: &[&str], secrets: &[(&str, &str)]) -> Self {
        let host = Host::new(flows, secrets.iter().copied(), tidegate_connect::connect);
        Self {
            host: host.unwrap(),
            called: Mutex::default(),
        }
    }

    /// Names of the operations that were called.
    pub fn called(&self) -> BTreeSet<String> {
        self.called.lock().unwrap().clone()
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(bearing(Request::get(path)), Body::empty()).await
    }

    /// Posts without a body.
    pub async fn post(&self, path: &str) -> Answer {
        self.send(bearing(Request::post(path)), Body::empty()).await
    }

    pub async fn post_json(&self, path: &str, body: Value) -> Answer {
        self.send(bearing(Request::post(path)), body.to_string().into())
            .await
    }

    pub async fn patch_json(&self, path: &str, body: Value) -> Answer {
        self.send(bearing(Request::patch(path)), body.to_string().into())
            .await
    }

    pub async fn send(&self, request: Builder, body: Body) -> Answer {
        let sent = to_bytes(body, 1_000_000).await.unwrap();
        let request = request.body(Body::from(sent.clone())).unwrap();
        let (method, path) = (request.method().clone(), request.uri().path().to_owned());
        let calls = self.host.http.requests().len();
        let answer = router(self.host.engine.clone())
            .oneshot(request)
            .await
            .unwrap();
        assert_eq!(self.host.http.requests().len(), calls, "READ-1");
        let (parts, body) = answer.into_parts();
        let body = to_bytes(body, 1_000_000).await.unwrap();
        let body = if body.is_empty() {
            Value::Null
        } else {
            serde_json::from_slice(&body).unwrap()
        };
        let text = body.to_string();
        assert!(!text.contains(INNER_TEXT), "inner text in {text}");
        for token in [TOKEN, FIELDS_TOKEN] {
            assert!(!text.contains(token), "the token in {text}");
        }
        every_moment_is_text("", &body);
        let media_type = parts.headers.get("content-type");
        let operation = described().check(Call {
            method: method.as_str(),
            path: &path,
            sent: serde_json::from_slice(&sent).ok().as_ref(),
            status: parts.status.as_u16(),
            media_type: media_type.map_or("", |found| found.to_str().unwrap()),
            body: &body,
        });
        let operation = operation.unwrap_or_else(|fault| panic!("not as described: {fault}"));
        let mut called = self.called.lock().unwrap();
        called.extend(operation.map(str::to_owned));
        drop(called);
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// A batch of `flow` reads these rows.
    pub async fn batch(&self, flow: &str, rows: Vec<Value>) {
        let page = json!({ "items": rows, "has_more": false });
        self.host
            .http
            .answer(move |_| Ok(MemoryHttp::json(200, page.clone())));
        let flow = FlowId::try_new(flow).unwrap();
        let request = RunRequest {
            window: None,
            mode: Some(Mode::Incremental),
            lookback_s: None,
            resume: None,
            trigger: None,
        };
        let deadline = self.host.engine.now() + Duration::from_mins(5);
        let report = self.host.engine.run(&flow, &request, deadline).await;
        assert!(report.unwrap().counts.add_up());
    }

    /// Marks a record as applied, as a worker does after its call.
    pub async fn apply(&self, flow: &str, key: &str) {
        let (flow, key) = (
            FlowId::try_new(flow).unwrap(),
            RecordKey::try_new(key).unwrap(),
        );
        let at = keys::register(&flow, &key);
        let now = self.host.engine.now();
        let token = ClaimToken::try_new("worker").unwrap();
        let claim = register::claim(&token, now + Duration::from_mins(1), now, true);
        self.host.store.update(&at, &claim).await.unwrap();
        let claimed = Register::read(&self.host.store.item(&at).unwrap())
            .unwrap()
            .unwrap();
        let done = Committed {
            hash: claimed.desired.hash.clone(),
            version: claimed.desired.version,
            target_id: Some("qualio-1".to_owned()),
            etag: None,
            deleted: false,
            started: now,
        };
        let commit = register::commit(&token, &done, &claimed, now);
        self.host.store.update(&at, &commit).await.unwrap();
    }
}

/// The request with the token.
pub fn bearing(request: Builder) -> Builder {
    request.header("authorization", format!("Bearer {TOKEN}"))
}

/// The moment is that of the test: a batch takes some milliseconds of its clock.
pub fn is_now(moment: &Value) {
    let text = moment.as_str().unwrap();
    assert!(text.starts_with("2026-11-20T02:00:00."), "{text}");
    assert!(text.len() == 24 && text.ends_with('Z'), "{text}");
}

/// Rows of the ERP.
pub fn rows(count: u32) -> Vec<Value> {
    realistic_suppliers(1, count, START.0)
        .into_iter()
        .map(|row| serde_json::to_value(row).unwrap())
        .collect()
}

/// A row that breaks the schema: its name is empty.
pub fn invalid(mut row: Value) -> Value {
    row["legal_name"] = json!("");
    row
}

/// No moment leaves the API as a number.
fn every_moment_is_text(path: &str, value: &Value) {
    match value {
        Value::Number(number) => {
            let looks_like_ms = number.as_i64().is_some_and(|n| n > 1_000_000_000_000);
            assert!(!looks_like_ms, "{path} is {number}");
        }
        Value::Array(items) => items
            .iter()
            .for_each(|item| every_moment_is_text(&format!("{path}[]"), item)),
        Value::Object(members) => members.iter().for_each(|(name, item)| {
            // How long a decision took, in the description, is no moment.
            assert!(!name.ends_with("_ms") || name == "took_ms", "{path}.{name}");
            every_moment_is_text(&format!("{path}.{name}"), item);
        }),
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}
