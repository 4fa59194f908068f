//! The names of a file's columns, where the flow has them: a row is an object of them, as it is of those
//! that a file has in its first line.

use std::collections::BTreeMap;

use serde_json::Value;

use super::Findings;
use crate::files::{FILE, LINE};

const COLUMNS: &str = "/source/format/columns";

pub(super) fn check(findings: &mut Findings<'_>) {
    let entries = findings.document.get(COLUMNS).and_then(Value::as_array);
    let names = entries.map_or(&[][..], Vec::as_slice).iter();
    let mut first = BTreeMap::new();
    for (name, number) in names.map(Value::as_str).zip(1_usize..) {
        // What is no text is told by the shape.
        let Some(name) = name else { continue };
        let before = *first.entry(name).or_insert(number);
        let wrong = if name.trim().is_empty() {
            Some(format!(
                "column {number} of `source.format.columns` has no name"
            ))
        } else if name == FILE || name == LINE {
            Some(format!(
                "column {number} of `source.format.columns` is called `{name}`, as what says in each row where it stands"
            ))
        } else if before < number {
            Some(format!(
                "columns {before} and {number} of `source.format.columns` are both called `{name}`: a row would hold one of them alone"
            ))
        } else {
            None
        };
        if let Some(message) = wrong {
            findings.wrong(&format!("{COLUMNS}/{}", number - 1), message);
        }
    }
}
