//! What loads and comparisons with a warehouse are counted as.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Findings of one comparison that are told by name; all are counted.
pub const MAX_NOTES: usize = 100;

/// How the comparison of a key ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WarehouseFinding")]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The warehouse holds what was loaded.
    Equal,
    /// Nothing can be said: its newest content is not applied, or is in no file yet.
    Waiting,
    /// It was put into a file so lately that it may not have been merged.
    InTransit,
    /// It was loaded and is not there.
    Missing,
    /// An older version is there.
    Older,
    /// The version is there and its row says something else.
    Altered,
    /// A newer version is there than was ever loaded.
    Newer,
    /// There is a row and no register.
    Unknown,
}

impl Kind {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::Equal,
        Self::Waiting,
        Self::InTransit,
        Self::Missing,
        Self::Older,
        Self::Altered,
        Self::Newer,
        Self::Unknown,
    ];

    /// The kind in logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::Waiting => "waiting",
            Self::InTransit => "in_transit",
            Self::Missing => "missing",
            Self::Older => "older",
            Self::Altered => "altered",
            Self::Newer => "newer",
            Self::Unknown => "unknown",
        }
    }

    /// What is done about it, where something is wrong.
    pub fn remedy(self) -> Option<&'static str> {
        match self {
            Self::Equal | Self::Waiting | Self::InTransit => None,
            Self::Missing | Self::Older => Some("it is loaded again"),
            Self::Altered => Some("somebody altered its row, which is loaded again"),
            Self::Newer => Some("the registers were put back, or another Tidegate loads this flow"),
            Self::Unknown => Some("no register has this key: delete the row, if it is nobody's"),
        }
    }

    /// Whether something is wrong.
    pub fn is_finding(self) -> bool {
        self.remedy().is_some()
    }

    /// Whether loading it again mends it.
    pub fn is_loaded_again(self) -> bool {
        matches!(self, Self::Missing | Self::Older | Self::Altered)
    }
}

/// How the looks at a flow's registers ended, in one load. They add up to `records` (OUT-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "LoadCounts")]
pub struct Counts {
    /// Registers that were looked at.
    pub records: u64,
    /// Put into a file.
    pub loaded: u64,
    /// In an earlier file already.
    pub unchanged: u64,
    /// Not applied at present: they wait, are in review, or were discarded.
    pub held_back: u64,
    /// Changed while the file was put: the next load takes them.
    pub overtaken: u64,
    /// Not readable.
    pub unreadable: u64,
}

impl Counts {
    /// Whether each look ended in one way.
    pub fn add_up(&self) -> bool {
        let ends = [
            self.loaded,
            self.unchanged,
            self.held_back,
            self.overtaken,
            self.unreadable,
        ];
        ends.iter().sum::<u64>() == self.records
    }
}

/// How many keys were compared, and how each ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WarehouseDifference")]
pub struct Difference {
    /// See [`Kind`].
    pub equal: u64,
    /// See [`Kind`].
    pub waiting: u64,
    /// See [`Kind`].
    pub in_transit: u64,
    /// See [`Kind`].
    pub missing: u64,
    /// See [`Kind`].
    pub older: u64,
    /// See [`Kind`].
    pub altered: u64,
    /// See [`Kind`].
    pub newer: u64,
    /// See [`Kind`].
    pub unknown: u64,
}

impl Difference {
    /// Counts one key.
    pub fn count(&mut self, kind: Kind) {
        self.count_all(kind, 1);
    }

    /// Counts so many keys.
    pub fn count_all(&mut self, kind: Kind, keys: u64) {
        *self.at(kind) += keys;
    }

    fn at(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Equal => &mut self.equal,
            Kind::Waiting => &mut self.waiting,
            Kind::InTransit => &mut self.in_transit,
            Kind::Missing => &mut self.missing,
            Kind::Older => &mut self.older,
            Kind::Altered => &mut self.altered,
            Kind::Newer => &mut self.newer,
            Kind::Unknown => &mut self.unknown,
        }
    }

    /// How many of a kind.
    pub fn of(mut self, kind: Kind) -> u64 {
        *self.at(kind)
    }

    /// How many keys.
    pub fn compared(self) -> u64 {
        Kind::ALL.into_iter().map(|kind| self.of(kind)).sum()
    }

    /// How many are wrong.
    pub fn found(self) -> u64 {
        let wrong = Kind::ALL.into_iter().filter(|kind| kind.is_finding());
        wrong.map(|kind| self.of(kind)).sum()
    }
}

/// A finding by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The record.
    pub key: String,
    /// What is wrong.
    pub kind: Kind,
}

/// Counts and sum of what one side holds: where both sides have the same, all their records are equal.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(rename = "WarehouseChecksum")]
pub struct Checksum {
    /// Records, deletions included.
    pub held: u64,
    /// Deletions among them.
    pub deleted: u64,
    /// Sum of the first 60 bits of each digest, as a decimal number: it can exceed what a JSON reader takes
    /// for a whole number.
    pub checksum: String,
}
