//! What a queue hands out, and the rules it keeps.

use std::time::Duration;

use tidegate_engine::ports::Receipt;

/// A message as a queue delivers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The handle of this delivery; an older one of the same message no longer counts.
    pub receipt: Receipt,
    /// The message's id.
    pub message_id: String,
    /// How often it was delivered, this time included.
    pub receive_count: u32,
    /// Its text.
    pub body: String,
}

/// What SQS is configured with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct QueueRules {
    /// How long a delivered message stays hidden (`VisibilityTimeout`).
    pub visibility: Duration,
    /// After so many deliveries it is a dead letter (`maxReceiveCount`).
    pub max_receives: u32,
}

impl Default for QueueRules {
    /// Those of the real-time queue in the template.
    fn default() -> Self {
        Self {
            visibility: Duration::from_mins(6),
            max_receives: 10,
        }
    }
}
