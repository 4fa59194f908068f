//! A listing by pages: of a source's rows, or of what stands at a target.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::Value;
use tidegate_model::flow::{ListSpec, Pages};

use super::{CallTemplate, Rendered};
use crate::expr::{Context, ExprError, Expression};

/// The compiled call that lists rows by pages.
#[derive(Debug)]
pub struct Listing {
    base: Context,
    spec: ListSpec,
    call: CallTemplate,
    /// Time and id by which rows are sorted.
    keyset: Option<(Expression, Expression)>,
}

/// Where a listing stands: what its templates see as `since` and `page`.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct ListPosition {
    /// RFC 3339 time from which changes are asked for; none in a first run.
    #[serde(skip)]
    pub since: Option<String>,
    /// `page.size`: rows asked for; none: what the file says.
    #[serde(skip)]
    pub size: Option<u32>,
    /// `page.offset`: rows read so far.
    pub offset: u64,
    /// `page.number`: number of the page.
    pub number: u64,
    /// `page.cursor`: what the page before gave.
    pub cursor: Option<String>,
    /// `page.after_time`: time of the last row of the page before, as the source wrote it.
    pub after_time: Option<Value>,
    /// `page.after_id`: id of that row.
    pub after_id: Option<String>,
}

impl Listing {
    pub(super) fn compile(
        spec: &ListSpec,
        headers: &BTreeMap<String, String>,
        base: &Context,
    ) -> Result<Self, ExprError> {
        let keyset = match &spec.pages {
            Pages::Keyset { time, id, .. } => {
                Some((Expression::compile(time)?, Expression::compile(id)?))
            }
            _ => None,
        };
        Ok(Self {
            call: CallTemplate::get(&spec.path, &spec.query, headers)?,
            keyset,
            base: base.clone(),
            spec: spec.clone(),
        })
    }

    /// What the file says.
    pub fn spec(&self) -> &ListSpec {
        &self.spec
    }

    /// Whether pages may be of another size each: the request names it, and where the next page
    /// begins does not follow from it.
    pub fn can_vary_page_size(&self) -> bool {
        let by_place = matches!(self.spec.pages, Pages::Keyset { .. } | Pages::Offset);
        let mut templates = self.spec.query.values().chain([&self.spec.path]);
        by_place && templates.any(|template| template.contains("page.size"))
    }

    /// The call that lists the rows of a page.
    pub fn call(&self, position: &ListPosition) -> Result<Rendered, ExprError> {
        #[derive(Serialize)]
        struct Page<'a> {
            size: u32,
            #[serde(flatten)]
            position: &'a ListPosition,
        }
        let page = Page {
            size: position.size.unwrap_or(self.spec.page_size),
            position,
        };
        let since = position.since.as_deref().unwrap_or_default();
        self.call
            .render(&self.base.clone().with("since", since).with("page", &page))
    }

    /// The time and id by which rows are sorted, of a row; none where pages are not by keyset or the
    /// row lacks them.
    pub fn keyset_place(&self, row: &Value) -> Option<(Value, String)> {
        let (time, id) = self.keyset.as_ref()?;
        let context = self.base.clone().with("row", row);
        let time = time.eval(&context).ok().filter(|time| !time.is_null())?;
        let id = match id.eval(&context).ok()? {
            Value::String(text) => text,
            Value::Number(number) => number.to_string(),
            _ => return None,
        };
        Some((time, id))
    }
}
