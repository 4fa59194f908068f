//! `cargo bench -p tidegate --bench orders`: a million orders of a marketplace, pulled, normalised,
//! deduped and staged by the real program on one machine, and what each costs.
//!
//! Three runs over the same orders: all new, all unchanged, one in ten changed. The shop's double lives
//! in the benchmark's process and refuses no call; what is measured is the program alone, its table on a
//! file included: processor time and memory as Linux tells them, units as the program's own metrics do.
//!
//! On one machine a tick reads every register each 15 s, or in an eleventh of the time where it takes
//! long; on AWS it does so each 5 minutes. Its processor time is in the figures. Its units are apart: what
//! a record costs is told of the median page, beside all that the run's time has taken.
//!
//! `TIDEGATE_BENCH_ORDERS` names another number of orders than a million, which take the better part of
//! an hour where each write waits for a disk. With `TMPDIR` in memory none does; the other figures stay.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::print_stdout,
    clippy::cast_precision_loss,
    reason = "a benchmark prints its figures and fails by panic"
)]

#[path = "measure/cpu.rs"]
mod cpu;
#[path = "../../../tests/emulator/real/machine.rs"]
#[allow(dead_code, reason = "the tests use the rest of it")]
mod machine;
#[path = "measure/memory.rs"]
mod memory;

