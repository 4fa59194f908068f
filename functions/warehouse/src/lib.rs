//! warehouse: loads what a flow has applied into its warehouse (R22), and compares the two. tick asks for
//! it, or a person.
//!
//! What did not complete is said, never hidden (OUT-1): the answer is the account and the log warns.
//! Only what a repeat by Lambda can mend is an error: the event or the store.

use std::time::Duration;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tidegate_engine::{Engine, EngineError, LoadReport, ports::Warehouse};
use tidegate_lambda::{
    asked, deadline,
    event::{EventError, load_request},
};

/// The function's time-out in infra/template.yaml, for hosts that tell no true deadline.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Why a load could not even be tried to its end.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The event asks for none.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The flow is unknown, or store or bus failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Does the load that the event asks for.
pub async fn handle(
    engine: &Engine,
    warehouse: &dyn Warehouse,
    event: LambdaEvent<Value>,
) -> Result<LoadReport, LoadError> {
    let (flow, request) = load_request(&event.payload)?;
    let deadline = deadline(&event.context, engine.now(), TIMEOUT);
    let engine = asked(engine, &event);
    Ok(engine.load(warehouse, &flow, request, deadline).await?)
}
