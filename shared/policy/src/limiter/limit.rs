//! How many calls a system takes: by the window, and by the day (LIM-3).

use std::time::Duration;

use tidegate_model::{
    Tier,
    flow::{Rate, TargetLimits},
};

use super::GUARD;

/// A limit: so many calls in every window, and in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls in a window.
    pub calls: u32,
    /// Length of the window.
    pub window: Duration,
    /// Calls in a day (UTC), where there is a quota.
    pub day: Option<u32>,
}

impl Limit {
    /// The limit of one tier of a target. Both tiers draw on one quota of a day: the headroom stays
    /// unused, batch work never touches the share of real-time (LIM-3), and real-time keeps to its
    /// share, so that the two together can not pass the quota.
    pub fn of_target(limits: &TargetLimits, tier: Tier) -> Self {
        let rate = match tier {
            Tier::RealTime => limits.real_time,
            Tier::Batch => limits.batch,
        };
        let day = limits.day.map(|day| {
            let usable = share(day.calls, 100 - day.headroom_percent.min(100));
            let kept = share(usable, day.real_time_percent);
            match tier {
                Tier::RealTime => kept,
                Tier::Batch => usable - kept,
            }
        });
        Self {
            calls: rate.calls,
            window: Duration::from_secs(rate.per_s.into()),
            day,
        }
    }

    /// The limit of a source.
    pub fn of_source(rate: Rate) -> Self {
        Self {
            calls: rate.calls,
            window: Duration::from_secs(rate.per_s.into()),
            day: None,
        }
    }

    /// Average time between two calls at full use.
    pub(super) fn pace(self) -> Duration {
        (self.window + GUARD) / self.calls.max(1)
    }
}

fn share(whole: u32, percent: u32) -> u32 {
    u32::try_from(u64::from(whole) * u64::from(percent.min(100)) / 100).unwrap_or(whole)
}
