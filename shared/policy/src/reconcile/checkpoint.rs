//! The fenced lease of a flow's reconciliations, and where one stands (CP-1, CP-2).
//!
//! An item of its own, so that windows start while a comparison goes on. Owner, fence and sequence
//! stand in the condition of every advance. `indexed` is the fence of the newest run whose
//! comparison of a pass is complete, staged and queued: an index of a later fence is not believed.

use std::time::Duration;

use serde::{Deserialize, Serialize, de::DeserializeOwned};
use tidegate_model::{
    ClaimToken, RunId, UnixMs,
    item::{Change, Condition, Item, Op, Update, Value},
};

use super::{Findings, Note};
use crate::{
    keys::REGISTER_SHARDS,
    register::CLOCK_SKEW,
    run::Trail,
    run::{LEASE, STAGE_MARGIN},
};

const OWNER: &str = "owner";
const UNTIL: &str = "until";
const FENCE: &str = "fence";
const SEQ: &str = "seq";
const PROGRESS: &str = "progress";
const DONE_WINDOW: &str = "done_window";
const INDEXED: &str = "indexed";

/// A comparison that has not ended within a day begins anew: the next daily one is due, and half of
/// what it saw is old.
pub const RESUME_WITHIN: Duration = Duration::from_hours(24);

/// What asks for a reconciliation.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReconcileRequest {
    /// The scheduled time; `None` for one that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<UnixMs>,
    /// Goes on with this one, which stopped before its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RunId>,
    /// A person has looked: records that the source lacks are deleted however many they are. Each
    /// is still asked for by its key before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_absent: bool,
}

/// What a pass does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// Reads the source's pages.
    #[default]
    Rows,
    /// Looks for what the source did not list.
    Absent,
}

/// Where a reconciliation stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Its name.
    pub run: RunId,
    /// Its scheduled time.
    pub window: Option<UnixMs>,
    /// When it first started.
    pub started: UnixMs,
    /// Absent records are deleted however many they are.
    pub accept_absent: bool,
    /// Into how many passes the keys are parted.
    pub passes: u32,
    /// The present pass.
    pub pass: u32,
    /// What it does.
    pub phase: Phase,
    /// The connector's cursor of the next page; `None`: the first page.
    pub cursor: Option<serde_json::Value>,
    /// Pages read.
    pub pages: u64,
    /// The pages of the source's listing in this pass.
    #[serde(default)]
    pub trail: Trail,
    /// Rows read in the first pass.
    pub rows: u64,
    /// What was found in this pass and those before.
    pub findings: Findings,
    /// What had been found before this pass: it is begun again when its keys are too many.
    pub before_pass: Findings,
    /// Findings by name.
    pub notes: Vec<Note>,
    /// How many of them are of the passes before.
    #[serde(default)]
    pub notes_before_pass: usize,
    /// Keys queued. Sent is sent: a pass that begins again does not take them back.
    pub queued: u64,
    /// Records that the source listed in this pass: what the absent ones are a share of.
    #[serde(default)]
    pub live: u64,
    /// Sum of the prints of keys with a register, by shard: the tick's sum tells whether there are
    /// registers that nothing led to.
    pub sums: Vec<u64>,
    /// Why the target was not compared, if it was not.
    pub not_compared: Option<String>,
    /// Who kept the keys that were seen in this pass, and in how many parts.
    pub seen: Option<(i64, u32)>,
    /// How far the target is listed in this pass; none: not begun.
    #[serde(default)]
    pub listed: Option<Listed>,
}

/// How far a target is listed. One listing serves a pass, however often the pass is cut.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Listed {
    /// When it began: what was applied since is not held against it.
    pub from: UnixMs,
    /// The connector's cursor of the next page; `None`: it is at its end, or at its beginning.
    pub cursor: Option<serde_json::Value>,
    /// It was read to its end.
    pub whole: bool,
    /// The pages so far.
    pub trail: Trail,
    /// Rows so far.
    pub rows: u64,
    /// Those that bear a key of ours.
    pub bearing: u64,
    /// Who kept what it showed, and in how many parts.
    pub kept: Option<(i64, u32)>,
}

