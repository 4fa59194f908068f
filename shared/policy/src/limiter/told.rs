//! The rate that a provider tells, where it is lower than the flow's.
//!
//! It stands in the item of the slots, so that whoever plans with the item plans with it, on any worker.
//! It tightens and never loosens: a rate that is not lower is not kept, and what is kept lapses a while
//! after it was last told. So that a provider who has several rates, one for each kind of call, causes
//! no write a call, a higher one replaces nothing: the lowest is kept for as long as it is told.
//!
//! A rate is that of the account. Where several tiers draw on it each keeps its part, by the flow's own
//! rates.

use std::time::Duration;

use tidegate_model::{
    UnixMs,
    flow::PerSecond,
    item::{Item, Update, Value},
};

use super::{Form, Limit, MICROS, unchanged};

/// Millionths of a call a second.
const RATE: &str = "told";
/// When that was told last.
const AT: &str = "told_at";

/// How long a rate counts after it was told: as long as a provider may ask for a wait.
pub const KEPT: Duration = Duration::from_mins(15);
/// A rate that is told again is written again after so long: one write a tier in five minutes.
const AGAIN: Duration = Duration::from_mins(5);
/// A window is not cut below so many calls but made longer: those of one record are asked for
/// together, and seven are the most (a look-up of five and an update).
const OF_A_RECORD: u32 = 7;

/// Calls of a second in millionths of a call, and microseconds.
const PARTS: u128 = 1_000_000_000_000;

/// The rate that an item keeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Kept {
    rate: Option<PerSecond>,
    at: Option<UnixMs>,
}

impl Kept {
    fn read(item: Option<&Item>) -> Self {
        let number = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_number)
        };
        Self {
            rate: number(RATE)
                .and_then(|rate| u64::try_from(rate).ok())
                .and_then(PerSecond::of_millionths),
            at: number(AT).map(UnixMs),
        }
    }

    /// The rate, while it counts.
    fn rate(self, now: UnixMs) -> Option<PerSecond> {
        self.rate.filter(|_| !self.is_older(KEPT, now))
    }

    fn is_older(self, span: Duration, now: UnixMs) -> bool {
        self.at.is_none_or(|at| now.since(at) >= span)
    }
}

/// Keeps the rate that a provider told to whoever draws on `of_all` millionths of a call a second, the
/// flow's limits together. Nothing where that is no news.
pub fn tell(
    item: Option<&Item>,
    limit: Limit,
    of_all: u64,
    told: PerSecond,
    now: UnixMs,
) -> Option<Update> {
    let own = limit.millionths_a_second();
    if u64::from(told.millionths()) >= of_all.max(own) {
        return None;
    }
    let part = u64::from(told.millionths()) * own / of_all.max(1);
    // A part may be smaller than any rate.
    let rate = PerSecond::of_millionths(part).unwrap_or(PerSecond::MIN);
    let kept = Kept::read(item);
    let is_news = match kept.rate(now) {
        None => true,
        Some(before) if rate == before => kept.is_older(AGAIN, now),
        Some(before) => rate < before,
    };
    is_news.then(|| {
        Update::when(unchanged(AT, kept.at.map(|at| at.0)))
            .set(RATE, i64::from(rate.millionths()))
            .set(AT, now.0)
    })
}

