//! Every way there is within small bounds: two workers with clocks as far apart as they may be,
//! a change or two, one trouble or more of any kind at any step (a death, an answer that is lost, a
//! call that fails or breaks and takes effect now, late or never, a message delivered twice), in
//! every order. Time moves to the next moment at which something changes. Where nothing can happen
//! any more, all must be at rest; a state met twice is gone into once.
//!
//! Two changes with one trouble are too wide for a test of seconds: they were gone into once, in
//! 72,231 states (128,729 where an update takes two calls), one change with two troubles in 32,501,
//! and a deletion with a return in 32,447; nothing was broken.

use std::{
    collections::{HashSet, hash_map::DefaultHasher},
    hash::{Hash, Hasher},
};

use super::{
    rest::{IDEMPOTENT, OWN, TWO_CALLS, UPSERT, assert_rest},
    *,
};

/// More states than this are a bound that is too wide for a test, or work without end.
const MOST_STATES: usize = 400_000;

#[derive(Clone, Copy)]
struct Bounds {
    /// What the source tells, one after another.
    changes: &'static [&'static str],
    troubles: u32,
    /// The person's steps: a look and an act each.
    person_steps: u32,
}

#[derive(Clone)]
struct Scene {
    world: World,
    workers: Vec<Worker>,
    person: Person,
    left: Bounds,
}

/// What can be done next.
#[derive(Clone, Copy)]
enum Move {
    Change,
    Stage,
    Person,
    Work(usize),
    Time,
}

const MOVES: [Move; 6] = [
    Move::Change,
    Move::Stage,
    Move::Person,
    Move::Work(0),
    Move::Work(1),
    Move::Time,
];

impl Scene {
    /// Whether it could change anything.
    fn may(&self, next: Move) -> bool {
        match next {
            Move::Change => !self.left.changes.is_empty(),
            Move::Stage => !self.world.deliveries.is_empty(),
            Move::Person => self.left.person_steps > 0,
            Move::Work(index) => {
                let worker = &self.workers[index];
                !worker.is_idle() || worker.can_act(&self.world)
            }
            Move::Time => true,
        }
    }

    fn act(&mut self, next: Move) {
        self.world.target.settle(self.world.now);
        match next {
            Move::Change => {
                if let Some((name, later)) = self.left.changes.split_first() {
                    self.left.changes = later;
                    self.world.change_to(name);
                }
            }
            Move::Stage => self.world.stage(),
            Move::Person => {
                let before = format!("{:?}", self.person);
                self.person.step(&mut self.world);
                let stepped = format!("{:?}", self.person) != before;
                self.left.person_steps -= u32::from(stepped);
            }
            Move::Work(index) => self.workers[index].step(&mut self.world),
            Move::Time => self.pass_time(),
        }
        self.world.check();
    }

    /// Time stands still while somebody can go on. That all of them stand still is a trouble: until
    /// the next moment at which something changes, or until a message comes back.
    fn pass_time(&mut self) {
        let world = &mut self.world;
        let busy = self.workers.iter().any(|worker| worker.can_act(world));
        let stall = busy || !world.deliveries.is_empty();
        if stall && !world.chance(100) {
            return;
        }
        let now = world.now;
        let messages = world.messages.iter().map(|(at, _)| *at);
        let message = messages.filter(|at| *at > now).min();
        let workers = self.workers.iter().filter_map(|it| it.next_after(now));
        let next = world
            .target
            .next_after(now)
            .into_iter()
            .chain(message)
            .chain(workers)
            .min();
        world.now = match (next, message) {
            (Some(_), Some(message)) if stall && world.dice.one_of(2) == 1 => message,
            (Some(next), _) => next,
            (None, _) => now,
        };
        if next.is_none() && world.is_quiet(&self.workers) {
            world.sweep();
        }
    }

    /// Two scenes of one key go on alike.
    fn key(&self) -> u64 {
        let Self {
            world,
            workers,
            person,
            left,
        } = self;
        let mut messages = world.messages.clone();
        messages.sort();
        let mut deliveries = world.deliveries.clone();
        deliveries.sort_unstable();
        let mut key = DefaultHasher::new();
        format!(
            "{:?}{:?}{messages:?}{deliveries:?}{:?}{:?}{:?}{:?}{:?}{:?}{}{}{}{}{workers:?}{person:?}{}{}",
            world.table,
            world.target,
            world.newest,
            world.edited,
            world.discarded,
            world.forgotten,
            world.attempts,
            world.ages,
            world.stranded,
            world.now,
            world.tokens,
            world.receipts + 1_000 * world.dice.troubles_left(),
            left.changes.len(),
            left.person_steps,
        )
        .hash(&mut key);
        key.finish()
    }

