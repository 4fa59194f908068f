//! One table for each write: what it is refused by, at the boundary, and what it leaves.

use rstest::rstest;
use tidegate_model::item::Condition;

use super::*;

#[rstest]
#[case::first(None, (1, "a"), true)]
#[case::newer_other_content(Some((1, "a")), (2, "b"), true)]
#[case::newer_same_content(Some((1, "a")), (2, "a"), false)]
#[case::equal_version(Some((2, "a")), (2, "b"), false)]
#[case::older(Some((2, "a")), (1, "b"), false)]
#[case::older_same_content(Some((2, "a")), (1, "a"), false)]
fn a_stage_writes_newer_content_only_reg_1(
    #[case] stored: Option<(u64, &str)>,
    #[case] incoming: (u64, &str),
    #[case] written: bool,
) {
    let mut table = stored.map_or_else(Table::default, |(at, name)| Table::staged(at, name));
    let before = table.item.clone();
    assert_eq!(
        table.write(&stage(&change(incoming.0, incoming.1), NOW + MS)),
        written
    );
    if written {
        let register = table.read();
        assert_eq!(register.desired.version, version(incoming.0));
        assert_eq!(register.desired.content, named(incoming.1));
        assert_eq!(register.dirty_since, Some(NOW + MS));
    } else {
        assert_eq!(table.item, before, "nothing is altered");
    }
}

#[rstest]
#[case::newer_same_content(Some((1, "a")), (2, "a"), true)]
#[case::newer_other_content(Some((1, "a")), (2, "b"), false)]
#[case::equal_version(Some((2, "a")), (2, "a"), false)]
#[case::older(Some((2, "a")), (1, "a"), false)]
#[case::no_register(None, (1, "a"), false)]
fn a_version_moves_over_equal_content_only_reg_1(
    #[case] stored: Option<(u64, &str)>,
    #[case] incoming: (u64, &str),
    #[case] written: bool,
) {
    let mut table = stored.map_or_else(Table::default, |(at, name)| Table::applied(at, name));
    let moved = move_version(version(incoming.0), &equal(incoming.1), "other");
    assert_eq!(table.write(&moved), written);
    if written {
        let register = table.read();
        assert_eq!(register.desired.version, version(incoming.0));
        assert_eq!(register.desired.staged_by, "other");
        assert!(!register.is_dirty(), "no work comes of it");
    }
}

#[test]
fn new_content_starts_anew_but_forgets_no_call() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    table.write(&fail(&token("w"), &failure(unknown(), Some(0)), &claimed));
    let table_before = table.read();
    assert!(table.write(&stage(&change(2, "b"), NOW + MS)));
    let after = table.read();
    assert_eq!((after.attempts, after.next_attempt), (0, None));
    assert_eq!(after.unknown, table_before.unknown);
    assert_eq!(after.quiet_until, table_before.quiet_until);
    assert_eq!(after.intent.as_deref(), Some("a"), "the value as sent");
}

#[test]
fn new_content_leaves_a_claim_alone_eff_1() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    assert!(table.write(&stage(&change(2, "b"), NOW + MS)));
    assert_eq!(table.read().claim, claimed.claim);
}

#[test]
fn content_that_breaks_the_schema_is_staged_into_review() {
    let mut broken = change(1, "a");
    broken.review = Some((flow(), cause(ReviewKind::Invalid)));
    let mut table = Table::default();
    assert!(table.write(&stage(&broken, NOW)));
    assert_eq!(table.read().state(), State::InReview);
    assert!(!table.write(&claim(&token("w"), NOW, NOW, true)), "no call");
}

#[rstest]
#[case::none_stored(None, "T-9")]
#[case::one_stored(Some("T-1"), "T-1")]
fn a_link_never_replaces_a_stored_id(#[case] stored: Option<&str>, #[case] kept: &str) {
    let mut table = match stored {
        Some(_) => Table::applied(1, "a"),
        None => Table::staged(1, "a"),
    };
    let mut linked = change(2, "b");
    linked.link = Some("T-9".to_owned());
    assert!(table.write(&stage(&linked, NOW)));
    assert_eq!(table.read().target_id.as_deref(), Some(kept));
}

