//! Reads of the source, each behind the gate, with waits that keep the lease.

use std::time::Duration;

use serde_json::Value;
use tidegate_model::{ClaimToken, RecordKey, UnixMs};
use tidegate_policy::{
    flow_state::Side,
    keys,
    run::{self, Lease},
};

use super::{Comparing, PAGE_TIME, Step, Stop};
use crate::{
    RunEnd,
    ports::{CallError, Page, PageRequest, Written},
};

/// Tries of a read that fails; reads are safe to repeat.
pub(super) const READ_TRIES: u32 = 3;
/// Wait before a repeated read; doubled each time.
pub(super) const RETRY_WAIT: Duration = Duration::from_secs(1);
/// Pause between two pages under the flow's lease: who waits for it looks every second.
const BETWEEN_PAGES: Duration = Duration::from_secs(3);
/// The longest wait in one piece: the lease is renewed between two.
const NAP: Duration = Duration::from_secs(20);

/// A read of the source under way.
pub(super) struct Reading {
    /// Its number.
    pub(super) read: u64,
    /// The flow's lease and its end, where only that orders reads.
    lease: Option<(ClaimToken, UnixMs)>,
}

impl Reading {
    /// Whether what was read may still be staged: reads of one flow never overlap.
    pub(super) fn may_stage(&self, now: UnixMs) -> Step<()> {
        let ends = self.lease.as_ref().map(|(_, until)| *until);
        if ends.is_some_and(|until| now + run::STAGE_MARGIN > until) {
            let reason = "the read took so long that the flow's lease nearly ended".to_owned();
            return Err(Stop::End(RunEnd::Interrupted { reason }));
        }
        Ok(())
    }
}

impl Comparing<'_> {
    /// Begins a read. Where a source has no versions, no other read of the flow overlaps it.
    pub(super) async fn begin_reading(&mut self) -> Step<Reading> {
        if !self.ordered_by_lease() {
            let read = self.read;
            return Ok(Reading { read, lease: None });
        }
        let key = keys::lease(self.runtime.flow.id());
        let token = self.engine.token();
        loop {
            self.may_go_on().await?;
            let now = self.engine.now();
            let write = run::take_for_fetch(&token, run::LEASE, now);
            match self.engine.write(&key, &write).await? {
                Written::Done { after, .. } => {
                    let reads = Lease::read(Some(&after)).reads;
                    return Ok(Reading {
                        read: u64::try_from(reads).unwrap_or(0),
                        lease: Some((token, now + run::LEASE)),
                    });
                }
                Written::Refused { current } => {
                    let held = Lease::read(current.as_ref());
                    if held.is_held_by(&token) {
                        // The answer to an earlier try was lost.
                        return Ok(Reading {
                            read: u64::try_from(held.reads).unwrap_or(0),
                            lease: Some((token, held.held_until(now).unwrap_or(now))),
                        });
                    }
                    let until = held.held_until(now).unwrap_or(now) + RETRY_WAIT;
                    self.wait(until, "a run reads the source").await?;
                }
            }
        }
    }

    /// Ends a read: what it read is staged, or was not read.
    pub(super) async fn end_reading(&self, reading: Reading) -> Step<()> {
        if let Some((token, _)) = reading.lease {
            let key = keys::lease(self.runtime.flow.id());
            self.engine.write(&key, &run::release_fetch(&token)).await?;
        }
        Ok(())
    }

    /// One page of the source, once.
    pub(super) async fn try_page(&self, cursor: Option<Value>) -> Result<Page, CallError> {
        let request = PageRequest {
            since_us: None,
            cursor,
        };
        let mut session = self
            .engine
            .source_session(self.runtime, None, self.checking);
        let page = self.runtime.source.page(&mut session, &request).await;
        session.end().await;
        page
    }

    /// One record of the source, once.
    pub(super) async fn try_fetch(&self, key: &RecordKey) -> Result<Option<Value>, CallError> {
        let mut session = self
            .engine
            .source_session(self.runtime, Some(key), self.checking);
        let row = self.runtime.source.fetch(&mut session, key).await;
        session.end().await;
        row
    }

    /// What follows a read that gave nothing: a wait, or an end.
    pub(super) async fn after_failed_read(
        &mut self,
        error: CallError,
        tries: &mut u32,
    ) -> Step<()> {
        match error {
            CallError::Deferred { until, .. } | CallError::Throttled { until } => {
                self.wait(until, "the source allows no read before").await
            }
            CallError::Failed { reason, .. } => {
                *tries += 1;
                tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), reason, "not read");
                if *tries >= READ_TRIES {
                    return Err(Stop::End(RunEnd::Interrupted { reason }));
                }
                let until = self.engine.now() + RETRY_WAIT * 2_u32.saturating_pow(*tries);
                self.wait(until, &reason).await
            }
            CallError::Blocked { reason } => {
                self.engine
                    .stop_flow(self.runtime, Side::Source, &reason, self.began)
                    .await;
                Err(Stop::End(RunEnd::Stopped { reason }))
            }
            error => Err(Stop::End(RunEnd::Interrupted {
                reason: error.to_string(),
            })),
        }
    }

    /// Leaves the flow's lease to others for a while, where each page takes it: a window that starts,
    /// or a forced record, would hardly ever find it free.
    pub(super) async fn let_others_read(&mut self) -> Step<()> {
        if self.ordered_by_lease() {
            let until = self.engine.now() + BETWEEN_PAGES;
            self.engine.ports.clock.wait_until(until).await;
        }
        Ok(())
    }

    /// Waits in naps, between which the lease is kept. What must be waited for beyond the deadline
    /// is left to the tick, which goes on then.
    pub(super) async fn wait(&mut self, until: UnixMs, why: &str) -> Step<()> {
        if until + PAGE_TIME > self.deadline {
            return Err(Stop::End(RunEnd::Interrupted {
                reason: why.to_owned(),
            }));
        }
        while self.engine.now() < until {
            self.may_go_on().await?;
            let nap = until.min(self.engine.now() + NAP);
            self.engine.ports.clock.wait_until(nap).await;
        }
        Ok(())
    }
}
