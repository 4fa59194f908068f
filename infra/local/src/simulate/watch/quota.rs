//! The quota of a day, as the two items that share it count it.

use std::collections::BTreeMap;

use tidegate_model::{
    Tier, UnixMs,
    item::{Item, ItemKey},
};
use tidegate_policy::{
    flow::Flow,
    keys,
    limiter::{DayUse, Limit, Slots},
};

use crate::simulate::figures::{Quota, QuotaDay};

const DAY_MS: i64 = 86_400_000;

/// What each tier used of its share, by day.
#[derive(Debug)]
pub(super) struct Days {
    slots: [(Tier, ItemKey, Limit); 2],
    days: BTreeMap<i64, BTreeMap<Tier, DayUse>>,
}

impl Days {
    pub(super) fn of(flow: &Flow) -> Self {
        let slots = |tier| {
            let key = keys::slots(flow.target().name(), tier);
            (tier, key, Limit::of_target(flow.limits(), tier))
        };
        Self {
            slots: [Tier::RealTime, Tier::Batch].map(slots),
            days: BTreeMap::new(),
        }
    }

    pub(super) fn written(&mut self, key: &ItemKey, after: &Item, at: UnixMs) {
        let Some((tier, _, limit)) = self.slots.iter().find(|(_, slots, _)| slots == key) else {
            return;
        };
        let used = Slots::read(Some(after), *limit).day_use(*limit, at);
        // Near midnight the item counts for the next day already, and says nothing of this one.
        if let Some(used) = used.filter(|used| used.used > 0) {
            let day = self.days.entry(at.0.div_euclid(DAY_MS)).or_default();
            day.insert(*tier, used);
        }
    }

    /// The figures, where there is a quota. `takes` is what one record needs.
    pub(super) fn quota(&self, takes: u64) -> Option<Quota> {
        let [(_, _, real_time), (_, _, batch)] = &self.slots;
        let (kept, pool) = (real_time.day?.own, batch.day?.own);
        let usable = u64::from(kept) + u64::from(pool);
        let calls = |count: i64| u64::try_from(count).unwrap_or(0);
        let untouched = DayUse {
            used: 0,
            share: pool.into(),
        };
        let days = self.days.values().map(|day| {
            let used = day.values().map(|tier| calls(tier.used)).sum();
            let batch = day.get(&Tier::Batch).unwrap_or(&untouched);
            QuotaDay {
                used,
                left: usable.saturating_sub(used),
                left_batch: calls(batch.share - batch.used),
            }
        });
        let days: Vec<QuotaDay> = days.collect();
        let of_batch = days.iter().min_by_key(|day| day.left_batch);
        let nothing = QuotaDay {
            used: 0,
            left: usable,
            left_batch: pool.into(),
        };
        Some(Quota {
            usable,
            takes,
            fullest: *days.iter().min_by_key(|day| day.left).unwrap_or(&nothing),
            fullest_for_batch: *of_batch.unwrap_or(&nothing),
        })
    }
}

#[cfg(test)]
mod tests {
    use tidegate_model::item::Value;

    use super::*;

    const DAY: i64 = 20_000;

    fn at(hour: i64) -> UnixMs {
        UnixMs(DAY * DAY_MS + hour * 3_600_000)
    }

    /// 100 calls, of which 30 are kept for real-time.
    fn days() -> Days {
        let limit = |own, pool| Limit {
            day: Some(tidegate_policy::limiter::Share { own, pool }),
            ..Limit::in_window(10, std::time::Duration::from_secs(60))
        };
        let slots = |tier: Tier, limit| {
            let key = ItemKey {
                partition: "budget#t".to_owned(),
                sort: tier.as_str().to_owned(),
            };
            (tier, key, limit)
        };
        Days {
            slots: [
                slots(Tier::RealTime, limit(30, Some(70))),
                slots(Tier::Batch, limit(70, None)),
            ],
            days: BTreeMap::new(),
        }
    }

    fn write(days: &mut Days, tier: Tier, when: UnixMs, (day, used, lent): (i64, i64, i64)) {
        let key = ItemKey {
            partition: "budget#t".to_owned(),
            sort: tier.as_str().to_owned(),
        };
        let parts = [("day", day), ("used", used), ("lent", lent)];
        let item: Item = parts
            .map(|(name, number)| (name.to_owned(), Value::Number(number)))
            .into();
        days.written(&key, &item, when);
    }

    #[test]
    fn a_day_without_calls_has_all_left() {
        let quota = days().quota(2).unwrap();
        assert_eq!((quota.usable, quota.fullest.used), (100, 0));
        assert_eq!(quota.fullest_for_batch.left_batch, 70);
        assert!(!quota.is_used_up(Tier::Batch) && !quota.is_used_up(Tier::RealTime));
    }

    #[test]
    fn what_was_lent_is_not_left_to_batch_though_it_was_not_used() {
        let mut days = days();
        // Real-time has borrowed 16 and made one call of them.
        write(&mut days, Tier::Batch, at(9), (DAY, 16 + 53, 16));
        write(&mut days, Tier::RealTime, at(9), (DAY, 31, 16));
        let quota = days.quota(2).unwrap();
        let day = QuotaDay {
            used: 84,
            left: 16,
            left_batch: 1,
        };
        assert_eq!((quota.fullest, quota.fullest_for_batch), (day, day));
        assert!(quota.is_used_up(Tier::Batch) && !quota.is_used_up(Tier::RealTime));
    }

    #[test]
    fn each_day_is_looked_at_by_itself() {
        let mut days = days();
        write(&mut days, Tier::Batch, at(9), (DAY, 30, 0));
        write(&mut days, Tier::RealTime, at(9), (DAY, 60, 30));
        // It counts for the next day already.
        write(&mut days, Tier::Batch, at(23), (DAY + 1, 1, 0));
        write(&mut days, Tier::Batch, at(33), (DAY + 1, 66, 0));
        let quota = days.quota(5).unwrap();
        assert_eq!((quota.fullest.used, quota.fullest.left), (90, 10));
        let of_batch = quota.fullest_for_batch;
        assert_eq!((of_batch.used, of_batch.left_batch), (66, 4));
    }
}
