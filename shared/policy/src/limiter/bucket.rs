//! A limit by the bucket (LIM-1, LIM-2): size B, leak r, and T = 1/r from one call to the next.
//!
//! One stamp is kept: when the bucket would be empty, *e*, if every call reached it at its own stamp.
//! A call of stamp s moves it to max(e, s) + T. It may be granted when
//!
//! > s >= e + G - (B - k) T
//!
//! where e is what was seen before the grant and the call is the k-th of it; beyond the B-th, e is that
//! after the call B before it, and the last term is nothing.
//!
//! **LIM-1.** Take the calls that reach the provider in any span, n > B of them; i is the one that was
//! granted first and j the last. At least n - 2 were granted between, each of which moves e on by T or
//! more, so e before j is at least s(i) + (n - 1) T, and s(j) - s(i) >= G + (n - B) T. Of two calls the
//! clocks apart, the travel and u together can bring the first G later and the second no earlier than
//! its stamp says, so the span lasts at least (n - B) T, in which n - B calls leak: no overflow. It does
//! not matter in which order the stamps are, so that one worker may reserve ahead of another.
//!
//! **LIM-2.** Of an idle bucket one grant takes B calls at once. Several grants together take as many
//! but for what leaks during G, rounded up, and the rest within G. Under backlog calls come T apart, all
//! of r, where (B - 1) T >= G, which is B >= 1 + 0.551 r: 40 at 2 a second, 20 at 0.0167, 3 at 2. A
//! smaller bucket is used at 1 call in G - (B - 1) T + T: 98 % of r still for B = 1 at up to 0.037 a
//! second.
//!
//! Grants are planned on the stamp that was seen and refused when it moved meanwhile; the refusal
//! shows the new one. There is no branch for an idle bucket to race with.

use tidegate_model::UnixMs;

use super::{GUARD, Limit, MICROS};

/// When the bucket is empty.
pub(super) const EMPTY: &str = "empty";

/// A bucket, and the calls planned in it since it was seen.
#[derive(Clone, Debug)]
pub(super) struct Filling {
    /// When it is empty as seen, and after each call.
    empty_us: Vec<i64>,
    seen_us: i64,
    size: i64,
    gap_us: i64,
}

impl Filling {
    pub fn new(seen_us: i64, limit: Limit) -> Self {
        Self {
            empty_us: Vec::new(),
            seen_us,
            size: limit.calls.into(),
            gap_us: i64::try_from(limit.gap().as_micros()).unwrap_or(i64::MAX),
        }
    }

    /// When there is room for so many calls more, made at once.
    pub fn free_for(&self, calls: i64) -> UnixMs {
        let planned = i64::try_from(self.empty_us.len()).unwrap_or(i64::MAX);
        // How many calls of the grant lie within the size.
        let beyond = planned.saturating_add(calls) - self.size;
        let (empty_us, more) = match usize::try_from(beyond - 1) {
            Ok(nth) if nth < self.empty_us.len() => {
                (self.empty_us.get(nth).copied().unwrap_or(i64::MAX), 0)
            }
            _ => (self.seen_us, beyond),
        };
        let free_us = empty_us
            .saturating_add(self.gap_us.saturating_mul(more))
            .saturating_add(guard_us());
        UnixMs(free_us.saturating_add(MICROS - 1).div_euclid(MICROS))
    }

    /// Calls that could be made at this moment.
    pub fn free_at(&self, now: UnixMs) -> u32 {
        let leaked_us = now
            .0
            .saturating_mul(MICROS)
            .saturating_sub(guard_us())
            .saturating_sub(self.seen_us);
        let free = leaked_us
            .div_euclid(self.gap_us.max(1))
            .saturating_add(self.size)
            .clamp(0, self.size);
        u32::try_from(free).unwrap_or(0)
    }

    /// Plans a call of this stamp: when the bucket is empty without it, and with it.
    pub fn take(&mut self, from: UnixMs) -> (i64, i64) {
        let before = self.empty_us.last().copied().unwrap_or(self.seen_us);
        let after = before
            .max(from.0.saturating_mul(MICROS))
            .saturating_add(self.gap_us);
        self.empty_us.push(after);
        (before, after)
    }
}

/// G in microseconds.
fn guard_us() -> i64 {
    i64::try_from(GUARD.as_micros()).unwrap_or(i64::MAX)
}
