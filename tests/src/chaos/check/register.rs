//! REG-1, EFF-1, EFF-2, TRY-1 and the order of effects, read from the items of registers before and
//! after each write, from the calls that leave for the target, and from what it does.

mod attempts;
mod claims;
pub mod versions;

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use tidegate_engine::ports::Request;
use tidegate_model::{UnixMs, item::Item};
use tidegate_simulator::{PortCall, ProcessKind};

use attempts::find;

use super::{breaker::Breakers, message::Messages};
use crate::chaos::{
    book::Book,
    ledger::{Life, number, text},
    plan::{Plan, TargetKind},
    target::{Did, TargetEffect},
};

/// The kind of a review that asks whether an older state is meant.
pub const PUT_BACK_AT_SOURCE: &str = "put_back_at_source";

/// What is remembered of registers.
pub struct Registers {
    target: TargetKind,
    deletion: &'static str,
    stamped: bool,
    settle: Duration,
    /// Failed calls about a record since it had all its attempts, by the time at which they failed.
    failures: BTreeMap<String, Vec<UnixMs>>,
    /// Claims under which a call failed, and those under which an outcome is not known.
    failed_claims: BTreeSet<String>,
    unknown_claims: BTreeSet<String>,
    /// Claims under which the target was called.
    called: BTreeSet<String>,
    /// Present claim by record.
    claims: BTreeMap<String, (String, Life)>,
    /// What that claim is to apply, by record: the hash of the content, and since when it is dirty.
    tried: BTreeMap<String, (Option<String>, Option<i64>)>,
    /// How often a record was refused with 4xx since it had all its attempts.
    refused: BTreeMap<String, usize>,
    /// Records that the target made and still holds, by record.
    made: BTreeMap<String, u32>,
    newest: BTreeMap<String, u64>,
    /// Records that the source put back to an older state once: what it shows of them may stay behind.
    pub restored: BTreeSet<String>,
}

impl Registers {
    /// Nothing was written.
    pub fn new(plan: &Plan) -> Self {
        Self {
            target: plan.target,
            deletion: plan.deletion,
            stamped: plan.stamped,
            settle: Duration::from_secs(plan.settle_s.into()),
            failures: BTreeMap::new(),
            failed_claims: BTreeSet::new(),
            unknown_claims: BTreeSet::new(),
            called: BTreeSet::new(),
            claims: BTreeMap::new(),
            tried: BTreeMap::new(),
            refused: BTreeMap::new(),
            made: BTreeMap::new(),
            newest: BTreeMap::new(),
            restored: BTreeSet::new(),
        }
    }

    /// A register was written.
    pub fn written(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        record: &str,
        (before, after): (Option<&Item>, &Item),
        (owners, breakers, messages): (&mut BTreeMap<String, Life>, &Breakers, &Messages),
    ) {
        let write = Write {
            now,
            life: (call.process, call.incarnation),
            by_person: call.process.kind == ProcessKind::Api,
            record,
            before,
            after: Some(after),
        };
        versions::versions(book, &write);
        self.claims(book, &write, owners);
        self.cleaned(book, &write, owners);
        self.attempts(book, &write, breakers);
        self.reviews(book, &write, breakers, messages);
        self.begins_anew(&write);
        self.put_back(&write);
    }

    /// A person sends what the source put back: the target is to be told that older version.
    fn put_back(&mut self, write: &Write<'_>) {
        let was = text(write.before, "rv").is_some_and(|cause| cause.contains(PUT_BACK_AT_SOURCE));
        let sent = text(write.after, "rv").is_none() && number(write.after, "du").is_some();
        if !was || !sent || !write.by_person {
            return;
        }
        let content = text(write.after, "df").and_then(|text| serde_json::from_str(text).ok());
        let stamp = content.as_ref().and_then(|content| find(content, "stamp"));
        if let Some(stamp) = stamp.and_then(Value::as_u64) {
            self.newest.insert(write.record.to_owned(), stamp);
        }
    }

