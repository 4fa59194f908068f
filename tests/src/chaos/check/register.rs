//! REG-1, EFF-1, EFF-2, TRY-1 and the order of effects, read from the items of registers before and
//! after each write, from the calls that leave for the target, and from what it does.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use serde_json::Value;
use tidegate_engine::ports::{Effect, Request};
use tidegate_model::{
    UnixMs,
    flow::Method,
    item::{Item, ItemKey},
};
use tidegate_simulator::{PortCall, ProcessKind};

use super::{breaker::Breakers, message::Messages};
use crate::chaos::{
    book::Book,
    ledger::{Life, number, record_of, text},
    plan::{Plan, TIMEOUT_S, TargetKind},
    target::{Did, TargetEffect},
};

/// DESIGN's largest difference between two clocks.
const SKEW: i64 = 250;
/// A clock is off the true time by so much at most.
const OFF: i64 = 125;
/// Failed calls of one record that send it to a person: three further attempts follow the first.
const ATTEMPTS: usize = 4;

/// What is remembered of registers.
pub struct Registers {
    target: TargetKind,
    deletion: &'static str,
    stamped: bool,
    settle: Duration,
    /// Failed calls about a record, in order, by the time at which they failed.
    failures: BTreeMap<String, Vec<UnixMs>>,
    /// Claims under which a call failed, and those under which an outcome is not known.
    failed_claims: BTreeSet<String>,
    unknown_claims: BTreeSet<String>,
    /// Claims under which the target was called.
    called: BTreeSet<String>,
    /// Present claim by record.
    claims: BTreeMap<String, (String, Life)>,
    /// How often a record was refused with 4xx.
    refused: BTreeMap<String, usize>,
    /// Records that the target made and still holds, by record.
    made: BTreeMap<String, u32>,
    newest: BTreeMap<String, u64>,
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
            refused: BTreeMap::new(),
            made: BTreeMap::new(),
            newest: BTreeMap::new(),
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
        versions(book, &write);
        self.claims(book, &write, owners);
        self.cleaned(book, &write, owners);
        self.attempts(book, &write, breakers);
        self.reviews(book, &write, breakers, messages);
        if text(before, "dv") != text(write.after, "dv")
            && text(before, "dh") != text(write.after, "dh")
        {
            // A call that has failed, and whose failure is not written down yet, counts afterwards.
            let open =
                text(write.after, "co").is_some_and(|token| self.failed_claims.contains(token));
            let failures = self.failures.entry(record.to_owned()).or_default();
            let over = if open {
                failures.len().saturating_sub(1)
            } else {
                failures.len()
            };
            failures.drain(..over);
        }
    }

    /// EFF-1: who may claim, and when.
    fn claims(&mut self, book: &mut Book, write: &Write<'_>, owners: &mut BTreeMap<String, Life>) {
        let (old, new) = (text(write.before, "co"), text(write.after, "co"));
        if old == new {
            return;
        }
        let now = write.now.0;
        let Some(token) = new else {
            return;
        };
        let late = |name: &str, skew: i64| {
            let end = number(write.before, name);
            end.filter(|end| now + OFF <= *end + skew)
        };
        if old.is_some()
            && let Some(end) = late("cu", SKEW)
        {
            let what = format!("a claim that ends at {end} was taken over at {now}");
            book.fault("EFF-1", write.now, Some(write.record), what);
        }
        if let Some(end) = late("uq", SKEW) {
            let what =
                format!("claimed at {now} while an earlier call may take effect until {end}");
            book.fault("EFF-2", write.now, Some(write.record), what);
        }
        if let Some(next) = number(write.before, "nt").filter(|next| now + OFF < *next) {
            let what = format!("claimed at {now}, before its next attempt at {next}");
            book.fault("TRY-1", write.now, Some(write.record), what);
        }
        if text(write.before, "rv").is_some() {
            let what = "claimed while it is in review".to_owned();
            book.fault("EFF-1", write.now, Some(write.record), what);
        }
        owners.insert(token.to_owned(), write.life);
        let claim = (token.to_owned(), write.life);
        self.claims.insert(write.record.to_owned(), claim);
    }

    /// EFF-1 and EFF-2: who gives a claim up, and what is forgotten with it.
    fn cleaned(&mut self, book: &mut Book, write: &Write<'_>, owners: &BTreeMap<String, Life>) {
        let mine = |token: &str| owners.get(token) == Some(&write.life);
        let old = text(write.before, "co");
        let applied = |item| (text(item, "ah").map(str::to_owned), number(item, "at"));
        let commits =
            applied(write.before) != applied(write.after) && text(write.after, "ah").is_some();
        if let Some(token) = old.filter(|_| text(write.after, "co").is_none()) {
            if !mine(token) {
                let what = format!("{} gave up a claim of another", write.life.0);
                book.fault("EFF-1", write.now, Some(write.record), what);
            }
            let forgets = text(write.before, "un").is_some() && text(write.after, "un").is_none();
            if forgets && !commits && !write.by_person {
                let own = text(write.before, "un") == Some(token);
                if !own || self.unknown_claims.contains(token) {
                    let what = "an outcome that is not known was forgotten".to_owned();
                    book.fault("EFF-2", write.now, Some(write.record), what);
                }
            }
        }
        let spared = old.is_some_and(|token| {
            text(write.before, "un").is_some_and(|open| open != token)
                && !self.called.contains(token)
        });
        let kept = text(write.after, "df").is_some_and(|content| content.contains("eleted"));
        if commits && spared && !kept {
            let what = "a call was spared although an older one may still take effect".to_owned();
            book.fault("REG-2", write.now, Some(write.record), what);
        }
        if commits && !old.is_some_and(mine) {
            let what = format!("{} stored an applied state without the claim", write.life.0);
            book.fault("EFF-1", write.now, Some(write.record), what);
        }
        let clean = number(write.before, "du").is_some() && number(write.after, "du").is_none();
        if clean && !write.by_person && text(write.after, "ah") != text(write.after, "dh") {
            let what = "marked clean although other content is desired than was applied".to_owned();
            book.fault("REG-2", write.now, Some(write.record), what);
        }
        if clean && commits && text(write.after, "av") != text(write.after, "dv") {
            let what = "marked clean under another version than the desired one".to_owned();
            book.fault("REG-2", write.now, Some(write.record), what);
        }
    }

    /// TRY-1: attempts change only in the write that records a call's failure.
    fn attempts(&mut self, book: &mut Book, write: &Write<'_>, breakers: &Breakers) {
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
        let failed = self.failed_in_epoch(write.record, breakers) + refused;
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
    fn reviews(
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
            "refused" => (!self.refused.contains_key(record))
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
            "dead_letter" => (!messages.worn.contains(record))
                .then(|| ("QUE-2", "no message of it came too often".to_owned())),
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

    /// A call to the target leaves.
    pub fn leaves(
        &mut self,
        book: &mut Book,
        call: &PortCall<'_>,
        request: &Request,
        key: Option<&str>,
        (items, owners): (&BTreeMap<ItemKey, Item>, &BTreeMap<String, Life>),
    ) {
        let to_target = request.url.starts_with("http://tgt/") && request.effect == Effect::Write;
        let Some(key) = key.filter(|_| to_target) else {
            return;
        };
        let found = items.iter().find(|(item, _)| record_of(item) == Some(key));
        let item = found.map(|(_, item)| item);
        let life = (call.process, call.incarnation);
        let claim = text(item, "co").filter(|token| owners.get(*token) == Some(&life));
        let ends = call.at + Duration::from_secs(TIMEOUT_S.into()) + self.settle;
        match (claim, number(item, "cu")) {
            (Some(token), Some(until)) if ends.0 <= until => {
                // Until it is answered, nobody knows.
                self.unknown_claims.insert(token.to_owned());
            }
            (Some(_), until) => {
                let what = format!(
                    "a call that may last until {} left under a claim until {until:?}",
                    ends.0
                );
                book.fault("EFF-1", call.at, Some(key), what);
            }
            (None, _) => {
                let what = format!("{} called the target without the claim", call.process);
                book.fault("EFF-1", call.at, Some(key), what);
            }
        }
        self.intent(book, call, (request, key), item);
        if let Some(token) = claim {
            self.called.insert(token.to_owned());
        }
    }

    /// EFF-2: what must be stored before a create or an update leaves.
    fn intent(
        &self,
        book: &mut Book,
        call: &PortCall<'_>,
        (request, key): (&Request, &str),
        item: Option<&Item>,
    ) {
        let searched = matches!(self.target, TargetKind::Search | TargetKind::Qualio);
        let creates = request.method == Method::Post;
        let intent = text(item, "iv").unwrap_or_default();
        if creates && searched && intent.is_empty() {
            let what = "a create left without a stored intent".to_owned();
            book.fault("EFF-2", call.at, Some(key), what);
        }
        let name = request
            .body
            .as_ref()
            .and_then(|body| body.get("name")?.as_str());
        if creates && self.target == TargetKind::Search && name != Some(intent) {
            let what = format!("a create left under {name:?}, its intent says {intent}");
            book.fault("EFF-2", call.at, Some(key), what);
        }
        let by_id = self.target != TargetKind::Upsert && !creates;
        if by_id && text(item, "tid").is_none() {
            let what = "a call left by an id that is not stored".to_owned();
            book.fault("EFF-2", call.at, Some(key), what);
        }
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

/// REG-1: the desired version only grows, and nothing else changes what is desired.
fn versions(book: &mut Book, write: &Write<'_>) {
    let (old, new) = (text(write.before, "dv"), text(write.after, "dv"));
    if old.is_some() && new < old {
        let what = format!("the desired version went from {old:?} to {new:?}");
        book.fault("REG-1", write.now, Some(write.record), what);
    }
    let content = |item| {
        (
            text(item, "dh").map(str::to_owned),
            text(item, "df").map(str::to_owned),
        )
    };
    let differs = content(write.before) != content(write.after);
    if old.is_some() && old == new && differs && !write.by_person {
        let what = format!("the desired content changed under the same version {new:?}");
        book.fault("REG-1", write.now, Some(write.record), what);
    }
    let new_content = text(write.before, "dh") != text(write.after, "dh");
    if new_content && number(write.after, "du").is_none() {
        let what = "new content is desired and the record is not dirty".to_owned();
        book.fault("QUE-2", write.now, Some(write.record), what);
    }
    let foreign = text(write.before, "un").is_some() && text(write.after, "un").is_none();
    let staged = old != new;
    if staged && foreign {
        let what = "a stage forgot an outcome that is not known".to_owned();
        book.fault("EFF-2", write.now, Some(write.record), what);
    }
}
