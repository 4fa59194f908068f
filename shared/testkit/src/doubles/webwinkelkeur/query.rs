//! What a listing asks for.

use crate::doubles::{
    form::Pairs,
    ledger::{Ask, Axis, Direction},
};

/// Ratings of an answer when the caller does not say.
const DEFAULT_LIMIT: usize = 10;
/// The most ratings of an answer.
const MAX_LIMIT: usize = 100;

const KNOWN: [&str; 6] = ["id", "code", "public_code", "language", "offset", "limit"];

/// A part of the listing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    offset: usize,
    limit: usize,
    /// None: any.
    pub(super) language: Option<String>,
}

impl Listing {
    /// Reads a query; an error says what is wrong with it.
    pub(super) fn read(query: &Pairs) -> Result<Self, String> {
        if let Some(name) = query.names().find(|name| !KNOWN.contains(name)) {
            return Err(format!("{name} is no parameter that is known here"));
        }
        if let Some(name) = query.repeated() {
            return Err(format!("{name} is passed twice"));
        }
        let language = query.sent("language");
        let is_code = |code: &str| code.len() == 2 && code.bytes().all(|c| c.is_ascii_lowercase());
        if !language.is_none_or(is_code) {
            return Err("language is not of ISO 639-1".to_owned());
        }
        Ok(Self {
            offset: number(query, "offset", 0, 0..=usize::MAX)?,
            limit: number(query, "limit", DEFAULT_LIMIT, 1..=MAX_LIMIT)?,
            language: language.map(str::to_owned),
        })
    }

    /// What the ledger is asked for: the newest first.
    pub(super) const fn ask(&self) -> Ask {
        Ask {
            skip: self.offset,
            limit: self.limit,
            ..EVERYTHING
        }
    }
}

/// All ratings, the newest first.
pub(super) const EVERYTHING: Ask = Ask {
    axis: Axis::Created,
    direction: Direction::Falling,
    after: None,
    from_s: None,
    until_s: None,
    skip: 0,
    limit: usize::MAX,
};

fn number(
    query: &Pairs,
    name: &str,
    default: usize,
    range: std::ops::RangeInclusive<usize>,
) -> Result<usize, String> {
    let Some(text) = query.sent(name) else {
        return Ok(default);
    };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number.ok_or_else(|| format!("{name} is not a number that is allowed"))
}
