//! A double of Qualio's supplier API.
//!
//! What it accepts, refuses and answers follows the vendor's public `OpenAPI` document of the
//! supplier paths, and what is known beyond it: 200 requests a minute, then 429 without
//! `Retry-After`; 403 for a bad key; no `ETag`, no DELETE, no pages, no external id, no
//! idempotency key; a replace that names no risk level clears it.
//!
//! Stricter than the document in two places, on purpose: a body may name nothing but the five
//! documented properties, and must be sent as JSON; what a lenient server would silently
//! ignore is a mistake of ours that a test should see.
//!
//! Of its own accord it describes nothing. Once it was told how ([`Double::describe`]), `GET
//! /openapi.json` says what its POST and PUT take; what they take stays the same.
//!
//! Over HTTP, beside what every double has: `GET /_double/suppliers` (all of them, whatever
//! their status) and `GET /_double/created` (how many were created for each record key).

mod api;
mod body;
#[cfg(test)]
mod refusals;
mod supplier;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io,
    sync::{Arc, Mutex},
};

use axum::{Json, Router, extract::State, routing::get};
use serde_json::{Value, json};

pub use supplier::{
    Approver, Contact, RISK_LEVELS, RiskLevel, Status, Supplier, key_marker, marked_key,
};

use super::{
    Action, Clock, Double, Fault, KillsOverHttp, Limit, Seed, exchange::Exchange, limit::Admitted,
    locked,
};

/// The ids of the users who may be sponsors, as the generated ERP data uses them.
pub const SPONSORS: [u32; 6] = [101, 102, 107, 112, 118, 131];

/// How the double is set up.
#[derive(Clone)]
pub struct QualioConfig {
    clock: Clock,
    api_key: String,
    limit: Limit,
    sponsors: BTreeSet<u32>,
    suppliers: Vec<Supplier>,
    on_write: OnWrite,
    port: u16,
    kills: KillsOverHttp,
}

/// Is told of each supplier as it then stands, in the order of the writes and before the write is
/// answered: what it stores is never behind what a caller was told.
type OnWrite = Arc<dyn Fn(&Supplier) + Send + Sync>;

impl QualioConfig {
    /// Listens on any free port, accepts `api_key`, knows [`SPONSORS`], counts calls without
    /// refusing any. `clock` gives milliseconds since the epoch.
    pub fn new(clock: Clock, api_key: &str) -> Self {
        Self {
            clock,
            api_key: api_key.to_owned(),
            limit: Limit::CountOnly,
            sponsors: SPONSORS.into(),
            suppliers: Vec::new(),
            on_write: Arc::new(|_| {}),
            port: 0,
            kills: KillsOverHttp::Refused,
        }
    }

    /// What happens about the number of calls.
    #[must_use]
    pub const fn limit(mut self, limit: Limit) -> Self {
        self.limit = limit;
        self
    }

    /// The ids of the users who may be sponsors.
    #[must_use]
    pub fn sponsors(mut self, sponsors: impl IntoIterator<Item = u32>) -> Self {
        self.sponsors = sponsors.into_iter().collect();
        self
    }

    /// Holds these suppliers, with the ids and times that they have: as after a restart.
    #[must_use]
    pub fn suppliers(mut self, suppliers: Vec<Supplier>) -> Self {
        self.suppliers = suppliers;
        self
    }

