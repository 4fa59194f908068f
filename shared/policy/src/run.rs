//! Runs of a flow: the fenced lease, the checkpoint, and what a run has done (CP-1, CP-2, OUT-1).
//!
//! One item a flow. The lease's owner, fence and sequence stand in the condition of every advance,
//! so a run that lost its lease moves nothing. A page's counts are written with its checkpoint. The
//! watermark moves only when a run is complete.

mod paging;
#[cfg(test)]
mod tests;
mod trail;
mod trigger;

pub use paging::{FIRST_PAGE, LEAST_ROWS, NextPage, PAGE_GOAL, Paging};
pub use trail::Trail;
pub use trigger::{Trigger, Triggers, let_wait};

use std::{ops::AddAssign, time::Duration};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_model::{
    ClaimToken, RunId, UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};

use crate::register::CLOCK_SKEW;

const OWNER: &str = "owner";
const UNTIL: &str = "until";
const FENCE: &str = "fence";
const READS: &str = "reads";
const SEQ: &str = "seq";
const PROGRESS: &str = "progress";
const RUN: &str = "run";
const DONE_WINDOW: &str = "done_window";
const WATERMARK: &str = "watermark";
const COVERED: &str = "covered";
/// Where the source says that what changes later begins.
const FROM: &str = "from";
/// The holder reads one record, which takes seconds.
const FETCHES: &str = "fetches";

/// How long a lease holds without an advance: a page with all its retries takes less.
pub const LEASE: Duration = Duration::from_mins(2);
/// A page is staged only while the lease holds so much longer: no write of a run reaches the table
/// after its lease ended, so reads of one flow never overlap.
pub const STAGE_MARGIN: Duration = Duration::from_secs(30);

/// How a run reads.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// What changed since the last complete run.
    #[default]
    Incremental,
    /// Everything, and records that already stand in the target are linked, not created.
    Initial,
}

/// What asks for a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunRequest {
    /// A scheduled window, by its time; `None` for a run that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<UnixMs>,
    /// How to read. Left out: initial when the flow has never completed a run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mode: Option<Mode>,
    /// A longer lookback than the flow's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lookback_s: Option<u32>,
    /// Goes on with this run, which stopped before its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RunId>,
    /// The event that asks for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
}

/// What became of the rows of a run. `received = unchanged + superseded + rejected + in_review +
/// staged`; what is staged ends as applied, in review or pending, counted where that happens.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Counts {
    /// Rows read.
    pub received: u64,
    /// New content staged.
    pub staged: u64,
    /// Of these in the real-time tier.
    pub critical: u64,
    /// The register held the same.
    pub unchanged: u64,
    /// The register held something newer, or a later row of the page did.
    pub superseded: u64,
    /// Not a record: no key, no version, too large.
    pub rejected: u64,
    /// Breaks the schema, or was deleted: a person must look.
    pub in_review: u64,
    /// Keys queued, those of records that were dirty before included.
    pub queued: u64,
    /// Linked to a record that stood in the target.
    pub linked: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.received += other.received;
        self.staged += other.staged;
        self.critical += other.critical;
        self.unchanged += other.unchanged;
        self.superseded += other.superseded;
        self.rejected += other.rejected;
        self.in_review += other.in_review;
        self.queued += other.queued;
        self.linked += other.linked;
    }
}

impl Counts {
    /// OUT-1 for the rows of a run.
    pub fn add_up(&self) -> bool {
        self.received
            == self.unchanged + self.superseded + self.rejected + self.in_review + self.staged
    }
}

