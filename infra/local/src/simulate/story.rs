//! The simulated days: the production engine over simulated systems, from the midnight of the first
//! day until the last change is applied.

mod traffic;

use std::{
    collections::BTreeMap,
    io::{IsTerminal as _, Write as _},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use tidegate_engine::{
    Event, RunEnd,
    ports::{Clock, Store},
};
use tidegate_model::{
    ClaimToken, Content, ContentHash, SourceVersion, Tier, TierReason, UnixMs, Version,
    item::{Change::Set, Condition, Item, ItemKey, Update},
};
use tidegate_policy::{
    keys,
    register::{self, Committed, Register, Stage},
    run::RunRequest,
};
use tidegate_simulator::{Setup, TrueClock, Workers, World};
use tidegate_testkit::doubles::Seed;

use super::{
    day::Plan,
    figures::{BrokenWindow, Figures},
    load::{self, Loaded},
    network::Network,
    options::SimulateArgs,
    rows::Rows,
    series::{Ended, Series},
    source::SimulatedSource,
    target::{SimulatedTarget, sent_body},
    watch::Watch,
};
use traffic::{Came, Traffic, traffic};
pub(super) use traffic::{Changes, Webhooks};

/// Records at the beginning were last changed within so many days before.
const PAST_DAYS: u64 = 30;
/// Time before the first midnight in which the first run reads everything once, at least.
const WARM_UP: Duration = Duration::from_secs(3_600);
/// What is not applied so long after the last day will not be.
pub(super) const TAIL: Duration = Duration::from_secs(2 * 86_400);
/// Between two looks.
const MINUTE: Duration = Duration::from_secs(60);
const MINUTE_MS: i64 = 60_000;
/// Between two signs of life.
const TOLD_MINUTES: i64 = 360;
/// Microseconds of a millisecond.
const MICROS: u64 = 1_000;

/// What the story is made of.
pub(crate) struct Parts<'a> {
    /// The options.
    pub args: &'a SimulateArgs,
    /// The flow.
    pub loaded: &'a Loaded,
    /// The plan.
    pub plan: &'a Plan,
    /// A row to vary.
    pub sample: Option<&'a serde_json::Value>,
}

/// The story as it runs.
pub(super) struct Story<'a> {
    pub(super) parts: &'a Parts<'a>,
    pub(super) clock: Arc<TrueClock>,
    pub(super) watch: Arc<Watch>,
    network: Arc<Network>,
    pub(super) world: Arc<World>,
    rows: Arc<Rows>,
    came: Arc<Came>,
    /// Where registers stand: `None` for the world's own table.
    store: Option<Arc<dyn Store>>,
}

/// Tells the story, on a runtime of its own whose clock is virtual.
pub(crate) fn tell(parts: &Parts<'_>) -> anyhow::Result<Figures> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .context("no runtime for virtual time")?;
    runtime.block_on(async {
        let story = Story::prepare(parts, begin(parts), None).await?;
        let figures = story.run().await;
        story.world.stop();
        figures
    })
}

/// When the story begins: so long before the first day that the first run is over by then.
fn begin(parts: &Parts<'_>) -> UnixMs {
    let source = &parts.loaded.runtime.flow.file().source;
    let pages = u64::from(parts.args.records() / source.page_size().max(1)) + 10;
    // Twice what the source's limit takes for all pages.
    let reading = source.rest().map_or(0, |source| {
        let limit = source.limit;
        pages * u64::from(limit.per_s()) * 2 / u64::from(limit.calls().max(1))
    });
    parts.plan.begin - (WARM_UP + Duration::from_secs(reading))
}

