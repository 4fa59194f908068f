//! What flows say about one another: names, the systems that they share, and one object carried by
//! two of them.

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
            mistakes.push(document.mistake(
                "/name",
                format!(
                    "the flow `{name}` is also in {}: give it another name",
                    other.place_words("/name")
                ),
            ));
        }
        for (side, shared) in [("/source", SHARED_BY_SOURCE), ("/target", SHARED_BY_TARGET)] {
            mistakes.extend(compare(document, &before, side, &shared));
        }
    }
    mistakes.extend(decisions(documents));
    mistakes.extend(two_roles(documents));
    mistakes.extend(unordered(documents));
    mistakes
}

/// Decisions of one source are counted together.
fn decisions(documents: &[&Document]) -> Vec<Mistake> {
    const AT: &str = "/decide/limit";
    let mut mistakes = Vec::new();
    for (index, document) in documents.iter().enumerate() {
        let (Some(name), Some(limit)) = (document.text("/source/name"), document.get(AT)) else {
            continue;
        };
        let differs = |other: &&&Document| {
            other.text("/source/name") == Some(name)
                && other.get(AT).is_some_and(|theirs| theirs != limit)
        };
        if let Some(other) = documents.iter().take(index).find(differs) {
            mistakes.push(document.mistake(
                AT,
                format!(
                    "decisions of the source `{name}` have another `limit` in {}: they are counted together, so say the same",
                    other.place_words(AT)
                ),
            ));
        }
    }
    mistakes
}

/// Calls are counted by a system's name, and what the source's limit allows is not what the target's
/// does: a system that is read and written goes by two names.
fn two_roles(documents: &[&Document]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    for document in documents {
        let Some(name) = document.text("/target/name") else {
            continue;
        };
        let is_source = |other: &&&Document| other.text("/source/name") == Some(name);
        if let Some(other) = documents.iter().find(is_source) {
            mistakes.push(document.mistake(
                "/target/name",
                format!(
                    "`{name}` is a source too in {}, and a name has one limit and one breaker: give the target another name",
                    other.place_words("/source/name")
                ),
            ));
        }
    }
    mistakes
}

/// Flows that carry one object in one direction can overtake each other: only a sequence number of
/// the source tells which is newer (R35). Each flow keeps registers of its own, so a target must know
/// the record by our key as well: any other would get one of each flow.
fn unordered(documents: &[&Document]) -> Vec<Mistake> {
    let carried: Vec<_> = documents
        .iter()
        .map(|document| Carried::by(document))
        .collect();
    let mut mistakes = Vec::new();
    for (index, (document, object)) in documents.iter().zip(&carried).enumerate() {
        let by = document.text("/record/version/by");
        let (Some(object), Some(by)) = (object, by) else {
            continue;
        };
        let same = |(at, other): &(usize, &Option<Carried<'_>>)| {
            *at != index && other.as_ref() == Some(object)
        };
        let Some(other) = carried
            .iter()
            .enumerate()
            .find(same)
            .and_then(|(at, _)| documents.get(at))
        else {
            continue;
        };
        let same_key = document.text("/record/key") == other.text("/record/key");
        let upserts = document.get("/target/upsert").is_some();
        let (place, why) = match by {
            // By other keys they are other records, which the flows mean to keep apart.
            "sequence" if upserts || !same_key => continue,
            "sequence" => (
                "/target",
                format!(
                    "each flow would create a record of its own in `{}`: leave the object to one flow, or write to a target that upserts by our key",
                    object.target
                ),
            ),
            _ => (
                "/record/version",
                format!(
                    "by `{by}` nothing tells which of the two is newer: leave the object to one flow, or order both by a `sequence` of the source"
                ),
            ),
        };
        mistakes.push(document.mistake(
            place,
            format!(
                "{} carries the same object from `{}` to `{}`, and {why}",
                other.place_words("/name"),
                object.source,
                object.target,
            ),
        ));
    }
    mistakes
}

/// One object and direction: what is listed where, and what is written where.
#[derive(PartialEq)]
struct Carried<'a> {
    source: &'a str,
    listed: &'a str,
    target: &'a str,
    /// None where the target has one kind of object.
    written: Option<&'a str>,
}

impl<'a> Carried<'a> {
    fn by(document: &'a Document) -> Option<Self> {
        let written = ["upsert", "create"]
            .iter()
            .find_map(|call| document.text(&format!("/target/{call}/path")))
            .map(object);
        Some(Self {
            source: document.text("/source/name")?,
            listed: object(document.text("/source/list/path")?),
            target: document.text("/target/name")?,
            written,
        })
    }
}

/// What a path names, however it is written: without its query, and without `/` at the end.
fn object(path: &str) -> &str {
    let path = path.split_once('?').map_or(path, |(path, _)| path);
    path.trim_end_matches('/')
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
            document.mistake(
                &at,
                format!(
                    "the {kind} `{name}` has another `{part}` in {}: flows that share a {kind} say the same, or name it otherwise",
                    other.place_words(&at)
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
