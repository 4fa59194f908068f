//! Reading one record from its source and staging it: for hints and force syncs.
//!
//! A fetch waits for its source as an applied record waits for its target: in one queue, by turns
//! (LIM-4). A wake that finds no permit writes nothing but its turn. A hint whose record was staged
//! by a fetch that began after the hint came is not read again: the numbers of reads tell.

mod ask;
mod begin;

use std::time::Duration;

use rand::RngExt;
use tidegate_model::{
    Content, Fetch, Message, RecordKey, SourceVersion, Tier, Turn, UnixMs, Version,
    flow::{CallWindow, Rate},
    item::Item,
};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow_state::{FlowState, Side},
    keys,
    limiter::{LEAD, Limit},
    reconcile,
    register::{Register, ReviewKind},
    run::{self, Lease},
    stage::{Incoming, Origin},
};

use crate::{
    Engine, EngineError, FlowRuntime,
    apply::Verdict,
    budget::Budget,
    ports::{CallError, Wait},
    session::{Scope, Session},
    staging::Reader,
    worker::{Asked, place_of},
};
use ask::was_read_after;
use begin::Reading;

/// How long a read may wait for a permit of its source within a function, or for another's read.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Seconds after another's read, at random between these.
const AFTER_ANOTHER_READ_S: std::ops::RangeInclusive<u64> = 1..=15;
/// How long to wait after a read that failed. The record itself has made no attempt.
const AFTER_FAILED_READ: Duration = Duration::from_secs(60);
/// What the token of a fetch begins with, so that a register tells whether a fetch staged it.
const BY_FETCH: &str = "fetch ";

/// What came of a fetch.
pub(crate) enum Fetched {
    /// It is staged as a read saw it that began after the message was sent.
    Staged {
        /// As far as its register tells, another message is on its way to apply it.
        repeats: bool,
    },
    /// It could not be read now; the turn is at the source's budget.
    Not(Verdict, Option<Turn>),
}

/// Stands where a budget is named of which nothing is taken.
const UNCALLED: Rate = Rate::Window(CallWindow { calls: 1, per_s: 1 });

/// What a fetch looks at before it takes anything.
struct Seen {
    register: Option<Register>,
    breaker: Breaker,
    lease: Lease,
}

/// The read of one record.
struct OneRead<'a> {
    key: &'a RecordKey,
    why: Option<Fetch>,
    /// Its register before the read.
    before: Option<Register>,
    /// The source's breaker was closed: who fails alone is at fault itself.
    healthy: bool,
    /// The queue that its message came by, and when its handling began, for the log.
    tier: Tier,
    began: UnixMs,
}

/// The budget of a flow's source. All its work shares one; of files no permit is asked for.
pub(crate) fn source_budget(runtime: &FlowRuntime) -> Budget {
    let source = &runtime.flow.file().source;
    let limit = source.rest().map_or(UNCALLED, |source| source.limit);
    Budget {
        endpoint: source.name().clone(),
        tier: Tier::Batch,
        limit: Limit::of_source(limit),
    }
}

impl FlowRuntime {
    /// That the source no longer has a record. A deletion has no version of its own: it follows the
    /// newest that was seen.
    pub(crate) fn deletion(
        &self,
        key: &RecordKey,
        seen: Option<&Register>,
        reader: &Reader,
        now: UnixMs,
    ) -> Incoming {
        let source = seen.map_or(SourceVersion(0), |register| register.desired.version.source);
        let version = Version {
            source,
            revision: self.flow.revision(),
            read: reader.read,
        };
        self.change(key, version, Content::Deleted, reader, now)
    }
}

