//! A double of the orders of Shopify's Admin REST API.
//!
//! It follows shopify.dev for one named version of the API, and where that is silent what was measured
//! and told in public; each rule with its source is in the table of its tests:
//! - `GET /admin/api/{version}/orders.json` lists: `status` (open where nothing is said),
//!   `created_at_min`, `created_at_max`, `updated_at_min`, `updated_at_max`, `order`, `fields`, `limit`
//!   up to 250. Further pages by the `Link` header; with `page_info` only `limit` and `fields` may be
//!   passed, and what the first page filtered goes on.
//! - `GET /admin/api/{version}/orders/{id}.json` shows one.
//! - `X-Shopify-Access-Token`, else 401. A bucket of 40 calls that leaks 2 a second, told by
//!   `X-Shopify-Shop-Api-Call-Limit`; beyond it 429 with `Retry-After: 2.0`.
//! - An older version is answered by the one that is served; `X-Shopify-API-Version` says so.
//! - Without leave for all orders, none that is older than 60 days.
//! - Errors are `{"errors": ...}`, a text or a table by parameter. Times have the offset of the shop's
//!   zone, with summer time; prices are texts.
//!
//! Stricter than the true one in one place, on purpose: a parameter that is not known is 400. What
//! would silently be ignored is a mistake of ours that a test should see.
//!
//! The orders are made from a seed, as many as a test likes: see the ledger. A test changes, adds and
//! removes some, by the handle or by `POST /_double/change`, `/_double/insert`, `/_double/delete`.

mod api;
mod order;
mod query;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use jiff::tz::TimeZone;
use serde_json::{Map, Value, json};

use super::{
    Action, Clock, Double, Fault, Quota,
    bucket::{Bucket, Plan},
    ledger::{Ledger, Times},
    locked,
    shop::Shop,
    shop_config::ShopConfig,
};

/// The version that is served unless another is named.
pub const VERSION: &str = "2026-07";

/// The standard plan of a shop.
const CALLS: Plan = Plan {
    burst: 40,
    per_10_000_s: 20_000,
};

/// What the merchant has allowed the token.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Access {
    /// Other things than orders.
    NoOrders,
    /// `read_orders`: those of the last 60 days.
    #[default]
    Orders,
    /// `read_all_orders` besides.
    AllOrders,
}

/// What this double alone is told.
#[derive(Clone)]
pub struct Own {
    token: String,
    version: String,
    access: Access,
    zone: TimeZone,
}

/// How the double is set up.
pub type ShopifyConfig = ShopConfig<Own>;

impl ShopConfig<Own> {
    /// Listens on any free port, accepts `token`, holds 3,000 orders, keeps its quota. `clock` gives
    /// milliseconds since the epoch; the orders lie in the 50 days before what it gives at the start.
    pub fn new(clock: Clock, token: &str) -> Self {
        let own = Own {
            token: token.to_owned(),
            version: VERSION.to_owned(),
            access: Access::default(),
            zone: TimeZone::get("Europe/Berlin").unwrap_or(TimeZone::UTC),
        };
        Self::of(clock, own)
    }

    /// Holds `count` orders that follow from `seed`.
    #[must_use]
    pub fn orders(self, seed: u64, count: u64) -> Self {
        self.holding(seed, count)
    }

    /// Serves this version: `2026-07`.
    #[must_use]
    pub fn version(mut self, version: &str) -> Self {
        version.clone_into(&mut self.own.version);
        self
    }

    /// What the token may read.
    #[must_use]
    pub fn access(mut self, access: Access) -> Self {
        self.own.access = access;
        self
    }

    /// The zone in which the shop tells its times.
    #[must_use]
    pub fn zone(mut self, zone: TimeZone) -> Self {
        self.own.zone = zone;
        self
    }
}

/// What the double knows.
pub struct Shopify {
    version: String,
    quota: Quota,
    zone: TimeZone,
    books: Mutex<Books>,
}

