//! Themes: what a story is about, and whose turn it is. A seed's place in the table below decides its
//! theme and its target, so that the first few dozen seeds tell all of them; the seed itself draws
//! the rest.

use super::plan::TargetKind;

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
    /// The source fails and answers 429 while runs read it, which last no longer than that.
    Pages,
    /// Both systems refuse the credentials again and again; a person lets the flow go on.
    Locked,
    /// A message that no step gets through, until it is a dead letter.
    Worn,
    /// Comparisons of everything, beside runs and calls, with people at the target.
    Compared,
    /// The target answers 429.
    Throttle,
    /// Workers stand still before their call and wake after their claims have ended.
    Zombie,
    /// They stand still after it: by the time they say what they did, others are at it.
    Overdue,
    /// Much work at small limits.
    Backlog,
    /// Claims that are not made: their permits go back before their time, and others wait for them.
    Returned,
    /// The target is away for more than a quarter of an hour, at times the source too.
    Away,
    /// Work of the batch tier whose attempts run out, and a person who sends it again.
    Spent,
    /// Calls that are not sent while the breaker opens and closes: creates are its probes.
    Probe,
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
    /// Work for more calls than the target allows in a day.
    Quota,
    /// Reviews, and people who edit and discard them.
    Reviewed,
    /// The source knows nothing of most records for a while, and everything is compared meanwhile;
    /// hands edit and remove records at the target.
    Vanished,
    /// The source puts records back to what they were, and everything is compared; people send that, or
    /// leave the target as it is.
    Restored,
    /// Creates of unknown outcome that are made again under their idempotency key while the breaker
    /// opens and closes.
    Again,
    /// Everything, thinly and for long, with changes of the clocks and outages.
    Day,
}

use TargetKind::{Blind, Idempotent, Qualio, Search, Upsert};

/// Themes and targets in the order in which seeds take turns. Their number is a prime: what else goes
/// by a seed's number meets each of them in time.
const TURNS: [(Theme, TargetKind); 83] = [
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
    (Theme::Vanished, Upsert),
    (Theme::Late, Blind),
    (Theme::Quota, Upsert),
    (Theme::Hooks, Idempotent),
    (Theme::Returned, Upsert),
    (Theme::Reviewed, Upsert),
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
    (Theme::Backlog, Upsert),
    (Theme::Away, Upsert),
    (Theme::Away, Search),
    (Theme::Spent, Search),
    (Theme::Spent, Upsert),
    (Theme::Spent, Qualio),
    (Theme::Probe, Search),
    (Theme::Probe, Idempotent),
    (Theme::Probe, Qualio),
    (Theme::Gone, Search),
    (Theme::Pages, Upsert),
    (Theme::Pages, Search),
    (Theme::Gone, Search),
    (Theme::Locked, Upsert),
    (Theme::Locked, Search),
    (Theme::Locked, Qualio),
    (Theme::Compared, Upsert),
    (Theme::Compared, Qualio),
    (Theme::Compared, Search),
    (Theme::Compared, Idempotent),
    (Theme::Vanished, Search),
    (Theme::Vanished, Idempotent),
    (Theme::Breaker, Search),
    (Theme::Worn, Upsert),
    (Theme::Worn, Search),
    (Theme::Stopped, Search),
    (Theme::Breaker, Search),
    (Theme::Breaker, Qualio),
    (Theme::Rename, Search),
    (Theme::Quota, Search),
    (Theme::Overdue, Search),
    (Theme::Reviewed, Search),
    (Theme::Queue, Search),
    (Theme::Again, Idempotent),
    (Theme::Restored, Upsert),
    (Theme::Restored, Search),
    (Theme::Restored, Qualio),
    (Theme::Restored, Idempotent),
    (Theme::Day, Upsert),
];

impl Theme {
    /// Stories in which each has its turn with each of its targets.
    pub const TURNS: u64 = TURNS.len() as u64;

    /// The theme and the target of a seed.
    pub fn of(seed: u64) -> (Self, TargetKind) {
        let turn = usize::try_from(seed % Self::TURNS).unwrap_or(0);
        let (theme, target) = TURNS.get(turn).copied().unwrap_or((Self::Day, Upsert));
        if theme == Self::Day {
            let kind = usize::try_from(seed / Self::TURNS).unwrap_or(0) % TargetKind::ALL.len();
            return (theme, TargetKind::ALL.get(kind).copied().unwrap_or(Upsert));
        }
        (theme, target)
    }
}
