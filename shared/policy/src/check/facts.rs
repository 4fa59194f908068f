//! What a flow promises, computed from its file alone.

use std::{fmt, time::Duration};

use tidegate_model::{
    FlowId, UnixMs,
    flow::{AuditSpec, DayLimit, FlowFile, Rate, TargetSpec},
};

use super::{
    limits::DAY,
    words::{count, span},
};
use crate::{
    schedule::{CompiledSchedule, WorstGap},
    trigger::{self, Rule},
};

/// Windows that are shown.
const NEXT_WINDOWS: usize = 3;

/// What a flow promises.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FlowFacts {
    /// The flow.
    pub flow: FlowId,
    /// Its file, as it was named.
    pub file: String,
    /// Its revision.
    pub revision: u32,
    /// Hash of the file's text, and of its connectors'.
    pub hash: String,
    /// Calls that one update of a record takes.
    pub calls_per_update: u32,
    /// The real-time tier.
    pub real_time: TierFacts,
    /// The batch tier.
    pub batch: TierFacts,
    /// Calls a day that are left of the quota after headroom, and how many of them only real-time
    /// work may use. None without a quota.
    pub calls_a_day: Option<(u64, u64)>,
    /// Calls for decisions, and those of the source's reads beside them.
    pub decisions: Option<(TierFacts, TierFacts)>,
    /// What an audit looks at. None without `[audit]`.
    pub audit: Option<AuditFacts>,
    /// Whether its source lists all that there is, so that a reconciliation can compare with it.
    pub lists_source: bool,
    /// Whether a reconciliation compares what stands at the target, too.
    pub compares_target: bool,
    /// The longest time between two windows (R2). How long a batch takes depends on what comes.
    pub worst_gap: WorstGap,
    /// The next windows in local time.
    pub next_windows: Vec<String>,
    /// The zone in which they are told.
    pub time_zone: String,
    /// Rules of an event bus that its triggers need on AWS.
    pub rules: Vec<Rule>,
}

/// What a tier can do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TierFacts {
    /// Calls a minute that the limit allows, rounded down.
    pub calls_a_minute: u64,
    /// Updates of records a minute that they make, rounded down.
    pub records_a_minute: u64,
    /// Calls a day that the limit by itself would allow.
    pub calls_a_day: u64,
}

/// What an audit looks at, and when.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditFacts {
    /// Windows whose complete run it follows. None: it runs when it is asked for.
    pub after: Vec<String>,
    /// Fields that should be filled.
    pub required: usize,
    /// Rules between the fields of a record.
    pub rules: usize,
    /// Rules of them whose findings are put to a person.
    pub reviewed: usize,
    /// Combinations of fields that only one record should have.
    pub unique: usize,
}

/// A Qualio update reads and replaces (FACTS: its `PUT` takes the whole record).
pub(super) const QUALIO_CALLS: u32 = 2;

pub(super) fn of(file_name: &str, hash: &str, file: &FlowFile, now: UnixMs) -> Option<FlowFacts> {
    let schedule = CompiledSchedule::compile(&file.schedule).ok()?;
    let calls_per_update = match file.target {
        TargetSpec::Rest(_) => 1,
        TargetSpec::Qualio(_) => QUALIO_CALLS,
        TargetSpec::Store(_) => 0,
    };
    let limits = file.target.limits();
    let next = std::iter::successors(schedule.next_after(now), |due| schedule.next_after(due.at));
    Some(FlowFacts {
        flow: file.name.clone(),
        file: file_name.to_owned(),
        revision: file.revision,
        hash: hash.to_owned(),
        calls_per_update,
        real_time: tier(limits.real_time, calls_per_update),
        batch: tier(limits.batch, calls_per_update),
        calls_a_day: limits.day.map(usable),
        decisions: file
            .decide
            .as_ref()
            .zip(file.source.rest())
            .map(|(decide, source)| (tier(decide.limit, 1), tier(source.limit, 1))),
        audit: file.audit.as_ref().map(AuditFacts::of),
        lists_source: file.source.lists_all(),
        compares_target: match &file.target {
            TargetSpec::Rest(rest) => rest.list.is_some(),
            TargetSpec::Qualio(_) | TargetSpec::Store(_) => true,
        },
        worst_gap: schedule.worst_gap(),
        next_windows: next
            .take(NEXT_WINDOWS)
            .map(|due| schedule.local(due.at))
            .collect(),
        time_zone: file.schedule.time_zone.clone(),
        rules: trigger::rules(file),
    })
}

impl AuditFacts {
    fn of(audit: &AuditSpec) -> Self {
        Self {
            after: audit.after.clone(),
            required: audit.required.len(),
            rules: audit.rules.len(),
            reviewed: audit.rules.iter().filter(|rule| rule.review).count(),
            unique: audit.unique.len(),
        }
    }
}

