//! The write that forgets a record's values, at somebody's wish.

use tidegate_model::{
    Content, UnixMs,
    item::{Condition, Op, Update},
};

use super::{
    super::{AttemptNote, CLOCK_SKEW, Override, Register, attr},
    CLAIM_ATTRIBUTES, json,
};

/// What the history of a record says whose values were erased.
pub const FORGOTTEN: &str = "forgotten";

/// Why a record can not be forgotten now: whatever still needs its values is finished first, so that
/// nothing that was to be sent is lost without a word.
pub fn why_not_erasable(register: &Register, now: UnixMs) -> Option<&'static str> {
    let is_claimed = |register: &Register| {
        let claim = register.claim.as_ref();
        claim.is_some_and(|claim| claim.until >= now - CLOCK_SKEW)
    };
    if register.review.is_some() {
        Some("it is in review: discard that first, or replay it where it can be sent")
    } else if register.is_dirty() || is_claimed(register) {
        Some("a change of it waits to be sent: ask again when it is applied")
    } else if register.unknown.is_some() {
        Some("the outcome of a call for it is not known: ask again after its next change")
    } else {
        None
    }
}

/// `erase`: the values go, from content, edit, search value, intent and history; version, hashes and
/// the id at the target stay, so that no older version, nor the same one, brings them back (REG-1) and
/// a source that still says the same sends nothing. Other content in a newer version is staged as
/// ever, and so is a deletion.
///
/// Holds only while the register is the one that was looked at and [nothing](why_not_erasable) needs
/// the values. Who held a claim that is over can not write any more: it knows the history.
pub fn erase(seen: &Register, now: UnixMs) -> Update {
    let content = match &seen.desired.content {
        Content::Record(_) | Content::Forgotten => Content::Forgotten,
        Content::Deleted => Content::Deleted,
    };
    let note = AttemptNote {
        at: now,
        outcome: FORGOTTEN.to_owned(),
    };
    let update = Update::when(Condition::All(vec![
        Condition::is(attr::DESIRED_VERSION, Op::Eq, seen.desired.version.encode()),
        Condition::is(attr::DESIRED_HASH, Op::Eq, seen.desired.hash.0.as_str()),
        Condition::Absent(attr::DIRTY_SINCE.to_owned()),
        Condition::Absent(attr::REVIEW.to_owned()),
        Condition::Absent(attr::UNKNOWN_SINCE_CLAIM.to_owned()),
        Condition::absent_or(attr::CLAIM_UNTIL, Op::Lt, (now - CLOCK_SKEW).0),
    ]))
    .set(attr::DESIRED_CONTENT, json(&content))
    .set(attr::HISTORY, json(&[note]))
    .remove(&[attr::SEARCH_VALUE, attr::INTENT])
    .remove(CLAIM_ATTRIBUTES);
    match &seen.edited {
        // By the hash of what was edited the source's content is known again.
        Some(edit) => update.set(attr::OVERRIDE, json(&without_values(edit))),
        None => update,
    }
}

/// A reason is a person's text, and may tell a value.
fn without_values(edit: &Override) -> Override {
    Override {
        fields: tidegate_model::Fields::new(),
        by: edit.by.clone(),
        why: String::new(),
        at: edit.at,
        base: edit.base.clone(),
    }
}

/// Its content is there to be sent.
pub(super) fn not_forgotten() -> Condition {
    Condition::is(attr::DESIRED_CONTENT, Op::Ne, json(&Content::Forgotten))
}
