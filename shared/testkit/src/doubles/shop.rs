//! What a test in another process can do to a shop, or to a source of reviews, under `/_double/`.
//!
//! - `POST change`: `{"id","set":{...}}` merges `set` into an order, as changed now.
//! - `POST insert`: `{"set":{...}}` or `{}`: a customer orders now.
//! - `POST delete`: `{"id"}` removes one.
//!
//! What is said of orders holds of reviews. Each answers the order that then stands, a deletion the one that stood; 404 when there is none.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::post,
};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    System,
    control::{merge, refused},
    exchange::Exchange,
};

/// A system that holds orders, or reviews. An id is its text, whether the system writes a number or not.
pub(super) trait Shop: System {
    /// The order as it now stands.
    fn shown(&self, id: &str) -> Option<Value>;

    /// Alters an order as changed at `updated_ms`, and gives what then stands.
    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value>;

    /// Makes a new order.
    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value;

    /// Removes an order; says whether there was one.
    fn remove(&self, id: &str) -> bool;
}

type Shared<S> = State<Arc<Exchange<S>>>;

pub(super) fn routes<S: Shop>() -> Router<Arc<Exchange<S>>> {
    Router::new()
        .route("/_double/change", post(change::<S>))
        .route("/_double/insert", post(insert::<S>))
        .route("/_double/delete", post(delete::<S>))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    id: Value,
    set: Map<String, Value>,
}

async fn change<S: Shop>(State(exchange): Shared<S>, Json(change): Json<Change>) -> Response {
    let now_ms = (exchange.desk.clock)();
    let set = |body: &mut Map<String, Value>| merge_into(body, change.set);
    told(exchange.system.alter(&text(&change.id), now_ms, set))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Insert {
    #[serde(default)]
    set: Map<String, Value>,
}

async fn insert<S: Shop>(State(exchange): Shared<S>, Json(insert): Json<Insert>) -> Response {
    let now_ms = (exchange.desk.clock)();
    let set = |body: &mut Map<String, Value>| merge_into(body, insert.set);
    told(Some(exchange.system.insert(now_ms, set)))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    id: Value,
}

async fn delete<S: Shop>(State(exchange): Shared<S>, Json(delete): Json<Delete>) -> Response {
    let id = text(&delete.id);
    let stood = exchange.system.shown(&id);
    told(stood.filter(|_| exchange.system.remove(&id)))
}

fn text(id: &Value) -> String {
    id.as_str().map_or_else(|| id.to_string(), str::to_owned)
}

fn merge_into(body: &mut Map<String, Value>, set: Map<String, Value>) {
    for (name, value) in set {
        merge(body.entry(name).or_insert(Value::Null), &value);
    }
}

fn told(order: Option<Value>) -> Response {
    match order {
        Some(order) => Json(order).into_response(),
        None => refused(StatusCode::NOT_FOUND, "there is no such record"),
    }
}
