//! What is to be loaded, as which line, and what a comparison says.

use rstest::rstest;
use tidegate_model::{SourceVersion, Tier, TierReason};

use super::{progress::LOAD_EVERY, *};
use crate::register::{self, ReviewCause, ReviewKind, Stage};

const NOW: UnixMs = UnixMs(1_780_000_000_000);

fn flow() -> FlowId {
    FlowId::try_new("orders").unwrap()
}

fn key() -> RecordKey {
    RecordKey::try_new("amazon:123-456").unwrap()
}

fn version(source: u64) -> Version {
    Version {
        source: SourceVersion(source),
        revision: 1,
        read: 0,
    }
}

fn stage(source: u64, content: Content) -> Stage {
    Stage {
        version: version(source),
        content,
        by: "a test".to_owned(),
        tier: Tier::Batch,
        tier_reason: TierReason::NotCritical,
        search: None,
        link: None,
        look_first: false,
        due: None,
        review: None,
    }
}

fn record(fields: &Json) -> Content {
    Content::Record(fields.as_object().unwrap().clone())
}

fn shipped() -> Content {
    record(&json!({ "status": "shipped", "buyer": "Ada" }))
}

/// An order in our own store.
fn item() -> Item {
    let write = register::stage_applied(&stage(5, shipped()), NOW);
    write.evaluate(None).unwrap()
}

fn read(item: &Item) -> Register {
    Register::read(item).unwrap().unwrap()
}

fn private() -> Vec<String> {
    vec!["buyer".to_owned()]
}

fn due(item: &Item) -> bool {
    is_due(item, &private())
}

fn line(item: &Item) -> Option<Line> {
    Line::of(&flow(), &key(), &read(item), &private())
}

fn loaded(item: &Item) -> Item {
    let mark = Mark::of(&read(item), &private()).unwrap();
    mark.loaded(NOW).evaluate(Some(item)).unwrap()
}

/// The vector that the statements of `infra/snowflake` are tested with.
#[rstest]
#[case::a_record(
    Some("{\"status\":\"shipped\"}"),
    "84413bc486a0e712bb0110dab7e0e659a23b0ff91693e746cce6d95134d3ddc9"
)]
#[case::a_deletion(
    None,
    "0386cba05d0221e51876a5c89f774a9c2c282badccd4b5438e453f3d5198552c"
)]
fn a_digest_is_the_one_that_sql_computes(#[case] content: Option<&str>, #[case] digest: &str) {
    let line = Line {
        version: Version {
            source: SourceVersion(1_780_000_000_000_000),
            revision: 1,
            read: 0,
        },
        digest: [0; 32],
        hash: ContentHash("00112233445566778899aabbccddeeff".to_owned()),
        content: content.map(str::to_owned),
    };
    assert_eq!(hex::encode(line.digest_of(&flow(), &key())), digest);
}

#[test]
fn a_line_says_what_was_applied_without_private_fields_and_with_its_names_sorted() {
    let fields = json!({ "z": {"b": 1, "a": [{"d": 1, "c": 2}]}, "buyer": "Ada", "a": null });
    let write = register::stage_applied(&stage(5, record(&fields)), NOW);
    let item = write.evaluate(None).unwrap();
    let line = line(&item).unwrap();
    let text: Json = serde_json::from_str(&line.text(&flow(), &key())).unwrap();
    assert_eq!(
        text["content"],
        r#"{"a":null,"z":{"a":[{"c":2,"d":1}],"b":1}}"#
    );
    assert_eq!(
        text["version"],
        json!({ "source": 5, "revision": 1, "read": 0 })
    );
    assert_eq!(text["hash"], read(&item).desired.hash.0);
    assert_eq!(text["digest"], hex::encode(line.digest));
    assert_eq!(
        (&text["flow"], &text["deleted"]),
        (&json!("orders"), &json!(false))
    );
}

#[test]
fn what_is_loaded_is_due_again_when_something_else_is_applied_and_not_before() {
    let item = item();
    assert!(due(&item));
    let item = loaded(&item);
    assert!(!due(&item));
    // The version alone moves: the content is in a file already.
    let equal = register::Equal {
        hash: read(&item).desired.hash,
        agrees: None,
    };
    let moved = register::move_version(version(6), &equal, "a test");
    let item = moved.evaluate(Some(&item)).unwrap();
    assert!(!due(&item));
    let other = register::stage_applied(&stage(7, Content::Deleted), NOW);
    let item = other.evaluate(Some(&item)).unwrap();
    assert!(due(&item));
    assert!(line(&item).unwrap().is_deletion());
}

