//! Templates: text with `{{ }}` in it.

use std::{fmt, sync::Arc};

use minijinja::{Environment, Error, Output, State, value::Value, value::ValueKind};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::{
    Context, ExprError, Names,
    cost::{self, Bounded, MAX_VALUE_BYTES},
    environment,
};

/// RFC 3986's unreserved characters stay, everything else is encoded.
pub(crate) const ENCODED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The one template in a template's own environment.
const NAME: &str = "template";

/// What happens to a value that is written into the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// It is percent-encoded, a slash too, and must not be empty.
    PathSegment,
    /// It stands as it is.
    Plain,
}

/// A compiled template.
#[derive(Clone)]
pub struct Template {
    text: String,
    /// Holds this template only, so that the template owns itself.
    environment: Arc<Environment<'static>>,
}

impl Template {
    /// Compiles the text.
    pub fn compile(text: &str, encoding: Encoding) -> Result<Self, ExprError> {
        ExprError::refuse_long(text)?;
        let mut environment = environment::templates().clone();
        environment.set_formatter(match encoding {
            Encoding::PathSegment => write_path_segment,
            Encoding::Plain => write_plain,
        });
        environment
            .add_template_owned(NAME, text.to_owned())
            .map_err(|error| ExprError::from_compile(text, &error))?;
        Ok(Self {
            text: text.to_owned(),
            environment: Arc::new(environment),
        })
    }

    /// The text in this context.
    pub fn render(&self, context: &Context) -> Result<String, ExprError> {
        self.write(context.to_value())
    }

    fn write(&self, context: Value) -> Result<String, ExprError> {
        let mut text = Bounded::new(MAX_VALUE_BYTES);
        self.environment
            .get_template(NAME)
            .and_then(|template| template.render_captured_to(context, &mut text).map(drop))
            .map_err(|error| ExprError::from_evaluation(&self.text, &error))?;
        String::from_utf8(text.kept)
            .map_err(|_| ExprError::evaluate(&self.text, "its text is not UTF-8"))
    }

    /// Why it would cost too much with any values; `None` where that hangs on the values.
    pub(crate) fn always_costs_too_much(&self) -> Option<ExprError> {
        let tries = cost::stand_ins(&self.names());
        cost::first_stopped(tries.map(|values| self.write(values)))
    }

    /// The text as the flow file has it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The names it reads and the filters, tests and functions it uses.
    pub fn names(&self) -> Names {
        match self.environment.get_template(NAME) {
            Ok(template) => Names::of_template(&self.text, &template),
            Err(_) => Names::default(),
        }
    }
}

impl fmt::Debug for Template {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Template").field(&self.text).finish()
    }
}

fn write_path_segment(
    out: &mut Output<'_>,
    _: &mut State<'_, '_>,
    value: &Value,
) -> Result<(), Error> {
    let text = scalar(value)?;
    if text.is_empty() {
        return Err(super::filters::refuse("a value in a path is empty"));
    }
    out.write_str(&encode_segment(&text)).map_err(Error::from)
}

fn write_plain(out: &mut Output<'_>, _: &mut State<'_, '_>, value: &Value) -> Result<(), Error> {
    out.write_str(&scalar(value)?).map_err(Error::from)
}

/// A text, number or flag as JSON writes it; null is empty. What is missing never comes here: the
/// environment refuses it.
fn scalar(value: &Value) -> Result<String, Error> {
    match value.kind() {
        ValueKind::None => Ok(String::new()),
        ValueKind::Bool => Ok(if value.is_true() { "true" } else { "false" }.to_owned()),
        ValueKind::Number | ValueKind::String => Ok(value.to_string()),
        _ => Err(super::filters::refuse(
            "a list or table cannot be written into text; use `| join(',')` or one of its entries",
        )),
    }
}

/// One segment of a path, percent-encoded.
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, ENCODED).to_string()
}
