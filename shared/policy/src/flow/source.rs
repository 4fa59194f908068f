//! The calls of a source.

use serde::Serialize;
use serde_json::Value;
use tidegate_model::{
    EndpointId, RecordKey,
    flow::{Auth, Pages, RestSource, SourceSpec},
};

use super::{CallTemplate, Rendered, target};
use crate::expr::{Context, ExprError, Expression};

/// The compiled calls of a source.
#[derive(Debug)]
pub struct Source {
    base: Context,
    spec: RestSource,
    base_url: String,
    auth: Auth,
    list: CallTemplate,
    one: CallTemplate,
    /// Time and id by which the source sorts.
    keyset: Option<(Expression, Expression)>,
}

/// Where a listing stands: what templates of `source.list` see as `since` and `page`.
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

impl Source {
    pub(super) fn compile(spec: &SourceSpec, base: &Context) -> Result<Self, String> {
        let SourceSpec::Rest(spec) = spec;
        let error = |error: ExprError| error.to_string();
        let keyset = match &spec.list.pages {
            Pages::Keyset { time, id, .. } => Some((
                Expression::compile(time).map_err(error)?,
                Expression::compile(id).map_err(error)?,
            )),
            _ => None,
        };
        Ok(Self {
            base_url: target::base_url(&spec.base_url, base)?,
            auth: target::render_auth(&spec.auth, base).map_err(error)?,
            list: CallTemplate::get(&spec.list.path, &spec.list.query, &spec.headers)
                .map_err(error)?,
            one: CallTemplate::get(&spec.one.path, &spec.one.query, &spec.headers)
                .map_err(error)?,
            keyset,
            base: base.clone(),
            spec: spec.clone(),
        })
    }

    /// Names the source; flows that name the same one share its limit and breaker.
    pub fn name(&self) -> &EndpointId {
        &self.spec.name
    }

    /// What the file says.
    pub fn spec(&self) -> &RestSource {
        &self.spec
    }

    /// Scheme, host and leading path, without a slash at the end.
    pub fn base_url(&self) -> &str {
        &self.base_url
    }

    /// How calls are authenticated, with settings in place.
    pub fn auth(&self) -> &Auth {
        &self.auth
    }

    /// Whether pages may be of another size each: the request names it, and where the next page
    /// begins does not follow from it.
    pub fn can_vary_page_size(&self) -> bool {
        let list = &self.spec.list;
        let by_place = matches!(list.pages, Pages::Keyset { .. } | Pages::Offset);
        let mut templates = list.query.values().chain([&list.path]);
        by_place && templates.any(|template| template.contains("page.size"))
    }

    /// The call that lists the rows of a page.
    pub fn list_call(&self, position: &ListPosition) -> Result<Rendered, ExprError> {
        #[derive(Serialize)]
        struct Page<'a> {
            size: u32,
            #[serde(flatten)]
            position: &'a ListPosition,
        }
        let page = Page {
            size: position.size.unwrap_or(self.spec.list.page_size),
            position,
        };
        let since = position.since.as_deref().unwrap_or_default();
        self.list
            .render(&self.base.clone().with("since", since).with("page", &page))
    }

    /// The call that reads one row by its key.
    pub fn one_call(&self, key: &RecordKey) -> Result<Rendered, ExprError> {
        self.one
            .render(&self.base.clone().with("key", key.as_str()))
    }

    /// The time and id by which the source sorts, of a row; none where pages are not by keyset or the
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
