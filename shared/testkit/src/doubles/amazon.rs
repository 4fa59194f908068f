//! A double of the Orders API v0 of Amazon's Selling Partner API.
//!
//! It follows Amazon's public model (`ordersV0.json` of `selling-partner-api-models`) and guides; each
//! rule with its source is in the table of its tests:
//! - `GET /orders/v0/orders` lists by `LastUpdatedAfter` or `CreatedAfter` within `MarketplaceIds`, up
//!   to 100 a page, further pages by `NextToken`, which stands for all other criteria. The newest two
//!   minutes are not listed yet, and the answer says up to when it looked.
//! - `GET /orders/v0/orders/{orderId}` shows one, `.../orderItems` its items: a listing has none.
//! - `x-amz-access-token` of Login with Amazon, which an authority stands in for: [`login`] makes one
//!   with a refresh token. A token that is missing, wrong or over is 403 `Unauthorized`, not 401.
//! - A bucket for each operation: 0.0167 calls a second and 20 at once for the listing, 0.5 and 30 for
//!   one order and for items. Beyond it 429 `QuotaExceeded` without `Retry-After`.
//!   `x-amzn-RateLimit-Limit` comes with 200, 400 and 404 alone.
//! - Errors are `{"errors":[{code, message, details}]}`. An order whose payment is pending has no
//!   total. Without a restricted data token a buyer has neither name nor street.
//!
//! Stricter than the true one in one place, on purpose: a parameter that is not known is 400.
//!
//! The orders are made from a seed, as many as a test likes up to 9,999,999: see the ledger. A test
//! changes, adds and removes some, by the handle or by `POST /_double/change`, `/_double/insert`,
//! `/_double/delete`.

mod api;
mod order;
mod query;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use serde_json::{Map, Value};

use super::{
    Clock, Double, Quota,
    authority::{AuthorityConfig, Rotation, Tokens},
    bucket::{Bucket, Plan},
    ledger::{Ledger, Times},
    locked,
    shop::Shop,
    shop_config::ShopConfig,
};

/// Amazon's marketplace in Germany.
pub const GERMANY: &str = "A1PA6795UKMFR9";

/// 0.0167 calls a second, 20 at once: usage plan of getOrders.
const LISTING: Plan = Plan {
    burst: 20,
    per_10_000_s: 167,
};
/// 0.5 calls a second, 30 at once: usage plan of getOrder and of getOrderItems.
const SINGLE: Plan = Plan {
    burst: 30,
    per_10_000_s: 5_000,
};

/// An authority as Login with Amazon is one: a token lives an hour and begins with `Atza|`, and a
/// refresh answers the same refresh token once more.
pub fn login(clock: Clock, client: &str, secret: &str, refresh_token: &str) -> AuthorityConfig {
    AuthorityConfig::new(clock)
        .path("/auth/o2/token")
        .prefix("Atza|")
        .rotation(Rotation::Echoes)
        .client(client, secret, &[])
        .refresh_token(refresh_token, client, &[])
}

/// What this double alone is told.
#[derive(Clone)]
pub struct Own {
    tokens: Tokens,
    marketplaces: Vec<String>,
}

/// How the double is set up.
pub type AmazonConfig = ShopConfig<Own>;

impl ShopConfig<Own> {
    /// Listens on any free port, accepts what is live of `tokens`, sells in [`GERMANY`], holds 3,000
    /// orders, keeps its quotas. `clock` gives milliseconds since the epoch; the orders lie in the 50
    /// days before what it gives at the start.
    pub fn new(clock: Clock, tokens: Tokens) -> Self {
        let own = Own {
            tokens,
            marketplaces: vec![GERMANY.to_owned()],
        };
        Self::of(clock, own)
    }

    /// Holds `count` orders that follow from `seed`.
    #[must_use]
    pub fn orders(self, seed: u64, count: u64) -> Self {
        self.holding(seed, count)
    }