/// Where a run stands. Written whole with each advance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The run.
    pub run: RunId,
    /// Its window.
    pub window: Option<UnixMs>,
    /// How it reads.
    pub mode: Mode,
    /// When it first started.
    pub started: UnixMs,
    /// From when the hard limit counts: a later window or a person gives a cut run a new one.
    pub limit_from: UnixMs,
    /// Where it began to read, in microseconds of the source's time; `None`: from the beginning.
    pub since_us: Option<u64>,
    /// The connector's cursor of the next page; `None`: the first page of all.
    pub cursor: Option<serde_json::Value>,
    /// Pages done.
    pub pages: u64,
    /// The newest source time seen, in microseconds.
    pub newest_us: Option<u64>,
    /// Counts so far.
    pub counts: Counts,
    /// What the pages so far have taught.
    #[serde(default)]
    pub paging: Paging,
    /// The pages of the listing so far.
    #[serde(default)]
    pub trail: Trail,
    /// What the file that is being read has had so far that is no row.
    #[serde(default)]
    pub bad_lines: BadLines,
}

/// Lines of one content of a file that are no row.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BadLines {
    /// The content.
    mark: String,
    /// How many.
    count: u64,
}

impl BadLines {
    /// Counts one more of this content, and says how many it has by now.
    pub fn count(&mut self, mark: &str) -> u64 {
        if self.mark != mark {
            *self = Self {
                mark: mark.to_owned(),
                count: 0,
            };
        }
        self.count += 1;
        self.count
    }
}

/// The lease item, read.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lease {
    owner: Option<(ClaimToken, UnixMs)>,
    /// Number of the holder: rises with each taking.
    pub fence: i64,
    /// Reads of the source so far: each run and fetch takes the next as its read number.
    pub reads: i64,
    /// Advances so far.
    pub seq: i64,
    /// An unfinished run.
    pub progress: Option<Progress>,
    /// The newest window that is complete.
    pub done_window: Option<UnixMs>,
    /// The newest source time of the newest complete run, in microseconds.
    pub watermark_us: Option<u64>,
    /// The connector's cursor of what changed since the newest complete run, where its source gives one.
    pub from: Option<serde_json::Value>,
    /// Start of the newest complete run: unchanged records are fresh as of then.
    pub covered: Option<UnixMs>,
    /// Its holder reads one record and has done in seconds; a run holds it for as long as it takes.
    pub fetches: bool,
    /// Events that asked for a run.
    pub triggers: Triggers,
}

impl Lease {
    /// Reads the item.
    pub fn read(item: Option<&Item>) -> Self {
        let Some(item) = item else {
            return Self::default();
        };
        let number = |name: &str| item.get(name).and_then(Value::as_number);
        let text = |name: &str| item.get(name).and_then(Value::as_text);
        let owner = text(OWNER).and_then(|token| ClaimToken::try_new(token).ok());
        Self {
            owner: owner.zip(number(UNTIL).map(UnixMs)),
            fence: number(FENCE).unwrap_or(0),
            reads: number(READS).unwrap_or(0),
            seq: number(SEQ).unwrap_or(0),
            progress: text(PROGRESS).and_then(|text| serde_json::from_str(text).ok()),
            done_window: number(DONE_WINDOW).map(UnixMs),
            watermark_us: number(WATERMARK).and_then(|n| u64::try_from(n).ok()),
            from: text(FROM).and_then(|text| serde_json::from_str(text).ok()),
            covered: number(COVERED).map(UnixMs),
            fetches: item.contains_key(FETCHES),
            triggers: Triggers::read(item),
        }
    }

    /// Whether the lease is held at this moment, and until when.
    pub fn held_until(&self, now: UnixMs) -> Option<UnixMs> {
        self.owner
            .as_ref()
            .map(|(_, until)| *until)
            .filter(|until| *until >= now - CLOCK_SKEW)
    }

    /// Whether the token holds it.
    pub fn is_held_by(&self, token: &ClaimToken) -> bool {
        self.owner.as_ref().is_some_and(|(owner, _)| owner == token)
    }
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// The window is complete, or a run began for the event: a repeated delivery is the same run (R1).
    AlreadyDone,
    /// Another holds the lease until then.
    Busy {
        /// Its end, unless it is renewed.
        until: UnixMs,
    },
    /// The run that was asked to go on has ended.
    Over,
    /// Take the lease, then go on from here. An unfinished run is finished first: its cursor is
    /// where unread changes begin.
    Go(Box<Progress>),
}

