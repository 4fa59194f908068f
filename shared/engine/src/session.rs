//! A session: the calls made for one record or one page, each behind the same gate.
//!
//! A call leaves only with a permit in its leave window (LIM-1), a breaker that allows it (BRK-1)
//! and, for a claimed record, a claim that outlives it (EFF-1). What it tells about the health of
//! the system is reported at once.

mod health;
mod judge;
mod token;

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use futures_util::future::{Either, select};
use tidegate_model::{ClaimToken, RecordKey, Tier, UnixMs, flow::ErrorRow};
use tidegate_policy::{
    breaker::{self, Breaker, Gate},
    flow_state::Side,
    keys,
    limiter::{Permit, Place},
    register::CLOCK_SKEW,
};

use crate::{
    Engine, FlowRuntime,
    budget::{Budget, Permits},
    ports::{Answer, CallError, Calls, Request, Sent, StoreError, TransportError, Wait, Written},
    worker::target_budget,
};

/// The breaker is read so long before a call leaves: a read takes a few milliseconds.
const LOOK_BEFORE: Duration = Duration::from_millis(25);
/// Permits that may come too late for one call before the work is deferred.
const LATE_PERMITS: u32 = 5;
/// Time between two calls of one record for which permits are taken together: most answers come
/// within it. A later answer gives the permit back and takes another.
pub(crate) const STEP: Duration = Duration::from_millis(500);

pub(crate) use token::Slot;

/// What a session is for.
pub(crate) struct Scope<'a> {
    pub runtime: &'a FlowRuntime,
    pub side: Side,
    pub budget: Budget,
    pub breaker: breaker::Settings,
    pub errors: &'a [ErrorRow],
    /// D: how long after its time-out a call may still take effect.
    pub settle: Duration,
    /// The record, where there is one.
    pub key: Option<&'a RecordKey>,
    /// The number of the record's attempt, for the log; none where it is only read.
    pub attempt: Option<u32>,
    /// Until when the session may wait for further permits.
    pub patience: UnixMs,
    /// End of the claim, where there is one.
    pub claim_until: Option<UnixMs>,
    /// A blocker's cause is being checked: the first good answer closes it.
    pub checking: bool,
    /// Somebody waits for the answer.
    pub hurry: Option<Hurry>,
}

/// What is given up for want of time, where somebody waits.
#[derive(Clone, Copy)]
pub(crate) struct Hurry {
    /// When a call that has no answer yet is cut.
    pub cut: UnixMs,
    /// How long a call waits for its permit.
    pub permit_within: Duration,
}

/// Calls behind the gate.
pub(crate) struct Session<'a> {
    engine: &'a Engine,
    scope: Scope<'a>,
    permits: VecDeque<Permit>,
    probe: Option<ClaimToken>,
    /// Successes that the breaker has not been told of, all of one epoch.
    successes: u32,
    successes_epoch: u64,
    seen: Breaker,
    /// When the last call started, and the epoch in which it counts.
    last: Option<(UnixMs, Option<u64>)>,
    timed_out: bool,
}

impl<'a> Session<'a> {
    pub(crate) fn new(engine: &'a Engine, scope: Scope<'a>, permits: Vec<Permit>) -> Self {
        Self {
            engine,
            scope,
            permits: permits.into(),
            probe: None,
            successes: 0,
            successes_epoch: 0,
            seen: Breaker::default(),
            last: None,
            timed_out: false,
        }
    }

    /// Ends the session: unused permits go back, successes are reported where they matter.
    pub(crate) async fn end(mut self) {
        let unused: Vec<Permit> = self.permits.drain(..).collect();
        self.engine.give_back(&self.scope.budget, &unused).await;
        if self.successes > 0 && self.seen.wants_successes() {
            self.report(None, self.successes_epoch).await;
        }
        if let Some(token) = self.probe.take() {
            self.breaker_write(&Breaker::drop_probe(&token)).await;
        }
    }

    /// Whether its last request had no answer in time.
    pub(crate) fn timed_out(&self) -> bool {
        self.timed_out
    }

    /// Sends a request, and waits no longer for its answer than who asked does.
    async fn send(&mut self, request: &Request) -> Result<Sent, TransportError> {
        let sent = self.engine.ports.http.send(request);
        let result = match self.scope.hurry {
            None => sent.await,
            Some(hurry) => {
                match select(sent, self.engine.ports.clock.wait_until(hurry.cut)).await {
                    Either::Left((result, _)) => result,
                    Either::Right(_) => Err(TransportError::TimedOut(request.timeout)),
                }
            }
        };
        self.timed_out = matches!(result, Err(TransportError::TimedOut(_)));
        result
    }

