//! batch-sync: a run of a flow, asked for by a schedule or on the bus.
//!
//! What did not complete is said, never hidden (OUT-1): the answer is the run's account and the log
//! warns. Only what a repeat by Lambda can mend is an error: the event or the store. An interrupted
//! run is none, since the tick asks for its rest.

use std::time::Duration;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tidegate_engine::{Engine, EngineError, RunReport};
use tidegate_lambda::{
    asked, deadline,
    event::{EventError, run_request},
};

/// The function's time-out in infra/template.yaml, for hosts that tell no true deadline.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Why a run could not even be tried to its end.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// The event asks for no run.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The flow is unknown, or the store failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Starts or continues the run that the event asks for.
pub async fn handle(engine: &Engine, event: LambdaEvent<Value>) -> Result<RunReport, BatchError> {
    let (flow, request) = run_request(&event.payload)?;
    let deadline = deadline(&event.context, engine.now(), TIMEOUT);
    let engine = asked(engine, &event);
    Ok(engine.run(&flow, &request, deadline).await?)
}
