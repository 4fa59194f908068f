//! EFF-1 and EFF-2: who claims a record, who gives a claim up, and what is stored before a call leaves.

use std::{collections::BTreeMap, time::Duration};

use tidegate_engine::ports::{Effect, Request};
use tidegate_model::{
    flow::Method,
    item::{Item, ItemKey},
};
use tidegate_simulator::PortCall;

use super::{Registers, Write};
use crate::chaos::{
    book::Book,
    ledger::{Life, number, record_of, text},
    plan::{TIMEOUT_S, TargetKind},
};

/// DESIGN's largest difference between two clocks.
const SKEW: i64 = 250;
/// A clock is off the true time by so much at most.
const OFF: i64 = 125;

impl Registers {
    /// EFF-1: who may claim, and when.
    pub(super) fn claims(
        &mut self,
        book: &mut Book,
        write: &Write<'_>,
        owners: &mut BTreeMap<String, Life>,
    ) {
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
        let hash = text(write.after, "dh").map(str::to_owned);
        let tried = (hash, number(write.after, "du"));
        self.tried.insert(write.record.to_owned(), tried);
    }

    /// EFF-1 and EFF-2: who gives a claim up, and what is forgotten with it.
    pub(super) fn cleaned(
        &mut self,
        book: &mut Book,
        write: &Write<'_>,
        owners: &BTreeMap<String, Life>,
    ) {
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
        let name = request.json().and_then(|body| body.get("name")?.as_str());
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
}
