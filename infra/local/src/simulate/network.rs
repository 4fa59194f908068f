//! The way to the simulated systems: how long a call takes, and when a system is away or slow.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use serde_json::json;
use tidegate_engine::ports::{Clock, Http, Request, Sent, TransportError};
use tidegate_model::UnixMs;
use tidegate_simulator::TrueClock;
use tidegate_testkit::doubles::Seed;

use super::{
    day::{Spell, Trouble},
    options::Of,
    source::{Records, SimulatedSource, answer},
    target::SimulatedTarget,
};

/// Where the simulated source is said to be.
pub(crate) const SOURCE_URL: &str = "http://source.simulated";
/// Where the simulated target is said to be.
pub(crate) const TARGET_URL: &str = "http://target.simulated";
/// A call to a healthy system takes between these, there and back: what hosted JSON APIs answer in.
const LATENCY_MS: (u32, u32) = (80, 160);
/// A system that is away says so at once: its gateway answers.
const AWAY_MS: u64 = 40;

/// Source and target, reached without a socket.
pub(crate) struct Network {
    clock: Arc<TrueClock>,
    spells: Vec<Spell>,
    source: SimulatedSource,
    target: SimulatedTarget,
    records: Mutex<Records>,
    seed: Mutex<Seed>,
}

impl Network {
    /// Joins both systems.
    pub(crate) fn new(
        clock: Arc<TrueClock>,
        spells: Vec<Spell>,
        source: SimulatedSource,
        target: SimulatedTarget,
        seed: u64,
    ) -> Self {
        Self {
            clock,
            spells,
            source,
            target,
            records: Mutex::default(),
            seed: Mutex::new(Seed::new(seed)),
        }
    }

    /// The source's records.
    pub(crate) fn records(&self) -> MutexGuard<'_, Records> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The target.
    pub(crate) fn target(&self) -> &SimulatedTarget {
        &self.target
    }

    fn trouble(&self, of: Of, now: UnixMs) -> Option<Trouble> {
        let here = |spell: &&Spell| spell.of == of && spell.from <= now && now < spell.until;
        self.spells.iter().find(here).map(|spell| spell.trouble)
    }

    fn latency(&self) -> Duration {
        let mut seed = self.seed.lock().unwrap_or_else(PoisonError::into_inner);
        let ms = LATENCY_MS.0 + seed.below(LATENCY_MS.1 - LATENCY_MS.0);
        Duration::from_millis(ms.into())
    }

    async fn pass(&self, span: Duration) {
        self.clock.wait_until(self.clock.now() + span).await;
    }
}

#[async_trait]
impl Http for Network {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let (of, rest) = match request.url.strip_prefix(SOURCE_URL) {
            Some(rest) => (Of::Source, rest),
            None => (
                Of::Target,
                request.url.strip_prefix(TARGET_URL).unwrap_or_default(),
            ),
        };
        let there = self.latency();
        let back = match self.trouble(of, self.clock.now()) {
            Some(Trouble::Away) => {
                self.pass(Duration::from_millis(AWAY_MS)).await;
                return Ok(answer(503, json!({ "error": "away" })));
            }
            Some(Trouble::Slow(took)) => took,
            None => there / 2,
        };
        self.pass(there / 2).await;
        // It takes effect before its answer: one that comes too late has happened all the same.
        let sent = match of {
            Of::Source => Ok(self.source.answer(&self.records(), request, rest)),
            Of::Target => self.target.answer(request, rest).await,
        };
        self.pass(back).await;
        sent
    }
}
