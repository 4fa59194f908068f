//! What a stored register says.

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_model::{
    ClaimToken, Content, ContentHash, Fields, Tier, TierReason, UnixMs, Version,
    item::{Item, Value},
};

use super::{CLOCK_SKEW, attr};

/// Attempts that a register remembers: more would take it over 1 KB, the unit a write pays for.
pub(super) const HISTORY_LEN: usize = 4;

/// A register, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Register {
    /// The newest version seen.
    pub desired: Desired,
    /// What the target is known to hold.
    pub applied: Option<Applied>,
    /// Since when there is work: when the newest change came. The sweep and a commit go by it.
    pub dirty_since: Option<UnixMs>,
    /// When the oldest change came that the target is not known to hold. Ages go by it. A change that
    /// comes during a call counts from itself once that call is applied, in part.
    pub pending_since: Option<UnixMs>,
    /// In the real-time tier, when the oldest such change of that tier came, or an earlier one that
    /// came after the newest claim that was applied in part.
    pub urgent_since: Option<UnixMs>,
    /// Who works on it.
    pub claim: Option<Claim>,
    /// The first claim whose call's outcome is not known.
    pub unknown: Option<ClaimToken>,
    /// An earlier call may take effect until then.
    pub quiet_until: Option<UnixMs>,
    /// The search value under which a create may have been sent (EFF-2).
    pub intent: Option<String>,
    /// Attempts in `attempts_epoch`.
    pub attempts: u32,
    /// The breaker's epoch in which they were made.
    pub attempts_epoch: u64,
    /// No attempt before this moment.
    pub next_attempt: Option<UnixMs>,
    /// The record's id at the target.
    pub target_id: Option<String>,
    /// The tag of the target's state, where the target keeps one.
    pub etag: Option<String>,
    /// Why a person must look.
    pub review: Option<ReviewCause>,
    /// How urgent the change is.
    pub tier: Tier,
    /// Why.
    pub tier_reason: TierReason,
    /// Waits for this moment without a message (the next window).
    pub due: Option<UnixMs>,
    /// The last attempts, oldest first.
    pub history: Vec<AttemptNote>,
    /// What a person changed.
    pub edited: Option<Override>,
    /// What was last put into a file for the warehouse.
    pub loaded: Option<Loaded>,
}

/// The desired state.
#[derive(Clone, Debug, PartialEq)]
pub struct Desired {
    /// Its version.
    pub version: Version,
    /// Hash of the content to send, edits included.
    pub hash: ContentHash,
    /// The content as the source gave it.
    pub content: Content,
    /// Who staged it.
    pub staged_by: String,
}

/// The applied state.
#[derive(Clone, Debug, PartialEq)]
pub struct Applied {
    /// Its version.
    pub version: Version,
    /// Hash of what was sent.
    pub hash: ContentHash,
    /// When.
    pub at: UnixMs,
}

/// What was put into a file for the warehouse.
#[derive(Clone, Debug, PartialEq)]
pub struct Loaded {
    /// Its line, as [`crate::load::Mark`] names it.
    pub line: String,
    /// When.
    pub at: UnixMs,
}

/// A claim.
#[derive(Clone, Debug, PartialEq)]
pub struct Claim {
    /// Its token.
    pub token: ClaimToken,
    /// Its end.
    pub until: UnixMs,
}

/// Why a record needs a person.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ReviewCause {
    /// The kind of cause.
    pub kind: ReviewKind,
    /// The field at fault, where one is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// What happened, without field values.
    pub reason: String,
    /// Since when.
    pub since: UnixMs,
}

/// The kinds of cause for a review.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum ReviewKind {
    /// It breaks the flow's schema.
    Invalid,
    /// The target refuses it.
    Refused,
    /// Its retries are used up.
    RetriesSpent,
    /// It was deleted at the source and the flow asks for a person.
    DeletedAtSource,
    /// The source shows other content in an older version than it gave before.
    PutBackAtSource,
    /// A create may have happened and can not be found again, or was found more than once.
    Ambiguous,
    /// A message about it went to the dead letters.
    DeadLetter,
    /// A row of the source that is no record: it has no key or no version, or is too large.
    Rejected,
    /// It breaks a rule of the flow's audit. It is sent all the same.
    Audit,
}

impl ReviewKind {
    /// The kind in mails, logs and answers.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Invalid => "invalid",
            Self::Refused => "refused",
            Self::RetriesSpent => "retries_spent",
            Self::DeletedAtSource => "deleted_at_source",
            Self::PutBackAtSource => "put_back_at_source",
            Self::Ambiguous => "ambiguous",
            Self::DeadLetter => "dead_letter",
            Self::Rejected => "rejected",
            Self::Audit => "audit",
        }
    }
}

