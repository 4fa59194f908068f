//! A record whose values are forgotten: what goes, what stays, and what may not bring it back.

use rstest::rstest;

use super::*;

/// Looked at and forgotten.
#[track_caller]
fn forget(table: &mut Table) {
    let seen = table.read();
    assert_eq!(why_not_erasable(&seen, NOW), None);
    assert!(table.write(&erase(&seen, NOW)));
}

fn forgotten() -> Table {
    let mut table = Table::applied(5, "alpha");
    forget(&mut table);
    table
}

fn with_revision(source: u64, revision: u32) -> Version {
    Version {
        revision,
        ..version(source)
    }
}

#[test]
fn the_values_go_and_what_orders_and_names_it_stays() {
    let before = Table::applied(5, "alpha").read();
    let table = forgotten();
    let text = format!("{:?}", table.item);
    assert!(!text.contains("alpha"), "{text}");
    let after = table.read();
    assert_eq!(after.desired.content, Content::Forgotten);
    assert_eq!(after.effective().fields(), None);
    assert_eq!(after.desired.version, before.desired.version);
    assert_eq!(after.desired.hash, before.desired.hash);
    assert_eq!(after.applied, before.applied);
    assert_eq!(after.target_id, before.target_id);
    assert_eq!(after.state(), State::Applied);
    let outcomes: Vec<&str> = after
        .history
        .iter()
        .map(|note| note.outcome.as_str())
        .collect();
    assert_eq!(outcomes, ["forgotten"]);
}

#[test]
fn forgotten_twice_is_forgotten() {
    let mut table = forgotten();
    forget(&mut table);
    assert_eq!(table.read().desired.content, Content::Forgotten);
}

#[rstest]
#[case::older(4, "beta", false)]
#[case::the_same(5, "alpha", false)]
#[case::other_content_of_the_same_version(5, "beta", false)]
#[case::equal_content_of_a_newer_version(6, "alpha", false)]
#[case::newer(6, "beta", true)]
fn only_newer_content_is_staged_again_reg_1(
    #[case] source: u64,
    #[case] name: &str,
    #[case] comes: bool,
) {
    let mut table = forgotten();
    assert_eq!(table.write(&stage(&change(source, name), NOW)), comes);
    let moved = table.write(&move_version(version(source), &equal(name), "mover"));
    assert_eq!(
        moved,
        source == 6 && !comes,
        "the version moves all the same"
    );
    let read = table.read();
    assert_eq!(read.is_dirty(), comes);
    assert_eq!(read.desired.content == Content::Forgotten, !comes);
}

/// Planned before it was forgotten, written after: blanks would be sent.
#[test]
fn nothing_makes_it_dirty_that_does_not_bring_its_content() {
    let before = Table::applied(5, "alpha").read();
    let table = forgotten();
    let again = (Tier::Batch, &TierReason::NotCritical);
    let newer = with_revision(5, 2);
    for write in [
        reopen(&before, NOW),
        reopen_missing(&before, &token("r"), NOW),
        reopen_deleted(&before, Some("T-2"), NOW),
        stage_again(newer, &equal("alpha"), "again", again, NOW),
        replay(NOW),
        dead_letter(&flow(), &cause(ReviewKind::DeadLetter), NOW),
        edit(&before.desired, &named("beta").hash(), None, &an_edit()),
        discard(&before, None),
        claim(&token("w"), NOW + Duration::from_secs(10), NOW, true),
    ] {
        assert!(!table.clone().write(&write), "{write:?}");
    }
}

fn an_edit() -> Override {
    Override {
        fields: named("beta").fields().unwrap().clone(),
        by: "ann".to_owned(),
        why: "it is beta".to_owned(),
        at: NOW,
        base: named("alpha").hash(),
    }
}

#[test]
fn an_edit_is_forgotten_and_the_source_that_says_the_same_sends_nothing() {
    let mut table = Table::staged(5, "alpha");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w"), &flow(), &why, None, &claimed)));
    let seen = table.read().desired;
    assert!(table.write(&edit(
        &seen,
        &named("beta").hash(),
        Some("beta"),
        &an_edit()
    )));
    assert!(table.write(&replay(NOW)));
    let claimed = table.claim_later("w2");
    let done = table.done("beta");
    assert!(table.write(&commit(&token("w2"), &done, &claimed, NOW)));
    forget(&mut table);
    let text = format!("{:?}", table.item);
    assert!(!text.contains("alpha") && !text.contains("beta"), "{text}");
    let read = table.read();
    assert_eq!(*read.given_hash(), named("alpha").hash());
    assert_eq!(read.state(), State::Applied);
}

