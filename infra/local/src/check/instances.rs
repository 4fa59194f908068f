//! Flow files held against what instances have, and instances against each other.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::Context as _;
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_engine::api::ReviewId;
use tidegate_policy::{
    check::{self, Elsewhere, Mistake},
    contract::Contract,
};

use super::{count, tell};
use crate::{
    cli::{Outcome, http_url},
    flows::{self, Files},
    offline::print,
    place::Place,
    remote::Client,
};

/// A flow as another instance has it.
#[derive(Deserialize)]
struct FlowThere {
    revision: u32,
    file_hash: String,
    schema: Map<String, Value>,
    /// An instance of an older release does not tell them.
    settings: Option<BTreeMap<String, String>>,
    contract: Option<ContractThere>,
}

/// The flows that an instance has.
#[derive(Deserialize)]
struct FlowsThere {
    items: Vec<NamedThere>,
}

#[derive(Deserialize)]
struct NamedThere {
    flow: String,
}

#[derive(Deserialize)]
struct ContractThere {
    format: i64,
    accepts: Value,
}

/// An instance, and the flows that were looked for there.
struct Stage<'a> {
    url: &'a str,
    flows: BTreeMap<String, Option<Elsewhere>>,
}

/// The files are held against each instance, and of several each against the next: a flow that only
/// instances have is compared among them.
pub(super) async fn against_instances(
    files: &Files,
    place: &Place,
    urls: &[String],
    tokens: &[String],
) -> anyhow::Result<Outcome> {
    let mut clients = Vec::new();
    for (url, token) in urls.iter().zip(tokens) {
        let address = http_url(url).map_err(anyhow::Error::msg)?;
        clients.push((url, Client::at(&address, token)?));
    }
    let flows = flows::parse(files)?;
    let here: BTreeSet<String> = flows
        .iter()
        .map(|(_, flow)| flow.name.to_string())
        .collect();
    let mut names = here.clone();
    for (_, client) in &clients {
        let there: FlowsThere = client.get("/v1/flows").await?;
        names.extend(there.items.into_iter().map(|one| one.flow));
    }
    let mut stages = Vec::new();
    for (url, client) in &clients {
        let mut flows = BTreeMap::new();
        for name in &names {
            let path = format!("/v1/flows/{}/schema", ReviewId::encode_path(name));
            let there = client.find::<FlowThere>(&path).await?;
            flows.insert(name.clone(), there.map(elsewhere).transpose()?);
        }
        stages.push(Stage { url, flows });
    }
    let mut differ = false;
    for stage in &stages {
        let mut found = Vec::new();
        for (text, (_, flow)) in files.iter().zip(&flows) {
            let there = stage.flows.get(flow.name.as_str()).and_then(Option::as_ref);
            found.extend(check::against_instance(text, place.settings(), there));
        }
        let there = stage.flows.iter().filter(|(_, there)| there.is_some());
        let there_alone = there.filter(|(name, _)| !here.contains(*name));
        found.extend(there_alone.map(|(name, _)| Mistake {
            file: stage.url.to_owned(),
            line: 1,
            message: format!("the flow `{name}` is deployed there, and no file here has it"),
        }));
        differ |= tell(&found, files.len(), stage.url)? == Outcome::Found;
    }
    for pair in stages.windows(2) {
        if let [one, other] = pair {
            differ |= tell_between(one, other)? == Outcome::Found;
        }
    }
    Ok(if differ {
        Outcome::Found
    } else {
        Outcome::Fine
    })
}

/// Prints in what two instances differ, and in the last line whether they do.
fn tell_between(one: &Stage<'_>, other: &Stage<'_>) -> anyhow::Result<Outcome> {
    let (mut differences, mut notes) = (Vec::new(), Vec::new());
    for (name, here) in &one.flows {
        let there = other.flows.get(name).and_then(Option::as_ref);
        let found = check::between(name, (one.url, here.as_ref()), (other.url, there));
        differences.extend(found.differences);
        notes.extend(found.notes);
    }
    let (outcome, sum) = match differences.len() {
        0 => (
            Outcome::Fine,
            format!(
                "{} matches {}: {}, no differences",
                one.url,
                other.url,
                count(one.flows.len(), "flow")
            ),
        ),
        some => (
            Outcome::Found,
            format!(
                "{} does not match {}: {}",
                one.url,
                other.url,
                count(some, "difference")
            ),
        ),
    };
    print(&format!(
        "{}\n",
        [notes, differences, vec![sum]].concat().join("\n")
    ))?;
    Ok(outcome)
}

fn elsewhere(there: FlowThere) -> anyhow::Result<Elsewhere> {
    let contract = match there.contract {
        Some(contract) if contract.format == tidegate_policy::contract::FORMAT => {
            let read = serde_json::from_value::<Contract>(contract.accepts);
            Some(read.context("what the target there accepts can not be read")?)
        }
        _ => None,
    };
    Ok(Elsewhere {
        revision: there.revision,
        file_hash: there.file_hash,
        schema: there.schema,
        settings: there.settings,
        contract,
    })
}
