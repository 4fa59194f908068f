//! The world of the stories: the supplier flow between doubles of an ERP and of Qualio.

use std::{collections::BTreeMap, future::Future, sync::Arc, time::Duration};

use tidegate_engine::{
    Engine, Event, HookAnswer, HookRequest, ReconcileReport, RunReport,
    ports::{Clock, Http, Mail},
};
use tidegate_model::{EndpointId, FlowId, Tier, UnixMs};
use tidegate_policy::{
    breaker::Breaker, reconcile::ReconcileRequest, register::Register, run::RunRequest,
};
use tidegate_simulator::{
    Doubles, Interposer, MONDAY_MORNING, ProcessKind, QueueMeter, Quiet, Setup, Sqs, StoreMeter,
    TrueClock, Workers, World as Simulated,
};
use tidegate_testkit::doubles::{
    erp::{
        ErpConfig, ErpDouble, ErpSupplier,
        webhook::{Told, sign},
    },
    members::MembersDouble,
    qualio::{QualioConfig, QualioDouble},
};
use tidegate_testkit::memory::{MemoryMetrics, MemoryStore, MemoryVault};

/// A call to a healthy target.
const CALL_LATENCY: Duration = Duration::from_millis(120);
/// A run that a person asks for.
pub const MANUAL: RunRequest = RunRequest {
    window: None,
    mode: None,
    lookback_s: None,
    resume: None,
    trigger: None,
};
/// Workers of each tier.
const WORKERS: u32 = 3;
/// Messages that a worker takes at once.
const AT_ONCE: usize = 10;

/// The secret of the client, where the ERP takes tokens.
pub const CLIENT_SECRET: &str = "client-secret";

/// The two secrets of the supplier flow's webhook.
pub const WEBHOOK_SECRETS: [&str; 2] = [
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];

/// The world.
pub struct World {
    simulated: Simulated,
    pub engine: Arc<Engine>,
    pub erp: Arc<ErpDouble>,
    pub qualio: Arc<QualioDouble>,
    /// A service that upserts, for flows that go there.
    pub members: Arc<MembersDouble>,
    pub clock: Arc<TrueClock>,
    pub metrics: Arc<MemoryMetrics>,
}

impl World {
    /// A world with these suppliers in the ERP, and these flow files.
    pub fn new(suppliers: Vec<ErpSupplier>, flows: &[String]) -> Self {
        Self::with_interposer(suppliers, flows, Arc::new(Quiet))
    }

    /// The same, where something goes wrong.
    pub fn with_interposer(
        suppliers: Vec<ErpSupplier>,
        flows: &[String],
        interposer: Arc<dyn Interposer>,
    ) -> Self {
        Self::with_http(suppliers, flows, interposer, |doubles| Arc::new(doubles))
    }

