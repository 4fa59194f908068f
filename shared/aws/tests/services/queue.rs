//! Queues: batches, delays, and answers that say 200 and mean no.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_aws::QueueUrls;
use tidegate_engine::ports::{Outgoing, Queue, Receipt};
use tidegate_model::{FlowId, Message, RecordKey, Tier, UnixMs};

use crate::double::Double;

async fn queue() -> (Double, impl Queue) {
    let (double, aws) = Double::connect().await;
    let urls = QueueUrls {
        real_time: "https://sqs.example/1/realtime".to_owned(),
        batch: "https://sqs.example/1/batch".to_owned(),
    };
    let queue = aws.queue(urls);
    (double, queue)
}

fn outgoing(key: usize, tier: Tier, delay: Duration) -> Outgoing {
    let flow = FlowId::try_new("suppliers").unwrap();
    let key = RecordKey::try_new(format!("SUP-{key}")).unwrap();
    Outgoing {
        message: Message::new(flow, vec![key], tier, UnixMs::EPOCH),
        delay,
    }
}

/// Says of each entry of a batch whether it was taken.
fn taken(ids: &[&str], failed: &[&str]) -> (u16, Value) {
    let ok: Vec<_> = ids
        .iter()
        .map(|id| json!({"Id": id, "MessageId": "m", "MD5OfMessageBody": ""}))
        .collect();
    let failed: Vec<_> = failed
        .iter()
        .map(|id| json!({"Id": id, "SenderFault": false, "Code": "InternalError"}))
        .collect();
    (200, json!({"Successful": ok, "Failed": failed}))
}

#[tokio::test]
async fn messages_go_ten_at_a_time_each_to_the_queue_of_its_tier() {
    let (double, queue) = queue().await;
    let whole = taken(&["0"], &[]);
    double.answers([whole.clone(), whole.clone(), whole]);
    let late = Duration::from_millis(59_001);
    let mut messages: Vec<_> = (0..12)
        .map(|key| outgoing(key, Tier::Batch, Duration::ZERO))
        .collect();
    messages.push(outgoing(12, Tier::RealTime, late));
    queue.send(messages).await.unwrap();
    let asked = double.asked();
    let sent: Vec<_> = asked
        .iter()
        .map(|asked| {
            let url = asked.body["QueueUrl"]
                .as_str()
                .unwrap()
                .rsplit('/')
                .next()
                .unwrap();
            (url, asked.body["Entries"].as_array().unwrap().len())
        })
        .collect();
    assert_eq!(sent, [("realtime", 1), ("batch", 10), ("batch", 2)]);
    let first = &asked[0].body["Entries"][0];
    assert_eq!(first["DelaySeconds"], 60, "never earlier than asked for");
    let body = first["MessageBody"].as_str().unwrap();
    assert_eq!(body, outgoing(12, Tier::RealTime, late).message.encode());
}

#[tokio::test]
async fn what_sqs_did_not_take_is_sent_once_more_and_then_an_error() {
    let (double, queue) = queue().await;
    let three = || {
        (0..3)
            .map(|key| outgoing(key, Tier::Batch, Duration::ZERO))
            .collect()
    };
    double.answers([taken(&["0", "2"], &["1"]), taken(&["1"], &[])]);
    queue.send(three()).await.unwrap();
    let again = &double.asked()[1].body["Entries"];
    assert_eq!(again.as_array().unwrap().len(), 1);
    assert_eq!(again[0]["Id"], "1");

    double.answers([taken(&["0"], &["1", "2"]), taken(&["2"], &["1"])]);
    let error = queue.send(three()).await.unwrap_err();
    let cause = std::error::Error::source(&error).unwrap().to_string();
    assert_eq!(cause, "the service did not take 1 of them: InternalError");
    assert_eq!(double.asked().len(), 4);
}

#[tokio::test]
async fn a_hold_changes_the_visibility() {
    let (double, queue) = queue().await;
    let receipt = Receipt {
        tier: Tier::RealTime,
        handle: "handle".to_owned(),
    };
    queue.hold(&receipt, Duration::from_mins(5)).await.unwrap();
    let asked = &double.asked()[0];
    assert_eq!(asked.what, "AmazonSQS.ChangeMessageVisibility");
    assert_eq!(asked.body["VisibilityTimeout"], 300);
    assert_eq!(asked.body["ReceiptHandle"], "handle");
}
