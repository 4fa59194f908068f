//! reconcile: a full comparison of source, registers and target (R33), independent of events and of
//! the watermark.
//!
//! One pass reads the index of fingerprints, lists the target, reads every page of the source and
//! looks for what the source did not list. What is in order costs no register read and no write.
//! What is wrong is staged, or made dirty again, and queued: `apply` alone writes to the target.
//!
//! Invariants: every key compared ends in one counted kind (OUT-1); the checkpoint and the index are
//! written after what they pass is staged and queued, under the fence (CP-1, CP-2); memory is
//! bounded, keys beyond the limit are compared in further passes; nothing is deleted on the word of
//! a listing alone. It stops before its deadline and goes on from its checkpoint.

mod absent;
mod ending;
mod listing;
mod memory;
mod reading;
mod report;
mod rows;

use std::time::Duration;

use tidegate_model::{FlowId, Message, RecordKey, Tier, UnixMs, flow::VersionSpec, item::Update};
use tidegate_policy::{
    fingerprint,
    flow_state::Side,
    keys,
    reconcile::{self, Arrival, Checkpoint, Kind, Note, Phase, Progress, ReconcileRequest, Start},
    run::{self, Lease},
    stage::Origin,
};

use crate::{
    Engine, EngineError, FlowRuntime, RunEnd,
    lease::{Busy, HeldLease},
    ports::{Outgoing, Written},
    staging::Reader,
    tick::Gauges,
    worker::chunks_of_messages,
};
use memory::Memory;
use report::not_begun;

pub use report::ReconcileReport;

/// Keys that one pass holds in memory. Index, target and source take about 200 bytes a key in all,
/// so 100 MB at most, a fifth of what the function has.
pub const MOST_KEYS: usize = 500_000;
/// Passes into which keys may be parted: one for each bucket of the index.
const MOST_PASSES: u32 = fingerprint::BUCKETS;
/// A page is begun only with so much time left: reading, staging and queueing it take less.
const PAGE_TIME: Duration = Duration::from_secs(25);

/// Why some flows are not compared.
const NOT_LISTED: &str = "its files are read once each, so there is no listing to compare with";

/// Why a pass does not go on.
enum Stop {
    /// The reconciliation ends here for now.
    End(RunEnd),
    /// It ends, and the next one begins anew.
    Abandon(RunEnd),
    /// More keys than memory may hold: the pass begins again over half of them.
    TooManyKeys,
    /// The store or a queue failed.
    Error(EngineError),
}

impl<E: Into<EngineError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

type Step<T> = Result<T, Stop>;

/// A reconciliation at work.
struct Comparing<'a> {
    engine: &'a Engine,
    runtime: &'a FlowRuntime,
    lease: HeldLease,
    progress: Progress,
    memory: Memory,
    /// Fence up to which the index is believed.
    indexed: i64,
    /// What tick last counted, before this invocation began.
    gauges: Gauges,
    /// Newest source time that windows have covered.
    watermark_us: Option<u64>,
    /// An initial run is complete: what stood at the target before is linked.
    linked: bool,
    /// Where this invocation began.
    begun: Progress,
    /// Number of this invocation's reads, where the source has versions of its own.
    read: u64,
    began: UnixMs,
    deadline: UnixMs,
    checking: bool,
    most_keys: usize,
    /// Keys to queue for what was just staged.
    queue: Vec<(RecordKey, Tier)>,
}

impl Engine {
    /// Starts or continues a reconciliation.
    pub async fn reconcile(
        &self,
        flow: &FlowId,
        request: &ReconcileRequest,
        deadline: UnixMs,
    ) -> Result<ReconcileReport, EngineError> {
        self.reconcile_within(flow, request, deadline, MOST_KEYS)
            .await
    }

    /// The same with another bound of the keys in memory.
    pub async fn reconcile_within(
        &self,
        flow: &FlowId,
        request: &ReconcileRequest,
        deadline: UnixMs,
        most_keys: usize,
    ) -> Result<ReconcileReport, EngineError> {
        // Boxed: it is too large to be held by every caller.
        let part = Box::pin(self.reconcile_part(flow, request, deadline, most_keys));
        let report = part.await?;
        let (run, window) = (report.run.as_ref(), report.window);
        let request_id = self.request();
        report
            .end
            .log("reconciliation", request_id, flow, run, window);
        Ok(report)
    }

