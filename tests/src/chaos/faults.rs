//! The interposer of a story: lets port calls fail, lose their answers, kill and freeze processes,
//! and lets the queues be as bad as queues may be.

use std::{sync::Arc, time::Duration};

use tidegate_engine::ports::{Clock, Outgoing};
use tidegate_model::UnixMs;
use tidegate_simulator::{Effect, Fate, Interposer, Operation, PortCall, TrueClock};

use super::{ledger::Ledger, plan::Plan, script::Script, site::site, systems::Systems};

/// A site's first calls fail so much more often, or a site that is passed once a story would hardly
/// ever fail.
const FIRST: u64 = 3;
const FIRST_TIMES: u64 = 6;
/// And in every seed at least so often, in calls of a thousand.
const FIRST_LEAST: u64 = 45;
/// A site that is first passed so late in a story is a rare one, and its first calls fail so often.
const LATE: Duration = Duration::from_secs(540);
const LATE_LEAST: u64 = 140;
/// One site of so many is hot in a story: its calls fail that much more often all the time.
const HOT_ONE_IN: u64 = 5;
const HOT_TIMES: u64 = 8;
/// A listing is one of many of the same kind, and harms nothing but time.
const DULL_DIVISOR: u64 = 4;

/// What goes wrong in a story.
pub struct Faults {
    /// The story.
    pub plan: Arc<Plan>,
    /// Which fault strikes.
    pub script: Arc<Script>,
    /// What happened.
    pub ledger: Arc<Ledger>,
    /// The other systems.
    pub systems: Arc<Systems>,
    /// The time.
    pub clock: Arc<TrueClock>,
}

impl Faults {
    fn fate(&self, call: &PortCall<'_>, site: &str) -> Fate {
        let rates = &self.plan.rates;
        let now = call.at;
        let hot = self.plan.dice.between(1, HOT_ONE_IN, "hot", site, 0) == 1;
        let late = self.script.first_met(site, now) >= self.plan.begin + LATE;
        let dull = matches!(call.operation, Operation::List { .. });
        let more = |rate: u64| {
            move |n: u64| {
                let rate = if dull { rate / DULL_DIVISOR } else { rate };
                let times = if hot {
                    HOT_TIMES
                } else if n <= FIRST {
                    FIRST_TIMES
                } else {
                    1
                };
                let least = match n {
                    _ if dull => 0,
                    1..=FIRST if late => LATE_LEAST,
                    1..=FIRST => FIRST_LEAST,
                    _ => 0,
                };
                (rate * times).min(400).max(least)
            }
        };
        let strikes =
            |question: &str, rate: u64| self.script.strikes(now, question, site, more(rate));
        if strikes("unsent", rates.unsent).is_some() {
            return Fate::FailUnsent;
        }
        if strikes("lost", rates.lost).is_some() {
            return Fate::LoseAnswer;
        }
        if strikes("crash before", rates.crash_before).is_some() {
            return Fate::CrashBefore;
        }
        if strikes("crash after", rates.crash_after).is_some() {
            return Fate::CrashAfter;
        }
        if let Some(strike) = self.script.strikes(now, "stall", site, |n| {
            if rates.stall == 0 {
                0
            } else {
                more(rates.stall)(n)
            }
        }) {
            let span = match strike.between(0, 4, "span") {
                0 => 900,
                1 => 8_000,
                2 => 30_000,
                3 => 95_000,
                _ => 260_000,
            };
            let span = Duration::from_millis(strike.between(span / 2, span, "length"));
            let before = strike.between(0, 1, "before") == 0;
            // A call that has passed its last check and then waits at the socket is a call on its
            // way: DESIGN takes it to end within D. No check can be made later than the last one.
            let is_http = matches!(call.operation, Operation::Http { .. });
            return if before && !is_http {
                Fate::StallBefore(span)
            } else {
                Fate::StallAfter(span)
            };
        }
        Fate::Proceed
    }

    fn now(&self) -> UnixMs {
        self.clock.now()
    }
}

impl Interposer for Faults {
    fn decide(&self, call: &PortCall<'_>) -> Fate {
        let site = site(call);
        let fate = self.fate(call, &site);
        let key = match &call.operation {
            Operation::Http { request } if request.url.starts_with("http://tgt/") => {
                self.systems.key_of(request)
            }
            _ => None,
        };
        self.ledger.decided(call, &site, fate, key);
        fate
    }

    fn observe(&self, call: &PortCall<'_>, effect: &Effect<'_>) {
        self.ledger.observed(self.now(), call, effect);
    }

    fn copies(&self, call: &PortCall<'_>, message: Option<&Outgoing>) -> Vec<Duration> {
        let about = match message {
            Some(outgoing) => outgoing.message.tier.as_str(),
            None => "event",
        };
        let rates = &self.plan.rates;
        let mut copies = vec![Duration::ZERO];
        let now = call.at;
        if let Some(strike) = self.script.strikes(now, "late", about, |_| rates.late)
            && let Some(first) = copies.first_mut()
        {
            *first = Duration::from_millis(strike.between(500, 60_000, "by"));
        }
        if let Some(strike) = self.script.strikes(now, "twice", about, |_| rates.twice) {
            copies.push(Duration::from_millis(strike.between(0, 90_000, "by")));
        }
        copies
    }

    fn pick(&self, call: &PortCall<'_>, visible: usize) -> usize {
        let Some(strike) = self
            .script
            .strikes(call.at, "reorder", "queue", |_| self.plan.rates.reorder)
        else {
            return 0;
        };
        let last = u64::try_from(visible.saturating_sub(1)).unwrap_or(0);
        usize::try_from(strike.between(0, last, "which")).unwrap_or(0)
    }

    fn redeliver(&self, call: &PortCall<'_>) -> Option<Duration> {
        let strike = self
            .script
            .strikes(call.at, "again", "queue", |_| self.plan.rates.again)?;
        Some(Duration::from_millis(strike.between(1, 20_000, "after")))
    }
}
