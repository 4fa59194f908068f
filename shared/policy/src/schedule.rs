//! When batches start: times of day in a zone, or every so many minutes (R1, R37).
//!
//! Invariants
//! - A time of day that daylight saving skips runs at the first instant after the gap; one that it
//!   repeats runs once, the first time. So each local day has each window exactly once.
//! - Every so many minutes counts elapsed time from local midnight, so that a repeated hour leaves
//!   no hour without a run.
//! - The zone rules are those compiled in: nothing is read from the machine.

use std::time::Duration;

use jiff::{
    Span, Timestamp,
    civil::{Date, Time},
    tz::{AmbiguousOffset, TimeZone},
};
use tidegate_model::{
    UnixMs,
    flow::{Schedule, WindowSpec},
};

/// Days over which the longest gap is searched: a year with both changes of the clock, and a month
/// more.
const GAP_DAYS: i32 = 400;

/// Where that search starts, 2026-01-01. A fixed year, since the check of a file must say the same
/// on every day, and the zones' rules repeat from year to year.
const GAP_FROM: Date = jiff::civil::date(2026, 1, 1);

/// Days before and after a moment in which its neighbouring windows lie: a local day may be skipped
/// whole (Samoa, 2011), and lasts up to 25 hours.
const NEAR_DAYS: i32 = 3;

const MINUTES_PER_DAY: u32 = 1_440;

/// One start of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// The scheduled moment, which also names the run.
    pub at: UnixMs,
    /// How long before the last watermark the run starts to read.
    pub lookback: Duration,
}

/// The longest time between two neighbouring windows: the worst-case staleness (R2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WorstGap {
    /// How long it is.
    pub span: Duration,
    /// The window before, in local time: `2026-10-25 02:00`.
    pub from: String,
    /// The window after.
    pub to: String,
    /// The longest gap on days on which the clock is not changed.
    pub usual: Duration,
}

/// Why a schedule is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ScheduleError {
    /// The zone is not known.
    #[error("`{0}` is no time zone; zones are named as `Europe/Berlin` or `UTC`")]
    Zone(String),
    /// A window is no time of day.
    #[error("`{0}` is no time of day; write `HH:MM` from `00:00` to `23:59`")]
    Window(String),
    /// Two windows have the same time.
    #[error("the window `{0}` stands there twice")]
    Twice(String),
    /// Nothing would ever start.
    #[error("no window is named: set `windows` or `every_minutes`")]
    Empty,
    /// Two cadences at once.
    #[error("`windows` and `every_minutes` exclude each other: keep one")]
    Both,
    /// A cadence that is none.
    #[error("`every_minutes` must be from 1 to 1440")]
    Every,
}

/// A schedule whose zone and times are known to be right.
#[derive(Clone, Debug)]
pub struct CompiledSchedule {
    zone: TimeZone,
    cadence: Cadence,
}

#[derive(Clone, Debug)]
enum Cadence {
    /// Times of day, ascending, each with its lookback.
    Windows(Vec<(Time, Duration)>),
    /// Minutes between two starts, and the lookback.
    Every(u32, Duration),
}

impl CompiledSchedule {
    /// Checks the schedule. The first mistake found is returned; the check of a flow file asks for
    /// each by itself.
    pub fn compile(schedule: &Schedule) -> Result<Self, ScheduleError> {
        let zone = parse_zone(&schedule.time_zone)?;
        let lookback = seconds(schedule.lookback_s);
        let cadence = match (schedule.every_minutes, schedule.windows.as_slice()) {
            (None, []) => return Err(ScheduleError::Empty),
            (Some(_), [_, ..]) => return Err(ScheduleError::Both),
            (Some(minutes), []) if (1..=MINUTES_PER_DAY).contains(&minutes) => {
                Cadence::Every(minutes, lookback)
            }
            (Some(_), []) => return Err(ScheduleError::Every),
            (None, windows) => Cadence::Windows(compile_windows(windows, lookback)?),
        };
        Ok(Self { zone, cadence })
    }