/// A person edited it in review: the version stays.
#[test]
fn what_is_loaded_is_due_again_when_its_content_is_another_or_another_field_is_private() {
    let item = loaded(&item());
    let mut edited = item.clone();
    for hash in [attr::DESIRED_HASH, attr::APPLIED_HASH] {
        edited.insert(hash.to_owned(), "another".into());
    }
    assert!(due(&edited));
    let mark = Mark::of(&read(&item), &private()).unwrap();
    assert_eq!(mark.loaded(NOW).evaluate(Some(&edited)), None);
    assert!(!due(&loaded(&edited)));

    let private = ["buyer".to_owned(), "status".to_owned()];
    assert!(is_due(&item, &private));
    let marked = Mark::of(&read(&item), &private).unwrap().loaded(NOW);
    let private_again = ["status".to_owned(), "buyer".to_owned()];
    assert!(!is_due(
        &marked.evaluate(Some(&item)).unwrap(),
        &private_again
    ));
    let expected = Expected::of(&flow(), &key(), &read(&item), &private);
    assert_eq!(expected.loaded, None, "that line is in no file yet");
}

#[test]
fn a_wish_stands_beside_a_lease_and_is_read() {
    let lease = Item::from([("seq".to_owned(), 3.into())]);
    let wished_for = wish(NOW).evaluate(Some(&lease)).unwrap();
    assert_eq!(wished_for.get("seq"), lease.get("seq"));
    assert_eq!(wished(Some(&wished_for)), Some(NOW));
    assert_eq!(wished(Some(&lease)), None);
    assert_eq!(wished(None), None);
}

#[test]
fn what_waits_or_is_in_review_is_not_due_and_has_no_line() {
    let waits = register::stage(&stage(5, shipped()), NOW).evaluate(None);
    let cause = ReviewCause {
        kind: ReviewKind::Invalid,
        field: None,
        reason: "a test".to_owned(),
        since: NOW,
    };
    let reviewed = Stage {
        review: Some((flow(), cause)),
        ..stage(5, shipped())
    };
    let in_review = register::stage_applied(&reviewed, NOW).evaluate(None);
    for item in [waits.unwrap(), in_review.unwrap()] {
        assert!(!due(&item));
        assert_eq!(line(&item), None);
    }
}

#[test]
fn a_mark_is_refused_when_something_else_was_applied_or_it_was_erased_since() {
    let item = item();
    let mark = Mark::of(&read(&item), &private()).unwrap();
    let newer = register::stage_applied(&stage(6, Content::Deleted), NOW);
    let newer = newer.evaluate(Some(&item)).unwrap();
    let erased = register::erase(&read(&item), NOW).evaluate(Some(&item));
    let erased = erased.unwrap();
    for changed in [&newer, &erased] {
        assert_eq!(mark.loaded(NOW).evaluate(Some(changed)), None);
        assert_eq!(mark.load_again().evaluate(Some(changed)), None);
        assert!(due(changed));
    }
}

/// The merge takes greater versions alone, and an erasure moves none.
#[test]
fn what_is_erased_goes_as_a_deletion_one_read_later_and_once() {
    let item = loaded(&item());
    let erased = register::erase(&read(&item), NOW).evaluate(Some(&item));
    let erased = erased.unwrap();
    assert!(due(&erased));
    let gone = line(&erased).unwrap();
    assert!(gone.is_deletion());
    assert!(gone.version > line(&item).unwrap().version);
    assert!(gone.version < version(6));
    assert!(!due(&loaded(&erased)));
}

/// The register says nothing of what was discarded but its newest version; the warehouse may hold an
/// older one with its values.
#[rstest]
#[case::a_change(shipped())]
#[case::a_deletion(Content::Deleted)]
fn what_is_erased_after_a_newer_change_was_discarded_goes_too(#[case] newer: Content) {
    let item = loaded(&item());
    let other = match newer {
        Content::Record(_) => record(&json!({ "status": "refused" })),
        gone => gone,
    };
    let staged = register::stage(&stage(6, other), NOW).evaluate(Some(&item));
    // A person discarded it.
    let mut discarded = staged.unwrap();
    discarded.retain(|name, _| name != attr::DIRTY_SINCE);
    assert_eq!(read(&discarded).state(), State::Discarded);
    assert!(!due(&discarded), "as it was");
    let erased = register::erase(&read(&discarded), NOW).evaluate(Some(&discarded));
    let erased = erased.unwrap();
    assert!(due(&erased));
    let gone = line(&erased).unwrap();
    assert!(gone.is_deletion() && gone.version > version(6));
    assert!(!due(&loaded(&erased)));
}

fn expected(version_held: u64, loaded: Option<UnixMs>) -> Expected {
    Expected {
        line: Some((version(version_held), [7; 32])),
        deleted: false,
        loaded,
    }
}

