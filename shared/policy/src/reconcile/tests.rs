mod checkpoint;
mod put_back;
mod reopen;

use std::collections::BTreeSet;

use proptest::prelude::*;
use rstest::rstest;
use serde_json::json;
use tidegate_model::{ClaimToken, ContentHash, SourceVersion, Tier, TierReason, Version};

use super::*;
use crate::{
    register::{Applied, Desired, Equal, Override, ReviewCause, ReviewKind},
    stage::{Origin, StagePlan},
};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

fn version(source: u64) -> Version {
    Version {
        source: SourceVersion(source),
        revision: 1,
        read: 0,
    }
}

fn named(name: &str) -> Content {
    Content::Record(std::iter::once(("name".to_owned(), json!(name))).collect())
}

/// A clean register whose content was applied at `NOW` less an hour.
fn clean(content: Content) -> Register {
    let hash = content.hash();
    Register {
        desired: Desired {
            version: version(5),
            hash: hash.clone(),
            content,
            staged_by: "s".to_owned(),
        },
        applied: Some(Applied {
            version: version(5),
            hash,
            at: NOW - Duration::from_hours(1),
        }),
        dirty_since: None,
        pending_since: None,
        urgent_since: None,
        claim: None,
        unknown: None,
        quiet_until: None,
        intent: None,
        attempts: 0,
        attempts_epoch: 0,
        next_attempt: None,
        target_id: Some("q-1".to_owned()),
        etag: None,
        review: None,
        tier: Tier::Batch,
        tier_reason: TierReason::NotCritical,
        due: None,
        history: Vec::new(),
        edited: None,
        loaded: None,
    }
}

fn dirty() -> Register {
    Register {
        dirty_since: Some(NOW),
        ..clean(named("a"))
    }
}

fn in_review() -> Register {
    Register {
        review: Some(ReviewCause {
            kind: ReviewKind::Refused,
            field: None,
            reason: "no".to_owned(),
            since: NOW,
        }),
        ..dirty()
    }
}

fn discarded() -> Register {
    Register {
        applied: None,
        ..clean(named("a"))
    }
}

#[rstest]
#[case::same(clean(named("a")), AtTarget::Same, Kind::Equal)]
#[case::not_listed(clean(named("a")), AtTarget::NotCompared, Kind::Equal)]
#[case::edited(clean(named("a")), AtTarget::Other, Kind::EditedAtTarget)]
#[case::missing(clean(named("a")), AtTarget::Missing, Kind::MissingAtTarget)]
#[case::doubled(clean(named("a")), AtTarget::Doubled, Kind::DoubledAtTarget)]
#[case::dirty(dirty(), AtTarget::Other, Kind::Pending)]
#[case::reviewed(in_review(), AtTarget::Other, Kind::InReview)]
#[case::discarded(discarded(), AtTarget::Other, Kind::Discarded)]
#[case::deleted_and_gone(clean(Content::Deleted), AtTarget::Missing, Kind::Equal)]
#[case::deleted_and_back(clean(Content::Deleted), AtTarget::Other, Kind::BackAtTarget)]
#[case::deleted_and_two_of_it(clean(Content::Deleted), AtTarget::Doubled, Kind::DoubledAtTarget)]
#[case::deleted_and_not_listed(clean(Content::Deleted), AtTarget::NotCompared, Kind::Equal)]
fn a_register_as_new_as_the_source_is_judged_by_the_target(
    #[case] register: Register,
    #[case] at_target: AtTarget,
    #[case] kind: Kind,
) {
    let judged = judge(&register, at_target, Deletion::Delete, true, false);
    assert_eq!(judged, kind);
}

#[test]
fn only_what_waits_too_long_is_stranded() {
    let judge = |register: &Register, stranded| {
        judge(register, AtTarget::Same, Deletion::Review, true, stranded)
    };
    assert_eq!(judge(&dirty(), true), Kind::Stranded);
    assert_eq!(judge(&dirty(), false), Kind::Pending);
    assert_eq!(judge(&in_review(), true), Kind::InReview);
}