impl Limit {
    /// The limit that holds at this moment: the flow's, or what the provider told where that is lower.
    #[must_use]
    pub fn as_told(self, item: Option<&Item>, now: UnixMs) -> Self {
        let Some(rate) = Kept::read(item).rate(now) else {
            return self;
        };
        if u64::from(rate.millionths()) >= self.millionths_a_second() {
            return self;
        }
        // It was rounded down, so a count may be by as much too small.
        let parts = u128::from(rate.millionths()) + 1;
        let calls = match self.form {
            Form::Bucket => self.calls,
            Form::Window => u32::try_from(parts * self.window.as_micros() / PARTS)
                .unwrap_or(u32::MAX)
                .clamp(self.calls.min(OF_A_RECORD), self.calls),
        };
        // Slots fall free by the millisecond.
        let unit = match self.form {
            Form::Bucket => 1,
            Form::Window => MICROS.unsigned_abs(),
        };
        let units = (u128::from(calls) * PARTS).div_ceil(parts * u128::from(unit));
        let window_us = u64::try_from(units)
            .unwrap_or(u64::MAX)
            .saturating_mul(unit);
        let window = Duration::from_micros(window_us);
        Self {
            calls,
            window: window.max(self.window),
            ..self
        }
    }

    /// Calls a second under backlog, in millionths.
    pub fn millionths_a_second(self) -> u64 {
        let parts = u128::from(self.calls) * PARTS / self.window.as_micros().max(1);
        u64::try_from(parts).unwrap_or(u64::MAX)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use rstest::rstest;
    use tidegate_model::flow::{CallBucket, Rate};

    use super::*;

    const NOW: UnixMs = UnixMs(1_700_000_000_000);

    fn rate(millionths: u64) -> PerSecond {
        PerSecond::of_millionths(millionths).unwrap()
    }

    fn bucket(size: u32, millionths: u64) -> Limit {
        Limit::of_source(Rate::Bucket(CallBucket {
            bucket: size,
            leak_per_s: rate(millionths),
        }))
    }

    fn a_minute(calls: u32) -> Limit {
        Limit::in_window(calls, Duration::from_mins(1))
    }

    /// Tells a budget that has its rate to itself; whether it was written.
    fn hear(item: &mut Option<Item>, limit: Limit, millionths: u64, now: UnixMs) -> bool {
        let own = limit.millionths_a_second();
        match tell(item.as_ref(), limit, own, rate(millionths), now) {
            Some(write) => {
                *item = Some(write.evaluate(item.as_ref()).unwrap());
                true
            }
            None => false,
        }
    }

    #[rstest]
    #[case::fewer_in_the_window(a_minute(100), 1_000_000, a_minute(60))]
    #[case::that_is_not_whole(a_minute(100), 833_333, a_minute(50))]
    #[case::never_fewer_than_a_record_takes(
        a_minute(100),
        100_000,
        Limit::in_window(7, Duration::from_secs(70))
    )]
    #[case::never_more_than_there_were(
        a_minute(5),
        41_666,
        Limit::in_window(5, Duration::from_secs(120))
    )]
    fn of_a_window_a_lower_rate_leaves_fewer_calls_or_a_longer_one(
        #[case] limit: Limit,
        #[case] millionths: u64,
        #[case] left: Limit,
    ) {
        let mut item = None;
        assert!(hear(&mut item, limit, millionths, NOW));
        assert_eq!(limit.as_told(item.as_ref(), NOW), left);
    }

    #[test]
    fn of_a_bucket_a_lower_rate_slows_the_leak() {
        let limit = bucket(40, 2_000_000);
        let mut item = None;
        assert!(hear(&mut item, limit, 500_000, NOW));
        let left = limit.as_told(item.as_ref(), NOW);
        assert_eq!((left.calls, left.form), (40, Form::Bucket));
        assert_eq!(left.millionths_a_second(), 500_000);
    }

    #[rstest]
    #[case::the_same(a_minute(60), 1_000_000)]
    #[case::the_same_rounded(a_minute(100), 1_666_666)]
    #[case::the_same_of_a_bucket(bucket(20, 16_700), 16_700)]
    #[case::a_higher_one(a_minute(60), 5_000_000)]
    fn a_rate_that_is_not_lower_is_not_kept(#[case] limit: Limit, #[case] millionths: u64) {
        assert!(!hear(&mut None, limit, millionths, NOW));
    }

    #[test]
    fn what_is_told_again_and_again_is_written_once_in_five_minutes() {
        let limit = a_minute(60);
        let mut item = None;
        let told_at = |item: &mut Option<Item>, seconds| {
            hear(item, limit, 500_000, NOW + Duration::from_secs(seconds))
        };
        let written = (0..1_200).filter(|second| told_at(&mut item, *second));
        assert_eq!(written.collect::<Vec<u64>>(), [0, 300, 600, 900]);
    }

    #[test]
    fn of_rates_told_in_turn_the_lowest_is_kept_without_a_write_a_call() {
        let limit = a_minute(60);
        let mut item = None;
        let mut writes = 0;
        for second in 0..600 {
            let millionths = [700_000, 500_000, 900_000][second % 3];
            let now = NOW + Duration::from_secs(u64::try_from(second).unwrap());
            writes += u32::from(hear(&mut item, limit, millionths, now));
        }
        assert_eq!(writes, 3, "two as it fell, and one again");
        let now = NOW + Duration::from_mins(10);
        assert_eq!(limit.as_told(item.as_ref(), now).calls, 30);
    }

    #[test]
    fn a_rate_that_is_told_no_more_lapses() {
        let limit = a_minute(60);
        let mut item = None;
        hear(&mut item, limit, 500_000, NOW);
        let just_before = NOW + KEPT - Duration::from_millis(1);
        assert_eq!(limit.as_told(item.as_ref(), just_before).calls, 30);
        assert_eq!(limit.as_told(item.as_ref(), NOW + KEPT), limit);
        assert!(
            hear(&mut item, limit, 700_000, NOW + KEPT),
            "a higher one, too"
        );
    }

    #[test]
    fn of_workers_that_hear_the_same_at_once_one_writes() {
        let limit = a_minute(60);
        let own = limit.millionths_a_second();
        let hears = || tell(None, limit, own, rate(500_000), NOW).unwrap();
        let item = hears().evaluate(None);
        assert_eq!(hears().evaluate(item.as_ref()), None);
    }

    #[test]
    fn tiers_of_one_account_have_their_parts_of_what_is_told() {
        let (urgent, calm) = (a_minute(20), a_minute(40));
        let all = urgent.millionths_a_second() + calm.millionths_a_second();
        let left = |limit: Limit| {
            let write = tell(None, limit, all, rate(500_000), NOW).unwrap();
            limit.as_told(write.evaluate(None).as_ref(), NOW).calls
        };
        assert_eq!((left(urgent), left(calm)), (10, 20));
        assert_eq!(tell(None, urgent, all, rate(1_000_000), NOW), None);
    }

    #[test]
    fn what_can_not_be_a_rate_counts_for_nothing() {
        let limit = a_minute(60);
        for kept in [0, -1, i64::MAX] {
            let item: Item = [
                (RATE.to_owned(), Value::Number(kept)),
                (AT.to_owned(), Value::Number(NOW.0)),
            ]
            .into();
            assert_eq!(limit.as_told(Some(&item), NOW), limit);
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

        #[test]
        fn what_is_told_never_loosens_a_limit(
            calls in 1_u32..300,
            window_s in 1_u64..3_600,
            size in 1_u32..1_000,
            leak in 100_u64..300_000_000,
            told in 100_u64..300_000_000,
            of_a_bucket: bool,
        ) {
            let limit = if of_a_bucket {
                bucket(size, leak)
            } else {
                Limit::in_window(calls, Duration::from_secs(window_s))
            };
            let mut item = None;
            let is_lower = told < limit.millionths_a_second();
            prop_assert_eq!(hear(&mut item, limit, told, NOW), is_lower);
            let left = limit.as_told(item.as_ref(), NOW);
            prop_assert!(left.calls <= limit.calls && left.window >= limit.window);
            prop_assert!(left.calls >= limit.calls.min(OF_A_RECORD));
            // One more than was told, in a million seconds.
            prop_assert!(left.millionths_a_second() <= told + 1);
        }
    }
}
