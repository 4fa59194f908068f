mod bucket;
mod crowd;
mod day;
mod overdue;
mod turns;

use crowd::{Crowd, overfull, us};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rstest::rstest;
use tidegate_model::MAX_PACK_KEYS;

use super::*;

const NOON: UnixMs = UnixMs(20_000 * 86_400_000 + 43_200_000);
const STEP: Duration = Duration::from_millis(500);

fn limit(calls: u32, window_s: u64) -> Limit {
    Limit::in_window(calls, Duration::from_secs(window_s))
}

fn dice(seed: u64) -> StdRng {
    StdRng::seed_from_u64(seed)
}

fn plan(item: Option<&Item>, limit: Limit, groups: &[u32], now: UnixMs, seed: u64) -> Plan {
    Slots::read(item, limit).plan(limit, groups, STEP, now, &mut dice(seed))
}

#[track_caller]
fn granted(item: Option<&Item>, limit: Limit, groups: &[u32], now: UnixMs) -> Grant {
    match plan(item, limit, groups, now, 7) {
        Plan::Take(grant) => grant,
        other => panic!("{other:?}"),
    }
}

/// Takes permits and writes them.
#[track_caller]
fn take(item: &mut Option<Item>, limit: Limit, groups: &[u32], now: UnixMs) -> Vec<Permit> {
    let grant = granted(item.as_ref(), limit, groups, now);
    *item = Some(grant.write.evaluate(item.as_ref()).unwrap());
    grant.permits
}

fn slot(permit: &Permit) -> u32 {
    match permit.held {
        Held::Slot { slot, .. } => slot,
        Held::Room { .. } => panic!("{permit:?}"),
    }
}

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn an_idle_budget_can_be_used_at_once_lim_2() {
    let limit = limit(20, 60);
    let permits = take(&mut None, limit, &[1; 20], NOON);
    assert_eq!(permits.len(), 20);
    assert!(permits.iter().all(|permit| permit.from() == NOON + LEAD));
    let slots: std::collections::BTreeSet<u32> = permits.iter().map(slot).collect();
    assert_eq!(slots.len(), 20, "each slot once");
}

#[rstest]
#[case::a_wide_limit(300, 1, MAX_PACK_KEYS)]
#[case::two_calls_a_record(50, 2, 25)]
#[case::a_narrow_limit(20, 2, 10)]
#[case::one_call_at_a_time(1, 2, 1)]
#[case::no_calls_known(7, 0, 7)]
fn a_pack_is_as_large_as_a_window_has_calls_for_lim_4(
    #[case] calls: u32,
    #[case] calls_a_record: u32,
    #[case] keys: usize,
) {
    assert_eq!(limit(calls, 60).pack_keys(calls_a_record), keys);
}

#[test]
fn a_used_up_budget_says_when_the_next_slot_falls_free() {
    let limit = limit(2, 60);
    let mut item = None;
    take(&mut item, limit, &[1, 1], NOON);
    let free = NOON + LEAD + ms(1) + limit.window + GUARD;
    assert_eq!(
        plan(item.as_ref(), limit, &[1], NOON + ms(100), 1),
        Plan::Wait(free)
    );
    assert_eq!(
        plan(item.as_ref(), limit, &[1], free - HORIZON - ms(1), 1),
        Plan::Wait(free)
    );
    let ahead = granted(item.as_ref(), limit, &[1], free - HORIZON);
    assert_eq!(ahead.permits[0].from(), free, "reserved ahead, for then");
}

#[test]
fn a_group_that_needs_two_slots_waits_for_both() {
    let limit = limit(2, 60);
    let mut item = None;
    take(&mut item, limit, &[1], NOON);
    take(&mut item, limit, &[1], NOON + ms(30_000));
    let second = NOON + ms(30_000) + LEAD + ms(1) + limit.window + GUARD;
    let now = NOON + ms(61_000);
    assert_eq!(plan(item.as_ref(), limit, &[2], now, 1), Plan::Wait(second));
}

#[rstest]
#[case::one_call_no_farther_than_any(20, 1, 2_500)]
#[case::two_calls(20, 2, 5_500)]
#[case::a_look_up_and_a_create(20, 6, 17_500)]
#[case::no_farther_than_a_worker_may_wait(20, 7, 20_000)]
#[case::a_wide_limit(300, 7, 3_700)]
fn a_record_reserves_as_far_ahead_as_its_calls_take_at_an_even_pace_lim_2(
    #[case] calls: u32,
    #[case] of_a_record: u32,
    #[case] reach_ms: u64,
) {
    let limit = limit(calls, 60);
    let mut item = None;
    take(&mut item, limit, &vec![1; calls as usize], NOON);
    // Every slot falls free at the same moment.
    let free = Slots::read(item.as_ref(), limit).free_for(limit, calls);
    let too_early = free - ms(reach_ms + 1);
    assert_eq!(
        plan(item.as_ref(), limit, &[of_a_record], too_early, 1),
        Plan::Wait(free)
    );
    let ahead = granted(item.as_ref(), limit, &[of_a_record], free - ms(reach_ms));
    assert_eq!(ahead.permits.len(), of_a_record as usize);
    assert_eq!(ahead.permits[0].from(), free);
}