impl<'a> Story<'a> {
    /// Both systems and the registers as they stand at the beginning.
    pub(super) async fn prepare(
        parts: &'a Parts<'a>,
        begin: UnixMs,
        store: Option<Arc<dyn Store>>,
    ) -> anyhow::Result<Self> {
        let flow = &parts.loaded.runtime.flow;
        let rows = Rows::of(&parts.loaded.runtime, parts.sample)?;
        let clock = Arc::new(TrueClock::starting(begin));
        let mut seed = Seed::new(parts.args.seed);
        let sample = rows.first(flow, 0, 0, &mut seed)?;
        let fields = sample.fields().cloned().unwrap_or_default();
        let as_clock: Arc<dyn Clock> = Arc::<TrueClock>::clone(&clock);
        let target = SimulatedTarget::of(flow, &fields, as_clock).await?;
        let network = Arc::new(Network::new(
            Arc::clone(&clock),
            parts.plan.spells.clone(),
            SimulatedSource::of(flow)?,
            target,
            seed.next_u64(),
        ));
        let watch = Arc::new(Watch::of(flow));
        let mut setup = Setup::new(
            parts.args.seed,
            vec![(parts.loaded.name.clone(), parts.loaded.text.clone())],
        );
        setup.settings.clone_from(&parts.loaded.settings);
        setup.secrets = load::secrets(flow);
        if let Some(workers) = parts.args.workers {
            setup.workers = Workers {
                real_time: workers,
                batch: workers,
            };
        }
        setup.interposer = Arc::<Watch>::clone(&watch);
        setup.store.clone_from(&store);
        let world = World::new(setup, Arc::clone(&clock), Arc::<Network>::clone(&network))?;
        let told = Self {
            parts,
            clock,
            watch,
            network,
            world: Arc::new(world),
            rows: Arc::new(rows),
            came: Arc::default(),
            store,
        };
        told.stand(&mut seed).await?;
        Ok(told)
    }

    /// Puts the records that both systems hold from the beginning.
    async fn stand(&self, seed: &mut Seed) -> anyhow::Result<()> {
        let runtime = &self.parts.loaded.runtime;
        let now = self.clock.now();
        let past_us = PAST_DAYS * 86_400 * 1_000 * MICROS;
        let end_us = micros(now);
        let count = u64::from(self.parts.args.records());
        for number in 0..self.parts.args.records() {
            let at_us = end_us - past_us + past_us * u64::from(number) / count;
            let made = self.rows.first(&runtime.flow, number, at_us, seed)?;
            let fields = made.fields().cloned().unwrap_or_default();
            let key = made.normal.key.clone();
            let id = self.network.target().put_standing(runtime, &key, &fields)?;
            let version = Version {
                source: made.normal.source_version.unwrap_or(SourceVersion(0)),
                revision: runtime.flow.revision(),
                read: 0,
            };
            let stage = Stage {
                version,
                content: made.normal.content.clone(),
                by: "simulation".to_owned(),
                tier: Tier::Batch,
                tier_reason: TierReason::FirstSeenInBatch,
                search: runtime.target.search_value(&key, &fields),
                link: id.clone(),
                look_first: false,
                due: None,
                review: None,
            };
            let item = applied_item(&stage, id, now)
                .context("a register that stands from the beginning")?;
            self.put(keys::register(runtime.flow.id(), &key), item)
                .await?;
            self.network.records().put(made, at_us);
        }
        Ok(())
    }

    async fn put(&self, key: ItemKey, item: Item) -> anyhow::Result<()> {
        match &self.store {
            None => self.world.table().put(key, item),
            Some(store) => {
                let write = Update::when(Condition::ALWAYS);
                let write = item
                    .into_iter()
                    .fold(write, |write, (name, value)| write.change(name, Set(value)));
                store.update(&key, &write).await?;
            }
        }
        Ok(())
    }

    async fn run(&self) -> anyhow::Result<Figures> {
        self.world.start();
        self.read_everything_once(self.parts.plan.begin).await?;
        self.clock.wait_until(self.parts.plan.begin).await;
        let before = self.world.meters();
        self.world.start_windows();
        self.world.run(traffic(
            self.traffic(Webhooks::OfEach),
            self.parts.plan.changes.clone(),
            self.parts.loaded.clone(),
        ));
        let mut series = Series::new(&self.parts.loaded.runtime.flow, self.parts.plan);
        let broken = self.watch_until_done(&mut series).await;
        let came = self.came.lock();
        let planned = self.parts.plan.changes.len();
        if came.made() != u64::try_from(planned).unwrap_or(u64::MAX) {
            bail!(
                "only {} of {planned} changes could be made up: a field has no other value that the flow takes; give a row with --sample FILE",
                came.made()
            );
        }
        let after = self.world.meters();
        let reports = self.world.reports();
        let at_target = u64::try_from(self.network.target().len()).unwrap_or(u64::MAX);
        let (equal, differing) = self.compared()?;
        let ended = Ended {
            watch: &self.watch,
            before: &before,
            after: &after,
            broken,
            came: &came,
            reports: &reports,
            at_target,
            equal,
            differing,
        };
        Ok(series.figures(self.parts, ended))
    }

