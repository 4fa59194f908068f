//! What a record's failure writes: a release, an attempt, a review (TRY-1).

use std::time::Duration;

use tidegate_model::{UnixMs, item::Update};
use tidegate_policy::{
    breaker::Breaker,
    flow_state::Side,
    keys,
    plan::{self, AfterFailure},
    register::{self, Failure, Outcome, Register, ReviewCause, ReviewKind},
};

use super::{AFTER_REFUSED_CHECK, PREPARE, Verdict, call_times, not_claimable, work::Work};
use crate::ports::{CallError, Wait, Written};

impl Work<'_> {
    pub(super) async fn review(&self, cause: ReviewCause, failure: Option<&Failure>) -> Verdict {
        let flow = self.job.runtime.flow.id();
        let write = register::to_review(&self.token, flow, &cause, failure, &self.claimed);
        self.write_review(&write, cause, failure).await
    }

    /// What a refusal leaves: its cause for a person, and the call that was answered.
    fn refusal(&self, reason: String, field: Option<String>) -> (ReviewCause, Failure) {
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
        (cause, failure)
    }

    async fn write_review(
        &self,
        write: &Update,
        cause: ReviewCause,
        failure: Option<&Failure>,
    ) -> Verdict {
        let flow = self.job.runtime.flow.id();
        let kind = cause.kind;
        match self.write(write).await {
            Ok(Written::Done { .. }) => {
                tracing::warn!(
                    flow = %flow,
                    key = self.job.key.as_str(),
                    tier = self.claimed.tier.as_str(),
                    attempt = self.job.attempt,
                    run = self.engine.run_id(),
                    request_id = self.engine.request(),
                    field = cause.field,
                    reason = cause.reason,
                    kind = kind.as_str(),
                    took_ms = self.engine.ms_since(self.began),
                    "in review"
                );
                self.engine.note_review(flow, self.job.key, &cause);
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
            // The claim was taken over, or the answer of this write's first try was lost: then nobody
            // else has a message for it (QUE-2).
            Ok(Written::Refused { current }) => {
                let current = current.as_ref().map(Register::read);
                match current {
                    Some(Ok(Some(register))) => not_claimable(&register),
                    _ => Verdict::Nothing("the claim was taken over"),
                }
            }
            Err(verdict) => verdict,
        }
    }

    pub(super) async fn failed(self, error: CallError) -> Verdict {
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
                let (cause, failure) = self.refusal(reason, field);
                self.review(cause, Some(&failure)).await
            }
            CallError::Gone { reason } => {
                let (cause, failure) = self.refusal(reason, None);
                let flow = runtime.flow.id();
                let write =
                    register::gone_to_review(&self.token, flow, &cause, &failure, &self.claimed);
                self.write_review(&write, cause, Some(&failure)).await
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

    /// The target's breaker. One that can not be read is as good as closed: what follows is the
    /// longer wait.
    async fn breaker(&self) -> Breaker {
        let key = keys::breaker(&self.job.budget.endpoint);
        let item = self.engine.read(&key).await.unwrap_or_default();
        Breaker::read(item.as_ref())
    }

    /// Whether the target was well between the first of so many attempts and the last: another
    /// call succeeded. Where none did, the target may be away with nobody else to notice (TRY-1).
    async fn is_its_own_fault(&self, attempts: u32, last: UnixMs) -> bool {
        let before = usize::try_from(attempts)
            .unwrap_or(usize::MAX)
            .saturating_sub(1);
        let history = &self.claimed.history;
        let first = history.get(history.len().saturating_sub(before)..);
        let first = first.and_then(<[_]>::first).map_or(last, |note| note.at);
        self.breaker().await.succeeded_since(first)
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
        let last_step = steps.last().copied().unwrap_or(PREPARE);
        let own_fault = self.is_its_own_fault(attempts, started);
        let (after, waits_for, spent) = match plan::after_failure(attempts, steps) {
            // Nobody's attempt: the system is down, and the breaker's end is soon enough.
            _ if attempt.is_none() => (first_step, Some(Wait::Breaker), false),
            AfterFailure::Retry(after) => (after, None, false),
            AfterFailure::Review if own_fault.await => (first_step, None, true),
            AfterFailure::Review => (last_step, Some(Wait::AnotherSuccess), false),
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
            tier = self.claimed.tier.as_str(),
            attempt = attempts,
            run = self.engine.run_id(),
            request_id = self.engine.request(),
            reason,
            took_ms = self.engine.ms_since(self.began),
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
            // In an outage tick queues who probes next.
            Verdict::Retry { .. } if attempt.is_none() && self.breaker().await.parks(now) => {
                Verdict::Parked
            }
            // What is not its fault costs no receive either, or it would end as a dead letter (TRY-1): a
            // delayed copy waits instead.
            Verdict::Retry { .. } if let Some(why) = waits_for => Verdict::Defer {
                until: now + after,
                why,
            },
            verdict => verdict,
        }
    }
}
