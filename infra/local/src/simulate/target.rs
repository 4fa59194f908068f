//! A simulated target: the shipped double for Qualio, and for any other flow one that creates,
//! updates, upserts, deletes and finds as the flow file says its target does.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use anyhow::{Context as _, bail};
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, Uri},
};
use serde_json::{Map, Value, json};
use tidegate_engine::{
    FlowRuntime,
    ports::{Clock, Request, Sent, TransportError, Write},
};
use tidegate_model::{
    Fields, RecordKey,
    flow::{Method, TargetSpec},
};
use tidegate_policy::flow::{CallTemplate, Flow};
use tidegate_testkit::doubles::{
    Incoming, Limit,
    qualio::{QualioConfig, QualioDouble, RiskLevel, Status, Supplier},
};

use super::{
    hole::{Address, Place},
    shape::put_at_pointer,
    source::answer,
};

/// What stands in probes where the values will stand.
const KEY_MARK: &str = "mark-of-the-key";
const ID_MARK: &str = "mark-of-the-id";
const SEARCH_MARK: &str = "mark-of-the-search";
/// The key that the simulated Qualio accepts. Not a secret of anybody.
const QUALIO_KEY: &str = "simulated";
/// Users of the simulated Qualio: those that made-up rows name.
const SPONSORS: std::ops::RangeInclusive<u32> = 0..=1_000;

/// The target.
pub(crate) enum SimulatedTarget {
    /// The shipped double.
    Qualio(Box<QualioDouble>),
    /// What the flow declares.
    Rest(Box<Declared>),
}

impl SimulatedTarget {
    /// Learns from the flow how it is asked.
    pub(crate) async fn of(
        flow: &Flow,
        sample: &Fields,
        clock: Arc<dyn Clock>,
    ) -> anyhow::Result<Self> {
        match &flow.file().target {
            TargetSpec::Qualio(_) => {
                let clock = Arc::new(move || clock.now().0);
                let config = QualioConfig::new(clock, QUALIO_KEY)
                    .limit(Limit::QUALIO)
                    .sponsors(SPONSORS);
                let double = QualioDouble::start(config).await;
                let double =
                    double.context("no port of loopback is free for the simulated Qualio")?;
                Ok(Self::Qualio(Box::new(double)))
            }
            TargetSpec::Rest(_) => Ok(Self::Rest(Box::new(Declared::of(flow, sample)?))),
            TargetSpec::Store(_) => bail!(
                "the flow {} writes to our own store, which holds a record as soon as it is read: there is nothing to simulate",
                flow.id()
            ),
        }
    }

    /// Puts a record that stands there from the beginning; gives its id, where it has one.
    pub(crate) fn put_standing(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        fields: &Fields,
    ) -> anyhow::Result<Option<String>> {
        match self {
            Self::Qualio(double) => {
                let mut supplier = supplier_of(&sent_body(runtime, key, fields)?)?;
                supplier.status = Status::Approved;
                Ok(Some(double.put_standing(supplier).supplier_id))
            }
            Self::Rest(declared) => declared.put_standing(&runtime.flow, key, fields),
        }
    }

    /// What it holds: of each record the body that writes it so.
    pub(crate) fn bodies(&self) -> anyhow::Result<Vec<Fields>> {
        match self {
            Self::Qualio(double) => double.suppliers().iter().map(body_of).collect(),
            Self::Rest(declared) => {
                let state = declared.lock();
                let bodies = state.bodies.values().filter_map(Value::as_object);
                Ok(bodies.cloned().collect())
            }
        }
    }

    /// Answers a request. `path_and_query` is what follows the base URL.
    pub(crate) async fn answer(
        &self,
        request: &Request,
        path_and_query: &str,
    ) -> Result<Sent, TransportError> {
        match self {
            Self::Rest(declared) => Ok(declared.answer(request, path_and_query)),
            Self::Qualio(double) => ask_qualio(double, request).await,
        }
    }

    /// Records that it holds.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Qualio(double) => double.suppliers().len(),
            Self::Rest(declared) => declared.lock().bodies.len(),
        }
    }
}

/// The body that makes a record of these fields, as the production code sends it.
pub(crate) fn sent_body(
    runtime: &FlowRuntime,
    key: &RecordKey,
    fields: &Fields,
) -> anyhow::Result<Fields> {
    let write = Write {
        key,
        fields,
        target_id: None,
        etag: None,
        idempotency_key: "",
    };
    let requests = runtime.target.describe(write)?;
    match requests.iter().rev().find_map(Request::json) {
        Some(Value::Object(body)) => Ok(body.clone()),
        _ => bail!("no call of the target sends the record {key}"),
    }
}