    /// Sells in these marketplaces.
    #[must_use]
    pub fn marketplaces(mut self, marketplaces: &[&str]) -> Self {
        self.own.marketplaces = marketplaces.iter().map(|one| (*one).to_owned()).collect();
        self
    }
}

/// What the double knows.
pub struct Amazon {
    tokens: Tokens,
    marketplaces: Vec<String>,
    quota: Quota,
    books: Mutex<Books>,
}

struct Books {
    ledger: Ledger,
    list: Bucket,
    one: Bucket,
    items: Bucket,
    calls: u64,
}

/// What has a usage plan of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    List,
    One,
    Items,
}

impl Operation {
    /// `x-amzn-RateLimit-Limit`.
    const fn rate(self) -> &'static str {
        match self {
            Self::List => "0.0167",
            Self::One | Self::Items => "0.5",
        }
    }
}

impl Books {
    const fn bucket(&mut self, operation: Operation) -> &mut Bucket {
        match operation {
            Operation::List => &mut self.list,
            Operation::One => &mut self.one,
            Operation::Items => &mut self.items,
        }
    }
}

/// A running double of the Orders API.
pub type AmazonDouble = Double<Amazon>;

impl Double<Amazon> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: AmazonConfig) -> io::Result<Self> {
        config.serve(Amazon::new).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: AmazonConfig) -> Self {
        config.unserved(Amazon::new)
    }

    /// The id of the order of this number; numbers count from 1.
    pub fn id_of(number: u64) -> String {
        order::id_of(number)
    }

    /// The order of this id as it now stands.
    pub fn order(&self, id: &str) -> Option<Value> {
        self.system().shown(id)
    }

    /// Alters an order now, and gives it as it then stands; nothing when there is none. What the
    /// double keeps itself (`AmazonOrderId`, `PurchaseDate`, `LastUpdateDate`) stays its own.
    pub fn change(&self, id: &str, alter: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
        self.change_at(id, self.now_ms(), alter)
    }

    /// Alters an order with a `LastUpdateDate` that is not now, as a source does that commits late.
    pub fn change_at(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        self.system().alter(id, updated_ms, alter)
    }

    /// A customer orders now: a realistic order, altered as a test likes.
    pub fn add(&self, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        self.system().insert(self.now_ms(), alter)
    }

    /// An order is no longer shown; says whether there was one.
    pub fn delete(&self, id: &str) -> bool {
        self.system().remove(id)
    }
}

impl Amazon {
    fn new(config: AmazonConfig) -> Self {
        let start_ms = (config.clock)();
        Self {
            tokens: config.own.tokens,
            marketplaces: config.own.marketplaces,
            quota: config.quota,
            books: Mutex::new(Books {
                ledger: Ledger::new(config.seed, config.count, start_ms),
                list: Bucket::new(LISTING),
                one: Bucket::new(SINGLE),
                items: Bucket::new(SINGLE),
                calls: 0,
            }),
        }
    }
}

impl Shop for Amazon {
    fn shown(&self, id: &str) -> Option<Value> {
        let books = locked(&self.books);
        let number = order::number_of(id)?;
        self.order(&books.ledger, number).map(Value::Object)
    }

    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        let mut books = locked(&self.books);
        let number = order::number_of(id)?;
        let times = Times {
            updated_s: updated_ms.div_euclid(1_000),
            ..books.ledger.times(number)?
        };
        let mut body = self.order(&books.ledger, number)?;
        alter(&mut body);
        order::stamp(&mut body, number, times);
        books.ledger.put(number, times, body.clone());
        Some(Value::Object(body))
    }

    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut books = locked(&self.books);
        let number = books.ledger.last() + 1;
        let times = Times::at(now_ms);
        let choices = books.ledger.choices(number);
        let mut body = order::made(choices, number, times, &self.marketplaces);
        alter(&mut body);
        order::stamp(&mut body, number, times);
        books.ledger.put(number, times, body.clone());
        Value::Object(body)
    }

    fn remove(&self, id: &str) -> bool {
        order::number_of(id).is_some_and(|number| locked(&self.books).ledger.remove(number))
    }
}
