//! What a target accepts, asked at the beginning of a run and of a reconciliation (R20).
//!
//! One call a run, for a permit of the batch budget. Where what the flow writes no longer fits, the flow
//! stops before anything is sent: the blocker stands for the target's side, so that workers park what
//! is queued. What is harmless is told once. A target that can not be asked is believed to accept what
//! it last did: an outage never opens a blocker.

use std::time::Duration;

use tidegate_model::{FlowId, UnixMs};
use tidegate_policy::{
    contract::{self, Contract, Kept, Writes},
    flow_state::{self, Blocker, BlockerCause, FlowState, Side},
    keys,
};

use crate::{Engine, EngineError, FlowRuntime, ports::Written};

/// How long the call may wait for its permit: a lease holds four times as long.
const PERMIT_PATIENCE: Duration = Duration::from_secs(30);

impl Engine {
    /// What the target of a flow was last known to accept; none before it was first asked.
    pub async fn kept_contract(&self, flow: &FlowId) -> Result<Option<Kept>, EngineError> {
        self.flow(flow)?;
        let item = self.read(&keys::contract(flow)).await?;
        Ok(Kept::read(item.as_ref()))
    }

    /// Asks what the target accepts, where the flow says that it tells; once for a run that began at
    /// `started`. A flow that says nothing of it makes no call here.
    pub(crate) async fn check_contract(
        &self,
        runtime: &FlowRuntime,
        state: &FlowState,
        started: UnixMs,
    ) -> Result<(), EngineError> {
        let Some(writes) = runtime.flow.writes() else {
            return Ok(());
        };
        if !state.may_ask_contract() {
            return Ok(());
        }
        let flow = runtime.flow.id();
        let kept = self.kept_contract(flow).await?;
        let asked =
            |kept: &Kept| kept.fetched_at >= started && kept.revision == runtime.flow.revision();
        if kept.as_ref().is_some_and(asked) && !state.has_drifted() {
            return Ok(());
        }
        let began = self.now();
        let now = match self.fetch_contract(runtime, writes).await {
            Ok(contract) => contract,
            Err(reason) => {
                tracing::warn!(flow = %flow, run = self.run_id(), request_id = self.request(), reason, known = kept.is_some(), "the target did not tell what it accepts");
                return Ok(());
            }
        };
        let target = runtime.flow.target().name();
        if let Some(reason) = contract::drift(target, writes, &now, kept.as_ref()) {
            let blocker = Blocker {
                side: Side::Target,
                cause: BlockerCause::Drift,
                reason,
                since: self.now(),
            };
            self.block(runtime, &blocker, began).await;
            return Ok(());
        }
        self.keep_contract(runtime, &now, kept.as_ref()).await?;
        if state.has_drifted() {
            self.close_drift(flow).await?;
        }
        Ok(())
    }

    async fn fetch_contract(
        &self,
        runtime: &FlowRuntime,
        writes: &Writes,
    ) -> Result<Contract, String> {
        let mut session = self.listing_session(runtime, PERMIT_PATIENCE);
        let document = runtime.target.contract(&mut session).await;
        session.end().await;
        let document = document.map_err(|error| error.to_string())?;
        Contract::read(&document, writes).map_err(|error| error.to_string())
    }

    /// What the flow writes fits: this is what the target is known to accept from now on.
    async fn keep_contract(
        &self,
        runtime: &FlowRuntime,
        now: &Contract,
        kept: Option<&Kept>,
    ) -> Result<(), EngineError> {
        let flow = runtime.flow.id();
        let changed = kept.map_or_else(Vec::new, |kept| contract::changes(&kept.contract, now));
        if !changed.is_empty() {
            let changed = contract::told(&changed);
            tracing::info!(flow = %flow, run = self.run_id(), request_id = self.request(), changed, hash = now.hash(), "the target accepts something else now; what the flow writes fits");
        }
        let write = contract::keep(now, runtime.flow.revision(), self.now());
        self.write(&keys::contract(flow), &write).await?;
        Ok(())
    }

    /// What was parked meanwhile is queued again.
    async fn close_drift(&self, flow: &FlowId) -> Result<(), EngineError> {
        let write = flow_state::unblock_drift(self.now());
        if let Written::Done { .. } = self.write(&keys::flow_state(flow), &write).await? {
            tracing::info!(flow = %flow, side = Side::Target.as_str(), run = self.run_id(), request_id = self.request(), "blocker closed");
            self.tell(self.sweep_request(flow)).await;
        }
        Ok(())
    }
}
