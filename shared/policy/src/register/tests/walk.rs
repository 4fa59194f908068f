//! A walk of the whole protocol on one record, with the writes of production: workers and stagers
//! interleave at every write, die, freeze past the end of their claim, lose answers; calls break and
//! take effect late, one call or two of them for an update; messages are delivered twice or die; the
//! source deletes the record and brings it back, under all four policies; a person edits, replays
//! and discards, also while a call is under way or its outcome is open; hands change and delete it
//! in the target, and a reconciliation compares; the breaker and the quota of a day defer.
//!
//! Held on the way: REG-1, EFF-1, EFF-2, TRY-1, LIM-3, and that what waits is as old as it is told to
//! be. Held when nothing is left to do: REG-2 and
//! QUE-2, without a sweep unless a process died where only the sweep can know.
//!
//! At random with seeds here; [`every`] goes every way there is within small bounds.
//!
//! No call to a target carries several records: a pack is only keys of one message, each claimed,
//! called and settled by itself.

mod ages;
mod dice;
mod every;
mod gate;
mod people;
mod reconciler;
mod rest;
mod target;
mod worker;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tidegate_model::flow::Deletion;

use super::*;
use crate::{
    plan::Removal,
    stage::{Incoming, Origin, StagePlan, needs_message, plan},
};
use ages::Ages;
use dice::Dice;
use gate::Gate;
use people::Person;
use reconciler::Reconciler;
use target::Target;
use worker::Worker;

/// T, D and P of the walk: short, so that claims end often.
const TIMEOUT: Duration = Duration::from_secs(1);
const SETTLE: Duration = Duration::from_secs(2);
const PREPARE: Duration = Duration::from_millis(500);
/// S, as PROTOCOL has it.
const S: Duration = Duration::from_millis(250);
/// A message that is not deleted comes back after this.
const VISIBILITY: Duration = Duration::from_secs(6);
/// Waits between a record's attempts: two retries.
const RETRIES: [Duration; 2] = [Duration::from_millis(300); 2];
/// Steps with trouble.
const ROUGH_STEPS: u32 = 1_500;
/// Steps without, by which all must be done.
const CALM_STEPS: u32 = 20_000;
/// It begins so long before a day ends that its quota is renewed amid the trouble.
const BEGIN: UnixMs = UnixMs(20_834 * 86_400_000 - 20_000);
/// Contents that come and go: few, so that equal ones meet.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];
/// What stands for a deletion at the source.
const GONE: &str = "";
/// Breaks the flow's schema: it goes to a person and is never sent.
const INVALID: &str = "invalid";
/// What the target shows of an archived record.
const ARCHIVED: &str = "archived";

fn content_of(name: &str) -> Content {
    if name == GONE {
        Content::Deleted
    } else {
        named(name)
    }
}

/// What kind of walk it is.
#[allow(
    clippy::struct_excessive_bools,
    reason = "each is a trouble of its own; any of them may come together"
)]
#[derive(Clone, Copy)]
struct Rules {
    traits: TargetTraits,
    /// What becomes of a deletion, where the source makes some.
    deletion: Deletion,
    deletes: bool,
    /// Some of the source's contents break the schema; a person works at the reviews.
    people: bool,
    /// People touch the target, and a reconciliation compares.
    hands: bool,
    /// The breaker and the quota of a day stand before each call.
    gated: bool,
    /// Somebody has the record forgotten.
    forgets: bool,
}

const PLAIN: Rules = Rules {
    traits: BY_NAME,
    deletion: Deletion::Delete,
    deletes: false,
    people: false,
    hands: false,
    gated: false,
    forgets: false,
};

/// What became of a write.
struct Wrote {
    happened: bool,
    /// The writer knows so: its answer was not lost.
    told: bool,
}

