//! The answer, in plain sentences: kept or not, how old the target's data became, and why.

use tidegate_model::Tier;

use super::{
    day::merged,
    figures::{Figures, Freshness, Lane, Quota, ratio},
    words::{Local, counted, number, rate, reviews, span, span_up},
};

/// The sentences.
pub(super) fn sentences(figures: &Figures) -> Vec<String> {
    let mut sentences = vec![answer(figures)];
    let local = Local::new(&figures.time_zone);
    sentences.extend(oldest("Critical fields", &figures.critical, &local));
    sentences.extend(oldest("Other fields", &figures.other, &local));
    sentences.extend(why(figures, &local));
    sentences.push(end(figures));
    sentences
}

/// What the two systems hold in the end: nothing lost, nothing twice, and no older state over a newer.
fn end(figures: &Figures) -> String {
    let (source, target) = (&figures.source, &figures.target);
    let differing = match figures.differing {
        0 => "none differs, is missing or stands twice".to_owned(),
        count => format!("{} not: different, missing or there twice", number(count)),
    };
    format!(
        "At the end {} alike in {source} and {target}, and {differing}, by what the simulated systems hold.",
        counted(figures.equal, "record is", "records are")
    )
}

fn answer(figures: &Figures) -> String {
    let load = load(figures);
    if figures.is_kept() {
        let mut goals = Vec::new();
        if figures.critical.came > 0 {
            goals.push(format!(
                "{} for critical fields",
                span(figures.critical.goal_s)
            ));
        }
        if figures.other.came > 0 {
            goals.push(format!("{} for the others", span(figures.other.goal_s)));
        }
        let held = match goals.len() {
            0 => String::new(),
            1 => format!("{} holds, and ", goals.join("")),
            _ => format!("{} hold, and ", goals.join(" and ")),
        };
        return format!("Kept: {load}, {held}every window was done before the next one began.");
    }
    format!("Not kept: {load}, {}.", faults(figures).join(", and "))
}

/// What was borne: changes and limit, and systems that were away or slow.
fn load(figures: &Figures) -> String {
    let mut load = vec![
        format!(
            "{} in {}",
            counted(came(figures), "change", "changes"),
            counted(figures.days.into(), "day", "days"),
        ),
        format!(
            "{} in the batch tier",
            rate(figures.batch.limit.into(), figures.batch.per_s)
        ),
    ];
    for (name, is_of_source) in [(&figures.source, true), (&figures.target, false)] {
        for (what, is_away_here) in [("away", true), ("slow", false)] {
            let spells = figures.spells.iter().filter(|(is_source, is_away, ..)| {
                (*is_source, *is_away) == (is_of_source, is_away_here)
            });
            let spans = merged(spells.map(|(.., from, until)| (*from, *until)));
            let ms: i64 = spans.iter().map(|(from, until)| until - from).sum();
            if ms > 0 {
                let lasted = span(u64::try_from(ms / 1_000).unwrap_or(0));
                load.push(format!("{name} {what} for {lasted}"));
            }
        }
    }
    let last = load.pop().unwrap_or_default();
    format!("with {} and {last}", load.join(", "))
}

/// Changes of every kind.
fn came(figures: &Figures) -> u64 {
    figures.changes.0 + figures.changes.1 + figures.changes.2
}

fn faults(figures: &Figures) -> Vec<String> {
    let mut faults = Vec::new();
    if figures.in_review > 0 {
        faults.push(format!(
            "{} for a person ({})",
            counted(figures.in_review, "record waits", "records wait"),
            reviews(&figures.reviewed)
        ));
    }
    for (name, of) in [
        ("critical fields", &figures.critical),
        ("the other fields", &figures.other),
    ] {
        if !of.is_fresh() {
            faults.push(format!("{} can not be kept for {name}", span(of.goal_s)));
        }
    }
    if !figures.broken.is_empty() {
        let broken = number(figures.broken.len() as u64);
        faults.push(format!(
            "{broken} of {} were not done when the next one began",
            counted(figures.windows, "window", "windows")
        ));
    }
    if figures.differing > 0 {
        faults.push(format!(
            "{} between {} and {} at the end",
            counted(figures.differing, "record differs", "records differ"),
            figures.source,
            figures.target
        ));
    }
    if figures.left > 0 {
        faults.push(format!(
            "{} had not reached {} when the simulation ended",
            counted(figures.left, "change", "changes"),
            figures.target
        ));
    }
    faults
}

/// What fewer records than changes do to the figures.
pub(super) fn crowded(figures: &Figures) -> Option<String> {
    let came = came(figures);
    // One of ten that falls on a record that changed already is no matter.
    let is_crowded = figures.changed_records * 10 < came * 9;
    is_crowded.then(|| {
        format!(
            "{} fell on {}; with more --records more calls are needed",
            counted(came, "change", "changes"),
            counted(figures.changed_records, "record", "records")
        )
    })
}

