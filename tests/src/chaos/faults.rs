//! The interposer of a story: lets port calls fail, lose their answers, kill and freeze processes,
//! and lets the queues be as bad as queues may be.

use std::{sync::Arc, time::Duration};

use tidegate_engine::ports::{Clock, Outgoing};
use tidegate_model::UnixMs;
use tidegate_simulator::{Effect, Fate, Interposer, Operation, PortCall, ProcessId, TrueClock};

use super::{
    Dice,
    ledger::Ledger,
    plan::{Plan, TargetKind},
    script::Script,
    site::{RARE, RARE_TIMES, site},
    systems::Systems,
    theme::Theme,
};

/// In one story of so many a site is aimed at: its first call fails.
const AIMED_ONE_IN: u64 = 11;
/// The last burst lies so long before the end of the faults.
const LAST_BURST: Duration = Duration::from_secs(35);
/// Short stories begin well.
const GOOD_BEGINNING: Duration = Duration::from_secs(10);
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
        if let Some(ended) = self.rare(call.at, site) {
            return ended;
        }
        // What stands at the beginning gets to the target first, or there would be no story; but where
        // runs are what it is about.
        let short = !matches!(self.plan.theme, Theme::Day | Theme::Lease);
        if short && call.at < self.plan.begin + GOOD_BEGINNING {
            return Fate::Proceed;
        }
        if let Some(fate) = self.aimed(call.at, site) {
            return fate;
        }
        if let Some(fate) = self.first(site) {
            return fate;
        }
        let now = call.at;
        let aims = self.plan.dose.aims;
        if !aims.is_empty() && !aims.iter().any(|aim| site.starts_with(aim)) {
            return Fate::Proceed;
        }
        let rates = &self.plan.rates;
        let dull = matches!(call.operation, Operation::List { .. });
        let strikes = |question: &str, rate: u64| {
            let rate = if dull { rate / DULL_DIVISOR } else { rate };
            self.script.strikes(now, question, site, |_| rate)
        };
        for (question, rate, fate) in [
            ("unsent", rates.unsent, Fate::FailUnsent),
            ("lost", rates.lost, Fate::LoseAnswer),
            ("repeat", rates.repeat, Fate::Repeat),
            ("crash before", rates.crash_before, Fate::CrashBefore),
            ("crash after", rates.crash_after, Fate::CrashAfter),
        ] {
            if strikes(question, rate).is_some() {
                return fate;
            }
        }
        // Where the theme is short, one process of a kind stands still, and others overtake it.
        let may_stall = self.plan.theme == Theme::Day || call.process.number.is_multiple_of(100);
        if may_stall && let Some(strike) = strikes("stall", rates.stall) {
            let spans = self.plan.dose.stalls_ms;
            let last = u64::try_from(spans.len().saturating_sub(1)).unwrap_or(0);
            let drawn = usize::try_from(strike.between(0, last, "span")).unwrap_or(0);
            let span = spans.get(drawn).copied().unwrap_or(900);
            let span = Duration::from_millis(strike.between(span * 4 / 5, span, "length"));
            // Whoever is to be overtaken has read, and has not written yet.
            let overtaken = self.plan.theme == Theme::Overtaken;
            let before = overtaken || strike.between(0, 1, "before") == 0;
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

    /// What the theme is about happens once in each of its stories.
    fn first(&self, site: &str) -> Option<Fate> {
        let mut first = self.plan.dose.first.iter();
        let (name, fate) = first.find(|(name, _)| site.starts_with(name))?;
        self.script.aims(&format!("first {name}"), 1)?;
        Some(*fate)
    }

    /// A site that is passed seldom: its first calls end in one way after the other.
    fn rare(&self, now: UnixMs, site: &str) -> Option<Fate> {
        if self.is_spared(now, site) || !RARE.iter().any(|name| site.starts_with(name)) {
            return None;
        }
        let pass = self.script.aims(site, RARE_TIMES)?;
        let begins = if self.plan.theme == Theme::Quota {
            // They pass some sites once, and there are few of them: they take turns, apart from those
            // that what they are about takes.
            (self.plan.seed / RARE_TIMES).wrapping_add(Dice::of_all(site) / 7 % RARE_TIMES)
        } else {
            self.plan.dice.between(1, RARE_TIMES, "rare", site, 0)
        };
        let turn = begins + pass;
        Some(match turn % RARE_TIMES {
            0 => Fate::FailUnsent,
            1 => Fate::LoseAnswer,
            _ => Fate::Proceed,
        })
    }

    /// Each site is aimed at in some stories, so that its calls end in every way somewhere.
    fn aimed(&self, now: UnixMs, site: &str) -> Option<Fate> {
        if self.is_spared(now, site) || RARE.iter().any(|name| site.starts_with(name)) {
            return None;
        }
        let turn = self.plan.seed.wrapping_add(Dice::of_all(site));
        if !turn.is_multiple_of(AIMED_ONE_IN) {
            return None;
        }
        self.script.aims(site, 1)?;
        Some(if (turn / AIMED_ONE_IN).is_multiple_of(2) {
            Fate::FailUnsent
        } else {
            Fate::LoseAnswer
        })
    }

    /// Whether a theme needs calls of this site to go well.
    fn is_spared(&self, now: UnixMs, site: &str) -> bool {
        // What only the sweep can find must be staged first, and no run may come upon it. Where the
        // breaker opens and closes, nothing else goes wrong.
        let plain = self.plan.theme == Theme::Breaker && self.plan.target == TargetKind::Upsert;
        if self.plan.theme == Theme::Stranded || plain {
            return true;
        }
        // What the source hides is to be compared while it does.
        if self.plan.theme == Theme::Vanished && site.starts_with("reconcile") {
            let harmless = [
                "events.emit",
                "flow-state{",
                "queue.send real_time",
                "register{ah",
            ];
            return !harmless.iter().any(|name| site.contains(name));
        }
        // What is away is away for long only if a run comes upon it early, and what is lost sight of
        // must have been seen.
        let begins_well = matches!(self.plan.theme, Theme::Away | Theme::Vanished);
        if begins_well && now < self.plan.begin + GOOD_BEGINNING {
            return true;
        }
        // More is to be staged than a day's calls are enough for, and calls that are counted are made.
        let quota = self.plan.theme == Theme::Quota && self.plan.target == TargetKind::Upsert;
        let counts = ["batch-sync", "worker store.update budget"];
        if quota && counts.iter().any(|name| site.starts_with(name)) {
            return true;
        }
        // Nor do runs break off where they are what it is about: no other begins for two minutes.
        let of_runs = matches!(
            self.plan.theme,
            Theme::Overtaken | Theme::Deploy | Theme::Lease
        );
        of_runs && now + LAST_BURST < self.plan.calm && site.starts_with("batch-sync")
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

    fn ended(&self, process: ProcessId, incarnation: u32) {
        self.ledger.ended((process, incarnation));
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
