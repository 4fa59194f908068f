//! A day: a little of everything for half an hour and more, around a change of the clocks or through
//! an outage.

use std::time::Duration;

use super::{
    Dice,
    plan::{Deed, Happening, Order, Outage, Plan, Push, Rates, first_deed},
};

/// Draws what goes wrong in a day, and when.
pub(super) fn fill(plan: &mut Plan) {
    let dice = plan.dice;
    let minutes = dice.between(18, 40, "plan", "minutes", 0);
    plan.calm = plan.begin + Duration::from_secs(60 * minutes);
    plan.rates = rates(dice);
    if plan.order == Order::Read {
        // Each fetch waits for the flow's lease, and each wait is a chance for one more copy.
        plan.rates.twice /= 8;
        plan.rates.again /= 8;
        plan.rates.lost /= 4;
    }
    plan.happenings = happenings(dice, plan);
    plan.outages = outages(dice, plan);
}

fn span_ms(plan: &Plan) -> u64 {
    u64::try_from(plan.calm.since(plan.begin).as_millis()).unwrap_or(u64::MAX)
}

fn rates(dice: Dice) -> Rates {
    // About half of all kinds of trouble are about in a seed.
    let rate = |what: &str, most: u64| match dice.between(0, 5, "rate", what, 0) {
        0..=2 => 0,
        3 => most.div_ceil(4),
        4 => most.div_ceil(2),
        _ => most,
    };
    Rates {
        unsent: rate("unsent", 20),
        lost: rate("lost", 30),
        repeat: rate("repeat", 30),
        crash_before: rate("crash before", 15),
        crash_after: rate("crash after", 20),
        stall: rate("stall", 12),
        twice: rate("twice", 200),
        late: rate("late", 150),
        reorder: rate("reorder", 500),
        again: rate("again", 120),
        target: rate("target", 350),
        throttle: rate("throttle", 60),
        forbid: rate("forbid", 12),
        slow: rate("slow", 150),
        source: rate("source", 220),
        page: rate("page", 250),
        stale: rate("stale", 150),
    }
}

fn outages(dice: Dice, plan: &Plan) -> Vec<Outage> {
    if dice.between(0, 3, "outage", "any", 0) > 0 {
        return Vec::new();
    }
    let span = span_ms(plan);
    let from =
        plan.begin + Duration::from_millis(dice.between(span / 8, span / 2, "outage", "from", 0));
    let until = from + Duration::from_secs(dice.between(60, 1_500, "outage", "span", 0));
    vec![Outage {
        host: "tgt",
        from,
        until: until.min(plan.calm),
        silent: dice.between(0, 1, "outage", "silent", 0) == 0,
    }]
}

fn happenings(dice: Dice, plan: &Plan) -> Vec<Happening> {
    let records = dice.between(3, 9, "plan", "records", 0);
    let changes = dice.between(12, 45, "plan", "changes", 0);
    let span = span_ms(plan);
    let mut all = Vec::new();
    for n in 0..records + changes {
        let ask = |what: &str, low, high| dice.between(low, high, "happening", what, n);
        // The first ones stand before the world begins to turn; later ones come in bursts.
        let first = n < records;
        let key = if first { n } else { ask("key", 0, records - 1) };
        let burst = ask("burst", 0, 9) * (span / 10);
        let at = match (first, ask("bursty", 0, 2)) {
            (true, _) => 0,
            (false, 0) => ask("time", 0, span),
            (false, _) => burst + ask("within", 0, 4_000),
        };
        let deed = if first {
            first_deed()
        } else {
            deed(dice, n, plan.order)
        };
        let pushes = match deed {
            Deed::Set { .. } | Deed::Delete if !first => pushes(dice, n),
            _ => Vec::new(),
        };
        all.push(Happening {
            n,
            at: plan.begin + Duration::from_millis(at),
            key: format!("K-{key}"),
            deed,
            pushes,
        });
    }
    all.sort_by_key(|happening| (happening.at, happening.n));
    all
}

fn deed(dice: Dice, n: u64, order: Order) -> Deed {
    let ask = |what: &str, low, high| dice.between(low, high, "happening", what, n);
    match ask("deed", 0, 99) {
        0..=5 => Deed::Delete,
        6..=11 => Deed::Force,
        12..=14 => Deed::RunNow,
        15 => Deed::RunAll,
        16 => Deed::Pause(Duration::from_secs(ask("pause", 20, 400))),
        17 => Deed::Deploy,
        18 => Deed::Junk,
        _ => Deed::Set {
            critical: ask("critical", 0, 2) > 0,
            renames: ask("renames", 0, 3) == 0,
            toggles: ask("toggles", 0, 7) == 0,
            spoils: ask("spoils", 0, 15) == 0,
            ahead_s: misdated(dice, n, order, 17),
        },
    }
}

fn pushes(dice: Dice, n: u64) -> Vec<(Push, Duration)> {
    let times = dice.between(1, 3, "push", "times", n);
    (0..times)
        .map(|time| {
            let ask = |what: &str, low, high| dice.between(low, high, what, "push", n * 8 + time);
            let push = match ask("kind", 0, 9) {
                0..=2 => Push::Missed,
                3..=6 => Push::Whole,
                7 => Push::Hint,
                8 => Push::Torn,
                _ => Push::Forged,
            };
            let wait = match ask("late", 0, 3) {
                0 => ask("wait", 0, 200_000),
                _ => ask("wait", 0, 1_500),
            };
            (push, Duration::from_millis(wait))
        })
        .collect()
}

/// How much later than now the source says that something happened; `share` of a hundred are not now.
pub(super) fn misdated(dice: Dice, n: u64, order: Order, share: u64) -> i64 {
    let ask = |what: &str, low, high| dice.between(low, high, "happening", what, n);
    // A source that orders by time can not go back in it: the newest time wins there.
    if order == Order::Time || ask("misdated", 0, 99) >= share {
        return 0;
    }
    let by = i64::try_from(ask("by", 600, 3_000)).unwrap_or(0);
    if ask("ahead", 0, 2) == 0 { by } else { -by }
}
