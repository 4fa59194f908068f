//! Secrets that are none. Alone in its process, since the log is the process's.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::sync::Arc;

use axum::{body::Body, http::Request};
use tidegate_testkit::{
    doubles::erp::webhook::{Told, sign},
    host::{Host, START},
    log::Log,
};
use tidegate_webhook::router;
use tower::ServiceExt;

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const NEXT_SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const NAMES: [&str; 2] = ["SUPPLIERS_WEBHOOK_1", "SUPPLIERS_WEBHOOK_2"];

/// The status of a delivery that [`SECRET`] signed, where these are configured, one after another.
async fn status_with(texts: &[&'static str]) -> u16 {
    let secrets = NAMES.into_iter().zip(texts.iter().copied());
    let host = Host::new(&[FLOW], secrets, tidegate_connect::connect).unwrap();
    let now_s = START.0 / 1_000;
    let signed = sign(Told::Partial("SUP-000001"), SECRET, "a", now_s).unwrap();
    let mut request = Request::post("/v1/flows/suppliers/webhook");
    for (name, value) in signed.headers {
        request = request.header(name, value);
    }
    let request = request.body(Body::from(signed.body)).unwrap();
    let answer = router(host.engine).oneshot(request).await.unwrap();
    answer.status().as_u16()
}

#[tokio::test]
async fn a_secret_that_is_none_is_named_in_the_log_and_does_not_stop_the_other() {
    let short = "whsec_c2hvcnQ=";
    let no_base64 = "whsec_%hidden";
    assert_eq!(status_with(&[SECRET]).await, 202, "the other is missing");
    assert_eq!(status_with(&[NEXT_SECRET]).await, 503, "it may have signed");
    for (texts, status, faults) in [
        ([SECRET, NEXT_SECRET], 202, [None, None]),
        ([SECRET, short], 202, [None, Some("24 to 64 bytes")]),
        ([no_base64, SECRET], 202, [Some("and base64"), None]),
        ([" ", SECRET], 202, [Some("24 to 64 bytes"), None]),
        ([NEXT_SECRET, short], 503, [None, Some("24 to 64 bytes")]),
        (
            [no_base64, short],
            503,
            [Some("and base64"), Some("24 to 64 bytes")],
        ),
    ] {
        let log = Arc::new(Log::default());
        let subscriber = tracing_subscriber::fmt().with_writer(Arc::clone(&log));
        let guard = tracing::subscriber::set_default(subscriber.finish());
        assert_eq!(status_with(&texts).await, status, "{texts:?}");
        drop(guard);
        let text = log.text();
        for (name, fault) in NAMES.into_iter().zip(faults) {
            let told: Vec<&str> = text
                .lines()
                .filter(|line| line.contains(&format!("{name} can not be used")))
                .collect();
            assert_eq!(told.len(), usize::from(fault.is_some()), "{text}");
            let is_right = |line: &&str| line.contains(fault.unwrap_or_default());
            assert!(told.iter().all(is_right), "{text}");
        }
        for value in ["hidden", "c2hvcnQ", "C2FVsBQ", "MfKQ9r8"] {
            assert!(!text.contains(value), "{text}");
        }
    }
}
