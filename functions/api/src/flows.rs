//! Flows: their health, a run now, pause and resume.

use std::sync::Arc;

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::StatusCode,
};
use tidegate_engine::{Engine, api::PauseRequest};
use tidegate_lambda::{Asked, Problem};
use tidegate_model::FlowId;
use tidegate_policy::{flow_state::Scope, run::Mode};

use crate::{
    bodies::{AuditAsked, LoadAsked, ReconcileAsked, RunAsked},
    body::{self, Members},
    failure::{refused, unreadable_path},
    view::{AuditView, FlowView, Page, ReconcileView, SchemaView, StopView, WarehouseView},
};

/// Characters of a person's name: it stands in every log line of what they did.
pub(crate) const MAX_NAME: usize = 100;
/// Characters of a reason.
pub(crate) const MAX_REASON: usize = 1_000;

/// `GET /v1/flows`
pub(crate) async fn all(
    State(engine): State<Arc<Engine>>,
) -> Result<Json<Page<FlowView>>, Problem> {
    let mut items = Vec::new();
    for health in engine.health().await.map_err(refused)? {
        let flow = flow_named(health.flow.clone())?;
        let reconciled = engine.latest_reconcile(&flow).await.map_err(refused)?;
        let audited = engine.latest_audit(&flow).await.map_err(refused)?;
        items.push(FlowView::new(health, reconciled, audited));
    }
    Ok(Json(Page {
        items,
        // Flows are files of one folder: few enough for one page.
        next: None,
    }))
}

/// `GET /v1/flows/{flow}/schema`: what it writes, and what its target was last known to accept.
pub(crate) async fn schema(
    State(engine): State<Arc<Engine>>,
    flow: Result<Path<String>, PathRejection>,
) -> Result<Json<SchemaView>, Problem> {
    let id = flow_id(flow)?;
    let kept = engine.kept_contract(&id).await.map_err(refused)?;
    let runtime = engine.flow(&id).map_err(|error| refused(error.into()))?;
    Ok(Json(SchemaView::new(&runtime.flow, kept)))
}

/// `POST /v1/flows/{flow}/runs`, with a body only for a mode.
pub(crate) async fn run(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    body: body::Arrived,
) -> Result<(StatusCode, Json<RunAsked>), Problem> {
    let flow = flow_id(flow)?;
    let mut mode: Option<Mode> = None;
    if let Some(mut members) = Members::read_optional(body)? {
        mode = members.word("mode", "incremental, initial")?;
        members.finish()?;
    }
    engine.run_now(&flow, mode).await.map_err(refused)?;
    let answer = Json(RunAsked { flow, mode });
    Ok((StatusCode::ACCEPTED, answer))
}

/// `GET /v1/flows/{flow}/reconcile`: what the newest one found.
pub(crate) async fn reconciled(
    State(engine): State<Arc<Engine>>,
    flow: Result<Path<String>, PathRejection>,
) -> Result<Json<ReconcileView>, Problem> {
    let flow = flow_id(flow)?;
    let report = engine.latest_reconcile(&flow).await.map_err(refused)?;
    match report {
        Some(report) => Ok(Json(ReconcileView::from(report))),
        None => Err(Problem::not_found("the flow was never reconciled")),
    }
}

/// `POST /v1/flows/{flow}/reconcile`, with a body only to accept what is absent.
pub(crate) async fn reconcile(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    body: body::Arrived,
) -> Result<(StatusCode, Json<ReconcileAsked>), Problem> {
    let flow = flow_id(flow)?;
    let mut accept_absent = false;
    if let Some(mut members) = Members::read_optional(body)? {
        accept_absent = members
            .word("accept_absent", "true, false")?
            .unwrap_or(false);
        members.finish()?;
    }
    engine
        .reconcile_now(&flow, accept_absent)
        .await
        .map_err(refused)?;
    let answer = Json(ReconcileAsked {
        flow,
        accept_absent,
    });
    Ok((StatusCode::ACCEPTED, answer))
}