    /// New content, a person's replay and a success each give a record all its attempts: what failed
    /// before is not counted any more.
    fn begins_anew(&mut self, write: &Write<'_>) {
        let (before, after) = (write.before, write.after);
        let differs = |name: &str| text(before, name) != text(after, name);
        let staged = differs("dv") && differs("dh");
        let replayed =
            write.by_person && text(before, "rv").is_some() && text(after, "rv").is_none();
        let applied = differs("ah") || number(before, "at") != number(after, "at");
        if !staged && !replayed && !applied {
            return;
        }
        // A call that has failed, and whose failure is not written down yet, counts afterwards.
        let open = text(after, "co").is_some_and(|token| self.failed_claims.contains(token));
        let kept = usize::from(open);
        let failures = self.failures.entry(write.record.to_owned()).or_default();
        failures.drain(..failures.len().saturating_sub(kept));
        let refused = self.refused.entry(write.record.to_owned()).or_default();
        *refused = (*refused).min(kept);
    }

    /// A call failed as its caller sees it; with `unknown`, it may have taken effect.
    pub fn failed(
        &mut self,
        call: &PortCall<'_>,
        key: Option<&str>,
        request: &Request,
        unknown: bool,
    ) {
        if !request.url.starts_with("http://tgt/") {
            return;
        }
        for record in self.about(call, key) {
            self.failures
                .entry(record.clone())
                .or_default()
                .push(call.at);
            let Some((token, life)) = self.claims.get(&record) else {
                continue;
            };
            if *life == (call.process, call.incarnation) {
                self.failed_claims.insert(token.clone());
                if key.is_some() && !unknown {
                    self.unknown_claims.remove(token);
                }
            }
        }
    }

    /// A call was answered, as its caller sees it.
    pub fn answered(&mut self, call: &PortCall<'_>, key: Option<&str>, status: u16) {
        let refuses = (400..500).contains(&status) && status != 429 && status != 403;
        for record in self.about(call, key) {
            if refuses {
                *self.refused.entry(record.clone()).or_default() += 1;
            }
            let Some((token, life)) = self.claims.get(&record) else {
                continue;
            };
            if *life == (call.process, call.incarnation) {
                if refuses {
                    self.failed_claims.insert(token.clone());
                }
                if status < 500 && key.is_some() {
                    self.unknown_claims.remove(token);
                }
            }
        }
    }

    /// The records that a call is about. A listing names none, and so does a call by an id that the
    /// target does not know: it is made for one of those that the process has claimed.
    fn about(&self, call: &PortCall<'_>, key: Option<&str>) -> Vec<String> {
        if let Some(key) = key {
            return vec![key.to_owned()];
        }
        let life = (call.process, call.incarnation);
        let mine = self.claims.iter().filter(|(_, (_, owner))| *owner == life);
        mine.map(|(record, _)| record.clone()).collect()
    }

    /// A hand removed it from the target: made once more, it is there once.
    pub fn removed_by_hand(&mut self, record: &str) {
        self.made.insert(record.to_owned(), 0);
    }

    /// The target did something.
    pub fn effect(&mut self, book: &mut Book, now: UnixMs, effect: &TargetEffect) {
        book.totals.effects += 1;
        if !effect.alters {
            book.totals.repeats += 1;
        }
        let key = effect.key.as_str();
        match effect.did {
            Did::Created => {
                let made = self.made.entry(key.to_owned()).or_insert(0);
                *made += 1;
                if *made > 1 {
                    book.totals.duplicates += 1;
                    let what = "the target was made to hold it twice".to_owned();
                    book.fault("EFF-2", now, Some(key), what);
                }
            }
            Did::Updated => {}
            Did::Deleted => {
                self.made.insert(key.to_owned(), 0);
            }
        }
        let Some(stamp) = effect.stamp.filter(|_| self.stamped) else {
            return;
        };
        let newest = self.newest.entry(key.to_owned()).or_insert(stamp);
        if stamp < *newest {
            book.totals.inverted += 1;
            let what = format!("version {stamp} took effect after version {newest}");
            book.fault("REG-2", now, Some(key), what);
        }
        *newest = stamp.max(*newest);
    }
}

/// A write of a register.
struct Write<'a> {
    now: UnixMs,
    life: Life,
    by_person: bool,
    record: &'a str,
    before: Option<&'a Item>,
    after: Option<&'a Item>,
}
