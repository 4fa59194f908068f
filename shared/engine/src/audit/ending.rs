//! How an audit, or a part of one, ends: what is kept, who is told, and what asks for the rest.

use tidegate_model::{item::Update, metric};
use tidegate_policy::{
    audit::{AuditRequest, FindingKind, Progress},
    keys, reconcile,
};

use super::{AuditReport, Auditing, Compared, Step, Stop};
use crate::{EngineError, Event, RunEnd, measure::exact};

impl Auditing<'_> {
    /// It asks for the rest at once only after some progress, or it would spin; tick asks within
    /// minutes.
    pub(super) fn continues(&self) -> RunEnd {
        let place = |progress: &Progress| (progress.phase, progress.shard, progress.after.clone());
        if place(&self.progress) == place(&self.begun) {
            let reason = "there was no time for any of it".to_owned();
            return RunEnd::Interrupted { reason };
        }
        RunEnd::Continues
    }

    /// It is complete. Its account is stored before the checkpoint forgets it, and while the lease is
    /// surely held: a crash in between loses none (OUT-1).
    pub(super) async fn finish(&mut self) -> Step<()> {
        let now = self.engine.now();
        self.advance(&reconcile::renew(&self.lease.holder, now))
            .await?;
        self.close_reviews().await?;
        let report = self.report(RunEnd::Complete).await?;
        self.keep(&report).await?;
        let write = match self.progress.window {
            Some(window) => reconcile::end(&self.lease.holder, window),
            // One that a person asked for may not have seen what the window's run brings.
            None => reconcile::give_up(&self.lease.holder),
        };
        self.advance(&write).await
    }

    /// Keeps what was seen, then the checkpoint, and gives the lease up.
    pub(super) async fn close(&mut self, end: RunEnd) -> Result<RunEnd, EngineError> {
        if end == RunEnd::LeaseLost {
            return Ok(end);
        }
        match self.give_up_lease().await {
            Ok(()) => Ok(end),
            Err(Stop::Error(error)) => Err(error),
            Err(Stop::End(end)) => Ok(end),
        }
    }

    async fn give_up_lease(&mut self) -> Step<()> {
        self.keep_seen().await?;
        let write: Update = reconcile::yield_lease(&self.lease.holder, &self.progress);
        self.advance(&write).await
    }

    /// Gives the lease up, as far as the store allows. The checkpoint stays.
    pub(super) async fn broken(&mut self, error: EngineError) -> EngineError {
        if let Err(Stop::Error(also)) = self.advance(&reconcile::let_go(&self.lease.holder)).await {
            tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), error = %crate::chain(&also), "the lease was not given up");
        }
        error
    }

    async fn report(&self, end: RunEnd) -> Result<AuditReport, EngineError> {
        let progress = &self.progress;
        let compared = self.engine.latest_reconcile(self.runtime.flow.id()).await?;
        Ok(AuditReport {
            run: Some(progress.run.clone()),
            window: progress.window,
            started: progress.started,
            ended_at: self.engine.now(),
            end,
            counts: progress.counts,
            tallies: progress.tallies.clone(),
            notes: progress.notes.clone(),
            standing: progress.standing,
            compared: compared.map(Compared::from),
            not_compared: progress.not_compared,
            reviews: progress.reviews,
            not_reviewed: progress.not_reviewed,
        })
    }

    /// Stores an account.
    async fn keep(&self, report: &AuditReport) -> Result<(), EngineError> {
        debug_assert!(report.counts.add_up(), "OUT-1: {report:?}");
        let flow = self.runtime.flow.id();
        let own = keys::audit_report(flow, report.started);
        let latest = keys::latest_audit(flow);
        let fence = self.lease.holder.fence;
        self.engine
            .keep_account(&own, &latest, report.ended_at, fence, report)
            .await?;
        Ok(())
    }

    /// Tells of the end; the account of a complete one is stored already. A part stores none: the
    /// newest account is that of an audit that has seen everything. Whoever goes on with one that was
    /// lost tells of it.
    pub(super) async fn tell(self, end: RunEnd) -> Result<AuditReport, EngineError> {
        let report = self.report(end).await?;
        if report.end == RunEnd::LeaseLost {
            return Ok(report);
        }
        let (progress, flow) = (&self.progress, self.runtime.flow.id());
        let counts = report.counts;
        tracing::info!(
            flow = %flow,
            run = %progress.run,
            request_id = self.engine.request(),
            end = report.end.as_str(),
            reason = report.end.reason(),
            audited = counts.audited,
            clean = counts.clean,
            with_findings = counts.with_findings,
            unreadable = counts.unreadable,
            missing = counts.missing,
            broken = counts.broken,
            failed = counts.failed,
            shared = counts.shared,
            not_compared = report.not_compared,
            reviews = report.reviews,
            not_reviewed = report.not_reviewed,
            adds_up = counts.add_up(),
            took_s = report.ended_at.since(report.started).as_secs(),
            "audit ends"
        );
        let complete = report.end == RunEnd::Complete;
        if complete {
            let name = flow.as_str();
            let audited = exact(counts.audited);
            self.engine.measure(&metric::AUDITED, &[name], audited);
            for kind in FindingKind::ALL {
                let found = exact(counts.of(kind));
                let of_kind = [name, kind.as_str()];
                self.engine
                    .measure(&metric::AUDIT_FINDINGS, &of_kind, found);
            }
        }
        self.engine.tell_noted().await;
        self.engine
            .tell(Event::AuditFinished {
                flow: flow.clone(),
                run: progress.run.to_string(),
                complete,
                counts,
            })
            .await;
        if report.end == RunEnd::Continues {
            let request = AuditRequest {
                window: progress.window,
                resume: Some(progress.run.clone()),
            };
            self.engine.ask_for_audit(flow, request).await?;
        }
        Ok(report)
    }
}
