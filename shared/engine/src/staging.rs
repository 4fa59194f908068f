//! Staging: the one way in which a change enters (REG-1).

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_model::{
    Content, FlowId, RecordKey, SourceVersion, Tier, UnixMs, Version,
    flow::Deletion,
    item::{Item, Update},
};
use tidegate_policy::{
    files,
    flow::RowError,
    keys, reconcile,
    register::{self, CorruptRegister, Register, ReviewCause, ReviewKind, State},
    stage::{self, Incoming, NoChange, Origin, StagePlan},
};

use crate::{
    Engine, EngineError, Event, FlowRuntime,
    ports::{StoreError, TargetTraits, Written},
};

/// Tries after lost races with other stagers of the same record.
const STAGE_TRIES: u32 = 8;
/// Low bits of a version that count rows within a read, for sources without versions.
const POSITION_BITS: u32 = 24;

/// Who reads, for versions and for the tier.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Reader {
    pub origin: Origin,
    /// Token of this stager.
    pub by: String,
    /// Fencing number of the read; zero for a pushed payload.
    pub read: u64,
}

/// What became of one change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Staged {
    /// New content, or a moved version of a record that is dirty or clean.
    New {
        /// Its tier.
        tier: Tier,
    },
    /// New content that a person must look at.
    InReview,
    /// The register held the same.
    Unchanged,
    /// The register held something newer.
    Superseded,
}

/// What a stage did, and whether the record needs a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct StageResult {
    pub staged: Staged,
    /// The queue in which it is to be queued, if it is.
    pub message: Option<Tier>,
    /// It has a window at which it is queued.
    pub waits: bool,
    /// It was to be applied already in the same tier, so as far as its register tells a message is on
    /// its way.
    pub repeats: bool,
    /// It was linked to a record of the target.
    pub linked: bool,
}

impl FlowRuntime {
    /// The version of a row.
    pub(crate) fn version(
        &self,
        source: Option<SourceVersion>,
        read: u64,
        position: u64,
    ) -> Version {
        let by_read =
            SourceVersion((read << POSITION_BITS) | (position & ((1 << POSITION_BITS) - 1)));
        Version {
            source: source.unwrap_or(by_read),
            revision: self.flow.revision(),
            read,
        }
    }

    /// Why a content needs a person before any call, if so (R7).
    pub(crate) fn fault(
        &self,
        key: &RecordKey,
        content: &Content,
        now: UnixMs,
    ) -> Option<ReviewCause> {
        match content {
            Content::Deleted if self.flow.deletion() == Deletion::Review => Some(ReviewCause {
                kind: ReviewKind::DeletedAtSource,
                field: None,
                reason: "it was deleted at the source".to_owned(),
                since: now,
            }),
            Content::Deleted | Content::Forgotten => None,
            Content::Record(fields) => self.invalid(key, fields, now),
        }
    }

    /// What schema or target have against the fields, told without a call.
    pub(crate) fn invalid(
        &self,
        key: &RecordKey,
        fields: &tidegate_model::Fields,
        now: UnixMs,
    ) -> Option<ReviewCause> {
        let faults = self.flow.validate(fields);
        // Each reading of the row finds them; that of new content is told when it is staged.
        for fault in &faults {
            tracing::debug!(flow = %self.flow.id(), key = key.as_str(), field = fault.field, reason = fault.reason, "invalid");
        }
        let more = faults.len().saturating_sub(1);
        let (field, reason) = match faults.into_iter().next() {
            Some(first) => (Some(first.field), first.reason),
            None => self.target.reject(key, fields)?,
        };
        let of = field
            .as_ref()
            .map_or_else(String::new, |field| format!("{field} "));
        let more = match more {
            0 => String::new(),
            more => format!(" (and {more} more)"),
        };
        let reason = format!("{of}{reason}{more}");
        Some(ReviewCause {
            kind: ReviewKind::Invalid,
            field,
            reason,
            since: now,
        })
    }

