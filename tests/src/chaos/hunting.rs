//! Story after story, some side by side, until enough port calls were made.

use std::{
    collections::BTreeMap,
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread,
};

use super::{
    Outcome, Telling,
    book::{Ends, Totals},
    locked, tell,
};

/// What is hunted.
#[derive(Clone, Copy, Debug)]
pub struct Hunt {
    /// The first seed.
    pub first: u64,
    /// Stories that are told at least, if none breaks an invariant.
    pub stories: u64,
    /// Port calls after which it ends.
    pub operations: u64,
    /// Stories told side by side.
    pub threads: usize,
    /// Goes on after a story that breaks an invariant.
    pub goes_on: bool,
}

/// What a hunt came to.
#[derive(Debug, Default)]
pub struct Bag {
    /// Stories told.
    pub stories: u64,
    /// Figures of all of them.
    pub totals: Totals,
    /// Those that broke an invariant, by seed.
    pub broken: Vec<Outcome>,
    /// Call sites of all of them.
    pub sites: BTreeMap<String, Ends>,
    /// Hashes by seed.
    pub hashes: BTreeMap<u64, u64>,
}

/// Hunts.
pub fn hunt(plan: &Hunt, telling: &Telling) -> Bag {
    let next = AtomicU64::new(plan.first);
    let done = AtomicBool::new(false);
    let bag = Mutex::new(Bag::default());
    thread::scope(|scope| {
        for _ in 0..plan.threads {
            scope.spawn(|| {
                while !done.load(Ordering::SeqCst) {
                    let seed = next.fetch_add(1, Ordering::SeqCst);
                    let outcome = tell(seed, telling);
                    let mut bag = locked(&bag);
                    let ends = !outcome.violations.is_empty() && !plan.goes_on;
                    bag.add(outcome);
                    if ends
                        || (bag.totals.operations >= plan.operations && bag.stories >= plan.stories)
                    {
                        done.store(true, Ordering::SeqCst);
                    }
                }
            });
        }
    });
    let mut bag = bag.into_inner().unwrap_or_default();
    bag.broken.sort_by_key(|outcome| outcome.seed);
    bag
}

impl Bag {
    fn add(&mut self, mut outcome: Outcome) {
        self.stories += 1;
        self.totals += outcome.totals;
        self.hashes.insert(outcome.seed, outcome.hash);
        for (site, ends) in &outcome.sites {
            let sum = self.sites.entry(site.clone()).or_default();
            for (sum, count) in sum.iter_mut().zip(ends) {
                *sum += count;
            }
        }
        if let Some(first) = outcome.violations.first() {
            let before = self.totals.operations - outcome.totals.operations;
            outcome.found_after = before + first.operation;
            self.broken.push(outcome);
        }
    }
}
