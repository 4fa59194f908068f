//! What an instance says, for people.

mod warehouse;

use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;
use tidegate_engine::api::waiting_since;
use tidegate_model::UnixMs;
use tidegate_policy::{audit, reconcile::Note};

pub(super) use warehouse::Warehouse;

use super::Review;

/// `GET /v1/flows`, as far as it is shown.
#[derive(Debug, Deserialize)]
pub(super) struct Flows {
    pub items: Vec<Flow>,
}

/// A flow.
#[derive(Debug, Deserialize)]
pub(super) struct Flow {
    #[serde(rename = "flow")]
    pub name: String,
    revision: u32,
    last_run: Option<Run>,
    last_reconcile: Option<Reconciled>,
    pub last_audit: Option<Audited>,
    running: Option<String>,
    windows: Windows,
    budgets: Vec<Budget>,
    breakers: Vec<Breaker>,
    backlog: Backlog,
    freshness: Freshness,
    paused: Option<Paused>,
    blocker: Option<Blocker>,
}

impl Flow {
    /// Why it reads nothing from its source, if a person or a cause stopped it.
    pub fn stopped_at_source(&self) -> Option<&str> {
        let paused = self
            .paused
            .as_ref()
            .and_then(|paused| paused.source.as_ref());
        let paused = paused.map(|pause| pause.reason.as_str());
        self.blocked_at("source").or(paused)
    }

    /// Why nothing is loaded into its warehouse, if a person or a cause stopped it. A pause of the target is
    /// one of the warehouse.
    pub fn stopped_at_warehouse(&self) -> Option<&str> {
        let paused = self
            .paused
            .as_ref()
            .and_then(|paused| paused.target.as_ref());
        let paused = paused.map(|pause| pause.reason.as_str());
        self.blocked_at("warehouse").or(paused)
    }

    fn blocked_at(&self, side: &str) -> Option<&str> {
        let blocker = self.blocker.as_ref();
        let blocker = blocker.filter(|blocker| blocker.side == side);
        blocker.map(|blocker| blocker.reason.as_str())
    }

    /// Why no call is made to its source or target, as the daily mail says it.
    pub fn stopped(&self) -> Vec<String> {
        let mut stopped = Vec::new();
        if let Some(Paused { source, target }) = &self.paused {
            for (side, pause) in [("source", source), ("target", target)] {
                if let Some(Pause { reason, by }) = pause {
                    stopped.push(format!("{side}: paused by {by}: {reason}"));
                }
            }
        }
        if let Some(Blocker { side, reason }) = &self.blocker {
            stopped.push(format!("{side}: blocked: {reason}"));
        }
        stopped
    }
}

/// A reconciliation.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Reconciled {
    run: Option<String>,
    started: Timestamp,
    ended_at: Timestamp,
    ended: String,
    summary: String,
    pages: u64,
    rows: u64,
    queued: u64,
    #[serde(default)]
    notes: Vec<Note>,
    #[serde(default)]
    unnamed: u64,
    needing_person: u64,
}

impl Reconciled {
    /// It stopped before its deadline, and another part follows.
    pub fn goes_on(&self) -> bool {
        self.ended == "continues"
    }

    /// As a digest tells of it.
    pub fn told(&self) -> tidegate_engine::Reconciled {
        let needing = self.notes.iter().filter(|note| note.kind.needs_person());
        tidegate_engine::Reconciled {
            at: UnixMs(self.ended_at.as_millisecond()),
            summary: self.summary.clone(),
            needing_person: self.needing_person,
            named: needing.cloned().collect(),
        }
    }

    /// Everything was compared.
    pub fn is_complete(&self) -> bool {
        self.ended == "complete"
    }
}

/// An audit.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub(super) struct Audited {
    run: Option<String>,
    ended_at: Timestamp,
    summary: String,
    standing: Standing,
    compared: Option<Compared>,
    counts: audit::Counts,
    reviews: u64,
    not_reviewed: u64,
    #[serde(default)]
    notes: Vec<audit::Note>,
    #[serde(default)]
    unnamed: u64,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Standing {
    applied: u64,
    pending: u64,
    pending_since: Option<Timestamp>,
    in_review: u64,
    in_review_since: Option<Timestamp>,
}

