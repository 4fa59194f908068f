//! The API: what people and their programs send.

use axum::{
    body::{Body, to_bytes},
    http::{Method, Request},
};
use tower::ServiceExt as _;

use super::promises::{SECRET, TOKEN, at_once, host};

/// Any request with the right token ends in an answer that a caller can act on, never in a fault of
/// ours; without the token nothing is told.
pub fn api_request(data: &[u8]) {
    let mut lines = data.splitn(3, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (method, path, body) = (line(), line(), line());
    let Ok(method) = Method::from_bytes(method) else {
        return;
    };
    let host = host();
    for token in [TOKEN, "another"] {
        let request = Request::builder()
            .method(&method)
            .uri(path)
            .header("authorization", format!("Bearer {token}"))
            .header("content-type", "application/json")
            .body(Body::from(body.to_vec()));
        let Ok(request) = request else { return };
        let (status, text) = at_once(async {
            let router = tidegate_api::router(host.engine.clone());
            let answer = router.oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let body = to_bytes(answer.into_body(), 10_000_000).await.unwrap();
            (status, String::from_utf8_lossy(&body).into_owned())
        });
        assert!((200..500).contains(&status), "{status}: {text}");
        assert!(!text.contains(SECRET) && !text.contains(TOKEN), "{text}");
        if token != TOKEN {
            assert!(matches!(status, 401 | 404 | 405), "{status}: {text}");
        }
    }
}
