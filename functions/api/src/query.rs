//! Queries. A parameter that is misspelt, doubled or out of range is an error.

use std::collections::BTreeMap;

use axum::extract::{Query, rejection::QueryRejection};
use tidegate_lambda::Problem;

/// Items of a page when the caller does not say.
pub(crate) const DEFAULT_LIMIT: u32 = 50;
/// Most items of a page: a record has about 1 KB, and Lambda answers with at most 6 MB.
pub(crate) const MAX_LIMIT: u32 = 100;

/// A query as it arrived.
pub(crate) type Arrived = Result<Query<Vec<(String, String)>>, QueryRejection>;

/// Parameters that are not read yet.
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    /// Reads a query.
    pub(crate) fn read(arrived: Arrived) -> Result<Self, Problem> {
        let Query(pairs) =
            arrived.map_err(|_| Problem::bad_request("the query can not be read"))?;
        let mut parameters = BTreeMap::new();
        for (name, value) in pairs {
            if parameters.insert(name.clone(), value).is_some() {
                return Err(at_fault(&name, "stands in the query twice"));
            }
        }
        Ok(Self(parameters))
    }

    /// A text.
    pub(crate) fn text(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }

    /// How many items a page may have.
    pub(crate) fn limit(&mut self) -> Result<u32, Problem> {
        let Some(text) = self.text("limit") else {
            return Ok(DEFAULT_LIMIT);
        };
        text.parse()
            .ok()
            .filter(|limit| (1..=MAX_LIMIT).contains(limit))
            .ok_or_else(|| at_fault("limit", &format!("is not a number from 1 to {MAX_LIMIT}")))
    }

    /// Yes or no; no when it is left out.
    pub(crate) fn flag(&mut self, name: &str) -> Result<bool, Problem> {
        match self.text(name).as_deref() {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(at_fault(name, "is neither true nor false")),
        }
    }

    /// Ends the reading: what is left is misspelt.
    pub(crate) fn finish(self) -> Result<(), Problem> {
        match self.0.keys().next() {
            None => Ok(()),
            Some(name) => Err(at_fault(name, "is not known here")),
        }
    }
}

/// A parameter that can not be used.
pub(crate) fn at_fault(name: &str, what: &str) -> Problem {
    Problem::bad_request(format!("the parameter `{name}` {what}")).with_field(name)
}
