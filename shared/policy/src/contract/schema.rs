//! A JSON Schema as far as two of them are compared.

use std::collections::{BTreeMap, BTreeSet};

use percent_encoding::percent_decode_str;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::{ContractError, words};

/// Schemas that are read for one body. A table of the largest objects in use has some hundred
/// properties; references that spread out without an end stop here.
pub const MAX_SCHEMAS: usize = 5_000;
/// Schemas within schemas, references counted. Real documents have ten; the stack holds many more.
pub const MAX_DEPTH: usize = 48;
/// Values of an `enum` that are compared: a longer list is a catalogue, taken for any value.
const MAX_VALUES: usize = 200;

/// What a JSON value can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// A list.
    Array,
    /// True or false.
    Boolean,
    /// A whole number.
    Integer,
    /// Null.
    Null,
    /// A number that need not be whole. Stands beside [`Kind::Integer`], which it includes.
    Number,
    /// A table.
    Object,
    /// A text.
    String,
}

impl Kind {
    /// The kind of a value.
    pub(super) fn of(value: &Value) -> Self {
        match value {
            Value::Null => Self::Null,
            Value::Bool(_) => Self::Boolean,
            Value::Number(number) if number.is_f64() => Self::Number,
            Value::Number(_) => Self::Integer,
            Value::String(_) => Self::String,
            Value::Array(_) => Self::Array,
            Value::Object(_) => Self::Object,
        }
    }

    fn named(name: &str) -> Option<&'static [Self]> {
        Some(match name {
            "array" => &[Self::Array],
            "boolean" => &[Self::Boolean],
            "integer" => &[Self::Integer],
            "null" => &[Self::Null],
            "number" => &[Self::Integer, Self::Number],
            "object" => &[Self::Object],
            "string" => &[Self::String],
            _ => return None,
        })
    }
}

/// A JSON Schema, with references resolved. What is not compared is left out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Schema {
    /// What a value can be; none where anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) kinds: Option<BTreeSet<Kind>>,
    /// The values that are allowed, as JSON; none where any.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) values: Option<BTreeSet<String>>,
    /// Most characters of a text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) max_length: Option<u64>,
    /// It is only shown, never taken.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) read_only: bool,
    /// Properties that must be there.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(super) required: BTreeSet<String>,
    /// Properties of a table.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub(super) properties: BTreeMap<String, Schema>,
    /// A table may have other properties than these.
    #[serde(skip_serializing_if = "is_false")]
    pub(super) open: bool,
    /// The entries of a list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) entries: Option<Box<Schema>>,
}

#[allow(
    clippy::trivially_copy_pass_by_ref,
    reason = "serde passes a reference"
)]
fn is_false(flag: &bool) -> bool {
    !*flag
}

impl Schema {
    /// Of which nothing is known.
    pub(super) fn any() -> Self {
        Self {
            open: true,
            ..Self::default()
        }
    }

    /// Whether a value may be null.
    pub(super) fn may_be_null(&self) -> bool {
        self.kinds
            .as_ref()
            .is_none_or(|kinds| kinds.contains(&Kind::Null))
    }

    /// Whether its tables are described.
    pub(super) fn is_table(&self) -> bool {
        let object = |kinds: &BTreeSet<Kind>| kinds.contains(&Kind::Object);
        self.kinds.as_ref().is_none_or(object) && !(self.properties.is_empty() && self.open)
    }
}

/// Which tables within a schema are read.
#[derive(Clone, Copy)]
pub(super) enum Below<'a> {
    /// All.
    All,
    /// Those that this schema has, too.
    Only(&'a Schema),
    /// None.
    Nothing,
}

impl<'a> Below<'a> {
    fn property(self, name: &str) -> Self {
        self.step(|schema| schema.properties.get(name))
    }

    fn entries(self) -> Self {
        self.step(|schema| schema.entries.as_deref())
    }

