//! A JSON API over HTTP as a target: upsert, or create and update; look-up, delete, archive.
//!
//! What a repeat can do is told by [`TargetTraits`]; the engine decides by them. Invariants: a create
//! whose answer holds no id where one belongs has happened all the same, and is told so; an update
//! of a record that is gone is refused, never turned into a create.

mod listed;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use tidegate_engine::ports::{
    CallError, Calls, Effect, Found, Header, HeaderValue, Index, Landed, Page, Removal, Request,
    StandingPage, Target, TargetTraits, Write,
};
use tidegate_model::{
    Content, ContentHash, Fields, RecordKey,
    flow::{ErrorAction, ErrorRow, Grant, TargetSpec},
};
use tidegate_policy::flow::{CallTemplate, Flow};

use crate::{
    contract,
    endpoint::{Endpoint, cannot_render, id_text, refused},
    pages::{PageFrom, Pages},
    print::plain_table,
};

/// A target over HTTP, as a flow describes it.
pub struct RestTarget {
    flow: Arc<Flow>,
    endpoint: Endpoint,
}

impl RestTarget {
    /// The target of this flow.
    pub fn new(flow: Arc<Flow>) -> Self {
        let target = flow.target();
        let timeout_s = flow.file().target.timeout_s();
        let endpoint = Endpoint::new(target.base_url(), target.auth(), timeout_s);
        Self { flow, endpoint }
    }

    /// The call that makes a new record.
    fn maker(&self) -> Result<&CallTemplate, CallError> {
        let target = self.flow.target();
        target
            .upsert()
            .or_else(|| target.create())
            .ok_or_else(|| refused("the flow names no call that creates"))
    }

    /// The call that changes a record that stands.
    fn changer(&self) -> Result<&CallTemplate, CallError> {
        let target = self.flow.target();
        target
            .upsert()
            .or_else(|| target.update())
            .ok_or_else(|| refused("the flow names no call that updates"))
    }

    fn request(
        &self,
        call: &CallTemplate,
        write: Write<'_>,
        further: Option<Header>,
    ) -> Result<Request, CallError> {
        let target = self.flow.target();
        let context = target.context(write.key, write.target_id, write.fields);
        let rendered = call
            .render(&context)
            .map_err(|error| cannot_render(&error))?;
        let body = if rendered.sends_body {
            let body = self.flow.body(write.key, write.fields);
            Some(body.map_err(|error| cannot_render(&error))?)
        } else {
            None
        };
        Ok(self
            .endpoint
            .request(rendered, Effect::Write, body, further))
    }

    /// The request that makes a new record. Only a create takes an idempotency key: an upsert or
    /// update repeated is harmless, and under a key that the target remembers, a content that comes
    /// back would not be written again.
    fn create_request(&self, write: Write<'_>) -> Result<Request, CallError> {
        let target = self.flow.target();
        let header = target
            .idempotency_header()
            .filter(|_| target.upsert().is_none())
            .map(|name| Header {
                name: name.to_owned(),
                value: HeaderValue::Plain(write.idempotency_key.to_owned()),
            });
        self.request(self.maker()?, write, header)
    }

    fn update_request(&self, write: Write<'_>) -> Result<Request, CallError> {
        self.request(self.changer()?, write, None)
    }

    fn sends_body_to_remove(&self, how: Removal) -> bool {
        let TargetSpec::Rest(spec) = &self.flow.file().target else {
            return false;
        };
        let call = match how {
            Removal::Delete => &spec.delete,
            Removal::Archive => &spec.archive,
        };
        call.as_ref()
            .is_some_and(|call| call.send_body == Some(true))
    }

    fn rejected(&self, key: &RecordKey, fields: &Fields) -> Result<(), CallError> {
        let write = Write {
            key,
            fields,
            target_id: None,
            etag: None,
            idempotency_key: "",
        };
        self.create_request(write)?;
        let search = self.flow.target().search_value(key, fields);
        search.map_err(|error| cannot_render(&error))?;
        Ok(())
    }
}

