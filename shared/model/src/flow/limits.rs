//! Limits and breakers, as a flow file describes them.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// At most `calls` calls in every window of `per_s` seconds, whatever its start (LIM-1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Rate {
    /// Calls in a window. Up to 300: each call of a window has a slot in one item of 1 KB to 8 KB.
    #[schemars(range(min = 1, max = 300))]
    pub calls: u32,
    /// Length of the window in seconds.
    #[schemars(range(min = 1, max = 3_600))]
    pub per_s: u32,
}

/// Limits of a target, shared by all flows that name it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TargetLimits {
    /// Limit of the real-time tier.
    pub real_time: Rate,
    /// Limit of the batch tier.
    pub batch: Rate,
    /// What the provider allows over all; the tiers together must stay within it.
    #[serde(default)]
    pub account: Option<Rate>,
    /// Quota of a day.
    #[serde(default)]
    pub day: Option<DayLimit>,
}

/// The quota of a day (UTC), drawn on by both tiers (R32).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DayLimit {
    /// Calls that the provider allows in a day.
    #[schemars(range(min = 10))]
    pub calls: u32,
    /// Per cent of the quota that stays unused, for other clients of the account.
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 90))]
    pub headroom_percent: u32,
    /// Per cent of the usable quota that batch work can not use (LIM-3).
    #[serde(default = "thirty")]
    #[schemars(range(min = 0, max = 90))]
    pub real_time_percent: u32,
}

/// 30 % (R32).
fn thirty() -> u32 {
    30
}

/// When calls to a system pause, and for how long. A preset, and what differs from it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BreakerSpec {
    /// Where to start from.
    #[serde(default)]
    pub preset: BreakerPreset,
    /// An answer is slow after this many milliseconds.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub slow_ms: Option<u32>,
    /// So many slow answers ...
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub slow: Option<u32>,
    /// ... among so many calls open it.
    #[serde(default)]
    #[schemars(range(min = 1, max = 100))]
    pub of: Option<u32>,
    /// So many failures of different records among those calls open it.
    #[serde(default)]
    #[schemars(range(min = 1))]
    pub failures: Option<u32>,
    /// Seconds until one probe is let through.
    #[serde(default)]
    #[schemars(range(min = 1, max = 86_400))]
    pub cool_down_s: Option<u32>,
}

/// The two presets of R6.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum BreakerPreset {
    /// 5 slow answers (over 3 s) or 5 failures of 10 calls; 5 minutes until the probe.
    #[default]
    SlowAnswers,
    /// 5 failures of 10 calls; 60 s until the probe. Slow answers are not judged.
    Failures,
}
