//! How a load ends: what is kept, who is told, and what asks for the rest.

use tidegate_model::metric;
use tidegate_policy::{
    flow_state::{Blocker, BlockerCause, Side},
    keys,
    load::LoadRequest,
    reconcile,
};

use super::{LoadReport, Loading};
use crate::{Engine, EngineError, Event, RunEnd, measure::exact, ports::PortError};

impl Engine {
    /// Asks for a load on the bus.
    pub(crate) async fn ask_for_load(
        &self,
        flow: &tidegate_model::FlowId,
        request: LoadRequest,
    ) -> Result<(), PortError> {
        let event = Event::LoadRequested {
            flow: flow.clone(),
            request,
            request_id: self.request_id(),
        };
        self.ports.events.emit(&event).await
    }
}

impl Loading<'_> {
    /// It asks for the rest at once only after some progress, or it would spin; tick asks within minutes.
    pub(super) fn continues(&self) -> RunEnd {
        let compared = self.progress.comparing != self.begun.comparing;
        if self.files == 0 && !self.merged && !compared {
            let reason = "there was no time for any of it".to_owned();
            return RunEnd::Interrupted { reason };
        }
        RunEnd::Continues
    }

    /// A person has to mend the warehouse.
    pub(super) async fn block(&self, reason: String) -> RunEnd {
        let blocker = Blocker {
            side: Side::Warehouse,
            cause: BlockerCause::Refusal,
            reason: reason.clone(),
            since: self.engine.now(),
        };
        self.engine.block(self.runtime, &blocker, self.began).await;
        RunEnd::Stopped { reason }
    }

    /// Gives the lease up, as far as the store allows. The checkpoint stays.
    pub(super) async fn broken(&mut self, error: EngineError) -> EngineError {
        let write = reconcile::let_go(&self.lease.holder);
        if let Err(also) = self.lease.advance(self.engine, &write).await {
            tracing::warn!(flow = %self.runtime.flow.id(), request_id = self.engine.request(), error = %crate::chain(&also), "the lease was not given up");
        }
        error
    }

    /// Stores the account, gives the lease up, and tells.
    pub(super) async fn close(mut self, end: RunEnd) -> Result<LoadReport, EngineError> {
        let report = LoadReport {
            started: self.began,
            ended_at: self.engine.now(),
            end,
            counts: self.counts,
            files: self.files,
            bytes: self.bytes,
            merged: self.merged,
        };
        debug_assert!(
            report.end != RunEnd::Complete || report.counts.add_up(),
            "OUT-1: {report:?}"
        );
        if report.end == RunEnd::LeaseLost {
            return Ok(report);
        }
        let flow = self.runtime.flow.id();
        let (own, latest) = (
            keys::load_report(flow, report.started),
            keys::latest_load(flow),
        );
        let fence = self.lease.holder.fence;
        self.engine
            .keep_account(&own, &latest, report.ended_at, fence, &report)
            .await?;
        let write = reconcile::yield_lease(&self.lease.holder, &self.progress);
        self.lease.advance(self.engine, &write).await?;
        self.tell(&report).await?;
        Ok(report)
    }

    async fn tell(&self, report: &LoadReport) -> Result<(), EngineError> {
        let (flow, counts) = (self.runtime.flow.id(), report.counts);
        tracing::info!(
            flow = %flow,
            request_id = self.engine.request(),
            end = report.end.as_str(),
            reason = report.end.reason(),
            records = counts.records,
            loaded = counts.loaded,
            unchanged = counts.unchanged,
            held_back = counts.held_back,
            overtaken = counts.overtaken,
            unreadable = counts.unreadable,
            adds_up = counts.add_up(),
            files = report.files,
            bytes = report.bytes,
            merged = report.merged,
            took_s = report.ended_at.since(report.started).as_secs(),
            "load ends"
        );
        let name = flow.as_str();
        self.engine
            .measure(&metric::LOADED, &[name], exact(counts.loaded));
        if let Some(comparison) = &self.comparison {
            let found = exact(comparison.wrong());
            self.engine.measure(&metric::LOAD_FINDINGS, &[name], found);
        }
        self.engine.emit_measured();
        if report.end == RunEnd::Continues {
            self.engine
                .ask_for_load(flow, LoadRequest::default())
                .await?;
        }
        Ok(())
    }
}
