use rstest::rstest;
use serde_json::Map;

use super::{Ask, Axis, Direction, Key, Ledger, Round, Times, whole_second};
use crate::doubles::tests::NOON_MS;

const ALL: Ask = Ask {
    axis: Axis::Updated,
    direction: Direction::Rising,
    after: None,
    from_s: None,
    until_s: None,
    skip: 0,
    limit: 1_000,
};

fn numbers(ledger: &Ledger, ask: Ask) -> Vec<u64> {
    let page = ledger.page(&ask, |_| true);
    page.keys.iter().map(|key| key.number).collect()
}

/// Follows a listing to its end by pages of `limit`.
fn paged(ledger: &Ledger, mut ask: Ask, limit: usize) -> Vec<u64> {
    ask.limit = limit;
    let mut seen = Vec::new();
    loop {
        let page = ledger.page(&ask, |_| true);
        seen.extend(page.keys.iter().map(|key| key.number));
        match page.keys.last() {
            Some(last) if page.has_more => ask.after = Some(*last),
            _ => return seen,
        }
    }
}

fn at(updated_s: i64) -> Times {
    Times {
        created_s: 0,
        updated_s,
    }
}

#[test]
fn times_never_fall_and_some_are_shared() {
    let ledger = Ledger::new(1, 100, NOON_MS);
    let times: Vec<Times> = (1..=100).map(|n| ledger.times(n).unwrap()).collect();
    assert!(
        times
            .windows(2)
            .all(|two| two[0].updated_s <= two[1].updated_s)
    );
    let shared = times
        .windows(2)
        .filter(|two| two[0].updated_s == two[1].updated_s);
    assert_eq!(shared.count(), 25);
    assert!(times.iter().all(|one| one.created_s < one.updated_s));
    assert!(times[99].updated_s < NOON_MS / 1_000);
    assert_eq!((ledger.times(0), ledger.times(101)), (None, None));
}

#[rstest]
#[case::rising(Direction::Rising)]
#[case::falling(Direction::Falling)]
fn pages_of_any_size_hold_each_order_once_in_order(#[case] direction: Direction) {
    let mut ledger = Ledger::new(1, 30, NOON_MS);
    let now_s = NOON_MS / 1_000;
    ledger.put(7, at(now_s), Map::new());
    ledger.put(31, at(now_s), Map::new());
    ledger.put(9, ledger.times(20).unwrap(), Map::new());
    assert!(ledger.remove(8) && !ledger.remove(8) && !ledger.remove(99));
    let ask = Ask { direction, ..ALL };
    let mut expected: Vec<u64> = (1..=30).filter(|n| ![7, 8, 9].contains(n)).collect();
    // 20 shares its second with 19, and 9 is less than both.
    let place = expected.iter().position(|n| *n == 19).unwrap();
    expected.insert(place, 9);
    expected.extend([7, 31]);
    if direction == Direction::Falling {
        expected.reverse();
    }
    for limit in [1, 2, 3, 7, 28, 29, 30, 100] {
        assert_eq!(paged(&ledger, ask, limit), expected, "{limit}");
    }
}

#[test]
fn a_listing_keeps_within_its_times_at_both_ends() {
    let mut ledger = Ledger::new(1, 30, NOON_MS);
    let (from, until) = (ledger.times(11).unwrap(), ledger.times(20).unwrap());
    ledger.put(31, at(until.updated_s), Map::new());
    ledger.put(32, at(until.updated_s + 1), Map::new());
    let ask = Ask {
        from_s: Some(from.updated_s),
        until_s: Some(until.updated_s),
        ..ALL
    };
    // 11 shares its second with 12.
    let expected: Vec<u64> = (11..=20).chain([31]).collect();
    assert_eq!(numbers(&ledger, ask), expected);
    let nothing = Ask {
        from_s: Some(until.updated_s),
        until_s: Some(from.updated_s),
        ..ALL
    };
    assert!(numbers(&ledger, nothing).is_empty());
}

#[test]
fn a_filter_is_applied_before_the_limit() {
    let ledger = Ledger::new(1, 30, NOON_MS);
    let ask = Ask { limit: 3, ..ALL };
    let page = ledger.page(&ask, |number| number % 10 == 0);
    let found: Vec<u64> = page.keys.iter().map(|key| key.number).collect();
    assert_eq!((found, page.has_more), (vec![10, 20, 30], false));
}

#[test]
fn a_million_orders_are_none_until_somebody_asks() {
    let mut ledger = Ledger::new(1, 1_000_000, NOON_MS);
    assert!(ledger.held.is_empty());
    let middle = ledger.times(500_000).unwrap().updated_s;
    let ask = Ask {
        after: Some(Key::new(middle, 500_000)),
        limit: 2,
        ..ALL
    };
    assert_eq!(numbers(&ledger, ask), [500_001, 500_002]);
    assert_eq!(ledger.last(), 1_000_000);
    ledger.put(1_000_001, at(middle), Map::new());
    assert_eq!((ledger.last(), ledger.held.len()), (1_000_001, 1));
}

#[test]
fn a_time_between_two_seconds_lists_nothing_beyond_it() {
    for (text, up, down) in [
        ("1970-01-01T00:00:07Z", Some(7), Some(7)),
        ("1970-01-01T02:00:07.000000001+02:00", Some(8), Some(7)),
        ("1969-12-31T23:59:58.5Z", Some(-1), Some(-2)),
        ("1970-01-01T00:00:07", None, None),
        ("1970-01-01", None, None),
    ] {
        let read = [Round::Up, Round::Down].map(|round| whole_second(text, round));
        assert_eq!(read, [up, down], "{text}");
    }
}
