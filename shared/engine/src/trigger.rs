//! Events of other systems that start a batch.

use tidegate_model::{EventId, FlowId};
use tidegate_policy::{
    keys,
    run::{self, Lease, RunRequest, Trigger},
    trigger::{self, ForeignEvent},
};

use crate::{
    Engine, EngineError, Event,
    ports::{PortError, StoreError, Written},
};

/// Writes that are tried where runs begin meanwhile: one begins and lasts for seconds.
const LET_WAIT_TRIES: u32 = 5;

impl Engine {
    /// Takes an event that did not come by a rule of the bus: asks for a run of each flow that has a
    /// trigger for it, and says which those are. A repeat of the same id is the same runs.
    pub async fn take_event(&self, event: &ForeignEvent) -> Result<Vec<FlowId>, EngineError> {
        let mut asked = Vec::new();
        for runtime in self.flows() {
            let triggers = &runtime.flow.file().trigger;
            if !triggers.iter().any(|spec| trigger::matches(spec, event)) {
                continue;
            }
            let flow = runtime.flow.id().clone();
            let request = RunRequest {
                trigger: Some(Trigger {
                    id: event.id.clone(),
                    at: event.at,
                }),
                ..RunRequest::default()
            };
            tracing::info!(flow = %flow, event = %event.id, source = event.source, request_id = self.request(), "an event asks for a run");
            self.emit_run(&flow, request).await?;
            asked.push(flow);
        }
        Ok(asked)
    }

    /// Asks for a run, as an event of our own: where one is under way it waits, and one that waits
    /// covers all that came before it begins. So however often it is asked for, one runs and one waits.
    pub(crate) async fn ask_run(&self, flow: &FlowId) -> Result<(), EngineError> {
        self.ask_run_for(flow, &self.token().to_string()).await
    }

    /// The same for what has a name of its own: a repeat of it is the same run.
    pub async fn ask_run_for(&self, flow: &FlowId, name: &str) -> Result<(), EngineError> {
        let unnamed = |error| PortError::new(format!("name a run of {flow}"), error);
        let id = EventId::try_new(name).map_err(unnamed)?;
        let trigger = Some(Trigger { id, at: self.now() });
        let request = RunRequest {
            trigger,
            ..RunRequest::default()
        };
        tracing::info!(flow = %flow, request_id = self.request(), "run asked for");
        self.emit_run(flow, request).await
    }

    /// Asks for a run on the bus.
    pub(crate) async fn emit_run(
        &self,
        flow: &FlowId,
        request: RunRequest,
    ) -> Result<(), EngineError> {
        let run = Event::RunRequested {
            flow: flow.clone(),
            request,
            request_id: self.request_id(),
        };
        Ok(self.ports.events.emit(&run).await?)
    }

    /// An event that asks for a run which can not begin now waits in the lease, and tick asks again.
    pub(crate) async fn let_wait(
        &self,
        flow: &FlowId,
        request: &RunRequest,
    ) -> Result<(), EngineError> {
        let Some(trigger) = &request.trigger else {
            return Ok(());
        };
        let key = keys::lease(flow);
        let mut lease = self.read(&key).await?;
        for _ in 0..LET_WAIT_TRIES {
            let seen = Lease::read(lease.as_ref()).triggers;
            if seen.has_begun(&trigger.id) {
                return Ok(());
            }
            match self.write(&key, &run::let_wait(&seen, trigger)).await? {
                Written::Done { .. } => {
                    tracing::info!(flow = %flow, event = %trigger.id, request_id = self.request(), "the event waits for a run");
                    return Ok(());
                }
                Written::Refused { current } => lease = current,
            }
        }
        Err(EngineError::Store(StoreError {
            operation: format!("let event {} of {flow} wait", trigger.id),
            source: "runs kept beginning".into(),
        }))
    }
}
