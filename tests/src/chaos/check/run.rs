//! CP-1, CP-2 and OUT-1, read from the lease item of the flow, the pages that the source gave, and
//! the account that a run gives of itself.

use std::collections::BTreeMap;

use serde_json::Value;
use tidegate_engine::Event;
use tidegate_model::{
    UnixMs,
    item::{Item, ItemKey},
};
use tidegate_simulator::{PortCall, ProcessId};

use super::message::Messages;
use crate::chaos::{
    book::Book,
    ledger::{Life, number, record_of, text},
    plan::{Order, Plan},
};

/// DESIGN's largest difference between two clocks, and how far one is off the true time.
const SKEW: i64 = 250;
const OFF: i64 = 125;

/// A page as the source gave it.
struct Page {
    at: UnixMs,
    rows: Vec<(String, u64)>,
    last: bool,
}

/// What is remembered of runs.
pub struct Runs {
    order: Order,
    pages: BTreeMap<ProcessId, Page>,
    finishing: BTreeMap<ProcessId, u64>,
    /// When the last complete run started, by its own clock.
    pub covered: Option<UnixMs>,
    /// When the flow's newest revision was deployed.
    pub deployed: Option<UnixMs>,
    /// Start of the last complete run over everything.
    pub all_from: Option<UnixMs>,
}

impl Runs {
    /// Nothing was read.
    pub fn new(plan: &Plan) -> Self {
        Self {
            order: plan.order,
            pages: BTreeMap::new(),
            finishing: BTreeMap::new(),
            covered: None,
            deployed: None,
            all_from: None,
        }
    }

    /// The source gave a page.
    pub fn paged(&mut self, now: UnixMs, process: ProcessId, body: &Value, order: Order) {
        let rows = body.get("items").and_then(Value::as_array);
        let rows = rows.map_or(&[][..], Vec::as_slice);
        let more = body.get("more").and_then(Value::as_bool) == Some(true);
        let page = Page {
            at: now,
            rows: rows.iter().filter_map(|row| version(row, order)).collect(),
            last: !more || rows.is_empty(),
        };
        self.pages.insert(process, page);
    }