fn oldest(name: &str, of: &Freshness, local: &Local) -> Option<String> {
    if of.came == 0 {
        return None;
    }
    let waits = if of.worst_in_review {
        " and waited for a person"
    } else {
        ""
    };
    Some(format!(
        "{name} were at most {} old (goal {}): {} changed {}{waits}. Half of {} took less than {}, 95 % less than {}.",
        span_up(of.worst_s.max(1)),
        span(of.goal_s),
        of.worst_key,
        local.day_time(of.worst_at_ms),
        counted(of.came, "change", "changes"),
        span_up(of.median_s.max(1)),
        span_up(of.p95_s.max(1)),
    ))
}

/// What limit and schedule allow against what came, a cause for each goal that broke, and what else
/// happened.
fn why(figures: &Figures, local: &Local) -> Vec<String> {
    let mut why = vec![
        what_limit_allows(figures, local),
        what_schedule_allows(figures),
    ];
    if !figures.critical.is_fresh() {
        why.push(cause(figures, &Class::critical(figures)));
    }
    if !figures.other.is_fresh() || !figures.broken.is_empty() {
        why.push(cause(figures, &Class::other(figures)));
    }
    let reviewed: u64 = figures.reviewed.values().sum();
    if reviewed > figures.in_review {
        why.push(format!(
            "{} to a person ({}); {} came back by a later change.",
            counted(reviewed, "record went", "records went"),
            reviews(&figures.reviewed),
            number(reviewed - figures.in_review)
        ));
    }
    for (is_source, is_away, from, until) in &figures.spells {
        let name = if *is_source {
            &figures.source
        } else {
            &figures.target
        };
        let what = if *is_away { "was away" } else { "was slow" };
        why.push(format!(
            "{name} {what} from {} to {}.",
            local.day_time(*from),
            local.day_time(*until)
        ));
    }
    why.extend(figures.quota.and_then(what_quota_left));
    why
}

/// A class of fields with the tier that carries it.
struct Class<'f> {
    fields: &'static str,
    name: &'static str,
    tier: Tier,
    of: &'f Freshness,
    lane: &'f Lane,
    /// Most records that waited at once.
    most: u64,
    /// What the schedule alone lets pass.
    gap_s: u64,
}

impl<'f> Class<'f> {
    fn critical(figures: &'f Figures) -> Self {
        Self {
            fields: "critical fields",
            name: "real-time",
            tier: Tier::RealTime,
            of: &figures.critical,
            lane: &figures.real_time,
            most: figures.most_pending_real_time,
            gap_s: 0,
        }
    }

    fn other(figures: &'f Figures) -> Self {
        Self {
            fields: "the other fields",
            name: "batch",
            tier: Tier::Batch,
            of: &figures.other,
            lane: &figures.batch,
            most: figures.most_pending.0,
            gap_s: figures.longest_gap_s,
        }
    }

    /// What leaves so many seconds for the calls: the next window, the schedule or the goal.
    fn room(&self, figures: &Figures) -> (String, u64) {
        let broken = figures.broken.iter().filter(|_| self.name == "batch");
        let until_next = broken.map(|broken| (broken.next_ms - broken.at_ms) / 1_000);
        if let Some(shortest) = until_next.min() {
            let shortest = u64::try_from(shortest).unwrap_or(0).max(60);
            return ("The next window leaves".to_owned(), shortest);
        }
        let left = self.of.goal_s.saturating_sub(self.gap_s).max(60);
        if self.gap_s == 0 {
            return ("The goal leaves".to_owned(), left);
        }
        let gap = span(self.gap_s);
        (format!("The schedule lets {gap} pass, which leaves"), left)
    }

    /// How long a system was away or slow while the oldest change waited, or while a window that
    /// broke was open.
    fn troubled_s(&self, figures: &Figures) -> u64 {
        let worst_ms = i64::try_from(self.of.worst_s * 1_000).unwrap_or(i64::MAX);
        let mut waits = Vec::new();
        if !self.of.is_fresh() {
            let at_ms = self.of.worst_at_ms;
            waits.push((at_ms, at_ms.saturating_add(worst_ms)));
        }
        if self.name == "batch" {
            let broken = figures.broken.iter();
            waits.extend(broken.map(|broken| (broken.at_ms, broken.next_ms)));
        }
        let spells = figures.spells.iter();
        let troubled = merged(spells.map(|(.., begins, ends)| (*begins, *ends)));
        let overlap = |(from, until): (i64, i64)| {
            let spans = troubled.iter();
            let ms: i64 = spans
                .map(|(begins, ends)| (until.min(*ends) - from.max(*begins)).max(0))
                .sum();
            u64::try_from(ms / 1_000).unwrap_or(0)
        };
        waits.into_iter().map(overlap).max().unwrap_or(0)
    }
}

