//! What needs a person: into review, and the ways out of it.

use rstest::rstest;

use super::*;

/// S, as PROTOCOL has it; a figure of its own, so that a shorter one is found.
const S: Duration = Duration::from_millis(250);

#[test]
fn a_review_is_of_the_content_that_was_tried() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    let why = cause(ReviewKind::Refused);
    let write = to_review(&token("w"), &flow(), &why, None, &claimed);
    assert!(!table.write(&write), "the newer content was not tried");
    assert_eq!(table.read().state(), State::Pending);
}

#[test]
fn a_review_without_a_call_counts_no_attempt_and_one_after_a_call_counts_it_try_1() {
    for (failed, attempts) in [(None, 0), (Some(failure(Outcome::Known, Some(0))), 1)] {
        let mut table = Table::staged(1, "a");
        let claimed = table.claim("w", NOW);
        let why = cause(ReviewKind::Refused);
        let write = to_review(&token("w"), &flow(), &why, failed.as_ref(), &claimed);
        assert!(table.write(&write));
        let register = table.read();
        assert_eq!(register.attempts, attempts);
        assert_eq!(register.review, Some(why));
        assert_eq!(register.claim, None);
    }
}

#[test]
fn new_content_ends_a_review_and_an_edit() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w"), &flow(), &why, None, &claimed)));
    assert!(table.write(&edited(&table.read(), "b")));
    assert!(table.write(&stage(&change(2, "c"), NOW)));
    let register = table.read();
    assert_eq!((register.review, register.edited), (None, None));
    assert!(!table.has(attr::REVIEW_FLOW) && !table.has(attr::REVIEW_SINCE));
}

fn edited(seen: &Register, name: &str) -> Update {
    let edit_made = Override {
        fields: named(name).fields().unwrap().clone(),
        by: "ann".to_owned(),
        why: "typing error".to_owned(),
        at: NOW,
        base: named("a").hash(),
    };
    edit(&seen.desired, &named(name).hash(), Some(name), &edit_made)
}

fn in_review() -> Table {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let failed = failure(unknown(), Some(0));
    let why = cause(ReviewKind::RetriesSpent);
    assert!(table.write(&to_review(
        &token("w"),
        &flow(),
        &why,
        Some(&failed),
        &claimed
    )));
    table
}

#[test]
fn an_edit_is_for_the_version_that_was_seen_and_only_in_review() {
    let mut waits = Table::staged(1, "a");
    assert!(!waits.write(&edited(&waits.read(), "b")));
    let mut table = in_review();
    let seen = table.read();
    let mut other = seen.clone();
    other.desired.version = version(2);
    assert!(!table.write(&edited(&other, "b")), "another version");
    assert!(table.write(&edited(&table.read(), "b")));
    let register = table.read();
    assert_eq!(register.effective(), named("b"));
    assert_eq!(register.desired.hash, named("b").hash());
    assert_eq!(register.desired.content, named("a"), "the source's stays");
    let beside = edited(&seen, "c");
    assert!(!table.write(&beside), "it would drop what another edited");
}

#[test]
fn an_edited_record_is_looked_up_by_what_is_sent_eff_2() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w"), &flow(), &why, None, &claimed)));
    assert!(table.write(&edited(&table.read(), "b")));
    assert!(table.write(&replay(NOW)));
    assert_eq!(table.claim_later("w2").intent.as_deref(), Some("b"));
}

#[test]
fn a_replay_gives_all_retries_and_forgets_no_open_call() {
    assert!(!Table::staged(1, "a").write(&replay(NOW)));
    let mut table = in_review();
    assert!(table.write(&replay(NOW)));
    assert!(!table.write(&replay(NOW)), "once");
    let register = table.read();
    assert_eq!(register.state(), State::Pending);
    assert_eq!((register.attempts, register.next_attempt), (0, None));
    assert_eq!(register.unknown, Some(token("w")));
    assert!(register.quiet_until.is_some());
}

#[test]
fn a_discarded_version_is_not_sent_and_the_next_one_is() {
    let mut table = in_review();
    assert!(table.write(&discard(&table.read(), None)));
    assert_eq!(table.read().state(), State::Discarded);
    assert!(!table.write(&claim(&token("w2"), NOW, NOW + S * 100, true)));
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    let register = table.claim_later("w2");
    assert_eq!(register.unknown, Some(token("w")), "the open call is known");
}

