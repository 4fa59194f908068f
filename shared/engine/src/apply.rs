//! Apply: the one way in which a record reaches the target, whoever asked for it.
//!
//! Claim, call, commit. EFF-1: no call starts unless its time-out plus D ends before the claim
//! does. EFF-2: the claim stored the search value; whoever finds an older one looks up before it
//! creates. TRY-1: deferrals spend nothing.

use std::time::Duration;

use tidegate_model::{
    ClaimToken, Content, ContentHash, Message, RecordKey, Tier, UnixMs, flow::Deletion,
    item::Update,
};
use tidegate_policy::{
    flow_state::{self, Blocker, Side},
    keys,
    limiter::{HORIZON, Permit},
    plan::{self, AfterFailure, Step},
    register::{self, CLOCK_SKEW, Committed, Failure, Outcome, Register, ReviewCause, ReviewKind},
};

use crate::{
    Engine, EngineError, Event, FlowRuntime,
    budget::Budget,
    ports::{CallError, Found, Landed, Outgoing, Wait, Write, Written},
    session::{Scope, Session},
};

/// P: time to prepare a call, waiting for further permits included.
const PREPARE: Duration = Duration::from_secs(10);
/// Wait of a record whose refusal a person's check has overtaken.
const AFTER_REFUSED_CHECK: Duration = Duration::from_secs(5);

/// How the handling of one record ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The target holds what is desired.
    Applied,
    /// There was nothing to do, or another does it.
    Nothing(&'static str),
    /// Wait; no attempt is spent.
    Defer {
        /// Until then.
        until: UnixMs,
        /// What for.
        why: Wait,
    },
    /// A call failed; again after a while.
    Retry {
        /// The wait.
        after: Duration,
        /// How many attempts have failed.
        attempt: u32,
    },
    /// A person must look.
    Review(ReviewKind),
    /// The flow is stopped; the sweep finds the record when it goes on.
    Parked,
    /// The store failed or the claim lapsed: the message stays, and comes back.
    Leave(String),
}

/// One record to apply.
pub(crate) struct Job<'a> {
    pub runtime: &'a FlowRuntime,
    pub key: &'a RecordKey,
    pub budget: &'a Budget,
    pub permits: Vec<Permit>,
    pub checking: bool,
}

/// A claimed record at work.
struct Work<'a> {
    engine: &'a Engine,
    job: &'a Job<'a>,
    token: ClaimToken,
    claimed: Register,
    claim_until: UnixMs,
    began: UnixMs,
}

impl Engine {
    /// Applies one record.
    pub(crate) async fn apply(&self, mut job: Job<'_>) -> Verdict {
        let permits = std::mem::take(&mut job.permits);
        let token = self.token();
        match self.claim(&job, &token, &permits).await {
            Ok(Ok((claimed, claim_until))) => {
                let work = Work {
                    engine: self,
                    job: &job,
                    token,
                    claimed,
                    claim_until,
                    began: self.now(),
                };
                work.run(permits).await
            }
            Ok(Err(verdict)) => {
                self.give_back(job.budget, &permits).await;
                verdict
            }
            Err(error) => {
                self.give_back(job.budget, &permits).await;
                Verdict::Leave(crate::chain(&error))
            }
        }
    }

    async fn claim(
        &self,
        job: &Job<'_>,
        token: &ClaimToken,
        permits: &[Permit],
    ) -> Result<Result<(Register, UnixMs), Verdict>, EngineError> {
        let (timeout, settle) = call_times(job.runtime);
        let now = self.now();
        let last = permits.last().map_or(now, |permit| permit.from()).max(now);
        // Calls one after another may each take the whole time-out.
        let others = u32::try_from(permits.len().saturating_sub(1)).unwrap_or(0);
        let until = last + PREPARE + timeout * others + timeout + settle + CLOCK_SKEW;
        let searchable = job.runtime.target.traits().searchable;
        let id = keys::register(job.runtime.flow.id(), job.key);
        let item = match self
            .write(&id, &register::claim(token, until, now, searchable))
            .await?
        {
            Written::Done { after, .. } => Some(after),
            Written::Refused { current } => current,
        };
        let Some(register) = item.as_ref().map_or(Ok(None), Register::read)? else {
            return Ok(Err(Verdict::Nothing("no register")));
        };
        // Rule 4: the answer of an earlier try may have been lost; the token tells.
        if register
            .claim
            .as_ref()
            .is_some_and(|claim| claim.token == *token)
        {
            return Ok(Ok((register, until)));
        }
        Ok(Err(not_claimable(&register)))
    }

