//! `check`: every mistake of the flow files; and what differs from a target or from instances.

mod instances;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use anyhow::{Context as _, bail};
use serde_json::Value;
use tidegate_connect::HttpClient;
use tidegate_engine::ports::{Clock as _, Effect, Http as _, Request};
use tidegate_lambda::{Config, SystemClock};
use tidegate_model::flow::Method;
use tidegate_policy::{
    check::{self, Mistake, without_secrets},
    expr::{Context, Encoding, Template},
    flow::{FlowText, Settings},
};

use crate::{
    cli::{CheckArgs, Outcome, http_url},
    flows::{self, Files},
    offline::print,
    place::Place,
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
    let stages = flows::read_stages(args.flows.as_deref())?;
    // What is not set here is taken from a stage. Each is judged by itself below.
    let stage = stages
        .iter()
        .find_map(|(name, text)| check::filled_in(name, text));
    let mut settings: Settings = stage.unwrap_or_default();
    settings.extend(place.settings().clone());
    let mut report = check::check(&files, &settings, SystemClock.now());
    for flow in &files {
        let malformed = flows::malformed_secrets(flow, &place);
        report.mistakes.extend(malformed);
    }
    let (mistakes, warnings) = check::stages(&files, &stages);
    report.mistakes.extend(mistakes);
    report.warnings.extend(warnings);
    print(&report.to_string())?;
    if !report.is_ok() {
        return Ok(Outcome::Found);
    }
    let whole = stages
        .iter()
        .filter(|(name, text)| check::stage(name, text).is_ok());
    let whole: Vec<&str> = whole.map(|(file, _)| file.as_str()).collect();
    if !whole.is_empty() {
        print(&format!("every setting stands in {}\n", whole.join(", ")))?;
    }
    match (args.against.as_slice(), args.token.as_slice()) {
        ([], _) => Ok(Outcome::Fine),
        ([target], []) => against_target(&files, &place, target).await,
        (urls, tokens) => instances::against_instances(&files, &place, urls, tokens).await,
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
    for flow in files {
        let (from, description) = match &whole {
            Some(whole) => (with.to_owned(), whole.clone()),
            None => match path_of_description(flow, place)? {
                Some(path) => description_below(with, &path).await?,
                None => continue,
            },
        };
        match check::against(flow, place.settings(), &description) {
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
fn path_of_description(flow: &FlowText, place: &Place) -> anyhow::Result<Option<String>> {
    let file = check::read(flow);
    let Some(contract) = file.as_ref().and_then(|file| file.target.contract()) else {
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
