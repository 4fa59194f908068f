//! A flow file as JSON, with the line of each of its parts.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::Mistake;

/// A parsed file.
pub(super) struct Document {
    pub(super) file: String,
    /// What the file says. A date, for which JSON has no form, is a table of one entry [`DATE`].
    pub(super) value: Value,
    /// Line of each part, by JSON pointer: that of its key, or of the entry in a list.
    lines: BTreeMap<String, usize>,
}

/// A bracket that is not closed upsets every line after it, and the first lines say where to look.
const MOST_SYNTAX_MISTAKES: usize = 3;

/// Stands for a date of TOML.
pub(super) const DATE: &str = "a date of TOML";

impl Document {
    /// Parses the text; on failure the first syntax mistakes that the parser could tell apart.
    pub(super) fn parse(file: &str, text: &str) -> Result<Self, Vec<Mistake>> {
        let (table, errors) = DeTable::parse_recoverable(text);
        if !errors.is_empty() {
            let mut mistakes: Vec<Mistake> = errors
                .iter()
                .map(|error| syntax_mistake(file, text, error))
                .collect();
            mistakes.sort();
            // One slip can upset the parser more than once on a line: the first word on it is enough.
            mistakes.dedup_by_key(|mistake| mistake.line);
            let more = mistakes.len().saturating_sub(MOST_SYNTAX_MISTAKES);
            mistakes.truncate(MOST_SYNTAX_MISTAKES);
            if let Some(last) = mistakes.last_mut().filter(|_| more > 0) {
                last.message = format!(
                    "{}; {more} more lines can not be read, perhaps since something before them is not closed",
                    last.message
                );
            }
            return Err(mistakes);
        }
        let mut reader = Reader {
            starts: line_starts(text),
            lines: BTreeMap::new(),
        };
        let value = reader.table(table.get_ref(), "");
        Ok(Self {
            file: file.to_owned(),
            value,
            lines: reader.lines,
        })
    }

    /// The line of a part, or of the nearest part around it that the file has.
    pub(super) fn line(&self, pointer: &str) -> usize {
        let mut pointer = pointer;
        loop {
            if let Some(line) = self.lines.get(pointer) {
                return *line;
            }
            match pointer.rfind('/') {
                Some(end) => pointer = pointer.get(..end).unwrap_or_default(),
                None => return 1,
            }
        }
    }

    /// A part by JSON pointer.
    pub(super) fn get(&self, pointer: &str) -> Option<&Value> {
        self.value.pointer(pointer)
    }

    /// A text by JSON pointer.
    pub(super) fn text(&self, pointer: &str) -> Option<&str> {
        self.get(pointer)?.as_str()
    }

    /// A whole number by JSON pointer.
    pub(super) fn number(&self, pointer: &str) -> Option<u64> {
        self.get(pointer)?.as_u64()
    }

    /// The names in a table by JSON pointer.
    pub(super) fn names(&self, pointer: &str) -> Vec<&str> {
        self.get(pointer)
            .and_then(Value::as_object)
            .map_or_else(Vec::new, |table| table.keys().map(String::as_str).collect())
    }
}

/// A pointer's next step.
pub(super) fn child(pointer: &str, name: &str) -> String {
    format!("{pointer}/{}", name.replace('~', "~0").replace('/', "~1"))
}

/// What the parser said, at its line.
pub(super) fn syntax_mistake(file: &str, text: &str, error: &toml::de::Error) -> Mistake {
    let span = error.span().unwrap_or(0..0);
    let message = match (error.message(), text.get(span.clone())) {
        ("duplicate key", Some(key)) => format!("the key `{key}` stands there twice"),
        (message, _) => message.replace('\n', "; "),
    };
    Mistake::new(file, line_of(&line_starts(text), span.start), message)
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0)
        .chain(text.match_indices('\n').map(|(at, _)| at + 1))
        .collect()
}

fn line_of(starts: &[usize], offset: usize) -> usize {
    starts.partition_point(|start| *start <= offset).max(1)
}

struct Reader {
    starts: Vec<usize>,
    lines: BTreeMap<String, usize>,
}

impl Reader {
    fn table(&mut self, table: &DeTable<'_>, pointer: &str) -> Value {
        let mut read = Map::new();
        for (name, value) in table {
            let at = child(pointer, name.get_ref());
            self.note(&at, name.span());
            let value = self.value(value, &at);
            read.insert(name.get_ref().to_string(), value);
        }
        Value::Object(read)
    }

    fn value(&mut self, value: &Spanned<DeValue<'_>>, pointer: &str) -> Value {
        match value.get_ref() {
            DeValue::String(text) => Value::String(text.to_string()),
            DeValue::Boolean(flag) => Value::Bool(*flag),
            DeValue::Integer(digits) => i64::from_str_radix(digits.as_str(), digits.radix())
                .map_or(Value::Null, Value::from),
            DeValue::Float(digits) => digits
                .as_str()
                .parse()
                .ok()
                .and_then(Number::from_f64)
                .map_or(Value::Null, Value::Number),
            DeValue::Datetime(date) => Value::Object(
                std::iter::once((DATE.to_owned(), Value::String(date.to_string()))).collect(),
            ),
            DeValue::Array(entries) => Value::Array(
                entries
                    .iter()
                    .enumerate()
                    .map(|(index, entry)| {
                        let at = format!("{pointer}/{index}");
                        self.note(&at, entry.span());
                        self.value(entry, &at)
                    })
                    .collect(),
            ),
            DeValue::Table(table) => self.table(table, pointer),
        }
    }

    fn note(&mut self, pointer: &str, span: Range<usize>) {
        self.lines
            .insert(pointer.to_owned(), line_of(&self.starts, span.start));
    }
}
