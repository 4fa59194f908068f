//! What a seed means: the flow, the world, what changes when, and how often what goes wrong.
//!
//! Each seed has some kinds of trouble and not others: a world in which everything fails at once
//! gets nowhere, and hides what one kind does. Most stories are short and about one theme
//! ([`Theme`]); some are a whole day with a little of everything.

use std::time::Duration;

use tidegate_model::UnixMs;

use super::{Dice, burst, day, dose::Dose, theme::Theme};

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
        /// Whether it becomes what it was before its last change.
        toggles: bool,
        /// Whether it becomes what the flow's schema refuses.
        spoils: bool,
        /// How much later than now the source says it happened, in seconds; earlier, below zero.
        ahead_s: i64,
    },
    /// A record is deleted.
    Delete,
    /// The source puts a record back to an older state and tells nobody.
    Restore,
    /// The same with all of them, as from a backup.
    RestoreAll,
    /// The source tells of it once more, as it is.
    Retold,
    /// A person asks for it at once.
    Force,
    /// A person asks for a run.
    RunNow,
    /// A person asks for a run over everything.
    RunAll,
    /// A person stops the target's calls for a while.
    Pause(Duration),
    /// The next revision is deployed, and soon after it a run over everything asked for.
    Deploy,
    /// A person edits the record at the target, or removes it there.
    Tamper,
    /// For a while the source knows nothing of most records: it lost them, or shows them to another.
    Vanish(Duration),
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
    /// Whole, and once more, later, under the same version with the content before it.
    Torn,
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
    /// The same, and its client makes it again by itself.
    pub repeat: u64,
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

/// A span in which every call to a system fails.
#[derive(Clone, Copy, Debug)]
pub struct Outage {
    /// The system's host.
    pub host: &'static str,
    /// From when.
    pub from: UnixMs,
    /// Until when.
    pub until: UnixMs,
    /// Nothing is answered; otherwise 503.
    pub silent: bool,
}

/// A quota of a day: of its calls a part stays unused, and of what is left a part is kept for the
/// real-time tier.
#[derive(Clone, Copy, Debug)]
pub struct Quota {
    /// Calls that the target allows in a day.
    pub calls: u32,
    /// Of a hundred of them: those that stay unused.
    pub headroom: u32,
    /// Of a hundred of the others: those that only the real-time tier may use.
    pub real_time: u32,
}

impl Quota {
    /// Calls of both tiers in a day.
    pub fn usable(self) -> u32 {
        self.calls * (100 - self.headroom) / 100
    }

    /// Calls of the batch tier in a day.
    pub fn of_batch(self) -> u32 {
        self.usable() - self.usable() * self.real_time / 100
    }
}

/// What a seed means.
#[derive(Clone, Debug)]
pub struct Plan {
    /// The seed.
    pub seed: u64,
    /// Its dice.
    pub dice: Dice,
    /// What it is about.
    pub theme: Theme,
    /// How strong.
    pub dose: Dose,
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
    /// Spans without a target, or without a source.
    pub outages: Vec<Outage>,
    /// Workers of the real-time and of the batch queue.
    pub workers: (u32, u32),
    /// Processes that run batches.
    pub batch_syncs: u32,
    /// Windows at times of day, around a change of the clocks; otherwise every 20 minutes.
    pub summer_time: bool,
    /// Calls in 20 s: real-time, batch, source.
    pub limits: (u32, u32, u32),
    /// The target's quota of a day.
    pub quota: Option<Quota>,
    /// Seconds after its time-out in which a call may still take effect: D.
    pub settle_s: u32,
    /// How long an invocation of batch-sync may take.
    pub run_time: Duration,
    /// Runs that are asked for besides the windows: the first and the last.
    pub runs: Vec<UnixMs>,
    /// When everything is compared.
    pub comparisons: Vec<UnixMs>,
}

/// 2026-03-02T08:00:00Z, a Monday.
const MONDAY: UnixMs = UnixMs(1_772_438_400_000);
/// 2026-03-02T23:54:00Z: what the day's quota leaves undone is done six minutes later.
const LATE_MONDAY: UnixMs = UnixMs(MONDAY.0 + (15 * 3_600 + 54 * 60) * 1_000);
/// 2026-03-29T00:10:00Z: at 01:00 UTC Berlin goes from 02:00 to 03:00.
const SPRING: UnixMs = UnixMs(1_774_743_000_000);
/// 2026-10-25T00:10:00Z: at 01:00 UTC Berlin goes from 03:00 back to 02:00.
const AUTUMN: UnixMs = UnixMs(1_792_887_000_000);
/// Calls a target ends within so many seconds, or not at all: T.
pub const TIMEOUT_S: u32 = 5;
/// Length of the windows of the target's limit over both tiers.
pub const ACCOUNT_WINDOW: Duration = Duration::from_secs(60);
/// Length of the limits' windows.
pub const WINDOW: Duration = Duration::from_secs(20);
/// A run puts everything right that it comes upon, so the last one comes when what was lost without
/// it has been seen to be lost.
const BEFORE_LAST_RUN: Duration = Duration::from_secs(170);

impl Plan {
    /// The plan of a seed; `only` overrules the kind of target.
    pub fn of(seed: u64, only: Option<TargetKind>) -> Self {
        let (theme, target) = Theme::of(seed);
        let mut plan = Self::begun(Dice::new(seed), seed, (theme, only.unwrap_or(target)));
        if theme == Theme::Day {
            day::fill(&mut plan);
        } else {
            burst::fill(&mut plan);
        }
        plan
    }

