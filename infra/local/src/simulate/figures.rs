//! What a simulation came to: the figures that its sentence, its timeline and its report show.
//!
//! Everything here but [`Figures::real_ms`] is the same for the same options and seed.

use std::collections::BTreeMap;

use serde::Serialize;
use tidegate_model::{Tier, UnixMs};

use super::price::{Line, Units};

const DAY_MS: u64 = 86_400_000;

/// A minute of the story.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Minute {
    /// Its beginning, in milliseconds since 1970.
    pub at_ms: i64,
    /// Records with work in the real-time tier.
    pub pending_real_time: u64,
    /// Records with work in the batch tier, whose turn it is.
    pub pending_batch: u64,
    /// Records that were pushed and wait for the next window.
    pub for_window: u64,
    /// Records that wait for a person.
    pub in_review: u64,
    /// Age of the oldest critical change that the target does not hold, in seconds.
    pub critical_age_s: u64,
    /// Age of the oldest other change.
    pub other_age_s: u64,
    /// How the target's breaker stands.
    pub breaker: BreakerIs,
    /// Calls to the target in the real-time tier in this minute.
    pub real_time_calls: u32,
    /// Calls to the target in the batch tier in this minute.
    pub batch_calls: u32,
    /// Calls to the source in this minute.
    pub source_calls: u32,
}

/// How a breaker stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum BreakerIs {
    /// Calls pass.
    #[default]
    Closed,
    /// One probe at a time.
    HalfOpen,
    /// No call.
    Open,
    /// The provider asked to wait.
    Held,
}

/// How a class of fields fared.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Freshness {
    /// The goal in seconds.
    pub goal_s: u64,
    /// Changes that came.
    pub came: u64,
    /// Changes that the target held in the end.
    pub held: u64,
    /// The oldest that a change became, in seconds.
    pub worst_s: u64,
    /// When that change came, in milliseconds since 1970.
    pub worst_at_ms: i64,
    /// Its record.
    pub worst_key: String,
    /// Whether that change waited for a person, if only for a while.
    pub worst_in_review: bool,
    /// The age that half of the changes stayed below, in seconds.
    pub median_s: u64,
    /// The age that 95 of 100 changes stayed below.
    pub p95_s: u64,
}

impl Freshness {
    /// Whether the target holds every change, and had each within the goal.
    pub(crate) fn is_kept(&self) -> bool {
        self.is_fresh() && self.came == self.held
    }

    /// Whether no change became older than the goal.
    pub(crate) fn is_fresh(&self) -> bool {
        self.worst_s <= self.goal_s
    }
}

/// A window whose work was not done when the next one began, or whose run was cut.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct BrokenWindow {
    /// The window.
    pub at_ms: i64,
    /// The next one.
    pub next_ms: i64,
    /// Changes that it should have carried and that the target did not hold.
    pub left: u64,
    /// Its run was cut at the flow's limit.
    pub cut: bool,
}

/// A tier of the target, or the source.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Lane {
    /// Calls that the limit allows ...
    pub limit: u32,
    /// ... in so many seconds.
    pub per_s: u32,
    /// Calls that were made.
    pub calls: u64,
    /// Most calls in any window of that length ...
    pub busiest: u64,
    /// ... and what the limit lets into one: of a bucket its burst and what leaks meanwhile.
    pub most: u64,
    /// While work waited, so many per cent of what the limit allows was used; none where none waited.
    pub used_percent: Option<f64>,
}

/// How the work that waited at the end of an outage was done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Recovery {
    /// In the batch tier, not in the real-time tier.
    pub is_batch: bool,
    /// Calls that it took.
    pub calls: u64,
    /// Milliseconds from the first of them to the last.
    pub took_ms: u64,
    /// Milliseconds that so many calls take at the limit's rate.
    pub allowed_ms: u64,
}

/// A day (UTC) under a quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct QuotaDay {
    /// Calls that both tiers made.
    pub used: u64,
    /// Calls that were left of both shares.
    pub left: u64,
    /// Calls that were left to the batch tier: not what is kept for real-time, nor what that borrowed.
    pub left_batch: u64,
}

/// The daily quota.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Quota {
    /// Calls that the headroom leaves.
    pub usable: u64,
    /// Calls of an update: where fewer are left, nothing more is sent.
    pub takes: u64,
    /// The day with the least left.
    pub fullest: QuotaDay,
    /// The day with the least left to the batch tier.
    pub fullest_for_batch: QuotaDay,
}

impl Quota {
    /// Whether a tier ran out of it, and could send nothing more.
    pub(crate) fn is_used_up(self, tier: Tier) -> bool {
        let left = match tier {
            Tier::Batch => self.fullest_for_batch.left_batch,
            Tier::RealTime => self.fullest.left,
        };
        left < self.takes
    }
}

