//! `check`: every mistake of the flow files; and what differs from a target or another instance.

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde::Deserialize;
use serde_json::{Map, Value};
use tidegate_connect::HttpClient;
use tidegate_engine::{
    api::ReviewId,
    ports::{Clock as _, Effect, Http as _, Request},
};
use tidegate_lambda::{Config, SystemClock};
use tidegate_model::flow::{FlowFile, Method};
use tidegate_policy::{
    check::{self, Elsewhere, Mistake, without_secrets},
    contract::Contract,
    expr::{Context, Encoding, Template},
};

use crate::{
    cli::{CheckArgs, Outcome, http_url},
    flows::{self, Files},
    offline::print,
    place::Place,
    remote::Client,
};

/// Within which a description is answered: large ones take seconds to make.
const TIMEOUT: Duration = Duration::from_secs(30);

/// Tells every mistake of the flow files, and what each flow promises. Of settings and secrets those
/// that are set here are judged. Files without mistakes are then held against what `--against` names.
pub(crate) async fn run(args: &CheckArgs) -> anyhow::Result<Outcome> {
    let files = flows::read(args.flows.as_deref())?;
    let place = Place::of_config(&Config::from_env()).without_addresses();
    let mut report = check::check(&files, place.settings(), SystemClock.now());
    for (name, text) in &files {
        let malformed = flows::malformed_secrets(name, text, &place);
        report.mistakes.extend(malformed);
    }
    let stages = flows::read_stages(args.flows.as_deref())?;
    let (mistakes, warnings) = check::stages(&files, &stages);
    report.mistakes.extend(mistakes);
    report.warnings.extend(warnings);
    print(&report.to_string())?;
    if !report.is_ok() {
        return Ok(Outcome::Found);
    }
    match (&args.against, &args.token) {
        (None, _) => Ok(Outcome::Fine),
        (Some(url), Some(token)) => against_instance(&files, &place, url, token).await,
        (Some(place_of), None) => against_target(&files, &place, place_of).await,
    }
}

/// Prints what differs, and how much.
fn tell(found: &[Mistake], compared: usize, with: &str) -> anyhow::Result<Outcome> {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let flows = if compared == 1 { "flow" } else { "flows" };
    let sum = match found.len() {
        0 => format!("{compared} {flows}: no differences from {with}"),
        1 => format!("1 difference from {with}"),
        many => format!("{many} differences from {with}"),
    };
    print(&format!("{}\n", [lines, vec![sum]].concat().join("\n")))?;
    Ok(if found.is_empty() {
        Outcome::Fine
    } else {
        Outcome::Found
    })
}

async fn against_target(files: &Files, place: &Place, with: &str) -> anyhow::Result<Outcome> {
    let whole = whole_description(with).await?;
    let mut found = Vec::new();
    let mut compared = 0;
    for (name, text) in files {
        let (from, description) = match &whole {
            Some(whole) => (with.to_owned(), whole.clone()),
            None => match path_of_description(text, place)? {
                Some(path) => description_below(with, &path).await?,
                None => continue,
            },
        };
        match check::against(name, text, place.settings(), &description) {
            Some(Ok(differences)) => found.extend(differences),
            Some(Err(error)) => bail!("{} can not be read: {error}", without_secrets(&from)),
            None => continue,
        }
        compared += 1;
    }
    if compared == 0 {
        match whole {
            Some(_) => bail!(
                "{} describes no call by which a flow writes, so there is nothing to compare",
                without_secrets(with)
            ),
            None => bail!(
                "no flow names a `[target.contract]`, so there is nothing to compare: name the OpenAPI document itself, or a file that holds it"
            ),
        }
    }
    tell(&found, compared, &without_secrets(with))
}

/// The document that is named; none where an address leads to something else.
async fn whole_description(with: &str) -> anyhow::Result<Option<Value>> {
    if http_url(with).is_err() {
        let text = std::fs::read_to_string(with)
            .with_context(|| format!("{with} is neither an address nor a file that can be read"))?;
        let document = serde_json::from_str(&text);
        return Ok(Some(
            document.with_context(|| format!("{with} is not JSON"))?,
        ));
    }
    let (status, body) = fetch(with).await?;
    let is_description = |body: &Value| status == 200 && body.get("openapi").is_some();
    Ok(body.filter(is_description))
}

/// The document of a target that is named by its address, and where it is.
async fn description_below(with: &str, path: &str) -> anyhow::Result<(String, Value)> {
    let url = format!("{}{path}", with.trim_end_matches('/'));
    let (status, body) = fetch(&url).await?;
    match body.filter(|_| status == 200) {
        Some(description) => Ok((url, description)),
        None => bail!(
            "{} answered {status}, or something that is not JSON: name the OpenAPI document itself, or a file that holds it",
            without_secrets(&url)
        ),
    }
}

/// Where below its address the target of a flow describes itself, if the flow says so.
fn path_of_description(text: &str, place: &Place) -> anyhow::Result<Option<String>> {
    let file: FlowFile = toml::from_str(text)?;
    let Some(contract) = file.target.contract() else {
        return Ok(None);
    };
    let context = Context::new().with("env", place.settings());
    let path = Template::compile(&contract.openapi, Encoding::PathSegment)?.render(&context);
    Ok(Some(path?))
}

/// Asks without credentials: what is named on the command line gets no secret of the flow.
async fn fetch(url: &str) -> anyhow::Result<(u16, Option<Value>)> {
    let nothing = Place::of_config(&Config::from_map(
        std::collections::BTreeMap::new(),
        "nowhere",
    ));
    let request = Request {
        method: Method::Get,
        url: url.to_owned(),
        headers: Vec::new(),
        body: None,
        effect: Effect::Read,
        timeout: TIMEOUT,
    };
    let sent = HttpClient::new(Arc::new(nothing)).send(&request).await;
    let sent = sent.with_context(|| format!("{} can not be asked", without_secrets(url)))?;
    Ok((sent.status, sent.body))
}

/// A flow as another instance has it.
#[derive(Deserialize)]
struct FlowThere {
    revision: u32,
    file_hash: String,
    schema: Map<String, Value>,
    contract: Option<ContractThere>,
}

#[derive(Deserialize)]
struct ContractThere {
    format: i64,
    accepts: Value,
}

async fn against_instance(
    files: &Files,
    place: &Place,
    url: &str,
    token: &str,
) -> anyhow::Result<Outcome> {
    let client = Client::at(&http_url(url).map_err(anyhow::Error::msg)?, token)?;
    let mut found = Vec::new();
    for (name, text) in files {
        let file: FlowFile = toml::from_str(text)?;
        let path = format!(
            "/v1/flows/{}/schema",
            ReviewId::encode_path(file.name.as_str())
        );
        let there = client.find::<FlowThere>(&path).await?;
        let there = there.map(elsewhere).transpose()?;
        found.extend(check::against_instance(
            name,
            text,
            place.settings(),
            there.as_ref(),
        ));
    }
    tell(&found, files.len(), url)
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
        contract,
    })
}
