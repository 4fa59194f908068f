//! The work queues on SQS.

use std::time::Duration;

use async_trait::async_trait;
use aws_sdk_sqs::{Client, types::SendMessageBatchRequestEntry};
use tidegate_engine::ports::{MAX_DELAY, Outgoing, PortError, Queue, Receipt};
use tidegate_model::Tier;

use crate::AwsFailure;

/// Messages of one `SendMessageBatch`: SQS's limit.
const MAX_BATCH: usize = 10;
/// Rounds of one batch: SQS answers 200 and lists what it did not take; that is sent once more.
const SEND_ROUNDS: u32 = 2;
/// The longest that SQS hides a message.
const MAX_HOLD: Duration = Duration::from_hours(12);

/// Addresses of the two queues.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueueUrls {
    /// Of the real-time queue.
    pub real_time: String,
    /// Of the batch queue.
    pub batch: String,
}

impl QueueUrls {
    fn of(&self, tier: Tier) -> &str {
        match tier {
            Tier::RealTime => &self.real_time,
            Tier::Batch => &self.batch,
        }
    }
}

/// The two work queues.
#[derive(Clone, Debug)]
pub struct SqsQueue {
    client: Client,
    urls: QueueUrls,
}

impl SqsQueue {
    /// The queues at these addresses.
    pub fn new(client: Client, urls: QueueUrls) -> Self {
        Self { client, urls }
    }

    async fn send_batch(&self, url: &str, batch: &[&Outgoing]) -> Result<(), AwsFailure> {
        let mut open = Vec::new();
        for (id, outgoing) in batch.iter().enumerate() {
            open.push(entry(id, outgoing)?);
        }
        let mut code = String::new();
        for _ in 0..SEND_ROUNDS {
            let request = self.client.send_message_batch().queue_url(url);
            let answer = request.set_entries(Some(open.clone())).send().await?;
            let Some(first) = answer.failed.first() else {
                return Ok(());
            };
            first.code.clone_into(&mut code);
            open.retain(|entry| answer.failed.iter().any(|failed| failed.id == entry.id));
        }
        let count = open.len();
        Err(AwsFailure::InPart { count, code })
    }
}

fn entry(id: usize, outgoing: &Outgoing) -> Result<SendMessageBatchRequestEntry, AwsFailure> {
    SendMessageBatchRequestEntry::builder()
        .id(id.to_string())
        .message_body(outgoing.message.encode())
        .delay_seconds(whole_seconds(outgoing.delay.min(MAX_DELAY)))
        .build()
        .map_err(|_| AwsFailure::Incomplete("message"))
}

/// Never earlier than asked for.
fn whole_seconds(span: Duration) -> i32 {
    let up = u64::from(span.subsec_nanos() > 0);
    i32::try_from(span.as_secs().saturating_add(up)).unwrap_or(i32::MAX)
}

#[async_trait]
impl Queue for SqsQueue {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        for tier in [Tier::RealTime, Tier::Batch] {
            let of_tier: Vec<_> = messages
                .iter()
                .filter(|outgoing| outgoing.message.tier == tier)
                .collect();
            for batch in of_tier.chunks(MAX_BATCH) {
                let sent = self.send_batch(self.urls.of(tier), batch).await;
                sent.map_err(|error| {
                    let what = format!("send {} messages to {}", batch.len(), tier.as_str());
                    PortError::new(what, error)
                })?;
            }
        }
        Ok(())
    }

    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        let changed = self
            .client
            .change_message_visibility()
            .queue_url(self.urls.of(receipt.tier))
            .receipt_handle(&receipt.handle)
            .visibility_timeout(whole_seconds(after.min(MAX_HOLD)))
            .send()
            .await;
        changed.map(drop).map_err(|error| {
            let what = format!("hold a message of {}", receipt.tier.as_str());
            PortError::new(what, AwsFailure::from(error))
        })
    }
}