#[test]
fn a_discard_is_of_what_was_seen_and_takes_the_edit_with_it() {
    let mut table = in_review();
    let seen = table.read();
    assert!(table.write(&edited(&table.read(), "b")));
    assert!(!table.write(&discard(&seen, Some("a"))), "not the edit");
    assert!(table.write(&discard(&table.read(), Some("a"))));
    let register = table.read();
    assert_eq!(register.state(), State::Discarded);
    assert_eq!(
        (register.effective(), &register.edited),
        (named("a"), &None)
    );
    assert_eq!(register.desired, seen.desired, "as the source has it");
    // What was edited is other content, once the source gives it.
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    assert_eq!(table.read().state(), State::Pending);
}

/// Or a comparison would find the target edited, by the older revision's body, and send the newer's.
#[test]
fn what_an_older_revision_applied_is_not_applied_once_the_newer_one_is_discarded() {
    let mut table = Table::applied(1, "a");
    let equal = Equal {
        hash: named("a").hash(),
        agrees: None,
    };
    let tier = (Tier::Batch, &TierReason::NotCritical);
    assert!(table.write(&stage_again(version(2), &equal, "s", tier, NOW)));
    let later = NOW + Duration::from_hours(1);
    let claimed = table.claim("w2", later);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w2"), &flow(), &why, None, &claimed)));
    assert!(table.write(&discard(&table.read(), None)));
    assert_eq!(table.read().state(), State::Discarded);
}

#[test]
fn what_a_newer_revision_sends_again_is_found_by_the_sources_name_eff_2() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w"), &flow(), &why, None, &claimed)));
    assert!(table.write(&edited(&table.read(), "b")));
    assert!(table.write(&discard(&table.read(), Some("a"))));
    let equal = Equal {
        hash: named("a").hash(),
        agrees: None,
    };
    let tier = (Tier::Batch, &TierReason::NotCritical);
    assert!(table.write(&stage_again(version(2), &equal, "s", tier, NOW)));
    let claimed = table.claim_later("w2");
    assert_eq!(claimed.intent.as_deref(), Some("a"));
    assert_eq!(claimed.effective(), named("a"));
}

#[test]
fn what_was_discarded_while_a_call_was_open_is_not_told_as_applied_que_2() {
    let mut table = Table::applied(1, "a");
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    let claimed = table.claim("broke", NOW);
    let failed = failure(unknown(), Some(0));
    assert!(table.write(&fail(&token("broke"), &failed, &claimed)));
    assert!(table.write(&stage(&change(3, "a"), NOW)));
    let why = cause(ReviewKind::DeadLetter);
    assert!(table.write(&dead_letter(&flow(), &why, NOW)));
    assert!(table.write(&discard(&table.read(), None)));
    // The target may hold `b`: that it once held `a` says nothing.
    assert_eq!(table.read().state(), State::Discarded);
}

#[test]
fn content_that_was_staged_anew_during_the_last_call_has_all_its_retries_try_1() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    assert!(table.write(&stage(&change(2, "b"), NOW + MS)));
    assert!(table.write(&stage(&change(3, "a"), NOW + MS)));
    let failed = failure(Outcome::Known, Some(0));
    let why = cause(ReviewKind::RetriesSpent);
    let write = to_review(&token("w"), &flow(), &why, Some(&failed), &claimed);
    assert!(
        !table.write(&write),
        "equal content, but not that which was tried"
    );
}

#[rstest]
#[case::waiting(Table::staged(1, "a"), true)]
#[case::clean(Table::applied(1, "a"), false)]
#[case::in_review(in_review(), false)]
fn a_dead_letter_is_for_work_that_nobody_does(#[case] mut table: Table, #[case] written: bool) {
    let why = cause(ReviewKind::DeadLetter);
    assert_eq!(table.write(&dead_letter(&flow(), &why, NOW)), written);
}

#[test]
fn a_dead_letter_waits_for_the_end_of_a_claim() {
    let mut table = Table::staged(1, "a");
    let end = table.claim("w", NOW).claim.unwrap().until;
    let why = cause(ReviewKind::DeadLetter);
    assert!(!table.write(&dead_letter(&flow(), &why, end + S)));
    assert!(table.write(&dead_letter(&flow(), &why, end + S + MS)));
}
