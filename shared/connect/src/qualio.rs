//! Qualio suppliers as a target.
//!
//! Qualio knows no external id, no idempotency key, no tag and no delete, and names are not unique.
//! So a marker in the notes stands in for the external id (see [`marker`]), an update is read, merge
//! and replace (see [`merge`]), and a record is found by listing all suppliers.
//!
//! Invariants: a look-up matches the marker, never a name; what people keep in Qualio and the flow
//! does not map survives every update; a body holds the five properties that Qualio takes and
//! nothing else. Facts are from the vendor's public `OpenAPI` document of the supplier paths.

mod marker;
mod merge;
mod print;
mod rules;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use async_trait::async_trait;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};
use tidegate_engine::ports::{
    CallError, Calls, Effect, Found, Index, Landed, Removal, Request, Standing, StandingPage,
    Target, TargetTraits, Write,
};
use tidegate_model::{
    ContentHash, Fields, RecordKey,
    flow::{ErrorAction, ErrorRow, Method},
};
use tidegate_policy::flow::Flow;

use crate::{
    contract,
    endpoint::{Endpoint, cannot_render, refused},
};
use merge::Mapped;

/// Where suppliers are listed and created.
const SUPPLIERS: &str = tidegate_model::flow::QualioTarget::SUPPLIERS;

/// Every status, since a listing needs one. In the order in which a supplier passes through them: one
/// that moves on while the five lists are read is seen once or twice, never not at all.
const STATUSES: [&str; 5] = [
    "DRAFT",
    "REVIEW_PENDING",
    "APPROVED",
    "REJECTED",
    "ARCHIVED",
];

/// One for each status.
const FIND_CALLS: u32 = 5;

/// What Qualio's answers mean. A 403 is a bad key or a missing right, never a used-up limit (that is
/// 429), so it is permanent; a 400 or 409 is about the record.
static ERRORS: [ErrorRow; 3] = [
    row(403, ErrorAction::Blocked),
    row(400, ErrorAction::Review),
    row(409, ErrorAction::Review),
];

/// RFC 3986's unreserved characters stay, everything else is encoded.
const IN_PATH: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

const fn row(status: u16, action: ErrorAction) -> ErrorRow {
    ErrorRow {
        status: Some(status),
        code_at: None,
        code: None,
        action,
    }
}

/// Qualio's suppliers, as a flow maps them.
pub struct QualioTarget {
    flow: Arc<Flow>,
    endpoint: Endpoint,
    mapped: Mapped,
}

/// A supplier of a listing: its id and the keys that its notes bear.
struct Listed {
    id: String,
    keys: BTreeSet<String>,
}

impl QualioTarget {
    /// The target of this flow.
    pub fn new(flow: Arc<Flow>) -> Self {
        let target = flow.target();
        let timeout_s = flow.file().target.timeout_s();
        let endpoint = Endpoint::new(target.base_url(), target.auth(), timeout_s);
        let mapped = Mapped::of(flow.file().target.body());
        Self {
            flow,
            endpoint,
            mapped,
        }
    }

    /// What the flow makes of the fields, without our line in the notes.
    fn rendered(&self, write: Write<'_>) -> Result<Map<String, Value>, CallError> {
        let body = self.flow.body(write.key, write.fields);
        match body.map_err(|error| cannot_render(&error))? {
            Value::Object(body) => Ok(body),
            _ => Err(refused("the flow's body is no table")),
        }
    }

    /// Who reads of a fault knows the flow's fields, and edits those.
    fn of_flow(&self, (part, broken): rules::Fault) -> (Option<String>, String) {
        let mut fields = self.flow.fields_of_body(&part);
        if fields.len() == 1 {
            return (
                fields.pop_first(),
                format!("makes `{part}`, which {broken}"),
            );
        }
        let fields: Vec<String> = fields.iter().map(|field| format!("`{field}`")).collect();
        let of = match fields.as_slice() {
            [] => String::new(),
            fields => format!("; it is made of {}", fields.join(", ")),
        };
        (None, format!("`{part}` {broken}{of}"))
    }

    fn create_request(&self, write: Write<'_>) -> Result<Request, CallError> {
        let body = merge::whole(self.rendered(write)?, write.key);
        let path = SUPPLIERS.to_owned();
        Ok(self
            .endpoint
            .plain(Method::Post, path, Effect::Write, Some(body)))
    }

