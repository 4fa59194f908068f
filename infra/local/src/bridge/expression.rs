//! Expressions of EventBridge Scheduler, read into what says when.
//!
//! Times of day go through the policy's schedule, so daylight saving is as for windows: a time in a
//! gap runs at its end (Scheduler would skip it), a repeated one runs once. A `cron` that names days
//! is refused with that reason: Tidegate's own schedules run daily.

use std::time::Duration;

use jiff::{civil::DateTime, tz::TimeZone};
use tidegate_model::{
    UnixMs,
    flow::{Schedule, WindowSpec},
};
use tidegate_policy::schedule::{CompiledSchedule, ScheduleError};

/// Why an expression is not followed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum ExpressionError {
    /// None of Scheduler's, or one that is not known here.
    #[error("`{0}` is neither rate(N minutes), at(TIME) nor a daily cron(M H * * ? *)")]
    Unknown(String),
    /// A cron that does not run every day.
    #[error("`{0}` names days, and the bridge knows daily times only: invoke its function by hand")]
    Days(String),
    /// The zone.
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
}

/// When a schedule is due.
#[derive(Clone, Debug)]
pub(super) enum Cadence {
    /// Once.
    Once(UnixMs),
    /// At once, and then each time after so long.
    Every(Duration),
    /// At times of day.
    Daily(CompiledSchedule),
}

impl Cadence {
    /// Reads an expression, with times in `zone`.
    pub(super) fn read(expression: &str, zone: &str) -> Result<Self, ExpressionError> {
        let unknown = || ExpressionError::Unknown(expression.to_owned());
        let (kind, rest) = expression.trim().split_once('(').ok_or_else(unknown)?;
        let inner = rest.strip_suffix(')').ok_or_else(unknown)?.trim();
        match kind {
            "rate" => rate(inner).map(Self::Every).ok_or_else(unknown),
            "at" => once(inner, zone).map(Self::Once).ok_or_else(unknown),
            "cron" => cron(expression, inner, zone),
            _ => Err(unknown()),
        }
    }

    /// The first moment after `now`, for a schedule that is followed since `since`.
    pub(super) fn next_after(&self, now: UnixMs, since: UnixMs) -> Option<UnixMs> {
        match self {
            Self::Once(at) => (*at > now).then_some(*at),
            Self::Every(period) => {
                let passed = now.since(since).as_millis() / period.as_millis().max(1);
                let times = u32::try_from(passed).ok()?.checked_add(1)?;
                Some(since + *period * times)
            }
            Self::Daily(schedule) => schedule.next_after(now).map(|due| due.at),
        }
    }
}

fn rate(inner: &str) -> Option<Duration> {
    let (count, unit) = inner.split_once(' ')?;
    let unit_s = match unit.trim().trim_end_matches('s') {
        "minute" => 60,
        "hour" => 3_600,
        "day" => 86_400,
        _ => return None,
    };
    let count: u32 = count.parse().ok().filter(|count| *count > 0)?;
    Some(Duration::from_secs(u64::from(count) * unit_s))
}

fn once(inner: &str, zone: &str) -> Option<UnixMs> {
    let local: DateTime = inner.parse().ok()?;
    let zone = TimeZone::get(zone).ok()?;
    let at = zone.to_ambiguous_timestamp(local).compatible().ok()?;
    Some(UnixMs(at.as_millisecond()))
}

fn cron(expression: &str, inner: &str, zone: &str) -> Result<Cadence, ExpressionError> {
    let unknown = || ExpressionError::Unknown(expression.to_owned());
    let fields: Vec<&str> = inner.split_whitespace().collect();
    let [minutes, hours, days @ ..] = fields.as_slice() else {
        return Err(unknown());
    };
    if !matches!(days, ["*", "*", "?", "*"] | ["?", "*", "*", "*"]) {
        return Err(ExpressionError::Days(expression.to_owned()));
    }
    let minutes = values(minutes, 60).ok_or_else(unknown)?;
    let hours = values(hours, 24).ok_or_else(unknown)?;
    let windows = hours.iter().flat_map(|hour| {
        let at = |minute: &u32| format!("{hour:02}:{minute:02}");
        minutes.iter().map(at).collect::<Vec<_>>()
    });
    let schedule = Schedule {
        time_zone: zone.to_owned(),
        windows: windows
            .map(|at| WindowSpec {
                at,
                lookback_s: None,
            })
            .collect(),
        every_minutes: None,
        lookback_s: 0,
        max_run_minutes: 1,
    };
    Ok(Cadence::Daily(CompiledSchedule::compile(&schedule)?))
}

