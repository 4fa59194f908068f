//! Limits by the bucket: the judge is a provider's bucket, kept to a millionth of a millionth of a call.

use tidegate_model::{
    Turn,
    flow::{CallBucket, PerSecond, Rate},
};

use super::*;

fn bucket(size: u32, millionths_a_second: u32) -> Limit {
    Limit::of_source(Rate::Bucket(CallBucket {
        bucket: size,
        leak_per_s: PerSecond::of_millionths(millionths_a_second.into()).unwrap(),
    }))
}

/// As Shopify's: 40, and 2 a second.
fn shop() -> Limit {
    bucket(40, 2_000_000)
}

/// As that of Amazon's orders: 20, and 0.0167 a second.
fn orders() -> Limit {
    bucket(20, 16_700)
}

/// A provider's bucket. In a microsecond a rate of n millionths of a call a second leaks n parts.
struct Provider {
    size: i64,
    leak: i64,
    level: i64,
    at_us: i64,
}

impl Provider {
    const CALL: i64 = 1_000_000_000_000;

    fn new(size: u32, millionths_a_second: u32) -> Self {
        Self {
            size: i64::from(size) * Self::CALL,
            leak: millionths_a_second.into(),
            level: 0,
            at_us: i64::MIN,
        }
    }

    /// Whether the call has room.
    fn admits(&mut self, at_us: i64) -> bool {
        let passed = at_us.saturating_sub(self.at_us);
        self.level = (self.level - passed.saturating_mul(self.leak)).max(0);
        self.at_us = at_us;
        let has_room = self.level + Self::CALL <= self.size;
        if has_room {
            self.level += Self::CALL;
        }
        has_room
    }
}

/// The first call that overflowed the provider's bucket.
fn overflows(arrivals_us: &[i64], size: u32, millionths_a_second: u32) -> Option<i64> {
    let mut provider = Provider::new(size, millionths_a_second);
    let mut arrivals = arrivals_us.iter().copied();
    arrivals.find(|at| !provider.admits(*at))
}

/// A grant of a worker with dice of its own.
#[track_caller]
fn grant_of(item: Option<&Item>, limit: Limit, groups: &[u32], seed: u64) -> Grant {
    match plan(item, limit, groups, NOON, seed) {
        Plan::Take(grant) => grant,
        other => panic!("{other:?}"),
    }
}

fn good_crowd(limit: Limit, seed: u64, lasts: Duration) -> Crowd {
    Crowd {
        limit,
        workers: 16,
        seed,
        given_back_percent: 0,
        lost_percent: 0,
        crash_percent: 0,
        begin: NOON,
        lasts,
    }
}

#[test]
fn an_idle_bucket_is_used_at_once_up_to_its_burst_lim_2() {
    for (limit, burst) in [(shop(), 40), (orders(), 20), (bucket(1, 16_700), 1)] {
        let permits = take(&mut None, limit, &vec![1; burst + 1], NOON);
        let first = permits.iter().filter(|call| call.from() == NOON + LEAD);
        assert_eq!(first.count(), burst);
        assert_eq!(Slots::read(None, limit).free_at(limit, NOON), limit.calls);
    }
}

#[test]
fn a_burst_taken_by_many_grants_is_whole_within_the_guard_lim_2() {
    for (limit, burst) in [(shop(), 40), (orders(), 20)] {
        let mut item = None;
        let stamps: Vec<UnixMs> = (0..burst)
            .map(|_| take(&mut item, limit, &[1], NOON)[0].from())
            .collect();
        let at_once = stamps.iter().filter(|from| **from == NOON + LEAD).count();
        assert!(at_once >= burst - 2, "{at_once}");
        assert!(stamps.iter().all(|from| *from <= NOON + LEAD + GUARD));
    }
}

