//! What holds when a walk has come to rest, and the walks.

use super::*;

pub(super) const UPSERT: TargetTraits = TargetTraits {
    upsert: true,
    searchable: false,
    archives: true,
    ..BY_NAME
};
pub(super) const IDEMPOTENT: TargetTraits = TargetTraits {
    idempotent_create: true,
    searchable: false,
    archives: true,
    ..BY_NAME
};
/// As Qualio is: an update reads and then replaces.
pub(super) const TWO_CALLS: TargetTraits = TargetTraits {
    update_calls: 2,
    archives: true,
    ..BY_NAME
};
pub(super) const BLIND: TargetTraits = TargetTraits {
    searchable: false,
    archives: true,
    ..BY_NAME
};

/// Our own store: what is staged is applied by the same write.
pub(super) const OWN: TargetTraits = TargetTraits {
    own: true,
    create_calls: 0,
    update_calls: 0,
    find_calls: 0,
    archives: false,
    ..UPSERT
};

/// REG-1, REG-2 and QUE-2 at rest.
#[track_caller]
pub(super) fn assert_rest(world: &World) {
    let (newest, name) = world.newest;
    if world.table.item.is_none() {
        assert_eq!((name, world.target.content()), (GONE, None));
        return;
    }
    if world.ignored == Some(newest) {
        // An older version that came after it is the reconciliation's case.
        return;
    }
    let register = world.table.read();
    let wanted = world.edited.as_ref().map_or(name, |(_, edited)| *edited);
    let is_forgotten = register.desired.content == Content::Forgotten;
    if is_forgotten {
        assert_eq!(register.desired.hash, content_of(wanted).hash(), "REG-1");
    } else {
        assert_eq!(register.effective(), content_of(wanted), "REG-1");
    }
    assert_eq!(register.desired.version, version(newest), "REG-1");
    if let Some(cause) = &register.review {
        return assert_asks_rightly(world, &register, cause.kind);
    }
    assert!(!register.is_dirty(), "QUE-2: {register:?}");
    if register.state() == State::Discarded {
        let discarded = world.discarded.as_ref();
        assert_eq!(discarded, Some(&register.desired.hash), "nobody said so");
        return;
    }
    if is_forgotten && world.rules.hands {
        // What a hand made of it is not told from what it was.
        return;
    }
    if world.rules.traits.own {
        assert_eq!(world.target.content(), None, "a call was made");
        let applied = register.applied.as_ref().map(|applied| &applied.hash);
        assert_eq!(applied, Some(&register.desired.hash), "REG-2");
        return;
    }
    let holds = world.target.content();
    match (wanted, world.rules.deletion) {
        (GONE, Deletion::Keep) => {}
        (GONE, Deletion::Archive) => assert!([None, Some(ARCHIVED)].contains(&holds), "REG-2"),
        (GONE, Deletion::Delete) => assert_eq!(holds, None, "REG-2"),
        (GONE, Deletion::Review) => panic!("a person was to decide"),
        (name, _) => assert_eq!(holds, Some(name), "REG-2"),
    }
}

/// Whoever is asked can do something that a replay can not.
fn assert_asks_rightly(world: &World, register: &Register, kind: ReviewKind) {
    let Rules {
        traits, deletes, ..
    } = world.rules;
    let right = match kind {
        ReviewKind::Invalid => people::is_invalid(register),
        ReviewKind::DeletedAtSource => register.desired.content == Content::Deleted,
        // A deletion that was claimed before the first create leaves nothing to search for.
        ReviewKind::Ambiguous => (!traits.searchable && !traits.idempotent_create) || deletes,
        _ => false,
    };
    assert!(right, "{register:?}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_target_ends_with_the_newest_content_created_once_reg_2(seed: u64) {
        for traits in [BY_NAME, TWO_CALLS, IDEMPOTENT, UPSERT] {
            let world = walk(seed, Rules { traits, ..PLAIN });
            assert_rest(&world);
            prop_assert_eq!(world.table.read().state(), State::Applied);
        }
    }

    /// What a person sends again passes a worker; whatever is staged meanwhile goes before it.
    #[test]
    fn our_own_store_holds_the_newest_content_without_a_call_reg_2(seed: u64) {
        for people in [false, true] {
            let rules = Rules { traits: OWN, deletes: true, people, forgets: people, ..PLAIN };
            assert_rest(&walk(seed, rules));
        }
    }

    #[test]
    fn a_target_that_can_not_be_searched_ends_right_or_in_review_never_twice_eff_2(seed: u64) {
        assert_rest(&walk(seed, Rules { traits: BLIND, ..PLAIN }));
    }

    /// R33: the write that makes a record dirty again breaks none of this, whenever it comes.
    #[test]
    fn a_hand_in_the_target_is_healed_whatever_else_happens_reg_2(seed: u64) {
        for traits in [BY_NAME, TWO_CALLS, IDEMPOTENT, UPSERT] {
            assert_rest(&walk(seed, Rules { traits, hands: true, people: true, ..PLAIN }));
        }
    }

    #[test]
    fn deletions_and_returns_end_right_or_before_a_person_never_twice_eff_2(seed: u64) {
        for deletion in [Deletion::Delete, Deletion::Archive, Deletion::Keep, Deletion::Review] {
            for traits in [TWO_CALLS, IDEMPOTENT, UPSERT, BLIND] {
                assert_rest(&walk(seed, Rules { traits, deletion, deletes: true, ..PLAIN }));
            }
        }
    }

    #[test]
    fn a_person_at_the_reviews_breaks_nothing_whenever_it_comes_reg_2(seed: u64) {
        for traits in [TWO_CALLS, IDEMPOTENT, UPSERT, BLIND] {
            assert_rest(&walk(seed, Rules { traits, people: true, deletes: true, ..PLAIN }));
        }
    }

    #[test]
    fn a_record_that_is_forgotten_is_neither_sent_blank_nor_brought_back_reg_1(seed: u64) {
        for traits in [TWO_CALLS, IDEMPOTENT, UPSERT, BLIND] {
            assert_rest(&walk(seed, Rules { traits, forgets: true, deletes: true, ..PLAIN }));
        }
    }

    #[test]
    fn a_breaker_and_a_days_quota_defer_and_spend_nothing_try_1_lim_3(seed: u64) {
        for traits in [TWO_CALLS, UPSERT] {
            assert_rest(&walk(seed, Rules { traits, gated: true, ..PLAIN }));
        }
    }

    #[test]
    fn all_of_it_at_once_ends_right_or_before_a_person_reg_2(seed: u64) {
        for deletion in [Deletion::Delete, Deletion::Archive, Deletion::Keep, Deletion::Review] {
            for traits in [TWO_CALLS, IDEMPOTENT, UPSERT, BLIND] {
                let rules = Rules { traits, deletion, deletes: true, people: true, hands: true, gated: true, forgets: true };
                assert_rest(&walk(seed, rules));
            }
        }
    }
}

/// The call began before the replay and its claim was over; it is known to have ended after a newer change
/// was staged. What waits is told by the replay's age.
#[test]
fn a_replay_amid_a_call_that_nobody_knows_of_waits_since_then() {
    let rules = Rules {
        traits: IDEMPOTENT,
        deletion: Deletion::Keep,
        deletes: true,
        people: true,
        hands: true,
        gated: true,
        forgets: true,
    };
    assert_rest(&walk(9_533_051_085_174_039_119, rules));
}
