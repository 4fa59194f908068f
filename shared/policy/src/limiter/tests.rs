mod crowd;
mod turns;

use std::collections::BTreeMap;

use crowd::{Crowd, overfull, us};
use proptest::prelude::*;
use rand::{SeedableRng, rngs::StdRng};
use rstest::rstest;
use tidegate_model::{
    Tier,
    flow::{DayLimit, Rate, TargetLimits},
};

use super::*;

const NOON: UnixMs = UnixMs(20_000 * DAY_MS + DAY_MS / 2);
const MIDNIGHT: UnixMs = UnixMs(20_001 * DAY_MS);
const STEP: Duration = Duration::from_millis(500);

fn limit(calls: u32, window_s: u64) -> Limit {
    Limit {
        calls,
        window: Duration::from_secs(window_s),
        day: None,
    }
}

fn with_day(calls: u32, window_s: u64, day: u32) -> Limit {
    Limit {
        day: Some(day),
        ..limit(calls, window_s)
    }
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

fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

#[test]
fn an_idle_budget_can_be_used_at_once_lim_2() {
    let limit = limit(20, 60);
    let permits = take(&mut None, limit, &[1; 20], NOON);
    assert_eq!(permits.len(), 20);
    assert!(permits.iter().all(|permit| permit.from() == NOON + LEAD));
    let slots: std::collections::BTreeSet<u32> = permits.iter().map(|permit| permit.slot).collect();
    assert_eq!(slots.len(), 20, "each slot once");
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
    take(&mut item, limit, &[1], NOON + ms(20_000));
    let second = NOON + ms(20_000) + LEAD + ms(1) + limit.window + GUARD;
    let now = NOON + ms(61_000);
    assert_eq!(plan(item.as_ref(), limit, &[2], now, 1), Plan::Wait(second));
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

#[rstest]
#[case::default_share(1_000, 30, 30, 210, 490)]
#[case::no_headroom(1_000, 0, 30, 300, 700)]
#[case::no_share(1_000, 0, 0, 0, 1_000)]
#[case::rounded_down(10, 30, 30, 2, 5)]
fn batch_work_has_no_part_in_the_share_of_real_time_lim_3(
    #[case] calls: u32,
    #[case] headroom_percent: u32,
    #[case] real_time_percent: u32,
    #[case] real_time: u32,
    #[case] batch: u32,
) {
    let limits = TargetLimits {
        real_time: Rate {
            calls: 20,
            per_s: 60,
        },
        batch: Rate {
            calls: 50,
            per_s: 60,
        },
        account: None,
        day: Some(DayLimit {
            calls,
            headroom_percent,
            real_time_percent,
        }),
    };
    let urgent = Limit::of_target(&limits, Tier::RealTime);
    let calm = Limit::of_target(&limits, Tier::Batch);
    assert_eq!((urgent.calls, urgent.day), (20, Some(real_time)));
    assert_eq!((calm.calls, calm.day), (50, Some(batch)));
    assert_eq!(urgent.window, Duration::from_mins(1));
}

#[test]
fn the_quota_of_a_day_is_used_to_its_last_call_and_not_beyond() {
    let limit = with_day(10, 1, 3);
    let mut item = None;
    take(&mut item, limit, &[1, 1], NOON);
    assert_eq!(
        plan(item.as_ref(), limit, &[2], NOON, 1),
        Plan::DayUsedUp(MIDNIGHT),
        "a group of two does not fit into one"
    );
    let (one, other) = (
        granted(item.as_ref(), limit, &[1], NOON),
        granted(item.as_ref(), limit, &[1, 1], NOON),
    );
    assert_eq!(other.permits.len(), 1, "as many groups as the day allows");
    item = one.write.evaluate(item.as_ref());
    assert_eq!(other.write.evaluate(item.as_ref()), None);
    assert_eq!(
        plan(item.as_ref(), limit, &[1], MIDNIGHT - LEAD - ms(1), 1),
        Plan::DayUsedUp(MIDNIGHT)
    );
    assert_eq!(Slots::read(item.as_ref(), limit).used_on_day_of(NOON), 3);
    take(&mut item, limit, &[1], MIDNIGHT);
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.used_on_day_of(MIDNIGHT), 1);
    assert_eq!(slots.used_on_day_of(NOON), 0);
}

#[test]
fn a_permit_given_back_is_not_counted_against_the_day() {
    let limit = with_day(10, 1, 1);
    let mut item = None;
    let permit = take(&mut item, limit, &[1], NOON)[0];
    item = give_back(permit).evaluate(item.as_ref());
    assert_eq!(Slots::read(item.as_ref(), limit).used_on_day_of(NOON), 0);
    take(&mut item, limit, &[1], NOON);
}

#[test]
fn a_permit_of_yesterday_given_back_does_not_touch_the_count_of_today() {
    let limit = with_day(2, 1, 5);
    let mut item = None;
    let permits = take(&mut item, limit, &[1], MIDNIGHT - ms(500));
    take(&mut item, limit, &[1], MIDNIGHT);
    assert_eq!(give_back(permits[0]).evaluate(item.as_ref()), None);
}

#[test]
fn a_clock_behind_midnight_does_not_turn_the_day_back_lim_3() {
    let limit = with_day(10, 1, 5);
    let mut item = None;
    take(&mut item, limit, &[1, 1], MIDNIGHT);
    take(&mut item, limit, &[1], MIDNIGHT - ms(200));
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.used_on_day_of(MIDNIGHT), 3);
}

