//! Messages from SQS, each read by itself, and the answer that says which to keep.

use std::fmt;

use aws_lambda_events::sqs::{SqsBatchResponse, SqsEvent, SqsMessage};
use serde_json::Value;
use tidegate_engine::{DeadLetter, Delivery, ports::Receipt};
use tidegate_model::{Message, MessageError};

use super::EventError;

/// SQS counts deliveries in this attribute.
const RECEIVE_COUNT: &str = "ApproximateReceiveCount";

/// A message that arrived.
#[derive(Debug)]
pub struct Arrival {
    /// SQS's id of the message. Never empty.
    pub message_id: String,
    /// SQS's handle of this delivery. Never empty.
    pub handle: String,
    /// How often it was delivered, this time included; 1 where SQS does not say.
    pub receive_count: u32,
    /// Its text.
    pub body: String,
    /// What the text says.
    pub message: Result<Message, MessageError>,
}

/// A record that is no message.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum RecordFault {
    /// It can neither be named nor kept by itself.
    #[error("a record has no message id")]
    NoMessageId,
    /// It can be kept, not held.
    #[error("the record {message_id} has no receipt handle")]
    NoReceipt {
        /// Its id.
        message_id: String,
    },
}

impl Arrival {
    fn read(record: SqsMessage) -> Result<Self, RecordFault> {
        let present = |text: Option<String>| text.filter(|text| !text.is_empty());
        let message_id = present(record.message_id).ok_or(RecordFault::NoMessageId)?;
        let Some(handle) = present(record.receipt_handle) else {
            return Err(RecordFault::NoReceipt { message_id });
        };
        let count = record.attributes.get(RECEIVE_COUNT);
        let body = record.body.unwrap_or_default();
        Ok(Self {
            message_id,
            handle,
            receive_count: count.and_then(|digits| digits.parse().ok()).unwrap_or(1),
            message: Message::decode(&body),
            body,
        })
    }

    /// For the worker; `None` when the text is no message.
    pub fn delivery(&self) -> Option<Delivery> {
        let message = self.message.as_ref().ok()?.clone();
        let receipt = Receipt {
            tier: message.tier,
            handle: self.handle.clone(),
        };
        Some(Delivery { message, receipt })
    }

    /// Whether it is to be told of as a failure that its text is no message: once, and not of what another
    /// release sent, which is on its way to a function of that.
    pub fn is_failure(&self) -> bool {
        let is_other = matches!(self.message, Err(MessageError::UnknownForm(_)));
        self.message.is_err() && self.receive_count == 1 && !is_other
    }

    /// For the digest.
    pub fn into_dead_letter(self) -> DeadLetter {
        DeadLetter {
            message: self.message.ok(),
            body: self.body,
            id: self.message_id,
        }
    }
}

/// Which messages SQS is to keep. What is not named is deleted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BatchAnswer {
    kept: Vec<String>,
    unidentified: usize,
}

/// Records without message id came in: only by failing the whole invocation are they kept. All else
/// comes again too, which is harmless.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Unidentified(pub usize);

impl std::error::Error for Unidentified {}

impl fmt::Display for Unidentified {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} records have no message id", self.0)
    }
}

impl BatchAnswer {
    /// Keeps a message: it comes back by its visibility.
    pub fn keep(&mut self, arrival: &Arrival) {
        self.kept.push(arrival.message_id.clone());
    }

    fn note(&mut self, fault: RecordFault) {
        match fault {
            RecordFault::NoMessageId => self.unidentified += 1,
            RecordFault::NoReceipt { message_id } => self.kept.push(message_id),
        }
    }

    /// The answer as Lambda wants it.
    pub fn finish(self) -> Result<SqsBatchResponse, Unidentified> {
        if self.unidentified > 0 {
            return Err(Unidentified(self.unidentified));
        }
        let mut response = SqsBatchResponse::default();
        response.set_failures(self.kept);
        Ok(response)
    }
}