    /// Stops a flow because a system refuses its credentials. False when a person has asked for a
    /// check since `began`: then that check decides.
    pub(crate) async fn stop_flow(
        &self,
        runtime: &FlowRuntime,
        side: Side,
        reason: &str,
        began: UnixMs,
    ) -> bool {
        let blocker = Blocker {
            side,
            reason: reason.to_owned(),
            since: self.now(),
        };
        let flow = runtime.flow.id();
        match self
            .write(&keys::flow_state(flow), &flow_state::block(&blocker, began))
            .await
        {
            Ok(Written::Refused { .. }) => return false,
            Ok(Written::Done { .. }) => {}
            Err(error) => {
                tracing::error!(flow = %flow, error = %crate::chain(&error), "the blocker was not stored");
                return false;
            }
        }
        tracing::error!(flow = %flow, side = side.as_str(), reason, "flow blocked");
        self.tell(Event::FlowBlocked {
            flow: flow.clone(),
            side,
            reason: reason.to_owned(),
        })
        .await;
        true
    }
}

/// What a register says to a message about it that can not be worked on now (rule 5).
pub(crate) fn not_claimable(register: &Register) -> Verdict {
    if register.review.is_some() {
        Verdict::Nothing("in review")
    } else if !register.is_dirty() {
        Verdict::Nothing("clean")
    } else {
        Verdict::Defer {
            until: register.claimable_at(),
            why: Wait::Claim,
        }
    }
}

/// T and D of a flow's target.
fn call_times(runtime: &FlowRuntime) -> (Duration, Duration) {
    let target = &runtime.flow.file().target;
    (
        Duration::from_secs(target.timeout_s().into()),
        Duration::from_secs(target.settle_s().into()),
    )
}