/// Everything.
#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Figures {
    /// The flow.
    pub flow: String,
    /// The source's name.
    pub source: String,
    /// The target's name.
    pub target: String,
    /// The flow's time zone.
    pub time_zone: String,
    /// The seed.
    pub seed: u64,
    /// Times the declared changes.
    pub peak: u32,
    /// Days.
    pub days: u32,
    /// Midnight of the first, in milliseconds since 1970.
    pub begin_ms: i64,
    /// Midnight after the last.
    pub end_ms: i64,
    /// When the last change was applied, or the story was given up.
    pub until_ms: i64,
    /// Real time that it took, in milliseconds.
    pub real_ms: u64,
    /// Records at the beginning.
    pub records: u64,
    /// Changes that came: new, critical, others.
    pub changes: (u64, u64, u64),
    /// Where their number comes from.
    pub changes_from: &'static str,
    /// Records that they fell on.
    pub changed_records: u64,
    /// The options that shape the days, in a line.
    pub setup: String,
    /// The command as it was given, where there was one.
    pub command: String,
    /// Critical fields.
    pub critical: Freshness,
    /// The others.
    pub other: Freshness,
    /// The longest gap between two windows that day, in seconds.
    pub longest_gap_s: u64,
    /// The longest of any day, those on which the clock is changed among them: what `check` tells.
    pub worst_gap_s: u64,
    /// Windows that were due, to the end of the story.
    pub windows: u64,
    /// Windows that broke.
    pub broken: Vec<BrokenWindow>,
    /// Calls of the real-time tier.
    pub real_time: Lane,
    /// Calls of the batch tier.
    pub batch: Lane,
    /// Calls to the source.
    pub source_lane: Lane,
    /// Calls that one update of a record takes.
    pub calls_per_update: u32,
    /// The daily quota, where there is one.
    pub quota: Option<Quota>,
    /// Answers of the target by status; 0: none came.
    pub answers: BTreeMap<u16, u64>,
    /// Most records of the batch tier that waited at once, and when.
    pub most_pending: (u64, i64),
    /// Most records of the real-time tier that waited at once.
    pub most_pending_real_time: u64,
    /// Longest time that a window's batch work waited while the breaker was closed, in seconds.
    pub longest_drain_s: u64,
    /// Records that were applied.
    pub applied: u64,
    /// Messages received, real-time and batch.
    pub receives: (u64, u64),
    /// Records that went to review, by why.
    pub reviewed: BTreeMap<&'static str, u64>,
    /// Records that waited for a person in the end.
    pub in_review: u64,
    /// Changes that were still open in the end, but for those in review.
    pub left: u64,
    /// Attempts that stayed spent.
    pub attempts_spent: u64,
    /// How often the breaker opened.
    pub openings: u64,
    /// Calls to the target while it was away.
    pub calls_while_away: u64,
    /// Of these after the breaker had opened for the first time.
    pub probes: u64,
    /// How the work that an outage left was done, batch and real-time.
    pub recovery: Vec<Recovery>,
    /// Records that the target holds in the end.
    pub at_target: u64,
    /// Records that source and target hold alike in the end.
    pub equal: u64,
    /// Records that differ between them in the end, are missing or stand twice.
    pub differing: u64,
    /// Spans in which a system was away or slow: source or not, away or slow, from, until.
    pub spells: Vec<(bool, bool, i64, i64)>,
    /// What was counted.
    pub units: Units,
    /// What it costs.
    pub bill: Vec<Line>,
    /// The sum.
    pub dollars: f64,
    /// The story by minutes.
    #[serde(skip)]
    pub minutes: Vec<Minute>,
}

impl Figures {
    /// Whether every window and every goal was kept, nothing was left, nobody is needed, and the target
    /// holds in the end what the source does.
    pub(crate) fn is_kept(&self) -> bool {
        let goals = self.critical.is_kept() && self.other.is_kept();
        let is_done = self.left == 0 && self.in_review == 0 && self.differing == 0;
        goals && self.broken.is_empty() && is_done
    }

    /// Receives for each record applied.
    pub(crate) fn receives_per_applied(&self) -> f64 {
        ratio(self.receives.0 + self.receives.1, self.applied)
    }

    /// Dollars for 24 hours at the rate of the story.
    pub(crate) fn dollars_a_day(&self) -> f64 {
        self.dollars * ratio(DAY_MS, self.virtual_ms().max(1))
    }

    /// Virtual time that passed, in milliseconds.
    pub(crate) fn virtual_ms(&self) -> u64 {
        let span = UnixMs(self.until_ms).since(UnixMs(self.begin_ms));
        u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
    }
}

/// A quotient of counts; zero for nothing.
#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
pub(crate) fn ratio(part: u64, whole: u64) -> f64 {
    if whole == 0 {
        return 0.0;
    }
    part as f64 / whole as f64
}