#[test]
fn a_full_bucket_says_when_the_next_call_can_leave() {
    let limit = shop();
    let mut item = None;
    take(&mut item, limit, &[1; 40], NOON);
    // The guard after the burst, and what one call takes to leak.
    let next = NOON + LEAD + GUARD + ms(500);
    let slots = Slots::read(item.as_ref(), limit);
    assert_eq!(slots.free_for(limit, 1), next);
    assert_eq!(slots.free_for(limit, 3), next + ms(1_000));
    assert_eq!(
        (
            slots.free_at(limit, next - ms(1)),
            slots.free_at(limit, next)
        ),
        (0, 1)
    );
    let free_now = |after_ms| slots.free_at(limit, next + ms(after_ms));
    assert_eq!((free_now(9_500), free_now(60_000)), (20, 40));
    let early = next - HORIZON - ms(1);
    assert_eq!(plan(item.as_ref(), limit, &[1], early, 1), Plan::Wait(next));
    let ahead = granted(item.as_ref(), limit, &[1, 1, 1], next - HORIZON);
    let from: Vec<UnixMs> = ahead.permits.iter().map(|permit| permit.from()).collect();
    assert_eq!(from, [next], "reserved ahead, for then");
}

#[test]
fn calls_of_a_group_in_a_bucket_are_a_step_apart_and_groups_come_whole() {
    let limit = shop();
    let grant = granted(None, limit, &[2, 2], NOON);
    let from: Vec<UnixMs> = grant.permits.iter().map(|permit| permit.from()).collect();
    let start = NOON + LEAD;
    assert_eq!(from, [start, start + STEP, start, start + STEP]);
}

#[test]
fn of_two_grants_planned_on_the_same_bucket_one_is_refused_lim_1() {
    let limit = shop();
    for seen in [None, {
        let mut item = None;
        take(&mut item, limit, &[1], NOON);
        item
    }] {
        let one = grant_of(seen.as_ref(), limit, &[1], 1);
        let other = grant_of(seen.as_ref(), limit, &[1; 2], 2);
        let item = one.write.evaluate(seen.as_ref());
        assert!(is_mine(item.as_ref(), &one) && !is_mine(item.as_ref(), &other));
        assert_eq!(other.write.evaluate(item.as_ref()), None);
        assert_eq!(one.write.evaluate(item.as_ref()), None, "nor twice");
    }
}

#[test]
fn room_in_a_bucket_is_given_back_last_in_first_out_and_only_of_the_newest_grant_lim_1() {
    let limit = shop();
    let mut item = None;
    take(&mut item, limit, &[1], NOON);
    let before = item.clone().unwrap()[EMPTY].clone();
    let permits = take(&mut item, limit, &[1, 1], NOON);
    assert_eq!(give_back(permits[0]).evaluate(item.as_ref()), None);
    item = give_back(permits[1]).evaluate(item.as_ref());
    assert_eq!(give_back(permits[1]).evaluate(item.as_ref()), None, "once");
    item = give_back(permits[0]).evaluate(item.as_ref());
    assert_eq!(item.as_ref().unwrap()[EMPTY], before);
    // Another takes the very room that was given back: a repeated write must not free it again.
    let again = grant_of(item.as_ref(), limit, &[1, 1], 8);
    item = again.write.evaluate(item.as_ref());
    let again = again.permits;
    assert_eq!(again[1].stamp_us, permits[1].stamp_us);
    assert_eq!(give_back(permits[1]).evaluate(item.as_ref()), None);
    assert!(give_back(again[1]).evaluate(item.as_ref()).is_some());
}

#[test]
fn a_permit_of_a_bucket_given_back_is_not_counted_against_the_day() {
    let limit = Limit {
        day: Some(Share { own: 1, pool: None }),
        ..shop()
    };
    let mut item = None;
    let permit = take(&mut item, limit, &[1], NOON)[0];
    assert!(matches!(
        plan(item.as_ref(), limit, &[1], NOON, 1),
        Plan::DayUsedUp(_)
    ));
    item = give_back(permit).evaluate(item.as_ref());
    take(&mut item, limit, &[1], NOON);
}

fn join(item: &mut Option<Item>, limit: Limit, calls: u32) -> Turn {
    let (turn, write) = Slots::read(item.as_ref(), limit).take_turn(calls);
    *item = Some(write.evaluate(item.as_ref()).unwrap());
    turn
}

#[test]
fn work_comes_back_when_the_calls_before_its_own_have_leaked_lim_4() {
    let limit = shop();
    let mut item = None;
    take(&mut item, limit, &[1; 40], NOON);
    let first = join(&mut item, limit, 70);
    let second = join(&mut item, limit, 3);
    let slots = Slots::read(item.as_ref(), limit);
    let comes = |turn| slots.comes_at(limit, turn, &mut dice(1)) + EARLY;
    let next = slots.free_for(limit, 1);
    assert_eq!(comes(first), next);
    assert_eq!(comes(second), next + ms(500) * 70);
    assert!(slots.must_wait(Place::At(second)) && slots.must_wait(Place::Last));
    assert_eq!(slots.open_to(limit, Place::Last, next), 0);
    assert_eq!(slots.open_to(limit, Place::First, next), u32::MAX);
}

