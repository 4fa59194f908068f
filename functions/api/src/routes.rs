//! The table of routes: where each is served, and how it is described.

use std::sync::Arc;

use axum::{
    Json,
    http::{HeaderValue, header},
    response::{IntoResponse, Response},
    routing::{MethodRouter, get, patch, post},
};
use serde_json::json;
use tidegate_engine::{
    Engine,
    api::{Accepted, DryRun, Forgotten},
};

use crate::{
    bodies::{
        AuditAsked, EditBody, EventBody, EventTaken, LoadAsked, PauseBody, ReconcileAsked,
        ReconcileBody, ResumeBody, ReviewNamed, RunAsked, RunBody,
    },
    events, flows,
    openapi::{self, Operation},
    records, reviews,
    view::{
        AuditView, FlowView, Page, ReconcileView, RecordView, ReviewView, SchemaView, StopView,
        WarehouseView,
    },
};

/// Where the description is served.
const OPENAPI: &str = "/v1/openapi.json";
/// It changes with a release only.
const OPENAPI_CACHE: HeaderValue = HeaderValue::from_static("public, max-age=300");

/// A route, and the operations that it serves.
pub(crate) struct Route {
    pub(crate) at: &'static str,
    pub(crate) serve: MethodRouter<Arc<Engine>>,
    pub(crate) needs_token: bool,
    pub(crate) operations: Vec<Operation>,
}

impl Route {
    fn new(
        at: &'static str,
        serve: MethodRouter<Arc<Engine>>,
        first: Operation,
        more: impl IntoIterator<Item = Operation>,
    ) -> Self {
        Self {
            at,
            serve,
            needs_token: true,
            operations: std::iter::once(first).chain(more).collect(),
        }
    }
}

/// Every route.
pub(crate) fn all() -> Vec<Route> {
    let mut routes = of_flows();
    routes.extend(of_records());
    routes.extend(of_reviews());
    routes.push(Route::new(
        "/v1/events",
        post(events::take),
        Operation::new(
            "post",
            "/v1/events",
            "tellEvent",
            "Tell of an event: it starts a batch of each flow that has a trigger for it",
        )
        .body::<EventBody>()
        .answers::<EventTaken>(
            202,
            "Runs were asked for; a repeat of the same id starts none",
        )
        .refuses(&[400, 413]),
        [],
    ));
    routes.push(Route {
        needs_token: false,
        ..Route::new(
            OPENAPI,
            get(description),
            Operation::new(
                "get",
                OPENAPI,
                "describe",
                "This description; it holds no secret and needs no token",
            )
            .for_all()
            .answers::<serde_json::Map<String, serde_json::Value>>(200, "OpenAPI 3.1"),
            [],
        )
    });
    routes
}

