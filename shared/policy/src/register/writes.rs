//! The writes of the register protocol, one function a row.

mod erase;
mod reopen;

pub use erase::{FORGOTTEN, erase, why_not_erasable};
pub use reopen::{reopen, reopen_deleted, reopen_missing};

use serde::Serialize;
use tidegate_model::{
    ClaimToken, Content, ContentHash, FlowId, Tier, TierReason, UnixMs, Version,
    item::{Change, Condition, Op, Update},
};

use super::{AttemptNote, CLOCK_SKEW, Desired, Override, Register, ReviewCause, attr};

/// What a stage writes.
#[derive(Clone, Debug, PartialEq)]
pub struct Stage {
    /// The version seen.
    pub version: Version,
    /// Its content.
    pub content: Content,
    /// Who stages: a run, a webhook, a fetch. New for each, so that one's own write is recognised.
    pub by: String,
    /// How urgent it is.
    pub tier: Tier,
    /// Why.
    pub tier_reason: TierReason,
    /// The value by which the target could be searched for it, where it can be searched.
    pub search: Option<String>,
    /// The record's id at the target, where a listing showed it; an id already stored stays.
    pub link: Option<String>,
    /// It may stand in the target already: look for it before it is created (EFF-2). As if an
    /// earlier create had been sent, of which nothing is known.
    pub look_first: bool,
    /// No message is sent: it waits for this moment.
    pub due: Option<UnixMs>,
    /// It breaks the flow's schema: it goes straight to a person, and no call is spent.
    pub review: Option<(FlowId, ReviewCause)>,
}

/// `stage, new content`. Condition: no desired version, or an older one with other content.
pub fn stage(stage: &Stage, now: UnixMs) -> Update {
    let hash = stage.content.hash();
    let version = stage.version.encode();
    let update = Update::when(Condition::Any(vec![
        Condition::Absent(attr::DESIRED_VERSION.to_owned()),
        Condition::All(vec![
            Condition::is(attr::DESIRED_VERSION, Op::Lt, version.as_str()),
            Condition::is(attr::DESIRED_HASH, Op::Ne, hash.0.as_str()),
        ]),
    ]))
    .set(attr::DESIRED_VERSION, version)
    .set(attr::DESIRED_HASH, hash.0)
    .set(attr::DESIRED_CONTENT, json(&stage.content))
    .set(attr::STAGED_BY, stage.by.as_str())
    .set(attr::ATTEMPTS, 0)
    .set_or_remove(attr::SEARCH_VALUE, stage.search.as_deref())
    .set_or_remove(attr::DUE, stage.due.map(|due| due.0))
    .remove(&[attr::NEXT_ATTEMPT, attr::OVERRIDE]);
    let update = tiered(dirty(update, now), stage.tier, &stage.tier_reason, now);
    let update = match &stage.link {
        Some(id) => update.change(attr::TARGET_ID, Change::Default(id.as_str().into())),
        None => update,
    };
    let update = match &stage.search {
        Some(search) if stage.look_first => update
            .change(
                attr::UNKNOWN_SINCE_CLAIM,
                Change::Default(stage.by.as_str().into()),
            )
            .change(attr::INTENT, Change::Default(search.as_str().into())),
        _ => update,
    };
    match &stage.review {
        Some((flow, cause)) => with_review(update, flow, cause),
        None => update.remove(REVIEW_ATTRIBUTES),
    }
}

/// `stage, new content` where our own store is the target: what is staged is applied by the same write,
/// so that one write does (DESIGN, Data). The condition is that of [`stage`]. Work on the record, which
/// only a person begins (a replay of what was in review), is over with it: its claim is gone, and with
/// no call of its own there is nothing that could take effect later (EFF-1).
pub fn stage_applied(stage: &Stage, now: UnixMs) -> Update {
    let version = stage.version.encode();
    self::stage(stage, now)
        .set(attr::APPLIED_VERSION, version)
        .set(attr::APPLIED_HASH, stage.content.hash().0)
        .set(attr::APPLIED_AT, now.0)
        .remove(DIRTY_ATTRIBUTES)
        .remove(CLAIM_ATTRIBUTES)
        .remove(&[
            attr::DUE,
            attr::UNKNOWN_SINCE_CLAIM,
            attr::QUIET_UNTIL,
            attr::INTENT,
            attr::ATTEMPTS_EPOCH,
        ])
}

