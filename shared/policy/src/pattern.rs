//! Which pattern carries an object, and whether the day's quotas hold it (R31, R32).
//!
//! [`plan`] reads a flow sheet and flow files and gives each row a pattern with the rule that
//! decided. Nothing stays open: a row that lacks what a rule needs is a mistake that names the row,
//! the column and what would be right. The rules, the first that fits decides:
//!
//! 1. Somebody waits and it is a financial or compliance decision, or 5 minutes would hurt: real-time.
//! 2. A migration: a file.
//! 3. A change of records that must not lose one: event, with replay and dead letters.
//! 4. A change with several consumers: event.
//! 5. A change for which best effort is enough: batch, with a reconciliation report.
//! 6. A change with one consumer: event under 1,000 a day, batch from there.
//! 7. A schedule: under 2,000 records a run REST, to 150,000 one bulk job, above that bulk in chunks;
//!    without a bulk API a file.
//!
//! A batch that is due more often than hourly is a micro-batch: a cadence like any other (R37). A
//! row in both directions needs its conflict rule, and a row of its own for the way back.

mod flows;
mod quota;
mod sheet;
#[cfg(test)]
mod tests;

use std::fmt;

use serde::Serialize;
use tidegate_model::{
    EndpointId, FlowId,
    flow::{DayLimit, FlowFile},
};

pub use self::quota::{BulkPool, Provider};
use crate::check::{Mistake, words::span};

/// A need below this is hurt by waiting 5 minutes, the shortest cadence of a batch (R31, R37).
const HURTS_BELOW_S: u64 = 300;
/// Changes a day from which one consumer gets a batch (R31).
const BATCH_FROM_A_DAY: u64 = 1_000;
/// Records a run from which single calls give way to a bulk job (R31).
const BULK_FROM: u64 = 2_000;
/// Records a run that one bulk job takes (R31).
const ONE_JOB_TO: u64 = 150_000;
/// Records in a chunk of a bulk job (R25).
const CHUNK: u64 = 10_000;
/// A cadence below this is said in minutes: a micro-batch (R37).
const MICRO_BELOW_S: u64 = 3_600;
const DAY_S: u64 = 86_400;

/// How an object is carried.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pattern {
    /// At once, while somebody waits.
    RealTime,
    /// Each change by itself, soon.
    EventDriven,
    /// A batch every few minutes.
    MicroBatch,
    /// A batch at times of day.
    Batch,
    /// Jobs of the target's bulk API.
    Bulk,
    /// A file.
    File,
}

impl Pattern {
    /// The pattern's name.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RealTime => "real-time",
            Self::EventDriven => "event-driven",
            Self::MicroBatch => "micro-batch",
            Self::Batch => "batch",
            Self::Bulk => "bulk",
            Self::File => "file",
        }
    }

    /// Whether each record is sent by calls of its own.
    fn calls_for_each(self) -> bool {
        !matches!(self, Self::Bulk | Self::File)
    }
}

impl fmt::Display for Pattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a row is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Impact {
    Financial,
    Compliance,
    Operational,
}

/// What makes records move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Trigger {
    /// A change of a record, told to so many consumers.
    Change { consumers: u64 },
    /// A schedule with so many runs a day. Whether the target has a bulk API is asked only where a
    /// run is large.
    Schedule { runs_a_day: u64, bulk_api: bool },
    /// Everything, once.
    Migration,
}

/// What a lost change costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Loss {
    /// None may be lost.
    Zero,
    /// The daily reconciliation heals it.
    Reconciled,
    /// A report of what was lost is enough.
    BestEffort,
}

/// What the rules ask.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Needs {
    records_a_day: u64,
    /// Seconds after which a delay hurts.
    latency_s: u64,
    impact: Impact,
    someone_waits: bool,
    trigger: Trigger,
    loss: Loss,
}

/// A pattern and the rule that decided.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Decision {
    pattern: Pattern,
    reason: String,
}

fn decided(pattern: Pattern, reason: impl Into<String>) -> Decision {
    Decision {
        pattern,
        reason: reason.into(),
    }
}

/// Applies the rules (R31).
fn decide(needs: &Needs) -> Decision {
    let mut decision = by_rule(needs);
    if needs.trigger != Trigger::Migration {
        decision.reason.push_str(match needs.loss {
            Loss::Zero => ", with replay and dead letters",
            Loss::BestEffort => ", with a reconciliation report",
            Loss::Reconciled => "",
        });
    }
    decision
}

impl Impact {
    /// What a decision is about for which nobody is to wait.
    fn decision(self) -> Option<&'static str> {
        match self {
            Self::Financial => Some("financial"),
            Self::Compliance => Some("compliance"),
            Self::Operational => None,
        }
    }
}

fn by_rule(needs: &Needs) -> Decision {
    if let (true, Some(about)) = (needs.someone_waits, needs.impact.decision()) {
        return decided(
            Pattern::RealTime,
            format!("somebody waits for a {about} decision"),
        );
    }
    if needs.latency_s < HURTS_BELOW_S {
        return decided(
            Pattern::RealTime,
            format!(
                "5 min would hurt: it is needed within {}",
                span(needs.latency_s)
            ),
        );
    }
    match needs.trigger {
        Trigger::Migration => decided(Pattern::File, "a migration is a file"),
        Trigger::Change { consumers } => by_change(needs, consumers),
        Trigger::Schedule {
            runs_a_day,
            bulk_api,
        } => by_schedule(
            needs.records_a_day.div_ceil(runs_a_day.max(1)),
            DAY_S / runs_a_day.max(1),
            bulk_api,
        ),
    }
}

