//! digest: what is stuck, for a person (R9). Dead letters become reviews as they come; the daily
//! event sends the mail.

use lambda_runtime::LambdaEvent;
use serde_json::{Value, json};
use tidegate_engine::{DeadLetter, Engine, EngineError, chain};
use tidegate_lambda::{
    BaseUrl, asked,
    event::{Arrival, BatchAnswer, DigestRequest, EventError, Unidentified, digest_request},
};

/// Why the whole invocation failed.
#[derive(Debug, thiserror::Error)]
pub enum DigestError {
    /// Neither the daily event nor dead letters.
    #[error(transparent)]
    Event(#[from] EventError),
    /// Some records can not be named in an answer.
    #[error(transparent)]
    Unidentified(#[from] Unidentified),
    /// The mail could not be written or sent.
    #[error(transparent)]
    Engine(#[from] EngineError),
    /// The answer has no JSON form.
    #[error("the answer can not be written")]
    Answer(#[from] serde_json::Error),
}

/// Does what the event asks for. The answer to dead letters says which ones SQS is to keep.
pub async fn handle(
    engine: &Engine,
    base_url: &BaseUrl,
    event: LambdaEvent<Value>,
) -> Result<Value, DigestError> {
    let engine = asked(engine, &event);
    match digest_request(event.payload)? {
        DigestRequest::Daily => {
            let base_url = base_url.0.as_deref().unwrap_or_default();
            let mail = engine.daily_digest(base_url).await?;
            Ok(json!({ "subject": mail.subject }))
        }
        DigestRequest::DeadLetters(letters, answer) => {
            let answer = bury(&engine, &letters, answer).await;
            Ok(serde_json::to_value(answer.finish()?)?)
        }
    }
}

/// Takes each letter by itself: one that can not be kept for a person stays in its queue.
async fn bury(engine: &Engine, letters: &[Arrival], mut answer: BatchAnswer) -> BatchAnswer {
    for arrival in letters {
        let letter = DeadLetter {
            message: arrival.message.as_ref().ok().cloned(),
            body: arrival.body.clone(),
            id: arrival.message_id.clone(),
        };
        if let Err(error) = engine.dead_letters(&[letter]).await {
            tracing::error!(message_id = arrival.message_id, error = %chain(&error), "a dead letter stays");
            engine.note_failure();
            answer.keep(arrival);
        }
    }
    engine.emit_measured();
    answer
}
