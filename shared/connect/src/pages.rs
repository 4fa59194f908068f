//! A listing page by page over HTTP: of a source, or of what stands at a target.
//!
//! Invariants: a page that is not whole (no rows where they belong, no way to the next page) is an
//! error and never an empty page, since an empty page would end a listing as if it were complete; a
//! next page that is this one is an error, since it would never end; the next page's address stays
//! on the origin of the listing, since the credentials go with it.

mod cursor;
mod delta;
mod link;
mod next;

use reqwest::Url;
use serde_json::Value;
use tidegate_engine::ports::{Answer, CallError, Calls, Effect, Page, Request};
use tidegate_model::flow::{ErrorAction, Pages as By};
use tidegate_policy::{
    fingerprint::print_of_text,
    flow::{ListPosition, Listing},
};

use crate::endpoint::{Endpoint, cannot_render};
use cursor::Cursor;

/// Why an answer cannot be used. Holds no value of a row.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Unusable(pub(crate) String);

impl Unusable {
    fn never_ends() -> Self {
        Self("the next page is this page again: the listing would never end".to_owned())
    }
}

/// Where a page begins.
#[derive(Clone, Debug, Default)]
pub(crate) struct PageFrom<'a> {
    /// RFC 3339 time from which changes are asked for.
    pub(crate) since: Option<String>,
    /// Rows asked for; none: what the file says.
    pub(crate) size: Option<u32>,
    /// What the page before said; none: the first page.
    pub(crate) cursor: Option<&'a Value>,
}

/// A listing of one side of a flow.
pub(crate) struct Pages<'a> {
    /// Names the side in errors.
    pub(crate) of: &'a str,
    /// Where it is.
    pub(crate) endpoint: &'a Endpoint,
    /// How it is listed.
    pub(crate) listing: &'a Listing,
}

impl Pages<'_> {
    /// Reads one page: one call.
    pub(crate) async fn read(
        &self,
        calls: &mut dyn Calls,
        from: PageFrom<'_>,
    ) -> Result<Page, CallError> {
        let of = self.print()?;
        let mut cursor = cursor::read(from.cursor, &self.listing.spec().pages);
        let mut anew = None;
        if matches!(&cursor, Some(Cursor::Link { of: was, .. }) if *was != of) {
            cursor = None;
            anew = Some("the flow asks otherwise than when it was given its link".to_owned());
        }
        let mut sent = self.request(&from, cursor.as_ref())?;
        let mut answer = calls.call(sent.clone()).await?;
        if answer.action == ErrorAction::Missing && cursor.is_some() && of.is_some() {
            anew = Some(format!("its link is gone ({})", answer.status));
            cursor = None;
            sent = self.request(&from, None)?;
            answer = calls.call(sent.clone()).await?;
        }
        if answer.action != ErrorAction::Ok {
            let reason = format!("the listing answered {}", answer.status);
            return Err(calls.unusable(reason, false));
        }
        let page = self.read_page(&sent, cursor.as_ref(), of, answer);
        let page = page.map_err(|error| match error {
            PageError::Unusable(Unusable(reason)) => calls.unusable(reason, false),
            PageError::Call(error) => error,
        })?;
        Ok(Page { anew, ..page })
    }

    /// What tells this listing from another, where links outlive a run: its first address.
    fn print(&self) -> Result<Option<u64>, CallError> {
        if !matches!(self.listing.spec().pages, By::Delta { .. }) {
            return Ok(None);
        }
        let first = self.request(&PageFrom::default(), None)?;
        Ok(Some(print_of_text(&first.url)))
    }

    fn request(&self, from: &PageFrom<'_>, cursor: Option<&Cursor>) -> Result<Request, CallError> {
        let position = ListPosition {
            since: from.since.clone(),
            size: from.size,
            ..cursor::position(cursor, &self.listing.spec().pages)
        };
        let rendered = self.listing.call(&position);
        let rendered = rendered.map_err(|error| cannot_render(&error))?;
        let mut request = self.endpoint.request(rendered, Effect::Read, None, None);
        if let Some(Cursor::Link { url, .. }) = cursor {
            let next = self.resolve(&request.url, url)?;
            request.url = next.into();
        }
        Ok(request)
    }

    /// The address that a link names, if it stays on the origin of the listing.
    fn resolve(&self, from: &str, link: &str) -> Result<Url, CallError> {
        let blocked = |why: String| CallError::Blocked {
            reason: format!("{}: {why}", self.of),
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
            "the next page leaves the origin of the listing for {}, so it is not read",
            next.origin().ascii_serialization()
        )))
    }

    fn rows(&self, answer: &mut Answer) -> Result<Vec<Value>, Unusable> {
        let pointer = &self.listing.spec().rows;
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
        of: Option<u64>,
        mut answer: Answer,
    ) -> Result<Page, PageError> {
        // Read before the rows are taken out of the body.
        let told = next::Told::read(&self.listing.spec().pages, &answer)?;
        let later = delta::at_the_end(&self.listing.spec().pages, &answer.body)?;
        let rows = self.rows(&mut answer)?;
        let mut next = next::next(self.listing, cursor, &rows, told)?;
        if let Some(Cursor::Link { url, of: listing }) = &mut next {
            let address = self.resolve(&request.url, url).map_err(PageError::Call)?;
            if Url::parse(&request.url).is_ok_and(|this| this == address) {
                return Err(Unusable::never_ends().into());
            }
            *url = address.into();
            *listing = of;
        }
        if next.is_some() && next.as_ref() == cursor {
            return Err(Unusable::never_ends().into());
        }
        let later = later.map(|url| {
            let url = self.resolve(&request.url, &url).map_err(PageError::Call)?;
            let url = url.into();
            Ok::<_, PageError>(Cursor::Link { url, of }.to_json())
        });
        Ok(Page {
            rows,
            from: later.transpose()?,
            next: next.as_ref().map(Cursor::to_json),
            ..Page::default()
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