    fn is_over(&self) -> bool {
        self.world.is_quiet(&self.workers) && self.left.changes.is_empty()
    }
}

/// Goes every way. Returns how many states there are, and how many of them are at rest.
fn explore(rules: Rules, bounds: Bounds) -> (usize, usize) {
    let dice = Dice::told(Vec::new(), bounds.troubles);
    let scene = Scene {
        world: World::new(rules, dice, 0),
        workers: vec![Worker::new(Duration::ZERO), Worker::new(S)],
        person: Person::default(),
        left: bounds,
    };
    let mut seen = HashSet::from([scene.key()]);
    let mut open = vec![scene];
    let mut at_rest = 0;
    while let Some(scene) = open.pop() {
        let (key, troubles) = (scene.key(), scene.world.dice.troubles_left());
        let mut goes_on = false;
        for next in MOVES.into_iter().filter(|next| scene.may(*next)) {
            let mut way = Some(Vec::new());
            while let Some(picks) = way {
                let mut then = scene.clone();
                then.world.dice = Dice::told(picks, troubles);
                then.act(next);
                let then_key = then.key();
                way = then.world.dice.clone().other_way();
                goes_on |= then_key != key;
                if seen.insert(then_key) {
                    open.push(then);
                }
            }
        }
        assert!(seen.len() < MOST_STATES, "work without end?");
        // A person need not act, so a scene that could go on only by its hand is at rest too.
        if !goes_on || scene.is_over() && !scene.world.stranded {
            assert!(scene.is_over(), "stuck: {:?}", scene.world.table.item);
            // What waits for the person to finish is no end.
            if Person::is_content(&scene.world) {
                assert_rest(&scene.world);
                at_rest += 1;
            }
        }
    }
    (seen.len(), at_rest)
}

/// Prints how far it went.
fn explore_all(stories: &[(Rules, &'static [&'static str], u32, u32)]) {
    for &(rules, changes, troubles, person_steps) in stories {
        let bounds = Bounds {
            changes,
            troubles,
            person_steps,
        };
        let (states, at_rest) = explore(rules, bounds);
        println!("{changes:?}, {troubles} troubles: {states} states, {at_rest} of them at rest");
        assert!(states > 50 && at_rest > 5, "it hardly began");
    }
}

#[test]
fn every_order_of_two_changes_and_every_trouble_with_one_end_right_reg_2_eff_2() {
    for traits in [BY_NAME, TWO_CALLS, IDEMPOTENT, UPSERT] {
        let rules = Rules { traits, ..PLAIN };
        explore_all(&[(rules, &["alpha", "beta"], 0, 0), (rules, &["alpha"], 1, 0)]);
    }
}

#[test]
fn every_order_of_a_deletion_and_a_return_ends_right_under_each_policy_reg_2() {
    for deletion in [
        Deletion::Delete,
        Deletion::Archive,
        Deletion::Keep,
        Deletion::Review,
    ] {
        let rules = Rules {
            traits: TWO_CALLS,
            deletion,
            deletes: true,
            ..PLAIN
        };
        explore_all(&[(rules, &["alpha", GONE], 0, 0)]);
    }
}

#[test]
fn every_moment_at_which_a_person_edits_replays_or_discards_ends_right_reg_2() {
    let rules = Rules {
        people: true,
        ..PLAIN
    };
    explore_all(&[
        (rules, &[INVALID], 0, 6),
        (rules, &[INVALID], 1, 4),
        (rules, &["alpha", INVALID], 0, 4),
    ]);
}

#[test]
fn every_moment_at_which_our_own_store_is_written_ends_right_reg_2() {
    let rules = Rules {
        traits: OWN,
        people: true,
        ..PLAIN
    };
    explore_all(&[
        (rules, &["alpha", "beta", "alpha"], 1, 0),
        (rules, &[INVALID], 1, 4),
        (rules, &[INVALID, "alpha"], 1, 4),
        (rules, &["alpha", INVALID, "beta"], 0, 4),
    ]);
}

#[test]
fn every_moment_at_which_it_is_forgotten_ends_right_and_brings_nothing_back_reg_1() {
    let rules = Rules {
        forgets: true,
        ..PLAIN
    };
    explore_all(&[
        (rules, &["alpha", "beta"], 0, 4),
        (rules, &["alpha", "alpha"], 0, 4),
        (rules, &["alpha"], 1, 4),
    ]);
    let deletes = Rules {
        deletes: true,
        ..rules
    };
    explore_all(&[(deletes, &["alpha", GONE], 0, 4)]);
}
