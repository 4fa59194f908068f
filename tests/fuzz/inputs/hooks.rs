//! Webhooks as HTTP brings them: path, headers, body.

use axum::{
    body::{Body, to_bytes},
    http::{HeaderValue, Request},
};
use serde_json::Value;
use tidegate_engine::MAX_BODY_BYTES;
use tidegate_testkit::{
    doubles::erp::webhook::sign_body,
    host::{Host, START},
    openapi::Call,
};
use tidegate_webhook::router;
use tower::ServiceExt as _;

use super::promises::{DESCRIBED, SECRET, at_once, host, is_name, tells_nothing};

/// Lines of a delivery before its body: flow, id, timestamp, signature.
const HEAD: usize = 4;
/// In place of a timestamp and a signature: the right one.
const RIGHT: &[u8] = b"right";

/// A delivery is durable, refused before it is parsed, or unusable; a replay has no effect (HOOK-1).
pub fn webhook(data: &[u8]) {
    let mut lines = data.splitn(HEAD + 1, |byte| *byte == b'\n');
    let mut line = || lines.next().unwrap_or_default();
    let (flow, id, timestamp, signature, body) = (line(), line(), line(), line(), line());
    if flow.is_empty() {
        return;
    }
    let mut delivery = Delivery {
        path: path_of(flow),
        id: id.to_vec(),
        timestamp: timestamp.to_vec(),
        signature: signature.to_vec(),
        body: body.to_vec(),
    };
    let is_signed = signature == RIGHT && delivery.sign();
    let host = host();
    let Some((status, text)) = delivery.send(&host) else {
        return;
    };
    let told = serde_json::from_slice(body).is_ok_and(|body: Value| is_name(&body));
    if !told {
        tells_nothing(&text);
    }
    let is_untouched = host.store.items().is_empty() && host.queue.sent().is_empty();
    match status {
        202 => {
            assert!(is_signed, "HOOK-1: {text}");
            assert!(!is_untouched, "HOOK-1: durable before it is answered");
            let before = host.store.items();
            let (again, known) = delivery.send(&host).unwrap();
            assert_eq!(again, 202, "{known}");
            assert_eq!(host.store.items(), before, "HOOK-1: a replay has no effect");
        }
        400 => assert!(is_signed && is_untouched, "{text}"),
        401 | 404 => assert!(is_untouched, "HOOK-1: {text}"),
        413 => assert!(is_untouched && body.len() > MAX_BODY_BYTES),
        other => panic!("{other}: {text}"),
    }
}

struct Delivery {
    path: String,
    id: Vec<u8>,
    timestamp: Vec<u8>,
    signature: Vec<u8>,
    body: Vec<u8>,
}

impl Delivery {
    /// Signs it as a sender would; false where no sender could.
    fn sign(&mut self) -> bool {
        if self.timestamp == RIGHT {
            self.timestamp = (START.0 / 1_000).to_string().into_bytes();
        }
        let body = String::from_utf8(self.body.clone());
        let id = std::str::from_utf8(&self.id);
        let seconds = std::str::from_utf8(&self.timestamp)
            .ok()
            .and_then(|text| text.parse::<i64>().ok());
        let (Ok(body), Ok(id), Some(seconds)) = (body, id, seconds) else {
            return false;
        };
        let Ok(signed) = sign_body(body, SECRET, id, seconds) else {
            return false;
        };
        self.signature = signed.headers[3].1.clone().into_bytes();
        true
    }

    /// The answer is one that the API's description names, in its form.
    fn is_as_described(&self, status: u16, media_type: Option<&HeaderValue>, text: &str) {
        let checked = DESCRIBED.check(Call {
            method: "POST",
            path: &self.path,
            sent: Some(&Value::Null),
            status,
            media_type: media_type.map_or("", |found| found.to_str().unwrap()),
            body: &serde_json::from_str(text).unwrap(),
        });
        assert_eq!(checked, Ok(Some("pushChange")));
    }

    /// Status and text of the answer; none where no header can hold it.
    fn send(&self, host: &Host) -> Option<(u16, String)> {
        let mut request = Request::post(&self.path);
        for (name, value) in [
            ("webhook-id", &self.id),
            ("webhook-timestamp", &self.timestamp),
            ("webhook-signature", &self.signature),
        ] {
            request = request.header(name, HeaderValue::from_bytes(value).ok()?);
        }
        let request = request.body(Body::from(self.body.clone())).ok()?;
        Some(at_once(async {
            let answer = router(host.engine.clone()).oneshot(request).await.unwrap();
            let status = answer.status().as_u16();
            let media_type = answer.headers().get("content-type").cloned();
            let body = to_bytes(answer.into_body(), 100_000).await.unwrap();
            let text = String::from_utf8_lossy(&body).into_owned();
            if status != 404 {
                self.is_as_described(status, media_type.as_ref(), &text);
            }
            (status, text)
        }))
    }
}

/// The path of a flow, whatever its name.
fn path_of(flow: &[u8]) -> String {
    let encoded: String = flow
        .iter()
        .map(|byte| match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'-' => char::from(*byte).to_string(),
            other => format!("%{other:02X}"),
        })
        .collect();
    format!("/v1/flows/{encoded}/webhook")
}
