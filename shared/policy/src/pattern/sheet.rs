//! The flow sheet: a CSV with a header, a row a flow. Every mistake of every row at once.
//!
//! A cell that a rule needs must be filled; one that none needs may be empty or `-`. A cell that is
//! filled must be right in any case, so that no `TBD` passes.

mod cells;
mod lines;
mod needs;

use std::{collections::BTreeMap, io::Read as _};

use tidegate_model::{EndpointId, FlowId};

use self::{
    cells::{Cells, Header},
    lines::Lines,
    needs::{MAX_RECORDS, number, read_needs},
};
use super::{
    BulkQuota, CHUNK, Entry, Pattern, Planned, Quota, Trigger, decide, flows::Known, quota,
};
use crate::check::Mistake;

/// Bytes of a sheet: thousands of rows; a larger file is no flow sheet.
const MAX_BYTES: usize = 1024 * 1024;
/// Rows of a sheet, since each may be compared with each.
const MAX_ROWS: usize = 2_000;
/// Calls that one record takes.
const MAX_CALLS_A_RECORD: u64 = 100;

/// A row, and what its direction asks of other rows.
struct Row {
    entry: Entry,
    direction: Direction,
}

/// Where records go.
#[derive(PartialEq, Eq)]
enum Direction {
    OneWay,
    /// Both ways, with the rule that decides a conflict.
    Both(String),
}

impl Direction {
    fn conflict(&self) -> Option<&str> {
        match self {
            Self::OneWay => None,
            Self::Both(rule) => Some(rule),
        }
    }
}

/// Reads a sheet.
pub(super) fn read(file: &str, text: &str, known: &Known) -> Result<Vec<Entry>, Vec<Mistake>> {
    let whole = |line, message: String| vec![Mistake::new(file, line, message)];
    if text.len() > MAX_BYTES {
        return Err(whole(
            1,
            format!(
                "the sheet has {} bytes, at most {MAX_BYTES} are read",
                text.len()
            ),
        ));
    }
    // A sheet of Excel may begin with a mark of its own.
    let text = text.trim_start_matches('\u{feff}');
    if let Some(message) = no_sheet(file, text) {
        return Err(whole(1, message));
    }
    let mut reader = csv::ReaderBuilder::new()
        .trim(csv::Trim::All)
        .comment(Some(b'#'))
        .flexible(true)
        // It would take a comment that ends the text without a line break for a row.
        .from_reader(text.as_bytes().chain(&b"\n"[..]));
    let header = match reader.headers() {
        Ok(header) => Header::read(file, header)?,
        Err(error) => return Err(whole(1, format!("the header is not readable: {error}"))),
    };
    let mut mistakes = Vec::new();
    let mut rows = Vec::new();
    let mut lines = Lines::new(text);
    let mut seen = 0;
    for record in reader.records() {
        let record = match record {
            Ok(record) => record,
            Err(error) => {
                let line = lines.of_row(error.position());
                mistakes.push(Mistake::new(file, line, "the row is not readable as CSV"));
                break;
            }
        };
        seen += 1;
        if seen > MAX_ROWS {
            mistakes.extend(whole(1, format!("the sheet has more than {MAX_ROWS} rows")));
            break;
        }
        let mut cells = Cells::new(file, lines.of_row(record.position()), &header, &record);
        let row = read_row(&mut cells, known);
        mistakes.extend(cells.into_mistakes());
        rows.extend(row);
    }
    if seen == 0 {
        mistakes.extend(whole(
            1,
            "the sheet has no rows below its header".to_owned(),
        ));
    }
    mistakes.extend(among(&rows));
    if mistakes.is_empty() {
        Ok(rows.into_iter().map(|row| row.entry).collect())
    } else {
        mistakes.sort();
        Err(mistakes)
    }
}

