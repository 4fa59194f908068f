//! Since when the oldest change waits that the target is not known to hold.

use super::*;

fn at(ms: i64) -> UnixMs {
    UnixMs(NOW.0 + ms)
}

fn urgent(source: u64, name: &str) -> Stage {
    Stage {
        tier: Tier::RealTime,
        tier_reason: TierReason::ForceSync,
        ..change(source, name)
    }
}

impl Table {
    /// Writes that must happen.
    #[track_caller]
    fn must(&mut self, update: &Update) -> Register {
        assert!(self.write(update));
        self.read()
    }

    fn pending(&self) -> Option<UnixMs> {
        self.read().pending_since
    }
}

#[test]
fn a_newer_change_makes_what_waits_no_younger() {
    let mut table = Table::default();
    for (source, name) in [(1, "a"), (2, "b"), (3, "c")] {
        let now = at(i64::try_from(source).unwrap());
        let register = table.must(&stage(&change(source, name), now));
        assert_eq!(register.dirty_since, Some(now));
        assert_eq!(register.pending_since, Some(at(1)));
    }
    let tier = (Tier::Batch, &TierReason::NotCritical);
    let again = stage_again(version(4), &equal("c"), "r", tier, at(4));
    assert_eq!(table.must(&again).pending_since, Some(at(1)));
}

#[test]
fn neither_a_failure_nor_a_deferral_makes_what_waits_younger() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w1", NOW);
    table.write(&stage(&change(2, "b"), at(50)));
    assert!(table.write(&fail(&token("w1"), &failure(unknown(), Some(0)), &claimed)));
    assert_eq!(table.pending(), Some(NOW));
    let claimed = table.claim_later("w2");
    table.write(&stage(&change(3, "c"), at(60)));
    assert!(table.write(&release(&token("w2"), &claimed)));
    assert_eq!(table.pending(), Some(NOW));
}

#[test]
fn a_claim_that_is_taken_over_hands_on_the_age_of_all_it_saw() {
    let mut table = Table::staged(1, "a");
    table.claim("dies", NOW);
    table.write(&stage(&change(2, "b"), at(50)));
    let claimed = table.claim_later("taker");
    table.write(&stage(&change(3, "c"), at(90)));
    assert_eq!(table.pending(), Some(NOW));
    assert!(table.write(&commit_part(
        &token("taker"),
        &table.done("b"),
        &claimed,
        at(99)
    )));
    assert_eq!(table.pending(), Some(at(90)));
}

#[test]
fn after_a_commit_in_part_waits_what_came_first_after_the_claim() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", at(10));
    let done = table.done("a");
    table.write(&stage(&change(2, "b"), at(20)));
    table.write(&stage(&change(3, "c"), at(30)));
    assert_eq!(table.pending(), Some(NOW), "nothing is known to be applied");
    table.write(&commit_part(&token("w"), &done, &claimed, at(40)));
    assert_eq!(table.pending(), Some(at(20)));
}

#[test]
fn what_is_applied_or_discarded_waits_no_more_and_the_next_change_waits_from_itself() {
    let mut discarded = Table::staged(1, "a");
    discarded.write(&dead_letter(&flow(), &cause(ReviewKind::DeadLetter), NOW));
    assert_eq!(discarded.pending(), Some(NOW), "a review is still work");
    assert!(discarded.write(&discard(&discarded.read(), None)));
    for mut table in [Table::applied(1, "a"), discarded] {
        assert_eq!(table.pending(), None);
        for gone in [
            attr::PENDING_SINCE,
            attr::CLAIMED_PENDING_SINCE,
            attr::URGENT_SINCE,
        ] {
            assert!(!table.has(gone), "{gone}");
        }
        let register = table.must(&stage(&change(2, "b"), at(70)));
        assert_eq!(register.pending_since, Some(at(70)));
    }
}

#[test]
fn a_discard_during_a_call_leaves_no_age_behind() {
    let mut table = Table::staged(1, "a");
    let claimed = table.claim("w", NOW);
    let done = table.done("a");
    let mut invalid = change(2, "b");
    invalid.review = Some((flow(), cause(ReviewKind::Invalid)));
    table.write(&stage(&invalid, at(10)));
    assert!(table.write(&discard(&table.read(), None)));
    assert!(table.write(&commit_part(&token("w"), &done, &claimed, at(20))));
    let register = table.must(&stage(&change(3, "c"), at(70)));
    assert_eq!(register.pending_since, Some(at(70)));
}

#[test]
fn a_replay_keeps_the_age_and_a_record_that_is_reopened_begins_anew() {
    let mut table = Table::staged(1, "a");
    table.write(&dead_letter(&flow(), &cause(ReviewKind::DeadLetter), NOW));
    assert_eq!(table.must(&replay(at(80))).pending_since, Some(NOW));
    let mut applied = Table::applied(1, "a");
    let compared = applied.read();
    assert_eq!(
        applied.must(&reopen(&compared, at(80))).pending_since,
        Some(at(80))
    );
}

/// R3: what waited for its window is not urgent for as long once a critical field changes.
#[test]
fn what_becomes_urgent_is_urgent_since_then_and_no_longer_waits_since_then_only() {
    let mut table = Table::staged(1, "a");
    assert_eq!(table.read().urgent_since, None);
    let register = table.must(&stage(&urgent(2, "b"), at(10)));
    assert_eq!(
        (register.pending_since, register.urgent_since),
        (Some(NOW), Some(at(10)))
    );
    let register = table.must(&stage(&urgent(3, "c"), at(20)));
    assert_eq!(register.urgent_since, Some(at(10)));
}

#[test]
fn a_corrected_tier_is_urgent_since_its_stage() {
    let mut table = Table::staged(1, "a");
    let write = set_tier(version(1), Tier::RealTime, &TierReason::ForceSync, at(5));
    assert_eq!(table.must(&write).urgent_since, Some(at(5)));
}

#[test]
fn after_a_commit_in_part_nothing_is_urgent_for_longer_than_it_waits() {
    let mut table = Table::default();
    table.write(&stage(&urgent(1, "a"), NOW));
    let claimed = table.claim("w", at(10));
    let done = table.done("a");
    table.write(&stage(&urgent(2, "b"), at(20)));
    table.write(&commit_part(&token("w"), &done, &claimed, at(30)));
    assert_eq!(table.read().urgent_since, Some(at(20)));
}

/// A register that an earlier release wrote has none of it.
#[test]
fn a_register_without_ages_is_as_old_as_its_newest_change() {
    let mut table = Table::staged(1, "a");
    let bare = Update::when(tidegate_model::item::Condition::ALWAYS).remove(&[attr::PENDING_SINCE]);
    assert_eq!(table.must(&bare).pending_since, Some(NOW));
    table.claim("w", at(90));
    assert_eq!(table.pending(), Some(NOW));
}
