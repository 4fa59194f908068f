//! What people decide about reviews stands: an edit until the source gives other content, a discard
//! until something newer is staged. REG-1 for what is desired, REG-2 for what the target is told.

use std::collections::BTreeMap;

use tidegate_engine::ports::{Effect, Request};
use tidegate_model::{UnixMs, item::Item};
use tidegate_simulator::{PortCall, ProcessKind};

use crate::chaos::{
    book::Book,
    ledger::{number, text},
    source::Content,
};

/// What a person writes in place of what the source says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    /// The critical field.
    pub level: i64,
    /// The other one.
    pub note: String,
}

impl Edit {
    /// What is to be sent of a row that was edited so.
    pub fn over(&self, content: &Content) -> Content {
        Content {
            level: self.level,
            note: self.note.clone(),
            spoiled: false,
            ..content.clone()
        }
    }
}

/// A decision that stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// This is sent instead.
    Edited(Edit),
    /// Nothing is sent.
    Discarded,
}

/// Decisions by record.
#[derive(Default)]
pub struct Decisions {
    /// What a person is about to write: its answer may be lost.
    pub asked: BTreeMap<String, Edit>,
    /// Those that stand.
    pub stand: BTreeMap<String, Decision>,
}

impl Decisions {
    /// A register was written.
    pub fn written(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        record: &str,
        (before, after): (Option<&Item>, &Item),
    ) {
        let after = Some(after);
        let differs = |name: &str| text(before, name) != text(after, name);
        let dirty = |item| number(item, "du").is_some();
        if call.process.kind == ProcessKind::Api && text(before, "rv").is_some() && !differs("dv") {
            let decided = if text(after, "rv").is_none() && !dirty(after) {
                if text(after, "ov").is_some() {
                    let what = "what was discarded stays edited".to_owned();
                    book.fault("REG-1", now, Some(record), what);
                }
                Some(Decision::Discarded)
            } else if differs("ov") {
                self.asked.get(record).cloned().map(Decision::Edited)
            } else {
                // Sent again: what was edited stays so.
                return;
            };
            if let Some(decided) = decided {
                self.stand.insert(record.to_owned(), decided);
            }
            return;
        }
        let fault = match self.stand.get(record) {
            Some(Decision::Edited(_)) if differs("df") || !differs("ov") => {
                if differs("df") {
                    self.stand.remove(record);
                }
                return;
            }
            Some(Decision::Edited(_)) => "a person's edit was forgotten",
            Some(Decision::Discarded) if differs("dv") && (differs("dh") || dirty(after)) => {
                self.stand.remove(record);
                return;
            }
            Some(Decision::Discarded) if dirty(after) => "what a person discarded was taken up",
            _ => return,
        };
        let what = format!("{fault} by {}, and nothing newer is staged", call.process);
        book.fault("REG-1", now, Some(record), what);
    }

    /// A call to the target leaves.
    pub fn leaves(
        &self,
        book: &mut Book,
        call: &PortCall<'_>,
        request: &Request,
        key: Option<&str>,
    ) {
        let discarded = |key: &&str| self.stand.get(*key) == Some(&Decision::Discarded);
        let Some(key) = key.filter(discarded) else {
            return;
        };
        if request.effect == Effect::Write {
            let what = format!("{} sent what a person had discarded", call.process);
            book.fault("REG-2", call.at, Some(key), what);
        }
    }
}
