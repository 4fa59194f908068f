//! `tidegate plan`: the pattern of each flow with the rule that decided, and the day of each target.

use std::{io::Read as _, path::Path};

use anyhow::{Context as _, bail};
use tidegate_engine::ports::Clock as _;
use tidegate_lambda::{Config, SystemClock};
use tidegate_policy::{
    check,
    pattern::{self, Plan, Provider},
};

use crate::{
    cli::{Outcome, PlanArgs},
    flows,
    offline::{self, print},
};

/// Bytes of a sheet that are read: a little more than a plan takes, so that it can refuse.
const MAX_SHEET_BYTES: u64 = 2 * 1024 * 1024;
/// Between two columns.
const GAP: &str = "  ";

/// Plans a sheet and the flow files, or the flow files alone.
pub(crate) fn run(args: &PlanArgs) -> anyhow::Result<Outcome> {
    let sheet = args.sheet.as_deref().map(read_sheet).transpose()?;
    let files = flows::read(args.flows.as_deref())?;
    let settings = Config::from_env().settings();
    let report = check::check(&files, &settings, SystemClock.now());
    if !report.is_ok() {
        return offline::told(&report.mistakes);
    }
    let flows = flows::parse(&files)?;
    let sheet = sheet
        .as_ref()
        .map(|(name, text)| (name.as_str(), text.as_str()));
    let plan = match pattern::plan(sheet, &flows) {
        Ok(plan) => plan,
        Err(mistakes) => return offline::told(&mistakes),
    };
    if args.json {
        let mut text = serde_json::to_string_pretty(&plan)?;
        text.push('\n');
        print(&text)?;
    } else {
        print(&shown(&plan))?;
    }
    Ok(if plan.fits() {
        Outcome::Fine
    } else {
        Outcome::Found
    })
}

fn read_sheet(path: &Path) -> anyhow::Result<(String, String)> {
    let name = path.display().to_string();
    let unreadable = || format!("the sheet {name} can not be read");
    let file = std::fs::File::open(path).with_context(unreadable)?;
    let mut bytes = Vec::new();
    file.take(MAX_SHEET_BYTES)
        .read_to_end(&mut bytes)
        .with_context(unreadable)?;
    match String::from_utf8(bytes) {
        Ok(text) => Ok((name, text)),
        Err(_) => bail!("the sheet {name} is no UTF-8 text: save it as CSV (UTF-8)"),
    }
}

/// Flow files in which no mistake was found.
fn shown(plan: &Plan) -> String {
    let rows = plan.rows.iter().map(|row| {
        [
            row.flow.to_string(),
            format!("{} -> {}", row.source, row.target),
            row.records_a_day.to_string(),
            row.pattern.to_string(),
            row.reason.clone(),
        ]
    });
    let mut text = table(["flow", "from -> to", "a day", "pattern", "why"], rows);
    text.push('\n');
    text.push_str(&table(
        [
            "target",
            "quota a day",
            "real-time",
            "batch",
            "batch may use",
            "headroom",
            "bulk chunks",
            "fits",
        ],
        plan.providers.iter().map(provider),
    ));
    let faults = plan.providers.iter().flat_map(|provider| {
        let told = |fault: &String| format!("{}: {fault}\n", provider.name);
        provider.faults.iter().map(told)
    });
    let notes = plan.notes.iter().map(|note| format!("note: {note}\n"));
    text.extend(faults.chain(notes));
    text
}

fn provider(provider: &Provider) -> [String; 8] {
    let or_none = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |n| n.to_string());
    let percent = |figure: Option<u64>| figure.map_or_else(|| "-".to_owned(), |n| format!("{n} %"));
    let bulk = provider.bulk.map_or_else(
        || "-".to_owned(),
        |pool| match pool.quota_a_day {
            Some(quota) => format!(
                "{} of {quota}, {}",
                pool.chunks,
                percent(pool.headroom_percent)
            ),
            None => pool.chunks.to_string(),
        },
    );
    [
        provider.name.to_string(),
        or_none(provider.quota_a_day),
        provider.real_time_calls.to_string(),
        provider.batch_calls.to_string(),
        or_none(provider.batch_may_use),
        percent(provider.headroom_percent),
        bulk,
        if provider.faults.is_empty() {
            "yes"
        } else {
            "NO"
        }
        .to_owned(),
    ]
}

/// Columns as wide as their widest cell; figures to the right, the last column as it is.
fn table<const N: usize>(header: [&str; N], rows: impl Iterator<Item = [String; N]>) -> String {
    let mut lines = vec![header.map(str::to_owned)];
    lines.extend(rows);
    let width = |column: usize| {
        let cells = lines.iter().filter_map(|line| line.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..N).map(width).collect();
    let mut text = String::new();
    for line in &lines {
        let cells = line
            .iter()
            .zip(&widths)
            .enumerate()
            .map(|(at, (cell, width))| {
                let is_figure = cell.starts_with(|c: char| c.is_ascii_digit());
                match (at + 1 == N, is_figure) {
                    (true, _) => cell.clone(),
                    (false, true) => format!("{cell:>width$}"),
                    (false, false) => format!("{cell:<width$}"),
                }
            });
        text.push_str(&cells.collect::<Vec<_>>().join(GAP));
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell() {
        let rows = [["a", "1", "x y"], ["longer", "100", ""]].map(|row| row.map(str::to_owned));
        assert_eq!(
            table(["n", "day", "why"], rows.into_iter()),
            "n       day  why\na         1  x y\nlonger  100  \n"
        );
    }
}
