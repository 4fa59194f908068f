//! Files of rows that are dropped somewhere, read piece by piece: CSV (RFC 4180) and JSON lines.
//!
//! A piece is some bytes of a file from where the piece before ended. What it gives are rows, each with
//! its line, and lines that are none, each with the reason; none is passed over in silence. Memory is
//! that of a piece, whatever the size of the file.

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tidegate_model::flow::FileFormat;

use crate::expr::Expression;

/// Bytes that a piece has as a rule: some hundred rows of an invoice or an order.
pub const PIECE_BYTES: usize = 256 * 1_024;
/// Bytes that a piece has at least: a call for fewer costs as much.
const LEAST_BYTES: usize = 16 * 1_024;
/// Lines after which it is known how long they are.
const KNOWN_LINES: u64 = 10;
/// Bytes that a row may have: ten times what a register holds of it. A longer one is no row.
pub const MAX_ROW_BYTES: usize = 1_024 * 1_024;
/// Bytes that the names of a file's columns may have: they stand in the checkpoint, one item of at most
/// 400 KB of which each page's write pays for the whole.
const MAX_HEADER_BYTES: usize = 16 * 1_024;
/// Names of columns that are told of a header which is none, and characters of each.
const TOLD_NAMES: usize = 20;
/// Enough to know a column by.
const TOLD_CHARS: usize = 40;
/// What may stand between fields (`flow::Delimiter`).
const DELIMITERS: [char; 4] = [',', ';', '\t', '|'];
const ANOTHER_DELIMITER: &str = "; it is one column with a delimiter in its name: `delimiter` in the flow may be another than the file's";
/// Lines of one file that stand among the reviews each: whoever has more of them mends the file, and not one
/// line after another. How many more there are is told by one review.
pub const MOST_LINE_REVIEWS: u64 = 1_000;
/// In each row: the name of its file.
pub const FILE: &str = "_file";
/// In each row: its line, from 1.
pub const LINE: &str = "_line";

/// Where a piece begins.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// Bytes before it.
    pub at: u64,
    /// Its first line, from 1.
    pub line: u64,
    /// The columns, once they are known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    columns: Option<Vec<String>>,
    /// It begins within a row that is too long.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    within: bool,
}

/// The beginning of a file.
impl Default for Place {
    fn default() -> Self {
        Self {
            at: 0,
            line: 1,
            columns: None,
            within: false,
        }
    }
}

impl Place {
    /// Bytes to ask for where so many rows are wanted: a quarter more than they would take if they were as
    /// long as those before. What is asked for in vain is asked for again.
    pub fn bytes_for(&self, rows: usize) -> usize {
        let lines = self.line.saturating_sub(1);
        if lines < KNOWN_LINES {
            return PIECE_BYTES;
        }
        let mean = usize::try_from(self.at / lines).unwrap_or(PIECE_BYTES) + 1;
        let wanted = rows.saturating_mul(mean).saturating_mul(5) / 4;
        wanted.clamp(LEAST_BYTES, PIECE_BYTES)
    }
}

/// What a piece gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Piece {
    /// The rows, in the file's order.
    pub rows: Vec<Value>,
    /// The lines that are no row.
    pub bad: Vec<BadLine>,
    /// Where the next piece begins. Equal to where this one began: it holds no whole row, and more
    /// bytes are needed.
    pub next: Place,
}

/// A line that is no row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadLine {
    /// The line, from 1.
    pub line: u64,
    /// Why, without any of its values.
    pub reason: String,
    /// Its text, as far as it is one.
    pub text: String,
}

/// Why a whole file is none.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadFile {
    /// A column has no name.
    #[error("column {0} has no name")]
    NoName(usize),
    /// Two columns have one name.
    #[error("column {0} has the name of another")]
    Twice(usize),
    /// A column has a name that each row has of us.
    #[error("column {0} is called `_file` or `_line`, as what tells where a row stands")]
    Ours(usize),
    /// The header is no text.
    #[error("its header is no UTF-8 text")]
    NoText,
    /// The header is too long.
    #[error("the names of its columns are longer than {MAX_HEADER_BYTES} bytes")]
    TooLong,
    /// It has nothing that a key could be made of: another delimiter, other names, or no header at all.
    #[error("its header has no column that the key needs ({needed}){hint}")]
    NoKey {
        /// The columns that the key reads.
        needed: String,
        /// The columns that are there. Not in the words: where the first line is no header, they are values.
        found: String,
        /// What it may be.
        hint: &'static str,
    },
}

