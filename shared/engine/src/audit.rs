//! quality-audit: looks at the values of a flow's records (R10), after the run of a window or when a
//! person asks.
//!
//! It reads the registers shard by shard and calls no other system. Where values should be unique, all
//! are read twice: to learn which values several records have, then to judge each record by itself.
//! What it finds changes no record and keeps none from being sent.
//!
//! Invariants: every record that is looked at ends in one counted way (OUT-1); a repeated request of a
//! window is the same audit; memory is bounded, and what was left out for it is told; the account of a
//! complete one is stored before its window is marked as done. It stops before its deadline and goes on
//! from its checkpoint; one that dies begins again where the last one stopped, which repeats reads only.

mod ending;
mod memory;
mod report;
mod reviews;

use std::time::Duration;

use tidegate_model::{
    FlowId, RecordKey, UnixMs,
    item::{Item, ItemKey, Update},
};
use tidegate_policy::{
    audit::{self, Audit, AuditRequest, Checkpoint, Note, Phase, Progress, Tally},
    keys,
    reconcile::{self, Start},
    register::Register,
};

use crate::{
    Engine, EngineError, Event, FlowRuntime, RunEnd,
    lease::{Busy, HeldLease},
    ports::{Listing, PortError},
};
use memory::Memory;
use report::not_begun;

pub use report::{AuditReport, Compared};

/// Values that are compared with one another in one audit. A print takes about 25 bytes, so 50 MB with
/// those that several records have, a tenth of what the function has.
pub const MOST_VALUES: usize = 1_000_000;
/// Registers read in one call: at most 1 MB comes back anyway.
const PAGE: u32 = 500;
/// A page is begun only with so much time left: reading and judging it take less, with a write for each
/// record that is put to a person.
const PAGE_TIME: Duration = Duration::from_secs(25);
/// Findings of one audit that the log names; all are counted. A rule that nothing keeps would fill it.
const MOST_LOGGED: u64 = 10_000;

/// Why an audit does not go on.
enum Stop {
    /// It ends here for now.
    End(RunEnd),
    /// The store or the bus failed.
    Error(EngineError),
}

impl<E: Into<EngineError>> From<E> for Stop {
    fn from(error: E) -> Self {
        Self::Error(error.into())
    }
}

type Step<T> = Result<T, Stop>;

/// An audit at work.
struct Auditing<'a> {
    engine: &'a Engine,
    runtime: &'a FlowRuntime,
    audit: &'a Audit,
    lease: HeldLease,
    progress: Progress,
    memory: Memory,
    /// Where this invocation began.
    begun: Progress,
    deadline: UnixMs,
}

impl Engine {
    /// Asks for an audit, or for the rest of one, on the bus.
    pub(crate) async fn ask_for_audit(
        &self,
        flow: &FlowId,
        request: AuditRequest,
    ) -> Result<(), PortError> {
        let event = Event::AuditRequested {
            flow: flow.clone(),
            request,
            request_id: self.request_id(),
        };
        self.ports.events.emit(&event).await
    }

    /// Starts or continues an audit.
    pub async fn audit(
        &self,
        flow: &FlowId,
        request: &AuditRequest,
        deadline: UnixMs,
    ) -> Result<AuditReport, EngineError> {
        self.audit_within(flow, request, deadline, MOST_VALUES)
            .await
    }

    /// The same with another bound of the values in memory.
    pub async fn audit_within(
        &self,
        flow: &FlowId,
        request: &AuditRequest,
        deadline: UnixMs,
        most_values: usize,
    ) -> Result<AuditReport, EngineError> {
        let report = self
            .audit_part(flow, request, deadline, most_values)
            .await?;
        let (run, window) = (report.run.as_ref(), report.window);
        let request_id = self.request();
        report.end.log("audit", request_id, flow, run, window);
        Ok(report)
    }

