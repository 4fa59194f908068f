//! A page of a listing: untouched orders and held ones, merged in one order.

use std::{
    collections::BTreeSet,
    iter::Peekable,
    ops::Bound::{Excluded, Included, Unbounded},
};

use super::Ledger;

/// The time by which a listing is ordered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::doubles) enum Axis {
    Created,
    Updated,
}

/// Whether the oldest or the newest come first.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::doubles) enum Direction {
    Rising,
    Falling,
}

/// The place of an order in a listing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(in crate::doubles) struct Key {
    pub(in crate::doubles) at_s: i64,
    pub(in crate::doubles) number: u64,
}

impl Key {
    pub(in crate::doubles) const fn new(at_s: i64, number: u64) -> Self {
        Self { at_s, number }
    }
}

/// Which orders are asked for.
#[derive(Clone, Copy, Debug)]
pub(in crate::doubles) struct Ask {
    pub(in crate::doubles) axis: Axis,
    pub(in crate::doubles) direction: Direction,
    /// Not those at or before this place in the direction of the listing.
    pub(in crate::doubles) after: Option<Key>,
    /// Not those earlier on the axis.
    pub(in crate::doubles) from_s: Option<i64>,
    /// Not those later on the axis.
    pub(in crate::doubles) until_s: Option<i64>,
    /// Not so many of the first that are kept: for listings by offset, whose price grows with it.
    pub(in crate::doubles) skip: usize,
    /// The most orders.
    pub(in crate::doubles) limit: usize,
}

/// Orders in the order of the listing.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::doubles) struct Page {
    pub(in crate::doubles) keys: Vec<Key>,
    /// Whether there are more behind them.
    pub(in crate::doubles) has_more: bool,
}

impl Ledger {
    /// The orders that are asked for and that `keep` keeps, by number.
    pub(in crate::doubles) fn page(&self, ask: &Ask, keep: impl Fn(u64) -> bool) -> Page {
        let mut rows = self.rows(ask).filter(|key| keep(key.number)).skip(ask.skip);
        let keys = rows.by_ref().take(ask.limit).collect();
        Page {
            keys,
            has_more: rows.next().is_some(),
        }
    }

    fn rows(&self, ask: &Ask) -> Box<dyn Iterator<Item = Key> + '_> {
        let (low, high) = ask.bounds();
        let (axis, set) = (ask.axis, self.held_on(ask.axis));
        let first = self.count_below(axis, low) + 1;
        let last = self.count_below(axis, high);
        let key = move |number| self.untouched_key(axis, number);
        let is_untouched = move |number: &u64| !self.held.contains_key(number);
        let held = range(set, low, high);
        match ask.direction {
            Direction::Rising => Box::new(Merged::new(
                (first..=last).filter(is_untouched).map(key),
                held.copied(),
                Direction::Rising,
            )),
            Direction::Falling => Box::new(Merged::new(
                (first..=last).rev().filter(is_untouched).map(key),
                held.rev().copied(),
                Direction::Falling,
            )),
        }
    }

    const fn held_on(&self, axis: Axis) -> &BTreeSet<Key> {
        match axis {
            Axis::Created => &self.created,
            Axis::Updated => &self.updated,
        }
    }

    fn untouched_key(&self, axis: Axis, number: u64) -> Key {
        let times = self.untouched(number);
        let at_s = match axis {
            Axis::Created => times.created_s,
            Axis::Updated => times.updated_s,
        };
        Key::new(at_s, number)
    }

    /// How many untouched orders lie before a place: they are in order, so it is found by halving.
    fn count_below(&self, axis: Axis, place: Key) -> u64 {
        let (mut below, mut above) = (0, self.count + 1);
        while above - below > 1 {
            let middle = below + (above - below) / 2;
            if self.untouched_key(axis, middle) < place {
                below = middle;
            } else {
                above = middle;
            }
        }
        below
    }
}

impl Ask {
    /// From the first place that may be listed to the first that may not.
    fn bounds(&self) -> (Key, Key) {
        let mut low = Key::new(self.from_s.unwrap_or(i64::MIN), 0);
        let mut high = match self.until_s.and_then(|until| until.checked_add(1)) {
            Some(end) => Key::new(end, 0),
            None => Key::new(i64::MAX, u64::MAX),
        };
        match (self.direction, self.after) {
            (_, None) => {}
            (Direction::Rising, Some(after)) => {
                low = low.max(Key::new(after.at_s, after.number.saturating_add(1)));
            }
            (Direction::Falling, Some(after)) => high = high.min(after),
        }
        (low, high)
    }
}

fn range(set: &BTreeSet<Key>, low: Key, high: Key) -> std::collections::btree_set::Range<'_, Key> {
    // A range whose ends are the wrong way round would panic.
    if low < high {
        set.range((Included(low), Excluded(high)))
    } else {
        set.range((Excluded(Key::new(i64::MAX, u64::MAX)), Unbounded))
    }
}

/// Two iterators in one order, as one.
struct Merged<A: Iterator<Item = Key>, B: Iterator<Item = Key>> {
    one: Peekable<A>,
    two: Peekable<B>,
    direction: Direction,
}

impl<A: Iterator<Item = Key>, B: Iterator<Item = Key>> Merged<A, B> {
    fn new(one: A, two: B, direction: Direction) -> Self {
        Self {
            one: one.peekable(),
            two: two.peekable(),
            direction,
        }
    }
}

impl<A: Iterator<Item = Key>, B: Iterator<Item = Key>> Iterator for Merged<A, B> {
    type Item = Key;

    fn next(&mut self) -> Option<Key> {
        let is_one_first = match (self.one.peek(), self.two.peek()) {
            (Some(one), Some(two)) => match self.direction {
                Direction::Rising => one < two,
                Direction::Falling => one > two,
            },
            (one, _) => one.is_some(),
        };
        if is_one_first {
            self.one.next()
        } else {
            self.two.next()
        }
    }
}
