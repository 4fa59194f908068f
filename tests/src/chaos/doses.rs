//! What goes wrong in each theme, in a dose so strong that a few hundred port calls show what it does.

use std::time::Duration;

use tidegate_simulator::Fate;

use super::{
    dose::{Deeds, Dose, TOLD, frozen, plain},
    plan::Rates,
    theme::Theme,
};

/// Ports that a worker uses while it holds a claim.
const AT_WORK: &[&str] = &[
    "worker http.send tgt",
    "worker store.update register",
    "worker store.get breaker",
    "worker store.update budget",
];

/// A run stands still with a page staged and queued until another has taken its lease.
const OVERTAKEN_RUN: &[(&str, Fate)] = &[
    (
        "batch-sync store.update lease{progress,seq",
        Fate::StallBefore(Duration::from_secs(165)),
    ),
    (
        "batch-sync store.update lease{covered",
        Fate::StallBefore(Duration::from_secs(165)),
    ),
];

impl Theme {
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
                    target: 550,
                    slow: 50,
                    ..rates
                },
                breaker: (3, 6),
                cool_down_s: 6,
                settle_s: (2, 2),
                retry_s: [2, 3, 4],
                sore: 1,
                records: 8,
                bursts: 1,
                // New content gives a record its attempts back.
                changes: 3,
                among: 8,
                lasts_s: 120,
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
                changes: 10,
                limits: (6, 8, 4),
                apart_s: 30,
                deeds: Deeds {
                    run: 30,
                    force: 25,
                    ..deeds
                },
                pushes: [3, 1, 6, 0, 0],
                ..plain
            },
            Self::Pages => Dose {
                rates: Rates {
                    source: 450,
                    throttle: 150,
                    forbid: 100,
                    ..rates
                },
                source_breaker: (2, 5),
                cool_down_s: 8,
                records: 10,
                bursts: 4,
                apart_s: 30,
                lasts_s: 150,
                deeds: Deeds {
                    run: 55,
                    force: 0,
                    ..deeds
                },
                pushes: [8, 2, 0, 0, 0],
                ..plain
            },
            Self::Locked => Dose {
                rates: Rates {
                    forbid: 500,
                    ..rates
                },
                bursts: 3,
                lasts_s: 150,
                tick_s: 120,
                deeds: Deeds { run: 40, ..deeds },
                pushes: [10, 0, 0, 0, 0],
                ..plain
            },
            Self::Worn => Dose {
                rates: Rates {
                    unsent: 1_000,
                    ..rates
                },
                aims: &["worker store.get register"],
                records: 2,
                bursts: 2,
                changes: 1,
                apart_s: 150,
                lasts_s: 250,
                visibility_s: (20, 20),
                deeds: Deeds {
                    critical: 50,
                    ..Deeds::default()
                },
                pushes: [0, 10, 0, 0, 0],
                told_twice: 0,
                ..plain
            },
            Self::Compared => Dose {
                rates: Rates {
                    unsent: 60,
                    lost: 60,
                    repeat: 20,
                    crash_before: 15,
                    crash_after: 15,
                    stall: 30,
                    ..rates
                },
                aims: &["reconcile"],
                stalls_ms: &[900, 8_000, 150_000],
                records: 12,
                bursts: 3,
                apart_s: 50,
                lasts_s: 60,
                tick_s: 120,
                deeds: Deeds {
                    delete: 10,
                    new: 10,
                    tamper: 20,
                    run: 5,
                    ..deeds
                },
                pushes: [6, 3, 1, 0, 0],
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
            Self::Away => Dose {
                cool_down_s: 90,
                records: 6,
                bursts: 4,
                apart_s: 330,
                changes: 5,
                among: 6,
                lasts_s: 300,
                tick_s: 300,
                deeds: Deeds {
                    critical: 40,
                    run: 30,
                    run_all: 12,
                    new: 10,
                    ..deeds
                },
                ..plain
            },
            Self::Spent => Dose {
                rates: Rates {
                    target: 60,
                    ..rates
                },
                breaker: (30, 60),
                settle_s: (2, 2),
                retry_s: [2, 3, 4],
                records: 6,
                sore: 3,
                bursts: 3,
                lasts_s: 120,
                deeds: Deeds {
                    run: 35,
                    critical: 30,
                    ..Deeds::default()
                },
                pushes: [6, 4, 0, 0, 0],
                ..plain
            },
            Self::Probe => Dose {
                rates: Rates {
                    target: 450,
                    unsent: 500,
                    ..rates
                },
                aims: &["worker http.send tgt"],
                breaker: (3, 6),
                cool_down_s: 6,
                settle_s: (2, 2),
                retry_s: [2, 3, 4],
                records: 4,
                bursts: 2,
                lasts_s: 90,
                deeds: Deeds {
                    new: 60,
                    critical: 100,
                    ..Deeds::default()
                },
                pushes: TOLD,
                ..plain
            },
            Self::Returned => Dose {
                rates: Rates {
                    unsent: 400,
                    ..rates
                },
                aims: &[
                    "worker store.update register{co,cu,iv,un}",
                    "worker store.update register{co,cu,un}",
                ],
                breaker: (20, 40),
                records: 9,
                // Each burst comes as the slots of the one before fall free.
                bursts: 3,
                apart_s: 20,
                changes: 12,
                among: 9,
                within_ms: 2_000,
                limits: (3, 4, 12),
                visibility_s: (22, 30),
                told_twice: 0,
                deeds: Deeds {
                    critical: 100,
                    ..Deeds::default()
                },
                pushes: TOLD,
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
                first: OVERTAKEN_RUN,
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
                    target: 500,
                    slow: 150,
                    ..rates
                },
                breaker: (20, 40),
                retry_s: [2, 6, 15],
                changes: 8,
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
                    junk: 8,
                    run: 12,
                    force: 8,
                    ..deeds
                },
                ..plain
            },
        }
    }
}
