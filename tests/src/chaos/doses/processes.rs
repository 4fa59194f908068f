//! What happens to processes: they stand still, die, lose answers, are too many.

use std::time::Duration;

use tidegate_simulator::Fate;

use crate::chaos::{
    dose::{Deeds, Dose, TOLD, frozen, plain},
    plan::Rates,
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

/// Workers stand still before their call and wake after their claims have ended.
pub(super) fn zombie() -> Dose {
    Dose {
        rates: Rates {
            stall: 400,
            ..frozen().rates
        },
        aims: &["worker store.get breaker"],
        stalls_ms: &[34_000, 42_000, 50_000],
        ..frozen()
    }
}

/// They stand still after it: by the time they say what they did, others are at it.
pub(super) fn overdue() -> Dose {
    Dose {
        rates: Rates {
            stall: 1_000,
            slow: 900,
            target: 50,
            ..frozen().rates
        },
        aims: &["worker http.send tgt"],
        // Another takes the record up as the message comes again, 22 s after it came, and is at it
        // for some seconds: of these spans and what the call takes most end meanwhile.
        stalls_ms: &[21_500],
        ..frozen()
    }
}

/// Much work at small limits.
pub(super) fn backlog() -> Dose {
    Dose {
        rates: Rates {
            twice: 300,
            again: 200,
            stall: 60,
            target: 150,
            ..Rates::default()
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
            ..plain().deeds
        },
        ..plain()
    }
}

/// Claims that are not made: their permits go back before their time, and others wait for them.
pub(super) fn returned() -> Dose {
    Dose {
        rates: Rates {
            unsent: 400,
            ..Rates::default()
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
        ..plain()
    }
}

/// Answers of ports are lost, and clients try again by themselves.
pub(super) fn lost() -> Dose {
    Dose {
        rates: Rates {
            lost: 70,
            unsent: 40,
            repeat: 130,
            target: 80,
            ..Rates::default()
        },
        records: 5,
        ..plain()
    }
}

/// Processes die between two steps.
pub(super) fn crash() -> Dose {
    Dose {
        rates: Rates {
            crash_before: 50,
            crash_after: 70,
            target: 60,
            ..Rates::default()
        },
        records: 5,
        visibility_s: (30, 60),
        ..plain()
    }
}

/// Runs that stand still until their lease has ended, beside others.
pub(super) fn lease() -> Dose {
    Dose {
        rates: Rates {
            stall: 600,
            page: 150,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: [7, 3, 0, 0, 0],
        ..plain()
    }
}

/// Stagers that are overtaken, and pages that show what was.
pub(super) fn overtaken() -> Dose {
    Dose {
        rates: Rates {
            stall: 950,
            stale: 300,
            page: 200,
            repeat: 60,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: [1, 7, 0, 0, 2],
        ..plain()
    }
}

/// Comparisons of everything, beside runs and calls, with people at the target.
pub(super) fn compared() -> Dose {
    Dose {
        rates: Rates {
            unsent: 60,
            lost: 60,
            repeat: 20,
            crash_before: 15,
            crash_after: 15,
            stall: 30,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: [6, 3, 1, 0, 0],
        ..plain()
    }
}
