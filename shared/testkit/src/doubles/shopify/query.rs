//! What a listing asks for: the first page by filters, each later one by a cursor.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use super::order::State;
use crate::doubles::{
    form::Pairs,
    ledger::{Ask, Axis, Direction, Key, Round, Times, whole_second},
};

/// Orders of a page when the caller names no limit.
const DEFAULT_LIMIT: usize = 50;
/// The most orders of a page.
const MAX_LIMIT: usize = 250;

const AFTER_FIRST: &str = "cannot be passed when page_info is present. \
    See https://shopify.dev/api/usage/pagination-rest for more information.";

/// Why a query is refused: the parameter, or none for the listing as a whole, and what is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub(super) name: Option<String>,
    pub(super) what: String,
}

impl Bad {
    fn of(name: &str, what: &str) -> Self {
        Self {
            name: Some(name.to_owned()),
            what: what.to_owned(),
        }
    }
}

/// `status` of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Status {
    /// Where nothing is said: a caller that forgets `any` misses what was closed.
    #[default]
    Open,
    Closed,
    Cancelled,
    Any,
}

impl Status {
    pub(super) fn has(self, state: State) -> bool {
        match self {
            Self::Any => true,
            Self::Open => state == State::Open,
            Self::Closed => state == State::Closed,
            Self::Cancelled => state == State::Cancelled,
        }
    }
}

/// `order` of a query.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Sorting {
    #[default]
    #[serde(rename = "created_at desc")]
    CreatedFalling,
    #[serde(rename = "created_at asc")]
    CreatedRising,
    #[serde(rename = "updated_at desc")]
    UpdatedFalling,
    #[serde(rename = "updated_at asc")]
    UpdatedRising,
}

impl Sorting {
    const fn parts(self) -> (Axis, Direction) {
        match self {
            Self::CreatedFalling => (Axis::Created, Direction::Falling),
            Self::CreatedRising => (Axis::Created, Direction::Rising),
            Self::UpdatedFalling => (Axis::Updated, Direction::Falling),
            Self::UpdatedRising => (Axis::Updated, Direction::Rising),
        }
    }
}

/// What the first page says and every later one inherits. Times in seconds since the epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Filters {
    pub(super) status: Status,
    order: Sorting,
    created_at_min: Option<i64>,
    created_at_max: Option<i64>,
    updated_at_min: Option<i64>,
    updated_at_max: Option<i64>,
}

impl Filters {
    fn read(query: &Pairs) -> Result<Self, Bad> {
        Ok(Self {
            status: named(query, "status", "is not open, closed, cancelled or any")?,
            order: named(query, "order", "is not a field and asc or desc")?,
            created_at_min: time(query, "created_at_min", Round::Up)?,
            created_at_max: time(query, "created_at_max", Round::Down)?,
            updated_at_min: time(query, "updated_at_min", Round::Up)?,
            updated_at_max: time(query, "updated_at_max", Round::Down)?,
        })
    }

    /// Whether an order came and changed within what is asked for.
    pub(super) fn has(&self, times: Times) -> bool {
        let within = |at: i64, min: Option<i64>, max: Option<i64>| {
            min.is_none_or(|min| at >= min) && max.is_none_or(|max| at <= max)
        };
        within(times.created_s, self.created_at_min, self.created_at_max)
            && within(times.updated_s, self.updated_at_min, self.updated_at_max)
    }
}

/// Which way from the order that a cursor names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Turn {
    Next,
    Previous,
}

/// A cursor. Its text is base64 over JSON that carries the filters of the first page, as Shopify's
/// does; a caller may not look into it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Cursor {
    direction: Turn,
    last_id: u64,
    last_value: i64,
    #[serde(flatten)]
    filters: Filters,
}

/// A page that is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    pub(super) filters: Filters,
    /// Nothing on the first page.
    pub(super) from: Option<(Turn, Key)>,
    pub(super) limit: usize,
    pub(super) fields: Option<String>,
}

