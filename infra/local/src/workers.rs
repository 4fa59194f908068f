//! Who takes messages and requests and gives them to the handlers.
//!
//! Each tier has lanes of its own, so that critical work never waits for a batch: not for a lane,
//! and not for a permit, since the limits are per tier too. A lane has one message in hand; a pack
//! of ten keys is worked on side by side.

use std::{future::Future, sync::Arc, time::Duration};

use tidegate_engine::{
    DeadLetter, Disposition, Engine, Event, chain,
    ports::{Clock, Warehouse},
};
use tidegate_model::Tier;
use tokio::{
    sync::{Semaphore, mpsc, watch},
    task::JoinSet,
};

use crate::{
    bus::Request,
    data::new_request_id,
    queue::{DeadMessage, LocalQueue, Next},
    spool::Spool,
};

/// Messages of one tier in hand at once. With calls that take a second this is 16 records a second,
/// more than the limits of any target in sight; a lane without a message costs nothing.
const LANES: usize = 16;
/// Part of a run between two looks at whether it may go on: a function's 15 minutes.
const RUN_PART: Duration = Duration::from_mins(15);
/// Requests in work at once. A flow has one run, one comparison, one audit and one load under way, each with a
/// page in memory, so this is enough for five busy flows; what comes beyond waits on the bus, whose bound
/// then holds.
const MAX_SERVED: usize = 16;
/// Tries of a request whose handler fails, and the wait before each further one.
const REQUEST_TRIES: u32 = 3;
const REQUEST_WAIT: Duration = Duration::from_secs(10);

/// The lanes of both tiers. Each stops after the message it has in hand.
pub(crate) fn start_lanes(
    engine: &Arc<Engine>,
    queue: &Arc<LocalQueue>,
    stop: &watch::Receiver<bool>,
) -> JoinSet<()> {
    let mut lanes = JoinSet::new();
    for tier in [Tier::RealTime, Tier::Batch] {
        for _ in 0..LANES {
            let lane = Lane {
                engine: Arc::clone(engine),
                queue: Arc::clone(queue),
                tier,
            };
            lanes.spawn(lane.run(stop.clone()));
        }
    }
    lanes
}

struct Lane {
    engine: Arc<Engine>,
    queue: Arc<LocalQueue>,
    tier: Tier,
}

impl Lane {
    async fn run(self, mut stop: watch::Receiver<bool>) {
        loop {
            let next = tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => return,
                next = self.queue.next(self.tier) => next,
            };
            match next {
                Next::Work(delivery) => {
                    let engine = self.engine.asked_by(new_request_id().as_str());
                    let done = engine.work(std::slice::from_ref(&delivery)).await;
                    if done.first() == Some(&Disposition::Delete) {
                        self.queue.delete(&delivery.receipt);
                    }
                }
                Next::Dead(dead) => self.bury(&dead).await,
            }
        }
    }

    /// A record whose burial fails stays dirty, so the sweep finds it again.
    async fn bury(&self, dead: &DeadMessage) {
        let letter = DeadLetter {
            body: dead.message.encode(),
            message: Some(dead.message.clone()),
            id: String::new(),
        };
        match self.engine.dead_letters(&[letter]).await {
            Ok(()) => self.queue.buried(dead),
            Err(error) => tracing::error!(error = %chain(&error), "a dead letter was not kept"),
        }
    }
}

/// What requests are served with.
#[derive(Clone)]
pub(crate) struct Server {
    pub engine: Arc<Engine>,
    pub warehouse: Arc<dyn Warehouse>,
    pub clock: Arc<dyn Clock>,
}

/// Does what is asked for on the bus, requests side by side: runs of one flow keep each other out by
/// their lease.
pub(crate) async fn serve_requests(
    server: Server,
    spool: Arc<Spool>,
    requests: mpsc::Receiver<Request>,
) {
    let serve = |request: Request| {
        let server = server.clone();
        let spool = Arc::clone(&spool);
        async move {
            if serve(&server, &request.event).await {
                spool.forget(&request.slip);
            }
        }
    };
    side_by_side(MAX_SERVED, requests, serve).await;
}

/// Gives what arrives to `work`, at most so many at once; the rest waits where it is.
async fn side_by_side<T, W>(most: usize, mut arriving: mpsc::Receiver<T>, work: impl Fn(T) -> W)
where
    W: Future<Output = ()> + Send + 'static,
{
    let places = Arc::new(Semaphore::new(most));
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some(arrived) = arriving.recv().await else {
            return;
        };
        let done = work(arrived);
        tokio::spawn(async move {
            done.await;
            drop(place);
        });
    }
}

/// Says whether the request is done; one that is not is tried again at the next start.
async fn serve(server: &Server, event: &Event) -> bool {
    let Server {
        engine,
        warehouse,
        clock,
    } = server;
    let began = event.request_id().cloned().unwrap_or_else(new_request_id);
    let engine = engine.asked_by(began.as_str());
    for _ in 0..REQUEST_TRIES {
        let done = match event {
            Event::RunRequested { flow, request, .. } => {
                let deadline = clock.now() + RUN_PART;
                engine.run(flow, request, deadline).await.map(drop)
            }
            Event::ReconcileRequested { flow, request, .. } => {
                let deadline = clock.now() + RUN_PART;
                engine.reconcile(flow, request, deadline).await.map(drop)
            }
            Event::AuditRequested { flow, request, .. } => {
                let deadline = clock.now() + RUN_PART;
                engine.audit(flow, request, deadline).await.map(drop)
            }
            Event::LoadRequested { flow, request, .. } => {
                let deadline = clock.now() + RUN_PART;
                let loaded = engine.load(warehouse.as_ref(), flow, *request, deadline);
                loaded.await.map(drop)
            }
            Event::SweepRequested { flow, .. } => engine.tick(Some(flow)).await,
            _ => return true,
        };
        match done {
            Ok(()) => return true,
            Err(error) => tracing::error!(error = %chain(&error), "a request failed"),
        }
        clock.wait_until(clock.now() + REQUEST_WAIT).await;
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_requests_are_in_work_and_the_rest_waits_on_the_bus() {
        let (bus, arriving) = mpsc::channel(3);
        let (tell, mut begun) = mpsc::unbounded_channel();
        let gate = Arc::new(Semaphore::new(0));
        let may_end = Arc::clone(&gate);
        tokio::spawn(side_by_side(2, arriving, move |request: u32| {
            let (tell, may_end) = (tell.clone(), Arc::clone(&may_end));
            async move {
                tell.send(request).unwrap();
                may_end.acquire_owned().await.unwrap().forget();
            }
        }));
        for request in 0..5 {
            bus.send(request).await.unwrap();
        }
        assert_eq!(begun.recv().await, Some(0));
        assert_eq!(begun.recv().await, Some(1));
        // Two are in work and three wait, so there is no room for another.
        tokio::task::yield_now().await;
        assert!(begun.try_recv().is_err());
        assert!(bus.try_send(5).is_err());
        gate.add_permits(1);
        assert_eq!(begun.recv().await, Some(2));
        assert!(begun.try_recv().is_err());
        bus.send(5).await.unwrap();
    }
}
