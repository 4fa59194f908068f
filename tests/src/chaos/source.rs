//! The source: the truth about every record, and a server that shows it more or less well.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_model::UnixMs;

use super::{plan::Order, script::Script};

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Content {
    /// Its name; a search goes by it.
    pub name: String,
    /// The critical field.
    pub level: i64,
    /// The other field.
    pub note: String,
    /// Whether the critical field says what the flow's schema refuses.
    pub spoiled: bool,
}

impl Content {
    /// The critical field as the source shows it.
    pub fn level(&self) -> Value {
        if self.spoiled {
            json!("far too high")
        } else {
            json!(self.level)
        }
    }
}

/// A state of a record.
#[derive(Clone, Debug)]
pub struct Row {
    /// Its key.
    pub key: String,
    /// How often it changed.
    pub version: u64,
    /// When it last changed, as the source says.
    pub at: UnixMs,
    /// What it holds.
    pub content: Content,
    /// Whether it is deleted.
    pub gone: bool,
    /// When it came to be so, whatever the source says.
    pub since: UnixMs,
}

impl Row {
    /// The row as the source shows it.
    pub fn json(&self) -> Value {
        json!({
            "id": self.key,
            "version": self.version,
            "at": written(self.at),
            "name": self.content.name,
            "level": self.content.level(),
            "note": self.content.note,
            "gone": self.gone,
        })
    }

    /// The number by which the flow orders it; zero where reads order.
    pub fn number(&self, order: Order) -> u64 {
        match order {
            Order::Sequence => self.version,
            Order::Time => u64::try_from(self.at.0).unwrap_or(0) * 1_000,
            Order::Read => 0,
        }
    }
}

fn written(at: UnixMs) -> String {
    Timestamp::from_millisecond(at.0).map_or_else(|_| String::new(), |at| at.to_string())
}

fn read(text: &str) -> Option<UnixMs> {
    let at: Timestamp = text.parse().ok()?;
    Some(UnixMs(at.as_millisecond()))
}

/// The source.
#[derive(Default)]
pub struct Source {
    /// All states of each record, oldest first.
    pub history: BTreeMap<String, Vec<Row>>,
    /// Records of which it knows nothing at present.
    pub hidden: BTreeSet<String>,
}

/// For how long after a change a read by key may still show what was before, as a copy that lags does.
/// An older version that a forced sync reads later than five minutes after the newer one was taken is one
/// that the source put back, as the README has it; here [`Source::restore`] does that, and nothing else
/// may look like it. The minute between is for the call.
const LAG: Duration = Duration::from_mins(4);

/// How often a page is wrong, in thousands.
#[derive(Clone, Copy)]
pub struct PageRates {
    /// It leaves a row out, repeats one, or is in no order.
    pub page: u64,
    /// It shows an older state.
    pub stale: u64,
}

impl Source {
    /// The newest state of a record.
    pub fn newest(&self, key: &str) -> Option<&Row> {
        self.history.get(key)?.last()
    }

    /// Hides two of three records, and says which.
    pub fn hide_most(&mut self) -> BTreeSet<String> {
        let keys = self.history.keys().enumerate();
        let most = keys.filter(|(place, _)| !place.is_multiple_of(3));
        self.hidden = most.map(|(_, key)| key.clone()).collect();
        self.hidden.clone()
    }

    /// The state of a record before its newest.
    pub fn before_last(&self, key: &str) -> Option<&Row> {
        let states = self.history.get(key)?;
        states.get(states.len().checked_sub(2)?)
    }

    /// A record becomes something else now; `at`, the source says. `alter` gets what it held.
    pub fn change(
        &mut self,
        key: &str,
        (now, at): (UnixMs, UnixMs),
        order: Order,
        alter: impl FnOnce(&mut Row),
    ) -> Row {
        let states = self.history.entry(key.to_owned()).or_default();
        let mut row = states.last().cloned().unwrap_or_else(|| Row {
            key: key.to_owned(),
            version: 0,
            at,
            content: Content {
                name: format!("N.{key}.0"),
                level: 0,
                note: "§first".to_owned(),
                spoiled: false,
            },
            gone: false,
            since: now,
        });
        row.since = now;
        // By time what follows is newer, however far the record had gone back; a sequence begins again there.
        row.version = match order {
            Order::Time => states.iter().map(|row| row.version).max().unwrap_or(0),
            _ => row.version,
        } + 1;
        let before = states.iter().map(|row| row.at).max();
        row.at = match (order, before) {
            // Two changes of one record never have one time.
            (Order::Time, Some(before)) if at <= before => UnixMs(before.0 + 1),
            _ => at,
        };
        alter(&mut row);
        states.push(row.clone());
        row
    }

    /// A record becomes what it was under an older number, if it was there then.
    pub fn restore(&mut self, key: &str) -> bool {
        let Some(states) = self.history.get_mut(key) else {
            return false;
        };
        let newest = states.last().map_or(0, |row| row.version);
        let is_older = |row: &&Row| row.version < newest && !row.gone;
        let Some(older) = states.iter().rev().find(is_older).cloned() else {
            return false;
        };
        states.push(older);
        true
    }

    /// One page by (time, id), `size` rows.
    pub fn page(
        &self,
        query: &BTreeMap<String, String>,
        size: usize,
        (script, now, rates): (&Script, UnixMs, PageRates),
    ) -> Value {
        let since = query.get("since").and_then(|since| read(since));
        let after = query.get("after");
        let mut rows: Vec<Row> = self
            .history
            .values()
            .filter_map(|states| states.last().cloned())
            .filter(|row| !self.hidden.contains(&row.key))
            .filter(|row| match (since, after) {
                (Some(since), Some(after)) => (row.at, &row.key) > (since, after),
                (Some(since), None) => row.at >= since,
                (None, _) => true,
            })
            .collect();
        rows.sort_by(|a, b| (a.at, &a.key).cmp(&(b.at, &b.key)));
        // A row whose change is not yet to be seen is left out, here and behind the page's end.
        rows.retain(|row| {
            script
                .strikes(now, "leave out", &row.key, |_| rates.page / 3)
                .is_none()
        });
        let more = rows.len() > size;
        rows.truncate(size);
        for row in &mut rows {
            if script
                .strikes(now, "stale", &row.key, |_| rates.stale)
                .is_some()
                && let Some(older) = self.before_last(&row.key).cloned()
            {
                *row = older;
            }
        }
        if let Some(strike) = script.strikes(now, "page", "order", |_| rates.page)
            && rows.len() > 1
        {
            let from = usize::try_from(strike.between(0, 99, "from")).unwrap_or(0) % rows.len();
            match strike.between(0, 1, "how") {
                0 => rows.rotate_left(from),
                _ => {
                    if let Some(row) = rows.get(from).cloned() {
                        rows.insert(0, row);
                    }
                }
            }
        }
        let items: Vec<Value> = rows.iter().map(Row::json).collect();
        json!({ "items": items, "more": more })
    }

    /// One row; none when it is deleted or was never there.
    pub fn one(
        &self,
        key: &str,
        (script, now, rates): (&Script, UnixMs, PageRates),
    ) -> Option<Value> {
        let newest = self.newest(key).filter(|_| !self.hidden.contains(key))?;
        let lags = now.since(newest.since) < LAG
            && script.strikes(now, "stale", key, |_| rates.stale).is_some();
        let shown = lags
            .then(|| self.before_last(key))
            .flatten()
            .unwrap_or(newest);
        (!shown.gone).then(|| shown.json())
    }
}
