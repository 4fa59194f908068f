//! A table without records: it gives what says whether a call may be made now, and refuses the rest.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use tidegate_model::item::{Item, ItemKey, Update};
use tidegate_policy::keys;

use crate::ports::{
    Consumed, Listing, ListingPage, Mail, Mailer, Outgoing, PortError, Queue, Receipt, Store,
    StoreError, Written,
};

const NOT_HERE: &str = "a decision reads and writes limits, breakers and what stops a flow only";

/// A store of which only the items of [`keys::OF_CALLS`] can be reached.
pub(super) struct CallsOnly(pub Arc<dyn Store>);

fn refused(operation: String) -> StoreError {
    StoreError {
        operation,
        source: NOT_HERE.into(),
    }
}

fn permit(key: &ItemKey) -> Result<(), StoreError> {
    if keys::is_of_calls(key) {
        return Ok(());
    }
    Err(refused(format!("reach {}/{}", key.partition, key.sort)))
}

#[async_trait]
impl Store for CallsOnly {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        permit(key)?;
        self.0.update(key, update).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        keys.iter().try_for_each(permit)?;
        self.0.get(keys).await
    }

    async fn list(&self, _: &Listing, _: Option<&str>, _: u32) -> Result<ListingPage, StoreError> {
        Err(refused("list".to_owned()))
    }

    fn consumed(&self) -> Consumed {
        self.0.consumed()
    }
}

/// Stands where the engine queues and mails: a decision does neither.
pub(super) struct Nobody;

#[async_trait]
impl Queue for Nobody {
    async fn send(&self, _: Vec<Outgoing>) -> Result<(), PortError> {
        Err(PortError::new("queue", NOT_HERE))
    }

    async fn hold(&self, _: &Receipt, _: Duration) -> Result<(), PortError> {
        Err(PortError::new("hold a message", NOT_HERE))
    }
}

#[async_trait]
impl Mailer for Nobody {
    async fn send(&self, _: &Mail) -> Result<(), PortError> {
        Err(PortError::new("mail", NOT_HERE))
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::{EndpointId, FlowId, RecordKey, Tier, item::Condition};

    use super::*;

    /// What every request is refused by, lest a test passes for want of a table.
    struct Reached;

    #[async_trait]
    impl Store for Reached {
        async fn update(&self, _: &ItemKey, _: &Update) -> Result<Written, StoreError> {
            Ok(Written::Refused { current: None })
        }

        async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
            Ok(vec![None; keys.len()])
        }

        async fn list(
            &self,
            _: &Listing,
            _: Option<&str>,
            _: u32,
        ) -> Result<ListingPage, StoreError> {
            Ok(ListingPage::default())
        }
    }

    #[test]
    fn no_register_is_read_or_written_and_nothing_is_listed() {
        let store = CallsOnly(Arc::new(Reached));
        let flow = FlowId::try_new("customers").unwrap();
        let source = EndpointId::try_new("bank").unwrap();
        let record = keys::register(&flow, &RecordKey::try_new("C-1").unwrap());
        let write = Update::when(Condition::ALWAYS);
        futures_util::FutureExt::now_or_never(async {
            let slots = keys::slots(&source, Tier::RealTime);
            let calls = [slots, keys::breaker(&source), keys::flow_state(&flow)];
            assert!(store.get(&calls).await.is_ok());
            assert!(store.update(&calls[0], &write).await.is_ok());
            for other in [
                record,
                keys::lease(&flow),
                keys::contract(&flow),
                keys::memory("done", &flow, "x"),
                keys::orphan(&flow, "x"),
            ] {
                assert!(store.update(&other, &write).await.is_err(), "{other:?}");
                // Nor among others.
                let keys = [calls[0].clone(), other];
                assert!(store.get(&keys).await.is_err(), "{keys:?}");
            }
            let all = Listing::Partition(calls[0].partition.clone());
            assert!(store.list(&all, None, 1).await.is_err());
        })
        .expect("nothing waits");
    }
}
