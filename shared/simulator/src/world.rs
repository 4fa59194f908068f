//! The world: processes over ports in memory, in virtual time.

use std::{
    collections::BTreeMap,
    future::Future,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tidegate_engine::{
    Engine, Event, RunReport,
    ports::{Chance, Http, Mail, Metrics, Store},
};
use tidegate_model::{EndpointId, Tier, UnixMs};
use tidegate_testkit::memory::{MemoryStore, MemoryVault, SeededChance};
use tokio::task::{AbortHandle, JoinHandle};

use crate::{
    BadFlow, Died, Interposer, Latencies, Meters, ProcessId, ProcessKind, Setup, Sqs, TrueClock,
    bus::Due,
    deployment::Deployment,
    host::{self, Posted},
    locked,
    process::Process,
};

/// Time of an invocation of a function that answers people (`Timeout` of infra/template.yaml).
const SHORT_TIMEOUT: Duration = Duration::from_secs(20);
/// Of one that a schedule starts.
const TICK_TIMEOUT: Duration = Duration::from_secs(240);

/// What the processes of a world share.
pub(crate) struct Shared {
    pub(crate) clock: Arc<TrueClock>,
    pub(crate) table: Arc<MemoryStore>,
    /// What the processes write to: the table, unless the setup names another store.
    pub(crate) store: Arc<dyn Store>,
    pub(crate) sqs: Sqs,
    pub(crate) http: Arc<dyn Http>,
    pub(crate) vault: MemoryVault,
    pub(crate) interposer: Arc<dyn Interposer>,
    pub(crate) latencies: Latencies,
    pub(crate) runs: Due<Posted>,
    pub(crate) sweeps: Due<Posted>,
    setup: Setup,
    deployment: Mutex<Arc<Deployment>>,
    meters: Mutex<Meters>,
    mails: Mutex<Vec<Mail>>,
    reports: Mutex<Vec<RunReport>>,
    events: Mutex<Vec<(UnixMs, Event)>>,
    calls: AtomicU64,
}

impl Shared {
    pub(crate) fn next_call(&self) -> u64 {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1
    }

    pub(crate) fn meter(&self, count: impl FnOnce(&mut Meters)) {
        count(&mut locked(&self.meters));
    }

    pub(crate) fn metrics(&self) -> &Arc<dyn Metrics> {
        &self.setup.metrics
    }

    pub(crate) fn keep_mail(&self, mail: &Mail) {
        locked(&self.mails).push(mail.clone());
    }

    pub(crate) fn keep_report(&self, report: RunReport) {
        locked(&self.reports).push(report);
    }

    /// Takes an event to the function that listens for it.
    pub(crate) fn publish(&self, event: &Event, extra: Duration) {
        use tidegate_engine::ports::Clock as _;
        locked(&self.events).push((self.clock.now(), event.clone()));
        let at = self.clock.now() + extra;
        match event {
            Event::RunRequested { .. } => self.runs.put(at, Posted::new(event.clone())),
            Event::SweepRequested { .. } => self.sweeps.put(at, Posted::new(event.clone())),
            _ => {}
        }
    }

    pub(crate) fn endpoint(&self, url: &str) -> Option<EndpointId> {
        locked(&self.deployment).endpoint(url)
    }

    pub(crate) fn deployment(&self) -> Arc<Deployment> {
        Arc::clone(&locked(&self.deployment))
    }

    /// How far a process's clock is ahead.
    pub(crate) fn skew_of(&self, id: ProcessId) -> i64 {
        let most = self.setup.max_skew.as_millis();
        let span = u64::try_from(most * 2 + 1).unwrap_or(1);
        let drawn = SeededChance::new(self.seed_of(id, u32::MAX)).next() % span;
        i64::try_from(drawn).unwrap_or(0) - i64::try_from(most).unwrap_or(0)
    }

    /// Seed of one life of a process.
    pub(crate) fn seed_of(&self, id: ProcessId, incarnation: u32) -> u64 {
        let name = format!("{id}/{incarnation}");
        // FNV-1a, so that neighbours differ in every bit that the generator starts from.
        let hash = name.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
        });
        hash ^ SeededChance::new(self.setup.seed).next()
    }

    pub(crate) fn timeout_of(&self, kind: ProcessKind) -> Duration {
        match kind {
            ProcessKind::Worker(tier) => self.setup.queue(tier).timeout,
            ProcessKind::BatchSync | ProcessKind::Reconcile => self.setup.batch_sync_timeout,
            ProcessKind::Tick => TICK_TIMEOUT,
            ProcessKind::Digest => Duration::from_secs(60),
            ProcessKind::Webhook => Duration::from_secs(10),
            ProcessKind::Api => SHORT_TIMEOUT,
        }
    }
}

