//! worker: messages of both queues. Each gets its own answer.
//!
//! A text that is no message is kept by itself, so that it ends in the dead letters and with a
//! person, and the nine others of its batch are worked (QUE-2).

use aws_lambda_events::sqs::SqsBatchResponse;
use lambda_runtime::LambdaEvent;
use serde_json::Value;
use tidegate_engine::{Disposition, Engine, chain};
use tidegate_lambda::{
    asked,
    event::{EventError, Unidentified, arrivals},
};

/// Why the whole invocation failed; every message of it comes again.
#[derive(Debug, thiserror::Error)]
pub enum WorkerError {
    /// The event is not one of SQS.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some records can not be named in an answer.
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
}

/// Works on the messages and says which ones SQS is to keep.
pub async fn handle(
    engine: &Engine,
    event: LambdaEvent<Value>,
) -> Result<SqsBatchResponse, WorkerError> {
    let engine = asked(engine, &event);
    let (arrived, mut answer) = arrivals(event.payload)?;
    let mut messages = Vec::new();
    let mut deliveries = Vec::new();
    for arrival in &arrived {
        match (arrival.delivery(), &arrival.message) {
            (Some(delivery), _) => {
                messages.push(arrival);
                deliveries.push(delivery);
            }
            (None, unreadable) => {
                tracing::error!(
                    message_id = arrival.message_id,
                    receive_count = arrival.receive_count,
                    error = unreadable.as_ref().err().map(|error| chain(error)),
                    "a message can not be read"
                );
                if arrival.is_failure() {
                    engine.note_failure();
                }
                answer.keep(arrival);
            }
        }
    }
    let dispositions = engine.work(&deliveries).await;
    for (arrival, disposition) in messages.into_iter().zip(dispositions) {
        match disposition {
            Disposition::Delete => {}
            Disposition::Keep => answer.keep(arrival),
        }
    }
    Ok(answer.finish()?)
}
