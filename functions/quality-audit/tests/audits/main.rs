//! Audits, as the bus asks for them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod cuts;
mod findings;
mod reviews;
mod starts;

use std::{sync::Arc, time::Duration};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::{
    AuditReport, CachedSecrets, Engine, Event, FlowRuntime, Ports, RunEnd,
    api::{Access, PauseRequest, ReviewEntry, ReviewId},
    ports::{Clock as _, Listing, ListingPage, Store, StoreError, Written},
};
use tidegate_model::{
    Content, Fields, FlowId, RecordKey, SourceVersion, Tier, TierReason, UnixMs, Version,
    item::{Condition, Item, ItemKey, Update},
    metric,
};
use tidegate_policy::{
    audit::{AuditRequest, FindingKind},
    flow::Flow,
    flow_state::Scope,
    keys,
    reconcile::ReconcileRequest,
    register::{self, Register, ReviewKind, Stage, State},
    run::RunRequest,
};
use tidegate_quality_audit::handle;
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START, settings},
    memory::{
        ManualClock, MemoryEvents, MemoryHttp, MemoryMailer, MemoryMetrics, MemoryQueue,
        MemoryStore, MemoryVault, QueueRules, SeededChance,
    },
};

const FLOW: &str = include_str!("../../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../../infra/events/quality-audit.json");
/// 2026-11-20T01:00:00Z, 02:00 by the flow's clock: the window of the event.
const WINDOW: UnixMs = UnixMs(1_795_136_400_000);

/// What the ERP says of a supplier with which nothing is wrong, but for these fields.
fn supplier(changed: &Value) -> Fields {
    let sound = json!({
        "name": "Nordlicht", "purpose": "Valves", "contact_name": "Ada", "email": "ada@nordlicht.example",
        "certification_status": "valid", "certificates": ["ISO 9001"],
        "approved": true, "blocked": false,
    });
    let mut fields = sound.as_object().unwrap().clone();
    fields.extend(changed.as_object().unwrap().clone());
    fields
}

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
}

fn host() -> Host {
    Host::new(&[FLOW], [], tidegate_connect::connect).unwrap()
}

fn change(version: u64, content: Content) -> Stage {
    Stage {
        version: Version {
            source: SourceVersion(version),
            revision: 1,
            read: 0,
        },
        content,
        by: "a test".to_owned(),
        tier: Tier::Batch,
        tier_reason: TierReason::NotCritical,
        search: None,
        link: None,
        look_first: false,
        due: None,
        review: None,
    }
}

/// A supplier that Qualio holds as it is.
async fn has(host: &Host, name: &str, version: u64, changed: Value) {
    let content = Content::Record(supplier(&changed));
    let write = register::stage_applied(&change(version, content), START);
    write_register(host, name, &write).await;
}

/// A supplier of its own address.
async fn has_sound(host: &Host, name: &str) {
    has(
        host,
        name,
        1,
        json!({ "email": format!("{name}@x.example") }),
    )
    .await;
}

async fn write_register(host: &Host, name: &str, write: &Update) {
    let at = keys::register(&flow(), &key(name));
    let written = host.store.update(&at, write).await.unwrap();
    assert!(matches!(written, Written::Done { .. }), "{written:?}");
}

fn event(payload: Value) -> LambdaEvent<Value> {
    LambdaEvent::new(payload, Context::default())
}

fn shipped() -> LambdaEvent<Value> {
    event(serde_json::from_str(EVENT).unwrap())
}

/// What the bus delivers.
fn envelope(detail: &Value) -> LambdaEvent<Value> {
    event(json!({
        "version": "0", "id": "1", "detail-type": "AuditRequested", "source": "tidegate",
        "account": "0", "time": "2026-11-20T02:00:00Z", "region": "us-east-1", "resources": [],
        "detail": detail,
    }))
}

fn by_hand() -> LambdaEvent<Value> {
    envelope(&json!({ "flow": "suppliers" }))
}

async fn audit(host: &Host, event: LambdaEvent<Value>) -> AuditReport {
    let report = handle(&host.engine, event).await.unwrap();
    assert!(report.counts.add_up(), "OUT-1: {report:?}");
    report
}

/// An audit to its end.
async fn complete(host: &Host, event: LambdaEvent<Value>) -> AuditReport {
    let report = audit(host, event).await;
    assert_eq!(report.end, RunEnd::Complete);
    report
}

fn notes(report: &AuditReport) -> Vec<(&str, FindingKind, &str)> {
    let notes = report.notes.iter();
    notes
        .map(|note| (note.key.as_str(), note.kind, note.name.as_str()))
        .collect()
}

async fn reviews(host: &Host) -> Vec<ReviewEntry> {
    let flow = flow();
    let page = host.engine.reviews(&flow, None, 100, Access::Masked).await;
    page.unwrap().items
}
