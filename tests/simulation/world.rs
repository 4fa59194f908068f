//! A world in virtual time around the production engine: ports in memory, production connectors,
//! doubles without sockets, and several workers of each tier.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderName, HeaderValue, Uri},
};
use tidegate_connect::connect;
use tidegate_engine::{
    Disposition, Engine, Event, FlowRuntime, HookAnswer, HookRequest, Ports, RunReport,
    ports::{
        Clock, Http, Listing, ListingPage, Request, Sent, Store, StoreError, TransportError,
        Written,
    },
};
use tidegate_model::{
    FlowId, Message, Tier, UnixMs,
    item::{Item, ItemKey, Update},
};
use tidegate_policy::{flow::Flow, register::Register, run::RunRequest};
use tidegate_testkit::{
    doubles::{
        Incoming,
        erp::{
            ErpConfig, ErpDouble, ErpSupplier,
            webhook::{Told, sign},
        },
        qualio::{QualioConfig, QualioDouble},
    },
    memory::{
        FixedSecrets, MemoryEvents, MemoryMailer, MemoryQueue, MemoryStore, QueueRules,
        SeededChance,
    },
};

/// Where virtual time begins: 2026-03-02T07:00:00Z, a Monday, two hours before the 10:00 window.
const BEGIN: UnixMs = UnixMs(1_772_434_800_000);
/// A conditional write of DynamoDB takes a few milliseconds.
const STORE_LATENCY: Duration = Duration::from_millis(4);
/// A call to a healthy target.
const CALL_LATENCY: Duration = Duration::from_millis(120);
/// A run that a person asks for.
pub const MANUAL: RunRequest = RunRequest {
    window: None,
    mode: None,
    lookback_s: None,
    resume: None,
};
/// Workers of each tier.
const WORKERS: usize = 3;
/// How often an idle worker looks: SQS's pollers are not faster under light load.
const POLL: Duration = Duration::from_millis(200);

/// The two secrets of the supplier flow's webhook.
pub const WEBHOOK_SECRETS: [&str; 2] = [
    "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
    "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
];

/// The time of tokio's paused clock.
pub struct VirtualClock(tokio::time::Instant);

#[async_trait]
impl Clock for VirtualClock {
    fn now(&self) -> UnixMs {
        BEGIN + self.0.elapsed()
    }

    async fn wait_until(&self, moment: UnixMs) {
        tokio::time::sleep(moment.since(self.now())).await;
    }
}

struct SlowStore(MemoryStore);

#[async_trait]
impl Store for SlowStore {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        tokio::time::sleep(STORE_LATENCY).await;
        self.0.update(key, update).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        tokio::time::sleep(STORE_LATENCY).await;
        self.0.get(keys).await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        tokio::time::sleep(STORE_LATENCY).await;
        self.0.list(listing, after, limit).await
    }
}

/// Carries requests to the doubles without a socket.
struct InProcess {
    erp: Arc<ErpDouble>,
    qualio: Arc<QualioDouble>,
}

#[async_trait]
impl Http for InProcess {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let uri: Uri = request.url.parse().unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        for header in &request.headers {
            let value = match header.name.to_lowercase().as_str() {
                "authorization" => "Bearer erp-token".to_owned(),
                "x-api-key" => "qualio-key".to_owned(),
                _ => header.value.to_string(),
            };
            headers.insert(
                HeaderName::try_from(header.name.as_str()).unwrap(),
                value.parse().unwrap(),
            );
        }
        let body = request
            .body
            .as_ref()
            .map_or_else(Bytes::new, |body| body.to_string().into());
        let call = Incoming {
            method: request.method.as_str().to_owned(),
            uri: uri.clone(),
            headers,
            body,
        };
        let exchange = async {
            tokio::time::sleep(CALL_LATENCY / 2).await;
            let reply = if uri.host() == Some("erp") {
                self.erp.call(call).await
            } else {
                self.qualio.call(call).await
            };
            tokio::time::sleep(CALL_LATENCY / 2).await;
            reply
        };
        let reply = tokio::time::timeout(request.timeout, exchange)
            .await
            .map_err(|_| TransportError::TimedOut(request.timeout))?
            .ok_or(TransportError::Broken)?;
        let body = if reply.body.is_empty() {
            Some(serde_json::Value::Null)
        } else {
            serde_json::from_slice(&reply.body).ok()
        };
        Ok(Sent {
            status: reply.status,
            headers: reply.headers,
            body,
        })
    }
}

/// The world.
pub struct World {
    ports: Ports,
    tasks: Mutex<Vec<tokio::task::AbortHandle>>,
    pub engine: Arc<Engine>,
    pub erp: Arc<ErpDouble>,
    pub qualio: Arc<QualioDouble>,
    pub queue: Arc<MemoryQueue>,
    pub events: Arc<MemoryEvents>,
    pub mailer: Arc<MemoryMailer>,
    store: Arc<SlowStore>,
    pub clock: Arc<VirtualClock>,
}