/// One attempt, as the record remembers it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AttemptNote {
    /// When the call started.
    pub at: UnixMs,
    /// How it ended: `applied`, or the failure's reason, without field values.
    pub outcome: String,
}

/// What a person changed before a replay; gone with other content of the source, or a discard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Override {
    /// Fields that replace those of the source.
    pub fields: Fields,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
    /// When.
    pub at: UnixMs,
    /// Hash of the source's content that was edited.
    pub base: ContentHash,
}

/// A register that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a stored register has no readable `{attribute}`")]
pub struct CorruptRegister {
    /// The attribute at fault.
    pub attribute: &'static str,
}

/// Where a record stands, for people.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The target holds the newest version.
    Applied,
    /// Work is waiting or under way.
    Pending,
    /// A person must look.
    InReview,
    /// A person decided not to send it.
    Discarded,
}

impl Register {
    /// Hash of what the source gave, whatever a person made of it.
    pub fn given_hash(&self) -> &ContentHash {
        let edited = self.edited.as_ref().map(|edit| &edit.base);
        edited.unwrap_or(&self.desired.hash)
    }

    /// Whether an item is the register of a record that the target holds as desired, with no work and
    /// no review: [`State::Applied`], told without reading its content. Most of a large flow is so.
    pub fn is_at_rest(item: &Item) -> bool {
        let reader = Reader(item);
        let works = [attr::DIRTY_SINCE, attr::REVIEW, attr::UNKNOWN_SINCE_CLAIM]
            .iter()
            .any(|attribute| item.contains_key(*attribute));
        let applied = reader.text(attr::APPLIED_HASH);
        !works && applied.is_some() && applied == reader.text(attr::DESIRED_HASH)
    }

    /// Reads a stored item. An item without desired version is no register: `None`.
    pub fn read(item: &Item) -> Result<Option<Self>, CorruptRegister> {
        let reader = Reader(item);
        let Some(version) = reader.text(attr::DESIRED_VERSION) else {
            return Ok(None);
        };
        let desired = Desired {
            version: Version::decode(version).map_err(|_| corrupt(attr::DESIRED_VERSION))?,
            hash: ContentHash(reader.need(attr::DESIRED_HASH)?.to_owned()),
            content: reader
                .json(attr::DESIRED_CONTENT)?
                .ok_or(corrupt(attr::DESIRED_CONTENT))?,
            staged_by: reader.text(attr::STAGED_BY).unwrap_or_default().to_owned(),
        };
        let applied = match reader.text(attr::APPLIED_VERSION) {
            None => None,
            Some(version) => Some(Applied {
                version: Version::decode(version).map_err(|_| corrupt(attr::APPLIED_VERSION))?,
                hash: ContentHash(reader.need(attr::APPLIED_HASH)?.to_owned()),
                at: reader
                    .time(attr::APPLIED_AT)
                    .ok_or(corrupt(attr::APPLIED_AT))?,
            }),
        };
        let claim = match (
            reader.token(attr::CLAIM_OWNER)?,
            reader.time(attr::CLAIM_UNTIL),
        ) {
            (Some(token), Some(until)) => Some(Claim { token, until }),
            _ => None,
        };
        let tier = if reader.text(attr::TIER) == Some(Tier::RealTime.as_str()) {
            Tier::RealTime
        } else {
            Tier::Batch
        };
        let (dirty_since, pending_since, urgent_since) = reader.since(tier);
        Ok(Some(Self {
            desired,
            applied,
            dirty_since,
            pending_since,
            urgent_since,
            claim,
            unknown: reader.token(attr::UNKNOWN_SINCE_CLAIM)?,
            quiet_until: reader.time(attr::QUIET_UNTIL),
            intent: reader
                .text(attr::INTENT)
                .filter(|value| !value.is_empty())
                .map(str::to_owned),
            attempts: reader.count(attr::ATTEMPTS),
            attempts_epoch: u64::from(reader.count(attr::ATTEMPTS_EPOCH)),
            next_attempt: reader.time(attr::NEXT_ATTEMPT),
            target_id: reader.text(attr::TARGET_ID).map(str::to_owned),
            etag: reader.text(attr::ETAG).map(str::to_owned),
            review: reader.json(attr::REVIEW)?,
            tier,
            tier_reason: reader
                .json(attr::TIER_REASON)?
                .unwrap_or(TierReason::NotCritical),
            due: reader.time(attr::DUE),
            history: reader.json(attr::HISTORY)?.unwrap_or_default(),
            edited: reader.json(attr::OVERRIDE)?,
            loaded: reader.loaded(),
        }))
    }