    fn read_request(&self, id: &str) -> Result<Request, CallError> {
        let path = supplier_path(id)?;
        Ok(self.endpoint.plain(Method::Get, path, Effect::Read, None))
    }

    fn replace_request(&self, id: &str, body: Value) -> Result<Request, CallError> {
        let path = supplier_path(id)?;
        Ok(self
            .endpoint
            .plain(Method::Put, path, Effect::Write, Some(body)))
    }

    /// The suppliers of one status, each with its id and the keys that it bears.
    async fn list_status(
        &self,
        calls: &mut dyn Calls,
        status: &str,
    ) -> Result<Vec<(Listed, Value)>, CallError> {
        let path = format!("{SUPPLIERS}?status={status}");
        let request = self.endpoint.plain(Method::Get, path, Effect::Read, None);
        let mut answer = calls.call(request).await?;
        let (ErrorAction::Ok, Some(Value::Array(items))) =
            (answer.action, answer.body.get_mut("items").map(Value::take))
        else {
            return Err(calls.unusable("the list has no suppliers".to_owned(), false));
        };
        let mut listed = Vec::with_capacity(items.len());
        for item in items {
            let Some(id) = item.get("supplier_id").and_then(Value::as_str) else {
                let reason = "a supplier of the list has no supplier_id".to_owned();
                return Err(calls.unusable(reason, false));
            };
            let notes = item.pointer("/contact_information/notes");
            let keys = marker::keys(notes.and_then(Value::as_str).unwrap_or_default());
            let keys = keys.map(str::to_owned).collect();
            let id = id.to_owned();
            listed.push((Listed { id, keys }, item));
        }
        Ok(listed)
    }

    /// All suppliers, each once.
    async fn list(&self, calls: &mut dyn Calls) -> Result<Vec<Listed>, CallError> {
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for status in STATUSES {
            for (Listed { id, keys }, _) in self.list_status(calls, status).await? {
                found.entry(id).or_default().extend(keys);
            }
        }
        let listed = found.into_iter().map(|(id, keys)| Listed { id, keys });
        Ok(listed.collect())
    }
}

fn supplier_path(id: &str) -> Result<String, CallError> {
    if id.is_empty() || id.bytes().all(|byte| byte == b'.') {
        return Err(refused("the stored id is none that Qualio gives"));
    }
    let id = utf8_percent_encode(id, IN_PATH);
    Ok(format!("{SUPPLIERS}/{id}"))
}

fn landed(id: &str) -> Landed {
    Landed {
        target_id: Some(id.to_owned()),
        etag: None,
    }
}

fn gone() -> CallError {
    CallError::Gone {
        reason: "Qualio no longer has it".to_owned(),
    }
}

#[async_trait]
impl Target for QualioTarget {
    fn traits(&self) -> TargetTraits {
        TargetTraits {
            upsert: false,
            idempotent_create: false,
            searchable: true,
            listable: true,
            own: false,
            create_calls: 1,
            update_calls: 2,
            find_calls: FIND_CALLS,
            deletes: false,
            archives: false,
        }
    }

    fn errors(&self) -> &[ErrorRow] {
        &ERRORS
    }

    fn search_value(&self, key: &RecordKey, _: &Fields) -> Option<String> {
        // Names may change and are not unique; the marker is neither.
        Some(key.as_str().to_owned())
    }

    fn reject(&self, key: &RecordKey, fields: &Fields) -> Option<(Option<String>, String)> {
        if let Some(reason) = marker::reject(key) {
            return Some((None, reason));
        }
        match self.flow.body(key, fields) {
            Ok(body) => rules::reject(&body).map(|broken| self.of_flow(broken)),
            Err(error) => Some((None, error.to_string())),
        }
    }

    async fn find(&self, calls: &mut dyn Calls, search: &str) -> Result<Found, CallError> {
        let listed = self.list(calls).await?;
        let mut bearers = listed.iter().filter(|listed| listed.keys.contains(search));
        Ok(match (bearers.next(), bearers.count()) {
            (None, _) => Found::None,
            (Some(one), 0) if one.keys.len() == 1 => Found::One(one.id.clone()),
            // It bears another record's marker too: writing to it could overwrite that record.
            (Some(one), 0) => Found::Many(one.keys.len()),
            (Some(_), others) => Found::Many(others + 1),
        })
    }

