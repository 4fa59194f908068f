//! What EventBridge Scheduler does on AWS: windows, the heartbeat, the daily mail.

use std::{path::PathBuf, sync::Arc, time::Duration};

use anyhow::Context as _;
use tidegate_engine::{
    Engine, Event, FlowRuntime, chain,
    ports::{Clock, Events},
};
use tidegate_model::{
    UnixMs,
    flow::{Schedule, WindowSpec},
};
use tidegate_policy::{reconcile::ReconcileRequest, run::RunRequest, schedule::CompiledSchedule};

use crate::{data::new_request_id, mail::FileMailer};

/// Between two ticks. On AWS it is 5 minutes; here each tick refreshes what a person is looking at,
/// and the table costs nothing to read.
const TICK_EVERY: Duration = Duration::from_secs(15);
/// A tick reads every register, so it may take one part in so many of the time.
const TICK_SHARE: u32 = 10;
/// The longest sleep in one piece: a machine that was suspended wakes up with the wrong idea of how
/// long it slept.
const LONGEST_NAP: Duration = Duration::from_mins(1);
/// Local time of the daily mail, here and on AWS.
pub(crate) const DIGEST_AT: &str = "07:00";
/// Local time of the daily reconciliation, here and on AWS: after the night window, and outside every
/// change of the clock.
pub(crate) const RECONCILE_AT: &str = "04:00";

/// Starts each window of a flow when it is due. Windows that were due while nothing ran are tick's.
pub(crate) async fn windows(
    runtime: Arc<FlowRuntime>,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
) {
    while let Some(due) = runtime.flow.schedule().next_after(clock.now()) {
        wait_until(clock.as_ref(), due.at).await;
        start_window(&runtime, events.as_ref(), due.at).await;
    }
}

async fn start_window(runtime: &FlowRuntime, events: &dyn Events, at: UnixMs) {
    let event = Event::RunRequested {
        flow: runtime.flow.id().clone(),
        request: RunRequest {
            window: Some(at),
            mode: None,
            lookback_s: None,
            resume: None,
            trigger: None,
        },
        // Whoever does it names the request.
        request_id: None,
    };
    if let Err(error) = events.emit(&event).await {
        tracing::error!(flow = %runtime.flow.id(), error = %chain(&error), "a window was not started; tick will");
    }
}

/// Reconciles a flow each day. One that was due while nothing ran is started at once, if there was
/// any before.
pub(crate) async fn reconciliations(
    runtime: Arc<FlowRuntime>,
    engine: Arc<Engine>,
    events: Arc<dyn Events>,
    clock: Arc<dyn Clock>,
) {
    let zone = runtime.flow.file().schedule.time_zone.clone();
    let schedule = match daily(zone, RECONCILE_AT) {
        Ok(schedule) => schedule,
        Err(error) => {
            let error: &(dyn std::error::Error + 'static) = error.as_ref();
            tracing::error!(flow = %runtime.flow.id(), error = %chain(error), "there will be no reconciliation");
            return;
        }
    };
    if let Some(missed) = missed_reconciliation(&runtime, &engine, &schedule, clock.now()).await {
        start_reconciliation(&runtime, events.as_ref(), missed).await;
    }
    while let Some(due) = schedule.next_after(clock.now()) {
        wait_until(clock.as_ref(), due.at).await;
        start_reconciliation(&runtime, events.as_ref(), due.at).await;
    }
}

async fn missed_reconciliation(
    runtime: &FlowRuntime,
    engine: &Engine,
    schedule: &CompiledSchedule,
    now: UnixMs,
) -> Option<UnixMs> {
    let latest = engine.latest_reconcile(runtime.flow.id()).await;
    let newest = latest.ok().flatten()?.started;
    let due = schedule.latest_due(now)?.at;
    (newest < due).then_some(due)
}

async fn start_reconciliation(runtime: &FlowRuntime, events: &dyn Events, at: UnixMs) {
    let flow = runtime.flow.id().clone();
    let request = ReconcileRequest {
        window: Some(at),
        ..ReconcileRequest::default()
    };
    if let Err(error) = events
        .emit(&Event::ReconcileRequested {
            flow,
            request,
            request_id: None,
        })
        .await
    {
        tracing::error!(flow = %runtime.flow.id(), error = %chain(&error), "a reconciliation was not started");
    }
}

/// Once a day at a time of a zone.
fn daily(time_zone: String, at: &str) -> anyhow::Result<CompiledSchedule> {
    let schedule = Schedule {
        time_zone,
        windows: vec![WindowSpec {
            at: at.to_owned(),
            lookback_s: None,
        }],
        every_minutes: None,
        lookback_s: 0,
        max_run_minutes: 1,
    };
    CompiledSchedule::compile(&schedule).context("there is no such daily schedule")
}

/// The heartbeat, at once and then every 15 seconds.
pub(crate) async fn ticks(engine: Arc<Engine>, clock: Arc<dyn Clock>) {
    loop {
        let start = clock.now();
        // What failed is logged where it failed.
        let asked = engine.asked_by(new_request_id().as_str());
        drop(asked.tick(None).await);
        let took = clock.now().since(start);
        clock
            .wait_until(start + TICK_EVERY.max(took * TICK_SHARE))
            .await;
    }
}

/// The daily mail. One that was due while nothing ran is sent at start, if any was sent before.
pub(crate) struct DailyDigest {
    /// The engine.
    pub engine: Arc<Engine>,
    /// The clock.
    pub clock: Arc<dyn Clock>,
    /// Where mails are.
    pub mails: PathBuf,
    /// Where the API answers.
    pub base_url: String,
}

impl DailyDigest {
    /// Sends each mail when it is due.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let schedule = self.schedule()?;
        self.send_missed(&schedule).await;
        while let Some(due) = schedule.next_after(self.clock.now()) {
            wait_until(self.clock.as_ref(), due.at).await;
            self.send().await;
        }
        Ok(())
    }

    async fn send_missed(&self, schedule: &CompiledSchedule) {
        let latest = schedule.latest_due(self.clock.now()).map(|due| due.at);
        let missed = FileMailer::newest(&self.mails)
            .zip(latest)
            .is_some_and(|(newest, latest)| newest < latest);
        if missed {
            self.send().await;
        }
    }

    async fn send(&self) {
        if let Err(error) = self.engine.daily_digest(&self.base_url).await {
            tracing::error!(error = %chain(&error), "the digest was not sent");
        }
    }

    /// Daily, in the zone of the first flow: its people are those who read the mail.
    fn schedule(&self) -> anyhow::Result<CompiledSchedule> {
        let zone = self
            .engine
            .flows()
            .next()
            .map(|runtime| runtime.flow.file().schedule.time_zone.clone());
        daily(zone.unwrap_or_else(|| "UTC".to_owned()), DIGEST_AT)
    }
}

