//! A flow file held against what its target says it accepts, and against the same flow elsewhere.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize as _;
use serde_json::{Map, Value};
use tidegate_model::flow::FlowFile;

use super::{
    Mistake,
    document::{Document, child},
    shown,
};
use crate::{
    contract::{Contract, ContractError, Writes, changes, differences},
    expr::Context,
    flow::{FlowText, Settings, base_url},
};

/// Where the fields stand in a flow file.
const FIELDS: &str = "/schema/properties";

/// What a flow file without mistakes writes that the target's description does not accept, each at its
/// place in the file. None for a flow that does not name a description (`[target.contract]`) where this
/// one has none of its calls: it is another target's.
pub fn against(
    flow: &FlowText,
    settings: &Settings,
    description: &Value,
) -> Option<Result<Vec<Mistake>, ContractError>> {
    let (document, file) = read(flow)?;
    let writes = writes(&document, &file, settings);
    let contract = match Contract::read(description, &writes) {
        Ok(contract) => contract,
        Err(error) => return Some(Err(error)),
    };
    if contract.is_empty() && file.target.contract().is_none() {
        return None;
    }
    Some(Ok(not_accepted(&document, &writes, &contract, "")))
}

fn read(flow: &FlowText) -> Option<(Document, FlowFile)> {
    let (document, _) = Document::of_flow(flow).ok()?;
    let file = FlowFile::deserialize(&document.value).ok()?;
    Some((document, file))
}

/// Without its settings the target's address is not known, and paths are compared by their ends.
fn writes(document: &Document, file: &FlowFile, settings: &Settings) -> Writes {
    let address = document.text("/target/base_url").unwrap_or_default();
    let context = Context::new().with("env", settings);
    Writes::of(file, &base_url(address, &context).unwrap_or_default())
}

fn not_accepted(
    document: &Document,
    writes: &Writes,
    contract: &Contract,
    prefix: &str,
) -> Vec<Mistake> {
    let found = differences(writes, contract).into_iter();
    found
        .map(|one| document.mistake(&one.pointer, format!("{prefix}{one}")))
        .collect()
}

/// A flow as an instance has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// Its revision.
    pub revision: u32,
    /// Hash of its file.
    pub file_hash: String,
    /// JSON Schema of its fields.
    pub schema: Map<String, Value>,
    /// Hashes of its settings by name; none where the instance does not tell them.
    pub settings: Option<BTreeMap<String, String>>,
    /// What its target was last known to accept; none where it never told.
    pub contract: Option<Contract>,
}

/// How a flow file without mistakes differs from the same flow of an instance, each difference at its
/// place in the file. `there` is none where that instance does not have the flow.
pub fn against_instance(
    flow: &FlowText,
    settings: &Settings,
    there: Option<&Elsewhere>,
) -> Vec<Mistake> {
    let Some((document, file)) = read(flow) else {
        return Vec::new();
    };
    let differs = |pointer: &str, message: String| document.mistake(pointer, message);
    let Some(there) = there else {
        let message = format!("the flow `{}` is not deployed there", file.name);
        return vec![differs("/name", message)];
    };
    let here = Elsewhere {
        revision: file.revision,
        file_hash: document.hash.clone(),
        schema: file.schema.clone(),
        settings: None,
        contract: None,
    };
    let mut found: Vec<Mistake> = file_differences(&here, there, ["here", "there"])
        .into_iter()
        .map(|(pointer, how)| differs(&pointer, how))
        .collect();
    if let Some(contract) = &there.contract {
        let writes = writes(&document, &file, settings);
        found.extend(not_accepted(&document, &writes, contract, "there, "));
    }
    found
}

/// How a flow of one instance compares with the same flow of another.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Between {
    /// In what they differ.
    pub differences: Vec<String>,
    /// What may differ, and what can not be compared.
    pub notes: Vec<String>,
}

/// Compares a flow of two instances, each given by its name and the flow as it has it, none where it does
/// not have it. Settings are where two stages are meant to differ: another value is a note, a setting that
/// one of them lacks is a difference.
pub fn between(
    flow: &str,
    one: (&str, Option<&Elsewhere>),
    other: (&str, Option<&Elsewhere>),
) -> Between {
    let [at_one, at_other] = [one.0, other.0].map(|name| format!("at {name}"));
    let mut found = Between::default();
    match (one.1, other.1) {
        (Some(one), Some(other)) => {
            let at = [at_one.as_str(), at_other.as_str()];
            let of_files = file_differences(one, other, at).into_iter();
            found.differences.extend(of_files.map(|(_, how)| how));
            compare_settings(&mut found, one, other, at);
            compare_contracts(&mut found, one, other, at);
        }
        (Some(_), None) => found.differences.push(format!("deployed {at_one} only")),
        (None, Some(_)) => found.differences.push(format!("deployed {at_other} only")),
        (None, None) => {}
    }
    for line in found.differences.iter_mut().chain(&mut found.notes) {
        *line = shown(&format!("{flow}: {line}"));
    }
    found
}

