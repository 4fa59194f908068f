//! Bad days: hundreds of seeds and 100,000 port calls, in which everything that may go wrong does.
//! What breaks is told by its invariant, its seed and the shortest story that leads there.
//!
//! `cargo run --release --bin hunt -- --operations 10000000` goes on for longer.

use std::{collections::BTreeMap, fmt::Write, fs, sync::OnceLock};

use tidegate_tests::chaos::{Bag, Hunt, Telling, hunt, shortest, tell};

/// Stories that are told at least, and port calls that are made at least.
const STORIES: u64 = 480;
const OPERATIONS: u64 = 100_000;
/// Seeds that are told twice.
const TWICE: std::ops::Range<u64> = 0..10;
/// Lines of a trace that are shown.
const SHOWN: usize = 80;

/// One hunt for all tests of this file.
fn bag() -> &'static Bag {
    static BAG: OnceLock<Bag> = OnceLock::new();
    BAG.get_or_init(|| {
        let plan = Hunt {
            first: 0,
            stories: STORIES,
            operations: OPERATIONS,
            threads: 2,
            goes_on: true,
        };
        hunt(&plan, &Telling::default())
    })
}

#[test]
fn no_invariant_breaks_on_two_hundred_bad_days() {
    let bag = bag();
    println!("{} stories: {}", bag.stories, bag.totals);
    if let Some(first) = bag.broken.first() {
        panic!("{}", shown(first.seed));
    }
    assert!(bag.stories >= STORIES && bag.totals.operations >= OPERATIONS);
    let totals = &bag.totals;
    assert_eq!(
        (
            totals.lost,
            totals.duplicates,
            totals.inverted,
            totals.over_limit
        ),
        (0, 0, 0, 0)
    );
    assert!(
        totals.faults > 5_000 && totals.effects > 1_000,
        "the days were good: {totals}"
    );
}

/// The shortest story of a seed, as a person reads it.
fn shown(seed: u64) -> String {
    let found = shortest(seed, &Telling::default()).expect("it broke a moment ago");
    let outcome = &found.outcome;
    let mut text = format!("seed {seed} ({})\n", outcome.target.as_str());
    for violation in outcome.violations.iter().take(3) {
        writeln!(text, "{violation}").unwrap();
    }
    for name in &found.left_in {
        writeln!(text, "  with {name}").unwrap();
    }
    let key = outcome
        .violations
        .first()
        .and_then(|first| first.key.clone());
    let about: Vec<&String> = outcome
        .trace
        .iter()
        .filter(|(of, _)| key.is_none() || *of == key)
        .map(|(_, line)| line)
        .collect();
    for line in about.iter().skip(about.len().saturating_sub(SHOWN)) {
        writeln!(text, "{line}").unwrap();
    }
    text + &format!("again: cargo run --release --bin hunt -- --seed {seed}")
}

#[test]
fn the_same_seed_is_the_same_story() {
    for seed in TWICE {
        let first = bag().hashes[&seed];
        let again = tell(seed, &Telling::default());
        assert_eq!(first, again.hash, "seed {seed}");
    }
    let hashes: std::collections::BTreeSet<u64> = bag().hashes.values().copied().collect();
    assert!(hashes.len() >= 200, "another seed is another story");
}

/// Call sites that are known, with a reason where an end can not be seen there.
fn known_sites() -> BTreeMap<String, [bool; 3]> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/simulation/sites.txt");
    let text = fs::read_to_string(path).unwrap();
    let lines = text
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .map(|line| {
            let (ends, site) = line.split_once("  ").unwrap_or_else(|| panic!("{line}"));
            let needed: Vec<bool> = ends.chars().map(|end| end == 'x').collect();
            (site.to_owned(), [needed[0], needed[1], needed[2]])
        })
        .collect()
}

/// Every port call site was seen not sent, done with its answer lost, and done.
#[test]
fn every_call_site_ends_in_every_way() {
    let bag = bag();
    let known = known_sites();
    let mut faults = Vec::new();
    for (site, ends) in &bag.sites {
        match known.get(site) {
            None => faults.push(format!("not listed: {site} {ends:?}")),
            Some(needed)
                if needed
                    .iter()
                    .zip(ends)
                    .any(|(needed, seen)| *needed && *seen == 0) =>
            {
                faults.push(format!("never seen in some way: {site} {ends:?}"));
            }
            Some(_) => {}
        }
    }
    for (site, needed) in &known {
        if needed[2] && !bag.sites.contains_key(site) {
            faults.push(format!("never passed: {site}"));
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}
