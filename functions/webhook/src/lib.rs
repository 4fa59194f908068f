//! webhook: a change that a system pushes to us (HOOK-1).
//!
//! The engine verifies and makes durable; here stands what is HTTP about it: sizes, headers,
//! statuses. A 2xx means durable, anything else means "send it again" or "mend it". Unknown flow
//! and wrong signature get the same answer, so that nobody learns which flows there are; nor does the
//! handshake of CloudEvents tell, but to an origin that a flow names.

use std::sync::Arc;

use axum::{
    Json, Router,
    body::Bytes,
    extract::{
        DefaultBodyLimit, FromRequest, Path, Query, Request, State, rejection::PathRejection,
    },
    http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header},
    middleware,
    response::{IntoResponse, Response},
    routing::post,
};
use serde_json::json;
use tidegate_engine::{Engine, HookAnswer, HookRequest, MAX_BODY_BYTES, chain};
use tidegate_lambda::{Asked, Problem, guard};

/// Names the scheme that a 401 asks for (RFC 9110 wants one): Standard Webhooks has no registered
/// name.
const CHALLENGE: HeaderValue = HeaderValue::from_static("Standard-Webhooks");

/// Who asks for consent in the handshake, and who has it.
const REQUEST_ORIGIN: &str = "webhook-request-origin";
const ALLOWED_ORIGIN: HeaderName = HeaderName::from_static("webhook-allowed-origin");
const ALLOWED_RATE: HeaderName = HeaderName::from_static("webhook-allowed-rate");
/// Deliveries a minute, whatever rate was asked for: half of what API Gateway lets through to the whole
/// API (`ThrottlingRateLimit`, 100 a second), so that people get through too. How often the source may be
/// called does not count: a hint waits in the queue for its permit.
const MOST_A_MINUTE: HeaderValue = HeaderValue::from_static("3000");

/// Serves `POST` and the handshake at `/v1/flows/{flow}/webhook`, and no other path: it can be merged
/// with the API's.
pub fn router(engine: Arc<Engine>) -> Router {
    let methods = post(receive).fallback(consent);
    Router::new()
        .route("/v1/flows/{flow}/webhook", methods)
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(middleware::from_fn(guard))
        .layer(middleware::map_response_with_state(
            Arc::clone(&engine),
            tell_failure,
        ))
        .with_state(engine)
}

/// Tells of a webhook that could not be taken; what is taken, the engine tells.
async fn tell_failure(State(engine): State<Arc<Engine>>, response: Response) -> Response {
    if response.status().is_server_error() {
        engine.note_failure();
        engine.emit_measured();
    }
    response
}

/// Answers the handshake. Without consent it is as any other method: not served, as the specification
/// of web hooks has it.
async fn consent(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    method: Method,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let flow = flow.as_deref().map_or("", String::as_str);
    let origin = headers
        .get(REQUEST_ORIGIN)
        .filter(|_| method == Method::OPTIONS);
    let text = origin.and_then(|origin| origin.to_str().ok());
    match (origin, text) {
        (Some(origin), Some(text)) if engine.consents(flow, text) => {
            let told = [
                (ALLOWED_ORIGIN, origin.clone()),
                (ALLOWED_RATE, MOST_A_MINUTE),
            ];
            Ok((StatusCode::OK, told).into_response())
        }
        _ => Err(Problem::method_not_allowed()),
    }
}

async fn receive(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    request: Request,
) -> Result<Response, Problem> {
    let headers = request.headers().clone();
    let query = Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let query = query.map(|Query(query)| query).unwrap_or_default();
    let body = read_body(request).await?;
    // One that is no text is as good as absent: no signature fits it.
    let headers: Vec<(&str, &str)> = headers
        .iter()
        .filter_map(|(name, value)| Some((name.as_str(), str::from_utf8(value.as_bytes()).ok()?)))
        .collect();
    let request = HookRequest {
        // A path that is no text names no flow.
        flow: flow.as_deref().map_or("", String::as_str),
        headers: &headers,
        query: &query,
        body: &body,
    };
    let answer = engine.webhook(request).await.map_err(|error| {
        tracing::error!(error = %chain(&error), "webhook not durable");
        Problem::unavailable()
    })?;
    match answer {
        HookAnswer::Accepted(outcome) => {
            let body = Json(json!({ "outcome": outcome.as_str() }));
            Ok((StatusCode::ACCEPTED, body).into_response())
        }
        HookAnswer::Unauthorized => Err(Problem::unauthorized(
            "there is no such flow, or the signature does not fit it",
        )
        .with_header(header::WWW_AUTHENTICATE, CHALLENGE)),
        HookAnswer::TooLarge => Err(Problem::too_large(MAX_BODY_BYTES)),
        HookAnswer::Unusable { reason } => Err(Problem::bad_request(reason)),
        HookAnswer::Unsupported { reason } => Err(Problem::unsupported_media_type(reason)),
    }
}

/// Reads the body as it came, for the signature is over its bytes. What is too large by its own
/// word is not read at all.
async fn read_body(request: Request) -> Result<Bytes, Problem> {
    let announced = text(request.headers(), header::CONTENT_LENGTH.as_str());
    if announced
        .parse::<usize>()
        .is_ok_and(|bytes| bytes > MAX_BODY_BYTES)
    {
        return Err(Problem::too_large(MAX_BODY_BYTES));
    }
    Bytes::from_request(request, &())
        .await
        .map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => Problem::too_large(MAX_BODY_BYTES),
            _ => Problem::bad_request("the body did not arrive whole"),
        })
}

/// A header's text; empty when it is absent or no text, which no signature fits.
fn text<'a>(headers: &'a HeaderMap, name: &str) -> &'a str {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .unwrap_or_default()
}
