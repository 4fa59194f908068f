//! Reviews: listed, edited, tried dry, replayed, discarded.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tidegate_model::{
    Content, Fields, FlowId, Message, RecordKey, UnixMs,
    item::{Item, ItemKey, Update, Value as ItemValue},
};
use tidegate_policy::{
    flow::FieldFault,
    keys,
    register::{self, Override, Register, ReviewCause, ReviewKind, State},
};

use super::{Access, MASK};
use crate::{
    Engine, EngineError, FlowRuntime, UnknownFlow, orphan,
    ports::{CallError, Listing, Request, Write, Written},
};

/// Names a review: `flow~key` for a record, `flow!name` for what has no register.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ReviewId {
    /// A record.
    Record(FlowId, RecordKey),
    /// A row without key, or a dead letter that can not be read.
    Orphan(FlowId, String),
}

impl ReviewId {
    /// Reads an id.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text.find(['~', '!'])?;
        let (flow, rest) = text.split_at_checked(end)?;
        let flow = FlowId::try_new(flow).ok()?;
        match rest.strip_prefix('~') {
            Some(key) => Some(Self::Record(flow, RecordKey::try_new(key).ok()?)),
            None => Some(Self::Orphan(
                flow,
                rest.strip_prefix('!')
                    .filter(|name| !name.is_empty())?
                    .to_owned(),
            )),
        }
    }

    /// An id's text as one segment of a path.
    pub fn encode_path(id: &str) -> String {
        tidegate_policy::expr::encode_segment(id)
    }
}

impl fmt::Display for ReviewId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Record(flow, key) => write!(f, "{flow}~{key}"),
            Self::Orphan(flow, name) => write!(f, "{flow}!{name}"),
        }
    }
}

/// One review, with its context.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewEntry {
    /// Its id.
    pub id: String,
    /// The flow.
    pub flow: FlowId,
    /// The record, where there is one.
    pub key: Option<String>,
    /// Why a person must look.
    pub cause: ReviewCause,
    /// When the oldest change came that the target is without; none where there is no record. Each
    /// newer change renews the cause.
    pub pending_since: Option<UnixMs>,
    /// The fields as they would be sent.
    pub fields: Option<Fields>,
    /// What a person changed already.
    pub edited: Option<Override>,
    /// The last attempts, oldest first.
    pub history: Vec<register::AttemptNote>,
    /// The text of a row or message that is no record.
    pub body: Option<String>,
}

/// Since when a review waits, by its `pending_since` and its cause's `since`: that of the oldest change
/// which the target is without. Each newer change renews the cause, and makes what waits no younger.
pub fn waiting_since<T: Ord>(pending_since: Option<T>, cause_since: T) -> T {
    match pending_since {
        Some(pending_since) => pending_since.min(cause_since),
        None => cause_since,
    }
}

/// Some reviews, oldest first.
#[derive(Clone, Debug, Serialize)]
pub struct ReviewPage {
    /// The reviews.
    pub items: Vec<ReviewEntry>,
    /// Where to go on; none at the end.
    pub next: Option<String>,
}

/// A person's edit.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EditRequest {
    /// Canonical fields to replace.
    pub fields: Fields,
    /// Who.
    pub by: String,
    /// Why.
    pub why: String,
}

/// What a replay would do.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct DryRun {
    /// What schema and target have against the fields.
    pub faults: Vec<FaultView>,
    /// The requests that would be sent, secrets as names.
    pub requests: Vec<PlannedRequest>,
}

/// A fault of a field, without its value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FaultView {
    /// The field, with the path below it where the fault lies deeper.
    pub field: Option<String>,
    /// What is wrong.
    pub reason: String,
}

impl FaultView {
    /// Whether one of these fields is at fault.
    fn is_of(&self, names: &[String]) -> bool {
        let field = self.field.as_deref().unwrap_or_default();
        let field = field.split('/').next().unwrap_or_default();
        names.iter().any(|name| name == field)
    }
}

impl fmt::Display for FaultView {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.field {
            Some(field) => write!(f, "{field} {}", self.reason),
            None => f.write_str(&self.reason),
        }
    }
}

/// A request that would be sent.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub struct PlannedRequest {
    /// The method.
    pub method: &'static str,
    /// The address.
    pub url: String,
    /// Headers, secrets as names.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Option<Value>,
}

