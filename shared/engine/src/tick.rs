//! tick: the only heartbeat. Sweeps the stranded, starts what is due and has no run, goes on with
//! runs that were interrupted, and counts what is pending from the registers (QUE-2, OUT-1).

mod figures;
mod freshness;
mod gauges;
mod sweep;

use std::time::Duration;

pub use gauges::Gauges;
pub(crate) use gauges::add_print;
use sweep::{Sweep, Waiting};
use tidegate_model::{
    FlowId, RecordKey, Tier,
    item::{Condition, Item, Update, Value},
    metric,
};
use tidegate_policy::{
    audit,
    breaker::Breaker,
    fingerprint::KeyPrint,
    flow_state::{self, FlowState, Side},
    keys,
    load::{self, LoadRequest},
    reconcile::{Checkpoint, ReconcileRequest},
    register::Register,
    run::{Lease, RunRequest},
};

use crate::{Engine, EngineError, Event, FlowRuntime, ports::Listing};

/// Registers read in one call.
const SCAN_PAGE: u32 = 500;
/// A schedule's own start comes first; tick starts what it left out.
const START_GRACE: Duration = Duration::from_secs(60);

impl Engine {
    /// Looks at every flow, or at one. A failure in one flow does not keep the others waiting.
    pub async fn tick(&self, only: Option<&FlowId>) -> Result<(), EngineError> {
        let mut failed = None;
        for runtime in self
            .flows()
            .filter(|runtime| only.is_none_or(|flow| runtime.flow.id() == flow))
        {
            if let Err(error) = self.tick_flow(runtime).await {
                tracing::error!(flow = %runtime.flow.id(), request_id = self.request(), error = %crate::chain(&error), "tick failed");
                failed = Some(error);
            }
        }
        if failed.is_none() && only.is_none() {
            self.measure(&metric::TICKS, &[], 1.0);
        }
        self.emit_measured();
        failed.map_or(Ok(()), Err)
    }

    async fn tick_flow(&self, runtime: &FlowRuntime) -> Result<(), EngineError> {
        let (flow, began) = (runtime.flow.id(), self.now());
        let look = self.look(runtime).await?;
        let state = self.after_outage(flow, &look.target).await?;
        let lease = Lease::read(self.read(&keys::lease(flow)).await?.as_ref());
        let compared = Checkpoint::read(self.read(&keys::reconcile_lease(flow)).await?.as_ref());
        self.ask_audit(runtime, &lease).await?;
        if state.stops(Side::Source).is_none() {
            self.start_due(runtime, &lease).await?;
            self.resume_reconcile(runtime, &compared).await?;
        }
        let before = self.gauges(flow).await?;
        let sweep = Sweep::of(&state, &look.target, self.now());
        if sweep == Sweep::All {
            self.forget_turns(flow).await?;
        }
        let (mut gauges, waiting) = self.scan(runtime, sweep, &before).await?;
        match sweep {
            Sweep::Nothing => {}
            Sweep::All => self.swept_all(flow, &state, &gauges).await?,
            Sweep::Stranded { most } => {
                self.sweep_stranded(runtime, &mut gauges, &waiting, most)
                    .await?;
            }
            Sweep::Ask { not_before } => self.ask(runtime, &waiting, not_before).await?,
        }
        if runtime.flow.warehouse().is_some() {
            self.look_at_loads(flow, &state, &before, &mut gauges)
                .await?;
        }
        let breached = gauges.note_breaches(&before, runtime, lease.covered, self.now());
        let text = serde_json::to_string(&gauges).unwrap_or_default();
        self.write(
            &keys::flow_gauges(flow),
            &Update::when(Condition::ALWAYS).set("gauges", text),
        )
        .await?;
        self.measure_tick(
            runtime,
            (&before, &gauges),
            &look,
            (&lease, &compared),
            &state,
        );
        for event in breached {
            self.tell(event).await;
        }
        let now = self.now();
        let age = |tier| {
            gauges
                .staleness(tier, lease.covered, now)
                .map(|age| age.as_secs())
        };
        tracing::info!(
            flow = %flow,
            records = gauges.records,
            pending_real_time = gauges.pending_real_time,
            pending_batch = gauges.pending_batch,
            in_review = gauges.in_review,
            swept = gauges.swept,
            critical_age_s = age(Tier::RealTime),
            other_age_s = age(Tier::Batch),
            request_id = self.request(),
            took_ms = self.ms_since(began),
            "tick"
        );
        Ok(())
    }

