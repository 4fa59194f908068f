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

/// Whether the record is to be queued again.
pub fn is_stranded(register: &Register, longest_wait: Duration, now: UnixMs) -> bool {
    let Some(dirty_since) = register.dirty_since else {
        return false;
    };
    if register.review.is_some() {
        return false;
    }
    if let Some(due) = register.due {
        // It waits for a window. The run of that window queues it; if none did, the sweep does.
        return now > due + MARGIN.min(longest_wait) && now >= register.claimable_at();
    }
    let named = register.claimable_at().max(dirty_since);
    now > named + longest_wait
}
