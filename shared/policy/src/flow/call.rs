//! Calls as data: method, path, query and headers with templates in them.

use std::collections::BTreeMap;

use percent_encoding::utf8_percent_encode;
use tidegate_model::flow::{Call, DecideSpec, Method};

use crate::expr::{Context, ENCODED, Encoding, ExprError, Template};

/// A compiled call.
#[derive(Clone, Debug)]
pub struct CallTemplate {
    method: Method,
    path: Template,
    query: Vec<(String, Template)>,
    headers: Vec<(String, Template)>,
    sends_body: bool,
    id: Option<String>,
}

/// A call with its values in place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rendered {
    /// The method.
    pub method: Method,
    /// What follows the base address: starts with `/`, percent-encoded.
    pub path_and_query: String,
    /// Headers besides those of authentication, in the order of their names.
    pub headers: Vec<(String, String)>,
    /// Whether the flow's body goes with it.
    pub sends_body: bool,
}

impl CallTemplate {
    /// Compiles a call of the file, with the headers of every call in front of its own.
    pub(super) fn compile(
        call: &Call,
        every_call: &BTreeMap<String, String>,
    ) -> Result<Self, ExprError> {
        let sends_body = call.send_body.unwrap_or(matches!(
            call.method,
            Method::Post | Method::Put | Method::Patch
        ));
        let mut headers = every_call.clone();
        headers.extend(call.headers.clone());
        let mut template = Self::new(call.method, &call.path, &call.query, &headers)?;
        template.sends_body = sends_body;
        template.id.clone_from(&call.id);
        Ok(template)
    }

    /// Compiles a call that reads.
    pub(super) fn get(
        path: &str,
        query: &BTreeMap<String, String>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, ExprError> {
        Self::new(Method::Get, path, query, headers)
    }

    /// Compiles the call that asks for a decision.
    pub(super) fn asking(
        spec: &DecideSpec,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, ExprError> {
        Self::new(spec.method.into(), &spec.path, &spec.query, headers)
    }

    fn new(
        method: Method,
        path: &str,
        query: &BTreeMap<String, String>,
        headers: &BTreeMap<String, String>,
    ) -> Result<Self, ExprError> {
        let plain = |texts: &BTreeMap<String, String>| {
            texts
                .iter()
                .map(|(name, text)| Ok((name.clone(), Template::compile(text, Encoding::Plain)?)))
                .collect::<Result<Vec<_>, ExprError>>()
        };
        Ok(Self {
            method,
            path: Template::compile(path, Encoding::PathSegment)?,
            query: plain(query)?,
            headers: plain(headers)?,
            sends_body: false,
            id: None,
        })
    }

    /// The method.
    pub fn method(&self) -> Method {
        self.method
    }

    /// Whether the flow's body goes with it.
    pub fn sends_body(&self) -> bool {
        self.sends_body
    }

    /// JSON pointer to the record's id in the answer.
    pub fn id_pointer(&self) -> Option<&str> {
        self.id.as_deref()
    }

    /// The call with values in place. Query parameters and headers that render empty are left out.
    pub fn render(&self, context: &Context) -> Result<Rendered, ExprError> {
        let mut path_and_query = self.path.render(context)?;
        if path_and_query.split('/').any(is_dot_segment) {
            // An HTTP client resolves such a segment, so the call would reach another resource.
            return Err(ExprError::evaluate(
                self.path.text(),
                "a value makes a path segment `.` or `..`",
            ));
        }
        for (index, (name, value)) in render_all(&self.query, context)?.iter().enumerate() {
            path_and_query.push(if index == 0 { '?' } else { '&' });
            path_and_query.extend(utf8_percent_encode(name, ENCODED));
            path_and_query.push('=');
            path_and_query.extend(utf8_percent_encode(value, ENCODED));
        }
        let headers = render_all(&self.headers, context)?;
        for ((_, value), (_, template)) in headers.iter().zip(&self.headers) {
            if value.chars().any(char::is_control) {
                return Err(ExprError::evaluate(
                    template.text(),
                    "a header cannot hold a control character",
                ));
            }
        }
        Ok(Rendered {
            method: self.method,
            path_and_query,
            headers,
            sends_body: self.sends_body,
        })
    }
}

fn render_all(
    templates: &[(String, Template)],
    context: &Context,
) -> Result<Vec<(String, String)>, ExprError> {
    let mut rendered = Vec::with_capacity(templates.len());
    for (name, template) in templates {
        let value = template.render(context)?;
        if !value.is_empty() {
            rendered.push((name.clone(), value));
        }
    }
    Ok(rendered)
}

fn is_dot_segment(segment: &str) -> bool {
    let plain = segment.to_ascii_lowercase().replace("%2e", ".");
    plain == "." || plain == ".."
}