    /// Until when the next permit may come.
    fn patience(&self) -> UnixMs {
        match self.scope.hurry {
            None => self.scope.patience,
            Some(hurry) => self.engine.now() + hurry.permit_within,
        }
    }

    /// A permit whose stamp has not passed; takes another where the session has none left.
    async fn next_permit(&mut self) -> Result<Permit, CallError> {
        let mut late = 0;
        let patience = self.patience();
        loop {
            let now = self.engine.now();
            if let Some(permit) = self.permits.pop_front() {
                if self.scope.hurry.is_some() && permit.from() > patience {
                    self.engine.give_back(&self.scope.budget, &[permit]).await;
                    return Err(CallError::Deferred {
                        until: permit.from(),
                        why: Wait::Permit,
                    });
                }
                if permit.until() >= now {
                    return Ok(permit);
                }
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                continue;
            }
            match self
                .engine
                .permits(&self.scope.budget, &[1], STEP, Place::First)
                .await
                .map_err(not_sent)?
            {
                Permits::Granted(permits) if late < LATE_PERMITS => {
                    late += 1;
                    self.permits.extend(permits);
                }
                Permits::Granted(permits) => {
                    self.engine.give_back(&self.scope.budget, &permits).await;
                    return Err(CallError::Deferred {
                        until: now + STEP,
                        why: Wait::Permit,
                    });
                }
                Permits::NoneBefore(until) if until <= patience => {
                    self.engine.ports.clock.wait_until(until).await;
                }
                Permits::NoneBefore(until) | Permits::DayUsedUp(until) => {
                    return Err(CallError::Deferred {
                        until,
                        why: Wait::Permit,
                    });
                }
                Permits::OthersWait => {
                    return Err(CallError::Deferred {
                        until: now + STEP,
                        why: Wait::Permit,
                    });
                }
            }
        }
    }

    /// Waits until the breaker may be looked at for a call that leaves at the permit's stamp, and
    /// asks it. Returns the epoch in which a failure counts; `None` for a probe.
    async fn pass_breaker(
        &mut self,
        permit: Permit,
        timeout: Duration,
    ) -> Result<Option<u64>, CallError> {
        self.engine
            .ports
            .clock
            .wait_until(permit.from() - LOOK_BEFORE)
            .await;
        let key = keys::breaker(&self.scope.budget.endpoint);
        let breaker = Breaker::read(self.engine.read(&key).await.map_err(not_sent)?.as_ref());
        let now = self.engine.now();
        let gate = breaker.gate(now);
        self.seen = breaker;
        let deferred = |until, why| Err(CallError::Deferred { until, why });
        // The longest that the call may take, and the wait until it leaves.
        let ended = now + timeout + self.scope.settle + CLOCK_SKEW + STEP;
        match gate {
            Gate::Closed { epoch } => Ok(Some(epoch)),
            Gate::Open { until } => deferred(until, Wait::Breaker),
            Gate::Held { until } => deferred(until, Wait::Provider),
            Gate::Probing { .. } if self.holds_probe() => {
                if self.renew_probe(ended).await.map_err(not_sent)? {
                    Ok(None)
                } else {
                    deferred(ended, Wait::Probe)
                }
            }
            Gate::Probing { until } => deferred(until, Wait::Probe),
            Gate::HalfOpen => {
                let token = self.engine.token();
                let write = self.seen.take_probe(&token, ended, now);
                match self.engine.write(&key, &write).await.map_err(not_sent)? {
                    Written::Done { after, .. } => {
                        self.seen = Breaker::read(Some(&after));
                        self.probe = Some(token);
                        Ok(None)
                    }
                    // The answer of an earlier try may have been lost; the token tells.
                    Written::Refused { current } => {
                        self.seen = Breaker::read(current.as_ref());
                        if self.seen.is_probe(&token) {
                            self.probe = Some(token);
                            return Ok(None);
                        }
                        deferred(ended, Wait::Probe)
                    }
                }
            }
        }
    }

