//! A clock that is set by hand.

use std::{
    sync::atomic::{AtomicI64, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tidegate_engine::ports::Clock;
use tidegate_model::UnixMs;

/// Stands still until a test moves it, or someone waits.
///
/// `wait_until` moves the clock to the moment and returns at once, so that a test never waits. This
/// is right for a test in which one task at a time runs: who waits is then the only one for whom
/// time could pass. Tasks that wait side by side see the clock of the one that waits longest.
#[derive(Debug)]
pub struct ManualClock(AtomicI64);

impl ManualClock {
    /// Starts at a moment.
    pub fn new(start: UnixMs) -> Self {
        Self(AtomicI64::new(start.0))
    }

    /// Sets the moment, backwards too.
    pub fn set(&self, moment: UnixMs) {
        self.0.store(moment.0, Ordering::SeqCst);
    }

    /// Lets time pass.
    pub fn advance(&self, span: Duration) {
        self.set(self.now() + span);
    }
}

#[async_trait]
impl Clock for ManualClock {
    fn now(&self) -> UnixMs {
        UnixMs(self.0.load(Ordering::SeqCst))
    }

    async fn wait_until(&self, moment: UnixMs) {
        self.0.fetch_max(moment.0, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn waiting_moves_the_clock_forwards_and_never_back() {
        let clock = ManualClock::new(UnixMs(1_000));
        clock.wait_until(UnixMs(5_000)).await;
        clock.wait_until(UnixMs(2_000)).await;
        assert_eq!(clock.now(), UnixMs(5_000));
        clock.advance(Duration::from_secs(1));
        assert_eq!(clock.now(), UnixMs(6_000));
    }
}
