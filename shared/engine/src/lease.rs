//! A lease that is held: every write under it has owner, fence and sequence in its condition (CP-2).

use serde::{Serialize, de::DeserializeOwned};
use tidegate_model::{
    ClaimToken, UnixMs,
    item::{ItemKey, Update},
};
use tidegate_policy::{
    reconcile::{self, Holder, Kept},
    run::LEASE,
};

use crate::{
    Engine,
    ports::{StoreError, Written},
};

/// A lease that is held.
pub(crate) struct HeldLease {
    key: ItemKey,
    pub holder: Holder,
}

/// It is not held: another has it until then.
pub(crate) struct Busy(pub UnixMs);

impl Engine {
    /// Takes a lease, unless something has advanced since it was `seen`.
    pub(crate) async fn take_lease<P: Serialize + DeserializeOwned + Sync>(
        &self,
        key: ItemKey,
        token: ClaimToken,
        seen: &Kept<P>,
        progress: &P,
    ) -> Result<Result<HeldLease, Busy>, StoreError> {
        let now = self.now();
        let take = reconcile::take(&token, seen, progress, now);
        let held: Kept<P> = match self.write(&key, &take).await? {
            Written::Done { after, .. } => Kept::read(Some(&after)),
            Written::Refused { current } => Kept::read(current.as_ref()),
        };
        if !held.is_held_by(&token) {
            return Ok(Err(Busy(held.held_until(now).unwrap_or(now))));
        }
        let holder = Holder {
            token,
            fence: held.fence,
            seq: held.seq,
            until: now + LEASE,
        };
        Ok(Ok(HeldLease { key, holder }))
    }
}

impl HeldLease {
    /// One that the token took in an earlier invocation, if it has it still.
    pub(crate) fn again<P: DeserializeOwned>(
        key: ItemKey,
        token: &ClaimToken,
        seen: &Kept<P>,
        now: UnixMs,
    ) -> Option<Self> {
        let until = seen.held_until(now)?;
        let holder = Holder {
            token: token.clone(),
            fence: seen.fence,
            seq: seen.seq,
            until,
        };
        seen.is_held_by(token).then_some(Self { key, holder })
    }

    /// Writes under the fence. False: the lease is lost to another.
    pub(crate) async fn advance(
        &mut self,
        engine: &Engine,
        write: &Update,
    ) -> Result<bool, StoreError> {
        let item = match engine.write(&self.key, write).await? {
            Written::Done { after, .. } => Some(after),
            Written::Refused { current } => current,
        };
        // Progress is not read: whose it is is all that is asked.
        let held: Kept<serde_json::Value> = Kept::read(item.as_ref());
        if held.seq != self.holder.seq + 1 || held.fence != self.holder.fence {
            return Ok(false);
        }
        self.holder.seq = held.seq;
        self.holder.until = engine.now() + LEASE;
        Ok(true)
    }
}
