//! The plan of the simulated days: when which kind of change comes, and when a system is away.
//!
//! Pure: the same options and seed give the same plan. The shares are exact and not drawn, so that
//! a small day has its critical changes too.

use std::time::Duration;

use jiff::{Span as Days, Timestamp, civil::Date, tz::TimeZone};
use tidegate_model::UnixMs;
use tidegate_testkit::doubles::Seed;

use super::options::{Of, SimulateArgs, Span, Spread};

/// Weight of each hour of an office day: 84 % of the changes come from 07:00 to 18:00, with a dip at
/// noon. An assumption, named in the report; `--spread even` is the other one.
const OFFICE: [u32; 24] = [
    1, 1, 1, 1, 1, 2, 4, 8, 12, 14, 14, 12, 8, 12, 14, 14, 12, 8, 5, 3, 2, 1, 1, 1,
];
/// Seconds that an answer takes in a slow span unless it says otherwise: over the 3 s of R6, and
/// below the usual time-out of 10 s.
const SLOW_S: u32 = 4;
const HOURS: u32 = 24;
/// The hour in which all changes of a burst come.
const BURST_HOUR: usize = 9;

/// What a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A new record.
    New,
    /// A critical field of a record changes.
    Critical,
    /// Another field changes.
    Other,
}

/// One change to come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    /// When the source has it.
    pub at: UnixMs,
    /// What it is.
    pub kind: Kind,
    /// Chance for what is left open: which record, which field, which value.
    pub dice: u64,
}

/// What is wrong with a system for a while.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Trouble {
    /// Every call is answered 503.
    Away,
    /// Answers take so long.
    Slow(Duration),
}

/// A system in trouble.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Spell {
    /// The system.
    pub of: Of,
    /// The trouble.
    pub trouble: Trouble,
    /// From this moment.
    pub from: UnixMs,
    /// Until this one.
    pub until: UnixMs,
}

/// Spans in order; those that overlap or touch are one.
pub(super) fn merged<T: Copy + Ord>(spans: impl Iterator<Item = (T, T)>) -> Vec<(T, T)> {
    let mut spans: Vec<(T, T)> = spans.collect();
    spans.sort_unstable();
    let mut merged: Vec<(T, T)> = Vec::new();
    for (from, until) in spans {
        match merged.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(until),
            _ => merged.push((from, until)),
        }
    }
    merged
}

/// Spells of which no two of a system and a trouble overlap: what is given twice is one.
fn apart(spells: &[Spell]) -> Vec<Spell> {
    let mut apart: Vec<Spell> = Vec::new();
    for Spell { of, trouble, .. } in spells.iter().copied() {
        let is_same = |spell: &&Spell| (spell.of, spell.trouble) == (of, trouble);
        if apart.iter().any(|spell| is_same(&spell)) {
            continue;
        }
        let same = spells.iter().filter(is_same);
        let spans = merged(same.map(|spell| (spell.from, spell.until)));
        apart.extend(spans.into_iter().map(|(from, until)| Spell {
            of,
            trouble,
            from,
            until,
        }));
    }
    apart
}

/// The plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Midnight of the first day.
    pub begin: UnixMs,
    /// Midnight after the last.
    pub end: UnixMs,
    /// The changes in order.
    pub changes: Vec<Change>,
    /// When a system is in trouble.
    pub spells: Vec<Spell>,
}

/// What can not be planned.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PlanError {
    /// A date for which nothing here was made.
    #[error("--date takes days from {FIRST_YEAR} to {LAST_YEAR}")]
    NoSuchDay,
    /// More than memory is meant to hold.
    #[error(
        "{0} changes in all are more than {MAX_CHANGES}: fewer --changes, --days or a lower --peak"
    )]
    TooMany(u64),
    /// More than there are.
    #[error("{critical} % critical changes and {new} % new records are more than 100 %")]
    Shares {
        /// Per cent.
        critical: u32,
        /// Per cent.
        new: u32,
    },
    /// Only a slow span has seconds.
    #[error("an outage has no seconds: leave out the =SECONDS of {0}, or say --slow")]
    Seconds(Span),
    /// A span after the last day.
    #[error("the span {span} begins after the last of {days} simulated day(s): say --days {}, or name an earlier day", span.day)]
    Outside {
        /// The span.
        span: Span,
        /// The days.
        days: u32,
    },
    /// A span between two times of which one is skipped by the clock.
    #[error(
        "the span {0} begins or ends in the hour that the clock skips that day, or ends before it begins: name times that the day has"
    )]
    Skipped(Span),
}

