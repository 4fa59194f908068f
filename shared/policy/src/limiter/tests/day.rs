//! The quota of a day (LIM-3).

mod crowd;

use tidegate_model::{
    Tier,
    flow::{CallWindow, DayLimit, Rate, TargetLimits},
};

use self::crowd::{Both, DayCrowd};
use super::*;

const DAY_MS: i64 = 86_400_000;
const MIDNIGHT: UnixMs = UnixMs(20_001 * DAY_MS);
/// The first moment at which every clock is in the new day.
const MORNING: UnixMs = UnixMs(MIDNIGHT.0 + 250);

/// A limit that has nothing to borrow from.
fn with_day(calls: u32, window_s: u64, own: u32) -> Limit {
    Limit {
        day: Some(Share { own, pool: None }),
        ..limit(calls, window_s)
    }
}

/// Real-time with its own share, and a pool to borrow from.
fn with_pool(own: u32, pool: u32) -> Limit {
    Limit {
        day: Some(Share {
            own,
            pool: Some(pool),
        }),
        ..limit(50, 1)
    }
}

fn used(item: Option<&Item>, limit: Limit, now: UnixMs) -> (i64, i64) {
    let day = Slots::read(item, limit).day_use(limit, now).unwrap();
    (day.used, day.share)
}

fn loan(own: Option<&Item>, limit: Limit, pool: Option<&Item>, calls: u32) -> Loan {
    Slots::read(own, limit).loan(limit, pool, calls, NOON)
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
    #[case] kept: u32,
    #[case] pool: u32,
) {
    let rate = |calls| Rate::Window(CallWindow { calls, per_s: 60 });
    let limits = TargetLimits {
        real_time: rate(20),
        batch: rate(50),
        account: None,
        day: Some(DayLimit {
            calls,
            headroom_percent,
            real_time_percent,
        }),
    };
    let urgent = Limit::of_target(&limits, Tier::RealTime);
    let calm = Limit::of_target(&limits, Tier::Batch);
    let may_borrow = Share {
        own: kept,
        pool: Some(pool),
    };
    assert_eq!((urgent.calls, urgent.day), (20, Some(may_borrow)));
    let pool_alone = Share {
        own: pool,
        pool: None,
    };
    assert_eq!((calm.calls, calm.day), (50, Some(pool_alone)));
    assert_eq!(urgent.window, Duration::from_mins(1));
}

#[test]
fn the_quota_of_a_day_is_used_to_its_last_call_and_not_beyond() {
    let limit = with_day(10, 1, 3);
    let mut item = None;
    take(&mut item, limit, &[1, 1], NOON);
    assert_eq!(
        plan(item.as_ref(), limit, &[2], NOON, 1),
        Plan::DayUsedUp(MORNING),
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
        plan(item.as_ref(), limit, &[1], MORNING - LEAD - ms(1), 1),
        Plan::DayUsedUp(MORNING)
    );
    assert_eq!(used(item.as_ref(), limit, NOON), (3, 3));
    take(&mut item, limit, &[1], MORNING);
    assert_eq!(used(item.as_ref(), limit, MORNING), (1, 3));
    assert_eq!(used(item.as_ref(), limit, NOON), (0, 3));
}

#[test]
fn a_permit_given_back_is_not_counted_against_the_day() {
    let limit = with_day(10, 1, 1);
    let mut item = None;
    let permit = take(&mut item, limit, &[1], NOON)[0];
    item = give_back(permit).evaluate(item.as_ref());
    assert_eq!(used(item.as_ref(), limit, NOON), (0, 1));
    take(&mut item, limit, &[1], NOON);
}

#[test]
fn a_permit_of_yesterday_given_back_does_not_touch_the_count_of_today() {
    let limit = with_day(2, 1, 5);
    let mut item = None;
    let permits = take(&mut item, limit, &[1], MIDNIGHT - ms(700));
    take(&mut item, limit, &[1], MORNING);
    assert_eq!(give_back(permits[0]).evaluate(item.as_ref()), None);
}