#[rstest]
#[case::equal(Some(5), "07", Kind::Equal, Kind::Equal)]
#[case::altered(Some(5), "08", Kind::InTransit, Kind::Altered)]
#[case::older(Some(4), "08", Kind::InTransit, Kind::Older)]
#[case::newer(Some(6), "08", Kind::Newer, Kind::Newer)]
#[case::none(None, "", Kind::InTransit, Kind::Missing)]
fn a_row_is_judged_by_its_version_then_by_its_digest(
    #[case] held: Option<u64>,
    #[case] byte: &str,
    #[case] lately: Kind,
    #[case] long_ago: Kind,
) {
    let digest = byte.repeat(32);
    let row = held.map(|held| (version(held), digest.as_str()));
    for (at, kind) in [(NOW, lately), (NOW - LANDING, long_ago)] {
        assert_eq!(judge(Some(&expected(5, Some(at))), row, NOW), kind);
    }
    assert_eq!(judge(Some(&expected(5, None)), row, NOW), Kind::Waiting);
    if row.is_some() {
        assert_eq!(judge(None, row, NOW), Kind::Unknown);
    }
}

#[test]
fn the_sum_is_of_the_first_60_bits() {
    let digest = hex::decode("84413bc486a0e712bb0110dab7e0e659a23b0ff91693e746cce6d95134d3ddc9");
    let digest: [u8; 32] = digest.unwrap().try_into().unwrap();
    assert_eq!(summed(&digest), 0x0844_13bc_486a_0e71);
}

#[test]
fn each_kind_is_counted_by_itself_and_findings_have_a_remedy() {
    let mut found = Difference::default();
    for (times, kind) in (1..).zip(Kind::ALL) {
        found.count_all(kind, times);
    }
    for (times, kind) in (1..).zip(Kind::ALL) {
        assert_eq!(found.of(kind), times, "{kind:?}");
    }
    assert_eq!(found.compared(), 36);
    assert_eq!(found.found(), 4 + 5 + 6 + 7 + 8);
    for kind in Kind::ALL {
        assert!(!kind.is_loaded_again() || kind.is_finding(), "{kind:?}");
    }
}

#[test]
fn a_load_is_due_while_something_is_to_be_put_merged_or_compared() {
    let done = Progress {
        compared_at: Some(NOW),
        ..Progress::default()
    };
    assert!(!done.is_due(0, None, NOW));
    assert!(done.is_due(1, None, NOW));
    let staged = Progress {
        staged_at: Some(NOW),
        ..done.clone()
    };
    assert!(!staged.is_due(1, None, NOW + LOAD_EVERY / 2));
    assert!(staged.is_due(1, None, NOW + LOAD_EVERY));
    assert!(Progress::default().is_due(0, None, NOW), "never compared");
    let put = Progress {
        put_at: Some(NOW),
        ..done.clone()
    };
    for at in [NOW, NOW + LANDING, NOW + LANDING * 4] {
        assert!(put.is_due(0, None, at), "nothing was merged since");
    }
    let merged = |at| Progress {
        merged_at: Some(at),
        ..put.clone()
    };
    assert!(merged(NOW + LANDING / 2).is_due(0, None, NOW + LANDING * 4));
    assert!(!merged(NOW + LANDING / 2).is_due(0, None, NOW + LANDING / 2 + LOAD_EVERY / 2));
    assert!(!merged(NOW + LANDING).is_due(0, None, NOW + LANDING));
    let merging = Progress {
        merge: Some("id".to_owned()),
        ..done.clone()
    };
    assert!(merging.is_due(0, None, NOW + LANDING));
    assert!(done.is_due(0, None, NOW + Duration::from_hours(24)));
    let wished = |at| done.is_due(0, Some(at), NOW);
    assert!(!wished(NOW), "one began at that moment");
    assert!(wished(NOW + Duration::from_millis(1)));
}

#[test]
fn the_age_of_a_comparison_counts_from_the_first_load_where_there_was_none() {
    let never = Progress::default();
    assert_eq!(never.comparison_age(NOW), Duration::ZERO);
    let began = Progress {
        since: Some(NOW - Duration::from_hours(50)),
        ..never
    };
    assert_eq!(began.comparison_age(NOW), Duration::from_hours(50));
    let compared = Progress {
        compared_at: Some(NOW - Duration::from_hours(2)),
        ..began
    };
    assert_eq!(compared.comparison_age(NOW), Duration::from_hours(2));
}

#[test]
fn the_moment_of_a_file_is_later_than_the_last_one_s() {
    let put = |last| Progress {
        put_at: last,
        ..Progress::default()
    };
    assert_eq!(put(None).next_put(NOW), NOW);
    assert_eq!(put(Some(NOW - LANDING)).next_put(NOW), NOW);
    let ahead = NOW + LANDING;
    assert_eq!(
        put(Some(ahead)).next_put(NOW),
        ahead + Duration::from_millis(1)
    );
}

#[test]
fn a_merge_has_the_name_of_a_uuid() {
    let token = tidegate_model::ClaimToken::try_new("0123456789abcdef0123456789abcdef");
    let token = token.unwrap();
    let id = merge_id(&token);
    assert_eq!(id, "01234567-89ab-cdef-0123-456789abcdef");
    assert_eq!(merge_token(&id), Some(token));
}
