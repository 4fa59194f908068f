//! The routes under `/_double/` that every double has, for a test in another process.
//!
//! - `GET /_double/calls?from_ms=&until_ms=`: the log, a JSON array.
//! - `POST /_double/faults`: a fault or an array of them; answers their numbers.
//! - `GET /_double/faults`: the faults that are set, and what struck which call.
//! - `DELETE /_double/faults`: takes back every fault.
//!
//! A body must be sent as `application/json`; so no web page can send one unasked.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::{Query, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::get,
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{Action, Call, Fault, KillsOverHttp, exchange::Desk, locked};

#[derive(Clone)]
struct Control {
    desk: Arc<Desk>,
    kills: KillsOverHttp,
}

pub(super) fn routes<S>(desk: Arc<Desk>, kills: KillsOverHttp) -> Router<S> {
    let faults = get(show_faults).post(set_faults).delete(clear_faults);
    Router::new()
        .route("/_double/calls", get(calls))
        .route("/_double/faults", faults)
        .with_state(Control { desk, kills })
}

#[derive(Deserialize)]
struct Span {
    from_ms: Option<i64>,
    until_ms: Option<i64>,
}

async fn calls(State(control): State<Control>, Query(span): Query<Span>) -> Json<Vec<Call>> {
    let from_ms = span.from_ms.unwrap_or(i64::MIN);
    let until_ms = span.until_ms.unwrap_or(i64::MAX);
    Json(locked(&control.desk.log).between(from_ms, until_ms))
}

async fn show_faults(State(control): State<Control>) -> Response {
    let script = locked(&control.desk.script);
    Json(json!({ "set": script.summary(), "fired": script.fired() })).into_response()
}

async fn set_faults(State(control): State<Control>, Json(body): Json<Value>) -> Response {
    let faults = match parse(body) {
        Ok(faults) => faults,
        Err(error) => return refused(StatusCode::BAD_REQUEST, &error),
    };
    let kills = |fault: &Fault| matches!(fault.action, Action::KillPid(_));
    if control.kills == KillsOverHttp::Refused && faults.iter().any(kills) {
        let why = "this double was started without kills over HTTP";
        return refused(StatusCode::FORBIDDEN, why);
    }
    if let Some(error) = faults.iter().find_map(|fault| fault.check().err()) {
        return refused(StatusCode::BAD_REQUEST, &error.to_string());
    }
    let mut script = locked(&control.desk.script);
    let ids: Result<Vec<u64>, _> = faults.into_iter().map(|fault| script.set(fault)).collect();
    match ids {
        Ok(ids) => Json(json!({ "ids": ids })).into_response(),
        Err(error) => refused(StatusCode::BAD_REQUEST, &error.to_string()),
    }
}

/// One fault or an array of them; told apart by shape, so that an error names the field.
fn parse(body: Value) -> Result<Vec<Fault>, String> {
    let faults = if body.is_array() {
        serde_json::from_value(body)
    } else {
        serde_json::from_value(body).map(|fault| vec![fault])
    };
    faults.map_err(|error| error.to_string())
}

async fn clear_faults(State(control): State<Control>) -> StatusCode {
    locked(&control.desk.script).clear();
    StatusCode::NO_CONTENT
}

/// The answer to a mistaken call of a route under `/_double/`.
pub(super) fn refused(status: StatusCode, why: &str) -> Response {
    (status, Json(json!({ "error": why }))).into_response()
}

/// Objects are merged member by member, anything else is replaced.
pub(super) fn merge(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (name, value) in from {
                merge(into.entry(name.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
