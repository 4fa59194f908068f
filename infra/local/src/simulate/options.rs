//! What `tidegate simulate` is told, and the small languages of its options: spans and durations.

use std::{path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use jiff::civil::Date;

/// The day that is simulated unless `--date` says otherwise: a Monday without a change of the clock.
const DEFAULT_DATE: &str = "2026-03-02";
/// Minutes of a day.
const DAY_MINUTES: u32 = 1_440;

/// What is shown below the options.
const HELP: &str = "\
Source and target are simulated by the flow's own declaration; engine, connectors, limits, schedule,
retries and breaker are those that run in production, in virtual time. The same options and the same
seed give the same figures.

A span is [source:][DAY@]HH:MM-HH:MM in the flow's time zone; without DAY it is on the first day, and
without `source:` it is the target that is away. A slow span may end in =SECONDS (4 by default).

Examples:
  tidegate simulate suppliers                              a day of 1,000 changes
  tidegate simulate suppliers --changes 10000 --keep 4h    can 4 h be kept?
  tidegate simulate suppliers --outage 09:00-11:00 --report day.html
  tidegate simulate my-flows/orders.toml --days 7 --peak 3

Exit code: 0 everything was kept, 1 a window or a freshness goal broke (or it failed).";

/// What `simulate` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct SimulateArgs {
    /// The flow: a name of the flows folder, or the path of a flow file
    pub flow: String,
    /// Folder of flow files [default: infra/flows or flows, else the demo's own]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Records that both systems hold when the first day begins
    #[arg(long, value_name = "N", default_value_t = 2_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub records: u32,
    /// Changes a day: the declared peak
    #[arg(long, value_name = "N", default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub changes: u32,
    /// Per cent of the changes that alter a critical field
    #[arg(long, value_name = "PERCENT", default_value_t = 10, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub critical: u32,
    /// Per cent of the changes that are new records
    #[arg(long, value_name = "PERCENT", default_value_t = 2, value_parser = clap::value_parser!(u32).range(0..=100))]
    pub new: u32,
    /// Days that are simulated
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=31))]
    pub days: u32,
    /// The first day
    #[arg(long, value_name = "YYYY-MM-DD", default_value = DEFAULT_DATE)]
    pub date: Date,
    /// How the changes lie over a day
    #[arg(long, value_enum, default_value_t = Spread::Office)]
    pub spread: Spread,
    /// A span in which every call is answered 503; may be given several times
    #[arg(long, value_name = "SPAN")]
    pub outage: Vec<Span>,
    /// A span in which answers are slow; may be given several times
    #[arg(long, value_name = "SPAN")]
    pub slow: Vec<Span>,
    /// Workers of each tier [default: as in the template, 4 real-time and 2 batch]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=64))]
    pub workers: Option<u32>,
    /// The one source of all chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// So many times the declared changes
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    pub peak: u32,
    /// The goal for fields that are not critical, such as 4h or 90m [default: the flow's]
    #[arg(long, value_name = "SPAN", value_parser = parse_duration)]
    pub keep: Option<Duration>,
    /// A row of the source as JSON, where none can be made up from the flow; it is then varied
    #[arg(long, value_name = "FILE")]
    pub sample: Option<PathBuf>,
    /// Write a report with plots: one HTML file without references
    #[arg(long, value_name = "FILE")]
    pub report: Option<PathBuf>,
    /// Work off one backlog of all changes and print its counts
    #[arg(long, hide = true)]
    pub drain: bool,
    /// The backlog in real time, on the store of one machine: what the simulator is held against
    #[arg(long, hide = true, requires = "drain")]
    pub real_time: bool,
    /// Print the figures as JSON instead of the timeline
    #[arg(long)]
    pub json: bool,
}

/// How changes lie over a day.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spread {
    /// Most of them in office hours
    Office,
    /// Evenly
    Even,
    /// All of them from 09:00 to 10:00, as a bulk edit makes them
    Burst,
}

/// Which system a span is about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Of {
    /// The source.
    Source,
    /// The target.
    #[default]
    Target,
}

/// A part of a day in which a system is away or slow, as it was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Span {
    /// The system.
    pub of: Of,
    /// The day, from 1.
    pub day: u32,
    /// Minutes after midnight at which it begins.
    pub from: u32,
    /// Minutes after that midnight at which it ends; over 1,440 when it ends on the next day.
    pub to: u32,
    /// Seconds that an answer takes, where they are named.
    pub seconds: Option<u32>,
}

