//! What a test in another process can do to the ERP, under `/_double/`.
//!
//! - `GET suppliers`: every row.
//! - `POST change`: `{"id","set":{...}}` merges `set` into the row; `{"id","random","seed"}` or
//!   `{"random","seed"}` makes a random change of that kind, to that row or to any.
//! - `POST insert`: `{"supplier":{...}}` a row, or `{"seed":7}` a realistic one.
//! - `POST delete`: `{"id"}`.
//!
//! Each answers the row that then stands; 404 when there is none, 400 when a row would not
//! have a row's shape.

use std::sync::Arc;

use axum::{
    Json, Router,
    extract::State,
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{get, post},
};
use serde::Deserialize;
use serde_json::{Value, json};

use super::{ChangeKind, Erp, ErpSupplier};
use crate::doubles::{
    Seed,
    control::{merge, refused},
    exchange::Exchange,
    locked,
};

type Shared = State<Arc<Exchange<Erp>>>;

pub(super) fn routes() -> Router<Arc<Exchange<Erp>>> {
    Router::new()
        .route("/_double/suppliers", get(suppliers))
        .route("/_double/change", post(change))
        .route("/_double/insert", post(insert))
        .route("/_double/delete", post(delete))
}

async fn suppliers(State(exchange): Shared) -> Json<Vec<ErpSupplier>> {
    let rows = locked(&exchange.system.rows);
    Json(rows.values().cloned().collect())
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    id: Option<String>,
    set: Option<Value>,
    random: Option<ChangeKind>,
    #[serde(default)]
    seed: u64,
}

async fn change(State(exchange): Shared, Json(change): Json<Change>) -> Response {
    let now_ms = (exchange.desk.clock)();
    let mut seed = Seed::new(change.seed);
    let erp = &exchange.system;
    let changed = match (change.id, change.set, change.random) {
        (Some(id), Some(set), None) => match merged(erp, &id, &set) {
            Ok(Some(new)) => erp.change(&id, now_ms, |row| *row = new),
            Ok(None) => None,
            Err(error) => return refused(StatusCode::BAD_REQUEST, &error.to_string()),
        },
        (id, None, Some(kind)) => id
            .or_else(|| erp.random_id(&mut seed))
            .and_then(|id| erp.change(&id, now_ms, |row| kind.apply(row, &mut seed))),
        _ => return refused(StatusCode::BAD_REQUEST, "say id and set, or random"),
    };
    shown(changed)
}

/// The row with `set` merged into it. `version` and `modified_at` stay the double's own.
fn merged(erp: &Erp, id: &str, set: &Value) -> Result<Option<ErpSupplier>, serde_json::Error> {
    let Some(row) = locked(&erp.rows).get(id).cloned() else {
        return Ok(None);
    };
    let (version, modified_at) = (row.version, row.modified_at);
    let mut json = serde_json::to_value(row)?;
    merge(&mut json, set);
    let mut row: ErpSupplier = serde_json::from_value(json)?;
    row.version = version;
    row.modified_at = modified_at;
    Ok(Some(row))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Insert {
    supplier: Option<ErpSupplier>,
    seed: Option<u64>,
}

async fn insert(State(exchange): Shared, Json(insert): Json<Insert>) -> Response {
    let now_ms = (exchange.desk.clock)();
    match (insert.supplier, insert.seed) {
        (Some(row), None) => shown(Some(exchange.system.insert(row, now_ms))),
        (None, Some(seed)) => {
            let mut seed = Seed::new(seed);
            shown(Some(exchange.system.insert_random(&mut seed, now_ms)))
        }
        _ => refused(StatusCode::BAD_REQUEST, "say either supplier or seed"),
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Delete {
    id: String,
}

async fn delete(State(exchange): Shared, Json(delete): Json<Delete>) -> Response {
    shown(exchange.system.delete(&delete.id))
}

fn shown(row: Option<ErpSupplier>) -> Response {
    match row {
        Some(row) => Json(json!(row)).into_response(),
        None => refused(StatusCode::NOT_FOUND, "there is no such supplier"),
    }
}