    fn step(self, next: impl Fn(&'a Schema) -> Option<&'a Schema>) -> Self {
        match self {
            Self::All => Self::All,
            Self::Only(schema) => next(schema).map_or(Self::Nothing, Self::Only),
            Self::Nothing => Self::Nothing,
        }
    }

    /// Whether the tables and lists of this very schema are read.
    fn reads(self) -> bool {
        match self {
            Self::All => true,
            Self::Only(schema) => !schema.properties.is_empty() || schema.entries.is_some(),
            Self::Nothing => false,
        }
    }
}

/// A part of a document.
#[derive(Clone)]
pub(super) struct Part<'a> {
    /// JSON pointer to it.
    pub at: String,
    /// What stands there.
    pub value: &'a Value,
}

impl<'a> Part<'a> {
    /// What stands below a name.
    pub(super) fn get(&self, name: &str) -> Option<Self> {
        let value = self.value.get(name)?;
        Some(self.child(name, value))
    }

    pub(super) fn child(&self, name: &str, value: &'a Value) -> Self {
        let name = name.replace('~', "~0").replace('/', "~1");
        Self {
            at: format!("{}/{name}", self.at),
            value,
        }
    }

    /// The table that stands there.
    pub(super) fn table(&self) -> Result<&'a Map<String, Value>, ContractError> {
        let table = self.value.as_object();
        table.ok_or_else(|| self.wrong("a table belongs here"))
    }

    fn list(&self) -> Result<Vec<Self>, ContractError> {
        let Some(list) = self.value.as_array() else {
            return Err(self.wrong("a list belongs here"));
        };
        let entries = list.iter().enumerate();
        Ok(entries
            .map(|(index, value)| self.child(&index.to_string(), value))
            .collect())
    }

    fn text(&self) -> Result<&'a str, ContractError> {
        let text = self.value.as_str();
        text.ok_or_else(|| self.wrong("a text belongs here"))
    }

    pub(super) fn wrong(&self, why: impl Into<String>) -> ContractError {
        ContractError::new(&self.at, why)
    }
}

/// Reads schemas of one document.
pub(super) struct Reader<'a> {
    root: &'a Value,
    left: usize,
}

impl<'a> Reader<'a> {
    pub(super) fn new(root: &'a Value) -> Self {
        Self {
            root,
            left: MAX_SCHEMAS,
        }
    }

