//! Workers of one breaker in virtual time, as the engine's sessions use it: clocks apart, a system
//! that is well, slow or down by turns, reports that race and lose their answers, workers that die,
//! freeze and come back with late results, permits that come late.
//!
//! Held on the way, by a ledger that shares nothing with the breaker's item:
//! - BRK-1: no call leaves later than a moment after the opening, no probe before the cool-down is
//!   over, and no two probes may be running at one time.
//! - Each report is counted once, and the breaker opens exactly when n of the last m are slow, or n
//!   have failed of at least two records.
//! - TRY-1: no failure is an attempt of an epoch that has ended.

use std::collections::VecDeque;

use super::*;

const WORKERS: usize = 8;
const STEPS: u32 = 4_000;
/// T and D of the system.
const TIMEOUT: Duration = Duration::from_secs(4);
const SETTLE: Duration = Duration::from_secs(2);
/// A call leaves so long after the look at the breaker, or looks again.
const LEAVES_WITHIN: Duration = Duration::from_millis(75);
/// What a session adds to the end of a probe for that.
const STEP: Duration = Duration::from_millis(500);
const KEYS: [&str; 3] = ["a", "b", "c"];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Health {
    Well,
    Slow,
    Down,
}

#[derive(Clone, Debug, PartialEq)]
enum Outcome {
    Ok,
    Slow,
    Failed(&'static str),
}

/// A call in the world: a probe, or one of an epoch.
#[derive(Clone, Debug)]
struct Call {
    key: &'static str,
    probe: Option<ClaimToken>,
    epoch: u64,
}

enum State {
    Idle,
    /// It has looked, and may leave until then.
    Looked(Call, UnixMs),
    /// Under way until then.
    Called(Call, UnixMs, Outcome),
    /// It tells the breaker what it saw: these outcomes, under this number.
    Reports(Call, Vec<Outcome>, i64),
}

struct Worker {
    ahead: Duration,
    state: State,
    remembered: Breaker,
    /// The probe it holds.
    probe: Option<ClaimToken>,
    /// Successes not yet told of, and their epoch.
    successes: (u64, Vec<Outcome>),
    frozen_until: UnixMs,
}

/// What truly happened.
#[derive(Default)]
struct Ledger {
    /// When it opened, and when it may be probed.
    open: Option<(UnixMs, UnixMs)>,
    epoch: u64,
    last: VecDeque<Outcome>,
    counted: Vec<i64>,
    /// Probes that may be running: by whom and until when.
    probes: Vec<(ClaimToken, UnixMs)>,
    calls: u32,
}

impl Ledger {
    fn count(&mut self, number: i64, outcomes: &[Outcome], now: UnixMs) {
        assert!(!self.counted.contains(&number), "counted twice");
        self.counted.push(number);
        assert!(self.open.is_none(), "counted while open");
        for outcome in outcomes {
            self.last.push_back(outcome.clone());
            if self.last.len() > SETTINGS.of as usize {
                self.last.pop_front();
            }
        }
        let slow = self.last.iter().filter(|it| **it == Outcome::Slow).count();
        let failed: Vec<_> = self
            .last
            .iter()
            .filter_map(|it| match it {
                Outcome::Failed(key) => Some(*key),
                _ => None,
            })
            .collect();
        let several = failed.iter().any(|key| *key != failed[0]);
        let opens = slow >= SETTINGS.slow as usize
            || (failed.len() >= SETTINGS.failures as usize && several);
        if opens {
            self.open = Some((now, now + SETTINGS.cool_down));
            self.epoch += 1;
            self.last.clear();
        }
    }
}

struct World {
    table: Table,
    ledger: Ledger,
    now: UnixMs,
    health: Health,
    tokens: i64,
    dice: StdRng,
}

impl World {
    fn chance(&mut self, percent: u32) -> bool {
        self.dice.random_ratio(percent, 100)
    }

