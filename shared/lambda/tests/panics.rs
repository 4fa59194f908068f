//! What a panic tells. A process of its own: the hook is one for all threads.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panic")]

use std::{convert::Infallible, sync::Arc};

use axum::{Router, body::to_bytes, http::Request, middleware::from_fn, routing::get};
use tidegate_lambda::{LogFilter, guard, guarded, start_telemetry_to};
use tidegate_testkit::log::Log;
use tower::ServiceExt as _;

const CANARY: &str = "canary-in-a-panic";

fn panics() -> Result<(), Infallible> {
    panic!("{CANARY}")
}

#[tokio::test]
async fn a_panic_tells_its_place_and_nothing_of_what_it_says() {
    let log = Arc::new(Log::default());
    start_telemetry_to(&LogFilter("info".to_owned()), Arc::clone(&log)).unwrap();

    let told = guarded(async { panics() }).await.unwrap_err();
    assert_eq!(told.error_type, "panic");
    let router = Router::new()
        .route(
            "/",
            get(async || panics().map_or_else(|never| match never {}, |()| "no panic")),
        )
        .layer(from_fn(guard));
    let asked = Request::get("/").body(axum::body::Body::empty()).unwrap();
    let answer = router.oneshot(asked).await.unwrap();
    assert_eq!(answer.status(), 500);
    let body = to_bytes(answer.into_body(), 10_000).await.unwrap();

    let lines = log.text();
    assert_eq!(lines.lines().count(), 2, "{lines}");
    for line in lines.lines() {
        assert!(
            line.contains("panicked") && line.contains("panics.rs"),
            "{line}"
        );
    }
    let said = format!("{lines}{told:?}{}", String::from_utf8_lossy(&body));
    assert!(!said.contains(CANARY), "{said}");
}