impl World {
    /// A world with these suppliers in the ERP, and these flow files.
    pub async fn new(suppliers: Vec<ErpSupplier>, flows: &[String]) -> Self {
        let clock = Arc::new(VirtualClock(tokio::time::Instant::now()));
        let doubles_clock = {
            let clock = Arc::clone(&clock);
            Arc::new(move || clock.now().0)
        };
        let erp = ErpDouble::start(
            ErpConfig::new(doubles_clock.clone(), "erp-token").suppliers(suppliers),
        )
        .await
        .unwrap();
        let qualio = QualioDouble::start(QualioConfig::new(doubles_clock, "qualio-key"))
            .await
            .unwrap();
        let (erp, qualio) = (Arc::new(erp), Arc::new(qualio));
        let store = Arc::new(SlowStore(MemoryStore::default()));
        let rules = QueueRules {
            visibility: Duration::from_secs(360),
            max_receives: 10,
        };
        let queue = Arc::new(MemoryQueue::new(Arc::<VirtualClock>::clone(&clock), rules));
        let (events, mailer) = (
            Arc::new(MemoryEvents::default()),
            Arc::new(MemoryMailer::default()),
        );
        let secrets = FixedSecrets::new([
            ("ERP_TOKEN", "erp-token"),
            ("QUALIO_API_KEY", "qualio-key"),
            ("SUPPLIERS_WEBHOOK_1", WEBHOOK_SECRETS[0]),
            ("SUPPLIERS_WEBHOOK_2", WEBHOOK_SECRETS[1]),
        ]);
        let http = InProcess {
            erp: Arc::clone(&erp),
            qualio: Arc::clone(&qualio),
        };
        let ports = Ports {
            store: Arc::<SlowStore>::clone(&store),
            queue: Arc::<MemoryQueue>::clone(&queue),
            events: Arc::<MemoryEvents>::clone(&events),
            mailer: Arc::<MemoryMailer>::clone(&mailer),
            clock: Arc::<VirtualClock>::clone(&clock),
            chance: Arc::new(SeededChance::new(7)),
            http: Arc::new(http),
            secrets: Arc::new(secrets),
        };
        let runtimes = flows.iter().map(|text| runtime(text)).collect();
        let engine = Arc::new(Engine::new(ports.clone(), runtimes));
        Self {
            ports,
            tasks: Mutex::default(),
            engine,
            erp,
            qualio,
            queue,
            events,
            mailer,
            store,
            clock,
        }
    }

    /// Starts workers, the bus and the heartbeat; they end with the test.
    pub fn start(&self) {
        for tier in [Tier::RealTime, Tier::Batch] {
            for _ in 0..WORKERS {
                self.spawn(work(
                    Arc::clone(&self.engine),
                    Arc::clone(&self.queue),
                    tier,
                ));
            }
        }
        self.spawn(bus(Arc::clone(&self.engine), Arc::clone(&self.events)));
        let engine = Arc::clone(&self.engine);
        self.spawn(async move {
            loop {
                tokio::time::sleep(Duration::from_secs(300)).await;
                engine.tick(None).await.unwrap();
            }
        });
    }

    fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks
            .lock()
            .unwrap()
            .push(tokio::spawn(task).abort_handle());
    }

    /// The same world under other flow files: what ran under the old ones has stopped.
    pub fn redeployed(mut self, flows: &[String]) -> Self {
        for task in self.tasks.lock().unwrap().drain(..) {
            task.abort();
        }
        let runtimes = flows.iter().map(|text| runtime(text)).collect();
        self.engine = Arc::new(Engine::new(self.ports.clone(), runtimes));
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
        let items = self.store.0.items();
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

    /// The breaker's epoch for Qualio.
    pub fn epoch(&self) -> u64 {
        let key =
            tidegate_policy::keys::breaker(&tidegate_model::EndpointId::try_new("qualio").unwrap());
        tidegate_policy::breaker::Breaker::read(self.store.0.item(&key).as_ref()).epoch()
    }

    /// One register of the supplier flow.
    pub fn register(&self, key: &str) -> Register {
        self.registers()
            .remove(&("suppliers".to_owned(), key.to_owned()))
            .unwrap()
    }

    /// Conditional writes that the table has taken so far, refused ones too.
    pub fn writes(&self) -> u64 {
        self.store.0.writes()
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
            id: &id,
            timestamp: &timestamp,
            signature: &signature,
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

fn runtime(text: &str) -> FlowRuntime {
    let risk = |n: u32| format!("5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a0{n}");
    let settings = BTreeMap::from([
        ("ERP_URL".to_owned(), "http://erp".to_owned()),
        ("QUALIO_URL".to_owned(), "http://qualio".to_owned()),
        ("QUALIO_RISK_LOW".to_owned(), risk(1)),
        ("QUALIO_RISK_MEDIUM".to_owned(), risk(2)),
        ("QUALIO_RISK_HIGH".to_owned(), risk(3)),
    ]);
    let flow =
        Flow::load("flow.toml", text, &settings).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let flow = Arc::new(flow);
    let (source, target) = connect(&flow);
    FlowRuntime::new(flow, source, target)
}

/// The flow that ships.
pub fn suppliers_flow() -> String {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/flows/suppliers.toml");
    std::fs::read_to_string(path).unwrap()
}

async fn work(engine: Arc<Engine>, queue: Arc<MemoryQueue>, tier: Tier) {
    loop {
        let received = queue.receive(tier, 10);
        if received.is_empty() {
            tokio::time::sleep(POLL).await;
            continue;
        }
        let deliveries: Vec<_> = received
            .into_iter()
            .map(|delivery| tidegate_engine::Delivery {
                message: Message::decode(&delivery.body).unwrap(),
                receipt: delivery.receipt,
            })
            .collect();
        let dispositions = engine.work(&deliveries).await;
        for (delivery, disposition) in deliveries.iter().zip(dispositions) {
            if disposition == Disposition::Delete {
                queue.delete(&delivery.receipt);
            }
        }
    }
}

async fn bus(engine: Arc<Engine>, events: Arc<MemoryEvents>) {
    loop {
        for event in events.take() {
            match event {
                Event::RunRequested { flow, request } => {
                    let deadline = engine.now() + Duration::from_secs(900);
                    engine.run(&flow, &request, deadline).await.unwrap();
                }
                Event::SweepRequested { flow } => engine.tick(Some(&flow)).await.unwrap(),
                _ => {}
            }
        }
        tokio::time::sleep(POLL).await;
    }
}