    /// The newest window at or before `now`. None only outside the years that a clock can show.
    pub fn latest_due(&self, now: UnixMs) -> Option<Due> {
        self.near(now)?.into_iter().rev().find(|due| due.at <= now)
    }

    /// The first window after `now`. None only outside the years that a clock can show.
    pub fn next_after(&self, now: UnixMs) -> Option<Due> {
        self.near(now)?.into_iter().find(|due| due.at > now)
    }

    /// The newest moment at or before `now` that one of these times of day stands for, as a window of
    /// that time would.
    pub(crate) fn latest_of(&self, times: &[Time], now: UnixMs) -> Option<UnixMs> {
        let days = self.days_near(now)?;
        let moments = days.flat_map(|day| {
            times
                .iter()
                .filter_map(move |time| self.instant(day, *time))
        });
        moments.filter(|at| *at <= now).max()
    }

    /// The longest time between two neighbouring windows.
    pub fn worst_gap(&self) -> WorstGap {
        let mut worst = WorstGap {
            span: Duration::ZERO,
            from: String::new(),
            to: String::new(),
            usual: Duration::ZERO,
        };
        let mut previous: Option<UnixMs> = None;
        for day in (0..GAP_DAYS).filter_map(|day| shift(GAP_FROM, day)) {
            for due in self.on(day) {
                if let Some(before) = previous {
                    self.widen(&mut worst, before, due.at);
                }
                previous = Some(due.at);
            }
        }
        worst
    }

    /// What a window is called among those of a day: its local time, or `every` where there is one
    /// every so many minutes.
    pub fn start_name(&self, at: UnixMs) -> String {
        match self.cadence {
            Cadence::Windows(_) => {
                let local = self.local(at);
                let time = local.split_once(' ').map(|(_, time)| time.to_owned());
                time.unwrap_or(local)
            }
            Cadence::Every(..) => "every".to_owned(),
        }
    }

    /// A moment as local time: `2026-10-25 02:00`.
    pub fn local(&self, at: UnixMs) -> String {
        match Timestamp::from_millisecond(at.0) {
            Ok(at) => at
                .to_zoned(self.zone.clone())
                .strftime("%Y-%m-%d %H:%M")
                .to_string(),
            Err(_) => at.to_string(),
        }
    }

    fn widen(&self, worst: &mut WorstGap, from: UnixMs, to: UnixMs) {
        let span = to.since(from);
        if self.offset(from) == self.offset(to) && span > worst.usual {
            worst.usual = span;
        }
        if span > worst.span {
            worst.span = span;
            worst.from = self.local(from);
            worst.to = self.local(to);
        }
    }

    fn offset(&self, at: UnixMs) -> Option<i32> {
        let at = Timestamp::from_millisecond(at.0).ok()?;
        Some(self.zone.to_offset(at).seconds())
    }

    /// The windows of the days around a moment, ascending, each moment once.
    fn near(&self, now: UnixMs) -> Option<Vec<Due>> {
        let days = self.days_near(now)?;
        let mut dues: Vec<Due> = days.flat_map(|day| self.on(day)).collect();
        dues.sort_by_key(|due| due.at);
        // Two windows in one gap fall on one moment: one run, with the longer lookback.
        dues.dedup_by(|later, kept| {
            let same = later.at == kept.at;
            if same {
                kept.lookback = kept.lookback.max(later.lookback);
            }
            same
        });
        Some(dues)
    }

    /// The local days around a moment, ascending.
    fn days_near(&self, now: UnixMs) -> Option<impl Iterator<Item = Date> + use<>> {
        let at = Timestamp::from_millisecond(now.0).ok()?;
        let today = at.to_zoned(self.zone.clone()).date();
        Some((-NEAR_DAYS..=NEAR_DAYS).filter_map(move |day| shift(today, day)))
    }

