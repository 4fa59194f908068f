//! What went back at its source.

use super::*;

#[rstest]
#[case::older(4, 1, named("b"), true)]
#[case::older_and_equal(4, 1, named("a"), false)]
#[case::same_version(5, 1, named("b"), false)]
#[case::unchanged(5, 1, named("a"), false)]
#[case::newer(6, 1, named("b"), false)]
#[case::mapped_by_an_older_revision(5, 0, named("b"), false)]
#[case::older_and_mapped_anew(4, 2, named("b"), true)]
fn what_goes_back_at_the_source_is_put_back(
    #[case] source: u64,
    #[case] revision: u32,
    #[case] content: Content,
    #[case] put_back: bool,
) {
    let register = clean(named("a"));
    let shown = Incoming {
        version: Version {
            revision,
            ..version(source)
        },
        ..incoming(content)
    };
    assert_eq!(is_put_back(&register, &shown, NOW), put_back);
    let soon = register.applied.clone().unwrap().at + Duration::from_mins(1);
    assert!(
        !is_put_back(&register, &shown, soon),
        "the listing may lag behind what was just told"
    );
    // What a person made of it is no matter of the source.
    let mut edited = clean(named("c"));
    edited.edited = Some(edit(named("a").hash()));
    assert_eq!(is_put_back(&edited, &shown, NOW), put_back);
}

/// Why a person is asked.
fn cause() -> (FlowId, ReviewCause) {
    let cause = ReviewCause {
        kind: ReviewKind::PutBackAtSource,
        field: None,
        reason: "older".to_owned(),
        since: NOW,
    };
    (FlowId::try_new("f").unwrap(), cause)
}

#[rstest]
#[case::by_an_older_read(0, 8)]
#[case::by_a_newer_read(12, 12)]
fn what_was_put_back_is_staged_as_the_newest_for_a_person(
    #[case] shown_by: u64,
    #[case] staged_as: u64,
) {
    let mut register = clean(named("a"));
    register.desired.version.read = 7;
    let shown = of(named("b"), 4, shown_by);
    let staged = put_back(&register, shown.clone(), cause()).unwrap();
    assert_eq!(
        staged.version,
        Version {
            read: staged_as,
            ..version(5)
        }
    );
    let plan = stage::plan(Some(&register), &staged, &[]);
    let StagePlan::New(stage) = plan else {
        panic!("{plan:?}");
    };
    assert_eq!((stage.content, stage.review), (named("b"), Some(cause())));
    // The source goes on showing it.
    register.desired.version = staged.version;
    register.desired.hash = named("b").hash();
    assert!(!is_put_back(&register, &shown, NOW));
}

/// A newer release staged it: its revision is no lower.
#[test]
fn what_was_put_back_keeps_the_newest_revision() {
    let mut register = clean(named("a"));
    register.desired.version.revision = 3;
    let staged = put_back(&register, of(named("b"), 4, 0), cause()).unwrap();
    assert!(staged.version > register.desired.version);
    assert_eq!(staged.version.revision, 3);
}

/// The newer version never reached it, and is no more.
#[rstest]
#[case::known(None, None)]
#[case::a_call_may_have_changed_it(Some("t"), Some(cause()))]
fn nobody_is_asked_about_what_the_target_holds(
    #[case] unknown: Option<&str>,
    #[case] review: Option<(FlowId, ReviewCause)>,
) {
    let mut register = clean(named("a"));
    register.desired.content = named("refused");
    register.desired.hash = named("refused").hash();
    register.unknown = unknown.map(|token| ClaimToken::try_new(token).unwrap());
    let staged = put_back(&register, of(named("a"), 4, 0), cause()).unwrap();
    assert_eq!(staged.review, review);
}

#[test]
fn no_older_version_brings_back_what_was_forgotten() {
    let mut register = clean(named("a"));
    register.desired.content = Content::Forgotten;
    let shown = of(named("b"), 4, 0);
    assert!(is_put_back(&register, &shown, NOW), "it is named");
    assert_eq!(put_back(&register, shown, cause()), None);
}

#[rstest]
#[case::older_under_a_newer_revision(named("a"), 4, 2, true)]
#[case::older(named("a"), 4, 1, false)]
#[case::as_new(named("a"), 5, 2, false)]
#[case::other_content(named("b"), 4, 2, false)]
fn an_older_version_of_equal_content_is_mapped_anew(
    #[case] content: Content,
    #[case] source: u64,
    #[case] revision: u32,
    #[case] is: bool,
) {
    let register = clean(named("a"));
    let mut shown = of(content, source, 9);
    shown.version.revision = revision;
    let staged = mapped_anew(&register, &shown);
    assert_eq!(staged.is_some(), is);
    if let Some(staged) = staged {
        let newest = Version {
            read: 9,
            revision,
            ..version(5)
        };
        assert_eq!(staged.version, newest);
        let plan = stage::plan(Some(&register), &staged, &[]);
        assert!(matches!(plan, StagePlan::Again(..)), "{plan:?}");
    }
}