/// Content that is desired already.
#[derive(Clone, Debug, PartialEq)]
pub struct Equal {
    /// The hash of what is desired: of the source's content, or of what a person edited it to.
    pub hash: ContentHash,
    /// The source says now what a person edited it to: from here on what the source says stands.
    pub agrees: Option<Content>,
}

/// `stage, same content, newer version`: moves the version only, or a late older one could win.
pub fn move_version(version: Version, equal: &Equal, by: &str) -> Update {
    let version = version.encode();
    let update = Update::when(Condition::All(vec![
        Condition::is(attr::DESIRED_VERSION, Op::Lt, version.as_str()),
        Condition::is(attr::DESIRED_HASH, Op::Eq, equal.hash.0.as_str()),
    ]))
    .set(attr::DESIRED_VERSION, version)
    .set(attr::STAGED_BY, by);
    match &equal.agrees {
        Some(content) => update
            .set(attr::DESIRED_CONTENT, json(content))
            .remove(&[attr::OVERRIDE]),
        None => update,
    }
}

/// Stages equal content under a newer flow revision: the mapping changed, so what the target was
/// sent may be another although the fields are the same. The version moves and the record is sent
/// again. What waits for its window already goes on waiting: it has no message.
pub fn stage_again(
    version: Version,
    equal: &Equal,
    by: &str,
    (tier, reason): (Tier, &TierReason),
    now: UnixMs,
) -> Update {
    let mut update = dirty(move_version(version, equal, by), now);
    update.condition = Condition::All(vec![update.condition, erase::not_forgotten()]);
    tiered(update, tier, reason, now)
        .set(attr::ATTEMPTS, 0)
        .remove(REVIEW_ATTRIBUTES)
        .remove(&[attr::NEXT_ATTEMPT])
}

/// Corrects the tier of what was staged at `now`, when another stage came between the read that
/// decided it and the write.
pub fn set_tier(version: Version, tier: Tier, reason: &TierReason, now: UnixMs) -> Update {
    let version = Condition::is(attr::DESIRED_VERSION, Op::Eq, version.encode());
    tiered(Update::when(version), tier, reason, now)
}

/// `claim`: EFF-1's only way in. `until` is now + P + T + D + S. Stores the intent for a target
/// that can be searched (EFF-2).
pub fn claim(token: &ClaimToken, until: UnixMs, now: UnixMs, searchable: bool) -> Update {
    let past = (now - CLOCK_SKEW).0;
    let update = Update::when(Condition::All(vec![
        Condition::Exists(attr::DIRTY_SINCE),
        Condition::Absent(attr::REVIEW.to_owned()),
        Condition::absent_or(attr::CLAIM_UNTIL, Op::Lt, past),
        Condition::absent_or(attr::NEXT_ATTEMPT, Op::Le, now.0),
        Condition::absent_or(attr::QUIET_UNTIL, Op::Lt, past),
    ]))
    .set(attr::CLAIM_OWNER, token.as_str())
    .set(attr::CLAIM_UNTIL, until.0)
    .change(
        attr::UNKNOWN_SINCE_CLAIM,
        Change::Default(token.as_str().into()),
    )
    // What is staged from now on is not what this claim applies: its age is kept apart.
    .change(
        attr::CLAIMED_PENDING_SINCE,
        Change::DefaultCopy(attr::PENDING_SINCE, now.0.into()),
    )
    .remove(&[attr::PENDING_SINCE]);
    if searchable {
        update.change(
            attr::INTENT,
            Change::DefaultCopy(attr::SEARCH_VALUE, "".into()),
        )
    } else {
        update
    }
}

/// What a call that succeeded left at the target.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Committed {
    /// Hash of what was sent.
    pub hash: ContentHash,
    /// Version of what was sent.
    pub version: Version,
    /// The record's id at the target.
    pub target_id: Option<String>,
    /// The tag of its state.
    pub etag: Option<String>,
    /// It was deleted at the target: its id there is gone with it.
    pub deleted: bool,
    /// When the call started.
    pub started: UnixMs,
}

