//! What a seed means: the flow, the world, what changes when, and how often what goes wrong.
//!
//! Each seed has some kinds of trouble and not others: a world in which everything fails at once
//! gets nowhere, and hides what one kind does.

use std::time::Duration;

use tidegate_model::UnixMs;

use super::Dice;

/// Kinds of target, by what they offer against doing a thing twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum TargetKind {
    /// Creates or replaces by our key.
    Upsert,
    /// Makes ids of its own and can be searched by name.
    Search,
    /// Makes ids of its own and can not be searched.
    Blind,
    /// Makes ids of its own and keeps idempotency keys.
    Idempotent,
    /// Qualio's double.
    Qualio,
}

impl TargetKind {
    /// All of them, in the order in which seeds take turns.
    pub const ALL: [Self; 5] = [
        Self::Upsert,
        Self::Search,
        Self::Qualio,
        Self::Blind,
        Self::Idempotent,
    ];

    /// The kind on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upsert => "upsert",
            Self::Search => "search",
            Self::Blind => "blind",
            Self::Idempotent => "idempotent",
            Self::Qualio => "qualio",
        }
    }
}

/// What orders the changes of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// A number that the source counts.
    Sequence,
    /// The time of the last change.
    Time,
    /// Neither: reads do.
    Read,
}

/// What happens at the source, or what a person does.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deed {
    /// A record is added or changed.
    Set {
        /// Whether its critical field changes.
        critical: bool,
        /// Whether its name changes.
        renames: bool,
        /// How much earlier than now the source says it happened.
        backdated: Duration,
    },
    /// A record is deleted.
    Delete,
    /// A person asks for it at once.
    Force,
    /// A person asks for a run.
    RunNow,
    /// A person asks for a run over everything.
    RunAll,
    /// A person stops the target's calls for a while.
    Pause(Duration),
    /// The next revision is deployed, and then a run over everything asked for.
    Deploy,
    /// A text that is no message comes into a queue.
    Junk,
}

/// How a change is pushed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Push {
    /// Not at all: it was missed.
    Missed,
    /// With the whole row.
    Whole,
    /// As a hint.
    Hint,
    /// By somebody who has not the secret.
    Forged,
}

/// One thing that happens.
#[derive(Clone, Debug)]
pub struct Happening {
    /// Its number, from zero.
    pub n: u64,
    /// When.
    pub at: UnixMs,
    /// To which record.
    pub key: String,
    /// What.
    pub deed: Deed,
    /// How it is pushed, for changes: each with the wait before it.
    pub pushes: Vec<(Push, Duration)>,
}

/// How often what goes wrong, in calls of a thousand.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rates {
    /// A port call fails and is not made.
    pub unsent: u64,
    /// It is made, and its answer is lost.
    pub lost: u64,
    /// The process dies before it.
    pub crash_before: u64,
    /// The process dies after it.
    pub crash_after: u64,
    /// The process stands still at it.
    pub stall: u64,
    /// A message comes twice.
    pub twice: u64,
    /// A message comes late.
    pub late: u64,
    /// A message is not the oldest.
    pub reorder: u64,
    /// A message comes again although it is in hand.
    pub again: u64,
    /// A call to the target ends in 5xx, no answer, garbage.
    pub target: u64,
    /// It is answered with 429.
    pub throttle: u64,
    /// It is answered with 403.
    pub forbid: u64,
    /// It is answered slowly.
    pub slow: u64,
    /// A call to the source goes wrong in any such way.
    pub source: u64,
    /// A page leaves a row out, repeats one, or is in no order.
    pub page: u64,
    /// A page shows an older state of a row.
    pub stale: u64,
}

/// A span in which every call to the target fails.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub until: UnixMs,
    /// Nothing is answered; otherwise 503.
    pub silent: bool,
}

/// What a seed means.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Its dice.
    pub dice: Dice,
    /// The target.
    pub target: TargetKind,
    /// What orders changes.
    pub order: Order,
    /// What the flow does about a deletion.
    pub deletion: &'static str,
    /// Whether the version is part of what is sent: then the order of effects can be seen.
    pub stamped: bool,
    /// The first moment.
    pub begin: UnixMs,
    /// When the last fault may strike.
    pub calm: UnixMs,
    /// Everything that happens, by time.
    pub happenings: Vec<Happening>,
    /// What goes wrong how often.
    pub rates: Rates,
    /// Spans without a target.
    pub outages: Vec<Outage>,
    /// Workers of the real-time and of the batch queue.
    pub workers: (u32, u32),
    /// Processes that run batches.
    pub batch_syncs: u32,
    /// Windows at times of day, around a change of the clocks; otherwise every 20 minutes.
    pub summer_time: bool,
    /// Calls in 20 s: real-time, batch, source.
    pub limits: (u32, u32, u32),
    /// Seconds after its time-out in which a call may still take effect: D.
    pub settle_s: u32,
    /// How long an invocation of batch-sync may take.
    pub run_time: Duration,
}