/// What was applied while the target was being listed is not compared with that listing.
#[test]
fn a_listing_is_not_held_against_what_came_after_it() {
    let register = clean(named("a"));
    let applied = register.applied.clone().unwrap().at;
    let settle = Duration::from_secs(20);
    let long_after = applied + settle + CLOCK_SKEW + Duration::from_millis(1);
    assert!(is_settled(&register, settle, long_after));
    assert!(!is_settled(&register, settle, applied + settle));
    assert!(!is_settled(
        &register,
        settle,
        applied + settle + CLOCK_SKEW
    ));
    for at_target in [AtTarget::Other, AtTarget::Missing] {
        let kind = judge(&register, at_target, Deletion::Review, false, false);
        assert_eq!(kind, Kind::Pending);
    }
}

/// What was deleted a moment ago may still stand in the list.
#[test]
fn a_deletion_is_given_its_time_at_the_target() {
    let register = clean(Content::Deleted);
    let kind = judge(&register, AtTarget::Other, Deletion::Delete, false, false);
    assert_eq!(kind, Kind::Pending);
}

#[test]
fn a_deletion_that_keeps_the_record_expects_it_at_the_target() {
    let register = clean(Content::Deleted);
    for deletion in [Deletion::Keep, Deletion::Archive, Deletion::Review] {
        let kind = judge(&register, AtTarget::Other, deletion, true, false);
        assert_eq!(kind, Kind::Equal);
    }
}

const HOUR_US: u64 = 3_600_000_000;
const NOW_US: u64 = 1_800_000_000_000_000;

#[rstest]
#[case::webhook_lost(true, Some(NOW_US - HOUR_US), Some(NOW_US - 2 * HOUR_US), Kind::WebhookMissed)]
#[case::window_passed_over_it(true, Some(NOW_US - HOUR_US), Some(NOW_US), Kind::WindowMissed)]
#[case::window_without_webhook(false, Some(5), Some(6), Kind::WindowMissed)]
#[case::as_new_as_the_watermark(false, Some(5), Some(5), Kind::NotYetDue)]
#[case::webhook_may_still_come(true, Some(NOW_US - 60_000_000), None, Kind::NotYetDue)]
#[case::webhook_just_may(true, Some(NOW_US - 299_999_999), None, Kind::NotYetDue)]
#[case::webhook_just_may_not(true, Some(NOW_US - 300_000_000), None, Kind::WebhookMissed)]
#[case::no_webhook(false, Some(NOW_US - HOUR_US), None, Kind::NotYetDue)]
#[case::no_time_webhook(true, None, Some(NOW_US), Kind::WebhookMissed)]
#[case::no_time_no_webhook(false, None, Some(NOW_US), Kind::NotYetDue)]
fn a_change_that_did_not_arrive_is_told_by_the_way_it_should_have_come(
    #[case] has_webhook: bool,
    #[case] modified_us: Option<u64>,
    #[case] watermark_us: Option<u64>,
    #[case] kind: Kind,
) {
    let arrival = Arrival {
        has_webhook,
        modified_us,
        watermark_us,
    };
    assert_eq!(arrival.missed(NOW), kind);
}

fn of(content: Content, source: u64, read: u64) -> Incoming {
    Incoming {
        version: Version {
            read,
            ..version(source)
        },
        ..incoming(content)
    }
}

fn incoming(content: Content) -> Incoming {
    Incoming {
        version: version(6),
        content,
        origin: Origin::Batch,
        by: "r".to_owned(),
        search: None,
        look_first: false,
        link: None,
        review: None,
        next_window: NOW,
    }
}

#[test]
fn a_plan_that_writes_content_decides_and_the_others_leave_it_to_the_register() {
    let arrival = Arrival {
        has_webhook: false,
        modified_us: Some(1),
        watermark_us: Some(2),
    };
    let judge = |seen: Option<&Register>, incoming: &Incoming| {
        let plan = stage::plan(seen, incoming, &[]);
        (judge_plan(&plan, incoming, seen, arrival, NOW), plan)
    };
    let known = clean(named("a"));
    let kind = |seen, content| judge(seen, &incoming(content)).0;
    assert_eq!(kind(Some(&known), named("b")), Some(Kind::WindowMissed));
    assert_eq!(kind(None, named("b")), Some(Kind::WindowMissed));
    assert_eq!(kind(None, Content::Deleted), Some(Kind::Equal));
    assert_eq!(
        kind(Some(&known), Content::Deleted),
        Some(Kind::DeletedAtSource)
    );
    let (kind, plan) = judge(Some(&known), &incoming(named("a")));
    assert_eq!(
        (kind, plan),
        (
            None,
            StagePlan::Move(Equal {
                hash: named("a").hash(),
                agrees: None
            })
        )
    );
    let mut remapped = incoming(named("a"));
    remapped.version.revision = 2;
    assert_eq!(judge(Some(&known), &remapped).0, Some(Kind::Remapped));
}

