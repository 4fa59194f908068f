//! A double of the ratings of Webwinkelkeur's API: a source whose reviews have no id.
//!
//! It follows docs.webwinkelkeur.nl; each rule with its source is in the table of its tests:
//! - `GET /api/1.0/ratings.json` lists, newest first, by `offset` and `limit` up to 100, in one
//!   `language` or in all. There is no other order, no filter by time, and no call for one rating.
//! - A rating is told by author, time and text. Its time is local, without an offset.
//! - `id` is the shop's, with its `code`, or with its `public_code`, which a web page may hold.
//! - An error is `{"status":"error","message":...}`; three messages are documented.
//!
//! Assumed, since the pages are silent: an error is answered with the status 200, as their own example
//! reads the body and no status; 60 calls a minute, beyond it 429; ten ratings where no `limit` is
//! said; the zone is that of Amsterdam; with the public code no rating has an `email`.
//!
//! Stricter than the true one in one place, on purpose: a parameter that is not known is an error.
//!
//! The ratings are made from a seed, as many as a test likes: see the ledger. Every hundredth is the one
//! before it, listed twice, as such sources do. A test changes, adds and removes some, by the handle or
//! by `POST /_double/change`, `/_double/insert`, `/_double/delete`; there a rating is named by its
//! `number`, which no listing shows. One that is inserted as it was listed has the time that it says.

mod api;
mod query;
mod rating;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    Action, Clock, Double, Fault, Limit, Quota,
    ledger::{Ledger, Times},
    limit::Admitted,
    locked,
    shop::Shop,
    shop_config::ShopConfig,
};

/// The shop whose ratings it holds.
pub const SHOP: &str = "1001";

/// No page tells of a limit: a modest one, so that a caller who keeps to none is seen.
const CALLS: Limit = Limit::Enforce {
    calls: 60,
    window_ms: 60_000,
};

/// What this double alone is told.
#[derive(Clone)]
pub struct Own {
    code: String,
    public_code: String,
    zone: TimeZone,
}

/// How the double is set up.
pub type WebwinkelkeurConfig = ShopConfig<Own>;

impl ShopConfig<Own> {
    /// Listens on any free port, accepts both codes with the shop [`SHOP`], holds 3,000 ratings, keeps
    /// its quota. `clock` gives milliseconds since the epoch; the ratings lie in the 50 days before
    /// what it gives at the start.
    pub fn new(clock: Clock, code: &str, public_code: &str) -> Self {
        let own = Own {
            code: code.to_owned(),
            public_code: public_code.to_owned(),
            zone: TimeZone::get("Europe/Amsterdam").unwrap_or(TimeZone::UTC),
        };
        Self::of(clock, own)
    }

    /// Holds `count` ratings that follow from `seed`.
    #[must_use]
    pub fn ratings(self, seed: u64, count: u64) -> Self {
        self.holding(seed, count)
    }
}

/// What the double knows.
pub struct Webwinkelkeur {
    code: String,
    public_code: String,
    zone: TimeZone,
    limit: Limit,
    books: Mutex<Books>,
}

struct Books {
    ledger: Ledger,
    admitted: Admitted,
}

/// A running double of Webwinkelkeur.
pub type WebwinkelkeurDouble = Double<Webwinkelkeur>;

impl Double<Webwinkelkeur> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: WebwinkelkeurConfig) -> io::Result<Self> {
        config.serve(Webwinkelkeur::new).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: WebwinkelkeurConfig) -> Self {
        config.unserved(Webwinkelkeur::new)
    }

    /// The rating of this number as it now stands, its `number` beside it; numbers count from 1.
    pub fn rating(&self, number: u64) -> Option<Value> {
        self.system().shown(&number.to_string())
    }

    /// Alters a rating, and gives it as it then stands; nothing when there is none. Its time stays
    /// what it was unless `created` is altered.
    pub fn change(
        &self,
        number: u64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        self.system()
            .alter(&number.to_string(), self.now_ms(), alter)
    }

    /// Somebody writes a rating now: a realistic one, altered as a test likes.
    pub fn add(&self, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        self.system().insert(self.now_ms(), alter)
    }

    /// Lists a rating once more, with the same time: identical in all that is shown.
    pub fn repeat(&self, number: u64) -> Option<Value> {
        let rating = self.rating(number)?;
        let same = rating.as_object()?.clone();
        Some(self.add(|body| *body = same))
    }

    /// A rating is no longer shown; says whether there was one.
    pub fn delete(&self, number: u64) -> bool {
        self.system().remove(&number.to_string())
    }
}

/// A fault by which the vendor tells that it failed: by the body, as it tells all.
pub fn unexpected() -> Fault {
    let message = "Unexpected error while processing. Please contact WebwinkelKeur.";
    let body = json!({ "status": "error", "message": message });
    Fault::new(Action::answer(200, body)).named("unexpected")
}

impl Webwinkelkeur {
    fn new(config: WebwinkelkeurConfig) -> Self {
        let start_ms = (config.clock)();
        Self {
            code: config.own.code,
            public_code: config.own.public_code,
            zone: config.own.zone,
            limit: match config.quota {
                Quota::Kept => CALLS,
                Quota::CountOnly => Limit::CountOnly,
            },
            books: Mutex::new(Books {
                ledger: Ledger::new(config.seed, config.count, start_ms),
                admitted: Admitted::default(),
            }),
        }
    }

    /// Holds what a test made of a rating, with the time that it says.
    fn hold(
        &self,
        ledger: &mut Ledger,
        number: u64,
        times: Times,
        mut body: Map<String, Value>,
    ) -> Value {
        body.remove("number");
        let said_s = rating::created_at(&body, &self.zone);
        let times = Times {
            created_s: said_s.unwrap_or(times.created_s),
            ..times
        };
        rating::stamp(&mut body, times.created_s, &self.zone);
        ledger.put(number, times, body.clone());
        rating::numbered(body, number)
    }
}

impl Shop for Webwinkelkeur {
    fn shown(&self, id: &str) -> Option<Value> {
        let number = id.parse().ok()?;
        let body = self.rating(&locked(&self.books).ledger, number)?;
        Some(rating::numbered(body, number))
    }

    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        let mut books = locked(&self.books);
        let number = id.parse().ok()?;
        let times = Times {
            updated_s: updated_ms.div_euclid(1_000),
            ..books.ledger.times(number)?
        };
        let mut body = self.rating(&books.ledger, number)?;
        alter(&mut body);
        Some(self.hold(&mut books.ledger, number, times, body))
    }

    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut books = locked(&self.books);
        let number = books.ledger.last() + 1;
        let times = Times::at(now_ms);
        let choices = books.ledger.choices(number);
        let mut body = rating::made(choices, number, times.created_s, &self.zone);
        alter(&mut body);
        self.hold(&mut books.ledger, number, times, body)
    }

    fn remove(&self, id: &str) -> bool {
        let number = id.parse().ok();
        number.is_some_and(|number| locked(&self.books).ledger.remove(number))
    }
}
