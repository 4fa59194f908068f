//! The clock and chance of the machine.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use async_trait::async_trait;
use tidegate_engine::ports::{Chance, Clock};
use tidegate_model::UnixMs;

/// The machine's clock. Lambda and EC2 keep it within a few milliseconds of UTC; the protocol
/// allows 250 ms between any two.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

#[async_trait]
impl Clock for SystemClock {
    #[allow(
        clippy::disallowed_methods,
        reason = "this is the one adapter that reads the clock"
    )]
    fn now(&self) -> UnixMs {
        let since = SystemTime::now().duration_since(UNIX_EPOCH);
        UnixMs::EPOCH + since.unwrap_or(Duration::ZERO)
    }

    async fn wait_until(&self, moment: UnixMs) {
        // Sleep and clock are two clocks, so one sleep may end early; each further one is shorter.
        while self.now() < moment {
            tokio::time::sleep(moment.since(self.now())).await;
        }
    }
}

/// The machine's randomness.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemChance;

impl Chance for SystemChance {
    fn next(&self) -> u64 {
        rand::random()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_at_its_moment_and_not_before() {
        let clock = SystemClock;
        let moment = clock.now() + Duration::from_millis(3);
        clock.wait_until(moment).await;
        assert!(clock.now() >= moment);
        clock.wait_until(UnixMs::EPOCH).await;
    }

    #[test]
    fn chance_does_not_repeat_itself() {
        assert_ne!(SystemChance.next(), SystemChance.next());
    }
}