    /// The content to send: the source's, with a person's edits over it.
    pub fn effective(&self) -> Content {
        match (&self.desired.content, &self.edited) {
            (Content::Record(fields), Some(edit)) => {
                let mut merged = fields.clone();
                merged.extend(edit.fields.clone());
                Content::Record(merged)
            }
            (content, _) => content.clone(),
        }
    }

    /// Whether there is work: desired differs from applied or an outcome is unknown (QUE-2).
    pub fn is_dirty(&self) -> bool {
        self.dirty_since.is_some()
    }

    /// Where the record stands.
    pub fn state(&self) -> State {
        if self.review.is_some() {
            State::InReview
        } else if self.is_dirty() {
            State::Pending
        } else if self.unknown.is_none()
            && self
                .applied
                .as_ref()
                .is_some_and(|applied| applied.hash == self.desired.hash)
        {
            State::Applied
        } else {
            // Also where the target may hold something else than what was last applied: a call's
            // outcome was open when a person decided.
            State::Discarded
        }
    }

    /// Attempts that count: those of the breaker's present epoch. When an epoch ends by opening,
    /// its attempts are given back (TRY-1).
    pub fn attempts_in(&self, epoch: u64) -> u32 {
        if self.attempts_epoch == epoch {
            self.attempts
        } else {
            0
        }
    }

    /// The earliest moment at which a claim can succeed, as far as this register says.
    pub fn claimable_at(&self) -> UnixMs {
        let after = |moment: UnixMs| moment + CLOCK_SKEW + Duration::from_millis(1);
        [
            self.claim.as_ref().map(|claim| after(claim.until)),
            self.quiet_until.map(after),
            self.next_attempt,
        ]
        .into_iter()
        .flatten()
        .max()
        .unwrap_or(UnixMs::EPOCH)
    }

    /// The history with one more attempt.
    pub(super) fn history_with(&self, note: AttemptNote) -> Vec<AttemptNote> {
        let mut history = self.history.clone();
        history.push(note);
        let surplus = history.len().saturating_sub(HISTORY_LEN);
        history.drain(..surplus);
        history
    }
}

fn corrupt(attribute: &'static str) -> CorruptRegister {
    CorruptRegister { attribute }
}

/// Reads attributes of an item by kind.
struct Reader<'a>(&'a Item);

impl<'a> Reader<'a> {
    fn text(&self, name: &str) -> Option<&'a str> {
        self.0.get(name).and_then(Value::as_text)
    }

    fn need(&self, name: &'static str) -> Result<&'a str, CorruptRegister> {
        self.text(name).ok_or(corrupt(name))
    }

    fn time(&self, name: &str) -> Option<UnixMs> {
        self.0.get(name).and_then(Value::as_number).map(UnixMs)
    }

    /// Since when there is work, since when the oldest of it waits, and since when it is urgent.
    fn since(&self, tier: Tier) -> (Option<UnixMs>, Option<UnixMs>, Option<UnixMs>) {
        let dirty = self.time(attr::DIRTY_SINCE);
        let pending = [attr::CLAIMED_PENDING_SINCE, attr::PENDING_SINCE]
            .into_iter()
            .filter_map(|attribute| self.time(attribute))
            .chain(dirty)
            .min()
            .filter(|_| dirty.is_some());
        // What came before all that waits is applied, the urgent too.
        let urgent = pending.map(|since| Some(since).max(self.time(attr::URGENT_SINCE)));
        let urgent = urgent.flatten().filter(|_| tier == Tier::RealTime);
        (dirty, pending, urgent)
    }

    /// What can not be read was not loaded: it is again.
    fn loaded(&self) -> Option<Loaded> {
        let line = self.text(attr::LOADED_LINE)?.to_owned();
        let at = self.time(attr::LOADED_AT)?;
        Some(Loaded { line, at })
    }

    fn count(&self, name: &str) -> u32 {
        self.0
            .get(name)
            .and_then(Value::as_number)
            .and_then(|n| u32::try_from(n).ok())
            .unwrap_or(0)
    }

    fn token(&self, name: &'static str) -> Result<Option<ClaimToken>, CorruptRegister> {
        self.text(name)
            .map(ClaimToken::try_new)
            .transpose()
            .map_err(|_| corrupt(name))
    }

    fn json<T: serde::de::DeserializeOwned>(
        &self,
        name: &'static str,
    ) -> Result<Option<T>, CorruptRegister> {
        self.text(name)
            .map(serde_json::from_str)
            .transpose()
            .map_err(|_| corrupt(name))
    }
}
