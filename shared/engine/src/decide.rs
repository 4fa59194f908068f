//! A decision that somebody waits for (R28): the source is asked now, and whatever is not surely a yes
//! within two seconds is a no.
//!
//! [`Decisions`] is the engine without its registers: it has no use case that reads one, and its table
//! gives none, so no value that we keep can stand for an answer. Nothing of question and answer is
//! logged or kept.

mod calls_only;

use std::{pin::pin, sync::Arc, time::Duration};

use futures_util::future::{Either, select};
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value};
use tidegate_model::{FlowId, RecordKey, Tier, UnixMs, metric};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    expr::ExprError,
    flow::{Decide, Question, Said},
    flow_state::{FlowState, Side},
    keys,
};

use crate::{
    Engine, FlowRuntime, UnknownFlow,
    budget::Budget,
    chain,
    ports::{CallError, Secret, SecretError, StoreError, Wait},
    session::{Hurry, Session},
};
use calls_only::{CallsOnly, Nobody};

/// Who asks for credit stands at a counter, or holds an order open: later than this the answer is no.
/// Everything is in it: permit, token, breaker, the call, and reading what it brought.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// When a call is given up, so that its breaker is told before the answer is due: that is one write, or
/// a few where others tell it too.
const CALL_WITHIN: Duration = Duration::from_millis(1_750);
/// How long a call waits for its permit. One that is free is stamped 60 ms ahead.
const PERMIT_WITHIN: Duration = Duration::from_millis(200);

/// Why it is yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Why {
    /// The source says yes. All others are no.
    Approved,
    /// The source says no.
    Declined,
    /// What it says is neither.
    Unclear,
    /// It did not say anything in time.
    NoAnswerInTime,
    /// All calls are used up at present.
    NoPermit,
    /// The source is not well, so it is not asked.
    BreakerOpen,
    /// A person or a blocker stops the calls to the source.
    Stopped,
    /// It refused the question, or our credentials.
    Refused,
    /// Something broke, there or here.
    Failed,
}

impl Why {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Approved,
        Self::Declined,
        Self::Unclear,
        Self::NoAnswerInTime,
        Self::NoPermit,
        Self::BreakerOpen,
        Self::Stopped,
        Self::Refused,
        Self::Failed,
    ];

    /// The reason in answers, logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approved => "approved",
            Self::Declined => "declined",
            Self::Unclear => "unclear",
            Self::NoAnswerInTime => "no_answer_in_time",
            Self::NoPermit => "no_permit",
            Self::BreakerOpen => "breaker_open",
            Self::Stopped => "stopped",
            Self::Refused => "refused",
            Self::Failed => "failed",
        }
    }
}

/// A decision.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Why.
    pub why: Why,
    /// When it was asked for.
    pub asked_at: UnixMs,
    /// How long it took.
    pub took: Duration,
}

impl Decision {
    /// Whether it is a yes.
    pub fn is_yes(&self) -> bool {
        self.why == Why::Approved
    }
}