fn edit(base: ContentHash) -> Override {
    Override {
        fields: named("a").fields().unwrap().clone(),
        by: "ann".to_owned(),
        why: "typing error".to_owned(),
        at: NOW,
        base,
    }
}

/// The index must not say that all agree on what the register does not hold.
#[test]
fn only_the_content_of_the_register_agrees() {
    let register = clean(named("a"));
    assert!(agrees(&register, &of(named("a"), 5, 0)));
    assert!(agrees(&register, &of(named("a"), 6, 0)));
    assert!(!agrees(&register, &of(named("a"), 4, 0)), "superseded");
    assert!(!agrees(&register, &of(Content::Deleted, 5, 0)));
    let gone = clean(Content::Deleted);
    assert!(!agrees(&gone, &of(Content::Deleted, 5, 0)), "no record");
    let mut edited = clean(named("a"));
    edited.edited = Some(edit(named("b").hash()));
    assert!(!agrees(&edited, &of(named("a"), 5, 0)), "a person's");
    // Within one tick of the source's clock a later read saw other content.
    let mut later = clean(named("b"));
    later.desired.version.read = 7;
    assert!(!agrees(&later, &of(named("a"), 5, 3)));
}

#[test]
fn what_was_staged_or_applied_since_is_not_absent() {
    let applied = clean(named("a"));
    assert!(!has_moved_since(&applied, NOW));
    assert!(has_moved_since(&applied, NOW - Duration::from_hours(1)));
    assert!(has_moved_since(&dirty(), NOW));
    let new = Register {
        applied: None,
        ..dirty()
    };
    assert!(has_moved_since(&new, NOW));
    assert!(!has_moved_since(&new, NOW + Duration::from_secs(1)));
}

/// QUE-2.
#[test]
fn only_work_that_was_staged_since_may_lack_its_message() {
    assert!(may_be_unqueued(&dirty(), NOW));
    assert!(!may_be_unqueued(&dirty(), NOW + Duration::from_secs(1)));
    assert!(!may_be_unqueued(&clean(named("a")), NOW));
    assert!(!may_be_unqueued(&in_review(), NOW));
    let waits_for_its_window = Register {
        due: Some(NOW),
        ..dirty()
    };
    assert!(!may_be_unqueued(&waits_for_its_window, NOW));
}

#[rstest]
#[case(0, 10, 1)]
#[case(10, 10, 1)]
#[case(11, 10, 2)]
#[case(60, 10, 8)]
#[case(u64::MAX, 10, 256)]
#[case(5, 0, 8)]
fn keys_are_parted_into_passes_that_fit(
    #[case] keys: u64,
    #[case] most: usize,
    #[case] passes: u32,
) {
    assert_eq!(passes_for(keys, most, 256), passes);
}

#[rstest]
#[case(0, 0, false)]
#[case(1, 2, false)]
#[case(2, 40, false)]
#[case(2, 39, true)]
#[case(5, 100, false)]
#[case(6, 100, true)]
#[case(100, 100, true)]
fn over_five_percent_absent_at_once_are_for_a_person(
    #[case] absent: u64,
    #[case] live: u64,
    #[case] mass: bool,
) {
    assert_eq!(is_mass_absence(absent, live), mass);
}

#[rstest]
#[case::ten_rows_and_none_is_ours(10, 0, 1, true)]
#[case::too_few_to_tell(9, 0, 1, false)]
#[case::one_is_ours(10, 1, 1, false)]
#[case::we_know_of_none(10, 0, 0, false)]
fn a_listing_without_one_of_our_keys_is_not_believed(
    #[case] rows: u64,
    #[case] bearing: u64,
    #[case] known: usize,
    #[case] strange: bool,
) {
    assert_eq!(is_strange_listing(rows, bearing, known), strange);
}

