//! What the rules ask, read from the cells of a row.

use super::cells::Cells;
use crate::{
    check::words::span,
    pattern::{BULK_FROM, DAY_S, HURTS_BELOW_S, Impact, Loss, Needs, Trigger, thousands},
};

/// Records a day: far above any system here, and far below what the sums of a sheet can hold.
pub(super) const MAX_RECORDS: u64 = 10_000_000_000;
/// Runs a day: one a minute.
const MAX_RUNS: u64 = 1_440;
const MAX_CONSUMERS: u64 = 1_000;

pub(super) fn read_needs(cells: &mut Cells<'_>) -> Option<Needs> {
    let records_a_day = cells.needed(
        "records_a_day",
        "a whole number from 1",
        number(1, MAX_RECORDS),
    );
    let latency_s = cells.needed(
        "latency",
        "the time after which a delay hurts, such as `30 s`, `5 min`, `4 h` or `1 d`",
        seconds,
    );
    let impact = cells.needed(
        "impact",
        "`financial`, `compliance` or `operational`",
        |cell| match cell {
            "financial" => Some(Impact::Financial),
            "compliance" => Some(Impact::Compliance),
            "operational" => Some(Impact::Operational),
            _ => None,
        },
    );
    let someone_waits = cells.needed("someone_waits", YES_OR_NO, yes_or_no);
    let loss = cells.needed(
        "loss",
        "`zero`, `reconciled` (a daily reconciliation heals it) or `best-effort`",
        |cell| match cell {
            "zero" => Some(Loss::Zero),
            "reconciled" => Some(Loss::Reconciled),
            "best-effort" => Some(Loss::BestEffort),
            _ => None,
        },
    );
    // Whatever its runs are, such a row is real-time.
    let is_real_time =
        someone_waits == Some(true) && impact.is_some_and(|of| of.decision().is_some());
    let rare_after_s = latency_s.filter(|s| *s >= HURTS_BELOW_S && !is_real_time);
    let trigger = read_trigger(cells, records_a_day, rare_after_s);
    Some(Needs {
        records_a_day: records_a_day?,
        latency_s: latency_s?,
        impact: impact?,
        someone_waits: someone_waits?,
        trigger: trigger?,
        loss: loss?,
    })
}

const YES_OR_NO: &str = "`yes` or `no`";

fn read_trigger(
    cells: &mut Cells<'_>,
    records_a_day: Option<u64>,
    rare_after_s: Option<u64>,
) -> Option<Trigger> {
    let kind = cells.needed("trigger", "`change`, `schedule` or `migration`", |cell| {
        ["change", "schedule", "migration"]
            .into_iter()
            .find(|kind| *kind == cell)
    });
    let consumers_right = format!("a whole number from 1 to {MAX_CONSUMERS}");
    let runs_right = format!("a whole number from 1 to {MAX_RUNS}");
    let consumers = cells.filled("consumers", &consumers_right, number(1, MAX_CONSUMERS));
    let runs = cells.filled("runs_a_day", &runs_right, number(1, MAX_RUNS));
    let bulk_api = cells.filled("bulk_api", YES_OR_NO, yes_or_no);
    match kind? {
        "change" => {
            let why = format!("a change needs the number of its consumers, {consumers_right}");
            let consumers = cells.present("consumers", consumers, &why)?;
            Some(Trigger::Change { consumers })
        }
        "schedule" => {
            let why = format!("a schedule needs its runs a day, {runs_right}");
            let runs_a_day = cells.present("runs_a_day", runs, &why)?;
            refuse_rare_runs(cells, runs_a_day, rare_after_s);
            let a_run = records_a_day?.div_ceil(runs_a_day);
            let bulk_api = if a_run < BULK_FROM {
                bulk_api.unwrap_or(false)
            } else {
                let why = format!(
                    "{} records a run are a bulk job, or a file where the target has no bulk API: {YES_OR_NO}",
                    thousands(a_run)
                );
                cells.present("bulk_api", bulk_api, &why)?
            };
            Some(Trigger::Schedule {
                runs_a_day,
                bulk_api,
            })
        }
        _ => Some(Trigger::Migration),
    }
}

/// Runs that lie further apart than a delay may last; without a delay it is real-time anyway.
fn refuse_rare_runs(cells: &mut Cells<'_>, runs_a_day: u64, rare_after_s: Option<u64>) {
    let Some(latency_s) = rare_after_s else {
        return;
    };
    let interval_s = DAY_S / runs_a_day;
    if interval_s > latency_s {
        cells.wrong(
            "runs_a_day",
            &format!(
                "is {runs_a_day}, which leaves {} between two runs, and a delay hurts after {}: make it at least {}",
                span(interval_s),
                span(latency_s),
                DAY_S.div_ceil(latency_s)
            ),
        );
    }
}

fn yes_or_no(cell: &str) -> Option<bool> {
    match cell {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// A whole number; `_` and `,` may part its thousands.
pub(super) fn number(least: u64, most: u64) -> impl Fn(&str) -> Option<u64> {
    move |cell| {
        let digits = cell.replace(['_', ','], "");
        let number = digits.parse().ok().filter(|_| !digits.starts_with('+'))?;
        (least..=most).contains(&number).then_some(number)
    }
}

/// `30 s`, `5 min`, `4 h`, `1 d`; at most a year.
fn seconds(cell: &str) -> Option<u64> {
    let unit_at = cell.find(|c: char| !c.is_ascii_digit())?;
    let (digits, unit) = cell.split_at_checked(unit_at)?;
    let unit_s = match unit.trim_start() {
        "s" => 1,
        "min" => 60,
        "h" => 3_600,
        "d" => DAY_S,
        _ => return None,
    };
    let seconds = digits.parse::<u64>().ok()?.checked_mul(unit_s)?;
    (1..=366 * DAY_S).contains(&seconds).then_some(seconds)
}
