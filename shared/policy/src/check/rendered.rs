//! Texts with settings in place, which are judged where every setting in them is set: a missing one is told
//! elsewhere.

use serde_json::Value;

use super::{Findings, document::Document, words::written};
use crate::{
    expr::{Context, Encoding, Template},
    flow::Settings,
};

/// A text of the file with its settings in place.
pub(super) struct Rendered<'a> {
    written: &'a str,
    pub(super) text: String,
}

impl<'a> Rendered<'a> {
    /// The text at a place; none where a setting is missing, or the template is wrong.
    pub(super) fn at(findings: &Findings<'a>, pointer: &str, settings: &Settings) -> Option<Self> {
        let (written, context) = in_context(findings.document, pointer, settings)?;
        let template = Template::compile(written, Encoding::Plain).ok()?;
        let text = template.render(&context).ok()?;
        Some(Self { written, text })
    }

    /// What the file has instead of what would be right.
    pub(super) fn but_written(&self) -> String {
        let text = written(&Value::String(self.text.clone()));
        if self.text == self.written {
            format!(", {text} is written")
        } else {
            format!(", {text} is what its settings make of it")
        }
    }
}

/// The template at a place, and all that is needed to render it.
pub(super) fn in_context<'a>(
    document: &'a Document,
    pointer: &str,
    settings: &Settings,
) -> Option<(&'a str, Context)> {
    let text = document.text(pointer)?;
    let names = Template::compile(text, Encoding::Plain).ok()?.names();
    let is_set = |path: &String| {
        path.strip_prefix("env.")
            .is_some_and(|name| settings.contains_key(name))
    };
    let can_render = names.unknown_calls.is_empty() && names.paths.iter().all(is_set);
    can_render.then(|| (text, Context::new().with("env", settings)))
}