/// Why a text is no sheet at all.
fn no_sheet(file: &str, text: &str) -> Option<String> {
    let mut rows = text.lines().filter(|line| !line.starts_with('#'));
    let Some(header) = rows.find(|line| !line.trim().is_empty()) else {
        return Some(format!("{file} is empty"));
    };
    let parted_by = [';', '\t'].into_iter().find(|mark| header.contains(*mark));
    let parted_by = parted_by.filter(|_| !header.contains(','))?;
    let named = if parted_by == ';' { "`;`" } else { "tabs" };
    Some(format!(
        "the header is parted by {named}: save the sheet with commas"
    ))
}

/// Reads what it can of a row, so that each of its mistakes is told; none when there was one.
fn read_row(cells: &mut Cells<'_>, known: &Known) -> Option<Row> {
    cells.refuse_more_than_the_header();
    let name = "lower-case letters, digits and `-`, 64 at most";
    let flow = cells.needed("flow", name, |cell| FlowId::try_new(cell).ok());
    let source = cells.needed("source", name, |cell| EndpointId::try_new(cell).ok());
    let target = cells.needed("target", name, |cell| EndpointId::try_new(cell).ok());
    let direction = read_direction(cells, source.as_ref(), target.as_ref());
    let needs = read_needs(cells);
    let calls_a_record = cells.filled(
        "calls_a_record",
        &format!("a whole number from 1 to {MAX_CALLS_A_RECORD}"),
        number(1, MAX_CALLS_A_RECORD),
    );
    let quota = cells.filled("quota_a_day", QUOTA, |cell| match cell {
        "none" => Some(Quota::Unlimited),
        _ => number(10, u64::from(u32::MAX))(cell)
            .and_then(|calls| u32::try_from(calls).ok())
            .map(quota::day),
    });
    let bulk_quota = cells.filled("bulk_quota_a_day", BULK_QUOTA, |cell| match cell {
        "none" => Some(BulkQuota::Unlimited),
        _ => number(1, MAX_RECORDS)(cell).map(BulkQuota::Chunks),
    });
    let (flow, source, target, direction, needs) = (flow?, source?, target?, direction?, needs?);
    let decision = decide(&needs);
    let mut planned = Planned {
        place: cells.place(),
        flow,
        source,
        target,
        records_a_day: needs.records_a_day,
        pattern: decision.pattern,
        reason: decision.reason,
        calls_a_day: 0,
        bulk_chunks_a_day: 0,
    };
    if let Some(conflict) = direction.conflict() {
        planned.reason.push_str(&told_conflict(conflict));
    }
    let draws = Draws {
        calls_a_record: calls_a_record
            .or_else(|| known.calls_a_record.get(&planned.target).copied()),
        quota: quota.or_else(|| known.quotas.get(&planned.target).copied()),
        bulk_quota,
    };
    draws.count(cells, &mut planned, needs.trigger);
    Some(Row {
        entry: Entry {
            planned,
            line: Some(cells.line()),
            file: cells.file().to_owned(),
            quota,
            bulk_quota,
        },
        direction,
    })
}

const QUOTA: &str = "calls a day that the target allows, from 10, or `none`";
const BULK_QUOTA: &str = "chunks of 10,000 records a day that its bulk API takes, or `none`";

/// What a row says of its calls.
struct Draws {
    calls_a_record: Option<u64>,
    quota: Option<Quota>,
    bulk_quota: Option<BulkQuota>,
}

impl Draws {
    /// Counts the calls and chunks of a day; what the pattern needs and the row lacks is a mistake.
    fn count(&self, cells: &mut Cells<'_>, planned: &mut Planned, trigger: Trigger) {
        let why = |what: &str| format!("`{}` by {} {what}", planned.flow, planned.pattern);
        if planned.pattern.calls_for_each() {
            let needs_calls = why("makes calls for each record: say how many, such as 1");
            let each = cells.present("calls_a_record", self.calls_a_record, &needs_calls);
            let needs_quota = why(&format!("draws on the target's daily quota: {QUOTA}"));
            cells.present("quota_a_day", self.quota, &needs_quota);
            planned.calls_a_day = planned.records_a_day * each.unwrap_or(0);
        } else if let (Pattern::Bulk, Trigger::Schedule { runs_a_day, .. }) =
            (planned.pattern, trigger)
        {
            let needs_quota = why(&format!("draws on the bulk API's own pool: {BULK_QUOTA}"));
            cells.present("bulk_quota_a_day", self.bulk_quota, &needs_quota);
            let a_run = planned.records_a_day.div_ceil(runs_a_day);
            planned.bulk_chunks_a_day = a_run.div_ceil(CHUNK) * runs_a_day;
        }
    }
}

