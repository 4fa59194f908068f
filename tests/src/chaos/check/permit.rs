//! LIM-1 from the permits: each call leaves under a permit of its own, in time, and no slot is granted
//! twice within a window. What the target counts is the harm; this is what keeps it away, and is
//! seen long before a window happens to be full.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidegate_engine::ports::Request;
use tidegate_model::{UnixMs, item::Item};
use tidegate_simulator::{PortCall, ProcessId};

use crate::chaos::{book::Book, ledger::number, plan::WINDOW};

/// Clocks are off the true time by so much at most, and this is a little more.
const OFF: Duration = Duration::from_millis(130);
/// PROTOCOL's u: how long after its stamp a call may leave.
const LEAVE: Duration = Duration::from_millis(50);
/// Two clocks apart, and the travel of a call.
const GUARD: Duration = Duration::from_millis(500);
/// Grants of a slot that are remembered.
const KEPT: usize = 4;

struct Grant {
    stamp_us: i64,
    to: ProcessId,
    /// When its call left.
    used: Option<UnixMs>,
    given_back: bool,
}

impl Grant {
    /// Whether a call of the process may leave under it at this moment.
    fn fits(&self, process: ProcessId, now: UnixMs) -> bool {
        let from = UnixMs(self.stamp_us / 1_000);
        self.to == process
            && self.used.is_none()
            && !self.given_back
            && from <= now + OFF
            && now <= from + LEAVE + OFF
    }
}

/// Grants by endpoint, item and slot.
#[derive(Default)]
pub struct Grants {
    slots: BTreeMap<(String, String, String), Vec<Grant>>,
}

impl Grants {
    /// A budget's item was written.
    pub fn written(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        (endpoint, tier): (&str, &str),
        (before, after): (Option<&Item>, &Item),
    ) {
        let slot = |name: &&String| {
            let digits = name.strip_prefix('s').unwrap_or_default();
            !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit())
        };
        let names = before.into_iter().flat_map(Item::keys).chain(after.keys());
        let names: BTreeSet<&String> = names.filter(slot).collect();
        for name in names {
            let (old, new) = (number(before, name), number(Some(after), name));
            let place = (endpoint.to_owned(), tier.to_owned(), name.clone());
            match (old, new) {
                (old, Some(new)) if old.is_none_or(|old| new > old) => {
                    self.granted(book, (now, call), place, new);
                }
                (Some(old), new) if new.is_none_or(|new| new < old) => {
                    self.given_back(book, now, &place, old);
                }
                _ => {}
            }
        }
    }

    fn granted(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        place: (String, String, String),
        stamp_us: i64,
    ) {
        let apart = i64::try_from((WINDOW + GUARD).as_micros()).unwrap_or(i64::MAX);
        let grants = self.slots.entry(place).or_default();
        if grants.last().is_some_and(|last| last.stamp_us == stamp_us) {
            return;
        }
        let last = grants.iter().rev().find(|grant| !grant.given_back);
        if let Some(last) = last.filter(|last| stamp_us - last.stamp_us < apart) {
            let ms = (stamp_us - last.stamp_us) / 1_000;
            let what = format!(
                "{} was granted a slot {ms} ms after its last call",
                call.process
            );
            book.fault("LIM-1", now, None, what);
        }
        if grants.len() >= KEPT {
            grants.remove(0);
        }
        grants.push(Grant {
            stamp_us,
            to: call.process,
            used: None,
            given_back: false,
        });
    }

    fn given_back(
        &mut self,
        book: &mut Book,
        now: UnixMs,
        place: &(String, String, String),
        stamp_us: i64,
    ) {
        let mut grants = self.slots.get_mut(place).into_iter().flatten();
        let Some(grant) = grants.find(|grant| grant.stamp_us == stamp_us) else {
            return;
        };
        grant.given_back = true;
        let Some(left) = grant.used.take() else {
            return;
        };
        // Permits of one process may be so close together that the call was another's.
        let to = grant.to;
        if !self.use_one(&place.0, to, left) {
            let what = "a permit was given back although its call had left".to_owned();
            book.fault("LIM-1", now, None, what);
        }
    }

    fn use_one(&mut self, endpoint: &str, process: ProcessId, at: UnixMs) -> bool {
        let fitting = self
            .slots
            .iter_mut()
            .filter(|((of, _, _), _)| of == endpoint)
            .flat_map(|(_, grants)| grants)
            .filter(|grant| grant.fits(process, at))
            .min_by_key(|grant| grant.stamp_us);
        fitting.is_some_and(|grant| {
            grant.used = Some(at);
            true
        })
    }

    /// A call leaves.
    pub fn leaves(&mut self, book: &mut Book, call: &PortCall<'_>, request: &Request) {
        let endpoint = request.url.split('/').nth(2).unwrap_or_default();
        if !self.use_one(endpoint, call.process, call.at) {
            let what = format!(
                "{} called {endpoint} without a permit in time",
                call.process
            );
            book.fault("LIM-1", call.at, None, what);
        }
    }
}
