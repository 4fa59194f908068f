//! Rows of a result, as the API writes them: text, whatever the type, or null.

use std::{str::FromStr, vec};

use serde_json::Value;

/// Partitions of a result at most: Snowflake makes them of some megabytes, and [`MAX_ROWS`] bounds them all.
pub(super) const MAX_PARTITIONS: usize = 64;
/// Rows of a result at most, by the limits of the statements: they keep an answer within what is read of one.
pub(super) const MAX_ROWS: usize = 10_000;
/// Rows of a bucket at most, by memory: the 256th part of a flow. A flow of 50 million records stays below.
pub(super) const MAX_ROWS_OF_BUCKET: usize = 200_000;

/// What the first part of a result says of the whole.
pub(super) struct Outline {
    pub(super) handle: String,
    pub(super) rows: usize,
    pub(super) partitions: usize,
}

impl Outline {
    /// None where it is no result, or larger than one that is read.
    pub(super) fn of(body: &Value) -> Option<Self> {
        let about = body.get("resultSetMetaData")?;
        let rows = usize::try_from(about.get("numRows")?.as_u64()?).ok()?;
        let partitions = about.get("partitionInfo")?.as_array()?.len();
        let handle = body.get("statementHandle")?.as_str()?;
        // It becomes a part of an address.
        let is_handle = |c: char| c.is_ascii_alphanumeric() || c == '-';
        let is_well = handle.chars().all(is_handle)
            && rows <= MAX_ROWS
            && (1..=MAX_PARTITIONS).contains(&partitions);
        is_well.then(|| Self {
            handle: handle.to_owned(),
            rows,
            partitions,
        })
    }
}

/// The cells of the rows of one part, taken out of it; none where it holds something else.
pub(super) fn cells(body: &mut Value) -> Option<Vec<Vec<Option<String>>>> {
    let Value::Array(rows) = body.get_mut("data")?.take() else {
        return None;
    };
    let cell = |cell: Value| match cell {
        Value::String(text) => Some(Some(text)),
        Value::Null => Some(None),
        _ => None,
    };
    let row = |row: Value| match row {
        Value::Array(row) => row.into_iter().map(cell).collect(),
        _ => None,
    };
    rows.into_iter().map(row).collect()
}

/// A row that is read cell by cell, in the order of its columns.
pub(super) struct Row(vec::IntoIter<Option<String>>);

impl Row {
    pub(super) fn new(cells: Vec<Option<String>>) -> Self {
        Self(cells.into_iter())
    }

    /// The next cell, which is a text.
    pub(super) fn text(&mut self) -> Option<String> {
        self.0.next()?
    }

    /// The next cell, which is a number.
    pub(super) fn number<T: FromStr>(&mut self) -> Option<T> {
        self.text()?.parse().ok()
    }

    /// Leaves a cell out.
    pub(super) fn pass(&mut self) {
        drop(self.0.next());
    }
}