impl BadFile {
    /// What stands in the file, as far as it helps a person.
    pub fn found(&self) -> &str {
        match self {
            Self::NoKey { found, .. } => found,
            _ => "",
        }
    }
}

/// What a file is read as.
#[derive(Clone, Copy, Debug)]
pub struct Form<'a> {
    /// What is in it.
    pub format: &'a FileFormat,
    /// The columns of which each key is made ([`key_columns`]); a header with none of them is none. Empty:
    /// any header will do.
    pub key_columns: &'a BTreeSet<String>,
}

/// The columns that the expression of a key reads, `number` of `row.number`. None where it may read what is
/// in each row or what can not be told: `row._line`, `row['the number']`, `row | hash`.
pub fn key_columns(key: &Expression) -> BTreeSet<String> {
    let mut columns = BTreeSet::new();
    for path in key.names().paths {
        let (root, rest) = path.split_once('.').unwrap_or((&path, ""));
        let column = rest.split('.').next().unwrap_or_default();
        if root != "row" {
            continue;
        }
        if matches!(column, "" | FILE | LINE) {
            return BTreeSet::new();
        }
        columns.insert(column.to_owned());
    }
    columns
}

/// Reads a piece of the file of this name: at most so many rows. `is_last` says that the file ends with
/// these bytes.
pub fn read(
    form: Form<'_>,
    file: &str,
    place: &Place,
    bytes: &[u8],
    is_last: bool,
    most_rows: usize,
) -> Result<Piece, BadFile> {
    let mut reading = Reading {
        file,
        key_columns: form.key_columns,
        place: place.clone(),
        rows: Vec::new(),
        bad: Vec::new(),
    };
    let rest = reading.skip_rest_of_row(bytes, is_last);
    if !reading.place.within {
        match form.format {
            FileFormat::Csv { delimiter, columns } => {
                let rest = reading.skip_mark(rest);
                if reading.place.columns.is_none() && !columns.is_empty() {
                    reading.place.columns = Some(columns.clone());
                }
                reading.csv(delimiter.as_byte(), rest, is_last, most_rows)?;
            }
            FileFormat::JsonLines => reading.json_lines(rest, is_last, most_rows),
        }
    }
    Ok(Piece {
        rows: reading.rows,
        bad: reading.bad,
        next: reading.place,
    })
}

struct Reading<'a> {
    file: &'a str,
    key_columns: &'a BTreeSet<String>,
    place: Place,
    rows: Vec<Value>,
    bad: Vec<BadLine>,
}

