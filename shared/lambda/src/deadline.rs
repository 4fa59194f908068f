//! When an invocation ends.

use std::time::Duration;

use lambda_runtime::Context;
use tidegate_model::UnixMs;

/// The longest that Lambda lets an invocation run. A deadline beyond it is a mistake.
const LONGEST: Duration = Duration::from_mins(15);
/// Lambda's clock and ours may differ by so much.
const SKEW: Duration = Duration::from_secs(1);

/// When this invocation must be over: Lambda's word, or `timeout` from now where that word can not
/// be right, since `cargo lambda watch` says 1970.
pub fn deadline(context: &Context, now: UnixMs, timeout: Duration) -> UnixMs {
    let told = i64::try_from(context.deadline).map(UnixMs);
    match told {
        Ok(told) if now < told && told <= now + LONGEST + SKEW => told,
        _ => now + timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(deadline: u64) -> UnixMs {
        let mut context = Context::default();
        context.deadline = deadline;
        deadline_of(&context)
    }

    fn deadline_of(context: &Context) -> UnixMs {
        deadline(context, UnixMs(1_800_000_000_000), Duration::from_mins(1))
    }

    #[test]
    fn a_deadline_that_can_be_right_is_taken() {
        assert_eq!(at(1_800_000_030_000), UnixMs(1_800_000_030_000));
    }

    #[test]
    fn a_deadline_in_1970_or_far_ahead_is_replaced() {
        let own = UnixMs(1_800_000_060_000);
        assert_eq!(at(0), own);
        assert_eq!(at(60_000), own);
        assert_eq!(at(1_800_001_000_000), own);
        assert_eq!(at(u64::MAX), own);
    }
}