#[derive(Debug, PartialEq, Eq, Deserialize)]
struct Compared {
    at: Timestamp,
    summary: String,
}

impl Audited {
    /// Nothing was found.
    pub fn is_clean(&self) -> bool {
        self.counts.clean == self.counts.audited
    }

    /// As a digest tells of it.
    pub fn told(&self) -> tidegate_engine::Audited {
        tidegate_engine::Audited {
            at: UnixMs(self.ended_at.as_millisecond()),
            summary: self.summary.clone(),
        }
    }
}

#[derive(Debug, Deserialize)]
struct Run {
    ended: String,
    ended_at: String,
    reason: Option<String>,
    counts: Counts,
}

#[derive(Debug, Deserialize)]
struct Counts {
    received: u64,
    staged: u64,
    unchanged: u64,
    superseded: u64,
    in_review: u64,
    rejected: u64,
    linked: u64,
}

#[derive(Debug, Deserialize)]
struct Windows {
    next: Option<String>,
    next_local: Option<String>,
    worst_staleness_s: u64,
}

#[derive(Debug, Deserialize)]
struct Budget {
    endpoint: String,
    tier: String,
    free_now: u32,
    calls: u32,
    per_s: u64,
}

#[derive(Debug, Deserialize)]
struct Breaker {
    endpoint: String,
    state: String,
    until: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Backlog {
    counted_at: Option<String>,
    records: u64,
    applied: u64,
    pending_real_time: u64,
    pending_batch: u64,
    in_review: u64,
    discarded: u64,
}

#[derive(Debug, Deserialize)]
struct Freshness {
    critical_s: Option<u64>,
    critical_goal_s: u64,
    other_s: Option<u64>,
    other_goal_s: u64,
    stale: bool,
}

#[derive(Debug, Deserialize)]
struct Paused {
    source: Option<Pause>,
    target: Option<Pause>,
}

#[derive(Debug, Deserialize)]
struct Pause {
    reason: String,
    by: String,
}

#[derive(Debug, Deserialize)]
struct Blocker {
    side: String,
    reason: String,
}

/// A dry run.
#[derive(Debug, Deserialize)]
pub(super) struct Plan {
    pub faults: Vec<Fault>,
    requests: Vec<Request>,
}

/// What is wrong with a field.
#[derive(Debug, Deserialize)]
pub(super) struct Fault {
    field: Option<String>,
    reason: String,
}

#[derive(Debug, Deserialize)]
struct Request {
    method: String,
    url: String,
    headers: Vec<(String, String)>,
    body: Option<Value>,
}

/// How the flows are doing.
pub(super) fn status(flows: &Flows) -> String {
    flows.items.iter().map(flow).collect::<Vec<_>>().join("\n")
}

fn flow(flow: &Flow) -> String {
    let mut lines = vec![format!("{} (revision {})", flow.name, flow.revision)];
    let mut line = |name: &str, words: String| lines.push(format!("  {name:<10} {words}"));
    if let Some(Blocker { side, reason }) = &flow.blocker {
        line("blocked", format!("{side}: {reason}"));
    }
    if let Some(Paused { source, target }) = &flow.paused {
        for (side, pause) in [("source", source), ("target", target)] {
            if let Some(Pause { reason, by }) = pause {
                line("paused", format!("{side}, by {by}: {reason}"));
            }
        }
    }
    let backlog = &flow.backlog;
    let discarded = match backlog.discarded {
        0 => String::new(),
        count => format!(", {count} discarded"),
    };
    line(
        "records",
        match &backlog.counted_at {
            Some(at) => format!(
                "{}: {} applied, {} waiting ({} critical), {} in review{discarded}; counted at {at}",
                backlog.records,
                backlog.applied,
                backlog.pending_real_time + backlog.pending_batch,
                backlog.pending_real_time,
                backlog.in_review,
            ),
            None => "not counted yet".to_owned(),
        },
    );
    line("last run", run(flow.last_run.as_ref()));
    line(
        "reconciled",
        match &flow.last_reconcile {
            Some(last) => format!("{}: {}", last.ended_at, last.summary),
            None => "not yet".to_owned(),
        },
    );
    if let Some(last) = &flow.last_audit {
        line("audited", format!("{}: {}", last.ended_at, last.summary));
    }
    if let Some(running) = &flow.running {
        line("running", running.clone());
    }
    let windows = &flow.windows;
    let next = match (&windows.next, &windows.next_local) {
        (Some(next), Some(local)) => format!("{next}, {local} by the flow's clock"),
        _ => "none".to_owned(),
    };
    let worst = span(flow.windows.worst_staleness_s);
    line(
        "next run",
        format!("{next}; at most {worst} lie between two"),
    );
    line("age", age(&flow.freshness));
    for budget in &flow.budgets {
        let Budget {
            endpoint,
            tier,
            free_now,
            calls,
            per_s,
        } = budget;
        let tier = tier.replace('_', "-");
        line(
            "budget",
            format!("{endpoint} {tier}: {free_now} of {calls} calls in {per_s} s are free"),
        );
    }
    for Breaker {
        endpoint,
        state,
        until,
    } in &flow.breakers
    {
        let state = state.replace('_', "-");
        let until = until.as_ref().map(|until| format!(" until {until}"));
        line(
            "breaker",
            format!("{endpoint}: {state}{}", until.unwrap_or_default()),
        );
    }
    lines.push(String::new());
    lines.join("\n")
}

fn run(run: Option<&Run>) -> String {
    let Some(run) = run else {
        return "none yet".to_owned();
    };
    let counts = &run.counts;
    let why = run.reason.as_ref().map(|reason| format!(" ({reason})"));
    format!(
        "{}{} at {}: {} read, {} staged, {} linked, {} unchanged, {} superseded, {} to review, {} no record",
        run.ended.replace('_', " "),
        why.unwrap_or_default(),
        run.ended_at,
        counts.received,
        counts.staged,
        counts.linked,
        counts.unchanged,
        counts.superseded,
        counts.in_review,
        counts.rejected,
    )
}

/// What a reconciliation found.
pub(super) fn reconciled(flow: &str, found: &Reconciled) -> String {
    let mut lines = vec![format!("{flow}: {}", found.summary)];
    let notes = found.notes.iter();
    lines.extend(notes.map(|note| format!("  {:<16} {}", note.key, note.kind.why())));
    if found.unnamed > 0 {
        lines.push(format!("  and {} more; the log names each", found.unnamed));
    }
    let took = found.ended_at.duration_since(found.started).as_secs();
    lines.push(format!(
        "{} rows in {} pages, {} queued, {}\n",
        found.rows,
        found.pages,
        found.queued,
        span(took.unsigned_abs()),
    ));
    lines.join("\n")
}

/// What an audit found.
pub(super) fn audited(flow: &str, found: &Audited) -> String {
    let mut lines = vec![format!("{flow}: {}", found.summary)];
    let notes = found.notes.iter();
    lines
        .extend(notes.map(|note| format!("  {:<16} {}: {}", note.key, note.name, note.kind.why())));
    if found.unnamed > 0 {
        lines.push(format!("  and {} more; the log names each", found.unnamed));
    }
    if found.reviews > 0 {
        lines.push(format!("{} of them are among the reviews", found.reviews));
    }
    if found.not_reviewed > 0 {
        let count = found.not_reviewed;
        lines.push(format!("{count} more were to be, and are too many"));
    }
    let Standing {
        applied,
        pending,
        pending_since,
        in_review,
        in_review_since,
    } = &found.standing;
    let since = |since: &Option<Timestamp>| match since {
        Some(since) => format!(" (the oldest since {since})"),
        None => String::new(),
    };
    lines.push(format!(
        "the target holds {applied} as they are; {pending} wait{}, {in_review} are in review{}",
        since(pending_since),
        since(in_review_since)
    ));
    lines.push(match &found.compared {
        Some(Compared { at, summary }) => format!("compared with the target at {at}: {summary}\n"),
        None => "never compared with the target\n".to_owned(),
    });
    lines.join("\n")
}

fn age(freshness: &Freshness) -> String {
    let one = |age: Option<u64>, goal| match age {
        Some(age) => format!("{} of at most {}", span(age), span(goal)),
        None => "not known before the first complete run".to_owned(),
    };
    let stale = if freshness.stale { "; TOO OLD" } else { "" };
    format!(
        "critical fields {}, others {}{stale}",
        one(freshness.critical_s, freshness.critical_goal_s),
        one(freshness.other_s, freshness.other_goal_s),
    )
}

fn span(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7_199 => format!("{} min", seconds / 60),
        _ => format!("{} h {} min", seconds / 3_600, seconds % 3_600 / 60),
    }
}

