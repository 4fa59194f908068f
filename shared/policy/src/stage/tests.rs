use rstest::rstest;
use serde_json::json;
use tidegate_model::{SourceVersion, item::Item};

use super::*;
use crate::register::{self, Override, ReviewKind};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const NEXT_WINDOW: UnixMs = UnixMs(NOW.0 + 3_600_000);

fn version(source: u64, revision: u32, read: u64) -> Version {
    Version {
        source: SourceVersion(source),
        revision,
        read,
    }
}

fn named(name: &str) -> Content {
    Content::Record(std::iter::once(("name".to_owned(), json!(name))).collect())
}

fn incoming(origin: Origin, at: Version, name: &str) -> Incoming {
    Incoming {
        version: at,
        content: named(name),
        origin,
        by: "stager".to_owned(),
        search: None,
        link: None,
        look_first: false,
        review: None,
        next_window: NEXT_WINDOW,
    }
}

fn critical() -> Vec<String> {
    vec!["blocked".to_owned()]
}

fn new_of(plan: StagePlan) -> Stage {
    match plan {
        StagePlan::New(stage) => *stage,
        other => panic!("{other:?}"),
    }
}

/// A register that waits with version 5.1.7 and content `a`.
fn waiting(tier: Tier) -> (Item, Register) {
    let mut change = new_of(plan(
        None,
        &incoming(Origin::Batch, version(5, 1, 7), "a"),
        &[],
    ));
    change.tier = tier;
    let item = register::stage(&change, NOW).evaluate(None).unwrap();
    let read = Register::read(&item).unwrap().unwrap();
    (item, read)
}

#[rstest]
#[case::same((5, 1, 7), "a", "unchanged")]
#[case::read_again((5, 1, 9), "a", "unchanged")]
#[case::newer_same_content((6, 1, 0), "a", "move")]
#[case::newer_revision_same_content((5, 2, 0), "a", "again")]
#[case::newer((6, 1, 0), "b", "new")]
#[case::newer_revision((5, 2, 0), "b", "new")]
#[case::newer_read_other_content((5, 1, 8), "b", "new")]
#[case::same_version_other_content((5, 1, 7), "b", "superseded")]
#[case::pushed_after_it_was_read((5, 1, 0), "b", "superseded")]
#[case::older((4, 9, 99), "b", "superseded")]
#[case::older_same_content((4, 1, 0), "a", "superseded")]
fn a_change_is_new_or_moves_the_version_or_is_known_reg_1(
    #[case] (source, revision, read): (u64, u32, u64),
    #[case] name: &str,
    #[case] expected: &str,
) {
    let (item, seen) = waiting(Tier::Batch);
    let change = incoming(Origin::Batch, version(source, revision, read), name);
    let planned = plan(Some(&seen), &change, &[]);
    let found = match &planned {
        StagePlan::New(_) => "new",
        StagePlan::Move(_) => "move",
        StagePlan::Again(..) => "again",
        StagePlan::Nothing(NoChange::Unchanged) => "unchanged",
        StagePlan::Nothing(NoChange::Superseded) => "superseded",
    };
    assert_eq!(found, expected);
    // What is planned from the present register is written.
    let write = match planned {
        StagePlan::New(stage) => register::stage(&stage, NOW),
        StagePlan::Move(equal) => register::move_version(change.version, &equal, "s"),
        StagePlan::Again(equal, (tier, reason)) => {
            register::stage_again(change.version, &equal, "s", (tier, &reason), NOW)
        }
        StagePlan::Nothing(_) => return,
    };
    assert!(write.evaluate(Some(&item)).is_some());
}

/// The same register in review, where a person made `edited` of it.
fn edited() -> Register {
    edited_item().1
}

fn edited_item() -> (Item, Register) {
    let (item, seen) = waiting(Tier::Batch);
    let token = tidegate_model::ClaimToken::try_new("w").unwrap();
    let flow = FlowId::try_new("suppliers").unwrap();
    let cause = ReviewCause {
        kind: ReviewKind::Refused,
        field: None,
        reason: "no".to_owned(),
        since: NOW,
    };
    let edit = Override {
        fields: named("edited").fields().unwrap().clone(),
        by: "ann".to_owned(),
        why: "typing error".to_owned(),
        at: NOW,
        base: named("a").hash(),
    };
    let item = register::claim(&token, NOW, NOW, false)
        .evaluate(Some(&item))
        .unwrap();
    let item = register::to_review(&token, &flow, &cause, None, &seen)
        .evaluate(Some(&item))
        .unwrap();
    let item = register::edit(&seen.desired, &named("edited").hash(), None, &edit)
        .evaluate(Some(&item))
        .unwrap();
    let register = Register::read(&item).unwrap().unwrap();
    (item, register)
}

