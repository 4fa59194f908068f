//! Records: one with its tag, some at a time, and force sync.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use tidegate_engine::{Engine, api::Access};
use tidegate_lambda::{Asked, Problem};
use tidegate_model::{FlowId, RecordKey};

use crate::{
    cursor,
    failure::{forget_refused, refused, unknown_path, unreadable_path},
    flows::{flow_id, flow_named},
    query::{self, Parameters},
    view::{Page, RecordView},
};

/// Whoever keeps an answer asks whether it is still right before using it.
const CACHE: HeaderValue = HeaderValue::from_static("private, no-cache");

type RecordPath = Result<Path<(String, String)>, PathRejection>;

/// `GET /v1/flows/{flow}/records/{key}`
pub(crate) async fn one(
    State(engine): State<Arc<Engine>>,
    access: Extension<Access>,
    path: RecordPath,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let (flow, key) = record(path)?;
    let found = engine
        .record(&flow, &key, access.0)
        .await
        .map_err(refused)?;
    let record =
        found.ok_or_else(|| Problem::not_found(format!("the flow {flow} has no such record")))?;
    // Weak: the answer tells the age too, which changes while the record does not.
    let tag = format!("W/{}", record.etag);
    let validators = [
        (header::ETAG, HeaderValue::try_from(&tag).ok()),
        (header::CACHE_CONTROL, Some(CACHE)),
    ];
    let mut answer = if is_known(&headers, &tag) {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        Json(RecordView::from(record)).into_response()
    };
    for (name, value) in validators {
        if let Some(value) = value {
            answer.headers_mut().insert(name, value);
        }
    }
    Ok(answer)
}

/// `GET /v1/flows/{flow}/records?cursor=&limit=`
pub(crate) async fn some(
    State(engine): State<Arc<Engine>>,
    access: Extension<Access>,
    flow: Result<Path<String>, PathRejection>,
    query: query::Arrived,
) -> Result<Json<Page<RecordView>>, Problem> {
    let flow = flow_id(flow)?;
    let mut parameters = Parameters::read(query)?;
    let limit = parameters.limit()?;
    let cursor = parameters.text("cursor");
    parameters.finish()?;
    let listing = format!("records of {flow}");
    let token = cursor
        .as_deref()
        .map(|cursor| cursor::decode(&listing, cursor))
        .transpose()?;
    let page = engine
        .records(&flow, token, limit, access.0)
        .await
        .map_err(refused)?;
    let items = page.items.into_iter().map(RecordView::from).collect();
    let next = page.next.map(|token| cursor::encode(&listing, &token));
    Ok(Json(Page { items, next }))
}

/// `POST /v1/flows/{flow}/records/{key}/sync` and `/forget`
pub(crate) async fn act(Asked(engine): Asked, path: RecordPath) -> Result<Response, Problem> {
    let Path((flow, rest)) = path.map_err(unreadable_path)?;
    let (key, verb) = rest.rsplit_once('/').ok_or_else(unknown_path)?;
    let named = Ok(Path((flow, key.to_owned())));
    match verb {
        "sync" => {
            let (flow, key) = record(named)?;
            let accepted = engine.force_sync(&flow, &key).await.map_err(refused)?;
            Ok((StatusCode::ACCEPTED, Json(accepted)).into_response())
        }
        "forget" => {
            let (flow, key) = record(named)?;
            let forgotten = engine.forget(&flow, &key).await.map_err(forget_refused)?;
            Ok(Json(forgotten).into_response())
        }
        _ => Err(unknown_path()),
    }
}

fn record(path: RecordPath) -> Result<(FlowId, RecordKey), Problem> {
    let Path((flow, key)) = path.map_err(unreadable_path)?;
    let flow = flow_named(flow)?;
    let key = RecordKey::try_new(key)
        .map_err(|error| Problem::bad_request(error.to_string()).with_field("key"))?;
    Ok((flow, key))
}

/// Whether the caller has this state already (RFC 9110, `If-None-Match`, weak comparison).
fn is_known(headers: &HeaderMap, tag: &str) -> bool {
    let strong = |tag: &str| tag.trim().trim_start_matches("W/").to_owned();
    headers
        .get_all(header::IF_NONE_MATCH)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|known| known.trim() == "*" || strong(known) == strong(tag))
}