fn compare_settings(
    found: &mut Between,
    one: &Elsewhere,
    other: &Elsewhere,
    [at_one, at_other]: [&str; 2],
) {
    let (mine, theirs) = match (&one.settings, &other.settings) {
        (Some(mine), Some(theirs)) => (mine, theirs),
        (mine, _) => {
            let silent = if mine.is_none() { at_one } else { at_other };
            found.notes.push(format!("settings are not told {silent}"));
            return;
        }
    };
    let (mut differ, mut same) = (Vec::new(), Vec::new());
    for name in mine.keys().chain(theirs.keys()).collect::<BTreeSet<_>>() {
        let setting = format!("`env.{name}`");
        match (mine.get(name), theirs.get(name)) {
            (Some(mine), Some(theirs)) if mine == theirs => same.push(setting),
            (Some(_), Some(_)) => differ.push(setting),
            (mine, _) => {
                let at = if mine.is_some() { at_one } else { at_other };
                found
                    .differences
                    .push(format!("{setting} is set {at} only"));
            }
        }
    }
    // Both are told: a stage that has the address of another's target is worse than one that has not.
    for (settings, are) in [
        (differ, "that differ, as they may"),
        (same, "that are the same"),
    ] {
        if !settings.is_empty() {
            found
                .notes
                .push(format!("settings {are}: {}", settings.join(", ")));
        }
    }
}

fn compare_contracts(
    found: &mut Between,
    one: &Elsewhere,
    other: &Elsewhere,
    [at_one, at_other]: [&str; 2],
) {
    match (&one.contract, &other.contract) {
        (Some(mine), Some(theirs)) => {
            let changed = changes(mine, theirs).into_iter();
            let told = changed.map(|change| {
                format!("what the target accepts, first {at_one}, then {at_other}: {change}")
            });
            found.differences.extend(told);
        }
        (None, None) => {}
        (mine, _) => {
            let silent = if mine.is_none() { at_one } else { at_other };
            found
                .notes
                .push(format!("what the target accepts is not known {silent}"));
        }
    }
}

/// What differs between two files of a flow, each with its pointer into the file.
fn file_differences(here: &Elsewhere, there: &Elsewhere, at: [&str; 2]) -> Vec<(String, String)> {
    let [at_one, at_other] = at;
    let mut found = Vec::new();
    let mut differs = |message: String| found.push(("/revision".to_owned(), message));
    if here.revision != there.revision {
        differs(format!(
            "revision {} {at_one}, {} {at_other}",
            here.revision, there.revision
        ));
    } else if here.file_hash != there.file_hash {
        differs(format!(
            "another file under the same revision: hash {} {at_one}, {} {at_other}",
            here.file_hash, there.file_hash
        ));
    }
    found.extend(schema_differences(&here.schema, &there.schema, at));
    found
}

/// What differs between two schemas of fields: each field, and each keyword beside them.
fn schema_differences(
    here: &Map<String, Value>,
    there: &Map<String, Value>,
    at: [&str; 2],
) -> Vec<(String, String)> {
    let mut found = keyword_differences("/schema", here, there, at);
    found.retain(|(pointer, _)| pointer != FIELDS);
    let empty = Map::new();
    let fields = |schema: &'_ Map<String, Value>| {
        let fields = schema.get("properties").and_then(Value::as_object);
        fields.unwrap_or(&empty).clone()
    };
    found.extend(keyword_differences(
        FIELDS,
        &fields(here),
        &fields(there),
        at,
    ));
    found
}

fn keyword_differences(
    pointer: &str,
    here: &Map<String, Value>,
    there: &Map<String, Value>,
    [at_one, at_other]: [&str; 2],
) -> Vec<(String, String)> {
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    names
        .into_iter()
        .filter_map(|name| {
            let how = match (here.get(name), there.get(name)) {
                (Some(here), Some(there)) if here == there => return None,
                (Some(here), Some(there)) => {
                    format!("`{name}` is {here} {at_one}, {there} {at_other}")
                }
                (Some(_), None) => format!("`{name}` is not in the schema {at_other}"),
                (None, _) => format!("`{name}` is in the schema {at_other} only"),
            };
            Some((child(pointer, name), how))
        })
        .collect()
}
