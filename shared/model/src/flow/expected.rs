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

/// 10 %: the middle of what R3 saw.
fn ten() -> u32 {
    10
}