#[test]
fn a_bucket_that_lies_idle_is_taken_by_whoever_comes_and_ends_the_queue_of_nobody_lim_2() {
    let limit = shop();
    let mut item = None;
    take(&mut item, limit, &[1; 40], NOON);
    join(&mut item, limit, 400);
    let slots = Slots::read(item.as_ref(), limit);
    let idle = slots.free_for(limit, 20) + ms(5_000);
    assert!(slots.open_to(limit, Place::Last, idle) >= 20);
    let Plan::Take(grant) = slots.plan(limit, &[1], STEP, idle, &mut dice(1)) else {
        panic!("there is room");
    };
    let grant = slots.for_place(limit, Place::Last, idle, grant);
    item = grant.write.evaluate(item.as_ref());
    assert!(!Slots::read(item.as_ref(), limit).must_wait(Place::Last));
}

#[test]
fn the_judge_overflows_where_one_call_is_too_much() {
    let arrivals = |last_us: i64| [0, 0, 0, last_us];
    assert_eq!(overflows(&arrivals(499_999), 3, 2_000_000), Some(499_999));
    assert_eq!(overflows(&arrivals(500_000), 3, 2_000_000), None);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_providers_bucket_never_overflows_lim_1(
        seed: u64,
        size in 1_u32..12,
        leak in 200_000_u32..20_000_000,
        workers in 1_u32..=16,
        given_back_percent in 0_u32..60,
        lost_percent in 0_u32..30,
        crash_percent in 0_u32..10,
    ) {
        let limit = bucket(size, leak);
        let seen = crowd::run(Crowd {
            limit, workers, seed, given_back_percent, lost_percent, crash_percent,
            begin: NOON,
            lasts: Duration::from_mins(2),
        });
        prop_assert!(seen.arrivals_us.len() > size as usize);
        prop_assert_eq!(overflows(&seen.arrivals_us, size, leak), None);
    }
}

/// Full use is what leaks from the moment at which the burst is gone.
#[rstest]
#[case::a_shop(40, 2_000_000, 1)]
#[case::orders_of_a_marketplace(20, 16_700, 200)]
#[case::a_large_plan(400, 20_000_000, 1)]
#[case::the_smallest_at_two_a_second(3, 2_000_000, 1)]
#[case::one_call_at_a_time(1, 16_700, 200)]
fn sixteen_workers_use_98_per_cent_of_a_bucket_under_backlog_and_never_more_lim_2(
    #[case] size: u32,
    #[case] leak: u32,
    #[case] hours: u64,
) {
    let limit = bucket(size, leak);
    let burst = Duration::from_mins(40);
    let lasts = Duration::from_hours(hours);
    let (mut calls, mut refused, mut full) = (0, 0, 0);
    for seed in [11, 12, 13] {
        let seen = crowd::run(good_crowd(limit, seed, lasts + burst));
        assert_eq!(overflows(&seen.arrivals_us, size, leak), None, "LIM-1");
        let steady = NOON.0 * MICROS + us(burst);
        calls += seen.arrivals_us.iter().filter(|at| **at >= steady).count() as u64;
        refused += u64::from(seen.refused);
        full += u64::from(leak) * lasts.as_secs() / 1_000_000;
    }
    println!(
        "bucket of {size}, {leak} millionths a second: {calls} of {full} calls, {}.{:02} refused writes a call",
        refused / calls,
        refused * 100 / calls % 100,
    );
    assert!(calls * 100 >= full * 98, "LIM-2: {calls} of {full}");
}

#[test]
fn what_is_given_back_late_costs_its_room_and_no_more_lim_1() {
    let limit = shop();
    let seen = crowd::run(Crowd {
        given_back_percent: 5,
        lost_percent: 5,
        ..good_crowd(limit, 14, Duration::from_hours(2))
    });
    assert_eq!(overflows(&seen.arrivals_us, 40, 2_000_000), None);
    let calls = seen.arrivals_us.len();
    assert!(calls * 100 >= 2 * 7_200 * 94, "{calls}: five of a hundred");
}
