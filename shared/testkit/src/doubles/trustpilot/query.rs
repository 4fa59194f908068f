//! What a listing asks for.

use jiff::civil::DateTime;

use super::review::said;
use crate::doubles::{
    form::Pairs,
    ledger::{Ask, Axis, Direction, Ledger, Round, whole_second},
};

/// Reviews of a page when the caller does not say.
const DEFAULT_PER_PAGE: usize = 20;
/// The most reviews of a page.
const MAX_PER_PAGE: usize = 100;
/// The last number that a page may have.
const MAX_PAGE: usize = 2_147_483_647;
/// What a query gives at most, all pages together.
const MAX_REVIEWS: usize = 100_000;

/// May come once.
const SINGLE: [&str; 5] = ["page", "perPage", "orderBy", "startDateTime", "endDateTime"];
/// May come several times.
const ARRAYS: [&str; 2] = ["stars", "language"];

/// A page that is asked for. Times in seconds since the epoch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Listing {
    direction: Direction,
    from_s: Option<i64>,
    until_s: Option<i64>,
    /// None: any.
    stars: Vec<u64>,
    /// None: any.
    languages: Vec<String>,
    pub(super) page: usize,
    per_page: usize,
}

impl Listing {
    /// Reads a query; an error says what is wrong with it.
    pub(super) fn read(query: &Pairs) -> Result<Self, String> {
        let known = |name: &&str| SINGLE.contains(name) || ARRAYS.contains(name);
        if let Some(name) = query.names().find(|name| !known(name)) {
            return Err(format!("{name} is no parameter that is known here"));
        }
        if let Some(name) = SINGLE.iter().find(|name| query.all(name).count() > 1) {
            return Err(format!("{name} is passed twice"));
        }
        Ok(Self {
            direction: match query.get("orderBy") {
                None | Some("createdat.desc") => Direction::Falling,
                Some("createdat.asc") => Direction::Rising,
                Some(_) => return Err("orderBy is neither createdat.asc nor createdat.desc".into()),
            },
            from_s: time(query, "startDateTime", Round::Up)?,
            until_s: time(query, "endDateTime", Round::Down)?,
            stars: stars(query)?,
            languages: query.all("language").map(str::to_owned).collect(),
            page: number(query, "page", 1, MAX_PAGE)?,
            per_page: number(query, "perPage", DEFAULT_PER_PAGE, MAX_PER_PAGE)?,
        })
    }

    /// What the ledger is asked for: nothing beyond what a query gives.
    pub(super) fn ask(&self) -> Ask {
        let skip = (self.page - 1).saturating_mul(self.per_page);
        Ask {
            axis: Axis::Created,
            direction: self.direction,
            after: None,
            from_s: self.from_s,
            until_s: self.until_s,
            skip,
            limit: self.per_page.min(MAX_REVIEWS.saturating_sub(skip)),
        }
    }

    /// Whether a review is of the stars and languages that are asked for.
    pub(super) fn has(&self, ledger: &Ledger, number: u64) -> bool {
        if self.stars.is_empty() && self.languages.is_empty() {
            return true;
        }
        let (stars, language) = said(ledger.body(number), ledger.choices(number));
        (self.stars.is_empty() || self.stars.contains(&stars))
            && (self.languages.is_empty() || self.languages.contains(&language))
    }
}

fn number(query: &Pairs, name: &str, default: usize, max: usize) -> Result<usize, String> {
    let Some(text) = query.sent(name) else {
        return Ok(default);
    };
    let number = text.parse().ok();
    let number = number.filter(|number| (1..=max).contains(number));
    number.ok_or_else(|| format!("{name} is not a number from 1 to {max}"))
}

fn stars(query: &Pairs) -> Result<Vec<u64>, String> {
    let one = |text: &str| text.parse().ok().filter(|stars| (1..=5).contains(stars));
    let all = query.all("stars").flat_map(|text| text.split(','));
    let all: Option<Vec<u64>> = all.map(one).collect();
    all.ok_or_else(|| "stars is not a number from 1 to 5".to_owned())
}

/// A day, a day and a time, which are of UTC, or a time with an offset.
fn time(query: &Pairs, name: &str, round: Round) -> Result<Option<i64>, String> {
    let Some(text) = query.sent(name) else {
        return Ok(None);
    };
    let in_utc = || {
        let at: DateTime = text.parse().ok()?;
        whole_second(&format!("{at}Z"), round)
    };
    let at = whole_second(text, round).or_else(in_utc);
    at.map(Some).ok_or_else(|| format!("{name} is no time"))
}