struct Books {
    token: String,
    access: Access,
    bucket: Bucket,
    ledger: Ledger,
    /// Where links lead when not to whom was called.
    link_origin: Option<String>,
}

/// A running double of a Shopify shop.
pub type ShopifyDouble = Double<Shopify>;

impl Double<Shopify> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: ShopifyConfig) -> io::Result<Self> {
        config.serve(Shopify::new).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: ShopifyConfig) -> Self {
        config.unserved(Shopify::new)
    }

    /// Accepts this token from now on, and no other.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut locked(&self.system().books).token);
    }

    /// The token may read this from now on.
    pub fn set_access(&self, access: Access) {
        locked(&self.system().books).access = access;
    }

    /// Links lead to this origin from now on, as those of a shop that was taken over would; none: to
    /// whom was called.
    pub fn set_link_origin(&self, origin: Option<&str>) {
        locked(&self.system().books).link_origin = origin.map(str::to_owned);
    }

    /// The id of the order of this number; numbers count from 1.
    pub const fn id_of(number: u64) -> u64 {
        order::id_of(number)
    }

    /// The order of this id as it now stands.
    pub fn order(&self, id: u64) -> Option<Value> {
        self.system().shown(&id.to_string())
    }

    /// Alters an order now, and gives it as it then stands; nothing when there is none. What the
    /// double keeps itself (`id`, `created_at`, `updated_at`) stays its own.
    pub fn change(&self, id: u64, alter: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
        self.change_at(id, self.now_ms(), alter)
    }

    /// Alters an order with an `updated_at` that is not now, as a source does that commits late.
    pub fn change_at(
        &self,
        id: u64,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        self.system().alter(&id.to_string(), updated_ms, alter)
    }

    /// A customer orders now: a realistic order, altered as a test likes.
    pub fn add(&self, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        self.system().insert(self.now_ms(), alter)
    }

    /// The merchant deletes an order; says whether there was one.
    pub fn delete(&self, id: u64) -> bool {
        self.system().remove(&id.to_string())
    }
}

/// A fault by which Shopify answers 422, as it does to what it can read and will not do.
pub fn unprocessable(field: &str, message: &str) -> Fault {
    let body = json!({ "errors": { field: [message] } });
    Fault::new(Action::answer(422, body)).named("unprocessable")
}

impl Shopify {
    fn new(config: ShopifyConfig) -> Self {
        let start_ms = (config.clock)();
        Self {
            version: config.own.version,
            quota: config.quota,
            zone: config.own.zone,
            books: Mutex::new(Books {
                token: config.own.token,
                access: config.own.access,
                bucket: Bucket::new(CALLS),
                ledger: Ledger::new(config.seed, config.count, start_ms),
                link_origin: None,
            }),
        }
    }
}

/// The number of the order whose id is this text.
fn number_of(id: &str) -> Option<u64> {
    order::number_of(id.parse().ok()?)
}

impl Shop for Shopify {
    fn shown(&self, id: &str) -> Option<Value> {
        let books = locked(&self.books);
        self.order(&books.ledger, number_of(id)?).map(Value::Object)
    }

    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        let mut books = locked(&self.books);
        let number = number_of(id)?;
        let times = Times {
            updated_s: updated_ms.div_euclid(1_000),
            ..books.ledger.times(number)?
        };
        let mut body = self.order(&books.ledger, number)?;
        alter(&mut body);
        order::stamp(&mut body, number, times, &self.zone);
        books.ledger.put(number, times, body.clone());
        Some(Value::Object(body))
    }

    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut books = locked(&self.books);
        let number = books.ledger.last() + 1;
        let times = Times::at(now_ms);
        let choices = books.ledger.choices(number);
        let mut body = order::made(choices, number, times, &self.zone);
        alter(&mut body);
        order::stamp(&mut body, number, times, &self.zone);
        books.ledger.put(number, times, body.clone());
        Value::Object(body)
    }

    fn remove(&self, id: &str) -> bool {
        number_of(id).is_some_and(|number| locked(&self.books).ledger.remove(number))
    }
}