/// A world. Everything in it ends when it is dropped.
pub struct World {
    shared: Arc<Shared>,
    tasks: Mutex<Vec<AbortHandle>>,
    windows: Mutex<Vec<AbortHandle>>,
    callers: Mutex<BTreeMap<ProcessKind, Arc<Process>>>,
}

impl World {
    /// A world whose other systems are `http`, and whose time `clock` tells: whoever makes `http`
    /// needs it too. Must be called inside a tokio runtime whose clock is paused.
    pub fn new(setup: Setup, clock: Arc<TrueClock>, http: Arc<dyn Http>) -> Result<Self, BadFlow> {
        let deployment = Deployment::load(0, &setup.flows, &setup.settings)?;
        let secrets = setup.secrets.iter();
        let table = Arc::new(MemoryStore::default());
        let in_memory: Arc<dyn Store> = Arc::<MemoryStore>::clone(&table);
        let shared = Shared {
            store: setup.store.clone().unwrap_or(in_memory),
            table,
            sqs: Sqs::new(Arc::clone(&clock), |tier| setup.queue(tier)),
            http,
            vault: MemoryVault::new(secrets.map(|(name, text)| (name.as_str(), text.as_str()))),
            interposer: Arc::clone(&setup.interposer),
            latencies: setup.latencies,
            runs: Due::default(),
            sweeps: Due::default(),
            deployment: Mutex::new(Arc::new(deployment)),
            meters: Mutex::default(),
            mails: Mutex::default(),
            reports: Mutex::default(),
            events: Mutex::default(),
            calls: AtomicU64::new(0),
            clock,
            setup,
        };
        Ok(Self {
            shared: Arc::new(shared),
            tasks: Mutex::default(),
            windows: Mutex::default(),
            callers: Mutex::default(),
        })
    }

    /// Starts workers, batch-sync, the heartbeat and the digest. Windows start by
    /// [`start_windows`](Self::start_windows).
    pub fn start(&self) {
        let workers = self.shared.setup.workers;
        for tier in [Tier::RealTime, Tier::Batch] {
            for number in 0..workers.of(tier) {
                let process = self.process(ProcessKind::Worker(tier), number);
                self.run(host::worker(Arc::clone(&self.shared), process, tier));
            }
        }
        for number in 0..self.shared.setup.batch_syncs {
            let process = self.process(ProcessKind::BatchSync, number);
            self.run(host::batch_sync(Arc::clone(&self.shared), process));
        }
        let tick = self.process(ProcessKind::Tick, 0);
        let every = self.shared.setup.tick_every;
        self.run(host::tick(Arc::clone(&self.shared), tick, every));
        let letters = self.process(ProcessKind::Digest, 0);
        self.run(host::dead_letters(Arc::clone(&self.shared), letters));
        let mails = self.process(ProcessKind::Digest, 1);
        self.run(host::daily_mail(Arc::clone(&self.shared), mails));
    }

    /// Starts each flow's windows when they are due, as EventBridge Scheduler does. Without it, tick
    /// starts them some minutes later.
    pub fn start_windows(&self) {
        let mut running = locked(&self.windows);
        for task in running.drain(..) {
            task.abort();
        }
        for flow in &self.shared.deployment().flows {
            let task = tokio::spawn(host::windows(Arc::clone(&self.shared), Arc::clone(flow)));
            running.push(task.abort_handle());
        }
    }