    fn begun(dice: Dice, seed: u64, (theme, target): (Theme, TargetKind)) -> Self {
        let among = |what: &str, low: u64, high: u64| dice.between(low, high, "plan", what, 0);
        let few =
            |what: &str, low: u64, high: u64| u32::try_from(among(what, low, high)).unwrap_or(1);
        let dose = theme.dose();
        let order = order(theme, among);
        let begin = begin(theme, among);
        let most_workers = match theme {
            Theme::Overdue | Theme::Returned => 2,
            _ => 3,
        };
        Self {
            seed,
            dice,
            theme,
            dose,
            target,
            order,
            deletion: deletion(theme, target, among),
            // A stamp makes newer versions of equal content impossible, and where reads order, a row that
            // was put back is the newest change and bears an older stamp.
            stamped: dose.touched == 0
                && !(theme == Theme::Restored && order == Order::Read)
                && among("stamped", 0, 2) > u64::from(dose.deeds.toggles > 50),
            begin,
            calm: begin,
            happenings: Vec::new(),
            rates: dose.rates,
            outages: Vec::new(),
            workers: (
                few("real-time workers", 2, most_workers),
                few("batch workers", 1, 3),
            ),
            batch_syncs: match theme {
                Theme::Lease => 2,
                // The one that stands still is the one that stages.
                Theme::Overtaken => 1,
                _ => few("batch syncs", 1, 2),
            },
            summer_time: theme == Theme::Day && begin != MONDAY,
            quota: dose.quota.map(|quota| Quota {
                // On the next day it is enough for all records, a look-up each included.
                calls: quota.calls * if is_scarce(theme, target) { 3 } else { 2 } / 2,
                ..quota
            }),
            limits: limits((theme, target), order, few),
            settle_s: few("settle", dose.settle_s.0, dose.settle_s.1),
            run_time: run_time(theme, among),
            runs: Vec::new(),
            comparisons: Vec::new(),
        }
    }

    /// Calls that the target allows in the windows of its account: no more than both tiers may make.
    pub fn account_calls(&self) -> u32 {
        let windows = u32::try_from(ACCOUNT_WINDOW.as_secs() / WINDOW.as_secs()).unwrap_or(1);
        (self.limits.0 + self.limits.1) * windows
    }

    /// The time at which the last run is asked for.
    pub(super) fn ends_with_a_run(&mut self) {
        self.runs.push(self.calm + BEFORE_LAST_RUN);
    }
}

fn order(theme: Theme, among: impl Fn(&str, u64, u64) -> u64) -> Order {
    match among("order", 0, 9) {
        // Only a whole row that says how old it is can be staged when nothing else will.
        _ if matches!(theme, Theme::Stranded | Theme::Returned) => Order::Sequence,
        0..=5 => Order::Sequence,
        6..=8 => Order::Time,
        _ => Order::Read,
    }
}

fn begin(theme: Theme, among: impl Fn(&str, u64, u64) -> u64) -> UnixMs {
    match among("begin", 0, 3) {
        0 if theme == Theme::Day => SPRING,
        1 if theme == Theme::Day => AUTUMN,
        _ if theme == Theme::Quota => LATE_MONDAY,
        _ => MONDAY,
    }
}

fn deletion(
    theme: Theme,
    target: TargetKind,
    among: impl Fn(&str, u64, u64) -> u64,
) -> &'static str {
    match (among("deletion", 0, 3), target) {
        (_, TargetKind::Upsert | TargetKind::Search)
            if matches!(theme, Theme::Gone | Theme::Vanished | Theme::Restored) =>
        {
            "delete"
        }
        (0 | 1, TargetKind::Upsert | TargetKind::Search) => "delete",
        (2, _) => "keep",
        _ => "review",
    }
}

/// Where look-ups are called for as well, a backlog is to wait for its turns.
fn is_scarce(theme: Theme, target: TargetKind) -> bool {
    theme == Theme::Quota && target == TargetKind::Search
}

fn limits(
    (theme, target): (Theme, TargetKind),
    order: Order,
    few: impl Fn(&str, u64, u64) -> u32,
) -> (u32, u32, u32) {
    let (real_time, batch, source) = theme.dose().limits;
    // A look-up in Qualio lists one status after another: a window must hold them all.
    let least = if target == TargetKind::Qualio { 8 } else { 0 };
    let part = 1 + u32::from(is_scarce(theme, target));
    (
        real_time / part + least + few("real-time limit", 0, 2),
        batch / part + least + few("batch limit", 0, 2),
        // Where reads order, every hint and page waits for the others.
        (source + few("source limit", 0, 8)) * if order == Order::Read { 3 } else { 1 },
    )
}

fn run_time(theme: Theme, among: impl Fn(&str, u64, u64) -> u64) -> Duration {
    let seconds = match theme {
        Theme::Compared | Theme::Vanished | Theme::Restored => 32,
        // A wait for a system is longer than what is left: another invocation goes on.
        Theme::Pages => 45,
        _ if among("short runs", 0, 2) == 0 => 240,
        _ => 900,
    };
    Duration::from_secs(seconds)
}

/// A record that stands at the source from the beginning.
pub(super) fn first_deed() -> Deed {
    Deed::Set {
        critical: false,
        renames: false,
        toggles: false,
        spoils: false,
        ahead_s: -600,
    }
}