/// 2026-03-02T08:00:00Z, a Monday.
const MONDAY: UnixMs = UnixMs(1_772_438_400_000);
/// 2026-03-29T00:10:00Z: at 01:00 UTC Berlin goes from 02:00 to 03:00.
const SPRING: UnixMs = UnixMs(1_774_743_000_000);
/// 2026-10-25T00:10:00Z: at 01:00 UTC Berlin goes from 03:00 back to 02:00.
const AUTUMN: UnixMs = UnixMs(1_792_887_000_000);
/// Calls a target ends within so many seconds, or not at all: T.
pub const TIMEOUT_S: u32 = 5;
/// Length of the limits' windows.
pub const WINDOW: Duration = Duration::from_secs(20);

impl Plan {
    /// The plan of a seed; `only` overrules the kind of target.
    pub fn of(seed: u64, only: Option<TargetKind>) -> Self {
        let dice = Dice::new(seed);
        let among = |what: &str, low: u64, high: u64| dice.between(low, high, "plan", what, 0);
        let target = only.unwrap_or_else(|| {
            let turn = usize::try_from(seed % 5).unwrap_or(0);
            TargetKind::ALL
                .get(turn)
                .copied()
                .unwrap_or(TargetKind::Upsert)
        });
        let order = match among("order", 0, 9) {
            0..=5 => Order::Sequence,
            6..=8 => Order::Time,
            _ => Order::Read,
        };
        let begin = match among("begin", 0, 7) {
            0 => SPRING,
            1 => AUTUMN,
            _ => MONDAY,
        };
        let calm = begin + Duration::from_secs(60 * among("minutes", 18, 45));
        let mut rates = rates(dice);
        if order == Order::Read {
            // Each fetch waits for the flow's lease, and each wait is a chance for one more copy.
            rates.twice /= 8;
            rates.again /= 8;
            rates.lost /= 4;
        }
        Self {
            seed,
            dice,
            target,
            order,
            deletion: match (among("deletion", 0, 3), target) {
                (0 | 1, TargetKind::Upsert | TargetKind::Search) => "delete",
                (2, _) => "keep",
                _ => "review",
            },
            stamped: among("stamped", 0, 2) > 0,
            begin,
            calm,
            happenings: happenings(dice, begin, calm, order),
            rates,
            outages: outages(dice, begin, calm),
            workers: (
                u32::try_from(among("real-time workers", 1, 3)).unwrap_or(1),
                u32::try_from(among("batch workers", 1, 3)).unwrap_or(1),
            ),
            batch_syncs: u32::try_from(among("batch syncs", 1, 2)).unwrap_or(1),
            summer_time: begin != MONDAY,
            // A look-up in Qualio lists one status after another: a window must hold them all.
            limits: (
                least(target) + u32::try_from(among("real-time limit", 3, 8)).unwrap_or(4),
                least(target) + u32::try_from(among("batch limit", 4, 10)).unwrap_or(4),
                // Where reads order, every hint and page waits for the others.
                u32::try_from(among("source limit", 4, 20)).unwrap_or(10)
                    * if order == Order::Read { 3 } else { 1 },
            ),
            settle_s: u32::try_from(among("settle", 2, 15)).unwrap_or(10),
            run_time: if among("short runs", 0, 2) == 0 {
                Duration::from_secs(240)
            } else {
                Duration::from_secs(900)
            },
        }
    }
}

fn least(target: TargetKind) -> u32 {
    if target == TargetKind::Qualio { 8 } else { 0 }
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

fn outages(dice: Dice, begin: UnixMs, calm: UnixMs) -> Vec<Outage> {
    if dice.between(0, 3, "outage", "any", 0) > 0 {
        return Vec::new();
    }
    let span = u64::try_from(calm.since(begin).as_millis()).unwrap_or(u64::MAX);
    let from = begin + Duration::from_millis(dice.between(span / 8, span / 2, "outage", "from", 0));
    let until = from + Duration::from_secs(dice.between(60, 1_500, "outage", "span", 0));
    vec![Outage {
        from,
        until: until.min(calm),
        silent: dice.between(0, 1, "outage", "silent", 0) == 0,
    }]
}

fn happenings(dice: Dice, begin: UnixMs, calm: UnixMs, order: Order) -> Vec<Happening> {
    let records = dice.between(3, 9, "plan", "records", 0);
    let changes = dice.between(12, 45, "plan", "changes", 0);
    let span = u64::try_from(calm.since(begin).as_millis()).unwrap_or(u64::MAX);
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
            deed(dice, n, order)
        };
        let pushes = match deed {
            Deed::Set { .. } | Deed::Delete if !first => pushes(dice, n),
            _ => Vec::new(),
        };
        all.push(Happening {
            n,
            at: begin + Duration::from_millis(at),
            key: format!("K-{key}"),
            deed,
            pushes,
        });
    }
    all.sort_by_key(|happening| (happening.at, happening.n));
    all
}

fn first_deed() -> Deed {
    Deed::Set {
        critical: false,
        renames: false,
        backdated: Duration::from_secs(600),
    }
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
            // A source that orders by time can not go back in it: the newest time wins there.
            backdated: match (order, ask("backdated", 0, 5)) {
                (Order::Sequence | Order::Read, 0) => Duration::from_secs(ask("by", 1, 3_000)),
                _ => Duration::ZERO,
            },
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
                7 | 8 => Push::Hint,
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