    fn process(&self, kind: ProcessKind, number: u32) -> Process {
        Process::new(Arc::clone(&self.shared), ProcessId { kind, number })
    }

    /// Runs a task that ends with the world: a source's traffic, an outage.
    pub fn run(&self, task: impl Future<Output = ()> + Send + 'static) {
        locked(&self.tasks).push(tokio::spawn(task).abort_handle());
    }

    /// Stops every process that [`start`](Self::start) began, in the middle of what it does.
    pub fn stop(&self) {
        for task in locked(&self.tasks)
            .drain(..)
            .chain(locked(&self.windows).drain(..))
        {
            task.abort();
        }
    }

    /// The same world under other flow files. A process takes them up with its next invocation; one
    /// that is at work ends under the old ones.
    pub fn deploy(&self, files: &[(String, String)]) -> Result<(), BadFlow> {
        let mut deployment = locked(&self.shared.deployment);
        let next = Deployment::load(deployment.number + 1, files, &self.shared.setup.settings)?;
        *deployment = Arc::new(next);
        drop(deployment);
        let has_windows = !locked(&self.windows).is_empty();
        if has_windows {
            self.start_windows();
        }
        Ok(())
    }

    /// Has a function called from outside, on a process of its own: a webhook, a person's request, a
    /// run that a test waits for.
    pub async fn ask<T, F>(
        &self,
        kind: ProcessKind,
        work: impl FnOnce(Arc<Engine>) -> F,
    ) -> Result<T, Died>
    where
        F: Future<Output = T>,
    {
        let process = Arc::clone(
            locked(&self.callers)
                .entry(kind)
                // A number that no process of `start` has.
                .or_insert_with(|| Arc::new(self.process(kind, 100))),
        );
        process.invoke(|alive| work(alive.engine)).await
    }

    /// An engine that nothing kills, for what stands outside the story: looking at state.
    pub fn engine(&self, kind: ProcessKind) -> Arc<Engine> {
        let process = self.process(kind, 101);
        process.alive().engine
    }

    /// True time.
    pub fn clock(&self) -> &Arc<TrueClock> {
        &self.shared.clock
    }

    /// Where the secrets are kept: what is put there is in use when a process looks them up again.
    pub fn vault(&self) -> &MemoryVault {
        &self.shared.vault
    }

    /// The table.
    pub fn table(&self) -> &MemoryStore {
        &self.shared.table
    }

    /// The queues.
    pub fn queue(&self) -> &Sqs {
        &self.shared.sqs
    }

    /// What was counted so far.
    pub fn meters(&self) -> Meters {
        let mut meters = locked(&self.shared.meters).clone();
        meters.operations = self.operations();
        meters
    }

    /// Port calls so far.
    pub fn operations(&self) -> u64 {
        self.shared.calls.load(Ordering::SeqCst)
    }

    /// Looks at what was counted, without a copy.
    pub fn with_meters<T>(&self, look: impl FnOnce(&Meters) -> T) -> T {
        look(&locked(&self.shared.meters))
    }

    /// All mails so far.
    pub fn mails(&self) -> Vec<Mail> {
        locked(&self.shared.mails).clone()
    }

    /// Accounts of the runs that batch-sync ended or left, in order.
    pub fn reports(&self) -> Vec<RunReport> {
        locked(&self.shared.reports).clone()
    }

    /// All events so far and when they were published, copies each for itself.
    pub fn events(&self) -> Vec<(UnixMs, Event)> {
        locked(&self.shared.events).clone()
    }

    /// Publishes an event as a schedule or another system does.
    pub fn publish(&self, event: &Event) {
        self.shared.publish(event, Duration::ZERO);
    }

    /// Runs something beside the world and gives its handle.
    pub fn spawn<T: Send + 'static>(
        &self,
        work: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        let handle = tokio::spawn(work);
        locked(&self.tasks).push(handle.abort_handle());
        handle
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.stop();
    }
}
