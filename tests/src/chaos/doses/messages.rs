//! What happens to messages, and what people do.

use tidegate_simulator::Fate;

use crate::chaos::{
    dose::{Deeds, Dose, TOLD, plain},
    plan::Rates,
};

/// The client of a stager makes its write again, and is refused by its own first try.
const STAGED_TWICE: &[(&str, Fate)] = &[("webhook store.update register{att,df,dh", Fate::Repeat)];

/// Queues repeat, delay and reorder; what is sent to them is not sent.
pub(super) fn queue() -> Dose {
    Dose {
        rates: Rates {
            again: 250,
            twice: 40,
            late: 200,
            reorder: 500,
            unsent: 600,
            target: 250,
            throttle: 150,
            ..Rates::default()
        },
        aims: &["worker queue.send", "worker queue.hold"],
        breaker: (6, 10),
        bursts: 2,
        records: 9,
        changes: 9,
        among: 9,
        apart_s: 50,
        told_twice: 0,
        ..plain()
    }
}

/// A message that no step gets through, until it is a dead letter.
pub(super) fn worn() -> Dose {
    Dose {
        rates: Rates {
            unsent: 1_000,
            ..Rates::default()
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
        ..plain()
    }
}

/// Webhooks that are repeated because they were not answered.
pub(super) fn hooks() -> Dose {
    Dose {
        rates: Rates {
            crash_before: 60,
            crash_after: 60,
            unsent: 150,
            lost: 100,
            repeat: 100,
            ..Rates::default()
        },
        aims: &["webhook"],
        first: STAGED_TWICE,
        pushes: [0, 4, 4, 1, 1],
        ..plain()
    }
}

/// What only the sweep can find.
pub(super) fn stranded() -> Dose {
    Dose {
        rates: Rates {
            unsent: 600,
            ..Rates::default()
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
        ..plain()
    }
}

/// A newer revision of the flow amid changes.
pub(super) fn deploy() -> Dose {
    Dose {
        rates: Rates {
            slow: 250,
            twice: 150,
            ..Rates::default()
        },
        records: 4,
        deeds: Deeds {
            run: 5,
            ..plain().deeds
        },
        ..plain()
    }
}

/// Flows that are stopped and go on.
pub(super) fn stopped() -> Dose {
    Dose {
        rates: Rates {
            forbid: 150,
            target: 100,
            again: 100,
            ..Rates::default()
        },
        bursts: 3,
        tick_s: 120,
        deeds: Deeds {
            pause: 10,
            junk: 8,
            run: 12,
            force: 8,
            ..plain().deeds
        },
        ..plain()
    }
}

/// Reviews, and people who edit and discard them.
pub(super) fn reviewed() -> Dose {
    Dose {
        rates: Rates {
            unsent: 60,
            lost: 60,
            target: 60,
            again: 60,
            ..Rates::default()
        },
        aims: &["api", "worker"],
        breaker: (30, 60),
        settle_s: (2, 2),
        retry_s: [2, 3, 4],
        records: 6,
        sore: 3,
        bursts: 3,
        apart_s: 60,
        changes: 6,
        among: 6,
        lasts_s: 120,
        decides: (45, 30),
        person_s: 15,
        deeds: Deeds {
            spoils: 35,
            critical: 70,
            renames: 20,
            run: 5,
            ..Deeds::default()
        },
        pushes: TOLD,
        told_twice: 0,
        ..plain()
    }
}

/// Everything, thinly and for long, with changes of the clocks and outages.
pub(super) fn day() -> Dose {
    Dose {
        tick_s: 300,
        ..plain()
    }
}