/// What is wrong with an option.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum OptionError {
    /// A span.
    #[error("write a span as 09:00-11:00, source:09:00-11:00 or 2@09:00-11:00")]
    Span,
    /// Its seconds.
    #[error("write the seconds of a slow span as =4, at most =600")]
    Seconds,
    /// A duration.
    #[error("write a duration as 4h, 90m or 45s")]
    Duration,
}

/// The longest answer of a slow span: ten minutes is over every time-out that a flow can have.
const MAX_SLOW_S: u32 = 600;

impl FromStr for Span {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Self, OptionError> {
        let (of, rest) = match text.strip_prefix("source:") {
            Some(rest) => (Of::Source, rest),
            None => (Of::Target, text.strip_prefix("target:").unwrap_or(text)),
        };
        let (rest, seconds) = match rest.split_once('=') {
            Some((rest, seconds)) => (rest, Some(parse_seconds(seconds)?)),
            None => (rest, None),
        };
        let (day, rest) = match rest.split_once('@') {
            Some((day, rest)) => (day.parse().map_err(|_| OptionError::Span)?, rest),
            None => (1, rest),
        };
        let (from, to) = rest.split_once('-').ok_or(OptionError::Span)?;
        let (from, mut to) = (minute_of_day(from)?, minute_of_day(to)?);
        if from == DAY_MINUTES || day == 0 || from == to {
            return Err(OptionError::Span);
        }
        if to < from {
            to += DAY_MINUTES;
        }
        Ok(Self {
            of,
            day,
            from,
            to,
            seconds,
        })
    }
}

fn parse_seconds(text: &str) -> Result<u32, OptionError> {
    let seconds = text.parse().map_err(|_| OptionError::Seconds)?;
    if (1..=MAX_SLOW_S).contains(&seconds) {
        Ok(seconds)
    } else {
        Err(OptionError::Seconds)
    }
}

fn minute_of_day(text: &str) -> Result<u32, OptionError> {
    let (hour, minute) = text.split_once(':').ok_or(OptionError::Span)?;
    let two_digits = |part: &str| {
        let fits = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
        fits.then(|| part.parse::<u32>().ok()).flatten()
    };
    let (hour, minute) = two_digits(hour)
        .zip(two_digits(minute))
        .ok_or(OptionError::Span)?;
    let at = hour * 60 + minute;
    if minute < 60 && at <= DAY_MINUTES {
        Ok(at)
    } else {
        Err(OptionError::Span)
    }
}

/// Reads `4h`, `90m` or `45s`.
fn parse_duration(text: &str) -> Result<Duration, OptionError> {
    let units = [('h', 3_600), ('m', 60), ('s', 1)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        count.checked_mul(*seconds)
    });
    match read {
        Some(seconds) if seconds > 0 => Ok(Duration::from_secs(seconds)),
        _ => Err(OptionError::Duration),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn span(of: Of, day: u32, from: u32, to: u32, seconds: Option<u32>) -> Span {
        Span {
            of,
            day,
            from,
            to,
            seconds,
        }
    }

    #[test]
    fn spans_are_read_as_they_are_written() {
        let rows = [
            ("09:00-11:00", span(Of::Target, 1, 540, 660, None)),
            ("source:00:00-24:00", span(Of::Source, 1, 0, 1_440, None)),
            ("3@23:30-01:15", span(Of::Target, 3, 1_410, 1_515, None)),
            (
                "target:2@08:00-08:01=8",
                span(Of::Target, 2, 480, 481, Some(8)),
            ),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse(), Ok(expected), "{text}");
        }
    }

    #[test]
    fn a_span_that_says_nothing_is_refused() {
        let rows = [
            ("", OptionError::Span),
            ("9:00-11:00", OptionError::Span),
            ("09:00", OptionError::Span),
            ("09:00-09:00", OptionError::Span),
            ("24:00-25:00", OptionError::Span),
            ("09:60-11:00", OptionError::Span),
            ("0@09:00-11:00", OptionError::Span),
            ("erp:09:00-11:00", OptionError::Span),
            ("09:00-11:00=0", OptionError::Seconds),
            ("09:00-11:00=601", OptionError::Seconds),
        ];
        for (text, expected) in rows {
            assert_eq!(text.parse::<Span>(), Err(expected), "{text}");
        }
    }

    #[test]
    fn durations_are_read_as_they_are_written() {
        let rows = [
            ("4h", Ok(14_400)),
            ("90m", Ok(5_400)),
            ("45s", Ok(45)),
            ("0h", Err(OptionError::Duration)),
            ("4", Err(OptionError::Duration)),
            ("-1h", Err(OptionError::Duration)),
            ("h", Err(OptionError::Duration)),
        ];
        for (text, expected) in rows {
            assert_eq!(
                parse_duration(text),
                expected.map(Duration::from_secs),
                "{text}"
            );
        }
    }
}