    /// Records that source and target hold alike, and the others: they differ, are missing or stand
    /// twice. By what the two systems hold, so that neither registers nor counts are taken at their word.
    fn compared(&self) -> anyhow::Result<(u64, u64)> {
        let mut held: BTreeMap<ContentHash, usize> = BTreeMap::new();
        let bodies = self.network.target().bodies()?;
        let mut all = bodies.len();
        for body in bodies {
            *held.entry(Content::Record(body).hash()).or_default() += 1;
        }
        let records = self.network.records();
        all = all.max(records.len());
        let mut equal = 0;
        for made in records.iter() {
            let fields = made.fields().cloned().unwrap_or_default();
            let body = sent_body(&self.parts.loaded.runtime, &made.normal.key, &fields)?;
            let same = held.get_mut(&Content::Record(body).hash());
            if let Some(left) = same.filter(|left| **left > 0) {
                *left -= 1;
                equal += 1;
            }
        }
        let differing = u64::try_from(all.saturating_sub(equal)).unwrap_or(u64::MAX);
        Ok((u64::try_from(equal).unwrap_or(u64::MAX), differing))
    }

    /// The first run, as on the day on which a flow goes live. It finds everything in step.
    pub(super) async fn read_everything_once(&self, until: UnixMs) -> anyhow::Result<()> {
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
        while self.clock.now() < until {
            let reports = self.world.reports();
            if let Some(last) = reports.iter().find(|report| report.end == RunEnd::Complete) {
                let counts = last.counts;
                if counts.received != counts.unchanged {
                    bail!("the simulated systems are not in step at the beginning: {counts:?}");
                }
                return Ok(());
            }
            self.clock
                .wait_until(self.clock.now() + Duration::from_secs(1))
                .await;
        }
        bail!("the first run did not end before the first day; use fewer --records")
    }

    pub(super) fn traffic(&self, webhooks: Webhooks) -> Traffic {
        Traffic {
            clock: Arc::clone(&self.clock),
            watch: Arc::clone(&self.watch),
            network: Arc::clone(&self.network),
            world: Arc::clone(&self.world),
            rows: Arc::clone(&self.rows),
            came: Arc::clone(&self.came),
            webhooks,
        }
    }

    /// Looks every minute until everything is applied; gives the windows that broke.
    async fn watch_until_done(&self, series: &mut Series) -> Vec<BrokenWindow> {
        let plan = self.parts.plan;
        let schedule = self.parts.loaded.runtime.flow.schedule();
        let mut broken = Vec::new();
        let mut before: Option<UnixMs> = None;
        let mut next = plan.begin;
        loop {
            self.clock.wait_until(next).await;
            let now = self.clock.now();
            let is_window = schedule.latest_due(now).is_some_and(|due| due.at == next);
            if is_window {
                if let Some(window) = before {
                    let left = self.watch.open_before(window);
                    if left > 0 {
                        broken.push(BrokenWindow {
                            at_ms: window.0,
                            next_ms: next.0,
                            left: u64::try_from(left).unwrap_or(u64::MAX),
                            cut: false,
                        });
                    }
                }
                before = Some(next);
            }
            let look = self.watch.look(now);
            series.look(next, &look, &self.watch);
            let minutes = (next.0 - plan.begin.0) / MINUTE_MS;
            if minutes > 0 && minutes % TOLD_MINUTES == 0 {
                tell_progress(minutes / 1_440 + 1, minutes % 1_440 / 60);
            }
            let is_over = now >= plan.end && self.watch.open_before(now) == 0;
            if is_over || now >= plan.end + TAIL {
                return broken;
            }
            next = next + MINUTE;
        }
    }
}

/// A register as it stands after the record was applied: by the protocol's own writes.
fn applied_item(stage: &Stage, id: Option<String>, now: UnixMs) -> Option<Item> {
    let staged = register::stage(stage, now).evaluate(None)?;
    let token = ClaimToken::try_new("simulation").ok()?;
    let searchable = stage.search.is_some();
    let claimed = register::claim(&token, now, now, searchable).evaluate(Some(&staged))?;
    let register = Register::read(&claimed).ok()??;
    let done = Committed {
        hash: register.desired.hash.clone(),
        version: register.desired.version,
        target_id: id,
        etag: None,
        deleted: false,
        started: now,
    };
    register::commit(&token, &done, &register, now).evaluate(Some(&claimed))
}

/// Says how far it is, where somebody may wait: a simulation of weeks takes minutes.
fn tell_progress(day: i64, hour: i64) {
    let mut out = std::io::stderr().lock();
    if out.is_terminal() {
        drop(writeln!(out, "day {day}, {hour:02}:00 has passed"));
    }
}

/// A moment in microseconds.
fn micros(at: UnixMs) -> u64 {
    u64::try_from(at.0).unwrap_or(0) * MICROS
}
