//! Reading an answer, up to a limit.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use reqwest::{
    Response,
    header::{CONTENT_ENCODING, HeaderMap},
};
use serde_json::Value;
use tidegate_engine::ports::{Sent, TransportError};

/// The largest answer that is read, in bytes. The largest pages in use hold 1,000 rows of some KB;
/// a function has 128 MB and up, and works at several answers at once. It holds for what comes compressed
/// once more when it is unpacked, so that a small answer cannot grow.
pub const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;

const TOO_LARGE: TransportError = TransportError::TooLarge {
    limit_bytes: MAX_ANSWER_BYTES,
};

/// What a gzip file begins with (RFC 1952, 2.3.1). Some servers name the encoding and send plain text.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];

pub(super) async fn read(mut response: Response) -> Result<Sent, TransportError> {
    let announced = response.content_length().unwrap_or(0);
    if announced > MAX_ANSWER_BYTES as u64 {
        return Err(TOO_LARGE);
    }
    let status = response.status().as_u16();
    let headers = response.headers().clone();
    let mut bytes = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(|_| TransportError::Broken)? {
        if bytes.len() + chunk.len() > MAX_ANSWER_BYTES {
            return Err(TOO_LARGE);
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(Sent {
        status,
        headers: lower_case(&headers),
        body: json(&unpacked(&headers, bytes)?),
    })
}

/// Nothing here asks for compression; Snowflake compresses the parts of a large result all the same.
fn unpacked(headers: &HeaderMap, bytes: Vec<u8>) -> Result<Vec<u8>, TransportError> {
    let encoding = headers.get(CONTENT_ENCODING);
    let is_packed = encoding.is_some_and(|name| name.as_bytes().eq_ignore_ascii_case(b"gzip"))
        && bytes.starts_with(&GZIP_MAGIC);
    if !is_packed {
        return Ok(bytes);
    }
    let most = u64::try_from(MAX_ANSWER_BYTES).unwrap_or(u64::MAX);
    let mut text = Vec::new();
    MultiGzDecoder::new(bytes.as_slice())
        .take(most.saturating_add(1))
        .read_to_end(&mut text)
        .map_err(|_| TransportError::Broken)?;
    if text.len() > MAX_ANSWER_BYTES {
        return Err(TOO_LARGE);
    }
    Ok(text)
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