#[test]
fn an_edit_stands_until_the_source_gives_other_content() {
    let seen = edited();
    assert_eq!(seen.effective(), named("edited"));
    let again = incoming(Origin::Batch, version(5, 1, 9), "a");
    assert_eq!(
        plan(Some(&seen), &again, &[]),
        StagePlan::Nothing(NoChange::Unchanged),
        "what was edited is read again"
    );
    let edited = Equal {
        hash: named("edited").hash(),
        agrees: None,
    };
    let newer = incoming(Origin::Batch, version(6, 1, 0), "a");
    let moved = StagePlan::Move(edited.clone());
    assert_eq!(plan(Some(&seen), &newer, &[]), moved, "of equal content");
    let mut remapped = incoming(Origin::Batch, version(6, 1, 0), "a");
    remapped.version.revision += 1;
    let again = StagePlan::Again(edited, (Tier::Batch, TierReason::NotCritical));
    assert_eq!(plan(Some(&seen), &remapped, &[]), again);
    // What the source still says wrongly is why it was edited; what stands twice is nobody's edit.
    let flow = FlowId::try_new("suppliers").unwrap();
    let mut fault = |kind| {
        let cause = ReviewCause {
            kind,
            field: None,
            reason: "no".to_owned(),
            since: NOW,
        };
        remapped.review = Some((flow.clone(), cause));
        plan(Some(&seen), &remapped, &[])
    };
    assert_eq!(fault(ReviewKind::Invalid), again);
    assert!(matches!(fault(ReviewKind::Ambiguous), StagePlan::Move(_)));
    let other = incoming(Origin::Batch, version(6, 1, 0), "b");
    assert!(matches!(plan(Some(&seen), &other, &[]), StagePlan::New(_)));
}

