//! Windows, and the goals that they must allow.

use serde::Deserialize;
use serde_json::Value;
use tidegate_model::flow::Schedule;

use super::{Findings, Purpose, words::span};
use crate::schedule::{CompiledSchedule, ScheduleError, WorstGap};

pub(super) fn check(findings: &mut Findings<'_>) {
    check_windows(findings);
    // To look through the years for the longest gap takes longer than all else here, at each start.
    if findings.purpose == Purpose::Check
        && let Some(gap) = worst_gap(findings)
    {
        check_goals(findings, &gap);
    }
}

fn check_windows(findings: &mut Findings<'_>) {
    let document = findings.document;
    if document
        .get("/schedule")
        .and_then(Value::as_object)
        .is_none()
    {
        return;
    }
    let windows = document
        .get("/schedule/windows")
        .and_then(Value::as_array)
        .map_or(&[][..], Vec::as_slice);
    match (windows, document.get("/schedule/every_minutes")) {
        ([], None) => findings.wrong("/schedule", ScheduleError::Empty.to_string()),
        ([_, ..], Some(_)) => {
            findings.wrong("/schedule/every_minutes", ScheduleError::Both.to_string());
        }
        _ => {}
    }
    let times: Vec<Option<&str>> = windows
        .iter()
        .map(|window| window.get("at").and_then(Value::as_str))
        .collect();
    for (index, time) in times.iter().enumerate() {
        if let Some(time) = time
            && times
                .iter()
                .take(index)
                .any(|before| before.as_ref() == Some(time))
        {
            let twice = ScheduleError::Twice((*time).to_owned());
            findings.wrong(&format!("/schedule/windows/{index}/at"), twice.to_string());
        }
    }
}

/// The longest gap between two windows, where the schedule is right.
fn worst_gap(findings: &Findings<'_>) -> Option<WorstGap> {
    let schedule = Schedule::deserialize(findings.document.get("/schedule")?).ok()?;
    Some(CompiledSchedule::compile(&schedule).ok()?.worst_gap())
}

fn check_goals(findings: &mut Findings<'_>, gap: &WorstGap) {
    let document = findings.document;
    let worst = gap.span.as_secs();
    let lasts = format!(
        "up to {worst} s ({}) lie between the windows {} and {}",
        span(worst),
        gap.from,
        gap.to
    );
    if let Some(goal) = document.number("/freshness/other_s")
        && goal < worst
    {
        findings.wrong(
            "/freshness/other_s",
            format!("`other_s` is {goal}, but {lasts}: make it at least {worst}, or add a window"),
        );
    }
    if let Some(goal) = document.number("/freshness/critical_s")
        && goal < worst
        && document.get("/webhook").is_none()
    {
        findings.odd(
            "/freshness/critical_s",
            format!("`critical_s` is {goal}, but without `[webhook]` critical changes are found by batches only, and {lasts}"),
        );
    }
}
