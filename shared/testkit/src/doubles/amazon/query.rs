//! What a listing asks for: the first page by criteria, each later one by its token.

use base64::{Engine, engine::general_purpose::STANDARD};
use serde::{Deserialize, Serialize};

use super::order::Said;
use crate::doubles::{
    form::Pairs,
    ledger::{Ask, Axis, Direction, Key, Round, whole_second},
};

/// Orders of a page where the caller names no number, and the most.
const MAX_RESULTS: usize = 100;
/// The most marketplaces, and the most of any other list.
const MAX_NAMES: usize = 50;
/// What changed later than so long ago is not listed yet.
pub(super) const LAG_S: i64 = 120;

const STATUSES: [&str; 8] = [
    "PendingAvailability",
    "Pending",
    "Unshipped",
    "PartiallyShipped",
    "Shipped",
    "InvoiceUnconfirmed",
    "Canceled",
    "Unfulfillable",
];
const CHANNELS: [&str; 2] = ["AFN", "MFN"];

/// By which time orders are chosen and listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum By {
    Created,
    LastUpdated,
}

/// What the first page says and every later one inherits. Its text is a page's token; times are
/// seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Listing {
    pub(super) by: By,
    after_s: i64,
    pub(super) before_s: i64,
    marketplaces: Vec<String>,
    statuses: Vec<String>,
    channels: Vec<String>,
    limit: usize,
    /// Second and number of the last order of the page before.
    from: Option<(i64, u64)>,
}

impl Listing {
    /// Reads a query; an error says what is wrong with it.
    pub(super) fn read(query: &Pairs, known: &[String], now_s: i64) -> Result<Self, String> {
        const NAMES: [&str; 9] = [
            "MarketplaceIds",
            "CreatedAfter",
            "CreatedBefore",
            "LastUpdatedAfter",
            "LastUpdatedBefore",
            "OrderStatuses",
            "FulfillmentChannels",
            "MaxResultsPerPage",
            "NextToken",
        ];
        if let Some(name) = query.names().find(|name| !NAMES.contains(name)) {
            return Err(format!("{name} is no parameter that is known here"));
        }
        if let Some(name) = query.repeated() {
            return Err(format!("{name} is passed twice"));
        }
        let known: Vec<&str> = known.iter().map(String::as_str).collect();
        let marketplaces = list(query, "MarketplaceIds", &known)?;
        if marketplaces.is_empty() {
            return Err("MarketplaceIds is missing".to_owned());
        }
        if let Some(token) = query.get("NextToken") {
            return Self::of_token(token).ok_or_else(|| "NextToken is invalid".to_owned());
        }
        let (by, after_s, before_s) = span(query, now_s)?;
        Ok(Self {
            by,
            after_s,
            before_s,
            marketplaces,
            statuses: list(query, "OrderStatuses", &STATUSES)?,
            channels: list(query, "FulfillmentChannels", &CHANNELS)?,
            limit: limit(query)?,
            from: None,
        })
    }

    fn of_token(token: &str) -> Option<Self> {
        serde_json::from_slice(&STANDARD.decode(token).ok()?).ok()
    }

    /// The token of the page behind `key`. It has the letters of plain base64, so a caller must
    /// escape it.
    pub(super) fn token(&self, key: Key) -> String {
        let next = Self {
            from: Some((key.at_s, key.number)),
            ..self.clone()
        };
        STANDARD.encode(serde_json::to_vec(&next).unwrap_or_default())
    }

    /// What the ledger is asked for.
    pub(super) fn ask(&self) -> Ask {
        Ask {
            axis: match self.by {
                By::Created => Axis::Created,
                By::LastUpdated => Axis::Updated,
            },
            direction: Direction::Rising,
            after: self.from.map(|(at_s, number)| Key::new(at_s, number)),
            from_s: Some(self.after_s),
            until_s: Some(self.before_s),
            skip: 0,
            limit: self.limit,
        }
    }

    /// Whether an order that says this is asked for.
    pub(super) fn has(&self, said: &Said) -> bool {
        let any = |names: &[String], name: &String| names.is_empty() || names.contains(name);
        self.marketplaces.contains(&said.marketplace)
            && any(&self.statuses, &said.status)
            && any(&self.channels, &said.channel)
    }
}

/// From when to when, and by which time.
fn span(query: &Pairs, now_s: i64) -> Result<(By, i64, i64), String> {
    let created = query.get("CreatedAfter").is_some();
    let updated = query.get("LastUpdatedAfter").is_some();
    let (by, after, before, other) = match (created, updated) {
        (true, false) => {
            let other = "LastUpdatedBefore";
            (By::Created, "CreatedAfter", "CreatedBefore", other)
        }
        (false, true) => {
            let other = "CreatedBefore";
            (
                By::LastUpdated,
                "LastUpdatedAfter",
                "LastUpdatedBefore",
                other,
            )
        }
        (true, true) => return Err("CreatedAfter and LastUpdatedAfter exclude each other".into()),
        (false, false) => return Err("CreatedAfter or LastUpdatedAfter is missing".into()),
    };
    if query.get(other).is_some() {
        return Err(format!("{other} does not go with {after}"));
    }
    let latest_s = now_s - LAG_S;
    let after_s = time(query, after, Round::Up)?.unwrap_or(latest_s);
    let before_s = time(query, before, Round::Down)?.unwrap_or(latest_s);
    if before_s > latest_s {
        return Err(format!("{before} lies less than two minutes back"));
    }
    if before_s < after_s {
        return Err(format!(
            "{before} lies before {after}; without one it is two minutes back"
        ));
    }
    Ok((by, after_s, before_s))
}

fn time(query: &Pairs, name: &str, round: Round) -> Result<Option<i64>, String> {
    let Some(text) = query.get(name) else {
        return Ok(None);
    };
    let at = whole_second(text, round);
    at.map(Some)
        .ok_or_else(|| format!("Invalid date/time field [{name}]"))
}

/// Names with commas between them, each one of `known`.
fn list(query: &Pairs, name: &str, known: &[&str]) -> Result<Vec<String>, String> {
    let Some(text) = query.get(name) else {
        return Ok(Vec::new());
    };
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    if names.len() > MAX_NAMES {
        return Err(format!("{name} has more than {MAX_NAMES} values"));
    }
    match names.iter().find(|one| !known.contains(&one.as_str())) {
        Some(one) => Err(format!("{name} has {one}, which is not known")),
        None => Ok(names),
    }
}

fn limit(query: &Pairs) -> Result<usize, String> {
    let limit = query
        .get("MaxResultsPerPage")
        .map_or(Ok(MAX_RESULTS), str::parse);
    match limit {
        Ok(limit) if (1..=MAX_RESULTS).contains(&limit) => Ok(limit),
        _ => Err(format!(
            "MaxResultsPerPage is no number from 1 to {MAX_RESULTS}"
        )),
    }
}
