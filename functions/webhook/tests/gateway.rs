//! The same deliveries as API Gateway hands them over.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::{Value, json};
use tidegate_testkit::{
    doubles::erp::webhook::{Told, sign},
    host::{Host, START},
};
use tidegate_webhook::router;
use tower::ServiceExt;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/webhook.json");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

fn host() -> Host {
    let secrets = [
        ("SUPPLIERS_WEBHOOK_1", SECRET),
        (
            "SUPPLIERS_WEBHOOK_2",
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        ),
    ];
    Host::new(&[FLOW], secrets, tidegate_connect::connect).unwrap()
}

async fn status_of(host: &Host, event: &Value) -> u16 {
    let request = lambda_http::request::from_str(&event.to_string()).unwrap();
    let answer = router(host.engine.clone()).oneshot(request).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn the_shipped_event_is_read() {
    let host = host();
    let event: Value = serde_json::from_str(EVENT).unwrap();
    // It was signed for the moment at which the test's clock stands.
    assert_eq!(status_of(&host, &event).await, 202);
    host.clock.advance(std::time::Duration::from_secs(301));
    assert_eq!(status_of(&host, &event).await, 401);
}

#[tokio::test]
async fn a_body_in_base64_is_decoded_before_the_signature_is_computed() {
    let signed = sign(Told::Partial("SUP-000001"), SECRET, "m", START.0 / 1_000).unwrap();
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    for (name, value) in signed.headers {
        event["headers"][name] = json!(value);
    }
    event["body"] = json!(BASE64_STANDARD.encode(&signed.body));
    event["isBase64Encoded"] = json!(true);
    assert_eq!(status_of(&host(), &event).await, 202);
}

#[tokio::test]
async fn the_handshake_comes_through_as_any_request_does() {
    let flow = FLOW.replace(
        "[webhook]",
        "[webhook]\ncloud_events = { origins = [\"eventgrid.azure.net\"] }",
    );
    let host = Host::new(&[&flow], [], tidegate_connect::connect).unwrap();
    let mut event: Value = serde_json::from_str(EVENT).unwrap();
    event["routeKey"] = json!("OPTIONS /v1/flows/{flow}/webhook");
    event["requestContext"]["routeKey"] = event["routeKey"].clone();
    event["requestContext"]["http"]["method"] = json!("OPTIONS");
    assert_eq!(status_of(&host, &event).await, 405);
    event["headers"]["webhook-request-origin"] = json!("eventgrid.azure.net");
    assert_eq!(status_of(&host, &event).await, 200);
}
