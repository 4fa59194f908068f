//! Queues of SQS, polled.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::{
    Client,
    config::{Builder, timeout::TimeoutConfig},
    operation::get_queue_url::GetQueueUrlError,
    types::{
        DeleteMessageBatchRequestEntry, Message, MessageSystemAttributeName, QueueAttributeName,
    },
};
use tidegate_aws::{Aws, AwsFailure};
use tidegate_engine::ports::PortError;

use super::source::{Received, Source};

/// How long SQS holds an empty answer back: the longest there is, since each answer is paid for.
const LONG_POLL_S: i32 = 20;
/// Until SQS must have answered a long poll.
const POLL_TIMEOUT: Duration = Duration::from_secs(25);
/// Until a call must be done with all its attempts.
const OPERATION_TIMEOUT: Duration = Duration::from_secs(60);
/// Rounds of one deletion: SQS answers 200 and lists what it did not delete; that is asked once
/// more.
const DELETE_ROUNDS: u32 = 2;

/// A client whose calls may take as long as a long poll.
pub(super) fn client(aws: &Aws) -> Client {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(POLL_TIMEOUT)
        .operation_timeout(OPERATION_TIMEOUT)
        .build();
    let config = Builder::from(aws.config()).timeout_config(timeouts);
    Client::from_conf(config.build())
}

/// A queue.
#[derive(Clone, Debug)]
pub(super) struct SqsSource {
    client: Client,
    name: String,
    pub(super) url: String,
    arn: String,
}

impl SqsSource {
    /// The queue of this name, if there is one.
    pub(super) async fn find(client: &Client, name: &str) -> Result<Option<Self>, PortError> {
        let answer = client.get_queue_url().queue_name(name).send().await;
        let url = match answer {
            Ok(answer) => answer.queue_url.unwrap_or_default(),
            Err(error) => {
                let missing = error.as_service_error();
                if missing.is_some_and(GetQueueUrlError::is_queue_does_not_exist) {
                    return Ok(None);
                }
                let what = format!("look for the queue {name}");
                return Err(PortError::new(what, AwsFailure::from(error)));
            }
        };
        Self::at(client, name, url).await.map(Some)
    }

    /// The queue of this name and address.
    pub(super) async fn at(client: &Client, name: &str, url: String) -> Result<Self, PortError> {
        let what = || format!("read the ARN of the queue {name}");
        let asked = client
            .get_queue_attributes()
            .queue_url(&url)
            .attribute_names(QueueAttributeName::QueueArn);
        let answer = asked.send().await;
        let answer = answer.map_err(|error| PortError::new(what(), AwsFailure::from(error)))?;
        let arn = answer
            .attributes
            .and_then(|mut named| named.remove(&QueueAttributeName::QueueArn))
            .ok_or_else(|| PortError::new(what(), AwsFailure::Incomplete("QueueArn")))?;
        Ok(Self {
            client: client.clone(),
            name: name.to_owned(),
            url,
            arn,
        })
    }

    fn failed(&self, what: &str, failure: impl Into<AwsFailure>) -> PortError {
        PortError::new(format!("{what} {}", self.name), failure.into())
    }
}

fn received(message: Message) -> Received {
    let named = message.attributes.unwrap_or_default().into_iter();
    Received {
        id: message.message_id.unwrap_or_default(),
        handle: message.receipt_handle.unwrap_or_default(),
        body: message.body.unwrap_or_default(),
        md5: message.md5_of_body.unwrap_or_default(),
        attributes: named
            .map(|(name, value)| (name.as_str().to_owned(), value))
            .collect(),
    }
}

#[async_trait]
impl Source for SqsSource {
    fn arn(&self) -> &str {
        &self.arn
    }

    async fn receive(&self, most: i32) -> Result<Vec<Received>, PortError> {
        let asked = self
            .client
            .receive_message()
            .queue_url(&self.url)
            .max_number_of_messages(most)
            .wait_time_seconds(LONG_POLL_S)
            .message_system_attribute_names(MessageSystemAttributeName::All);
        let answer = asked.send().await;
        let answer = answer.map_err(|error| self.failed("receive from", error))?;
        let messages = answer.messages.unwrap_or_default().into_iter();
        Ok(messages.map(received).collect())
    }

    async fn delete(&self, messages: &[&Received]) -> Result<(), PortError> {
        let mut open = Vec::new();
        for (id, message) in messages.iter().enumerate() {
            let entry = DeleteMessageBatchRequestEntry::builder()
                .id(id.to_string())
                .receipt_handle(&message.handle)
                .build();
            let incomplete = AwsFailure::Incomplete("receipt handle");
            open.push(entry.map_err(|_| self.failed("delete from", incomplete))?);
        }
        let mut code = String::new();
        for _ in 0..DELETE_ROUNDS {
            let request = self.client.delete_message_batch().queue_url(&self.url);
            let answer = request.set_entries(Some(open.clone())).send().await;
            let answer = answer.map_err(|error| self.failed("delete from", error))?;
            let Some(first) = answer.failed.first() else {
                return Ok(());
            };
            first.code.clone_into(&mut code);
            open.retain(|entry| answer.failed.iter().any(|failed| failed.id == entry.id));
        }
        let count = open.len();
        Err(self.failed("delete from", AwsFailure::InPart { count, code }))
    }

    async fn hold(&self, message: &Received, hidden: Duration) -> Result<(), PortError> {
        let asked = self
            .client
            .change_message_visibility()
            .queue_url(&self.url)
            .receipt_handle(&message.handle)
            .visibility_timeout(i32::try_from(hidden.as_secs()).unwrap_or(i32::MAX));
        let changed = asked.send().await;
        changed
            .map(drop)
            .map_err(|error| self.failed("hide a message of", error))
    }
}