use std::{
    fs::File,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cpu::cpu_s;
use machine::Program;
use memory::Memory;
use serde_json::Value;
use tidegate_testkit::doubles::{
    Quota,
    shopify::{Access, ShopifyConfig, ShopifyDouble},
};

const ORDERS: u64 = 1_000_000;
const ORDERS_VARIABLE: &str = "TIDEGATE_BENCH_ORDERS";
/// Of so many orders one is changed before the third run.
const CHANGED_EVERY: u64 = 10;
/// Rows of a full page: what Shopify gives at most.
const PAGE: f64 = 250.0;
/// Without a sign of life for so long, the run is given up.
const SILENCE: Duration = Duration::from_mins(5);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Until so much is read, caches fill; memory that grows afterwards grows with the orders.
const WARM_AT: usize = 20;

/// The shipped flow: to our store alone, cut by nothing, and due while nobody measures.
fn flow() -> String {
    let shipped = include_str!("../../flows/examples/orders-shopify.toml");
    let (orders, _) = shipped.split_once("[warehouse]").unwrap();
    let hour = (machine::now_ms() / 3_600_000 + 12) % 24;
    let orders = replaced(orders, "\"Europe/Berlin\"", "\"UTC\"");
    let orders = replaced(&orders, "_s = 1_800", "_s = 86_400");
    let windows = format!("windows = [{{ at = \"{hour:02}:00\" }}]\nmax_run_minutes = 1_440");
    replaced(&orders, "every_minutes = 15", &windows)
}

/// The shipped connector without the shop's limit.
fn connector() -> String {
    replaced(
        include_str!("../../flows/connectors/shopify-orders/connector.toml"),
        "limit = { bucket = 40, leak_per_s = 2 }",
        "limit = { calls = 300, per_s = 1 }",
    )
}

/// A file that has changed must not be measured as something else.
fn replaced(text: &str, what: &str, with: &str) -> String {
    assert!(text.contains(what), "{what} is no longer there");
    text.replace(what, with)
}

/// The program, and what is looked at from outside.
struct Measured {
    program: Program,
    token: String,
    metrics: Metrics,
}

/// The program's metrics, read as they are written.
struct Metrics {
    path: PathBuf,
    lines: Option<BufReader<File>>,
    /// What stands of a line that is not yet whole.
    begun: String,
}

impl Metrics {
    fn at(path: PathBuf) -> Self {
        Self {
            path,
            lines: None,
            begun: String::new(),
        }
    }

    /// The next line; nothing while there is none.
    fn next(&mut self) -> Option<Value> {
        if self.lines.is_none() {
            self.lines = File::open(&self.path).ok().map(BufReader::new);
        }
        let lines = self.lines.as_mut()?;
        if lines.read_line(&mut self.begun).unwrap() == 0 {
            // A full file is put aside, and what follows stands in a new one.
            let here = lines.get_ref().metadata().unwrap();
            let there = self.path.metadata();
            if there.is_ok_and(|there| !is_same(&there, &here)) {
                self.lines = None;
            }
            return None;
        }
        if !self.begun.ends_with('\n') {
            return None;
        }
        let line = serde_json::from_str(&self.begun).unwrap();
        self.begun.clear();
        Some(line)
    }
}

fn is_same(one: &std::fs::Metadata, other: &std::fs::Metadata) -> bool {
    use std::os::unix::fs::MetadataExt as _;
    one.ino() == other.ino()
}

/// Units of the table.
#[derive(Clone, Copy, Default)]
struct Units {
    writes: f64,
    reads: f64,
}

impl Units {
    fn of(line: &Value) -> Self {
        let of = |name: &str| line[name].as_f64().unwrap_or(0.0);
        Self {
            writes: of("WriteUnits"),
            reads: of("ReadUnits"),
        }
    }
}

/// What a run has taken.
struct Taken {
    records: f64,
    wall_s: f64,
    cpu_s: f64,
    /// All that the table was asked for meanwhile.
    units: Units,
    /// Of each full page, in units for a record.
    pages: Vec<Units>,
    /// Memory at each tenth of the records.
    memory: Vec<(usize, Memory)>,
}

impl Taken {
    fn a_record(&self) -> Units {
        Units {
            writes: median(self.pages.iter().map(|page| page.writes)),
            reads: median(self.pages.iter().map(|page| page.reads)),
        }
    }

    fn print(&self, name: &str) {
        let median = self.a_record();
        println!(
            "{name:<10} {:>9} {:>8.1} {:>9.0} {:>12.3} {:>10.3} {:>9.3} {:>12.3} {:>11.3}",
            self.records,
            self.wall_s,
            self.records / self.wall_s,
            self.cpu_s / self.records * 1e3,
            median.writes,
            median.reads,
            self.units.writes / self.records,
            self.units.reads / self.records,
        );
    }
}

fn print_head() {
    println!(
        "{:<10} {:>9} {:>8} {:>9} {:>12} {:>10} {:>9} {:>12} {:>11}",
        "orders",
        "records",
        "wall s",
        "records/s",
        "CPU s/1,000",
        "writes/rec",
        "reads/rec",
        "all writes/r",
        "all reads/r"
    );
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

impl Measured {
    /// Follows a run to its end; `expected` records tell its tenths.
    async fn run(&mut self, expected: u64) -> Taken {
        let pid = self.program.pid();
        let (began, cpu_before) = (machine::now_ms(), cpu_s(pid));
        let mut taken = Taken {
            records: 0.0,
            wall_s: 0.0,
            cpu_s: 0.0,
            units: Units::default(),
            pages: Vec::new(),
            memory: Vec::new(),
        };
        let mut heard = began;
        // The units stand in a line before the counts of the same page.
        let mut last = (Value::Null, Units::default());
        loop {
            let Some(line) = self.metrics.next() else {
                let silent_ms = machine::now_ms() - heard;
                assert!(!self.program.has_ended(), "the program ended");
                assert!(
                    u128::try_from(silent_ms).unwrap() < SILENCE.as_millis(),
                    "no sign of life"
                );
                tokio::time::sleep(LOOK_EVERY).await;
                continue;
            };
            let at = &line["_aws"]["Timestamp"];
            let units = Units::of(&line);
            if units.writes + units.reads > 0.0 {
                taken.units.writes += units.writes;
                taken.units.reads += units.reads;
                last = (at.clone(), units);
            }
            if let Some(received) = line["Received"].as_f64() {
                heard = machine::now_ms();
                taken.records += received;
                let is_whole = (received - PAGE).abs() < 0.5;
                if is_whole && *at == last.0 {
                    taken.pages.push(Units {
                        writes: last.1.writes / PAGE,
                        reads: last.1.reads / PAGE,
                    });
                }
                let next = taken.memory.len() * 10 + 10;
                if next <= 100 && taken.records * 100.0 >= expected as f64 * next as f64 {
                    taken.memory.push((next, Memory::of(pid)));
                    eprintln!("{next} % after {} s", (heard - began) / 1_000);
                }
            }
            if !line["RunTime"].is_null() {
                break;
            }
        }
        taken.wall_s = (machine::now_ms() - began) as f64 / 1e3;
        taken.cpu_s = cpu_s(pid) - cpu_before;
        taken
    }

    /// Asks for a run: for all orders, or for what has changed.
    async fn ask(&self, body: &'static str) {
        let url = format!("{}/v1/flows/orders-shopify/runs", self.program.url);
        let request = reqwest::Client::new().post(url).bearer_auth(&self.token);
        let answer = request.body(body).send().await.unwrap();
        assert_eq!(answer.status(), 202);
    }
}

fn started(shop: &ShopifyDouble, folder: &Path) -> Measured {
    let flows = folder.join("flows");
    let connectors = flows.join("connectors/shopify-orders");
    std::fs::create_dir_all(&connectors).unwrap();
    std::fs::write(flows.join("orders-shopify.toml"), flow()).unwrap();
    std::fs::write(connectors.join("connector.toml"), connector()).unwrap();
    let given = [
        ("TIDEGATE_VAR_SHOPIFY_URL", shop.url()),
        ("TIDEGATE_SECRET_SHOPIFY_TOKEN", "shop-token".to_owned()),
    ];
    let data = folder.join("data");
    let command = Path::new(env!("CARGO_BIN_EXE_tidegate"));
    let program = Program::start(command, &flows, &data, &given);
    let token = std::fs::read_to_string(data.join("token")).unwrap();
    Measured {
        program,
        token: token.trim().to_owned(),
        metrics: Metrics::at(data.join("metrics.jsonl")),
    }
}

fn print_memory(new: &Taken) {
    println!("memory while all were new, in MB");
    println!(
        "{:<10} {:>9} {:>9} {:>9}",
        "read", "resident", "no file", "peak"
    );
    for (percent, memory) in &new.memory {
        println!(
            "{percent:>3} %      {:>9.1} {:>9.1} {:>9.1}",
            memory.resident, memory.own, memory.peak
        );
    }
    let at = |percent| new.memory.iter().find(|(at, _)| *at == percent).unwrap().1;
    let (warm, end) = (at(WARM_AT), at(100));
    println!(
        "growth from {WARM_AT} % to 100 %: {:+.1} MB resident, {:+.1} MB of it no file",
        end.resident - warm.resident,
        end.own - warm.own
    );
}

#[allow(
    clippy::disallowed_methods,
    reason = "the benchmark's own setting, read once"
)]
fn orders() -> u64 {
    let named = std::env::var(ORDERS_VARIABLE).map(|text| text.replace('_', ""));
    named.map_or(ORDERS, |text| text.parse().expect(ORDERS_VARIABLE))
}

#[tokio::main]
async fn main() {
    let orders = orders();
    let config = ShopifyConfig::new(Arc::new(machine::now_ms), "shop-token")
        .orders(7, orders)
        .quota(Quota::CountOnly);
    let shop = ShopifyDouble::start(config.access(Access::AllOrders))
        .await
        .unwrap();
    let folder = tempfile::tempdir().unwrap();
    let mut measured = started(&shop, folder.path());
    print_head();

    // A window without a run is due, and tick starts it.
    let new = measured.run(orders).await;
    new.print("new");
    assert!(
        (new.records - orders as f64).abs() < 0.5,
        "all are read once"
    );

    measured.ask(r#"{"mode":"initial"}"#).await;
    let unchanged = measured.run(orders).await;
    unchanged.print("unchanged");

    for number in (1..=orders).filter(|number| number % CHANGED_EVERY == 0) {
        shop.change(ShopifyDouble::id_of(number), |order| {
            order.insert("total_price".to_owned(), format!("{number}.01").into());
        })
        .unwrap();
    }
    measured.ask("{}").await;
    let changed = measured.run(orders / CHANGED_EVERY).await;
    changed.print("changed");
    print_memory(&new);
}
