//! `cargo bench -p tidegate --bench loads`: what it costs to put 200,000 orders into files for a
//! warehouse, and to remember of each that it is in one.
//!
//! The load of the engine itself, with table and warehouse in memory: a table over HTTP would take most
//! of the time, and the true warehouse's work is not ours. So processor time is that of reading, writing
//! lines, compressing and planning the writes; what a table on a file adds is told by `orders`.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures and fails by panic"
)]

#[path = "measure/cpu.rs"]
mod cpu;

use std::{path::Path, sync::Arc, time::Duration};

use cpu::cpu_s;
use tidegate_engine::ports::Store as _;
use tidegate_lambda::read_connectors;
use tidegate_model::{Tier, TierReason, Version};
use tidegate_policy::{
    flow::{Flow, FlowText, Settings},
    keys,
    load::LoadRequest,
    register::{self, Stage},
};
use tidegate_testkit::{
    doubles::shopify::{ShopifyConfig, ShopifyDouble},
    host::{Host, START},
    memory::{MemoryWarehouse, warehouse_columns},
};

const ORDERS: u64 = 200_000;
/// One call of the function has so long; the clock stands meanwhile.
const TIME: Duration = Duration::from_mins(15);
const FLOW: &str = include_str!("../../flows/examples/orders-shopify.toml");

fn flow() -> Arc<Flow> {
    let settings: Settings = [
        ("SHOPIFY_URL", "https://shop.example"),
        ("STAGED_FILES", "staged"),
        ("SNOWFLAKE_URL", "https://snowflake.example"),
        ("SNOWFLAKE_ACCOUNT", "org-account"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    let flows = Path::new(env!("CARGO_MANIFEST_DIR")).join("../flows");
    let text = FlowText {
        connectors: Arc::new(read_connectors(&flows).unwrap()),
        ..FlowText::alone("orders-shopify.toml", FLOW)
    };
    Arc::new(Flow::load_text(&text, &settings).unwrap())
}

/// Each order as our store holds it.
async fn stage(host: &Host, flow: &Flow) {
    let config = ShopifyConfig::new(Arc::new(|| START.0), "shop-token").orders(7, ORDERS);
    let shop = ShopifyDouble::unserved_of(config);
    for number in 1..=ORDERS {
        let order = shop.order(ShopifyDouble::id_of(number)).unwrap();
        let normal = flow.normalise(&order).unwrap();
        let stage = Stage {
            version: Version {
                source: normal.source_version.unwrap(),
                revision: flow.revision(),
                read: 1,
            },
            content: normal.content,
            by: "a benchmark".to_owned(),
            tier: Tier::Batch,
            tier_reason: TierReason::NotCritical,
            search: None,
            link: None,
            look_first: false,
            due: None,
            review: None,
        };
        let key = keys::register(flow.id(), &normal.key);
        let write = register::stage_applied(&stage, START);
        host.store.update(&key, &write).await.unwrap();
    }
}

fn head() -> String {
    let names = [
        "CPU s/1,000",
        "writes/record",
        "files",
        "MB a file",
        "bytes/record",
    ];
    let names = names.map(|name| format!("{name:>14}"));
    format!("{:<8}{}", "loads", names.concat())
}

#[tokio::main]
async fn main() {
    let flow = flow();
    let host = Host::of_flows(&[Arc::clone(&flow)], [], tidegate_connect::connect);
    stage(&host, &flow).await;
    let shown: Vec<&str> = flow.file().fields.keys().map(String::as_str).collect();
    let warehouse = MemoryWarehouse::default();
    warehouse.has_columns(warehouse_columns("ORDERS", &shown));
    let pid = std::process::id();
    println!("{}", head());
    for name in ["new", "again"] {
        let (cpu_before, writes_before) = (cpu_s(pid), host.store.writes());
        let request = LoadRequest::default();
        let load = host
            .engine
            .load(&warehouse, flow.id(), request, START + TIME);
        let report = load.await.unwrap();
        let cpu_s = cpu_s(pid) - cpu_before;
        let writes = (host.store.writes() - writes_before) as f64;
        let (records, bytes) = (report.counts.records as f64, report.bytes as f64);
        println!(
            "{name:<8}{:>14.4}{:>14.3}{:>14}{:>14.2}{:>14.0}",
            cpu_s / records * 1e3,
            writes / records,
            report.files,
            bytes / 1e6 / f64::from(report.files.max(1)),
            bytes / report.counts.loaded.max(1) as f64,
        );
    }
}