fn landed(target_id: Option<String>) -> Landed {
    Landed {
        target_id,
        etag: None,
    }
}

/// What an answer other than success means for a record that should be there.
fn gone(action: ErrorAction, status: u16) -> CallError {
    match action {
        ErrorAction::Stale => refused(format!(
            "the target answered {status}: its record was changed meanwhile"
        )),
        _ => CallError::Gone {
            reason: format!("the target answered {status}: it no longer has it"),
        },
    }
}

#[async_trait]
impl Target for RestTarget {
    fn grant(&self) -> Option<&Arc<Grant>> {
        self.endpoint.grant()
    }

    fn traits(&self) -> TargetTraits {
        let target = self.flow.target();
        let upsert = target.upsert().is_some();
        TargetTraits {
            upsert,
            idempotent_create: !upsert && target.idempotency_header().is_some(),
            searchable: target.find().is_some(),
            listable: false,
            own: false,
            create_calls: 1,
            update_calls: 1,
            find_calls: u32::from(target.find().is_some()),
            deletes: target.delete().is_some(),
            archives: target.archive().is_some(),
        }
    }

    fn errors(&self) -> &[ErrorRow] {
        match &self.flow.file().target {
            TargetSpec::Rest(target) => &target.errors,
            TargetSpec::Qualio(_) | TargetSpec::Store(_) => &[],
        }
    }

    fn search_value(&self, key: &RecordKey, fields: &Fields) -> Option<String> {
        // An expression that fails is told by `reject`.
        self.flow.target().search_value(key, fields).ok().flatten()
    }

    fn reject(&self, key: &RecordKey, fields: &Fields) -> Option<(Option<String>, String)> {
        let error = self.rejected(key, fields).err()?;
        Some((None, error.to_string()))
    }

    async fn find(&self, calls: &mut dyn Calls, search: &str) -> Result<Found, CallError> {
        let Some(find) = self.flow.target().find() else {
            return Err(refused("the flow names no call that finds"));
        };
        let context = self.flow.target().find_context(search);
        let rendered = find.call().render(&context);
        let rendered = rendered.map_err(|error| cannot_render(&error))?;
        let request = self.endpoint.request(rendered, Effect::Read, None, None);
        let answer = calls.call(request).await?;
        match answer.action {
            ErrorAction::Ok => {}
            ErrorAction::Missing => return Ok(Found::None),
            _ => {
                return Err(
                    calls.unusable(format!("the look-up answered {}", answer.status), false)
                );
            }
        }
        let Some(Value::Array(rows)) = answer.body.pointer(find.rows_pointer()) else {
            let reason = format!("the look-up has no rows at {:?}", find.rows_pointer());
            return Err(calls.unusable(reason, false));
        };
        let ids = rows
            .iter()
            .map(|row| row.pointer(find.id_pointer()).and_then(id_text));
        let Some(mut ids) = ids.collect::<Option<Vec<String>>>() else {
            let reason = format!("a row of the look-up has no id at {:?}", find.id_pointer());
            return Err(calls.unusable(reason, false));
        };
        // One record that stands twice in the answer is one record.
        ids.sort();
        ids.dedup();
        Ok(match (ids.pop(), ids.len()) {
            (None, _) => Found::None,
            (Some(id), 0) => Found::One(id),
            (Some(_), others) => Found::Many(others + 1),
        })
    }

