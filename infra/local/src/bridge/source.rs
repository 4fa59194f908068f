//! What Lambda does between a queue and a function: an event source mapping, and the asynchronous
//! invocation by a rule.
//!
//! Invariants
//! - A message of a mapping is deleted only after a function answered for it and did not name it; what
//!   is named, and a whole batch whose function threw or answered nonsense, stays for as long as it is
//!   hidden. An event of a rule is deleted after an answer too, and given up, which is logged, after
//!   `EVENT_TRIES` failures or when it is no JSON: it would only come again until it is too old.
//! - A receive counts towards `maxReceiveCount`. So none is spent while nobody runs functions: a
//!   lane then waits, and gives back at once what it has.
//! - The batching window is 0, as in the template: whatever waits is handed over at once.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use serde_json::{Value, json};
use tidegate_engine::{
    chain,
    ports::{Clock, PortError},
};
use tokio::sync::watch;

use super::functions::{Functions, InvokeError};

/// The longest that Lambda lets an invocation run.
pub(super) const LONGEST_INVOCATION: Duration = Duration::from_mins(15);
/// Before a queue that failed, or a function that is not there, is tried again.
const PAUSE: Duration = Duration::from_secs(2);
/// Tries of an event of the bus before it is dropped, and the wait before each further one: as
/// Lambda does with what it is asked for asynchronously, where the waits are 1 and 2 minutes.
const EVENT_TRIES: u32 = 3;
const EVENT_WAIT: Duration = Duration::from_mins(1);

/// How often SQS has delivered a message.
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";

/// A message of SQS.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Received {
    /// SQS's id of it.
    pub id: String,
    /// SQS's handle of this delivery.
    pub handle: String,
    /// Its text.
    pub body: String,
    /// The MD5 of its text, in hex.
    pub md5: String,
    /// What SQS says of it.
    pub attributes: BTreeMap<String, String>,
}

/// A queue that is polled.
#[async_trait]
pub(crate) trait Source: Send + Sync {
    /// Its ARN.
    fn arn(&self) -> &str;
    /// Waits a while for messages, and takes up to `most`.
    async fn receive(&self, most: i32) -> Result<Vec<Received>, PortError>;
    /// Deletes messages.
    async fn delete(&self, messages: &[&Received]) -> Result<(), PortError>;
    /// Hides a message from now on for so long.
    async fn hold(&self, message: &Received, hidden: Duration) -> Result<(), PortError>;
}

/// What a function gets of a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Feed {
    /// Up to so many messages at once, of which its answer names those to keep.
    Batches(i32),
    /// The event that each message is.
    Events,
}

impl Feed {
    fn most(self) -> i32 {
        match self {
            Self::Batches(most) => most,
            Self::Events => 1,
        }
    }
}

/// One poller of a queue. It has one batch in hand.
#[derive(Clone)]
pub(crate) struct Lane {
    /// The queue.
    pub source: Arc<dyn Source>,
    /// Who runs the function.
    pub functions: Arc<dyn Functions>,
    /// The function, without its prefix.
    pub function: &'static str,
    /// What it gets.
    pub feed: Feed,
    /// The clock.
    pub clock: Arc<dyn Clock>,
}

/// What comes after a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    Batch,
    /// Something is not there.
    Pause,
}

