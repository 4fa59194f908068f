//! A session: the calls made for one record or one page, each behind the same gate.
//!
//! A call leaves only with a permit in its leave window (LIM-1), a breaker that allows it (BRK-1)
//! and, for a claimed record, a claim that outlives it (EFF-1). What it tells about the health of
//! the system is reported at once.

use std::{collections::VecDeque, time::Duration};

use async_trait::async_trait;
use serde_json::Value;
use tidegate_model::{
    ClaimToken, RecordKey, UnixMs,
    flow::{ErrorAction, ErrorRow},
};
use tidegate_policy::{
    answer,
    breaker::{self, Breaker, Gate, Report},
    flow_state::{self, Side},
    keys,
    limiter::Permit,
    register::CLOCK_SKEW,
};

use crate::{
    Engine, Event, FlowRuntime,
    budget::{Budget, Permits},
    ports::{
        Answer, CallError, Calls, Effect, Request, Sent, StoreError, TransportError, Wait, Written,
    },
};

/// The breaker is read so long before a call leaves: a read takes a few milliseconds.
const LOOK_BEFORE: Duration = Duration::from_millis(25);
/// Permits that may come too late for one call before the work is deferred.
const LATE_PERMITS: u32 = 5;
/// Time between two calls of one record for which permits are taken together: most answers come
/// within it. A later answer gives the permit back and takes another.
pub(crate) const STEP: Duration = Duration::from_millis(500);
/// Tries to record a call's result in the breaker after lost races.
const REPORT_TRIES: u32 = 5;

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
    /// Until when the session may wait for further permits.
    pub patience: UnixMs,
    /// End of the claim, where there is one.
    pub claim_until: Option<UnixMs>,
    /// A blocker's cause is being checked: the first good answer closes it.
    pub checking: bool,
}

/// Calls behind the gate.
pub(crate) struct Session<'a> {
    engine: &'a Engine,
    scope: Scope<'a>,
    permits: VecDeque<Permit>,
    probe: Option<ClaimToken>,
    successes: u32,
    seen: Breaker,
    /// When the last call started, and the epoch in which it counts.
    last: Option<(UnixMs, Option<u64>)>,
}

impl<'a> Session<'a> {
    pub(crate) fn new(engine: &'a Engine, scope: Scope<'a>, permits: Vec<Permit>) -> Self {
        Self {
            engine,
            scope,
            permits: permits.into(),
            probe: None,
            successes: 0,
            seen: Breaker::default(),
            last: None,
        }
    }

    /// Ends the session: unused permits go back, successes are reported where they matter.
    pub(crate) async fn end(mut self) {
        let unused: Vec<Permit> = self.permits.drain(..).collect();
        self.engine.give_back(&self.scope.budget, &unused).await;
        if self.successes > 0 && self.seen.wants_successes() {
            let successes = self.successes;
            self.report(Report::Ok(successes)).await;
        }
        if let Some(token) = self.probe.take() {
            self.breaker_write(&Breaker::drop_probe(&token)).await;
        }
    }

    /// Whether a batch of the flow may be under way: response times inside and outside sync windows
    /// are told apart by it (R11).
    fn in_window(&self, now: UnixMs) -> bool {
        let flow = &self.scope.runtime.flow;
        let due = flow.schedule().latest_due(now);
        due.is_some_and(|due| now < due.at + flow.max_run())
    }