    /// What the source shows of a record that was put back to an older version, for a person.
    pub(crate) fn put_back(
        &self,
        register: &Register,
        shown: Incoming,
        now: UnixMs,
    ) -> Option<Incoming> {
        let say = |version: &Version| self.flow.version_words(version.source);
        let (older, newest) = (say(&shown.version), say(&register.desired.version));
        let mut reason = format!(
            "the source shows version {older} after {newest}, with other content, as one that was \
             restored from a backup or created anew does: replay it to send what is shown here, which a \
             forced sync reads anew, or discard it to leave the target as it is; a change goes by \
             itself once its version is above {newest}"
        );
        let fault = shown.review.as_ref().map(|(_, cause)| cause.clone());
        if let Some(fault) = &fault {
            reason.push_str("; what is shown now can not be sent as it is: ");
            reason.push_str(&fault.reason);
        }
        let cause = ReviewCause {
            kind: ReviewKind::PutBackAtSource,
            field: fault.and_then(|fault| fault.field),
            reason,
            since: now,
        };
        reconcile::put_back(register, shown, (self.flow.id().clone(), cause))
    }

    /// Reads a row: its change, or why it is none.
    pub(crate) fn incoming(
        &self,
        row: &Value,
        reader: &Reader,
        position: u64,
        now: UnixMs,
    ) -> Result<(RecordKey, Incoming, Option<u64>), RowError> {
        let normal = self.flow.normalise(row)?;
        let version = self.version(normal.source_version, reader.read, position);
        let mut incoming = self.change(&normal.key, version, normal.content, reader, now);
        if let Some(((_, cause), place)) = incoming.review.as_mut().zip(files::place_of(row)) {
            cause.reason = format!("{place}: {}", cause.reason);
        }
        Ok((normal.key, incoming, normal.modified_us))
    }

    /// A change of known content.
    pub(crate) fn change(
        &self,
        key: &RecordKey,
        version: Version,
        content: Content,
        reader: &Reader,
        now: UnixMs,
    ) -> Incoming {
        let review = self
            .fault(key, &content, now)
            .map(|cause| (self.flow.id().clone(), cause));
        let search = content
            .fields()
            .and_then(|fields| self.target.search_value(key, fields));
        let next_window = self
            .flow
            .schedule()
            .next_after(now)
            .map_or(now, |due| due.at);
        Incoming {
            version,
            content,
            origin: reader.origin,
            by: reader.by.clone(),
            search,
            link: None,
            look_first: false,
            review,
            next_window,
        }
    }
}

impl Engine {
    /// Reads registers, in the order of the keys.
    pub(crate) async fn registers(
        &self,
        runtime: &FlowRuntime,
        record_keys: &[RecordKey],
    ) -> Result<Vec<Option<Register>>, EngineError> {
        let each = self.registers_each(runtime, record_keys).await?;
        Ok(each.into_iter().collect::<Result<_, CorruptRegister>>()?)
    }

    /// The same, each by itself: one that can not be read keeps none of the others back.
    pub(crate) async fn registers_each(
        &self,
        runtime: &FlowRuntime,
        record_keys: &[RecordKey],
    ) -> Result<Vec<Result<Option<Register>, CorruptRegister>>, StoreError> {
        let ids: Vec<_> = record_keys
            .iter()
            .map(|key| keys::register(runtime.flow.id(), key))
            .collect();
        let items = self.ports.store.get(&ids).await?;
        let read = |item: Option<Item>| item.as_ref().map_or(Ok(None), Register::read);
        Ok(items.into_iter().map(read).collect())
    }

    /// A register that can not be read needs a person: nothing is staged over what it may hold.
    pub(crate) async fn keep_unreadable(
        &self,
        flow: &FlowId,
        key: &RecordKey,
        error: &CorruptRegister,
    ) -> Result<(), StoreError> {
        let reason = format!(
            "the register of {key} can not be read: {}",
            crate::chain(error)
        );
        tracing::error!(flow = %flow, key = key.as_str(), run = self.run_id(), request_id = self.request(), reason, "register not read");
        self.keep_orphan(flow, key.as_str(), ReviewKind::Rejected, reason, "")
            .await
    }

    /// Stages one change. `seen` is the register as last read.
    pub(crate) async fn stage(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        incoming: &Incoming,
        seen: Option<Register>,
    ) -> Result<StageResult, EngineError> {
        let result = self.try_stage(runtime, key, incoming, seen).await?;
        self.measure_staged(runtime, result.staged);
        Ok(result)
    }

