//! Which dirty records have been stranded (QUE-2).
//!
//! A dirty record has a message, a named time or a review; the sweep finds those whose message was
//! lost. It can not see messages, so it waits longer than any lawful wait: the backlog's drain time
//! at the target's limit, and a margin. A sweep too early costs a receive and does no harm.

#[cfg(test)]
mod tests;

use std::time::Duration;

use tidegate_model::UnixMs;

use crate::{limiter::Limit, register::Register};

/// Waits that have nothing to do with the backlog: the longest step of a retry, a queue's largest
/// delay, and a redelivery after a worker died.
pub const MARGIN: Duration = Duration::from_mins(30);

/// The longest lawful wait of a record in a backlog.
pub fn longest_wait(backlog: u64, calls_per_record: u32, limit: Limit) -> Duration {
    let calls = backlog.saturating_mul(calls_per_record.into());
    let windows = calls / u64::from(limit.calls.max(1)) + 1;
    MARGIN + limit.window * u32::try_from(windows).unwrap_or(u32::MAX).min(100_000) * 3 / 2
}

/// What is left of a longest wait after a while. While a backlog shrinks its last record waits for
/// the whole of it. With a quarter of what passed taken off, it is stranded once it has waited for
/// four fifths of the longest wait: a fifth longer than the backlog takes at the limit.
pub fn carried(longest_wait: Duration, passed: Duration) -> Duration {
    longest_wait.saturating_sub(passed / 4)
}

/// Since when a dirty record waits, as far as its register tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Waits {
    /// The window that it waits for without a message.
    pub due: Option<UnixMs>,
    /// The later of its staging and the time from which it can be claimed.
    pub from: UnixMs,
}

impl Waits {
    /// `None` for a record that has no work or is in review.
    pub fn of(register: &Register) -> Option<Self> {
        let dirty_since = register.dirty_since.filter(|_| register.review.is_none())?;
        Some(Self {
            due: register.due,
            from: register.claimable_at().max(dirty_since),
        })
    }

    /// Whether the record is to be queued again. What a sweep has queued is not queued by another
    /// before the longest wait is over once more: an outage must not multiply messages.
    pub fn is_stranded(self, longest_wait: Duration, swept: Option<UnixMs>, now: UnixMs) -> bool {
        let swept = swept.unwrap_or(UnixMs::EPOCH);
        match self.due {
            // The run of its window queues it; if none did, the sweep does.
            Some(due) => {
                let margin = MARGIN.min(longest_wait);
                now > due + margin
                    && now >= self.from
                    && (swept <= due || now > swept + longest_wait)
            }
            None => now > self.from.max(swept) + longest_wait,
        }
    }
}
