//! The paths that Qualio has, and what it answers on each.

use axum::extract::Query;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Qualio, QualioState, RiskLevel, Status, Supplier,
    body::{self, Refusal, Wanted},
    supplier,
};
use crate::doubles::{Acted, Incoming, Reply, Subject, System, locked};

/// What a call asks for.
enum Asked<'a> {
    List,
    Create,
    Read(&'a str),
    Replace(&'a str),
    Risks,
    Description,
    Nothing,
}

impl<'a> Asked<'a> {
    fn of(call: &'a Incoming) -> Self {
        let path = call.uri.path();
        if (call.method.as_str(), path) == ("GET", "/openapi.json") {
            return Self::Description;
        }
        let Some(path) = path.strip_prefix("/v1/suppliers/") else {
            return Self::Nothing;
        };
        match (call.method.as_str(), path) {
            ("GET", "suppliers") => Self::List,
            ("POST", "suppliers") => Self::Create,
            ("GET", "risks") => Self::Risks,
            (method, path) => match (method, supplier_id(path)) {
                ("GET", Some(id)) => Self::Read(id),
                ("PUT", Some(id)) => Self::Replace(id),
                _ => Self::Nothing,
            },
        }
    }
}

fn supplier_id(path: &str) -> Option<&str> {
    let id = path.strip_prefix("suppliers/")?;
    (!id.is_empty() && !id.contains('/')).then_some(id)
}

impl System for Qualio {
    fn subject(&self, call: &Incoming) -> Subject {
        let id = match Asked::of(call) {
            Asked::Read(id) | Asked::Replace(id) => Some(id.to_owned()),
            _ => None,
        };
        let body: Option<Value> = serde_json::from_slice(&call.body).ok();
        let notes = body.as_ref().and_then(|body| {
            let notes = body.pointer("/contact_information/notes")?;
            supplier::marked_key(notes.as_str()?)
        });
        let standing = || {
            let state = locked(&self.state);
            state.suppliers.get(id.as_deref()?)?.key()
        };
        let key = notes.map(str::to_owned).or_else(standing);
        Subject { key, id }
    }

    fn act(&self, call: &Incoming, now_ms: i64) -> Acted {
        let key = call.headers.get("x-api-key").map(AsRef::as_ref);
        if key != Some(locked(&self.api_key).as_bytes()) {
            return Acted::read(message(403, "This key may not do this"));
        }
        let mut state = locked(&self.state);
        if !state.admitted.admit(self.limit, now_ms) {
            return Acted::read(message(429, "Too many requests with this key"));
        }
        match Asked::of(call) {
            Asked::List => Acted::read(list(&state, call)),
            Asked::Risks => Acted::read(risks()),
            Asked::Description => Acted::read(match &state.described {
                Some(supplier) => description(supplier),
                None => message(404, "Not Found"),
            }),
            Asked::Read(id) => Acted::read(match state.suppliers.get(id) {
                Some(supplier) => shown(supplier),
                None => unknown(id),
            }),
            Asked::Create => match self.wanted(call) {
                Ok(wanted) => {
                    let created = create(&mut state, wanted, now_ms);
                    (self.on_write)(&created);
                    Acted::wrote(shown(&created))
                }
                Err(refusals) => Acted::read(refused(400, &refusals)),
            },
            Asked::Replace(id) => match (state.suppliers.get_mut(id), self.wanted(call)) {
                (None, _) => Acted::read(unknown(id)),
                (Some(_), Err(refusals)) => Acted::read(refused(400, &refusals)),
                (Some(supplier), Ok(wanted)) => {
                    wanted.replace_in(supplier);
                    supplier.modified_at = supplier::timestamp(now_ms);
                    (self.on_write)(supplier);
                    Acted::wrote(shown(supplier))
                }
            },
            Asked::Nothing => Acted::read(message(404, "Not Found")),
        }
    }
}

impl Qualio {
    fn wanted(&self, call: &Incoming) -> Result<Wanted, Vec<Refusal>> {
        let mime = call.headers.get("content-type");
        let mime = mime.and_then(|mime| mime.to_str().ok()).unwrap_or_default();
        let mime = mime.split(';').next().unwrap_or_default().trim();
        if !mime.eq_ignore_ascii_case("application/json") {
            let what = "Content-Type is not application/json";
            return Err(vec![Refusal::new("header", "Content-Type", what)]);
        }
        body::read(&call.body, &self.sponsors)
    }
}

#[derive(Deserialize)]
struct ListQuery {
    status: Option<String>,
}

fn list(state: &QualioState, call: &Incoming) -> Reply {
    let status = Query::<ListQuery>::try_from_uri(&call.uri)
        .ok()
        .and_then(|query| query.0.status);
    let Some(status) = status else {
        let what = "status is missing from query";
        return refused(400, &[Refusal::new("query", "status", what)]);
    };
    let Ok(status) = serde_json::from_value::<Status>(Value::String(status)) else {
        let what = "status is not one of the allowed values";
        return refused(400, &[Refusal::new("query", "status", what)]);
    };
    let items: Vec<&Supplier> = state
        .suppliers
        .values()
        .filter(|supplier| supplier.status == status)
        .collect();
    Reply::json(200, &json!({ "items": items }))
}

fn risks() -> Reply {
    let options: Vec<RiskLevel> = RiskLevel::all().collect();
    let items = json!([{ "type": "Risk", "options": options }]);
    Reply::json(200, &json!({ "items": items }))
}

fn description(supplier: &Value) -> Reply {
    let call = json!({
        "requestBody": { "content": { "application/json": {
            "schema": { "$ref": "#/components/schemas/Supplier" },
        } } },
        "responses": { "200": { "description": "The supplier" } },
    });
    let document = json!({
        "openapi": "3.1.0",
        "info": { "title": "Suppliers", "version": "1" },
        "paths": {
            "/v1/suppliers/suppliers": { "post": call },
            "/v1/suppliers/suppliers/{id}": { "put": call },
        },
        "components": { "schemas": { "Supplier": supplier } },
    });
    Reply::json(200, &document)
}

fn create(state: &mut QualioState, wanted: Wanted, now_ms: i64) -> Supplier {
    let mut supplier = Supplier::draft("");
    wanted.replace_in(&mut supplier);
    supplier.supplier_id = state.next_id();
    supplier.created_at = supplier::timestamp(now_ms);
    supplier.modified_at = supplier.created_at;
    let key = supplier.key().unwrap_or_default();
    *state.created.entry(key).or_insert(0) += 1;
    let id = supplier.supplier_id.clone();
    state.suppliers.insert(id, supplier.clone());
    supplier
}

fn shown(supplier: &Supplier) -> Reply {
    Reply::json(200, &json!(supplier))
}

fn unknown(id: &str) -> Reply {
    let what = format!("Supplier {id} was not found");
    refused(404, &[Refusal::new("path", "supplierId", &what)])
}

fn refused(status: u16, refusals: &[Refusal]) -> Reply {
    let body = json!({ "status": "error", "errors": refusals });
    Reply::json(status, &body)
}

fn message(status: u16, text: &str) -> Reply {
    Reply::json(status, &json!({ "message": text }))
}