    /// A permit whose stamp has not passed; takes another where the session has none left.
    async fn next_permit(&mut self) -> Result<Permit, CallError> {
        let mut late = 0;
        loop {
            let now = self.engine.now();
            if let Some(permit) = self.permits.pop_front() {
                if permit.until() >= now {
                    return Ok(permit);
                }
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                continue;
            }
            match self
                .engine
                .permits(&self.scope.budget, &[1], STEP, true)
                .await
                .map_err(not_sent)?
            {
                Permits::Granted { permits, .. } if late < LATE_PERMITS => {
                    late += 1;
                    self.permits.extend(permits);
                }
                Permits::Granted { permits, .. } => {
                    self.engine.give_back(&self.scope.budget, &permits).await;
                    return Err(CallError::Deferred {
                        until: now + STEP,
                        why: Wait::Permit,
                    });
                }
                Permits::NoneBefore(until) if until <= self.scope.patience => {
                    self.engine.ports.clock.wait_until(until).await;
                }
                Permits::NoneBefore(until) => {
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
        match gate {
            Gate::Closed { epoch } => Ok(Some(epoch)),
            Gate::Open { until } => deferred(until, Wait::Breaker),
            Gate::Held { until } => deferred(until, Wait::Provider),
            Gate::Probing { .. }
                if self
                    .probe
                    .as_ref()
                    .is_some_and(|token| self.seen.is_probe(token)) =>
            {
                Ok(None)
            }
            Gate::Probing { until } => deferred(until, Wait::Probe),
            Gate::HalfOpen => {
                let token = self.engine.token();
                let until = now + timeout + self.scope.settle + CLOCK_SKEW + STEP;
                let write = self.seen.take_probe(&token, until, now);
                match self.engine.write(&key, &write).await.map_err(not_sent)? {
                    Written::Done { after, .. } => {
                        self.seen = Breaker::read(Some(&after));
                        self.probe = Some(token);
                        Ok(None)
                    }
                    Written::Refused { .. } => deferred(until, Wait::Probe),
                }
            }
        }
    }

    /// Everything that must hold before a call leaves. Returns the epoch it counts in.
    async fn gate(&mut self, timeout: Duration) -> Result<Option<u64>, CallError> {
        for _ in 0..LATE_PERMITS {
            let permit = self.next_permit().await?;
            let passed = self.pass_breaker(permit, timeout).await;
            if let Err(error) = passed {
                self.engine.give_back(&self.scope.budget, &[permit]).await;
                return Err(error);
            }
            self.engine.ports.clock.wait_until(permit.from()).await;
            let now = self.engine.now();
            if self
                .scope
                .claim_until
                .is_some_and(|end| now + timeout + self.scope.settle + CLOCK_SKEW > end)
            {
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

    async fn report(&mut self, report: Report) -> bool {
        let key = keys::breaker(&self.scope.budget.endpoint);
        let epoch = self.seen.epoch();
        for _ in 0..REPORT_TRIES {
            let Some((write, opens)) = self.seen.report(
                std::slice::from_ref(&report),
                epoch,
                &self.scope.breaker,
                self.engine.now(),
            ) else {
                return false;
            };
            match self.engine.write(&key, &write).await {
                Ok(Written::Done { after, .. }) => {
                    self.seen = Breaker::read(Some(&after));
                    if opens {
                        self.tell_opened().await;
                    }
                    return opens;
                }
                Ok(Written::Refused { current }) => self.seen = Breaker::read(current.as_ref()),
                Err(error) => {
                    tracing::warn!(error = %crate::chain(&error), "the breaker did not learn of a call");
                    return false;
                }
            }
        }
        false
    }

    async fn tell_opened(&self) {
        let endpoint = self.scope.budget.endpoint.clone();
        tracing::warn!(endpoint = %endpoint, cool_down_s = self.scope.breaker.cool_down.as_secs(), "breaker opened");
        self.engine.tell(Event::BreakerOpened { endpoint }).await;
    }

    async fn breaker_write(&mut self, write: &tidegate_model::item::Update) {
        let key = keys::breaker(&self.scope.budget.endpoint);
        match self.engine.write(&key, write).await {
            Ok(Written::Done { after, .. }) => self.seen = Breaker::read(Some(&after)),
            Ok(Written::Refused { current }) => self.seen = Breaker::read(current.as_ref()),
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the breaker was not written");
            }
        }
    }

    /// The system answered in a way that says it is healthy.
    async fn healthy(&mut self, took: Duration) {
        let slow = self
            .scope
            .breaker
            .slow_after
            .is_some_and(|slow| took > slow);
        if let Some(token) = self.probe.take() {
            if slow {
                let reopen = Breaker::reopen(&token, &self.scope.breaker, self.engine.now());
                self.breaker_write(&reopen).await;
                return;
            }
            self.breaker_write(&Breaker::close(&token)).await;
            let endpoint = self.scope.budget.endpoint.clone();
            tracing::info!(endpoint = %endpoint, "breaker closed");
            self.engine.tell(Event::BreakerClosed { endpoint }).await;
        } else if slow {
            self.report(Report::Slow).await;
        } else {
            self.successes += 1;
        }
        if self.scope.checking {
            self.scope.checking = false;
            self.close_blocker().await;
        }
    }

    /// The cause of the blocker is gone: what was parked is queued again.
    async fn close_blocker(&self) {
        let flow = self.scope.runtime.flow.id();
        let write = flow_state::unblock(self.scope.side, self.engine.now());
        match self.engine.write(&keys::flow_state(flow), &write).await {
            Ok(Written::Done { .. }) => {
                tracing::info!(flow = %flow, side = self.scope.side.as_str(), "blocker closed");
                self.engine
                    .tell(Event::SweepRequested { flow: flow.clone() })
                    .await;
            }
            Ok(Written::Refused { .. }) => {}
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the blocker was not closed");
            }
        }
    }

    /// The system failed. Returns the error, with the epoch in which it counts as an attempt.
    async fn unhealthy(
        &mut self,
        reason: String,
        started: UnixMs,
        epoch: Option<u64>,
        may_have_effect: bool,
    ) -> CallError {
        if let Some(token) = self.probe.take() {
            let reopen = Breaker::reopen(&token, &self.scope.breaker, self.engine.now());
            self.breaker_write(&reopen).await;
            return CallError::Failed {
                reason,
                started,
                may_have_effect,
                attempt: None,
            };
        }
        let opened = match self.scope.key {
            // Reads of pages have no record; the system's own failures still count.
            None => {
                self.report(Report::Failed {
                    key: page_key(started),
                })
                .await
            }
            Some(key) => self.report(Report::Failed { key: key.clone() }).await,
        };
        // TRY-1: an attempt counts only while the breaker stays closed.
        let stays = !opened && Some(self.seen.epoch()) == epoch && self.seen.open_since().is_none();
        CallError::Failed {
            reason,
            started,
            may_have_effect,
            attempt: epoch.filter(|_| stays),
        }
    }

    async fn hold(&mut self, sent: &Sent) -> CallError {
        let now = self.engine.now();
        let until = now
            + retry_after(sent)
                .unwrap_or(answer::DEFAULT_HOLD)
                .min(answer::MAX_HOLD);
        if let Some(token) = self.probe.take() {
            self.breaker_write(&Breaker::drop_probe(&token)).await;
        }
        self.breaker_write(&Breaker::hold(until)).await;
        CallError::Throttled { until }
    }

    async fn judge(
        &mut self,
        request: &Request,
        sent: Sent,
        started: UnixMs,
        epoch: Option<u64>,
    ) -> Result<Answer, CallError> {
        let took = self.engine.now().since(started);
        let writes = request.effect == Effect::Write;
        let action = answer::classify(self.scope.errors, sent.status, sent.body.as_ref());
        match action {
            ErrorAction::Defer => Err(self.hold(&sent).await),
            ErrorAction::Retry => {
                let reason = format!("{} answered {}", self.scope.budget.endpoint, sent.status);
                Err(self.unhealthy(reason, started, epoch, writes).await)
            }
            ErrorAction::Blocked => {
                self.healthy_but_refused(took).await;
                Err(CallError::Blocked {
                    reason: format!(
                        "{} refused the credentials with {}",
                        self.scope.budget.endpoint, sent.status
                    ),
                })
            }
            ErrorAction::Review => {
                self.healthy(took).await;
                let null = Value::Null;
                let (field, said) = answer::refusal(sent.body.as_ref().unwrap_or(&null));
                let said = answer::scrub(&said, request.body.as_ref());
                let reason = format!(
                    "{} answered {}: {said}",
                    self.scope.budget.endpoint, sent.status
                );
                Err(CallError::Refused { reason, field })
            }
            ErrorAction::Ok | ErrorAction::Missing | ErrorAction::Stale => match sent.body {
                Some(body) => {
                    self.healthy(took).await;
                    Ok(Answer {
                        status: sent.status,
                        action,
                        headers: sent.headers,
                        body,
                    })
                }
                None if action != ErrorAction::Ok => {
                    self.healthy(took).await;
                    Ok(Answer {
                        status: sent.status,
                        action,
                        headers: sent.headers,
                        body: Value::Null,
                    })
                }
                None => {
                    let reason = format!(
                        "{} answered {} with something that is not JSON",
                        self.scope.budget.endpoint, sent.status
                    );
                    Err(self.unhealthy(reason, started, epoch, writes).await)
                }
            },
        }
    }

    /// The system is up but refuses the credentials: it closes no blocker.
    async fn healthy_but_refused(&mut self, took: Duration) {
        self.scope.checking = false;
        self.healthy(took).await;
    }

    async fn broken(
        &mut self,
        request: &Request,
        error: TransportError,
        started: UnixMs,
        epoch: Option<u64>,
    ) -> CallError {
        let reason = format!("{}: {error}", self.scope.budget.endpoint);
        let writes = request.effect == Effect::Write;
        match error {
            TransportError::NoSecret(_) => CallError::Blocked { reason },
            TransportError::SecretUnavailable(_) => CallError::Store(reason),
            TransportError::BadRequest(_) => CallError::Refused {
                reason,
                field: None,
            },
            TransportError::NotConnected => self.unhealthy(reason, started, epoch, false).await,
            TransportError::TimedOut(_)
            | TransportError::Broken
            | TransportError::TooLarge { .. } => {
                self.unhealthy(reason, started, epoch, writes).await
            }
        }
    }
}

#[async_trait]
impl Calls for Session<'_> {
    async fn call(&mut self, request: Request) -> Result<Answer, CallError> {
        let epoch = self.gate(request.timeout).await?;
        let started = self.engine.now();
        self.last = Some((started, epoch));
        let result = self.engine.ports.http.send(&request).await;
        let status = result.as_ref().map_or(0, |sent| sent.status);
        let took = self.engine.now().since(started);
        let outcome = match result {
            Ok(sent) => self.judge(&request, sent, started, epoch).await,
            Err(error) => Err(self.broken(&request, error, started, epoch).await),
        };
        tracing::info!(
            flow = %self.scope.runtime.flow.id(),
            key = self.scope.key.map(RecordKey::as_str),
            endpoint = %self.scope.budget.endpoint,
            tier = self.scope.budget.tier.as_str(),
            method = request.method.as_str(),
            in_window = self.in_window(started),
            status,
            took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
            reason = outcome.as_ref().err().map(ToString::to_string),
            "call"
        );
        outcome
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

/// `Retry-After` in seconds (RFC 9110). A date is not read: the default wait serves.
fn retry_after(sent: &Sent) -> Option<Duration> {
    let (_, value) = sent
        .headers
        .iter()
        .find(|(name, _)| name == "retry-after")?;
    value.trim().parse().ok().map(Duration::from_secs)
}

/// Stands for a page among the records whose failures the breaker counts.
fn page_key(started: UnixMs) -> RecordKey {
    #[allow(clippy::expect_used, reason = "a number always is a key")]
    RecordKey::try_new(started.0.to_string()).expect("a number is a key")
}