    /// Everything that must hold before a call leaves. Returns the epoch it counts in.
    async fn gate(
        &mut self,
        timeout: Duration,
        claim_until: Option<UnixMs>,
    ) -> Result<Option<u64>, CallError> {
        for _ in 0..LATE_PERMITS {
            let permit = self.next_permit().await?;
            let passed = self.pass_breaker(permit, timeout).await;
            if let Err(error) = passed {
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                return Err(error);
            }
            self.engine.ports.clock.wait_until(permit.from()).await;
            let now = self.engine.now();
            if claim_until.is_some_and(|end| now + timeout + self.scope.settle + CLOCK_SKEW > end) {
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                return Err(CallError::Lapsed);
            }
            if self.scope.hurry.is_some_and(|hurry| now >= hurry.cut) {
                self.timed_out = true;
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                return Err(CallError::Lapsed);
            }
            // LIM-1: a call that would leave late could meet the slot's next call in one window.
            if now <= permit.until() {
                return passed;
            }
            self.engine.give_back(&self.scope.budget, &[permit]).await;
        }
        Err(CallError::Deferred {
            until: self.engine.now() + STEP,
            why: Wait::Permit,
        })
    }
}

impl Engine {
    /// A session that lists what stands in a flow's target, in the batch tier.
    pub(crate) fn listing_session<'a>(
        &'a self,
        runtime: &'a FlowRuntime,
        patience: Duration,
    ) -> Session<'a> {
        self.target_session(runtime, Tier::Batch, patience)
    }

    /// A session for calls to a flow's target that are about no record.
    pub(crate) fn target_session<'a>(
        &'a self,
        runtime: &'a FlowRuntime,
        tier: Tier,
        patience: Duration,
    ) -> Session<'a> {
        let scope = Scope {
            runtime,
            side: Side::Target,
            budget: target_budget(runtime, tier),
            breaker: runtime.target_breaker,
            errors: runtime.target.errors(),
            settle: Duration::ZERO,
            key: None,
            attempt: None,
            patience: self.now() + patience,
            claim_until: None,
            checking: false,
            hurry: None,
        };
        Session::new(self, scope, Vec::new())
    }
}

#[async_trait]
impl Calls for Session<'_> {
    async fn call(&mut self, request: Request) -> Result<Answer, CallError> {
        let mut request = self.with_tokens(request).await?;
        if let Some(hurry) = self.scope.hurry {
            request.timeout = request.timeout.min(hurry.cut.since(self.engine.now()));
        }
        let epoch = self.gate(request.timeout, self.scope.claim_until).await?;
        let started = self.engine.now();
        self.last = Some((started, epoch));
        let result = self.send(&request).await;
        let status = result.as_ref().map_or(0, |sent| sent.status);
        let took = self.engine.now().since(started);
        let outcome = match result {
            Ok(sent) => self.judge(&request, sent, started, epoch).await,
            Err(error) => Err(self.broken(&request, error, started, epoch).await),
        };
        self.engine
            .measure_call(&self.scope, status, (started, took), &outcome);
        tracing::info!(
            flow = %self.scope.runtime.flow.id(),
            key = self.scope.key.map(RecordKey::as_str),
            endpoint = %self.scope.budget.endpoint,
            tier = self.scope.budget.tier.as_str(),
            method = request.method.as_str(),
            in_window = self.scope.runtime.in_window(started),
            status,
            attempt = self.scope.attempt,
            run = self.engine.run_id(),
            request_id = self.engine.request(),
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            outcome = crate::words::outcome(&outcome),
            reason = outcome.as_ref().err().map(ToString::to_string),
            "call"
        );
        outcome
    }

    async fn is_done(&mut self, mark: &str) -> Result<bool, CallError> {
        let key = keys::memory("done", self.scope.runtime.flow.id(), mark);
        let known = self.engine.is_remembered(&key, self.engine.now()).await;
        known.map_err(|error| CallError::Store(crate::chain(&error)))
    }

    fn unusable(&self, reason: String, may_have_effect: bool) -> CallError {
        let (started, attempt) = self.last.unwrap_or((self.engine.now(), None));
        let reason = format!("{}: {reason}", self.scope.budget.endpoint);
        CallError::Failed {
            reason,
            started,
            may_have_effect,
            attempt,
        }
    }
}

#[allow(clippy::needless_pass_by_value, reason = "it is passed to map_err")]
fn not_sent(error: StoreError) -> CallError {
    CallError::Store(crate::chain(&error))
}