impl Work<'_> {
    async fn run(self, permits: Vec<Permit>) -> Verdict {
        let runtime = self.job.runtime;
        let traits = runtime.target.traits();
        let step = plan::step(&self.claimed, &self.token, traits, runtime.flow.deletion());
        if let Step::Create(fields)
        | Step::Update(fields)
        | Step::CreateAgain(fields)
        | Step::LookUp { fields, .. } = &step
            && let Some(cause) = runtime.invalid(self.job.key, fields, self.engine.now())
        {
            self.engine.give_back(self.job.budget, &permits).await;
            return self.review(cause, None).await;
        }
        let mut session = self.session(permits);
        let result = self.act(step, &mut session).await;
        session.end().await;
        match result {
            Ok(Acted::Landed(landed, started)) => self.commit(landed, started).await,
            Ok(Acted::Review(kind, reason)) => {
                let cause = ReviewCause {
                    kind,
                    field: None,
                    reason,
                    since: self.engine.now(),
                };
                self.review(cause, None).await
            }
            Ok(Acted::Lost) => Verdict::Nothing("the claim was taken over"),
            Err(error) => self.failed(error).await,
        }
    }

    fn session(&self, permits: Vec<Permit>) -> Session<'_> {
        let runtime = self.job.runtime;
        let (timeout, settle) = call_times(runtime);
        let latest = self.claim_until - (timeout + settle + CLOCK_SKEW);
        let scope = Scope {
            runtime,
            side: Side::Target,
            budget: self.job.budget.clone(),
            breaker: runtime.target_breaker,
            errors: runtime.target.errors(),
            settle,
            key: Some(self.job.key),
            // A slot farther away than it may be reserved is waited for in the queue.
            patience: latest.min(self.engine.now() + HORIZON + PREPARE / 2),
            claim_until: Some(self.claim_until),
            checking: self.job.checking,
        };
        Session::new(self.engine, scope, permits)
    }

    async fn act(&self, step: Step, session: &mut Session<'_>) -> Result<Acted, CallError> {
        let target = &self.job.runtime.target;
        let started = self.engine.now();
        let id = self.claimed.target_id.as_deref();
        let landed = match &step {
            Step::Skip | Step::Keep => Landed::default(),
            Step::Create(fields) => target.create(session, self.body(fields, id)).await?,
            Step::Update(fields) => target.update(session, self.body(fields, id)).await?,
            Step::CreateAgain(fields) => {
                let made = target.create(session, self.body(fields, id)).await?;
                let Some(found) = made.target_id else {
                    return Ok(Acted::Landed(made, started));
                };
                if !self
                    .still_mine(&register::adopt(&self.token, &found))
                    .await?
                {
                    return Ok(Acted::Lost);
                }
                let mut landed = target
                    .update(session, self.body(fields, Some(&found)))
                    .await?;
                landed.target_id.get_or_insert(found);
                landed
            }
            Step::Remove(how) => target.remove(session, *how, self.job.key, id).await?,
            Step::Review { kind, reason } => return Ok(Acted::Review(*kind, (*reason).to_owned())),
            Step::LookUp { search, fields } => match target.find(session, search).await? {
                Found::One(found) => {
                    // Stored before it is written to, or a crash here could create it twice.
                    if !self
                        .still_mine(&register::adopt(&self.token, &found))
                        .await?
                    {
                        return Ok(Acted::Lost);
                    }
                    let mut landed = target
                        .update(session, self.body(fields, Some(&found)))
                        .await?;
                    landed.target_id.get_or_insert(found);
                    landed
                }
                Found::None => {
                    let wanted = target
                        .search_value(self.job.key, fields)
                        .unwrap_or_default();
                    if wanted != *search
                        && !self
                            .still_mine(&register::rewrite_intent(&self.token, &wanted))
                            .await?
                    {
                        return Ok(Acted::Lost);
                    }
                    target.create(session, self.body(fields, None)).await?
                }
                Found::Many(count) => {
                    return Ok(Acted::Review(
                        ReviewKind::Ambiguous,
                        format!("the target has {count} records that bear its mark"),
                    ));
                }
            },
        };
        Ok(Acted::Landed(landed, started))
    }

    fn body<'b>(
        &'b self,
        fields: &'b tidegate_model::Fields,
        target_id: Option<&'b str>,
    ) -> Write<'b> {
        Write {
            key: self.job.key,
            fields,
            target_id,
            etag: self.claimed.etag.as_deref(),
            idempotency_key: plan::idempotency_key(&self.claimed, &self.token),
        }
    }

    /// Writes under the claim; false when the claim was lost.
    async fn still_mine(&self, update: &Update) -> Result<bool, CallError> {
        let id = keys::register(self.job.runtime.flow.id(), self.job.key);
        let written = self
            .engine
            .write(&id, update)
            .await
            .map_err(|error| CallError::Store(crate::chain(&error)))?;
        Ok(matches!(written, Written::Done { .. }))
    }

    async fn write(&self, update: &Update) -> Result<Written, Verdict> {
        let id = keys::register(self.job.runtime.flow.id(), self.job.key);
        self.engine
            .write(&id, update)
            .await
            .map_err(|error| Verdict::Leave(crate::chain(&error)))
    }

    async fn commit(self, landed: Landed, started: UnixMs) -> Verdict {
        let done = Committed {
            hash: ContentHash(self.claimed.desired.hash.0.clone()),
            version: self.claimed.desired.version,
            target_id: landed.target_id,
            etag: landed.etag,
            deleted: self.claimed.desired.content == Content::Deleted
                && self.job.runtime.flow.deletion() == Deletion::Delete,
            started,
        };
        let now = self.engine.now();
        match self
            .write(&register::commit(&self.token, &done, &self.claimed, now))
            .await
        {
            Ok(Written::Done { .. }) => {
                self.log_applied(now);
                Verdict::Applied
            }
            Ok(Written::Refused { current }) => {
                self.after_refused_commit(current, &done, now).await
            }
            Err(verdict) => verdict,
        }
    }

    /// The time from the change's staging to its commit is the latency that R11 asks for.
    fn log_applied(&self, now: UnixMs) {
        let latency = self
            .claimed
            .dirty_since
            .map(|since| now.since(since).as_millis());
        tracing::info!(
            flow = %self.job.runtime.flow.id(),
            key = self.job.key.as_str(),
            tier = self.claimed.tier.as_str(),
            latency_ms = latency.and_then(|ms| u64::try_from(ms).ok()),
            "applied"
        );
    }

    /// Newer content arrived during the call, the claim was taken over, or the answer of a commit
    /// that happened was lost.
    async fn after_refused_commit(
        &self,
        current: Option<tidegate_model::item::Item>,
        done: &Committed,
        now: UnixMs,
    ) -> Verdict {
        let current = current
            .as_ref()
            .and_then(|item| Register::read(item).ok().flatten());
        let mine = current.as_ref().is_some_and(|register| {
            register
                .claim
                .as_ref()
                .is_some_and(|claim| claim.token == self.token)
        });
        if !mine {
            return Verdict::Nothing("the claim was taken over, or the commit was done already");
        }
        let tier = current.map_or(self.claimed.tier, |register| register.tier);
        match self
            .write(&register::commit_part(
                &self.token,
                done,
                &self.claimed,
                now,
            ))
            .await
        {
            Ok(Written::Done { .. }) => self.send_again(tier).await,
            Ok(Written::Refused { .. }) => Verdict::Nothing("the claim was taken over"),
            Err(verdict) => verdict,
        }
    }

    /// Newer content waits: a message for it, before this one is deleted.
    async fn send_again(&self, tier: Tier) -> Verdict {
        let flow = self.job.runtime.flow.id().clone();
        let message = Message::new(flow, vec![self.job.key.clone()], tier, self.engine.now());
        match self
            .engine
            .ports
            .queue
            .send(vec![Outgoing {
                message,
                delay: Duration::ZERO,
            }])
            .await
        {
            Ok(()) => Verdict::Applied,
            Err(error) => Verdict::Leave(crate::chain(&error)),
        }
    }

    async fn review(&self, cause: ReviewCause, failure: Option<&Failure>) -> Verdict {
        let flow = self.job.runtime.flow.id();
        let kind = cause.kind;
        match self
            .write(&register::to_review(
                &self.token,
                flow,
                &cause,
                failure,
                &self.claimed,
            ))
            .await
        {
            Ok(Written::Done { .. }) => {
                tracing::warn!(
                    flow = %flow,
                    key = self.job.key.as_str(),
                    field = cause.field,
                    reason = cause.reason,
                    kind = kind.as_str(),
                    "in review"
                );
                Verdict::Review(kind)
            }
            // Newer content came, or the claim was lost: what was judged is not what is desired.
            Ok(Written::Refused { .. }) => match failure {
                Some(failure) => self.write_failure(failure, Duration::from_secs(1), 1).await,
                None => self.release(self.engine.now(), Wait::NewerContent).await,
            },
            Err(verdict) => verdict,
        }
    }

    async fn release(&self, until: UnixMs, why: Wait) -> Verdict {
        match self
            .write(&register::release(&self.token, &self.claimed))
            .await
        {
            Ok(_) => Verdict::Defer { until, why },
            Err(verdict) => verdict,
        }
    }

    async fn write_failure(&self, failure: &Failure, after: Duration, attempt: u32) -> Verdict {
        match self
            .write(&register::fail(&self.token, failure, &self.claimed))
            .await
        {
            Ok(Written::Done { .. }) => Verdict::Retry { after, attempt },
            Ok(Written::Refused { .. }) => Verdict::Nothing("the claim was taken over"),
            Err(verdict) => verdict,
        }
    }

    async fn failed(self, error: CallError) -> Verdict {
        let runtime = self.job.runtime;
        match error {
            CallError::Deferred { until, why } => self.release(until, why).await,
            CallError::Throttled { until } => self.release(until, Wait::Provider).await,
            // Nothing was sent under this claim, so it is given up for another try.
            CallError::Lapsed => self.release(self.engine.now(), Wait::Claim).await,
            CallError::Store(why) => match self.release(self.engine.now(), Wait::Store).await {
                Verdict::Defer { .. } => Verdict::Leave(why),
                verdict => verdict,
            },
            CallError::Blocked { reason } => {
                let stopped = self
                    .engine
                    .stop_flow(runtime, Side::Target, &reason, self.began)
                    .await;
                let again = self.engine.now() + AFTER_REFUSED_CHECK;
                match self.release(again, Wait::Stopped).await {
                    Verdict::Defer { .. } if stopped => Verdict::Parked,
                    verdict => verdict,
                }
            }
            CallError::Refused { reason, field } => {
                let now = self.engine.now();
                let failure = Failure {
                    outcome: Outcome::Known,
                    attempt: Some(self.claimed.attempts_epoch),
                    next_attempt: now,
                    reason: reason.clone(),
                    started: now,
                };
                let cause = ReviewCause {
                    kind: ReviewKind::Refused,
                    field,
                    reason,
                    since: now,
                };
                self.review(cause, Some(&failure)).await
            }
            CallError::Failed {
                reason,
                started,
                may_have_effect,
                attempt,
            } => {
                self.attempt_failed(reason, started, may_have_effect, attempt)
                    .await
            }
        }
    }

    async fn attempt_failed(
        &self,
        reason: String,
        started: UnixMs,
        may_have_effect: bool,
        attempt: Option<u64>,
    ) -> Verdict {
        let (timeout, settle) = call_times(self.job.runtime);
        let outcome = if may_have_effect {
            Outcome::Unknown {
                quiet_until: started + timeout + settle,
            }
        } else {
            Outcome::Known
        };
        let now = self.engine.now();
        let steps = self.job.runtime.flow.retry_steps();
        let attempts = attempt.map_or(0, |epoch| self.claimed.attempts_in(epoch) + 1);
        let first_step = steps.first().copied().unwrap_or(PREPARE);
        let (after, spent) = match plan::after_failure(attempts, steps) {
            // Nobody's attempt: the system is down, and the breaker's end is soon enough.
            _ if attempt.is_none() => (first_step, false),
            AfterFailure::Retry(after) => (after, false),
            AfterFailure::Review => (first_step, true),
        };
        let failure = Failure {
            outcome,
            attempt,
            next_attempt: now + after,
            reason: reason.clone(),
            started,
        };
        tracing::warn!(
            flow = %self.job.runtime.flow.id(),
            key = self.job.key.as_str(),
            attempt = attempts,
            reason,
            "attempt failed"
        );
        if spent {
            let cause = ReviewCause {
                kind: ReviewKind::RetriesSpent,
                field: None,
                reason,
                since: now,
            };
            return self.review(cause, Some(&failure)).await;
        }
        match self.write_failure(&failure, after, attempts).await {
            // Nobody's attempt costs no receive either (TRY-1): a delayed copy waits instead.
            Verdict::Retry { .. } if attempt.is_none() => Verdict::Defer {
                until: now + after,
                why: Wait::Breaker,
            },
            verdict => verdict,
        }
    }
}

/// What acting came to.
enum Acted {
    Landed(Landed, UnixMs),
    Review(ReviewKind, String),
    Lost,
}
