//! The flow that is simulated: a real flow file, its two systems replaced by simulated ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use anyhow::{Context as _, bail};
use tidegate_connect::connect;
use tidegate_engine::FlowRuntime;
use tidegate_model::flow::{Auth, FlowFile, SourceSpec, TargetSpec};
use tidegate_policy::{
    check,
    flow::{Flow, FlowText, Settings},
};
use tidegate_testkit::doubles::qualio::RISK_LEVELS;

use super::{
    network::{SOURCE_URL, TARGET_URL},
    options::SimulateArgs,
};
use crate::flows;

/// What a setting means that nobody has set: it is only shown to simulated systems.
const ANY_SETTING: &str = "simulated";
/// The same of an address: over plain http no secret is sent.
const ANY_ADDRESS: &str = "https://simulated";
/// A secret that every use takes: the form is that of Standard Webhooks. Not a secret of anybody.
pub(super) const ANY_SECRET: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";

/// The flow, ready for its world.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// The file's name.
    pub name: String,
    /// Its text, with the addresses of the simulated systems.
    pub text: String,
    /// What `env.NAME` means.
    pub settings: Settings,
    /// The flow with its production connectors.
    pub runtime: Arc<FlowRuntime>,
}

/// Finds and loads the flow.
pub(crate) fn load(args: &SimulateArgs, configured: &Settings) -> anyhow::Result<Loaded> {
    load_text(&find(args)?, configured)
}

fn find(args: &SimulateArgs) -> anyhow::Result<FlowText> {
    let path = Path::new(&args.flow);
    if path.extension().is_some_and(|end| end == "toml") {
        return flows::read_flow(path);
    }
    let files = flows::read_or_demo(args.flows.as_deref())?;
    let name_of = |text: &str| {
        let table: toml::Table = text.parse().ok()?;
        table.get("name")?.as_str().map(str::to_owned)
    };
    let names: Vec<String> = files
        .iter()
        .filter_map(|flow| name_of(&flow.text))
        .collect();
    let found = files
        .into_iter()
        .find(|flow| name_of(&flow.text).as_deref() == Some(&args.flow));
    found.with_context(|| {
        format!(
            "there is no flow {}; there are: {}; a path ends in .toml",
            args.flow,
            names.join(", ")
        )
    })
}

/// Loads a flow's text.
pub(super) fn load_text(written: &FlowText, configured: &Settings) -> anyhow::Result<Loaded> {
    let name = &written.name;
    let file = check::read(written);
    let settings = with_any(configured, file.as_ref())?;
    // The file as it was written: mistakes are told with its own lines.
    if let Err(mistakes) = Flow::load_text(written, &settings) {
        let mistakes: Vec<String> = mistakes.iter().map(ToString::to_string).collect();
        bail!("the flow can not run:\n  {}", mistakes.join("\n  "));
    }
    let file = file.with_context(|| format!("{name} does not parse"))?;
    let text = toml::to_string(&at_simulated_systems(file))?;
    let flow = Flow::load(name, &text, &settings)
        .map_err(|mistakes| anyhow::anyhow!("{name}: {mistakes:?}"))?;
    let flow = Arc::new(flow);
    let (source, target) = connect(&flow);
    Ok(Loaded {
        name: name.to_owned(),
        text,
        settings,
        runtime: Arc::new(FlowRuntime::new(flow, source, target)),
    })
}

/// Secrets by name, all of one value.
pub(super) fn secrets(flow: &Flow) -> BTreeMap<String, String> {
    let names = flow.secret_names().into_iter();
    names
        .map(|name| (name.to_owned(), ANY_SECRET.to_owned()))
        .collect()
}

/// The settings, each that a flow names among them.
fn with_any(configured: &Settings, file: Option<&FlowFile>) -> anyhow::Result<Settings> {
    let mut settings = configured.clone();
    // What does not parse has no settings that could be missing.
    let Some(file) = file else {
        return Ok(settings);
    };
    let text = toml::to_string(file)?;
    let of_addresses = names_after(&addresses(&text), "env.");
    let of_warehouse = file.warehouse.as_ref().map(toml::to_string).transpose()?;
    let of_warehouse = names_after(&of_warehouse.unwrap_or_default(), "env.");
    let is_qualio = matches!(file.target, TargetSpec::Qualio(_));
    for setting in names_after(&text, "env.") {
        let value = if of_addresses.contains(&setting) {
            ANY_ADDRESS.to_owned()
        } else if is_qualio && !of_warehouse.contains(&setting) {
            // The simulated Qualio has risk levels of its own.
            risk_level(&setting).to_owned()
        } else {
            let known = configured.get(&setting).cloned();
            known.unwrap_or_else(|| ANY_SETTING.to_owned())
        };
        settings.insert(setting, value);
    }
    Ok(settings)
}

fn addresses(text: &str) -> String {
    let lines = text.lines().filter(|line| {
        let line = line.trim_start();
        line.starts_with("base_url") || line.starts_with("token_url")
    });
    lines.collect::<Vec<_>>().join("\n")
}

/// The names that follow a prefix in a text.
fn names_after(text: &str, prefix: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let names = text.split(prefix).skip(1).map(|rest| {
        let end = rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        rest.get(..end).unwrap_or_default().to_owned()
    });
    // A comment may say `env.NAME`; a name too many does no harm.
    names.filter(|name| !name.is_empty()).collect()
}

fn risk_level(setting: &str) -> &'static str {
    let named = RISK_LEVELS
        .iter()
        .find(|(_, title, ..)| setting.ends_with(&title.to_ascii_uppercase()));
    named.or(RISK_LEVELS.first()).map_or("", |(id, ..)| *id)
}

fn at_simulated_systems(mut file: FlowFile) -> FlowFile {
    // An audit reads registers once a day and changes nothing: nobody simulates it.
    file.audit = None;
    // The simulated systems know no authorisation server.
    if let SourceSpec::Rest(source) = &mut file.source {
        SOURCE_URL.clone_into(&mut source.base_url);
        if source.auth.grant().is_some() {
            source.auth = Auth::None;
        }
    }
    match &mut file.target {
        TargetSpec::Rest(target) => {
            TARGET_URL.clone_into(&mut target.base_url);
            if target.auth.grant().is_some() {
                target.auth = Auth::None;
            }
        }
        TargetSpec::Qualio(target) => TARGET_URL.clone_into(&mut target.base_url),
        TargetSpec::Store(_) => {}
    }
    file
}