    /// The lease item was written.
    pub fn written(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        (before, after): (Option<&Item>, &Item),
        (owners, items, messages): (
            &mut BTreeMap<String, Life>,
            &BTreeMap<ItemKey, Item>,
            &Messages,
        ),
    ) {
        let after = Some(after);
        let life = (call.process, call.incarnation);
        let fence = |item| number(item, "fence").unwrap_or(0);
        let seq = |item| number(item, "seq").unwrap_or(0);
        if fence(after) != fence(before) {
            let held = text(before, "owner").is_some();
            let until = number(before, "until").unwrap_or(0);
            if held && now.0 + OFF <= until + SKEW {
                let what = format!("a lease until {until} was taken at {}", now.0);
                book.fault("CP-2", now, None, what);
            }
            if fence(after) != fence(before) + 1 {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "the fence did not rise by one".to_owned(),
                );
            }
            if seq(after) != seq(before)
                || number(after, "watermark") != number(before, "watermark")
            {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "taking the lease moved the checkpoint".to_owned(),
                );
            }
            if let Some(token) = text(after, "owner") {
                owners.insert(token.to_owned(), life);
            }
            let earlier = progress(before);
            let kept = progress(after);
            // An unfinished run goes on where it was, unless everything is read anew.
            let anew = text_of(kept.as_ref(), "mode") == Some("initial")
                && text_of(earlier.as_ref(), "mode") != Some("initial");
            let put_back = pages_of(kept.as_ref()) < pages_of(earlier.as_ref()) && !anew;
            if put_back {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "taking the lease put the checkpoint back".to_owned(),
                );
            }
            return;
        }
        let owner = |item| text(item, "owner").map(str::to_owned);
        let foreign = text(before, "owner").and_then(|token| owners.get(token)) != Some(&life);
        if owner(before).is_some() && owner(before) != owner(after) && foreign {
            let what = format!("{} gave up a lease that is another's", call.process);
            book.fault("CP-2", now, None, what);
        }
        let same = |name: &str| {
            before.and_then(|item| item.get(name)) == after.and_then(|item| item.get(name))
        };
        let moved = !["progress", "watermark", "covered", "done_window"]
            .into_iter()
            .all(same);
        if seq(after) == seq(before) {
            if moved {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "the checkpoint moved without its sequence number".to_owned(),
                );
            }
            return;
        }
        let holds = text(before, "owner").and_then(|token| owners.get(token)) == Some(&life);
        if !holds || seq(after) != seq(before) + 1 {
            let what = format!(
                "{} moved a checkpoint whose lease it does not hold",
                call.process
            );
            book.fault("CP-2", now, None, what);
        }
        self.advanced(book, (now, call), (before, after), (items, messages));
    }

    fn advanced(
        &mut self,
        book: &mut Book,
        (now, call): (UnixMs, &PortCall<'_>),
        (before, after): (Option<&Item>, Option<&Item>),
        (items, messages): (&BTreeMap<ItemKey, Item>, &Messages),
    ) {
        let (old, new) = (progress(before), progress(after));
        let finished = old.is_some() && new.is_none();
        let moves = finished || pages_of(new.as_ref()) > pages_of(old.as_ref());
        if number(after, "watermark") != number(before, "watermark")
            || number(after, "covered") != number(before, "covered")
        {
            if !finished {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "an incomplete run moved the watermark".to_owned(),
                );
            }
            let mark = |item| number(item, "watermark").unwrap_or(0);
            if mark(after) > (now.0 + OFF) * 1_000 {
                let what = "the watermark is ahead of the time: what changes until then is passed";
                book.fault("CP-2", now, None, what.to_owned());
            }
            if mark(after) + SKEW * 1_000 < mark(before) {
                book.fault("CP-2", now, None, "the watermark went back".to_owned());
            }
        }
        if !moves {
            return;
        }
        let Some(page) = self.pages.remove(&call.process) else {
            book.fault(
                "CP-1",
                now,
                None,
                "a page was counted that nobody read".to_owned(),
            );
            return;
        };
        if finished {
            self.covered = number(after, "covered").map(UnixMs);
            if text_of(old.as_ref(), "mode") == Some("initial") {
                self.all_from = self.covered;
            }
            if !page.last {
                book.fault(
                    "CP-2",
                    now,
                    None,
                    "a run ended before the last page".to_owned(),
                );
            }
        }
        let count = |progress: &Option<Value>| {
            let counts = progress
                .as_ref()
                .and_then(|progress| progress.pointer("/counts/received"));
            counts.and_then(Value::as_u64).unwrap_or(0)
        };
        let rows = u64::try_from(page.rows.len()).unwrap_or(u64::MAX);
        if finished {
            self.finishing.insert(call.process, count(&old) + rows);
        } else if count(&new) != count(&old) + rows {
            let what = format!(
                "a page of {rows} rows moved the count from {} to {}",
                count(&old),
                count(&new)
            );
            book.fault("OUT-1", now, None, what);
        }
        for (record, number) in &page.rows {
            self.is_staged(book, now, (record, *number), page.at, (items, messages));
        }
    }

    /// CP-1: a row that the checkpoint passes is staged, and queued if there is work.
    fn is_staged(
        &self,
        book: &mut Book,
        now: UnixMs,
        (record, source): (&str, u64),
        read_at: UnixMs,
        (items, messages): (&BTreeMap<ItemKey, Item>, &Messages),
    ) {
        let found = items.iter().find(|(key, _)| record_of(key) == Some(record));
        let Some((_, item)) = found else {
            // A deletion of what was never seen leaves nothing; it is told by version zero here.
            if source > 0 {
                book.fault(
                    "CP-1",
                    now,
                    Some(record),
                    "the checkpoint passed a row that is not staged".to_owned(),
                );
            }
            return;
        };
        let item = Some(item);
        let staged = text(item, "dv")
            .and_then(|version| version.get(..20)?.parse::<u64>().ok())
            .unwrap_or(0);
        if self.order != Order::Read && staged < source {
            let what = format!("the checkpoint passed version {source}, {staged} is staged");
            book.fault("CP-1", now, Some(record), what);
        }
        let waits = number(item, "du").is_some()
            && text(item, "rv").is_none()
            && number(item, "due").is_none();
        let queued = messages
            .last_sent
            .get(record)
            .is_some_and(|at| *at >= read_at);
        // Staged again by another since: that one queues it.
        let newer = self.order != Order::Read && staged > source;
        let staged_since = number(item, "du").is_some_and(|since| since + OFF >= read_at.0);
        if waits && !queued && !newer && (staged_since || self.order != Order::Read) {
            book.fault(
                "CP-1",
                now,
                Some(record),
                "the checkpoint passed a dirty record that is not queued".to_owned(),
            );
        }
    }

    /// OUT-1: what a run says of itself.
    pub fn tells(&mut self, book: &mut Book, call: &PortCall<'_>, event: &Event) {
        let Event::RunFinished {
            complete,
            counts,
            run,
            ..
        } = event
        else {
            return;
        };
        let named = counts.unchanged
            + counts.superseded
            + counts.rejected
            + counts.in_review
            + counts.staged;
        if counts.received != named {
            let what = format!(
                "{run} received {} rows and names the end of {named}",
                counts.received
            );
            book.fault("OUT-1", call.at, None, what);
        }
        let read = self.finishing.remove(&call.process);
        if *complete && read.is_some_and(|read| read != counts.received) {
            let what = format!("{run} was given {read:?} rows and says {}", counts.received);
            book.fault("OUT-1", call.at, None, what);
        }
    }
}

fn progress(item: Option<&Item>) -> Option<Value> {
    serde_json::from_str(text(item, "progress")?).ok()
}

fn pages_of(progress: Option<&Value>) -> u64 {
    let pages = progress.and_then(|progress| progress.get("pages"));
    pages.and_then(Value::as_u64).unwrap_or(0)
}

fn text_of<'a>(progress: Option<&'a Value>, name: &str) -> Option<&'a str> {
    progress?.get(name)?.as_str()
}

/// Key and number of a row; the number of a tombstone that nobody may have seen before is zero.
fn version(row: &Value, order: Order) -> Option<(String, u64)> {
    let key = row.get("id")?.as_str()?.to_owned();
    let gone = row.get("gone").and_then(Value::as_bool) == Some(true);
    let number = match order {
        _ if gone => 0,
        Order::Sequence => row.get("version")?.as_u64()?,
        Order::Time => {
            let at: jiff::Timestamp = row.get("at")?.as_str()?.parse().ok()?;
            u64::try_from(at.as_microsecond()).ok()?
        }
        // Any number above zero: it is only asked whether there is a register.
        Order::Read => 1,
    };
    Some((key, number))
}
