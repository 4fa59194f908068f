//! How the read of one record begins: it takes the next number, and where only the flow's lease orders
//! reads, the lease with it.
//!
//! Nothing is written before the source's permit is there. Who waits for the lease never asks the
//! table in a herd: fetches of one process go one after another, a read that is under way is waited
//! for in the process, and a holder that has died or is slow is waited for once, until its lease
//! ends.

use std::time::Duration;

use futures_util::{
    future::{Either, select},
    lock::{Mutex, MutexGuard},
};
use rand::RngExt;
use tidegate_model::{
    ClaimToken, UnixMs,
    flow::VersionSpec,
};
use tidegate_policy::{
    keys,
    run::{self, Lease},
};

use super::READ_PATIENCE;
use crate::{Engine, EngineError, FlowRuntime, ports::Written};

/// What follows the call of a fetch while it holds the lease: a read of the register and a few writes.
const STAGE_TIME: Duration = Duration::from_secs(10);
/// Milliseconds between two looks at a lease under which another fetch reads, at random between these:
/// most reads take less than a second.
const LOOK_AGAIN_MS: std::ops::RangeInclusive<u64> = 200..=800;

/// A read of one record that has begun.
pub(super) struct Reading {
    /// Its number.
    pub number: u64,
    /// When its lease ends, where it has one.
    pub lease_until: Option<UnixMs>,
}

impl FlowRuntime {
    /// Whether the source has no versions, so that only the order of its reads orders changes.
    pub(super) fn is_ordered_by_lease(&self) -> bool {
        matches!(self.flow.file().record.version, VersionSpec::Read)
    }

    /// How long a fetch holds the lease at most: a permit that came too late is taken anew, the call
    /// may take all its time, and what was read is staged.
    fn fetch_lease(&self) -> Duration {
        let source = self.flow.file().source.rest();
        let timeout_s = source.map_or(0, |source| source.timeout_s);
        READ_PATIENCE + Duration::from_secs(timeout_s.into()) + STAGE_TIME
    }

    /// Until when a lease must be waited for that is not given up within seconds: a run holds it, or
    /// a fetch that took it so long ago that it has died or is slow.
    pub(super) fn held_for_long(&self, lease: &Lease, now: UnixMs) -> Option<UnixMs> {
        let until = lease.held_until(now)?;
        let fresh = lease.fetches && until + READ_PATIENCE > now + self.fetch_lease();
        (!fresh).then_some(until)
    }
}

impl Engine {
    /// Fetches of one process take the lease one after another: it would only race with itself.
    /// `None` when that takes too long.
    pub(super) async fn turn_at_lease<'a>(
        &self,
        lock: &'a Mutex<()>,
    ) -> Option<MutexGuard<'a, ()>> {
        let patience = self.ports.clock.wait_until(self.now() + READ_PATIENCE);
        match select(lock.lock(), patience).await {
            Either::Left((turn, _)) => Some(turn),
            Either::Right(_) => None,
        }
    }

    /// Begins a read; where it can not, says until when another holds the lease.
    pub(super) async fn begin_reading(
        &self,
        runtime: &FlowRuntime,
        token: &ClaimToken,
    ) -> Result<Result<Reading, UnixMs>, EngineError> {
        let key = keys::lease(runtime.flow.id());
        if !runtime.is_ordered_by_lease() {
            let (Written::Done { after: item, .. }
            | Written::Refused {
                current: Some(item),
            }) = self.write(&key, &run::take_read_number()).await?
            else {
                return Ok(Err(self.now()));
            };
            return Ok(Ok(Reading {
                number: number(&Lease::read(Some(&item))),
                lease_until: None,
            }));
        }
        let give_up = self.now() + READ_PATIENCE;
        loop {
            let now = self.now();
            let take = run::take_for_fetch(token, runtime.fetch_lease(), now);
            let item = match self.write(&key, &take).await? {
                Written::Done { after, .. } => Some(after),
                Written::Refused { current } => current,
            };
            let lease = Lease::read(item.as_ref());
            let until = lease.held_until(now).unwrap_or(now);
            // A refusal may be of a second try, whose first was done and its answer lost.
            if lease.is_held_by(token) {
                return Ok(Ok(Reading {
                    number: number(&lease),
                    lease_until: Some(until),
                }));
            }
            if now >= give_up || runtime.held_for_long(&lease, now).is_some() {
                return Ok(Err(until));
            }
            let wait = Duration::from_millis(self.dice().random_range(LOOK_AGAIN_MS));
            self.ports.clock.wait_until(now + wait).await;
        }
    }
}

/// The number of the read that took it last.
pub(super) fn number(lease: &Lease) -> u64 {
    u64::try_from(lease.reads).unwrap_or(0)
}
