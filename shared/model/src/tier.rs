//! How urgent a record is, and why.

#[cfg(test)]
mod tests;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Real-time or batch. The order is that of urgency.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Waits for a window and draws on the batch limit.
    Batch,
    /// Goes at once and draws on the real-time limit.
    RealTime,
}

impl Tier {
    /// The tier in keys, logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Batch => "batch",
            Self::RealTime => "real_time",
        }
    }
}

/// Why a record stands in its tier.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", tag = "why")]
pub enum TierReason {
    /// No critical field changed its value.
    NotCritical,
    /// First seen by a batch: batch tier whatever it holds (R3).
    FirstSeenInBatch,
    /// These critical fields changed their value.
    Critical {
        /// Their names, in the flow's order.
        fields: Vec<String>,
    },
    /// A person asked for it.
    ForceSync,
    /// The record left in the tier of a change that is not applied yet.
    StillPending,
    /// A reconciliation found that the target no longer holds it: it waits for no window, and is not
    /// urgent.
    Reconciled,
}