#[test]
fn what_a_newer_revision_sends_again_is_urgent_only_if_it_waits_so_or_a_person_asks_r5() {
    let (_, mut seen) = waiting(Tier::RealTime);
    let tier = |seen: &Register, origin| {
        let mut remapped = incoming(origin, version(6, 1, 0), "a");
        remapped.version.revision += 1;
        match plan(Some(seen), &remapped, &["name".to_owned()]) {
            StagePlan::Again(_, (tier, _)) => tier,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(tier(&seen, Origin::Batch), Tier::RealTime, "it waits");
    seen.dirty_since = None;
    assert_eq!(tier(&seen, Origin::Batch), Tier::Batch, "it was urgent");
    assert_eq!(tier(&seen, Origin::ForceSync), Tier::RealTime);
}

#[test]
fn once_the_source_says_what_was_edited_it_stands_by_itself() {
    let (item, seen) = edited_item();
    let agrees = incoming(Origin::Batch, version(6, 1, 0), "edited");
    let StagePlan::Move(equal) = plan(Some(&seen), &agrees, &[]) else {
        panic!("equal content");
    };
    let item = register::move_version(agrees.version, &equal, "s").evaluate(Some(&item));
    let seen = Register::read(&item.unwrap()).unwrap().unwrap();
    assert_eq!((seen.effective(), &seen.edited), (named("edited"), &None));
    // What was edited before is another content now.
    let back = incoming(Origin::Batch, version(7, 1, 0), "a");
    assert!(matches!(plan(Some(&seen), &back, &[]), StagePlan::New(_)));
}

#[rstest]
#[case::first_seen_by_a_batch(false, Origin::Batch, true, Tier::Batch)]
#[case::first_seen_by_a_push(false, Origin::Push, true, Tier::RealTime)]
#[case::first_seen_not_critical(false, Origin::Push, false, Tier::Batch)]
#[case::first_seen_by_force(false, Origin::ForceSync, false, Tier::RealTime)]
#[case::critical_in_a_batch(true, Origin::Batch, true, Tier::RealTime)]
#[case::critical_push(true, Origin::Push, true, Tier::RealTime)]
#[case::not_critical_in_a_batch(true, Origin::Batch, false, Tier::Batch)]
#[case::not_critical_push(true, Origin::Push, false, Tier::Batch)]
#[case::forced(true, Origin::ForceSync, false, Tier::RealTime)]
fn a_tier_has_its_reason_r3(
    #[case] known: bool,
    #[case] origin: Origin,
    #[case] is_critical: bool,
    #[case] tier: Tier,
) {
    let (_, seen) = waiting(Tier::Batch);
    let seen = known.then_some(&seen);
    let fields = if is_critical { critical() } else { Vec::new() };
    let change = incoming(origin, version(6, 1, 0), "b");
    let (found, reason) = tier_of(seen, &change, &fields);
    assert_eq!(found, tier);
    let expected = match (origin, known, is_critical) {
        (Origin::ForceSync, ..) => TierReason::ForceSync,
        (Origin::Batch, false, _) => TierReason::FirstSeenInBatch,
        (_, _, true) => TierReason::Critical { fields },
        _ => TierReason::NotCritical,
    };
    assert_eq!(reason, expected);
}

#[test]
fn a_critical_change_that_waits_keeps_its_tier_through_later_ones() {
    let (item, mut seen) = waiting(Tier::RealTime);
    let later = incoming(Origin::Batch, version(6, 1, 0), "b");
    assert_eq!(
        tier_of(Some(&seen), &later, &[]),
        (Tier::RealTime, TierReason::StillPending)
    );
    seen.dirty_since = None;
    assert_eq!(
        tier_of(Some(&seen), &later, &[]),
        (Tier::Batch, TierReason::NotCritical),
        "once it is applied the next change is judged by itself"
    );
    drop(item);
}

#[rstest]
#[case::pushed_batch_tier(Origin::Push, false, Some(NEXT_WINDOW))]
#[case::pushed_critical(Origin::Push, true, None)]
#[case::read_by_a_batch(Origin::Batch, false, None)]
#[case::forced(Origin::ForceSync, false, None)]
fn a_pushed_change_that_is_not_critical_waits_for_the_next_window(
    #[case] origin: Origin,
    #[case] is_critical: bool,
    #[case] due: Option<UnixMs>,
) {
    let (_, mut seen) = waiting(Tier::Batch);
    seen.dirty_since = None;
    let fields = if is_critical { critical() } else { Vec::new() };
    let change = incoming(origin, version(6, 1, 0), "b");
    assert_eq!(new_of(plan(Some(&seen), &change, &fields)).due, due);
}

#[rstest]
#[case::its_window_has_begun(None)]
#[case::it_has_a_window(Some(NEXT_WINDOW - std::time::Duration::from_secs(60)))]
fn a_push_does_not_put_off_what_waits_already(#[case] due: Option<UnixMs>) {
    let (_, mut seen) = waiting(Tier::Batch);
    seen.due = due;
    let change = incoming(Origin::Push, version(6, 1, 0), "b");
    assert_eq!(new_of(plan(Some(&seen), &change, &[])).due, due);
}

#[test]
fn a_dirty_record_is_queued_again_unless_a_person_has_it_que_2() {
    let (_, mut seen) = waiting(Tier::Batch);
    assert!(needs_message(&seen));
    assert!(!needs_message(&edited()), "in review");
    seen.dirty_since = None;
    assert!(!needs_message(&seen), "clean");
}

#[test]
fn what_may_stand_in_the_target_is_looked_for_before_it_is_created_eff_2() {
    let mut change = incoming(Origin::Batch, version(1, 1, 1), "a");
    change.search = Some("key-1".to_owned());
    change.look_first = true;
    let staged = register::stage(&new_of(plan(None, &change, &[])), NOW);
    let item = staged.evaluate(None).unwrap();
    let token = tidegate_model::ClaimToken::try_new("w").unwrap();
    let later = NOW + std::time::Duration::from_secs(60);
    let claimed = register::claim(&token, later, NOW, true).evaluate(Some(&item));
    let claimed = Register::read(&claimed.unwrap()).unwrap().unwrap();
    let traits = crate::plan::TargetTraits {
        upsert: false,
        idempotent_create: false,
        searchable: true,
        listable: false,
        own: false,
        create_calls: 1,
        update_calls: 1,
        find_calls: 1,
        deletes: false,
        archives: false,
    };
    let deletion = tidegate_model::flow::Deletion::Review;
    let step = crate::plan::step(&claimed, &token, traits, deletion);
    assert!(
        matches!(&step, crate::plan::Step::LookUp { search, .. } if search == "key-1"),
        "{step:?}"
    );
}

#[test]
fn only_what_is_new_to_us_may_stand_in_the_target_unknown_eff_2() {
    let (_, seen) = waiting(Tier::Batch);
    let mut change = incoming(Origin::Batch, version(6, 1, 1), "b");
    change.look_first = true;
    assert!(new_of(plan(None, &change, &[])).look_first);
    assert!(!new_of(plan(Some(&seen), &change, &[])).look_first);
    change.look_first = false;
    assert!(!new_of(plan(None, &change, &[])).look_first);
}

#[test]
fn what_was_forgotten_is_not_sent_again_for_a_newer_revision() {
    let (_, mut seen) = waiting(Tier::Batch);
    let newer = incoming(Origin::Batch, version(5, 2, 8), "a");
    assert!(matches!(
        plan(Some(&seen), &newer, &[]),
        StagePlan::Again(..)
    ));
    seen.desired.content = Content::Forgotten;
    assert!(matches!(plan(Some(&seen), &newer, &[]), StagePlan::Move(_)));
    let other = incoming(Origin::Batch, version(5, 2, 8), "b");
    assert!(matches!(plan(Some(&seen), &other, &[]), StagePlan::New(_)));
}
