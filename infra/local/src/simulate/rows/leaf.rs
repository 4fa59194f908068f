//! A path of a row, and what it is for.

use std::collections::BTreeMap;

use jiff::{Timestamp, tz::TimeZone};
use serde_json::{Value, json};
use tidegate_model::flow::{FlowFile, Pages, VersionSpec};
use tidegate_policy::{expr::Expression, flow::Flow};
use tidegate_testkit::doubles::Seed;

use super::{RowsError, key_text, not_made_up, rfc3339};
use crate::simulate::shape::{self, NotMadeUp};

/// A form in which a source writes times.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TimeForm {
    /// RFC 3339 with `Z`.
    Utc,
    /// Without an offset, in a zone that the flow names.
    Local(TimeZone),
}

/// What a path is for.
#[derive(Clone, Debug)]
pub(super) enum Role {
    /// Gives the key.
    Key,
    /// Counts changes.
    Sequence,
    /// Says when the row changed.
    Time(TimeForm),
    /// Tells a living row from a tombstone: one of these words.
    Alive,
    /// Feeds fields, with values of this schema.
    Field(Value),
    /// Feeds a field by being one of these, or none of them.
    Words(Vec<Value>),
    /// Feeds a field, with values like the one of the sample.
    Like,
}

/// A path of a row.
#[derive(Clone, Debug)]
pub(super) struct Leaf {
    /// Names below `row`.
    pub path: Vec<String>,
    /// What it is for.
    pub role: Role,
    /// The fields that it feeds.
    pub feeds: Vec<String>,
}

impl Leaf {
    /// As the flow file writes it.
    pub(super) fn name(&self) -> String {
        format!("row.{}", self.path.join("."))
    }

    /// As a JSON pointer.
    pub(super) fn pointer(&self) -> String {
        let part = |name: &String| format!("/{}", name.replace('~', "~0").replace('/', "~1"));
        self.path.iter().map(part).collect()
    }
}

impl Role {
    /// Whether it feeds a field and nothing else.
    pub(super) fn is_field(&self) -> bool {
        matches!(self, Self::Field(_) | Self::Words(_) | Self::Like)
    }

    pub(super) fn write_times_as(&mut self, form: &TimeForm) {
        if let Self::Time(old) = self {
            *old = form.clone();
        }
    }

    /// A value for the row of this number; `None` leaves what stands there.
    pub(super) fn value(
        &self,
        number: u32,
        version: u64,
        at_us: u64,
        old: Option<&Value>,
        seed: &mut Seed,
    ) -> Result<Option<Value>, NotMadeUp> {
        Ok(Some(match self {
            Self::Key => json!(key_text(number)),
            Self::Sequence => json!(version),
            Self::Time(form) => json!(written(form, at_us)),
            Self::Alive => match old {
                Some(_) => return Ok(None),
                None => json!("active"),
            },
            Self::Field(schema) => shape::value_of(schema, seed)?,
            Self::Words(words) => seed.pick(words),
            // A record begins as the sample has it.
            Self::Like => return Ok(old.filter(|_| version > 1).and_then(|old| like(old, seed))),
        }))
    }
}

fn written(form: &TimeForm, at_us: u64) -> String {
    let at = i64::try_from(at_us)
        .ok()
        .and_then(|us| Timestamp::from_microsecond(us).ok());
    match (form, at) {
        (TimeForm::Local(zone), Some(at)) => at
            .to_zoned(zone.clone())
            .strftime("%Y-%m-%dT%H:%M:%S%.6f")
            .to_string(),
        _ => rfc3339(at_us),
    }
}

/// Another value of the same kind.
fn like(old: &Value, seed: &mut Seed) -> Option<Value> {
    match old {
        Value::Bool(_) => Some(Value::Bool(seed.chance(50))),
        Value::Number(number) if number.is_f64() => Some(json!(
            (number.as_f64()? * 10.0).round() / 10.0 + f64::from(seed.below(9)) / 10.0
        )),
        Value::Number(number) => Some(json!(number.as_i64()? + i64::from(seed.below(9)))),
        Value::String(text) => {
            // The part before is kept, so that what was varied often does not grow.
            let stem = text.split(" #").next().unwrap_or_default();
            Some(json!(format!("{stem} #{}", seed.below(100_000))))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => None,
    }
}

/// The paths below a first name that an expression reads.
pub(super) fn paths_of(text: &str, root: &str) -> Vec<Vec<String>> {
    let Ok(expression) = Expression::compile(text) else {
        return Vec::new();
    };
    let below = |path: &String| {
        let names: Vec<String> = path
            .strip_prefix(root)?
            .split('.')
            .map(str::to_owned)
            .collect();
        let (first, rest) = names.split_first()?;
        (first.is_empty() && !rest.is_empty()).then(|| rest.to_vec())
    };
    expression.names().paths.iter().filter_map(below).collect()
}

/// The path of an expression that is nothing but one.
pub(super) fn plain_path(text: &str) -> Option<Vec<String>> {
    let mut names = text.trim().split('.');
    names.next()?;
    let names: Vec<String> = names.map(str::to_owned).collect();
    let is_name =
        |name: &String| !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || c == '_');
    (!names.is_empty() && names.iter().all(is_name)).then_some(names)
}

