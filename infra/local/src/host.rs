//! The whole bundle in one process: ports, handlers, queues, bus, schedules, HTTP.

use std::sync::Arc;

use anyhow::Context as _;
use axum::{Router, extract::Request, middleware};
use tidegate_connect::{HttpClient, Snowflake, connect_reading};
use tidegate_engine::{
    DeadLetter, Decisions, Engine, Event, FlowRuntime, Ports, chain,
    ports::{Clock, Events, Store, StoreError},
};
use tidegate_lambda::SystemChance;
use tidegate_model::{FlowId, Message};
use tidegate_policy::{
    flow::{Flow, Origin},
    keys, run,
};
use tokio::{
    net::TcpListener,
    sync::{mpsc, watch},
    task::{JoinHandle, JoinSet},
    time::timeout,
};

use crate::{
    bus::LocalBus,
    data::{DataDir, new_request_id},
    drops::{self, Folders},
    mail::FileMailer,
    metrics::MetricsFile,
    place::Place,
    queue::LocalQueue,
    refill::refill,
    schedule::{self, DailyDigest},
    spool::{Slip, Spool},
    table::{self, Table},
    workers,
};

/// How long calls in hand may take to end after Ctrl-C: the default time-out of a call, and its
/// commit.
const LAST_CALLS: std::time::Duration = std::time::Duration::from_secs(12);

/// What a host is made of.
pub(crate) struct Parts<'a> {
    /// The data folder, locked.
    pub data: &'a DataDir,
    /// The flows.
    pub flows: Vec<Arc<Flow>>,
    /// Settings and secrets, the API's token among them.
    pub place: Place,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where HTTP is served.
    pub listener: TcpListener,
    /// The address of that.
    pub url: String,
}

/// The bundle, running.
pub(crate) struct Host {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The bus.
    pub events: Arc<dyn Events>,
    /// What happens, for the screen.
    pub news: mpsc::Receiver<Event>,
    /// Where the table is served.
    pub table: String,
    /// Records that were found to have work at start.
    pub refilled: usize,
    stop: watch::Sender<bool>,
    lanes: JoinSet<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Host {
    /// Opens the table, puts back what was promised, and starts everything.
    pub(crate) async fn start(made_of: Parts<'_>) -> anyhow::Result<Self> {
        let Parts {
            data,
            flows,
            place,
            clock,
            listener,
            url,
        } = made_of;
        let Table { store, endpoint } = table::open(table::Place::File(&data.table())).await?;
        let (spool, kept) = Spool::open(&data.spool()).context("the spool can not be read")?;
        let spool = Arc::new(spool);
        let queue = Arc::new(LocalQueue::new(Arc::clone(&clock), Arc::clone(&spool)));
        let (bus, arrivals) = LocalBus::new(Arc::clone(&spool));
        let bus = Arc::new(bus);
        let mailer = FileMailer::new(&data.mail(), Arc::clone(&clock))
            .context("the folder for mails can not be made")?;
        let secrets = Arc::new(place);
        let ports = Ports {
            store: Arc::clone(&store),
            queue: Arc::<LocalQueue>::clone(&queue),
            events: Arc::<LocalBus>::clone(&bus),
            mailer: Arc::new(mailer),
            clock: Arc::clone(&clock),
            chance: Arc::new(SystemChance),
            http: Arc::new(HttpClient::new(Arc::<Place>::clone(&secrets))),
            secrets,
            metrics: Arc::new(MetricsFile::open(&data.metrics())?),
        };
        let warehouse = Arc::new(Snowflake::over(&ports, Arc::new(Folders)));
        let engine = Arc::new(Engine::new(ports, runtimes(flows)));
        for runtime in engine.flows() {
            release_lease(store.as_ref(), runtime.flow.id()).await?;
        }
        put_back(kept, &engine, &queue, &bus, &spool).await?;
        let refilled = refill_all(&engine, store.as_ref(), &queue).await?;

        let (stop, stopped) = watch::channel(false);
        let lanes = workers::start_lanes(&engine, &queue, &stopped);
        let server = workers::Server {
            engine: Arc::clone(&engine),
            warehouse,
            clock: Arc::clone(&clock),
        };
        tokio::spawn(workers::serve_requests(server, spool, arrivals.requests));
        let events: Arc<dyn Events> = bus;
        start_schedules(&engine, &events, &clock, data, &url);
        let server = serve(listener, router(&engine), stopped);
        Ok(Self {
            engine,
            events,
            news: arrivals.news,
            table: endpoint,
            refilled,
            stop,
            lanes,
            server,
        })
    }

    /// Takes nothing new and lets what is in hand end. Whatever does not is found again at the next
    /// start, as after any other end.
    pub(crate) async fn stop(mut self) {
        self.stop.send_replace(true);
        let ended = timeout(LAST_CALLS, async {
            while self.lanes.join_next().await.is_some() {}
            drop(self.server.await);
        });
        if ended.await.is_err() {
            tracing::warn!("stopped with calls in hand; the next start looks after their records");
        }
    }
}

/// Flows with their connectors.
pub(crate) fn runtimes(flows: Vec<Arc<Flow>>) -> Vec<FlowRuntime> {
    let connect = connect_reading(Arc::new(Folders));
    flows
        .into_iter()
        .map(|flow| {
            let (source, target) = connect(&flow);
            FlowRuntime::new(flow, source, target)
        })
        .collect()
}

/// The functions' own routers on one server.
fn router(engine: &Arc<Engine>) -> Router {
    let api = tidegate_api::router(Arc::clone(engine));
    let decisions = Arc::new(Decisions::of(engine));
    api.merge(tidegate_webhook::router(Arc::clone(engine)))
        .merge(tidegate_decide::router(decisions))
        .layer(middleware::map_request(name_request))
}

/// Names a request, which on AWS bears the id of its invocation.
async fn name_request(mut request: Request) -> Request {
    request.extensions_mut().insert(new_request_id());
    request
}

fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) -> JoinHandle<std::io::Result<()>> {
    let served = axum::serve(listener, router).with_graceful_shutdown(async move {
        drop(stopped.wait_for(|stop| *stop).await);
    });
    tokio::spawn(served.into_future())
}

