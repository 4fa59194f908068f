//! One flow in a world of memory, whose source is a double that listens on loopback.

use std::{collections::BTreeMap, path::Path, sync::Arc};

use serde_json::Value;
use tidegate_connect::{HttpClient, NoFiles, connect_reading};
use tidegate_engine::{
    CachedSecrets, Engine, Event, FlowRuntime, HookAnswer, HookRequest, Ports, RunEnd, RunReport,
    ports::{Clock as _, Files},
};
use tidegate_lambda::read_connectors;
use tidegate_model::{FlowId, RecordKey, UnixMs};
use tidegate_policy::{
    flow::{Flow, FlowText, Settings},
    keys,
    reconcile::{Findings, ReconcileRequest},
    register::Register,
    run::{Lease, Mode, RunRequest},
};
use tidegate_testkit::{
    doubles::Clock,
    memory::{
        ManualClock, MemoryEvents, MemoryMailer, MemoryMetrics, MemoryQueue, MemoryStore,
        MemoryVault, QueueRules, SeededChance,
    },
};

/// 2026-11-20T02:00:00Z.
const START: UnixMs = UnixMs(1_795_140_000_000);
/// Parts of a run: a budget of a call a minute makes it long.
const MOST_PARTS: usize = 200;
const MANUAL: RunRequest = RunRequest {
    window: None,
    mode: None,
    lookback_s: None,
    resume: None,
    trigger: None,
};

/// All but the source, the record and its fields: what the tests are not about.
const REST: &str = r#"
name = "orders"
revision = 1
[schema]
type = "object"
[schedule]
time_zone = "UTC"
every_minutes = 15
max_run_minutes = 60
[freshness]
critical_s = 3_600
other_s = 3_600
[target]
type = "rest"
name = "nowhere"
base_url = "http://127.0.0.1:1"
body = { total = "fields.total" }
upsert = { method = "PUT", path = "/orders/{{ key }}" }
[target.limits]
real_time = { calls = 20, per_s = 60 }
batch = { calls = 50, per_s = 60 }
"#;

/// The clock of a place, for its doubles.
pub struct Hands(pub Arc<ManualClock>);

impl Hands {
    pub fn new() -> Self {
        Self(Arc::new(ManualClock::new(START)))
    }

    /// As a double reads it.
    pub fn for_double(&self) -> Clock {
        let clock = Arc::clone(&self.0);
        Arc::new(move || clock.now().0)
    }
}

