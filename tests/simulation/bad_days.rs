//! Bad days: hundreds of seeds and 100,000 port calls, in which everything that may go wrong does.
//! What breaks is told by its invariant, its seed and the shortest story that leads there.
//!
//! `cargo run --release --bin hunt -- --operations 10000000` goes on for longer.

use std::{collections::BTreeMap, fmt::Write, fs, sync::OnceLock};

use tidegate_tests::chaos::{Bag, Ends, Hunt, Telling, hunt, shortest, tell, theme::Theme};

/// Stories after which each theme had its turn with each of its targets.
const ROUND: u64 = Theme::TURNS;
/// Stories that are told at least, and port calls that they make at least.
const STORIES: u64 = 6 * ROUND;
const OPERATIONS: u64 = 100_000;
/// Stories that are told at most, where calls of a rare site have not ended in every way yet.
const MOST_STORIES: u64 = 18 * ROUND;
/// Seeds that are told twice.
const TWICE: std::ops::Range<u64> = 0..10;
/// Lines of a trace that are shown.
const SHOWN: usize = 80;

/// One hunt for all tests of this file.
fn bag() -> &'static Bag {
    static BAG: OnceLock<Bag> = OnceLock::new();
    BAG.get_or_init(|| {
        let bag = told(0, STORIES);
        assert!(bag.totals.operations >= OPERATIONS);
        bag
    })
}

fn told(first: u64, stories: u64) -> Bag {
    let plan = Hunt {
        first,
        stories,
        operations: 0,
        threads: 2,
        goes_on: true,
    };
    hunt(&plan, &Telling::default())
}

#[test]
fn no_invariant_breaks_on_hundreds_of_bad_days() {
    let bag = bag();
    println!("{} stories: {}", bag.stories, bag.totals);
    if let Some(first) = bag.broken.first() {
        panic!("{}", shown(first.seed));
    }
    assert!(bag.stories >= STORIES);
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
    let known = known_sites();
    let mut seen = bag().sites.clone();
    let mut first = STORIES;
    loop {
        let unknown: Vec<_> = seen
            .keys()
            .filter(|site| !known.contains_key(*site))
            .collect();
        assert!(unknown.is_empty(), "not listed: {unknown:#?}");
        let unseen = unseen(&known, &seen);
        if unseen.is_empty() {
            return;
        }
        assert!(first < MOST_STORIES, "never seen in every way: {unseen:#?}");
        let further = told(first, ROUND);
        if let Some(broken) = further.broken.first() {
            panic!("{}", shown(broken.seed));
        }
        for (site, ends) in further.sites {
            let sum = seen.entry(site).or_default();
            for (sum, count) in sum.iter_mut().zip(ends) {
                *sum += count;
            }
        }
        first += ROUND;
    }
}

/// Known sites of which an end that is needed was not seen.
fn unseen(known: &BTreeMap<String, [bool; 3]>, seen: &BTreeMap<String, Ends>) -> Vec<String> {
    let lacks = |(site, needed): &(&String, &[bool; 3])| {
        let ends = seen.get(*site).copied().unwrap_or_default();
        needed
            .iter()
            .zip(ends)
            .any(|(needed, seen)| *needed && seen == 0)
    };
    known
        .iter()
        .filter(lacks)
        .map(|(site, _)| site.clone())
        .collect()
}