/// The direction, with its conflict rule.
fn read_direction(
    cells: &mut Cells<'_>,
    source: Option<&EndpointId>,
    target: Option<&EndpointId>,
) -> Option<Direction> {
    let both = cells.needed("direction", "`one-way` or `both`", |cell| match cell {
        "one-way" => Some(false),
        "both" => Some(true),
        _ => None,
    });
    let names: Vec<&str> = [source, target]
        .into_iter()
        .flatten()
        .map(EndpointId::as_str)
        .collect();
    let right = format!(
        "the system that wins ({}), `newest` or `review`",
        names
            .iter()
            .map(|name| format!("`{name}`"))
            .collect::<Vec<_>>()
            .join(" or ")
    );
    let conflict = cells.filled("conflict", &right, |cell| {
        (["newest", "review"].contains(&cell) || names.contains(&cell)).then(|| cell.to_owned())
    });
    if !both? {
        return Some(Direction::OneWay);
    }
    let why = format!("what goes both ways needs its conflict rule first: {right}");
    cells
        .present("conflict", conflict, &why)
        .map(Direction::Both)
}

fn told_conflict(rule: &str) -> String {
    match rule {
        "newest" => "; in a conflict the newest wins".to_owned(),
        "review" => "; a conflict goes to review".to_owned(),
        system => format!("; in a conflict `{system}` wins"),
    }
}

/// What rows say about one another: names, and the way back of what goes both ways.
fn among(rows: &[Row]) -> Vec<Mistake> {
    let mut mistakes = Vec::new();
    let mut first: BTreeMap<&FlowId, &Row> = BTreeMap::new();
    for row in rows {
        let planned = &row.entry.planned;
        let mut wrong = |message: String| {
            mistakes.push(Mistake::new(
                &row.entry.file,
                row.entry.line.unwrap_or(1),
                message,
            ));
        };
        if let Some(before) = first.get(&planned.flow) {
            wrong(format!(
                "`flow` is `{}`, as in {}: give each row its own name",
                planned.flow, before.entry.planned.place
            ));
        } else {
            first.insert(&planned.flow, row);
        }
        if planned.source == planned.target {
            wrong(format!(
                "`target` of `{}` is its source: name the system to which records go",
                planned.flow
            ));
        }
        if let Some(rule) = row.direction.conflict()
            && let Some(message) = without_way_back(row, rule, rows)
        {
            wrong(message);
        }
    }
    mistakes
}

/// What is wrong with a row that goes both ways: nothing goes back, or by another rule.
fn without_way_back(row: &Row, rule: &str, rows: &[Row]) -> Option<String> {
    let planned = &row.entry.planned;
    let mut others = Vec::new();
    for other in rows {
        let back = &other.entry.planned;
        let Some(its_rule) = other.direction.conflict() else {
            continue;
        };
        if back.source == planned.target && back.target == planned.source {
            others.push((its_rule, &back.place));
        }
    }
    match others.first() {
        _ if others.iter().any(|(its_rule, _)| *its_rule == rule) => None,
        None => Some(format!(
            "`direction` of `{}` is `both`: add a row for the way back, from `{}` to `{}`, since volume and quota differ",
            planned.flow, planned.target, planned.source
        )),
        Some((its_rule, place)) => Some(format!(
            "`conflict` of `{}` is `{rule}`, but `{its_rule}` on the way back in {place}: name one rule in both rows",
            planned.flow
        )),
    }
}
