//! What to call for a claimed record: rules 3 and 7 of the register protocol.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tidegate_model::{ClaimToken, Content, Fields, flow::Deletion};

use crate::register::{Applied, Register, ReviewKind};

/// What a target can do, and what it costs.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trait of its own; any of them may hold together"
)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TargetTraits {
    /// Creates or replaces by our key: a repeat can not make a second record.
    pub upsert: bool,
    /// Keeps an idempotency key: a repeated create answers with the first one's record.
    pub idempotent_create: bool,
    /// Can be searched by the value under which a record was created.
    pub searchable: bool,
    /// Can list its records by our keys, so that they are linked in an initial run.
    pub listable: bool,
    /// It is our own store: what is staged is applied by the same write.
    pub own: bool,
    /// Calls of a create (or upsert).
    pub create_calls: u32,
    /// Calls of an update.
    pub update_calls: u32,
    /// Calls of a look-up.
    pub find_calls: u32,
    /// Can delete.
    pub deletes: bool,
    /// Can archive.
    pub archives: bool,
}

/// How a deletion is passed on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Removal {
    /// Delete.
    Delete,
    /// Archive.
    Archive,
}

/// What to do for a claimed record.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// The target holds it already, and no other call can have changed that: no call.
    Skip,
    /// The flow keeps what was deleted at the source: no call.
    Keep,
    /// Create it, or upsert.
    Create(Fields),
    /// Update what bears this id.
    Update(Fields),
    /// An earlier create may have happened under an idempotency key: repeat it under that key to
    /// learn the record's id, store the id, then update. The target answers with the record as it
    /// was first created, and what is desired may have changed since (EFF-2).
    CreateAgain(Fields),
    /// An earlier create may have happened: look for it by the value it was sent with (EFF-2).
    LookUp {
        /// The value.
        search: String,
        /// The fields to write then.
        fields: Fields,
    },
    /// Delete or archive it.
    Remove(Removal),
    /// A person must decide.
    Review {
        /// The kind of cause.
        kind: ReviewKind,
        /// The cause.
        reason: &'static str,
    },
}

/// Decides what to do for a record that `token` has claimed.
pub fn step(
    claimed: &Register,
    token: &ClaimToken,
    traits: TargetTraits,
    deletion: Deletion,
) -> Step {
    let own = claimed.unknown.as_ref() == Some(token);
    let applied = claimed.applied.as_ref();
    let holds = |applied: &Applied| {
        // Equal fields under another revision may have been sent in another form.
        applied.hash == claimed.desired.hash
            && applied.version.revision == claimed.desired.version.revision
    };
    if own && applied.is_some_and(holds) {
        return Step::Skip;
    }
    let fields = match claimed.effective() {
        Content::Record(fields) => fields,
        Content::Deleted => return removal(claimed, own, traits, deletion),
        // No write makes a forgotten record dirty; blanks are never sent.
        Content::Forgotten => {
            return Step::Review {
                kind: ReviewKind::Invalid,
                reason: "its fields were forgotten: change it at its source",
            };
        }
    };
    if traits.upsert {
        return Step::Create(fields);
    }
    if claimed.target_id.is_some() {
        return Step::Update(fields);
    }
    if own {
        return Step::Create(fields);
    }
    if traits.idempotent_create {
        return Step::CreateAgain(fields);
    }
    match &claimed.intent {
        Some(search) if traits.searchable => Step::LookUp {
            search: search.clone(),
            fields,
        },
        _ => Step::Review {
            kind: ReviewKind::Ambiguous,
            reason: "an earlier create may have happened and the target can not be searched for it",
        },
    }
}

fn removal(claimed: &Register, own: bool, traits: TargetTraits, deletion: Deletion) -> Step {
    let review = |reason| Step::Review {
        kind: ReviewKind::DeletedAtSource,
        reason,
    };
    let how = match deletion {
        // A create whose outcome is open must not be forgotten: if the record comes back at the
        // source, it would be created twice (EFF-2).
        Deletion::Keep if !own && claimed.target_id.is_none() && !traits.upsert => {
            return review(
                "it was deleted at the source while an earlier create may have happened",
            );
        }
        Deletion::Keep => return Step::Keep,
        Deletion::Review => return review("it was deleted at the source"),
        Deletion::Delete if !traits.deletes => {
            return review("it was deleted at the source and the target has no delete");
        }
        Deletion::Archive if !traits.archives => {
            return review("it was deleted at the source and the target has no archive");
        }
        Deletion::Delete => Removal::Delete,
        Deletion::Archive => Removal::Archive,
    };
    if traits.upsert || claimed.target_id.is_some() {
        Step::Remove(how)
    } else if own && claimed.applied.is_none() {
        // It never reached the target.
        Step::Keep
    } else {
        review("it was deleted at the source and its id at the target is not known")
    }
}

/// The idempotency key of a record's create: the token of the first claim whose outcome is open. It
/// stays the same until that outcome is known, whatever content is desired meanwhile, and is new
/// after it: a target remembers a refusal under its key too.
pub fn idempotency_key<'a>(claimed: &'a Register, token: &'a ClaimToken) -> &'a str {
    claimed.unknown.as_ref().unwrap_or(token).as_str()
}

/// Calls that a record will take, as far as its register tells before it is claimed.
pub fn calls_of(register: &Register, traits: TargetTraits) -> u32 {
    let removed = register.desired.content == Content::Deleted;
    if removed {
        let known = traits.upsert || register.target_id.is_some();
        u32::from(known && !traits.own)
    } else if traits.upsert {
        traits.create_calls
    } else if register.target_id.is_some() {
        traits.update_calls
    } else if register.unknown.is_none() {
        traits.create_calls
    } else if traits.idempotent_create {
        traits.create_calls + traits.update_calls
    } else if !traits.searchable {
        // It becomes a review.
        0
    } else {
        // A look-up, then a create or an update.
        traits.find_calls + traits.update_calls.max(traits.create_calls)
    }
}

/// What follows a failed call that counts as an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AfterFailure {
    /// Wait so long, then again.
    Retry(Duration),
    /// The retries are used up.
    Review,
}

/// Decides after the `attempts`-th attempt (counted from 1) has failed.
pub fn after_failure(attempts: u32, steps: &[Duration]) -> AfterFailure {
    let step = usize::try_from(attempts.saturating_sub(1))
        .ok()
        .and_then(|index| steps.get(index));
    step.map_or(AfterFailure::Review, |wait| AfterFailure::Retry(*wait))
}
