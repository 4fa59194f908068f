//! What an audit found, in counts that add up and in names.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_model::UnixMs;

use super::Finding;
use crate::register::{Register, State};

/// Findings that a report names one by one; the others are counted. A report is read by a person, and
/// stored in one item.
pub const MAX_NOTES: usize = 100;

/// The kinds of finding.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum FindingKind {
    /// A field that should be filled is not.
    Missing,
    /// A rule between fields does not hold.
    Broken,
    /// The expression of a rule gives no value for the record.
    Failed,
    /// Another record has the same values.
    Shared,
}

impl FindingKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Missing, Self::Broken, Self::Failed, Self::Shared];

    /// Its name, as in an account.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Broken => "broken",
            Self::Failed => "failed",
            Self::Shared => "shared",
        }
    }

    /// What it means, for a person.
    pub fn why(self) -> &'static str {
        match self {
            Self::Missing => "the field is empty",
            Self::Broken => "the rule does not hold",
            Self::Failed => "the rule's expression gives no value for it",
            Self::Shared => "another record has the same values",
        }
    }
}

/// How many records were looked at, and how each ended. Each term is counted where it happens, so the
/// sum is a check (OUT-1): `audited = clean + with_findings + unreadable`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
#[schemars(rename = "AuditCounts")]
pub struct Counts {
    /// Records looked at, those that are deleted or forgotten left out: nothing is left of them.
    pub audited: u64,
    /// Nothing is wrong.
    pub clean: u64,
    /// Something is.
    pub with_findings: u64,
    /// Their register can not be read.
    pub unreadable: u64,
    /// Fields that should be filled and are not.
    pub missing: u64,
    /// Rules that do not hold.
    pub broken: u64,
    /// Rules whose expression gives no value.
    pub failed: u64,
    /// Values that another record has too.
    pub shared: u64,
}

impl Counts {
    /// OUT-1 for the records of an audit.
    pub fn add_up(&self) -> bool {
        self.audited == self.clean + self.with_findings + self.unreadable
    }

    /// Findings of a kind.
    pub fn of(mut self, kind: FindingKind) -> u64 {
        *self.term(kind)
    }

    /// All findings.
    pub fn found(&self) -> u64 {
        FindingKind::ALL.iter().map(|kind| self.of(*kind)).sum()
    }

    /// Counts one finding.
    pub fn count(&mut self, kind: FindingKind) {
        *self.term(kind) += 1;
    }

    fn term(&mut self, kind: FindingKind) -> &mut u64 {
        match kind {
            FindingKind::Missing => &mut self.missing,
            FindingKind::Broken => &mut self.broken,
            FindingKind::Failed => &mut self.failed,
            FindingKind::Shared => &mut self.shared,
        }
    }
}

/// `120 audited: 118 clean, 2 with findings`.
impl fmt::Display for Counts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} audited: {} clean", self.audited, self.clean)?;
        let more = [
            (self.with_findings, "with findings"),
            (self.unreadable, "not readable"),
        ];
        for (count, words) in more.iter().filter(|(count, _)| *count > 0) {
            write!(f, ", {count} {words}")?;
        }
        Ok(())
    }
}

/// Findings of one kind by one field or rule.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Tally {
    /// What is wrong.
    pub kind: FindingKind,
    /// The field, the rule, or the fields that are shared.
    pub name: String,
    /// How often.
    pub count: u64,
}

impl Tally {
    /// Counts a finding among those of its kind and name, which stay in order.
    pub fn count(tallies: &mut Vec<Self>, finding: &Finding<'_>) {
        let (kind, name) = (finding.kind, finding.name);
        let place = tallies.binary_search_by(|tally| {
            let order = tally.kind.cmp(&kind);
            order.then_with(|| tally.name.as_str().cmp(name))
        });
        match place {
            Ok(at) => {
                if let Some(tally) = tallies.get_mut(at) {
                    tally.count += 1;
                }
            }
            Err(at) => tallies.insert(
                at,
                Self {
                    kind,
                    name: name.to_owned(),
                    count: 1,
                },
            ),
        }
    }
}

/// One finding by name. No field values.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Note {
    /// The record.
    pub key: String,
    /// What is wrong.
    pub kind: FindingKind,
    /// The field, the rule, or the fields that are shared.
    pub name: String,
}

impl Note {
    /// Adds a finding to those that are named, in the order of keys: the first of them stay.
    pub fn add(self, notes: &mut Vec<Self>) {
        let at = notes.partition_point(|note| *note < self);
        if at < MAX_NOTES {
            notes.insert(at, self);
            notes.truncate(MAX_NOTES);
        }
    }
}

/// What the target does not hold yet, counted from the registers: source against target, without a
/// call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Standing {
    /// Records whose newest content the target holds.
    pub applied: u64,
    /// Records of which work waits or is under way.
    pub pending: u64,
    /// Since when the oldest of them waits.
    pub pending_since: Option<UnixMs>,
    /// Records that wait for a person.
    pub in_review: u64,
    /// Since when the oldest of them waits.
    pub in_review_since: Option<UnixMs>,
    /// Records that a person decided not to send.
    pub discarded: u64,
}

impl Standing {
    /// Counts one record.
    pub fn count(&mut self, register: &Register) {
        let (term, oldest, since) = match register.state() {
            State::Applied => return self.applied += 1,
            State::Discarded => return self.discarded += 1,
            State::Pending => (
                &mut self.pending,
                &mut self.pending_since,
                register.pending_since.or(register.dirty_since),
            ),
            State::InReview => {
                let cause = register.review.as_ref().map(|cause| cause.since);
                (
                    &mut self.in_review,
                    &mut self.in_review_since,
                    register.pending_since.into_iter().chain(cause).min(),
                )
            }
        };
        *term += 1;
        *oldest = oldest.iter().copied().chain(since).min();
    }
}
