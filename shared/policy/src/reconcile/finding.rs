//! What a reconciliation finds: kinds, counts, notes.

use std::ops::AddAssign;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Findings that a report names one by one; the others are counted. A report is read by a person and
/// stored in one item.
pub const MAX_NOTES: usize = 50;

/// How the comparison of one key ended.
#[derive(
    Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Source, register and target agree.
    Equal,
    /// The source is newer, and no webhook had brought it: none came, or the hint that came waits still.
    /// Healed: staged.
    WebhookMissed,
    /// The source is newer, and a complete run covered the change. Healed: staged.
    WindowMissed,
    /// The source is newer, and no window or webhook had to bring it yet. Staged all the same.
    NotYetDue,
    /// The flow's revision rose since it was applied. Staged again.
    Remapped,
    /// The source shows other content than it gave before, in an older version: it was put back, or its
    /// versions began again. The first of them are put in review (REG-1). A person must look.
    PutBackAtSource,
    /// The register is clean and the target holds something else. Healed: made dirty again.
    EditedAtTarget,
    /// The register is clean and the target lacks the record. Healed: made dirty again.
    MissingAtTarget,
    /// The target has several records that bear the key. A person must look.
    DoubledAtTarget,
    /// It was deleted, and the target has it all the same: a late call brought it back, or a hand.
    /// Healed: made dirty again.
    BackAtTarget,
    /// Work waited longer than any lawful wait. Healed: queued.
    Stranded,
    /// The source no longer has it. Staged as a deletion.
    DeletedAtSource,
    /// The source does not list it and does not answer for it by its key either. Left as it is.
    Unanswered,
    /// The target bears one of our keys that neither source nor registers know. A person must look.
    UnknownAtSource,
    /// A row that is no record, or a register that can not be read.
    Rejected,
    /// In review already.
    InReview,
    /// A person decided not to send it.
    Discarded,
    /// Work waits or was under way meanwhile.
    Pending,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 18] = [
        Self::Equal,
        Self::WebhookMissed,
        Self::WindowMissed,
        Self::NotYetDue,
        Self::Remapped,
        Self::PutBackAtSource,
        Self::EditedAtTarget,
        Self::MissingAtTarget,
        Self::DoubledAtTarget,
        Self::BackAtTarget,
        Self::Stranded,
        Self::DeletedAtSource,
        Self::Unanswered,
        Self::UnknownAtSource,
        Self::Rejected,
        Self::InReview,
        Self::Discarded,
        Self::Pending,
    ];

    /// Whether a report names it: something was not as it should be.
    pub fn is_finding(self) -> bool {
        !matches!(
            self,
            Self::Equal | Self::NotYetDue | Self::InReview | Self::Discarded | Self::Pending
        )
    }

    /// Whether only a person can put it right. Of those that were put back the first have a review
    /// besides.
    pub fn needs_person(self) -> bool {
        matches!(
            self,
            Self::PutBackAtSource | Self::DoubledAtTarget | Self::UnknownAtSource
        )
    }

    /// Its name, as in an account.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::WebhookMissed => "webhook_missed",
            Self::WindowMissed => "window_missed",
            Self::NotYetDue => "not_yet_due",
            Self::Remapped => "remapped",
            Self::PutBackAtSource => "put_back_at_source",
            Self::EditedAtTarget => "edited_at_target",
            Self::MissingAtTarget => "missing_at_target",
            Self::DoubledAtTarget => "doubled_at_target",
            Self::BackAtTarget => "back_at_target",
            Self::Stranded => "stranded",
            Self::DeletedAtSource => "deleted_at_source",
            Self::Unanswered => "unanswered",
            Self::UnknownAtSource => "unknown_at_source",
            Self::Rejected => "rejected",
            Self::InReview => "in_review",
            Self::Discarded => "discarded",
            Self::Pending => "pending",
        }
    }

    /// Its name in words.
    pub fn words(self) -> &'static str {
        match self {
            Self::Equal => "equal",
            Self::WebhookMissed => "webhook missed",
            Self::WindowMissed => "window missed",
            Self::NotYetDue => "not yet due",
            Self::Remapped => "remapped",
            Self::PutBackAtSource => "put back at source",
            Self::EditedAtTarget => "edited at target",
            Self::MissingAtTarget => "missing at target",
            Self::DoubledAtTarget => "doubled at target",
            Self::BackAtTarget => "back at target",
            Self::Stranded => "stranded",
            Self::DeletedAtSource => "deleted at source",
            Self::Unanswered => "not answered for",
            Self::UnknownAtSource => "unknown at source",
            Self::Rejected => "no record",
            Self::InReview => "in review",
            Self::Discarded => "discarded",
            Self::Pending => "pending",
        }
    }

    /// What it means and what was done, for a person.
    pub fn why(self) -> &'static str {
        match self {
            Self::Equal => "source, register and target agree",
            Self::WebhookMissed => "the source is newer, and no webhook had brought it; staged",
            Self::WindowMissed => "the source is newer, and a window had passed over it; staged",
            Self::NotYetDue => "the source is newer, and no window was due yet; staged",
            Self::Remapped => "the flow's revision rose since it was applied; staged again",
            Self::PutBackAtSource => {
                "the source shows other content in an older version than it gave before, as one that was restored from a backup or created anew does; not sent: the first of them are put in review"
            }
            Self::EditedAtTarget => "edited at the target by hand; sent again",
            Self::MissingAtTarget => "gone at the target; sent again",
            Self::DoubledAtTarget => "several records of the target bear its key; look at them",
            Self::BackAtTarget => {
                "deleted, and the target has it again; its deletion is sent again"
            }
            Self::Stranded => "its work was stranded; queued",
            Self::DeletedAtSource => "deleted at the source; staged as a deletion",
            Self::Unanswered => {
                "not listed by the source, which does not answer for it; left as it is"
            }
            Self::UnknownAtSource => "the target has it, the source does not; look at it",
            Self::Rejected => "its row or its register can not be read; kept among the reviews",
            Self::InReview => "in review",
            Self::Discarded => "a person decided not to send it",
            Self::Pending => "work waits or was under way",
        }
    }
}

