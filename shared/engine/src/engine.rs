//! The engine: the ports, the flows, and what every use case needs of them.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use rand::{SeedableRng, rngs::SmallRng};
use tidegate_model::{
    ClaimToken, EventId, FlowId, RequestId, RunId, Trace, UnixMs,
    flow::Grant,
    item::{Item, ItemKey, Update},
};
use tidegate_policy::{breaker, flow::Flow, flow_state::FlowState, keys};

use crate::{
    Event,
    measure::Measured,
    news::Noted,
    ports::{
        Chance, Clock, Events, Http, Mailer, Metrics, Outgoing, PortError, Queue, Secret,
        SecretError, Secrets, Source, Store, StoreError, Target, Written,
    },
    session::Slot,
};

/// A token, as the calls of a process share it.
type TokenSlot = Arc<futures_util::lock::Mutex<Slot>>;

/// The world, as the engine reaches it.
#[derive(Clone)]
pub struct Ports {
    /// The table.
    pub store: Arc<dyn Store>,
    /// The work queues.
    pub queue: Arc<dyn Queue>,
    /// The event bus.
    pub events: Arc<dyn Events>,
    /// Mail.
    pub mailer: Arc<dyn Mailer>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Chance.
    pub chance: Arc<dyn Chance>,
    /// Other systems.
    pub http: Arc<dyn Http>,
    /// Secrets.
    pub secrets: Arc<dyn Secrets>,
    /// Metrics.
    pub metrics: Arc<dyn Metrics>,
}

/// A flow with its connectors.
pub struct FlowRuntime {
    /// The flow.
    pub flow: Arc<Flow>,
    /// Where its records come from.
    pub source: Arc<dyn Source>,
    /// Where they go.
    pub target: Arc<dyn Target>,
    /// When calls to the source pause.
    pub source_breaker: breaker::Settings,
    /// When calls to the target pause.
    pub target_breaker: breaker::Settings,
}

impl FlowRuntime {
    /// Joins a flow and its connectors.
    pub fn new(flow: Arc<Flow>, source: Arc<dyn Source>, target: Arc<dyn Target>) -> Self {
        let called = flow.file().source.rest();
        let source_breaker = called.map(|source| source.breaker.clone()).unwrap_or_default();
        let source_breaker = breaker::Settings::from(&source_breaker);
        let target_breaker = breaker::Settings::from(flow.file().target.breaker());
        Self {
            flow,
            source,
            target,
            source_breaker,
            target_breaker,
        }
    }

    /// Whether a batch of the flow may be under way: response times inside and outside sync windows
    /// are told apart by it (R11).
    pub(crate) fn in_window(&self, now: UnixMs) -> bool {
        let due = self.flow.schedule().latest_due(now);
        due.is_some_and(|due| now < due.at + self.flow.max_run())
    }
}

/// A flow that is not loaded here.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("there is no flow {0}")]
pub struct UnknownFlow(pub FlowId);