impl Lane {
    /// Polls until it is to stop; a batch in hand ends first.
    pub(crate) async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                received = self.source.receive(self.feed.most()) => received,
            };
            let next = match next {
                Ok(batch) if batch.is_empty() => Next::Batch,
                Ok(batch) => self.work(&batch).await,
                Err(error) => {
                    tracing::error!(error = %chain(&error), "a queue can not be polled");
                    Next::Pause
                }
            };
            if next == Next::Pause {
                tokio::select! {
                    biased;
                    _ = stop.wait_for(|stop| *stop) => return,
                    () = self.pause() => {}
                }
            }
        }
    }

    /// Until functions can be run again.
    async fn pause(&self) {
        loop {
            self.clock.wait_until(self.clock.now() + PAUSE).await;
            if self.functions.are_there().await {
                return;
            }
        }
    }

    /// Hands a batch to the function and does with each message as its answer says.
    async fn work(&self, batch: &[Received]) -> Next {
        let event = match self.event(batch) {
            Ok(event) => event,
            Err(error) => {
                tracing::error!(function = self.function, %error, "an event of the bus is no JSON");
                return self.delete(&batch.iter().collect::<Vec<_>>()).await;
            }
        };
        let started = self.clock.now();
        let answered = self
            .functions
            .invoke(self.function, &event, LONGEST_INVOCATION);
        let answer = match answered.await {
            Ok(answer) => answer,
            Err(error) => return self.failed(batch, &error).await,
        };
        let done = match self.feed {
            Feed::Events => Ok(batch.iter().collect()),
            Feed::Batches(_) => done(batch, &answer),
        };
        let spent = self.clock.now().since(started);
        let ms = u64::try_from(spent.as_millis()).unwrap_or(u64::MAX);
        match done {
            Ok(done) => {
                let kept = batch.len().saturating_sub(done.len());
                let function = self.function;
                tracing::info!(function, messages = batch.len(), kept, ms, "invoked");
                self.delete(&done).await
            }
            Err(error) => {
                let function = self.function;
                tracing::error!(function, %error, "the whole batch stays in its queue");
                Next::Batch
            }
        }
    }

    fn event(&self, batch: &[Received]) -> Result<Value, serde_json::Error> {
        match (self.feed, batch) {
            (Feed::Events, [event, ..]) => serde_json::from_str(&event.body),
            _ => Ok(records(self.source.arn(), batch)),
        }
    }

    async fn failed(&self, batch: &[Received], error: &InvokeError) -> Next {
        let function = self.function;
        let failure = chain(error);
        match after(self.feed, error, batch) {
            After::Stays => {
                tracing::error!(
                    function,
                    error = failure,
                    "the whole batch stays in its queue"
                );
            }
            After::Comes(hidden) => {
                let again_s = hidden.as_secs();
                tracing::error!(function, error = failure, again_s, "it is tried again");
                for message in batch {
                    if let Err(error) = self.source.hold(message, hidden).await {
                        tracing::error!(error = %chain(&error), "a message comes back late");
                    }
                }
            }
            After::Dropped => {
                tracing::error!(function, error = failure, "an event is given up");
                self.delete(&batch.iter().collect::<Vec<_>>()).await;
            }
        }
        match error {
            InvokeError::NotThere { .. } | InvokeError::Refused { .. } => Next::Pause,
            _ => Next::Batch,
        }
    }

    async fn delete(&self, messages: &[&Received]) -> Next {
        if messages.is_empty() {
            return Next::Batch;
        }
        match self.source.delete(messages).await {
            Ok(()) => Next::Batch,
            Err(error) => {
                tracing::error!(error = %chain(&error), "messages that are done come again");
                Next::Pause
            }
        }
    }
}

/// What becomes of a batch that its function did not answer for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    /// It stays for as long as it is hidden.
    Stays,
    /// It comes again after so long.
    Comes(Duration),
    /// It is deleted.
    Dropped,
}

fn after(feed: Feed, error: &InvokeError, batch: &[Received]) -> After {
    match (error, feed) {
        (InvokeError::NotThere { .. }, _) => After::Comes(Duration::ZERO),
        (_, Feed::Batches(_)) => After::Stays,
        (_, Feed::Events) => {
            let receives = batch.iter().map(receives).max().unwrap_or(1);
            if receives < EVENT_TRIES {
                After::Comes(EVENT_WAIT * receives)
            } else {
                After::Dropped
            }
        }
    }
}

/// How often a message was delivered, this time included.
fn receives(message: &Received) -> u32 {
    let count = message.attributes.get(RECEIVE_COUNT);
    count.and_then(|digits| digits.parse().ok()).unwrap_or(1)
}

/// A batch as Lambda hands it to a function.
fn records(arn: &str, batch: &[Received]) -> Value {
    let region = arn.split(':').nth(3).unwrap_or_default();
    let records = batch.iter().map(|message| {
        json!({
            "messageId": message.id,
            "receiptHandle": message.handle,
            "body": message.body,
            "attributes": message.attributes,
            "messageAttributes": {},
            "md5OfBody": message.md5,
            "eventSource": "aws:sqs",
            "eventSourceARN": arn,
            "awsRegion": region,
        })
    });
    json!({ "Records": records.collect::<Vec<_>>() })
}

/// Why an answer does not say which messages are to be kept. Lambda keeps the whole batch then.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
enum BadAnswer {
    /// Neither an object nor nothing.
    #[error("the answer is no object")]
    NoObject,
    /// Not a list of identifiers.
    #[error("batchItemFailures is not a list of objects with an itemIdentifier")]
    NoIdentifiers,
    /// A message that was not in the batch.
    #[error("the answer names {0:?}, which is not in the batch")]
    Unknown(String),
}

/// The messages that are done: those that the answer does not name (`ReportBatchItemFailures`).
fn done<'a>(batch: &'a [Received], answer: &Value) -> Result<Vec<&'a Received>, BadAnswer> {
    let failures = match answer {
        Value::Null => &Value::Null,
        Value::Object(answer) => answer.get("batchItemFailures").unwrap_or(&Value::Null),
        _ => return Err(BadAnswer::NoObject),
    };
    let failures = match failures {
        Value::Null => &[],
        Value::Array(failures) => failures.as_slice(),
        _ => return Err(BadAnswer::NoIdentifiers),
    };
    let mut kept = BTreeSet::new();
    for failure in failures {
        let id = failure.get("itemIdentifier").and_then(Value::as_str);
        let id = id.filter(|id| !id.is_empty());
        let id = id.ok_or(BadAnswer::NoIdentifiers)?;
        if !batch.iter().any(|message| message.id == id) {
            return Err(BadAnswer::Unknown(id.to_owned()));
        }
        kept.insert(id);
    }
    let done = batch.iter();
    Ok(done
        .filter(|message| !kept.contains(message.id.as_str()))
        .collect())
}

#[cfg(test)]
mod tests;
