//! api: what people and their programs ask and tell, over HTTP.
//!
//! A thin skin over the engine's use cases: it knows who asks, reads paths, queries and bodies, and
//! shows what comes back. READ-1: nothing here calls another system, and the only secret it knows
//! is its own token.
//!
//! - Every path but that of its own description wants `Authorization: Bearer TOKEN`, compared in
//!   constant time.
//! - Every error is a problem of RFC 9457 that says what the caller may know; what happened inside
//!   is logged once, here.
//! - Every moment is RFC 3339 in UTC.
//! - A key may hold a `/`. API Gateway's HTTP APIs decode a path before they hand it over, so a key
//!   is all that follows, and the method tells whether the last segment is a verb. (They also cut a
//!   path at a decoded `?`, so a key with `?`, `#` or `%` is reached on one machine only.)
//! - What is misspelt, in a query or a body, is an error and never ignored: `?dryrun=true` must not
//!   send.

mod auth;
mod bodies;
mod body;
mod cursor;
mod events;
mod failure;
mod flows;
mod openapi;
mod query;
mod records;
mod reviews;
mod routes;
mod view;

use std::sync::Arc;

use axum::{
    Router,
    extract::{DefaultBodyLimit, State},
    middleware,
    response::Response,
};
use tidegate_engine::Engine;
use tidegate_lambda::{Problem, guard};
use tidegate_policy::flow::MAX_CONTENT_BYTES;

pub use auth::{FIELDS_TOKEN_SECRET, TOKEN_SECRET};
pub use openapi::{openapi, openapi_text};
use routes::Route;

/// Largest body: the fields of a record may have [`MAX_CONTENT_BYTES`], the rest is for who and why.
pub const MAX_BODY_BYTES: usize = MAX_CONTENT_BYTES + 16 * 1_024;

/// Serves all paths of the API, the same on one machine and behind API Gateway. Its fallback
/// answers unknown paths, so what it is merged with must have none.
pub fn router(engine: Arc<Engine>) -> Router {
    let (with_token, open): (Vec<Route>, Vec<Route>) = routes::all()
        .into_iter()
        .partition(|route| route.needs_token);
    let serve = |routes: Vec<Route>| {
        let router = routes.into_iter().fold(Router::new(), |router, route| {
            router.route(route.at, route.serve)
        });
        router.method_not_allowed_fallback(async || Problem::method_not_allowed())
    };
    serve(with_token)
        .route_layer(middleware::from_fn_with_state(
            Arc::clone(&engine),
            auth::require_token,
        ))
        // What is added now passes no look at the token.
        .merge(serve(open))
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .fallback(async || failure::unknown_path())
        .layer(middleware::from_fn(guard))
        .layer(middleware::map_response_with_state(
            Arc::clone(&engine),
            emit_measured,
        ))
        .with_state(engine)
}

/// Tells what a request read and wrote, and whether it failed.
async fn emit_measured(State(engine): State<Arc<Engine>>, response: Response) -> Response {
    if response.status().is_server_error() {
        engine.note_failure();
    }
    engine.emit_measured();
    response
}
