//! The day of each target: calls against its quota (R32).
//!
//! At least 30 % of every daily quota stay unused. Of what may be used 30 % are kept for real-time,
//! so batch work has 49 % of the quota. A bulk API's pool is counted apart. Reads of sources are not
//! counted: no flow file names a daily quota of a source.

use std::collections::BTreeMap;

use serde::Serialize;
use tidegate_model::{EndpointId, flow::DayLimit};

use super::{BulkQuota, Entry, Pattern, Quota, calls, flows::Known, thousands};
use crate::check::Mistake;

/// Per cent of a quota that must stay unused, and of the rest that is kept for real-time (R32).
const PERCENT: u32 = 30;

/// A quota with the shares of R32.
pub(super) fn day(calls: u32) -> Quota {
    Quota::Day(DayLimit {
        calls,
        headroom_percent: PERCENT,
        real_time_percent: PERCENT,
    })
}

/// A target's day.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Provider {
    /// The target.
    pub name: EndpointId,
    /// Calls a day that it allows; none where it sets no quota.
    pub quota_a_day: Option<u64>,
    /// Calls a day of everything real-time.
    pub real_time_calls: u64,
    /// Calls a day of everything else.
    pub batch_calls: u64,
    /// Calls a day that batch work may use.
    pub batch_may_use: Option<u64>,
    /// Per cent of the quota that stay unused, rounded down.
    pub headroom_percent: Option<u64>,
    /// The pool of its bulk API, where a row uses it.
    pub bulk: Option<BulkPool>,
    /// What breaks R32, and what would be right.
    pub faults: Vec<String>,
}

/// A bulk API's pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct BulkPool {
    /// Chunks a day that it takes; none where it sets no quota.
    pub quota_a_day: Option<u64>,
    /// Chunks a day that are used.
    pub chunks: u64,
    /// Per cent that stay unused, rounded down.
    pub headroom_percent: Option<u64>,
}

/// The day of each target, by name. A target about which rows disagree is a mistake.
pub(super) fn providers(
    entries: &[Entry],
    known: &Known,
    mistakes: &mut Vec<Mistake>,
) -> Vec<Provider> {
    let mut by_target: BTreeMap<&EndpointId, Vec<&Entry>> = BTreeMap::new();
    for entry in entries {
        by_target
            .entry(&entry.planned.target)
            .or_default()
            .push(entry);
    }
    by_target
        .into_iter()
        .map(|(name, rows)| {
            let quota = agreed(
                "quota_a_day",
                &rows,
                known.quotas.get(name).copied(),
                |entry| entry.quota,
                mistakes,
            );
            let bulk = agreed(
                "bulk_quota_a_day",
                &rows,
                None,
                |entry| entry.bulk_quota,
                mistakes,
            );
            provider(name, &rows, quota, bulk.and_then(|bulk| Said::from(bulk).0))
        })
        .collect()
}

