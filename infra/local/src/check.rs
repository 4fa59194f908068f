//! `check`: every mistake of the flow files; and what differs from a target or from instances.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

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
    let (named, tokens) = (args.against.len(), args.token.len());
    if tokens != named && (tokens > 0 || named > 1) {
        bail!(
            "give each instance its token, in the same order: --against is there {named} times, --token {tokens} times"
        );
    }
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
    match (args.against.as_slice(), args.token.as_slice()) {
        ([], _) => Ok(Outcome::Fine),
        ([target], []) => against_target(&files, &place, target).await,
        (urls, tokens) => against_instances(&files, &place, urls, tokens).await,
    }
}

/// `1 flow`, `2 flows`.
fn count(n: usize, noun: &str) -> String {
    format!("{n} {noun}{}", if n == 1 { "" } else { "s" })
}

/// Prints what differs, and how much.
fn tell(found: &[Mistake], compared: usize, with: &str) -> anyhow::Result<Outcome> {
    let lines: Vec<String> = found.iter().map(ToString::to_string).collect();
    let sum = match found.len() {
        0 => format!("{}: no differences from {with}", count(compared, "flow")),
        some => format!("{} from {with}", count(some, "difference")),
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
    let nothing = Place::of_config(&Config::from_map(BTreeMap::new(), "nowhere"));
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
async fn against_instances(
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
    let mut names = BTreeSet::new();
    for (_, text) in files {
        names.insert(toml::from_str::<FlowFile>(text)?.name.to_string());
    }
    if clients.len() > 1 {
        for (_, client) in &clients {
            let there: FlowsThere = client.get("/v1/flows").await?;
            names.extend(there.items.into_iter().map(|one| one.flow));
        }
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
        for (name, text) in files {
            let flow = toml::from_str::<FlowFile>(text)?.name;
            let there = stage.flows.get(flow.as_str()).and_then(Option::as_ref);
            let settings = place.settings();
            found.extend(check::against_instance(name, text, settings, there));
        }
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
