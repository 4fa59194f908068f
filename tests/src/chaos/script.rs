//! The script of a story: which fault strikes, and the list of those that did, so that a story can be
//! told again without some of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Mutex,
};

use tidegate_model::UnixMs;

use super::{Dice, locked};

/// Faults of one kind at one place in a story: a message that waits is copied again with each wait, and
/// copies of copies without end are no story.
const MOST: u64 = 12;

/// Faults of one story.
pub struct Script {
    dice: Dice,
    calm: UnixMs,
    left_out: BTreeSet<String>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: BTreeMap<String, u64>,
    times: BTreeMap<String, u64>,
    struck: Vec<String>,
}

/// A fault that strikes now.
#[derive(Clone, Debug)]
pub struct Strike {
    /// The question that was asked, about what.
    about: String,
    /// For the n-th time.
    n: u64,
    dice: Dice,
}

impl Strike {
    /// A number that shapes the fault.
    pub fn between(&self, low: u64, high: u64, what: &str) -> u64 {
        self.dice.between(low, high, what, &self.about, self.n)
    }
}

impl Script {
    /// A script that leaves out what is named.
    pub fn new(dice: Dice, calm: UnixMs, left_out: BTreeSet<String>) -> Self {
        Self {
            dice,
            calm,
            left_out,
            state: Mutex::default(),
        }
    }

    /// Whether a fault strikes about something. `rate` is told how often it was asked before, from 1.
    pub fn strikes(
        &self,
        now: UnixMs,
        question: &str,
        about: &str,
        rate: impl FnOnce(u64) -> u64,
    ) -> Option<Strike> {
        if now >= self.calm {
            return None;
        }
        let about = format!("{question} {about}");
        let mut state = locked(&self.state);
        let asked = state.asked.entry(about.clone()).or_default();
        *asked += 1;
        let n = *asked;
        if !self.dice.strikes(rate(n), "strike", &about, n) {
            return None;
        }
        let times = state.times.entry(about.clone()).or_default();
        *times += 1;
        if *times > MOST {
            return None;
        }
        let name = format!("{about} #{n}");
        if self.left_out.contains(&name) {
            return None;
        }
        state.struck.push(name);
        Some(Strike {
            about,
            n,
            dice: self.dice,
        })
    }

    /// The number of a pass, where a fault is aimed at the first `times` of them. It does not
    /// end with the others: some things are only done when all is calm.
    pub fn aims(&self, about: &str, times: u64) -> Option<u64> {
        let about = format!("aimed {about}");
        let mut state = locked(&self.state);
        let asked = state.asked.entry(about.clone()).or_default();
        *asked += 1;
        let n = *asked;
        let name = format!("{about} #{n}");
        if n > times || self.left_out.contains(&name) {
            return None;
        }
        state.struck.push(name);
        Some(n)
    }

    /// Whether a happening is left out.
    pub fn leaves_out(&self, name: &str) -> bool {
        self.left_out.contains(name)
    }

    /// Whether anything is left out.
    pub fn is_shortened(&self) -> bool {
        !self.left_out.is_empty()
    }

    /// Names what happened, so that it can be left out.
    pub fn note(&self, name: String) {
        locked(&self.state).struck.push(name);
    }

    /// Names of all that struck, in order.
    pub fn struck(&self) -> Vec<String> {
        locked(&self.state).struck.clone()
    }
}
