//! Who may ask: whoever has the token. There is a second one, of those who may see private fields.

use std::sync::Arc;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use tidegate_engine::{Engine, api::Access, ports::SecretError};
use tidegate_lambda::{Problem, bearer, is_token, no_token, without_token};

/// Name of the secret that holds the token.
pub const TOKEN_SECRET: &str = "API_TOKEN";
/// Name of the secret that holds the token with the scope `fields`; it may be left out.
pub const FIELDS_TOKEN_SECRET: &str = "API_TOKEN_FIELDS";

/// Lets a request pass that bears a token, and says what it may see. An absent and a wrong token get
/// the same answer.
pub(crate) async fn require_token(
    State(engine): State<Arc<Engine>>,
    mut request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let given = bearer(request.headers()).unwrap_or_default();
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
        without_token("send `Authorization: Bearer TOKEN` with the token of this API")
    })?;
    request.extensions_mut().insert(access);
    Ok(next.run(request).await)
}

/// What a token may see; none where it is no token of the API. Where both tokens are one, it may see
/// the less.
async fn access_of(engine: &Engine, given: &str) -> Result<Option<Access>, Problem> {
    let usual = engine.secret(TOKEN_SECRET).await;
    if is_token(given, &usual.map_err(|error| no_token(&error))?) {
        return Ok(Some(Access::Masked));
    }
    match engine.secret(FIELDS_TOKEN_SECRET).await {
        Ok(token) => Ok(is_token(given, &token).then_some(Access::Fields)),
        Err(SecretError::Missing(_)) => Ok(None),
        Err(error) => Err(no_token(&error)),
    }
}