    async fn create(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError> {
        let answer = calls.call(self.create_request(write)?).await?;
        if answer.action != ErrorAction::Ok {
            let reason = format!("Qualio answered {} to a create", answer.status);
            return Err(refused(reason));
        }
        match answer.body.get("supplier_id").and_then(Value::as_str) {
            Some(id) if !id.is_empty() => Ok(landed(id)),
            _ => {
                let reason = "the answer to a create has no supplier_id".to_owned();
                Err(calls.unusable(reason, true))
            }
        }
    }

    async fn update(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError> {
        let Some(id) = write.target_id else {
            return Err(refused("its id at Qualio is not known"));
        };
        let wanted = self.rendered(write)?;
        let answer = calls.call(self.read_request(id)?).await?;
        if answer.action != ErrorAction::Ok {
            return Err(gone());
        }
        let merged = match answer.body.get("supplier_id").and_then(Value::as_str) {
            Some(read) if read == id => merge::merge(&answer.body, wanted, &self.mapped, write.key),
            _ => Err("the answer is about another supplier".to_owned()),
        };
        let body = merged.map_err(|reason| calls.unusable(reason, false))?;
        let answer = calls.call(self.replace_request(id, body)?).await?;
        match answer.action {
            ErrorAction::Ok => Ok(landed(id)),
            _ => Err(gone()),
        }
    }

    async fn remove(
        &self,
        _: &mut dyn Calls,
        _: Removal,
        _: &RecordKey,
        _: Option<&str>,
    ) -> Result<Landed, CallError> {
        Err(refused("Qualio has neither delete nor archive"))
    }

    async fn index(&self, calls: &mut dyn Calls) -> Result<Index, CallError> {
        let mut index = Index::new();
        for Listed { id, keys } in self.list(calls).await? {
            let one = keys.len() == 1;
            for key in keys
                .into_iter()
                .filter_map(|key| RecordKey::try_new(key).ok())
            {
                index
                    .entry(key)
                    .and_modify(|found| *found = None)
                    .or_insert_with(|| one.then(|| id.clone()));
            }
        }
        Ok(index)
    }

    /// One status a page.
    async fn standing(
        &self,
        calls: &mut dyn Calls,
        cursor: Option<&Value>,
    ) -> Result<StandingPage, CallError> {
        let at = cursor.and_then(Value::as_u64).unwrap_or(0);
        let at = usize::try_from(at).unwrap_or(usize::MAX);
        let Some(status) = STATUSES.get(at) else {
            return Ok(StandingPage::default());
        };
        let listed = self.list_status(calls, status).await?;
        let rows = u64::try_from(listed.len()).unwrap_or(u64::MAX);
        let standing = listed.into_iter().map(|(Listed { id, keys }, item)| {
            let keys: Vec<RecordKey> = keys
                .into_iter()
                .filter_map(|key| RecordKey::try_new(key).ok())
                .collect();
            let print = print::as_read(&item, &self.mapped, keys.first());
            Standing { id, keys, print }
        });
        Ok(StandingPage {
            standing: standing.collect(),
            rows,
            // There is one page for each status.
            print: None,
            next: (at + 1 < STATUSES.len()).then(|| Value::from(at + 1)),
        })
    }

    async fn contract(&self, calls: &mut dyn Calls) -> Result<Value, CallError> {
        contract::read(&self.flow, &self.endpoint, calls).await
    }

    fn print(&self, key: &RecordKey, fields: &Fields) -> Option<ContentHash> {
        let body = self.flow.body(key, fields).ok()?;
        Some(print::as_written(&body, &self.mapped, key))
    }

    fn describe(&self, write: Write<'_>) -> Result<Vec<Request>, CallError> {
        let Some(id) = write.target_id else {
            return Ok(vec![self.create_request(write)?]);
        };
        let body = merge::whole(self.rendered(write)?, write.key);
        Ok(vec![
            self.read_request(id)?,
            self.replace_request(id, body)?,
        ])
    }
}
