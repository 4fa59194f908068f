//! What flows say about one another: names, and the systems that they share.

use serde_json::Value;

use super::{Mistake, document::Document};

/// What flows that name the same system must say alike, since they share it.
const SHARED_BY_TARGET: [&str; 3] = ["base_url", "limits", "breaker"];
const SHARED_BY_SOURCE: [&str; 3] = ["base_url", "limit", "breaker"];

pub(super) fn mistakes(documents: &[&Document]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let before: Vec<&Document> = documents.iter().take(index).copied().collect();
        if let Some(name) = document.text("/name")
            && let Some(other) = before
                .iter()
                .find(|other| other.text("/name") == Some(name))
        {
            mistakes.push(Mistake::new(
                &document.file,
                document.line("/name"),
                format!(
                    "the flow `{name}` is also in {}:{}: give it another name",
                    other.file,
                    other.line("/name")
                ),
            ));
        }
        for (side, shared) in [("/source", SHARED_BY_SOURCE), ("/target", SHARED_BY_TARGET)] {
            mistakes.extend(compare(document, &before, side, &shared));
        }
    }
    mistakes
}

fn compare(document: &Document, before: &[&Document], side: &str, shared: &[&str]) -> Vec<Mistake> {
    let Some(name) = document.text(&format!("{side}/name")) else {
        return Vec::new();
    };
    let same_name = |other: &&&Document| other.text(&format!("{side}/name")) == Some(name);
    let Some(other) = before.iter().find(same_name) else {
        return Vec::new();
    };
    let differs = |part: &&&str| {
        let at = format!("{side}/{part}");
        effective(document, &at) != effective(other, &at)
    };
    shared
        .iter()
        .filter(differs)
        .map(|part| {
            let at = format!("{side}/{part}");
            let kind = side.trim_start_matches('/');
            Mistake::new(
                &document.file,
                document.line(&at),
                format!(
                    "the {kind} `{name}` has another `{part}` in {}:{}: flows that share a {kind} say the same, or name it otherwise",
                    other.file,
                    other.line(&at)
                ),
            )
        })
        .collect()
}

/// A part as it works: a table that is left out is an empty one.
fn effective(document: &Document, pointer: &str) -> Value {
    document
        .get(pointer)
        .cloned()
        .unwrap_or_else(|| Value::Object(serde_json::Map::new()))
}
