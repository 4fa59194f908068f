//! Who sees every write of a register, and so knows how old the target's data is.
//!
//! A change is open from the moment when the source has it until the target is known to hold it, or
//! something newer: until then the target is stale. Kept by the simulation and not by the engine,
//! so that the engine's own figures are not needed to judge it.

mod quota;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tidegate_model::{
    ContentHash, Tier, UnixMs,
    item::{Item, ItemKey},
};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow::Flow,
    register::{Register, ReviewKind},
};
use tidegate_simulator::{Effect, Interposer, Operation, PortCall};

use super::figures::Quota;

/// Which freshness goal a change is under.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Class {
    /// A critical field changed.
    Critical,
    /// Another one.
    Other,
}

/// A change that the target does not hold yet.
#[derive(Clone, Debug)]
struct Open {
    at: UnixMs,
    class: Class,
    hash: ContentHash,
    number: u64,
    /// Whether it waited for a person, if only for a while.
    in_review: bool,
}

/// The oldest that a change became.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Oldest {
    /// How long the target was without it.
    pub age: Duration,
    /// When the source had it.
    pub at: UnixMs,
    /// Its record.
    pub key: String,
    /// Whether it waited for a person, if only for a while.
    pub in_review: bool,
}

/// What became of the changes of a class.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Ages {
    /// Changes that came.
    pub came: u64,
    /// Changes that the target holds, by themselves or by a newer one.
    pub held: u64,
    /// Their ages when the target had them, in milliseconds, in the order in which that was.
    pub waited_ms: Vec<u64>,
    /// The oldest.
    pub worst: Option<Oldest>,
}

/// Where a record stands.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Standing {
    applied: Option<UnixMs>,
    pending: Option<Pending>,
    review: Option<ReviewKind>,
}

/// Work on a record: its tier, and the window for which it waits, if it waits for one.
type Pending = (Tier, Option<UnixMs>);

impl Standing {
    fn of(register: &Register) -> Self {
        let review = register.review.as_ref().map(|cause| cause.kind);
        let is_pending = register.is_dirty() && review.is_none();
        Self {
            applied: register.applied.as_ref().map(|applied| applied.at),
            pending: is_pending.then_some((register.tier, register.due)),
            review,
        }
    }
}

#[derive(Default)]
struct State {
    open: BTreeMap<String, Vec<Open>>,
    /// Open changes by age, but for those of records that wait for a person.
    waiting: BTreeMap<Class, BTreeSet<(UnixMs, u64)>>,
    /// Open changes of records that wait for a person: the target is without them all the same.
    parked: BTreeMap<Class, BTreeSet<(UnixMs, u64)>>,
    standing: BTreeMap<String, Standing>,
    pending: BTreeMap<Pending, u64>,
    in_review: u64,
    reviewed: BTreeMap<&'static str, u64>,
    /// Attempts by the breaker's epoch in which they were made, but for those of records that went to
    /// review.
    attempts: BTreeMap<u64, u64>,
    /// Attempts that took records to review: no later epoch gives them back.
    reviewed_attempts: u64,
    applied: u64,
    next: u64,
    ages: BTreeMap<Class, Ages>,
    breakers: BTreeMap<String, Item>,
    /// Of the flow whose quota is watched.
    quota: Option<quota::Days>,
    /// When each breaker opened for the first time.
    opened: BTreeMap<String, UnixMs>,
}

/// The watcher. It lets everything pass.
#[derive(Default)]
pub(crate) struct Watch(Mutex<State>);

/// A look at the registers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Look {
    /// Records with work in the real-time tier.
    pub pending_real_time: u64,
    /// Records with work in the batch tier, whose turn it is.
    pub pending_batch: u64,
    /// Records that were pushed and wait for the next window.
    pub for_window: u64,
    /// Records that wait for a person.
    pub in_review: u64,
    /// When the oldest open critical change came.
    pub oldest_critical: Option<UnixMs>,
    /// When the oldest other open change came.
    pub oldest_other: Option<UnixMs>,
}

impl Watch {
    /// Watches the quota of this flow's target besides.
    pub(crate) fn of(flow: &Flow) -> Self {
        Self(Mutex::new(State {
            quota: Some(quota::Days::of(flow)),
            ..State::default()
        }))
    }

