//! What an expression or template refers to, for the check of a flow.
//!
//! Variables come from minijinja's own parser. Filters, tests and functions it looks up only when
//! they are reached, so they are found here by reading the text, which is known to parse.

use std::{collections::BTreeSet, iter::Peekable, str::CharIndices};

use minijinja::{ErrorKind, value::Value};

use super::environment;

/// What a text refers to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Names {
    /// First names: `row` of `row.contact.name`.
    pub roots: BTreeSet<String>,
    /// Whole paths as far as they are written with dots: `row.contact.name`.
    pub paths: BTreeSet<String>,
    /// Filters, tests, functions and methods that do not exist.
    pub unknown_calls: BTreeSet<UnknownCall>,
}

/// A filter, test, function or method that does not exist.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct UnknownCall {
    /// Which of them.
    pub kind: CallKind,
    /// Its name as written.
    pub name: String,
}

/// What can be called in an expression.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CallKind {
    /// `value | name`.
    Filter,
    /// `value is name`.
    Test,
    /// `name(value)`.
    Function,
    /// `value.name()`. There are none.
    Method,
}

impl CallKind {
    /// The kind as a person names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Test => "test",
            Self::Function => "function",
            Self::Method => "method",
        }
    }

    /// The names of this kind that flows are offered.
    pub fn known(self) -> &'static [&'static str] {
        match self {
            Self::Filter => &FILTERS,
            Self::Test => &TESTS,
            Self::Function => &FUNCTIONS,
            Self::Method => &[],
        }
    }
}

/// Filters to offer for a misspelt one.
const FILTERS: [&str; 31] = [
    "abs",
    "bool",
    "capitalize",
    "default",
    "first",
    "float",
    "format",
    "hash",
    "int",
    "items",
    "join",
    "last",
    "length",
    "list",
    "lower",
    "map",
    "max",
    "min",
    "reject",
    "replace",
    "rfc3339",
    "round",
    "select",
    "sort",
    "split",
    "string",
    "sum",
    "title",
    "trim",
    "unique",
    "upper",
];

/// Tests to offer for a misspelt one.
const TESTS: [&str; 14] = [
    "defined",
    "endingwith",
    "even",
    "false",
    "in",
    "integer",
    "mapping",
    "none",
    "number",
    "odd",
    "sequence",
    "startingwith",
    "string",
    "true",
];

/// All functions there are.
const FUNCTIONS: [&str; 2] = ["dict", "range"];

/// Words of the language, which may stand before a bracket.
const KEYWORDS: [&str; 13] = [
    "and",
    "else",
    "elif",
    "filter",
    "for",
    "if",
    "in",
    "is",
    "not",
    "or",
    "recursive",
    "set",
    "with",
];

impl Names {
    pub(super) fn of_expression(text: &str, expression: &minijinja::Expression<'_, '_>) -> Self {
        let paths = expression.undeclared_variables(true).into_iter().collect();
        Self::with_calls(paths, calls(text))
    }

    pub(super) fn of_template(text: &str, template: &minijinja::Template<'_, '_>) -> Self {
        let paths = template.undeclared_variables(true).into_iter().collect();
        Self::with_calls(
            paths,
            code_of_template(text).into_iter().flat_map(calls).collect(),
        )
    }

    fn with_calls(paths: BTreeSet<String>, calls: BTreeSet<UnknownCall>) -> Self {
        let function = |name: &str| {
            calls
                .iter()
                .any(|call| call.kind == CallKind::Function && call.name == name)
        };
        let is_call = |name: &str| function(name) || FUNCTIONS.contains(&name);
        // To ask minijinja for them too would parse the text once more, at each start of a function.
        let roots = paths.iter().filter_map(|path| path.split('.').next());
        Self {
            roots: roots
                .filter(|name| !is_call(name))
                .map(str::to_owned)
                .collect(),
            paths,
            unknown_calls: calls.into_iter().filter(|call| !exists(call)).collect(),
        }
    }
}

