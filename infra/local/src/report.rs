//! `tidegate report`: what was promised and what came of it, from the metric lines of a time, beside those
//! of another.
//!
//! It reads logs and nothing else: those of this machine by itself, those of AWS from files or standard
//! input. A report that was saved is the baseline of a later one (R11).

mod figures;
mod lines;
mod text;

use std::{
    fs::{self, File},
    io::{self, BufRead, BufReader},
    path::{Path, PathBuf},
};

use anyhow::{Context as _, bail};
use clap::Args;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use tidegate_model::UnixMs;

use crate::{
    cli::{DEFAULT_DATA, Outcome},
    data::DataDir,
    log::aside,
    offline::print,
};
use figures::Report;
use lines::Lines;

/// Names standard input among logs.
const STDIN: &str = "-";

const HELP: &str = "\
Without --logs it reads what an instance on this machine wrote (metrics.jsonl in the data folder). On
AWS the lines stand in the logs of the functions:

  for f in worker-realtime worker-batch batch-sync webhook tick reconcile quality-audit warehouse decide digest api; do
    aws logs tail /tidegate/production/$f --since 7d --format short
  done | tidegate report --since 2026-11-22 --logs -

Before a change: --save before.json. After it: --baseline before.json.";

/// What `report` is told.
#[derive(Clone, Debug, Args)]
#[command(after_long_help = HELP)]
pub(crate) struct ReportArgs {
    /// From when: 2026-11-22, or 2026-11-22T10:00:00Z
    #[arg(long, value_name = "TIME", value_parser = moment)]
    pub since: UnixMs,
    /// A file of log lines, others among them; `-` is standard input [default: this machine's]
    #[arg(long, value_name = "FILE")]
    pub logs: Vec<PathBuf>,
    /// A saved report to compare with
    #[arg(long, value_name = "FILE")]
    pub baseline: Option<PathBuf>,
    /// Save this one there
    #[arg(long, value_name = "FILE")]
    pub save: Option<PathBuf>,
    /// Folder with the state of the instance of this machine
    #[arg(long, value_name = "DIR", default_value = DEFAULT_DATA)]
    pub data: PathBuf,
}

/// Reports.
pub(crate) fn run(args: &ReportArgs) -> anyhow::Result<Outcome> {
    let mut lines = Lines::since(args.since);
    for path in logs(args) {
        read(&path, &mut lines)
            .with_context(|| format!("the log {} can not be read", path.display()))?;
    }
    let baseline = args.baseline.as_deref().map(saved).transpose()?;
    let Some(report) = Report::of(&lines) else {
        bail!(
            "there is no metric line since then: name the logs of a stack with --logs, or the folder of \
             an instance with --data"
        );
    };
    if let Some(path) = &args.save {
        let text = serde_json::to_string_pretty(&report)?;
        fs::write(path, format!("{text}\n"))
            .with_context(|| format!("the report {} can not be written", path.display()))?;
    }
    print(&text::shown(&report, baseline.as_ref()))?;
    Ok(Outcome::Fine)
}

/// The logs that are named, or those of this machine that are there.
fn logs(args: &ReportArgs) -> Vec<PathBuf> {
    if !args.logs.is_empty() {
        return args.logs.clone();
    }
    let newest = DataDir::at(&args.data).metrics();
    let both = [aside(&newest), newest];
    both.into_iter().filter(|path| path.exists()).collect()
}

fn read(path: &Path, lines: &mut Lines) -> io::Result<()> {
    let reader: Box<dyn BufRead> = if path == Path::new(STDIN) {
        Box::new(io::stdin().lock())
    } else {
        Box::new(BufReader::new(File::open(path)?))
    };
    for line in reader.split(b'\n') {
        // What is not text is no line of ours.
        lines.take(&String::from_utf8_lossy(&line?));
    }
    Ok(())
}

fn saved(path: &Path) -> anyhow::Result<Report> {
    let text = fs::read_to_string(path)
        .with_context(|| format!("the baseline {} can not be read", path.display()))?;
    serde_json::from_str(&text)
        .with_context(|| format!("{} is not what `report --save` writes", path.display()))
}

/// Reads a day or a moment.
fn moment(text: &str) -> Result<UnixMs, &'static str> {
    let day = || {
        let day: Date = text.parse().ok()?;
        Some(day.to_zoned(TimeZone::UTC).ok()?.timestamp())
    };
    let at = text.parse::<Timestamp>().ok().or_else(day);
    at.map(|at| UnixMs(at.as_millisecond()))
        .ok_or("write a day, as 2026-11-22, or a moment, as 2026-11-22T10:00:00Z")
}

#[cfg(test)]
mod tests;