impl From<Request> for PlannedRequest {
    fn from(request: Request) -> Self {
        let body = request.json().cloned();
        let headers = request
            .headers
            .into_iter()
            .map(|header| (header.name, header.value.to_string()))
            .collect();
        Self {
            method: request.method.as_str(),
            url: request.url,
            headers,
            body,
        }
    }
}

/// Why a review could not be acted on.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It is not, or no longer, in review.
    #[error("there is no such review")]
    NotFound,
    /// Newer content arrived since it was read.
    #[error("the record changed since it was read; read it again")]
    Changed,
    /// What is asked can not be done with this kind of review.
    #[error("{0}")]
    Unsuitable(&'static str),
    /// The edit names fields that the flow does not have.
    #[error("the flow has no field {0}")]
    UnknownField(String),
    /// The edit would be refused without a call. Never holds the value.
    #[error("{0}")]
    Invalid(FaultView),
    /// The request can not be built.
    #[error("{0}")]
    Unbuildable(String),
    /// Store or queue failed.
    #[error(transparent)]
    Engine(#[from] EngineError),
}

impl From<UnknownFlow> for ReviewError {
    fn from(_: UnknownFlow) -> Self {
        Self::NotFound
    }
}

impl Engine {
    /// Reviews of a flow, oldest first.
    pub async fn reviews(
        &self,
        flow: &FlowId,
        after: Option<&str>,
        limit: u32,
        access: Access,
    ) -> Result<ReviewPage, EngineError> {
        let runtime = self.flow(flow)?;
        let page = self
            .ports
            .store
            .list(&Listing::Reviews(flow.to_string()), after, limit)
            .await?;
        let items = page
            .items
            .iter()
            .filter_map(|(key, item)| entry(runtime, key, item, access))
            .collect();
        Ok(ReviewPage {
            items,
            next: page.next,
        })
    }

    /// One review.
    pub async fn review(&self, id: &ReviewId, access: Access) -> Result<ReviewEntry, ReviewError> {
        let (flow, key) = place(id);
        let runtime = self.flow(flow)?;
        let item = self.read(&key).await.map_err(EngineError::from)?;
        item.and_then(|item| entry(runtime, &key, &item, access))
            .ok_or(ReviewError::NotFound)
    }

    /// Edits what will be sent. Stands until the source gives other content.
    pub async fn edit_review(
        &self,
        id: &ReviewId,
        request: EditRequest,
        access: Access,
    ) -> Result<ReviewEntry, ReviewError> {
        let (runtime, key, register) = self.reviewed(id).await?;
        if let Some(unknown) = request
            .fields
            .keys()
            .find(|name| !runtime.flow.file().fields.contains_key(*name))
        {
            return Err(ReviewError::UnknownField(unknown.clone()));
        }
        refuse_masks(&runtime, &request.fields)?;
        if register.desired.content == Content::Deleted {
            return Err(ReviewError::Unsuitable(
                "a deleted record has no fields to edit",
            ));
        }
        let mut edited = register.clone();
        let mut fields = register
            .edited
            .as_ref()
            .map(|edit| edit.fields.clone())
            .unwrap_or_default();
        // What is wrong with other fields may be mended by another edit.
        let before = faults(&runtime, &key, &register.effective());
        let named: Vec<String> = request.fields.keys().cloned().collect();
        fields.extend(request.fields);
        let edit = Override {
            fields,
            by: request.by,
            why: request.why,
            at: self.now(),
            base: register.desired.content.hash(),
        };
        edited.edited = Some(edit.clone());
        let content = edited.effective();
        let brought = |fault: &FaultView| fault.is_of(&named) || !before.contains(fault);
        if let Some(fault) = faults(&runtime, &key, &content).into_iter().find(brought) {
            return Err(ReviewError::Invalid(fault));
        }
        let search = search_value(&runtime, &key, &content);
        let write = register::edit(&register.desired, &content.hash(), search.as_deref(), &edit);
        let is_own = |register: &Register| register.edited.as_ref() == Some(&edit);
        self.expect_written(&runtime, &key, &write, is_own).await?;
        tracing::info!(flow = %runtime.flow.id(), key = key.as_str(), by = edit.by, request_id = self.request(), "review edited");
        self.review(id, access).await
    }

    /// Shows what a replay would send, and sends nothing.
    pub async fn dry_run(&self, id: &ReviewId, access: Access) -> Result<DryRun, ReviewError> {
        let (runtime, key, register) = self.reviewed(id).await?;
        let content = register.effective();
        let Some(fields) = content.fields() else {
            let fault = runtime.fault(&key, &content, self.now());
            let fault = fault.map(|_| FaultView {
                field: None,
                reason: LEFT_TO_A_PERSON.to_owned(),
            });
            return Ok(DryRun {
                faults: fault.into_iter().collect(),
                requests: Vec::new(),
            });
        };
        self.plan_requests(
            &runtime,
            &key,
            fields,
            register.target_id.as_deref(),
            register.etag.as_deref(),
            access,
        )
    }

    /// What would be sent for these fields, and what is wrong with them.
    pub fn plan_requests(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        fields: &Fields,
        target_id: Option<&str>,
        etag: Option<&str>,
        access: Access,
    ) -> Result<DryRun, ReviewError> {
        let faults = faults_of(runtime, key, fields);
        // Masked before the request is made of them: what an expression makes of a value may show it.
        let shown = access.fields(&runtime.flow, fields.clone());
        let write = Write {
            key,
            fields: &shown,
            target_id,
            etag,
            idempotency_key: "new for each create",
        };
        let requests = match runtime.target.describe(write) {
            Ok(requests) => requests.into_iter().map(PlannedRequest::from).collect(),
            // Fields with faults may not render; the faults say why.
            Err(_) if !faults.is_empty() => Vec::new(),
            // Nor may a mask where a number belongs.
            Err(_) if shown != *fields => Vec::new(),
            Err(error) => return Err(unbuildable(&error)),
        };
        Ok(DryRun { faults, requests })
    }

    /// Sends a record again, with all its retries. Each replay is a message of its own.
    pub async fn replay(&self, id: &ReviewId) -> Result<(), ReviewError> {
        let (runtime, key, register) = self.reviewed(id).await?;
        let now = self.now();
        if let Some(cause) = runtime.fault(&key, &register.effective(), now) {
            return Err(ReviewError::Unsuitable(match cause.kind {
                ReviewKind::DeletedAtSource => LEFT_TO_A_PERSON,
                _ => {
                    "it would be refused without a call: edit what its dry run finds fault with, or mend it at its source"
                }
            }));
        }
        let is_own = |after: &Register| after.review.is_none() && after.dirty_since == Some(now);
        self.expect_written(&runtime, &key, &register::replay(now), is_own)
            .await?;
        let flow = runtime.flow.id().clone();
        tracing::info!(flow = %flow, key = key.as_str(), request_id = self.request(), "replayed");
        self.send_one(Message::new(flow, vec![key], register.tier, self.now()))
            .await?;
        Ok(())
    }

    /// Decides that this version is not sent, nor what was edited of it.
    pub async fn discard(&self, id: &ReviewId) -> Result<(), ReviewError> {
        match id {
            ReviewId::Record(..) => {
                let (runtime, key, register) = self.reviewed(id).await?;
                let search = search_value(&runtime, &key, &register.desired.content);
                let write = register::discard(&register, search.as_deref());
                let is_own = |after: &Register| {
                    after.state() == State::Discarded
                        && after.desired.version == register.desired.version
                };
                self.expect_written(&runtime, &key, &write, is_own).await?;
                tracing::info!(flow = %runtime.flow.id(), key = key.as_str(), request_id = self.request(), "discarded");
            }
            ReviewId::Orphan(flow, _) => {
                self.flow(flow)?;
                let write = orphan::discard();
                let (_, key) = place(id);
                match self.write(&key, &write).await.map_err(EngineError::from)? {
                    Written::Done { .. } => {
                        tracing::info!(flow = %flow, review = %id, request_id = self.request(), "discarded");
                    }
                    Written::Refused { .. } => return Err(ReviewError::NotFound),
                }
            }
        }
        Ok(())
    }

    async fn reviewed(
        &self,
        id: &ReviewId,
    ) -> Result<(std::sync::Arc<FlowRuntime>, RecordKey, Register), ReviewError> {
        let ReviewId::Record(flow, key) = id else {
            return Err(ReviewError::Unsuitable(
                "it is no record: mend it at its source, then discard it",
            ));
        };
        let runtime = std::sync::Arc::clone(self.flow(flow)?);
        let register = self
            .registers(&runtime, std::slice::from_ref(key))
            .await?
            .pop()
            .flatten();
        match register.filter(|register| register.review.is_some()) {
            Some(register) => Ok((runtime, key.clone(), register)),
            None => Err(ReviewError::NotFound),
        }
    }

    /// Writes, and is refused where another came first. The answer of an earlier try may have been
    /// lost: `is_own` tells by what stands there that it was this very write.
    async fn expect_written(
        &self,
        runtime: &FlowRuntime,
        key: &RecordKey,
        write: &Update,
        is_own: impl Fn(&Register) -> bool,
    ) -> Result<(), ReviewError> {
        let id = keys::register(runtime.flow.id(), key);
        let Written::Refused { current } =
            self.write(&id, write).await.map_err(EngineError::from)?
        else {
            return Ok(());
        };
        let current = current.as_ref().and_then(|item| Register::read(item).ok());
        match current.flatten() {
            Some(register) if is_own(&register) => Ok(()),
            _ => Err(ReviewError::Changed),
        }
    }
}

/// A private field is left out of an edit, or given a value.
fn refuse_masks(runtime: &FlowRuntime, fields: &Fields) -> Result<(), ReviewError> {
    let is_mask = |name: &&String| fields.get(*name).is_some_and(|value| value == MASK);
    let masked = runtime.flow.private_fields().iter().find(is_mask);
    masked.map_or(Ok(()), |name| {
        Err(ReviewError::Invalid(FaultView {
            field: Some(name.clone()),
            reason: format!("is shown as {MASK}, which is no value: leave it out to keep it"),
        }))
    })
}

fn search_value(runtime: &FlowRuntime, key: &RecordKey, content: &Content) -> Option<String> {
    let fields = content.fields()?;
    runtime.target.search_value(key, fields)
}

fn faults(runtime: &FlowRuntime, key: &RecordKey, content: &Content) -> Vec<FaultView> {
    let fields = content.fields();
    fields.map_or_else(Vec::new, |fields| faults_of(runtime, key, fields))
}

/// Why a deletion that is left to a person is not replayed: it would be in review again.
const LEFT_TO_A_PERSON: &str = "it was deleted at the source, and this flow leaves it to a person what \
    becomes of it at the target: see to it there, then discard the review";

/// What schema and target have against the fields, told without a call.
fn faults_of(runtime: &FlowRuntime, key: &RecordKey, fields: &Fields) -> Vec<FaultView> {
    let of_schema = runtime.flow.validate(fields).into_iter();
    let mut faults: Vec<FaultView> = of_schema
        .map(|FieldFault { field, reason }| FaultView {
            field: Some(field),
            reason,
        })
        .collect();
    if let Some((field, reason)) = runtime.target.reject(key, fields) {
        faults.push(FaultView { field, reason });
    }
    faults
}

fn unbuildable(error: &CallError) -> ReviewError {
    ReviewError::Unbuildable(error.to_string())
}

fn place(id: &ReviewId) -> (&FlowId, ItemKey) {
    match id {
        ReviewId::Record(flow, key) => (flow, keys::register(flow, key)),
        ReviewId::Orphan(flow, name) => (flow, keys::orphan(flow, name)),
    }
}

fn entry(runtime: &FlowRuntime, key: &ItemKey, item: &Item, access: Access) -> Option<ReviewEntry> {
    let flow = runtime.flow.id();
    let text = |name: &str| item.get(name).and_then(ItemValue::as_text);
    let cause: ReviewCause = serde_json::from_str(text("rv")?).ok()?;
    let register = Register::read(item).ok().flatten();
    let id = match &register {
        Some(_) => ReviewId::Record(flow.clone(), RecordKey::try_new(key.sort.clone()).ok()?),
        None => ReviewId::Orphan(flow.clone(), key.sort.clone()),
    };
    Some(ReviewEntry {
        id: id.to_string(),
        flow: flow.clone(),
        key: match &register {
            Some(_) => Some(key.sort.clone()),
            None => text(orphan::KEY).map(str::to_owned),
        },
        cause,
        pending_since: match &register {
            Some(register) => register.pending_since,
            // Each time that it comes again renews the cause.
            None => item.get("rva").and_then(ItemValue::as_number).map(UnixMs),
        },
        fields: register
            .as_ref()
            .and_then(|register| register.effective().fields().cloned())
            .map(|fields| access.fields(&runtime.flow, fields)),
        edited: register
            .as_ref()
            .and_then(|register| register.edited.clone())
            .map(|edit| access.edit(&runtime.flow, edit)),
        history: register
            .map(|register| register.history)
            .unwrap_or_default(),
        body: text("body").map(|body| access.body(&runtime.flow, body.to_owned())),
    })
}
