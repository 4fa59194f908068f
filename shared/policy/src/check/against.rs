//! A flow file held against what its target says it accepts.

use serde_json::Value;
use tidegate_model::flow::FlowFile;

use super::{Mistake, document::Document};
use crate::{
    contract::{Contract, ContractError, Writes, differences},
    expr::Context,
    flow::{Settings, base_url},
};

/// What a flow file without mistakes writes that the target's description does not accept, each at its
/// place in the file. None for a flow that says nothing of a description (`[target.contract]`).
pub fn against(
    file_name: &str,
    text: &str,
    settings: &Settings,
    description: &Value,
) -> Option<Result<Vec<Mistake>, ContractError>> {
    let document = Document::parse(file_name, text).ok()?;
    let file: FlowFile = toml::from_str(text).ok()?;
    let address = document.text("/target/base_url").unwrap_or_default();
    // Without its settings the address is not known, and paths are compared by their ends.
    let context = Context::new().with("env", settings);
    let writes = Writes::of(&file, &base_url(address, &context).unwrap_or_default())?;
    let contract = match Contract::read(description, &writes) {
        Ok(contract) => contract,
        Err(error) => return Some(Err(error)),
    };
    let found = differences(&writes, &contract).into_iter();
    let at = |pointer: &str| document.line(pointer);
    Some(Ok(found
        .map(|one| Mistake::new(file_name, at(&one.pointer), one.to_string()))
        .collect()))
}
