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

#[test]
fn every_planted_bug_fits_the_sources() {
    let waiting = Bug::all("planted/waiting");
    assert!(!Bug::all("planted/bugs").is_empty());
    println!("{} bugs are not found soon enough yet", waiting.len());
}

#[test]
fn every_planted_bug_is_caught() {
    let bugs = Bug::all("planted/bugs");
    let workshop = Workshop::open();
    let clean = workshop.hunt(&[], OPERATIONS);
    assert!(
        matches!(clean, Hunt::NothingFound),
        "found without a planted bug: {clean:?}"
    );
    let mut missed = Vec::new();
    println!("{:<34} {:>10}  found", "planted bug", "operations");
    for bug in &bugs {
        match workshop.hunt(&bug.files, OPERATIONS) {
            Hunt::Found { operations, what } => {
                println!("{:<34} {operations:>10}  {what}", bug.name);
            }
            Hunt::NothingFound => {
                println!("{:<34} {:>10}  nothing", bug.name, "-");
                missed.push(bug.name.as_str());
            }
        }
    }
    assert!(missed.is_empty(), "not caught: {missed:?}");
}
