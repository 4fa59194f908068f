//! An engine whose whole world is in memory, for the test of what hosts it: a router, a handler.

use std::sync::Arc;

use tidegate_engine::{
    CachedSecrets, Engine, FlowRuntime, Ports,
    ports::{Source, Target},
};
use tidegate_model::UnixMs;
use tidegate_policy::{
    check::Mistake,
    flow::{Flow, Settings},
};

use crate::memory::{
    Faulty, ManualClock, MemoryEvents, MemoryHttp, MemoryMailer, MemoryMetrics, MemoryQueue,
    MemoryStore, MemoryVault, QueueRules, SeededChance,
};

/// 2026-11-20T02:00:00Z, the moment of the events in `infra/events`.
pub const START: UnixMs = UnixMs(1_795_140_000_000);

/// The engine and its world.
#[derive(Clone)]
pub struct Host {
    /// The engine.
    pub engine: Arc<Engine>,
    /// Its clock, which stands at [`START`] until a test moves it.
    pub clock: Arc<ManualClock>,
    /// Its table.
    pub store: Arc<Faulty<MemoryStore>>,
    /// Its queues.
    pub queue: Arc<Faulty<MemoryQueue>>,
    /// Its bus.
    pub events: Arc<Faulty<MemoryEvents>>,
    /// Its mail.
    pub mailer: Arc<Faulty<MemoryMailer>>,
    /// The other systems.
    pub http: Arc<MemoryHttp>,
    /// Its metrics.
    pub metrics: Arc<MemoryMetrics>,
    /// Where its secrets are kept.
    pub vault: MemoryVault,
    /// All of these as the engine has them, for another engine in the same world.
    pub ports: Ports,
}

/// The settings that the shipped flows and examples name. Nobody answers at these addresses.
pub fn settings() -> Settings {
    [
        ("ERP_URL", "https://erp.example.com"),
        ("CRM_URL", "https://crm.example.com"),
        ("NEWSLETTER_URL", "https://newsletter.example.com"),
        ("QUALIO_URL", "https://qualio.example.com"),
        ("QUALIO_RISK_LOW", "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a01"),
        ("QUALIO_RISK_MEDIUM", "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a02"),
        ("QUALIO_RISK_HIGH", "5a1d3f6e-0c41-4b7a-9a55-1e0f6c2b7a03"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into()
}

impl Host {
    /// Hosts these flow files with these secrets. `connect` makes the two sides of a flow.
    pub fn new<'a>(
        flows: &[&str],
        secrets: impl IntoIterator<Item = (&'a str, &'a str)>,
        connect: impl Fn(&Arc<Flow>) -> (Arc<dyn Source>, Arc<dyn Target>),
    ) -> Result<Self, Vec<Mistake>> {
        let mut loaded = Vec::new();
        for text in flows {
            loaded.push(Arc::new(Flow::load("flow.toml", text, &settings())?));
        }
        Ok(Self::of_flows(&loaded, secrets, connect))
    }

    /// Hosts flows that are loaded already, for a test that needs many hosts.
    pub fn of_flows<'a>(
        flows: &[Arc<Flow>],
        secrets: impl IntoIterator<Item = (&'a str, &'a str)>,
        connect: impl Fn(&Arc<Flow>) -> (Arc<dyn Source>, Arc<dyn Target>),
    ) -> Self {
        let mut runtimes = Vec::new();
        for flow in flows {
            let (source, target) = connect(flow);
            runtimes.push(FlowRuntime::new(Arc::clone(flow), source, target));
        }
        let clock = Arc::new(ManualClock::new(START));
        let store = Arc::new(Faulty::new(MemoryStore::default()));
        let queue = MemoryQueue::new(Arc::<ManualClock>::clone(&clock), QueueRules::default());
        let queue = Arc::new(Faulty::new(queue));
        let events = Arc::new(Faulty::new(MemoryEvents::default()));
        let mailer = Arc::new(Faulty::new(MemoryMailer::default()));
        let http = Arc::new(MemoryHttp::default());
        let metrics = Arc::new(MemoryMetrics::default());
        let vault = MemoryVault::new(secrets);
        let cached = CachedSecrets::new(vault.clone(), Arc::<ManualClock>::clone(&clock));
        let ports = Ports {
            store: Arc::<Faulty<MemoryStore>>::clone(&store),
            queue: Arc::<Faulty<MemoryQueue>>::clone(&queue),
            events: Arc::<Faulty<MemoryEvents>>::clone(&events),
            mailer: Arc::<Faulty<MemoryMailer>>::clone(&mailer),
            clock: Arc::<ManualClock>::clone(&clock),
            chance: Arc::new(SeededChance::new(1)),
            http: Arc::<MemoryHttp>::clone(&http),
            secrets: Arc::new(cached),
            metrics: Arc::<MemoryMetrics>::clone(&metrics),
        };
        Self {
            engine: Arc::new(Engine::new(ports.clone(), runtimes)),
            clock,
            store,
            queue,
            events,
            mailer,
            http,
            metrics,
            vault,
            ports,
        }
    }
}
