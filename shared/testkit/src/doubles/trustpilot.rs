//! A double of the service reviews of Trustpilot's private API.
//!
//! It follows developers.trustpilot.com, and where that is silent what was measured and told in public;
//! each rule with its source is in the table of its tests:
//! - `GET /v1/private/business-units/{id}/reviews` lists: `page` from 1, `perPage` up to 100, `orderBy`
//!   (`createdat.desc` where nothing is said), `startDateTime` and `endDateTime` in UTC, `stars` and
//!   `language`, each also several times. A page behind the last is empty, and so is what lies beyond
//!   the first 100,000 reviews of a query.
//! - `GET /v1/private/reviews/{id}` shows one.
//! - A bearer token that an authority stands in for: [`login`] gives one for the API key and its
//!   secret. One that is missing, wrong or over is 401; another's business unit is 403.
//! - 833 calls in five minutes. The vendor asks for it and answers 429; that it does so exactly then,
//!   and without `Retry-After`, is assumed.
//! - Errors are `{"message": ...}`: the statuses are documented, the body is assumed.
//!
//! Assumed besides: the two times bound `createdAt`, both ends included; `updatedAt` is null until the
//! reviewer edits, and a reply of the shop moves it not, so that whoever reads it alone misses replies.
//!
//! Stricter than the true one in one place, on purpose: a parameter that is not known is 400. So are
//! the other orders and filters of the vendor, which nothing here asks for.
//!
//! The reviews are made from a seed, as many as a test likes: see the ledger. A test changes, adds and
//! removes some, by the handle or by `POST /_double/change`, `/_double/insert`, `/_double/delete`.

mod api;
mod query;
#[cfg(test)]
mod refusals;
mod review;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use serde_json::{Map, Value};

use super::{
    Clock, Double, Limit, Quota,
    authority::{AuthorityConfig, Tokens},
    ledger::{Ledger, Times},
    limit::Admitted,
    locked,
    shop::Shop,
    shop_config::ShopConfig,
};

/// The business unit whose reviews it holds unless another is named.
pub const BUSINESS_UNIT: &str = "507f191e810c19729de860ea";

/// "833 calls per 5 minutes or 10K calls per hour": the first implies the second.
const CALLS: Limit = Limit::Enforce {
    calls: 833,
    window_ms: 300_000,
};

/// An authority as Trustpilot's is one: client credentials, sent as HTTP Basic.
pub fn login(clock: Clock, api_key: &str, secret: &str) -> AuthorityConfig {
    AuthorityConfig::new(clock)
        .path("/v1/oauth/oauth-business-users-for-applications/accesstoken")
        .client(api_key, secret, &[])
}

/// What this double alone is told.
#[derive(Clone)]
pub struct Own {
    tokens: Tokens,
    business_unit: String,
}

/// How the double is set up.
pub type TrustpilotConfig = ShopConfig<Own>;

impl ShopConfig<Own> {
    /// Listens on any free port, accepts what is live of `tokens`, holds 3,000 reviews of
    /// [`BUSINESS_UNIT`], keeps its quota. `clock` gives milliseconds since the epoch; the reviews lie
    /// in the 50 days before what it gives at the start.
    pub fn new(clock: Clock, tokens: Tokens) -> Self {
        let own = Own {
            tokens,
            business_unit: BUSINESS_UNIT.to_owned(),
        };
        Self::of(clock, own)
    }

    /// Holds `count` reviews that follow from `seed`.
    #[must_use]
    pub fn reviews(self, seed: u64, count: u64) -> Self {
        self.holding(seed, count)
    }

    /// Holds those of this business unit.
    #[must_use]
    pub fn business_unit(mut self, id: &str) -> Self {
        id.clone_into(&mut self.own.business_unit);
        self
    }
}

/// What the double knows.
pub struct Trustpilot {
    tokens: Tokens,
    business_unit: String,
    limit: Limit,
    books: Mutex<Books>,
}

struct Books {
    ledger: Ledger,
    admitted: Admitted,
}

/// A running double of Trustpilot.
pub type TrustpilotDouble = Double<Trustpilot>;

impl Double<Trustpilot> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: TrustpilotConfig) -> io::Result<Self> {
        config.serve(Trustpilot::new).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: TrustpilotConfig) -> Self {
        config.unserved(Trustpilot::new)
    }

    /// The id of the review of this number; numbers count from 1.
    pub fn id_of(number: u64) -> String {
        review::id_of(number)
    }

    /// The review of this id as it now stands.
    pub fn review(&self, id: &str) -> Option<Value> {
        self.system().shown(id)
    }

    /// Alters a review now, and gives it as it then stands; nothing when there is none. What the
    /// double keeps itself (`id`, `createdAt`, `updatedAt`, the times of a reply) stays its own.
    pub fn change(&self, id: &str, alter: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
        self.system().alter(id, self.now_ms(), alter)
    }

    /// Somebody writes a review now: a realistic one, altered as a test likes.
    pub fn add(&self, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        self.system().insert(self.now_ms(), alter)
    }

    /// A review is no longer shown; says whether there was one.
    pub fn delete(&self, id: &str) -> bool {
        self.system().remove(id)
    }
}

impl Trustpilot {
    fn new(config: TrustpilotConfig) -> Self {
        let start_ms = (config.clock)();
        Self {
            tokens: config.own.tokens,
            business_unit: config.own.business_unit,
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
}

impl Shop for Trustpilot {
    fn shown(&self, id: &str) -> Option<Value> {
        let books = locked(&self.books);
        let number = review::number_of(id)?;
        self.review(&books.ledger, number).map(Value::Object)
    }

    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        let mut books = locked(&self.books);
        let number = review::number_of(id)?;
        let old_times = books.ledger.times(number)?;
        let old = self.review(&books.ledger, number)?;
        let mut body = old.clone();
        alter(&mut body);
        let now_s = updated_ms.div_euclid(1_000);
        review::stamp_reply(&mut body, &old, now_s);
        let (changed_s, edited_s) = if review::differs_by_reply_alone(&body, &old) {
            (old_times.updated_s, review::edited_at(&old))
        } else {
            (now_s, Some(now_s))
        };
        let times = Times {
            updated_s: changed_s,
            ..old_times
        };
        review::stamp(&mut body, number, times.created_s, edited_s);
        books.ledger.put(number, times, body.clone());
        Some(Value::Object(body))
    }

    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut books = locked(&self.books);
        let number = books.ledger.last() + 1;
        let times = Times::at(now_ms);
        let choices = books.ledger.choices(number);
        let mut body = review::made(choices, number, times, &self.business_unit);
        alter(&mut body);
        review::stamp(&mut body, number, times.created_s, None);
        books.ledger.put(number, times, body.clone());
        Value::Object(body)
    }

    fn remove(&self, id: &str) -> bool {
        review::number_of(id).is_some_and(|number| locked(&self.books).ledger.remove(number))
    }
}