#[test]
fn a_group_that_would_cross_midnight_waits_for_the_new_day() {
    let limit = with_day(10, 1, 5);
    let now = MIDNIGHT - ms(400);
    assert_eq!(plan(None, limit, &[2], now, 1), Plan::Wait(MIDNIGHT));
    assert_eq!(granted(None, limit, &[1, 2], now).permits.len(), 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_window_of_any_start_sees_more_calls_than_the_limit_lim_1(
        seed: u64,
        calls in 1_u32..12,
        window_s in 1_u64..6,
        workers in 1_u32..12,
        given_back_percent in 0_u32..60,
        lost_percent in 0_u32..30,
    ) {
        let limit = limit(calls, window_s);
        let seen = crowd::run(Crowd {
            limit, workers, seed, given_back_percent, lost_percent,
            begin: NOON,
            lasts: Duration::from_mins(2),
        });
        prop_assert!(seen.arrivals_us.len() > calls as usize);
        prop_assert_eq!(overfull(&seen.arrivals_us, limit), None);
    }

    #[test]
    fn no_day_sees_more_calls_than_its_quota_and_the_count_is_exact_lim_3(
        seed: u64,
        quota in 1_u32..60,
        workers in 1_u32..8,
        given_back_percent in 0_u32..40,
    ) {
        let limit = with_day(5, 1, quota);
        let seen = crowd::run(Crowd {
            limit, workers, seed, given_back_percent, lost_percent: 0,
            begin: MIDNIGHT - ms(20_000),
            lasts: ms(40_000),
        });
        let mut used: BTreeMap<i64, u32> = BTreeMap::new();
        for day in seen.days {
            *used.entry(day).or_default() += 1;
        }
        prop_assert!(used.values().all(|calls| *calls <= quota), "{:?}", used);
        let today = used.get(&day_of(MIDNIGHT)).copied().unwrap_or(0);
        let counted = Slots::read(Some(&seen.item), limit).used_on_day_of(MIDNIGHT);
        prop_assert_eq!(counted, i64::from(today));
    }

    #[test]
    fn turns_only_move_on_and_no_two_are_promised_the_same_capacity_lim_4(
        asks in prop::collection::vec((1_u32..40, 0_u64..5_000), 1..40),
    ) {
        let limit = limit(20, 60);
        let mut item: Option<Item> = None;
        let mut now = NOON;
        let mut promised = UnixMs::EPOCH;
        for (calls, pause) in asks {
            now = now + ms(pause);
            let stale = Slots::read(item.as_ref(), limit);
            let (begin, write) = stale.take_turn(limit, calls, now);
            prop_assert!(begin >= promised && begin >= now);
            item = write.evaluate(item.as_ref());
            let (_, late) = stale.take_turn(limit, 1, now);
            prop_assert_eq!(late.evaluate(item.as_ref()), None, "another took a turn meanwhile");
            promised = begin + limit.pace() * calls;
        }
    }
}

#[test]
fn sixteen_workers_use_98_per_cent_of_a_budget_under_backlog_lim_2() {
    let limit = limit(50, 60);
    let hour = Duration::from_hours(1);
    let seen = crowd::run(Crowd {
        limit,
        workers: 16,
        seed: 11,
        given_back_percent: 0,
        lost_percent: 0,
        begin: NOON,
        lasts: hour + Duration::from_mins(1),
    });
    assert_eq!(overfull(&seen.arrivals_us, limit), None);
    // The first minute uses what stood idle; after it, full use is 50 a minute.
    let steady = NOON.0 * MICROS + us(limit.window);
    let calls = seen.arrivals_us.iter().filter(|at| **at >= steady).count();
    assert!(calls * 100 >= 50 * 60 * 98, "{calls} of 3000");
}
