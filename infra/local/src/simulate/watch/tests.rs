use tidegate_model::{ClaimToken, Content, TierReason, Version, item::Update};
use tidegate_policy::register;

use super::*;

const KEY: &str = "K";

fn content(text: &str) -> Content {
    Content::Record(std::iter::once(("a".to_owned(), serde_json::json!(text))).collect())
}

/// A register under a watch.
struct Story {
    watch: Watch,
    item: Option<Item>,
    version: u64,
}

impl Story {
    fn new() -> Self {
        Self {
            watch: Watch::default(),
            item: None,
            version: 0,
        }
    }

    fn write(&mut self, update: &Update, now: i64) {
        let after = update.evaluate(self.item.as_ref()).unwrap();
        let key = ItemKey {
            partition: "register#f#0".to_owned(),
            sort: KEY.to_owned(),
        };
        let mut state = self.watch.lock();
        state.written(&key, self.item.as_ref(), &after, UnixMs(now));
        drop(state);
        self.item = Some(after);
    }

    fn changed(&self, at: i64, class: Class, text: &str) {
        self.watch
            .changed(KEY, UnixMs(at), class, content(text).hash());
    }

    fn stage(&mut self, text: &str, now: i64) {
        self.version += 1;
        let version = Version {
            source: tidegate_model::SourceVersion(self.version),
            revision: 1,
            read: 0,
        };
        let stage = register::Stage {
            version,
            content: content(text),
            by: "b".to_owned(),
            tier: Tier::Batch,
            tier_reason: TierReason::NotCritical,
            search: None,
            link: None,
            look_first: false,
            due: None,
            review: None,
        };
        self.write(&register::stage(&stage, UnixMs(now)), now);
    }

    fn apply(&mut self, now: i64) {
        let token = ClaimToken::try_new("t").unwrap();
        self.write(
            &register::claim(&token, UnixMs(now + 1), UnixMs(now), false),
            now,
        );
        let claimed = Register::read(self.item.as_ref().unwrap())
            .unwrap()
            .unwrap();
        let done = register::Committed {
            hash: claimed.desired.hash.clone(),
            version: claimed.desired.version,
            target_id: None,
            etag: None,
            deleted: false,
            started: UnixMs(now),
        };
        self.write(&register::commit(&token, &done, &claimed, UnixMs(now)), now);
    }
}

#[test]
fn a_change_is_open_until_the_target_holds_it_or_something_newer() {
    let mut story = Story::new();
    story.changed(1_000, Class::Other, "one");
    story.stage("one", 2_000);
    story.changed(5_000, Class::Critical, "two");
    story.stage("two", 6_000);
    let look = story.watch.look(UnixMs(60_000));
    assert_eq!(
        (look.pending_batch, look.oldest_other),
        (1, Some(UnixMs(1_000)))
    );
    assert_eq!(story.watch.open_before(UnixMs(5_000)), 1);
    story.apply(10_000);
    assert_eq!(story.watch.look(UnixMs(60_000)), Look::default());
    let other = story.watch.ages(Class::Other, UnixMs(10_000));
    assert_eq!(
        (other.came, other.held, other.waited_ms),
        (1, 1, vec![9_000])
    );
    assert_eq!(other.worst.unwrap().at, UnixMs(1_000));
    let critical = story.watch.ages(Class::Critical, UnixMs(10_000));
    assert_eq!(critical.worst.unwrap().age, Duration::from_secs(5));
}

#[test]
fn a_value_that_comes_back_is_open_until_it_is_applied_again() {
    let mut story = Story::new();
    story.stage("one", 0);
    story.apply(100);
    story.changed(1_000, Class::Other, "two");
    story.stage("two", 1_500);
    story.changed(2_000, Class::Other, "one");
    story.apply(3_000);
    assert_eq!(
        story.watch.look(UnixMs(60_000)).oldest_other,
        Some(UnixMs(2_000)),
        "the target holds two"
    );
    story.stage("one", 4_000);
    story.apply(5_000);
    assert_eq!(story.watch.look(UnixMs(60_000)).oldest_other, None);
}

#[test]
fn an_open_change_counts_with_its_age() {
    let mut story = Story::new();
    story.changed(1_000, Class::Other, "one");
    story.stage("one", 2_000);
    let ages = story.watch.ages(Class::Other, UnixMs(61_000));
    assert_eq!(ages.held, 0);
    let worst = ages.worst.unwrap();
    assert_eq!(
        (worst.age, worst.key.as_str()),
        (Duration::from_secs(60), KEY)
    );
}

