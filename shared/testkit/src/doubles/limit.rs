//! The limit of calls that a system keeps, exact over a sliding window.

use std::collections::VecDeque;

/// What a double does about the number of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// Answers 429 to a call that would be more than `calls` in the last `window_ms`.
    Enforce {
        /// Calls allowed in one window.
        calls: usize,
        /// Length of the window in milliseconds.
        window_ms: i64,
    },
    /// Refuses nothing; the log says how many calls came when.
    CountOnly,
}

impl Limit {
    /// Qualio's limit: 200 requests a minute (the vendor's fair use policy).
    pub const QUALIO: Self = Self::Enforce {
        calls: 200,
        window_ms: 60_000,
    };
}

/// The calls admitted in the present window.
#[derive(Debug, Default)]
pub(super) struct Admitted(VecDeque<i64>);

impl Admitted {
    /// Counts a call at `now_ms` and says whether it is within the limit.
    ///
    /// A refused call is not counted: the vendor says that it has not been processed.
    pub(super) fn admit(&mut self, limit: Limit, now_ms: i64) -> bool {
        let Limit::Enforce { calls, window_ms } = limit else {
            return true;
        };
        while self.0.front().is_some_and(|at| *at <= now_ms - window_ms) {
            self.0.pop_front();
        }
        let within = self.0.len() < calls;
        if within {
            self.0.push_back(now_ms);
        }
        within
    }

    /// Milliseconds until the oldest call leaves the window.
    pub(super) fn free_in_ms(&self, limit: Limit, now_ms: i64) -> i64 {
        let Limit::Enforce { window_ms, .. } = limit else {
            return 0;
        };
        self.0.front().map_or(0, |at| at + window_ms - now_ms)
    }
}

#[cfg(test)]
mod tests {
    use super::{Admitted, Limit};

    #[test]
    fn a_window_slides_and_refused_calls_are_not_counted() {
        let limit = Limit::Enforce {
            calls: 2,
            window_ms: 1_000,
        };
        let mut admitted = Admitted::default();
        assert!(admitted.admit(limit, 0));
        assert!(admitted.admit(limit, 900));
        assert!(!admitted.admit(limit, 999));
        assert_eq!(admitted.free_in_ms(limit, 999), 1);
        assert!(admitted.admit(limit, 1_000));
        assert!(!admitted.admit(limit, 1_001));
        assert!(admitted.admit(limit, 1_900));
    }
}
