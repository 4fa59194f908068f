//! quality-audit: looks at the values of a flow's records (R10), after the run of a window or when a
//! person asks. It calls no other system.
//!
//! What did not complete is said, never hidden (OUT-1): the answer is the account and the log warns.
//! Only what a repeat by Lambda can mend is an error: the event or the store.

use std::time::Duration;

use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tidegate_engine::{AuditReport, Engine, EngineError};
use tidegate_lambda::{
    asked, deadline,
    event::{EventError, audit_request},
};

/// The function's time-out in infra/template.yaml, for hosts that tell no true deadline.
const TIMEOUT: Duration = Duration::from_mins(15);

/// Why an audit could not even be tried to its end.
#[derive(Debug, thiserror::Error)]
pub enum AuditError {
    /// The event asks for none.
    #[error(transparent)]
    Event(#[from] EventError),
    /// The flow is unknown, or store or bus failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

/// Starts or continues the audit that the event asks for.
pub async fn handle(engine: &Engine, event: LambdaEvent<Value>) -> Result<AuditReport, AuditError> {
    let (flow, request) = audit_request(&event.payload)?;
    let deadline = deadline(&event.context, engine.now(), TIMEOUT);
    let engine = asked(engine, &event);
    Ok(engine.audit(&flow, &request, deadline).await?)
}
