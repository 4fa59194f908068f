//! What is printed: the hours, the figures, the bill, and the answer last.

use std::fmt::{self, Write as _};

use super::{
    figures::{BreakerIs, Figures, Minute},
    price::{NOT_COUNTED, REGION},
    verdict,
    words::{Local, counted, dollars, number, reviews, span, span_up},
};

/// Rows of the timeline: an hour each, longer ones in a week.
const MOST_ROWS: usize = 60;

/// The text.
pub(super) fn text(figures: &Figures) -> Result<String, fmt::Error> {
    let mut text = String::new();
    head(&mut text, figures)?;
    timeline(&mut text, figures)?;
    facts(&mut text, figures)?;
    bill(&mut text, figures)?;
    writeln!(text)?;
    for sentence in verdict::sentences(figures) {
        writeln!(text, "{sentence}")?;
    }
    Ok(text)
}

fn head(text: &mut String, figures: &Figures) -> fmt::Result {
    let local = Local::new(&figures.time_zone);
    let (new, critical, other) = figures.changes;
    writeln!(
        text,
        "{}: {} from {} ({}), {} to {}, seed {}",
        figures.flow,
        counted(figures.days.into(), "day", "days"),
        local.date(figures.begin_ms),
        figures.time_zone,
        figures.source,
        figures.target,
        figures.seed,
    )?;
    let peak = if figures.peak > 1 {
        format!(" ({} times the declared)", figures.peak)
    } else {
        String::new()
    };
    writeln!(
        text,
        "  {} records stand; {} come{peak}: {} critical, {} of new records\n  {}",
        number(figures.records),
        counted(new + critical + other, "change", "changes"),
        number(critical),
        number(new),
        figures.setup,
    )?;
    if let Some(note) = verdict::crowded(figures) {
        writeln!(text, "  {note}")?;
    }
    if !figures.command.is_empty() {
        writeln!(text, "  {}", figures.command)?;
    }
    writeln!(text)
}

fn timeline(text: &mut String, figures: &Figures) -> fmt::Result {
    let local = Local::new(&figures.time_zone);
    let hours = figures.minutes.len().div_ceil(60);
    let step = 60 * hours.div_ceil(MOST_ROWS).max(1);
    writeln!(
        text,
        "  from         waiting               calls                   oldest change\n               real-time    batch   real-time    batch   critical      other  breaker"
    )?;
    for hour in figures.minutes.chunks(step) {
        let Some(first) = hour.first() else { continue };
        let most = |of: fn(&Minute) -> u64| hour.iter().map(of).max().unwrap_or(0);
        let sum = |of: fn(&Minute) -> u32| hour.iter().map(|minute| u64::from(of(minute))).sum();
        writeln!(
            text,
            "  {:<11} {:>10} {:>8} {:>11} {:>8} {:>10} {:>10}  {}",
            local.day_time(first.at_ms),
            number(most(|minute| minute.pending_real_time)),
            number(most(|minute| minute.pending_batch)),
            number(sum(|minute| minute.real_time_calls)),
            number(sum(|minute| minute.batch_calls)),
            span_up(most(|minute| minute.critical_age_s)),
            span_up(most(|minute| minute.other_age_s)),
            breaker(hour),
        )?;
    }
    writeln!(text)
}

fn breaker(hour: &[Minute]) -> &'static str {
    let has = |state| hour.iter().any(|minute| minute.breaker == state);
    if has(BreakerIs::Open) {
        "open"
    } else if has(BreakerIs::HalfOpen) {
        "half-open"
    } else if has(BreakerIs::Held) {
        "held"
    } else {
        "closed"
    }
}

fn facts(text: &mut String, figures: &Figures) -> fmt::Result {
    let local = Local::new(&figures.time_zone);
    for (name, lane) in [
        ("real-time", &figures.real_time),
        ("batch", &figures.batch),
        ("source", &figures.source_lane),
    ] {
        let used = lane
            .used_percent
            .map(|percent| format!(", {percent:.1} % used while more waited than fits"))
            .unwrap_or_default();
        writeln!(
            text,
            "  {name}: {}, at most {} of {} in any {}{used}",
            counted(lane.calls, "call", "calls"),
            number(lane.busiest),
            lane.most,
            span(lane.per_s.into()),
        )?;
    }
    if let Some(quota) = figures.quota {
        writeln!(
            text,
            "  day's quota: {} of {} calls that its headroom leaves",
            number(quota.fullest.used),
            number(quota.usable)
        )?;
    }
    writeln!(
        text,
        "  applied: {}, {:.2} receives each; {} spent",
        counted(figures.applied, "record", "records"),
        figures.receives_per_applied(),
        counted(figures.attempts_spent, "retry", "retries"),
    )?;
    write!(
        text,
        "  breaker: opened {}",
        counted(figures.openings, "time", "times"),
    )?;
    let mut spells = figures.spells.iter();
    if spells.any(|(is_source, is_away, ..)| !is_source && *is_away) {
        write!(
            text,
            ", {} to {} while it was away",
            counted(figures.calls_while_away, "call", "calls"),
            figures.target,
        )?;
    }
    writeln!(text)?;
    for recovery in &figures.recovery {
        writeln!(
            text,
            "  after the outage: {} of the {} tier in {}; at the even pace of the limit they take {}",
            counted(recovery.calls, "call", "calls"),
            if recovery.is_batch {
                "batch"
            } else {
                "real-time"
            },
            span(recovery.took_ms / 1_000),
            span(recovery.allowed_ms / 1_000),
        )?;
    }
    let reviewed: u64 = figures.reviewed.values().sum();
    let kinds = if figures.reviewed.is_empty() {
        String::new()
    } else {
        format!(" ({})", reviews(&figures.reviewed))
    };
    writeln!(
        text,
        "  to review: {}{kinds}",
        counted(reviewed, "record", "records")
    )?;
    for broken in &figures.broken {
        let why = if broken.cut {
            "was cut at the flow's limit"
        } else {
            "was not done"
        };
        writeln!(
            text,
            "  the window of {} {why}: {} open at {}",
            local.day_time(broken.at_ms),
            counted(broken.left, "change", "changes"),
            local.day_time(broken.next_ms),
        )?;
    }
    Ok(())
}

fn bill(text: &mut String, figures: &Figures) -> fmt::Result {
    let virtual_s = figures.virtual_ms() / 1_000;
    writeln!(
        text,
        "\n  on AWS: {} at list prices of {REGION}, counted over {}: {} for 24 h",
        dollars(figures.dollars),
        span(virtual_s),
        dollars(figures.dollars_a_day()),
    )?;
    for line in figures.bill.iter().filter(|line| line.count > 0) {
        writeln!(
            text,
            "    {:>12} {:<36} {:>10}  at {} $ a million ({}, {})",
            number(line.count),
            line.unit,
            dollars(line.dollars),
            line.dollars_a_million,
            line.source,
            line.read,
        )?;
    }
    writeln!(text, "    {NOT_COUNTED}")?;
    if figures.real_ms > 0 {
        writeln!(
            text,
            "\n  {} passed in {:.1} s: {} times as fast as the clock",
            span(virtual_s),
            super::figures::ratio(figures.real_ms, 1_000),
            number(figures.virtual_ms() / figures.real_ms),
        )?;
    }
    Ok(())
}