    async fn audit_part(
        &self,
        flow: &FlowId,
        request: &AuditRequest,
        deadline: UnixMs,
        most_values: usize,
    ) -> Result<AuditReport, EngineError> {
        let runtime = self.flow(flow)?;
        let now = self.now();
        let Some(audit) = runtime.flow.audit() else {
            // A request may outlive the file that it was made for.
            let reason = "the flow file has no `[audit]`".to_owned();
            return Ok(not_begun(RunEnd::Stopped { reason }, request, now));
        };
        let lease_key = keys::audit_lease(flow);
        let seen = Checkpoint::read(self.read(&lease_key).await?.as_ref());
        let token = self.token();
        let progress = match audit::plan(&seen, request, audit.compares(), &token, now) {
            Start::AlreadyDone | Start::Over => {
                return Ok(not_begun(RunEnd::AlreadyDone, request, now));
            }
            Start::Busy { until } => return Ok(not_begun(RunEnd::Busy { until }, request, now)),
            Start::Go(progress) => *progress,
        };
        let lease = match self.take_lease(lease_key, token, &seen, &progress).await? {
            Ok(lease) => lease,
            Err(Busy(until)) => return Ok(not_begun(RunEnd::Busy { until }, request, now)),
        };
        tracing::info!(flow = %flow, run = %progress.run, request_id = self.request(), resumed = progress.shard > 0, revision = runtime.flow.revision(), flow_hash = runtime.flow.hash(), "audit begins");
        let engine = self.at_run(&progress.run);
        let auditing = Auditing {
            engine: &engine,
            runtime,
            audit,
            lease,
            begun: progress.clone(),
            progress,
            memory: Memory::within(most_values),
            deadline,
        };
        // Boxed: it is too large to be held by every caller.
        Box::pin(auditing.go()).await
    }
}

impl Auditing<'_> {
    async fn go(mut self) -> Result<AuditReport, EngineError> {
        let walked = match self.walk().await {
            Ok(()) => self.finish().await,
            Err(stop) => Err(stop),
        };
        let end = match walked {
            Ok(()) => RunEnd::Complete,
            Err(Stop::End(end)) => self.close(end).await?,
            Err(Stop::Error(error)) => return Err(self.broken(error).await),
        };
        self.tell(end).await
    }

    /// Reads what is left to be read.
    async fn walk(&mut self) -> Step<()> {
        self.load().await?;
        loop {
            while self.progress.shard < keys::REGISTER_SHARDS {
                self.page().await?;
            }
            if self.progress.phase == Phase::Judge {
                return Ok(());
            }
            self.memory.keep_shared();
            self.progress.begin_to_judge();
        }
    }

    async fn page(&mut self) -> Step<()> {
        self.may_go_on().await?;
        let flow = self.runtime.flow.id();
        let shard = keys::register_partition(flow, self.progress.shard);
        let (listing, after) = (Listing::Partition(shard), self.progress.after.as_deref());
        let page = self.engine.ports.store.list(&listing, after, PAGE).await?;
        for (key, item) in &page.items {
            match self.progress.phase {
                Phase::Gather => self.gather(item),
                Phase::Judge => self.judge(key, item).await?,
            }
        }
        self.engine.tell_noted().await;
        self.progress.after = page.next;
        if self.progress.after.is_none() {
            self.progress.shard += 1;
        }
        Ok(())
    }

    /// Remembers what a record should share with no other.
    fn gather(&mut self, item: &Item) {
        let Ok(Some(register)) = Register::read(item) else {
            return;
        };
        if let Some(fields) = register.effective().fields() {
            for print in self.audit.prints(fields) {
                self.progress.not_compared += u64::from(!self.memory.saw(print));
            }
        }
    }

    /// Judges one record, and counts how that ended (OUT-1).
    async fn judge(&mut self, at: &ItemKey, item: &Item) -> Step<()> {
        let read = (RecordKey::try_new(&*at.sort), Register::read(item));
        let (Ok(key), Ok(Some(register))) = read else {
            self.progress.counts.audited += 1;
            self.progress.counts.unreadable += 1;
            return Ok(());
        };
        self.progress.standing.count(&register);
        let content = register.effective();
        let Some(fields) = content.fields() else {
            return Ok(());
        };
        self.progress.counts.audited += 1;
        let audit = self.audit;
        let found = audit.judge(&key, fields, |print| self.memory.is_shared(print));
        if found.is_empty() {
            self.progress.counts.clean += 1;
        } else {
            self.progress.counts.with_findings += 1;
        }
        for finding in found {
            self.progress.counts.count(finding.kind);
            Tally::count(&mut self.progress.tallies, &finding);
            if self.progress.counts.found() <= MOST_LOGGED {
                tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), key = key.as_str(), kind = finding.kind.as_str(), name = finding.name, reason = finding.kind.why(), "found");
            }
            if finding.review {
                self.put_to_person(&key, &finding).await?;
            }
            let note = Note {
                key: key.as_str().to_owned(),
                kind: finding.kind,
                name: finding.name.to_owned(),
            };
            note.add(&mut self.progress.notes);
        }
        Ok(())
    }

    /// Looks whether it may go on. Renews the lease when half of it is over.
    async fn may_go_on(&mut self) -> Step<()> {
        let now = self.engine.now();
        if now + PAGE_TIME > self.deadline {
            return Err(Stop::End(self.continues()));
        }
        if self.lease.holder.wants_renewal(now) {
            self.advance(&reconcile::renew(&self.lease.holder, now))
                .await?;
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
}