/// What needs a person. `options` name the instance.
pub(super) fn reviews(reviews: &[Review], options: &str) -> String {
    if reviews.is_empty() {
        return "nothing needs you\n".to_owned();
    }
    let mut lines = Vec::new();
    for review in reviews {
        let cause = &review.cause;
        let field = cause
            .field
            .as_ref()
            .map(|field| format!(" (field {field})"));
        lines.push(review.id.clone());
        lines.push(format!(
            "  {}, waiting since {}: {}{}",
            cause.kind.as_str().replace('_', " "),
            waiting_since(review.pending_since, cause.since),
            cause.reason,
            field.unwrap_or_default()
        ));
        let tried = review.history.iter();
        lines.extend(tried.map(|attempt| format!("  tried {}: {}", attempt.at, attempt.outcome)));
    }
    lines.push(format!(
        "{} in all. `tidegate replay ID --dry-run{options}` shows what would be sent.\n",
        reviews.len()
    ));
    lines.join("\n")
}

/// What a replay would send.
pub(super) fn plan(plan: &Plan) -> String {
    let mut lines = Vec::new();
    for Fault { field, reason } in &plan.faults {
        let field = field.as_deref().unwrap_or("(record)");
        lines.push(format!("{field} {reason}"));
    }
    for request in &plan.requests {
        lines.push(format!("{} {}", request.method, request.url));
        let headers = request.headers.iter();
        lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
        lines.extend(request.body.as_ref().map(|body| format!("{body:#}")));
    }
    lines.push("Nothing was sent.\n".to_owned());
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn review(pending_since: Option<&str>) -> Review {
        serde_json::from_value(json!({
            "id": "suppliers~SUP-1", "flow": "suppliers", "key": "SUP-1",
            "cause": {"kind": "refused", "field": null, "reason": "no", "since": "2026-11-20T09:00:00Z"},
            "pending_since": pending_since,
        }))
        .unwrap()
    }

    #[test]
    fn a_review_waits_since_its_oldest_change_as_in_the_daily_mail() {
        for (pending_since, since) in [
            (Some("2026-11-17T09:00:00Z"), "2026-11-17T09:00:00Z"),
            (None, "2026-11-20T09:00:00Z"),
        ] {
            let told = reviews(&[review(pending_since)], "");
            assert!(
                told.contains(&format!("waiting since {since}: no")),
                "{told}"
            );
        }
        let entry = review(Some("2026-11-17T09:00:00Z")).entry().unwrap();
        let found = tidegate_engine::FlowDigest {
            flow: entry.flow.clone(),
            stopped: Vec::new(),
            reviews: vec![entry],
            reconciled: None,
            audited: None,
        };
        let now: Timestamp = "2026-11-20T09:00:00Z".parse().unwrap();
        let mail = tidegate_engine::digest_mail(&[found], "", UnixMs(now.as_millisecond()));
        assert!(mail.text.contains("SUP-1 for 3 days"), "{}", mail.text);
    }
}
