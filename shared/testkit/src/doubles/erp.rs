//! A double of an ERP that lists its suppliers as JSON over HTTP.
//!
//! No product is meant; it is what ERPs with a REST surface have in common:
//! - `GET /api/suppliers?modified_since=&after_id=&limit=` lists by (`modified_at`, `id`): with
//!   `after_id` the rows strictly after that pair, else those modified at `modified_since` or
//!   later; answers `{"items":[...],"has_more":bool}`.
//! - `GET /api/suppliers/{id}` answers one row; 404 when it is unknown or deleted.
//! - A bearer token, else 401. Mistaken parameters are 400. Errors are
//!   `{"error":{"code","message"}}`.
//! - Times have a resolution of one second, so that many rows share one; the order of the list
//!   is the order of the seconds, as the reader sees them.
//! - A change can be told by a signed webhook: see [`webhook`].
//!
//! Over HTTP, beside what every double has: `GET /_double/suppliers`, and `POST` to
//! `/_double/change`, `/_double/insert`, `/_double/delete`: see the control module's bodies.

mod api;
mod change;
mod control;
mod generate;
pub(super) mod names;
mod row;
#[cfg(test)]
mod tests;
pub mod webhook;

use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex},
};

use axum::Router;

pub use change::ChangeKind;
pub use generate::realistic_suppliers;
pub use row::{ErpContact, ErpQuality, ErpSupplier};

use super::{Clock, Double, KillsOverHttp, Seed, exchange::Exchange, locked};

/// How the double is set up.
#[derive(Clone)]
pub struct ErpConfig {
    clock: Clock,
    token: String,
    suppliers: Vec<ErpSupplier>,
    on_write: OnWrite,
    port: u16,
    kills: KillsOverHttp,
}

/// Is told of each row as it then stands, by id, in the order of the changes; nothing stands after
/// a deletion.
type OnWrite = Arc<dyn Fn(&str, Option<&ErpSupplier>) + Send + Sync>;

impl ErpConfig {
    /// Listens on any free port, accepts the bearer `token`, holds nothing. `clock` gives
    /// milliseconds since the epoch.
    pub fn new(clock: Clock, token: &str) -> Self {
        Self {
            clock,
            token: token.to_owned(),
            suppliers: Vec::new(),
            on_write: Arc::new(|_, _| {}),
            port: 0,
            kills: KillsOverHttp::Refused,
        }
    }

    /// Holds these suppliers, with the times and versions that they have.
    #[must_use]
    pub fn suppliers(mut self, suppliers: Vec<ErpSupplier>) -> Self {
        self.suppliers = suppliers;
        self
    }

    /// Tells of each row that is changed, added or deleted, before anybody else can see it. It must
    /// not block for long and must not call the double.
    #[must_use]
    pub fn on_write(
        mut self,
        told: impl Fn(&str, Option<&ErpSupplier>) + Send + Sync + 'static,
    ) -> Self {
        self.on_write = Arc::new(told);
        self
    }

    /// Listens on this port of 127.0.0.1.
    #[must_use]
    pub const fn port(mut self, port: u16) -> Self {
        self.port = port;
        self
    }

    /// Whether faults set over HTTP may kill a process.
    #[must_use]
    pub const fn kills_over_http(mut self, kills: KillsOverHttp) -> Self {
        self.kills = kills;
        self
    }
}

/// What the double knows.
pub struct Erp {
    token: Mutex<String>,
    on_write: OnWrite,
    rows: Mutex<BTreeMap<String, ErpSupplier>>,
}

/// A running double of an ERP.
pub type ErpDouble = Double<Erp>;

