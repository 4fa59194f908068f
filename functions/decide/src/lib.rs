//! decide: a decision that somebody waits for, such as one on credit (R28).
//!
//! The engine asks the flow's source now, and whatever is not surely a yes within two seconds is a no;
//! here stands what is HTTP about it. A no is an answer: 200, with why. Anything else than 200 with
//! `"decision": "yes"`, a time-out of the caller's own among it, is a no too.
//!
//! It is a function of its own, so that `api` needs no secret of a source and no way out (READ-1), with
//! a token of its own, so that who asks for credit can do nothing else. It holds [`Decisions`], by
//! which no register can be read.

mod question;
mod view;

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{DefaultBodyLimit, Path, Request, State, rejection::PathRejection},
    http::HeaderMap,
    middleware::{self, Next},
    response::Response,
    routing::post,
};
use tidegate_engine::{DecideError, Decisions, ports::SecretError};
use tidegate_lambda::{Problem, bearer, guard, is_token, no_token, request_id, without_token};
use tidegate_model::FlowId;

pub use question::MAX_BODY_BYTES;
use question::Question;
pub use view::DecisionView;

/// Name of the secret that holds the token of those who ask for decisions.
pub const TOKEN_SECRET: &str = "DECIDE_TOKEN";

/// Serves `POST /v1/flows/{flow}/decide`, and no other path: it can be merged with the API's.
pub fn router(decisions: Arc<Decisions>) -> Router {
    let methods = post(decide).fallback(async || Problem::method_not_allowed());
    Router::new()
        .route("/v1/flows/{flow}/decide", methods)
        .layer(middleware::from_fn_with_state(
            Arc::clone(&decisions),
            require_token,
        ))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(guard))
        .layer(middleware::map_response_with_state(
            Arc::clone(&decisions),
            emit_measured,
        ))
        .with_state(decisions)
}

/// Tells what was decided, and whether a request failed.
async fn emit_measured(State(decisions): State<Arc<Decisions>>, response: Response) -> Response {
    if response.status().is_server_error() {
        decisions.note_failure();
    }
    decisions.emit_measured();
    response
}

/// Lets a request pass that bears the token.
async fn require_token(
    State(decisions): State<Arc<Decisions>>,
    request: Request,
    next: Next,
) -> Result<Response, Problem> {
    let asked = decisions.now();
    let mut is_known = is_known(&decisions, request.headers()).await;
    // The token may have been rotated within the minutes for which it is kept.
    if let Ok(false) = is_known
        && let Ok(true) = decisions.renew_secret(TOKEN_SECRET, asked).await
    {
        is_known = self::is_known(&decisions, request.headers()).await;
    }
    if is_known.map_err(|error| no_token(&error))? {
        Ok(next.run(request).await)
    } else {
        let detail = "send `Authorization: Bearer TOKEN` with the token of decisions";
        Err(without_token(detail))
    }
}

async fn is_known(decisions: &Decisions, headers: &HeaderMap) -> Result<bool, SecretError> {
    let token = decisions.secret(TOKEN_SECRET).await?;
    Ok(is_token(bearer(headers).unwrap_or_default(), &token))
}

async fn decide(
    State(decisions): State<Arc<Decisions>>,
    flow: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Json<DecisionView>, Problem> {
    let decisions = decisions.asked_by(request_id(request.extensions()));
    let flow = flow.ok().and_then(|Path(flow)| FlowId::try_new(flow).ok());
    let flow = flow.ok_or_else(|| Problem::not_found("there is no such flow"))?;
    let Question { key, ask } = Question::read(request).await?;
    let decision = decisions.decide(&flow, &key, &ask).await;
    Ok(Json(decision.map_err(|error| refused(&error))?.into()))
}

fn refused(error: &DecideError) -> Problem {
    match error {
        DecideError::UnknownFlow(_) | DecideError::NoDecision(_) => {
            Problem::not_found(error.to_string())
        }
        DecideError::Unusable(_) => Problem::unprocessable(error.to_string()).with_field("ask"),
    }
}