/// The one cause of a goal or window that broke, the first that fits: a person, a system that was
/// away, the quota, the schedule, the tier's limit.
fn cause(figures: &Figures, class: &Class<'_>) -> String {
    let goal = class.of.goal_s;
    let fields = class.fields;
    if !class.of.is_fresh() && class.of.worst_in_review {
        return format!(
            "The cause for {fields}: {} waited for a person.",
            class.of.worst_key
        );
    }
    let troubled_s = class.troubled_s(figures);
    let is_schedule = class.gap_s >= goal;
    // A schedule that breaks the goal by itself is not a short outage's doing.
    if troubled_s > 0 && (!is_schedule || troubled_s >= goal) {
        return format!(
            "The cause for {fields}: a system was away or slow for {} of the wait.",
            span(troubled_s)
        );
    }
    if figures
        .quota
        .is_some_and(|quota| quota.is_used_up(class.tier))
    {
        return format!("The cause for {fields}: the day's quota was used up.");
    }
    if is_schedule && !class.of.is_fresh() {
        return format!(
            "The schedule by itself lets {} pass between two windows, so no limit would keep {}; windows at most {} apart could.",
            span(class.gap_s),
            span(goal),
            span(goal.saturating_sub(figures.longest_drain_s).max(60)),
        );
    }
    let (leaves, left) = class.room(figures);
    let per_s = u64::from(class.lane.per_s.max(1));
    let needed = (class.most * u64::from(figures.calls_per_update) * per_s).div_ceil(left);
    format!(
        "The cause for {fields}: the {} tier's limit. {leaves} {} for the calls of {}: about {} would do.",
        class.name,
        span(left),
        counted(class.most, "record", "records"),
        rate(
            needed.max(u64::from(class.lane.limit) + 1),
            class.lane.per_s
        ),
    )
}

fn what_quota_left(quota: Quota) -> Option<String> {
    let (whose, day, left) = if quota.is_used_up(Tier::RealTime) {
        ("", quota.fullest, quota.fullest.left)
    } else if quota.is_used_up(Tier::Batch) {
        let day = quota.fullest_for_batch;
        (
            " for the batch tier, which leaves what is kept for real-time",
            day,
            day.left_batch,
        )
    } else {
        return None;
    };
    let rest = match left {
        0 => String::new(),
        _ => format!(
            " {} was left, and an update takes {}.",
            counted(left, "call", "calls"),
            number(quota.takes)
        ),
    };
    Some(format!(
        "The day's quota was used up{whose}: {} of {} that its headroom leaves.{rest}",
        number(day.used),
        counted(quota.usable, "call", "calls"),
    ))
}

fn what_limit_allows(figures: &Figures, local: &Local) -> String {
    let limit = u64::from(figures.batch.limit);
    let each = u64::from(figures.calls_per_update.max(1));
    let (most, at) = figures.most_pending;
    let updates = if limit.is_multiple_of(each) {
        counted(limit / each, "update", "updates")
    } else {
        format!("{:.1} updates", ratio(limit, each))
    };
    let allows = format!(
        "The batch tier's limit allows {}, which is {updates} ({} each)",
        rate(limit, figures.batch.per_s),
        counted(each, "call", "calls"),
    );
    if most == 0 {
        return format!("{allows}; no batch ever had to wait.");
    }
    let waited = format!(
        "{allows}; at most {} waited at once ({})",
        counted(most, "record", "records"),
        local.day_time(at),
    );
    if figures.broken.is_empty() && figures.longest_drain_s > 0 {
        let drained = span(figures.longest_drain_s);
        format!(
            "{waited}, and with {} there the backlog of a window was worked off in at most {drained}.",
            figures.target
        )
    } else {
        format!("{waited}.")
    }
}

/// What was seen is one day's luck; the schedule allows more.
fn what_schedule_allows(figures: &Figures) -> String {
    let (gap, drain) = (figures.longest_gap_s, figures.longest_drain_s);
    let worst = figures.worst_gap_s.max(gap);
    let goal = figures.other.goal_s;
    let changed = if worst > gap {
        format!(" ({} when the clock is changed)", span(worst))
    } else {
        String::new()
    };
    let when = if !figures.other.is_fresh() || worst + drain <= goal {
        None
    } else if gap + drain > goal {
        Some("That")
    } else {
        Some("When the clock is changed that")
    };
    let over = when.map_or_else(String::new, |when| {
        format!(
            " {when} is more than the goal of {}: a change just after a window would break it.",
            span(goal)
        )
    });
    format!(
        "Other fields: seen {}; the schedule allows {}{changed} between two windows + {} to work off.{over}",
        span_up(figures.other.worst_s),
        span(gap),
        span(drain),
    )
}

#[cfg(test)]
mod tests;