impl Double<Erp> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: ErpConfig) -> io::Result<Self> {
        let (clock, port, kills) = (config.clock.clone(), config.port, config.kills);
        let system = Erp::new(config);
        let routes: Router<Arc<Exchange<Erp>>> = control::routes();
        Self::serve_with(system, clock, port, kills, routes).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: ErpConfig) -> Self {
        let clock = config.clock.clone();
        Self::unserved(Erp::new(config), clock)
    }

    /// Accepts this bearer token from now on, and no other.
    pub fn set_token(&self, token: &str) {
        token.clone_into(&mut locked(&self.system().token));
    }

    /// Every supplier, by id.
    pub fn suppliers(&self) -> Vec<ErpSupplier> {
        locked(&self.system().rows).values().cloned().collect()
    }

    /// The supplier of this id.
    pub fn supplier(&self, id: &str) -> Option<ErpSupplier> {
        locked(&self.system().rows).get(id).cloned()
    }

    /// Alters a supplier now, and gives its new state; nothing when there is none.
    pub fn change(&self, id: &str, alter: impl FnOnce(&mut ErpSupplier)) -> Option<ErpSupplier> {
        self.change_at(id, self.now_ms(), alter)
    }

    /// Alters a supplier with a `modified_at` that is not now, as a source does that commits
    /// late. `modified_ms` is milliseconds since the epoch.
    pub fn change_at(
        &self,
        id: &str,
        modified_ms: i64,
        alter: impl FnOnce(&mut ErpSupplier),
    ) -> Option<ErpSupplier> {
        self.system().change(id, modified_ms, alter)
    }

    /// Adds a supplier, or replaces the one of its id, as changed now; gives what then stands.
    pub fn insert(&self, supplier: ErpSupplier) -> ErpSupplier {
        self.system().insert(supplier, self.now_ms())
    }

    /// Adds a realistic supplier under the next free id.
    pub fn insert_random(&self, seed: &mut Seed) -> ErpSupplier {
        self.system().insert_random(seed, self.now_ms())
    }

    /// Deletes a supplier; says whether there was one.
    pub fn delete(&self, id: &str) -> bool {
        self.system().delete(id).is_some()
    }

    /// Alters any one supplier in the way of `kind`, and gives its new state; nothing when the
    /// double is empty.
    pub fn random_change(&self, seed: &mut Seed, kind: ChangeKind) -> Option<ErpSupplier> {
        let id = self.system().random_id(seed)?;
        self.change(&id, |row| kind.apply(row, seed))
    }
}

impl Erp {
    fn new(config: ErpConfig) -> Self {
        let rows = config.suppliers.into_iter();
        Self {
            token: Mutex::new(config.token),
            on_write: config.on_write,
            rows: Mutex::new(rows.map(|row| (row.id.clone(), row)).collect()),
        }
    }

    fn change(
        &self,
        id: &str,
        modified_ms: i64,
        alter: impl FnOnce(&mut ErpSupplier),
    ) -> Option<ErpSupplier> {
        let mut rows = locked(&self.rows);
        let row = rows.get_mut(id)?;
        let version = row.version;
        alter(row);
        id.clone_into(&mut row.id);
        row.version = version + 1;
        row.modified_at = row::whole_seconds(modified_ms);
        (self.on_write)(id, Some(row));
        Some(row.clone())
    }

    fn delete(&self, id: &str) -> Option<ErpSupplier> {
        let mut rows = locked(&self.rows);
        let row = rows.remove(id)?;
        (self.on_write)(id, None);
        Some(row)
    }

    fn insert(&self, mut row: ErpSupplier, now_ms: i64) -> ErpSupplier {
        let mut rows = locked(&self.rows);
        row.version = rows.get(&row.id).map_or(1, |old| old.version + 1);
        row.modified_at = row::whole_seconds(now_ms);
        rows.insert(row.id.clone(), row.clone());
        (self.on_write)(&row.id, Some(&row));
        row
    }

    fn insert_random(&self, seed: &mut Seed, now_ms: i64) -> ErpSupplier {
        let last = locked(&self.rows).keys().next_back().cloned();
        let last = last.and_then(|id| id.rsplit('-').next()?.parse::<u32>().ok());
        let number = last.unwrap_or(0).saturating_add(1);
        self.insert(generate::supplier(seed, number), now_ms)
    }

    fn random_id(&self, seed: &mut Seed) -> Option<String> {
        let ids: Vec<String> = locked(&self.rows).keys().cloned().collect();
        (!ids.is_empty()).then(|| seed.pick(&ids))
    }
}