#[test]
fn a_record_of_one_call_reserves_no_farther_beside_one_of_many_lim_2() {
    let limit = limit(20, 60);
    let mut item = None;
    take(&mut item, limit, &[1; 20], NOON);
    let free = Slots::read(item.as_ref(), limit).free_for(limit, 20);
    let grant = granted(item.as_ref(), limit, &[6, 1], free - ms(10_000));
    assert_eq!(grant.permits.len(), 6);
}

#[test]
fn a_slot_is_granted_once_in_window_and_guard_lim_1() {
    let limit = limit(1, 60);
    let mut item = None;
    let first = take(&mut item, limit, &[1], NOON)[0];
    let guard = us(limit.window + GUARD);
    let again = |stamp_us: i64| {
        let seen = Slots::default();
        let permit = Permit { stamp_us, ..first };
        seen.take(&[permit], limit, 0, 1)
            .evaluate(item.as_ref())
            .is_some()
    };
    assert!(!again(first.stamp_us + guard - 1));
    assert!(!again(first.stamp_us + guard));
    assert!(again(first.stamp_us + guard + 1));
}

#[test]
fn a_grant_takes_all_its_slots_or_none() {
    let limit = limit(3, 60);
    let grant = granted(None, limit, &[1, 1, 1], NOON);
    let mut item = None;
    take(&mut item, limit, &[1], NOON);
    assert_eq!(grant.write.evaluate(item.as_ref()), None);
}

#[test]
fn calls_of_a_group_are_a_step_apart_and_groups_come_whole() {
    let limit = limit(5, 60);
    let grant = granted(None, limit, &[2, 2, 2], NOON);
    let from: Vec<UnixMs> = grant.permits.iter().map(|permit| permit.from()).collect();
    let start = NOON + LEAD;
    assert_eq!(from, [start, start + STEP, start, start + STEP]);
}

#[test]
fn a_permit_may_leave_for_50_ms_and_no_longer() {
    let permit = granted(None, limit(1, 60), &[1], NOON).permits[0];
    assert_eq!(permit.from(), NOON + LEAD);
    assert_eq!(permit.until(), NOON + LEAD + ms(50));
}

#[test]
fn a_permit_given_back_leaves_the_slot_free_from_its_stamp_and_not_before_lim_1() {
    let limit = limit(1, 60);
    let mut item = None;
    let called = take(&mut item, limit, &[1], NOON)[0];
    // Reserved ahead of time, and given back before it could be used.
    let free = called.from() + ms(1) + limit.window + GUARD;
    let ahead = take(&mut item, limit, &[1], free - HORIZON)[0];
    item = give_back(ahead).evaluate(item.as_ref());
    let now = free - HORIZON + ms(100);
    let next = take(&mut item, limit, &[1], now)[0];
    assert!(next.stamp_us - called.stamp_us > us(limit.window + GUARD));
    assert!(next.from() <= free + ms(1), "and at once from then on");
}

#[test]
fn a_slot_given_back_can_be_taken_under_its_very_stamp_again_lim_1() {
    let limit = limit(1, 60);
    let mut item = None;
    let first = take(&mut item, limit, &[1], NOON)[0];
    item = Some(give_back(first).evaluate(item.as_ref()).unwrap());
    let again = |stamp_us: i64| {
        let permit = Permit { stamp_us, ..first };
        let take = Slots::default().take(&[permit], limit, 0, 1);
        take.evaluate(item.as_ref()).is_some()
    };
    assert!(again(first.stamp_us));
    assert!(!again(first.stamp_us - 1), "not before it");
}

#[test]
fn workers_that_race_for_free_slots_seldom_pick_the_same_lim_2() {
    let limit = limit(20, 60);
    let first = |seed| match plan(None, limit, &[1], NOON, seed) {
        Plan::Take(grant) => slot(&grant.permits[0]),
        other => panic!("{other:?}"),
    };
    let picked: std::collections::BTreeSet<u32> = (0..40).map(first).collect();
    assert!(picked.len() >= 10, "{picked:?}");
    // Also for those that fall free at this very moment.
    let mut item = None;
    take(&mut item, limit, &[1; 20], NOON);
    let now = Slots::read(item.as_ref(), limit).free_for(limit, 20);
    let picked: std::collections::BTreeSet<u32> = (0..40)
        .map(|seed| match plan(item.as_ref(), limit, &[1], now, seed) {
            Plan::Take(grant) => slot(&grant.permits[0]),
            other => panic!("{other:?}"),
        })
        .collect();
    assert!(picked.len() >= 10, "{picked:?}");
}