/// Years whose every millisecond is after 1970 and in the calendar, with days to spare on both sides.
const FIRST_YEAR: i16 = 1971;
const LAST_YEAR: i16 = 9000;
/// Changes of a story: each is held in memory from the beginning, about 40 bytes, and its age to the
/// end.
const MAX_CHANGES: u64 = 5_000_000;

/// Refuses what options ask for together and can not have.
fn refuse(args: &SimulateArgs) -> Result<(), PlanError> {
    if !(FIRST_YEAR..=LAST_YEAR).contains(&args.date.year()) {
        return Err(PlanError::NoSuchDay);
    }
    let all = args.all_changes();
    if all > MAX_CHANGES {
        return Err(PlanError::TooMany(all));
    }
    let (critical, new) = (args.critical(), args.new_records());
    if critical + new > 100 {
        return Err(PlanError::Shares { critical, new });
    }
    if let Some(span) = args.outage.iter().find(|span| span.seconds.is_some()) {
        return Err(PlanError::Seconds(*span));
    }
    Ok(())
}

/// Plans the days in the flow's time zone.
pub(crate) fn plan(args: &SimulateArgs, zone: &TimeZone) -> Result<Plan, PlanError> {
    refuse(args)?;
    let mut seed = Seed::new(args.seed);
    let mut changes = Vec::new();
    for day in 0..args.days {
        let hours = hours(args.date, day, zone)?;
        let of_day = args.changes().saturating_mul(args.peak);
        changes.extend(one_day(&hours, of_day, args, &mut seed));
    }
    let mut spells = Vec::new();
    for (spans, is_outage) in [(&args.outage, true), (&args.slow, false)] {
        for span in spans {
            spells.push(spell(span, is_outage, args, zone)?);
        }
    }
    Ok(Plan {
        begin: midnight(args.date, 0, zone)?,
        end: midnight(args.date, args.days, zone)?,
        changes,
        spells: apart(&spells),
    })
}

/// The beginnings of the 24 hours of a local day, and its end. On a day on which the clock is
/// changed an hour is empty or doubled.
fn hours(date: Date, day: u32, zone: &TimeZone) -> Result<Vec<UnixMs>, PlanError> {
    let mut hours = (0..HOURS)
        .map(|hour| minute(date, day, hour * 60, zone))
        .collect::<Result<Vec<_>, _>>()?;
    hours.push(midnight(date, day + 1, zone)?);
    Ok(hours)
}

fn midnight(date: Date, day: u32, zone: &TimeZone) -> Result<UnixMs, PlanError> {
    minute(date, day, 0, zone)
}

/// So many minutes by the clock on the wall after the midnight of a day.
fn minute(date: Date, day: u32, minutes: u32, zone: &TimeZone) -> Result<UnixMs, PlanError> {
    let days = i64::from(day + minutes / (HOURS * 60));
    let minutes = minutes % (HOURS * 60);
    let date = Days::new()
        .try_days(days)
        .and_then(|days| date.checked_add(days))
        .map_err(|_| PlanError::NoSuchDay)?;
    let (hour, minute) = (i8::try_from(minutes / 60), i8::try_from(minutes % 60));
    let (Ok(hour), Ok(minute)) = (hour, minute) else {
        return Err(PlanError::NoSuchDay);
    };
    let at = date
        .at(hour, minute, 0, 0)
        .to_zoned(zone.clone())
        .map_err(|_| PlanError::NoSuchDay)?;
    Ok(UnixMs(at.timestamp().as_millisecond()))
}