/// Settings and secrets.
type Given<'a> = (&'a [(&'a str, String)], &'a [(&'a str, &'a str)]);

/// A flow at work.
pub struct Place {
    engine: Engine,
    flow: FlowId,
    store: Arc<MemoryStore>,
    events: Arc<MemoryEvents>,
    pub clock: Arc<ManualClock>,
}

impl Place {
    /// A flow of this source, with the connectors that ship. `fields` has the canonical fields.
    pub fn new(
        hands: &Hands,
        source: &str,
        fields: &str,
        settings: &[(&str, &str)],
        secrets: &[(&str, &str)],
    ) -> Self {
        let settings: Vec<(&str, String)> = settings
            .iter()
            .map(|(name, value)| (*name, (*value).to_owned()))
            .collect();
        let text = format!("{REST}\n[fields]\n{fields}\n{source}");
        Self::of(hands, &text, &settings, secrets)
    }

    /// A whole flow file, with the connectors that ship.
    pub fn of(
        hands: &Hands,
        text: &str,
        settings: &[(&str, String)],
        secrets: &[(&str, &str)],
    ) -> Self {
        let files: Arc<dyn Files> = Arc::new(NoFiles);
        Self::with_files(hands, text, (settings, secrets), &files)
    }

    /// The same, with files to read.
    pub fn with_files(
        hands: &Hands,
        text: &str,
        (settings, secrets): Given<'_>,
        files: &Arc<dyn Files>,
    ) -> Self {
        let clock = Arc::clone(&hands.0);
        let flow = load(text, settings);
        let id = flow.id().clone();
        let (from, to) = connect_reading(Arc::clone(files))(&flow);
        let vault = MemoryVault::new(secrets.iter().copied());
        let secrets = CachedSecrets::new(vault, Arc::<ManualClock>::clone(&clock));
        let secrets = Arc::new(secrets);
        let store = Arc::new(MemoryStore::default());
        let events = Arc::new(MemoryEvents::default());
        let queue = MemoryQueue::new(Arc::<ManualClock>::clone(&clock), QueueRules::default());
        let ports = Ports {
            store: Arc::<MemoryStore>::clone(&store),
            queue: Arc::new(queue),
            events: Arc::<MemoryEvents>::clone(&events),
            mailer: Arc::new(MemoryMailer::default()),
            clock: Arc::<ManualClock>::clone(&clock),
            chance: Arc::new(SeededChance::new(1)),
            http: Arc::new(HttpClient::new(Arc::<CachedSecrets<MemoryVault>>::clone(
                &secrets,
            ))),
            secrets,
            metrics: Arc::new(MemoryMetrics::default()),
        };
        Self {
            engine: Engine::new(ports, vec![FlowRuntime::new(flow, from, to)]),
            flow: id,
            store,
            events,
            clock,
        }
    }

    /// One part of a run.
    pub async fn run_part(&self) -> RunReport {
        self.run_as(&MANUAL).await
    }

    /// One part of a run that reads everything.
    pub async fn run_initial(&self) -> RunReport {
        let all = RunRequest {
            mode: Some(Mode::Initial),
            ..MANUAL
        };
        self.run_as(&all).await
    }

    async fn run_as(&self, request: &RunRequest) -> RunReport {
        let report = self.engine.run(&self.flow, request, UnixMs(i64::MAX)).await;
        let report = report.unwrap();
        assert!(report.counts.add_up(), "OUT-1: {report:?}");
        report
    }

    /// A run to its end, over as many parts as its budget makes of it.
    pub async fn run(&self) -> RunReport {
        let mut last = None;
        for _ in 0..MOST_PARTS {
            let report = self.run_part().await;
            last = Some(report.end.clone());
            match &report.end {
                RunEnd::Continues | RunEnd::Interrupted { .. } => {
                    self.clock.advance(std::time::Duration::from_mins(5));
                }
                _ => return report,
            }
        }
        panic!("the run does not end: {last:?}");
    }

    /// A whole comparison, and what it found.
    pub async fn reconcile(&self) -> Findings {
        for _ in 0..MOST_PARTS {
            let request = ReconcileRequest::default();
            let report = self
                .engine
                .reconcile(&self.flow, &request, UnixMs(i64::MAX));
            let report = report.await.unwrap();
            match &report.end {
                RunEnd::Complete => return report.findings,
                RunEnd::Continues | RunEnd::Interrupted { .. } => {
                    self.clock.advance(std::time::Duration::from_mins(5));
                }
                _ => panic!("{report:?}"),
            }
        }
        panic!("the comparison does not end");
    }

    /// Asks for one record, and says whether a run was asked for.
    pub async fn sync(&self, key: &str) -> bool {
        let key = RecordKey::try_new(key).unwrap();
        self.engine.force_sync(&self.flow, &key).await.unwrap();
        let asked = self.events.all();
        asked
            .iter()
            .any(|event| matches!(event, Event::RunRequested { .. }))
    }

    /// The flow's lease as it stands.
    pub fn lease(&self) -> Lease {
        let key = keys::lease(&self.flow);
        let items = self.store.items();
        Lease::read(
            items
                .iter()
                .find(|(at, _)| **at == key)
                .map(|(_, item)| item),
        )
    }

    /// Takes a webhook of the flow.
    pub async fn webhook(&self, headers: &[(&str, &str)], body: &[u8]) -> HookAnswer {
        let request = HookRequest {
            flow: self.flow.as_str(),
            headers,
            query: &[],
            body,
        };
        self.engine.webhook(request).await.unwrap()
    }

    /// Why the flow was stopped, each time that it was.
    pub fn blocked(&self) -> Vec<String> {
        let reasons = self.events.all().into_iter();
        let reasons = reasons.filter_map(|event| match event {
            Event::FlowBlocked { reason, .. } => Some(reason),
            _ => None,
        });
        reasons.collect()
    }

    /// What waits for a person and has no register: reason and body, by reason.
    pub fn orphans(&self) -> BTreeMap<String, String> {
        let items = self.store.items().into_iter();
        let orphans = items
            .filter(|(key, item)| key.partition.starts_with("orphan#") && item.contains_key("rv"));
        orphans
            .map(|(_, item)| {
                assert!(!item.contains_key("ttl"), "one that stands is not removed");
                let text = |name: &str| item[name].as_text().unwrap().to_owned();
                let cause: Value = serde_json::from_str(&text("rv")).unwrap();
                (cause["reason"].as_str().unwrap().to_owned(), text("body"))
            })
            .collect()
    }

    /// The registers by key.
    pub fn registers(&self) -> BTreeMap<String, Register> {
        let items = self.store.items().into_iter();
        let registers = items.filter(|(key, _)| key.partition.starts_with("register#"));
        registers
            .map(|(key, item)| (key.sort, Register::read(&item).unwrap().unwrap()))
            .collect()
    }

    /// A field of every record, by key.
    pub fn field(&self, name: &str) -> BTreeMap<String, Value> {
        let registers = self.registers().into_iter();
        registers
            .filter_map(|(key, register)| {
                let fields = register.desired.content.fields()?;
                Some((key, fields.get(name).cloned().unwrap_or(Value::Null)))
            })
            .collect()
    }
}

fn load(text: &str, settings: &[(&str, String)]) -> Arc<Flow> {
    let settings: Settings = settings
        .iter()
        .map(|(name, value)| ((*name).to_owned(), value.clone()))
        .collect();
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/flows");
    let text = FlowText {
        connectors: Arc::new(read_connectors(&folder).unwrap()),
        ..FlowText::alone("orders.toml", text)
    };
    let flow = Flow::load_text(&text, &settings);
    Arc::new(flow.unwrap_or_else(|mistakes| panic!("{mistakes:#?}")))
}
