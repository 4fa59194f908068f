//! What goes wrong without each piece of the protocol: a test for each mistake that PROTOCOL.md
//! names. Those of the queue and of the checkpoint are in `walk`, in `run`, and in the engine.

use tidegate_model::flow::Deletion;

use super::*;
use crate::{
    plan::{Step, step},
    stage::needs_message,
};

fn next_step(claimed: &Register, by: &str) -> Step {
    step(claimed, &token(by), BY_NAME, Deletion::Review)
}

#[test]
fn equal_content_moves_the_version_or_an_older_version_would_win_later_reg_1() {
    let mut table = Table::staged(1, "a");
    assert!(table.write(&move_version(version(3), &equal("a"), "r")));
    assert!(!table.write(&stage(&change(2, "b"), NOW)));
    assert_eq!(table.read().desired.content, named("a"));
}

/// `a` is applied; a call with `b` broke and may have taken effect; `a` is desired again.
fn back_to_what_was_applied(outcome: Option<Outcome>) -> Table {
    let mut table = Table::applied(1, "a");
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    let claimed = table.claim("broke", NOW);
    if let Some(outcome) = outcome {
        let failed = failure(outcome, Some(0));
        assert!(table.write(&fail(&token("broke"), &failed, &claimed)));
    }
    assert!(table.write(&stage(&change(3, "a"), NOW)));
    table
}

#[test]
fn no_call_is_skipped_while_an_older_one_may_have_changed_the_target() {
    let mut table = back_to_what_was_applied(None);
    let claimed = table.claim_later("w");
    assert_eq!(claimed.applied.as_ref().unwrap().hash, claimed.desired.hash);
    assert!(matches!(next_step(&claimed, "w"), Step::Update(_)));
}

#[test]
fn a_call_is_skipped_when_no_older_one_is_open() {
    let mut table = back_to_what_was_applied(Some(Outcome::Known));
    let claimed = table.claim_later("w");
    assert_eq!(next_step(&claimed, "w"), Step::Skip);
}

#[test]
fn a_time_out_keeps_the_call_open_que_2() {
    let mut table = back_to_what_was_applied(Some(unknown()));
    let claimed = table.claim_later("w");
    assert!(matches!(next_step(&claimed, "w"), Step::Update(_)));
}

#[test]
fn a_release_keeps_an_older_call_open_que_2() {
    let mut table = back_to_what_was_applied(None);
    let claimed = table.claim_later("deferred");
    assert!(table.write(&release(&token("deferred"), &claimed)));
    let claimed = table.claim_later("w");
    assert!(matches!(next_step(&claimed, "w"), Step::Update(_)));
}

#[test]
fn a_release_forgets_its_own_claim_since_no_call_was_sent() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("deferred", NOW);
    assert!(table.write(&release(&token("deferred"), &claimed)));
    let claimed = table.claim_later("w");
    assert!(matches!(next_step(&claimed, "w"), Step::Create(_)));
}

#[test]
fn a_stage_whose_answer_was_lost_is_known_as_ones_own_and_queued_que_2() {
    let mut table = Table::default();
    let write = stage(&change(1, "a"), NOW);
    assert!(table.write(&write));
    assert!(!table.write(&write), "the second try is refused");
    let seen = table.read();
    assert_eq!(seen.desired.staged_by, change(1, "a").by);
    assert!(needs_message(&seen));
}

#[test]
fn a_message_refused_by_a_live_claim_has_a_time_to_come_back_que_2() {
    let mut table = Table::staged(1, "a");
    let end = table.claim("dies", NOW).claim.unwrap().until;
    let come_back = table.read().claimable_at();
    assert!(come_back > end + CLOCK_SKEW);
    table.claim("w", come_back);
}

#[test]
fn a_commit_does_not_mark_newer_content_as_applied() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let done = table.done("a");
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    assert!(!table.write(&commit(&token("w"), &done, &claimed, NOW)));
    assert!(table.read().is_dirty());
}

#[test]
fn a_zombie_does_not_mark_what_its_successor_writes_eff_1() {
    let mut table = Table::staged(1, "a");
    let zombie = table.claim("zombie", NOW);
    let done = table.done("a");
    table.claim_later("taker");
    assert!(!table.write(&commit(&token("zombie"), &done, &zombie, NOW)));
    assert_eq!(table.read().applied, None);
}

#[test]
fn a_look_up_asks_for_the_value_as_sent_or_it_would_create_twice_eff_2() {
    let mut table = Table::staged(1, "old name");
    table.claim("broke", NOW);
    assert!(table.write(&stage(&change(2, "new name"), NOW)));
    let claimed = table.claim_later("w");
    let Step::LookUp { search, fields } = next_step(&claimed, "w") else {
        panic!("a look-up comes first");
    };
    assert_eq!(search, "old name");
    assert_eq!(Content::Record(fields), named("new name"));
}

#[test]
fn a_found_record_is_stored_before_it_is_written_to_or_it_would_be_created_twice_eff_2() {
    let mut table = Table::staged(1, "old name");
    table.claim("broke", NOW);
    assert!(table.write(&stage(&change(2, "new name"), NOW)));
    table.claim_later("dies");
    assert!(table.write(&adopt(&token("dies"), "T-1")));
    // Dies here: whether the update renamed it is unknown, so the old name finds nothing.
    let claimed = table.claim_later("w");
    assert!(matches!(next_step(&claimed, "w"), Step::Update(_)));
}