/// Decides about a request. `token` names a new run that has no window.
pub fn plan(
    lease: &Lease,
    request: &RunRequest,
    lookback: Duration,
    token: &ClaimToken,
    now: UnixMs,
) -> Start {
    if let Some(window) = request.window
        && lease.done_window.is_some_and(|done| done >= window)
    {
        return Start::AlreadyDone;
    }
    if let (None, Some(trigger)) = (request.window, &request.trigger)
        && lease.triggers.has_begun(&trigger.id)
    {
        return Start::AlreadyDone;
    }
    if let Some(until) = lease.held_until(now) {
        return Start::Busy { until };
    }
    // A backfill that is asked for reads everything, what an unfinished run left out included.
    let asks_for_all = request.mode == Some(Mode::Initial);
    let unfinished = lease.progress.as_ref();
    if let Some(unfinished) = unfinished.filter(|run| !asks_for_all || run.mode == Mode::Initial) {
        let mut progress = unfinished.clone();
        let asked_anew = request.window.is_none() && request.resume.is_none();
        if asked_anew || request.window > progress.window {
            progress.limit_from = now;
        }
        progress.window = progress.window.max(request.window);
        return Start::Go(Box::new(progress));
    }
    if request.resume.is_some() {
        return Start::Over;
    }
    let mode = request.mode.unwrap_or(if lease.covered.is_none() {
        Mode::Initial
    } else {
        Mode::Incremental
    });
    let lookback = request
        .lookback_s
        .map_or(lookback, |seconds| Duration::from_secs(seconds.into()));
    let lookback_us = u64::try_from(lookback.as_micros()).unwrap_or(u64::MAX);
    let since_us = match mode {
        Mode::Initial => None,
        Mode::Incremental => lease
            .watermark_us
            .map(|mark| mark.saturating_sub(lookback_us)),
    };
    let cursor = match mode {
        Mode::Initial => None,
        Mode::Incremental => lease.from.clone(),
    };
    let name = match (request.window, &request.trigger) {
        (Some(window), _) => format!("window-{}", window.0),
        (None, Some(trigger)) => format!("event-{}", trigger.id),
        (None, None) => format!("manual-{token}"),
    };
    let Ok(run) = RunId::try_new(name) else {
        return Start::Over;
    };
    Start::Go(Box::new(Progress {
        run,
        window: request.window,
        mode,
        started: now,
        limit_from: now,
        since_us,
        cursor,
        pages: 0,
        newest_us: lease.watermark_us,
        counts: Counts::default(),
        paging: Paging::default(),
        trail: Trail::default(),
        bad_lines: BadLines::default(),
    }))
}

/// `run lease`: takes the lease, a fence and a read number. `progress` was planned from `seen`; if a
/// run advanced or ended meanwhile, it would put the checkpoint back (CP-2), so it is refused. `asked`
/// is the event that asks for it, if one does.
pub fn take(
    token: &ClaimToken,
    seen: &Lease,
    progress: &Progress,
    asked: Option<&Trigger>,
    now: UnixMs,
) -> Update {
    let write = Update::when(Condition::All(vec![free(now), at_seq(seen.seq)]))
        .set(OWNER, token.as_str())
        .set(UNTIL, (now + LEASE).0)
        .set(RUN, progress.run.as_str())
        .set(PROGRESS, json(progress))
        .change(FENCE, Change::Add(1))
        .change(READS, Change::Add(1))
        .remove(&[FETCHES]);
    Triggers::taken(seen, progress, asked, write)
}

/// A read number for one fetch. Does not touch the lease.
pub fn take_read_number() -> Update {
    Update::when(Condition::ALWAYS).change(READS, Change::Add(1))
}

