//! What a flow is expected to carry, as its file says it.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What a flow is expected to carry on a usual day. Nothing is limited by it: the plan computes
/// patterns and quotas from it, and a simulation its traffic.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Expected {
    /// Records that change in a day.
    #[schemars(range(min = 1))]
    pub changes_a_day: u32,
    /// Per cent of the changes that touch a critical field (R3 saw 8 to 12).
    #[serde(default = "ten")]
    #[schemars(range(min = 0, max = 100))]
    pub critical_percent: u32,
}

impl Expected {
    /// Changes of a day that touch a critical field, and the others. Without critical fields none does.
    pub fn split(self, has_critical: bool) -> (u64, u64) {
        let changes = u64::from(self.changes_a_day);
        let percent = if has_critical {
            self.critical_percent
        } else {
            0
        };
        let critical = (changes * u64::from(percent)).div_ceil(100);
        (critical, changes.saturating_sub(critical))
    }
}

/// 10 %: the middle of what R3 saw.
fn ten() -> u32 {
    10
}
