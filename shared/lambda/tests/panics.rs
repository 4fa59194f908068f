//! What a panic tells. A process of its own: the hook is one for all threads.

#![allow(clippy::panic, clippy::unwrap_used, reason = "tests fail by panic")]

use std::{
    convert::Infallible,
    io::{self, Write},
    sync::{Arc, Mutex},
};

use axum::{Router, body::to_bytes, http::Request, middleware::from_fn, routing::get};
use tidegate_lambda::{LogFilter, guard, guarded, start_telemetry_to};
use tower::ServiceExt as _;

const CANARY: &str = "canary-in-a-panic";

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn panics() -> Result<(), Infallible> {
    panic!("{CANARY}")
}

#[tokio::test]
async fn a_panic_tells_its_place_and_nothing_of_what_it_says() {
    let lines = Lines::default();
    let writer = lines.clone();
    start_telemetry_to(&LogFilter("info".to_owned()), move || writer.clone()).unwrap();

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

    let log = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert_eq!(log.lines().count(), 2, "{log}");
    for line in log.lines() {
        assert!(
            line.contains("panicked") && line.contains("panics.rs"),
            "{line}"
        );
    }
    let said = format!("{log}{told:?}{}", String::from_utf8_lossy(&body));
    assert!(!said.contains(CANARY), "{said}");
}