    /// How the quota of a day was used, where there is one, and an update takes so many calls.
    pub(crate) fn quota(&self, takes: u64) -> Option<Quota> {
        self.lock().quota.as_ref()?.quota(takes)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The source has a change.
    pub(crate) fn changed(&self, key: &str, at: UnixMs, class: Class, hash: ContentHash) {
        let mut state = self.lock();
        state.next += 1;
        let number = state.next;
        let is_parked = state
            .standing
            .get(key)
            .is_some_and(|record| record.review.is_some());
        let open = state.open_of(is_parked);
        open.entry(class).or_default().insert((at, number));
        state.ages.entry(class).or_default().came += 1;
        let open = Open {
            at,
            class,
            hash,
            number,
            in_review: is_parked,
        };
        state.open.entry(key.to_owned()).or_default().push(open);
    }

    /// How the registers stand.
    pub(crate) fn look(&self, now: UnixMs) -> Look {
        let state = self.lock();
        let pending = |tier, is_due: bool| {
            let of_tier = state.pending.iter().filter(|((found, due), _)| {
                *found == tier && due.is_none_or(|due| due <= now) == is_due
            });
            of_tier.map(|(_, count)| count).sum()
        };
        let oldest = |class| state.oldest(class).map(|(at, _)| at);
        Look {
            pending_real_time: pending(Tier::RealTime, true),
            pending_batch: pending(Tier::Batch, true),
            for_window: pending(Tier::Batch, false) + pending(Tier::RealTime, false),
            in_review: state.in_review,
            oldest_critical: oldest(Class::Critical),
            oldest_other: oldest(Class::Other),
        }
    }

    /// Open changes that came before a moment, but for those that wait for a person.
    pub(crate) fn open_before(&self, moment: UnixMs) -> usize {
        let state = self.lock();
        let before = |waiting: &BTreeSet<(UnixMs, u64)>| waiting.range(..(moment, 0)).count();
        state.waiting.values().map(before).sum()
    }

    /// What became of the changes of a class; open ones count with their age at `now`.
    pub(crate) fn ages(&self, class: Class, now: UnixMs) -> Ages {
        let state = self.lock();
        let mut ages = state.ages.get(&class).cloned().unwrap_or_default();
        if let Some((at, number)) = state.oldest(class) {
            let all = state.open.iter();
            let mut all = all.flat_map(|(key, list)| list.iter().map(move |open| (key, open)));
            let found = all.find(|(_, open)| open.number == number);
            let oldest = Oldest {
                age: now.since(at),
                at,
                key: found.map(|(key, _)| key.clone()).unwrap_or_default(),
                in_review: found.is_some_and(|(_, open)| open.in_review),
            };
            if ages
                .worst
                .as_ref()
                .is_none_or(|worst| worst.age < oldest.age)
            {
                ages.worst = Some(oldest);
            }
        }
        ages
    }

    /// Records that went to review so far, by why.
    pub(crate) fn reviewed(&self) -> BTreeMap<&'static str, u64> {
        self.lock().reviewed.clone()
    }

    /// Attempts that stay spent: those that took a record to review, and of the others those of this
    /// epoch. An epoch that ended by opening gave them back (TRY-1).
    pub(crate) fn attempts_spent(&self, epoch: u64) -> u64 {
        let state = self.lock();
        let of_epoch: u64 = state.attempts.range(epoch..).map(|(_, count)| count).sum();
        of_epoch + state.reviewed_attempts
    }

    /// Records that the target was brought up to date with so far.
    pub(crate) fn applied(&self) -> u64 {
        self.lock().applied
    }

    /// When the breaker of a system opened for the first time.
    pub(crate) fn first_opened(&self, endpoint: &str) -> Option<UnixMs> {
        self.lock().opened.get(endpoint).copied()
    }

    /// The breaker of a system at this moment, and how often it has opened.
    pub(crate) fn breaker(&self, endpoint: &str, now: UnixMs) -> (Gate, u64) {
        let state = self.lock();
        let breaker = Breaker::read(state.breakers.get(endpoint));
        (breaker.gate(now), breaker.epoch())
    }
}

impl State {
    /// The open changes of records that wait for a person, or those of all others.
    fn open_of(&mut self, is_parked: bool) -> &mut BTreeMap<Class, BTreeSet<(UnixMs, u64)>> {
        if is_parked {
            &mut self.parked
        } else {
            &mut self.waiting
        }
    }

    /// The oldest open change of a class, and its number.
    fn oldest(&self, class: Class) -> Option<(UnixMs, u64)> {
        let both = [&self.waiting, &self.parked];
        let oldest = both
            .into_iter()
            .filter_map(|open| open.get(&class)?.first());
        oldest.min().copied()
    }

