//! batch-sync: pulls pages, normalises, validates, dedupes, stages and queues (CP-1, CP-2, OUT-1).
//!
//! A run holds the flow's lease. After each page, what was staged and queued is written with the
//! checkpoint; a crash anywhere before that makes the next holder do the page again, which changes
//! nothing. The run stops before its deadline and goes on where it was.

mod page;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::{FlowId, RunId, UnixMs, item::Update, metric};
use tidegate_policy::{
    audit::AuditRequest,
    flow_state::{FlowState, Side},
    keys,
    run::{self, Counts, Holder, Lease, Mode, NextPage, Paging, Progress, RunRequest, Start},
};

use crate::{
    Engine, EngineError, Event, FlowRuntime,
    measure::started_by,
    ports::{CallError, Index, Page, PageRequest, PageSize, Written},
};

/// Tries of a page that the source fails to give; reads are safe to repeat.
const PAGE_TRIES: u32 = 3;
/// How long it is known that a file was read. One that lies there still is then read again, which changes
/// nothing.
const DONE_MEMORY: Duration = Duration::from_secs(400 * 24 * 3_600);
/// Wait before a repeated read; doubled each time.
const PAGE_RETRY_WAIT: Duration = Duration::from_secs(1);

/// How a call of the batch function ended. None but `Complete` reports success.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "ended")]
pub enum RunEnd {
    /// Everything was read, staged and queued.
    Complete,
    /// The window was complete before: a repeated delivery.
    AlreadyDone,
    /// Another holds the lease.
    Busy {
        /// Its end, unless renewed.
        until: UnixMs,
    },
    /// Stopped before the deadline; an event asks for the rest.
    Continues,
    /// Cut at the flow's hard limit; the next window goes on from here (R34).
    Cut,
    /// It could not go on; tick asks for the rest.
    Interrupted {
        /// Why.
        reason: String,
    },
    /// Paused or blocked.
    Stopped {
        /// Why.
        reason: String,
    },
    /// The lease was lost to another run, which goes on.
    LeaseLost,
}

impl RunEnd {
    /// The end of a listing that would have none.
    pub(crate) fn goes_round() -> Self {
        Self::Interrupted {
            reason: "the source goes round: it names a page that it named before".to_owned(),
        }
    }
}

/// The account of a run, as it is stored and shown.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RunReport {
    /// The run, when one was begun.
    pub run: Option<RunId>,
    /// Its window.
    pub window: Option<UnixMs>,
    /// When it first started.
    pub started: UnixMs,
    /// When this part of it ended.
    pub ended_at: UnixMs,
    /// How.
    #[serde(flatten)]
    pub end: RunEnd,
    /// Pages done over all parts.
    pub pages: u64,
    /// Rows over all parts.
    pub counts: Counts,
}

/// A run at work.
struct Running<'a> {
    engine: &'a Engine,
    runtime: &'a FlowRuntime,
    holder: Holder,
    read: u64,
    progress: Progress,
    deadline: UnixMs,
    links: Index,
    /// Time of the present page that went into waiting and failing, not into its rows.
    waited: Duration,
    /// Pages done before this part of the run.
    pages_before: u64,
}

impl Engine {
    /// Starts or continues a run.
    pub async fn run(
        &self,
        flow: &FlowId,
        request: &RunRequest,
        deadline: UnixMs,
    ) -> Result<RunReport, EngineError> {
        let report = self.run_part(flow, request, deadline).await?;
        let (run, window) = (report.run.as_ref(), report.window);
        report.end.log("run", self.request(), flow, run, window);
        Ok(report)
    }

