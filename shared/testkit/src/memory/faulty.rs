//! Ports that can be told to fail.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    time::Duration,
};

use async_trait::async_trait;
use tidegate_engine::{
    Event,
    ports::{
        Events, Listing, ListingPage, Mail, Mailer, Outgoing, PortError, Queue, Receipt, Store,
        StoreError, Written,
    },
};
use tidegate_model::item::{Item, ItemKey, Update};

/// What the cause of every failure says. It stands for the inner texts of an adapter: an answer to
/// a caller that holds it tells too much.
pub const INNER_TEXT: &str = "inner text: table tidegate-test at 10.0.0.7";

/// A port that works until it is told to fail, and again when it is told to work.
#[derive(Debug, Default)]
pub struct Faulty<P> {
    port: P,
    fails: AtomicBool,
    hangs: AtomicBool,
}

impl<P> Faulty<P> {
    /// Works.
    pub fn new(port: P) -> Self {
        Self {
            port,
            fails: AtomicBool::new(false),
            hangs: AtomicBool::new(false),
        }
    }

    /// Lets every call from now on fail, or work again.
    pub fn fail(&self, fails: bool) {
        self.fails.store(fails, Ordering::SeqCst);
    }

    /// Lets every read of the table from now on wait for ever, or be answered again.
    pub fn hang(&self, hangs: bool) {
        self.hangs.store(hangs, Ordering::SeqCst);
    }

    fn store_works(&self) -> Result<&P, StoreError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(StoreError {
                operation: "update register#secret-operation".to_owned(),
                source: INNER_TEXT.into(),
            });
        }
        Ok(&self.port)
    }

    fn works(&self, operation: &str) -> Result<&P, PortError> {
        if self.fails.load(Ordering::SeqCst) {
            return Err(PortError::new(operation, INNER_TEXT));
        }
        Ok(&self.port)
    }
}

impl<P> std::ops::Deref for Faulty<P> {
    type Target = P;
    fn deref(&self) -> &P {
        &self.port
    }
}

#[async_trait]
impl<P: Store> Store for Faulty<P> {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        self.store_works()?.update(key, update).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        if self.hangs.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
        self.store_works()?.get(keys).await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        self.store_works()?.list(listing, after, limit).await
    }
}

#[async_trait]
impl<P: Queue> Queue for Faulty<P> {
    async fn send(&self, messages: Vec<Outgoing>) -> Result<(), PortError> {
        self.works("send")?.send(messages).await
    }

    async fn hold(&self, receipt: &Receipt, after: Duration) -> Result<(), PortError> {
        self.works("hold")?.hold(receipt, after).await
    }
}

#[async_trait]
impl<P: Events> Events for Faulty<P> {
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError> {
        self.works("emit")?.emit_all(events).await
    }
}

#[async_trait]
impl<P: Mailer> Mailer for Faulty<P> {
    async fn send(&self, mail: &Mail) -> Result<(), PortError> {
        self.works("send a mail")?.send(mail).await
    }
}
