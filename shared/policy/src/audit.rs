//! The data-quality audit of a flow (R10), as decisions: what is wrong with the values of one record,
//! by required fields, rules between fields, and values that only one record should have.
//!
//! Every record that is looked at is clean, has findings, or can not be read (OUT-1). A finding names
//! a field or a rule, never a value. Values that should be unique are compared by a print of 128 bits.

mod account;
mod progress;
#[cfg(test)]
mod tests;

pub use account::{Counts, FindingKind, MAX_NOTES, Note, Standing, Tally};
pub use progress::{AuditRequest, Checkpoint, Phase, Progress, plan, to_ask_for};

use jiff::civil::Time;
use serde_json::Value;
use tidegate_model::{Content, Fields, RecordKey, flow::AuditSpec};

use crate::{
    expr::{Context, ExprError, Expression},
    schedule::{self, ScheduleError},
};

/// The compiled `[audit]` of a flow.
#[derive(Debug)]
pub struct Audit {
    base: Context,
    after: Vec<Time>,
    required: Vec<String>,
    rules: Vec<Rule>,
    unique: Vec<Unique>,
}

#[derive(Debug)]
struct Rule {
    name: String,
    holds: Expression,
    review: bool,
}

#[derive(Debug)]
struct Unique {
    /// The fields as one text.
    name: String,
    fields: Vec<String>,
}

/// One thing that is wrong with a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Finding<'a> {
    /// What is wrong.
    pub kind: FindingKind,
    /// The field, the rule, or the fields that are shared.
    pub name: &'a str,
    /// Whether a person is to look at the record.
    pub review: bool,
}

/// The print of values that only one record should have.
pub type ValuePrint = u128;

impl Audit {
    pub(crate) fn compile(spec: &AuditSpec, base: &Context) -> Result<Self, String> {
        let after = spec.after.iter().map(|at| schedule::parse_time(at));
        let after: Result<_, ScheduleError> = after.collect();
        let rules = spec.rules.iter().map(|rule| {
            Ok(Rule {
                name: rule.name.clone(),
                holds: Expression::compile(&rule.holds)?,
                review: rule.review,
            })
        });
        let rules: Result<_, ExprError> = rules.collect();
        let unique = spec.unique.iter().map(|unique| Unique {
            name: unique.fields.join(", "),
            fields: unique.fields.clone(),
        });
        Ok(Self {
            base: base.clone(),
            after: after.map_err(|error| error.to_string())?,
            required: spec.required.clone(),
            rules: rules.map_err(|error| error.to_string())?,
            unique: unique.collect(),
        })
    }

    /// The times of day of the windows that an audit follows.
    pub(crate) fn after(&self) -> &[Time] {
        &self.after
    }

    /// Whether records are compared with one another, for which all are read once more.
    pub fn compares(&self) -> bool {
        !self.unique.is_empty()
    }

    /// Everything that is wrong with a record; `is_shared` tells which values several records have.
    pub fn judge(
        &self,
        key: &RecordKey,
        fields: &Fields,
        is_shared: impl Fn(ValuePrint) -> bool,
    ) -> Vec<Finding<'_>> {
        let lacking = self
            .required
            .iter()
            .filter(|name| is_empty(fields.get(*name)));
        let lacking = lacking.map(|name| Finding {
            kind: FindingKind::Missing,
            name,
            review: false,
        });
        let context = self.base.clone().with("fields", fields);
        let context = context.with("key", key.as_str());
        let broken = self.rules.iter().filter_map(|rule| {
            let kind = match rule.holds.eval(&context) {
                Ok(Value::Bool(true)) => return None,
                Ok(_) => FindingKind::Broken,
                Err(_) => FindingKind::Failed,
            };
            Some(Finding {
                kind,
                name: &rule.name,
                review: rule.review,
            })
        });
        let shared = self.unique.iter().filter(|unique| {
            let print = unique.print(fields);
            print.is_some_and(&is_shared)
        });
        let shared = shared.map(|unique| Finding {
            kind: FindingKind::Shared,
            name: &unique.name,
            review: false,
        });
        lacking.chain(broken).chain(shared).collect()
    }

    /// The prints of what a record should share with no other.
    pub fn prints(&self, fields: &Fields) -> impl Iterator<Item = ValuePrint> {
        self.unique.iter().filter_map(|unique| unique.print(fields))
    }
}

impl Unique {
    /// `None` of a record that lacks one of the values: nothing is like nothing.
    fn print(&self, fields: &Fields) -> Option<ValuePrint> {
        let values = self.fields.iter().map(|name| {
            let value = fields.get(name);
            (!is_empty(value)).then(|| Some((name.clone(), value?.clone())))?
        });
        let hash = Content::Record(values.collect::<Option<Fields>>()?).hash();
        ValuePrint::from_str_radix(&hash.0, 16).ok()
    }
}

/// Whether nothing stands in a field, in whichever form.
fn is_empty(value: Option<&Value>) -> bool {
    match value.unwrap_or(&Value::Null) {
        Value::Null => true,
        Value::String(text) => text.trim().is_empty(),
        Value::Array(entries) => entries.is_empty(),
        Value::Object(table) => table.is_empty(),
        Value::Bool(_) | Value::Number(_) => false,
    }
}
