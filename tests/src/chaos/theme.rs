//! Themes: what goes wrong in a story, in a dose so strong that a few hundred port calls show what it
//! does. A seed's place in the table below decides its theme and its target, so that the first few
//! dozen seeds tell all of them; the seed itself draws the rest.

use super::{
    dose::{Deeds, Dose, TOLD, frozen, plain},
    plan::{Rates, TargetKind},
};

/// What a story is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Theme {
    /// Calls take effect late or without a word, and the next version is there already.
    Late,
    /// Creates of unknown outcome, whose record gets another name meanwhile.
    Rename,
    /// The target fails, recovers, fails.
    Breaker,
    /// The source fails, recovers, fails, while much is to be read.
    Source,
    /// The target answers 429.
    Throttle,
    /// Workers stand still before their call and wake after their claims have ended.
    Zombie,
    /// They stand still after it: by the time they say what they did, others are at it.
    Overdue,
    /// Much work at small limits.
    Backlog,
    /// Answers of ports are lost, and clients try again by themselves.
    Lost,
    /// Processes die between two steps.
    Crash,
    /// Queues repeat, delay and reorder; what is sent to them is not sent.
    Queue,
    /// Runs that stand still until their lease has ended, beside others.
    Lease,
    /// Stagers that are overtaken, and pages that show what was.
    Overtaken,
    /// A newer revision of the flow amid changes.
    Deploy,
    /// What only the sweep can find.
    Stranded,
    /// Webhooks that are repeated because they were not answered.
    Hooks,
    /// Records that go and come back.
    Gone,
    /// Flows that are stopped and go on.
    Stopped,
    /// Everything, thinly and for long, with changes of the clocks and outages.
    Day,
}

use TargetKind::{Blind, Idempotent, Qualio, Search, Upsert};

/// Themes and targets in the order in which seeds take turns.
const TURNS: [(Theme, TargetKind); 45] = [
    (Theme::Late, Upsert),
    (Theme::Rename, Search),
    (Theme::Queue, Upsert),
    (Theme::Zombie, Upsert),
    (Theme::Breaker, Upsert),
    (Theme::Lease, Upsert),
    (Theme::Overtaken, Upsert),
    (Theme::Deploy, Upsert),
    (Theme::Stranded, Search),
    (Theme::Overdue, Upsert),
    (Theme::Rename, Search),
    (Theme::Late, Blind),
    (Theme::Queue, Search),
    (Theme::Hooks, Idempotent),
    (Theme::Backlog, Upsert),
    (Theme::Overdue, Search),
    (Theme::Breaker, Idempotent),
    (Theme::Backlog, Qualio),
    (Theme::Lost, Idempotent),
    (Theme::Crash, Upsert),
    (Theme::Throttle, Blind),
    (Theme::Gone, Upsert),
    (Theme::Late, Idempotent),
    (Theme::Lease, Search),
    (Theme::Overtaken, Search),
    (Theme::Queue, Blind),
    (Theme::Lost, Search),
    (Theme::Stopped, Upsert),
    (Theme::Zombie, Blind),
    (Theme::Late, Search),
    (Theme::Crash, Qualio),
    (Theme::Stranded, Upsert),
    (Theme::Rename, Qualio),
    (Theme::Hooks, Upsert),
    (Theme::Gone, Search),
    (Theme::Throttle, Upsert),
    (Theme::Lost, Upsert),
    (Theme::Deploy, Search),
    (Theme::Overdue, Idempotent),
    (Theme::Stopped, Qualio),
    (Theme::Breaker, Qualio),
    (Theme::Source, Upsert),
    (Theme::Source, Qualio),
    (Theme::Source, Search),
    (Theme::Day, Upsert),
];

/// Ports that a worker uses while it holds a claim.
const AT_WORK: &[&str] = &[
    "worker http.send tgt",
    "worker store.update register",
    "worker store.get breaker",
    "worker store.update budget",
];

