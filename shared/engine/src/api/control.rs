//! Force sync, run now, pause and resume. Each is queued or stored, never done here.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_model::{Fetch, FlowId, RecordKey};
use tidegate_policy::{
    audit::AuditRequest,
    flow_state::{self, Pause, Scope},
    keys,
    load::LoadRequest,
    reconcile::ReconcileRequest,
    run::{Mode, RunRequest},
};

use crate::{Engine, EngineError, Event};

/// Force syncs of one record within this time are one.
const COALESCE: Duration = Duration::from_secs(10);

/// A request was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Accepted {
    /// An earlier request that has just been taken does it.
    pub coalesced: bool,
    /// What comes of it, and where that is seen.
    pub note: &'static str,
}

/// Said without asking anybody: whether the source has the record turns out later.
const SYNC_NOTE: &str = "the record is read from its source and applied: GET it to see what came of \
    it; an older version than before, with other content, goes to review once five minutes have passed since \
    the last change; of a key that the source does not have nothing is staged, and the log says \
    `not found at source`";

/// Said where the source gives no record by its key.
const RUN_NOTE: &str = "the source gives no record by its key, so a run reads what it lists, within the \
    source's limit: GET the record, or the flow, to see what came of it";

/// A pause.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PauseRequest {
    /// What; all when left out.
    #[serde(default = "all")]
    pub scope: Scope,
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
}

fn all() -> Scope {
    Scope::All
}

impl Engine {
    /// Has one record read and applied now, critical or not (R4). The mark that coalesces repeats
    /// is set after the message is durable.
    pub async fn force_sync(
        &self,
        flow: &FlowId,
        key: &RecordKey,
    ) -> Result<Accepted, EngineError> {
        let runtime = self.flow(flow)?;
        let now = self.now();
        let note = if runtime.flow.file().source.gives_one() {
            SYNC_NOTE
        } else {
            RUN_NOTE
        };
        let mark = keys::memory("sync", flow, key.as_str());
        if self.is_remembered(&mark, now).await? {
            let coalesced = true;
            return Ok(Accepted { coalesced, note });
        }
        self.ask_read(runtime, key.clone(), Fetch::Forced).await?;
        self.remember_until(&mark, now + COALESCE).await?;
        tracing::info!(flow = %flow, key = key.as_str(), request_id = self.request(), "force sync");
        let coalesced = false;
        Ok(Accepted { coalesced, note })
    }

    /// Asks for a run now.
    pub async fn run_now(&self, flow: &FlowId, mode: Option<Mode>) -> Result<(), EngineError> {
        self.flow(flow)?;
        tracing::info!(flow = %flow, request_id = self.request(), "run asked for");
        let request = RunRequest {
            mode,
            ..RunRequest::default()
        };
        self.emit_run(flow, request).await
    }

    /// Stops calls to target, source or both, beside what is stopped already. What is staged stays,
    /// webhooks are still taken.
    pub async fn pause(&self, flow: &FlowId, request: PauseRequest) -> Result<(), EngineError> {
        self.flow(flow)?;
        let pause = Pause {
            reason: request.reason,
            by: request.by,
            since: self.now(),
        };
        let write = flow_state::pause(request.scope, &pause);
        self.write(&keys::flow_state(flow), &write).await?;
        tracing::warn!(flow = %flow, scope = request.scope.as_str(), by = pause.by, reason = pause.reason, request_id = self.request(), "paused");
        Ok(())
    }

    /// Asks for a reconciliation now. `accept_absent`: a person has looked, and records that the
    /// source lacks are deleted however many they are.
    pub async fn reconcile_now(
        &self,
        flow: &FlowId,
        accept_absent: bool,
    ) -> Result<(), EngineError> {
        self.flow(flow)?;
        let request = ReconcileRequest {
            accept_absent,
            ..ReconcileRequest::default()
        };
        let flow = flow.clone();
        tracing::info!(flow = %flow, accept_absent, request_id = self.request(), "reconciliation asked for");
        let event = Event::ReconcileRequested {
            flow,
            request,
            request_id: self.request_id(),
        };
        self.ports.events.emit(&event).await?;
        Ok(())
    }

    /// Asks for an audit now.
    pub async fn audit_now(&self, flow: &FlowId) -> Result<(), EngineError> {
        self.flow(flow)?;
        tracing::info!(flow = %flow, request_id = self.request(), "audit asked for");
        self.ask_for_audit(flow, AuditRequest::default()).await?;
        Ok(())
    }

    /// Asks for a load into the warehouse now, and for a comparison with it.
    pub async fn load_now(&self, flow: &FlowId) -> Result<(), EngineError> {
        self.flow(flow)?;
        tracing::info!(flow = %flow, request_id = self.request(), "load asked for");
        self.ask_for_load(flow, LoadRequest { compare: true })
            .await?;
        Ok(())
    }

    /// Goes on. Everything that is dirty is queued again; an open blocker's cause is checked by the
    /// next call, which closes the blocker or puts it back. After a drift no call may tell: a run is asked
    /// for, which asks what the target accepts.
    pub async fn resume(&self, flow: &FlowId, by: &str) -> Result<(), EngineError> {
        self.flow(flow)?;
        let state = self.flow_state(flow).await?;
        self.write(
            &keys::flow_state(flow),
            &flow_state::resume(&state, self.now()),
        )
        .await?;
        tracing::warn!(flow = %flow, by, checks_blocker = state.blocker.is_some(), request_id = self.request(), "resumed");
        self.ports.events.emit(&self.sweep_request(flow)).await?;
        if state.is_asked_by_a_run() {
            self.run_now(flow, None).await?;
        }
        Ok(())
    }
}