#[rstest]
#[case::nothing_to_look_for(false, None, None, None)]
#[case::it_may_stand_there_already(true, None, Some("stager-2"), Some("b"))]
#[case::a_call_is_open_already(true, Some("w"), Some("w"), Some("a"))]
fn what_may_stand_in_the_target_already_is_looked_for_before_it_is_created_eff_2(
    #[case] look_first: bool,
    #[case] claimed_by: Option<&str>,
    #[case] unknown: Option<&str>,
    #[case] intent: Option<&str>,
) {
    let mut table = Table::default();
    if let Some(by) = claimed_by {
        table = Table::staged(1, "a");
        table.claim(by, NOW);
    }
    let mut incoming = change(2, "b");
    incoming.look_first = look_first;
    assert!(table.write(&stage(&incoming, NOW)));
    let register = table.read();
    assert_eq!(register.unknown, unknown.map(token));
    assert_eq!(register.intent.as_deref(), intent);
}

/// S, as PROTOCOL has it; a figure of its own, so that a shorter one is found.
const S: Duration = Duration::from_millis(250);

#[rstest]
#[case::dirty(Update::when(Condition::ALWAYS), true)]
#[case::clean(Update::when(Condition::ALWAYS).remove(&[attr::DIRTY_SINCE]), false)]
#[case::in_review(Update::when(Condition::ALWAYS).set(attr::REVIEW, "{}"), false)]
#[case::claimed_until_just_now(claim_ends(NOW - S), false)]
#[case::claim_past_its_end_by_more_than_s(claim_ends(NOW - S - MS), true)]
#[case::next_attempt_now(at(attr::NEXT_ATTEMPT, NOW), true)]
#[case::next_attempt_later(at(attr::NEXT_ATTEMPT, NOW + MS), false)]
#[case::quiet_until_just_now(at(attr::QUIET_UNTIL, NOW - S), false)]
#[case::quiet_past_its_end_by_more_than_s(at(attr::QUIET_UNTIL, NOW - S - MS), true)]
fn a_claim_needs_work_and_silence_eff_1(#[case] state: Update, #[case] written: bool) {
    let mut table = Table::staged(1, "a");
    assert!(table.write(&state));
    assert_eq!(
        table.write(&claim(&token("w"), NOW + S, NOW, true)),
        written
    );
}

#[test]
fn a_record_never_staged_can_not_be_claimed() {
    let mut table = Table::default();
    assert!(!table.write(&claim(&token("w"), NOW, NOW, true)));
}

fn at(attribute: &str, moment: UnixMs) -> Update {
    Update::when(Condition::ALWAYS).set(attribute, moment.0)
}

fn claim_ends(until: UnixMs) -> Update {
    at(attr::CLAIM_UNTIL, until).set(attr::CLAIM_OWNER, "other")
}

#[test]
fn a_claim_is_the_intent_and_keeps_an_older_one_eff_2() {
    let mut table = Table::staged(1, "old name");
    let first = table.claim("w1", NOW);
    assert_eq!(first.unknown, Some(token("w1")));
    assert_eq!(first.intent.as_deref(), Some("old name"));
    assert!(table.write(&stage(&change(2, "new name"), NOW)));
    let second = table.claim_later("w2");
    assert_eq!(second.unknown, Some(token("w1")));
    assert_eq!(second.intent.as_deref(), Some("old name"));
}

#[test]
fn a_target_that_can_not_be_searched_has_no_intent() {
    let mut table = Table::staged(1, "a");
    assert!(table.write(&claim(&token("w"), NOW, NOW, false)));
    assert_eq!(table.read().intent, None);
    assert!(!table.has(attr::INTENT));
}

