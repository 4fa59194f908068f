//! What a story comes to: its faults found, its figures, its hash, its trace.

use std::{collections::BTreeMap, fmt};

use tidegate_model::UnixMs;

/// A broken invariant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which one.
    pub invariant: &'static str,
    /// When, in true time.
    pub at: UnixMs,
    /// After how many port calls.
    pub operation: u64,
    /// The record concerned.
    pub key: Option<String>,
    /// What happened.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key.as_deref().unwrap_or("-");
        write!(
            f,
            "{} after {} operations, record {key}: {}",
            self.invariant, self.operation, self.what
        )
    }
}

/// Figures of stories, added up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Totals {
    /// Port calls.
    pub operations: u64,
    /// Effects at targets.
    pub effects: u64,
    /// Effects that altered nothing: repeats of what a target with our key may be told twice.
    pub repeats: u64,
    /// Faults that struck.
    pub faults: u64,
    /// Changes at sources.
    pub changes: u64,
    /// Records that did not reach the target.
    pub lost: u64,
    /// Records that were made twice.
    pub duplicates: u64,
    /// Effects of an older version after those of a newer one.
    pub inverted: u64,
    /// Windows with more calls than the limit.
    pub over_limit: u64,
}

impl std::ops::AddAssign for Totals {
    fn add_assign(&mut self, other: Self) {
        self.operations += other.operations;
        self.effects += other.effects;
        self.repeats += other.repeats;
        self.faults += other.faults;
        self.changes += other.changes;
        self.lost += other.lost;
        self.duplicates += other.duplicates;
        self.inverted += other.inverted;
        self.over_limit += other.over_limit;
    }
}

impl fmt::Display for Totals {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} operations, {} faults, {} changes, {} effects ({} of them repeats, which altered nothing); \
             {} lost, {} duplicates, {} inverted orders, {} windows over the limit",
            self.operations,
            self.faults,
            self.changes,
            self.effects,
            self.repeats,
            self.lost,
            self.duplicates,
            self.inverted,
            self.over_limit
        )
    }
}

/// How calls of a site ended: not sent; done, and the answer lost; done.
pub type Ends = [u64; 3];

/// The book of a story.
#[derive(Debug, Default)]
pub struct Book {
    /// Broken invariants, in order.
    pub violations: Vec<Violation>,
    /// Figures.
    pub totals: Totals,
    /// Call sites and how their calls ended.
    pub sites: BTreeMap<String, Ends>,
    /// Lines of the story, with the record that each is about; only where they are asked for.
    pub trace: Option<Vec<(Option<String>, String)>>,
    hash: u64,
    /// The number of the present port call.
    pub operation: u64,
}

impl Book {
    /// Notes a broken invariant.
    pub fn fault(&mut self, invariant: &'static str, at: UnixMs, key: Option<&str>, what: String) {
        let counted = match invariant {
            "LIM-1" => Some(&mut self.totals.over_limit),
            _ => None,
        };
        if let Some(counted) = counted {
            *counted += 1;
        }
        self.line(at, key, || format!("!!! {invariant}: {what}"));
        self.violations.push(Violation {
            invariant,
            at,
            operation: self.operation,
            key: key.map(str::to_owned),
            what,
        });
    }

    /// Adds a line to the trace.
    pub fn line(&mut self, at: UnixMs, key: Option<&str>, line: impl FnOnce() -> String) {
        if let Some(trace) = &mut self.trace {
            trace.push((key.map(str::to_owned), format!("{} {}", at.0, line())));
        }
    }

    /// Takes something into the hash of the story.
    pub fn hash_in(&mut self, text: &str, numbers: &[i64]) {
        let mut hash = self.hash ^ 0xcbf2_9ce4_8422_2325;
        for byte in text.bytes() {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        for number in numbers {
            hash = (hash ^ number.cast_unsigned()).wrapping_mul(0x9e37_79b9_7f4a_7c15);
            hash ^= hash >> 29;
        }
        self.hash = hash;
    }

    /// The hash of all that happened.
    pub fn hash(&self) -> u64 {
        self.hash
    }
}