    async fn reconcile_part(
        &self,
        flow: &FlowId,
        request: &ReconcileRequest,
        deadline: UnixMs,
        most_keys: usize,
    ) -> Result<ReconcileReport, EngineError> {
        let runtime = self.flow(flow)?;
        let now = self.now();
        if !runtime.flow.file().source.lists_all() {
            let reason = NOT_LISTED.to_owned();
            return Ok(not_begun(RunEnd::Stopped { reason }, request, now));
        }
        let state = self.flow_state(flow).await?;
        if let Some(reason) = state.stops(Side::Source) {
            return Ok(not_begun(RunEnd::Stopped { reason }, request, now));
        }
        let lease_key = keys::reconcile_lease(flow);
        let seen = Checkpoint::read(self.read(&lease_key).await?.as_ref());
        let token = self.token();
        let progress = match reconcile::plan(&seen, request, &token, now) {
            Start::AlreadyDone | Start::Over => {
                return Ok(not_begun(RunEnd::AlreadyDone, request, now));
            }
            Start::Busy { until } => return Ok(not_begun(RunEnd::Busy { until }, request, now)),
            Start::Go(progress) => *progress,
        };
        let gauges = self.gauges(flow).await?;
        let progress = parted(progress, gauges.records, most_keys);
        let lease = match self.take_lease(lease_key, token, &seen, &progress).await? {
            Ok(lease) => lease,
            Err(Busy(until)) => return Ok(not_begun(RunEnd::Busy { until }, request, now)),
        };
        let runs = Lease::read(self.read(&keys::lease(flow)).await?.as_ref());
        tracing::info!(flow = %flow, run = %progress.run, request_id = self.request(), resumed = progress.pages > 0, revision = runtime.flow.revision(), flow_hash = runtime.flow.hash(), "reconciliation begins");
        // Boxed: it is too large to be held by every caller.
        let engine = self.at_run(&progress.run);
        Box::pin(engine.check_contract(runtime, &state, progress.started)).await?;
        let mut comparing = Comparing {
            engine: &engine,
            runtime,
            lease,
            begun: progress.clone(),
            progress,
            memory: Memory::default(),
            indexed: seen.indexed,
            gauges,
            watermark_us: runs.watermark_us,
            linked: runs.covered.is_some(),
            read: 0,
            began: now,
            deadline,
            checking: state.checking,
            most_keys,
            queue: Vec::new(),
        };
        comparing.number_reads().await?;
        // So is this.
        Box::pin(comparing.go()).await
    }
}