    /// Writes; the answer may be lost, and the write is sent again. Whether it happened, and
    /// whether the worker is told so.
    fn write(&mut self, update: &Update) -> (bool, bool) {
        let happened = self.table.write(update);
        let mut told = happened;
        if self.chance(10) {
            told = self.table.write(update);
        }
        (happened, told)
    }
}

pub(super) struct Seen {
    pub calls: u32,
    pub openings: u64,
}

pub(super) fn run(seed: u64) -> Seen {
    let mut world = World {
        table: Table::default(),
        ledger: Ledger::default(),
        now: NOW,
        health: Health::Well,
        tokens: 0,
        dice: StdRng::seed_from_u64(seed),
    };
    let mut workers: Vec<Worker> = (0..WORKERS)
        .map(|_| Worker {
            ahead: Duration::from_millis(world.dice.random_range(0..=250)),
            state: State::Idle,
            remembered: Breaker::default(),
            probe: None,
            successes: (0, Vec::new()),
            frozen_until: NOW,
        })
        .collect();
    for _ in 0..STEPS {
        let cools_down = world
            .ledger
            .open
            .is_some_and(|(_, until)| world.now < until);
        let most_ms = if cools_down { 1_000 } else { 30 };
        world.now = world.now + Duration::from_millis(world.dice.random_range(0..=most_ms));
        if world.chance(1) {
            let next = world.dice.random_range(0..3);
            world.health = [Health::Well, Health::Slow, Health::Down][next];
        }
        let now = world.now;
        world.ledger.probes.retain(|(_, until)| *until >= now);
        let index = world.dice.random_range(0..WORKERS);
        workers[index].step(&mut world);
        let open = world.table.read().open_since().is_some();
        assert_eq!(open, world.ledger.open.is_some(), "n of m, exactly");
        assert_eq!(world.table.read().epoch(), world.ledger.epoch);
    }
    Seen {
        calls: world.ledger.calls,
        openings: world.ledger.epoch,
    }
}

impl Worker {
    fn clock(&self, world: &World) -> UnixMs {
        world.now + self.ahead
    }

    fn step(&mut self, world: &mut World) {
        if world.now < self.frozen_until {
            return;
        }
        if world.chance(2) {
            // Dies: another takes its place, and its call goes on at the system.
            self.state = State::Idle;
            self.probe = None;
            self.successes.1.clear();
            return;
        }
        if world.chance(2) {
            // Now and then so long that the breaker has opened and closed meanwhile.
            let most_ms = if world.chance(20) { 90_000 } else { 10_000 };
            let span = Duration::from_millis(world.dice.random_range(0..=most_ms));
            self.frozen_until = world.now + span;
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Looked(call, until) if world.now <= until => Self::leave(world, call),
            // Its permit came too late: it looks again, with the probe it holds.
            State::Idle | State::Looked(..) => self.look(world),
            State::Called(call, at, outcome) if world.now >= at => self.ended(world, call, outcome),
            called @ State::Called(..) => called,
            State::Reports(call, outcomes, number) => self.report(world, call, outcomes, number),
        };
    }

    /// As a session passes the breaker.
    fn look(&mut self, world: &mut World) -> State {
        self.remembered = world.table.read();
        let now = self.clock(world);
        let ended = now + TIMEOUT + SETTLE + S + STEP;
        let mut call = Call {
            key: KEYS[world.dice.random_range(0..KEYS.len())],
            probe: None,
            epoch: 0,
        };
        let held = self.probe.take();
        match self.remembered.gate(now) {
            Gate::Closed { epoch } => call.epoch = epoch,
            Gate::Probing { .. } => {
                let Some(mine) = held.filter(|mine| self.remembered.is_probe(mine)) else {
                    return State::Idle;
                };
                if self.remembered.probe_until() < Some(ended) {
                    world.write(&Breaker::renew_probe(&mine, ended));
                    if !world.table.read().is_probe(&mine) {
                        return State::Idle;
                    }
                }
                call.probe = Some(mine);
            }
            Gate::HalfOpen => {
                world.tokens += 1;
                let mine = token(&format!("p{}", world.tokens));
                world.write(&self.remembered.take_probe(&mine, ended, now));
                if !world.table.read().is_probe(&mine) {
                    return State::Idle;
                }
                call.probe = Some(mine);
            }
            Gate::Open { .. } | Gate::Held { .. } => return State::Idle,
        }
        if let Some(mine) = &call.probe
            && world.chance(20)
        {
            // The work is deferred before the call: the probe is given up.
            world.write(&Breaker::drop_probe(mine));
            return State::Idle;
        }
        self.probe.clone_from(&call.probe);
        State::Looked(call, world.now + LEAVES_WITHIN)
    }