#[test]
fn every_pass_has_its_share_of_all_prints() {
    for pass in 0..8 {
        let first = u64::from(pass) << 61;
        assert!(in_pass(first, pass, 8));
        assert!(in_pass(first + ((1 << 61) - 1), pass, 8));
    }
}

#[test]
fn counts_are_told_in_words_without_zeros() {
    let mut findings = Findings {
        compared: 3,
        ..Findings::default()
    };
    findings.count(Kind::Equal);
    findings.count(Kind::Equal);
    assert!(!findings.add_up(), "OUT-1");
    findings.count(Kind::EditedAtTarget);
    assert!(findings.add_up());
    assert_eq!(
        findings.summary(),
        "3 compared: 2 equal, 1 edited at target"
    );
    assert_eq!(Findings::default().summary(), "0 compared");
}

#[test]
fn a_report_names_what_was_not_as_it_should_be() {
    let counted: Vec<Kind> = Kind::ALL
        .into_iter()
        .filter(|kind| !kind.is_finding())
        .collect();
    let fine_or_known = [
        Kind::Equal,
        Kind::NotYetDue,
        Kind::InReview,
        Kind::Discarded,
        Kind::Pending,
    ];
    assert_eq!(counted, fine_or_known);
    let reasons: BTreeSet<&str> = Kind::ALL.into_iter().map(Kind::why).collect();
    assert_eq!(
        reasons.len(),
        Kind::ALL.len(),
        "each has a reason of its own"
    );
}

#[test]
fn what_needs_a_person_is_named_before_what_is_healed() {
    let note = |key: usize, kind: Kind| Note {
        key: key.to_string(),
        kind,
    };
    let mut notes = Vec::new();
    for key in 0..MAX_NOTES + 5 {
        note(key, Kind::Stranded).add(&mut notes, 0);
    }
    note(100, Kind::DoubledAtTarget).add(&mut notes, 0);
    assert_eq!(notes.len(), MAX_NOTES);
    assert_eq!(notes.last(), Some(&note(100, Kind::DoubledAtTarget)));
    assert_eq!(notes.first(), Some(&note(0, Kind::Stranded)));
    for key in 0..MAX_NOTES + 5 {
        note(key, Kind::UnknownAtSource).add(&mut notes, 0);
    }
    assert_eq!(notes.len(), MAX_NOTES);
    assert!(notes.iter().all(|note| note.kind.needs_person()));
    // What the passes before have named stays, so that a pass can be begun again.
    let mut notes: Vec<Note> = (0..MAX_NOTES)
        .map(|key| note(key, Kind::Stranded))
        .collect();
    note(100, Kind::DoubledAtTarget).add(&mut notes, MAX_NOTES);
    assert!(notes.iter().all(|note| note.kind == Kind::Stranded));
    note(100, Kind::DoubledAtTarget).add(&mut notes, MAX_NOTES - 1);
    assert_eq!(notes.last(), Some(&note(100, Kind::DoubledAtTarget)));
    let findings = Findings {
        doubled_at_target: 1,
        unknown_at_source: 55,
        put_back_at_source: 2,
        stranded: 55,
        equal: 7,
        ..Findings::default()
    };
    assert_eq!((findings.found(), findings.needing_person()), (113, 58));
}

#[test]
fn every_kind_has_a_term_of_its_own() {
    for kind in Kind::ALL {
        let mut findings = Findings::default();
        findings.count(kind);
        for other in Kind::ALL {
            assert_eq!(findings.of(other), u64::from(other == kind), "{kind:?}");
        }
        findings.compared = 3;
        let mut twice = findings;
        twice += findings;
        assert_eq!((twice.of(kind), twice.compared), (2, 6));
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn every_key_belongs_to_one_pass(print in any::<u64>(), power in 0_u32..9) {
        let passes = 1 << power;
        let mine: Vec<u32> = (0..passes).filter(|pass| in_pass(print, *pass, passes)).collect();
        prop_assert_eq!(mine.len(), 1);
        // Half of a pass is two passes: what it began over is compared whole.
        let halves = (0..passes * 2).filter(|pass| in_pass(print, *pass, passes * 2));
        prop_assert!(halves.clone().all(|half| half / 2 == mine[0]) && halves.count() == 1);
    }
}

#[test]
fn a_finding_has_the_same_name_in_the_log_as_in_an_account() {
    for kind in Kind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}
