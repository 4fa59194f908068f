//! Reading an answer, up to a limit.

use reqwest::{Response, header::HeaderMap};
use serde_json::Value;
use tidegate_engine::ports::{Sent, TransportError};

/// The largest answer that is read, in bytes. The largest pages in use hold 1,000 rows of some KB;
/// a function has 128 MB and up, and works at several answers at once. Nothing is decompressed, so
/// a small answer cannot grow.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

pub(super) async fn read(mut response: Response) -> Result<Sent, TransportError> {
    let too_large = TransportError::TooLarge {
        limit_bytes: MAX_ANSWER_BYTES,
    };
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_ANSWER_BYTES as u64 {
        return Err(too_large);
    }
    let status = response.status().as_u16();
    let headers = lower_case(response.headers());
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| TransportError::Broken)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(too_large);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Sent {
        status,
        headers,
        body: json(&bytes),
    })
}

/// Nothing is null; what is not JSON is none.
fn json(bytes: &[u8]) -> Option<Value> {
    // Some servers on Windows put a byte order mark in front.
    let text = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if text.trim_ascii().is_empty() {
        return Some(Value::Null);
    }
    serde_json::from_slice(text).ok()
}

fn lower_case(headers: &HeaderMap) -> Vec<(String, String)> {
    // The header map keeps names in lower case.
    headers
        .iter()
        .map(|(name, value)| {
            let text = String::from_utf8_lossy(value.as_bytes()).into_owned();
            (name.as_str().to_owned(), text)
        })
        .collect()
}