    async fn run_part(
        &self,
        flow: &FlowId,
        request: &RunRequest,
        deadline: UnixMs,
    ) -> Result<RunReport, EngineError> {
        let runtime = self.flow(flow)?;
        let state = self.flow_state(flow).await?;
        if let Some(reason) = state.stops(Side::Source) {
            self.let_wait(flow, request).await?;
            return Ok(not_begun(RunEnd::Stopped { reason }, request, self.now()));
        }
        let lease_key = keys::lease(flow);
        let lease = Lease::read(self.read(&lease_key).await?.as_ref());
        // Later than what the lease tells of: a run that began before another's end, and stood still,
        // would move the watermark back (CP-2).
        let now = self.now();
        let token = self.token();
        let lookback = lookback(runtime, request.window);
        let progress = match run::plan(&lease, request, lookback, &token, now) {
            Start::AlreadyDone | Start::Over => {
                return Ok(not_begun(RunEnd::AlreadyDone, request, now));
            }
            Start::Busy { until } => {
                self.let_wait(flow, request).await?;
                return Ok(not_begun(RunEnd::Busy { until }, request, now));
            }
            Start::Go(progress) => *progress,
        };
        let lists = progress.mode == Mode::Initial && runtime.target.traits().listable;
        if let Some(reason) = state.stops(Side::Target).filter(|_| lists) {
            self.let_wait(flow, request).await?;
            return Ok(not_begun(RunEnd::Stopped { reason }, request, now));
        }
        let held = match self
            .write(
                &lease_key,
                &run::take(&token, &lease, &progress, request.trigger.as_ref(), now),
            )
            .await?
        {
            Written::Done { after, .. } => Lease::read(Some(&after)),
            Written::Refused { current } => Lease::read(current.as_ref()),
        };
        if !held.is_held_by(&token) {
            // Where it is the repeat of an event, the lease tells that its run has begun.
            self.let_wait(flow, request).await?;
            let until = held.held_until(now).unwrap_or(now);
            return Ok(not_begun(RunEnd::Busy { until }, request, now));
        }
        let holder = Holder {
            token,
            fence: held.fence,
            seq: held.seq,
            until: now + run::LEASE,
        };
        let read = u64::try_from(held.reads).unwrap_or(0);
        tracing::info!(flow = %flow, run = %progress.run, mode = crate::words::mode(progress.mode), request_id = self.request(), resumed = progress.pages > 0, revision = runtime.flow.revision(), flow_hash = runtime.flow.hash(), "run begins");
        let pages_before = progress.pages;
        let engine = self.at_run(&progress.run);
        let running = Running {
            engine: &engine,
            runtime,
            holder,
            read,
            progress,
            deadline,
            links: Index::new(),
            waited: Duration::ZERO,
            pages_before,
        };
        // Boxed: it is too large to be held by every caller.
        Box::pin(running.go(&state)).await
    }
}

