//! What an expression or template refers to, for the check of a flow.

use std::collections::BTreeSet;

/// What a text refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// First names: `row` of `row.contact.name`.
    pub roots: BTreeSet<String>,
    /// Whole paths as far as they are written with dots: `row.contact.name`.
    pub paths: BTreeSet<String>,
    /// Filters, tests and functions that do not exist.
    pub unknown_calls: BTreeSet<UnknownCall>,
}

/// A filter or test that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownCall {
    /// `filter`, `test` or `function`.
    pub kind: &'static str,
    /// Its name as written.
    pub name: String,
    /// The nearest that exists.
    pub nearest: Option<String>,
}

impl Names {
    pub(super) fn of_expression(_text: &str, expression: &minijinja::Expression<'_, '_>) -> Self {
        Self {
            roots: expression.undeclared_variables(false).into_iter().collect(),
            paths: expression.undeclared_variables(true).into_iter().collect(),
            unknown_calls: BTreeSet::new(),
        }
    }

    pub(super) fn of_template(_text: &str, template: &minijinja::Template<'_, '_>) -> Self {
        Self {
            roots: template.undeclared_variables(false).into_iter().collect(),
            paths: template.undeclared_variables(true).into_iter().collect(),
            unknown_calls: BTreeSet::new(),
        }
    }
}
