//! LIM-1: in no window, whatever its start, does a system get more calls of a tier than its limit.

use std::collections::{BTreeMap, VecDeque};

use tidegate_model::{Tier, UnixMs};

use crate::chaos::{
    book::Book,
    plan::{Plan, WINDOW},
};

/// Arrivals of the last window.
pub struct Limits {
    arrivals: BTreeMap<(String, Tier), VecDeque<UnixMs>>,
    limits: (u32, u32, u32),
}

impl Limits {
    /// Nothing has arrived.
    pub fn new(plan: &Plan) -> Self {
        Self {
            arrivals: BTreeMap::new(),
            limits: plan.limits,
        }
    }

    /// A call arrived.
    pub fn arrived(&mut self, book: &mut Book, host: &str, tier: Tier, now: UnixMs) {
        let (real_time, batch, source) = self.limits;
        // All work on a source draws on one budget.
        let (tier, limit) = match (host, tier) {
            ("src", _) => (Tier::Batch, source),
            (_, Tier::RealTime) => (Tier::RealTime, real_time),
            (_, Tier::Batch) => (Tier::Batch, batch),
        };
        let window = self.arrivals.entry((host.to_owned(), tier)).or_default();
        window.push_back(now);
        while window.front().is_some_and(|first| *first + WINDOW <= now) {
            window.pop_front();
        }
        if window.len() > usize::try_from(limit).unwrap_or(usize::MAX) {
            let what = format!(
                "{host} got {} calls of the {} tier in {} s, its limit is {limit}",
                window.len(),
                tier.as_str(),
                WINDOW.as_secs()
            );
            book.fault("LIM-1", now, None, what);
        }
    }
}
