use rstest::rstest;
use serde_json::json;
use tidegate_model::{SourceVersion, Tier, TierReason, UnixMs, Version};

use super::*;
use crate::register::{Applied, Desired};

const NOW: UnixMs = UnixMs(1_800_000_000_000);

/// Ids of its own, found again by a search value, deletes and archives.
const PLAIN: TargetTraits = TargetTraits {
    upsert: false,
    idempotent_create: false,
    searchable: true,
    listable: false,
    own: false,
    create_calls: 1,
    update_calls: 2,
    find_calls: 5,
    deletes: true,
    archives: true,
};
const UPSERT: TargetTraits = TargetTraits {
    upsert: true,
    searchable: false,
    own: false,
    create_calls: 3,
    ..PLAIN
};
const BLIND: TargetTraits = TargetTraits {
    searchable: false,
    ..PLAIN
};
const IDEMPOTENT: TargetTraits = TargetTraits {
    idempotent_create: true,
    ..BLIND
};

fn token(text: &str) -> ClaimToken {
    ClaimToken::try_new(text).unwrap()
}

fn record() -> Content {
    Content::Record(fields())
}

fn fields() -> Fields {
    std::iter::once(("name".to_owned(), json!("Acme"))).collect()
}

/// A record that `me` has claimed, never applied, whose first open call is `opened_by`'s.
fn claimed(content: Content, opened_by: &str, target_id: Option<&str>) -> Register {
    let version = Version {
        source: SourceVersion(1),
        revision: 1,
        read: 0,
    };
    Register {
        desired: Desired {
            version,
            hash: content.hash(),
            content,
            staged_by: "stager".to_owned(),
        },
        applied: None,
        dirty_since: Some(NOW),
        pending_since: Some(NOW),
        urgent_since: None,
        claim: None,
        unknown: Some(token(opened_by)),
        quiet_until: None,
        intent: Some("old name".to_owned()),
        attempts: 0,
        attempts_epoch: 0,
        next_attempt: None,
        target_id: target_id.map(str::to_owned),
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

fn applied(mut register: Register, content: &Content) -> Register {
    register.applied = Some(Applied {
        version: register.desired.version,
        hash: content.hash(),
        at: NOW,
    });
    register
}

#[rstest]
#[case::own(PLAIN, "me", None, Step::Create(fields()))]
#[case::own_with_id(PLAIN, "me", Some("T-1"), Step::Update(fields()))]
#[case::older_with_id(PLAIN, "older", Some("T-1"), Step::Update(fields()))]
#[case::older(PLAIN, "older", None, Step::LookUp { search: "old name".to_owned(), fields: fields() })]
#[case::older_idempotent(IDEMPOTENT, "older", None, Step::CreateAgain(fields()))]
#[case::own_idempotent(IDEMPOTENT, "me", None, Step::Create(fields()))]
#[case::upsert(UPSERT, "me", None, Step::Create(fields()))]
#[case::older_upsert(UPSERT, "older", None, Step::Create(fields()))]
#[case::upsert_with_id(UPSERT, "older", Some("T-1"), Step::Create(fields()))]
fn a_record_is_made_changed_or_looked_for_eff_2(
    #[case] traits: TargetTraits,
    #[case] opened_by: &str,
    #[case] target_id: Option<&str>,
    #[case] expected: Step,
) {
    let register = claimed(record(), opened_by, target_id);
    let found = step(&register, &token("me"), traits, Deletion::Review);
    assert_eq!(found, expected);
}

#[test]
fn an_open_create_is_repeated_under_its_own_key_whatever_is_desired_now_eff_2() {
    let first = claimed(record(), "older", None);
    let newer = claimed(Content::Record(Fields::new()), "older", None);
    for register in [&first, &newer] {
        assert_eq!(idempotency_key(register, &token("me")), "older");
    }
    let own = claimed(record(), "me", None);
    assert_eq!(idempotency_key(&own, &token("me")), "me");
}

#[test]
fn an_open_create_that_can_not_be_looked_for_is_a_review_never_a_blind_call_eff_2() {
    let mut without_value = claimed(record(), "older", None);
    without_value.intent = None;
    for (register, traits) in [
        (claimed(record(), "older", None), BLIND),
        (without_value, PLAIN),
    ] {
        let found = step(&register, &token("me"), traits, Deletion::Review);
        assert!(
            matches!(
                found,
                Step::Review {
                    kind: ReviewKind::Ambiguous,
                    ..
                }
            ),
            "{found:?}"
        );
    }
}

#[rstest]
#[case::same_and_own("me", true, true)]
#[case::same_but_an_older_call_is_open("older", true, false)]
#[case::other_content("me", false, false)]
fn a_call_is_skipped_only_when_nothing_can_have_changed_the_target(
    #[case] opened_by: &str,
    #[case] same: bool,
    #[case] skipped: bool,
) {
    let content = if same { record() } else { Content::Deleted };
    let register = applied(claimed(record(), opened_by, Some("T-1")), &content);
    let found = step(&register, &token("me"), PLAIN, Deletion::Review);
    assert_eq!(found == Step::Skip, skipped, "{found:?}");
}

#[rstest]
#[case::delete(Deletion::Delete, PLAIN, "me", Some("T-1"), "delete")]
#[case::archive(Deletion::Archive, PLAIN, "me", Some("T-1"), "archive")]
#[case::keep(Deletion::Keep, PLAIN, "me", Some("T-1"), "keep")]
#[case::keep_what_never_was(Deletion::Keep, PLAIN, "me", None, "keep")]
#[case::keep_an_open_update(Deletion::Keep, PLAIN, "older", Some("T-1"), "keep")]
#[case::keep_an_open_create(Deletion::Keep, PLAIN, "older", None, "review")]
#[case::keep_an_open_upsert(Deletion::Keep, UPSERT, "older", None, "keep")]
#[case::ask(Deletion::Review, PLAIN, "me", Some("T-1"), "review")]
#[case::no_delete(Deletion::Delete, TargetTraits { deletes: false, ..PLAIN }, "me", Some("T-1"), "review")]
#[case::no_archive(Deletion::Archive, TargetTraits { archives: false, ..PLAIN }, "me", Some("T-1"), "review")]
#[case::delete_what_never_was(Deletion::Delete, PLAIN, "me", None, "keep")]
#[case::delete_an_open_create(Deletion::Delete, PLAIN, "older", None, "review")]
#[case::delete_by_key(Deletion::Delete, UPSERT, "older", None, "delete")]
fn a_deletion_does_what_the_flow_says_and_forgets_no_open_create(
    #[case] deletion: Deletion,
    #[case] traits: TargetTraits,
    #[case] opened_by: &str,
    #[case] target_id: Option<&str>,
    #[case] expected: &str,
) {
    let register = claimed(Content::Deleted, opened_by, target_id);
    let found = match step(&register, &token("me"), traits, deletion) {
        Step::Remove(Removal::Delete) => "delete",
        Step::Remove(Removal::Archive) => "archive",
        Step::Keep => "keep",
        Step::Review {
            kind: ReviewKind::DeletedAtSource,
            ..
        } => "review",
        other => panic!("{other:?}"),
    };
    assert_eq!(found, expected);
}

#[test]
fn a_record_applied_without_a_known_id_is_not_taken_for_one_that_never_was() {
    let register = applied(claimed(Content::Deleted, "me", None), &record());
    let found = step(&register, &token("me"), PLAIN, Deletion::Delete);
    assert!(matches!(found, Step::Review { .. }));
}

#[rstest]
#[case::create(record(), PLAIN, None, None, 1)]
#[case::update(record(), PLAIN, None, Some("T-1"), 2)]
#[case::look_up_then_update(record(), PLAIN, Some("older"), None, 7)]
#[case::review_of_an_open_create(record(), BLIND, Some("older"), None, 0)]
#[case::create_again(record(), IDEMPOTENT, Some("older"), None, 3)]
#[case::upsert(record(), UPSERT, None, None, 3)]
#[case::upsert_with_id(record(), UPSERT, Some("older"), Some("T-1"), 3)]
#[case::delete(Content::Deleted, PLAIN, None, Some("T-1"), 1)]
#[case::delete_by_key(Content::Deleted, UPSERT, None, None, 1)]
#[case::delete_what_never_was(Content::Deleted, PLAIN, None, None, 0)]
fn calls_are_counted_before_the_claim_lim_1(
    #[case] content: Content,
    #[case] traits: TargetTraits,
    #[case] opened_by: Option<&str>,
    #[case] target_id: Option<&str>,
    #[case] calls: u32,
) {
    let mut register = claimed(content, "older", target_id);
    register.unknown = opened_by.map(token);
    assert_eq!(calls_of(&register, traits), calls);
}

#[test]
fn after_three_retries_a_person_must_look_r8() {
    let steps = [60, 300, 900].map(Duration::from_secs);
    let found: Vec<AfterFailure> = (1..=5).map(|n| after_failure(n, &steps)).collect();
    let [first, second, third] = steps.map(AfterFailure::Retry);
    let spent = AfterFailure::Review;
    assert_eq!(found, [first, second, third, spent, spent]);
    assert_eq!(after_failure(1, &[]), spent, "a flow without retries");
}
