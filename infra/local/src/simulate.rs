//! `tidegate simulate`: days of a real flow in virtual time, before it goes live.
//!
//! The production engine, the production connectors and the flow's own limits, schedule, retries and
//! breaker run in the simulator's world; source and target are made up from the flow file. Calls and
//! billed units are counted, never estimated. It answers whether the freshness goals and the windows
//! of the flow are kept with the changes that are expected, or with so many times as many.
//!
//! Invariants: the same options and seed give the same figures; nothing is read from the network and
//! nothing is written but the report.

mod day;
mod drain;
mod figures;
mod hole;
mod load;
mod network;
mod options;
mod page;
pub(crate) mod price;
mod rows;
mod series;
mod shape;
mod source;
mod story;
mod target;
mod timeline;
mod verdict;
mod watch;
mod words;

#[cfg(test)]
mod tests;

use std::{
    fs,
    io::{self, Write as _},
    path::Path,
    time::Duration,
};

use anyhow::{Context as _, bail};
use jiff::tz::TimeZone;
use serde::Serialize;
use serde_json::Value;
use tidegate_engine::ports::Clock as _;
use tidegate_lambda::{Config, SystemClock};

pub(crate) use day::PlanError;
pub(crate) use options::SimulateArgs;

use crate::{cli::Outcome, offline::print, place::Place};
use drain::Pace;
use figures::Figures;
use load::Loaded;
use story::Parts;
use words::counted;

/// So many changes take a minute or more without optimisation, some milliseconds each.
const SLOW_CHANGES: u64 = 10_000;

/// Simulates, and tells what came of it.
pub(crate) async fn run(args: SimulateArgs) -> anyhow::Result<Outcome> {
    // On a thread of its own: a runtime whose clock is virtual can not run inside another.
    tokio::task::spawn_blocking(move || run_here(&args))
        .await
        .context("the simulation broke off")?
}

fn run_here(args: &SimulateArgs) -> anyhow::Result<Outcome> {
    let here = Place::of_config(&Config::from_env());
    let loaded = load::load(args, here.settings())?;
    let args = &SimulateArgs {
        expected: loaded.runtime.flow.file().expected,
        ..args.clone()
    };
    if args.drain {
        let pace = if args.real_time {
            Pace::Real
        } else {
            Pace::Virtual
        };
        let counts = with_parts(args, &loaded, |parts| drain::drain(parts, pace))?;
        print(&format!("{}\n", serde_json::to_string(&counts)?))?;
        return Ok(Outcome::Fine);
    }
    if let Some(path) = &args.report {
        // Before minutes of simulation, and without harm to what stands there.
        let mut open = fs::OpenOptions::new();
        let opened = open.create(true).append(true).open(path);
        opened.with_context(|| cannot_write(path))?;
    }
    tell_if_slow(args);
    let began = SystemClock.now();
    let mut figures = with_parts(args, &loaded, story::tell)?;
    figures.real_ms = millis(SystemClock.now().since(began));
    figures.command = command();
    if args.json {
        let told = Told {
            kept: figures.is_kept(),
            sentences: verdict::sentences(&figures),
            figures: &figures,
        };
        print(&format!("{}\n", serde_json::to_string_pretty(&told)?))?;
    } else {
        print(&timeline::text(&figures)?)?;
    }
    if let Some(path) = &args.report {
        let page = page::html(&figures)?;
        fs::write(path, page).with_context(|| cannot_write(path))?;
    }
    Ok(if figures.is_kept() {
        Outcome::Fine
    } else {
        Outcome::Broken
    })
}

/// Says that it takes minutes, where that can be helped: time goes into each change alike, and without
/// optimisation into each many times.
fn tell_if_slow(args: &SimulateArgs) {
    let changes = args.all_changes();
    if cfg!(debug_assertions) && changes >= SLOW_CHANGES {
        let mut out = io::stderr().lock();
        // Whoever does not listen misses a hint.
        drop(writeln!(
            out,
            "{} in a build without optimisation take minutes: `cargo run --release -- simulate` takes a fraction",
            counted(changes, "change", "changes")
        ));
    }
}

/// The figures with their answer.
#[derive(Serialize)]
struct Told<'a> {
    /// Whether every window and every goal was kept.
    kept: bool,
    /// The answer and its reasons.
    sentences: Vec<String>,
    #[serde(flatten)]
    figures: &'a Figures,
}

fn cannot_write(path: &Path) -> String {
    format!("the report {} can not be written", path.display())
}

/// The command as it was given, so that a report can be made again.
fn command() -> String {
    let words = std::env::args().skip(1);
    let quoted = words.map(|word| {
        if word.contains(char::is_whitespace) {
            format!("'{word}'")
        } else {
            word
        }
    });
    let all: Vec<String> = std::iter::once("tidegate".to_owned())
        .chain(quoted)
        .collect();
    all.join(" ")
}

/// Plans the days, and tells their story.
fn with_parts<T>(
    args: &SimulateArgs,
    loaded: &Loaded,
    tell: impl FnOnce(&Parts<'_>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let sample = match &args.sample {
        None => None,
        Some(path) => {
            let text = fs::read_to_string(path)
                .with_context(|| format!("the sample {} can not be read", path.display()))?;
            let row = serde_json::from_str(&text)
                .with_context(|| format!("the sample {} is not JSON", path.display()))?;
            refuse_no_row(path, &row)?;
            Some(row)
        }
    };
    let zone = TimeZone::get(&loaded.runtime.flow.file().schedule.time_zone)?;
    let plan = day::plan(args, &zone)?;
    tell(&Parts {
        args,
        loaded,
        plan: &plan,
        sample: sample.as_ref(),
    })
}

fn refuse_no_row(path: &Path, row: &Value) -> anyhow::Result<()> {
    let what = match row {
        Value::Object(_) => return Ok(()),
        Value::Array(_) => "a list",
        Value::String(_) => "a text",
        Value::Number(_) => "a number",
        Value::Bool(_) => "true or false",
        Value::Null => "null",
    };
    bail!(
        "the sample {} is {what}; a row is a JSON object: give one, as the source gives it",
        path.display()
    )
}

fn millis(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap_or(u64::MAX)
}
