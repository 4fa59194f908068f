//! Virtual time, and the clocks of processes that show it a little wrong.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_engine::ports::Clock;
use tidegate_model::UnixMs;

/// 2026-03-02T07:00:00Z, a Monday, two hours before the supplier flow's 10:00 window in Berlin.
pub const MONDAY_MORNING: UnixMs = UnixMs(1_772_434_800_000);

/// The true time of a world: tokio's clock, counted from a chosen moment.
#[derive(Debug)]
pub struct TrueClock {
    begin: UnixMs,
    origin: tokio::time::Instant,
}

impl TrueClock {
    /// Now is `begin`. Must be called inside a tokio runtime whose clock is paused.
    pub fn starting(begin: UnixMs) -> Self {
        Self {
            begin,
            origin: tokio::time::Instant::now(),
        }
    }
}

#[async_trait]
impl Clock for TrueClock {
    fn now(&self) -> UnixMs {
        self.begin + self.origin.elapsed()
    }

    async fn wait_until(&self, moment: UnixMs) {
        tokio::time::sleep(moment.since(self.now())).await;
    }
}

/// A clock that is fast or slow by a constant.
pub(crate) struct SkewedClock {
    pub(crate) truth: Arc<TrueClock>,
    /// Milliseconds that it is ahead; negative when it is behind.
    pub(crate) ahead_ms: i64,
}

impl SkewedClock {
    fn shown(&self, truth: UnixMs) -> UnixMs {
        UnixMs(truth.0.saturating_add(self.ahead_ms))
    }
}

#[async_trait]
impl Clock for SkewedClock {
    fn now(&self) -> UnixMs {
        self.shown(self.truth.now())
    }

    async fn wait_until(&self, moment: UnixMs) {
        self.truth
            .wait_until(UnixMs(moment.0.saturating_sub(self.ahead_ms)))
            .await;
    }
}
