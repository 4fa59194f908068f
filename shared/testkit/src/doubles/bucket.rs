//! A bucket of calls that fills again at a steady rate, as Shopify's leaks and Amazon's is filled.
//!
//! In whole numbers: a thousandth of a millionth of a call, so that 0.0167 a second is exact.

/// Parts of a call.
const PARTS: i64 = 1_000_000_000;

/// How large a bucket is and how fast it fills.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    /// Calls that it holds when nobody has called for long.
    pub(super) burst: i64,
    /// Calls that it gains in 10,000 seconds.
    pub(super) per_10_000_s: i64,
}

impl Plan {
    /// Parts gained in a millisecond.
    const fn parts_a_ms(self) -> i64 {
        self.per_10_000_s * (PARTS / 10_000_000)
    }
}

/// What a shop does about the number of calls.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Quota {
    /// It refuses a call beyond its plan.
    #[default]
    Kept,
    /// It refuses none; the log says how many came when.
    CountOnly,
}

/// The calls that a caller may still make.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bucket {
    plan: Plan,
    /// Parts taken out and not yet gained back.
    used: i64,
    at_ms: i64,
}

impl Bucket {
    /// A full one.
    pub(super) const fn new(plan: Plan) -> Self {
        Self {
            plan,
            used: 0,
            at_ms: i64::MIN,
        }
    }

    /// Takes a call out at `now_ms`, if there is one or nobody minds. A refused call takes nothing.
    pub(super) fn admit(&mut self, quota: Quota, now_ms: i64) -> bool {
        quota == Quota::CountOnly || self.take(now_ms)
    }

    fn take(&mut self, now_ms: i64) -> bool {
        let passed = now_ms.saturating_sub(self.at_ms).max(0);
        let gained = passed.saturating_mul(self.plan.parts_a_ms());
        self.used = self.used.saturating_sub(gained).max(0);
        // A clock that is set back gains nothing a second time.
        self.at_ms = self.at_ms.max(now_ms);
        let is_there = self.used + PARTS <= self.plan.burst * PARTS;
        if is_there {
            self.used += PARTS;
        }
        is_there
    }

    /// Calls taken out, a part as a whole one.
    pub(super) const fn used(&self) -> i64 {
        (self.used + PARTS - 1) / PARTS
    }
}

#[cfg(test)]
mod tests {
    use super::{Bucket, Plan};

    #[test]
    fn a_bucket_gives_its_burst_at_once_and_then_its_rate() {
        let mut bucket = Bucket::new(Plan {
            burst: 3,
            per_10_000_s: 20_000,
        });
        assert_eq!(
            [0, 0, 0, 0].map(|at| bucket.take(at)),
            [true, true, true, false]
        );
        assert_eq!(bucket.used(), 3);
        assert_eq!(
            [499, 500, 500].map(|at| bucket.take(at)),
            [false, true, false]
        );
        assert_eq!(
            [100, 999, 1_000].map(|at| bucket.take(at)),
            [false, false, true]
        );
        assert_eq!(
            [9_000; 4].map(|at| bucket.take(at)),
            [true, true, true, false]
        );
    }

    #[test]
    fn a_rate_of_a_sixtieth_a_second_is_kept_to_the_millisecond() {
        let mut bucket = Bucket::new(Plan {
            burst: 1,
            per_10_000_s: 167,
        });
        assert!(bucket.take(0));
        // 1 / 0.0167 s = 59.880 23... s
        assert!(!bucket.take(59_880));
        assert!(bucket.take(59_881));
    }
}
