//! Bursts: a few changes of a few records within seconds, some times over, with one kind of trouble.

use std::time::Duration;

use super::{
    Dice,
    day::misdated,
    dose::Dose,
    plan::{Deed, Happening, Order, Outage, Plan, Push, TargetKind, first_deed},
    theme::Theme,
};

/// When the first burst begins: what stands at the beginning is at the target by then, more or less.
const FIRST_BURST: Duration = Duration::from_secs(12);
/// Where runs overlap, one is asked for so often.
const RUNS_APART: Duration = Duration::from_secs(43);

/// So long the source knows nothing of most records.
const VANISHED: Duration = Duration::from_secs(28);
/// Everything is compared so often.
const COMPARED_APART: Duration = Duration::from_secs(37);
/// A comparison comes so long after the faults: the last run has been by then.
const LAST_COMPARISON: Duration = Duration::from_secs(900);

/// Two windows, 20 minutes apart, have passed by then even if one was missed: a comparison does not look
/// for what was put back among records that wait for a window.
const AFTER_WINDOWS: Duration = Duration::from_secs(3_000);

/// Draws the bursts of a story.
pub(super) fn fill(plan: &mut Plan) {
    let dose = plan.dose;
    let last = Duration::from_secs(dose.apart_s) * u32::try_from(dose.bursts - 1).unwrap_or(0);
    plan.calm = plan.begin + FIRST_BURST + last + Duration::from_secs(dose.lasts_s);
    plan.happenings = happenings(plan);
    if plan.order == Order::Read {
        // Each fetch waits for the flow's lease, and each wait is a chance for one more copy.
        plan.rates.twice /= 4;
        plan.rates.again /= 4;
    }
    plan.runs.push(plan.begin + Duration::from_secs(1));
    if matches!(
        plan.theme,
        Theme::Lease | Theme::Pages | Theme::Locked | Theme::Quota
    ) {
        let mut next = plan.begin + RUNS_APART;
        while next < plan.calm {
            plan.runs.push(next);
            next = next + RUNS_APART;
        }
    }
    if plan.theme == Theme::Away {
        let spare = plan.dice.between(30, 200, "outage", "spare", 0);
        // Where the target can be searched the source is away as well.
        let both = plan.target == TargetKind::Search;
        if both {
            // A run comes upon it at once.
            plan.runs
                .push(plan.begin + FIRST_BURST + Duration::from_secs(1));
        }
        for host in ["tgt", "src"].into_iter().take(1 + usize::from(both)) {
            plan.outages.push(Outage {
                host,
                from: plan.begin + FIRST_BURST,
                until: plan.calm - Duration::from_secs(spare),
                silent: spare.is_multiple_of(2),
            });
        }
    }
    if matches!(
        plan.theme,
        Theme::Compared | Theme::Vanished | Theme::Restored
    ) {
        let mut next = plan.begin + FIRST_BURST;
        while next < plan.calm {
            plan.comparisons.push(next);
            next = next + COMPARED_APART;
        }
        // What a hand did is found once all that is applied has settled, and so is what was put back.
        plan.comparisons.push(plan.calm + LAST_COMPARISON);
        if plan.theme == Theme::Restored {
            // Persons have decided about it by then.
            plan.comparisons.push(plan.calm + AFTER_WINDOWS);
        }
    }
    plan.ends_with_a_run();
}

fn happenings(plan: &Plan) -> Vec<Happening> {
    let (dice, dose) = (plan.dice, plan.dose);
    let mut all: Vec<Happening> = (0..dose.records)
        .map(|n| Happening {
            n,
            at: plan.begin,
            key: format!("K-{n}"),
            deed: first_deed(),
            pushes: Vec::new(),
        })
        .collect();
    let mut records = dose.records;
    for burst in 0..dose.bursts {
        let begins = plan.begin + FIRST_BURST + Duration::from_secs(dose.apart_s * burst);
        let from = dice.between(0, records - 1, "burst", "from", burst);
        for change in 0..dose.changes {
            let n = dose.records + burst * dose.changes + change;
            let ask = |what: &str, low, high| dice.between(low, high, "happening", what, n);
            let opening = opening(plan.theme, change);
            let deed = match &opening {
                Some((deed, _)) => Some(deed.clone()),
                None => deed(plan, n),
            };
            let key = if deed.is_some() {
                let which = if dose.among >= dose.changes {
                    change
                } else {
                    ask("key", 0, dose.among - 1)
                };
                (from + which) % records
            } else {
                records += 1;
                records - 1
            };
            let deed = deed.unwrap_or_else(new_deed);
            let pushes = match deed {
                // An opening is found by a run.
                Deed::Retold => vec![(Push::Whole, Duration::ZERO)],
                _ if opening.is_some() => Vec::new(),
                Deed::Set { .. } | Deed::Delete => pushes(dice, n, &dose),
                _ => Vec::new(),
            };
            let within = opening.map_or_else(|| ask("within", 0, dose.within_ms), |(_, at)| at);
            all.push(Happening {
                n,
                at: begins + Duration::from_millis(within),
                key: format!("K-{key}"),
                deed,
                pushes,
            });
        }
    }
    if plan.theme == Theme::Restored {
        // Late, so that no version passes the newest again.
        all.push(Happening {
            n: dose.records + dose.bursts * dose.changes,
            at: plan.calm,
            key: String::new(),
            deed: Deed::RestoreAll,
            pushes: Vec::new(),
        });
    }
    all.sort_by_key(|happening| (happening.at, happening.n));
    all
}