    /// The part that a reference names, if the part is one.
    pub(super) fn referred(&self, part: &Part<'a>) -> Result<Option<Part<'a>>, ContractError> {
        let Some(reference) = part.get("$ref") else {
            return Ok(None);
        };
        let text = reference.text()?;
        let pointer = text.strip_prefix('#').unwrap_or("nowhere");
        // A reference is a URI, so what its pointer holds may be percent-encoded (RFC 6901, 6).
        let at = percent_decode_str(pointer).decode_utf8_lossy().into_owned();
        match self.root.pointer(&at) {
            Some(value) => Ok(Some(Part { at, value })),
            None => Err(reference.wrong(format!(
                "`{}` leads nowhere in this document",
                words::short(text)
            ))),
        }
    }

    pub(super) fn read(
        &mut self,
        part: &Part<'a>,
        below: Below<'_>,
        depth: usize,
    ) -> Result<Schema, ContractError> {
        let mut draft = Draft::default();
        self.add(&mut draft, part, below, depth)?;
        Ok(draft.done())
    }

    /// Adds what a schema says to what others have said: all of them hold.
    fn add(
        &mut self,
        draft: &mut Draft,
        part: &Part<'a>,
        below: Below<'_>,
        depth: usize,
    ) -> Result<(), ContractError> {
        if depth >= MAX_DEPTH {
            return Err(part.wrong(format!(
                "schemas stand deeper than {MAX_DEPTH} in each other"
            )));
        }
        self.left = self
            .left
            .checked_sub(1)
            .ok_or_else(|| part.wrong(format!("one body has more than {MAX_SCHEMAS} schemas")))?;
        match part.value {
            Value::Bool(true) => return Ok(()),
            Value::Bool(false) => {
                draft.schema.kinds = Some(BTreeSet::new());
                return Ok(());
            }
            _ => {}
        }
        let table = part.table()?;
        if let Some(referred) = self.referred(part)? {
            self.add(draft, &referred, below, depth + 1)?;
        }
        draft.add_value(part)?;
        self.add_table(draft, part, below, depth)?;
        if let Some(all) = part.get("allOf") {
            for each in all.list()? {
                self.add(draft, &each, below, depth + 1)?;
            }
        }
        for name in ["anyOf", "oneOf"] {
            if let Some(some) = part.get(name) {
                self.add_one_of(draft, &some.list()?, below, depth)?;
            }
        }
        // What hangs on the value itself can not be told beforehand.
        let conditional = ["if", "not", "patternProperties", "dependentSchemas"];
        draft.open |= conditional.iter().any(|name| table.contains_key(*name));
        Ok(())
    }

    fn add_table(
        &mut self,
        draft: &mut Draft,
        part: &Part<'a>,
        below: Below<'_>,
        depth: usize,
    ) -> Result<(), ContractError> {
        for others in ["additionalProperties", "unevaluatedProperties"] {
            match part.value.get(others) {
                None => {}
                Some(Value::Bool(false)) => draft.closed = true,
                Some(_) => draft.open = true,
            }
        }
        if !below.reads() {
            return Ok(());
        }
        if let Some(required) = part.get("required") {
            for name in required.list()? {
                draft.schema.required.insert(name.text()?.to_owned());
            }
        }
        if let Some(properties) = part.get("properties") {
            for (name, value) in properties.table()? {
                let property = properties.child(name, value);
                let mut of_name = draft.properties.remove(name).unwrap_or_default();
                self.add(&mut of_name, &property, below.property(name), depth + 1)?;
                draft.properties.insert(name.clone(), of_name);
            }
        }
        if let Some(items) = part.get("items").filter(|items| !items.value.is_array()) {
            let mut entries = draft.entries.take().unwrap_or_default();
            self.add(&mut entries, &items, below.entries(), depth + 1)?;
            draft.entries = Some(entries);
        }
        Ok(())
    }

    /// One of several holds. Beside null alone, a single one is the schema itself.
    fn add_one_of(
        &mut self,
        draft: &mut Draft,
        alternatives: &[Part<'a>],
        below: Below<'_>,
        depth: usize,
    ) -> Result<(), ContractError> {
        let is_null =
            |part: &&Part<'_>| part.value.get("type").and_then(Value::as_str) == Some("null");
        let (null, others): (Vec<_>, Vec<_>) = alternatives.iter().partition(is_null);
        if let [only] = others.as_slice() {
            let mut one = Draft::default();
            self.add(&mut one, only, below, depth + 1)?;
            if !null.is_empty()
                && let Some(kinds) = &mut one.schema.kinds
            {
                kinds.insert(Kind::Null);
            }
            draft.both(one);
            return Ok(());
        }
        let mut read = Vec::new();
        for other in others {
            read.push(self.read(other, Below::Nothing, depth + 1)?);
        }
        let mut kinds = union(read.iter().map(|schema| schema.kinds.as_ref()));
        if let Some(kinds) = &mut kinds
            && !null.is_empty()
        {
            kinds.insert(Kind::Null);
        }
        let lengths: Option<Vec<u64>> = read.iter().map(|schema| schema.max_length).collect();
        draft.both(Draft {
            schema: Schema {
                kinds,
                values: union(read.iter().map(|schema| schema.values.as_ref())),
                max_length: lengths.and_then(|lengths| lengths.into_iter().max()),
                ..Schema::default()
            },
            open: true,
            ..Draft::default()
        });
        Ok(())
    }
}

/// A schema of which more may be said.
#[derive(Default)]
struct Draft {
    schema: Schema,
    properties: BTreeMap<String, Draft>,
    entries: Option<Box<Draft>>,
    /// Other properties are allowed in so many words, or may be.
    open: bool,
    /// They are refused.
    closed: bool,
}

impl Draft {
    /// What a schema says of a value that is no table and no list.
    fn add_value(&mut self, part: &Part<'_>) -> Result<(), ContractError> {
        if let Some(kinds) = kinds(part)? {
            self.schema.kinds = both(self.schema.kinds.take(), Some(kinds));
        }
        let values = match (part.get("const"), part.get("enum")) {
            (Some(only), _) => Some(BTreeSet::from([only.value.to_string()])),
            (None, Some(some)) => {
                let values = some.list()?;
                let texts = values.iter().map(|value| value.value.to_string());
                (values.len() <= MAX_VALUES).then(|| texts.collect())
            }
            (None, None) => None,
        };
        self.schema.values = both(self.schema.values.take(), values);
        if let Some(most) = part.get("maxLength") {
            let Some(length) = most.value.as_u64() else {
                return Err(most.wrong("a whole number belongs here"));
            };
            self.schema.max_length =
                Some(self.schema.max_length.map_or(length, |old| old.min(length)));
        }
        self.schema.read_only |= part.value.get("readOnly") == Some(&Value::Bool(true));
        Ok(())
    }

    /// What both say holds.
    fn both(&mut self, other: Self) {
        let schema = &mut self.schema;
        schema.kinds = both(schema.kinds.take(), other.schema.kinds);
        schema.values = both(schema.values.take(), other.schema.values);
        let lengths = schema.max_length.into_iter().chain(other.schema.max_length);
        schema.max_length = lengths.min();
        schema.read_only |= other.schema.read_only;
        schema.required.extend(other.schema.required);
        for (name, property) in other.properties {
            match self.properties.get_mut(&name) {
                Some(known) => known.both(property),
                None => {
                    self.properties.insert(name, property);
                }
            }
        }
        match (&mut self.entries, other.entries) {
            (Some(known), Some(entries)) => known.both(*entries),
            (mine, entries) => *mine = mine.take().or(entries),
        }
        self.open |= other.open;
        self.closed |= other.closed;
    }

    /// JSON Schema allows what it does not name. But a description that names properties names all
    /// that its target takes; what it ignores would be lost in silence.
    fn done(self) -> Schema {
        let names_none = self.properties.is_empty();
        Schema {
            properties: self
                .properties
                .into_iter()
                .map(|(name, property)| (name, property.done()))
                .collect(),
            entries: self.entries.map(|entries| Box::new(entries.done())),
            open: self.open || (names_none && !self.closed),
            ..self.schema
        }
    }
}

/// `type`, with the `nullable` of `OpenAPI` 3.0.
fn kinds(part: &Part<'_>) -> Result<Option<BTreeSet<Kind>>, ContractError> {
    let Some(said) = part.get("type") else {
        return Ok(None);
    };
    let names = if said.value.is_array() {
        said.list()?
    } else {
        vec![said]
    };
    let mut kinds = BTreeSet::new();
    for name in names {
        let Some(known) = Kind::named(name.text()?) else {
            return Err(name.wrong(
                "`type` must be one of string, number, integer, boolean, array, object, null",
            ));
        };
        kinds.extend(known);
    }
    if part.value.get("nullable") == Some(&Value::Bool(true)) {
        kinds.insert(Kind::Null);
    }
    Ok(Some(kinds))
}

/// What two sets have in common; one that is missing holds everything.
pub(super) fn both<T: Ord + Clone>(
    a: Option<BTreeSet<T>>,
    b: Option<BTreeSet<T>>,
) -> Option<BTreeSet<T>> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.intersection(&b).cloned().collect()),
        (a, b) => a.or(b),
    }
}

/// What one of several sets holds; none where one of them is everything.
fn union<'a, T: Ord + Clone + 'a>(
    sets: impl Iterator<Item = Option<&'a BTreeSet<T>>>,
) -> Option<BTreeSet<T>> {
    let sets: Vec<&BTreeSet<T>> = sets.collect::<Option<_>>()?;
    let first = !sets.is_empty();
    first.then(|| sets.into_iter().flatten().cloned().collect())
}