impl Engine {
    /// A session for reads of a flow's source.
    pub(crate) fn source_session<'a>(
        &'a self,
        runtime: &'a FlowRuntime,
        key: Option<&'a RecordKey>,
        checking: bool,
    ) -> Session<'a> {
        let scope = self.source_scope(runtime, key, checking);
        Session::new(self, scope, Vec::new())
    }

    pub(crate) fn source_scope<'a>(
        &self,
        runtime: &'a FlowRuntime,
        key: Option<&'a RecordKey>,
        checking: bool,
    ) -> Scope<'a> {
        let source = runtime.flow.file().source.rest();
        Scope {
            runtime,
            side: Side::Source,
            budget: source_budget(runtime),
            breaker: runtime.source_breaker,
            errors: source.map_or(&[], |source| source.errors.as_slice()),
            settle: Duration::ZERO,
            key,
            attempt: None,
            patience: self.now() + READ_PATIENCE,
            claim_until: None,
            checking,
            hurry: None,
        }
    }

    /// Reads a record and stages it, unless a younger read than its message has.
    pub(crate) async fn fetch(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        message: &Message,
        state: &FlowState,
    ) -> Result<Fetched, EngineError> {
        let budget = source_budget(runtime);
        let seen = self.look_at_source(runtime, key, &budget).await?;
        let now = self.now();
        if was_read_after(runtime, seen.register.as_ref(), message) {
            tracing::info!(flow = %runtime.flow.id(), key = key.as_str(), tier = message.tier.as_str(), request_id = self.request(), "fetched since");
            self.leave_turn(&budget, message.turn).await?;
            return Ok(Fetched::Staged { repeats: true });
        }
        if let Some(verdict) = self.not_now(runtime, &seen, now) {
            self.leave_turn(&budget, message.turn).await?;
            return Ok(Fetched::Not(verdict, None));
        }
        let lock = self.grant_lock(&keys::lease(runtime.flow.id()));
        let _turn = if runtime.is_ordered_by_lease() {
            let Some(turn) = self.turn_at_lease(&lock).await else {
                self.leave_turn(&budget, message.turn).await?;
                return Ok(Fetched::Not(self.after_another_read(self.now()), None));
            };
            Some(turn)
        } else {
            None
        };
        let asked = self
            .permits_or_turn(&budget, &[1], place_of(message), false)
            .await?;
        if asked.permits.is_empty() {
            let why = asked.turn.map_or(Wait::Permit, |_| Wait::Turn);
            let until = asked.rest_at;
            return Ok(Fetched::Not(Verdict::Defer { until, why }, asked.turn));
        }
        let one = OneRead {
            key,
            why: message.fetch,
            before: seen.register,
            healthy: matches!(seen.breaker.gate(now), Gate::Closed { .. }),
            tier: message.tier,
            began: now,
        };
        self.read_and_stage(runtime, &one, state, asked).await
    }

    async fn look_at_source(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        budget: &Budget,
    ) -> Result<Seen, EngineError> {
        let flow = runtime.flow.id();
        let ids = [
            keys::register(flow, key),
            keys::breaker(&budget.endpoint),
            keys::lease(flow),
        ];
        let mut items = self.ports.store.get(&ids).await?.into_iter();
        let mut next = || items.next().flatten();
        let register = |item: Option<Item>| item.as_ref().map_or(Ok(None), Register::read);
        Ok(Seen {
            register: register(next())?,
            breaker: Breaker::read(next().as_ref()),
            lease: Lease::read(next().as_ref()),
        })
    }

    /// Why the source is not read now, so that no permit is asked for.
    fn not_now(&self, runtime: &FlowRuntime, seen: &Seen, now: UnixMs) -> Option<Verdict> {
        match seen.breaker.gate(now) {
            Gate::Closed { .. } | Gate::HalfOpen => {}
            Gate::Open { until } | Gate::Held { until } | Gate::Probing { until } => {
                return Some(Verdict::Defer {
                    until,
                    why: Wait::Source,
                });
            }
        }
        if !runtime.is_ordered_by_lease() {
            return None;
        }
        let until = runtime.held_for_long(&seen.lease, now)?;
        Some(self.after_another_read(until))
    }

    /// Gives up the turn of a fetch that waits for something else, or has no need of it.
    pub(crate) async fn leave_turn(
        &self,
        budget: &Budget,
        turn: Option<Turn>,
    ) -> Result<(), EngineError> {
        if let Some(turn) = turn {
            self.leave_queue(budget, turn.calls).await?;
        }
        Ok(())
    }

    async fn read_and_stage(
        &self,
        runtime: &FlowRuntime,
        one: &OneRead<'_>,
        state: &FlowState,
        asked: Asked,
    ) -> Result<Fetched, EngineError> {
        let key = one.key;
        // A permit is for a moment; nobody need wait for this read before.
        if let Some(first) = asked.permits.first() {
            self.ports.clock.wait_until(first.from() - LEAD).await;
        }
        let token = self.token();
        let Reading {
            number,
            lease_until,
        } = match self.begin_reading(runtime, &token).await? {
            Ok(reading) => reading,
            Err(held_until) => {
                let budget = source_budget(runtime);
                self.give_back(&budget, &asked.permits).await;
                return Ok(Fetched::Not(self.after_another_read(held_until), None));
            }
        };
        let reader = Reader {
            origin: match one.why {
                Some(Fetch::Forced) => Origin::ForceSync,
                Some(Fetch::Hint) | None => Origin::Push,
            },
            by: format!("{BY_FETCH}{token}"),
            read: number,
        };
        let began = self.now();
        let scope = Scope {
            // No read begins that might outlast the lease: reads of one flow never overlap.
            claim_until: lease_until,
            ..self.source_scope(runtime, Some(key), state.checking)
        };
        let mut session = Session::new(self, scope, asked.permits);
        let row = runtime.source.fetch(&mut session, key).await;
        session.end().await;
        let result = match row {
            Ok(row) => self.stage_fetched(runtime, one, row, &reader).await,
            Err(error) => {
                let verdict = self.read_failed(runtime, one, error, began).await;
                Ok(Fetched::Not(verdict, None))
            }
        };
        if lease_until.is_some() {
            let lease = keys::lease(runtime.flow.id());
            self.write(&lease, &run::release_fetch(&token)).await?;
        }
        result
    }

    /// Waits until another's read is over, and a while at random: all that wait for one lease would
    /// come back at once, and all but one in vain.
    fn after_another_read(&self, over: UnixMs) -> Verdict {
        let apart = Duration::from_secs(self.dice().random_range(AFTER_ANOTHER_READ_S));
        Verdict::Defer {
            until: over + apart,
            why: Wait::Source,
        }
    }

    async fn stage_fetched(
        &self,
        runtime: &FlowRuntime,
        one: &OneRead<'_>,
        row: Option<serde_json::Value>,
        reader: &Reader,
    ) -> Result<Fetched, EngineError> {
        let (key, now) = (one.key, self.now());
        let seen = self
            .registers(runtime, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        let is_nowhere = row.is_none() && seen.is_none();
        let incoming = if let Some(row) = row {
            match runtime.incoming(&row, reader, 0, now) {
                Ok((_, incoming, _)) => incoming,
                Err(error) => {
                    let reason = crate::chain(&error);
                    let verdict = self.bad_row(runtime, one, reason, &row).await?;
                    return Ok(Fetched::Not(verdict, None));
                }
            }
        } else {
            // What was pushed since the read began is newer than the answer that there is nothing.
            runtime.deletion(key, one.before.as_ref(), reader, now)
        };
        let flow = runtime.flow.id();
        // Somebody wants the target to hold what the source shows, and is asked once more. What came since
        // the read began is newer than its answer, however late that is staged.
        let put_back = seen
            .as_ref()
            .filter(|_| one.why == Some(Fetch::Forced))
            .filter(|seen| reconcile::is_put_back(seen, &incoming, one.began))
            .and_then(|seen| runtime.put_back(seen, incoming.clone(), now));
        let incoming = put_back.unwrap_or(incoming);
        let result = self.stage(runtime, key, &incoming, seen).await?;
        if is_nowhere {
            tracing::warn!(flow = %flow, key = key.as_str(), tier = one.tier.as_str(), request_id = self.request(), took_ms = self.ms_since(one.began), "not found at source, and not known here: nothing is staged");
        } else {
            let outcome = result.staged.as_str();
            tracing::info!(flow = %flow, key = key.as_str(), tier = one.tier.as_str(), request_id = self.request(), outcome, took_ms = self.ms_since(one.began), "fetched");
        }
        Ok(Fetched::Staged {
            repeats: result.repeats,
        })
    }

    /// A fetched row that is no record needs a person, like one of a page.
    async fn bad_row(
        &self,
        runtime: &FlowRuntime,
        one: &OneRead<'_>,
        reason: String,
        row: &serde_json::Value,
    ) -> Result<Verdict, EngineError> {
        let flow = runtime.flow.id();
        let key = one.key;
        tracing::error!(flow = %flow, key = key.as_str(), tier = one.tier.as_str(), request_id = self.request(), reason, took_ms = self.ms_since(one.began), "row rejected");
        let is_asked_for = one.why == Some(Fetch::Forced);
        self.keep_row(flow, row, reason, is_asked_for).await?;
        Ok(Verdict::Nothing("the fetched row was rejected"))
    }

    /// A record that could not be read for so long needs a person.
    pub(crate) async fn give_up_fetch(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
    ) -> Result<Verdict, EngineError> {
        let flow = runtime.flow.id();
        let reason = format!("{key} could not be read from the source for a day");
        tracing::error!(flow = %flow, key = key.as_str(), request_id = self.request(), reason, "fetch given up");
        self.keep_orphan(flow, key.as_str(), ReviewKind::DeadLetter, reason, "")
            .await?;
        Ok(Verdict::Nothing("it could not be read for a day"))
    }

    /// A failed read is not an attempt of the record: nothing was sent to the target.
    async fn read_failed(
        &self,
        runtime: &FlowRuntime,
        one: &OneRead<'_>,
        error: CallError,
        began: UnixMs,
    ) -> Verdict {
        match error {
            // Its turn came, and its permit too late: it comes first.
            CallError::Deferred {
                until,
                why: Wait::Permit,
            } => Verdict::Defer {
                until,
                why: Wait::Permit,
            },
            CallError::Deferred { until, .. } | CallError::Throttled { until } => Verdict::Defer {
                until,
                why: Wait::Source,
            },
            CallError::Blocked { reason } => {
                self.stop_flow(runtime, Side::Source, &reason, began).await;
                Verdict::Defer {
                    until: self.now() + AFTER_FAILED_READ,
                    why: Wait::Source,
                }
            }
            CallError::Refused { reason, .. }
            | CallError::Gone { reason }
            | CallError::Failed { reason, .. } => {
                tracing::warn!(flow = %runtime.flow.id(), key = one.key.as_str(), tier = one.tier.as_str(), request_id = self.request(), reason, took_ms = self.ms_since(one.began), "a record could not be read");
                Verdict::Defer {
                    until: self.now() + AFTER_FAILED_READ,
                    why: if one.healthy {
                        Wait::FailedRead
                    } else {
                        Wait::Source
                    },
                }
            }
            CallError::Lapsed => Verdict::Leave("the lease ended".to_owned()),
            CallError::Store(why) => Verdict::Leave(why),
        }
    }
}
