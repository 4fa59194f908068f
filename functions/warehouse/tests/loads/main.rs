//! Loads, as the bus asks for them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

mod compared;
mod cuts;
mod staged;

use std::time::Duration;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::{
    Comparison, Event, LoadReport, RunEnd,
    ports::{Clock as _, Store as _, Written},
};
use tidegate_model::{
    Content, FlowId, RecordKey, SourceVersion, Tier, TierReason, Version, item::Update,
};
use tidegate_policy::{
    keys,
    register::{self, Stage},
};
use tidegate_testkit::{
    host::{Host, START},
    memory::{LoadedLine, MemoryWarehouse, warehouse_columns},
};
use tidegate_warehouse::handle;

const FLOW: &str = include_str!("../../../../infra/flows/suppliers.toml");
const WAREHOUSE: &str = r#"
[warehouse]
name = "snowflake"
place = "staged"
base_url = "https://snowflake.example"
account = "org-acc"
user = "loader"
key = "SNOWFLAKE_KEY"
role = "load"
warehouse = "wh"
database = "db"
schema = "market"
view = "shown"
"#;

/// A flow, its registers and its warehouse.
struct World {
    host: Host,
    warehouse: MemoryWarehouse,
}

impl World {
    fn new() -> Self {
        let flow = format!("{FLOW}\n{WAREHOUSE}");
        let host = Host::new(&[&flow], [], tidegate_connect::connect).unwrap();
        let warehouse = MemoryWarehouse::default();
        let fields = host.engine.flow(&flow_id()).unwrap();
        let file = fields.flow.file();
        let shown: Vec<&str> = file.fields.keys().map(String::as_str).collect();
        warehouse.has_columns(warehouse_columns("SHOWN", &shown));
        Self { host, warehouse }
    }

    /// A supplier whose target holds it as it is.
    async fn has(&self, name: &str, version: u64, email: &str) {
        let fields = json!({ "name": name, "email": email, "contact_name": "Ada" });
        let content = Content::Record(fields.as_object().unwrap().clone());
        self.stages(
            name,
            &register::stage_applied(&change(version, content), self.host.clock.now()),
        )
        .await;
    }

    async fn stages(&self, name: &str, write: &Update) {
        let at = keys::register(&flow_id(), &key(name));
        let written = self.host.store.update(&at, write).await.unwrap();
        assert!(matches!(written, Written::Done { .. }), "{written:?}");
    }

    async fn asked(&self, event: LambdaEvent<Value>) -> LoadReport {
        let report = handle(&self.host.engine, &self.warehouse, event)
            .await
            .unwrap();
        if report.end == RunEnd::Complete {
            assert!(report.counts.add_up(), "OUT-1: {report:?}");
        }
        report
    }

    async fn load(&self) -> LoadReport {
        let report = self.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
        assert_eq!(report.end, RunEnd::Complete, "{report:?}");
        report
    }

    /// A load with a comparison, after the pipe and long enough for all to be merged.
    async fn compare(&self) -> Comparison {
        let report = self
            .asked(event(json!({ "flow": "suppliers", "compare": true })))
            .await;
        assert_eq!(report.end, RunEnd::Complete, "{report:?}");
        let comparison = self.host.engine.latest_load_comparison(&flow_id()).await;
        comparison.unwrap().unwrap()
    }

    /// All that was put is landed and merged, and no more in transit.
    async fn settle(&self) {
        self.warehouse.land();
        self.load().await;
        self.host.clock.advance(Duration::from_mins(31));
    }

    fn held(&self) -> Vec<(String, bool, u64)> {
        let rows = self.warehouse.records().into_iter();
        rows.map(|row| {
            let version = row.version().source.0;
            (row.key, row.deleted, version)
        })
        .collect()
    }

    fn requests(&self) -> usize {
        let events = self.host.events.all();
        let asks = |event: &&Event| matches!(event, Event::LoadRequested { .. });
        events.iter().filter(asks).count()
    }
}

fn flow_id() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn key(text: &str) -> RecordKey {
    RecordKey::try_new(text).unwrap()
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

fn event(payload: Value) -> LambdaEvent<Value> {
    LambdaEvent::new(payload, Context::default())
}

/// What the bus delivers.
fn by_bus(detail: &Value) -> LambdaEvent<Value> {
    event(json!({
        "version": "0", "id": "1", "detail-type": "LoadRequested", "source": "tidegate",
        "account": "0", "time": "2026-11-20T02:00:00Z", "region": "us-east-1", "resources": [],
        "detail": detail,
    }))
}

fn content_of(line: &LoadedLine) -> Value {
    serde_json::from_str(line.content.as_deref().unwrap()).unwrap()
}
