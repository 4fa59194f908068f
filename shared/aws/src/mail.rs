//! What leaves Tidegate for others: events on EventBridge, mail by SES.

use async_trait::async_trait;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use aws_sdk_sesv2::types::{Body, Content, Destination, EmailContent, Message};
use tidegate_engine::{
    Event,
    ports::{Events, Mail, Mailer, PortError},
};

use crate::AwsFailure;

/// The source of every event, which the rules match.
const SOURCE: &str = "tidegate";
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

/// Name and content of an event, from its serialised form.
fn parts(event: &Event) -> Option<(String, String)> {
    let form = serde_json::to_value(event).ok()?;
    let name = form.get("detail-type")?.as_str()?.to_owned();
    Some((name, form.get("detail")?.to_string()))
}

#[async_trait]
impl Events for EventBridgeEvents {
    async fn emit(&self, event: &Event) -> Result<(), PortError> {
        let (name, detail) = parts(event)
            .ok_or_else(|| PortError::new("emit", AwsFailure::Incomplete("detail-type")))?;
        let failed = |error: AwsFailure| PortError::new(format!("emit {name}"), error);
        let entry = PutEventsRequestEntry::builder()
            .event_bus_name(&self.bus)
            .source(SOURCE)
            .detail_type(&name)
            .detail(detail);
        let sent = self.client.put_events().entries(entry.build()).send().await;
        let answer = sent.map_err(|error| failed(error.into()))?;
        if answer.failed_entry_count == 0 {
            return Ok(());
        }
        // Behind a 200: the entry itself says why it was not taken.
        let entries = answer.entries.unwrap_or_default();
        let code = entries.into_iter().find_map(|entry| entry.error_code);
        let code = code.unwrap_or_else(|| "no code".to_owned());
        Err(failed(AwsFailure::InPart { count: 1, code }))
    }
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
        let (name, detail) = parts(&Event::SweepRequested { flow }).unwrap();
        assert_eq!(name, "SweepRequested");
        assert_eq!(detail, r#"{"flow":"suppliers"}"#);
    }
}
