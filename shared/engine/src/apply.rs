//! Apply: the one way in which a record reaches the target, whoever asked for it.
//!
//! Claim, call, commit. EFF-1: no call starts unless its time-out plus D ends before the claim
//! does. EFF-2: the claim stored the search value; whoever finds an older one looks up before it
//! creates. TRY-1: deferrals spend nothing.

mod failure;
mod work;

use std::time::Duration;

use tidegate_model::{ClaimToken, RecordKey, UnixMs};
use tidegate_policy::{
    flow_state::{self, Blocker, BlockerCause, Side},
    keys,
    limiter::Permit,
    register::{self, CLOCK_SKEW, Register, ReviewKind},
};

use crate::{
    Engine, EngineError, Event, FlowRuntime,
    budget::Budget,
    ports::{Wait, Written},
};
use work::Work;

/// P: time to prepare a call, waiting for further permits included.
const PREPARE: Duration = Duration::from_secs(10);
/// Wait of a record whose refusal a person's check has overtaken.
const AFTER_REFUSED_CHECK: Duration = Duration::from_secs(5);

/// A new release is taken up by all functions within so long of the first, where a part of them tries
/// it for five minutes. What it staged after that was left by one that was taken back.
const ROLLOUT: Duration = Duration::from_secs(900);
/// Wait for a function of the newer release.
const FOR_NEWER_RELEASE: Duration = Duration::from_secs(60);

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
    /// The number of this attempt, for the log.
    pub attempt: u32,
}

impl Engine {
    /// Applies one record.
    pub(crate) async fn apply(&self, mut job: Job<'_>) -> Verdict {
        let permits = std::mem::take(&mut job.permits);
        let token = self.token();
        match self.claim(&job, &token, &permits).await {
            Ok(Ok((claimed, claim_until))) => {
                if let Some(verdict) = is_of_newer_release(job.runtime, &claimed, self.now()) {
                    self.give_back(job.budget, &permits).await;
                    let id = keys::register(job.runtime.flow.id(), job.key);
                    let released = self.write(&id, &register::release(&token, &claimed)).await;
                    return released
                        .map_or_else(|error| Verdict::Leave(crate::chain(&error)), |_| verdict);
                }
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
            cause: BlockerCause::Refusal,
            reason: reason.to_owned(),
            since: self.now(),
        };
        self.block(runtime, &blocker, began).await
    }

    /// The same with the blocker as it is.
    pub(crate) async fn block(
        &self,
        runtime: &FlowRuntime,
        blocker: &Blocker,
        began: UnixMs,
    ) -> bool {
        let Blocker { side, reason, .. } = blocker;
        let flow = runtime.flow.id();
        match self
            .write(&keys::flow_state(flow), &flow_state::block(blocker, began))
            .await
        {
            Ok(Written::Refused { .. }) => return false,
            Ok(Written::Done { .. }) => {}
            Err(error) => {
                tracing::error!(flow = %flow, run = self.run_id(), request_id = self.request(), error = %crate::chain(&error), "the blocker was not stored");
                return false;
            }
        }
        tracing::error!(flow = %flow, side = side.as_str(), run = self.run_id(), request_id = self.request(), reason, "flow blocked");
        self.tell(Event::FlowBlocked {
            flow: flow.clone(),
            side: *side,
            reason: reason.clone(),
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

/// What a newer revision of the flow has staged is left to a function that has it: sent as this one
/// maps it, it would be taken for what the newer one sends.
pub(crate) fn is_of_newer_release(
    runtime: &FlowRuntime,
    register: &Register,
    now: UnixMs,
) -> Option<Verdict> {
    let is_newer = register.desired.version.revision > runtime.flow.revision();
    let since = register.dirty_since.filter(|_| is_newer)?;
    (now < since + ROLLOUT).then(|| Verdict::Defer {
        until: now + FOR_NEWER_RELEASE,
        why: Wait::NewerRevision,
    })
}

/// T and D of a flow's target.
fn call_times(runtime: &FlowRuntime) -> (Duration, Duration) {
    let target = &runtime.flow.file().target;
    (
        Duration::from_secs(target.timeout_s().into()),
        Duration::from_secs(target.settle_s().into()),
    )
}
