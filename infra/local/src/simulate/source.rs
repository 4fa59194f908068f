//! A simulated source for any flow: it pages and answers as the flow file says its source does.
//!
//! Which rows a listing holds: those modified since the time that the request names, in the order of
//! time and id where the flow pages by keyset, cursor, header or link (each page begins behind the
//! last row of the one before), in the order of ids where it pages by offset or number (so that a
//! change in between repeats a row and skips none).

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde_json::{Value, json};
use tidegate_engine::ports::{Request, Sent};
use tidegate_model::{RecordKey, flow::Pages};
use tidegate_policy::flow::{Flow, ListPosition, Source};

use super::{
    hole::{Address, Place},
    rows::{Made, key_text},
    shape::put_at_pointer,
};

/// The parameter by which a listing that pages by links is continued.
const AFTER: &str = "simulated_after";
/// Its value before the first record.
const BEFORE_ALL: &str = "0~";
/// What stands in probes where the values will stand.
const SINCE_MARK: &str = "2001-02-03T04:05:06Z";
const TIME_MARK: &str = "2002-03-04T05:06:07Z";
const ID_MARK: &str = "mark-of-the-id";
const CURSOR_MARK: &str = "mark-of-the-cursor";
const NUMBER_MARK: u64 = 987_654_321;
const SIZE_MARK: u32 = 876_543_210;

/// Why a flow's source can not be simulated.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// It is files.
    #[error("a source of files can not be simulated: no calls are made of it")]
    Files,
    /// A call can not be made.
    #[error("the call of `{call}` can not be rendered: {why}")]
    Call {
        /// The call's place in the flow file.
        call: &'static str,
        /// Why.
        why: String,
    },
    /// A call does not say what it asks for.
    #[error("`{call}` can not be simulated: its address does not show {what}")]
    Hidden {
        /// The call's place in the flow file.
        call: &'static str,
        /// What is missing.
        what: &'static str,
    },
}

/// The records of the source.
#[derive(Default)]
pub(crate) struct Records {
    by_number: Vec<Made>,
    by_key: BTreeMap<RecordKey, usize>,
    /// By time of change and id, as a keyset sorts them.
    by_time: BTreeSet<(u64, String)>,
    changed_us: Vec<u64>,
}

impl Records {
    /// Records so far.
    pub(crate) fn len(&self) -> usize {
        self.by_number.len()
    }

    /// Every record as it stands.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &Made> {
        self.by_number.iter()
    }

    /// The record of a number.
    pub(crate) fn get(&self, number: usize) -> Option<&Made> {
        self.by_number.get(number)
    }

    /// Puts a record, changed at this time.
    pub(crate) fn put(&mut self, made: Made, changed_us: u64) {
        let at = usize::try_from(made.number).unwrap_or(usize::MAX);
        let id = key_text(made.number);
        if let (Some(old), Some(since)) = (self.by_number.get_mut(at), self.changed_us.get_mut(at))
        {
            self.by_time.remove(&(*since, id.clone()));
            *old = made;
            *since = changed_us;
        } else {
            self.by_key
                .insert(made.normal.key.clone(), self.by_number.len());
            self.by_number.push(made);
            self.changed_us.push(changed_us);
        }
        self.by_time.insert((changed_us, id));
    }

    fn of_id(&self, id: &str) -> Option<&Made> {
        let number: usize = id.rsplit('-').next()?.parse().ok()?;
        self.by_number.get(number)
    }

    fn time_of_id(&self, id: &str) -> Option<u64> {
        let number: usize = id.rsplit('-').next()?.parse().ok()?;
        self.changed_us.get(number).copied()
    }

    fn row_of_key(&self, key: &str) -> Option<&Value> {
        let key = RecordKey::try_new(key).ok()?;
        let at = *self.by_key.get(&key)?;
        self.by_number.get(at).map(|made| &made.row)
    }
}

/// Where a page begins.
#[derive(Clone, Debug, PartialEq)]
enum Begin {
    /// Behind this time and id.
    Behind(u64, String),
    /// So many rows in.
    At(usize),
}

/// How one row is asked for.
struct OneRow {
    key: Place,
    row: String,
}

impl OneRow {
    /// None where the flow's source gives no record by its key.
    fn of(source: &Source) -> Result<Option<Self>, SourceError> {
        let fault = |why: String| SourceError::Call {
            call: "source.one",
            why,
        };
        let key = RecordKey::try_new(ID_MARK).map_err(|error| fault(error.to_string()))?;
        let Some(one) = source.one_call(&key) else {
            return Ok(None);
        };
        let (rendered, row) = one.map_err(|error| fault(error.to_string()))?;
        let key = Place::of(&rendered.path_and_query, ID_MARK).ok_or(SourceError::Hidden {
            call: "source.one",
            what: "which record is meant",
        })?;
        let row = row.to_owned();
        Ok(Some(Self { key, row }))
    }
}