/// Takes the lease for one fetch, where only the lease orders reads: no page is read meanwhile.
pub fn take_for_fetch(token: &ClaimToken, lasts: Duration, now: UnixMs) -> Update {
    Update::when(free(now))
        .set(OWNER, token.as_str())
        .set(UNTIL, (now + lasts).0)
        .set(FETCHES, 1)
        .change(FENCE, Change::Add(1))
        .change(READS, Change::Add(1))
}

/// Gives up the lease of a fetch.
pub fn release_fetch(token: &ClaimToken) -> Update {
    Update::when(Condition::is(OWNER, Op::Eq, token.as_str())).remove(&[OWNER, UNTIL, FETCHES])
}

/// Gives up the lease of a holder that is known to have ended: on one machine, where a process that
/// starts has the table for itself. Elsewhere a lease only runs out.
pub fn release_ended() -> Update {
    Update::when(Condition::Exists(OWNER)).remove(&[OWNER, UNTIL, FETCHES])
}

/// Who advances: owner, fence and sequence as last seen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The lease's token.
    pub token: ClaimToken,
    /// Its fence.
    pub fence: i64,
    /// Advances so far.
    pub seq: i64,
    /// The lease's end as last written.
    pub until: UnixMs,
}

impl Holder {
    fn holds(&self) -> Condition {
        Condition::All(vec![
            Condition::is(OWNER, Op::Eq, self.token.as_str()),
            Condition::is(FENCE, Op::Eq, self.fence),
            at_seq(self.seq),
        ])
    }

    /// Whether a page may still be staged.
    pub fn may_stage(&self, now: UnixMs) -> bool {
        now + STAGE_MARGIN <= self.until
    }
}

/// `advance checkpoint`: a page is staged and queued (CP-1).
pub fn advance(holder: &Holder, progress: &Progress, now: UnixMs) -> Update {
    Update::when(holder.holds())
        .set(PROGRESS, json(progress))
        .set(UNTIL, (now + LEASE).0)
        .set(SEQ, holder.seq + 1)
}

/// The run stops where it is; the next one goes on from there.
pub fn yield_lease(holder: &Holder) -> Update {
    Update::when(holder.holds())
        .set(SEQ, holder.seq + 1)
        .remove(&[OWNER, UNTIL])
}

/// The run is complete: only now the watermark moves, and with it where the source says that what
/// changes later begins (CP-2).
pub fn finish(holder: &Holder, progress: &Progress, from: Option<&serde_json::Value>) -> Update {
    let mut update = Update::when(holder.holds())
        .set(SEQ, holder.seq + 1)
        .set(COVERED, progress.started.0)
        .set_or_remove(FROM, from.map(serde_json::Value::to_string))
        .remove(&[OWNER, UNTIL, PROGRESS, RUN]);
    if let Some(window) = progress.window {
        update = update.set(DONE_WINDOW, window.0);
    }
    if let Some(newest) = progress.newest_us.and_then(|us| i64::try_from(us).ok()) {
        // A row dated in the future must not hide what changes until then.
        let started_us = progress.started.0.saturating_mul(1_000);
        update = update.set(WATERMARK, newest.min(started_us));
    }
    update
}

/// Nobody holds the lease.
fn free(now: UnixMs) -> Condition {
    Condition::Any(vec![
        Condition::Absent(OWNER.to_owned()),
        Condition::is(UNTIL, Op::Lt, (now - CLOCK_SKEW).0),
    ])
}

/// Nothing has advanced since this sequence number was seen.
fn at_seq(seen: i64) -> Condition {
    let unchanged = Condition::is(SEQ, Op::Eq, seen);
    if seen == 0 {
        Condition::Any(vec![Condition::Absent(SEQ.to_owned()), unchanged])
    } else {
        unchanged
    }
}

/// Types of this module always have a JSON form.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
