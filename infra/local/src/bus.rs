//! The event bus, in the process.
//!
//! Requests (start a run, sweep a flow) are durable like EventBridge's: they lie in the spool from
//! before they are accepted until they are done. What others only want to know of goes to the
//! screen and is gone.

use std::sync::Arc;

use async_trait::async_trait;
use tidegate_engine::{
    Event,
    ports::{Events, PortError},
};
use tokio::sync::mpsc;

use crate::spool::{Slip, Spool};

/// Requests that may wait for a place among those in work. A flow has one run at a time, so more are
/// repeats.
const MAX_WAITING: usize = 1_000;
/// News that may wait for the screen; what comes beyond is not shown.
const MAX_NEWS: usize = 1_000;

/// A request that waits to be done.
#[derive(Debug)]
pub(crate) struct Request {
    /// What is asked for.
    pub event: Event,
    /// Its promise.
    pub slip: Slip,
}

/// The bus.
pub(crate) struct LocalBus {
    spool: Arc<Spool>,
    requests: mpsc::Sender<Request>,
    news: mpsc::Sender<Event>,
}

/// The ends at which events arrive.
pub(crate) struct Arrivals {
    /// Requests, each to be done and then forgotten.
    pub requests: mpsc::Receiver<Request>,
    /// What happened.
    pub news: mpsc::Receiver<Event>,
}

impl LocalBus {
    /// An empty bus over a spool.
    pub(crate) fn new(spool: Arc<Spool>) -> (Self, Arrivals) {
        let (requests, requested) = mpsc::channel(MAX_WAITING);
        let (news, happened) = mpsc::channel(MAX_NEWS);
        let bus = Self {
            spool,
            requests,
            news,
        };
        let arrivals = Arrivals {
            requests: requested,
            news: happened,
        };
        (bus, arrivals)
    }

    /// Puts a spooled request back, as after a restart.
    pub(crate) fn put_back(&self, event: Event, slip: Slip) -> Result<(), PortError> {
        self.hand_over(Request { event, slip })
    }

    async fn request(&self, event: &Event) -> Result<(), PortError> {
        let text = serde_json::to_string(event).unwrap_or_default();
        let spool = Arc::clone(&self.spool);
        let kept = tokio::task::spawn_blocking(move || spool.keep(&text)).await;
        let failed = "keep a request in the spool";
        let slip = kept
            .map_err(|error| PortError::new(failed, error))?
            .map_err(|error| PortError::new(failed, error))?;
        let request = Request {
            event: event.clone(),
            slip,
        };
        let slip = request.slip.clone();
        self.hand_over(request)
            .inspect_err(|_| self.spool.forget(&slip))
    }

    fn hand_over(&self, request: Request) -> Result<(), PortError> {
        self.requests
            .try_send(request)
            .map_err(|error| PortError::new("hand over a request", error.to_string()))
    }
}

#[async_trait]
impl Events for LocalBus {
    async fn emit_all(&self, events: &[Event]) -> Result<(), PortError> {
        for event in events {
            if event.is_request() {
                self.request(event).await?;
            } else {
                drop(self.news.try_send(event.clone()));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::FlowId;

    use super::*;

    fn sweep() -> Event {
        Event::SweepRequested {
            flow: FlowId::try_new("suppliers").unwrap(),
            request_id: None,
        }
    }

    #[tokio::test]
    async fn a_request_stays_in_the_spool_until_it_is_done() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(folder.path()).unwrap();
        let spool = Arc::new(spool);
        let (bus, mut arrivals) = LocalBus::new(Arc::clone(&spool));
        bus.emit(&sweep()).await.unwrap();
        let request = arrivals.requests.recv().await.unwrap();
        let (_, kept) = Spool::open(folder.path()).unwrap();
        let kept: Event = serde_json::from_str(&kept[0].1).unwrap();
        assert_eq!(kept, request.event);
        spool.forget(&request.slip);
        assert!(Spool::open(folder.path()).unwrap().1.is_empty());
    }

    #[tokio::test]
    async fn news_is_told_and_not_kept() {
        let folder = tempfile::tempdir().unwrap();
        let (spool, _) = Spool::open(folder.path()).unwrap();
        let (bus, mut arrivals) = LocalBus::new(Arc::new(spool));
        let event = Event::BreakerClosed {
            endpoint: tidegate_model::EndpointId::try_new("qualio").unwrap(),
        };
        bus.emit(&event).await.unwrap();
        assert_eq!(arrivals.news.recv().await.unwrap(), event);
        assert!(Spool::open(folder.path()).unwrap().1.is_empty());
    }
}
