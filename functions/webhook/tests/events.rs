//! Deliveries that are events of CloudEvents, and the handshake before them.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use axum::{
    body::{Body, to_bytes},
    http::{HeaderMap, Method, Request},
};
use serde_json::{Value, json};
use tidegate_model::Tier;
use tidegate_testkit::{
    doubles::erp::{ErpSupplier, realistic_suppliers, webhook::sign_body},
    host::{Host, START},
};
use tidegate_webhook::router;
use tower::ServiceExt;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const TEMPLATE: &str = include_str!("../../../infra/template.yaml");
const PATH: &str = "/v1/flows/suppliers/webhook";
const SECRET: &str = "hush-hush-hush-hush";
const STANDARD_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const ORIGIN: &str = "eventgrid.azure.net";
const CHANGED: &str = "com.erp.supplier.changed";
/// As Azure Event Grid shows that it knows the secret.
const BY_QUERY: &str = r#"{ by = "query", parameter = "code" }"#;
const STRUCTURED: &str = "application/cloudevents+json; charset=utf-8";

/// The suppliers, told of by events.
fn host_signed(signed: &str, secret: &str) -> Host {
    let events = format!(
        "[webhook]\nsigned = {signed}\ncloud_events = {{ types = [\"{CHANGED}\"], origins = [\"{ORIGIN}\"] }}"
    );
    let flow = FLOW
        .replace("[webhook]", &events)
        .replace(
            "key = \"body.supplier.id if body.supplier else body.id\"",
            "key = \"event.subject\"",
        )
        .replace("row = \"body.supplier\"", "row = \"body\"");
    let secrets = ["SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_2"].map(|name| (name, secret));
    Host::new(&[&flow], secrets, tidegate_connect::connect).unwrap()
}

fn host() -> Host {
    host_signed(BY_QUERY, SECRET)
}

struct Answer {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Answer {
    fn outcome(&self) -> (u16, &str) {
        (self.status, self.body["outcome"].as_str().unwrap_or(""))
    }
}

async fn answer_to(host: &Host, request: Request<Body>) -> Answer {
    let answer = router(host.engine.clone()).oneshot(request).await.unwrap();
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    Answer {
        status: parts.status.as_u16(),
        headers: parts.headers,
        body: serde_json::from_slice(&body).unwrap_or(Value::Null),
    }
}

/// An event, to be sent in either mode.
#[derive(Clone)]
struct Event {
    id: &'static str,
    source: &'static str,
    kind: &'static str,
    data: Option<Value>,
}

impl Event {
    fn hint(id: &'static str) -> Self {
        let (source, kind, data) = ("/erp", CHANGED, None);
        Self {
            id,
            source,
            kind,
            data,
        }
    }

    fn of(id: &'static str, row: &ErpSupplier) -> Self {
        let data = Some(serde_json::to_value(row).unwrap());
        Self {
            data,
            ..Self::hint(id)
        }
    }