impl Listed {
    /// A listing that begins now.
    pub fn begin(now: UnixMs) -> Self {
        Self {
            from: now,
            cursor: None,
            whole: false,
            trail: Trail::default(),
            rows: 0,
            bearing: 0,
            kept: None,
        }
    }
}

impl Progress {
    /// Whether to go on with this one is what is asked for. A window asks for a comparison that
    /// begins no earlier: half of what an older one saw is old.
    fn serves(&self, request: &ReconcileRequest) -> bool {
        request.window.is_none_or(|window| {
            self.started >= window || self.window.is_some_and(|of| of >= window)
        })
    }

    /// Begins the next pass.
    pub fn begin_pass(&mut self, pass: u32, passes: u32) {
        self.pass = pass;
        self.passes = passes;
        self.phase = Phase::Rows;
        self.cursor = None;
        self.trail = Trail::default();
        self.sums = no_sums();
        self.seen = None;
        self.listed = None;
        self.live = 0;
        self.before_pass = self.findings;
        self.notes_before_pass = self.notes.len();
    }

    /// Begins the present pass again, as this one: what it counted and named is forgotten together.
    /// What it staged shows as pending then.
    pub fn begin_again(&mut self, pass: u32, passes: u32) {
        self.findings = self.before_pass;
        self.notes.truncate(self.notes_before_pass);
        if self.pass == 0 {
            self.rows = 0;
        }
        self.begin_pass(pass, passes);
    }
}

fn no_sums() -> Vec<u64> {
    (0..REGISTER_SHARDS).map(|_| 0).collect()
}

/// The item of a flow's reconciliations, read.
pub type Checkpoint = Kept<Progress>;

/// The item of work that holds a lease and keeps where it stands as a `P`, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Kept<P> {
    owner: Option<(ClaimToken, UnixMs)>,
    /// Number of the holder: rises with each taking.
    pub fence: i64,
    /// Advances so far.
    pub seq: i64,
    /// One that has not ended.
    pub progress: Option<P>,
    /// When the newest one that is complete was scheduled, or begun by a person.
    pub done_window: Option<UnixMs>,
    /// The fence up to which an index is believed.
    pub indexed: i64,
}

impl<P> Default for Kept<P> {
    fn default() -> Self {
        Self {
            owner: None,
            fence: 0,
            seq: 0,
            progress: None,
            done_window: None,
            indexed: 0,
        }
    }
}

