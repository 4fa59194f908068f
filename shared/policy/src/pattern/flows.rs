//! What flow files say to the plan: how they carry their records today, and their targets' quotas.

use std::collections::BTreeMap;

use tidegate_model::{
    EndpointId, FlowId,
    flow::{FlowFile, TargetSpec},
};

use super::{DAY_S, Decision, Entry, Pattern, Planned, Quota, by_schedule};
use crate::{check::Mistake, schedule::CompiledSchedule};

/// A Qualio update reads and replaces (FACTS: its `PUT` takes the whole record).
const QUALIO_CALLS: u64 = 2;
/// A run lists Qualio once a status (FACTS: five).
const QUALIO_LISTING: u64 = 5;

/// What flow files know of targets, so that a sheet need not say it again.
pub(super) struct Known {
    /// Calls that a record takes.
    pub calls_a_record: BTreeMap<EndpointId, u64>,
    /// The day's quota, where a flow file names one.
    pub quotas: BTreeMap<EndpointId, Quota>,
}

impl Known {
    pub fn of(flows: &[(String, FlowFile)]) -> Self {
        let mut known = Self {
            calls_a_record: BTreeMap::new(),
            quotas: BTreeMap::new(),
        };
        for (_, flow) in flows {
            let target = flow.target.name().clone();
            let quota = flow
                .target
                .limits()
                .day
                .map_or(Quota::Unlimited, Quota::Day);
            known
                .calls_a_record
                .insert(target.clone(), calls_a_record(&flow.target));
            known.quotas.insert(target, quota);
        }
        known
    }
}

fn calls_a_record(target: &TargetSpec) -> u64 {
    match target {
        TargetSpec::Rest(_) => 1,
        TargetSpec::Qualio(_) => QUALIO_CALLS,
        TargetSpec::Store(_) => 0,
    }
}

/// The rows of one flow file: what its schedule carries, and what its critical fields make real-time.
pub(super) fn entries(file: &str, flow: &FlowFile) -> Result<Vec<Entry>, Mistake> {
    let Some(expected) = flow.expected else {
        return Err(Mistake::new(
            file,
            1,
            "`[expected]` is missing: a plan needs `changes_a_day`, and `critical_percent` where fields are critical",
        ));
    };
    let schedule = CompiledSchedule::compile(&flow.schedule)
        .map_err(|error| Mistake::new(file, 1, error.to_string()))?;
    let is_real_time = !flow.critical.is_empty();
    let (critical, ordinary) = expected.split(is_real_time);
    let interval_s = match flow.schedule.every_minutes {
        Some(minutes) => u64::from(minutes) * 60,
        None => schedule.worst_gap().usual.as_secs(),
    }
    .clamp(1, DAY_S);
    // The longest gap gathers the most changes.
    let a_run = (ordinary * interval_s).div_ceil(DAY_S);
    let runs = match flow.schedule.every_minutes {
        Some(_) => DAY_S / interval_s,
        None => flow.schedule.windows.len() as u64,
    };
    let listing = match flow.target {
        TargetSpec::Rest(_) | TargetSpec::Store(_) => 0,
        TargetSpec::Qualio(_) => QUALIO_LISTING * runs,
    };
    let entry = |decision: Decision, records: u64, extra: u64| {
        Entry {
            planned: Planned {
                place: file.to_owned(),
                flow: flow.name.clone(),
                source: flow.source.name().clone(),
                target: flow.target.name().clone(),
                records_a_day: records,
                pattern: decision.pattern,
                reason: decision.reason,
                calls_a_day: records * calls_a_record(&flow.target) + extra,
                bulk_chunks_a_day: 0,
            },
            line: None,
            file: file.to_owned(),
            quota: None,
            bulk_quota: None,
        }
    };
    let mut found = vec![entry(
        carried_by_schedule(a_run, interval_s),
        ordinary,
        listing,
    )];
    if is_real_time {
        let why = flow.real_time_reason.as_deref().unwrap_or_default();
        let reason = format!("critical fields: {}", why.trim().trim_end_matches('.'));
        let decision = Decision {
            pattern: Pattern::RealTime,
            reason,
        };
        found.push(entry(decision, critical, 0));
    }
    Ok(found)
}

/// A flow file carries by single calls, whatever a run holds; the rules' wish is told beside it.
fn carried_by_schedule(a_run: u64, interval_s: u64) -> Decision {
    let by_rule = by_schedule(a_run, interval_s, true);
    if by_rule.pattern.calls_for_each() {
        return by_rule;
    }
    let mut decision = by_schedule(0, interval_s, true);
    decision.reason = format!("{}; the flow file sends them one by one", by_rule.reason);
    decision
}

/// What the flow files of rows in the sheet carry besides: the sheet's figures leave it out.
pub(super) fn left_out(rows: &[Entry], flows: &[(String, FlowFile)]) -> Vec<String> {
    let mut notes = Vec::new();
    for row in rows {
        let planned = &row.planned;
        let Some((file, flow)) = flows.iter().find(|(_, flow)| flow.name == planned.flow) else {
            continue;
        };
        for entry in entries(file, flow).into_iter().flatten() {
            let of_file = entry.planned;
            let is_real_time = of_file.pattern == Pattern::RealTime;
            if is_real_time && planned.pattern != Pattern::RealTime {
                notes.push(format!(
                    "{}: {file} carries {} a day of `{}` as real-time ({}), which the sheet counts as {}",
                    planned.place,
                    of_file.records_a_day,
                    planned.flow,
                    of_file.reason,
                    planned.pattern,
                ));
            }
            let each = calls_a_record(&flow.target);
            let listings = of_file
                .calls_a_day
                .saturating_sub(of_file.records_a_day * each);
            if listings > 0 {
                notes.push(format!(
                    "{}: the runs of {file} list `{}` by {listings} calls a day, which the sheet leaves out",
                    planned.place, planned.target,
                ));
            }
        }
    }
    notes
}

/// Patterns in which a flow file carries its records.
fn patterns(file: &str, flow: &FlowFile) -> Vec<Pattern> {
    entries(file, flow)
        .into_iter()
        .flatten()
        .map(|entry| entry.planned.pattern)
        .collect()
}

/// Where a flow file carries a row of the sheet otherwise than the rules say.
pub(super) fn differences(rows: &[Entry], flows: &[(String, FlowFile)]) -> Vec<String> {
    let file_of = |flow: &FlowId| flows.iter().find(|(_, file)| file.name == *flow);
    rows.iter()
        .filter_map(|row| {
            let planned = &row.planned;
            let (file, flow) = file_of(&planned.flow)?;
            let now = patterns(file, flow);
            if now.is_empty() || now.contains(&planned.pattern) {
                return None;
            }
            let now: Vec<&str> = now.into_iter().map(Pattern::as_str).collect();
            Some(format!(
                "{}: `{}` should be {}, and {file} carries it as {}",
                planned.place,
                planned.flow,
                planned.pattern,
                now.join(" and ")
            ))
        })
        .collect()
}
