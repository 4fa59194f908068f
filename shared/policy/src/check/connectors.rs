//! What a connector fills in.
//!
//! The flow's own words go before the connector's, part by part. Rows of `errors` are the exception:
//! the flow's come first and the connector's after them, since the first row that matches decides.

use serde_json::{Map, Value};

use super::{
    MAX_FILE_BYTES, Mistake,
    document::{Document, child},
    words::instead,
};
use crate::flow::FlowText;

/// What tells the forms of a part apart: where a flow chooses another form, nothing of the connector's
/// form is meant.
const TAGS: [&str; 2] = ["type", "by"];
/// The same for a limit, whose forms are told apart by their keys alone.
const LIMITS: [[&str; 2]; 2] = [["calls", "per_s"], ["bucket", "leak_per_s"]];
/// The parts of a connector's file that belong to its side of a flow.
const OF_SOURCE: [&str; 3] = ["source", "record", "webhook"];
const OF_TARGET: [&str; 1] = ["target"];
/// The sentence that says what a connector is for.
const DESCRIPTION: &str = "description";

/// Fills in what the connectors that the flow names know. What they are named by is taken out.
pub(super) fn fill_in(document: &mut Document, flow: &FlowText) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (side, parts) in [("source", &OF_SOURCE[..]), ("target", &OF_TARGET[..])] {
        if let Err(wrong) = fill_in_side(document, flow, side, parts) {
            mistakes.extend(wrong);
        }
    }
    mistakes
}

fn fill_in_side(
    document: &mut Document,
    flow: &FlowText,
    side: &str,
    parts: &[&str],
) -> Result<(), Vec<Mistake>> {
    let at = format!("/{side}/connector");
    let Some(named) = document.take(&at) else {
        return Ok(());
    };
    let wrong = |document: &Document, message: String| vec![document.mistake(&at, message)];
    let Value::String(name) = named else {
        let message = format!("`{side}.connector` must be the name of a connector, in quotes");
        return Err(wrong(document, message));
    };
    let Some((file, text)) = flow.connectors.get(&name) else {
        let known: Vec<&str> = flow.connectors.keys().map(String::as_str).collect();
        let message = if known.is_empty() {
            format!(
                "there is no connector `{name}`, and no folder `connectors` beside the flow file"
            )
        } else {
            let instead = instead(&name, known);
            format!("there is no connector `{name}`{instead}")
        };
        return Err(wrong(document, message));
    };
    if text.len() > MAX_FILE_BYTES {
        let told = format!(
            "the file has {} bytes, a connector has at most {MAX_FILE_BYTES}",
            text.len()
        );
        return Err(vec![Mistake::new(file, 1, told)]);
    }
    let theirs = Document::parse(file, text)?;
    let unknown: Vec<Mistake> = theirs
        .names("")
        .into_iter()
        .filter(|part| {
            ![&OF_SOURCE[..], &OF_TARGET, &[DESCRIPTION]]
                .concat()
                .contains(part)
        })
        .map(|part| {
            let message = format!("a connector has no `{part}`: that is for each flow to say");
            theirs.mistake(&child("", part), message)
        })
        .collect();
    if !unknown.is_empty() {
        return Err(unknown);
    }
    if theirs.get(&child("", side)).is_none() {
        let message = format!("the connector `{name}` is for no {side}: {file} has no `[{side}]`");
        return Err(wrong(document, message));
    }
    document.read_with(text);
    for part in parts {
        let at = child("", part);
        // That a system can push does not mean that this flow listens.
        if *part == "webhook" && document.get(&at).is_none() {
            continue;
        }
        if let Some(value) = theirs.get(&at) {
            fill(document, &theirs, value, &at);
        }
    }
    Ok(())
}

/// Puts what is missing at a place, and below it.
fn fill(document: &mut Document, theirs: &Document, value: &Value, at: &str) {
    let Some(ours) = document.get(at) else {
        document.insert(at, value.clone(), theirs, at);
        return;
    };
    match (ours, value) {
        (Value::Object(ours), Value::Object(table)) => {
            let is_other = |tag: &str| {
                let (ours, theirs) = (ours.get(tag), table.get(tag));
                ours.is_some() && theirs.is_some() && ours != theirs
            };
            let is_of = |table: &Map<String, Value>, form: &[&str; 2]| {
                form.iter().any(|key| table.contains_key(*key))
            };
            let [window, bucket] = LIMITS.map(|form| (is_of(ours, &form), is_of(table, &form)));
            let is_other_limit = matches!(
                (window, bucket),
                ((true, false), (_, true)) | ((_, true), (true, false))
            );
            if is_other_limit || TAGS.iter().any(|tag| is_other(tag)) {
                return;
            }
            for (name, value) in table {
                fill(document, theirs, value, &child(at, name));
            }
        }
        (Value::Array(ours), Value::Array(rows)) if at.ends_with("/errors") => {
            let first = ours.len();
            for (index, row) in rows.iter().enumerate() {
                let place = format!("{at}/{}", first + index);
                document.insert(&place, row.clone(), theirs, &format!("{at}/{index}"));
            }
        }
        _ => {}
    }
}
