//! A JSON API over HTTP as a source: pages of rows, and one row by its key.
//!
//! What is read is passed on as it is; the engine judges the rows. Invariants: a page that is not
//! whole (no rows where they belong, no way to the next page) is an error and never an empty page,
//! since an empty page would end a run as if it were complete; a next page that is this one is an
//! error, since it would never end.

mod cursor;
mod link;
mod next;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use async_trait::async_trait;
use jiff::Timestamp;
use reqwest::Url;
use serde_json::Value;
use tidegate_engine::ports::{
    Answer, CallError, Calls, Effect, Page, PageRequest, PageSize, Request, Source,
};
use tidegate_model::{RecordKey, flow::ErrorAction};
use tidegate_policy::flow::{Flow, ListPosition, Rendered};

use crate::endpoint::{Endpoint, cannot_render};
use cursor::Cursor;
use next::Unusable;

/// A source over HTTP, as a flow describes it.
pub struct RestSource {
    flow: Arc<Flow>,
    endpoint: Endpoint,
}

impl RestSource {
    /// The source of this flow.
    pub fn new(flow: Arc<Flow>) -> Self {
        let source = flow.source();
        let timeout_s = source.spec().timeout_s;
        let endpoint = Endpoint::new(source.base_url(), source.auth(), timeout_s);
        Self { flow, endpoint }
    }

    fn request(&self, rendered: Rendered) -> Request {
        self.endpoint.request(rendered, Effect::Read, None, None)
    }

    /// The request of the page at this cursor.
    fn page_request(
        &self,
        since_us: Option<u64>,
        cursor: Option<&Cursor>,
        size: Option<u32>,
    ) -> Result<Request, CallError> {
        let position = ListPosition {
            since: since_us.map(rfc3339).transpose()?,
            size,
            ..cursor::position(cursor, &self.flow.source().spec().list.pages)
        };
        let rendered = self.flow.source().list_call(&position);
        let mut request = self.request(rendered.map_err(|error| cannot_render(&error))?);
        if let Some(Cursor::Link { url }) = cursor {
            let next = self.resolve(&request.url, url)?;
            request.url = next.into();
        }
        Ok(request)
    }

    async fn read(
        &self,
        calls: &mut dyn Calls,
        request: &PageRequest,
        size: Option<u32>,
    ) -> Result<Page, CallError> {
        let pages = &self.flow.source().spec().list.pages;
        let cursor = cursor::read(request.cursor.as_ref(), pages);
        let sent = self.page_request(request.since_us, cursor.as_ref(), size)?;
        let answer = calls.call(sent.clone()).await?;
        if answer.action != ErrorAction::Ok {
            let reason = format!("the listing answered {}", answer.status);
            return Err(calls.unusable(reason, false));
        }
        self.read_page(&sent, cursor.as_ref(), answer)
            .map_err(|error| match error {
                PageError::Unusable(Unusable(reason)) => calls.unusable(reason, false),
                PageError::Call(error) => error,
            })
    }

    /// The address that a `Link` header names, if it stays on the origin of the source: the
    /// credentials go with it.
    fn resolve(&self, from: &str, link: &str) -> Result<Url, CallError> {
        let blocked = |why: String| CallError::Blocked {
            reason: format!("{}: {why}", self.flow.source().name()),
        };
        let parsed = Url::parse(from).and_then(|from| from.join(link));
        let base = Url::parse(self.endpoint.base_url());
        let (Ok(mut next), Ok(base)) = (parsed, base) else {
            return Err(blocked("the next page's address does not parse".to_owned()));
        };
        next.set_fragment(None);
        // Equal origins have the same scheme, host and port; opaque ones are equal to nothing.
        let has_user = !next.username().is_empty() || next.password().is_some();
        if next.origin() == base.origin() && !has_user {
            return Ok(next);
        }
        Err(blocked(format!(
            "the next page leaves the origin of the source for {}, so it is not read",
            next.origin().ascii_serialization()
        )))
    }

    fn rows(&self, answer: &mut Answer) -> Result<Vec<Value>, Unusable> {
        let pointer = &self.flow.source().spec().list.rows;
        let found = answer.body.pointer_mut(pointer).map(Value::take);
        match found {
            Some(Value::Array(rows)) => Ok(rows),
            _ => Err(Unusable(format!("the answer has no rows at {pointer:?}"))),
        }
    }

    fn read_page(
        &self,
        request: &Request,
        cursor: Option<&Cursor>,
        mut answer: Answer,
    ) -> Result<Page, PageError> {
        // Read before the rows are taken out of the body.
        let told = next::Told::read(&self.flow.source().spec().list.pages, &answer)?;
        let rows = self.rows(&mut answer)?;
        let mut next = next::next(&self.flow, cursor, &rows, told)?;
        if let Some(Cursor::Link { url }) = &mut next {
            let address = self.resolve(&request.url, url).map_err(PageError::Call)?;
            if Url::parse(&request.url).is_ok_and(|this| this == address) {
                return Err(Unusable::never_ends().into());
            }
            *url = address.into();
        }
        if next.is_some() && next.as_ref() == cursor {
            return Err(Unusable::never_ends().into());
        }
        Ok(Page {
            rows,
            next: next.as_ref().map(Cursor::to_json),
        })
    }
}

/// Why a page that was answered cannot be used.
enum PageError {
    Unusable(Unusable),
    Call(CallError),
}

impl From<Unusable> for PageError {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(unusable)
    }
}

#[async_trait]
impl Source for RestSource {
    fn page_size(&self) -> PageSize {
        if self.flow.source().can_vary_page_size() {
            PageSize::UpTo(self.flow.source().spec().list.page_size)
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
        let varies = self.flow.source().can_vary_page_size();
        self.read(calls, request, varies.then_some(size)).await
    }

    async fn fetch(
        &self,
        calls: &mut dyn Calls,
        key: &RecordKey,
    ) -> Result<Option<Value>, CallError> {
        let rendered = self.flow.source().one_call(key);
        let request = self.request(rendered.map_err(|error| cannot_render(&error))?);
        let answer = calls.call(request).await?;
        match answer.action {
            ErrorAction::Missing => return Ok(None),
            ErrorAction::Ok => {}
            _ => {
                let reason = format!("the record's call answered {}", answer.status);
                return Err(calls.unusable(reason, false));
            }
        }
        let pointer = &self.flow.source().spec().one.row;
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
        .ok_or_else(|| crate::endpoint::refused("the watermark is no time"))?;
    Ok(if moment.subsec_nanosecond() == 0 {
        format!("{moment:.0}")
    } else {
        format!("{moment:.6}")
    })
}
