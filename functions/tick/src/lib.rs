//! tick: the heartbeat of every flow, and the sweep of one that was asked for on the bus.

use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use tidegate_engine::{Engine, EngineError};
use tidegate_lambda::{
    asked,
    event::{EventError, sweep_request},
};

/// Why a tick did not do all of its work. The next one does it.
#[derive(Debug, thiserror::Error)]
pub enum TickError {
    /// The event asks for a sweep of no flow.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The store, a queue or the bus failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Looks at every flow, or at the one that the event names.
pub async fn handle(engine: &Engine, event: LambdaEvent<Value>) -> Result<Value, TickError> {
    let engine = asked(engine, &event);
    let only = sweep_request(&event.payload)?;
    if let Some(flow) = &only {
        engine.flow(flow).map_err(EngineError::from)?;
    }
    engine.tick(only.as_ref()).await?;
    Ok(json!({ "flow": only }))
}
