//! Who may ask: whoever has the token.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tidegate_engine::{Engine, chain, ports::SecretError};
use tidegate_lambda::Problem;

/// Name of the secret that holds the token.
pub const TOKEN_SECRET: &str = "API_TOKEN";

const SCHEME: &str = "Bearer";
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tidegate\"");

/// Lets a request pass that bears the token. An absent and a wrong token get the same answer.
pub(crate) async fn require_token(
    State(engine): State<Arc<Engine>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = token(request.headers()).unwrap_or_default();
    let asked = engine.now();
    let known = is_known(&engine, given).await?
        // The token may have been rotated within the minutes for which it is kept.
        || engine.renew_secrets([TOKEN_SECRET], asked).await.map_err(|error| no_token(&error))?
            && is_known(&engine, given).await?;
    if !known {
        return Err(Problem::unauthorized(
            "send `Authorization: Bearer TOKEN` with the token of this API",
        )
        .with_header(header::WWW_AUTHENTICATE, CHALLENGE));
    }
    Ok(next.run(request).await)
}

/// Whether this is the token of the API.
async fn is_known(engine: &Engine, given: &str) -> Result<bool, Problem> {
    let expected = engine.secret(TOKEN_SECRET).await;
    let expected = expected.map_err(|error| no_token(&error))?;
    Ok(!expected.reveal().is_empty() && same(given, expected.reveal()))
}

/// Without its token the API is closed, not open.
fn no_token(error: &SecretError) -> Problem {
    tracing::error!(error = %chain(error), "the API has no token to compare with");
    match error {
        SecretError::Missing(_) => Problem::internal(),
        SecretError::Unavailable { .. } => Problem::unavailable(),
    }
}

/// The token of a request. The scheme's case does not matter (RFC 9110).
fn token(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.split_once(' ')?;
    scheme
        .eq_ignore_ascii_case(SCHEME)
        .then(|| token.trim_matches(' '))
}

/// Compares hashes, so that neither the time taken nor a length tells anything of the token.
fn same(given: &str, expected: &str) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    hash(given).ct_eq(&hash(expected)).into()
}