impl Reading<'_> {
    /// Passes over what is left of a row that is too long: up to the end of its line.
    fn skip_rest_of_row<'b>(&mut self, bytes: &'b [u8], is_last: bool) -> &'b [u8] {
        if !self.place.within {
            return bytes;
        }
        let end = bytes.iter().position(|byte| *byte == b'\n');
        let skipped = end.map_or(bytes.len(), |end| end + 1);
        self.place.at += size(skipped);
        self.place.line += u64::from(end.is_some());
        self.place.within = end.is_none() && !is_last;
        bytes.get(skipped..).unwrap_or_default()
    }

    /// Passes over the mark that some programs put before UTF-8.
    fn skip_mark<'b>(&mut self, bytes: &'b [u8]) -> &'b [u8] {
        match bytes.strip_prefix(b"\xEF\xBB\xBF") {
            Some(rest) if self.place.at == 0 => {
                self.place.at = 3;
                rest
            }
            _ => bytes,
        }
    }

    fn csv(
        &mut self,
        delimiter: u8,
        bytes: &[u8],
        is_last: bool,
        most_rows: usize,
    ) -> Result<(), BadFile> {
        let (at, line) = (self.place.at, self.place.line);
        let mut reader = csv::ReaderBuilder::new()
            .has_headers(false)
            .flexible(true)
            .delimiter(delimiter)
            .from_reader(bytes);
        let mut record = csv::ByteRecord::new();
        while self.done() < most_rows {
            // Of bytes in memory nothing can fail but what is asked to be text.
            if !reader.read_byte_record(&mut record).unwrap_or(false) {
                let blank = part(bytes, self.place.at - at, size(bytes.len()));
                self.place.line += lines_in(blank);
                self.place.at = at + size(bytes.len());
                break;
            }
            let begins = record.position().map_or(0, csv::Position::byte);
            let ends = reader.position().byte();
            if ends >= size(bytes.len()) && !is_last {
                // It may go on behind these bytes.
                self.too_long(bytes, begins, line);
                break;
            }
            let raw = part(bytes, begins, ends);
            // What is blank before it counts as lines.
            let is_blank = |byte: &u8| matches!(byte, b'\r' | b'\n');
            let blank = raw.iter().position(|byte| !is_blank(byte)).unwrap_or(0);
            let blank = lines_in(raw.get(..blank).unwrap_or_default());
            let its_line = line + record.position().map_or(1, csv::Position::line) - 1 + blank;
            self.take_record(&record, raw, its_line)?;
            self.place.at = at + ends;
            self.place.line = line + reader.position().line() - 1;
        }
        if self.place.within && self.place.columns.is_none() {
            return Err(BadFile::TooLong);
        }
        Ok(())
    }

    fn take_record(
        &mut self,
        record: &csv::ByteRecord,
        raw: &[u8],
        line: u64,
    ) -> Result<(), BadFile> {
        let Some(columns) = &self.place.columns else {
            let columns = header(record)?;
            has_key(&columns, self.key_columns)?;
            self.place.columns = Some(columns);
            return Ok(());
        };
        if record.len() != columns.len() {
            let (has, wants) = (record.len(), columns.len());
            self.reject(
                line,
                raw,
                format!("it has {has} fields, and the file {wants} columns"),
            );
            return Ok(());
        }
        let mut row = Map::new();
        for (name, value) in columns.iter().zip(record) {
            let Ok(text) = std::str::from_utf8(value) else {
                let reason = format!("`{name}` is no UTF-8 text");
                self.reject(line, raw, reason);
                return Ok(());
            };
            row.insert(name.clone(), text.into());
        }
        self.keep(row, line);
        Ok(())
    }

    fn json_lines(&mut self, bytes: &[u8], is_last: bool, most_rows: usize) {
        let line = self.place.line;
        let mut begins = 0;
        while self.done() < most_rows {
            let rest = bytes.get(begins..).unwrap_or_default();
            let end = rest.iter().position(|byte| *byte == b'\n');
            if rest.is_empty() {
                break;
            }
            if end.is_none() && !is_last {
                self.too_long(bytes, size(begins), line);
                break;
            }
            let length = end.map_or(rest.len(), |end| end + 1);
            let text = rest.get(..length).unwrap_or_default().trim_ascii();
            let its_line = self.place.line;
            if !text.is_empty() {
                match serde_json::from_slice(text) {
                    Ok(Value::Object(row)) if row.contains_key(FILE) || row.contains_key(LINE) => {
                        let reason = "it has `_file` or `_line`, which tell where a row stands";
                        self.reject(its_line, text, reason.to_owned());
                    }
                    Ok(Value::Object(row)) => self.keep(row, its_line),
                    Ok(_) => self.reject(its_line, text, "it is no JSON object".to_owned()),
                    Err(error) => {
                        let reason = format!("it is no JSON, at column {}", error.column());
                        self.reject(its_line, text, reason);
                    }
                }
            }
            begins += length;
            self.place.at += size(length);
            self.place.line += u64::from(end.is_some());
        }
    }

    /// A row that does not end within these bytes. Where it is the first of them and they are as many as
    /// a row may have, it is none, and what is left of its line is passed over.
    fn too_long(&mut self, bytes: &[u8], begins: u64, line: u64) {
        if begins > 0 || bytes.len() < MAX_ROW_BYTES {
            return;
        }
        let reason = format!("it is longer than {MAX_ROW_BYTES} bytes, or a quote has no end");
        // As far as it is kept for a person.
        self.reject(line, bytes.get(..PIECE_BYTES).unwrap_or(bytes), reason);
        let first_line = bytes.iter().position(|byte| *byte == b'\n');
        let skipped = first_line.map_or(bytes.len(), |end| end + 1);
        self.place.at += size(skipped);
        self.place.line = line + u64::from(first_line.is_some());
        self.place.within = first_line.is_none();
    }

    fn keep(&mut self, mut row: Map<String, Value>, line: u64) {
        row.insert(FILE.to_owned(), self.file.into());
        row.insert(LINE.to_owned(), line.into());
        self.rows.push(Value::Object(row));
    }

    fn reject(&mut self, line: u64, raw: &[u8], reason: String) {
        let text = String::from_utf8_lossy(raw);
        let text = text.trim_matches(['\r', '\n']).to_owned();
        self.bad.push(BadLine { line, reason, text });
    }

    fn done(&self) -> usize {
        self.rows.len() + self.bad.len()
    }
}