/// Why a use case could not be carried out; nothing is lost by it.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The flow is not loaded here.
    #[error(transparent)]
    UnknownFlow(#[from] UnknownFlow),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A queue, the bus or the mailer failed.
    #[error(transparent)]
    Port(#[from] PortError),
    /// An item in the table can not be read.
    #[error(transparent)]
    Corrupt(#[from] tidegate_policy::register::CorruptRegister),
}

/// All use cases of Tidegate over one set of ports and flows, for whoever asks. A clone is the same
/// engine.
#[derive(Clone)]
pub struct Engine {
    pub(crate) ports: Ports,
    flows: Arc<BTreeMap<FlowId, Arc<FlowRuntime>>>,
    /// The last item of each budget: while it shows nothing free, nothing is written.
    pub(crate) seen_slots: Arc<Mutex<BTreeMap<ItemKey, Item>>>,
    /// News that is told at the end of a piece of work.
    pub(crate) noted: Arc<Noted>,
    /// Values that are emitted at the end of a piece of work.
    pub(crate) measured: Arc<Measured>,
    /// When a secret was last looked up because a caller's did not fit.
    pub(crate) renewed: Arc<Mutex<BTreeMap<String, UnixMs>>>,
    /// Tokens for calls, by what they are given for. Each is locked while it is asked for.
    tokens: Arc<Mutex<BTreeMap<Arc<Grant>, TokenSlot>>>,
    /// Work of one process asks for permits one after another: it would only race with itself.
    grant_locks: Arc<Mutex<BTreeMap<ItemKey, Arc<futures_util::lock::Mutex<()>>>>>,
    /// How the present work came about: it stands in the log, and in what the work queues.
    trace: Trace,
}

impl Engine {
    /// An engine for these flows.
    pub fn new(ports: Ports, flows: Vec<FlowRuntime>) -> Self {
        let flows = flows
            .into_iter()
            .map(|runtime| (runtime.flow.id().clone(), Arc::new(runtime)))
            .collect();
        Self {
            ports,
            flows: Arc::new(flows),
            seen_slots: Arc::default(),
            noted: Arc::default(),
            measured: Arc::default(),
            renewed: Arc::default(),
            tokens: Arc::default(),
            grant_locks: Arc::default(),
            trace: Trace::default(),
        }
    }

    /// The same engine, asked by this invocation, or by the one with which its work began. What is no
    /// id of a request names none.
    #[must_use]
    pub fn asked_by(&self, request_id: &str) -> Self {
        let mut asked = self.clone();
        asked.trace.request_id = RequestId::try_new(request_id).ok();
        asked
    }

    /// The same engine at work for a message. One that bears no request, as of an older release, is of
    /// the invocation that has it.
    pub(crate) fn working_for(&self, of: &Trace) -> Self {
        let mut working = self.clone();
        working.trace.run.clone_from(&of.run);
        if of.request_id.is_some() {
            working.trace.request_id.clone_from(&of.request_id);
        }
        working
    }

    /// The same engine at work for a run.
    pub(crate) fn at_run(&self, run: &RunId) -> Self {
        let mut running = self.clone();
        running.trace.run = Some(run.clone());
        running
    }

    /// The request with which the present work began.
    pub fn request_id(&self) -> Option<RequestId> {
        self.trace.request_id.clone()
    }

    /// The same as the log has it.
    pub(crate) fn request(&self) -> Option<&str> {
        self.trace.request_id.as_ref().map(RequestId::as_str)
    }

    /// The run that the present work is of, as the log has it.
    pub(crate) fn run_id(&self) -> Option<&str> {
        self.trace.run.as_ref().map(RunId::as_str)
    }

    /// Queues messages. A new one bears how this work came about; a copy keeps what it bears.
    pub(crate) async fn send(&self, mut messages: Vec<Outgoing>) -> Result<(), PortError> {
        for Outgoing { message, .. } in &mut messages {
            if message.trace.is_empty() {
                message.trace.clone_from(&self.trace);
            }
        }
        self.ports.queue.send(messages).await
    }

    /// Milliseconds since a moment, as the log has them.
    pub(crate) fn ms_since(&self, began: UnixMs) -> u64 {
        let took = self.now().since(began);
        u64::try_from(took.as_millis()).unwrap_or(u64::MAX)
    }

    /// The flows, by name.
    pub fn flows(&self) -> impl Iterator<Item = &Arc<FlowRuntime>> {
        self.flows.values()
    }

    /// One flow.
    pub fn flow(&self, id: &FlowId) -> Result<&Arc<FlowRuntime>, UnknownFlow> {
        self.flows.get(id).ok_or_else(|| UnknownFlow(id.clone()))
    }

    /// The present moment.
    pub fn now(&self) -> UnixMs {
        self.ports.clock.now()
    }

    /// A secret of ours, for the host that compares it: the token of the API.
    pub async fn secret(&self, name: &str) -> Result<Secret, SecretError> {
        self.ports.secrets.get(name).await
    }

    /// A token that nobody else has.
    pub(crate) fn token(&self) -> ClaimToken {
        let text = format!(
            "{:016x}{:016x}",
            self.ports.chance.next(),
            self.ports.chance.next()
        );
        #[allow(clippy::expect_used, reason = "32 hex digits always are a token")]
        ClaimToken::try_new(text).expect("32 hex digits are a token")
    }

    /// A name for an event that came without one.
    #[allow(
        clippy::expect_used,
        clippy::missing_panics_doc,
        reason = "a token always is the name of an event"
    )]
    pub fn event_id(&self) -> EventId {
        EventId::try_new(self.token().as_str()).expect("a token is the name of an event")
    }

    /// A source of chance for one decision.
    pub(crate) fn dice(&self) -> SmallRng {
        SmallRng::seed_from_u64(self.ports.chance.next())
    }

    pub(crate) async fn write(
        &self,
        key: &ItemKey,
        update: &Update,
    ) -> Result<Written, StoreError> {
        self.ports.store.update(key, update).await
    }

    pub(crate) async fn read(&self, key: &ItemKey) -> Result<Option<Item>, StoreError> {
        let mut items = self.ports.store.get(std::slice::from_ref(key)).await?;
        Ok(items.pop().flatten())
    }

    /// What stops a flow at present.
    pub async fn flow_state(&self, flow: &FlowId) -> Result<FlowState, StoreError> {
        Ok(FlowState::read(
            self.read(&keys::flow_state(flow)).await?.as_ref(),
        ))
    }

    /// Asks tick to look at a flow now.
    pub(crate) fn sweep_request(&self, flow: &FlowId) -> Event {
        Event::SweepRequested {
            flow: flow.clone(),
            request_id: self.request_id(),
        }
    }

    /// Publishes an event that others only want to know of: its loss harms no record.
    pub(crate) async fn tell(&self, event: Event) {
        if let Err(error) = self.ports.events.emit(&event).await {
            tracing::warn!(error = %chain(&error), "an event was not published");
        }
    }

    pub(crate) fn grant_lock(&self, key: &ItemKey) -> Arc<futures_util::lock::Mutex<()>> {
        let mut locks = self
            .grant_locks
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        Arc::clone(locks.entry(key.clone()).or_default())
    }

    pub(crate) fn token_slot(&self, grant: &Arc<Grant>) -> TokenSlot {
        let mut tokens = self.tokens.lock().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(tokens.entry(Arc::clone(grant)).or_default())
    }

    pub(crate) fn remembered(&self, key: &ItemKey) -> Option<Item> {
        self.seen_slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(key)
            .cloned()
    }

    pub(crate) fn remember(&self, key: &ItemKey, item: Option<Item>) {
        let mut seen = self
            .seen_slots
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        match item {
            Some(item) => seen.insert(key.clone(), item),
            None => seen.remove(key),
        };
    }
}

/// An error with its causes, in one line: logged once, where it is handled.
pub fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        text.push_str(": ");
        text.push_str(&next.to_string());
        cause = next.source();
    }
    text
}
