//! Who may ask: whoever has the token. There is a second one, of those who may see private fields.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    http::{HeaderMap, HeaderValue, header},
    middleware::Next,
    response::Response,
};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tidegate_engine::{
    Engine,
    api::Access,
    chain,
    ports::{Secret, SecretError},
};
use tidegate_lambda::Problem;

/// Name of the secret that holds the token.
pub const TOKEN_SECRET: &str = "API_TOKEN";
/// Name of the secret that holds the token with the scope `fields`; it may be left out.
pub const FIELDS_TOKEN_SECRET: &str = "API_TOKEN_FIELDS";

const SCHEME: &str = "Bearer";
const CHALLENGE: HeaderValue = HeaderValue::from_static("Bearer realm=\"tidegate\"");

/// Lets a request pass that bears a token, and says what it may see. An absent and a wrong token get
/// the same answer.
pub(crate) async fn require_token(
    State(engine): State<Arc<Engine>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = token(request.headers()).unwrap_or_default();
    let asked = engine.now();
    let mut access = access_of(&engine, given).await?;
    if access.is_none() {
        // The token may have been rotated within the minutes for which it is kept.
        let names = [TOKEN_SECRET, FIELDS_TOKEN_SECRET];
        let replaced = engine.renew_secrets(names, asked).await;
        if replaced.map_err(|error| no_token(&error))? {
            access = access_of(&engine, given).await?;
        }
    }
    let access = access.ok_or_else(|| {
        Problem::unauthorized("send `Authorization: Bearer TOKEN` with the token of this API")
            .with_header(header::WWW_AUTHENTICATE, CHALLENGE)
    })?;
    request.extensions_mut().insert(access);
    Ok(next.run(request).await)
}

/// What a token may see; none where it is no token of the API. Where both tokens are one, it may see
/// the less.
async fn access_of(engine: &Engine, given: &str) -> Result<Option<Access>, Problem> {
    let usual = engine.secret(TOKEN_SECRET).await;
    if is_same(given, &usual.map_err(|error| no_token(&error))?) {
        return Ok(Some(Access::Masked));
    }
    match engine.secret(FIELDS_TOKEN_SECRET).await {
        Ok(token) => Ok(is_same(given, &token).then_some(Access::Fields)),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error) => Err(no_token(&error)),
    }
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

/// Compares hashes, so that neither the time taken nor a length tells anything of the token. An empty
/// one is nobody's.
fn is_same(given: &str, expected: &Secret) -> bool {
    let hash = |text: &str| Sha256::digest(text.as_bytes());
    let same: bool = hash(given).ct_eq(&hash(expected.reveal())).into();
    same && !expected.reveal().is_empty()
}