/// The values below `end` that a field of a cron names: `*`, `2`, `2-4`, `0/15`, and lists of these.
fn values(field: &str, end: u32) -> Option<Vec<u32>> {
    let mut named = Vec::new();
    for part in field.split(',') {
        let (range, step) = match part.split_once('/') {
            Some((range, step)) => (range, step.parse().ok().filter(|step| *step > 0)?),
            None => (part, 1),
        };
        let (first, last) = match range.split_once('-') {
            Some((first, last)) => (first.parse().ok()?, last.parse().ok()?),
            None if range == "*" => (0, end - 1),
            // `5/15` is from 5 on.
            None if part != range => (range.parse().ok()?, end - 1),
            None => (range.parse().ok()?, range.parse().ok()?),
        };
        if last >= end || first > last {
            return None;
        }
        named.extend((first..=last).step_by(step));
    }
    named.sort_unstable();
    named.dedup();
    Some(named)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> UnixMs {
        UnixMs(text.parse::<jiff::Timestamp>().unwrap().as_millisecond())
    }

    fn next(expression: &str, zone: &str, now: &str) -> Option<UnixMs> {
        let cadence = Cadence::read(expression, zone).unwrap();
        cadence.next_after(at(now), at("2026-11-20T00:00:00Z"))
    }

    #[test]
    fn a_daily_cron_is_due_in_its_zone() {
        let windows = "cron(0 2,10,14,18 * * ? *)";
        let due = |now| next(windows, "Europe/Berlin", now);
        assert_eq!(
            due("2026-11-20T00:30:00Z"),
            Some(at("2026-11-20T01:00:00Z"))
        );
        assert_eq!(
            due("2026-11-20T01:00:00Z"),
            Some(at("2026-11-20T09:00:00Z"))
        );
        assert_eq!(
            due("2026-06-20T17:00:00Z"),
            Some(at("2026-06-21T00:00:00Z"))
        );
        let often = next("cron(5/15 * ? * * *)", "UTC", "2026-11-20T03:21:00Z");
        assert_eq!(often, Some(at("2026-11-20T03:35:00Z")));
    }

    #[test]
    fn a_rate_counts_from_where_it_was_first_seen() {
        let due = |now| next("rate(5 minutes)", "UTC", now);
        assert_eq!(
            due("2026-11-20T00:00:00Z"),
            Some(at("2026-11-20T00:05:00Z"))
        );
        assert_eq!(
            due("2026-11-20T00:09:59Z"),
            Some(at("2026-11-20T00:10:00Z"))
        );
        let hourly = next("rate(1 hour)", "UTC", "2026-11-20T00:10:00Z");
        assert_eq!(hourly, Some(at("2026-11-20T01:00:00Z")));
    }

    #[test]
    fn a_time_is_due_once() {
        let due = |now| next("at(2026-11-20T02:00:00)", "Europe/Berlin", now);
        assert_eq!(
            due("2026-11-20T00:59:00Z"),
            Some(at("2026-11-20T01:00:00Z"))
        );
        assert_eq!(due("2026-11-20T01:00:00Z"), None);
    }

    #[test]
    fn what_is_not_followed_says_why() {
        let refused = |expression: &str| Cadence::read(expression, "UTC").unwrap_err().to_string();
        assert!(refused("cron(0 8 ? * MON *)").contains("names days"));
        for unknown in [
            "cron(0 24 * * ? *)",
            "cron(60 1 * * ? *)",
            "cron(x 1 * * ? *)",
            "cron(0)",
            "rate(0 minutes)",
            "rate(5 weeks)",
            "at(tomorrow)",
            "every(5 minutes)",
            "cron 5",
            "",
        ] {
            assert!(refused(unknown).contains("is neither"), "{unknown}");
        }
        let zone = Cadence::read("cron(0 1 * * ? *)", "Mars/Base").unwrap_err();
        assert!(zone.to_string().contains("no time zone"), "{zone}");
    }
}