#[test]
fn a_group_that_no_window_holds_waits_and_never_for_a_moment_that_is_over() {
    assert_eq!(
        plan(None, limit(2, 60), &[3], NOON, 1),
        Plan::Wait(NOON + ms(1))
    );
}

#[test]
fn a_permit_is_given_back_once_and_only_by_its_own_stamp() {
    let limit = limit(1, 60);
    let mut item = None;
    let permit = take(&mut item, limit, &[1], NOON)[0];
    let back = give_back(permit).evaluate(item.as_ref());
    assert!(back.is_some());
    assert_eq!(give_back(permit).evaluate(back.as_ref()), None);
    let mut item = back;
    let next = take(&mut item, limit, &[1], NOON)[0];
    assert_eq!(give_back(permit).evaluate(item.as_ref()), None);
    assert!(give_back(next).evaluate(item.as_ref()).is_some());
}

#[test]
fn the_own_grant_is_known_after_a_lost_answer() {
    let limit = limit(3, 60);
    let grant = granted(None, limit, &[1, 1], NOON);
    let item = grant.write.evaluate(None);
    assert_eq!(grant.write.evaluate(item.as_ref()), None);
    assert!(is_mine(item.as_ref(), &grant));
    assert!(!is_mine(None, &grant));
}

#[test]
fn a_racer_that_chose_the_same_slot_and_stamp_does_not_take_the_grant_for_its_own_lim_1() {
    let limit = limit(1, 60);
    let winner = granted(None, limit, &[1], NOON);
    let item = winner.write.evaluate(None);
    // One in a thousand racers draws the same stamp.
    let twin = (0..100_000)
        .find_map(|seed| match plan(None, limit, &[1], NOON, 1_000 + seed) {
            Plan::Take(grant) if grant.permits == winner.permits => Some(grant),
            _ => None,
        })
        .unwrap();
    assert_eq!(twin.write.evaluate(item.as_ref()), None);
    assert!(!is_mine(item.as_ref(), &twin));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_of_any_start_sees_more_calls_than_the_limit_lim_1(
        seed: u64,
        calls in 1_u32..12,
        window_s in 1_u64..6,
        workers in 1_u32..=16,
        given_back_percent in 0_u32..60,
        lost_percent in 0_u32..30,
        crash_percent in 0_u32..10,
    ) {
        let limit = limit(calls, window_s);
        let seen = crowd::run(Crowd {
            limit, workers, seed, given_back_percent, lost_percent, crash_percent,
            begin: NOON,
            lasts: Duration::from_mins(2),
        });
        prop_assert!(seen.arrivals_us.len() > calls as usize);
        prop_assert_eq!(overfull(&seen.arrivals_us, limit), None);
    }
}

#[rstest]
#[case::a_good_day(0, 0)]
#[case::lost_answers_and_permits_given_back(5, 5)]
fn sixteen_workers_use_98_per_cent_of_a_budget_under_backlog_and_never_more_lim_2(
    #[case] lost_percent: u32,
    #[case] given_back_percent: u32,
) {
    let limit = limit(50, 60);
    let hour = Duration::from_hours(1);
    let (mut calls, mut refused, mut hours) = (0, 0, 0);
    for seed in [11, 12, 13] {
        let seen = crowd::run(Crowd {
            limit,
            workers: 16,
            seed,
            given_back_percent,
            lost_percent,
            crash_percent: 0,
            begin: NOON,
            lasts: hour + Duration::from_mins(1),
        });
        assert_eq!(overfull(&seen.arrivals_us, limit), None, "LIM-1");
        // The first minute uses what stood idle; after it, full use is 50 a minute.
        let steady = NOON.0 * MICROS + us(limit.window);
        calls += seen.arrivals_us.iter().filter(|at| **at >= steady).count();
        refused += seen.refused as usize;
        hours += 1;
    }
    let full = 50 * 60 * hours;
    println!(
        "16 workers, {lost_percent} % lost, {given_back_percent} % given back: {calls} of {full} calls, {}.{:02} refused writes a call",
        refused / calls,
        refused * 100 / calls % 100,
    );
    assert!(calls * 100 >= full * 98, "LIM-2");
}

#[test]
fn a_worker_that_dies_with_its_permits_loses_them_and_no_more_lim_1() {
    let limit = limit(50, 60);
    let seen = crowd::run(Crowd {
        limit,
        workers: 16,
        seed: 17,
        given_back_percent: 0,
        lost_percent: 0,
        crash_percent: 5,
        begin: NOON,
        lasts: Duration::from_hours(1),
    });
    assert_eq!(overfull(&seen.arrivals_us, limit), None);
    let calls = seen.arrivals_us.len();
    assert!(calls * 100 >= 50 * 60 * 92, "{calls}: five of a hundred");
}
