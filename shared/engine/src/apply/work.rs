//! A claimed record at work: what is called for it, and what its success writes.

use tidegate_model::{
    ClaimToken, Content, ContentHash, Fields, Message, Tier, UnixMs, flow::Deletion, item::Update,
};
use tidegate_policy::{
    flow_state::Side,
    keys,
    limiter::{HORIZON, Permit},
    plan::{self, Step},
    register::{self, Committed, Register, ReviewCause, ReviewKind},
};

use super::{Job, PREPARE, Verdict, call_times};
use crate::{
    Engine, Event,
    ports::{CallError, Found, Landed, Write, Written},
    session::{Scope, Session},
};

/// A claimed record at work.
pub(super) struct Work<'a> {
    pub(super) engine: &'a Engine,
    pub(super) job: &'a Job<'a>,
    pub(super) token: ClaimToken,
    pub(super) claimed: Register,
    pub(super) claim_until: UnixMs,
    pub(super) began: UnixMs,
}

impl Work<'_> {
    pub(super) async fn run(self, permits: Vec<Permit>) -> Verdict {
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
        let started = self.engine.now();
        let result = self.act(step, &mut session).await;
        session.end().await;
        match result {
            Ok(Acted::Landed(landed)) => self.commit(landed, started).await,
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
        let (_, settle) = call_times(runtime);
        let now = self.engine.now();
        let last = permits.last().map_or(now, |permit| permit.from()).max(now);
        let scope = Scope {
            runtime,
            side: Side::Target,
            budget: self.job.budget.clone(),
            breaker: runtime.target_breaker,
            errors: runtime.target.errors(),
            settle,
            key: Some(self.job.key),
            attempt: Some(self.job.attempt),
            // A slot farther away than a first one may be reserved is waited for in the queue. That
            // the claim lasts until then is asked before each call.
            patience: last + HORIZON + PREPARE / 2,
            claim_until: Some(self.claim_until),
            checking: self.job.checking,
            hurry: None,
        };
        Session::new(self.engine, scope, permits)
    }

    async fn act(&self, step: Step, session: &mut Session<'_>) -> Result<Acted, CallError> {
        let target = &self.job.runtime.target;
        let id = self.claimed.target_id.as_deref();
        let landed = match &step {
            Step::Skip | Step::Keep => Landed::default(),
            Step::Create(fields) => target.create(session, self.body(fields, id)).await?,
            Step::Update(fields) => match target.update(session, self.body(fields, id)).await {
                // An earlier call's outcome is open: it may have been the record's deletion, and the
                // record is desired again.
                Err(CallError::Gone { .. }) if !self.is_only_call() => {
                    let search = target.search_value(self.job.key, fields);
                    let forget = register::forget(&self.token, search.as_deref());
                    if !self.still_mine(&forget).await? {
                        return Ok(Acted::Lost);
                    }
                    let mut body = self.body(fields, None);
                    body.idempotency_key = self.token.as_str();
                    target.create(session, body).await?
                }
                landed => landed?,
            },
            Step::CreateAgain(fields) => {
                let made = target.create(session, self.body(fields, id)).await?;
                match made.target_id {
                    Some(found) => return self.adopt(session, found, fields).await,
                    None => made,
                }
            }
            Step::Remove(how) => target.remove(session, *how, self.job.key, id).await?,
            Step::Review { kind, reason } => return Ok(Acted::Review(*kind, (*reason).to_owned())),
            Step::LookUp { search, fields } => return self.look_up(session, search, fields).await,
        };
        Ok(Acted::Landed(landed))
    }

    /// Finds what an earlier create may have made, and updates it; creates what is not there (EFF-2).
    async fn look_up(
        &self,
        session: &mut Session<'_>,
        search: &str,
        fields: &Fields,
    ) -> Result<Acted, CallError> {
        let target = &self.job.runtime.target;
        match target.find(session, search).await? {
            Found::One(found) => self.adopt(session, found, fields).await,
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
                let body = self.body(fields, None);
                Ok(Acted::Landed(target.create(session, body).await?))
            }
            Found::Many(count) => Ok(Acted::Review(
                ReviewKind::Ambiguous,
                format!("the target has {count} records that bear its mark"),
            )),
        }
    }

    /// Updates a record that was found to stand there.
    async fn adopt(
        &self,
        session: &mut Session<'_>,
        found: String,
        fields: &Fields,
    ) -> Result<Acted, CallError> {
        // Stored before it is written to, or a crash here could create it twice.
        if !self
            .still_mine(&register::adopt(&self.token, &found))
            .await?
        {
            return Ok(Acted::Lost);
        }
        let body = self.body(fields, Some(&found));
        let mut landed = self.job.runtime.target.update(session, body).await?;
        landed.target_id.get_or_insert(found);
        Ok(Acted::Landed(landed))
    }

    /// No call of an earlier claim can still take effect.
    fn is_only_call(&self) -> bool {
        self.claimed.unknown.as_ref() == Some(&self.token)
    }

    fn body<'b>(&'b self, fields: &'b Fields, target_id: Option<&'b str>) -> Write<'b> {
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

    pub(super) async fn write(&self, update: &Update) -> Result<Written, Verdict> {
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
                self.note_applied(&done, now);
                Verdict::Applied
            }
            Ok(Written::Refused { current }) => {
                self.after_refused_commit(current, &done, now).await
            }
            Err(verdict) => verdict,
        }
    }

    /// The time from the oldest change's staging to its commit is the latency that R11 asks for.
    fn latency_ms(&self, now: UnixMs) -> Option<u64> {
        let waited = self.claimed.pending_since.map(|since| now.since(since));
        waited.and_then(|time| u64::try_from(time.as_millis()).ok())
    }

    fn log_applied(&self, now: UnixMs) {
        let flow = self.job.runtime.flow.id();
        let (tier, latency_ms) = (self.claimed.tier, self.latency_ms(now));
        self.engine.measure_applied(flow.as_str(), tier, latency_ms);
        tracing::info!(
            flow = %flow,
            key = self.job.key.as_str(),
            tier = tier.as_str(),
            attempt = self.job.attempt,
            run = self.engine.run_id(),
            request_id = self.engine.request(),
            took_ms = self.engine.ms_since(self.began),
            latency_ms,
            "applied"
        );
    }

    /// Tells that the target holds what is desired, where the flow file asks for it.
    fn note_applied(&self, done: &Committed, now: UnixMs) {
        let flow = &self.job.runtime.flow;
        if flow.file().events.applied {
            self.engine.note(Event::RecordApplied {
                flow: flow.id().clone(),
                key: self.job.key.clone(),
                tier: self.claimed.tier,
                version: done.version.to_string(),
                hash: done.hash.clone(),
                target_id: done
                    .target_id
                    .clone()
                    .or_else(|| self.claimed.target_id.clone()),
                deleted: self.claimed.desired.content == Content::Deleted,
                at_ms: now,
                latency_ms: self.latency_ms(now),
            });
        }
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
            Ok(Written::Done { .. }) => {
                self.log_applied(now);
                self.send_again(tier).await
            }
            Ok(Written::Refused { .. }) => Verdict::Nothing("the claim was taken over"),
            Err(verdict) => verdict,
        }
    }

    /// Newer content waits: a message for it, before this one is deleted.
    async fn send_again(&self, tier: Tier) -> Verdict {
        let flow = self.job.runtime.flow.id().clone();
        let message = Message::new(flow, vec![self.job.key.clone()], tier, self.engine.now())
            // Whoever staged the newer content sends one too, unless it died between.
            .repeating(true);
        match self.engine.send_one(message).await {
            Ok(()) => Verdict::Applied,
            Err(error) => Verdict::Leave(crate::chain(&error)),
        }
    }
}

/// What acting came to.
enum Acted {
    Landed(Landed),
    Review(ReviewKind, String),
    Lost,
}