/// One finding by name. No field values.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The record's key; for a row that is no record, where it stood.
    pub key: String,
    /// What was found.
    pub kind: Kind,
}

impl Note {
    /// Adds a finding to those that are named. Where no room is left, what needs a person takes the
    /// place of what is healed, but not of the first `kept`: those of the passes before, which a pass
    /// that is begun again returns to.
    pub fn add(self, notes: &mut Vec<Self>, kept: usize) {
        let is_healed = |(at, note): (usize, &Self)| at >= kept && !note.kind.needs_person();
        if notes.len() < MAX_NOTES {
            notes.push(self);
        } else if self.kind.needs_person()
            && let Some(healed) = notes.iter().enumerate().rposition(is_healed)
        {
            notes.remove(healed);
            notes.push(self);
        }
    }
}

/// How many keys were compared, and how each ended. `compared` is counted when a key is taken up
/// and each other term when it is judged, so the sum is a check (OUT-1).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default)]
pub struct Findings {
    /// Keys compared, rows that are no record included.
    pub compared: u64,
    /// See [`Kind::Equal`]; so each of the following.
    pub equal: u64,
    /// No webhook had brought it.
    pub webhook_missed: u64,
    /// A window passed over it.
    pub window_missed: u64,
    /// Newer at the source, and nothing was due.
    pub not_yet_due: u64,
    /// Mapped anew.
    pub remapped: u64,
    /// Put back at the source.
    pub put_back_at_source: u64,
    /// Edited at the target.
    pub edited_at_target: u64,
    /// Gone at the target.
    pub missing_at_target: u64,
    /// Several at the target.
    pub doubled_at_target: u64,
    /// Deleted, and back at the target.
    pub back_at_target: u64,
    /// Stranded.
    pub stranded: u64,
    /// Deleted at the source.
    pub deleted_at_source: u64,
    /// Not answered for.
    pub unanswered: u64,
    /// At the target only.
    pub unknown_at_source: u64,
    /// No record.
    pub rejected: u64,
    /// In review.
    pub in_review: u64,
    /// Discarded.
    pub discarded: u64,
    /// Pending.
    pub pending: u64,
}

impl Findings {
    /// Counts one judgement.
    pub fn count(&mut self, kind: Kind) {
        *self.term(kind) += 1;
    }

    /// How many are findings: a report names the first of them.
    pub fn found(&self) -> u64 {
        let found = Kind::ALL.iter().filter(|kind| kind.is_finding());
        found.map(|kind| self.of(*kind)).sum()
    }

    /// How many only a person can put right.
    pub fn needing_person(&self) -> u64 {
        let needing = Kind::ALL.iter().filter(|kind| kind.needs_person());
        needing.map(|kind| self.of(*kind)).sum()
    }

    /// How many ended so.
    pub fn of(mut self, kind: Kind) -> u64 {
        *self.term(kind)
    }

    /// The counts in words, without zeros: `120 compared: 118 equal, 2 edited at target`.
    pub fn summary(&self) -> String {
        let terms = Kind::ALL.iter().filter_map(|kind| {
            let count = self.of(*kind);
            (count > 0).then(|| format!("{count} {}", kind.words()))
        });
        let terms: Vec<String> = terms.collect();
        match terms.as_slice() {
            [] => format!("{} compared", self.compared),
            terms => format!("{} compared: {}", self.compared, terms.join(", ")),
        }
    }

    /// OUT-1: every key compared ended in exactly one kind.
    pub fn add_up(&self) -> bool {
        let judged: u64 = Kind::ALL.iter().map(|kind| self.of(*kind)).sum();
        judged == self.compared
    }

    fn term(&mut self, kind: Kind) -> &mut u64 {
        match kind {
            Kind::Equal => &mut self.equal,
            Kind::WebhookMissed => &mut self.webhook_missed,
            Kind::WindowMissed => &mut self.window_missed,
            Kind::NotYetDue => &mut self.not_yet_due,
            Kind::Remapped => &mut self.remapped,
            Kind::PutBackAtSource => &mut self.put_back_at_source,
            Kind::EditedAtTarget => &mut self.edited_at_target,
            Kind::MissingAtTarget => &mut self.missing_at_target,
            Kind::DoubledAtTarget => &mut self.doubled_at_target,
            Kind::BackAtTarget => &mut self.back_at_target,
            Kind::Stranded => &mut self.stranded,
            Kind::DeletedAtSource => &mut self.deleted_at_source,
            Kind::Unanswered => &mut self.unanswered,
            Kind::UnknownAtSource => &mut self.unknown_at_source,
            Kind::Rejected => &mut self.rejected,
            Kind::InReview => &mut self.in_review,
            Kind::Discarded => &mut self.discarded,
            Kind::Pending => &mut self.pending,
        }
    }
}

impl AddAssign for Findings {
    fn add_assign(&mut self, other: Self) {
        self.compared += other.compared;
        for kind in Kind::ALL {
            *self.term(kind) += other.of(kind);
        }
    }
}
