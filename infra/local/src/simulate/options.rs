//! What `tidegate simulate` is told, and the small languages of its options: spans and durations.

use std::{fmt, ops::RangeInclusive, path::PathBuf, str::FromStr, time::Duration};

use clap::{Args, ValueEnum};
use jiff::civil::Date;
use tidegate_model::flow::Expected;

/// The day that is simulated unless `--date` says otherwise: a Monday without a change of the clock.
const DEFAULT_DATE: &str = "2026-03-02";
/// Minutes of a day.
const DAY_MINUTES: u32 = 1_440;
/// Records that stand unless told otherwise: so few that a day of 10,000 changes takes seconds. That
/// changes then fall on the same records is told.
const RECORDS: u32 = 2_000;
/// Changes a day where neither option nor flow file names them.
const CHANGES: u32 = 1_000;
/// Per cent of them that are critical, the middle of what R3 saw.
const CRITICAL: u32 = 10;
/// Per cent of them that are new records, where they fit beside the critical ones.
const NEW: u32 = 2;

/// What is shown below the options.
const HELP: &str = "\
Source and target are simulated by the flow's own declaration; engine, connectors, limits, schedule,
retries and breaker are those that run in production, in virtual time. The same options and the same
seed give the same figures.

A span is [source:][DAY@]HH:MM-HH:MM in the flow's time zone; without DAY it is on the first day, and
without `source:` it is the target that is away; 22:00-06:00 ends on the day after. A slow span may end
in =SECONDS (4 by default).

Examples:
  tidegate simulate suppliers                              a day as the flow's [expected] says
  tidegate simulate suppliers --changes 10000 --keep 4h    can 4 h be kept?
  tidegate simulate suppliers --outage 09:00-11:00 --report day.html
  tidegate simulate my-flows/orders.toml --days 7 --peak 3

Exit code: 0 everything was kept, 1 it failed, 2 the command line is wrong, 3 a window or a freshness
goal broke, a record waits for a person, or the two systems differ at the end.";

/// What `simulate` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct SimulateArgs {
    /// The flow: a name of the flows folder, or the path of a flow file
    pub flow: String,
    /// Folder of flow files [default: infra/flows or flows, else the demo's own]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// Records that both systems hold when the first day begins [default: 2000]
    #[arg(long, value_name = "N", value_parser = whole(1..=MAX_RECORDS))]
    pub records: Option<u32>,
    /// Changes a day, without --peak [default: the flow's `expected`, else 1000]
    #[arg(long, value_name = "N", value_parser = whole(0..=1_000_000))]
    pub changes: Option<u32>,
    /// Per cent of the changes that alter a critical field [default: the flow's `expected`, else 10]
    #[arg(long, value_name = "PERCENT", value_parser = whole(0..=100))]
    pub critical: Option<u32>,
    /// Per cent of the changes that are new records [default: 2]
    #[arg(long, value_name = "PERCENT", value_parser = whole(0..=100))]
    pub new: Option<u32>,
    /// Days that are simulated
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = whole(1..=31))]
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
    #[arg(long, value_name = "N", value_parser = whole(1..=64))]
    pub workers: Option<u32>,
    /// The one source of all chance
    #[arg(long, value_name = "N", default_value_t = 1)]
    pub seed: u64,
    /// So many times the declared changes
    #[arg(long, value_name = "TIMES", default_value_t = 1, value_parser = whole(1..=100))]
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
    /// What the flow file expects of a day: taken where an option is left out.
    #[arg(skip)]
    pub expected: Option<Expected>,
}

/// The longest goal: none of a story's 31 days could break a longer one.
const MAX_KEEP: Duration = Duration::from_secs(31 * 86_400);
/// Records whose first reading and whose registers one machine holds in minutes.
const MAX_RECORDS: u32 = 200_000;

impl SimulateArgs {
    /// Records at the beginning.
    pub(crate) fn records(&self) -> u32 {
        self.records.unwrap_or(RECORDS)
    }

    /// Changes a day, without the peak.
    pub(crate) fn changes(&self) -> u32 {
        let expected = self.expected.map(|expected| expected.changes_a_day);
        self.changes.or(expected).unwrap_or(CHANGES)
    }

    /// Changes of all days, with the peak.
    pub(crate) fn all_changes(&self) -> u64 {
        u64::from(self.changes()) * u64::from(self.peak) * u64::from(self.days)
    }

    /// Per cent of the changes that are critical.
    pub(crate) fn critical(&self) -> u32 {
        let expected = self.expected.map(|expected| expected.critical_percent);
        self.critical.or(expected).unwrap_or(CRITICAL)
    }

    /// Per cent of the changes that are new records.
    pub(crate) fn new_records(&self) -> u32 {
        let room = 100_u32.saturating_sub(self.critical());
        self.new.unwrap_or(NEW.min(room))
    }

    /// Where the number of changes comes from.
    pub(crate) fn changes_from(&self) -> &'static str {
        match (self.changes, self.expected) {
            (Some(_), _) => "--changes",
            (None, Some(_)) => "[expected]",
            (None, None) => "the default, since the flow has no [expected]",
        }
    }
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

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let clock = |at: u32| format!("{:02}:{:02}", at / 60, at % 60);
        let to = if self.to > DAY_MINUTES {
            self.to - DAY_MINUTES
        } else {
            self.to
        };
        let of = if self.of == Of::Source { "source:" } else { "" };
        write!(f, "{of}{}@{}-{}", self.day, clock(self.from), clock(to))
    }
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
    #[error("write a duration as 4h, 90m or 45s, at most 744h (31 days)")]
    Duration,
    /// A number.
    #[error("write a whole number from {0} to {1}")]
    Whole(u32, u32),
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

/// Reads a whole number of this range.
fn whole(range: RangeInclusive<u32>) -> impl Fn(&str) -> Result<u32, OptionError> + Clone {
    move |text| {
        let number = text.parse().ok();
        number
            .filter(|number| range.contains(number))
            .ok_or(OptionError::Whole(*range.start(), *range.end()))
    }
}

/// Reads `4h`, `90m` or `45s`.
fn parse_duration(text: &str) -> Result<Duration, OptionError> {
    let units = [('h', 3_600), ('m', 60), ('s', 1)];
    let read = units.iter().find_map(|(unit, seconds)| {
        let count: u64 = text.strip_suffix(*unit)?.parse().ok()?;
        count.checked_mul(*seconds)
    });
    let span = read.map(Duration::from_secs);
    span.filter(|span| !span.is_zero() && *span <= MAX_KEEP)
        .ok_or(OptionError::Duration)
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
    fn a_number_that_is_not_whole_or_too_large_is_told_what_to_write() {
        let peak = whole(1..=100);
        assert_eq!(peak("100"), Ok(100));
        for text in ["1e9", "0", "101", "-1", "1.5", ""] {
            let error = peak(text).unwrap_err();
            assert_eq!(error.to_string(), "write a whole number from 1 to 100");
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
            ("744h", Ok(744 * 3_600)),
            ("745h", Err(OptionError::Duration)),
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
