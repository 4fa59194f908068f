//! What AWS does around the functions: event source mappings, the bus, the scheduler.

use std::{sync::Arc, time::Duration};

use tidegate_engine::{DeadLetter, Delivery, Disposition, Event, ports::Clock};
use tidegate_model::{FlowId, Message, Tier, UnixMs};
use tidegate_policy::{flow::Flow, run::RunRequest};

use crate::{process::Process, world::Shared};

/// An asynchronous invocation that fails is repeated twice, after one and two minutes.
const ASYNC_REPEATS: u32 = 2;
const ASYNC_WAIT: Duration = Duration::from_secs(60);
/// A dead letter that could not be taken comes again after its queue's visibility.
const LETTER_AGAIN: Duration = Duration::from_secs(360);
/// The daily mail, as seconds of the day in UTC.
const MAIL_AT_S: i64 = 7 * 3_600;
const DAY_S: i64 = 86_400;

/// An event on its way to a function, and how often it failed there.
#[derive(Clone, Debug)]
pub(crate) struct Posted {
    event: Event,
    failures: u32,
}

impl Posted {
    pub(crate) fn new(event: Event) -> Self {
        Self { event, failures: 0 }
    }
}

/// Works the messages of a tier for ever.
pub(crate) async fn worker(shared: Arc<Shared>, process: Process, tier: Tier) {
    loop {
        shared.sqs.ready(tier).await;
        let work = process.invoke(|alive| async move {
            let Ok(received) = alive.ports.receive(tier).await else {
                return;
            };
            let mut deliveries = Vec::new();
            for delivered in received {
                // One that can not be read stays until it is a dead letter, as in the worker's handler.
                if let Ok(message) = Message::decode(&delivered.body) {
                    deliveries.push(Delivery {
                        message,
                        receipt: delivered.receipt,
                    });
                }
            }
            let dispositions = alive.engine.work(&deliveries).await;
            let handled: Vec<_> = deliveries
                .into_iter()
                .zip(dispositions)
                .filter(|(_, disposition)| *disposition == Disposition::Delete)
                .map(|(delivery, _)| delivery.receipt)
                .collect();
            // What is not deleted comes again.
            drop(alive.ports.delete(tier, &handled).await);
        });
        // A worker that died has left its messages to their visibility.
        work.await.unwrap_or(());
    }
}

/// Runs the batches that are asked for.
pub(crate) async fn batch_sync(shared: Arc<Shared>, process: Process) {
    loop {
        let posted = shared.runs.take(&shared.clock).await;
        let Event::RunRequested { flow, request, .. } = posted.event.clone() else {
            continue;
        };
        let timeout = shared.timeout_of(process.kind());
        let done = process
            .invoke(|alive| async move {
                let deadline = alive.engine.now() + timeout;
                let ran = alive.engine.run(&flow, &request, deadline).await;
                match ran {
                    Ok(report) => {
                        alive.ports.shared.keep_report(report);
                        true
                    }
                    Err(_) => false,
                }
            })
            .await;
        if !matches!(done, Ok(true)) {
            again(&shared, posted, |shared, posted, at| {
                shared.runs.put(at, posted);
            });
        }
    }
}

/// The heartbeat, and the sweeps that are asked for.
pub(crate) async fn tick(shared: Arc<Shared>, process: Process, every: Duration) {
    let mut next = shared.clock.now() + every;
    loop {
        let asked = tokio::select! {
            biased;
            posted = shared.sweeps.take(&shared.clock) => Some(posted),
            () = shared.clock.wait_until(next) => None,
        };
        let only: Option<FlowId> = match asked.as_ref().map(|posted| &posted.event) {
            Some(Event::SweepRequested { flow, .. }) => Some(flow.clone()),
            Some(_) => continue,
            None => {
                next = shared.clock.now() + every;
                None
            }
        };
        let done = process
            .invoke(|alive| async move { alive.engine.tick(only.as_ref()).await.is_ok() })
            .await;
        if let Some(posted) = asked.filter(|_| !matches!(done, Ok(true))) {
            again(&shared, posted, |shared, posted, at| {
                shared.sweeps.put(at, posted);
            });
        }
    }
}

fn again(shared: &Shared, mut posted: Posted, put: impl FnOnce(&Shared, Posted, UnixMs)) {
    posted.failures += 1;
    if posted.failures <= ASYNC_REPEATS {
        let at = shared.clock.now() + ASYNC_WAIT * posted.failures;
        put(shared, posted, at);
    }
}

/// Starts each window of a flow when it is due.
pub(crate) async fn windows(shared: Arc<Shared>, flow: Arc<Flow>) {
    while let Some(due) = flow.schedule().next_after(shared.clock.now()) {
        shared.clock.wait_until(due.at).await;
        let request = RunRequest {
            window: Some(due.at),
            mode: None,
            lookback_s: None,
            resume: None,
            trigger: None,
        };
        let flow = flow.id().clone();
        shared.publish(
            &Event::RunRequested {
                flow,
                request,
                request_id: None,
            },
            Duration::ZERO,
        );
    }
}

/// Takes dead letters as they come.
pub(crate) async fn dead_letters(shared: Arc<Shared>, process: Process) {
    loop {
        let (tier, bodies) = shared.sqs.dead().await;
        let letters: Vec<DeadLetter> = bodies
            .iter()
            .zip(0..)
            .map(|(body, number)| DeadLetter {
                message: Message::decode(body).ok(),
                body: body.clone(),
                id: format!("dead-{}-{number}", shared.clock.now().0),
            })
            .collect();
        let done = process
            .invoke(|alive| async move { alive.engine.dead_letters(&letters).await.is_ok() })
            .await;
        if !matches!(done, Ok(true)) {
            tokio::time::sleep(LETTER_AGAIN).await;
            shared.sqs.bury_again(tier, bodies);
        }
    }
}

/// Sends the daily mail.
pub(crate) async fn daily_mail(shared: Arc<Shared>, process: Process) {
    loop {
        let now_s = shared.clock.now().0.div_euclid(1_000);
        let today = now_s.div_euclid(DAY_S) * DAY_S + MAIL_AT_S;
        let next_s = if today > now_s { today } else { today + DAY_S };
        shared.clock.wait_until(UnixMs(next_s * 1_000)).await;
        let mail = process.invoke(|alive| async move { alive.engine.daily_digest("").await });
        // One that was not sent is not repeated: the next day's says the same.
        drop(mail.await.map_err(|_| ()));
    }
}
