//! `tidegate render`: what flow files say of the stack, written into its template.
//!
//! Flow files decide which schedules the stack has (windows, daily comparisons, the daily mail), which
//! rules (those of triggers), which secrets and who may read them, which alarms on what flows are held to,
//! and what the dashboard shows. These stand in marked regions of the template; everything else in it is
//! written by hand. So a flow is one TOML file and its settings in those of the stages, and nobody keeps a
//! cron, a permission or an alarm in step with it.
//!
//! Invariants
//! - Nothing outside a region is touched.
//! - Equal flow files give an equal template, byte for byte.
//! - What AWS or a person would find too late is refused: names that are too long or stand there
//!   twice, and settings that a stage does not give.

mod alarms;
mod cron;
mod dashboard;
mod names;
mod region;
mod resources;
mod secrets;
#[cfg(test)]
mod tests;

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use tidegate_engine::ports::Clock as _;
use tidegate_lambda::{Config, SystemClock};
use tidegate_model::flow::FlowFile;
use tidegate_policy::check;

use crate::{
    cli::Outcome,
    flows,
    offline::{print, told},
};
use region::Region;
use resources::Resource;

/// Templates that are looked at where none is named, from the working directory.
const USUAL_TEMPLATES: [&str; 2] = ["infra/template.yaml", "template.yaml"];

/// What `render` is told.
#[derive(Clone, Debug, Args)]
pub(crate) struct RenderArgs {
    /// Write nothing; exit with 1 and name what is stale, if anything is
    #[arg(long)]
    pub check: bool,
    /// Folder of flow files, or one file [default: infra/flows or flows]
    #[arg(long, value_name = "DIR")]
    pub flows: Option<PathBuf>,
    /// The template [default: infra/template.yaml or template.yaml]
    #[arg(long, value_name = "FILE")]
    pub template: Option<PathBuf>,
}

/// Renders the template in its place, or tells what is stale in it.
pub(crate) fn run(args: &RenderArgs) -> anyhow::Result<Outcome> {
    let files = flows::read(args.flows.as_deref())?;
    let settings = Config::from_env().settings();
    let mut report = check::check(&files, &settings, SystemClock.now());
    let stages = flows::read_stages(args.flows.as_deref())?;
    report.mistakes.extend(check::stages(&files, &stages).0);
    if !report.is_ok() {
        return told(&report.mistakes);
    }
    let flows: Vec<FlowFile> = flows::parse(&files)?
        .into_iter()
        .map(|(_, flow)| flow)
        .collect();
    let path = find(args.template.as_deref())?;
    let name = path.display();
    let text = fs::read_to_string(&path)
        .with_context(|| format!("the template {name} can not be read"))?;
    let rendered = render(&text, &flows)
        .with_context(|| format!("the template {name} can not be rendered"))?;
    if rendered.stale.is_empty() {
        print(&format!("{name}: up to date\n"))?;
        return Ok(Outcome::Fine);
    }
    for stale in &rendered.stale {
        print(&format!("{name}: {stale}\n"))?;
    }
    if args.check {
        print("Stale: run `tidegate render`.\n")?;
        return Ok(Outcome::Found);
    }
    fs::write(&path, rendered.text)
        .with_context(|| format!("the template {name} can not be written"))?;
    print("Rendered.\n")?;
    Ok(Outcome::Fine)
}

fn find(named: Option<&Path>) -> anyhow::Result<PathBuf> {
    if let Some(named) = named {
        return Ok(named.to_owned());
    }
    let mut usual = USUAL_TEMPLATES.iter().map(PathBuf::from);
    match usual.find(|path| path.is_file()) {
        Some(path) => Ok(path),
        None => bail!(
            "there is no template: neither {} is here; name it with --template",
            USUAL_TEMPLATES.join(" nor ")
        ),
    }
}

/// A template as the flow files have it.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Rendered {
    text: String,
    /// What was not so before, each with the region.
    stale: Vec<String>,
}

/// Writes what `flows` say of the stack into the regions of `template`.
fn render(template: &str, flows: &[FlowFile]) -> anyhow::Result<Rendered> {
    let regions = [
        ("schedules", resources::schedules(flows)?),
        ("rules", resources::rules(flows)),
        ("secrets", secrets::secrets(flows)?),
        ("alarms", alarms::alarms(flows)),
        ("dashboard", dashboard::dashboard(flows)),
    ];
    let mut text = template.to_owned();
    let mut stale = Vec::new();
    for (name, resources) in &regions {
        let region = Region::find(template, name)?;
        stale.extend(region.stale(resources));
        text = Region::find(&text, name)?.with(resources);
    }
    let resources: Vec<&Resource> = regions.iter().flat_map(|(_, some)| some).collect();
    names::check(&text, flows, &resources)?;
    Ok(Rendered { text, stale })
}