fn exists(call: &UnknownCall) -> bool {
    let mut state = environment::expressions().empty_state();
    // Called with nothing, whatever exists complains about its arguments instead.
    let missing =
        |error: Option<minijinja::Error>, kind| error.is_some_and(|error| error.kind() == kind);
    match call.kind {
        CallKind::Filter => !missing(
            state.apply_filter(&call.name, &[]).err(),
            ErrorKind::UnknownFilter,
        ),
        CallKind::Test => !missing(
            state.perform_test(&call.name, &[Value::from(())]).err(),
            ErrorKind::UnknownTest,
        ),
        CallKind::Function => FUNCTIONS.contains(&call.name.as_str()),
        CallKind::Method => false,
    }
}

/// Every filter, test, function and method that an expression's text calls.
fn calls(code: &str) -> BTreeSet<UnknownCall> {
    let mut found = BTreeSet::new();
    let mut chars = code.char_indices().peekable();
    // What stands directly before: `|`, `.`, `is`, or anything else.
    let mut before = Before::Other;
    while let Some((start, c)) = chars.next() {
        match c {
            '\'' | '"' => {
                skip_text(&mut chars, c);
                before = Before::Other;
            }
            '|' => before = Before::Pipe,
            '.' => before = Before::Dot,
            c if c.is_whitespace() => {}
            c if is_name_start(c) => {
                let name = read_name(code, start, &mut chars);
                let called = code
                    .get(start + name.len()..)
                    .is_some_and(|rest| rest.trim_start().starts_with('('));
                let kind = match (before, name) {
                    (Before::Is, "not") => continue,
                    (Before::Pipe, _) => Some(CallKind::Filter),
                    (Before::Is, _) => Some(CallKind::Test),
                    (Before::Dot, _) => called.then_some(CallKind::Method),
                    (Before::Other, name) => {
                        (called && !KEYWORDS.contains(&name)).then_some(CallKind::Function)
                    }
                };
                found.extend(kind.map(|kind| UnknownCall {
                    kind,
                    name: name.to_owned(),
                }));
                before = if kind.is_none() && before == Before::Other && name == "is" {
                    Before::Is
                } else {
                    Before::Other
                };
            }
            _ => before = Before::Other,
        }
    }
    found
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    Pipe,
    Dot,
    Is,
    Other,
}

fn is_name_start(c: char) -> bool {
    c.is_alphabetic() || c == '_'
}

fn read_name<'a>(code: &'a str, start: usize, chars: &mut Peekable<CharIndices<'_>>) -> &'a str {
    while chars
        .next_if(|&(_, c)| c.is_alphanumeric() || c == '_')
        .is_some()
    {}
    let end = chars.peek().map_or(code.len(), |&(at, _)| at);
    code.get(start..end).unwrap_or_default()
}

fn skip_text(chars: &mut Peekable<CharIndices<'_>>, quote: char) {
    while let Some((_, c)) = chars.next() {
        if c == '\\' {
            chars.next();
        } else if c == quote {
            return;
        }
    }
}

/// The parts of a template between `{{ }}` and `{% %}`.
fn code_of_template(text: &str) -> Vec<&str> {
    let mut code = Vec::new();
    let mut rest = text;
    while let Some(open) = rest.find(['{']) {
        let tail = rest.get(open..).unwrap_or_default();
        let (close, is_code) = match tail.get(..2) {
            Some("{{") => ("}}", true),
            Some("{%") => ("%}", true),
            Some("{#") => ("#}", false),
            _ => {
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
        };
        let inner = tail.get(2..).unwrap_or_default();
        let end = end_of_code(inner, close, is_code);
        if is_code {
            code.push(inner.get(..end).unwrap_or_default());
        }
        rest = inner.get(end + close.len()..).unwrap_or_default();
        if inner
            .get(..end)
            .is_some_and(|tag| tag.trim_matches(['-', '+', ' ']) == "raw")
        {
            rest = rest
                .find("endraw")
                .and_then(|at| rest.get(at..))
                .unwrap_or_default();
        }
    }
    code
}

fn end_of_code(inner: &str, close: &str, is_code: bool) -> usize {
    let mut chars = inner.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        if is_code && (c == '\'' || c == '"') {
            skip_text(&mut chars, c);
        } else if inner.get(at..).is_some_and(|rest| rest.starts_with(close)) {
            return at;
        }
    }
    inner.len()
}