#[test]
fn a_rewritten_intent_is_looked_for_next_time_or_it_would_be_created_twice_eff_2() {
    let mut table = Table::staged(1, "old name");
    table.claim("broke", NOW);
    assert!(table.write(&stage(&change(2, "new name"), NOW)));
    table.claim_later("dies");
    assert!(table.write(&rewrite_intent(&token("dies"), "new name")));
    let claimed = table.claim_later("w");
    assert!(
        matches!(next_step(&claimed, "w"), Step::LookUp { search, .. } if search == "new name")
    );
}

/// Applied, then deleted by a call whose answer was lost, then desired again.
fn deleted_unseen_and_back() -> Table {
    let mut table = Table::applied(1, "a");
    let gone = Stage {
        content: Content::Deleted,
        search: None,
        ..change(2, "a")
    };
    assert!(table.write(&stage(&gone, NOW)));
    let claimed = table.claim("deletes", NOW);
    let failed = failure(unknown(), Some(0));
    assert!(table.write(&fail(&token("deletes"), &failed, &claimed)));
    assert!(table.write(&stage(&change(3, "a"), NOW)));
    table
}

#[test]
fn a_record_that_an_open_deletion_took_is_created_anew_and_found_again_eff_2() {
    let mut table = deleted_unseen_and_back();
    let claimed = table.claim_later("w");
    // The target says that there is no such record.
    assert!(matches!(next_step(&claimed, "w"), Step::Update(_)));
    assert!(!table.write(&forget(&token("other"), Some("a"))));
    assert!(table.write(&forget(&token("w"), Some("a"))));
    let forgotten = table.read();
    assert_eq!((&forgotten.target_id, &forgotten.etag), (&None, &None));
    assert_eq!(
        crate::plan::idempotency_key(&forgotten, &token("w")),
        "w",
        "the key of the create before would answer with the deleted record"
    );
    // It dies in the middle of the create.
    let claimed = table.claim_later("next");
    assert!(matches!(next_step(&claimed, "next"), Step::LookUp { search, .. } if search == "a"));
}

#[test]
fn the_id_of_a_record_that_was_deleted_at_the_target_is_forgotten_or_an_update_would_miss_it() {
    let mut table = Table::applied(1, "a");
    let gone = Stage {
        content: Content::Deleted,
        search: None,
        ..change(2, "a")
    };
    assert!(table.write(&stage(&gone, NOW)));
    let claimed = table.claim_later("w");
    let done = Committed {
        hash: Content::Deleted.hash(),
        target_id: None,
        deleted: true,
        ..table.done("a")
    };
    assert!(table.write(&commit(&token("w"), &done, &claimed, NOW)));
    assert_eq!(table.read().target_id, None);
    assert!(table.write(&stage(&change(3, "a"), NOW)));
    let claimed = table.claim_later("w2");
    assert!(matches!(next_step(&claimed, "w2"), Step::Create(_)));
}

#[test]
fn a_replay_of_a_record_that_is_gone_from_the_target_creates_it() {
    let mut table = Table::applied(1, "a");
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    let failed = failure(Outcome::Known, Some(0));
    let write = gone_to_review(&token("w"), &flow(), &why, &failed, &claimed);
    assert!(table.write(&write));
    assert!(table.write(&replay(NOW)));
    let claimed = table.claim_later("w2");
    assert!(matches!(next_step(&claimed, "w2"), Step::Create(_)));
}

/// A create broke, its repeat told the id, and a hand had deleted the record meanwhile.
#[test]
fn a_replay_does_not_repeat_a_create_whose_record_is_gone() {
    let mut table = Table::staged(1, "a");
    table.claim("broke", NOW);
    let claimed = table.claim_later("w");
    assert!(table.write(&adopt(&token("w"), "T-1")));
    let why = cause(ReviewKind::Refused);
    let failed = failure(Outcome::Known, Some(0));
    let write = gone_to_review(&token("w"), &flow(), &why, &failed, &claimed);
    assert!(table.write(&write));
    assert!(table.write(&replay(NOW)));
    let claimed = table.claim_later("w2");
    assert!(matches!(next_step(&claimed, "w2"), Step::Create(_)));
    assert_eq!(crate::plan::idempotency_key(&claimed, &token("w2")), "w2");
}

#[test]
fn claims_and_deferrals_spend_no_attempt_try_1() {
    let mut table = Table::staged(1, "a");
    for _ in 0..20 {
        table.claim_later("dies");
        let claimed = table.claim_later("deferred");
        assert!(table.write(&release(&token("deferred"), &claimed)));
    }
    assert_eq!(table.read().attempts_in(0), 0);
}

#[test]
fn an_outage_of_any_length_spends_no_attempt_once_its_epoch_has_ended_try_1() {
    let mut table = Table::staged(1, "a");
    for epoch in 0..20 {
        let claimed = table.claim_later("w");
        let failed = failure(Outcome::Known, Some(epoch));
        assert!(table.write(&fail(&token("w"), &failed, &claimed)));
        assert_eq!(table.read().attempts_in(epoch), 1);
    }
    assert_eq!(table.read().attempts_in(20), 0);
}
