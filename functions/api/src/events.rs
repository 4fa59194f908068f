//! Events of other systems, told by HTTP where no rule of a bus hands them over.

use axum::{Json, http::StatusCode};
use serde_json::Value;
use tidegate_lambda::{Asked, Problem};
use tidegate_policy::trigger::ForeignEvent;

use crate::{
    bodies::{EventTaken, MAX_DETAIL_TYPE, MAX_SOURCE},
    body::{self, Members},
    failure::refused,
};

/// `POST /v1/events`
pub(crate) async fn take(
    Asked(engine): Asked,
    body: body::Arrived,
) -> Result<(StatusCode, Json<EventTaken>), Problem> {
    let mut members = Members::read(body)?;
    let source = members.text("source", MAX_SOURCE)?;
    let detail_type = members.text("detail_type", MAX_DETAIL_TYPE)?;
    let detail = members.optional_object("detail")?;
    let id = members.event_id("id")?;
    members.finish()?;
    let id = id.unwrap_or_else(|| engine.event_id());
    let event = ForeignEvent {
        id: id.clone(),
        at: engine.now(),
        source,
        detail_type,
        detail: detail.map_or(Value::Null, Value::Object),
    };
    let flows = engine.take_event(&event).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(EventTaken { id, flows })))
}
