//! Reading one record from its source and staging it: for hints and force syncs.

use std::time::Duration;

use futures_util::{
    future::{Either, select},
    lock::{Mutex, MutexGuard},
};
use rand::RngExt;
use tidegate_model::{
    Content, Fetch, RecordKey, SourceVersion, Tier, UnixMs, Version,
    flow::{SourceSpec, VersionSpec},
};
use tidegate_policy::{
    flow_state::{FlowState, Side},
    keys,
    limiter::{HORIZON, Limit},
    register::{Register, ReviewKind},
    run::{self, Lease},
    stage::{Incoming, Origin},
};

use crate::{
    Engine, EngineError, FlowRuntime,
    apply::Verdict,
    batch::name_of,
    budget::Budget,
    ports::{CallError, Wait, Written},
    session::{Scope, Session},
    staging::Reader,
};

/// How long a read may wait for a permit of its source within a function.
const READ_PATIENCE: Duration = Duration::from_secs(5);
/// Seconds after another's read, at random between these.
const AFTER_ANOTHER_READ_S: std::ops::RangeInclusive<u64> = 1..=15;
/// How long to wait after a read that failed. The record itself has made no attempt.
const AFTER_FAILED_READ: Duration = Duration::from_secs(60);

/// The budget of a flow's source. All its work shares one.
pub(crate) fn source_budget(runtime: &FlowRuntime) -> Budget {
    let SourceSpec::Rest(rest) = &runtime.flow.file().source;
    Budget {
        endpoint: rest.name.clone(),
        tier: Tier::Batch,
        limit: Limit::of_source(rest.limit),
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
        let SourceSpec::Rest(rest) = &runtime.flow.file().source;
        let scope = Scope {
            runtime,
            side: Side::Source,
            budget: source_budget(runtime),
            breaker: runtime.source_breaker,
            errors: &rest.errors,
            settle: Duration::ZERO,
            key,
            patience: self.now() + READ_PATIENCE.max(HORIZON),
            claim_until: None,
            checking,
        };
        Session::new(self, scope, Vec::new())
    }

    /// Reads a record and stages it. `Some`: it could not be read now.
    pub(crate) async fn fetch(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        why: Fetch,
        state: &FlowState,
    ) -> Result<Option<Verdict>, EngineError> {
        let lease = keys::lease(runtime.flow.id());
        let ordered_by_lease = matches!(runtime.flow.file().record.version, VersionSpec::Read);
        let token = self.token();
        let turn = self.grant_lock(&lease);
        let _turn = if ordered_by_lease {
            let Some(turn) = self.turn_at_lease(&turn).await else {
                return Ok(Some(self.after_another_read(self.now())));
            };
            Some(turn)
        } else {
            None
        };
        let written = if ordered_by_lease {
            self.write(&lease, &run::take_for_fetch(&token, self.now()))
                .await?
        } else {
            self.write(&lease, &run::take_read_number()).await?
        };
        let lease_item = match written {
            Written::Done { after, .. } => Lease::read(Some(&after)),
            Written::Refused { current } => {
                let held = Lease::read(current.as_ref());
                let until = held.held_until(self.now()).filter(|_| !held.fetches);
                let verdict = self.after_another_read(until.unwrap_or(self.now()));
                return Ok(Some(verdict));
            }
        };
        let reader = Reader {
            origin: match why {
                Fetch::Forced => Origin::ForceSync,
                Fetch::Hint => Origin::Push,
            },
            by: token.to_string(),
            read: u64::try_from(lease_item.reads).unwrap_or(0),
        };
        let began = self.now();
        let mut session = self.source_session(runtime, Some(key), state.checking);
        let row = runtime.source.fetch(&mut session, key).await;
        session.end().await;
        let result = match row {
            Ok(row) => self.stage_fetched(runtime, key, row, &reader).await,
            Err(error) => Ok(Some(self.read_failed(runtime, error, began).await)),
        };
        if ordered_by_lease {
            self.write(&lease, &run::release_fetch(&token)).await?;
        }
        result
    }

    /// Fetches of one process take the lease one after another: it would only race with itself.
    /// `None` when that takes too long.
    async fn turn_at_lease<'a>(&self, lock: &'a Mutex<()>) -> Option<MutexGuard<'a, ()>> {
        let patience = self.ports.clock.wait_until(self.now() + READ_PATIENCE);
        match select(lock.lock(), patience).await {
            Either::Left((turn, _)) => Some(turn),
            Either::Right(_) => None,
        }
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
        key: &RecordKey,
        row: Option<serde_json::Value>,
        reader: &Reader,
    ) -> Result<Option<Verdict>, EngineError> {
        let now = self.now();
        let seen = self
            .registers(runtime, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        let incoming = if let Some(row) = row {
            match runtime.incoming(&row, reader, 0, now) {
                Ok((found, incoming, _)) if found == *key => incoming,
                Ok(_) => {
                    let reason = "the source answered with another record".to_owned();
                    return self.bad_row(runtime, key, reason, &row).await;
                }
                Err(error) => {
                    return self.bad_row(runtime, key, crate::chain(&error), &row).await;
                }
            }
        } else {
            runtime.deletion(key, seen.as_ref(), reader, now)
        };
        let result = self.stage(runtime, key, &incoming, seen).await?;
        tracing::info!(flow = %runtime.flow.id(), key = key.as_str(), outcome = ?result.staged, "fetched");
        Ok(None)
    }

    /// A fetched row that is no record needs a person, like one of a page.
    async fn bad_row(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        reason: String,
        row: &serde_json::Value,
    ) -> Result<Option<Verdict>, EngineError> {
        let flow = runtime.flow.id();
        tracing::error!(flow = %flow, key = key.as_str(), reason, "row rejected");
        self.keep_orphan(
            flow,
            &name_of(row),
            ReviewKind::Rejected,
            reason,
            &row.to_string(),
        )
        .await?;
        Ok(Some(Verdict::Nothing("the fetched row was rejected")))
    }

    /// A record that could not be read for so long needs a person.
    pub(crate) async fn give_up_fetch(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
    ) -> Result<Verdict, EngineError> {
        let flow = runtime.flow.id();
        let reason = format!("{key} could not be read from the source for a day");
        tracing::error!(flow = %flow, key = key.as_str(), reason, "fetch given up");
        self.keep_orphan(flow, key.as_str(), ReviewKind::DeadLetter, reason, "")
            .await?;
        Ok(Verdict::Nothing("it could not be read for a day"))
    }

    /// A failed read is not an attempt of the record: nothing was sent to the target.
    pub(crate) async fn read_failed(
        &self,
        runtime: &FlowRuntime,
        error: CallError,
        began: UnixMs,
    ) -> Verdict {
        match error {
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
                tracing::warn!(flow = %runtime.flow.id(), reason, "a record could not be read");
                Verdict::Defer {
                    until: self.now() + AFTER_FAILED_READ,
                    why: Wait::Source,
                }
            }
            CallError::Lapsed => Verdict::Leave("the lease ended".to_owned()),
            CallError::Store(why) => Verdict::Leave(why),
        }
    }
}
