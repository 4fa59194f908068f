//! Items, and conditional writes as data.
//!
//! Every write that Tidegate's safety rests on is an [`Update`]: a condition and changes, in the
//! small algebra that DynamoDB's expressions offer. Policy builds it, the DynamoDB adapter renders
//! it, and [`Update::evaluate`] runs it in memory; a test holds the two equal. So the simulator
//! runs the very writes that production sends.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

/// The value of an attribute. Values of different kinds never compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A text; compared by its bytes.
    Text(String),
    /// A whole number.
    Number(i64),
}

impl From<String> for Value {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Number(number)
    }
}

impl Value {
    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        match self {
            Self::Text(text) => Some(text),
            Self::Number(_) => None,
        }
    }

    /// The number, if it is one.
    pub fn as_number(&self) -> Option<i64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Text(_) => None,
        }
    }
}

/// A stored item without its key: attributes by name.
pub type Item = BTreeMap<String, Value>;

/// Where an item lies: partition and sort key.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ItemKey {
    /// The partition key.
    pub partition: String,
    /// The sort key.
    pub sort: String,
}

/// How two values are compared. An absent attribute fails every comparison but `Ne`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Op {
    /// Equal.
    Eq,
    /// Not equal; true for an absent attribute.
    Ne,
    /// Less.
    Lt,
    /// Less or equal.
    Le,
    /// Greater.
    Gt,
    /// Greater or equal.
    Ge,
}

/// What must hold for a write to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Condition {
    /// The attribute exists.
    Exists(&'static str),
    /// It does not.
    Absent(String),
    /// It compares so with the value.
    Is(String, Op, Value),
    /// All hold; none listed means always.
    All(Vec<Condition>),
    /// One holds.
    Any(Vec<Condition>),
}

impl Condition {
    /// Always true.
    pub const ALWAYS: Self = Self::All(Vec::new());

    /// `attribute op value`.
    pub fn is(attribute: impl Into<String>, op: Op, value: impl Into<Value>) -> Self {
        Self::Is(attribute.into(), op, value.into())
    }

    /// Absent, or compares so.
    pub fn absent_or(attribute: &str, op: Op, value: impl Into<Value>) -> Self {
        Self::Any(vec![
            Self::Absent(attribute.to_owned()),
            Self::is(attribute, op, value),
        ])
    }

    fn holds(&self, item: &Item) -> bool {
        match self {
            Self::Exists(name) => item.contains_key(*name),
            Self::Absent(name) => !item.contains_key(name),
            Self::Is(name, op, value) => compare(item.get(name), *op, value),
            Self::All(parts) => parts.iter().all(|part| part.holds(item)),
            Self::Any(parts) => parts.iter().any(|part| part.holds(item)),
        }
    }
}

fn compare(found: Option<&Value>, op: Op, wanted: &Value) -> bool {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let order = match (found, wanted) {
        (Some(Value::Text(a)), Value::Text(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Some(Value::Number(a)), Value::Number(b)) => a.cmp(b),
        _ => return op == Op::Ne,
    };
    match op {
        Op::Eq => order == Equal,
        Op::Ne => order != Equal,
        Op::Lt => order == Less,
        Op::Le => order != Greater,
        Op::Gt => order == Greater,
        Op::Ge => order != Less,
    }
}

/// One change of one attribute. Every right side reads the item as it was before the write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Set to the value.
    Set(Value),
    /// Set to the value unless it exists.
    Default(Value),
    /// Unless it exists, set to the value of another attribute, or to this one if that is absent too.
    DefaultCopy(&'static str, Value),
    /// Add to the number; an absent one counts as zero.
    Add(i64),
    /// Set to the value of another attribute, which must exist.
    Copy(&'static str),
    /// Remove.
    Remove,
}

/// A conditional write of one item: all changes, or none.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Update {
    /// What must hold.
    pub condition: Condition,
    /// The changes, at most one an attribute.
    pub changes: BTreeMap<String, Change>,
}

impl Update {
    /// A write under the condition, with no change yet.
    pub fn when(condition: Condition) -> Self {
        Self {
            condition,
            changes: BTreeMap::new(),
        }
    }

    /// Sets an attribute.
    #[must_use]
    pub fn set(self, attribute: impl Into<String>, value: impl Into<Value>) -> Self {
        self.change(attribute, Change::Set(value.into()))
    }

    /// Sets an attribute if there is a value, removes it otherwise.
    #[must_use]
    pub fn set_or_remove(
        self,
        attribute: impl Into<String>,
        value: Option<impl Into<Value>>,
    ) -> Self {
        match value {
            Some(value) => self.set(attribute, value),
            None => self.change(attribute, Change::Remove),
        }
    }

    /// Removes attributes.
    #[must_use]
    pub fn remove(mut self, attributes: &[&str]) -> Self {
        for attribute in attributes {
            self = self.change(*attribute, Change::Remove);
        }
        self
    }

    /// Adds any change.
    #[must_use]
    pub fn change(mut self, attribute: impl Into<String>, change: Change) -> Self {
        self.changes.insert(attribute.into(), change);
        self
    }

    /// What the write makes of an item: the item after it, or `None` when the condition fails.
    pub fn evaluate(&self, before: Option<&Item>) -> Option<Item> {
        let empty = Item::new();
        let old = before.unwrap_or(&empty);
        if !self.condition.holds(old) {
            return None;
        }
        let mut new = old.clone();
        for (name, change) in &self.changes {
            let value = match change {
                Change::Set(value) => Some(value.clone()),
                Change::Default(value) => Some(old.get(name).unwrap_or(value).clone()),
                Change::DefaultCopy(from, fallback) => {
                    let copied = old.get(name).or_else(|| old.get(*from)).cloned();
                    Some(copied.unwrap_or_else(|| fallback.clone()))
                }
                Change::Add(n) => {
                    let number = old.get(name).and_then(Value::as_number).unwrap_or(0);
                    Some(Value::Number(number.saturating_add(*n)))
                }
                Change::Copy(from) => old.get(*from).cloned(),
                Change::Remove => None,
            };
            match value {
                Some(value) => new.insert(name.clone(), value),
                None => new.remove(name),
            };
        }
        Some(new)
    }
}
