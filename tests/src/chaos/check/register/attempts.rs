//! TRY-1: what counts as an attempt, and what sends a record to a person.

use serde_json::Value;
use tidegate_model::UnixMs;

use super::{PUT_BACK_AT_SOURCE, Registers, Write};
use crate::chaos::{
    book::Book,
    check::{breaker::Breakers, message::Messages},
    ledger::{number, text},
    plan::TargetKind,
};

/// Failed calls of one record that send it to a person: three further attempts follow the first.
const ATTEMPTS: usize = 4;

impl Registers {
    /// TRY-1: attempts change only in the write that records a call's failure.
    pub(super) fn attempts(&mut self, book: &mut Book, write: &Write<'_>, breakers: &Breakers) {
        let (old, new) = (number(write.before, "att"), number(write.after, "att"));
        if old == new || new.unwrap_or(0) == 0 || write.by_person {
            return;
        }
        let staged = text(write.before, "dv") != text(write.after, "dv");
        let counted = text(write.before, "co").filter(|_| text(write.after, "co").is_none());
        let failed = counted.is_some_and(|token| self.failed_claims.contains(token));
        if staged || !failed {
            let what = format!("attempts went from {old:?} to {new:?} without a failed call");
            book.fault("TRY-1", write.now, Some(write.record), what);
        }
        // A refusal is an answer that counts, too; a person sees it before it could count twice.
        let refused = self.refused.get(write.record).copied().unwrap_or(0);
        // Whoever has not heard of an opening counts in the epoch that it saw, which has ended.
        let stored = number(write.after, "ae").unwrap_or(0);
        let since = breakers.began("tgt", stored).unwrap_or(UnixMs::EPOCH);
        let failures = self
            .failures
            .get(write.record)
            .map_or(&[][..], Vec::as_slice);
        let stored = failures.iter().filter(|at| **at >= since).count();
        let failed = self.failed_in_epoch(write.record, breakers).max(stored) + refused;
        if new.unwrap_or(0) > i64::try_from(failed).unwrap_or(i64::MAX) {
            let what = format!("attempts are {new:?}, {failed} calls of it failed in this epoch");
            book.fault("TRY-1", write.now, Some(write.record), what);
        }
    }

    /// Calls of a record that failed in the breaker's epoch of the last of them: what failed before
    /// was given back.
    fn failed_in_epoch(&self, record: &str, breakers: &Breakers) -> usize {
        let failures = self.failures.get(record).map_or(&[][..], Vec::as_slice);
        let Some(last) = failures.last() else {
            return 0;
        };
        let since = breakers
            .opened_before("tgt", *last)
            .unwrap_or(UnixMs::EPOCH);
        failures.iter().filter(|at| **at >= since).count()
    }

    /// What sends a record to a person must have happened.
    pub(super) fn reviews(
        &mut self,
        book: &mut Book,
        write: &Write<'_>,
        breakers: &Breakers,
        messages: &Messages,
    ) {
        let Some(cause) = text(write.after, "rv").filter(|_| text(write.before, "rv").is_none())
        else {
            return;
        };
        self.only_what_was_tried(book, write);
        let cause: Value = serde_json::from_str(cause).unwrap_or(Value::Null);
        let kind = cause
            .get("kind")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let record = write.record;
        let fault = match kind {
            "retries_spent" => {
                let counted = self.failed_in_epoch(record, breakers);
                (counted < ATTEMPTS).then(|| {
                    (
                        "TRY-1",
                        format!("{counted} calls of it failed in this epoch"),
                    )
                })
            }
            "refused" => (self.refused.get(record).copied().unwrap_or(0) == 0)
                .then(|| ("TRY-1", "nobody refused it".to_owned())),
            "ambiguous" => {
                let several = self.made.get(record).is_some_and(|made| *made > 1);
                let blind = self.target == TargetKind::Blind;
                // EFF-2, "Not searchable: Review": the open claim has no value to search by, since it
                // was made for a deletion.
                let unsearchable = text(write.before, "iv").is_none_or(str::is_empty)
                    && matches!(self.target, TargetKind::Search | TargetKind::Qualio);
                let lawful = several || blind || unsearchable;
                (!lawful).then(|| {
                    (
                        "EFF-2",
                        "the target can tell what it holds of it".to_owned(),
                    )
                })
            }
            "deleted_at_source" => {
                let deleted =
                    text(write.after, "df").is_some_and(|content| content.contains("eleted"));
                // Without its id, or with an outcome open, nobody can delete it at the target.
                let known = text(write.after, "tid").is_some() || self.target == TargetKind::Upsert;
                let lawful = deleted && (self.deletion == "review" || !known);
                (!lawful).then(|| ("REG-2", "its deletion can be passed on".to_owned()))
            }
            "invalid" => {
                let content: Option<Value> =
                    text(write.after, "df").and_then(|text| serde_json::from_str(text).ok());
                let level = content.and_then(|content| find(&content, "level").cloned());
                // The schema asks for a number there, and sources say other things at times.
                (!level.is_some_and(|level| level.is_string())).then(|| {
                    (
                        "OUT-1",
                        "the flow's schema has nothing against it".to_owned(),
                    )
                })
            }
            "dead_letter" => (!messages.worn.contains(record))
                .then(|| ("QUE-2", "no message of it came too often".to_owned())),
            PUT_BACK_AT_SOURCE => (!self.restored.contains(record))
                .then(|| ("REG-1", "the source never went back".to_owned())),
            other => Some(("OUT-1", format!("nothing about it is {other}"))),
        };
        if let Some((invariant, what)) = fault {
            book.fault(
                invariant,
                write.now,
                Some(record),
                format!("in review as {kind}, but {what}"),
            );
        }
    }
}

impl Registers {
    /// TRY-1: whoever gives up a claim sends to review what was claimed, and nothing that came since.
    fn only_what_was_tried(&self, book: &mut Book, write: &Write<'_>) {
        let gives_up = text(write.before, "co").is_some() && text(write.after, "co").is_none();
        let Some((hash, since)) = self.tried.get(write.record).filter(|_| gives_up) else {
            return;
        };
        let same = hash.as_deref() == text(write.after, "dh");
        let unchanged = since.is_none() || *since == number(write.after, "du");
        if !same || !unchanged {
            let what = "in review for content that was not tried".to_owned();
            book.fault("TRY-1", write.now, Some(write.record), what);
        }
    }
}

/// The value under a name, however deep.
pub(super) fn find<'a>(value: &'a Value, name: &str) -> Option<&'a Value> {
    let object = value.as_object()?;
    object
        .get(name)
        .or_else(|| object.values().find_map(|inner| find(inner, name)))
}
