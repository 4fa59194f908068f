//! When batches start, as a flow file describes it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// When batches start: at times of day, or every so many minutes. One of the two is named.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Schedule {
    /// IANA name of the zone in which times of day are meant.
    #[schemars(extend("format" = "time-zone"))]
    pub time_zone: String,
    /// Times of day.
    #[serde(default)]
    #[schemars(length(max = 96))]
    pub windows: Vec<WindowSpec>,
    /// A micro-batch every so many minutes, counted from midnight (R37).
    #[serde(default)]
    #[schemars(range(min = 1, max = 1_440))]
    pub every_minutes: Option<u32>,
    /// Seconds before the last watermark at which a run starts to read, since sources commit late
    /// and count in seconds.
    #[serde(default = "default_lookback_s")]
    #[schemars(range(min = 0, max = 604_800))]
    pub lookback_s: u32,
    /// Minutes after which a run is cut; the next one goes on where it was (R34).
    #[serde(default = "default_max_run_minutes")]
    #[schemars(range(min = 1, max = 1_440))]
    pub max_run_minutes: u32,
}

/// One time of day.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WindowSpec {
    /// `HH:MM` in the flow's zone.
    #[schemars(extend("format" = "local-time"))]
    pub at: String,
    /// A longer lookback for this window: the night run reads the whole day before again.
    #[serde(default)]
    #[schemars(range(min = 0, max = 604_800))]
    pub lookback_s: Option<u32>,
}

/// 5 minutes.
fn default_lookback_s() -> u32 {
    300
}

/// Two hours: the shortest gap between windows in use is four.
fn default_max_run_minutes() -> u32 {
    120
}
