//! One backlog, worked off: in virtual time, or in real time on the store that one machine uses.
//!
//! This is how the simulator itself is judged: the same world is run both ways and must come to the
//! same counts. All changes are at the source when the story begins; a run reads them, and the story
//! ends when the target holds the last of them.

use std::{fs, path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use serde::Serialize;
use tidegate_engine::{
    Event,
    ports::{Clock as _, Store},
};
use tidegate_model::{Tier, UnixMs};
use tidegate_policy::run::RunRequest;
use tidegate_simulator::Meters;

use super::story::{Parts, Story, Webhooks};
use crate::table::{self, Place};

/// Between two looks whether all is done.
const LOOK: Duration = Duration::from_millis(250);
/// A story that is not over by then never will be.
const LIMIT: Duration = Duration::from_secs(86_400);

/// How the time of the story passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Pace {
    /// Virtually, on the store in memory.
    Virtual,
    /// Really, on the store of `tidegate dev`.
    Real,
}

/// What a backlog came to.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(super) struct Drained {
    /// Records that were applied.
    pub applied: u64,
    /// Calls to the target.
    pub target_calls: u64,
    /// Calls to the source.
    pub source_calls: u64,
    /// Messages received.
    pub receives: u64,
    /// Write request units.
    pub write_units: u64,
    /// Read request units.
    pub read_units: f64,
    /// Seconds from the changes to the last of them applied.
    pub drain_s: f64,
}

/// Tells the story.
pub(super) fn drain(parts: &Parts<'_>, pace: Pace) -> anyhow::Result<Drained> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(pace == Pace::Virtual)
        .build()
        .context("no runtime for the story")?;
    runtime.block_on(async {
        let file = TemporaryFile::new();
        let store: Option<Arc<dyn Store>> = match pace {
            Pace::Virtual => None,
            Pace::Real => Some(table::open(Place::File(&file.0)).await?.store),
        };
        let told = Story::prepare(parts, parts.plan.begin, store).await?;
        let drained = told.drain().await;
        told.world.stop();
        drained
    })
}

/// The table's file, gone with the story.
struct TemporaryFile(PathBuf);

impl TemporaryFile {
    fn new() -> Self {
        let name = format!("tidegate-drain-{}.db", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl Drop for TemporaryFile {
    fn drop(&mut self) {
        // With what SQLite keeps beside it. What is not there is gone already.
        for end in ["", "-wal", "-shm"] {
            let mut name = self.0.clone().into_os_string();
            name.push(end);
            drop(fs::remove_file(PathBuf::from(name)));
        }
    }
}

impl Story<'_> {
    async fn drain(&self) -> anyhow::Result<Drained> {
        self.world.start();
        self.read_everything_once(self.clock.now() + LIMIT).await?;
        let before = self.world.meters();
        let began = self.clock.now();
        let traffic = self.traffic(Webhooks::None);
        for change in &self.parts.plan.changes {
            let mut change = *change;
            change.at = began;
            traffic.change(self.parts.loaded, change);
        }
        let flow = self.parts.loaded.runtime.flow.id().clone();
        let request = RunRequest {
            window: None,
            mode: None,
            lookback_s: None,
            resume: None,
            trigger: None,
        };
        self.world.publish(&Event::RunRequested {
            flow,
            request,
            request_id: None,
        });
        while self.watch.open_before(UnixMs(i64::MAX)) > 0 && self.clock.now() < began + LIMIT {
            self.clock.wait_until(self.clock.now() + LOOK).await;
        }
        Ok(self.drained(&before, &self.world.meters(), began))
    }

    fn drained(&self, before: &Meters, after: &Meters, began: UnixMs) -> Drained {
        let calls = after.calls.get(before.calls.len()..).unwrap_or_default();
        let target = self.parts.loaded.runtime.flow.target().name();
        let of_target = calls
            .iter()
            .filter(|call| call.endpoint.as_ref() == Some(target));
        let target_calls = u64::try_from(of_target.count()).unwrap_or(u64::MAX);
        let all = u64::try_from(calls.len()).unwrap_or(u64::MAX);
        let received = |meters: &Meters| {
            let of = |tier| meters.queues.get(&tier).map_or(0, |queue| queue.received);
            of(Tier::Batch) + of(Tier::RealTime)
        };
        let writes = |meters: &Meters| meters.store.write_units + meters.store.index_write_units;
        Drained {
            applied: self.watch.applied(),
            target_calls,
            source_calls: all - target_calls,
            receives: received(after) - received(before),
            write_units: writes(after) - writes(before),
            read_units: after.store.read_units() - before.store.read_units(),
            drain_s: self.clock.now().since(began).as_secs_f64(),
        }
    }
}
