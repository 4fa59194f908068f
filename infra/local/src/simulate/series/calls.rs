//! What the calls to the other systems tell.

use std::{collections::BTreeMap, time::Duration};

use tidegate_model::{UnixMs, flow::Rate};
use tidegate_simulator::CallMade;
use tidegate_testkit::doubles::busiest_window;

use super::count;
use crate::simulate::{
    day::{Plan, Spell, Trouble},
    figures::{BreakerIs, Lane, Minute, Recovery, ratio},
    options::Of,
};

/// The calls under one limit, in the order in which they left.
pub(super) struct TierCalls<'c> {
    /// The calls.
    pub made: Vec<&'c CallMade>,
    /// The limit.
    pub rate: Rate,
    /// Of a minute: what waited at its beginning, and the calls in it.
    pub of: fn(&Minute) -> (u64, u32),
}

/// How a limit was used.
pub(super) fn lane(tier: &TierCalls<'_>, minutes: &[Minute]) -> Lane {
    let times = tier.made.iter().map(|call| call.at.0);
    let per_s = tier.rate.per_s();
    Lane {
        limit: tier.rate.calls(),
        per_s,
        calls: count(tier.made.len()),
        busiest: count(busiest_window(times, i64::from(per_s) * 1_000)),
        most: tier.rate.most_in(Duration::from_secs(per_s.into())),
        used_percent: used_percent(tier, minutes),
    }
}

/// Over the full minutes in which more work waited than a window takes, at their beginning and at
/// their end, and the breaker was closed.
fn used_percent(tier: &TierCalls<'_>, all: &[Minute]) -> Option<f64> {
    let (mut made, mut minutes) = (0_u64, 0_u64);
    for pair in all.windows(2) {
        let [one, two] = pair else { continue };
        let ((waited, calls), (waits, _)) = ((tier.of)(one), (tier.of)(two));
        let is_open = one.breaker != BreakerIs::Closed || two.breaker != BreakerIs::Closed;
        if waited.min(waits) >= u64::from(tier.rate.calls()) && !is_open {
            made += u64::from(calls);
            minutes += 1;
        }
    }
    let allowed = tier.rate.steady_in(Duration::from_secs(minutes * 60));
    (allowed > 0).then(|| ratio(made, allowed) * 100.0)
}

/// How the work that waited when the target came back was done, for each outage.
pub(super) fn recovery(
    plan: &Plan,
    is_batch: bool,
    tier: &TierCalls<'_>,
    minutes: &[Minute],
) -> Vec<Recovery> {
    let away = |spell: &&Spell| spell.of == Of::Target && spell.trouble == Trouble::Away;
    let away = plan.spells.iter().filter(away);
    let away: Vec<(UnixMs, UnixMs)> = away.map(|spell| (spell.from, spell.until)).collect();
    let of_spell = |(nth, until): (usize, UnixMs)| {
        // What the next outage cuts off tells nothing.
        let next = away.get(nth + 1).map_or(i64::MAX, |(from, _)| from.0);
        let mut later = minutes
            .iter()
            .filter(|minute| minute.at_ms >= until.0 && minute.at_ms < next);
        let done = later.find(|minute| (tier.of)(minute).0 == 0)?;
        let within = |call: &&&CallMade| call.at >= until && call.at.0 < done.at_ms;
        let made: Vec<&&CallMade> = tier.made.iter().filter(within).collect();
        let (first, last) = (made.first()?, made.last()?);
        let calls = count(made.len());
        let window_ms = u64::try_from(tier.rate.per().as_millis()).unwrap_or(u64::MAX);
        Some(Recovery {
            is_batch,
            calls,
            took_ms: u64::try_from(last.at.since(first.at).as_millis()).unwrap_or(u64::MAX),
            allowed_ms: calls.saturating_mul(window_ms) / u64::from(tier.rate.calls().max(1)),
        })
    };
    let ends = away.iter().map(|(_, until)| *until).enumerate();
    ends.filter_map(of_spell).collect()
}

/// Answers by status; 0 where none came.
pub(super) fn statuses(calls: &[&CallMade]) -> BTreeMap<u16, u64> {
    let mut statuses = BTreeMap::new();
    for call in calls {
        *statuses.entry(call.status.unwrap_or(0)).or_default() += 1;
    }
    statuses
}

/// Calls to the target while it was away: those that found it out, and probes. With a moment: those
/// after it.
pub(super) fn calls_while_away(plan: &Plan, after: Option<UnixMs>, calls: &[&CallMade]) -> u64 {
    let away = |at: UnixMs| {
        let here = |spell: &Spell| spell.from <= at && at < spell.until;
        let of_target = |spell: &&Spell| spell.of == Of::Target && spell.trouble == Trouble::Away;
        plan.spells.iter().filter(of_target).any(here)
    };
    let is_later = |at: UnixMs| after.is_none_or(|after| at > after);
    let there = calls
        .iter()
        .filter(|call| away(call.at) && is_later(call.at));
    count(there.count())
}