#[rstest]
#[case::dirty(Table::staged(5, "alpha"), "waits to be sent")]
#[case::in_review(in_review(), "in review")]
#[case::open_outcome(with_open_outcome(), "is not known")]
fn what_still_needs_its_values_is_refused_with_the_reason(
    #[case] mut table: Table,
    #[case] reason: &str,
) {
    let seen = table.read();
    let why = why_not_erasable(&seen, NOW).unwrap();
    assert!(why.contains(reason), "{why}");
    assert!(!table.write(&erase(&seen, NOW)));
}

fn in_review() -> Table {
    let mut table = Table::staged(5, "alpha");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::Refused);
    assert!(table.write(&to_review(&token("w"), &flow(), &why, None, &claimed)));
    table
}

/// A person decided not to send it while a call of it was open.
fn with_open_outcome() -> Table {
    let mut table = Table::staged(5, "alpha");
    let claimed = table.claim("w", NOW);
    let why = cause(ReviewKind::RetriesSpent);
    let failed = failure(unknown(), Some(0));
    assert!(table.write(&to_review(
        &token("w"),
        &flow(),
        &why,
        Some(&failed),
        &claimed
    )));
    assert!(table.write(&discard(&table.read(), Some("alpha"))));
    table
}

#[test]
fn what_was_discarded_can_be_forgotten() {
    let mut table = in_review();
    assert!(table.write(&discard(&table.read(), Some("alpha"))));
    forget(&mut table);
    let text = format!("{:?}", table.item);
    assert!(!text.contains("alpha"), "{text}");
    assert_eq!(table.read().state(), State::Discarded);
}

/// A dead letter takes a record from a claim that is over, and a person discards it.
#[test]
fn who_woke_late_can_not_write_its_history_back() {
    let later = NOW + Duration::from_secs(11);
    let mut table = table_of_a_late_claim(later);
    let seen = table.read();
    assert!(!table.write(&erase(&seen, NOW)), "it may be at work yet");
    assert_eq!(why_not_erasable(&seen, later), None);
    assert!(table.write(&erase(&seen, later)));
    let failed = failure(Outcome::Known, None);
    assert!(!table.write(&fail(&token("w"), &failed, &seen)));
}

/// A claim that stands beside a clean record: its open outcome is known to be none.
fn table_of_a_late_claim(later: UnixMs) -> Table {
    let mut table = Table::staged(5, "alpha");
    table.claim("w", NOW);
    let why = cause(ReviewKind::DeadLetter);
    assert!(table.write(&dead_letter(&flow(), &why, later)));
    assert!(table.write(&discard(&table.read(), Some("alpha"))));
    if let Some(item) = &mut table.item {
        item.remove(attr::UNKNOWN_SINCE_CLAIM);
    }
    table
}

#[test]
fn a_deletion_stays_one() {
    let mut table = Table::applied(5, "alpha");
    let gone = Stage {
        content: Content::Deleted,
        search: None,
        ..change(6, "alpha")
    };
    assert!(table.write(&stage(&gone, NOW)));
    let claimed = table.claim_later("w");
    let done = Committed {
        hash: Content::Deleted.hash(),
        deleted: true,
        ..table.done("alpha")
    };
    assert!(table.write(&commit(&token("w"), &done, &claimed, NOW)));
    forget(&mut table);
    assert_eq!(table.read().desired.content, Content::Deleted);
}

#[test]
fn its_deletion_at_the_source_is_staged_as_ever() {
    let mut table = forgotten();
    let gone = Stage {
        content: Content::Deleted,
        search: None,
        ..change(6, "alpha")
    };
    assert!(table.write(&stage(&gone, NOW)));
    let read = table.read();
    assert!(read.is_dirty());
    assert_eq!(
        read.target_id.as_deref(),
        Some("T-1"),
        "by this it is deleted"
    );
}