/// `commit`: the target holds what is desired. Refused when newer content arrived meanwhile.
pub fn commit(token: &ClaimToken, done: &Committed, claimed: &Register, now: UnixMs) -> Update {
    applied(
        token,
        done,
        claimed,
        now,
        vec![
            Condition::is(attr::DESIRED_HASH, Op::Eq, done.hash.0.as_str()),
            // It was not staged again during the call, for a mapping of a newer revision.
            unchanged_since(claimed),
        ],
    )
    .change(attr::APPLIED_VERSION, Change::Copy(attr::DESIRED_VERSION))
    .remove(DIRTY_ATTRIBUTES)
    .remove(&[attr::DUE])
    // A dead letter about it may have come meanwhile: nothing is left to look at.
    .remove(REVIEW_ATTRIBUTES)
}

/// `commit in part`: the target holds what was sent, but newer content is desired; stays dirty, and
/// what waits is what came after the claim.
pub fn commit_part(
    token: &ClaimToken,
    done: &Committed,
    claimed: &Register,
    now: UnixMs,
) -> Update {
    applied(token, done, claimed, now, Vec::new()).set(attr::APPLIED_VERSION, done.version.encode())
}

fn applied(
    token: &ClaimToken,
    done: &Committed,
    claimed: &Register,
    now: UnixMs,
    mut also: Vec<Condition>,
) -> Update {
    also.push(mine(token));
    let note = AttemptNote {
        at: done.started,
        outcome: "applied".to_owned(),
    };
    let update = Update::when(Condition::All(also))
        .set(attr::APPLIED_HASH, done.hash.0.as_str())
        .set(attr::APPLIED_AT, now.0)
        .set(attr::HISTORY, json(&claimed.history_with(note)))
        .remove(CLAIM_ATTRIBUTES)
        .remove(&[
            attr::UNKNOWN_SINCE_CLAIM,
            attr::QUIET_UNTIL,
            attr::INTENT,
            attr::NEXT_ATTEMPT,
            attr::ATTEMPTS,
            attr::ATTEMPTS_EPOCH,
            attr::CLAIMED_PENDING_SINCE,
        ]);
    if done.deleted {
        return update.remove(&[attr::TARGET_ID, attr::ETAG]);
    }
    let update = match &done.target_id {
        Some(id) => update.set(attr::TARGET_ID, id.as_str()),
        None => update,
    };
    match &done.etag {
        Some(tag) => update.set(attr::ETAG, tag.as_str()),
        None => update,
    }
}

/// Whether a call that failed may have taken effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It has not.
    Known,
    /// It may have, or may until this moment: start + T + D.
    Unknown {
        /// No claim before then.
        quiet_until: UnixMs,
    },
}

/// A call that failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// Whether it may have taken effect.
    pub outcome: Outcome,
    /// The breaker's epoch it counts in; `None` when it is nobody's attempt (a probe, a late one).
    pub attempt: Option<u64>,
    /// No attempt before this moment.
    pub next_attempt: UnixMs,
    /// What happened, without field values.
    pub reason: String,
    /// When the call started.
    pub started: UnixMs,
}

/// `fail`, outcome known or unknown.
pub fn fail(token: &ClaimToken, failure: &Failure, claimed: &Register) -> Update {
    let note = AttemptNote {
        at: failure.started,
        outcome: failure.reason.clone(),
    };
    let update = Update::when(mine(token))
        .set(attr::NEXT_ATTEMPT, failure.next_attempt.0)
        .set(attr::HISTORY, json(&claimed.history_with(note)))
        .remove(CLAIM_ATTRIBUTES);
    let update = match failure.attempt {
        None => update,
        // A late result of an epoch that has ended is not counted in a newer one (TRY-1).
        Some(epoch) if epoch < claimed.attempts_epoch => update,
        Some(epoch) if epoch == claimed.attempts_epoch => {
            update.change(attr::ATTEMPTS, Change::Add(1))
        }
        Some(epoch) => update.set(attr::ATTEMPTS, 1).set(
            attr::ATTEMPTS_EPOCH,
            i64::try_from(epoch).unwrap_or(i64::MAX),
        ),
    };
    match failure.outcome {
        Outcome::Known => forget_own(update, token, claimed),
        Outcome::Unknown { quiet_until } => update.set(attr::QUIET_UNTIL, quiet_until.0),
    }
}