    /// The same, where calls pass something else before they reach the doubles.
    pub fn with_http(
        suppliers: Vec<ErpSupplier>,
        flows: &[String],
        interposer: Arc<dyn Interposer>,
        http: impl FnOnce(Doubles) -> Arc<dyn Http>,
    ) -> Self {
        let clock = Arc::new(TrueClock::starting(MONDAY_MORNING));
        let doubles_clock = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now().0)
        };
        let erp = ErpConfig::new(doubles_clock.clone(), "erp-token").suppliers(suppliers);
        let members = MembersDouble::unserved_of(doubles_clock.clone(), "erp-token");
        let qualio = QualioConfig::new(doubles_clock, "qualio-key");
        let doubles = Doubles {
            erp: Arc::new(ErpDouble::unserved_of(erp)),
            qualio: Arc::new(QualioDouble::unserved_of(qualio)),
            members: Arc::new(members),
            latency: CALL_LATENCY,
        };
        let (erp, qualio) = (Arc::clone(&doubles.erp), Arc::clone(&doubles.qualio));
        let members = Arc::clone(&doubles.members);
        let mut setup = Setup::new(7, named(flows));
        setup.workers = Workers {
            real_time: WORKERS,
            batch: WORKERS,
        };
        setup.batch.batch_size = AT_ONCE;
        setup.batch.visibility = setup.real_time.visibility;
        setup.batch_syncs = 1;
        setup.settings = settings();
        setup.interposer = interposer;
        let metrics = Arc::new(MemoryMetrics::default());
        setup.metrics = Arc::<MemoryMetrics>::clone(&metrics);
        setup.secrets = [
            ("ERP_TOKEN", "erp-token"),
            ("ERP_CLIENT_SECRET", CLIENT_SECRET),
            ("QUALIO_API_KEY", "qualio-key"),
            ("SUPPLIERS_WEBHOOK_1", WEBHOOK_SECRETS[0]),
            ("SUPPLIERS_WEBHOOK_2", WEBHOOK_SECRETS[1]),
        ]
        .map(|(name, text)| (name.to_owned(), text.to_owned()))
        .into();
        let simulated = Simulated::new(setup, Arc::clone(&clock), http(doubles)).unwrap();
        let engine = simulated.engine(ProcessKind::Api);
        Self {
            simulated,
            engine,
            erp,
            qualio,
            members,
            clock,
            metrics,
        }
    }

    /// Starts workers, the bus and the heartbeat; they end with the test.
    pub fn start(&self) {
        self.simulated.start();
    }

    /// The queues.
    pub fn queue(&self) -> &Sqs {
        self.simulated.queue()
    }

    /// Where the secrets are kept.
    pub fn vault(&self) -> &MemoryVault {
        self.simulated.vault()
    }

    /// All events so far.
    pub fn events(&self) -> Vec<Event> {
        let events = self.simulated.events().into_iter();
        events.map(|(_, event)| event).collect()
    }

    /// All mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        self.simulated.mails()
    }

    /// The same world under other flow files: what ran under the old ones has stopped.
    pub fn redeployed(mut self, flows: &[String]) -> Self {
        self.simulated.stop();
        self.simulated.deploy(&named(flows)).unwrap();
        self.engine = self.simulated.engine(ProcessKind::Api);
        self
    }

    /// Waits in virtual time until something holds, at most `limit`.
    pub async fn until<F: Future<Output = bool>>(
        &self,
        what: &str,
        limit: Duration,
        holds: impl Fn() -> F,
    ) {
        let end = self.clock.now() + limit;
        while !holds().await {
            assert!(self.clock.now() < end, "not within {limit:?}: {what}");
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    }

    /// All registers, by flow and key.
    pub fn registers(&self) -> BTreeMap<(String, String), Register> {
        let items = self.simulated.table().items();
        let registers = items
            .iter()
            .filter(|(key, _)| key.partition.starts_with("register#"));
        registers
            .map(|(key, item)| {
                let flow = key.partition.split('#').nth(1).unwrap().to_owned();
                (
                    (flow, key.sort.clone()),
                    Register::read(item).unwrap().unwrap(),
                )
            })
            .collect()
    }

    /// The breaker of Qualio.
    pub fn breaker(&self) -> Breaker {
        let key = tidegate_policy::keys::breaker(&EndpointId::try_new("qualio").unwrap());
        Breaker::read(self.simulated.table().item(&key).as_ref())
    }

    /// Its epoch.
    pub fn epoch(&self) -> u64 {
        self.breaker().epoch()
    }

    /// One register of the supplier flow.
    pub fn register(&self, key: &str) -> Register {
        self.registers()
            .remove(&("suppliers".to_owned(), key.to_owned()))
            .unwrap()
    }

    /// Conditional writes that the table has taken so far, refused ones too.
    pub fn writes(&self) -> u64 {
        self.simulated.table().writes()
    }

    /// Sends a webhook of the supplier flow, signed with one of its secrets.
    pub async fn webhook(&self, told: Told<'_>, id: &str, secret: &str) -> HookAnswer {
        let hook = sign(told, secret, id, self.clock.now().0 / 1_000).unwrap();
        let header = |name: &str| {
            hook.headers
                .iter()
                .find(|(found, _)| *found == name)
                .unwrap()
                .1
                .clone()
        };
        let (id, timestamp, signature) = (
            header("webhook-id"),
            header("webhook-timestamp"),
            header("webhook-signature"),
        );
        let request = HookRequest {
            flow: "suppliers",
            headers: &[
                ("webhook-id", &id),
                ("webhook-timestamp", &timestamp),
                ("webhook-signature", &signature),
            ],
            query: &[],
            body: hook.body.as_bytes(),
        };
        self.engine.webhook(request).await.unwrap()
    }

    /// Runs a batch of the supplier flow to its end.
    pub async fn run(&self, request: RunRequest) -> RunReport {
        let flow = FlowId::try_new("suppliers").unwrap();
        let report = self
            .engine
            .run(&flow, &request, UnixMs(i64::MAX))
            .await
            .unwrap();
        assert!(report.counts.add_up(), "OUT-1: {report:?}");
        report
    }

    /// Asks batch-sync for a run of the supplier flow; `None` when it died or failed.
    pub async fn ask_run(&self, request: RunRequest) -> Option<RunReport> {
        self.ask_run_until(request, UnixMs(i64::MAX)).await
    }

    /// The same, which has to stop before a deadline.
    pub async fn ask_run_until(&self, request: RunRequest, deadline: UnixMs) -> Option<RunReport> {
        let flow = FlowId::try_new("suppliers").unwrap();
        let ran = self
            .simulated
            .ask(ProcessKind::BatchSync, |engine| async move {
                engine.run(&flow, &request, deadline).await
            })
            .await;
        ran.ok()?.ok()
    }

    /// Keys of all messages that were ever sent.
    pub fn queued_keys(&self) -> std::collections::BTreeSet<String> {
        let sent = self.queue().sent();
        let keys = sent.iter().flat_map(|outgoing| &outgoing.message.keys);
        keys.map(ToString::to_string).collect()
    }

    /// Stops workers, the bus and the heartbeat.
    pub fn stop(&self) {
        self.simulated.stop();
    }

    /// True time, in milliseconds since the epoch.
    pub fn clock_ms(&self) -> i64 {
        self.clock.now().0
    }

    /// The table.
    pub fn table(&self) -> &MemoryStore {
        self.simulated.table()
    }

    /// What the table was asked for so far.
    pub fn store_meter(&self) -> StoreMeter {
        self.simulated.with_meters(|meters| meters.store)
    }

    /// What a queue was asked for so far.
    pub fn queue_meter(&self, tier: Tier) -> QueueMeter {
        self.simulated
            .with_meters(|meters| meters.queues.get(&tier).copied().unwrap_or_default())
    }

    /// Whether the batch queue is empty.
    pub fn is_done(&self) -> std::future::Ready<bool> {
        std::future::ready(self.queue().len(Tier::Batch) == 0)
    }

    /// Reconciles the supplier flow to its end.
    pub async fn reconcile(&self, request: &ReconcileRequest) -> ReconcileReport {
        let flow = FlowId::try_new("suppliers").unwrap();
        let deadline = UnixMs(i64::MAX);
        let report = self.engine.reconcile(&flow, request, deadline).await;
        let report = report.unwrap();
        assert!(report.findings.add_up(), "OUT-1: {report:?}");
        report
    }

    /// Runs a batch of everything new and waits until it is applied.
    pub async fn settle(&self) {
        self.run(MANUAL).await;
        self.until("settled", Duration::from_secs(7_200), || self.is_clean())
            .await;
    }

    /// Whether no register is dirty.
    pub fn is_clean(&self) -> std::future::Ready<bool> {
        let done = |register: &Register| !register.is_dirty() || register.review.is_some();
        std::future::ready(self.registers().values().all(done))
    }
}

fn named(flows: &[String]) -> Vec<(String, String)> {
    let text = |text: &String| ("flow.toml".to_owned(), text.clone());
    flows.iter().map(text).collect()
}

/// What the flow that ships is told of its place.
pub fn settings() -> BTreeMap<String, String> {
    let risk = |n: u32| format!("5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a0{n}");
    BTreeMap::from([
        ("ERP_URL".to_owned(), "http://erp".to_owned()),
        ("QUALIO_URL".to_owned(), "http://qualio".to_owned()),
        ("QUALIO_RISK_LOW".to_owned(), risk(1)),
        ("QUALIO_RISK_MEDIUM".to_owned(), risk(2)),
        ("QUALIO_RISK_HIGH".to_owned(), risk(3)),
    ])
}

/// The flow that ships.
pub fn suppliers_flow() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/flows/suppliers.toml");
    std::fs::read_to_string(path).unwrap()
}
