//! What the other systems do: they fail, refuse, take long, are away.

use crate::chaos::{
    dose::{Deeds, Dose, TOLD, plain},
    plan::{Quota, Rates},
};

/// Ports that a worker uses while it holds a claim.
const AT_WORK: &[&str] = &[
    "worker http.send tgt",
    "worker store.update register",
    "worker store.get breaker",
    "worker store.update budget",
];

/// Calls take effect late or without a word, and the next version is there already.
pub(super) fn late() -> Dose {
    Dose {
        rates: Rates {
            target: 500,
            slow: 250,
            throttle: 40,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: TOLD,
        ..plain()
    }
}

/// Creates of unknown outcome, whose record gets another name meanwhile.
pub(super) fn rename() -> Dose {
    Dose {
        rates: Rates {
            target: 550,
            lost: 40,
            crash_after: 25,
            slow: 150,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: TOLD,
        ..plain()
    }
}

/// The target fails, recovers, fails.
pub(super) fn breaker() -> Dose {
    Dose {
        rates: Rates {
            target: 550,
            slow: 50,
            ..Rates::default()
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
        ..plain()
    }
}

/// Calls that are not sent while the breaker opens and closes: creates are its probes.
pub(super) fn probe() -> Dose {
    Dose {
        rates: Rates {
            target: 450,
            unsent: 500,
            ..Rates::default()
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
        ..plain()
    }
}

/// The source fails, recovers, fails, while much is to be read.
pub(super) fn source() -> Dose {
    Dose {
        rates: Rates {
            source: 450,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: [3, 1, 6, 0, 0],
        ..plain()
    }
}

/// The source fails and answers 429 while runs read it, which last no longer than that.
pub(super) fn pages() -> Dose {
    Dose {
        rates: Rates {
            source: 450,
            throttle: 150,
            forbid: 100,
            ..Rates::default()
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
            ..plain().deeds
        },
        pushes: [8, 2, 0, 0, 0],
        ..plain()
    }
}

/// Both systems refuse the credentials again and again; a person lets the flow go on.
pub(super) fn locked() -> Dose {
    Dose {
        rates: Rates {
            forbid: 500,
            ..Rates::default()
        },
        bursts: 3,
        lasts_s: 150,
        tick_s: 120,
        deeds: Deeds {
            run: 40,
            ..plain().deeds
        },
        pushes: [10, 0, 0, 0, 0],
        ..plain()
    }
}

/// The target answers 429.
pub(super) fn throttle() -> Dose {
    Dose {
        rates: Rates {
            throttle: 350,
            target: 100,
            unsent: 20,
            ..Rates::default()
        },
        records: 5,
        ..plain()
    }
}

/// Records that go and come back.
pub(super) fn gone() -> Dose {
    Dose {
        rates: Rates {
            target: 500,
            slow: 150,
            ..Rates::default()
        },
        breaker: (20, 40),
        retry_s: [2, 6, 15],
        changes: 8,
        records: 4,
        deeds: Deeds {
            delete: 35,
            new: 10,
            ..plain().deeds
        },
        ..plain()
    }
}

/// The target is away for more than a quarter of an hour, at times the source too.
pub(super) fn away() -> Dose {
    Dose {
        source_breaker: (2, 5),
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
            ..plain().deeds
        },
        ..plain()
    }
}

/// Work of the batch tier whose attempts run out, and a person who sends it again.
pub(super) fn spent() -> Dose {
    Dose {
        rates: Rates {
            target: 60,
            ..Rates::default()
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
        ..plain()
    }
}

/// Work for more calls than the target allows in a day.
pub(super) fn quota() -> Dose {
    Dose {
        rates: Rates {
            unsent: 20,
            lost: 40,
            ..Rates::default()
        },
        aims: &["worker"],
        visibility_s: (20, 20),
        records: 5,
        bursts: 6,
        changes: 5,
        among: 5,
        limits: (6, 9, 12),
        // 12 in all, 9 of them for the batch tier too: less than all changes need.
        quota: Some(Quota {
            calls: 16,
            headroom: 25,
            real_time: 30,
        }),
        tick_s: 90,
        deeds: Deeds {
            critical: 20,
            ..Deeds::default()
        },
        pushes: [9, 1, 0, 0, 0],
        told_twice: 0,
        ..plain()
    }
}

/// The source knows nothing of most records for a while, and everything is compared meanwhile; hands
/// edit and remove records at the target.
pub(super) fn vanished() -> Dose {
    Dose {
        records: 10,
        bursts: 3,
        apart_s: 30,
        changes: 6,
        among: 3,
        lasts_s: 50,
        person_s: 8,
        deeds: Deeds {
            tamper: 60,
            critical: 100,
            ..Deeds::default()
        },
        // A hint of what the source does not know would be a deletion.
        pushes: [3, 7, 0, 0, 0],
        told_twice: 0,
        ..plain()
    }
}

/// The source puts records back to what they were, and everything is compared.
pub(super) fn restored() -> Dose {
    Dose {
        rates: Rates {
            target: 250,
            unsent: 15,
            lost: 15,
            crash_after: 5,
            page: 150,
            ..Rates::default()
        },
        breaker: (20, 40),
        settle_s: (2, 2),
        records: 6,
        bursts: 3,
        apart_s: 45,
        changes: 8,
        among: 6,
        lasts_s: 60,
        person_s: 40,
        decides: (15, 30),
        deeds: Deeds {
            restore: 15,
            delete: 8,
            new: 12,
            run: 12,
            ..plain().deeds
        },
        pushes: [4, 5, 1, 0, 0],
        ..plain()
    }
}

/// Creates of unknown outcome that are made again under their idempotency key while the breaker opens
/// and closes.
pub(super) fn again() -> Dose {
    Dose {
        rates: Rates {
            target: 500,
            ..Rates::default()
        },
        breaker: (2, 6),
        cool_down_s: 3,
        settle_s: (2, 2),
        retry_s: [2, 3, 4],
        records: 6,
        bursts: 3,
        changes: 6,
        lasts_s: 120,
        limits: (16, 16, 12),
        deeds: Deeds {
            new: 70,
            critical: 100,
            ..Deeds::default()
        },
        pushes: TOLD,
        told_twice: 0,
        ..plain()
    }
}
