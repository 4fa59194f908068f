//! The answer, in plain sentences: kept or not, how old the target's data became, and why.

use super::{
    figures::{Figures, Freshness},
    words::{Local, counted, number, span},
};

/// The sentences.
pub(super) fn sentences(figures: &Figures) -> Vec<String> {
    let mut sentences = vec![answer(figures)];
    let local = Local::new(&figures.time_zone);
    sentences.extend(oldest("Critical fields", &figures.critical, &local));
    sentences.extend(oldest("Other fields", &figures.other, &local));
    sentences.extend(why(figures, &local));
    sentences
}

fn answer(figures: &Figures) -> String {
    let came = figures.changes.0 + figures.changes.1 + figures.changes.2;
    let calls = per_minute(figures);
    let load = format!(
        "with {} in {} and {calls} calls a minute in the batch tier",
        counted(came, "change", "changes"),
        counted(figures.days.into(), "day", "days"),
    );
    if figures.is_kept() {
        return format!(
            "Kept: {load}, {} for critical fields and {} for the others hold, and every window was done before the next one began.",
            span(figures.critical.goal_s),
            span(figures.other.goal_s),
        );
    }
    let mut faults = Vec::new();
    for (name, of) in [
        ("critical fields", &figures.critical),
        ("the other fields", &figures.other),
    ] {
        if !of.is_kept() {
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
    if figures.left > 0 {
        faults.push(format!(
            "{} never reached {}",
            counted(figures.left, "change", "changes"),
            figures.target
        ));
    }
    format!("Not kept: {load}, {}.", faults.join(", and "))
}

/// Calls that the batch tier may make in a minute.
fn per_minute(figures: &Figures) -> u64 {
    u64::from(figures.batch.limit) * 60 / u64::from(figures.batch.per_s.max(1))
}

fn oldest(name: &str, of: &Freshness, local: &Local) -> Option<String> {
    if of.came == 0 {
        return None;
    }
    Some(format!(
        "{name} were at most {} old (goal {}): {} changed {}. Half of {} took less than {}, 95 % less than {}.",
        span(of.worst_s.max(1)),
        span(of.goal_s),
        of.worst_key,
        local.day_time(of.worst_at_ms),
        counted(of.came, "change", "changes"),
        span(of.median_s.max(1)),
        span(of.p95_s.max(1)),
    ))
}

/// What the limit allows against what came, and what else took time.
fn why(figures: &Figures, local: &Local) -> Vec<String> {
    let mut why = vec![what_limit_allows(figures, local)];
    let gap = figures.longest_gap_s;
    let goal = figures.other.goal_s;
    if gap >= goal {
        why.push(format!(
            "The schedule by itself lets {} pass between two windows, so no limit would keep {}; windows at most {} apart could.",
            span(gap),
            span(goal),
            span(goal.saturating_sub(figures.longest_drain_s).max(60)),
        ));
    } else if !figures.other.is_kept() && figures.spells.is_empty() {
        let left = (goal - gap).max(60);
        let needed =
            (figures.most_pending.0 * u64::from(figures.calls_per_update) * 60).div_ceil(left);
        why.push(format!(
            "Between two windows {} pass, which leaves {} for the calls: about {} calls a minute would do.",
            span(gap),
            span(left),
            number(needed.max(per_minute(figures) + 1)),
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
    if let Some(quota) = figures
        .quota
        .filter(|quota| quota.used >= quota.usable * 99 / 100)
    {
        why.push(format!(
            "The day's quota was used up: {} of {} calls that its headroom leaves.",
            number(quota.used),
            number(quota.usable)
        ));
    }
    why
}

fn what_limit_allows(figures: &Figures, local: &Local) -> String {
    let calls = per_minute(figures);
    let each = u64::from(figures.calls_per_update.max(1));
    let (most, at) = figures.most_pending;
    let allows = format!(
        "The limit allows {} a minute, which is {} a minute ({} each)",
        counted(calls, "call", "calls"),
        counted(calls / each, "update", "updates"),
        counted(each, "call", "calls"),
    );
    if most == 0 {
        return format!("{allows}; no batch ever had to wait.");
    }
    format!(
        "{allows}; at most {} waited at once ({}), and such a backlog was worked off in at most {}.",
        counted(most, "record", "records"),
        local.day_time(at),
        span(figures.longest_drain_s),
    )
}

#[cfg(test)]
mod tests {
    use crate::simulate::figures::{BrokenWindow, Lane};

    use super::*;

    fn figures() -> Figures {
        let class = |goal_s, worst_s| Freshness {
            goal_s,
            came: 100,
            held: 100,
            worst_s,
            worst_at_ms: 1_772_434_800_000,
            worst_key: "REC-7".to_owned(),
            median_s: 10,
            p95_s: 20,
        };
        Figures {
            target: "qualio".to_owned(),
            source: "erp".to_owned(),
            time_zone: "Europe/Berlin".to_owned(),
            days: 1,
            changes: (20, 100, 880),
            critical: class(900, 60),
            other: class(32_400, 29_000),
            longest_gap_s: 28_800,
            windows: 4,
            calls_per_update: 2,
            batch: Lane {
                limit: 50,
                per_s: 60,
                ..Lane::default()
            },
            most_pending: (400, 1_772_434_800_000),
            longest_drain_s: 960,
            ..Figures::default()
        }
    }

    #[test]
    fn what_is_kept_is_said_with_its_load_and_its_limit() {
        let told = sentences(&figures());
        assert_eq!(
            told[0],
            "Kept: with 1,000 changes in 1 day and 50 calls a minute in the batch tier, 15 min for critical fields and 9 h for the others hold, and every window was done before the next one began."
        );
        assert!(
            told[2].contains("at most 8 h 3 min old (goal 9 h): REC-7 changed Mon 08:00"),
            "{told:?}"
        );
        assert!(
            told[3].contains("50 calls a minute, which is 25 updates a minute (2 calls each)"),
            "{told:?}"
        );
    }

    #[test]
    fn a_goal_below_the_schedule_is_the_schedules_fault() {
        let mut figures = figures();
        figures.other.goal_s = 14_400;
        let told = sentences(&figures).join("\n");
        assert!(told.starts_with("Not kept: "), "{told}");
        assert!(
            told.contains("4 h can not be kept for the other fields"),
            "{told}"
        );
        assert!(
            told.contains("The schedule by itself lets 8 h pass"),
            "{told}"
        );
        assert!(
            told.contains("windows at most 3 h 44 min apart could"),
            "{told}"
        );
    }

    #[test]
    fn a_goal_that_the_limit_breaks_names_a_limit_that_would_do() {
        let mut figures = figures();
        figures.other.worst_s = 40_000;
        figures.most_pending = (3_000, 1_772_434_800_000);
        let told = sentences(&figures).join("\n");
        // 6,000 calls in the hour that the schedule leaves of the goal.
        assert!(told.contains("about 100 calls a minute would do"), "{told}");
    }

    #[test]
    fn windows_spans_and_what_never_came_are_told() {
        let mut figures = figures();
        figures.left = 1;
        figures.broken = vec![BrokenWindow {
            at_ms: 0,
            next_ms: 1,
            left: 5,
            cut: false,
        }];
        figures.spells = vec![(false, true, 1_772_434_800_000, 1_772_442_000_000)];
        let told = sentences(&figures).join("\n");
        assert!(
            told.contains("1 of 4 windows were not done when the next one began"),
            "{told}"
        );
        assert!(told.contains("1 change never reached qualio"), "{told}");
        assert!(
            told.contains("qualio was away from Mon 08:00 to Mon 10:00."),
            "{told}"
        );
    }
}
