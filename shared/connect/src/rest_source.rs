//! A JSON API over HTTP as a source: pages of rows, and one row by its key.
//!
//! What is read is passed on as it is; the engine judges the rows. Invariant: a row that is fetched by
//! its key is that record, is said not to be there, or is an error.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json::Value;
use tidegate_engine::ports::{CallError, Calls, Effect, Page, PageRequest, PageSize, Source};
use tidegate_model::{
    RecordKey,
    flow::{ErrorAction, Grant},
};
use tidegate_policy::flow::{self as policy, Flow, Question};

use crate::{
    endpoint::{Endpoint, cannot_render, refused},
    pages::{PageFrom, Pages, Unusable},
};

/// A source over HTTP, as a flow describes it.
pub struct RestSource {
    flow: Arc<Flow>,
    source: Arc<policy::Source>,
    endpoint: Endpoint,
}

impl RestSource {
    /// The source of this flow.
    pub fn new(flow: Arc<Flow>, source: Arc<policy::Source>) -> Self {
        let timeout_s = source.spec().timeout_s;
        let endpoint = Endpoint::new(source.base_url(), source.auth(), timeout_s);
        Self {
            flow,
            source,
            endpoint,
        }
    }

    async fn read(
        &self,
        calls: &mut dyn Calls,
        request: &PageRequest,
        size: Option<u32>,
    ) -> Result<Page, CallError> {
        let source = &self.source;
        let from = PageFrom {
            since: request.since_us.map(rfc3339).transpose()?,
            size,
            cursor: request.cursor.as_ref(),
        };
        Pages {
            of: source.name().as_str(),
            endpoint: &self.endpoint,
            listing: source.list(),
        }
        .read(calls, from)
        .await
    }
}

#[async_trait]
impl Source for RestSource {
    fn grant(&self) -> Option<&Arc<Grant>> {
        self.endpoint.grant()
    }

    fn page_size(&self) -> PageSize {
        if self.source.list().can_vary_page_size() {
            PageSize::UpTo(self.source.spec().list.page_size)
        } else {
            PageSize::Fixed
        }
    }

    async fn page(&self, calls: &mut dyn Calls, request: &PageRequest) -> Result<Page, CallError> {
        self.read(calls, request, None).await
    }

    async fn page_of(
        &self,
        calls: &mut dyn Calls,
        request: &PageRequest,
        size: u32,
    ) -> Result<Page, CallError> {
        let varies = self.source.list().can_vary_page_size();
        self.read(calls, request, varies.then_some(size)).await
    }

    async fn fetch(
        &self,
        calls: &mut dyn Calls,
        key: &RecordKey,
    ) -> Result<Option<Value>, CallError> {
        let Some(rendered) = self.source.one_call(key) else {
            return Err(refused("the source gives no record by its key"));
        };
        let (rendered, pointer) = rendered.map_err(|error| cannot_render(&error))?;
        let request = self.endpoint.request(rendered, Effect::Read, None, None);
        let answer = calls.call(request).await?;
        match answer.action {
            ErrorAction::Missing => return Ok(None),
            ErrorAction::Ok => {}
            _ => {
                let reason = format!("the record's call answered {}", answer.status);
                return Err(calls.unusable(reason, false));
            }
        }
        let row = match one_row(answer.body, pointer) {
            Ok(row) => row,
            Err(Unusable(reason)) => return Err(calls.unusable(reason, false)),
        };
        // Another record's row under this key would overwrite the wrong one.
        let other = row
            .as_ref()
            .is_some_and(|row| self.flow.key_of_row(row).is_ok_and(|found| found != *key));
        if other {
            return Err(calls.unusable("the answer is about another record".to_owned(), false));
        }
        Ok(row)
    }

    async fn ask(&self, calls: &mut dyn Calls, question: Question) -> Result<Value, CallError> {
        let Question { call, body } = question;
        let request = self.endpoint.request(call, Effect::Read, body, None);
        let answer = calls.call(request).await?;
        match answer.action {
            ErrorAction::Ok => Ok(answer.body),
            _ => Err(refused(format!(
                "the question was answered {}",
                answer.status
            ))),
        }
    }
}

/// The row in an answer. A table that says null, or a list that is empty, where the row would
/// stand, says that there is no such record; anything else is a change of shape.
fn one_row(mut body: Value, pointer: &str) -> Result<Option<Value>, Unusable> {
    let no_row = || Unusable(format!("the answer has no row at {pointer:?}"));
    let empty_list = pointer
        .strip_suffix("/0")
        .and_then(|list| body.pointer(list))
        .is_some_and(|list| list.as_array().is_some_and(Vec::is_empty));
    match body.pointer_mut(pointer).map(Value::take) {
        None if empty_list => Ok(None),
        Some(Value::Null) if !pointer.is_empty() => Ok(None),
        None | Some(Value::Null) => Err(no_row()),
        Some(row) => Ok(Some(row)),
    }
}

/// A time in microseconds since 1970 as RFC 3339 in UTC: whole seconds without a fraction, since
/// not every source reads one.
fn rfc3339(since_us: u64) -> Result<String, CallError> {
    let moment = i64::try_from(since_us)
        .ok()
        .and_then(|us| Timestamp::from_microsecond(us).ok())
        .ok_or_else(|| refused("the watermark is no time"))?;
    Ok(if moment.subsec_nanosecond() == 0 {
        format!("{moment:.0}")
    } else {
        format!("{moment:.6}")
    })
}
