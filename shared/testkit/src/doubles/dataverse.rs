//! A double of the accounts of a Dataverse environment (Dynamics 365), read by its Web API with change
//! tracking.
//!
//! It follows learn.microsoft.com ("Use change tracking to synchronize data with external systems",
//! "Service protection API limits"), and `OData` 4.0 where that is silent; each rule with its source is
//! in the table of its tests:
//! - `GET /api/data/v9.2/accounts` lists: `$select` alone; `Prefer: odata.maxpagesize=N`, 5,000 at most;
//!   `@odata.nextLink` until the last page.
//! - With `Prefer: odata.track-changes` the last page has an `@odata.deltaLink`. What it leads to is what
//!   changed since the first page of that listing: accounts as they now stand, and those that are gone as
//!   `{"@odata.context": ".../$metadata#accounts/$deletedEntity", "id", "reason": "deleted"}`.
//! - A link is good for seven days, then 410 with the code 0x80044352, as is one from before a purge
//!   ([`forget_changes`](Double::forget_changes)). That it is just this status is assumed: the protocol
//!   (11.3) and other services of the vendor have it.
//! - `GET /api/data/v9.2/accounts({id})` shows one; `$select` is as with a listing. What is empty is null,
//!   and beside an amount of money (`creditlimit`) stands its currency, asked for or not.
//! - A bearer token that an authority stands in for: [`login`]. One that is missing, wrong or over is 401.
//! - 6,000 calls in five minutes, then 429 with `Retry-After`; the two other limits, of time and of calls
//!   at once, are not kept.
//! - Errors are `{"error": {"code", "message"}}`.
//!
//! Stricter than the true one in one place, on purpose: a parameter that is not known is 400. So are
//! `$filter`, `$orderby`, `$expand` and `$top`, which can not be had together with tracked changes.
//!
//! The accounts are made from a seed; one that nobody touched is computed when somebody asks. A test
//! changes, adds and removes some, by the handle or by `POST /_double/change`, `/_double/insert`,
//! `/_double/delete`.

mod account;
mod api;
mod books;
mod query;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;

use std::{io, sync::Mutex};

use serde_json::{Map, Value};

use super::{
    Clock, Double, Limit, Quota,
    authority::{AuthorityConfig, Tokens},
    limit::Admitted,
    locked,
    shop::Shop,
    shop_config::ShopConfig,
};
use books::Books;

/// The tenant whose login it is.
pub const TENANT: &str = "7c0de000-0000-4000-8000-000000000001";

/// "6,000 within the 5 minute sliding window", for each user and web server.
const CALLS: Limit = Limit::Enforce {
    calls: 6_000,
    window_ms: 300_000,
};

/// An authority as the vendor's is one: client credentials in the form, for the scope
/// `https://ENVIRONMENT/.default`.
pub fn login(clock: Clock, client: &str, secret: &str, scope: &str) -> AuthorityConfig {
    AuthorityConfig::new(clock)
        .path(&format!("/{TENANT}/oauth2/v2.0/token"))
        .client(client, secret, &[scope])
}

/// What this double alone is told.
#[derive(Clone)]
pub struct Own {
    tokens: Tokens,
}

/// How the double is set up.
pub type DataverseConfig = ShopConfig<Own>;

impl ShopConfig<Own> {
    /// Listens on any free port, accepts what is live of `tokens`, holds 3,000 accounts, keeps its quota.
    /// `clock` gives milliseconds since the epoch.
    pub fn new(clock: Clock, tokens: Tokens) -> Self {
        Self::of(clock, Own { tokens })
    }

    /// Holds `count` accounts that follow from `seed`.
    #[must_use]
    pub fn accounts(self, seed: u64, count: u64) -> Self {
        self.holding(seed, count)
    }
}

/// What the double knows.
pub struct Dataverse {
    tokens: Tokens,
    limit: Limit,
    books: Mutex<Held>,
}

struct Held {
    books: Books,
    admitted: Admitted,
}

/// A running double of Dataverse.
pub type DataverseDouble = Double<Dataverse>;

impl Double<Dataverse> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: DataverseConfig) -> io::Result<Self> {
        config.serve(Dataverse::new).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: DataverseConfig) -> Self {
        config.unserved(Dataverse::new)
    }

    /// The id of the account of this number; numbers count from 1.
    pub fn id_of(number: u64) -> String {
        account::id_of(number)
    }

    /// The account of this id as it now stands.
    pub fn account(&self, id: &str) -> Option<Value> {
        self.system().shown(id)
    }

    /// Alters an account now, and gives it as it then stands; nothing when there is none. What the double
    /// keeps itself (`accountid`, `createdon`, `modifiedon`, `versionnumber`) stays its own.
    pub fn change(&self, id: &str, alter: impl FnOnce(&mut Map<String, Value>)) -> Option<Value> {
        self.system().alter(id, self.now_ms(), alter)
    }

    /// Somebody makes an account now: a realistic one, altered as a test likes.
    pub fn add(&self, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        self.system().insert(self.now_ms(), alter)
    }

    /// Removes an account; says whether there was one.
    pub fn delete(&self, id: &str) -> bool {
        self.system().remove(id)
    }

    /// The environment forgets what was changed until now: every link that it gave is gone.
    pub fn forget_changes(&self) {
        locked(&self.system().books).books.purge();
    }
}

impl Dataverse {
    fn new(config: DataverseConfig) -> Self {
        let start_ms = (config.clock)();
        Self {
            tokens: config.own.tokens,
            limit: match config.quota {
                Quota::Kept => CALLS,
                Quota::CountOnly => Limit::CountOnly,
            },
            books: Mutex::new(Held {
                books: Books::new(config.seed, config.count, start_ms),
                admitted: Admitted::default(),
            }),
        }
    }
}

impl Shop for Dataverse {
    fn shown(&self, id: &str) -> Option<Value> {
        let held = locked(&self.books);
        let number = account::number_of(id)?;
        held.books.account(number).map(Value::Object)
    }

    fn alter(
        &self,
        id: &str,
        updated_ms: i64,
        alter: impl FnOnce(&mut Map<String, Value>),
    ) -> Option<Value> {
        let mut held = locked(&self.books);
        let number = account::number_of(id)?;
        let mut body = held.books.account(number)?;
        alter(&mut body);
        Some(Value::Object(held.books.put(number, body, updated_ms)))
    }

    fn insert(&self, now_ms: i64, alter: impl FnOnce(&mut Map<String, Value>)) -> Value {
        let mut held = locked(&self.books);
        Value::Object(held.books.insert(now_ms, alter))
    }

    fn remove(&self, id: &str) -> bool {
        account::number_of(id).is_some_and(|number| locked(&self.books).books.remove(number))
    }
}