impl fmt::Display for AuditFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.after.as_slice() {
            [] => write!(f, "when it is asked for; ")?,
            after => write!(f, "after {}; ", after.join(", "))?,
        }
        let review = match self.reviewed {
            0 => String::new(),
            reviewed => format!(" ({reviewed} of them for review)"),
        };
        let parts = [
            (self.required, "field", " that should be filled"),
            (self.rules, "rule", review.as_str()),
            (self.unique, "value", " that should be unique"),
        ];
        let said: Vec<String> = parts
            .iter()
            .filter(|(number, ..)| *number > 0)
            .map(|(number, noun, which)| format!("{}{which}", count(*number, noun)))
            .collect();
        f.write_str(&said.join(", "))
    }
}

fn tier(rate: Rate, calls_per_update: u32) -> TierFacts {
    let calls_a_minute = rate.steady_in(Duration::from_mins(1));
    TierFacts {
        calls_a_minute,
        records_a_minute: calls_a_minute / u64::from(calls_per_update.max(1)),
        calls_a_day: rate.most_in(DAY),
    }
}

/// Calls of a day that both tiers may make, and those of them that only the real-time tier may.
pub(super) fn usable(day: DayLimit) -> (u64, u64) {
    let usable =
        u64::from(day.calls) * u64::from(100_u32.saturating_sub(day.headroom_percent)) / 100;
    (usable, usable * u64::from(day.real_time_percent) / 100)
}

impl fmt::Display for FlowFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{}: flow {}, revision {}, hash {}",
            self.file, self.flow, self.revision, self.hash
        )?;
        let tiers = [("real-time", self.real_time), ("batch", self.batch)];
        if self.calls_per_update == 0 {
            writeln!(
                f,
                "  our own store: applied by the write that stages it, no call"
            )?;
        }
        for (name, tier) in tiers.into_iter().filter(|_| self.calls_per_update > 0) {
            let each = u64::from(self.calls_per_update.max(1));
            let (calls, records, span) = match tier.records_a_minute {
                0 => (tier.calls_a_day, tier.calls_a_day / each, "day"),
                records => (tier.calls_a_minute, records, "minute"),
            };
            writeln!(
                f,
                "  {name}: {calls} calls a {span}, {records} records a {span} ({} a record)",
                count(usize::try_from(each).unwrap_or(1), "call"),
            )?;
        }
        if let Some((usable, kept)) = self.calls_a_day {
            write!(
                f,
                "  a day: {usable} calls of the quota, {kept} of them kept for real-time"
            )?;
            let possible = self.real_time.calls_a_day + self.batch.calls_a_day;
            if possible > usable {
                write!(
                    f,
                    "; the limits by themselves would allow {possible}, so a full day ends at the quota"
                )?;
            }
            writeln!(f)?;
        }
        if let Some((own, reads)) = self.decisions {
            writeln!(
                f,
                "  decisions: {} calls a day, on top of {} of its reads: the source must allow both together",
                own.calls_a_day, reads.calls_a_day
            )?;
        }
        if let Some(audit) = &self.audit {
            writeln!(f, "  audit: {audit}")?;
        }
        if !self.lists_source {
            let why = "each file is read once, so there is no listing to compare with";
            writeln!(f, "  reconcile: none; {why}")?;
        } else if self.calls_per_update == 0 {
            writeln!(f, "  reconcile: source and registers, which are the store")?;
        } else if self.compares_target {
            writeln!(f, "  reconcile: source, registers and target")?;
        } else {
            writeln!(
                f,
                "  reconcile: source and registers; what stands at the target is NOT compared, since `[target.list]` is missing"
            )?;
        }
        let gap = &self.worst_gap;
        write!(f, "  worst-case staleness: {}", span(gap.usual.as_secs()))?;
        if gap.span > gap.usual {
            write!(
                f,
                ", and {} when the clock is changed",
                span(gap.span.as_secs())
            )?;
        }
        writeln!(
            f,
            " (between {} and {}), plus the time that a batch takes: `tidegate simulate` measures it",
            gap.from, gap.to
        )?;
        writeln!(
            f,
            "  next windows ({}): {}",
            self.time_zone,
            self.next_windows.join(", ")
        )?;
        for rule in &self.rules {
            writeln!(
                f,
                "  rule {} on {}, to batch-sync: EventPattern {}, InputTransformer {}",
                rule.name,
                rule.bus.as_deref().unwrap_or("the stack's bus"),
                rule.pattern,
                rule.transformer
            )?;
        }
        Ok(())
    }
}