#[test]
fn attempts_that_took_a_record_to_review_stay_spent_whatever_the_epoch() {
    let mut story = Story::new();
    story.changed(1_000, Class::Other, "one");
    story.stage("one", 2_000);
    let token = ClaimToken::try_new("t").unwrap();
    let claim = |story: &mut Story, now| {
        let update = register::claim(&token, UnixMs(now + 1_000), UnixMs(now), false);
        story.write(&update, now);
        let item = story.item.as_ref().unwrap();
        Register::read(item).unwrap().unwrap()
    };
    let failure = register::Failure {
        outcome: register::Outcome::Known,
        attempt: Some(0),
        next_attempt: UnixMs(60_000),
        reason: "503".to_owned(),
        started: UnixMs(3_000),
    };
    let claimed = claim(&mut story, 3_000);
    story.write(&register::fail(&token, &failure, &claimed), 3_100);
    assert_eq!(story.watch.attempts_spent(0), 1);
    assert_eq!(story.watch.attempts_spent(1), 0, "given back by an opening");
    let claimed = claim(&mut story, 70_000);
    let cause = register::ReviewCause {
        kind: ReviewKind::RetriesSpent,
        field: None,
        reason: "503".to_owned(),
        since: UnixMs(70_000),
    };
    let flow = tidegate_model::FlowId::try_new("f").unwrap();
    let review = register::to_review(&token, &flow, &cause, Some(&failure), &claimed);
    story.write(&review, 70_100);
    assert_eq!(story.watch.attempts_spent(0), 2);
    assert_eq!(story.watch.attempts_spent(7), 2, "nobody gives them back");
}

#[test]
fn a_record_in_review_waits_for_a_person_and_the_target_is_still_without_its_change() {
    let mut story = Story::new();
    story.changed(1_000, Class::Other, "one");
    story.stage("one", 2_000);
    let token = ClaimToken::try_new("t").unwrap();
    story.write(
        &register::claim(&token, UnixMs(9_000), UnixMs(3_000), false),
        3_000,
    );
    let cause = register::ReviewCause {
        kind: ReviewKind::Refused,
        field: None,
        reason: "no".to_owned(),
        since: UnixMs(3_000),
    };
    let flow = tidegate_model::FlowId::try_new("f").unwrap();
    let register = Register::read(story.item.as_ref().unwrap())
        .unwrap()
        .unwrap();
    let review = register::to_review(&token, &flow, &cause, None, &register);
    story.write(&review, 4_000);
    let look = story.watch.look(UnixMs(60_000));
    assert_eq!(
        (look.pending_batch, look.in_review, look.oldest_other),
        (0, 1, Some(UnixMs(1_000)))
    );
    assert_eq!(
        story.watch.open_before(UnixMs(60_000)),
        0,
        "no work is left"
    );
    story.changed(5_000, Class::Other, "two");
    assert_eq!(story.watch.open_before(UnixMs(60_000)), 0);
    let ages = story.watch.ages(Class::Other, UnixMs(61_000));
    assert_eq!((ages.came, ages.held), (2, 0));
    let worst = ages.worst.unwrap();
    assert_eq!(
        (worst.age, worst.in_review),
        (Duration::from_secs(60), true)
    );
    assert_eq!(story.watch.reviewed(), [("refused", 1)].into());
}

#[test]
fn a_change_that_waited_for_a_person_for_a_while_is_told_when_a_later_one_took_it_back() {
    let mut story = Story::new();
    story.changed(1_000, Class::Other, "one");
    story.stage("one", 2_000);
    let token = ClaimToken::try_new("t").unwrap();
    story.write(
        &register::claim(&token, UnixMs(9_000), UnixMs(3_000), false),
        3_000,
    );
    let cause = register::ReviewCause {
        kind: ReviewKind::Refused,
        field: None,
        reason: "no".to_owned(),
        since: UnixMs(3_000),
    };
    let flow = tidegate_model::FlowId::try_new("f").unwrap();
    let claimed = Register::read(story.item.as_ref().unwrap())
        .unwrap()
        .unwrap();
    let review = register::to_review(&token, &flow, &cause, None, &claimed);
    story.write(&review, 4_000);
    story.changed(50_000, Class::Other, "two");
    story.stage("two", 51_000);
    story.apply(60_000);
    let ages = story.watch.ages(Class::Other, UnixMs(61_000));
    assert_eq!((ages.came, ages.held), (2, 2));
    let worst = ages.worst.unwrap();
    assert_eq!(
        (worst.age, worst.in_review),
        (Duration::from_secs(59), true)
    );
}
