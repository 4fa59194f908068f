//! What a world is made of.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use tidegate_engine::ports::{Metrics, Store};
use tidegate_model::Tier;

use crate::{Interposer, Quiet};

/// The processes of each tier.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Workers {
    /// Workers of the real-time queue.
    pub real_time: u32,
    /// Workers of the batch queue.
    pub batch: u32,
}

impl Workers {
    /// How many work a tier's queue.
    pub fn of(self, tier: Tier) -> u32 {
        match tier {
            Tier::RealTime => self.real_time,
            Tier::Batch => self.batch,
        }
    }
}

/// How long ports take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Latencies {
    /// A read or write of the table. DynamoDB answers in a few milliseconds.
    pub store: Duration,
    /// A request to a queue or the bus.
    pub queue: Duration,
}

/// What a queue and its event source mapping are configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueSettings {
    /// How long a delivered message stays hidden (`VisibilityTimeout`).
    pub visibility: Duration,
    /// After so many deliveries it is a dead letter (`maxReceiveCount`).
    pub max_receives: u32,
    /// Most messages that one invocation gets (`BatchSize`).
    pub batch_size: usize,
    /// After this the host kills the worker's invocation (`Timeout`).
    pub timeout: Duration,
}

/// Everything that a world is made of. Start from [`Setup::new`] and change what matters.
#[derive(Clone)]
pub struct Setup {
    /// All chance of the engines and the clocks comes from it.
    pub seed: u64,
    /// Flow files: name and text.
    pub flows: Vec<(String, String)>,
    /// What `env.NAME` means in them.
    pub settings: BTreeMap<String, String>,
    /// Secrets by name.
    pub secrets: BTreeMap<String, String>,
    /// Workers of each tier.
    pub workers: Workers,
    /// Processes that run batches. With one, no two runs overlap.
    pub batch_syncs: u32,
    /// How long ports take.
    pub latencies: Latencies,
    /// Clocks are off by at most so much, either way: two of them by at most twice that.
    pub max_skew: Duration,
    /// The real-time queue.
    pub real_time: QueueSettings,
    /// The batch queue.
    pub batch: QueueSettings,
    /// Time of one invocation of batch-sync; it stops before.
    pub batch_sync_timeout: Duration,
    /// Time between two ticks.
    pub tick_every: Duration,
    /// What goes wrong.
    pub interposer: Arc<dyn Interposer>,
    /// Where metrics go.
    pub metrics: Arc<dyn Metrics>,
    /// Another store than the one in memory: the production store, for a run in real time that is
    /// held against its simulation. [`World::table`](crate::World::table) is then empty.
    pub store: Option<Arc<dyn Store>>,
}

impl Setup {
    /// A world of these flow files in which nothing goes wrong, sized as `infra/template.yaml` sizes
    /// the functions and queues.
    pub fn new(seed: u64, flows: Vec<(String, String)>) -> Self {
        Self {
            seed,
            flows,
            settings: BTreeMap::new(),
            secrets: BTreeMap::new(),
            workers: Workers {
                real_time: 4,
                batch: 2,
            },
            batch_syncs: 2,
            latencies: Latencies {
                store: Duration::from_millis(4),
                queue: Duration::from_millis(4),
            },
            // DESIGN allows 250 ms between two clocks.
            max_skew: Duration::from_millis(125),
            real_time: QueueSettings {
                visibility: Duration::from_secs(360),
                max_receives: 10,
                batch_size: 10,
                timeout: Duration::from_secs(60),
            },
            batch: QueueSettings {
                visibility: Duration::from_secs(1_800),
                max_receives: 10,
                batch_size: 1,
                timeout: Duration::from_secs(300),
            },
            batch_sync_timeout: Duration::from_secs(900),
            tick_every: Duration::from_secs(300),
            interposer: Arc::new(Quiet),
            metrics: Arc::new(Quiet),
            store: None,
        }
    }

    /// The settings of a tier's queue.
    pub fn queue(&self, tier: Tier) -> QueueSettings {
        match tier {
            Tier::RealTime => self.real_time,
            Tier::Batch => self.batch,
        }
    }
}