/// The supplier that a body makes.
fn supplier_of(body: &Fields) -> anyhow::Result<Supplier> {
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let mut supplier = Supplier::draft(text("name").unwrap_or_default());
    supplier.intended_use = text("intended_use").map(str::to_owned);
    supplier.risk_type = text("risk_id").and_then(RiskLevel::of_id);
    let sponsor = body.get("sponsor_user_id").and_then(Value::as_u64);
    supplier.sponsor_user_id = sponsor.map(u32::try_from).transpose()?;
    let contact = body.get("contact_information").cloned();
    supplier.contact_information = contact.map(serde_json::from_value).transpose()?;
    Ok(supplier)
}

/// The body that makes a supplier.
fn body_of(supplier: &Supplier) -> anyhow::Result<Fields> {
    let mut body = Fields::new();
    if let Value::Object(shown) = serde_json::to_value(supplier)? {
        let written = [
            "name",
            "intended_use",
            "sponsor_user_id",
            "contact_information",
        ];
        body.extend(
            shown
                .into_iter()
                .filter(|(name, _)| written.contains(&name.as_str())),
        );
    }
    if let Some(risk) = &supplier.risk_type {
        body.insert("risk_id".to_owned(), json!(risk.id));
    }
    Ok(body)
}

async fn ask_qualio(double: &QualioDouble, request: &Request) -> Result<Sent, TransportError> {
    let uri: Uri = request
        .url
        .parse()
        .map_err(|_| TransportError::BadRequest("the address does not parse".to_owned()))?;
    let mut headers = HeaderMap::new();
    headers.insert("content-type", HeaderValue::from_static("application/json"));
    headers.insert("x-api-key", HeaderValue::from_static(QUALIO_KEY));
    let body = request.json();
    let call = Incoming {
        method: request.method.as_str().to_owned(),
        uri,
        headers,
        body: body.map_or_else(Bytes::new, |body| body.to_string().into()),
    };
    let reply = double.call(call).await.ok_or(TransportError::Broken)?;
    Ok(Sent {
        status: reply.status,
        headers: reply.headers,
        body: serde_json::from_slice(&reply.body).ok(),
    })
}

/// What a call does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Does {
    Upsert,
    Create,
    Update,
    Delete,
    Archive,
}

/// One call of the flow, as it is recognised.
#[derive(Debug)]
struct Known {
    does: Does,
    method: Method,
    /// Where the record's id or key stands; a create has none.
    record: Option<Place>,
    /// The path of a call without one.
    path: String,
    /// Where the answer says the id.
    id: Option<String>,
}

/// How records are looked for.
#[derive(Debug)]
struct KnownFind {
    search: Place,
    rows: String,
    id: String,
}

#[derive(Default)]
struct Held {
    bodies: BTreeMap<String, Value>,
    next: u64,
    /// Ids by idempotency key.
    created: BTreeMap<String, String>,
}

/// A target as a flow declares it.
pub(crate) struct Declared {
    calls: Vec<Known>,
    find: Option<KnownFind>,
    idempotency_header: Option<String>,
    state: Mutex<Held>,
}

