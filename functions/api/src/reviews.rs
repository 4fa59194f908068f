//! Reviews: listed, looked at, edited, tried dry, replayed, discarded.

use std::sync::Arc;

use axum::{
    Extension, Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
};
use tidegate_engine::{
    Engine,
    api::{Access, EditRequest, ReviewId},
};
use tidegate_lambda::{Asked, Problem};
use tidegate_model::FlowId;

use crate::{
    bodies::ReviewNamed,
    body::{self, Members},
    cursor,
    failure::{refused, review_refused, unknown_path, unreadable_path},
    flows::{MAX_NAME, MAX_REASON, flow_named},
    query::{self, Parameters},
    view::{Page, ReviewView},
};

/// What a cursor of this listing belongs to.
const LISTING: &str = "reviews";

type IdPath = Result<Path<String>, PathRejection>;

/// `GET /v1/reviews?flow=&cursor=&limit=`: of one flow, or of all, flow by flow.
pub(crate) async fn some(
    State(engine): State<Arc<Engine>>,
    access: Extension<Access>,
    query: query::Arrived,
) -> Result<Json<Page<ReviewView>>, Problem> {
    let mut parameters = Parameters::read(query)?;
    let limit = parameters.limit()?;
    let cursor = parameters.text("cursor");
    let only = parameters.text("flow").map(flow_named).transpose()?;
    parameters.finish()?;
    if let Some(only) = &only {
        engine.flow(only).map_err(|error| refused(error.into()))?;
    }
    let start = cursor.as_deref().map(Place::decode).transpose()?;
    let (items, next) = page(&engine, only.as_ref(), start, limit, access.0).await?;
    let next = next.map(|place| place.encode());
    Ok(Json(Page { items, next }))
}

/// Where the listing over flows goes on: in a flow, after a token of its own listing.
struct Place {
    flow: FlowId,
    token: Option<String>,
}

impl Place {
    fn encode(&self) -> String {
        let token = self.token.as_deref().unwrap_or_default();
        cursor::encode(LISTING, &format!("{}.{token}", self.flow))
    }

    fn decode(text: &str) -> Result<Self, Problem> {
        let place = cursor::decode(LISTING, text)?;
        let (flow, token) = place.split_once('.').unwrap_or((place, ""));
        Ok(Self {
            flow: flow_named(flow.to_owned())?,
            token: Some(token.to_owned()).filter(|token| !token.is_empty()),
        })
    }
}

/// Up to `limit` reviews from a place on, and the next place.
async fn page(
    engine: &Engine,
    only: Option<&FlowId>,
    start: Option<Place>,
    limit: u32,
    access: Access,
) -> Result<(Vec<ReviewView>, Option<Place>), Problem> {
    let (first, mut token) = match start {
        Some(place) => (Some(place.flow), place.token),
        None => (None, None),
    };
    let flows = engine
        .flows()
        .map(|runtime| runtime.flow.id().clone())
        .filter(|flow| only.is_none_or(|only| only == flow))
        .filter(|flow| first.as_ref().is_none_or(|first| first <= flow));
    let mut items: Vec<ReviewView> = Vec::new();
    for flow in flows {
        let have = u32::try_from(items.len()).unwrap_or(u32::MAX);
        // The token is the first flow's alone; when that flow is gone, the next starts afresh.
        let after = token
            .take()
            .filter(|_| first.as_ref().is_none_or(|first| *first == flow));
        if have >= limit {
            return Ok((items, Some(Place { flow, token: after })));
        }
        let page = engine
            .reviews(&flow, after.as_deref(), limit - have, access)
            .await
            .map_err(refused)?;
        items.extend(page.items.into_iter().map(ReviewView::from));
        if page.next.is_some() {
            let token = page.next;
            return Ok((items, Some(Place { flow, token })));
        }
    }
    Ok((items, None))
}

/// `GET /v1/reviews/{id}`
pub(crate) async fn one(
    State(engine): State<Arc<Engine>>,
    access: Extension<Access>,
    id: IdPath,
) -> Result<Json<ReviewView>, Problem> {
    let id = review_id(id)?;
    let review = engine.review(&id, access.0).await.map_err(review_refused)?;
    Ok(Json(review.into()))
}

/// `PATCH /v1/reviews/{id}`
pub(crate) async fn edit(
    Asked(engine): Asked,
    access: Extension<Access>,
    id: IdPath,
    body: body::Arrived,
) -> Result<Json<ReviewView>, Problem> {
    let id = review_id(id)?;
    let mut members = Members::read(body)?;
    let request = EditRequest {
        fields: members.object("fields")?,
        by: members.text("by", MAX_NAME)?,
        why: members.text("why", MAX_REASON)?,
    };
    members.finish()?;
    let review = engine
        .edit_review(&id, request, access.0)
        .await
        .map_err(review_refused)?;
    Ok(Json(review.into()))
}

/// `POST /v1/reviews/{id}/replay` and `/discard`
pub(crate) async fn act(
    Asked(engine): Asked,
    access: Extension<Access>,
    path: IdPath,
    query: query::Arrived,
) -> Result<Response, Problem> {
    let Path(path) = path.map_err(unreadable_path)?;
    let parameters = Parameters::read(query)?;
    match path.rsplit_once('/') {
        Some((id, "replay")) => replay(&engine, &parse(id)?, parameters, access.0).await,
        Some((id, "discard")) => discard(&engine, &parse(id)?, parameters).await,
        _ => Err(unknown_path()),
    }
}

/// With `?dry_run=true` it shows the request and sends nothing.
async fn replay(
    engine: &Engine,
    id: &ReviewId,
    mut parameters: Parameters,
    access: Access,
) -> Result<Response, Problem> {
    let dry_run = parameters.flag("dry_run")?;
    parameters.finish()?;
    if dry_run {
        let plan = engine.dry_run(id, access).await.map_err(review_refused)?;
        return Ok(Json(plan).into_response());
    }
    engine.replay(id).await.map_err(review_refused)?;
    let answer = Json(ReviewNamed { id: id.to_string() });
    Ok((StatusCode::ACCEPTED, answer).into_response())
}

async fn discard(
    engine: &Engine,
    id: &ReviewId,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    engine.discard(id).await.map_err(review_refused)?;
    Ok(Json(ReviewNamed { id: id.to_string() }).into_response())
}

/// The review in the path.
fn review_id(id: IdPath) -> Result<ReviewId, Problem> {
    let Path(id) = id.map_err(unreadable_path)?;
    parse(&id)
}

/// What can not be a review's id is no review.
fn parse(id: &str) -> Result<ReviewId, Problem> {
    ReviewId::parse(id).ok_or_else(|| Problem::not_found("there is no such review"))
}
