//! Events and mails, kept for a test to look at.

use std::sync::Mutex;

use async_trait::async_trait;
use tidegate_engine::{
    Event,
    ports::{Events, Mail, Mailer, PortError},
};

use super::locked;

/// Keeps every event.
#[derive(Debug, Default)]
pub struct MemoryEvents(Mutex<Vec<Event>>);

impl MemoryEvents {
    /// All events so far, in order.
    pub fn all(&self) -> Vec<Event> {
        locked(&self.0).clone()
    }

    /// The events since the last call, in order.
    pub fn take(&self) -> Vec<Event> {
        std::mem::take(&mut locked(&self.0))
    }
}

#[async_trait]
impl Events for MemoryEvents {
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError> {
        locked(&self.0).extend_from_slice(events);
        Ok(())
    }
}

/// Keeps every mail.
#[derive(Debug, Default)]
pub struct MemoryMailer(Mutex<Vec<Mail>>);

impl MemoryMailer {
    /// All mails so far, in order.
    pub fn all(&self) -> Vec<Mail> {
        locked(&self.0).clone()
    }
}

#[async_trait]
impl Mailer for MemoryMailer {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        locked(&self.0).push(mail.clone());
        Ok(())
    }
}