    async fn try_stage(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        incoming: &Incoming,
        mut seen: Option<Register>,
    ) -> Result<StageResult, EngineError> {
        let id = keys::register(runtime.flow.id(), key);
        let traits = runtime.target.traits();
        for _ in 0..STAGE_TRIES {
            let critical = critical_changes(runtime, seen.as_ref(), incoming);
            let now = self.now();
            let (write, planned) = match planned(traits, seen.as_ref(), incoming, &critical, now) {
                Ok(planned) => planned,
                Err(nothing_to_do) => return Ok(nothing_to_do),
            };
            match self.write(&id, &write).await? {
                Written::Done { before, after } => {
                    let before = before.as_ref().map_or(Ok(None), Register::read)?;
                    self.measure_coalesced(runtime, before.as_ref(), planned.is_some());
                    let Some(plan) = planned else {
                        return Ok(without_content(
                            Register::read(&after)?.as_ref(),
                            before.as_ref(),
                        ));
                    };
                    if let Some((flow, cause)) = &plan.review {
                        tracing::warn!(flow = %flow, key = key.as_str(), tier = plan.tier.as_str(), run = self.run_id(), request_id = self.request(), kind = cause.kind.as_str(), field = cause.field, reason = cause.reason, "staged for a person");
                        self.note_review(flow, key, cause);
                        return Ok(StageResult {
                            staged: Staged::InReview,
                            message: None,
                            waits: false,
                            repeats: false,
                            linked: false,
                        });
                    }
                    if traits.own {
                        self.tell_applied(runtime, key, incoming, plan.tier, now);
                        return Ok(new_in_our_store(plan.tier));
                    }
                    let version = |read: &Register| read.desired.version;
                    let tier = if seen.as_ref().map(version) == before.as_ref().map(version) {
                        plan.tier
                    } else {
                        self.settle_tier(runtime, key, incoming, &plan, before.as_ref(), now)
                            .await?
                    };
                    let message = plan.due.is_none() || tier == Tier::RealTime;
                    let linked = plan.link.is_some()
                        && before.as_ref().is_none_or(|old| old.target_id.is_none());
                    return Ok(StageResult {
                        staged: Staged::New { tier },
                        message: message.then_some(tier),
                        waits: plan.due.is_some(),
                        repeats: before.is_some_and(|old| has_message(&old, tier)),
                        linked,
                    });
                }
                Written::Refused { current } => {
                    seen = current.as_ref().map_or(Ok(None), Register::read)?;
                    // The answer of an earlier try was lost: it was my own write.
                    if let Some(own) = seen.as_ref().filter(|register| {
                        register.desired.version == incoming.version
                            && register.desired.staged_by == incoming.by
                    }) {
                        if traits.own && own.state() == State::Applied {
                            self.tell_applied(runtime, key, incoming, own.tier, now);
                            return Ok(new_in_our_store(own.tier));
                        }
                        return Ok(staged_before(own));
                    }
                }
            }
        }
        Err(EngineError::Store(StoreError {
            operation: format!("stage {} {key}", runtime.flow.id()),
            source: "others kept staging it".into(),
        }))
    }

    /// A record of our own store is applied by its staging.
    fn tell_applied(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        incoming: &Incoming,
        tier: Tier,
        now: UnixMs,
    ) {
        let flow = runtime.flow.id();
        self.measure_applied(flow.as_str(), tier, Some(0));
        tracing::info!(flow = %flow, key = key.as_str(), tier = tier.as_str(), run = self.run_id(), request_id = self.request(), latency_ms = 0, "applied");
        if runtime.flow.file().events.applied {
            self.note(Event::RecordApplied {
                flow: flow.clone(),
                key: key.clone(),
                tier,
                version: incoming.version.to_string(),
                hash: incoming.content.hash(),
                target_id: None,
                deleted: incoming.content == Content::Deleted,
                at_ms: now,
                latency_ms: Some(0),
            });
        }
    }

    /// Another stage came between the read and the write at `now`; the write's own answer decides.
    async fn settle_tier(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        incoming: &Incoming,
        plan: &register::Stage,
        before: Option<&Register>,
        now: UnixMs,
    ) -> Result<Tier, EngineError> {
        let critical = critical_changes(runtime, before, incoming);
        let (tier, reason) = stage::tier_of(before, incoming, &critical);
        if tier > plan.tier {
            let write = register::set_tier(incoming.version, tier, &reason, now);
            self.write(&keys::register(runtime.flow.id(), key), &write)
                .await?;
        }
        Ok(tier.max(plan.tier))
    }
}