/// Why there is no decision: a fault of who asks, and never a yes.
#[derive(Debug, thiserror::Error)]
pub enum DecideError {
    /// The flow is not loaded here.
    #[error(transparent)]
    UnknownFlow(#[from] UnknownFlow),
    /// It decides nothing.
    #[error("the flow {0} decides nothing: its file has no `[decide]`")]
    NoDecision(FlowId),
    /// What is asked does not fit the flow's question. Holds no value.
    #[error("what is asked does not fit the question of the flow: {0}")]
    Unusable(#[from] ExprError),
}

/// Decisions, and nothing else of the engine.
///
/// No register can be read through it:
///
/// ```compile_fail,E0599
/// async fn cached(decisions: tidegate_engine::Decisions, flow: &tidegate_model::FlowId) {
///     decisions.flow_state(flow).await;
/// }
/// ```
///
/// while the engine has what that asks for:
///
/// ```
/// async fn cached(engine: tidegate_engine::Engine, flow: &tidegate_model::FlowId) {
///     engine.flow_state(flow).await.ok();
/// }
/// ```
#[derive(Clone)]
pub struct Decisions {
    engine: Engine,
}

impl Decisions {
    /// Those of an engine's flows, within the same limits, by the same breakers and tokens.
    pub fn of(engine: &Engine) -> Self {
        let mut engine = engine.clone();
        engine.ports.store = Arc::new(CallsOnly(engine.ports.store));
        engine.ports.queue = Arc::new(Nobody);
        engine.ports.mailer = Arc::new(Nobody);
        Self { engine }
    }

    /// The same, asked by this invocation.
    #[must_use]
    pub fn asked_by(&self, request_id: &str) -> Self {
        Self {
            engine: self.engine.asked_by(request_id),
        }
    }

    /// The present moment.
    pub fn now(&self) -> UnixMs {
        self.engine.now()
    }

    /// A secret of ours, for the host that compares it.
    pub async fn secret(&self, name: &str) -> Result<Secret, SecretError> {
        self.engine.secret(name).await
    }

    /// Looks a secret up because what a caller sent at `used` does not fit it. True when it was
    /// replaced since.
    pub async fn renew_secret(&self, name: &str, used: UnixMs) -> Result<bool, SecretError> {
        self.engine.renew_secrets([name], used).await
    }

    /// Notes that a request is answered 5xx.
    pub fn note_failure(&self) {
        self.engine.note_failure();
    }

    /// Emits what was measured since the last time.
    pub fn emit_measured(&self) {
        self.engine.emit_measured();
    }

    /// Asks the flow's source about a key.
    pub async fn decide(
        &self,
        flow: &FlowId,
        key: &RecordKey,
        ask: &Map<String, Value>,
    ) -> Result<Decision, DecideError> {
        let engine = &self.engine;
        let asked_at = engine.now();
        let runtime = engine.flow(flow)?;
        let decide = runtime.flow.decide();
        let decide = decide.ok_or_else(|| DecideError::NoDecision(flow.clone()))?;
        let question = decide.question(key, ask)?;
        let work = pin!(engine.answer(runtime, decide, (key, question), asked_at));
        let late = engine.ports.clock.wait_until(asked_at + ANSWER_WITHIN);
        let mut why = match select(work, late).await {
            Either::Left((Ok(answer), _)) => match decide.said(key, ask, &answer) {
                Said::Yes => Why::Approved,
                Said::No => Why::Declined,
                Said::Unclear => Why::Unclear,
            },
            Either::Left((Err(why), _)) => why,
            Either::Right(_) => Why::NoAnswerInTime,
        };
        let took = engine.now().since(asked_at);
        // A process that stood still in between has not seen the time pass.
        if took > ANSWER_WITHIN {
            why = Why::NoAnswerInTime;
        }
        engine.measure(&metric::DECISIONS, &[flow.as_str(), why.as_str()], 1.0);
        tracing::info!(flow = %flow, key = key.as_str(), request_id = engine.request(), why = why.as_str(), took_ms = engine.ms_since(asked_at), "decided");
        Ok(Decision {
            why,
            asked_at,
            took,
        })
    }
}

impl Engine {
    /// The source's answer, or why it gave none.
    async fn answer(
        &self,
        runtime: &FlowRuntime,
        decide: &Decide,
        (key, question): (&RecordKey, Question),
        asked_at: UnixMs,
    ) -> Result<Value, Why> {
        let looked = self.look_at_calls(runtime).await.map_err(|error| {
            tracing::warn!(flow = %runtime.flow.id(), error = %chain(&error), "a decision could not be prepared");
            Why::Failed
        })?;
        looked?;
        let mut scope = self.source_scope(runtime, Some(key), false);
        scope.budget = Budget {
            tier: Tier::RealTime,
            limit: decide.limit(),
            ..scope.budget
        };
        scope.hurry = Some(Hurry {
            cut: asked_at + CALL_WITHIN,
            permit_within: PERMIT_WITHIN,
        });
        let mut session = Session::new(self, scope, Vec::new());
        let answered = runtime.source.ask(&mut session, question).await;
        let timed_out = session.timed_out();
        session.end().await;
        answered.map_err(|error| match error {
            _ if timed_out => Why::NoAnswerInTime,
            CallError::Deferred { why, .. } => of_wait(why),
            CallError::Throttled { .. } => Why::NoPermit,
            CallError::Blocked { .. } | CallError::Refused { .. } | CallError::Gone { .. } => {
                Why::Refused
            }
            CallError::Store(error) => {
                tracing::warn!(flow = %runtime.flow.id(), error, "a decision could not be asked for");
                Why::Failed
            }
            CallError::Failed { .. } | CallError::Lapsed => Why::Failed,
        })
    }

    /// What keeps the source from being asked, before a permit is spent on it.
    async fn look_at_calls(&self, runtime: &FlowRuntime) -> Result<Result<(), Why>, StoreError> {
        let source = runtime.flow.file().source.name();
        let ids = [keys::flow_state(runtime.flow.id()), keys::breaker(source)];
        let mut items = self.ports.store.get(&ids).await?.into_iter();
        let mut next = || items.next().flatten();
        let (state, breaker) = (FlowState::read(next().as_ref()), next());
        if state.stops(Side::Source).is_some() {
            return Ok(Err(Why::Stopped));
        }
        Ok(match Breaker::read(breaker.as_ref()).gate(self.now()) {
            Gate::Closed { .. } | Gate::HalfOpen => Ok(()),
            Gate::Open { .. } | Gate::Probing { .. } => Err(Why::BreakerOpen),
            Gate::Held { .. } => Err(Why::NoPermit),
        })
    }
}

/// A wait is a no.
fn of_wait(wait: Wait) -> Why {
    match wait {
        Wait::Permit | Wait::Turn | Wait::Provider => Why::NoPermit,
        Wait::Breaker | Wait::Probe => Why::BreakerOpen,
        _ => Why::Failed,
    }
}
