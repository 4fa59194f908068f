//! The calls of a source.

use std::sync::Arc;

use tidegate_model::{
    EndpointId, RecordKey,
    flow::{Auth, FilesSource, RestSource, SourceSpec},
};

use super::{CallTemplate, ListPosition, Listing, Rendered, address::base_url, target};
use crate::expr::{Context, Encoding, ExprError, Template};

/// The compiled calls of a source.
#[derive(Debug)]
pub struct Source {
    base: Context,
    spec: RestSource,
    base_url: String,
    auth: Auth,
    list: Listing,
    one: Option<CallTemplate>,
}

/// Where a flow's records come from, compiled.
#[derive(Clone, Debug)]
pub enum Origin {
    /// An API that is called.
    Rest(Arc<Source>),
    /// Files that lie at this place.
    Files(Arc<FilesSource>),
}

impl Origin {
    pub(super) fn compile(spec: &SourceSpec, base: &Context) -> Result<Self, String> {
        Ok(match spec {
            SourceSpec::Rest(spec) => Self::Rest(Arc::new(Source::compile(spec, base)?)),
            SourceSpec::Files(spec) => {
                let place = Template::compile(&spec.place, Encoding::Plain);
                let place = place.and_then(|place| place.render(base));
                Self::Files(Arc::new(FilesSource {
                    place: place.map_err(|error| error.to_string())?,
                    ..spec.clone()
                }))
            }
        })
    }
}

impl Source {
    fn compile(spec: &RestSource, base: &Context) -> Result<Self, String> {
        let error = |error: ExprError| error.to_string();
        Ok(Self {
            base_url: base_url(&spec.base_url, base)?,
            auth: target::render_auth(&spec.auth, base)?,
            list: Listing::compile(&spec.list, &spec.headers, base).map_err(error)?,
            one: spec
                .one
                .as_ref()
                .map(|one| CallTemplate::get(&one.path, &one.query, &spec.headers))
                .transpose()
                .map_err(error)?,
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

    /// How rows are listed.
    pub fn list(&self) -> &Listing {
        &self.list
    }

    /// The call that lists the rows of a page.
    pub fn list_call(&self, position: &ListPosition) -> Result<Rendered, ExprError> {
        self.list.call(position)
    }

    /// The call that reads one row by its key, and the JSON pointer to the row in its answer; none
    /// where the source gives none.
    pub fn one_call(&self, key: &RecordKey) -> Option<Result<(Rendered, &str), ExprError>> {
        let (call, spec) = self.one.as_ref().zip(self.spec.one.as_ref())?;
        let rendered = call.render(&self.base.clone().with("key", key.as_str()));
        Some(rendered.map(|rendered| (rendered, spec.row.as_str())))
    }
}
