//! What stands in the log and in answers about events. Alone in its process, since the log is the
//! process's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::sync::Arc;

use axum::{
    body::{Body, to_bytes},
    http::Request,
};
use tidegate_testkit::{host::Host, log::Log};
use tidegate_webhook::router;
use tower::ServiceExt;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const SECRET: &str = "hush-hush-hush-hush";
/// Stands for every value that a sender may write.
const VALUE: &str = "c4n4ry";

/// Status and text of the answer, and what was logged.
async fn told_of(host: &Host, request: Request<Body>) -> (u16, String, String) {
    let log = Arc::new(Log::default());
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE)
        .with_writer(Arc::clone(&log));
    let guard = tracing::subscriber::set_default(subscriber.finish());
    let answer = router(host.engine.clone()).oneshot(request).await.unwrap();
    drop(guard);
    let (parts, body) = answer.into_parts();
    let body = to_bytes(body, 10_000).await.unwrap();
    let text = format!("{:?} {}", parts.headers, String::from_utf8_lossy(&body));
    (parts.status.as_u16(), text, log.text())
}

#[tokio::test]
async fn no_value_of_an_event_stands_in_an_answer_or_in_the_log() {
    let flow = FLOW
        .replace(
            "[webhook]",
            "[webhook]\nsigned = { by = \"query\", parameter = \"code\" }\ncloud_events = { types = [\"changed\"], origins = [\"a.example\"] }",
        )
        .replace(
            "key = \"body.supplier.id if body.supplier else body.id\"",
            "key = \"event.subject\"",
        );
    let secrets = ["SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_2"].map(|name| (name, SECRET));
    let host = Host::new(&[&flow], secrets, tidegate_connect::connect).unwrap();
    let event = |members: &str| {
        format!(r#"{{"specversion":"1.0","type":"changed","source":"/{VALUE}",{members}}}"#)
    };
    let structured = "application/cloudevents+json";
    let bodies = [
        (
            202,
            event(&format!(
                r#""id":"7","subject":"SUP-1","data":{{"name":"{VALUE}"}},"more":"{VALUE}""#
            )),
        ),
        (
            202,
            event(&format!(
                r#""id":"8","subject":"SUP-2","datacontenttype":"text/plain","data":"{VALUE}""#
            )),
        ),
        (400, event(&format!(r#""id":"9","data":"{VALUE}""#))),
        (400, event(&format!(r#""id":["{VALUE}"]"#))),
        (400, event(&format!(r#""id":"{VALUE}\n""#))),
        (400, event(&format!(r#""id":"1","data_base64":"{VALUE}""#))),
        (
            400,
            event(&format!(
                r#""id":"1","data":"{VALUE}","data_base64":"{VALUE}""#
            )),
        ),
        (400, event(&format!(r#""id":"1","{VALUE}-":"x""#))),
        (400, format!("\"{VALUE}\"")),
    ];
    for (status, body) in bodies {
        let request = Request::post(format!(
            "/v1/flows/suppliers/webhook?code={SECRET}&x={VALUE}"
        ));
        let request = request.header("content-type", structured);
        let request = request.body(Body::from(body.clone())).unwrap();
        let (found, answer, log) = told_of(&host, request).await;
        assert_eq!(found, status, "{body}: {answer}");
        assert!(log.contains("webhook"), "{log}");
        for hidden in [VALUE, SECRET] {
            assert!(!answer.contains(hidden), "{body}: {answer}");
            assert!(!log.contains(hidden), "{body}: {log}");
        }
    }
    let ask = Request::options(format!("/v1/flows/{VALUE}/webhook"));
    let ask = ask.header("webhook-request-origin", VALUE);
    let ask = ask.header(
        "webhook-request-callback",
        format!("https://{VALUE}.example"),
    );
    let (found, answer, log) = told_of(&host, ask.body(Body::empty()).unwrap()).await;
    assert_eq!(found, 405);
    assert!(log.contains("webhook handshake"), "{log}");
    assert!(!format!("{answer} {log}").contains(VALUE), "{answer} {log}");
}