impl Comparing<'_> {
    async fn go(mut self) -> Result<ReconcileReport, EngineError> {
        let end = loop {
            match self.pass().await {
                Ok(true) => break RunEnd::Complete,
                Ok(false) => {}
                Err(Stop::TooManyKeys) if self.progress.passes < MOST_PASSES => self.part(),
                Err(Stop::TooManyKeys) => {
                    let reason = "there are more keys than passes can hold".to_owned();
                    break self.close(RunEnd::Interrupted { reason }).await?;
                }
                Err(Stop::End(end)) => break self.close(end).await?,
                Err(Stop::Abandon(end)) => break self.abandon(end).await?,
                Err(Stop::Error(error)) => return Err(self.broken(error).await),
            }
        };
        self.tell(end).await
    }

    /// One pass; whether it was the last.
    async fn pass(&mut self) -> Step<bool> {
        self.load().await?;
        self.list_target().await?;
        if self.progress.phase == Phase::Rows {
            self.rows().await?;
        }
        self.absent().await?;
        self.at_target_only().await?;
        let (pass, passes) = (self.progress.pass + 1, self.progress.passes);
        let done = pass >= passes;
        let write = if done {
            // Before the checkpoint forgets it, and while the lease is surely held: a crash in between
            // loses no account (OUT-1).
            let now = self.engine.now();
            self.advance(&reconcile::renew(&self.lease.holder, now))
                .await?;
            let report = self.report(RunEnd::Complete);
            self.keep(&report).await?;
            reconcile::finish(&self.lease.holder, &self.progress)
        } else {
            self.progress.begin_pass(pass, passes);
            reconcile::advance(&self.lease.holder, &self.progress, self.engine.now())
        };
        self.advance(&write).await?;
        self.write_index().await?;
        Ok(done)
    }

    /// Begins the pass again over half of its keys.
    fn part(&mut self) {
        tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), passes = self.progress.passes * 2, "more keys than one pass holds");
        let (pass, passes) = (self.progress.pass * 2, self.progress.passes * 2);
        self.progress.begin_again(pass, passes);
    }

    /// Keeps where it stands, once in half a lease: what a crash undoes is found healed by then, and
    /// shows as pending. Only between two pages, when all that is counted is queued.
    async fn keep_place(&mut self) -> Step<()> {
        let now = self.engine.now();
        if self.lease.holder.wants_renewal(now) {
            self.keep_seen().await?;
            // Once: it is whole while rows are read. A part that another kept may be less.
            let kept = self.progress.listed.as_ref().and_then(|listed| listed.kept);
            if kept.is_none_or(|(fence, _)| fence != self.lease.holder.fence) {
                self.keep_listed().await?;
            }
            self.advance(&reconcile::keep(&self.lease.holder, &self.progress, now))
                .await?;
            self.look_whether_stopped().await?;
        }
        Ok(())
    }

    /// Writes under the fence.
    async fn advance(&mut self, write: &Update) -> Step<()> {
        if self.lease.advance(self.engine, write).await? {
            Ok(())
        } else {
            Err(Stop::End(RunEnd::LeaseLost))
        }
    }

    /// Looks whether it may go on. Renews the lease when half of it is over, and only then reads
    /// whether a person stopped the flow: a read for each page would cost more than its records.
    async fn may_go_on(&mut self) -> Step<()> {
        let now = self.engine.now();
        if now + PAGE_TIME > self.deadline {
            return Err(Stop::End(self.continues()));
        }
        if self.lease.holder.wants_renewal(now) {
            self.advance(&reconcile::renew(&self.lease.holder, now))
                .await?;
            self.look_whether_stopped().await?;
        }
        Ok(())
    }

    async fn look_whether_stopped(&mut self) -> Step<()> {
        let state = self.engine.flow_state(self.runtime.flow.id()).await?;
        match state.stops(Side::Source) {
            Some(reason) => Err(Stop::End(RunEnd::Stopped { reason })),
            None => Ok(()),
        }
    }

    /// Takes the number of this invocation's reads. Where only the flow's lease orders reads, each
    /// page takes its own.
    async fn number_reads(&mut self) -> Result<(), EngineError> {
        if self.ordered_by_lease() {
            return Ok(());
        }
        let key = keys::lease(self.runtime.flow.id());
        if let Written::Done { after, .. } =
            self.engine.write(&key, &run::take_read_number()).await?
        {
            self.read = u64::try_from(Lease::read(Some(&after)).reads).unwrap_or(0);
        }
        Ok(())
    }

    fn ordered_by_lease(&self) -> bool {
        matches!(self.runtime.flow.file().record.version, VersionSpec::Read)
    }

    fn reader(&self, read: u64) -> Reader {
        Reader {
            origin: Origin::Batch,
            by: format!("{}-{read}", self.lease.holder.token),
            read,
        }
    }

    fn arrival(&self, modified_us: Option<u64>) -> Arrival {
        Arrival {
            has_webhook: self.runtime.flow.file().webhook.is_some(),
            modified_us,
            watermark_us: self.watermark_us,
        }
    }

    /// Counts how the comparison of a key ended, and names it where something was wrong.
    fn judged(&mut self, key: &str, kind: Kind) {
        self.progress.findings.count(kind);
        if kind.is_finding() {
            tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), key, kind = kind.as_str(), reason = kind.why(), "found");
            let key = key.to_owned();
            let kept = self.progress.notes_before_pass;
            Note { key, kind }.add(&mut self.progress.notes, kept);
        }
    }

    /// Queues what was staged: before it is counted as done, and before any checkpoint (CP-1).
    async fn send_queued(&mut self) -> Step<()> {
        let mut messages: Vec<Outgoing> = Vec::new();
        for tier in [Tier::RealTime, Tier::Batch] {
            let keys: Vec<RecordKey> = self
                .queue
                .iter()
                .filter(|(_, of)| *of == tier)
                .map(|(key, _)| key.clone())
                .collect();
            messages.extend(chunks_of_messages(
                self.runtime,
                &keys,
                tier,
                self.engine.now(),
            ));
        }
        let sent: usize = messages.iter().map(|sent| count_of(&sent.message)).sum();
        if !messages.is_empty() {
            self.engine.send(messages).await?;
        }
        self.engine.tell_noted().await;
        self.queue.clear();
        self.progress.queued += u64::try_from(sent).unwrap_or(u64::MAX);
        Ok(())
    }
}

/// One that begins is parted at once into passes that will fit: a pass that is begun again has been
/// read in vain.
fn parted(mut progress: Progress, records: u64, most_keys: usize) -> Progress {
    if progress.pages == 0 && progress.passes == 1 && progress.seen.is_none() {
        progress.passes = reconcile::passes_for(records, most_keys, MOST_PASSES);
    }
    progress
}

fn count_of(message: &Message) -> usize {
    message.keys.len()
}