/// The texts in quotes of an expression.
fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '"']) {
        let (quote, after) = rest.split_at(at).1.split_at(1);
        let Some((inner, next)) = after.split_once(quote) else {
            break;
        };
        found.push(inner.to_owned());
        rest = next;
    }
    found
}

fn pages_of(file: &FlowFile) -> Option<&Pages> {
    file.source.rest().map(|source| &source.list.pages)
}

/// The forms of times to try: with an offset, then in each zone that the flow names.
pub(super) fn time_forms(flow: &Flow) -> Vec<TimeForm> {
    let file = flow.file();
    let mut texts: Vec<&str> = file.record.modified.iter().map(String::as_str).collect();
    if let VersionSpec::Time { at } = &file.record.version {
        texts.push(at);
    }
    if let Some(Pages::Keyset { time, .. }) = pages_of(file) {
        texts.push(time);
    }
    let zones = texts.into_iter().flat_map(quoted);
    let local = zones.filter_map(|zone| TimeZone::get(&zone).ok().map(TimeForm::Local));
    std::iter::once(TimeForm::Utc).chain(local).collect()
}

/// Every path that the flow reads, with its role.
pub(super) fn leaves_of(flow: &Flow, sample: Option<&Value>) -> Result<Vec<Leaf>, RowsError> {
    let file = flow.file();
    let mut leaves: BTreeMap<Vec<String>, Leaf> = BTreeMap::new();
    let mut add = |path: Vec<String>, role: Role| {
        let leaf = || Leaf {
            path: path.clone(),
            role,
            feeds: Vec::new(),
        };
        leaves.entry(path.clone()).or_insert_with(leaf);
    };
    let mut needed = |text: &str, what: &str, role: &Role| {
        let paths = paths_of(text, "row");
        if paths.is_empty() {
            return Err(not_made_up(
                what,
                format!("`{text}` reads no path of the row"),
            ));
        }
        for path in paths {
            add(path, role.clone());
        }
        Ok(())
    };
    needed(&file.record.key, "record.key", &Role::Key)?;
    let time = Role::Time(TimeForm::Utc);
    match &file.record.version {
        VersionSpec::Sequence { at } => needed(at, "record.version", &Role::Sequence)?,
        VersionSpec::Time { at } => needed(at, "record.version", &time)?,
        VersionSpec::Read => {}
    }
    if let Some(modified) = &file.record.modified {
        needed(modified, "record.modified", &time)?;
    }
    if let Some(Pages::Keyset { time: at, id, .. }) = pages_of(file) {
        needed(at, "source.list.pages.time", &time)?;
        needed(id, "source.list.pages.id", &Role::Key)?;
    }
    if let Some(deleted) = &file.record.deleted {
        for path in paths_of(deleted, "row") {
            add(path, Role::Alive);
        }
    }
    for (name, text) in &file.fields {
        let role = field_role(flow, name, text, sample.is_some());
        for path in paths_of(text, "row") {
            let leaf = || Leaf {
                path: path.clone(),
                role: role.clone(),
                feeds: Vec::new(),
            };
            let leaf = leaves.entry(path.clone()).or_insert_with(leaf);
            leaf.feeds.push(name.clone());
        }
    }
    Ok(leaves.into_values().collect())
}

/// What a field's paths hold: what its schema says, or, where an expression compares, what it
/// compares with.
fn field_role(flow: &Flow, name: &str, text: &str, has_sample: bool) -> Role {
    let schema = flow
        .file()
        .schema
        .get("properties")
        .and_then(|of| of.get(name));
    let can_make = |schema: &Value| shape::value_of(schema, &mut Seed::new(1)).is_ok();
    if plain_path(text).is_some() {
        return match schema {
            Some(schema) if !has_sample || can_make(schema) => Role::Field(schema.clone()),
            _ if has_sample => Role::Like,
            _ => Role::Field(json!({})),
        };
    }
    if has_sample {
        return Role::Like;
    }
    let is_flag = schema.is_some_and(|schema| schema.get("type") == Some(&json!("boolean")));
    let words = quoted(text);
    if is_flag && !words.is_empty() {
        let words = words.into_iter().chain(["another".to_owned()]);
        return Role::Words(words.map(Value::String).collect());
    }
    Role::Field(schema.cloned().unwrap_or_else(|| json!({})))
}