/// How the bursts of some themes begin, and how many milliseconds after their beginning.
fn opening(theme: Theme, change: u64) -> Option<(Deed, u64)> {
    match (theme, change) {
        (Theme::Deploy, 0) => Some((Deed::Deploy, 2_000)),
        // Content that is known comes under the newer revision before a run gives it.
        (Theme::Deploy, 1 | 2) => Some((Deed::Retold, 2_500)),
        (Theme::Deploy, 3) => Some((Deed::Force, 3_000)),
        // A run reads a change that was not pushed; what follows is to overtake it.
        (Theme::Overtaken, 0) => Some((new_deed(), 0)),
        (Theme::Overtaken, 1) => Some((Deed::RunNow, 100)),
        (Theme::Vanished, 0) => Some((Deed::Vanish(VANISHED), 0)),
        _ => None,
    }
}

/// A record that was not there before, told at once.
fn new_deed() -> Deed {
    Deed::Set {
        critical: true,
        renames: false,
        toggles: false,
        spoils: false,
        ahead_s: 0,
    }
}

/// What happens; `None` for a new record.
fn deed(plan: &Plan, n: u64) -> Option<Deed> {
    let (dice, deeds) = (plan.dice, plan.dose.deeds);
    let ask = |what: &str, low, high| dice.between(low, high, "happening", what, n);
    let drawn = ask("deed", 0, 99);
    let mut below = 0;
    let mut is = |share: u64| {
        below += share;
        drawn < below
    };
    if is(deeds.new) {
        return None;
    }
    Some(if is(deeds.delete) {
        Deed::Delete
    } else if is(deeds.restore) {
        Deed::Restore
    } else if is(deeds.force) {
        Deed::Force
    } else if is(deeds.run) {
        Deed::RunNow
    } else if is(deeds.run_all) {
        Deed::RunAll
    } else if is(deeds.pause) {
        Deed::Pause(Duration::from_secs(ask("pause", 5, 60)))
    } else if is(deeds.tamper) {
        Deed::Tamper
    } else if is(deeds.junk) {
        Deed::Junk
    } else {
        let of_hundred = |what: &str, share: u64| ask(what, 0, 99) < share;
        Deed::Set {
            critical: of_hundred("critical", deeds.critical),
            renames: of_hundred("renames", deeds.renames),
            toggles: of_hundred("toggles", deeds.toggles),
            spoils: of_hundred("spoils", deeds.spoils),
            ahead_s: misdated(dice, n, plan.order, deeds.misdated),
        }
    })
}

/// How a change is told: once, or twice.
fn pushes(dice: Dice, n: u64, dose: &Dose) -> Vec<(Push, Duration)> {
    let times = 1 + u64::from(dice.between(0, 99, "push", "times", n) < dose.told_twice);
    (0..times)
        .map(|time| {
            let ask = |what: &str, low, high| dice.between(low, high, what, "push", n * 8 + time);
            let drawn = ask("kind", 0, 9);
            let kinds = [
                Push::Missed,
                Push::Whole,
                Push::Hint,
                Push::Forged,
                Push::Torn,
            ];
            let mut below = 0;
            let kind = kinds.into_iter().zip(dose.pushes).find(|(_, share)| {
                below += share;
                drawn < below
            });
            let wait = match ask("late", 0, 3) {
                0 => ask("wait", 0, 6_000),
                _ => ask("wait", 0, 200),
            };
            let kind = kind.map_or(Push::Missed, |(kind, _)| kind);
            (kind, Duration::from_millis(wait))
        })
        .collect()
}