/// What all rows of a target say alike; each that says otherwise than the first is a mistake.
fn agreed<T: Copy + PartialEq + Into<Said>>(
    column: &str,
    rows: &[&Entry],
    in_flow_file: Option<T>,
    of: impl Fn(&Entry) -> Option<T>,
    mistakes: &mut Vec<Mistake>,
) -> Option<T> {
    let mut first = in_flow_file.map(|value| (value, "a flow file".to_owned()));
    for entry in rows {
        let Some(value) = of(entry) else { continue };
        match &first {
            None => first = Some((value, entry.planned.place.clone())),
            Some((before, place)) if value.into() != (*before).into() => {
                mistakes.push(Mistake::new(
                    &entry.file,
                    entry.line.unwrap_or(1),
                    format!(
                        "`{column}` of `{}` is {} here and {} in {place}: the target `{}` has one quota",
                        entry.planned.flow,
                        value.into(),
                        (*before).into(),
                        entry.planned.target,
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    first.map(|(value, _)| value)
}

/// A quota as a person says it: only the figure counts when two are compared.
#[derive(PartialEq)]
struct Said(Option<u64>);

impl std::fmt::Display for Said {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.0 {
            Some(number) => f.write_str(&thousands(number)),
            None => f.write_str("none"),
        }
    }
}

impl From<Quota> for Said {
    fn from(quota: Quota) -> Self {
        match quota {
            Quota::Unlimited => Self(None),
            Quota::Day(day) => Self(Some(u64::from(day.calls))),
        }
    }
}

impl From<BulkQuota> for Said {
    fn from(quota: BulkQuota) -> Self {
        match quota {
            BulkQuota::Unlimited => Self(None),
            BulkQuota::Chunks(chunks) => Self(Some(chunks)),
        }
    }
}

fn provider(
    name: &EndpointId,
    rows: &[&Entry],
    quota: Option<Quota>,
    bulk_quota: Option<u64>,
) -> Provider {
    let calls_of = |real_time: bool| {
        rows.iter()
            .filter(|entry| (entry.planned.pattern == Pattern::RealTime) == real_time)
            .map(|entry| entry.planned.calls_a_day)
            .fold(0, u64::saturating_add)
    };
    let chunks = rows
        .iter()
        .map(|entry| entry.planned.bulk_chunks_a_day)
        .fold(0, u64::saturating_add);
    let mut provider = Provider {
        name: name.clone(),
        quota_a_day: None,
        real_time_calls: calls_of(true),
        batch_calls: calls_of(false),
        batch_may_use: None,
        headroom_percent: None,
        bulk: (chunks > 0).then(|| BulkPool {
            quota_a_day: bulk_quota,
            chunks,
            headroom_percent: bulk_quota.map(|quota| headroom(chunks, quota)),
        }),
        faults: Vec::new(),
    };
    if let Some(Quota::Day(limit)) = quota {
        judge(&mut provider, limit);
    }
    if let Some(quota) = bulk_quota
        && !keeps_headroom(chunks, quota)
    {
        provider.faults.push(format!(
            "{} bulk chunks a day of {} leave {} % headroom, at least {PERCENT} % must stay: at most {} chunks",
            thousands(chunks),
            thousands(quota),
            headroom(chunks, quota),
            thousands(quota * u64::from(100 - PERCENT) / 100),
        ));
    }
    provider
}

fn judge(provider: &mut Provider, limit: DayLimit) {
    let quota = u64::from(limit.calls);
    let share = |of: u64, percent: u32| of * u64::from(100_u32.saturating_sub(percent)) / 100;
    let usable = share(quota, limit.headroom_percent.max(PERCENT));
    let batch_may_use = share(usable, limit.real_time_percent.max(PERCENT));
    let used = provider
        .real_time_calls
        .saturating_add(provider.batch_calls);
    provider.quota_a_day = Some(quota);
    provider.batch_may_use = Some(batch_may_use);
    provider.headroom_percent = Some(headroom(used, quota));
    for (named, percent) in [
        ("headroom_percent", limit.headroom_percent),
        ("real_time_percent", limit.real_time_percent),
    ] {
        if percent < PERCENT {
            provider.faults.push(format!(
                "`{named}` in the flow file is {percent}: make it at least {PERCENT}"
            ));
        }
    }
    if !keeps_headroom(used, quota) {
        provider.faults.push(format!(
            "{} a day of {} leave {} % headroom, at least {PERCENT} % must stay: at most {}",
            calls(used),
            thousands(quota),
            headroom(used, quota),
            calls(share(quota, PERCENT)),
        ));
    }
    if provider.batch_calls > batch_may_use {
        provider.faults.push(format!(
            "batch work makes {} a day, and only {} are not kept for real-time or as headroom",
            calls(provider.batch_calls),
            thousands(batch_may_use),
        ));
    }
}

fn keeps_headroom(used: u64, quota: u64) -> bool {
    used <= quota * u64::from(100 - PERCENT) / 100
}

/// Per cent of the quota that stay unused, rounded down.
fn headroom(used: u64, quota: u64) -> u64 {
    quota.saturating_sub(used) * 100 / quota.max(1)
}
