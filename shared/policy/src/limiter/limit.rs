//! How many calls a system takes: by the window, and by the day (LIM-3).

use std::time::Duration;

use tidegate_model::{
    MAX_PACK_KEYS, Tier,
    flow::{Rate, TargetLimits},
};

use super::{HORIZON, REACH, Share};

/// A limit: so many calls in every window or bucket, and in a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limit {
    /// Calls in a window, or those that the bucket holds.
    pub calls: u32,
    /// Length of the window, or the time in which a full bucket empties.
    pub window: Duration,
    /// How calls are counted.
    pub form: Form,
    /// The share in a day's quota, where there is one.
    pub day: Option<Share>,
}

/// How the calls of a limit are counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Form {
    /// By the window, whatever its start.
    #[default]
    Window,
    /// In a bucket that leaks.
    Bucket,
}

impl Limit {
    /// The limit of one tier of a target. Both tiers draw on one quota of a day: the headroom stays
    /// unused, batch work never touches the share of real-time (LIM-3), and real-time may use what
    /// batch leaves.
    pub fn of_target(limits: &TargetLimits, tier: Tier) -> Self {
        let rate = match tier {
            Tier::RealTime => limits.real_time,
            Tier::Batch => limits.batch,
        };
        let day = limits.day.map(|day| {
            let usable = share(day.calls, 100 - day.headroom_percent.min(100));
            let kept = share(usable, day.real_time_percent);
            let pool = usable - kept;
            match tier {
                Tier::RealTime => Share {
                    own: kept,
                    pool: Some(pool),
                },
                Tier::Batch => Share {
                    own: pool,
                    pool: None,
                },
            }
        });
        Self {
            day,
            ..Self::of_source(rate)
        }
    }

    /// The limit of a source, or the rate of a tier without the quota of a day.
    pub fn of_source(rate: Rate) -> Self {
        Self {
            calls: rate.calls(),
            window: rate.per(),
            form: match rate {
                Rate::Window(_) => Form::Window,
                Rate::Bucket(_) => Form::Bucket,
            },
            day: None,
        }
    }

    /// So many calls in every window, without the quota of a day.
    pub const fn in_window(calls: u32, window: Duration) -> Self {
        Self {
            calls,
            window,
            form: Form::Window,
            day: None,
        }
    }

    /// From one call to the next at an even pace.
    pub(super) fn gap(self) -> Duration {
        self.window / self.calls.max(1)
    }

    /// How far ahead slots for so many calls, one after another, are reserved.
    pub fn reach(self, calls: u32) -> Duration {
        (HORIZON + self.pace(calls)).min(REACH)
    }

    /// From the first of so many calls to the last of them, at an even pace.
    fn pace(self, calls: u32) -> Duration {
        self.window * calls.saturating_sub(1) / self.calls.max(1)
    }

    /// The fewest calls a window at which so many calls of one record are reserved together, where
    /// the limit allows fewer: records of one call may then take each slot before it.
    pub fn falls_short_of(self, calls: u32) -> Option<u32> {
        let fewest = (self.window * calls.saturating_sub(1))
            .as_millis()
            .div_ceil(REACH.as_millis());
        (self.pace(calls) > REACH).then(|| u32::try_from(fewest).unwrap_or(u32::MAX))
    }

    /// Keys of a pack: as many as a window has calls for, since a larger one is cut up by its
    /// permits, which costs a receive a piece.
    pub fn pack_keys(self, calls_a_record: u32) -> usize {
        let records = self.calls / calls_a_record.max(1);
        usize::try_from(records)
            .unwrap_or(MAX_PACK_KEYS)
            .clamp(1, MAX_PACK_KEYS)
    }
}

fn share(whole: u32, percent: u32) -> u32 {
    u32::try_from(u64::from(whole) * u64::from(percent.min(100)) / 100).unwrap_or(whole)
}
