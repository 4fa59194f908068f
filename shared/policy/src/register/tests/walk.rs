//! A random walk of the whole protocol on one record: workers and stagers interleave at every
//! write, die, freeze past the end of their claim, lose answers; calls break and take effect late,
//! messages are delivered twice. Held on the way: REG-1, EFF-1, EFF-2, TRY-1. Held when nothing is
//! left to do: REG-2 and QUE-2, without a sweep.

mod reconciler;
mod target;
mod worker;

use proptest::prelude::*;
use rand::{RngExt, SeedableRng, rngs::StdRng};

use super::*;
use crate::stage::{Incoming, Origin, StagePlan, needs_message, plan};
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
/// Steps with trouble.
const ROUGH_STEPS: u32 = 1_500;
/// Steps without, by which all must be done.
const CALM_STEPS: u32 = 20_000;
/// Contents that come and go: few, so that equal ones meet.
const NAMES: [&str; 3] = ["alpha", "beta", "gamma"];

/// What stands for a deletion at the source.
const GONE: &str = "";

fn content_of(name: &str) -> Content {
    if name == GONE {
        Content::Deleted
    } else {
        named(name)
    }
}

/// What stays the same through a walk, and what goes wrong in it.
struct World {
    table: Table,
    target: Target,
    /// Moments from which each message can be received.
    messages: Vec<UnixMs>,
    /// Changes that a source still has to deliver.
    deliveries: Vec<(u64, &'static str)>,
    newest: (u64, &'static str),
    traits: TargetTraits,
    /// A person edits the target now and then, and a reconciliation compares.
    hands: bool,
    /// The source deletes the record and brings it back.
    deletes: bool,
    now: UnixMs,
    rough: bool,
    tokens: u32,
    dice: StdRng,
}

impl World {
    fn chance(&mut self, percent: u32) -> bool {
        self.rough && self.dice.random_range(0..100) < percent
    }

    fn token(&mut self) -> ClaimToken {
        self.tokens += 1;
        token(&format!("t{}", self.tokens))
    }

    /// Writes; the answer may be lost, and the write is sent again. `None`: refused.
    fn write(&mut self, update: &Update) -> bool {
        let before = self.version();
        let mut written = self.table.write(update);
        if written && self.chance(10) {
            written = self.table.write(update);
        }
        assert!(self.version() >= before, "REG-1");
        written
    }

    fn version(&self) -> Option<Version> {
        self.table
            .item
            .as_ref()
            .map(|_| self.table.read().desired.version)
    }

    fn send(&mut self, at: UnixMs) {
        self.messages.push(at);
        if self.chance(10) {
            self.messages.push(at);
        }
    }

    /// A new change happens at the source; it is delivered once or more, in any order.
    fn change(&mut self) {
        let mut name = NAMES[self.dice.random_range(0..NAMES.len())];
        if self.deletes && self.chance(30) {
            name = GONE;
        }
        self.newest = (self.newest.0 + 1, name);
        for _ in 0..self.dice.random_range(1..=2) {
            self.deliveries.push(self.newest);
        }
    }

    /// A stager takes a delivery. When it dies, the source delivers again.
    fn stage(&mut self) {
        if self.deliveries.is_empty() {
            return;
        }
        let at = self.dice.random_range(0..self.deliveries.len());
        let (source, name) = self.deliveries[at];
        let by = self.token().to_string();
        let incoming = Incoming {
            version: version(source),
            content: content_of(name),
            origin: Origin::Batch,
            by: by.clone(),
            search: (self.traits.searchable && name != GONE).then(|| name.to_owned()),
            link: None,
            look_first: false,
            review: None,
            next_window: self.now,
        };
        let mut seen = self.table.item.as_ref().map(|_| self.table.read());
        let queued = loop {
            let update = match plan(seen.as_ref(), &incoming, &[]) {
                StagePlan::Nothing(_) => break seen.as_ref().is_some_and(needs_message),
                StagePlan::Move => move_version(incoming.version, &incoming.content.hash(), &by),
                StagePlan::Again => {
                    stage_again(incoming.version, &incoming.content.hash(), &by, self.now)
                }
                // A deletion of what was never seen has nothing to do.
                StagePlan::New(_) if seen.is_none() && name == GONE => break false,
                StagePlan::New(new) => stage(&new, self.now),
            };
            if self.write(&update) {
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

    fn is_done(&self, workers: &[Worker]) -> bool {
        self.deliveries.is_empty()
            && self.messages.is_empty()
            && workers.iter().all(Worker::is_idle)
    }
}

fn walk(seed: u64, traits: TargetTraits) -> World {
    walk_with(seed, traits, false)
}

fn walk_with(seed: u64, traits: TargetTraits, hands: bool) -> World {
    walk_of(seed, traits, hands, false)
}

fn walk_of(seed: u64, traits: TargetTraits, hands: bool, deletes: bool) -> World {
    let mut world = World {
        table: Table::default(),
        target: Target::default(),
        messages: Vec::new(),
        deliveries: Vec::new(),
        newest: (0, ""),
        traits,
        hands,
        deletes,
        now: NOW,
        rough: true,
        tokens: 0,
        dice: StdRng::seed_from_u64(seed),
    };
    let mut workers: Vec<Worker> = (0..3)
        .map(|_| Worker::new(Duration::from_millis(world.dice.random_range(0..=250))))
        .collect();
    let mut reconciler = Reconciler::default();
    world.change();
    for step in 0..ROUGH_STEPS + CALM_STEPS {
        world.rough = step < ROUGH_STEPS;
        if step == ROUGH_STEPS {
            // Only what is compared after the last hand counts.
            reconciler = Reconciler::default();
        }
        let at_rest = !world.rough && world.is_done(&workers);
        if at_rest && (!hands || reconciler.found_equal()) {
            world.target.settle(UnixMs(i64::MAX));
            return world;
        }
        world.now = world.now + Duration::from_millis(world.dice.random_range(0..=60));
        world.target.settle(world.now);
        match world.dice.random_range(0..100) {
            0..2 if world.rough => world.change(),
            2..4 if world.rough && hands => world.target.edit("a hand's"),
            4..8 if hands => reconciler.step(&mut world),
            0..15 => world.stage(),
            _ => {
                let index = world.dice.random_range(0..workers.len());
                workers[index].step(&mut world);
            }
        }
        assert!(world.target.records() <= 1, "EFF-2: created twice");
    }
    panic!("it does not come to rest: {:?}", world.table.item);
}

#[track_caller]
fn holds_the_newest(world: &World) {
    let register = world.table.read();
    assert_eq!(register.desired.version, version(world.newest.0), "REG-1");
    assert_eq!(register.desired.content, named(world.newest.1));
    assert_eq!(register.state(), State::Applied, "QUE-2: {register:?}");
    assert_eq!(world.target.content(), Some(world.newest.1), "REG-2");
    assert_eq!(register.attempts, 0, "gone with the commit");
}

/// With deletions: right, or in review for a cause that a person can judge.
#[track_caller]
fn holds_the_newest_or_asks(world: &World) {
    if world.table.item.is_none() {
        assert_eq!(world.target.content(), None);
        return;
    }
    let register = world.table.read();
    assert_eq!(register.desired.content, content_of(world.newest.1));
    if let Some(cause) = &register.review {
        let kinds = [ReviewKind::Ambiguous, ReviewKind::DeletedAtSource];
        assert!(kinds.contains(&cause.kind), "{cause:?}");
        return;
    }
    assert!(!register.is_dirty(), "QUE-2: {register:?}");
    let wanted = Some(world.newest.1).filter(|name| *name != GONE);
    assert_eq!(world.target.content(), wanted, "REG-2");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 100, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_searchable_target_ends_with_the_newest_content_created_once_reg_2(seed: u64) {
        holds_the_newest(&walk(seed, BY_NAME));
    }

    #[test]
    fn a_target_with_idempotency_keys_ends_with_the_newest_content_created_once_eff_2(seed: u64) {
        let traits = TargetTraits { idempotent_create: true, searchable: false, ..BY_NAME };
        holds_the_newest(&walk(seed, traits));
    }

    #[test]
    fn an_upsert_target_ends_with_the_newest_content_reg_2(seed: u64) {
        let traits = TargetTraits { upsert: true, searchable: false, ..BY_NAME };
        holds_the_newest(&walk(seed, traits));
    }

    /// R33: the write that makes a record dirty again breaks none of this, whenever it comes.
    #[test]
    fn a_hand_in_the_target_is_healed_whatever_else_happens_reg_2(seed: u64) {
        let traits = TargetTraits { upsert: true, searchable: false, ..BY_NAME };
        holds_the_newest(&walk_with(seed, traits, true));
        let traits = TargetTraits { idempotent_create: true, searchable: false, ..BY_NAME };
        holds_the_newest(&walk_with(seed, traits, true));
    }

    #[test]
    fn a_target_that_can_not_be_searched_ends_right_or_in_review_never_twice_eff_2(seed: u64) {
        let traits = TargetTraits { searchable: false, ..BY_NAME };
        let world = walk(seed, traits);
        let register = world.table.read();
        if register.state() == State::InReview {
            assert_eq!(register.review.unwrap().kind, ReviewKind::Ambiguous);
        } else {
            holds_the_newest(&world);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn deletions_and_returns_end_right_or_before_a_person_never_twice_eff_2(seed: u64) {
        holds_the_newest_or_asks(&walk_of(seed, BY_NAME, false, true));
        let traits = TargetTraits { idempotent_create: true, searchable: false, ..BY_NAME };
        holds_the_newest_or_asks(&walk_of(seed, traits, false, true));
        let traits = TargetTraits { upsert: true, searchable: false, ..BY_NAME };
        holds_the_newest_or_asks(&walk_of(seed, traits, false, true));
    }
}
