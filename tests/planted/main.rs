//! Planted bugs: small faults as patches against production files, each of which the simulator must
//! catch.
//!
//! `bugs/*.patch` are unified diffs against the root of the repository, each below a few lines that
//! say what it breaks; a new one is a file more and nothing else. The suite applies one at a time to
//! a copy of the sources, builds the hunt there and lets it run: a hunt that finds nothing has a
//! hole, and a hunt that finds something without a patch has a fault of its own.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests fail by panic")]

mod bug;
mod workshop;

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
    let bugs = Bug::all();
    let workshop = Workshop::open();
    let clean = workshop.hunt(&[], OPERATIONS);
    assert!(
        matches!(clean, Hunt::NothingFound),
        "found without a planted bug: {clean:?}"
    );
    let mut missed = Vec::new();
    println!("{:<40} {:<9} operations", "planted bug", "invariant");
    for bug in &bugs {
        match workshop.hunt(&bug.files, OPERATIONS) {
            Hunt::Found {
                operations,
                invariant,
            } => println!("{:<40} {invariant:<9} {operations:>10}", bug.name),
            Hunt::NothingFound => {
                println!("{:<40} {:<9} {:>10}", bug.name, "-", "-");
                missed.push(bug.name.as_str());
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