#[test]
fn a_commit_makes_the_record_clean_and_moves_to_the_newest_version() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let done = table.done("a");
    // Equal content moved the version during the call.
    assert!(table.write(&move_version(version(5), &equal("a"), "r")));
    assert!(table.write(&commit(&token("w"), &done, &claimed, NOW + MS)));
    let register = table.read();
    let applied = register.applied.clone().unwrap();
    assert_eq!((applied.version, applied.at), (version(5), NOW + MS));
    assert_eq!(register.state(), State::Applied);
    assert_eq!(register.target_id.as_deref(), Some("T-1"));
    for gone in ["co", "cu", "un", "uq", "iv", "nt", "du", "att", "due"] {
        assert!(!table.has(gone), "{gone}");
    }
}

#[test]
fn a_commit_in_part_keeps_the_record_dirty() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let done = table.done("a");
    assert!(table.write(&stage(&change(2, "b"), NOW)));
    assert!(table.write(&commit_part(&token("w"), &done, &claimed, NOW)));
    let register = table.read();
    assert!(register.is_dirty());
    assert_eq!(register.applied.unwrap().version, version(1));
    assert_eq!((register.claim, register.unknown), (None, None));
}

#[rstest]
#[case::known_own(Outcome::Known, "w", None, None)]
#[case::known_of_an_older_call(Outcome::Known, "older", Some("older"), Some("a"))]
#[case::unknown_own(unknown(), "w", Some("w"), Some("a"))]
#[case::unknown_of_an_older_call(unknown(), "older", Some("older"), Some("a"))]
fn a_failure_forgets_only_its_own_call(
    #[case] outcome: Outcome,
    #[case] opened_by: &str,
    #[case] still_unknown: Option<&str>,
    #[case] intent: Option<&str>,
) {
    let mut table = Table::staged(1, "a");
    if opened_by != "w" {
        table.claim(opened_by, NOW);
    }
    let claimed = table.claim_later("w");
    let failed = failure(outcome, Some(0));
    assert!(table.write(&fail(&token("w"), &failed, &claimed)));
    let register = table.read();
    assert_eq!(register.unknown, still_unknown.map(token));
    assert_eq!(register.intent.as_deref(), intent);
    assert_eq!(register.claim, None);
    assert_eq!(register.next_attempt, Some(failed.next_attempt));
    let quiet = matches!(outcome, Outcome::Unknown { .. });
    assert_eq!(register.quiet_until.is_some(), quiet);
    assert!(register.is_dirty(), "a failure leaves the work (QUE-2)");
}

#[rstest]
#[case::first(None, Some(0), (0, 1))]
#[case::again(Some(0), Some(0), (0, 2))]
#[case::in_a_newer_epoch(Some(0), Some(1), (1, 1))]
#[case::late_of_an_older_epoch(Some(3), Some(2), (3, 1))]
#[case::nobodys(Some(0), None, (0, 1))]
fn attempts_count_in_the_epoch_in_which_they_were_made_try_1(
    #[case] before: Option<u64>,
    #[case] attempt: Option<u64>,
    #[case] (epoch, attempts): (u64, u32),
) {
    let mut table = Table::staged(1, "a");
    if before.is_some() {
        let claimed = table.claim_later("w1");
        table.write(&fail(
            &token("w1"),
            &failure(Outcome::Known, before),
            &claimed,
        ));
    }
    let claimed = table.claim_later("w2");
    let failed = failure(Outcome::Known, attempt);
    assert!(table.write(&fail(&token("w2"), &failed, &claimed)));
    let register = table.read();
    assert_eq!(register.attempts_in(epoch), attempts);
    assert_eq!(
        register.attempts_in(epoch + 1),
        0,
        "given back when the epoch ended by opening"
    );
}