    fn register(&mut self, key: &str, before: Option<&Item>, register: &Register, now: UnixMs) {
        let read = |item: &Item| Register::read(item).ok().flatten();
        let old = match self.standing.get(key) {
            Some(known) => known.clone(),
            // It stood in the table before the story began.
            None => before
                .and_then(read)
                .map(|old| Standing::of(&old))
                .unwrap_or_default(),
        };
        let new = Standing::of(register);
        if let Some(count) = old
            .pending
            .and_then(|pending| self.pending.get_mut(&pending))
        {
            *count = count.saturating_sub(1);
        }
        if let Some(pending) = new.pending {
            *self.pending.entry(pending).or_default() += 1;
        }
        if old.review != new.review {
            self.park(key, old.review, new.review);
        }
        self.applied += u64::from(old.applied != new.applied);
        if register.attempts > 0 {
            let before = before.and_then(|item| Register::read(item).ok().flatten());
            let epoch = register.attempts_epoch;
            let earlier = before.map_or(0, |register| register.attempts_in(epoch));
            if register.attempts > earlier {
                *self.attempts.entry(epoch).or_default() += 1;
            }
            if old.review.is_none() && new.review.is_some() {
                let spent = u64::from(register.attempts);
                let of_epoch = self.attempts.entry(epoch).or_default();
                *of_epoch = of_epoch.saturating_sub(spent);
                self.reviewed_attempts += spent;
            }
        }
        let hash = match (&register.applied, old.applied != new.applied) {
            (Some(applied), true) => Some(&applied.hash),
            _ if !register.is_dirty() => Some(&register.desired.hash),
            _ => None,
        };
        if let Some(hash) = hash {
            self.hold(key, hash, now);
        }
        self.standing.insert(key.to_owned(), new);
    }

    /// A record goes to a person, or comes back from one.
    fn park(&mut self, key: &str, old: Option<ReviewKind>, new: Option<ReviewKind>) {
        match (old, new) {
            (None, Some(kind)) => {
                self.in_review += 1;
                *self.reviewed.entry(kind.as_str()).or_default() += 1;
            }
            (Some(_), None) => self.in_review = self.in_review.saturating_sub(1),
            _ => return,
        }
        let (from, to) = if new.is_some() {
            (&mut self.waiting, &mut self.parked)
        } else {
            (&mut self.parked, &mut self.waiting)
        };
        for open in self.open.get_mut(key).into_iter().flatten() {
            open.in_review = true;
            if let Some(from) = from.get_mut(&open.class) {
                from.remove(&(open.at, open.number));
            }
            let to = to.entry(open.class).or_default();
            to.insert((open.at, open.number));
        }
    }

    /// The target holds this content, and so everything that came before it.
    fn hold(&mut self, key: &str, hash: &ContentHash, now: UnixMs) {
        let Some(open) = self.open.get_mut(key) else {
            return;
        };
        let Some(last) = open.iter().rposition(|open| open.hash == *hash) else {
            return;
        };
        let held: Vec<Open> = open.drain(..=last).collect();
        if open.is_empty() {
            self.open.remove(key);
        }
        for open in held {
            for of_state in [&mut self.waiting, &mut self.parked] {
                if let Some(of_class) = of_state.get_mut(&open.class) {
                    of_class.remove(&(open.at, open.number));
                }
            }
            let age = now.since(open.at);
            let ages = self.ages.entry(open.class).or_default();
            ages.held += 1;
            ages.waited_ms
                .push(u64::try_from(age.as_millis()).unwrap_or(u64::MAX));
            if ages.worst.as_ref().is_none_or(|worst| worst.age < age) {
                ages.worst = Some(Oldest {
                    age,
                    at: open.at,
                    key: key.to_owned(),
                    in_review: open.in_review,
                });
            }
        }
    }

    fn written(&mut self, key: &ItemKey, before: Option<&Item>, after: &Item, now: UnixMs) {
        if key.partition.starts_with("register#") {
            if let Ok(Some(register)) = Register::read(after) {
                self.register(&key.sort, before, &register, now);
            }
        } else if let Some(endpoint) = key.partition.strip_prefix("breaker#") {
            if Breaker::read(Some(after)).epoch() > 0 {
                self.opened.entry(endpoint.to_owned()).or_insert(now);
            }
            self.breakers.insert(endpoint.to_owned(), after.clone());
        } else if let Some(quota) = &mut self.quota {
            quota.written(key, after, now);
        }
    }
}

impl Interposer for Watch {
    fn observe(&self, call: &PortCall<'_>, effect: &Effect<'_>) {
        if let (Operation::Update { key, .. }, Effect::Written { before, after }) =
            (call.operation, effect)
        {
            self.lock().written(key, *before, after, call.at);
        }
    }
}

#[cfg(test)]
mod tests;
