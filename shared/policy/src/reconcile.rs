//! Reconciliation: a full comparison of source, registers and target (R33), as decisions.
//!
//! Every key that is compared ends in exactly one [`Kind`], counted where it is judged (OUT-1).
//! What is wrong is healed by staging or by making the record dirty again, never by a call: `apply`
//! stays the one way to the target. A record that the source no longer lists is deleted only after
//! the source has said so by key, and never when so many are absent that the listing itself is
//! suspect.

mod checkpoint;
mod finding;
#[cfg(test)]
mod tests;

pub use checkpoint::{
    Checkpoint, Holder, Kept, Listed, Phase, Progress, RESUME_WITHIN, ReconcileRequest, Start,
    advance, end, finish, give_up, hold, keep, let_go, plan, renew, take, yield_lease,
};
pub use finding::{Findings, Kind, MAX_NOTES, Note};

use std::time::Duration;

use tidegate_model::{Content, FlowId, UnixMs, Version, flow::Deletion};

use crate::{
    register::{CLOCK_SKEW, Register, ReviewCause, ReviewKind, State},
    stage::{self, Incoming, NoChange, StagePlan},
};

/// Share of a flow's live records that may be absent at once, in percent: of healthy sources less
/// goes in a day, and a listing that broke off or lost a filter lacks more.
pub const MOST_ABSENT_PERCENT: u64 = 5;
/// One absent record is never a mass, however small the flow.
pub const ABSENT_BELIEVED: u64 = 1;
/// Rows of a target's listing from which it can be told that none of them bears a key of ours: in a
/// smaller one all may be other people's.
pub const TELLING_ROWS: u64 = 10;
/// Pages of a target's listing: one a second for the day in which a comparison must end.
pub const MOST_PAGES: u64 = 86_400;
/// A change younger than this may still be told by a webhook: senders try again after minutes.
pub const WEBHOOK_GRACE: Duration = Duration::from_mins(5);

/// Whether so many absent records are a cause for a person, not for deletions.
pub fn is_mass_absence(absent: u64, live: u64) -> bool {
    absent > ABSENT_BELIEVED
        && absent.saturating_mul(100) > live.saturating_mul(MOST_ABSENT_PERCENT)
}

/// Whether a listing of so many rows, of which so many bear our keys, is not to be believed: the flow
/// reads the key from where it is not, or a person must look why all of ours are gone.
pub fn is_strange_listing(rows: u64, bearing: u64, known: usize) -> bool {
    rows >= TELLING_ROWS && bearing == 0 && known > 0
}

/// Which part of all keys a pass compares, so that memory stays bounded: `pass` of `passes`, by the
/// print of the key.
pub fn in_pass(print: u64, pass: u32, passes: u32) -> bool {
    let part = (u128::from(print) * u128::from(passes.max(1))) >> u64::BITS;
    part == u128::from(pass)
}

/// Into how many passes so many keys are parted, of which one holds `most` at once: a power of two,
/// at most `passes`.
pub fn passes_for(keys: u64, most: usize, passes: u32) -> u32 {
    let most = u64::try_from(most.max(1)).unwrap_or(u64::MAX);
    let wanted = u32::try_from(keys.div_ceil(most)).unwrap_or(passes);
    wanted.clamp(1, passes).next_power_of_two().min(passes)
}

/// Whether a register was staged or applied since: a row that was read before could not show it.
pub fn has_moved_since(register: &Register, since: UnixMs) -> bool {
    let since = since - CLOCK_SKEW;
    let applied = register.applied.as_ref().map(|applied| applied.at);
    register.dirty_since.max(applied) >= Some(since)
}

/// Whether work that was staged since may have no message: whoever staged it may have died before it
/// was queued, and a page that is read again finds it unchanged (rule 1, QUE-2).
pub fn may_be_unqueued(register: &Register, since: UnixMs) -> bool {
    stage::needs_message(register)
        && register.due.is_none()
        && register.dirty_since >= Some(since - CLOCK_SKEW)
}

/// Whether the index may say of a row that all agree: the register holds that very content, no
/// person's edit stands in its place, and no newer version of the source is known.
pub fn agrees(register: &Register, incoming: &Incoming) -> bool {
    let desired = &register.desired;
    let superseded =
        incoming.version.source != desired.version.source && incoming.version < desired.version;
    matches!(incoming.content, Content::Record(_))
        && register.edited.is_none()
        && !superseded
        && incoming.content.hash() == desired.hash
}

/// Whether the source shows other content than it gave before in an older version, as a record put
/// back from a backup does. What came lately is left alone, since a listing may lag behind a webhook;
/// but not what is in review for this, or a person would decide on what is no more.
pub fn is_put_back(register: &Register, incoming: &Incoming, started: UnixMs) -> bool {
    let review = register.review.as_ref().map(|cause| cause.kind);
    incoming.version.source < register.desired.version.source
        && incoming.content.hash() != *register.given_hash()
        && (review == Some(ReviewKind::PutBackAtSource)
            || !has_moved_since(register, started - WEBHOOK_GRACE))
}

