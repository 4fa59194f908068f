//! A process: an engine of its own, with a clock and chance of its own, that starts anew when it
//! dies.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate_engine::{CachedSecrets, Engine, Ports, ports::Clock};
use tidegate_testkit::memory::SeededChance;

use crate::{
    Died, ProcessId, ProcessKind, clock::SkewedClock, life::Life, locked, ports::ProcessPorts,
    world::Shared,
};

/// How long a host takes to start a process again.
const RESTART: Duration = Duration::from_millis(500);

/// One life.
#[derive(Clone)]
pub(crate) struct Alive {
    pub(crate) engine: Arc<Engine>,
    pub(crate) ports: ProcessPorts,
    deployment: u64,
}

/// A process and its keeper.
pub(crate) struct Process {
    shared: Arc<Shared>,
    id: ProcessId,
    ahead_ms: i64,
    alive: Mutex<(u32, Option<Alive>)>,
}

impl Process {
    pub(crate) fn new(shared: Arc<Shared>, id: ProcessId) -> Self {
        let ahead_ms = shared.skew_of(id);
        Self {
            shared,
            id,
            ahead_ms,
            alive: Mutex::new((0, None)),
        }
    }

    /// The life that invocations run in; a dead one, or one of an older deployment, is replaced.
    pub(crate) fn alive(&self) -> Alive {
        let deployment = self.shared.deployment();
        let mut state = locked(&self.alive);
        let (incarnations, alive) = &mut *state;
        match alive {
            Some(alive) if !alive.ports.life.is_dead() && alive.deployment == deployment.number => {
                alive.clone()
            }
            other => {
                let born = self.born(*incarnations, deployment.number, deployment.runtimes());
                *incarnations += 1;
                other.insert(born).clone()
            }
        }
    }

    fn born(
        &self,
        incarnation: u32,
        deployment: u64,
        runtimes: Vec<tidegate_engine::FlowRuntime>,
    ) -> Alive {
        let clock = Arc::new(SkewedClock {
            truth: Arc::clone(&self.shared.clock),
            ahead_ms: self.ahead_ms,
        });
        let vault = self.shared.vault.clone();
        let ports = ProcessPorts {
            shared: Arc::clone(&self.shared),
            life: Arc::new(Life::default()),
            process: self.id,
            incarnation,
            secrets: Arc::new(CachedSecrets::new(vault, Arc::<SkewedClock>::clone(&clock))),
        };
        let port = Arc::new(ports.clone());
        let engine_ports = Ports {
            store: Arc::<ProcessPorts>::clone(&port),
            queue: Arc::<ProcessPorts>::clone(&port),
            events: Arc::<ProcessPorts>::clone(&port),
            mailer: Arc::<ProcessPorts>::clone(&port),
            http: Arc::<ProcessPorts>::clone(&port),
            secrets: port,
            clock,
            metrics: Arc::clone(self.shared.metrics()),
            chance: Arc::new(SeededChance::new(self.shared.seed_of(self.id, incarnation))),
        };
        Alive {
            engine: Arc::new(Engine::new(engine_ports, runtimes)),
            ports,
            deployment,
        }
    }

    /// Runs one invocation.
    pub(crate) async fn invoke<T, F>(&self, work: impl FnOnce(Alive) -> F) -> Result<T, Died>
    where
        F: Future<Output = T>,
    {
        let alive = self.alive();
        let life = Arc::clone(&alive.ports.life);
        let incarnation = alive.ports.incarnation;
        let began = self.shared.clock.now();
        let limit = self.shared.timeout_of(self.id.kind);
        let done = life.live(limit, work(alive)).await;
        self.shared.interposer.ended(self.id, incarnation);
        let took = self.shared.clock.now().since(began);
        self.shared
            .meter(|meters| meters.invoked(self.id.kind, took, done.is_err()));
        if done.is_err() {
            tokio::time::sleep(RESTART).await;
        }
        done
    }

    pub(crate) fn kind(&self) -> ProcessKind {
        self.id.kind
    }
}