/// The source.
pub(crate) struct SimulatedSource {
    pages: Pages,
    page_size: usize,
    size: Option<Place>,
    rows: String,
    list_path: String,
    since: Option<Place>,
    next: Option<Place>,
    one: Option<OneRow>,
}

impl SimulatedSource {
    /// Learns from the flow how it is asked.
    pub(crate) fn of(flow: &Flow) -> Result<Self, SourceError> {
        let source = flow.source().ok_or(SourceError::Files)?;
        let spec = source.spec();
        let list = |position: &ListPosition| {
            let rendered = source.list_call(position);
            rendered
                .map(|call| call.path_and_query)
                .map_err(|error| SourceError::Call {
                    call: "source.list",
                    why: error.to_string(),
                })
        };
        let first = list(&ListPosition {
            since: Some(SINCE_MARK.to_owned()),
            ..ListPosition::default()
        })?;
        let later = list(&ListPosition {
            since: Some(SINCE_MARK.to_owned()),
            offset: NUMBER_MARK,
            number: NUMBER_MARK,
            size: Some(SIZE_MARK),
            cursor: Some(CURSOR_MARK.to_owned()),
            after_time: Some(json!(TIME_MARK)),
            after_id: Some(ID_MARK.to_owned()),
        })?;
        let mark = match &spec.list.pages {
            Pages::None | Pages::Link | Pages::Delta { .. } => None,
            Pages::Offset | Pages::Number { .. } => Some(NUMBER_MARK.to_string()),
            Pages::Cursor { .. } | Pages::Header { .. } => Some(CURSOR_MARK.to_owned()),
            Pages::Keyset { .. } => Some(ID_MARK.to_owned()),
        };
        let next = match mark {
            None => None,
            Some(mark) => Some(Place::of(&later, &mark).ok_or(SourceError::Hidden {
                call: "source.list",
                what: "which page is meant",
            })?),
        };
        Ok(Self {
            pages: spec.list.pages.clone(),
            page_size: usize::try_from(spec.list.page_size).unwrap_or(1),
            size: Place::of(&later, &SIZE_MARK.to_string()),
            rows: spec.list.rows.clone(),
            list_path: Address::of(&first).path().to_owned(),
            since: Place::of(&first, SINCE_MARK),
            next,
            one: OneRow::of(source)?,
        })
    }

    /// Answers a request. `path_and_query` is what follows the base URL.
    pub(crate) fn answer(
        &self,
        records: &Records,
        request: &Request,
        path_and_query: &str,
    ) -> Sent {
        let address = Address::of(path_and_query);
        let one = self.one.as_ref();
        if let Some((key, pointer)) = one.and_then(|one| Some((one.key.read(&address)?, &one.row)))
        {
            return match records.row_of_key(&key) {
                None => answer(404, json!({ "error": "there is no such record" })),
                Some(row) => {
                    let mut body = Value::Null;
                    put_at_pointer(&mut body, pointer, row.clone());
                    answer(200, body)
                }
            };
        }
        if address.path() != self.list_path {
            return answer(404, json!({ "error": "there is no such path" }));
        }
        self.page(records, request, &address)
    }

    /// Most rows of a page; without pages it has all.
    fn most_of(&self, address: &Address) -> usize {
        match self.pages {
            Pages::None => usize::MAX,
            _ => self.size_of(address),
        }
    }

    /// Rows that a request asks for: a run may vary it.
    fn size_of(&self, address: &Address) -> usize {
        let asked = self.size.as_ref().and_then(|place| place.read(address));
        let asked = asked.and_then(|size| size.parse().ok());
        asked.unwrap_or(self.page_size).max(1)
    }

