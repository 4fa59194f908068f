//! Expressions, templates and bodies of a flow file, compiled once and evaluated without effects.
//!
//! A minijinja *expression* gives a JSON value (`row.name | trim`), a *template* gives text
//! (`/suppliers/{{ key }}`), a *body* is a JSON table whose text leaves are expressions.
//!
//! What is missing:
//! - In an expression a missing attribute is null, however deep (`row.contact.phone` where a row has
//!   no contact), and a text or number filter on null gives null.
//! - In a template a missing name is an error; null renders empty, save in a path, where an empty
//!   value would silently name another resource: there it is an error.
//! - An unknown first name (`rwo.id`) is found when a flow is loaded, by [`Expression::names`].
//!
//! Errors never hold values, only the flow file's own text.

mod body;
mod cost;
mod environment;
mod filters;
mod names;
mod template;

use std::{collections::BTreeMap, fmt};

use minijinja::ErrorKind;
use serde::Serialize;
use serde_json::Value;

pub use body::Body;
pub(crate) use cost::MAX_VALUE_BYTES;
pub use names::{CallKind, Names, UnknownCall};
pub(crate) use template::ENCODED;
pub use template::{Encoding, Template, encode_segment};

/// Why an expression, a template or a body gave nothing. Holds the flow file's text, never a value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExprError {
    /// The text does not parse.
    #[error("`{text}` does not parse: {why}")]
    Syntax {
        /// The text, as the flow file has it.
        text: String,
        /// The parser's reason.
        why: String,
    },
    /// The text parses, but could not be evaluated with the values at hand.
    #[error("`{text}` gives no value: {why}")]
    Evaluate {
        /// The text, as the flow file has it.
        text: String,
        /// What went wrong, without the values.
        why: String,
    },
    /// It takes more work, or gives more, than one expression may.
    #[error("`{text}` costs too much: {why}")]
    TooCostly {
        /// The text, as the flow file has it.
        text: String,
        /// Of what.
        why: String,
    },
}

impl ExprError {
    /// The reason alone, without the text it is about.
    pub fn why(&self) -> &str {
        match self {
            Self::Syntax { why, .. } | Self::Evaluate { why, .. } | Self::TooCostly { why, .. } => {
                why
            }
        }
    }

    pub(crate) fn evaluate(text: &str, why: impl Into<String>) -> Self {
        Self::Evaluate {
            text: text.to_owned(),
            why: why.into(),
        }
    }

    /// A text that is too long is not given to the parser, and not repeated.
    fn refuse_long(text: &str) -> Result<(), Self> {
        const LIMIT: usize = environment::MAX_TEXT_BYTES;
        if text.len() <= LIMIT {
            return Ok(());
        }
        Err(Self::Syntax {
            text: text.chars().take(40).chain("...".chars()).collect(),
            why: format!("it has {} bytes, at most {LIMIT} are allowed", text.len()),
        })
    }

    fn from_compile(text: &str, error: &minijinja::Error) -> Self {
        let why = match error.detail() {
            Some(detail) => detail.to_owned(),
            None => error.kind().to_string(),
        };
        Self::Syntax {
            text: text.to_owned(),
            why,
        }
    }

    fn from_evaluation(text: &str, error: &minijinja::Error) -> Self {
        match cost::of_error(error) {
            Some(why) => Self::too_costly(text, why),
            None => Self::evaluate(text, describe_without_values(error)),
        }
    }

    fn too_costly(text: &str, why: String) -> Self {
        Self::TooCostly {
            text: text.to_owned(),
            why,
        }
    }
}

/// Details of minijinja that name kinds of values only. Others can repeat a value (`unable to
/// calculate 7 + ...`), so all but these are dropped.
const SAFE_DETAILS: [&str; 5] = [
    "tried to use ",
    "cannot convert ",
    "cannot join value of type ",
    "cannot calculate length of value of type ",
    "can only sum numbers, got ",
];

fn describe_without_values(error: &minijinja::Error) -> String {
    if let Some(refusal) = filters::refusal(error) {
        return refusal.to_owned();
    }
    match error.kind() {
        ErrorKind::UndefinedError => "a name in it is not there".to_owned(),
        kind => match error.detail() {
            Some(detail) if SAFE_DETAILS.iter().any(|safe| detail.starts_with(safe)) => {
                detail.to_owned()
            }
            _ => kind.to_string(),
        },
    }
}

/// The values that expressions and templates see, by first name (`row`, `key`, `env`, ...).
#[derive(Clone, Debug, Default)]
pub struct Context(BTreeMap<&'static str, minijinja::Value>);

impl Context {
    /// Nothing is at hand.
    pub fn new() -> Self {
        Self::default()
    }

    /// The same with one more value at hand.
    #[must_use]
    pub fn with<T: Serialize + ?Sized>(mut self, name: &'static str, value: &T) -> Self {
        self.0.insert(name, minijinja::value::Serde(value).into());
        self
    }

    fn to_value(&self) -> minijinja::Value {
        minijinja::Value::from_pairs(self.0.iter().map(|(name, value)| (*name, value.clone())))
    }
}

/// A compiled expression.
#[derive(Clone)]
pub struct Expression {
    text: String,
    compiled: std::sync::Arc<minijinja::Expression<'static, 'static>>,
}

impl Expression {
    /// Compiles the text.
    pub fn compile(text: &str) -> Result<Self, ExprError> {
        ExprError::refuse_long(text)?;
        let compiled = environment::expressions()
            .compile_expression_owned(text.to_owned())
            .map_err(|error| ExprError::from_compile(text, &error))?;
        Ok(Self {
            text: text.to_owned(),
            compiled: std::sync::Arc::new(compiled),
        })
    }

    /// The value in this context. Numbers stay numbers; what is missing is null.
    pub fn eval(&self, context: &Context) -> Result<Value, ExprError> {
        let value = self.value(context.to_value(), MAX_VALUE_BYTES)?;
        serde_json::to_value(&value)
            .map_err(|_| ExprError::evaluate(&self.text, "its value has no form in JSON"))
    }

    fn value(
        &self,
        context: minijinja::Value,
        most_bytes: usize,
    ) -> Result<minijinja::Value, ExprError> {
        let value = self
            .compiled
            .eval(context)
            .map_err(|error| ExprError::from_evaluation(&self.text, &error))?;
        if cost::fits(&value, most_bytes) {
            Ok(value)
        } else {
            Err(ExprError::too_costly(
                &self.text,
                cost::too_large(most_bytes),
            ))
        }
    }

    /// Why it would cost too much with any values, or give more than so many bytes; `None` where
    /// that hangs on the values.
    pub(crate) fn always_costs_too_much(&self, most_bytes: usize) -> Option<ExprError> {
        let tries = cost::stand_ins(&self.names());
        cost::first_stopped(tries.map(|values| self.value(values, most_bytes)))
    }

    /// The text as the flow file has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it reads and the filters, tests and functions it uses.
    pub fn names(&self) -> Names {
        Names::of_expression(&self.text, &self.compiled)
    }
}

impl fmt::Debug for Expression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Expression").field(&self.text).finish()
    }
}

#[cfg(test)]
mod tests;
