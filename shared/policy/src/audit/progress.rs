//! Where an audit stands, and what to do when one is asked for. Its lease is one as a comparison has.

use serde::{Deserialize, Serialize};
use tidegate_model::{ClaimToken, RunId, UnixMs};

use super::{Counts, Note, Standing, Tally};
use crate::reconcile::{Kept, RESUME_WITHIN, Start};

/// The item of a flow's audits, read.
pub type Checkpoint = Kept<Progress>;

/// What asks for an audit.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditRequest {
    /// The window whose run it follows; `None` for one that a person asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<UnixMs>,
    /// Goes on with this one, which stopped before its deadline.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<RunId>,
}

/// For what the registers are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// To learn which values several records have. Left out where nothing has to be unique.
    Gather,
    /// To judge each.
    Judge,
}

/// Where an audit stands. Written when it stops before its end; one that breaks begins again there.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// Its name.
    pub run: RunId,
    /// The window that it follows.
    pub window: Option<UnixMs>,
    /// When it first started.
    pub started: UnixMs,
    /// For what the registers are read.
    pub phase: Phase,
    /// The shard that is read.
    pub shard: u32,
    /// Where in it to go on; `None`: at its beginning.
    pub after: Option<String>,
    /// How many records, and how each ended.
    pub counts: Counts,
    /// What the target does not hold yet.
    pub standing: Standing,
    /// Findings a field and a rule.
    pub tallies: Vec<Tally>,
    /// The first of them by name.
    pub notes: Vec<Note>,
    /// Values that should be unique and were not remembered, for want of room.
    pub not_compared: u64,
    /// Records that were put to a person.
    pub reviews: u64,
    /// Records that were to be put to a person and are too many.
    pub not_reviewed: u64,
    /// Who kept the prints of values that were seen, and in how many parts.
    pub seen: Option<(i64, u32)>,
}

impl Progress {
    fn new(run: RunId, window: Option<UnixMs>, compares: bool, now: UnixMs) -> Self {
        Self {
            run,
            window,
            started: now,
            phase: if compares {
                Phase::Gather
            } else {
                Phase::Judge
            },
            shard: 0,
            after: None,
            counts: Counts::default(),
            standing: Standing::default(),
            tallies: Vec::new(),
            notes: Vec::new(),
            not_compared: 0,
            reviews: 0,
            not_reviewed: 0,
            seen: None,
        }
    }

    /// Begins from the first record again, as the same audit.
    pub fn begin_again(&mut self, compares: bool) {
        *self = Self::new(self.run.clone(), self.window, compares, self.started);
    }

    /// Goes on to judge the records, from the first.
    pub fn begin_to_judge(&mut self) {
        self.phase = Phase::Judge;
        self.shard = 0;
        self.after = None;
    }

    /// Whether to go on with this one is what is asked for. One that follows a window must see what
    /// its run brought.
    fn serves(&self, request: &AuditRequest) -> bool {
        request
            .window
            .is_none_or(|window| self.window.is_some_and(|of| of >= window))
    }
}

/// What tick asks for: the audit of the newest window that is `due` and has none, the net under a lost
/// event, or the rest of one that stopped before its end.
pub fn to_ask_for(seen: &Checkpoint, due: Option<UnixMs>, now: UnixMs) -> Option<AuditRequest> {
    if seen.held_until(now).is_some() {
        return None;
    }
    let due = due.filter(|due| seen.done_window.is_none_or(|done| done < *due));
    let request = |window, resume| AuditRequest { window, resume };
    let rest = || {
        let progress = unfinished(seen, now)?;
        Some(request(progress.window, Some(progress.run.clone())))
    };
    due.map(|due| request(Some(due), None)).or_else(rest)
}

/// One that stopped before its end and is young enough to go on.
fn unfinished(seen: &Checkpoint, now: UnixMs) -> Option<&Progress> {
    let progress = seen.progress.as_ref();
    progress.filter(|progress| now < progress.started + RESUME_WITHIN)
}

/// Decides about a request. `compares`: records have to be compared with one another.
pub fn plan(
    seen: &Checkpoint,
    request: &AuditRequest,
    compares: bool,
    token: &ClaimToken,
    now: UnixMs,
) -> Start<Progress> {
    if let Some(window) = request.window
        && seen.done_window.is_some_and(|done| done >= window)
    {
        return Start::AlreadyDone;
    }
    if let Some(until) = seen.held_until(now) {
        return Start::Busy { until };
    }
    if let Some(unfinished) = unfinished(seen, now).filter(|one| one.serves(request)) {
        return Start::Go(Box::new(unfinished.clone()));
    }
    if request.resume.is_some() {
        return Start::Over;
    }
    let name = match request.window {
        Some(window) => format!("audit-{}", window.0),
        None => format!("audit-{token}"),
    };
    let Ok(run) = RunId::try_new(name) else {
        return Start::Over;
    };
    let progress = Progress::new(run, request.window, compares, now);
    Start::Go(Box::new(progress))
}