fn of_flows() -> Vec<Route> {
    vec![
        Route::new(
            "/v1/flows",
            get(flows::all),
            Operation::new("get", "/v1/flows", "listFlows", "Health of every flow: last run, next window, budgets, breakers, backlog, freshness")
                .answers::<Page<FlowView>>(200, "All flows"),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/runs",
            post(flows::run),
            Operation::new("post", "/v1/flows/{flow}/runs", "runNow", "Run now")
                .optional_body::<RunBody>()
                .answers::<RunAsked>(202, "A run was asked for")
                .refuses(&[400, 404, 413]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/schema",
            get(flows::schema),
            Operation::new("get", "/v1/flows/{flow}/schema", "getSchema", "What the flow writes, and what its target was last known to accept")
                .answers::<SchemaView>(200, "Revision, file, fields, settings and contract")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/reconcile",
            get(flows::reconciled),
            Operation::new("get", "/v1/flows/{flow}/reconcile", "latestReconcile", "What the newest comparison found")
                .answers::<ReconcileView>(200, "Counts a kind, and findings by name")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/reconcile",
            post(flows::reconcile),
            Operation::new("post", "/v1/flows/{flow}/reconcile", "reconcileNow", "Compare in full now")
                .optional_body::<ReconcileBody>()
                .answers::<ReconcileAsked>(202, "A comparison was asked for")
                .refuses(&[400, 404, 413]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/audit",
            get(flows::audited),
            Operation::new("get", "/v1/flows/{flow}/audit", "latestAudit", "What the newest audit found in the data")
                .answers::<AuditView>(200, "Counts a kind, a field and a rule, and findings by name")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/audit",
            post(flows::audit),
            Operation::new("post", "/v1/flows/{flow}/audit", "auditNow", "Audit the data now")
                .answers::<AuditAsked>(202, "An audit was asked for")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/warehouse",
            get(flows::warehouse),
            Operation::new("get", "/v1/flows/{flow}/warehouse", "latestLoad", "What the newest load did, and what the newest comparison with the warehouse found")
                .answers::<WarehouseView>(200, "Counts of the load; counts, checksums and findings of the comparison")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/warehouse",
            post(flows::load),
            Operation::new("post", "/v1/flows/{flow}/warehouse", "loadNow", "Load into the warehouse and compare with it now")
                .answers::<LoadAsked>(202, "A load was asked for")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/pause",
            post(flows::pause),
            Operation::new("post", "/v1/flows/{flow}/pause", "pause", "Stop calls; webhooks are still taken")
                .body::<PauseBody>()
                .answers::<StopView>(200, "What stops the flow now")
                .refuses(&[400, 404, 413]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/resume",
            post(flows::resume),
            Operation::new("post", "/v1/flows/{flow}/resume", "resume", "Go on; the cause of a blocker is checked again")
                .body::<ResumeBody>()
                .answers::<StopView>(200, "What stops the flow now")
                .refuses(&[400, 404, 413]),
            [],
        ),
    ]
}

fn of_records() -> Vec<Route> {
    vec![
        Route::new(
            "/v1/flows/{flow}/records",
            get(records::some),
            Operation::new(
                "get",
                "/v1/flows/{flow}/records",
                "listRecords",
                "Records, some at a time",
            )
            .pages()
            .answers::<Page<RecordView>>(200, "Some records")
            .refuses(&[400, 404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/records/{*key}",
            get(records::one),
            Operation::new(
                "get",
                "/v1/flows/{flow}/records/{key}",
                "getRecord",
                "One record, with its last four attempts",
            )
            .header(
                "if-none-match",
                "The `etag` of an answer that is at hand",
                false,
            )
            .answers::<RecordView>(200, "The record, with an `etag`")
            .says(304, "It has not changed")
            .refuses(&[400, 404]),
            [],
        ),
        Route::new(
            "/v1/flows/{flow}/records/{*key}",
            post(records::act),
            Operation::new(
                "post",
                "/v1/flows/{flow}/records/{key}/sync",
                "syncRecord",
                "Fetch and apply one record now",
            )
            .answers::<Accepted>(202, "It was queued; repeats within 10 s are one")
            .refuses(&[400, 404]),
            [Operation::new(
                "post",
                "/v1/flows/{flow}/records/{key}/forget",
                "forgetRecord",
                "Erase its values, and keep the hashes that stop them from coming back",
            )
            .answers::<Forgotten>(
                200,
                "They are erased, and rows of it among the reviews discarded",
            )
            .refuses(&[400, 404, 409])],
        ),
    ]
}

fn of_reviews() -> Vec<Route> {
    vec![
        Route::new(
            "/v1/reviews",
            get(reviews::some),
            Operation::new(
                "get",
                "/v1/reviews",
                "listReviews",
                "What needs a person, oldest first",
            )
            .query("flow", "Of this flow only", json!({"type": "string"}))
            .pages()
            .answers::<Page<ReviewView>>(200, "Some reviews")
            .refuses(&[400, 404]),
            [],
        ),
        Route::new(
            "/v1/reviews/{*id}",
            get(reviews::one),
            Operation::new("get", "/v1/reviews/{id}", "getReview", "One review")
                .answers::<ReviewView>(200, "The review")
                .refuses(&[404]),
            [],
        ),
        Route::new(
            "/v1/reviews/{*id}",
            patch(reviews::edit),
            Operation::new(
                "patch",
                "/v1/reviews/{id}",
                "editReview",
                "Edit the fields to send",
            )
            .body::<EditBody>()
            .answers::<ReviewView>(200, "The review as it is now")
            .refuses(&[400, 404, 409, 413, 422]),
            [],
        ),
        Route::new(
            "/v1/reviews/{*id}",
            post(reviews::act),
            Operation::new(
                "post",
                "/v1/reviews/{id}/replay",
                "replayReview",
                "Send again, or show what would be sent",
            )
            .query(
                "dry_run",
                "Show the requests and send nothing",
                json!({"type": "boolean", "default": false}),
            )
            .answers::<DryRun>(200, "What would be sent")
            .answers::<ReviewNamed>(202, "It is sent again")
            .refuses(&[400, 404, 409, 422]),
            [Operation::new(
                "post",
                "/v1/reviews/{id}/discard",
                "discardReview",
                "Let it be",
            )
            .answers::<ReviewNamed>(200, "It is not sent")
            .refuses(&[400, 404, 409])],
        ),
    ]
}

async fn description() -> Response {
    let mut answer = Json(openapi::openapi()).into_response();
    answer
        .headers_mut()
        .insert(header::CACHE_CONTROL, OPENAPI_CACHE);
    answer
}
