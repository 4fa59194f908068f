//! A dose: what goes wrong in a theme, how often, and what happens meanwhile.

use tidegate_simulator::Fate;

use super::plan::{Quota, Rates};

/// What a theme does.
#[derive(Clone, Copy, Debug)]
pub struct Dose {
    /// What goes wrong how often.
    pub rates: Rates,
    /// Beginnings of the names of the call sites where port calls fail; none: all.
    pub aims: &'static [&'static str],
    /// What surely becomes of the first call at a site whose name begins so.
    pub first: &'static [(&'static str, Fate)],
    /// How long a process stands still: one of these, in milliseconds, or down to four fifths of it.
    pub stalls_ms: &'static [u64],
    /// Records at the beginning.
    pub records: u64,
    /// So many of them are sore: the target fails with one and refuses the next, for itself.
    pub sore: u64,
    /// Bursts of changes.
    pub bursts: u64,
    /// Time between two bursts, in seconds.
    pub apart_s: u64,
    /// Happenings of a burst.
    pub changes: u64,
    /// Records that a burst is about: of few, what happens to one comes close together.
    pub among: u64,
    /// A burst lasts so long, in milliseconds.
    pub within_ms: u64,
    /// Faults go on for so long after the last burst has begun, in seconds.
    pub lasts_s: u64,
    /// Calls in 20 s, at least: real-time, batch, source.
    pub limits: (u32, u32, u32),
    /// The target's quota of a day.
    pub quota: Option<Quota>,
    /// Failures, of so many calls, that open the target's breaker.
    pub breaker: (u32, u32),
    /// The same for the source's.
    pub source_breaker: (u32, u32),
    /// How long it stays open, in seconds.
    pub cool_down_s: u32,
    /// D: how long after its time-out a call may still take effect, in seconds: from, to.
    pub settle_s: (u64, u64),
    /// Waits before further attempts, in seconds.
    pub retry_s: [u32; 3],
    /// Time between two ticks, in seconds.
    pub tick_s: u64,
    /// How long a delivered message stays hidden, in seconds: real-time, batch.
    pub visibility_s: (u64, u64),
    /// Happenings of a hundred that are not changes or are special ones.
    pub deeds: Deeds,
    /// Pushes of ten: missed, whole, hints, forged, torn.
    pub pushes: [u64; 5],
    /// Changes of a hundred that are told twice.
    pub told_twice: u64,
    /// Of a hundred reviews: those that a person edits, and those that one discards. The others are
    /// sent again as they are.
    pub decides: (u64, u64),
    /// Of a hundred edits: those after which the source gives a newer version of the same.
    pub touched: u64,
    /// Time between two looks of a person, in seconds.
    pub person_s: u64,
    /// How often a sender sends a webhook that is not answered.
    pub hook_tries: u32,
    /// Runs look back so far, in seconds.
    pub lookback_s: u32,
}

/// Happenings of a hundred, by kind; what is left are changes.
#[derive(Clone, Copy, Debug, Default)]
pub struct Deeds {
    /// A new record.
    pub new: u64,
    /// A deletion.
    pub delete: u64,
    /// A record is put back to what it was.
    pub restore: u64,
    /// A person's wish for one record.
    pub force: u64,
    /// A run.
    pub run: u64,
    /// A run over everything.
    pub run_all: u64,
    /// A pause.
    pub pause: u64,
    /// A person's edit at the target.
    pub tamper: u64,
    /// A text that is no message.
    pub junk: u64,
    /// Changes of a hundred that change the name.
    pub renames: u64,
    /// Changes of a hundred that go back to what was.
    pub toggles: u64,
    /// Changes of a hundred that the flow's schema refuses.
    pub spoils: u64,
    /// Changes of a hundred that the source dates back, or ahead.
    pub misdated: u64,
    /// Changes of a hundred that change the critical field.
    pub critical: u64,
}

/// Nearly every change is told, whole.
pub(super) const TOLD: [u64; 5] = [0, 9, 1, 0, 0];

/// What workers that stand still have in common: the record is taken up again just after the claim
/// has ended, and newer content does not come between.
pub(super) fn frozen() -> Dose {
    let plain = plain();
    Dose {
        rates: Rates {
            again: 200,
            slow: 300,
            target: 550,
            ..plain.rates
        },
        breaker: (30, 60),
        settle_s: (2, 2),
        retry_s: [3, 8, 20],
        records: 6,
        changes: 6,
        among: 6,
        apart_s: 60,
        visibility_s: (22, 60),
        deeds: Deeds {
            critical: 100,
            ..Deeds::default()
        },
        pushes: TOLD,
        told_twice: 0,
        ..plain
    }
}

/// What most have in common.
pub(super) fn plain() -> Dose {
    Dose {
        rates: Rates::default(),
        aims: &[],
        first: &[],
        stalls_ms: &[900, 8_000, 30_000, 95_000, 260_000],
        records: 4,
        sore: 0,
        bursts: 3,
        apart_s: 40,
        changes: 6,
        among: 2,
        within_ms: 5_000,
        lasts_s: 30,
        limits: (6, 8, 12),
        quota: None,
        breaker: (4, 8),
        source_breaker: (5, 10),
        cool_down_s: 20,
        settle_s: (2, 14),
        retry_s: [5, 10, 20],
        visibility_s: (60, 120),
        tick_s: 600,
        deeds: Deeds {
            renames: 20,
            toggles: 20,
            misdated: 10,
            critical: 75,
            force: 4,
            run: 4,
            ..Deeds::default()
        },
        pushes: [1, 6, 2, 1, 0],
        told_twice: 25,
        decides: (10, 10),
        touched: 0,
        person_s: 90,
        hook_tries: 4,
        lookback_s: 14_400,
    }
}