/// `GET /v1/flows/{flow}/audit`: what the newest one found.
pub(crate) async fn audited(
    State(engine): State<Arc<Engine>>,
    flow: Result<Path<String>, PathRejection>,
) -> Result<Json<AuditView>, Problem> {
    let flow = flow_id(flow)?;
    match engine.latest_audit(&flow).await.map_err(refused)? {
        Some(report) => Ok(Json(AuditView::from(report))),
        None => Err(Problem::not_found("the flow was never audited")),
    }
}

/// `POST /v1/flows/{flow}/audit`
pub(crate) async fn audit(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<AuditAsked>), Problem> {
    let flow = flow_id(flow)?;
    let runtime = engine.flow(&flow).map_err(|error| refused(error.into()))?;
    if runtime.flow.audit().is_none() {
        return Err(Problem::not_found("the flow file has no [audit]"));
    }
    engine.audit_now(&flow).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(AuditAsked { flow })))
}

/// `GET /v1/flows/{flow}/warehouse`: the newest load, and the newest comparison.
pub(crate) async fn warehouse(
    State(engine): State<Arc<Engine>>,
    flow: Result<Path<String>, PathRejection>,
) -> Result<Json<WarehouseView>, Problem> {
    let flow = flow_id(flow)?;
    has_warehouse(&engine, &flow)?;
    let load = engine.latest_load(&flow).await.map_err(refused)?;
    let comparison = engine.latest_load_comparison(&flow).await;
    let view = WarehouseView::new(load, comparison.map_err(refused)?);
    Ok(Json(view))
}

/// `POST /v1/flows/{flow}/warehouse`
pub(crate) async fn load(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<LoadAsked>), Problem> {
    let flow = flow_id(flow)?;
    has_warehouse(&engine, &flow)?;
    engine.load_now(&flow).await.map_err(refused)?;
    Ok((StatusCode::ACCEPTED, Json(LoadAsked { flow })))
}

fn has_warehouse(engine: &Engine, flow: &FlowId) -> Result<(), Problem> {
    let runtime = engine.flow(flow).map_err(|error| refused(error.into()))?;
    match runtime.flow.warehouse() {
        Some(_) => Ok(()),
        None => Err(Problem::not_found("the flow file has no [warehouse]")),
    }
}

/// `POST /v1/flows/{flow}/pause`
pub(crate) async fn pause(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    body: body::Arrived,
) -> Result<Json<StopView>, Problem> {
    let flow = flow_id(flow)?;
    let mut members = Members::read(body)?;
    let request = PauseRequest {
        scope: members
            .word("scope", "target, source, all")?
            .unwrap_or(Scope::All),
        reason: members.text("reason", MAX_REASON)?,
        by: members.text("by", MAX_NAME)?,
    };
    members.finish()?;
    engine.pause(&flow, request).await.map_err(refused)?;
    stop_view(&engine, flow).await
}

/// `POST /v1/flows/{flow}/resume`
pub(crate) async fn resume(
    Asked(engine): Asked,
    flow: Result<Path<String>, PathRejection>,
    body: body::Arrived,
) -> Result<Json<StopView>, Problem> {
    let flow = flow_id(flow)?;
    let mut members = Members::read(body)?;
    let by = members.text("by", MAX_NAME)?;
    let reason = members.optional_text("reason", MAX_REASON)?;
    members.finish()?;
    engine.resume(&flow, &by).await.map_err(refused)?;
    tracing::info!(flow = %flow, by, reason, "why it goes on");
    stop_view(&engine, flow).await
}

async fn stop_view(engine: &Engine, flow: FlowId) -> Result<Json<StopView>, Problem> {
    let state = engine
        .flow_state(&flow)
        .await
        .map_err(|error| refused(error.into()))?;
    Ok(Json(StopView::new(flow, state)))
}

/// The flow in the path. What can not be a flow's name is no flow.
pub(crate) fn flow_id(flow: Result<Path<String>, PathRejection>) -> Result<FlowId, Problem> {
    let Path(flow) = flow.map_err(unreadable_path)?;
    flow_named(flow)
}

/// A flow by its name.
pub(crate) fn flow_named(name: String) -> Result<FlowId, Problem> {
    FlowId::try_new(name).map_err(|_| Problem::not_found("there is no such flow"))
}
