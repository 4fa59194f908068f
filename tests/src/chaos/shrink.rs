//! The shortest story: takes faults and happenings out of a story as long as it still ends badly in
//! the same way (delta debugging, Zeller and Hildebrandt, 2002).

use std::collections::BTreeSet;

use super::{Outcome, Telling, tell};

/// Tellings that are spent on one story: each takes some ten milliseconds.
const TELLINGS: usize = 400;

/// A story that can not be made shorter by taking one thing out.
#[derive(Clone, Debug)]
pub struct Shortest {
    /// What it came to, with its trace.
    pub outcome: Outcome,
    /// What was left in.
    pub left_in: Vec<String>,
    /// How often it was told.
    pub tellings: usize,
}

/// Shortens the story of a seed that breaks an invariant; `None` when it breaks none.
pub fn shortest(seed: u64, telling: &Telling) -> Option<Shortest> {
    let first = tell(seed, telling);
    let invariant = first.violations.first()?.invariant;
    let everything: BTreeSet<String> = first.struck.iter().cloned().collect();
    let mut kept: Vec<String> = first.struck;
    let mut tellings = 1;
    let ends_so = |kept: &[String]| {
        // What was not there in the first telling is left in: it can not be known beforehand.
        let kept: BTreeSet<&String> = kept.iter().collect();
        let mut telling = telling.clone();
        telling.left_out.extend(
            everything
                .iter()
                .filter(|name| !kept.contains(name))
                .cloned(),
        );
        let outcome = tell(seed, &telling);
        outcome
            .violations
            .iter()
            .any(|violation| violation.invariant == invariant)
    };
    let mut parts = 2;
    while kept.len() > 1 && tellings < TELLINGS {
        let size = kept.len().div_ceil(parts);
        let mut shorter = None;
        for from in (0..kept.len()).step_by(size) {
            let rest: Vec<String> = kept
                .iter()
                .enumerate()
                .filter(|(place, _)| *place < from || *place >= from + size)
                .map(|(_, name)| name.clone())
                .collect();
            tellings += 1;
            if ends_so(&rest) {
                shorter = Some(rest);
                break;
            }
            if tellings >= TELLINGS {
                break;
            }
        }
        match shorter {
            Some(rest) => {
                kept = rest;
                parts = parts.saturating_sub(1).max(2);
            }
            None if size == 1 => break,
            None => parts = (parts * 2).min(kept.len()),
        }
    }
    let mut last = telling.clone();
    let left: BTreeSet<&String> = kept.iter().collect();
    last.left_out.extend(
        everything
            .iter()
            .filter(|name| !left.contains(name))
            .cloned(),
    );
    last.traced = true;
    Some(Shortest {
        outcome: tell(seed, &last),
        left_in: kept,
        tellings,
    })
}