/// All there is.
#[derive(Clone)]
struct World {
    rules: Rules,
    table: Table,
    target: Target,
    gate: Gate,
    /// When each message can be received, and the number of its last receipt: none is 0.
    messages: Vec<(UnixMs, u32)>,
    receipts: u32,
    /// Changes that a source still has to deliver.
    deliveries: Vec<(u64, &'static str)>,
    newest: (u64, &'static str),
    /// What a person made of the source's content: stands until the source gives other content.
    edited: Option<(tidegate_model::ContentHash, &'static str)>,
    /// The desired state as it was when its content was last forgotten.
    forgotten: Option<(Version, tidegate_model::ContentHash)>,
    /// Content that a person last decided not to send.
    discarded: Option<tidegate_model::ContentHash>,
    /// Epochs of the attempts that count, by the walk's own ledger (TRY-1).
    attempts: Vec<u64>,
    ages: Ages,
    /// A deletion that came before the record was ever seen, and was not staged.
    ignored: Option<u64>,
    /// A process died where only the sweep can know of the record.
    stranded: bool,
    now: UnixMs,
    rough: bool,
    tokens: u32,
    dice: Dice,
}

impl World {
    fn new(rules: Rules, dice: Dice, seed: u64) -> Self {
        Self {
            rules,
            table: Table::default(),
            target: Target::default(),
            gate: Gate::new(seed),
            messages: Vec::new(),
            receipts: 0,
            deliveries: Vec::new(),
            newest: (0, GONE),
            edited: None,
            forgotten: None,
            discarded: None,
            attempts: Vec::new(),
            ages: Ages::default(),
            ignored: None,
            stranded: false,
            now: BEGIN,
            rough: true,
            tokens: 0,
            dice,
        }
    }

    fn chance(&mut self, percent: u32) -> bool {
        self.rough && self.dice.trouble(percent)
    }

    fn freeze(&mut self) -> Option<Duration> {
        self.dice.freeze().filter(|_| self.rough)
    }

    fn token(&mut self) -> ClaimToken {
        self.tokens += 1;
        token(&format!("t{}", self.tokens))
    }

    /// Writes; the answer may be lost, and the write is sent again.
    fn write(&mut self, update: &Update) -> Wrote {
        let before = self.version();
        let happened = self.table.write(update);
        let mut told = happened;
        if happened && self.chance(10) {
            told = self.table.write(update);
        }
        assert!(self.version() >= before, "REG-1");
        Wrote { happened, told }
    }

    /// The write of a call's failure: the only one that counts an attempt (TRY-1).
    fn write_attempt(&mut self, update: &Update, failure: &Failure) -> bool {
        let wrote = self.write(update);
        if wrote.happened {
            self.attempts.extend(failure.attempt);
        }
        wrote.told
    }

    fn version(&self) -> Option<Version> {
        self.table
            .item
            .as_ref()
            .map(|_| self.table.read().desired.version)
    }

    fn send(&mut self, at: UnixMs) {
        self.messages.push((at, 0));
        if self.chance(10) {
            self.messages.push((at, 0));
        }
    }

    /// A new change happens at the source; it is delivered once or more, in any order.
    fn change(&mut self) {
        let mut name = NAMES[self.dice.one_of(NAMES.len())];
        if self.rules.deletes && self.chance(30) {
            name = GONE;
        } else if self.rules.people && self.chance(15) {
            name = INVALID;
        }
        self.change_to(name);
    }

    fn change_to(&mut self, name: &'static str) {
        self.newest = (self.newest.0 + 1, name);
        self.deliveries.push(self.newest);
        if self.chance(50) {
            self.deliveries.push(self.newest);
        }
    }

    fn incoming(&mut self, source: u64, name: &'static str) -> Incoming {
        let urgent = self.rules.gated && self.chance(30);
        let review = (name == INVALID).then(|| (flow(), cause(ReviewKind::Invalid)));
        Incoming {
            version: version(source),
            content: content_of(name),
            origin: if urgent {
                Origin::ForceSync
            } else {
                Origin::Batch
            },
            by: self.token().to_string(),
            search: (self.rules.traits.searchable && name != GONE).then(|| name.to_owned()),
            link: None,
            look_first: false,
            review,
            next_window: self.now,
        }
    }

    /// A stager takes a delivery. When it dies, the source delivers again.
    fn stage(&mut self) {
        if self.deliveries.is_empty() {
            return;
        }
        let at = self.dice.one_of(self.deliveries.len());
        let (source, name) = self.deliveries[at];
        let incoming = self.incoming(source, name);
        let (version, hash, by) = (incoming.version, incoming.content.hash(), &incoming.by);
        let mut seen = self.table.item.as_ref().map(|_| self.table.read());
        let queued = loop {
            let mut renews = true;
            let update = match plan(seen.as_ref(), &incoming, &[]) {
                StagePlan::Nothing(_) => break seen.as_ref().is_some_and(needs_message),
                StagePlan::Move(equal) => {
                    renews = false;
                    move_version(version, &equal, by)
                }
                StagePlan::Again(equal, (tier, reason)) => {
                    stage_again(version, &equal, by, (tier, &reason), self.now)
                }
                // A deletion of what was never seen has nothing to do.
                StagePlan::New(_) if seen.is_none() && name == GONE => {
                    self.ignored = Some(source);
                    break false;
                }
                StagePlan::New(new) if self.rules.traits.own && new.review.is_none() => {
                    stage_applied(&new, self.now)
                }
                StagePlan::New(new) => stage(&new, self.now),
            };
            let wrote = self.write(&update);
            if wrote.happened {
                self.edited.take_if(|(of, _)| *of != hash);
            }
            if wrote.happened && renews {
                self.attempts.clear();
                let register = self.table.read();
                self.ages.began(&register, self.now);
                if !register.is_dirty() {
                    self.ages.applied(register.desired.version);
                }
            }
            if wrote.told {
                break needs_message(&self.table.read());
            }
            seen = Some(self.table.read());
        };
        if self.chance(10) {
            return;
        }
        if queued {
            self.send(self.now);
        }
        self.deliveries.swap_remove(at);
    }

    /// Queues what was stranded where only the sweep can know.
    fn sweep(&mut self) {
        let waits = self.table.item.is_some() && needs_message(&self.table.read());
        if std::mem::take(&mut self.stranded) && waits {
            self.send(self.now);
        }
    }

    fn is_quiet(&self, workers: &[Worker]) -> bool {
        self.deliveries.is_empty()
            && self.messages.is_empty()
            && workers.iter().all(Worker::is_idle)
    }

    /// What holds at every moment.
    fn check(&self) {
        assert!(self.target.records() <= 1, "EFF-2: created twice");
        if self.table.item.is_some() {
            let register = self.table.read();
            let epoch = self.gate.epoch();
            let counted = self.attempts.iter().filter(|of| **of == epoch).count();
            let attempts = register.attempts_in(epoch);
            assert_eq!(usize::try_from(attempts).unwrap(), counted, "TRY-1");
            self.ages.check(&register);
            let state = (register.desired.version, register.desired.hash.clone());
            if self.forgotten.as_ref() == Some(&state) {
                let content = &register.desired.content;
                assert_eq!(*content, Content::Forgotten, "REG-1: it came back");
                assert!(!register.is_dirty(), "REG-2: blanks are to be sent");
            }
        }
    }

    fn assert_retries_are_spent(&self, last: &Failure) {
        let counted = self.attempts.iter().filter(|of| Some(**of) == last.attempt);
        assert!(counted.count() > RETRIES.len(), "TRY-1: a review too early");
    }
}

fn walk(seed: u64, rules: Rules) -> World {
    let mut world = World::new(rules, Dice::thrown(seed), seed);
    let mut workers: Vec<Worker> = (0..3).map(|_| Worker::new(world.dice.span(S))).collect();
    let mut person = Person::default();
    let mut reconciler = Reconciler::default();
    world.change();
    for step in 0..ROUGH_STEPS + CALM_STEPS {
        world.rough = step < ROUGH_STEPS;
        if step == ROUGH_STEPS {
            // Only what is compared after the last hand counts.
            reconciler = Reconciler::default();
            world.gate.down = false;
        }
        if !world.rough && world.is_quiet(&workers) && Person::is_content(&world) {
            if world.stranded {
                world.sweep();
            } else if !rules.hands || reconciler.found_equal(&world.table) {
                world.target.settle(UnixMs(i64::MAX));
                return world;
            }
        }
        world.now = world.now + world.dice.span(Duration::from_millis(60));
        if !world.rough && workers.iter().all(Worker::is_idle) && world.deliveries.is_empty() {
            // Nothing happens before the next message comes.
            let next = world.messages.iter().map(|(at, _)| *at).min();
            world.now = next.map_or(world.now, |next| next.max(world.now));
        }
        world.target.settle(world.now);
        match world.dice.one_of(100) {
            0..2 if world.rough => world.change(),
            2..4 if world.rough && rules.hands => people::hand(&mut world),
            4..8 if rules.hands => reconciler.step(&mut world),
            // What only a replay can help is replayed in the end, whatever the rules.
            8..12 if rules.people || rules.forgets || !world.rough => person.step(&mut world),
            12 if world.rough && rules.people => people::dead_letter_of_a_message(&mut world),
            13 if world.rough && rules.gated => world.gate.down = world.chance(40),
            14..18 if rules.gated => {
                let by = world.token();
                let key = ["another", "a third"][world.dice.one_of(2)];
                world.gate.other(&by, key, world.now);
            }
            0..25 => world.stage(),
            _ => {
                let index = world.dice.one_of(workers.len());
                workers[index].step(&mut world);
            }
        }
        world.check();
    }
    panic!("it does not come to rest: {:?}", world.table.item);
}
