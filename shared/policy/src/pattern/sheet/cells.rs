//! Cells of a row by the names of their columns, and what is wrong with them.

use csv::StringRecord;

use crate::check::{
    Mistake,
    words::{instead, is_placeholder},
};

/// Columns of a sheet, and whether each row must fill it whatever the others say.
const COLUMNS: [(&str, bool); 17] = [
    ("flow", true),
    ("source", true),
    ("target", true),
    ("direction", true),
    ("conflict", false),
    ("records_a_day", true),
    ("latency", true),
    ("impact", true),
    ("someone_waits", true),
    ("trigger", true),
    ("consumers", false),
    ("runs_a_day", false),
    ("bulk_api", false),
    ("loss", true),
    ("calls_a_record", false),
    ("quota_a_day", false),
    ("bulk_quota_a_day", false),
];

/// Characters of a cell that a message repeats; a longer one is cut.
const MAX_TOLD: usize = 40;

/// Where each column stands.
pub(super) struct Header {
    names: Vec<String>,
}

impl Header {
    /// Reads the header. A column that is not known, stands twice or is missing is a mistake.
    pub fn read(file: &str, header: &StringRecord) -> Result<Self, Vec<Mistake>> {
        let names: Vec<String> = header.iter().map(str::to_owned).collect();
        let mut messages = Vec::new();
        for (at, name) in names.iter().enumerate() {
            if !COLUMNS.iter().any(|(known, _)| known == name) {
                let instead = instead(name, COLUMNS.iter().map(|(known, _)| *known));
                messages.push(format!("there is no column {}{instead}", told(name)));
            } else if names.iter().take(at).any(|before| before == name) {
                messages.push(format!("the column `{name}` stands there twice"));
            }
        }
        for (column, always) in COLUMNS {
            if always && !names.iter().any(|name| name == column) {
                messages.push(format!("the column `{column}` is missing"));
            }
        }
        if messages.is_empty() {
            return Ok(Self { names });
        }
        Err(messages
            .into_iter()
            .map(|message| Mistake::new(file, 1, message))
            .collect())
    }
}

/// The cells of a row, and what was found wrong with them.
pub(super) struct Cells<'a> {
    file: &'a str,
    line: usize,
    header: &'a Header,
    record: &'a StringRecord,
    mistakes: Vec<Mistake>,
}

impl<'a> Cells<'a> {
    pub fn new(file: &'a str, line: usize, header: &'a Header, record: &'a StringRecord) -> Self {
        Self {
            file,
            line,
            header,
            record,
            mistakes: Vec::new(),
        }
    }

    pub fn file(&self) -> &'a str {
        self.file
    }

    pub fn line(&self) -> usize {
        self.line
    }

    /// The row as others name it: `sheet.csv:4`.
    pub fn place(&self) -> String {
        format!("{}:{}", self.file, self.line)
    }

    pub fn into_mistakes(self) -> Vec<Mistake> {
        self.mistakes
    }

    /// A cell, unless it is empty or `-`.
    fn cell(&self, column: &str) -> Option<&'a str> {
        let at = self.header.names.iter().position(|name| name == column)?;
        self.record
            .get(at)
            .filter(|cell| !cell.is_empty() && *cell != "-")
    }

    /// The name of the row, for messages.
    fn row(&self) -> String {
        self.cell("flow")
            .map_or_else(|| "this row".to_owned(), told)
    }

    /// Tells what is wrong with a cell.
    pub fn wrong(&mut self, column: &str, message: &str) {
        let message = format!("`{column}` of {} {message}", self.row());
        let mistake = Mistake::new(self.file, self.line, message);
        self.mistakes.push(mistake);
    }

    pub fn refuse_more_than_the_header(&mut self) {
        let (cells, columns) = (self.record.len(), self.header.names.len());
        if cells > columns {
            self.mistakes.push(Mistake::new(
                self.file,
                self.line,
                format!("the row has {cells} cells, the header {columns} columns: quote a cell that holds a comma"),
            ));
        }
    }

    /// A cell that each row must fill.
    pub fn needed<T>(
        &mut self,
        column: &str,
        right: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        if self.cell(column).is_none() {
            self.wrong(column, &format!("is empty: it must be {right}"));
            return None;
        }
        self.filled(column, right, parse)
    }

    /// A cell that is read if it is filled.
    pub fn filled<T>(
        &mut self,
        column: &str,
        right: &str,
        parse: impl Fn(&str) -> Option<T>,
    ) -> Option<T> {
        let cell = self.cell(column)?;
        // `none` is an answer where the column knows it.
        let read = parse(cell);
        if read.is_none() {
            let open = if is_placeholder(cell) {
                "stands open"
            } else {
                "is wrong"
            };
            self.wrong(
                column,
                &format!("{open}: it must be {right}, {} is written", told(cell)),
            );
        }
        read
    }

    /// What a rule needs, where the cell is empty: a mistake that says why. A cell that was filled
    /// and wrong is told already.
    pub fn present<T>(&mut self, column: &str, read: Option<T>, why: &str) -> Option<T> {
        if read.is_none() && self.cell(column).is_none() {
            self.wrong(column, &format!("is empty: {why}"));
        }
        read
    }
}

/// A cell as a message repeats it: cut, and without control characters.
fn told(cell: &str) -> String {
    let mut told: String = cell
        .chars()
        .take(MAX_TOLD)
        .flat_map(char::escape_debug)
        .collect();
    if cell.chars().count() > MAX_TOLD {
        told.push_str("...");
    }
    format!("`{told}`")
}