    /// The windows of one local day, ascending.
    fn on(&self, day: Date) -> Vec<Due> {
        match &self.cadence {
            Cadence::Windows(windows) => windows
                .iter()
                .filter_map(|&(time, lookback)| {
                    Some(Due {
                        at: self.instant(day, time)?,
                        lookback,
                    })
                })
                .collect(),
            Cadence::Every(minutes, lookback) => self.every(day, *minutes, *lookback),
        }
    }

    fn every(&self, day: Date, minutes: u32, lookback: Duration) -> Vec<Due> {
        let midnight = |day: Option<Date>| self.instant(day?, Time::midnight());
        let (Some(start), Some(end)) = (midnight(Some(day)), midnight(shift(day, 1))) else {
            return Vec::new();
        };
        let step = Duration::from_secs(u64::from(minutes.max(1)) * 60);
        std::iter::successors(Some(start), |at| Some(*at + step))
            .take_while(|at| *at < end)
            .map(|at| Due { at, lookback })
            .collect()
    }

    /// The moment of a local time: the first one of a repeated hour, the end of a gap.
    fn instant(&self, day: Date, time: Time) -> Option<UnixMs> {
        let ambiguous = self.zone.to_ambiguous_timestamp(day.to_datetime(time));
        let at = match ambiguous.offset() {
            AmbiguousOffset::Gap { .. } => {
                let before_the_gap = ambiguous.earlier().ok()?;
                self.zone.following(before_the_gap).next()?.timestamp()
            }
            AmbiguousOffset::Unambiguous { .. } | AmbiguousOffset::Fold { .. } => {
                ambiguous.earlier().ok()?
            }
        };
        Some(UnixMs(at.as_millisecond()))
    }
}

/// A moment as RFC 3339 has it, in UTC: `2026-11-20T02:00:00Z`. What lies outside of the years that can
/// be written so is given in milliseconds.
pub fn utc(at: UnixMs) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| at.to_string(), |at| at.to_string())
}

/// Looks a zone up by its IANA name.
pub(crate) fn parse_zone(name: &str) -> Result<TimeZone, ScheduleError> {
    TimeZone::get(name).map_err(|_| ScheduleError::Zone(name.to_owned()))
}

/// Reads `HH:MM`.
pub(crate) fn parse_time(text: &str) -> Result<Time, ScheduleError> {
    let bad = || ScheduleError::Window(text.to_owned());
    let two_digits = |part: &str| match part.as_bytes() {
        [tens, ones] if tens.is_ascii_digit() && ones.is_ascii_digit() => part.parse::<i8>().ok(),
        _ => None,
    };
    let (hour, minute) = text.split_once(':').ok_or_else(bad)?;
    let hour = two_digits(hour).ok_or_else(bad)?;
    let minute = two_digits(minute).ok_or_else(bad)?;
    Time::new(hour, minute, 0, 0).map_err(|_| bad())
}

fn compile_windows(
    windows: &[WindowSpec],
    lookback: Duration,
) -> Result<Vec<(Time, Duration)>, ScheduleError> {
    let mut compiled: Vec<(Time, Duration)> = Vec::with_capacity(windows.len());
    for window in windows {
        let time = parse_time(&window.at)?;
        if compiled.iter().any(|&(other, _)| other == time) {
            return Err(ScheduleError::Twice(window.at.clone()));
        }
        compiled.push((time, window.lookback_s.map_or(lookback, seconds)));
    }
    compiled.sort_by_key(|&(time, _)| time);
    Ok(compiled)
}

fn shift(day: Date, days: i32) -> Option<Date> {
    day.checked_add(Span::new().try_days(days).ok()?).ok()
}

fn seconds(seconds: u32) -> Duration {
    Duration::from_secs(u64::from(seconds))
}

#[cfg(test)]
mod tests;