/// What a source shows that was [put back](is_put_back), to be staged for a person to decide, for this
/// cause: as the newest read of the newest version, since no other may replace that (REG-1). A replay
/// sends it, and without one nothing is sent. Nobody need decide where the target holds just that.
/// `None` of what was forgotten: no older version brings its values back.
pub fn put_back(
    register: &Register,
    shown: Incoming,
    cause: (FlowId, ReviewCause),
) -> Option<Incoming> {
    if register.desired.content == Content::Forgotten {
        return None;
    }
    let hash = shown.content.hash();
    let applied = register.applied.as_ref();
    let holds = register.unknown.is_none() && applied.is_some_and(|applied| applied.hash == hash);
    let review = if holds { shown.review } else { Some(cause) };
    Some(Incoming {
        version: newest_read(register, shown.version),
        review,
        ..shown
    })
}

/// What the source shows in an older version under a newer flow revision, with the content that it gave
/// newest: to be staged as newest, since the mapping changed. A source whose versions began again would
/// else keep the old mapping until they have passed the old ones.
pub fn mapped_anew(register: &Register, shown: &Incoming) -> Option<Incoming> {
    let newest = register.desired.version;
    let is_behind =
        shown.version.source < newest.source && shown.version.revision > newest.revision;
    (is_behind && shown.content.hash() == *register.given_hash()).then(|| Incoming {
        version: newest_read(register, shown.version),
        ..shown.clone()
    })
}

/// The newest version of a register, as a read of it saw it that is newer than any.
fn newest_read(register: &Register, shown: Version) -> Version {
    let newest = register.desired.version;
    Version {
        source: newest.source,
        revision: newest.revision.max(shown.revision),
        read: shown.read.max(newest.read.saturating_add(1)),
    }
}

/// What the target shows of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AtTarget {
    /// The target was not compared.
    NotCompared,
    /// It holds what is desired.
    Same,
    /// It holds something else.
    Other,
    /// It lacks the record.
    Missing,
    /// It has several records that bear the key.
    Doubled,
}

/// Why a change that the source shows has not arrived.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// The flow has a webhook.
    pub has_webhook: bool,
    /// When the source last changed the record, in microseconds; `None`: it does not say.
    pub modified_us: Option<u64>,
    /// The newest source time of the newest complete run, in microseconds.
    pub watermark_us: Option<u64>,
}

impl Arrival {
    /// Which way failed it.
    pub fn missed(self, now: UnixMs) -> Kind {
        // What is as new as the watermark may have been committed after the run had read that moment.
        let covered = self.modified_us.is_some() && self.modified_us < self.watermark_us;
        let recent_us = now
            .0
            .saturating_sub(i64::try_from(WEBHOOK_GRACE.as_millis()).unwrap_or(i64::MAX))
            .saturating_mul(1_000);
        let recent = self
            .modified_us
            .is_some_and(|at| i64::try_from(at).unwrap_or(i64::MAX) > recent_us);
        if covered {
            Kind::WindowMissed
        } else if self.has_webhook && !recent {
            Kind::WebhookMissed
        } else {
            Kind::NotYetDue
        }
    }
}

/// The kind of a row whose stage was planned so, if the plan alone decides it.
pub fn judge_plan(
    plan: &StagePlan,
    incoming: &Incoming,
    seen: Option<&Register>,
    arrival: Arrival,
    now: UnixMs,
) -> Option<Kind> {
    let is_deletion = incoming.content == Content::Deleted;
    match plan {
        // A tombstone of what was never seen.
        StagePlan::New(_) if is_deletion && seen.is_none() => Some(Kind::Equal),
        StagePlan::New(_) if is_deletion => Some(Kind::DeletedAtSource),
        StagePlan::New(_) => Some(arrival.missed(now)),
        StagePlan::Again(..) => Some(Kind::Remapped),
        StagePlan::Move(_) | StagePlan::Nothing(NoChange::Unchanged | NoChange::Superseded) => None,
    }
}

/// The kind of a record whose register is as new as the source. `settled`: what was applied last
/// had surely reached the target before the target was listed. `stranded`: its work waits longer
/// than any lawful wait.
pub fn judge(
    register: &Register,
    at_target: AtTarget,
    deletion: Deletion,
    settled: bool,
    stranded: bool,
) -> Kind {
    match register.state() {
        State::InReview => return Kind::InReview,
        State::Pending if stranded => return Kind::Stranded,
        State::Pending => return Kind::Pending,
        State::Discarded => return Kind::Discarded,
        State::Applied => {}
    }
    if register.desired.content == Content::Deleted {
        let gone = matches!(at_target, AtTarget::Missing | AtTarget::NotCompared);
        return match at_target {
            _ if gone || deletion != Deletion::Delete => Kind::Equal,
            AtTarget::Doubled => Kind::DoubledAtTarget,
            _ if !settled => Kind::Pending,
            _ => Kind::BackAtTarget,
        };
    }
    match at_target {
        AtTarget::Same | AtTarget::NotCompared => Kind::Equal,
        AtTarget::Doubled => Kind::DoubledAtTarget,
        AtTarget::Other | AtTarget::Missing if !settled => Kind::Pending,
        AtTarget::Other => Kind::EditedAtTarget,
        AtTarget::Missing => Kind::MissingAtTarget,
    }
}

/// Whether what a register says to be applied was surely at the target and in its list when the
/// listing began: D is how long after its answer a call may still take effect.
pub fn is_settled(register: &Register, settle: Duration, listed_from: UnixMs) -> bool {
    register
        .applied
        .as_ref()
        .is_some_and(|applied| applied.at + settle + CLOCK_SKEW < listed_from)
}
