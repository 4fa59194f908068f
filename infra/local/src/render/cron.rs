//! The times of day of a schedule as crons of `EventBridge` Scheduler.
//!
//! A cron is every pair of its minutes and hours, so times with different minutes may need several.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use tidegate_model::flow::Schedule;

const HOURS: u32 = 24;
const MINUTES: u32 = 60;

/// The crons that together name each time of day of `schedule` once, the earliest first.
pub(super) fn crons(schedule: &Schedule) -> anyhow::Result<Vec<String>> {
    let mut hours_of: BTreeMap<u32, BTreeSet<u32>> = BTreeMap::new();
    for (hour, minute) in times(schedule)? {
        hours_of.entry(minute).or_default().insert(hour);
    }
    let mut minutes_of: BTreeMap<BTreeSet<u32>, BTreeSet<u32>> = BTreeMap::new();
    for (minute, hours) in hours_of {
        minutes_of.entry(hours).or_default().insert(minute);
    }
    let mut groups: Vec<_> = minutes_of.into_iter().collect();
    groups.sort_by_key(|(hours, minutes)| (hours.first().copied(), minutes.first().copied()));
    Ok(groups
        .iter()
        .map(|(hours, minutes)| {
            let (minutes, hours) = (field(minutes, MINUTES), field(hours, HOURS));
            format!("cron({minutes} {hours} * * ? *)")
        })
        .collect())
}

/// Hours and minutes. Every so many minutes counts from midnight; where the clock is changed, the
/// tick starts what this leaves out.
fn times(schedule: &Schedule) -> anyhow::Result<Vec<(u32, u32)>> {
    if let Some(every) = schedule.every_minutes {
        let step = usize::try_from(every.max(1))?;
        let of_a_day = (0..HOURS * MINUTES).step_by(step);
        return Ok(of_a_day.map(|at| (at / MINUTES, at % MINUTES)).collect());
    }
    let windows = schedule.windows.iter();
    windows.map(|window| time(&window.at)).collect()
}

/// Reads `HH:MM`.
pub(super) fn time(at: &str) -> anyhow::Result<(u32, u32)> {
    let parts = at.split_once(':');
    let read = parts.and_then(|(hour, minute)| Some((hour.parse().ok()?, minute.parse().ok()?)));
    read.with_context(|| format!("`{at}` is no time of day"))
}

/// The values of a field; all of them are `*`.
fn field(values: &BTreeSet<u32>, all: u32) -> String {
    if u32::try_from(values.len()) == Ok(all) {
        return "*".to_owned();
    }
    let values: Vec<String> = values.iter().map(ToString::to_string).collect();
    values.join(",")
}

#[cfg(test)]
mod tests {
    use tidegate_model::flow::WindowSpec;

    use super::*;

    fn schedule(windows: &[&str], every_minutes: Option<u32>) -> Schedule {
        let windows = windows.iter().map(|at| WindowSpec {
            at: (*at).to_owned(),
            lookback_s: None,
        });
        Schedule {
            time_zone: "UTC".to_owned(),
            windows: windows.collect(),
            every_minutes,
            lookback_s: 0,
            max_run_minutes: 1,
        }
    }

    /// Each time that the crons name, as often as they name it.
    fn named(crons: &[String]) -> Vec<(u32, u32)> {
        let mut named = Vec::new();
        for cron in crons {
            let inner = cron.strip_prefix("cron(").unwrap();
            let fields = inner.strip_suffix(" * * ? *)").unwrap();
            let (minutes, hours) = fields.split_once(' ').unwrap();
            let values = |field: &str, all| -> Vec<u32> {
                match field {
                    "*" => (0..all).collect(),
                    _ => field
                        .split(',')
                        .map(|value| value.parse().unwrap())
                        .collect(),
                }
            };
            for hour in values(hours, 24) {
                named.extend(values(minutes, 60).iter().map(|minute| (hour, *minute)));
            }
        }
        named.sort_unstable();
        named
    }

    #[test]
    fn times_of_one_minute_are_one_cron_and_others_are_more() {
        let crons = |windows: &[&str]| crons(&schedule(windows, None)).unwrap();
        assert_eq!(crons(&["10:00", "02:00"]), ["cron(0 2,10 * * ? *)"]);
        assert_eq!(
            crons(&["02:30", "10:00", "14:00"]),
            ["cron(30 2 * * ? *)", "cron(0 10,14 * * ? *)"]
        );
        assert_eq!(
            crons(&["02:00", "02:30", "14:00", "14:30"]),
            ["cron(0,30 2,14 * * ? *)"]
        );
        assert!(super::crons(&schedule(&["noon"], None)).is_err());
    }

    #[test]
    fn micro_batches_name_each_of_their_times_once() {
        let quarter = crons(&schedule(&[], Some(15))).unwrap();
        assert_eq!(quarter, ["cron(0,15,30,45 * * * ? *)"]);
        assert_eq!(
            crons(&schedule(&[], Some(1))).unwrap(),
            ["cron(* * * * ? *)"]
        );
        for every in 1..=1_440 {
            let expected: Vec<_> = (0..1_440)
                .step_by(every)
                .map(|at| (at / 60, at % 60))
                .collect();
            let every = u32::try_from(every).unwrap();
            let crons = crons(&schedule(&[], Some(every))).unwrap();
            assert_eq!(named(&crons), expected, "every {every} minutes");
        }
    }
}