    fn page(&self, records: &Records, request: &Request, address: &Address) -> Sent {
        let since = self.since.as_ref().and_then(|place| place.read(address));
        let since_us = since.as_deref().and_then(micros).unwrap_or(0);
        let begin = self.begin(records, address);
        let (ids, more) = match &begin {
            Some(Begin::At(skip)) => by_id(records, since_us, *skip, self.size_of(address)),
            behind => {
                let behind =
                    behind
                        .as_ref()
                        .map_or((since_us, String::new()), |begin| match begin {
                            Begin::Behind(at_us, id) => (*at_us, id.clone()),
                            Begin::At(_) => (since_us, String::new()),
                        });
                by_time(records, &behind, self.most_of(address))
            }
        };
        let rows: Vec<Value> = ids
            .iter()
            .filter_map(|id| records.of_id(id))
            .map(|made| made.row.clone())
            .collect();
        let last = ids.last().map(|id| {
            let at_us = records.time_of_id(id).unwrap_or(0);
            format!("{at_us}~{id}")
        });
        let mut sent = answer(200, Value::Null);
        let mut body = Value::Null;
        put_at_pointer(&mut body, &self.rows, Value::Array(rows));
        let place = last.clone();
        let token = last.filter(|_| more);
        match (&self.pages, token) {
            (Pages::Keyset { more: Some(at), .. }, _) => put_at_pointer(&mut body, at, json!(more)),
            (Pages::Cursor { next }, Some(token)) => put_at_pointer(&mut body, next, json!(token)),
            (Pages::Cursor { next }, None) => put_at_pointer(&mut body, next, Value::Null),
            (Pages::Header { name }, Some(token)) => {
                sent.headers.push((name.to_ascii_lowercase(), token));
            }
            (Pages::Link, Some(token)) => {
                let link = format!("<{}>; rel=\"next\"", behind(request, &token));
                sent.headers.push(("link".to_owned(), link));
            }
            (Pages::Delta { next, .. }, Some(token)) => {
                put_at_pointer(&mut body, next, json!(behind(request, &token)));
            }
            (Pages::Delta { delta, .. }, None) => {
                // Where nothing has changed, the same link goes on.
                let told = address.parameter(AFTER).unwrap_or(BEFORE_ALL);
                let token = place.as_deref().unwrap_or(told);
                put_at_pointer(&mut body, delta, json!(behind(request, token)));
            }
            _ => {}
        }
        sent.body = Some(body);
        sent
    }

    fn begin(&self, records: &Records, address: &Address) -> Option<Begin> {
        let told = match &self.pages {
            Pages::None => return None,
            Pages::Link | Pages::Delta { .. } => address.parameter(AFTER).map(str::to_owned),
            _ => self.next.as_ref().and_then(|place| place.read(address)),
        };
        match &self.pages {
            Pages::Offset => Some(Begin::At(told.and_then(|at| at.parse().ok()).unwrap_or(0))),
            Pages::Number { first } => {
                let number: usize = told.and_then(|at| at.parse().ok()).unwrap_or(0);
                let first = usize::try_from(*first).unwrap_or(0);
                Some(Begin::At(number.saturating_sub(first) * self.page_size))
            }
            Pages::Keyset { .. } => {
                let id = told?;
                // Where the row has changed since, it stands further on; what lay behind it is
                // behind the time that the request names, which is that of the row as it was read.
                let at_us = self
                    .after_time(address)
                    .or_else(|| records.time_of_id(&id))?;
                Some(Begin::Behind(at_us, id))
            }
            _ => {
                let token = told?;
                let (at_us, id) = token.split_once('~')?;
                Some(Begin::Behind(at_us.parse().ok()?, id.to_owned()))
            }
        }
    }

    /// The time behind which a keyset page begins: any parameter that holds one.
    fn after_time(&self, address: &Address) -> Option<u64> {
        let place = self.since.as_ref()?;
        place.read(address).as_deref().and_then(micros)
    }
}

/// The address of what lies behind a place.
fn behind(request: &Request, token: &str) -> String {
    let url = request.url.split('?').next().unwrap_or_default();
    format!("{url}?{AFTER}={token}")
}

/// Ids behind a place, and whether there are more.
fn by_time(records: &Records, behind: &(u64, String), size: usize) -> (Vec<String>, bool) {
    use std::ops::Bound::{Excluded, Unbounded};
    let mut found = records.by_time.range((Excluded(behind.clone()), Unbounded));
    let ids: Vec<String> = found
        .by_ref()
        .take(size)
        .map(|(_, id)| id.clone())
        .collect();
    (ids, found.next().is_some())
}

/// Ids of what changed since a time, after so many of them, and whether there are more.
fn by_id(records: &Records, since_us: u64, skip: usize, size: usize) -> (Vec<String>, bool) {
    let mut found = records
        .by_number
        .iter()
        .zip(&records.changed_us)
        .filter(|(_, changed_us)| **changed_us >= since_us)
        .map(|(made, _)| key_text(made.number))
        .skip(skip);
    let ids: Vec<String> = found.by_ref().take(size).collect();
    (ids, found.next().is_some())
}

pub(super) fn answer(status: u16, body: Value) -> Sent {
    Sent {
        status,
        headers: Vec::new(),
        body: Some(body),
    }
}

fn micros(text: &str) -> Option<u64> {
    let at: Timestamp = text.parse().ok()?;
    u64::try_from(at.as_microsecond()).ok()
}