#[test]
fn an_adopted_id_is_stored_and_the_older_call_stays_open() {
    let mut table = Table::staged(1, "a");
    table.claim("w1", NOW);
    table.claim_later("w2");
    assert!(table.write(&adopt(&token("w2"), "T-7")));
    let register = table.read();
    assert_eq!(register.target_id.as_deref(), Some("T-7"));
    assert_eq!(register.intent, None);
    assert_eq!(register.unknown, Some(token("w1")));
}

#[test]
fn a_rewritten_intent_is_the_value_that_is_sent_next() {
    let mut table = Table::staged(1, "a");
    table.claim("w1", NOW);
    assert!(table.write(&rewrite_intent(&token("w1"), "b")));
    assert_eq!(table.read().intent.as_deref(), Some("b"));
}

#[test]
fn a_tier_is_corrected_only_for_the_version_that_was_staged() {
    let mut table = Table::staged(2, "a");
    let reason = TierReason::ForceSync;
    assert!(!table.write(&set_tier(version(1), Tier::RealTime, &reason, NOW)));
    assert!(table.write(&set_tier(version(2), Tier::RealTime, &reason, NOW)));
    assert_eq!(table.read().tier, Tier::RealTime);
}

#[test]
fn a_register_remembers_four_attempts() {
    let mut table = Table::staged(1, "a");
    for attempt in 0..6 {
        let claimed = table.claim_later("w");
        let mut failed = failure(Outcome::Known, Some(0));
        failed.reason = format!("failure {attempt}");
        assert!(table.write(&fail(&token("w"), &failed, &claimed)));
    }
    let outcomes: Vec<String> = table
        .read()
        .history
        .into_iter()
        .map(|note| note.outcome)
        .collect();
    assert_eq!(
        outcomes,
        ["failure 2", "failure 3", "failure 4", "failure 5"]
    );
}

#[test]
fn what_is_no_register_or_damaged_is_told() {
    assert_eq!(Register::read(&Item::new()), Ok(None));
    let mut item = Table::staged(1, "a").item.unwrap();
    item.remove("dh");
    assert_eq!(
        Register::read(&item),
        Err(CorruptRegister { attribute: "dh" })
    );
    item.insert("dv".to_owned(), "soon".into());
    assert_eq!(
        Register::read(&item),
        Err(CorruptRegister { attribute: "dv" })
    );
}

#[test]
fn a_condition_on_the_claim_stands_in_every_write_under_it_eff_1() {
    let mut table = Table::staged(1, "a");
    let zombie = table.claim("zombie", NOW);
    table.claim_later("taker");
    let done = table.done("a");
    let failed = failure(Outcome::Known, Some(0));
    let why = cause(ReviewKind::Refused);
    let t = token("zombie");
    for write in [
        commit(&t, &done, &zombie, NOW),
        commit_part(&t, &done, &zombie, NOW),
        fail(&t, &failed, &zombie),
        fail(&t, &failure(unknown(), None), &zombie),
        to_review(&t, &flow(), &why, Some(&failed), &zombie),
        release(&t, &zombie),
        adopt(&t, "T-2"),
        rewrite_intent(&t, "b"),
    ] {
        assert!(!table.write(&write), "{write:?}");
    }
}

#[test]
fn a_register_knows_when_it_can_be_claimed() {
    for (attribute, moment) in [
        (attr::CLAIM_UNTIL, NOW),
        (attr::QUIET_UNTIL, NOW),
        (attr::NEXT_ATTEMPT, NOW),
    ] {
        let mut table = Table::staged(1, "a");
        let owned = at(attribute, moment).set(attr::CLAIM_OWNER, "other");
        assert!(table.write(&owned));
        let from = table.read().claimable_at();
        let now_or = |now: UnixMs| claim(&token("w"), now, now, true).evaluate(table.item.as_ref());
        assert!(now_or(from).is_some(), "{attribute}");
        assert!(now_or(from - MS).is_none(), "{attribute}");
    }
}