fn one_day(hours: &[UnixMs], count: u32, args: &SimulateArgs, seed: &mut Seed) -> Vec<Change> {
    let weight = |hour: usize| match args.spread {
        Spread::Office => OFFICE.get(hour).copied().unwrap_or(1),
        Spread::Even => 1,
        Spread::Burst => u32::from(hour == BURST_HOUR),
    };
    let total: u32 = (0..hours.len().saturating_sub(1)).map(weight).sum();
    let mut changes = Vec::new();
    let mut before = 0_u32;
    for (hour, ends) in hours.windows(2).enumerate() {
        let &[from, until] = ends else { continue };
        before += weight(hour);
        // Exact in the sum: what rounding leaves of one hour goes to the next.
        let so_far = u64::from(count) * u64::from(before) / u64::from(total.max(1));
        let in_hour = so_far.saturating_sub(changes.len() as u64);
        let mut at: Vec<UnixMs> = (0..in_hour)
            .map(|_| from + share(until.since(from), seed.next_u64()))
            .collect();
        at.sort_unstable();
        for at in at {
            let kind = kind(changes.len() as u64, args);
            changes.push(Change {
                at,
                kind,
                dice: seed.next_u64(),
            });
        }
    }
    changes
}

/// A part of a span, by 64 random bits.
fn share(span: Duration, dice: u64) -> Duration {
    let ms = u64::try_from(span.as_millis()).unwrap_or(u64::MAX);
    let part = (u128::from(ms) * u128::from(dice)) >> 64;
    Duration::from_millis(u64::try_from(part).unwrap_or(0))
}

/// The kind of the n-th change of a day: each share lies evenly among the changes.
fn kind(nth: u64, args: &SimulateArgs) -> Kind {
    let falls = |nth: u64, percent: u32| {
        let percent = u64::from(percent);
        (nth + 1) * percent / 100 > nth * percent / 100
    };
    let critical = args.critical();
    if falls(nth, critical) {
        return Kind::Critical;
    }
    // Of what is not critical, so many that the share is that of all changes.
    let rest = u64::from(100_u32.saturating_sub(critical)).max(1);
    let others = nth - (nth + 1) * u64::from(critical) / 100;
    let wanted = u64::from(args.new_records()).min(rest);
    if (others + 1) * wanted / rest > others * wanted / rest {
        Kind::New
    } else {
        Kind::Other
    }
}

fn spell(
    span: &Span,
    is_outage: bool,
    args: &SimulateArgs,
    zone: &TimeZone,
) -> Result<Spell, PlanError> {
    if span.day > args.days {
        return Err(PlanError::Outside {
            span: *span,
            days: args.days,
        });
    }
    let trouble = if is_outage {
        Trouble::Away
    } else {
        Trouble::Slow(Duration::from_secs(span.seconds.unwrap_or(SLOW_S).into()))
    };
    let day = span.day.saturating_sub(1);
    let from = minute(args.date, day, span.from, zone)?;
    let until = minute(args.date, day, span.to, zone)?;
    let is_told = |at: UnixMs, minutes: u32| is_on_the_wall(at, minutes, zone);
    if until <= from || !is_told(from, span.from) || !is_told(until, span.to) {
        return Err(PlanError::Skipped(*span));
    }
    Ok(Spell {
        of: span.of,
        trouble,
        from,
        until,
    })
}

/// Whether the clock on the wall shows so many minutes after midnight: it skips some where it is put
/// forward.
fn is_on_the_wall(at: UnixMs, minutes: u32, zone: &TimeZone) -> bool {
    let Ok(at) = Timestamp::from_millisecond(at.0) else {
        return false;
    };
    let shown = at.to_zoned(zone.clone());
    let shown = i32::from(shown.hour()) * 60 + i32::from(shown.minute());
    u32::try_from(shown).is_ok_and(|shown| shown == minutes % (HOURS * 60))
}

#[cfg(test)]
mod tests;