impl Running<'_> {
    async fn go(mut self, state: &FlowState) -> Result<RunReport, EngineError> {
        self.engine
            .check_contract(self.runtime, state, self.progress.started)
            .await?;
        let session = self.engine.source_session(self.runtime, None, false);
        self.engine.warm(session, self.runtime.source.grant()).await;
        let end = match self.link_targets().await? {
            Some(end) => end,
            None => self.pages(state.checking).await?,
        };
        let end = self.close(end).await?;
        let report = RunReport {
            run: Some(self.progress.run.clone()),
            window: self.progress.window,
            started: self.progress.started,
            ended_at: self.engine.now(),
            end,
            pages: self.progress.pages,
            counts: self.progress.counts,
        };
        if report.end == RunEnd::LeaseLost {
            // Whoever goes on with it keeps its account and tells of it.
            return Ok(report);
        }
        let flow = self.runtime.flow.id();
        let own = keys::run_report(flow, report.started);
        self.engine
            .keep_account(
                &own,
                &keys::latest_run(flow),
                report.ended_at,
                self.holder.fence,
                &report,
            )
            .await?;
        self.log_end(&report);
        self.measure_run(&report);
        let event = Event::RunFinished {
            flow: flow.clone(),
            run: self.progress.run.to_string(),
            complete: report.end == RunEnd::Complete,
            counts: report.counts,
        };
        self.engine.tell(event).await;
        self.ask_for_audit(&report).await;
        if report.end == RunEnd::Continues {
            let request = RunRequest {
                window: self.progress.window,
                mode: None,
                lookback_s: None,
                resume: Some(self.progress.run.clone()),
                trigger: None,
            };
            self.engine.emit_run(flow, request).await?;
        }
        Ok(report)
    }

    /// Asks for the audit that follows this run, if one does (R10). The run is complete all the same
    /// where the bus does not take it: tick asks again.
    async fn ask_for_audit(&self, report: &RunReport) {
        let flow = &self.runtime.flow;
        let follows = |window: &UnixMs| flow.audit_window(*window) == Some(*window);
        let window = report.window.filter(follows);
        if report.end != RunEnd::Complete || window.is_none() {
            return;
        }
        let resume = None;
        let request = AuditRequest { window, resume };
        if let Err(error) = self.engine.ask_for_audit(flow.id(), request).await {
            tracing::warn!(flow = %flow.id(), run = %self.progress.run, request_id = self.engine.request(), error = %crate::chain(&error), "its audit was not asked for");
        }
    }

    async fn pages(&mut self, checking: bool) -> Result<RunEnd, EngineError> {
        loop {
            let size = match self.next_page().await? {
                Ok(size) => size,
                Err(end) => return Ok(end),
            };
            let began = self.engine.now();
            let (page, asked) = match self.read_page(checking, size).await? {
                Ok(read) => read,
                Err(end) => return Ok(end),
            };
            let (trail, here) = (&mut self.progress.trail, self.progress.cursor.as_ref());
            if page
                .next
                .as_ref()
                .is_some_and(|next| trail.leads_back(here, next))
            {
                return Ok(RunEnd::goes_round());
            }
            if !self.holder.may_stage(self.engine.now()) {
                return Ok(RunEnd::Interrupted {
                    reason: "the page took so long that the lease nearly ended".to_owned(),
                });
            }
            if let Some(reason) = &page.anew {
                tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), reason, "the listing begins anew and is read whole");
            }
            self.take_page(&page).await?;
            if let (Some(part), Some(_)) = (&page.part, &page.done)
                && !self.close_earlier_lines(part).await?
            {
                return Ok(RunEnd::Interrupted {
                    reason: "the reviews of a file were so many that the lease nearly ended"
                        .to_owned(),
                });
            }
            if let Some(mark) = &page.done {
                let flow = self.runtime.flow.id();
                let until = self.engine.now() + DONE_MEMORY;
                let mark = keys::memory("done", flow, mark);
                self.engine.remember_until(&mark, until).await?;
            }
            self.progress.pages += 1;
            let took = self.engine.now().since(began).saturating_sub(self.waited);
            let rows = page.rows.len() + page.bad.len();
            self.progress.paging = self.progress.paging.learn(asked, rows, took);
            self.progress.cursor = page.next;
            let done = self.progress.cursor.is_none();
            let write = if done {
                run::finish(&self.holder, &self.progress, page.from.as_ref())
            } else {
                run::advance(&self.holder, &self.progress, self.engine.now())
            };
            let advanced = self.advance(&write).await?;
            // A bus that does not answer must not cost the lease.
            self.engine.tell_noted().await;
            if !advanced {
                return Ok(RunEnd::LeaseLost);
            }
            if done {
                return Ok(RunEnd::Complete);
            }
        }
    }

    /// Writes under the fence; false when the lease is another's.
    async fn advance(&mut self, write: &Update) -> Result<bool, EngineError> {
        let lease = keys::lease(self.runtime.flow.id());
        let item = match self.engine.write(&lease, write).await? {
            Written::Done { after, .. } => Some(after),
            Written::Refused { current } => current,
        };
        let held = Lease::read(item.as_ref());
        let moved = held.seq == self.holder.seq + 1 && held.fence == self.holder.fence;
        self.holder.seq = held.seq;
        self.holder.until = self.engine.now() + run::LEASE;
        Ok(moved)
    }

    fn has_done_a_page(&self) -> bool {
        self.progress.pages > self.pages_before
    }

    /// It asks for the rest at once only after some progress, or it would spin until the wait is
    /// over; tick asks within minutes.
    fn continues(&self, why_not: &str) -> RunEnd {
        if self.has_done_a_page() {
            return RunEnd::Continues;
        }
        RunEnd::Interrupted {
            reason: why_not.to_owned(),
        }
    }

    /// How many rows the next page is asked for, or why there is none now.
    async fn next_page(&mut self) -> Result<Result<u32, RunEnd>, EngineError> {
        let now = self.engine.now();
        let limit = self.progress.limit_from + self.runtime.flow.max_run();
        if now >= limit {
            return Ok(Err(RunEnd::Cut));
        }
        self.waited = Duration::ZERO;
        let (most, can_vary) = match self.runtime.source.page_size() {
            PageSize::UpTo(rows) => (rows, true),
            PageSize::Fixed => (self.runtime.flow.file().source.page_size(), false),
        };
        let left = self.deadline.since(now);
        let size = match self.progress.paging.next(most, can_vary, left) {
            NextPage::Ask(size) => size,
            NextPage::Stop if self.has_done_a_page() => return Ok(Err(RunEnd::Continues)),
            NextPage::Stop => match Paging::smallest(most, can_vary, left) {
                NextPage::Ask(size) => size,
                NextPage::Stop => return Ok(Err(self.continues("there is no time for a page"))),
            },
        };
        let state = self.engine.flow_state(self.runtime.flow.id()).await?;
        Ok(match state.stops(Side::Source) {
            Some(reason) => Err(RunEnd::Stopped { reason }),
            None => Ok(size),
        })
    }

    /// Reads a page, and says of how many rows it was asked for.
    async fn read_page(
        &mut self,
        checking: bool,
        mut size: u32,
    ) -> Result<Result<(Page, u32), RunEnd>, EngineError> {
        let request = PageRequest {
            since_us: self.progress.since_us,
            cursor: self.progress.cursor.clone(),
        };
        let mut wait = PAGE_RETRY_WAIT;
        let mut tries = 0;
        loop {
            let began = self.engine.now();
            let mut session = self.engine.source_session(self.runtime, None, checking);
            let source = &self.runtime.source;
            let page = source.page_of(&mut session, &request, size).await;
            session.end().await;
            let until = match page {
                Ok(page) => return Ok(Ok((page, size))),
                Err(CallError::Deferred { until, .. } | CallError::Throttled { until }) => until,
                Err(CallError::Failed { reason, .. }) => {
                    tries += 1;
                    self.progress.paging = self.progress.paging.failed(size);
                    size = size.min(self.progress.paging.size.unwrap_or(size));
                    tracing::warn!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), page = self.progress.pages, reason, "page not read");
                    if tries >= PAGE_TRIES {
                        return Ok(Err(RunEnd::Interrupted { reason }));
                    }
                    wait *= 2;
                    self.engine.now() + wait
                }
                Err(CallError::Blocked { reason }) => {
                    self.engine
                        .stop_flow(self.runtime, Side::Source, &reason, began)
                        .await;
                    return Ok(Err(RunEnd::Stopped { reason }));
                }
                Err(error) => {
                    return Ok(Err(RunEnd::Interrupted {
                        reason: error.to_string(),
                    }));
                }
            };
            if until + run::FIRST_PAGE > self.deadline {
                let why = "the source must be waited for longer than the function lasts";
                return Ok(Err(self.continues(why)));
            }
            // The wait must not cost the lease: it is renewed before.
            let renewed = run::advance(&self.holder, &self.progress, self.engine.now());
            if !self.advance(&renewed).await? {
                return Ok(Err(RunEnd::LeaseLost));
            }
            if !self.holder.may_stage(until + run::FIRST_PAGE) {
                return Ok(Err(RunEnd::Interrupted {
                    reason: "the source must be waited for longer than a lease lasts".to_owned(),
                }));
            }
            self.engine.ports.clock.wait_until(until).await;
            self.waited += self.engine.now().since(began);
        }
    }

    /// An initial run learns which records stand in the target already.
    async fn link_targets(&mut self) -> Result<Option<RunEnd>, EngineError> {
        if self.progress.mode != Mode::Initial || !self.runtime.target.traits().listable {
            return Ok(None);
        }
        let began = self.engine.now();
        let mut session = self.engine.listing_session(self.runtime, run::STAGE_MARGIN);
        let links = self.runtime.target.index(&mut session).await;
        session.end().await;
        match links {
            Ok(links) => {
                tracing::info!(flow = %self.runtime.flow.id(), run = %self.progress.run, request_id = self.engine.request(), found = links.len(), took_ms = self.engine.ms_since(began), "records found in the target");
                self.links = links;
                Ok(None)
            }
            Err(CallError::Blocked { reason }) => {
                self.engine
                    .stop_flow(self.runtime, Side::Target, &reason, began)
                    .await;
                Ok(Some(RunEnd::Stopped { reason }))
            }
            // Without the listing, records that stand in the target would be created again.
            Err(error) => Ok(Some(RunEnd::Interrupted {
                reason: format!("the target could not be listed: {error}"),
            })),
        }
    }

    fn measure_run(&self, report: &RunReport) {
        if report.end == RunEnd::Complete {
            let flow = &self.runtime.flow;
            let start = started_by(flow, &self.progress);
            let took = report.ended_at.since(report.started);
            self.engine.measure(
                &metric::RUN_TIME,
                &[flow.id().as_str(), &start],
                took.as_secs_f64(),
            );
        }
        self.engine.emit_measured();
    }

    /// Gives the lease up unless the run is complete or lost.
    async fn close(&mut self, end: RunEnd) -> Result<RunEnd, EngineError> {
        if matches!(end, RunEnd::Complete | RunEnd::LeaseLost) {
            return Ok(end);
        }
        let write = run::yield_lease(&self.holder);
        let kept = self.advance(&write).await?;
        Ok(if kept { end } else { RunEnd::LeaseLost })
    }

    fn log_end(&self, report: &RunReport) {
        tracing::info!(
            flow = %self.runtime.flow.id(),
            run = %self.progress.run,
            request_id = self.engine.request(),
            end = report.end.as_str(),
            reason = report.end.reason(),
            pages = report.pages,
            received = report.counts.received,
            staged = report.counts.staged,
            critical = report.counts.critical,
            unchanged = report.counts.unchanged,
            superseded = report.counts.superseded,
            rejected = report.counts.rejected,
            in_review = report.counts.in_review,
            queued = report.counts.queued,
            linked = report.counts.linked,
            took_s = report.ended_at.since(report.started).as_secs(),
            "run ends"
        );
    }
}

/// How long before the watermark a run starts to read: the window's own lookback, or the flow's.
fn lookback(runtime: &FlowRuntime, window: Option<UnixMs>) -> Duration {
    let schedule = runtime.flow.schedule();
    window
        .and_then(|window| schedule.latest_due(window).filter(|due| due.at == window))
        .map_or(
            Duration::from_secs(runtime.flow.file().schedule.lookback_s.into()),
            |due| due.lookback,
        )
}

fn not_begun(end: RunEnd, request: &RunRequest, now: UnixMs) -> RunReport {
    RunReport {
        run: None,
        window: request.window,
        started: now,
        ended_at: now,
        end,
        pages: 0,
        counts: Counts::default(),
    }
}