impl Theme {
    /// The theme and the target of a seed.
    pub fn of(seed: u64) -> (Self, TargetKind) {
        let turns = u64::try_from(TURNS.len()).unwrap_or(1);
        let turn = usize::try_from(seed % turns).unwrap_or(0);
        let (theme, target) = TURNS.get(turn).copied().unwrap_or((Self::Day, Upsert));
        if theme == Self::Day {
            let kind = usize::try_from(seed / turns).unwrap_or(0) % TargetKind::ALL.len();
            return (theme, TargetKind::ALL.get(kind).copied().unwrap_or(Upsert));
        }
        (theme, target)
    }

    /// What it does. A day has a plan of its own.
    #[allow(clippy::too_many_lines, reason = "a table, with a row for each theme")]
    pub fn dose(self) -> Dose {
        let plain = plain();
        let rates = plain.rates;
        let deeds = plain.deeds;
        match self {
            Self::Day => Dose {
                tick_s: 300,
                ..plain
            },
            Self::Late => Dose {
                rates: Rates {
                    target: 500,
                    slow: 250,
                    throttle: 40,
                    ..rates
                },
                breaker: (20, 40),
                retry_s: [2, 6, 15],
                records: 3,
                changes: 5,
                among: 1,
                within_ms: 8_000,
                deeds: Deeds {
                    toggles: 55,
                    new: 10,
                    critical: 95,
                    ..deeds
                },
                pushes: TOLD,
                ..plain
            },
            Self::Rename => Dose {
                rates: Rates {
                    target: 550,
                    lost: 40,
                    crash_after: 25,
                    slow: 150,
                    ..rates
                },
                aims: AT_WORK,
                breaker: (20, 40),
                retry_s: [2, 6, 15],
                records: 2,
                changes: 6,
                within_ms: 13_000,
                deeds: Deeds {
                    new: 35,
                    renames: 80,
                    toggles: 0,
                    critical: 95,
                    ..deeds
                },
                pushes: TOLD,
                ..plain
            },
            Self::Breaker => Dose {
                rates: Rates {
                    target: 600,
                    slow: 50,
                    ..rates
                },
                breaker: (5, 10),
                cool_down_s: 8,
                settle_s: (2, 2),
                retry_s: [2, 3, 4],
                records: 6,
                bursts: 1,
                changes: 6,
                among: 6,
                lasts_s: 100,
                told_twice: 0,
                deeds: Deeds {
                    critical: 100,
                    ..Deeds::default()
                },
                pushes: TOLD,
                ..plain
            },
            Self::Source => Dose {
                rates: Rates {
                    source: 450,
                    ..rates
                },
                cool_down_s: 8,
                records: 6,
                bursts: 4,
                apart_s: 30,
                deeds: Deeds {
                    run: 30,
                    force: 25,
                    ..deeds
                },
                pushes: [3, 1, 6, 0, 0],
                ..plain
            },
            Self::Throttle => Dose {
                rates: Rates {
                    throttle: 350,
                    target: 100,
                    unsent: 20,
                    ..rates
                },
                records: 5,
                ..plain
            },
            Self::Zombie => Dose {
                rates: Rates {
                    stall: 400,
                    ..frozen().rates
                },
                aims: &["worker store.get breaker"],
                stalls_ms: &[34_000, 42_000, 50_000],
                ..frozen()
            },
            Self::Overdue => Dose {
                rates: Rates {
                    stall: 700,
                    slow: 900,
                    target: 200,
                    ..frozen().rates
                },
                aims: &["worker http.send tgt"],
                stalls_ms: &[26_500],
                ..frozen()
            },
            Self::Backlog => Dose {
                rates: Rates {
                    twice: 300,
                    again: 200,
                    stall: 60,
                    target: 150,
                    ..rates
                },
                aims: AT_WORK,
                stalls_ms: &[900, 3_000],
                breaker: (20, 40),
                records: 9,
                bursts: 2,
                changes: 12,
                among: 9,
                within_ms: 6_000,
                limits: (3, 4, 12),
                deeds: Deeds {
                    run: 8,
                    critical: 60,
                    toggles: 51,
                    ..deeds
                },
                ..plain
            },
            Self::Lost => Dose {
                rates: Rates {
                    lost: 70,
                    unsent: 40,
                    repeat: 130,
                    target: 80,
                    ..rates
                },
                records: 5,
                ..plain
            },
            Self::Crash => Dose {
                rates: Rates {
                    crash_before: 50,
                    crash_after: 70,
                    target: 60,
                    ..rates
                },
                records: 5,
                visibility_s: (30, 60),
                ..plain
            },
            Self::Queue => Dose {
                rates: Rates {
                    again: 250,
                    twice: 40,
                    late: 200,
                    reorder: 500,
                    unsent: 600,
                    target: 250,
                    throttle: 150,
                    ..rates
                },
                aims: &["worker queue.send", "worker queue.hold"],
                breaker: (6, 10),
                bursts: 2,
                records: 9,
                changes: 9,
                among: 9,
                apart_s: 50,
                told_twice: 0,
                ..plain
            },
            Self::Lease => Dose {
                rates: Rates {
                    stall: 600,
                    page: 150,
                    ..rates
                },
                aims: &["batch-sync queue.send", "batch-sync store.update lease"],
                stalls_ms: &[150_000, 180_000],
                records: 6,
                bursts: 4,
                apart_s: 70,
                changes: 4,
                deeds: Deeds {
                    run: 45,
                    run_all: 8,
                    ..deeds
                },
                pushes: [7, 3, 0, 0, 0],
                ..plain
            },
            Self::Overtaken => Dose {
                rates: Rates {
                    stall: 950,
                    stale: 300,
                    page: 200,
                    repeat: 60,
                    ..rates
                },
                aims: &[
                    "batch-sync store.update register",
                    "worker store.update register{att,df",
                ],
                stalls_ms: &[6_000, 9_000],
                records: 4,
                changes: 7,
                among: 1,
                within_ms: 7_000,
                deeds: Deeds {
                    run: 15,
                    force: 4,
                    critical: 95,
                    ..deeds
                },
                pushes: [1, 7, 0, 0, 2],
                ..plain
            },
            Self::Deploy => Dose {
                rates: Rates {
                    slow: 250,
                    twice: 150,
                    ..rates
                },
                records: 4,
                deeds: Deeds { run: 5, ..deeds },
                ..plain
            },
            Self::Stranded => Dose {
                rates: Rates {
                    unsent: 600,
                    ..rates
                },
                aims: &["webhook queue.send"],
                told_twice: 0,
                hook_tries: 1,
                lookback_s: 120,
                records: 8,
                bursts: 1,
                changes: 8,
                among: 8,
                deeds: Deeds {
                    misdated: 100,
                    critical: 95,
                    ..Deeds::default()
                },
                pushes: [0, 10, 0, 0, 0],
                ..plain
            },
            Self::Hooks => Dose {
                rates: Rates {
                    crash_before: 60,
                    crash_after: 60,
                    unsent: 150,
                    lost: 100,
                    repeat: 100,
                    ..rates
                },
                aims: &["webhook"],
                pushes: [0, 4, 4, 1, 1],
                ..plain
            },
            Self::Gone => Dose {
                rates: Rates {
                    target: 350,
                    slow: 150,
                    ..rates
                },
                breaker: (20, 40),
                retry_s: [2, 6, 15],
                records: 4,
                deeds: Deeds {
                    delete: 35,
                    new: 10,
                    ..deeds
                },
                ..plain
            },
            Self::Stopped => Dose {
                rates: Rates {
                    forbid: 150,
                    target: 100,
                    again: 100,
                    ..rates
                },
                bursts: 3,
                tick_s: 120,
                deeds: Deeds {
                    pause: 10,
                    junk: 5,
                    force: 8,
                    ..deeds
                },
                ..plain
            },
        }
    }
}
