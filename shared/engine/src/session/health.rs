//! What a call tells about the health of a system, and what the breaker makes of it (BRK-1, TRY-1).

use std::time::Duration;

use rand::RngExt;
use tidegate_model::{ClaimToken, EndpointId, RecordKey, UnixMs, flow::Rate, item::Update};
use tidegate_policy::{
    answer::{self, Told},
    breaker::{Breaker, Report},
    flow_state::{self, Side},
    keys,
};

use super::Session;
use crate::{
    Event,
    ports::{CallError, Effect, Sent, StoreError, Written},
};

/// Tries to record a call's result in the breaker after lost races: of 16 workers whose calls fail
/// at the same moment the last one wins after fewer.
const REPORT_TRIES: u32 = 16;
/// Two ends of one window, as told by two answers.
const SAME_MOMENT: Duration = Duration::from_secs(1);
/// Waits after a lost race, at random between these, so that racers part.
const RACE_WAIT_MS: std::ops::RangeInclusive<u64> = 5..=60;

impl Session<'_> {
    pub(super) fn holds_probe(&self) -> bool {
        let token = self.probe.as_ref();
        token.is_some_and(|token| self.seen.is_probe(token))
    }

    /// Holds the probe until its call has surely ended (BRK-1); false when another has taken it.
    pub(super) async fn renew_probe(&mut self, ended: UnixMs) -> Result<bool, StoreError> {
        let Some(token) = &self.probe else {
            return Ok(false);
        };
        if self.seen.probe_until() >= Some(ended) {
            return Ok(true);
        }
        let write = Breaker::renew_probe(token, ended);
        let key = keys::breaker(&self.scope.budget.endpoint);
        match self.engine.write(&key, &write).await? {
            Written::Done { after, .. } => {
                self.seen = Breaker::read(Some(&after));
                Ok(true)
            }
            Written::Refused { current } => {
                self.seen = Breaker::read(current.as_ref());
                self.probe = None;
                Ok(false)
            }
        }
    }

    /// Tells the breaker of a call that ended in `epoch`, after the successes that it has not been
    /// told of. Whether that opens it.
    pub(super) async fn report(&mut self, report: Option<Report>, epoch: u64) -> bool {
        let key = keys::breaker(&self.scope.budget.endpoint);
        let mut reports = Vec::new();
        if self.successes_epoch == epoch {
            reports.push(Report::Ok(std::mem::take(&mut self.successes)));
        }
        reports.extend(report);
        let mut dice = self.engine.dice();
        let by = dice.random_range(0..i64::MAX);
        for _ in 0..REPORT_TRIES {
            let now = self.engine.now();
            let planned = self
                .seen
                .report(&reports, epoch, by, &self.scope.breaker, now);
            let Some((write, opens)) = planned else {
                return false;
            };
            match self.engine.write(&key, &write).await {
                Ok(Written::Done { after, .. }) => {
                    self.seen = Breaker::read(Some(&after));
                    return self.reported(opens).await;
                }
                Ok(Written::Refused { current }) => {
                    self.seen = Breaker::read(current.as_ref());
                    if self.seen.is_reported(by) {
                        return self.reported(opens).await;
                    }
                    let wait = Duration::from_millis(dice.random_range(RACE_WAIT_MS));
                    self.engine.ports.clock.wait_until(now + wait).await;
                }
                Err(error) => {
                    tracing::warn!(error = %crate::chain(&error), "the breaker did not learn of a call");
                    return false;
                }
            }
        }
        tracing::warn!(endpoint = %self.scope.budget.endpoint, "the breaker did not learn of a call: others kept reporting");
        false
    }

    async fn reported(&self, opens: bool) -> bool {
        if opens {
            self.tell_opened().await;
        }
        opens
    }

    async fn tell_opened(&self) {
        let endpoint = self.scope.budget.endpoint.clone();
        tracing::warn!(endpoint = %endpoint, cool_down_s = self.scope.breaker.cool_down.as_secs(), request_id = self.engine.request(), "breaker opened");
        self.engine.tell(Event::BreakerOpened { endpoint }).await;
    }

    /// Writes the breaker and looks at what it is then.
    pub(super) async fn breaker_write(&mut self, write: &Update) {
        let key = keys::breaker(&self.scope.budget.endpoint);
        match self.engine.write(&key, write).await {
            Ok(Written::Done { after, .. }) => self.seen = Breaker::read(Some(&after)),
            Ok(Written::Refused { current }) => self.seen = Breaker::read(current.as_ref()),
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the breaker was not written");
            }
        }
    }

    /// The system answered in a way that says it is healthy. Of a target only its writes tell: reads
    /// may go on while those fail. A probe that has only read goes on to its write, or is given up.
    pub(super) async fn healthy(&mut self, took: Duration, epoch: Option<u64>, effect: Effect) {
        let slow = self
            .scope
            .breaker
            .slow_after
            .is_some_and(|slow| took > slow);
        let tells = slow || effect == Effect::Write || self.scope.side == Side::Source;
        if let Some(token) = self.probe.take_if(|_| tells) {
            self.probe_answered(&token, slow).await;
            if slow {
                return;
            }
        } else if let Some(epoch) = epoch.filter(|_| tells) {
            if slow {
                self.report(Some(Report::Slow), epoch).await;
            } else {
                if self.successes_epoch != epoch {
                    self.successes = 0;
                }
                self.successes_epoch = epoch;
                self.successes += 1;
            }
        }
        if self.scope.checking {
            self.scope.checking = false;
            self.close_blocker().await;
        }
    }

    /// A probe that was answered in time closes the breaker; a slow one opens it again.
    async fn probe_answered(&mut self, token: &ClaimToken, slow: bool) {
        if slow {
            let reopen = Breaker::reopen(token, &self.scope.breaker, self.engine.now());
            self.breaker_write(&reopen).await;
            return;
        }
        let before = self.seen.outage_over();
        let close = self.seen.close(token, self.engine.now());
        self.breaker_write(&close).await;
        if self.seen.open_since().is_some() {
            return;
        }
        let endpoint = self.scope.budget.endpoint.clone();
        tracing::info!(endpoint = %endpoint, request_id = self.engine.request(), "breaker closed");
        if self.scope.side == Side::Target && self.seen.outage_over() != before {
            // tick would see it within five minutes; the limit lies idle until then.
            self.sweep_flows_of(&endpoint).await;
        }
        self.engine.tell(Event::BreakerClosed { endpoint }).await;
    }

    async fn sweep_flows_of(&self, target: &EndpointId) {
        for runtime in self.engine.flows() {
            if runtime.flow.file().target.name() == target {
                let sweep = self.engine.sweep_request(runtime.flow.id());
                self.engine.tell(sweep).await;
            }
        }
    }

    /// The cause of the blocker is gone: what was parked is queued again.
    async fn close_blocker(&self) {
        let flow = self.scope.runtime.flow.id();
        let write = flow_state::unblock(self.scope.side, self.engine.now());
        match self.engine.write(&keys::flow_state(flow), &write).await {
            Ok(Written::Done { .. }) => {
                tracing::info!(flow = %flow, side = self.scope.side.as_str(), run = self.engine.run_id(), request_id = self.engine.request(), "blocker closed");
                self.engine.tell(self.engine.sweep_request(flow)).await;
            }
            Ok(Written::Refused { .. }) => {}
            Err(error) => {
                tracing::warn!(error = %crate::chain(&error), "the blocker was not closed");
            }
        }
    }

    /// The system failed. Returns the error, with the epoch in which it counts as an attempt.
    pub(super) async fn unhealthy(
        &mut self,
        reason: String,
        started: UnixMs,
        epoch: Option<u64>,
        may_have_effect: bool,
    ) -> CallError {
        if let Some(token) = self.probe.take() {
            let reopen = Breaker::reopen(&token, &self.scope.breaker, self.engine.now());
            self.breaker_write(&reopen).await;
            return CallError::Failed {
                reason,
                started,
                may_have_effect,
                attempt: None,
            };
        }
        let key = match self.scope.key {
            // Reads of pages have no record; the system's own failures still count.
            None => page_key(started),
            Some(key) => key.clone(),
        };
        let opened = match epoch {
            Some(epoch) => self.report(Some(Report::Failed { key }), epoch).await,
            None => false,
        };
        // TRY-1: an attempt counts only while the breaker stays closed.
        let stays = !opened && Some(self.seen.epoch()) == epoch && self.seen.open_since().is_none();
        CallError::Failed {
            reason,
            started,
            may_have_effect,
            attempt: epoch.filter(|_| stays),
        }
    }

    /// Heeds what an answer of any status tells of the provider's limits. A write for what is news
    /// alone: the end of a window is told with each answer in it, in whole seconds.
    pub(super) async fn heed(&mut self, told: Told) {
        let held = self.seen.held_until().unwrap_or(UnixMs::EPOCH);
        if let Some(until) = told.until.filter(|until| *until > held + SAME_MOMENT) {
            tracing::info!(endpoint = %self.scope.budget.endpoint, until = %until, request_id = self.engine.request(), "the provider has nothing left");
            self.breaker_write(&Breaker::hold(until)).await;
        }
        if let Some(rate) = told.rate {
            let budget = &self.scope.budget;
            let of_all = match self.scope.side {
                Side::Source => budget.limit.millionths_a_second(),
                Side::Target | Side::Warehouse => {
                    let limits = self.scope.runtime.flow.limits();
                    let both = [limits.real_time, limits.batch];
                    both.map(Rate::millionths_a_second).iter().sum()
                }
            };
            self.engine.tell_rate(budget, of_all, rate).await;
        }
    }

    /// The provider asked to wait. Where it does not say for how long, the end of its window does.
    pub(super) async fn hold(&mut self, sent: &Sent, told: Told) -> CallError {
        let now = self.engine.now();
        let asked = sent.headers.iter().find(|(name, _)| name == "retry-after");
        let until = match (asked, told.until) {
            (None, Some(until)) => until,
            (asked, _) => now + answer::hold(asked.map(|(_, value)| value.as_str()), now),
        };
        if let Some(token) = self.probe.take() {
            self.breaker_write(&Breaker::drop_probe(&token)).await;
        }
        self.breaker_write(&Breaker::hold(until)).await;
        CallError::Throttled { until }
    }
}

/// Stands for a page among the records whose failures the breaker counts.
fn page_key(started: UnixMs) -> RecordKey {
    #[allow(clippy::expect_used, reason = "a number always is a key")]
    RecordKey::try_new(started.0.to_string()).expect("a number is a key")
}
