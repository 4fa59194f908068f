//! REG-2 and QUE-2 at the end: once the faults have ended, every record comes to rest, and the target
//! holds what the source says.

use std::time::Duration;

use serde_json::Value;
use tidegate_engine::ports::Clock;
use tidegate_model::{UnixMs, item::Item};

use crate::chaos::{
    check::{decision::Decision, register::PUT_BACK_AT_SOURCE},
    ledger::{State, number, record_of, text},
    locked,
    plan::{Order, Plan, TargetKind},
    source::{Content, Row},
    systems::{Kept, Systems, marked_key},
};

/// Clocks differ.
const MARGIN: Duration = Duration::from_millis(500);

/// What keeps the story from its end; `None` when everything is at rest.
pub fn unrest(state: &State, systems: &Systems) -> Option<(Option<String>, String)> {
    let plan = &systems.plan;
    let last = plan.comparisons.last();
    if state.comparing > 0 || last.is_some_and(|last| systems.clock.now() <= *last + MARGIN) {
        return Some((None, "a comparison is to come".to_owned()));
    }
    if state
        .runs
        .covered
        .is_none_or(|covered| covered <= plan.calm)
    {
        return Some((
            None,
            "no run was complete since the faults ended".to_owned(),
        ));
    }
    let source = locked(&systems.source);
    for (record, states) in &source.history {
        let Some(row) = states.last() else {
            continue;
        };
        if let Some(what) = stir(state, plan, record, row) {
            return Some((Some(record.clone()), what));
        }
    }
    None
}

fn stir(state: &State, plan: &Plan, record: &str, row: &Row) -> Option<String> {
    let found = state
        .items
        .iter()
        .find(|(key, _)| record_of(key) == Some(record));
    let Some((_, item)) = found else {
        return (!row.gone).then(|| "it was never staged".to_owned());
    };
    let item = Some(item);
    let version = text(item, "dv").unwrap_or_default();
    let staged = version
        .get(..20)
        .and_then(|digits| digits.parse::<u64>().ok())
        .unwrap_or(0);
    if plan.order != Order::Read && staged < row.number(plan.order) {
        return Some(format!(
            "version {} was never staged, {staged} was",
            row.number(plan.order)
        ));
    }
    let dirty = number(item, "du").is_some() && text(item, "rv").is_none();
    dirty.then(|| "it is dirty".to_owned())
}

/// Notes every record of which the target holds something else than the source.
pub fn compare(state: &mut State, systems: &Systems, now: UnixMs) {
    let source = locked(&systems.source);
    // No world is so bad that nothing gets through: whoever does nothing keeps every other invariant.
    // A story may have nothing left to do when it is shortened, or when a person is to look at all of it.
    let mut registers = state
        .items
        .iter()
        .filter(|(key, _)| record_of(key).is_some());
    let all_in_review = registers.all(|(_, item)| item.contains_key("rv"));
    if state.book.totals.effects == 0 && !all_in_review && !systems.script.is_shortened() {
        let what = "nothing was done at the target in the whole story".to_owned();
        state.book.fault("REG-2", now, None, what);
    }
    for (record, states) in &source.history {
        let Some(row) = states.last() else {
            continue;
        };
        let found = state
            .items
            .iter()
            .find(|(key, _)| record_of(key) == Some(record.as_str()));
        let item = found.map(|(_, item)| item);
        if let Some(cause) = text(item, "rv") {
            if cause.contains(PUT_BACK_AT_SOURCE)
                && let Some(what) = not_shown(item, row)
            {
                state.book.fault("REG-1", now, Some(record), what);
            }
            continue;
        }
        if !row.gone
            && let Some(what) = not_remapped(state, &systems.plan, record)
        {
            state.book.fault("REG-1", now, Some(record), what);
        }
        // What was discarded is as it was before.
        let decided = state.decisions.stand.get(record);
        if decided == Some(&Decision::Discarded) {
            continue;
        }
        let content = match decided {
            Some(Decision::Edited(edit)) => edit.over(&row.content),
            _ => row.content.clone(),
        };
        if !row.gone && content.spoiled {
            let what = "the flow's schema refuses it, and no person was asked".to_owned();
            state.book.fault("OUT-1", now, Some(record), what);
        }
        let held = held(systems, record);
        let fault = match (row.gone, systems.plan.deletion) {
            (true, "delete") => {
                (!held.is_empty()).then(|| "it is deleted and the target still holds it".to_owned())
            }
            // What is kept, or waits for a person, stays as it was.
            (true, _) => None,
            (false, _) => {
                let stamp = if systems.plan.stamped { row.version } else { 0 };
                let wanted = wanted(systems.plan.target, stamp, &content);
                match held.as_slice() {
                    [one] if *one == wanted => None,
                    other => Some(format!(
                        "the target holds {other:?}, the source says {wanted}"
                    )),
                }
            }
        };
        if let Some(what) = fault {
            state.book.totals.lost += 1;
            state.book.fault("REG-2", now, Some(record), what);
        }
    }
}