    /// Starts a window that is due and has no run, goes on with one that was interrupted, or starts one
    /// for an event that waits.
    async fn start_due(&self, runtime: &FlowRuntime, lease: &Lease) -> Result<(), EngineError> {
        let now = self.now();
        if lease.held_until(now).is_some() {
            return Ok(());
        }
        let due = runtime.flow.schedule().latest_due(now).map(|due| due.at);
        let due = due.filter(|at| {
            // A run that was cut has its window; the next one gives it more time.
            let has_run = lease.progress.as_ref().and_then(|run| run.window) >= Some(*at);
            *at + START_GRACE <= now && !has_run && lease.done_window.is_none_or(|done| done < *at)
        });
        let resume = lease
            .progress
            .as_ref()
            .filter(|progress| now < progress.limit_from + runtime.flow.max_run())
            .map(|progress| progress.run.clone());
        // What was cut goes on with its next window, not with an event: the hours it was cut for.
        let cut = lease.progress.is_some() && resume.is_none();
        let waiting = lease.triggers.waiting().filter(|_| !cut).cloned();
        if due.is_none() && resume.is_none() && waiting.is_none() {
            return Ok(());
        }
        let request = RunRequest {
            window: due,
            mode: None,
            lookback_s: None,
            resume,
            trigger: waiting,
        };
        self.emit_run(runtime.flow.id(), request).await
    }

    /// Goes on with a reconciliation that was interrupted.
    async fn resume_reconcile(
        &self,
        runtime: &FlowRuntime,
        seen: &Checkpoint,
    ) -> Result<(), EngineError> {
        let flow = runtime.flow.id();
        let now = self.now();
        let Some(progress) = seen
            .unfinished(now)
            .filter(|_| seen.held_until(now).is_none())
        else {
            return Ok(());
        };
        let request = ReconcileRequest {
            window: progress.window,
            resume: Some(progress.run.clone()),
            accept_absent: false,
        };
        let flow = flow.clone();
        let event = Event::ReconcileRequested {
            flow,
            request,
            request_id: self.request_id(),
        };
        self.ports.events.emit(&event).await?;
        Ok(())
    }

    /// Asks for an audit that is due and has no account, or for the rest of one.
    async fn ask_audit(&self, runtime: &FlowRuntime, lease: &Lease) -> Result<(), EngineError> {
        let flow = &runtime.flow;
        if flow.audit().is_none() {
            return Ok(());
        }
        let item = self.read(&keys::audit_lease(flow.id())).await?;
        let seen = audit::Checkpoint::read(item.as_ref());
        let due = lease.done_window.and_then(|done| flow.audit_window(done));
        if let Some(request) = audit::to_ask_for(&seen, due, self.now()) {
            self.ask_for_audit(flow.id(), request).await?;
        }
        Ok(())
    }

    /// Measures how long records wait for a load, and asks for one that has something to do: a person may
    /// have asked to look whether what blocked it is mended.
    async fn look_at_loads(
        &self,
        flow: &FlowId,
        state: &FlowState,
        before: &Gauges,
        gauges: &mut Gauges,
    ) -> Result<(), EngineError> {
        let item = self.read(&keys::load_lease(flow)).await?;
        let seen = load::Checkpoint::read(item.as_ref());
        let now = self.now();
        let progress = seen.progress.clone().unwrap_or_default();
        let lag = gauges.note_not_loaded(before, progress.staged_at, now);
        self.measure(&metric::LOAD_LAG, &[flow.as_str()], lag.as_secs_f64());
        let age = progress.comparison_age(now);
        let metric = &metric::LOAD_COMPARISON_AGE;
        self.measure(metric, &[flow.as_str()], age.as_secs_f64());
        let blocker = state.blocker.as_ref();
        let is_checked =
            state.checking && blocker.is_some_and(|blocker| blocker.side == Side::Warehouse);
        let wished = load::wished(item.as_ref());
        let is_due = is_checked || progress.is_due(gauges.not_loaded, wished, now);
        let may = state.stops(Side::Warehouse).is_none() && seen.held_until(now).is_none();
        if may && is_due {
            self.ask_for_load(flow, LoadRequest::default()).await?;
        }
        Ok(())
    }

