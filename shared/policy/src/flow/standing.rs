//! What stands at a target, as its listing shows it: which record a row is, and what of it is compared
//! with what the flow sends.
//!
//! A row and a body are brought into one shape, that of the flow's `body`, so that what the target
//! adds by itself is no difference.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use tidegate_model::{RecordKey, flow::RestTarget};

use super::Listing;
use crate::expr::{Context, ExprError, Expression};

/// The compiled listing of a target.
#[derive(Debug)]
pub struct Standing {
    base: Context,
    listing: Listing,
    key: Expression,
    id: Option<String>,
    /// The flow's body: of its tables, only what is named there is compared.
    body: Map<String, Value>,
    /// Properties of the body that are compared, each as an expression over `row`; none: all, by
    /// their names.
    compare: Option<BTreeMap<String, Expression>>,
}

impl Standing {
    pub(super) fn compile(rest: &RestTarget, base: &Context) -> Result<Option<Self>, ExprError> {
        let Some(spec) = &rest.list else {
            return Ok(None);
        };
        let compiled = |(name, text): (&String, &String)| {
            Expression::compile(text).map(|expression| (name.clone(), expression))
        };
        let compare = spec.compare.as_ref();
        let compare = compare.map(|named| named.iter().map(compiled).collect());
        Ok(Some(Self {
            base: base.clone(),
            listing: Listing::compile(&spec.list(), &rest.headers, base)?,
            key: Expression::compile(&spec.key)?,
            id: spec.id.clone(),
            body: rest.body.clone(),
            compare: compare.transpose()?,
        }))
    }

    /// Its pages.
    pub fn listing(&self) -> &Listing {
        &self.listing
    }

    /// JSON pointer to the target's own id within a row; none: the key is the id.
    pub fn id_pointer(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// Our key that a row bears; none where it bears nothing that could be one. An expression that
    /// fails, or gives anything but a text or a number, is an error: to take such a row for nobody's
    /// would be to say that our record is missing.
    pub fn key(&self, row: &Value) -> Result<Option<RecordKey>, ExprError> {
        let text = match self.key.eval(&self.base.clone().with("row", row))? {
            Value::Null => return Ok(None),
            Value::String(text) => text,
            Value::Number(number) if !number.is_f64() => number.to_string(),
            _ => {
                let why = "it must give a text or a whole number";
                return Err(ExprError::evaluate(self.key.text(), why));
            }
        };
        Ok(RecordKey::try_new(text).ok())
    }

    /// What of a row is compared, in the shape of the flow's body.
    pub fn shown(&self, row: &Value) -> Result<Map<String, Value>, ExprError> {
        let Some(compare) = &self.compare else {
            return Ok(fitted(&self.body, row));
        };
        let context = self.base.clone().with("row", row);
        let mut shown = Map::new();
        for (name, expression) in compare {
            shown.insert(name.clone(), expression.eval(&context)?);
        }
        Ok(fitted(&self.body, &Value::Object(shown)))
    }

    /// What of a body is compared.
    pub fn sent(&self, body: &Value) -> Map<String, Value> {
        let mut sent = fitted(&self.body, body);
        if let Some(compare) = &self.compare {
            sent.retain(|name, _| compare.contains_key(name));
        }
        sent
    }
}

/// The properties of a value that a table names, tables in it too. What is not there is left out.
fn fitted(table: &Map<String, Value>, value: &Value) -> Map<String, Value> {
    let mut view = Map::new();
    for (name, wanted) in table {
        let Some(found) = value.get(name) else {
            continue;
        };
        let found = match (wanted, found) {
            (Value::Object(wanted), Value::Object(_)) => Value::Object(fitted(wanted, found)),
            _ => found.clone(),
        };
        view.insert(name.clone(), found);
    }
    view
}