    fn leave(world: &mut World, call: Call) -> State {
        let now = world.now;
        world.ledger.calls += 1;
        if let Some(mine) = &call.probe {
            let (_, half_open) = world.ledger.open.expect("a probe of a closed breaker");
            assert!(now >= half_open, "BRK-1: a probe before the cool-down ends");
            let other = world.ledger.probes.iter().find(|(by, _)| by != mine);
            assert!(other.is_none(), "BRK-1: {mine} and {other:?} at {now}");
            let ends = now + TIMEOUT + SETTLE;
            world.ledger.probes.push((mine.clone(), ends));
        } else if let Some((opened, _)) = world.ledger.open {
            assert!(now <= opened + LEAVES_WITHIN, "BRK-1: a call while open");
        }
        let outcome = match (world.health, world.dice.random_range(0..100)) {
            (Health::Down, 0..95) | (_, 0..5) => Outcome::Failed(call.key),
            (Health::Slow, 5..80) => Outcome::Slow,
            _ => Outcome::Ok,
        };
        let longest = if outcome == Outcome::Ok { 400 } else { 4_000 };
        let takes = Duration::from_millis(world.dice.random_range(10..=longest));
        State::Called(call, now + takes, outcome)
    }

    fn ended(&mut self, world: &mut World, call: Call, outcome: Outcome) -> State {
        if let Some(mine) = &call.probe {
            world.ledger.probes.retain(|(by, _)| by != mine);
            self.probe = None;
            let write = if outcome == Outcome::Ok {
                self.remembered.close(mine, self.clock(world))
            } else {
                Breaker::reopen(mine, &SETTINGS, self.clock(world))
            };
            if world.write(&write).0 {
                let until = world.now + SETTINGS.cool_down;
                world.ledger.open = (outcome != Outcome::Ok).then_some((world.now, until));
            }
            return State::Idle;
        }
        if self.successes.0 != call.epoch {
            self.successes = (call.epoch, Vec::new());
        }
        let failed = outcome != Outcome::Ok;
        self.successes.1.push(outcome);
        if !failed && (!self.remembered.wants_successes() || world.chance(40)) {
            // Nothing to report, or the session goes on.
            return State::Idle;
        }
        world.tokens += 1;
        State::Reports(call, std::mem::take(&mut self.successes.1), world.tokens)
    }

    fn report(
        &mut self,
        world: &mut World,
        call: Call,
        outcomes: Vec<Outcome>,
        number: i64,
    ) -> State {
        let said: Vec<Report> = outcomes
            .iter()
            .map(|outcome| match outcome {
                Outcome::Ok => Report::Ok(1),
                Outcome::Slow => Report::Slow,
                Outcome::Failed(key) => failed(key),
            })
            .collect();
        let now = self.clock(world);
        let planned = self
            .remembered
            .report(&said, call.epoch, number, &SETTINGS, now);
        let Some((write, opens)) = planned else {
            return State::Idle;
        };
        let (happened, told) = world.write(&write);
        if happened {
            let present = world.ledger.epoch;
            assert_eq!(call.epoch, present, "a late result of an epoch that ended");
            world.ledger.count(number, &outcomes, world.now);
        }
        self.remembered = world.table.read();
        if !told && !self.remembered.is_reported(number) {
            // Another was first: planned again from what stands there now.
            return State::Reports(call, outcomes, number);
        }
        let stays = !opens && self.remembered.open_since().is_none();
        if stays && self.remembered.epoch() == call.epoch {
            let present = world.ledger.epoch;
            assert_eq!(call.epoch, present, "TRY-1: of an epoch that ended");
        }
        State::Idle
    }
}
