//! How a comparison, or a part of one, ends: what is kept, who is told, and what asks for the rest.
//!
//! Everything found is queued before the checkpoint is written, and the account of a complete one is
//! stored before its window is marked as done (CP-1, OUT-1).

use tidegate_model::item::Update;
use tidegate_policy::{
    keys,
    reconcile::{self, Progress, ReconcileRequest},
};

use super::{Comparing, ReconcileReport, Stop};
use crate::{EngineError, Event, RunEnd};

impl Comparing<'_> {
    /// It asks for the rest at once only after some progress, or it would spin; tick asks within
    /// minutes.
    pub(super) fn continues(&self) -> RunEnd {
        let moved = |progress: &Progress| {
            let mut progress = progress.clone();
            // A listing that only began is none.
            progress.listed = progress
                .listed
                .filter(|listed| listed.cursor.is_some() || listed.whole);
            progress
        };
        if moved(&self.progress) == moved(&self.begun) {
            let reason = "there was no time for any of it".to_owned();
            return RunEnd::Interrupted { reason };
        }
        RunEnd::Continues
    }

    /// Keeps what was seen, then the checkpoint, and gives the lease up.
    pub(super) async fn close(&mut self, end: RunEnd) -> Result<RunEnd, EngineError> {
        match self.send_queued().await {
            Err(Stop::Error(error)) => return Err(error),
            _ if end == RunEnd::LeaseLost => return Ok(end),
            _ => {}
        }
        self.keep_seen().await?;
        self.keep_listed().await?;
        let write = reconcile::yield_lease(&self.lease.holder, &self.progress);
        self.given_up(end, &write).await
    }

    /// Gives the lease up, as far as the store allows. The checkpoint stays: what was counted since
    /// may not be queued.
    pub(super) async fn broken(&mut self, error: EngineError) -> EngineError {
        if let Err(Stop::Error(also)) = self.advance(&reconcile::let_go(&self.lease.holder)).await {
            tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), error = %crate::chain(&also), "the lease was not given up");
        }
        error
    }

    pub(super) async fn abandon(&mut self, end: RunEnd) -> Result<RunEnd, EngineError> {
        let write = reconcile::give_up(&self.lease.holder);
        self.given_up(end, &write).await
    }

    async fn given_up(&mut self, end: RunEnd, write: &Update) -> Result<RunEnd, EngineError> {
        match self.advance(write).await {
            Ok(()) => Ok(end),
            Err(Stop::Error(error)) => Err(error),
            Err(_) => Ok(RunEnd::LeaseLost),
        }
    }

    pub(super) fn report(&self, end: RunEnd) -> ReconcileReport {
        let progress = &self.progress;
        ReconcileReport {
            run: Some(progress.run.clone()),
            window: progress.window,
            started: progress.started,
            ended_at: self.engine.now(),
            end,
            pages: progress.pages,
            rows: progress.rows,
            findings: progress.findings,
            notes: progress.notes.clone(),
            queued: progress.queued,
            not_compared: progress.not_compared.clone(),
        }
    }

    /// Stores an account.
    pub(super) async fn keep(&self, report: &ReconcileReport) -> Result<(), EngineError> {
        debug_assert!(report.findings.add_up(), "OUT-1: {report:?}");
        let flow = self.runtime.flow.id();
        let own = keys::reconcile_report(flow, report.started);
        let latest = keys::latest_reconcile(flow);
        let fence = self.lease.holder.fence;
        self.engine
            .keep_account(&own, &latest, report.ended_at, fence, report)
            .await?;
        Ok(())
    }

    /// Tells of the end; that of a complete one is stored already. Whoever goes on with one that was
    /// lost keeps its account and tells of it.
    pub(super) async fn tell(self, end: RunEnd) -> Result<ReconcileReport, EngineError> {
        let report = self.report(end);
        match report.end {
            RunEnd::LeaseLost => return Ok(report),
            RunEnd::Complete => {}
            _ => self.keep(&report).await?,
        }
        let (progress, flow) = (self.progress, self.runtime.flow.id());
        tracing::info!(
            flow = %flow,
            run = %progress.run,
            request_id = self.engine.request(),
            end = report.end.as_str(),
            reason = report.end.reason(),
            compared = report.findings.compared,
            equal = report.findings.equal,
            webhook_missed = report.findings.webhook_missed,
            window_missed = report.findings.window_missed,
            not_yet_due = report.findings.not_yet_due,
            remapped = report.findings.remapped,
            put_back_at_source = report.findings.put_back_at_source,
            edited_at_target = report.findings.edited_at_target,
            missing_at_target = report.findings.missing_at_target,
            doubled_at_target = report.findings.doubled_at_target,
            back_at_target = report.findings.back_at_target,
            stranded = report.findings.stranded,
            deleted_at_source = report.findings.deleted_at_source,
            unanswered = report.findings.unanswered,
            unknown_at_source = report.findings.unknown_at_source,
            rejected = report.findings.rejected,
            in_review = report.findings.in_review,
            discarded = report.findings.discarded,
            pending = report.findings.pending,
            queued = report.queued,
            not_compared = report.not_compared,
            adds_up = report.findings.add_up(),
            took_s = report.ended_at.since(report.started).as_secs(),
            "reconciliation ends"
        );
        self.engine.tell_noted().await;
        self.engine
            .tell(Event::ReconcileFinished {
                flow: flow.clone(),
                run: progress.run.to_string(),
                complete: report.end == RunEnd::Complete,
                findings: report.findings,
            })
            .await;
        if report.end == RunEnd::Continues {
            let request = ReconcileRequest {
                window: progress.window,
                resume: Some(progress.run),
                accept_absent: false,
            };
            let event = Event::ReconcileRequested {
                flow: flow.clone(),
                request,
                request_id: self.engine.request_id(),
            };
            self.engine.ports.events.emit(&event).await?;
        }
        Ok(report)
    }
}