    /// Reads every register of the flow once; counts, and finds those that the sweep may queue. A
    /// sweep of all queues as it reads: no more than a page is kept.
    async fn scan(
        &self,
        runtime: &FlowRuntime,
        sweep: Sweep,
        before: &Gauges,
    ) -> Result<(Gauges, Vec<Waiting>), EngineError> {
        let mut gauges = Gauges::after(before, runtime, self.now());
        let mut waiting = Vec::new();
        for shard in 0..keys::REGISTER_SHARDS {
            let listing = Listing::Partition(keys::register_partition(runtime.flow.id(), shard));
            let mut after: Option<String> = None;
            loop {
                let page = self
                    .ports
                    .store
                    .list(&listing, after.as_deref(), SCAN_PAGE)
                    .await?;
                for (key, item) in page.items {
                    let found = self.look_at(runtime, &key.sort, &item, sweep, &mut gauges);
                    waiting.extend(found);
                }
                match sweep {
                    Sweep::All => self.queue_all(runtime, &mut gauges, &mut waiting).await?,
                    Sweep::Ask { .. } => sweep::keep_next(&mut waiting),
                    Sweep::Nothing | Sweep::Stranded { .. } => {}
                }
                after = page.next;
                if after.is_none() {
                    break;
                }
            }
        }
        Ok((gauges, waiting))
    }

    fn look_at(
        &self,
        runtime: &FlowRuntime,
        key: &str,
        item: &Item,
        sweep: Sweep,
        gauges: &mut Gauges,
    ) -> Option<Waiting> {
        if let (true, Ok(key)) = (Register::is_at_rest(item), RecordKey::try_new(key)) {
            gauges.records += 1;
            gauges.applied += 1;
            if runtime.flow.warehouse().is_some()
                && load::is_due(item, runtime.flow.private_fields())
            {
                gauges.not_loaded += 1;
            }
            add_print(&mut gauges.key_sums, KeyPrint::of(&key));
            return None;
        }
        let (Ok(key), Ok(Some(register))) = (RecordKey::try_new(key), Register::read(item)) else {
            tracing::error!(flow = %runtime.flow.id(), key, "a register can not be read");
            return None;
        };
        gauges.count(&register);
        if runtime.flow.warehouse().is_some() && load::is_due(item, runtime.flow.private_fields()) {
            gauges.not_loaded += 1;
        }
        add_print(&mut gauges.key_sums, KeyPrint::of(&key));
        sweep.candidate(key, &register, self.now())
    }

    /// The flow's state. After an outage of its target everything dirty is to be queued again.
    async fn after_outage(
        &self,
        flow: &FlowId,
        breaker: &Breaker,
    ) -> Result<FlowState, EngineError> {
        let state = self.flow_state(flow).await?;
        match breaker.outage_over() {
            Some(over) if state.outage < Some(over) => {
                let write = flow_state::after_outage(over, self.now());
                self.write(&keys::flow_state(flow), &write).await?;
                Ok(self.flow_state(flow).await?)
            }
            _ => Ok(state),
        }
    }

    /// What tick last counted of a flow.
    pub async fn gauges(&self, flow: &FlowId) -> Result<Gauges, EngineError> {
        let item = self.read(&keys::flow_gauges(flow)).await?;
        let text = item
            .as_ref()
            .and_then(|item| item.get("gauges"))
            .and_then(Value::as_text);
        Ok(text
            .and_then(|text| serde_json::from_str(text).ok())
            .unwrap_or_default())
    }

    /// Counts a flow's records now, without starting or queueing anything.
    pub async fn count(&self, flow: &FlowId) -> Result<Gauges, EngineError> {
        let runtime = self.flow(flow)?;
        let (gauges, _) = self
            .scan(runtime, Sweep::Nothing, &Gauges::default())
            .await?;
        Ok(gauges)
    }
}