/// The write of a stage, and what it stages of new content; or what comes of it without a write.
fn planned(
    traits: TargetTraits,
    seen: Option<&Register>,
    incoming: &Incoming,
    critical: &[String],
    now: UnixMs,
) -> Result<(Update, Option<Box<register::Stage>>), StageResult> {
    let (version, by) = (incoming.version, &incoming.by);
    match stage::plan(seen, incoming, critical) {
        StagePlan::Nothing(_) if seen.is_none() => Err(nothing(NoChange::Unchanged, None)),
        StagePlan::Nothing(why) => Err(nothing(why, seen)),
        StagePlan::Move(equal) => Ok((register::move_version(version, &equal, by), None)),
        // What stands in our own store is the fields themselves, whatever maps them.
        StagePlan::Again(equal, _) if traits.own && seen.is_none_or(|old| old.review.is_none()) => {
            Ok((register::move_version(version, &equal, by), None))
        }
        StagePlan::Again(equal, (tier, reason)) => {
            let write = register::stage_again(version, &equal, by, (tier, &reason), now);
            Ok((write, None))
        }
        // A deletion of what was never seen has nothing to do.
        StagePlan::New(_) if seen.is_none() && incoming.content == Content::Deleted => {
            Err(nothing(NoChange::Unchanged, None))
        }
        StagePlan::New(plan) if traits.own && plan.review.is_none() => {
            Ok((register::stage_applied(&plan, now), Some(plan)))
        }
        StagePlan::New(plan) => Ok((register::stage(&plan, now), Some(plan))),
    }
}

/// Names of critical fields that change value. A record that was deleted has no fields.
pub(crate) fn critical_changes(
    runtime: &FlowRuntime,
    seen: Option<&Register>,
    incoming: &Incoming,
) -> Vec<String> {
    let Some(new) = incoming.content.fields() else {
        return Vec::new();
    };
    let old = seen.and_then(|register| register.desired.content.fields());
    runtime.flow.critical_changes(old, new)
}

/// New content of a record that our own store holds by the same write: nothing is left to do.
fn new_in_our_store(tier: Tier) -> StageResult {
    StageResult {
        staged: Staged::New { tier },
        message: None,
        waits: false,
        repeats: false,
        linked: false,
    }
}

/// What an earlier try of this stage did, whose answer was lost.
fn staged_before(own: &Register) -> StageResult {
    let tier = own.tier;
    let staged = if own.review.is_some() {
        Staged::InReview
    } else if !own.is_dirty() {
        // The version moved, and nothing else.
        Staged::Unchanged
    } else {
        Staged::New { tier }
    };
    StageResult {
        staged,
        message: (stage::needs_message(own) && own.due.is_none()).then_some(tier),
        waits: own.due.is_some(),
        repeats: false,
        linked: false,
    }
}

/// The version moved; under a newer revision the record is sent again.
fn without_content(after: Option<&Register>, before: Option<&Register>) -> StageResult {
    match after {
        Some(now) if now.is_dirty() && before.is_none_or(|old| !stage::needs_message(old)) => {
            StageResult {
                staged: Staged::New { tier: now.tier },
                message: Some(now.tier),
                waits: now.due.is_some(),
                repeats: false,
                linked: false,
            }
        }
        _ => nothing(NoChange::Unchanged, before),
    }
}

/// Nothing was written, or the version only; rule 1: a dirty record is queued all the same.
fn nothing(why: NoChange, seen: Option<&Register>) -> StageResult {
    let staged = match why {
        NoChange::Unchanged => Staged::Unchanged,
        NoChange::Superseded => Staged::Superseded,
    };
    StageResult {
        staged,
        message: seen
            .filter(|old| stage::needs_message(old))
            .map(|old| old.tier),
        waits: seen.is_some_and(|old| old.due.is_some()),
        repeats: seen.is_some_and(|old| has_message(old, old.tier)),
        linked: false,
    }
}

/// Whether a message of the tier is on its way for it, as far as its register tells.
fn has_message(register: &Register, tier: Tier) -> bool {
    stage::needs_message(register) && register.due.is_none() && register.tier == tier
}

/// One change for each key of a page: the newest. The others are superseded.
pub(crate) fn newest_of_each(
    rows: Vec<(RecordKey, Incoming)>,
) -> (Vec<(RecordKey, Incoming)>, u64) {
    let total = rows.len();
    let mut newest: BTreeMap<RecordKey, Incoming> = BTreeMap::new();
    for (key, incoming) in rows {
        match newest.get(&key) {
            Some(kept) if kept.version > incoming.version => {}
            _ => {
                newest.insert(key, incoming);
            }
        }
    }
    let superseded = total.saturating_sub(newest.len());
    (
        newest.into_iter().collect(),
        u64::try_from(superseded).unwrap_or(0),
    )
}