#[test]
fn a_clock_behind_midnight_does_not_turn_the_day_back_lim_3() {
    let limit = with_day(10, 1, 5);
    let mut item = None;
    take(&mut item, limit, &[1, 1], MORNING);
    let behind = take(&mut item, limit, &[1], MIDNIGHT - ms(200))[0];
    assert_eq!(used(item.as_ref(), limit, MORNING).0, 3);
    assert!(
        behind.from() >= MORNING,
        "it leaves on the day it counts in"
    );
}

#[test]
fn no_call_leaves_so_near_to_midnight_that_it_could_arrive_on_the_other_day_lim_3() {
    let limit = with_day(10, 1, 5);
    let now = MIDNIGHT - GUARD - LEAD - ms(100);
    assert_eq!(plan(None, limit, &[2], now, 1), Plan::Wait(MORNING));
    assert_eq!(granted(None, limit, &[1, 2], now).permits.len(), 1);
    assert_eq!(granted(None, limit, &[1], now + ms(99)).permits.len(), 1);
    let too_late = now + ms(100);
    assert_eq!(plan(None, limit, &[1], too_late, 1), Plan::Wait(MORNING));
}

#[test]
fn real_time_borrows_what_batch_leaves_and_not_more_lim_3() {
    let urgent = with_pool(1, 40);
    let (mut own, mut pool) = (None, None);
    take(&mut own, urgent, &[1], NOON);
    let mut lent = 0;
    let mut chunks = Vec::new();
    loop {
        match loan(own.as_ref(), urgent, pool.as_ref(), 1) {
            Loan::Lend(write) => pool = Some(write.evaluate(pool.as_ref()).unwrap()),
            Loan::Credit(write) => {
                own = Some(write.evaluate(own.as_ref()).unwrap());
                let (_, share) = used(own.as_ref(), urgent, NOON);
                chunks.push(share - 1 - lent);
                lent = share - 1;
            }
            Loan::Enough => {
                take(&mut own, urgent, &[1], NOON);
            }
            Loan::Nothing => break,
        }
    }
    assert_eq!(lent, 40, "{chunks:?}");
    assert_eq!(chunks.first(), Some(&10), "a quarter");
    assert!(
        chunks.iter().all(|chunk| (1..=10).contains(chunk)),
        "{chunks:?}"
    );
    let calm = with_day(50, 1, 40);
    assert_eq!(used(pool.as_ref(), calm, NOON), (0, 0), "nothing for batch");
    assert!(matches!(
        plan(pool.as_ref(), calm, &[1], NOON, 1),
        Plan::DayUsedUp(_)
    ));
}

#[test]
fn a_loan_planned_before_batch_took_the_rest_is_refused_lim_3() {
    let (urgent, calm) = (with_pool(0, 8), with_day(50, 1, 8));
    let mut pool = None;
    take(&mut pool, calm, &[1], NOON);
    let Loan::Lend(write) = loan(None, urgent, pool.as_ref(), 1) else {
        panic!("there is a pool");
    };
    take(&mut pool, calm, &[1; 7], NOON);
    assert_eq!(write.evaluate(pool.as_ref()), None);
}

#[test]
fn of_workers_that_race_for_a_loan_one_borrows_and_all_use_it_lim_3() {
    let (urgent, calm) = (with_pool(0, 80), with_day(50, 1, 80));
    let mut pool = None;
    take(&mut pool, calm, &[1], NOON);
    let Loan::Lend(write) = loan(None, urgent, pool.as_ref(), 1) else {
        panic!("there is a pool");
    };
    let lent = write.evaluate(pool.as_ref());
    assert_eq!(write.evaluate(lent.as_ref()), None, "not twice");
    let again = loan(None, urgent, lent.as_ref(), 1);
    assert!(matches!(again, Loan::Credit(_)), "{again:?}");
}