    /// Tells of each supplier that is written, before the write is answered. It must not block for
    /// long and must not call the double.
    #[must_use]
    pub fn on_write(mut self, told: impl Fn(&Supplier) + Send + Sync + 'static) -> Self {
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
pub struct Qualio {
    api_key: Mutex<String>,
    limit: Limit,
    sponsors: BTreeSet<u32>,
    on_write: OnWrite,
    state: Mutex<QualioState>,
}

struct QualioState {
    /// By id; ids grow, so this is the order of creation.
    suppliers: BTreeMap<String, Supplier>,
    created: BTreeMap<String, u32>,
    ids: Seed,
    admitted: Admitted,
    /// Schema of a supplier as it is written, where it describes itself.
    described: Option<Value>,
}

/// A running double of Qualio.
pub type QualioDouble = Double<Qualio>;

impl Double<Qualio> {
    /// Starts it. Must be called inside a tokio runtime.
    ///
    /// # Errors
    /// When the port can not be bound.
    pub async fn start(config: QualioConfig) -> io::Result<Self> {
        let (clock, port, kills) = (config.clock.clone(), config.port, config.kills);
        let system = Qualio::new(config);
        let routes: Router<Arc<Exchange<Qualio>>> = Router::new()
            .route("/_double/suppliers", get(all_suppliers))
            .route("/_double/created", get(all_created));
        Self::serve_with(system, clock, port, kills, routes).await
    }

    /// One that listens nowhere and is reached by [`call`](Double::call).
    pub fn unserved_of(config: QualioConfig) -> Self {
        let clock = config.clock.clone();
        Self::unserved(Qualio::new(config), clock)
    }

    /// Accepts this key from now on, and no other.
    pub fn set_api_key(&self, api_key: &str) {
        api_key.clone_into(&mut locked(&self.system().api_key));
    }

    /// Every supplier whatever its status, in order of creation.
    pub fn suppliers(&self) -> Vec<Supplier> {
        self.system().all()
    }

    /// The supplier of this id.
    pub fn supplier(&self, id: &str) -> Option<Supplier> {
        let state = locked(&self.system().state);
        state.suppliers.get(id).cloned()
    }

    /// The suppliers whose notes hold the marker of `key`. More than one is a duplicate.
    pub fn suppliers_of_key(&self, key: &str) -> Vec<Supplier> {
        let mut suppliers = self.suppliers();
        suppliers.retain(|supplier| supplier.key().as_deref() == Some(key));
        suppliers
    }

    /// How many suppliers were created over the API for each record key; those created without
    /// a marker count under the empty key.
    pub fn created_by_key(&self) -> BTreeMap<String, u32> {
        locked(&self.system().state).created.clone()
    }

    /// Alters a supplier as a person does in Qualio's own pages, and gives the new state.
    pub fn edit(&self, id: &str, edit: impl FnOnce(&mut Supplier)) -> Option<Supplier> {
        let now_ms = self.now_ms();
        let mut state = locked(&self.system().state);
        let supplier = state.suppliers.get_mut(id)?;
        edit(supplier);
        id.clone_into(&mut supplier.supplier_id);
        supplier.modified_at = supplier::timestamp(now_ms);
        (self.system().on_write)(supplier);
        Some(supplier.clone())
    }

    /// It says from now on that it takes suppliers of this schema.
    pub fn describe(&self, supplier: Value) {
        locked(&self.system().state).described = Some(supplier);
    }

    /// Adds a supplier that already stands, not through the API: no call is logged and nothing
    /// counts as created. Its id and times are set here.
    pub fn put_standing(&self, mut supplier: Supplier) -> Supplier {
        let now_ms = self.now_ms();
        let mut state = locked(&self.system().state);
        supplier.supplier_id = state.next_id();
        supplier.created_at = supplier::timestamp(now_ms);
        supplier.modified_at = supplier.created_at;
        let id = supplier.supplier_id.clone();
        state.suppliers.insert(id, supplier.clone());
        (self.system().on_write)(&supplier);
        supplier
    }
}

/// A fault by which Qualio answers 409, which its documents show without saying when.
pub fn conflict(field: &str, message: &str) -> Fault {
    let body = json!({ "errors": [{ "field": field, "message": message }] });
    Fault::new(Action::answer(409, body)).named("conflict")
}

impl Qualio {
    fn new(config: QualioConfig) -> Self {
        let standing = config.suppliers.into_iter();
        Self {
            api_key: Mutex::new(config.api_key),
            limit: config.limit,
            sponsors: config.sponsors,
            on_write: config.on_write,
            state: Mutex::new(QualioState {
                suppliers: standing
                    .map(|supplier| (supplier.supplier_id.clone(), supplier))
                    .collect(),
                created: BTreeMap::new(),
                ids: Seed::new(1),
                admitted: Admitted::default(),
                described: None,
            }),
        }
    }

    fn all(&self) -> Vec<Supplier> {
        locked(&self.state).suppliers.values().cloned().collect()
    }
}

async fn all_suppliers(State(exchange): State<Arc<Exchange<Qualio>>>) -> Json<Vec<Supplier>> {
    Json(exchange.system.all())
}

async fn all_created(State(exchange): State<Arc<Exchange<Qualio>>>) -> Json<BTreeMap<String, u32>> {
    Json(locked(&exchange.system.state).created.clone())
}

impl QualioState {
    /// A new id in the shape of a UUID; its first part counts, so that ids sort by age.
    fn next_id(&mut self) -> String {
        let count = self.suppliers.len() + 1;
        let (one, two) = (self.ids.next_u64(), self.ids.next_u64());
        format!(
            "{count:08x}-{:04x}-4{:03x}-a{:03x}-{:012x}",
            one & 0xffff,
            (one >> 16) & 0xfff,
            (one >> 28) & 0xfff,
            two & 0xffff_ffff_ffff
        )
    }
}
