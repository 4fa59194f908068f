//! How a double of a shop or of a source of reviews is set up: what all of them are told, and what
//! one alone is.

use std::io;

use super::{
    Clock, Double, KillsOverHttp, Quota,
    shop::{self, Shop},
};

/// Records that one holds unless another number is named.
const DEFAULT_COUNT: u64 = 3_000;

/// How a double is set up. `O` is what one vendor alone needs.
#[derive(Clone)]
pub struct ShopConfig<O> {
    pub(super) clock: Clock,
    pub(super) quota: Quota,
    pub(super) seed: u64,
    pub(super) count: u64,
    port: u16,
    kills: KillsOverHttp,
    pub(super) own: O,
}

impl<O> ShopConfig<O> {
    /// Listens on any free port, holds 3,000 records, keeps its quota. `clock` gives milliseconds
    /// since the epoch; the records lie in the 50 days before what it gives at the start.
    pub(super) fn of(clock: Clock, own: O) -> Self {
        Self {
            clock,
            quota: Quota::default(),
            seed: 1,
            count: DEFAULT_COUNT,
            port: 0,
            kills: KillsOverHttp::Refused,
            own,
        }
    }

    /// Holds `count` records that follow from `seed`.
    pub(super) fn holding(mut self, seed: u64, count: u64) -> Self {
        self.seed = seed;
        self.count = count;
        self
    }

    /// What happens about the number of calls.
    #[must_use]
    pub fn quota(mut self, quota: Quota) -> Self {
        self.quota = quota;
        self
    }

    /// Listens on this port of 127.0.0.1.
    #[must_use]
    pub fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether faults set over HTTP may kill a process.
    #[must_use]
    pub fn kills_over_http(mut self, kills: KillsOverHttp) -> Self {
        self.kills = kills;
        self
    }

    /// Serves the system that `made` makes of this.
    pub(super) async fn serve<S: Shop>(
        self,
        made: impl FnOnce(Self) -> S,
    ) -> io::Result<Double<S>> {
        let (clock, port, kills) = (self.clock.clone(), self.port, self.kills);
        Double::serve_with(made(self), clock, port, kills, shop::routes()).await
    }

    /// The system that `made` makes of this, reached by [`call`](Double::call) alone.
    pub(super) fn unserved<S: Shop>(self, made: impl FnOnce(Self) -> S) -> Double<S> {
        let clock = self.clock.clone();
        Double::unserved(made(self), clock)
    }
}