#[test]
fn a_loan_is_no_less_than_the_next_group_needs_lim_3() {
    let urgent = with_pool(0, 3);
    let Loan::Lend(write) = loan(None, urgent, None, 3) else {
        panic!("there is a pool");
    };
    let pool = write.evaluate(None);
    assert_eq!(used(pool.as_ref(), with_day(50, 1, 3), NOON), (0, 0));
    assert_eq!(loan(None, urgent, None, 4), Loan::Nothing);
}

#[test]
fn the_share_kept_for_real_time_is_never_lent_to_batch_lim_3() {
    let calm = with_day(50, 1, 3);
    let mut pool = None;
    take(&mut pool, calm, &[1, 1, 1], NOON);
    assert_eq!(
        Slots::read(pool.as_ref(), calm).loan(calm, pool.as_ref(), 1, NOON),
        Loan::Nothing
    );
    let urgent = with_pool(2, 3);
    let mut own = None;
    take(&mut own, urgent, &[1, 1], NOON);
    assert_eq!(loan(own.as_ref(), urgent, pool.as_ref(), 1), Loan::Nothing);
}

#[test]
fn a_loan_whose_worker_died_is_credited_by_the_next_lim_3() {
    let urgent = with_pool(0, 80);
    let Loan::Lend(write) = loan(None, urgent, None, 1) else {
        panic!("there is a pool");
    };
    let pool = write.evaluate(None);
    let Loan::Credit(credit) = loan(None, urgent, pool.as_ref(), 1) else {
        panic!("lent and not credited");
    };
    let own = credit.evaluate(None);
    assert_eq!(used(own.as_ref(), urgent, NOON), (0, 20));
    assert_eq!(credit.evaluate(own.as_ref()), None, "once");
    let mut own = own;
    take(&mut own, urgent, &[1; 20], NOON);
}

#[test]
fn what_was_lent_yesterday_is_not_lent_today_lim_3() {
    let urgent = with_pool(0, 8);
    let Loan::Lend(write) = loan(None, urgent, None, 4) else {
        panic!("there is a pool");
    };
    let pool = write.evaluate(None);
    let tomorrow = Slots::read(None, urgent).loan(urgent, pool.as_ref(), 1, MORNING);
    let Loan::Lend(write) = tomorrow else {
        panic!("the pool is whole again: {tomorrow:?}");
    };
    let pool = write.evaluate(pool.as_ref());
    assert_eq!(used(pool.as_ref(), with_day(50, 1, 8), MORNING), (0, 6));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sixteen_workers_of_both_tiers_never_pass_a_days_quota_lim_3(
        seed: u64,
        kept in 0_u32..60,
        pool in 1_u32..120,
        urgent_percent in 0_u32..=100,
        trouble_percent in 0_u32..20,
    ) {
        let lasts_min = 8;
        let seen = crowd::run(DayCrowd { kept, pool, urgent_percent, trouble_percent, seed, lasts_min });
        for (day, calls) in &seen.days {
            let Both { real_time, batch } = *calls;
            prop_assert!(batch <= pool, "day {}: batch made {} of {}", day, batch, pool);
            prop_assert!(real_time + batch <= kept + pool, "day {}: {:?}", day, calls);
        }
    }
}

#[test]
fn real_time_alone_uses_the_whole_quota_for_a_tenth_of_a_write_a_call_lim_3() {
    let seen = crowd::run(DayCrowd {
        kept: 300,
        pool: 700,
        urgent_percent: 100,
        trouble_percent: 0,
        seed: 5,
        lasts_min: 60,
    });
    let calls: u32 = seen.days.values().map(|both| both.real_time).sum();
    assert!(
        seen.days.values().all(|both| both.real_time == 1_000),
        "{:?}",
        seen.days
    );
    println!(
        "LIM-3: {} writes of loans for {calls} calls over a day's share of 300",
        seen.loan_writes
    );
    assert!(seen.loan_writes * 10 <= calls);
}