fn header(record: &csv::ByteRecord) -> Result<Vec<String>, BadFile> {
    if record.as_slice().len() > MAX_HEADER_BYTES {
        return Err(BadFile::TooLong);
    }
    let mut columns: Vec<String> = Vec::with_capacity(record.len());
    let mut known = BTreeSet::new();
    for (name, number) in record.iter().zip(1..) {
        let name = std::str::from_utf8(name)
            .map_err(|_| BadFile::NoText)?
            .trim();
        if name.is_empty() {
            return Err(BadFile::NoName(number));
        }
        if name == FILE || name == LINE {
            return Err(BadFile::Ours(number));
        }
        if !known.insert(name.to_owned()) {
            return Err(BadFile::Twice(number));
        }
        columns.push(name.to_owned());
    }
    Ok(columns)
}

/// Each row would be told by itself, that it has no key, though it is the file that is wrong.
fn has_key(columns: &[String], needed: &BTreeSet<String>) -> Result<(), BadFile> {
    if needed.is_empty() || columns.iter().any(|name| needed.contains(name)) {
        return Ok(());
    }
    Err(BadFile::NoKey {
        needed: named(needed.iter()),
        found: named(columns.iter()),
        hint: match columns {
            [one] if one.contains(DELIMITERS) => ANOTHER_DELIMITER,
            _ => "",
        },
    })
}

/// Some names, shortened.
fn named<'a>(names: impl ExactSizeIterator<Item = &'a String>) -> String {
    let more = names.len().saturating_sub(TOLD_NAMES);
    let short = |name: &String| match name.char_indices().nth(TOLD_CHARS) {
        Some((end, _)) => format!("`{}...`", name.get(..end).unwrap_or_default()),
        None => format!("`{name}`"),
    };
    let mut told: Vec<String> = names.take(TOLD_NAMES).map(short).collect();
    if more > 0 {
        told.push(format!("and {more} more"));
    }
    told.join(", ")
}

fn part(bytes: &[u8], from: u64, to: u64) -> &[u8] {
    let at = |place| usize::try_from(place).unwrap_or(usize::MAX);
    bytes.get(at(from)..at(to)).unwrap_or_default()
}

fn lines_in(bytes: &[u8]) -> u64 {
    size(bytes.split(|byte| *byte == b'\n').count().saturating_sub(1))
}

fn size(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

/// Where a row of a file stands, in words: `line 17 of invoices.csv`. None for a row of no file.
pub fn place_of(row: &Value) -> Option<String> {
    let file = row.get(FILE)?.as_str()?;
    let line = row.get(LINE)?.as_u64()?;
    Some(told(file, line))
}

/// The same for a line.
pub fn told(file: &str, line: u64) -> String {
    format!("line {line} of {file}")
}