impl Declared {
    fn of(flow: &Flow, sample: &Fields) -> anyhow::Result<Self> {
        let target = flow.target();
        let named = [
            (Does::Upsert, target.upsert()),
            (Does::Create, target.create()),
            (Does::Update, target.update()),
            (Does::Delete, target.delete()),
            (Does::Archive, target.archive()),
        ];
        let mut calls = Vec::new();
        for (does, call) in named {
            let Some(call) = call else { continue };
            calls.push(known(flow, sample, does, call)?);
        }
        let find = match target.find() {
            None => None,
            Some(find) => {
                let rendered = find.call().render(&target.find_context(SEARCH_MARK))?;
                let search = Place::of(&rendered.path_and_query, SEARCH_MARK)
                    .context("`target.find` can not be simulated: its address does not show what is searched for")?;
                Some(KnownFind {
                    search,
                    rows: find.rows_pointer().to_owned(),
                    id: find.id_pointer().to_owned(),
                })
            }
        };
        Ok(Self {
            calls,
            find,
            idempotency_header: target.idempotency_header().map(str::to_owned),
            state: Mutex::default(),
        })
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn maker(&self) -> Option<&Known> {
        let makes = |call: &&Known| matches!(call.does, Does::Upsert | Does::Create);
        self.calls.iter().find(makes)
    }

    fn put_standing(
        &self,
        flow: &Flow,
        key: &RecordKey,
        fields: &Fields,
    ) -> anyhow::Result<Option<String>> {
        let Some(maker) = self.maker() else {
            bail!("the flow names no call that creates");
        };
        let body = flow.body(key, fields)?;
        let mut state = self.lock();
        let id = match (maker.does, &maker.id) {
            (Does::Create, Some(_)) => state.new_id(),
            _ => key.as_str().to_owned(),
        };
        state.bodies.insert(id.clone(), body);
        let is_told = maker.id.is_some() || maker.does == Does::Create;
        Ok(is_told.then_some(id))
    }

    fn answer(&self, request: &Request, path_and_query: &str) -> Sent {
        let address = Address::of(path_and_query);
        if request.method == Method::Get {
            return self.found(&address);
        }
        let known = self.calls.iter().find_map(|call| {
            let fits = call.method == request.method;
            match &call.record {
                _ if !fits => None,
                None => (call.path == address.path()).then_some((call, None)),
                Some(place) => place.read(&address).map(|id| (call, Some(id))),
            }
        });
        match known {
            Some((call, id)) => self.act(call, id, request),
            None => answer(404, json!({ "error": "there is no such call" })),
        }
    }

    fn act(&self, call: &Known, id: Option<String>, request: &Request) -> Sent {
        let body = request
            .json()
            .cloned()
            .unwrap_or_else(|| Value::Object(Map::new()));
        let mut state = self.lock();
        let id = match id {
            Some(id) => id,
            None => state.id_of_create(self.idempotency_header.as_deref(), request),
        };
        let stands = state.bodies.contains_key(&id);
        let status = match call.does {
            Does::Update | Does::Delete | Does::Archive if !stands => 404,
            Does::Delete => {
                state.bodies.remove(&id);
                204
            }
            Does::Archive => 204,
            Does::Update | Does::Upsert | Does::Create => {
                state.bodies.insert(id.clone(), body);
                if stands { 200 } else { 201 }
            }
        };
        let mut told = Value::Null;
        if let Some(pointer) = call.id.as_deref().filter(|_| status < 300) {
            put_at_pointer(&mut told, pointer, json!(id));
        }
        answer(status, told)
    }

    /// The records whose body holds what is searched for: a target can find by nothing else.
    fn found(&self, address: &Address) -> Sent {
        let Some((find, search)) = self
            .find
            .as_ref()
            .and_then(|find| Some((find, find.search.read(address)?)))
        else {
            return answer(404, json!({ "error": "there is no such call" }));
        };
        let state = self.lock();
        let of_search = state
            .bodies
            .iter()
            .filter(|(id, body)| **id == search || holds(body, &search));
        let rows: Vec<Value> = of_search
            .map(|(id, _)| {
                let mut row = Value::Null;
                put_at_pointer(&mut row, &find.id, json!(id));
                row
            })
            .collect();
        let mut body = Value::Null;
        put_at_pointer(&mut body, &find.rows, Value::Array(rows));
        answer(200, body)
    }
}

impl Held {
    fn new_id(&mut self) -> String {
        self.next += 1;
        format!("id-{:08}", self.next)
    }

    /// A new id; for a repeat under the same idempotency key the one that it got first.
    fn id_of_create(&mut self, header: Option<&str>, request: &Request) -> String {
        let key = header.and_then(|name| {
            let mut headers = request.headers.iter();
            headers
                .find(|header| header.name == name)
                .map(|header| header.value.to_string())
        });
        let Some(key) = key else {
            return self.new_id();
        };
        if let Some(id) = self.created.get(&key) {
            return id.clone();
        }
        let id = self.new_id();
        self.created.insert(key, id.clone());
        id
    }
}

fn holds(body: &Value, search: &str) -> bool {
    match body {
        Value::String(text) => text == search,
        Value::Number(number) => number.to_string() == search,
        Value::Array(entries) => entries.iter().any(|entry| holds(entry, search)),
        Value::Object(object) => object.values().any(|entry| holds(entry, search)),
        Value::Null | Value::Bool(_) => false,
    }
}

fn known(flow: &Flow, sample: &Fields, does: Does, call: &CallTemplate) -> anyhow::Result<Known> {
    let key = RecordKey::try_new(KEY_MARK)?;
    let context = flow.target().context(&key, Some(ID_MARK), sample);
    let rendered = call.render(&context)?.path_and_query;
    let record = [ID_MARK, KEY_MARK]
        .iter()
        .find_map(|mark| Place::of(&rendered, mark));
    if record.is_none() && does != Does::Create {
        bail!(
            "the target's call `{}` can not be simulated: its address names the record neither by target_id nor by key",
            format!("{does:?}").to_lowercase()
        );
    }
    Ok(Known {
        does,
        method: call.method(),
        record: record.filter(|_| does != Does::Create),
        path: Address::of(&rendered).path().to_owned(),
        id: call.id_pointer().map(str::to_owned),
    })
}