    fn structured(&self) -> (Vec<(&'static str, String)>, String) {
        let mut body = json!({
            "specversion": "1.0", "id": self.id, "source": self.source, "type": self.kind,
            "subject": "SUP-000001", "time": "2026-11-20T02:00:00Z",
        });
        if let Some(data) = &self.data {
            body["data"] = data.clone();
        }
        (
            vec![("content-type", STRUCTURED.to_owned())],
            body.to_string(),
        )
    }

    fn binary(&self) -> (Vec<(&'static str, String)>, String) {
        let headers = [
            ("ce-specversion", "1.0"),
            ("ce-id", self.id),
            ("ce-source", self.source),
            ("ce-type", self.kind),
            ("ce-subject", "SUP%2D000001"),
            ("content-type", "application/json"),
        ];
        let headers = headers.map(|(name, value)| (name, value.to_owned()));
        let body = self.data.as_ref().map(Value::to_string);
        (headers.into(), body.unwrap_or_default())
    }
}

async fn deliver(host: &Host, (headers, body): (Vec<(&'static str, String)>, String)) -> Answer {
    let mut request = Request::post(format!("{PATH}?code={SECRET}"));
    for (name, value) in headers {
        request = request.header(name, value);
    }
    answer_to(host, request.body(Body::from(body)).unwrap()).await
}

fn is_untouched(host: &Host) -> bool {
    host.store.items().is_empty() && host.queue.sent().is_empty()
}

#[tokio::test]
async fn an_event_with_the_whole_record_is_staged_and_its_repeat_is_known_in_either_mode() {
    let host = host();
    let mut row = realistic_suppliers(1, 1, START.0).remove(0);
    let first = Event::of("1", &row);
    let taken = deliver(&host, first.binary()).await;
    assert_eq!(taken.status, 202, "{}", taken.body);
    assert!(!host.store.items().is_empty(), "HOOK-1: durable");
    for again in [first.binary(), first.structured()] {
        assert_eq!(deliver(&host, again).await.outcome(), (202, "known"));
    }
    assert!(!host.queue.receive(Tier::RealTime, 10).is_empty());
    row.quality.blocked = !row.quality.blocked;
    row.version += 1;
    let critical = deliver(&host, Event::of("2", &row).structured()).await;
    assert_eq!(critical.outcome(), (202, "critical"), "{}", critical.body);
    assert_eq!(host.queue.receive(Tier::RealTime, 10).len(), 1);
}

#[tokio::test]
async fn an_event_without_the_record_is_a_hint_and_is_known_again_by_source_and_id() {
    let host = host();
    let first = Event::hint("1");
    let other_id = Event::hint("2");
    let other_source = Event {
        source: "/crm",
        ..first.clone()
    };
    for (event, outcome) in [
        (first.binary(), "fetching"),
        (first.structured(), "known"),
        (other_id.structured(), "fetching"),
        (other_source.binary(), "fetching"),
        (other_source.structured(), "known"),
        (other_id.binary(), "known"),
    ] {
        assert_eq!(deliver(&host, event).await.outcome(), (202, outcome));
    }
    assert_eq!(host.queue.len(Tier::RealTime), 3);
}

#[tokio::test]
async fn an_event_of_a_type_that_tells_of_no_record_is_ignored_and_says_so() {
    let host = host();
    let other = Event {
        kind: "com.erp.supplier.viewed",
        ..Event::hint("1")
    };
    for event in [other.binary(), other.structured()] {
        assert_eq!(deliver(&host, event).await.outcome(), (202, "ignored"));
    }
    assert!(is_untouched(&host));
}

#[tokio::test]
async fn an_event_is_taken_however_its_sender_signs() {
    let now_s = START.0 / 1_000;
    let standard = host_signed("{ by = \"standard\" }", STANDARD_SECRET);
    for (event, outcome) in [
        (Event::hint("1").binary(), "fetching"),
        (Event::hint("1").structured(), "known"),
    ] {
        let (mut headers, body) = event;
        let signed = sign_body(body.clone(), STANDARD_SECRET, "msg", now_s).unwrap();
        let [_, signed @ ..] = signed.headers;
        headers.extend(signed);
        let taken = deliver(&standard, (headers, body)).await;
        assert_eq!(taken.outcome(), (202, outcome), "{}", taken.body);
    }
    let by_header = host_signed("{ by = \"header\", header = \"X-Key\" }", SECRET);
    let (mut headers, body) = Event::hint("1").binary();
    let unsigned = deliver(&by_header, (headers.clone(), body.clone())).await;
    assert_eq!(unsigned.status, 401);
    headers.push(("x-key", SECRET.to_owned()));
    let taken = deliver(&by_header, (headers, body)).await;
    assert_eq!(taken.outcome(), (202, "fetching"));
}

#[tokio::test]
async fn a_batch_is_told_that_it_is_not_taken_once_its_signature_holds_hook_1() {
    let host = host();
    let batch = |path: &str| {
        let request = Request::post(path);
        let request = request.header("content-type", "application/cloudevents-batch+json");
        request.body(Body::from("[]")).unwrap()
    };
    let unsigned = answer_to(&host, batch(PATH)).await;
    assert_eq!(unsigned.status, 401, "nothing is parsed before");
    let told = answer_to(&host, batch(&format!("{PATH}?code={SECRET}"))).await;
    assert_eq!(told.status, 415);
    assert_eq!(told.headers["content-type"], "application/problem+json");
    let detail = told.body["detail"].as_str().unwrap();
    assert!(detail.contains("no batch"), "{detail}");
    assert!(is_untouched(&host));
}

#[tokio::test]
async fn what_is_no_event_is_refused_by_the_name_of_what_is_wrong() {
    let host = host();
    let without = |left_out: &str| {
        let (mut headers, body) = Event::hint("1").binary();
        headers.retain(|(name, _)| *name != left_out);
        (headers, body)
    };
    let with = |name: &'static str, value: &str| {
        let (mut headers, body) = without(name);
        headers.push((name, value.to_owned()));
        (headers, body)
    };
    for (event, told) in [
        (without("ce-specversion"), "`specversion` is missing"),
        (without("ce-id"), "`id` is missing"),
        (without("ce-source"), "`source` is missing"),
        (without("ce-type"), "`type` is missing"),
        (with("ce-specversion", "2.0"), "`specversion` is not 1.x"),
        (
            with("ce-subject", "100%"),
            "`subject` is not percent-encoded",
        ),
        (
            with("ce-subject", "Z\u{fc}rich"),
            "`subject` is not percent-encoded",
        ),
        (without("ce-subject"), "the key is missing"),
    ] {
        let refused = deliver(&host, event).await;
        assert_eq!(refused.status, 400, "{told}: {}", refused.body);
        let detail = refused.body["detail"].as_str().unwrap();
        assert!(detail.contains(told), "{detail}");
    }
    assert!(is_untouched(&host));
}

async fn ask(host: &Host, method: Method, flow: &str, origin: Option<&str>) -> Answer {
    let path = format!("/v1/flows/{flow}/webhook");
    let mut request = Request::builder().method(method).uri(path);
    if let Some(origin) = origin {
        request = request.header("WebHook-Request-Origin", origin);
    }
    let request = request.header("WebHook-Request-Rate", "120");
    let request = request.header("WebHook-Request-Callback", "https://example.com/confirm");
    answer_to(host, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn the_handshake_consents_to_an_origin_that_the_flow_names() {
    let host = host();
    for origin in [ORIGIN, "EventGrid.Azure.NET"] {
        let told = ask(&host, Method::OPTIONS, "suppliers", Some(origin)).await;
        assert_eq!(told.status, 200);
        assert_eq!(told.headers["webhook-allowed-origin"], origin);
        assert_eq!(told.headers["webhook-allowed-rate"], "3000");
        assert_eq!(told.headers["allow"], "POST");
    }
    assert!(is_untouched(&host));
    assert!(host.http.requests().is_empty(), "nobody is called back");
}

#[tokio::test]
async fn without_consent_the_handshake_tells_nothing_of_flows() {
    let host = host();
    let plain = Host::new(&[FLOW], [], tidegate_connect::connect).unwrap();
    let refused = ask(&host, Method::OPTIONS, "suppliers", Some("example.com")).await;
    assert_eq!(refused.status, 405);
    for (host, method, flow, origin) in [
        (&host, Method::OPTIONS, "suppliers", None),
        (&host, Method::OPTIONS, "suppliers", Some("")),
        (&host, Method::OPTIONS, "suppliers", Some("*")),
        (&host, Method::OPTIONS, "suppliers", Some("azure.net")),
        (
            &host,
            Method::OPTIONS,
            "suppliers",
            Some("x.eventgrid.azure.net"),
        ),
        (&host, Method::OPTIONS, "orders", Some(ORIGIN)),
        (&host, Method::OPTIONS, "No%20Flow", Some(ORIGIN)),
        (&host, Method::OPTIONS, "%ff", Some(ORIGIN)),
        (&plain, Method::OPTIONS, "suppliers", Some(ORIGIN)),
        (&host, Method::PUT, "suppliers", Some(ORIGIN)),
    ] {
        let told = ask(host, method.clone(), flow, origin).await;
        let what = format!("{method} {flow} {origin:?}");
        assert_eq!(told.status, refused.status, "{what}");
        assert_eq!(told.headers, refused.headers, "{what}");
        assert_eq!(told.body, refused.body, "{what}");
    }
}

#[tokio::test]
async fn the_rate_of_the_handshake_leaves_half_of_what_the_gateway_lets_through() {
    let told = ask(&host(), Method::OPTIONS, "suppliers", Some(ORIGIN)).await;
    let rate = told.headers["webhook-allowed-rate"].to_str().unwrap();
    let a_second = rate.parse::<u32>().unwrap() / 60;
    let limit = format!("ThrottlingRateLimit: {} ", a_second * 2);
    assert!(TEMPLATE.contains(&limit), "{limit}");
}