    async fn create(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError> {
        let call = self.maker()?;
        let answer = calls.call(self.create_request(write)?).await?;
        if answer.action != ErrorAction::Ok {
            let reason = format!("the target answered {} to a create", answer.status);
            return Err(refused(reason));
        }
        let upserts = self.flow.target().upsert().is_some();
        let pointer = call.id_pointer();
        let id = pointer.and_then(|pointer| answer.body.pointer(pointer).and_then(id_text));
        match (id, pointer) {
            (Some(id), _) => Ok(landed(Some(id))),
            // An upsert that changed something may answer without a body; the key names it anyway.
            (None, _) if upserts => Ok(landed(write.target_id.map(str::to_owned))),
            (None, Some(pointer)) => {
                let reason = format!("the answer to a create has no id at {pointer:?}");
                Err(calls.unusable(reason, true))
            }
            // Its other calls name it by the key.
            (None, None) => Ok(landed(Some(write.key.as_str().to_owned()))),
        }
    }

    async fn update(&self, calls: &mut dyn Calls, write: Write<'_>) -> Result<Landed, CallError> {
        let answer = calls.call(self.update_request(write)?).await?;
        if answer.action != ErrorAction::Ok {
            return Err(gone(answer.action, answer.status));
        }
        // An upsert of a record that a person had removed makes it anew, under another id.
        let upsert = self.flow.target().upsert();
        let told = upsert
            .and_then(CallTemplate::id_pointer)
            .and_then(|pointer| answer.body.pointer(pointer).and_then(id_text));
        Ok(landed(told.or_else(|| write.target_id.map(str::to_owned))))
    }

    async fn remove(
        &self,
        calls: &mut dyn Calls,
        how: Removal,
        key: &RecordKey,
        target_id: Option<&str>,
    ) -> Result<Landed, CallError> {
        let target = self.flow.target();
        let call = match how {
            Removal::Delete => target.delete(),
            Removal::Archive => target.archive(),
        };
        let call = call.ok_or_else(|| refused("the flow names no call for this"))?;
        let context = target.context(key, target_id, &Fields::new());
        let rendered = call
            .render(&context)
            .map_err(|error| cannot_render(&error))?;
        // A record that is gone at the source has no fields, so a body goes only where the flow
        // asks for it in so many words: a replace by an empty body would erase the record instead.
        let body = if self.sends_body_to_remove(how) {
            let body = self.flow.body(key, &Fields::new());
            Some(body.map_err(|error| cannot_render(&error))?)
        } else {
            None
        };
        let request = self.endpoint.request(rendered, Effect::Write, body, None);
        let answer = calls.call(request).await?;
        match answer.action {
            ErrorAction::Ok | ErrorAction::Missing => Ok(landed(target_id.map(str::to_owned))),
            action => Err(gone(action, answer.status)),
        }
    }

    async fn index(&self, _: &mut dyn Calls) -> Result<Index, CallError> {
        Err(refused("this target cannot list its records by our keys"))
    }

    /// One page of the listing that the flow names.
    async fn standing(
        &self,
        calls: &mut dyn Calls,
        cursor: Option<&Value>,
    ) -> Result<StandingPage, CallError> {
        let target = self.flow.target();
        let Some(list) = target.list() else {
            return Err(refused(
                "the flow names no listing of the target (`[target.list]`)",
            ));
        };
        let pages = Pages {
            of: target.name().as_str(),
            endpoint: &self.endpoint,
            listing: list.listing(),
        };
        let from = PageFrom {
            cursor,
            ..PageFrom::default()
        };
        let Page { rows, next, .. } = pages.read(calls, from).await?;
        Ok(StandingPage {
            standing: listed::standing(list, &rows)?,
            rows: u64::try_from(rows.len()).unwrap_or(u64::MAX),
            print: (!rows.is_empty()).then(|| listed::print_of(&rows)),
            next,
        })
    }

    async fn contract(&self, calls: &mut dyn Calls) -> Result<Value, CallError> {
        contract::read(&self.flow, &self.endpoint, calls).await
    }

    fn print(&self, key: &RecordKey, fields: &Fields) -> Option<ContentHash> {
        let list = self.flow.target().list()?;
        let body = self.flow.body(key, fields).ok()?;
        Some(Content::Record(plain_table(&list.sent(&body))).hash())
    }

    fn describe(&self, write: Write<'_>) -> Result<Vec<Request>, CallError> {
        let request = match write.target_id {
            None => self.create_request(write),
            Some(_) => self.update_request(write),
        };
        Ok(vec![request?])
    }
}