/// `to review`. After a call that failed it is that failure's write with the cause; without a call
/// (a record that breaks the schema, a deletion) no attempt is counted. Holds only while the
/// content that was looked at is still the desired one: newer content has not been tried, nor has
/// equal content that was staged anew since (TRY-1).
pub fn to_review(
    token: &ClaimToken,
    flow: &FlowId,
    cause: &ReviewCause,
    failure: Option<&Failure>,
    claimed: &Register,
) -> Update {
    let mut update = match failure {
        Some(failure) => fail(token, failure, claimed),
        None => release(token, claimed),
    };
    update.condition = Condition::All(vec![
        update.condition,
        Condition::is(attr::DESIRED_HASH, Op::Eq, claimed.desired.hash.0.as_str()),
        unchanged_since(claimed),
    ]);
    with_review(update, flow, cause)
}

/// `release`: a deferral after a claim; no call was sent.
pub fn release(token: &ClaimToken, claimed: &Register) -> Update {
    forget_own(
        Update::when(mine(token)).remove(CLAIM_ATTRIBUTES),
        token,
        claimed,
    )
}

/// `adopt`: a look-up found the record. Before the update call, or that call could create twice.
pub fn adopt(token: &ClaimToken, target_id: &str) -> Update {
    Update::when(mine(token))
        .set(attr::TARGET_ID, target_id)
        .remove(&[attr::INTENT])
}

/// `forget`: the record of the stored id is gone from the target, and with it whatever an earlier
/// call may still do to it. It is created anew: `search` is what the create will be looked up by, and
/// the open call is this claim's own, so that its idempotency key is a new one.
pub fn forget(token: &ClaimToken, search: Option<&str>) -> Update {
    Update::when(mine(token))
        .set(attr::UNKNOWN_SINCE_CLAIM, token.as_str())
        .set_or_remove(attr::INTENT, search)
        .remove(&[attr::TARGET_ID, attr::ETAG])
}

/// `to review` of a record that is gone from the target: a replay creates it anew. An earlier call
/// whose outcome was open is gone with it; its idempotency key would be answered with the record
/// that is no more, at every replay.
pub fn gone_to_review(
    token: &ClaimToken,
    flow: &FlowId,
    cause: &ReviewCause,
    failure: &Failure,
    claimed: &Register,
) -> Update {
    to_review(token, flow, cause, Some(failure), claimed).remove(&[
        attr::TARGET_ID,
        attr::ETAG,
        attr::UNKNOWN_SINCE_CLAIM,
        attr::INTENT,
    ])
}

/// `rewrite intent`: a look-up found nothing and the search value changed since.
pub fn rewrite_intent(token: &ClaimToken, search: &str) -> Update {
    Update::when(mine(token)).set(attr::INTENT, search)
}

/// A person edits what is sent. Only in review and only for the version the person saw; no claim
/// can start meanwhile, and the new hash fences a commit of what was sent before. `search` is the
/// search value of the edited fields: a create would be looked up by it (EFF-2).
pub fn edit(seen: &Desired, hash: &ContentHash, search: Option<&str>, edit: &Override) -> Update {
    Update::when(reviewed_as(seen))
        .set(attr::OVERRIDE, json(edit))
        .set(attr::DESIRED_HASH, hash.0.as_str())
        .set_or_remove(attr::SEARCH_VALUE, search)
}

/// A person sends a record again: out of review, with all its retries.
pub fn replay(now: UnixMs) -> Update {
    dirty(Update::when(Condition::Exists(attr::REVIEW)), now)
        .set(attr::ATTEMPTS, 0)
        .remove(REVIEW_ATTRIBUTES)
        .remove(&[attr::NEXT_ATTEMPT, attr::DUE])
}

