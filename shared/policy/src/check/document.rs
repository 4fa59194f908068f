//! A flow file as JSON, with the line of each of its parts.

use std::{collections::BTreeMap, ops::Range};

use serde_json::{Map, Number, Value};
use toml::{
    Spanned,
    de::{DeTable, DeValue},
};

use super::{Mistake, connectors};
use crate::flow::{FlowText, hash_of};

/// A parsed file.
pub(super) struct Document {
    pub(super) file: String,
    /// What the file says. A date, for which JSON has no form, is a table of one entry [`DATE`].
    pub(super) value: Value,
    /// First digits of the SHA-256 of the text, and of those of the connectors that it was read with.
    pub(super) hash: String,
    /// Line of each part, by JSON pointer: that of its key, or of the entry in a list.
    lines: BTreeMap<String, usize>,
    /// The file and line of each part that a connector filled in, by JSON pointer.
    filled_in: BTreeMap<String, (String, usize)>,
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
            hash: hash_of(text),
            lines: reader.lines,
            filled_in: BTreeMap::new(),
        })
    }

    /// Parses a flow file and fills in what the connectors that it names know. The second is what is
    /// wrong with those.
    pub(super) fn of_flow(flow: &FlowText) -> Result<(Self, Vec<Mistake>), Vec<Mistake>> {
        let mut document = Self::parse(&flow.name, &flow.text)?;
        let mistakes = connectors::fill_in(&mut document, flow);
        if document.text("/target/type") == Some("store") {
            // Flows are compared by it.
            document.set_default("/target", "name", "store");
        }
        Ok((document, mistakes))
    }

    /// The file and the line of a part, or of the nearest part around it that there is.
    pub(super) fn place(&self, pointer: &str) -> (&str, usize) {
        let mut pointer = pointer;
        loop {
            if let Some((file, line)) = self.filled_in.get(pointer) {
                return (file, *line);
            }
            if let Some(line) = self.lines.get(pointer) {
                return (&self.file, *line);
            }
            match pointer.rfind('/') {
                Some(end) => pointer = pointer.get(..end).unwrap_or_default(),
                None => return (&self.file, 1),
            }
        }
    }

    /// The same as a person reads it: `FILE:LINE`.
    pub(super) fn place_words(&self, pointer: &str) -> String {
        let (file, line) = self.place(pointer);
        format!("{file}:{line}")
    }

    /// Something at a part.
    pub(super) fn mistake(&self, pointer: &str, message: impl Into<String>) -> Mistake {
        let (file, line) = self.place(pointer);
        Mistake::new(file, line, message)
    }

    /// Whether no connector filled anything in.
    pub(super) fn is_whole(&self) -> bool {
        self.filled_in.is_empty()
    }

    /// Says what a part is that nobody named.
    fn set_default(&mut self, table: &str, name: &str, value: &str) {
        if let Some(Value::Object(table)) = self.value.pointer_mut(table) {
            table.entry(name).or_insert_with(|| value.into());
        }
    }

    /// Takes a part out.
    pub(super) fn take(&mut self, pointer: &str) -> Option<Value> {
        let (table, name) = pointer.rsplit_once('/')?;
        self.value.pointer_mut(table)?.as_object_mut()?.remove(name)
    }

    /// Another text belongs to what this document says.
    pub(super) fn read_with(&mut self, text: &str) {
        self.hash = hash_of(&format!("{}{text}", self.hash));
    }

    /// Puts a part of another document in a table, or behind the entries of a list. Its last step is
    /// a name, and not escaped otherwise than the other document has it.
    pub(super) fn insert(&mut self, at: &str, value: Value, of: &Self, part: &str) {
        let Some((into, name)) = at.rsplit_once('/') else {
            return;
        };
        match self.value.pointer_mut(into) {
            Some(Value::Object(table)) => {
                table.insert(name.replace("~1", "/").replace("~0", "~"), value);
            }
            Some(Value::Array(entries)) => entries.push(value),
            _ => return,
        }
        let below = format!("{part}/");
        for pointer in of.lines.keys() {
            if pointer == part || pointer.starts_with(&below) {
                let rest = pointer.get(part.len()..).unwrap_or_default();
                let (file, line) = of.place(pointer);
                self.filled_in
                    .insert(format!("{at}{rest}"), (file.to_owned(), line));
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