/// Reads an event of SQS. Records that are no messages are logged and stand in the answer already.
pub fn arrivals(event: Value) -> Result<(Vec<Arrival>, BatchAnswer), EventError> {
    let event: SqsEvent = serde_json::from_value(event).map_err(|source| EventError::Form {
        form: "an event of SQS",
        source,
    })?;
    let mut arrived = Vec::new();
    let mut answer = BatchAnswer::default();
    for record in event.records {
        match Arrival::read(record) {
            Ok(arrival) => arrived.push(arrival),
            Err(fault) => {
                tracing::error!(error = %fault, "record of SQS can not be read");
                answer.note(fault);
            }
        }
    }
    Ok((arrived, answer))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use tidegate_model::{FlowId, RecordKey, Tier, UnixMs};

    use super::*;

    fn message() -> Message {
        let flow = FlowId::try_new("suppliers").unwrap();
        let key = RecordKey::try_new("SUP-000123").unwrap();
        Message::new(flow, vec![key], Tier::Batch, UnixMs(1))
    }

    /// A record as AWS's own example has it.
    fn record(id: &str, body: &str) -> Value {
        json!({
            "messageId": id,
            "receiptHandle": "MessageReceiptHandle",
            "body": body,
            "md5OfBody": "fce0ea8dd236ccb3ed9b37dae260836f",
            "eventSourceARN": "arn:aws:sqs:us-west-2:123456789012:SQSQueue",
            "eventSource": "aws:sqs",
            "awsRegion": "us-west-2",
            "attributes": {
                "ApproximateReceiveCount": "2",
                "SentTimestamp": "1520621625029",
                "SenderId": "AROAIWPX5BD2BHG722MW4:sender",
                "ApproximateFirstReceiveTimestamp": "1520621634884"
            },
            "messageAttributes": null
        })
    }

    #[test]
    fn one_bad_text_does_not_touch_the_others() {
        let event = json!({"Records": [
            record("a", &message().encode()),
            record("b", "Message Body"),
            record("c", &message().encode()),
        ]});
        let (arrived, mut answer) = arrivals(event).unwrap();
        let readable: Vec<_> = arrived
            .iter()
            .map(|arrival| arrival.message.is_ok())
            .collect();
        assert_eq!(readable, [true, false, true]);
        let delivery = arrived[0].delivery().unwrap();
        assert_eq!(delivery.message, message());
        assert_eq!(delivery.receipt.tier, Tier::Batch);
        assert_eq!(delivery.receipt.handle, "MessageReceiptHandle");
        assert_eq!(arrived[0].receive_count, 2);
        assert!(arrived[1].delivery().is_none());
        answer.keep(&arrived[1]);
        let response = serde_json::to_value(answer.finish().unwrap()).unwrap();
        assert_eq!(
            response,
            json!({"batchItemFailures": [{"itemIdentifier": "b"}]})
        );
    }

    #[test]
    fn nothing_to_keep_is_an_empty_list() {
        let event = json!({"Records": [record("a", &message().encode())]});
        let (_, answer) = arrivals(event).unwrap();
        let response = serde_json::to_value(answer.finish().unwrap()).unwrap();
        assert_eq!(response, json!({"batchItemFailures": []}));
    }

    #[test]
    fn a_record_without_id_fails_the_invocation_and_is_never_an_empty_identifier() {
        let event = json!({"Records": [record("a", "x"), record("", "x"), {"body": "x"}]});
        let (arrived, answer) = arrivals(event).unwrap();
        assert_eq!(arrived.len(), 1);
        assert_eq!(answer.finish(), Err(Unidentified(2)));
    }

    #[test]
    fn a_record_without_receipt_or_text_is_kept() {
        let event =
            json!({"Records": [{"messageId": "a"}, {"messageId": "b", "receiptHandle": "h"}]});
        let (arrived, answer) = arrivals(event).unwrap();
        assert_eq!(arrived.len(), 1);
        assert!(arrived[0].message.is_err());
        let letter = arrived.into_iter().next().unwrap().into_dead_letter();
        assert_eq!((letter.id.as_str(), letter.message), ("b", None));
        assert_eq!(
            answer.finish().unwrap().batch_item_failures[0].item_identifier,
            "a"
        );
    }

    #[test]
    fn what_is_not_from_sqs_is_an_error() {
        assert!(arrivals(json!({"digest": "daily"})).is_err());
    }
}