/// A person decides not to send what was seen: nothing is sent until the source gives other content,
/// or a newer revision sends all again. What was edited goes with it. Else a source that comes to say
/// just that would be taken for what is desired already, and never sent; and a newer revision would
/// send what somebody decided against. `search` is the search value of the source's fields.
pub fn discard(seen: &Register, search: Option<&str>) -> Update {
    let hash = seen.desired.content.hash();
    let update = Update::when(reviewed_as(&seen.desired))
        .set(attr::DESIRED_HASH, hash.0.as_str())
        .set_or_remove(attr::SEARCH_VALUE, search)
        .remove(REVIEW_ATTRIBUTES)
        .remove(DIRTY_ATTRIBUTES)
        .remove(&[attr::NEXT_ATTEMPT, attr::DUE, attr::OVERRIDE]);
    // The same content that an older revision of the flow applied: it must not pass for applied, or a
    // comparison would find the target edited and send it.
    match &seen.applied {
        Some(applied) if applied.hash == hash => update.remove(APPLIED_ATTRIBUTES),
        _ => update,
    }
}

/// A message about a dirty record went to the dead letters: it needs a person. Refused when it is
/// clean, in review already, or worked on right now.
pub fn dead_letter(flow: &FlowId, cause: &ReviewCause, now: UnixMs) -> Update {
    with_review(
        Update::when(Condition::All(vec![
            Condition::Exists(attr::DIRTY_SINCE),
            Condition::Absent(attr::REVIEW.to_owned()),
            Condition::absent_or(attr::CLAIM_UNTIL, Op::Lt, (now - CLOCK_SKEW).0),
        ])),
        flow,
        cause,
    )
}

const DIRTY_ATTRIBUTES: &[&str] = &[
    attr::DIRTY_SINCE,
    attr::PENDING_SINCE,
    attr::CLAIMED_PENDING_SINCE,
    attr::URGENT_SINCE,
];
const APPLIED_ATTRIBUTES: &[&str] = &[attr::APPLIED_VERSION, attr::APPLIED_HASH, attr::APPLIED_AT];
const CLAIM_ATTRIBUTES: &[&str] = &[attr::CLAIM_OWNER, attr::CLAIM_UNTIL];
const REVIEW_ATTRIBUTES: &[&str] = &[attr::REVIEW, attr::REVIEW_FLOW, attr::REVIEW_SINCE];

/// There is work since now, and what waits already goes on being as old as it is.
fn dirty(update: Update, now: UnixMs) -> Update {
    update
        .set(attr::DIRTY_SINCE, now.0)
        .change(attr::PENDING_SINCE, Change::Default(now.0.into()))
}

/// The tier of the work. What is urgent already goes on being so since then.
fn tiered(update: Update, tier: Tier, reason: &TierReason, now: UnixMs) -> Update {
    let update = update
        .set(attr::TIER, tier.as_str())
        .set(attr::TIER_REASON, json(reason));
    match tier {
        Tier::RealTime => update.change(attr::URGENT_SINCE, Change::Default(now.0.into())),
        Tier::Batch => update,
    }
}

/// It is in review, as this request read it. Of two edits at once, the second would drop the fields of
/// the first.
fn reviewed_as(seen: &Desired) -> Condition {
    Condition::All(vec![
        Condition::Exists(attr::REVIEW),
        Condition::is(attr::DESIRED_VERSION, Op::Eq, seen.version.encode()),
        Condition::is(attr::DESIRED_HASH, Op::Eq, seen.hash.0.as_str()),
    ])
}

/// The record has been dirty since the same moment as when it was claimed.
fn unchanged_since(claimed: &Register) -> Condition {
    match claimed.dirty_since {
        Some(since) => Condition::is(attr::DIRTY_SINCE, Op::Eq, since.0),
        None => Condition::ALWAYS,
    }
}

/// The claim is mine.
fn mine(token: &ClaimToken) -> Condition {
    Condition::is(attr::CLAIM_OWNER, Op::Eq, token.as_str())
}

/// Forgets the unknown outcome and the intent only where they are this claim's own: an older call
/// may still be open.
fn forget_own(update: Update, token: &ClaimToken, claimed: &Register) -> Update {
    if claimed.unknown.as_ref() == Some(token) {
        update.remove(&[attr::UNKNOWN_SINCE_CLAIM, attr::INTENT])
    } else {
        update
    }
}

fn with_review(update: Update, flow: &FlowId, cause: &ReviewCause) -> Update {
    update
        .set(attr::REVIEW, json(cause))
        .set(attr::REVIEW_FLOW, flow.as_str())
        .set(attr::REVIEW_SINCE, cause.since.0)
}

/// Types of this crate with string keys always have a JSON form.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
