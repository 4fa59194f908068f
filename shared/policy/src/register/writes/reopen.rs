//! The writes of a reconciliation: what the target does not hold is to be sent once more.

use tidegate_model::{
    ClaimToken, Tier, TierReason, UnixMs,
    item::{Condition, Op, Update},
};

use super::{
    super::{CLOCK_SKEW, Register, attr},
    dirty,
    erase::not_forgotten,
    tiered,
};

/// `reopen`: the target no longer holds what is known to be applied (a reconciliation compared it),
/// so nothing is known to be applied and the record is dirty again; `apply` sends what is desired.
///
/// Holds only while register and applied state are those that were compared and nobody works on
/// the record: clean (no claim can start before this write), no open claim, no outcome unknown; and
/// its content was not forgotten meanwhile.
/// The desired state stays as it is (REG-1).
pub fn reopen(compared: &Register, now: UnixMs) -> Update {
    let applied = |attribute: &'static str, value: Option<String>| match value {
        Some(value) => Condition::is(attribute, Op::Eq, value),
        None => Condition::Absent(attribute.to_owned()),
    };
    let known = compared.applied.as_ref();
    let untouched = Update::when(Condition::All(vec![
        Condition::is(
            attr::DESIRED_VERSION,
            Op::Eq,
            compared.desired.version.encode(),
        ),
        Condition::is(attr::DESIRED_HASH, Op::Eq, compared.desired.hash.0.as_str()),
        applied(
            attr::APPLIED_VERSION,
            known.map(|applied| applied.version.encode()),
        ),
        applied(
            attr::APPLIED_HASH,
            known.map(|applied| applied.hash.0.clone()),
        ),
        match known {
            Some(applied) => Condition::is(attr::APPLIED_AT, Op::Eq, applied.at.0),
            None => Condition::Absent(attr::APPLIED_AT.to_owned()),
        },
        Condition::Absent(attr::DIRTY_SINCE.to_owned()),
        Condition::Absent(attr::REVIEW.to_owned()),
        Condition::Absent(attr::UNKNOWN_SINCE_CLAIM.to_owned()),
        not_forgotten(),
        Condition::absent_or(attr::CLAIM_UNTIL, Op::Lt, (now - CLOCK_SKEW).0),
    ]));
    let update = dirty(untouched, now).set(attr::ATTEMPTS, 0).remove(&[
        attr::APPLIED_VERSION,
        attr::APPLIED_HASH,
        attr::APPLIED_AT,
        attr::NEXT_ATTEMPT,
        attr::DUE,
    ]);
    tiered(update, Tier::Batch, &TierReason::Reconciled, now)
}

/// `reopen` of a record that the target lacks. As if an earlier call were open: its id is tried
/// first, and only where the target says that it is gone the record is created anew (EFF-2).
pub fn reopen_missing(compared: &Register, by: &ClaimToken, now: UnixMs) -> Update {
    reopen(compared, now).set(attr::UNKNOWN_SINCE_CLAIM, by.as_str())
}

/// `reopen` of a deletion: the target has the record again, under this id where it has ids.
pub fn reopen_deleted(compared: &Register, target_id: Option<&str>, now: UnixMs) -> Update {
    let update = reopen(compared, now);
    match target_id {
        Some(id) => update.set(attr::TARGET_ID, id),
        None => update,
    }
}
