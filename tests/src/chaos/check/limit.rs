//! LIM-1 and LIM-3 from what arrives: in no window, whatever its start, does a system get more calls of
//! a tier than its limit, nor of both tiers than its account allows; and in no day more than its quota,
//! of which the batch tier never uses what is kept for real-time.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use tidegate_model::{Tier, UnixMs};

use crate::chaos::{
    book::Book,
    plan::{ACCOUNT_WINDOW, Plan, Quota, WINDOW},
};

/// A day of UTC, in milliseconds.
const DAY_MS: i64 = 86_400_000;

/// Arrivals of the last window.
pub struct Limits {
    arrivals: BTreeMap<(String, Tier), VecDeque<UnixMs>>,
    /// Of the real-time tier, of the batch tier, and of the source.
    allowed: (u32, u32, u32),
    /// Arrivals at the target of both tiers, in the account's last window.
    together: VecDeque<UnixMs>,
    account: u32,
    quota: Option<Quota>,
    /// Calls of the target's day: all, and those of the batch tier.
    days: BTreeMap<i64, (u32, u32)>,
}

impl Limits {
    /// Nothing has arrived.
    pub fn new(plan: &Plan) -> Self {
        Self {
            arrivals: BTreeMap::new(),
            allowed: plan.limits,
            together: VecDeque::new(),
            account: plan.account_calls(),
            quota: plan.quota,
            days: BTreeMap::new(),
        }
    }

    /// A call arrived.
    pub fn arrived(&mut self, book: &mut Book, host: &str, tier: Tier, now: UnixMs) {
        if host == "tgt" {
            self.of_account(book, now);
            self.of_day(book, tier, now);
        }
        let (real_time, batch, source) = self.allowed;
        // All work on a source draws on one budget.
        let (tier, limit) = match (host, tier) {
            ("src", _) => (Tier::Batch, source),
            (_, Tier::RealTime) => (Tier::RealTime, real_time),
            (_, Tier::Batch) => (Tier::Batch, batch),
        };
        let window = self.arrivals.entry((host.to_owned(), tier)).or_default();
        let calls = within(window, WINDOW, now);
        if calls > limit {
            let what = format!(
                "{host} got {calls} calls of the {} tier in {} s, its limit is {limit}",
                tier.as_str(),
                WINDOW.as_secs()
            );
            book.fault("LIM-1", now, None, what);
        }
    }

    fn of_account(&mut self, book: &mut Book, now: UnixMs) {
        let calls = within(&mut self.together, ACCOUNT_WINDOW, now);
        if calls > self.account {
            let what = format!(
                "the target got {calls} calls in {} s, its account allows {}",
                ACCOUNT_WINDOW.as_secs(),
                self.account
            );
            book.fault("LIM-1", now, None, what);
        }
    }

    fn of_day(&mut self, book: &mut Book, tier: Tier, now: UnixMs) {
        let Some(quota) = self.quota else {
            return;
        };
        let (all, batch) = self.days.entry(now.0.div_euclid(DAY_MS)).or_default();
        *all += 1;
        *batch += u32::from(tier == Tier::Batch);
        let (all, batch) = (*all, *batch);
        if all > quota.usable() {
            let what = format!("{all} calls in a day, {} may be used", quota.usable());
            book.fault("LIM-3", now, None, what);
        }
        if batch > quota.of_batch() {
            let what = format!(
                "{batch} calls of the batch tier in a day, the rest of {} is kept for real-time",
                quota.of_batch()
            );
            book.fault("LIM-3", now, None, what);
        }
    }
}

/// Arrivals in a window that ends now, with this one.
fn within(arrivals: &mut VecDeque<UnixMs>, window: Duration, now: UnixMs) -> u32 {
    arrivals.push_back(now);
    while arrivals.front().is_some_and(|first| *first + window <= now) {
        arrivals.pop_front();
    }
    u32::try_from(arrivals.len()).unwrap_or(u32::MAX)
}