/// What waits for a person as put back is what the source shows.
fn not_shown(item: Option<&Item>, row: &Row) -> Option<String> {
    let content: Option<Value> = text(item, "df").and_then(|text| serde_json::from_str(text).ok());
    let fields = content.as_ref().and_then(|content| content.get("record"));
    let shown = fields.map(|fields| [fields.get("name"), fields.get("note"), fields.get("level")]);
    let present = row.json();
    let expected = [
        present.get("name"),
        present.get("note"),
        present.get("level"),
    ];
    (row.gone || shown != Some(expected))
        .then(|| format!("in review as put back is {shown:?}, the source shows {expected:?}"))
}

/// REG-1, "the revision rises when mapping or schema changes": a run over everything under a newer
/// revision stages each record anew.
fn not_remapped(state: &State, plan: &Plan, record: &str) -> Option<String> {
    // Where pages show what was, a row may be older than what is staged.
    if plan.rates.page > 0 || plan.rates.stale > 0 {
        return None;
    }
    let deployed = state.runs.deployed?;
    let ran = state.runs.all_from;
    ran.filter(|from| *from > deployed + MARGIN)?;
    let staged = state.staged_at.get(record)?;
    (*staged + MARGIN < deployed)
        .then(|| "a run under a newer revision left it as it was".to_owned())
}

/// What the target should hold of a row, without the flow's revision.
fn wanted(kind: TargetKind, stamp: u64, content: &Content) -> Value {
    match kind {
        TargetKind::Qualio => serde_json::json!([
            content.name,
            content.note,
            format!("{}/{stamp}", content.level)
        ]),
        _ => serde_json::json!([content.name, content.note, content.level, stamp]),
    }
}

/// What the target holds of a record, in the same form.
fn held(systems: &Systems, record: &str) -> Vec<Value> {
    match &systems.kept {
        Kept::Things(things) => {
            let things = locked(things);
            let mine = things.held.values().filter(|thing| thing.key == record);
            mine.map(|thing| {
                let part = |name: &str| thing.body.get(name).cloned().unwrap_or(Value::Null);
                Value::Array(vec![
                    part("name"),
                    part("note"),
                    part("level"),
                    part("stamp"),
                ])
            })
            .collect()
        }
        Kept::Qualio(qualio) => qualio
            .suppliers()
            .into_iter()
            .filter_map(|supplier| {
                let notes = supplier
                    .contact_information
                    .and_then(|contact| contact.notes)?;
                if marked_key(&notes)? != record {
                    return None;
                }
                let (level, rest) = notes.split_once('/')?;
                let (stamp, _) = rest.split_once('/')?;
                Some(serde_json::json!([
                    supplier.name,
                    supplier.intended_use,
                    format!("{level}/{stamp}")
                ]))
            })
            .collect(),
    }
}
