//! Planted bugs: small faults as patches against production files, each of which the simulator must
//! catch.
//!
//! `bugs/*.patch` are unified diffs against the root of the repository, each below a few lines that
//! say what it breaks and, where its theme comes late, from which seed it is hunted; a new one is a file
//! more and nothing else. The suite applies one at a time to a copy of the sources, builds the hunt there and lets it run: a hunt that finds nothing has a
//! hole, and a hunt that finds something without a patch has a fault of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

mod bug;
mod workshop;

use std::{path::PathBuf, sync::mpsc, thread};

use bug::Bug;
use workshop::{Hunt, Workshop};

/// Operations within which each bug must be found.
const OPERATIONS: u64 = 10_000;
/// Bugs that are planted at least.
const LEAST: usize = 25;

#[test]
fn every_planted_bug_fits_the_sources() {
    let bugs = Bug::all();
    assert!(bugs.len() >= LEAST, "{} bugs are planted", bugs.len());
}

#[test]
fn every_planted_bug_is_caught() {
    let workshop = Workshop::open();
    let clean = workshop.build("clean", &[]);
    let clean = Hunt::with(&clean, 0, OPERATIONS);
    assert!(
        matches!(clean, Hunt::NothingFound),
        "found without a planted bug: {clean:?}"
    );
    let (built, hunts) = mpsc::sync_channel::<(Bug, PathBuf)>(1);
    let mut missed = Vec::new();
    println!("{:<40} {:<9} operations", "planted bug", "invariant");
    thread::scope(|scope| {
        // One is hunted while the next is built.
        scope.spawn(move || {
            for bug in Bug::all() {
                let hunt = workshop.build(&bug.name, &bug.files);
                built.send((bug, hunt)).unwrap();
            }
        });
        for (Bug { name, from, .. }, hunt) in hunts {
            match Hunt::with(&hunt, from, OPERATIONS) {
                Hunt::Found {
                    operations,
                    invariant,
                } => println!("{name:<40} {invariant:<9} {operations:>10}"),
                Hunt::NothingFound => {
                    println!("{name:<40} {:<9} {:>10}", "-", "-");
                    missed.push(name);
                }
            }
        }
    });
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
