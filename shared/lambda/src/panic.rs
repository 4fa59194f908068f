//! A panic, told by its place alone: its words may hold a value or a secret.

use std::{future::Future, panic::AssertUnwindSafe};

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};
use futures_util::FutureExt as _;
use lambda_runtime::Diagnostic;

use crate::{Problem, failed::failed};

/// From now on a panic is a line of the log that says where it was.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

/// An invocation whose error, or panic, is told to Lambda. Whatever it panicked with stays here: the
/// runtime would log it and hand it to whoever invoked.
pub async fn guarded<T, E: std::error::Error>(
    work: impl Future<Output = Result<T, E>>,
) -> Result<T, Diagnostic> {
    match AssertUnwindSafe(work).catch_unwind().await {
        Ok(done) => done.map_err(failed),
        Err(_) => Err(Diagnostic {
            error_type: "panic".to_owned(),
            error_message: "it panicked; the log says where".to_owned(),
        }),
    }
}

/// The same for a request: a layer of a router.
pub async fn guard(request: Request, next: Next) -> Response {
    let answer = AssertUnwindSafe(next.run(request)).catch_unwind().await;
    answer.unwrap_or_else(|_| Problem::internal().into_response())
}
