//! BRK-1: while open no call is made; half-open, at most one at a time across all workers.

use std::{collections::BTreeMap, time::Duration};

use tidegate_engine::ports::Request;
use tidegate_model::{UnixMs, item::Item};
use tidegate_simulator::{PortCall, ProcessId};

use crate::chaos::{
    book::Book,
    ledger::{Life, number, text},
    plan::TIMEOUT_S,
};

/// A process looks at the breaker just before its call leaves; what opens within this may be unseen.
const UNSEEN: Duration = Duration::from_millis(1_500);
/// Clocks are off the true time by so much at most.
const SKEW: Duration = Duration::from_millis(125);

#[derive(Default)]
struct State {
    open_until: Option<UnixMs>,
    opened: Option<UnixMs>,
    probe: Option<String>,
    /// Probe calls under way, and when they end at the latest.
    probing: BTreeMap<u64, UnixMs>,
    openings: Vec<UnixMs>,
}

/// Breakers by endpoint.
#[derive(Default)]
pub struct Breakers {
    state: BTreeMap<String, State>,
    owners: BTreeMap<String, Life>,
}

impl Breakers {
    /// The last opening of a breaker before a moment.
    pub fn opened_before(&self, endpoint: &str, moment: UnixMs) -> Option<UnixMs> {
        let openings = &self.state.get(endpoint)?.openings;
        openings.iter().rfind(|at| **at <= moment).copied()
    }

    /// When an epoch of a breaker began; the first one has no beginning.
    pub fn began(&self, endpoint: &str, epoch: i64) -> Option<UnixMs> {
        let before = usize::try_from(epoch).ok()?.checked_sub(1)?;
        self.state.get(endpoint)?.openings.get(before).copied()
    }

    /// A breaker's item was written.
    pub fn written(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        endpoint: &str,
        (before, after): (Option<&Item>, &Item),
        owners: &mut BTreeMap<String, Life>,
    ) {
        let state = self.state.entry(endpoint.to_owned()).or_default();
        let after = Some(after);
        if number(before, "epoch") != number(after, "epoch") {
            state.openings.push(now);
        }
        let until = number(after, "until").map(UnixMs);
        if state.open_until.is_none() && until.is_some() {
            state.opened = Some(now);
        }
        state.open_until = until;
        let probe = text(after, "probe");
        if let Some(token) = probe.filter(|token| state.probe.as_deref() != Some(token)) {
            let life = (call.process, call.incarnation);
            owners.insert(token.to_owned(), life);
            self.owners.insert(token.to_owned(), life);
            let earlier = number(before, "probe_until").map(UnixMs);
            if text(before, "probe").is_some() && earlier.is_some_and(|until| now + SKEW <= until) {
                let what = format!("{} took the probe while another made it", call.process);
                book.fault("BRK-1", now, None, what);
            }
        }
        state.probe = probe.map(str::to_owned);
    }

    /// A call leaves.
    pub fn leaves(
        &mut self,
        book: &mut Book,
        call: &PortCall<'_>,
        request: &Request,
        stalls: &BTreeMap<ProcessId, UnixMs>,
    ) {
        let endpoint = request.url.split('/').nth(2).unwrap_or_default();
        let now = call.at;
        let Some(state) = self.state.get_mut(endpoint) else {
            return;
        };
        let (Some(until), Some(opened)) = (state.open_until, state.opened) else {
            return;
        };
        // Whoever stood still looked before it did.
        let looked = match stalls.get(&call.process) {
            Some(end) if *end + UNSEEN > opened => return,
            _ => opened,
        };
        if looked + UNSEEN > now {
            return;
        }
        if now + SKEW <= until {
            let what = format!(
                "{} called {endpoint} while the breaker was open",
                call.process
            );
            book.fault("BRK-1", now, None, what);
            return;
        }
        let life = (call.process, call.incarnation);
        let holder = state
            .probe
            .as_ref()
            .and_then(|token| self.owners.get(token));
        if holder != Some(&life) {
            let what = format!(
                "{} called {endpoint} half-open without the probe",
                call.process
            );
            book.fault("BRK-1", now, None, what);
            return;
        }
        state.probing.retain(|_, end| *end > now);
        if !state.probing.is_empty() {
            let what = format!(
                "{} made a second call to {endpoint} half-open",
                call.process
            );
            book.fault("BRK-1", now, None, what);
        }
        state
            .probing
            .insert(call.seq, now + Duration::from_secs(TIMEOUT_S.into()));
    }

    /// A call has ended.
    pub fn ended(&mut self, call: &PortCall<'_>) {
        for state in self.state.values_mut() {
            state.probing.remove(&call.seq);
        }
    }
}