impl Listing {
    /// Reads a query.
    pub(super) fn read(query: &Pairs) -> Result<Self, Bad> {
        const KNOWN: [&str; 9] = [
            "limit",
            "fields",
            "page_info",
            "status",
            "order",
            "created_at_min",
            "created_at_max",
            "updated_at_min",
            "updated_at_max",
        ];
        if let Some(name) = query.names().find(|name| !KNOWN.contains(name)) {
            return Err(Bad::of(name, "is no parameter that is known here"));
        }
        if let Some(name) = query.repeated() {
            return Err(Bad::of(name, "is passed twice"));
        }
        let (limit, fields) = (limit(query)?, query.get("fields").map(str::to_owned));
        let Some(page_info) = query.sent("page_info") else {
            return Ok(Self {
                filters: Filters::read(query)?,
                from: None,
                limit,
                fields,
            });
        };
        let mut beside = query.names();
        let beside = beside.find(|name| !["limit", "fields", "page_info"].contains(name));
        if let Some(name) = beside {
            return Err(Bad::of(name, &format!("{name} {AFTER_FIRST}")));
        }
        let cursor = URL_SAFE_NO_PAD.decode(page_info).ok();
        let cursor = cursor.and_then(|json| serde_json::from_slice::<Cursor>(&json).ok());
        let cursor = cursor.ok_or_else(|| Bad::of("page_info", "Invalid value."))?;
        let key = Key::new(cursor.last_value, cursor.last_id);
        Ok(Self {
            filters: cursor.filters,
            from: Some((cursor.direction, key)),
            limit,
            fields,
        })
    }

    /// What the ledger is asked for.
    pub(super) fn ask(&self) -> Ask {
        let filters = &self.filters;
        let (axis, mut direction) = filters.order.parts();
        if self.is_backwards() {
            direction = match direction {
                Direction::Rising => Direction::Falling,
                Direction::Falling => Direction::Rising,
            };
        }
        let (from_s, until_s) = match axis {
            Axis::Created => (filters.created_at_min, filters.created_at_max),
            Axis::Updated => (filters.updated_at_min, filters.updated_at_max),
        };
        Ask {
            axis,
            direction,
            after: self.from.map(|(_, key)| key),
            from_s,
            until_s,
            skip: 0,
            limit: self.limit,
        }
    }

    /// Whether the page before is asked for.
    pub(super) fn is_backwards(&self) -> bool {
        matches!(self.from, Some((Turn::Previous, _)))
    }

    /// The cursor that leads on from `key`.
    pub(super) fn page_info(&self, direction: Turn, key: Key) -> String {
        let cursor = Cursor {
            direction,
            last_id: key.number,
            last_value: key.at_s,
            filters: self.filters.clone(),
        };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&cursor).unwrap_or_default())
    }
}

fn limit(query: &Pairs) -> Result<usize, Bad> {
    let Some(text) = query.get("limit") else {
        return Ok(DEFAULT_LIMIT);
    };
    match text.parse() {
        Ok(limit) if limit > MAX_LIMIT => Err(Bad {
            name: None,
            what: format!("Limit exceeds maximum limit of {MAX_LIMIT}"),
        }),
        Ok(0) | Err(_) => Err(Bad::of("limit", "is not a number from 1")),
        Ok(limit) => Ok(limit),
    }
}

/// A parameter whose values are named; what it is without one where it is absent.
fn named<T: Default + for<'a> Deserialize<'a>>(
    query: &Pairs,
    name: &str,
    what: &str,
) -> Result<T, Bad> {
    let Some(text) = query.get(name) else {
        return Ok(T::default());
    };
    let value = serde_json::Value::String(text.to_ascii_lowercase());
    serde_json::from_value(value).map_err(|_| Bad::of(name, what))
}

fn time(query: &Pairs, name: &str, round: Round) -> Result<Option<i64>, Bad> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let at = whole_second(text, round);
    at.map(Some)
        .ok_or_else(|| Bad::of(name, "is no time with an offset"))
}