/// Waits in naps, each measured on the clock.
async fn wait_until(clock: &dyn Clock, moment: UnixMs) {
    while clock.now() < moment {
        clock
            .wait_until(moment.min(clock.now() + LONGEST_NAP))
            .await;
    }
}

#[cfg(test)]
mod tests {
    use tidegate_engine::ports::Mail;
    use tidegate_engine::ports::Mailer as _;
    use tidegate_testkit::{
        host::{Host, START},
        memory::ManualClock,
    };

    use super::*;

    const FLOW: &str = include_str!("../../flows/suppliers.toml");

    fn host() -> Host {
        Host::new(&[FLOW], [], tidegate_connect::connect).unwrap()
    }

    fn digest(host: &Host, mails: &std::path::Path) -> DailyDigest {
        DailyDigest {
            engine: Arc::clone(&host.engine),
            clock: host.clock.clone(),
            mails: mails.to_owned(),
            base_url: String::new(),
        }
    }

    async fn sent_at_start(host: &Host, mails: &std::path::Path) -> usize {
        let digest = digest(host, mails);
        digest.send_missed(&digest.schedule().unwrap()).await;
        host.mailer.all().len()
    }

    #[tokio::test]
    async fn a_mail_that_was_due_while_nothing_ran_is_sent_at_start() {
        let folder = tempfile::tempdir().unwrap();
        let host = host();
        assert_eq!(sent_at_start(&host, folder.path()).await, 0, "never yet");
        let clock = Arc::new(ManualClock::new(START));
        let before = FileMailer::new(folder.path(), clock).unwrap();
        let mail = Mail {
            subject: String::new(),
            text: String::new(),
        };
        before.send(&mail).await.unwrap();
        assert_eq!(sent_at_start(&host, folder.path()).await, 0, "not due yet");
        host.clock.advance(Duration::from_hours(24));
        assert_eq!(sent_at_start(&host, folder.path()).await, 1);
    }

    #[tokio::test]
    async fn a_reconciliation_that_was_due_while_nothing_ran_is_started_if_there_was_any() {
        let host = host();
        let runtime = Arc::clone(host.engine.flows().next().unwrap());
        let zone = runtime.flow.file().schedule.time_zone.clone();
        let schedule = daily(zone, RECONCILE_AT).unwrap();
        // 04:00 in Berlin.
        let due = START + Duration::from_hours(1);
        let missed = async |host: &Host| {
            missed_reconciliation(&runtime, &host.engine, &schedule, host.clock.now()).await
        };
        host.clock.set(due + Duration::from_hours(2));
        assert_eq!(missed(&host).await, None, "never yet");
        host.clock.set(START);
        let none = serde_json::json!({"items": [], "has_more": false});
        host.http.answer(move |_| {
            Ok(tidegate_testkit::memory::MemoryHttp::json(
                200,
                none.clone(),
            ))
        });
        let request = ReconcileRequest::default();
        let deadline = START + Duration::from_hours(1);
        let flow = runtime.flow.id();
        host.engine
            .reconcile(flow, &request, deadline)
            .await
            .unwrap();
        assert_eq!(missed(&host).await, None, "not due yet");
        host.clock.set(due + Duration::from_hours(2));
        assert_eq!(missed(&host).await, Some(due));
    }

    #[tokio::test]
    async fn a_wait_ends_at_its_moment() {
        let clock = ManualClock::new(START);
        let moment = START + Duration::from_hours(8);
        wait_until(&clock, moment).await;
        assert_eq!(clock.now(), moment);
    }
}