impl<P: DeserializeOwned> Kept<P> {
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
            seq: number(SEQ).unwrap_or(0),
            progress: text(PROGRESS).and_then(|text| serde_json::from_str(text).ok()),
            done_window: number(DONE_WINDOW).map(UnixMs),
            indexed: number(INDEXED).unwrap_or(0),
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

impl Checkpoint {
    /// One that stopped before its end and is young enough to go on.
    pub fn unfinished(&self, now: UnixMs) -> Option<&Progress> {
        self.progress
            .as_ref()
            .filter(|progress| now < progress.started + RESUME_WITHIN)
    }
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Start<P = Progress> {
    /// The scheduled one is complete: a repeated delivery is the same.
    AlreadyDone,
    /// Another holds the lease until then.
    Busy {
        /// Its end, unless it is renewed.
        until: UnixMs,
    },
    /// The one that was asked to go on has ended.
    Over,
    /// Take the lease, then go on from here.
    Go(Box<P>),
}

/// Decides about a request.
pub fn plan(
    seen: &Checkpoint,
    request: &ReconcileRequest,
    token: &ClaimToken,
    now: UnixMs,
) -> Start {
    if let Some(window) = request.window
        && seen.done_window.is_some_and(|done| done >= window)
    {
        return Start::AlreadyDone;
    }
    if let Some(until) = seen.held_until(now) {
        return Start::Busy { until };
    }
    let unfinished = seen.unfinished(now);
    if let Some(unfinished) = unfinished.filter(|unfinished| unfinished.serves(request)) {
        let mut progress = unfinished.clone();
        progress.window = progress.window.max(request.window);
        progress.accept_absent |= request.accept_absent;
        return Start::Go(Box::new(progress));
    }
    if request.resume.is_some() {
        return Start::Over;
    }
    let name = match request.window {
        Some(window) => format!("reconcile-{}", window.0),
        None => format!("reconcile-{token}"),
    };
    let Ok(run) = RunId::try_new(name) else {
        return Start::Over;
    };
    Start::Go(Box::new(Progress {
        run,
        window: request.window,
        started: now,
        // A person's word holds for what it was not yet acted on.
        accept_absent: request.accept_absent
            || unfinished.is_some_and(|unfinished| unfinished.accept_absent),
        passes: 1,
        pass: 0,
        phase: Phase::Rows,
        cursor: None,
        pages: 0,
        trail: Trail::default(),
        rows: 0,
        findings: Findings::default(),
        before_pass: Findings::default(),
        notes: Vec::new(),
        notes_before_pass: 0,
        queued: 0,
        live: 0,
        sums: no_sums(),
        not_compared: None,
        seen: None,
        listed: None,
    }))
}

/// Takes the lease and a fence. Refused when anything has advanced since it was planned.
pub fn take<P: Serialize>(token: &ClaimToken, seen: &Kept<P>, progress: &P, now: UnixMs) -> Update {
    let free = Condition::Any(vec![
        Condition::Absent(OWNER.to_owned()),
        Condition::is(UNTIL, Op::Lt, (now - CLOCK_SKEW).0),
    ]);
    Update::when(Condition::All(vec![free, at_seq(seen.seq)]))
        .set(OWNER, token.as_str())
        .set(UNTIL, (now + LEASE).0)
        .set(PROGRESS, json(progress))
        .change(FENCE, Change::Add(1))
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
    fn advance(&self) -> Update {
        Update::when(Condition::All(vec![
            Condition::is(OWNER, Op::Eq, self.token.as_str()),
            Condition::is(FENCE, Op::Eq, self.fence),
            at_seq(self.seq),
        ]))
        .set(SEQ, self.seq + 1)
    }

    /// Whether something may still be staged.
    pub fn may_stage(&self, now: UnixMs) -> bool {
        now + STAGE_MARGIN <= self.until
    }

    /// Whether the lease is half over.
    pub fn wants_renewal(&self, now: UnixMs) -> bool {
        now + LEASE / 2 >= self.until
    }
}

/// Keeps the lease; the checkpoint stays where it is.
pub fn renew(holder: &Holder, now: UnixMs) -> Update {
    holder.advance().set(UNTIL, (now + LEASE).0)
}

/// Keeps the lease for longer, while something is waited for that can not be cut into parts.
pub fn hold(holder: &Holder, until: UnixMs) -> Update {
    holder.advance().set(UNTIL, until.0)
}

/// Keeps the lease and where it stands within a pass: everything up to there is staged and queued
/// (CP-1). The index waits for the end of the pass.
pub fn keep<P: Serialize>(holder: &Holder, progress: &P, now: UnixMs) -> Update {
    renew(holder, now).set(PROGRESS, json(progress))
}

/// A pass is complete: everything in it is staged and queued, so its index may be believed (CP-1).
pub fn advance(holder: &Holder, progress: &Progress, now: UnixMs) -> Update {
    keep(holder, progress, now).set(INDEXED, holder.fence)
}

/// It stops here; the next invocation goes on.
pub fn yield_lease<P: Serialize>(holder: &Holder, progress: &P) -> Update {
    holder
        .advance()
        .set(PROGRESS, json(progress))
        .remove(&[OWNER, UNTIL])
}

/// It broke: the next invocation goes on from where the checkpoint stands.
pub fn let_go(holder: &Holder) -> Update {
    holder.advance().remove(&[OWNER, UNTIL])
}

/// It is given up: the next one begins anew.
pub fn give_up(holder: &Holder) -> Update {
    holder.advance().remove(&[OWNER, UNTIL, PROGRESS])
}

/// The last pass is complete.
pub fn finish(holder: &Holder, progress: &Progress) -> Update {
    // One that a person asked for stands for every scheduled one that was due when it began.
    let window = progress.window.unwrap_or(progress.started);
    end(holder, window).set(INDEXED, holder.fence)
}

/// Work that stands for this scheduled time is complete.
pub fn end(holder: &Holder, window: UnixMs) -> Update {
    holder
        .advance()
        .set(DONE_WINDOW, window.0)
        .remove(&[OWNER, UNTIL, PROGRESS])
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
