//! Who bears a token (RFC 6750).

use axum::http::{HeaderMap, HeaderValue, header};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tidegate_engine::{
    chain,
    ports::{Secret, SecretError},
};

use crate::Problem;

const SCHEME: &str = "Bearer";
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tidegate\"");

/// The token of a request. The scheme's case does not matter (RFC 9110).
pub fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| token.trim_matches(' '))
}

/// Compares hashes, so that neither the time taken nor a length tells anything of the token. An empty
/// one is nobody's.
pub fn is_token(given: &str, expected: &Secret) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    let same: bool = hash(given).ct_eq(&hash(expected.reveal())).into();
    same && !expected.reveal().is_empty()
}

/// What who bears no token is told: the same for an absent and a wrong one.
pub fn without_token(detail: &str) -> Problem {
    Problem::unauthorized(detail).with_header(header::WWW_AUTHENTICATE, CHALLENGE)
}

/// Without a token to compare with a path is closed, not open.
pub fn no_token(error: &SecretError) -> Problem {
    tracing::error!(error = %chain(error), "there is no token to compare with");
    match error {
        SecretError::Missing(_) => Problem::internal(),
        SecretError::Unavailable { .. } => Problem::unavailable(),
    }
}