fn by_change(needs: &Needs, consumers: u64) -> Decision {
    let a_day = thousands(needs.records_a_day);
    if needs.loss == Loss::Zero {
        return decided(Pattern::EventDriven, "no change may be lost: an event");
    }
    if consumers > 1 {
        return decided(
            Pattern::EventDriven,
            format!("a change with {consumers} consumers: an event"),
        );
    }
    if needs.loss == Loss::Reconciled && needs.records_a_day < BATCH_FROM_A_DAY {
        return decided(
            Pattern::EventDriven,
            format!("a change with one consumer, {a_day} a day: an event under 1,000"),
        );
    }
    let why = if needs.loss == Loss::BestEffort {
        "best effort is enough: a batch".to_owned()
    } else {
        format!("a change with one consumer, {a_day} a day: a batch from 1,000")
    };
    with_cadence(needs.latency_s, &why)
}

/// By the records of a run, and the seconds between two.
fn by_schedule(a_run: u64, interval_s: u64, bulk_api: bool) -> Decision {
    let said = thousands(a_run);
    if a_run < BULK_FROM {
        return with_cadence(
            interval_s,
            &format!("{said} records a run: REST under 2,000"),
        );
    }
    if !bulk_api {
        return decided(
            Pattern::File,
            format!("{said} records a run: a file, since the target has no bulk API"),
        );
    }
    if a_run <= ONE_JOB_TO {
        return decided(
            Pattern::Bulk,
            format!("{said} records a run: one bulk job from 2,000 to 150,000"),
        );
    }
    decided(
        Pattern::Bulk,
        format!("{said} records a run: bulk in chunks of 10,000 above 150,000"),
    )
}

/// A batch, or a micro-batch where it is due more often than hourly.
fn with_cadence(due_every_s: u64, why: &str) -> Decision {
    if due_every_s < MICRO_BELOW_S {
        let minutes = (due_every_s / 60).max(1);
        return decided(Pattern::MicroBatch, format!("{why}, every {minutes} min"));
    }
    decided(Pattern::Batch, why)
}

/// A row of the plan.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Planned {
    /// Where the row stands: `sheet.csv:4`, or the name of a flow file.
    pub place: String,
    /// The flow.
    pub flow: FlowId,
    /// Where records come from.
    pub source: EndpointId,
    /// Where records go.
    pub target: EndpointId,
    /// Records a day.
    pub records_a_day: u64,
    /// How they are carried.
    pub pattern: Pattern,
    /// The rule that decided.
    pub reason: String,
    /// Calls a day to the target; none by bulk or file.
    pub calls_a_day: u64,
    /// Chunks of bulk jobs a day, which a bulk API counts in a pool of its own.
    pub bulk_chunks_a_day: u64,
}

/// What is known of a day's quota.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Quota {
    /// The target sets none.
    Unlimited,
    /// Calls, what stays unused, and what is kept for real-time.
    Day(DayLimit),
}

/// What is known of a bulk API's own pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum BulkQuota {
    /// The target sets none.
    Unlimited,
    /// Chunks a day.
    Chunks(u64),
}

/// A row of the plan, and what it says of its target's quotas.
struct Entry {
    planned: Planned,
    /// Line in the sheet; none for a flow file.
    line: Option<usize>,
    /// Name of the flow file or the sheet.
    file: String,
    quota: Option<Quota>,
    bulk_quota: Option<BulkQuota>,
}

/// Patterns and quotas.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Plan {
    /// A row for each row of the sheet, then those of the flow files that the sheet does not name.
    pub rows: Vec<Planned>,
    /// The day of each target (R32).
    pub providers: Vec<Provider>,
    /// Where a flow file carries a row of the sheet otherwise than the rules say, or makes calls that
    /// the row does not name.
    pub notes: Vec<String>,
}

impl Plan {
    /// Whether every quota keeps its headroom.
    pub fn fits(&self) -> bool {
        self.providers
            .iter()
            .all(|provider| provider.faults.is_empty())
    }
}

/// Plans the rows of a sheet, a name and its text, and of flow files that have no mistakes. On
/// failure every mistake of every row.
pub fn plan(
    sheet: Option<(&str, &str)>,
    flows: &[(String, FlowFile)],
) -> Result<Plan, Vec<Mistake>> {
    let mut mistakes = Vec::new();
    let known = flows::Known::of(flows);
    let mut entries = Vec::new();
    if let Some((file, text)) = sheet {
        match sheet::read(file, text, &known) {
            Ok(read) => entries = read,
            Err(found) => mistakes.extend(found),
        }
    }
    let mut notes = flows::differences(&entries, flows);
    notes.extend(flows::left_out(&entries, flows));
    for (file, flow) in flows {
        if entries
            .iter()
            .any(|entry| entry.line.is_some() && entry.planned.flow == flow.name)
        {
            continue;
        }
        match flows::entries(file, flow) {
            Ok(read) => entries.extend(read),
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let providers = quota::providers(&entries, &known, &mut mistakes);
    if !mistakes.is_empty() {
        return Err(mistakes);
    }
    Ok(Plan {
        rows: entries.into_iter().map(|entry| entry.planned).collect(),
        providers,
        notes,
    })
}

/// `150,001`.
fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut said = String::with_capacity(digits.len() + digits.len() / 3);
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            said.push(',');
        }
        said.push(digit);
    }
    said
}

fn calls(number: u64) -> String {
    match number {
        1 => "1 call".to_owned(),
        _ => format!("{} calls", thousands(number)),
    }
}
