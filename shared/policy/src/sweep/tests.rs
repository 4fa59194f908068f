use proptest::prelude::*;
use tidegate_model::{
    ClaimToken, Content, Fields, FlowId, SourceVersion, Tier, TierReason, Version,
    item::{Condition, Update},
};

use super::*;
use crate::register::{self, ReviewCause, ReviewKind, Stage};

const NOW: UnixMs = UnixMs(1_800_000_000_000);
const MS: Duration = Duration::from_millis(1);
const WAIT: Duration = Duration::from_mins(40);

fn is_stranded(register: &Register, longest: Duration, now: UnixMs) -> bool {
    Waits::of(register).is_some_and(|waits| waits.is_stranded(longest, None, now))
}

#[test]
fn what_a_sweep_has_queued_is_not_queued_again_at_once_que_2() {
    let swept = NOW + WAIT + MS;
    for due in [None, Some(NOW)] {
        let waits = Waits::of(&staged(due, &nothing())).unwrap();
        assert!(waits.is_stranded(WAIT, None, swept));
        assert!(!waits.is_stranded(WAIT, Some(swept), swept + WAIT));
        assert!(waits.is_stranded(WAIT, Some(swept), swept + WAIT + MS));
    }
}

/// A record staged now, with more attributes.
fn staged(due: Option<UnixMs>, more: &Update) -> Register {
    let version = Version {
        source: SourceVersion(1),
        revision: 1,
        read: 0,
    };
    let change = Stage {
        version,
        content: Content::Record(Fields::new()),
        by: "stager".to_owned(),
        tier: Tier::Batch,
        tier_reason: TierReason::NotCritical,
        search: None,
        link: None,
        look_first: false,
        due,
        review: None,
    };
    let item = register::stage(&change, NOW).evaluate(None).unwrap();
    Register::read(&more.evaluate(Some(&item)).unwrap())
        .unwrap()
        .unwrap()
}

fn nothing() -> Update {
    Update::when(Condition::ALWAYS)
}

#[test]
fn a_record_that_waits_longer_than_is_lawful_is_stranded_que_2() {
    let register = staged(None, &nothing());
    assert!(!is_stranded(&register, WAIT, NOW + WAIT));
    assert!(is_stranded(&register, WAIT, NOW + WAIT + MS));
}

#[test]
fn a_named_time_is_waited_for_que_2() {
    let later = NOW + Duration::from_mins(10);
    let claim = register::claim(&ClaimToken::try_new("w").unwrap(), later, NOW, false);
    let claimed = staged(None, &claim);
    let from = claimed.claimable_at();
    assert!(from > later);
    assert!(!is_stranded(&claimed, WAIT, from + WAIT));
    assert!(is_stranded(&claimed, WAIT, from + WAIT + MS));
}

#[test]
fn a_record_that_waits_for_a_window_is_stranded_when_the_window_has_passed() {
    let due = NOW + Duration::from_hours(8);
    let register = staged(Some(due), &nothing());
    assert!(!is_stranded(&register, WAIT, NOW + WAIT * 2));
    assert!(!is_stranded(&register, WAIT, due + MARGIN));
    assert!(is_stranded(&register, WAIT, due + MARGIN + MS));
}

#[test]
fn after_a_pause_every_dirty_record_is_stranded_however_young() {
    assert!(is_stranded(
        &staged(None, &nothing()),
        Duration::ZERO,
        NOW + MS
    ));
    let due = staged(Some(NOW), &nothing());
    assert!(is_stranded(&due, Duration::ZERO, NOW + MS));
}

#[test]
fn what_is_clean_or_in_review_is_not_stranded() {
    let late = NOW + WAIT * 10;
    let mut clean = staged(None, &nothing());
    clean.dirty_since = None;
    assert!(!is_stranded(&clean, WAIT, late));
    let cause = ReviewCause {
        kind: ReviewKind::DeadLetter,
        field: None,
        reason: "it came back too often".to_owned(),
        since: NOW,
    };
    let flow = FlowId::try_new("suppliers").unwrap();
    let in_review = staged(None, &register::dead_letter(&flow, &cause, NOW));
    assert!(!is_stranded(&in_review, WAIT, late));
}

#[test]
fn the_longest_wait_is_half_as_long_again_as_the_backlog_takes() {
    let limit = Limit::in_window(50, Duration::from_secs(60));
    let minutes = |more: u64| MARGIN + Duration::from_mins(more);
    // 1,000 calls fill 20 windows, and a 21st may have begun.
    assert_eq!(
        longest_wait(500, 2, limit),
        minutes(21) + Duration::from_secs(21 * 30)
    );
    assert_eq!(
        longest_wait(0, 2, limit),
        minutes(1) + Duration::from_secs(30)
    );
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_longest_wait_outlasts_the_backlog_at_the_limit(
        backlog in 0_u64..2_000_000,
        calls_per_record in 1_u32..8,
        calls in 1_u32..300,
        window_s in 1_u64..3_600,
    ) {
        let limit = Limit::in_window(calls, Duration::from_secs(window_s));
        let wait = longest_wait(backlog, calls_per_record, limit);
        let windows = backlog * u64::from(calls_per_record) / u64::from(calls);
        // Beyond 100,000 windows the sweep asks too early, which costs a receive.
        let drains = Duration::from_secs(windows.min(100_000) * window_s);
        prop_assert!(wait >= MARGIN + drains);
    }

    /// Ticks look every five minutes, while a backlog drains somewhat slower than its limit allows.
    #[test]
    fn the_last_of_a_backlog_is_not_taken_for_stranded_but_found_if_it_is_que_2(
        backlog in 1_u64..50_000,
        calls in 1_u64..60,
        slower_percent in 100_u64..115,
    ) {
        let limit = Limit::in_window(u32::try_from(calls).unwrap(), Duration::from_mins(1));
        let tick = Duration::from_mins(5);
        let longest = longest_wait(backlog, 1, limit);
        let waits = Waits { due: None, from: NOW };
        let mut lawful = Duration::ZERO;
        let stranded_after = (0_u32..100_000).map(|ticks| tick * ticks).find(|passed| {
            let done = passed.as_secs() / 60 * calls * 100 / slower_percent;
            let left = backlog.saturating_sub(done).max(1);
            lawful = longest_wait(left, 1, limit).max(carried(lawful, tick));
            waits.is_stranded(lawful, None, NOW + *passed)
        });
        let drained = Duration::from_secs(60 * backlog * slower_percent / 100 / calls);
        prop_assert!(stranded_after.unwrap() > drained);
        prop_assert!(stranded_after.unwrap() <= longest + tick);
    }
}