/// What was promised before the last end: messages that ask for a fetch, and requests.
async fn put_back(
    kept: Vec<(Slip, String)>,
    engine: &Engine,
    queue: &LocalQueue,
    bus: &LocalBus,
    spool: &Spool,
) -> anyhow::Result<()> {
    for (slip, text) in kept {
        if let Ok(event) = serde_json::from_str::<Event>(&text) {
            if let Err(error) = bus.put_back(event, slip) {
                // More than may wait, with those that were in work: it stays in the spool.
                tracing::warn!(error = %chain(&error), "a request waits for the next start");
            }
        } else if let Ok(message) = Message::decode(&text) {
            queue.put_back(message, slip);
        } else {
            // Written by another release. A person sees it among the reviews.
            let letter = DeadLetter {
                message: None,
                body: text,
                id: crate::data::random_hex(),
            };
            engine.dead_letters(&[letter]).await?;
            spool.forget(&slip);
        }
    }
    Ok(())
}

/// No other process has the table (the folder is locked), so whoever holds a lease has ended, and a
/// run that was cut off need not wait until its lease runs out. Claims do run out: a call that was
/// sent may still take effect at its target.
async fn release_lease(store: &dyn Store, flow: &FlowId) -> Result<(), StoreError> {
    for lease in [
        keys::lease(flow),
        keys::reconcile_lease(flow),
        keys::audit_lease(flow),
        keys::load_lease(flow),
    ] {
        store.update(&lease, &run::release_ended()).await?;
    }
    Ok(())
}

async fn refill_all(
    engine: &Engine,
    store: &dyn Store,
    queue: &LocalQueue,
) -> anyhow::Result<usize> {
    let mut count = 0;
    for runtime in engine.flows() {
        let flow = runtime.flow.id();
        // The messages of the last process are gone, and so is what was promised to them.
        engine.forget_turns(flow).await?;
        count += refill(store, queue, flow, engine.now())
            .await
            .with_context(|| format!("the queues can not be filled from the records of {flow}"))?;
    }
    tracing::info!(records = count, "queues filled from the registers");
    Ok(count)
}

fn start_schedules(
    engine: &Arc<Engine>,
    events: &Arc<dyn Events>,
    clock: &Arc<dyn Clock>,
    data: &DataDir,
    url: &str,
) {
    for runtime in engine.flows() {
        tokio::spawn(schedule::windows(
            Arc::clone(runtime),
            Arc::clone(events),
            Arc::clone(clock),
        ));
        if let Origin::Files(files) = runtime.flow.origin() {
            tokio::spawn(drops::watch(
                Arc::clone(engine),
                runtime.flow.id().clone(),
                files.place.clone(),
                Arc::clone(clock),
            ));
        }
        if runtime.flow.file().source.lists_all() {
            tokio::spawn(schedule::reconciliations(
                Arc::clone(runtime),
                Arc::clone(engine),
                Arc::clone(events),
                Arc::clone(clock),
            ));
        }
    }
    tokio::spawn(schedule::ticks(Arc::clone(engine), Arc::clone(clock)));
    let digest = DailyDigest {
        engine: Arc::clone(engine),
        clock: Arc::clone(clock),
        mails: data.mail(),
        base_url: url.to_owned(),
    };
    tokio::spawn(async move {
        if let Err(error) = digest.run().await {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            tracing::error!(error = %chain(error), "there will be no daily mail");
        }
    });
}

#[cfg(test)]
mod tests {
    use tidegate_model::{ClaimToken, UnixMs};
    use tidegate_policy::run::{Counts, Lease, Mode, Progress};
    use tidegate_testkit::memory::MemoryStore;

    use super::*;

    #[tokio::test]
    async fn a_run_that_was_cut_off_keeps_its_place_and_loses_its_lease() {
        let store = MemoryStore::default();
        let flow = FlowId::try_new("suppliers").unwrap();
        release_lease(&store, &flow).await.unwrap();
        let now = UnixMs(1_000_000);
        let progress = Progress {
            run: tidegate_model::RunId::try_new("manual-1").unwrap(),
            window: None,
            mode: Mode::Initial,
            started: now,
            limit_from: now,
            since_us: None,
            cursor: None,
            pages: 1,
            newest_us: None,
            counts: Counts::default(),
            paging: run::Paging::default(),
            trail: run::Trail::default(),
            bad_lines: run::BadLines::default(),
        };
        let token = ClaimToken::try_new("dead").unwrap();
        let key = keys::lease(&flow);
        let take = run::take(&token, &Lease::default(), &progress, None, now);
        store.update(&key, &take).await.unwrap();
        release_lease(&store, &flow).await.unwrap();
        let items = store.get(&[key]).await.unwrap();
        let lease = Lease::read(items[0].as_ref());
        assert_eq!(lease.held_until(now), None);
        assert_eq!(lease.progress, Some(progress));
        assert_eq!(lease.fence, 1);
    }
}
