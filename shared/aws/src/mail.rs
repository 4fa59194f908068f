//! What leaves Tidegate for others: events on EventBridge, mail by SES.

use std::collections::BTreeSet;

use async_trait::async_trait;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use tidegate_engine::{
    Event,
    ports::{Events, Mail, Mailer, PortError},
};

use crate::AwsFailure;

/// Entries of one `PutEvents`: `EventBridge`'s limit. Ten events, of ids and counts each, stay far
/// below the other one, 256 KB.
const MAX_BATCH: usize = 10;
/// Rounds of one batch: what was not taken behind a 200 is sent once more.
const PUT_ROUNDS: u32 = 2;
const UTF_8: &str = "UTF-8";

/// The event bus.
#[derive(Clone, Debug)]
pub struct EventBridgeEvents {
    client: aws_sdk_eventbridge::Client,
    bus: String,
}

impl EventBridgeEvents {
    /// The bus of this name.
    pub fn new(client: aws_sdk_eventbridge::Client, bus: impl Into<String>) -> Self {
        Self {
            client,
            bus: bus.into(),
        }
    }
}

impl EventBridgeEvents {
    fn entry(&self, event: &Event) -> Result<PutEventsRequestEntry, AwsFailure> {
        let (name, detail) = parts(event).ok_or(AwsFailure::Incomplete("detail-type"))?;
        Ok(PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(Event::SOURCE)
            .detail_type(name)
            .detail(detail)
            .build())
    }

    async fn put_rounds(&self, batch: &[Event]) -> Result<(), AwsFailure> {
        let mut open = Vec::new();
        for event in batch {
            open.push(self.entry(event)?);
        }
        let mut code = "no code".to_owned();
        for _ in 0..PUT_ROUNDS {
            let request = self.client.put_events().set_entries(Some(open.clone()));
            let answer = request.send().await?;
            if answer.failed_entry_count == 0 {
                return Ok(());
            }
            // Behind a 200: each entry says, in its place, whether it was taken and why not.
            let codes: Vec<_> = answer.entries.unwrap_or_default();
            let mut codes = codes.into_iter().map(|entry| entry.error_code);
            let mut refused = Vec::new();
            for entry in open {
                match codes.next() {
                    Some(None) => {}
                    // One that the answer says nothing of was not taken either.
                    told => {
                        code = told.flatten().unwrap_or(code);
                        refused.push(entry);
                    }
                }
            }
            if refused.is_empty() {
                return Err(AwsFailure::Incomplete("entry that it did not take"));
            }
            open = refused;
        }
        let count = open.len();
        Err(AwsFailure::InPart { count, code })
    }
}

/// Name and content of an event, from its serialised form.
fn parts(event: &Event) -> Option<(String, String)> {
    let form = serde_json::to_value(event).ok()?;
    let name = form.get("detail-type")?.as_str()?.to_owned();
    Some((name, form.get("detail")?.to_string()))
}

#[async_trait]
impl Events for EventBridgeEvents {
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError> {
        let mut failed = None;
        for batch in events.chunks(MAX_BATCH) {
            if let Err(failure) = self.put_rounds(batch).await {
                // What the bus refuses does not hold the others off; one that does not answer would take
                // a time-out for each batch.
                let answers = !matches!(failure, AwsFailure::NoAnswer(_));
                failed = Some(PortError::new(format!("emit {}", names(batch)), failure));
                if !answers {
                    break;
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }
}

/// Names of events, each once.
fn names(batch: &[Event]) -> String {
    let name = |event| Some(parts(event)?.0);
    let names: BTreeSet<String> = batch.iter().filter_map(name).collect();
    names.into_iter().collect::<Vec<_>>().join(", ")
}

/// Mail by SES.
#[derive(Clone, Debug)]
pub struct SesMailer {
    client: aws_sdk_sesv2::Client,
    from: String,
    to: Vec<String>,
}

impl SesMailer {
    /// From one address, which SES must have verified, to several.
    pub fn new(client: aws_sdk_sesv2::Client, from: impl Into<String>, to: Vec<String>) -> Self {
        Self {
            client,
            from: from.into(),
            to,
        }
    }

    async fn deliver(&self, mail: &Mail) -> Result<(), AwsFailure> {
        let content = |text: &str| {
            let built = Content::builder().data(text).charset(UTF_8).build();
            built.map_err(|_| AwsFailure::Incomplete("text"))
        };
        let body = Body::builder().text(content(&mail.text)?).build();
        let message = Message::builder()
            .subject(content(&mail.subject)?)
            .body(body)
            .build();
        let to = Destination::builder()
            .set_to_addresses(Some(self.to.clone()))
            .build();
        self.client
            .send_email()
            .from_email_address(&self.from)
            .destination(to)
            .content(EmailContent::builder().simple(message).build())
            .send()
            .await?;
        Ok(())
    }
}

#[async_trait]
impl Mailer for SesMailer {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        let sent = self.deliver(mail).await;
        sent.map_err(|error| PortError::new("send a mail", error))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::FlowId;

    use super::*;

    #[test]
    fn an_event_travels_under_the_name_that_the_rules_match() {
        let flow = FlowId::try_new("suppliers").unwrap();
        let (name, detail) = parts(&Event::SweepRequested {
            flow,
            request_id: None,
        })
        .unwrap();
        assert_eq!(name, "SweepRequested");
        assert_eq!(detail, r#"{"flow":"suppliers"}"#);
    }
}
