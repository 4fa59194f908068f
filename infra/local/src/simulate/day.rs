//! The plan of the simulated days: when which kind of change comes, and when a system is away.
//!
//! Pure: the same options and seed give the same plan. The shares are exact and not drawn, so that
//! a small day has its critical changes too.

use std::time::Duration;

use jiff::{Span as Days, civil::Date, tz::TimeZone};
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

/// The days do not lie in the calendar.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the days that are to be simulated do not lie in the calendar")]
pub(crate) struct NoSuchDay;

/// Plans the days in the flow's time zone.
pub(crate) fn plan(args: &SimulateArgs, zone: &TimeZone) -> Result<Plan, NoSuchDay> {
    let mut seed = Seed::new(args.seed);
    let mut changes = Vec::new();
    for day in 0..args.days {
        let hours = hours(args.date, day, zone)?;
        let of_day = args.changes.saturating_mul(args.peak);
        changes.extend(one_day(&hours, of_day, args, &mut seed));
    }
    let mut spells = Vec::new();
    for (spans, is_outage) in [(&args.outage, true), (&args.slow, false)] {
        for span in spans {
            spells.push(spell(span, is_outage, args.date, zone)?);
        }
    }
    Ok(Plan {
        begin: midnight(args.date, 0, zone)?,
        end: midnight(args.date, args.days, zone)?,
        changes,
        spells,
    })
}

/// The beginnings of the 24 hours of a local day, and its end. On a day on which the clock is
/// changed an hour is empty or doubled.
fn hours(date: Date, day: u32, zone: &TimeZone) -> Result<Vec<UnixMs>, NoSuchDay> {
    let mut hours = (0..HOURS)
        .map(|hour| minute(date, day, hour * 60, zone))
        .collect::<Result<Vec<_>, _>>()?;
    hours.push(midnight(date, day + 1, zone)?);
    Ok(hours)
}

fn midnight(date: Date, day: u32, zone: &TimeZone) -> Result<UnixMs, NoSuchDay> {
    minute(date, day, 0, zone)
}

/// So many minutes by the clock on the wall after the midnight of a day.
fn minute(date: Date, day: u32, minutes: u32, zone: &TimeZone) -> Result<UnixMs, NoSuchDay> {
    let days = i64::from(day + minutes / (HOURS * 60));
    let minutes = minutes % (HOURS * 60);
    let date = Days::new()
        .try_days(days)
        .and_then(|days| date.checked_add(days))
        .map_err(|_| NoSuchDay)?;
    let (hour, minute) = (i8::try_from(minutes / 60), i8::try_from(minutes % 60));
    let (Ok(hour), Ok(minute)) = (hour, minute) else {
        return Err(NoSuchDay);
    };
    let at = date
        .at(hour, minute, 0, 0)
        .to_zoned(zone.clone())
        .map_err(|_| NoSuchDay)?;
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
    if falls(nth, args.critical) {
        return Kind::Critical;
    }
    // Of what is not critical, so many that the share is that of all changes.
    let rest = u64::from(100 - args.critical).max(1);
    let others = nth - (nth + 1) * u64::from(args.critical) / 100;
    let wanted = u64::from(args.new).min(rest);
    if (others + 1) * wanted / rest > others * wanted / rest {
        Kind::New
    } else {
        Kind::Other
    }
}

fn spell(span: &Span, is_outage: bool, date: Date, zone: &TimeZone) -> Result<Spell, NoSuchDay> {
    let trouble = if is_outage {
        Trouble::Away
    } else {
        Trouble::Slow(Duration::from_secs(span.seconds.unwrap_or(SLOW_S).into()))
    };
    let day = span.day.saturating_sub(1);
    Ok(Spell {
        of: span.of,
        trouble,
        from: minute(date, day, span.from, zone)?,
        until: minute(date, day, span.to, zone)?,
    })
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: SimulateArgs,
    }

    fn planned(words: &str) -> Plan {
        let words = ["simulate"].into_iter().chain(words.split(' '));
        let args = Line::parse_from(words).args;
        plan(&args, &TimeZone::get("Europe/Berlin").unwrap()).unwrap()
    }

    fn count(plan: &Plan, kind: Kind) -> usize {
        plan.changes
            .iter()
            .filter(|change| change.kind == kind)
            .count()
    }

    #[test]
    fn shares_are_exact_and_changes_come_in_order() {
        let rows = [
            ("f --changes 1000", (100, 20, 880)),
            ("f --changes 1000 --critical 0 --new 0", (0, 0, 1_000)),
            ("f --changes 100 --critical 12 --new 88", (12, 88, 0)),
            ("f --changes 100 --critical 100", (100, 0, 0)),
            ("f --changes 500 --peak 3 --days 2", (300, 60, 2_640)),
        ];
        for (words, (critical, new, other)) in rows {
            let plan = planned(words);
            assert_eq!(count(&plan, Kind::Critical), critical, "{words}");
            assert_eq!(count(&plan, Kind::New), new, "{words}");
            assert_eq!(count(&plan, Kind::Other), other, "{words}");
            assert!(plan.changes.is_sorted_by_key(|change| change.at), "{words}");
            assert!(plan.changes.iter().all(|change| plan.begin <= change.at));
            assert!(plan.changes.iter().all(|change| change.at < plan.end));
        }
    }

    #[test]
    fn most_changes_of_an_office_day_come_in_office_hours() {
        let share = |words| {
            let plan = planned(words);
            let (from, until) = (plan.begin + hours_of(7), plan.begin + hours_of(18));
            let within = plan
                .changes
                .iter()
                .filter(|change| change.at >= from && change.at < until);
            within.count() * 100 / plan.changes.len()
        };
        assert_eq!(share("f --changes 10000"), 84);
        assert_eq!(share("f --changes 10000 --spread even"), 45);
        assert_eq!(share("f --changes 10000 --spread burst"), 100);
    }

    fn hours_of(hours: u64) -> Duration {
        Duration::from_secs(hours * 3_600)
    }

    #[test]
    fn equal_seeds_give_equal_plans_and_others_do_not() {
        assert_eq!(planned("f --seed 7"), planned("f --seed 7"));
        assert_ne!(planned("f --seed 7"), planned("f --seed 8"));
    }

    #[test]
    fn a_day_on_which_the_clock_is_changed_has_its_own_length() {
        let length = |date: &str| {
            let plan = planned(&format!("f --date {date}"));
            assert_eq!(plan.changes.len(), 1_000);
            plan.end.since(plan.begin)
        };
        assert_eq!(length("2026-03-28"), hours_of(24));
        assert_eq!(length("2026-03-29"), hours_of(23));
        assert_eq!(length("2026-10-25"), hours_of(25));
    }

    #[test]
    fn spans_lie_on_their_day_by_the_clock_on_the_wall() {
        let plan = planned(
            "f --days 3 --outage 09:00-11:00 --outage source:2@22:00-24:00 --slow 3@23:00-01:00=8",
        );
        let at = |hours| plan.begin + hours_of(hours);
        let spell = |of, trouble, from, until| Spell {
            of,
            trouble,
            from: at(from),
            until: at(until),
        };
        let slow = Trouble::Slow(Duration::from_secs(8));
        let expected = [
            spell(Of::Target, Trouble::Away, 9, 11),
            spell(Of::Source, Trouble::Away, 46, 48),
            spell(Of::Target, slow, 71, 73),
        ];
        assert_eq!(plan.spells, expected);
    }
}
