//! The faults that are set, how often each has struck, and what struck which call.
//!
//! A fault counts a call only when the call reaches the fault's point: a call that an earlier
//! fault ended is not counted by a later one.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{Action, CallFacts, Fault, Point, fault::FaultError};

/// Strikes kept for [`FaultScript::fired`]; an outage of a long demo must not fill memory.
const MAX_FIRED_KEPT: usize = 100_000;

/// A strike of a fault.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fired {
    /// Number that the fault got when it was set.
    pub fault: u64,
    /// Its name.
    pub name: String,
    /// Number of the call in the log.
    pub seq: u64,
    /// Key of the record that the call was about.
    pub key: Option<String>,
    /// Where in the life of the call.
    pub at: Point,
}

/// What a call meets at a point.
#[derive(Debug)]
pub(super) struct Due {
    pub(super) action: Action,
    pub(super) quiet_ms: u64,
    fired: Fired,
}

#[derive(Debug)]
struct Set {
    id: u64,
    fault: Fault,
    matched: u64,
    struck: u64,
}

impl Set {
    fn times(&self) -> u64 {
        let without = if self.fault.nth.is_some() {
            1
        } else {
            u64::MAX
        };
        self.fault.times.unwrap_or(without)
    }

    /// Counts a call that reached the point, and says whether it is struck.
    fn strikes(&mut self, point: Point, call: &CallFacts) -> bool {
        if self.fault.at != point || self.struck >= self.times() || !self.fault.matches(call) {
            return false;
        }
        self.matched += 1;
        let strikes = self.matched >= self.fault.nth.unwrap_or(1);
        self.struck += u64::from(strikes);
        strikes
    }
}

/// All faults of a double, in the order in which they were set.
#[derive(Debug, Default)]
pub(super) struct FaultScript {
    sets: Vec<Set>,
    last_id: u64,
    fired: Vec<Fired>,
}

impl FaultScript {
    /// Sets a fault and gives its number.
    pub(super) fn set(&mut self, fault: Fault) -> Result<u64, FaultError> {
        fault.check()?;
        self.last_id += 1;
        self.sets.push(Set {
            id: self.last_id,
            fault,
            matched: 0,
            struck: 0,
        });
        Ok(self.last_id)
    }

    /// Takes back every fault. What has struck stays known.
    pub(super) fn clear(&mut self) {
        self.sets.clear();
    }

    /// What strikes `call` at `point`, in order, up to and with the first that ends the call.
    pub(super) fn due(&mut self, point: Point, call: &CallFacts) -> Vec<Due> {
        let mut due = Vec::new();
        for set in &mut self.sets {
            if !set.strikes(point, call) {
                continue;
            }
            let action = set.fault.action.clone();
            let goes_on = action.goes_on();
            due.push(Due {
                action,
                quiet_ms: set.fault.quiet_ms(),
                fired: Fired {
                    fault: set.id,
                    name: set.fault.label(),
                    seq: call.seq,
                    key: call.key.clone(),
                    at: point,
                },
            });
            if !goes_on {
                break;
            }
        }
        due
    }

    /// Remembers that `due` has happened and gives its name.
    pub(super) fn happened(&mut self, due: &Due) -> String {
        if self.fired.len() < MAX_FIRED_KEPT {
            self.fired.push(due.fired.clone());
        }
        due.fired.name.clone()
    }

    /// What struck, in order.
    pub(super) fn fired(&self) -> Vec<Fired> {
        self.fired.clone()
    }

    /// The faults that are set, for a person.
    pub(super) fn summary(&self) -> Vec<Value> {
        let line = |set: &Set| {
            json!({
                "id": set.id, "name": set.fault.label(), "at": set.fault.at,
                "do": set.fault.action.name(), "matched": set.matched, "struck": set.struck,
            })
        };
        self.sets.iter().map(line).collect()
    }
}
