//! A flow file held against what its target says it accepts, and against the same flow elsewhere.

use std::collections::BTreeSet;

use serde_json::{Map, Value};
use tidegate_model::flow::FlowFile;

use super::{
    Mistake,
    document::{Document, child},
};
use crate::{
    contract::{Contract, ContractError, Writes, differences},
    expr::Context,
    flow::{Settings, base_url, hash_of},
};

/// What a flow file without mistakes writes that the target's description does not accept, each at its
/// place in the file. None for a flow that does not name a description (`[target.contract]`) where this
/// one has none of its calls: it is another target's.
pub fn against(
    file_name: &str,
    text: &str,
    settings: &Settings,
    description: &Value,
) -> Option<Result<Vec<Mistake>, ContractError>> {
    let document = Document::parse(file_name, text).ok()?;
    let file: FlowFile = toml::from_str(text).ok()?;
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
        .map(|one| {
            let line = document.line(&one.pointer);
            Mistake::new(&document.file, line, format!("{prefix}{one}"))
        })
        .collect()
}

/// A flow as another instance has it.
#[derive(Clone, Debug, PartialEq)]
pub struct Elsewhere {
    /// Its revision.
    pub revision: u32,
    /// Hash of its file.
    pub file_hash: String,
    /// JSON Schema of its fields.
    pub schema: Map<String, Value>,
    /// What its target was last known to accept; none where it never told.
    pub contract: Option<Contract>,
}

/// How a flow file without mistakes differs from the same flow of another instance, each difference at
/// its place in the file. `there` is none where that instance does not have the flow.
pub fn against_instance(
    file_name: &str,
    text: &str,
    settings: &Settings,
    there: Option<&Elsewhere>,
) -> Vec<Mistake> {
    let Ok(document) = Document::parse(file_name, text) else {
        return Vec::new();
    };
    let Ok(file) = toml::from_str::<FlowFile>(text) else {
        return Vec::new();
    };
    let differs =
        |pointer: &str, message: String| Mistake::new(file_name, document.line(pointer), message);
    let Some(there) = there else {
        let message = format!("the flow `{}` is not deployed there", file.name);
        return vec![differs("/name", message)];
    };
    let mut found = Vec::new();
    if file.revision != there.revision {
        let message = format!("revision {} here, {} there", file.revision, there.revision);
        found.push(differs("/revision", message));
    } else if hash_of(text) != there.file_hash {
        let message = format!(
            "another file under the same revision: hash {} here, {} there",
            hash_of(text),
            there.file_hash
        );
        found.push(differs("/revision", message));
    }
    for (pointer, how) in schema_differences(&file.schema, &there.schema) {
        found.push(differs(&pointer, how));
    }
    if let Some(contract) = &there.contract {
        let writes = writes(&document, &file, settings);
        found.extend(not_accepted(&document, &writes, contract, "there, "));
    }
    found
}

/// What differs between two schemas of fields: each field, and each keyword beside them.
fn schema_differences(
    here: &Map<String, Value>,
    there: &Map<String, Value>,
) -> Vec<(String, String)> {
    let mut found = keyword_differences("/schema", here, there, &["properties"]);
    let empty = Map::new();
    let fields = |schema: &'_ Map<String, Value>| {
        let fields = schema.get("properties").and_then(Value::as_object);
        fields.unwrap_or(&empty).clone()
    };
    found.extend(keyword_differences(
        "/schema/properties",
        &fields(here),
        &fields(there),
        &[],
    ));
    found
}

fn keyword_differences(
    at: &str,
    here: &Map<String, Value>,
    there: &Map<String, Value>,
    but: &[&str],
) -> Vec<(String, String)> {
    let names: BTreeSet<&String> = here.keys().chain(there.keys()).collect();
    let names = names
        .into_iter()
        .filter(|name| !but.contains(&name.as_str()));
    names
        .filter_map(|name| {
            let how = match (here.get(name), there.get(name)) {
                (Some(here), Some(there)) if here == there => return None,
                (Some(here), Some(there)) => format!("`{name}` is {here} here, {there} there"),
                (Some(_), None) => format!("`{name}` is not in the schema there"),
                (None, _) => format!("`{name}` is in the schema there only"),
            };
            Some((child(at, name), how))
        })
        .collect()
}
