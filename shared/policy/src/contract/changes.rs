//! How a contract changed: in words, harmless and breaking told apart.

use std::{collections::BTreeSet, fmt};

use super::{Contract, Schema, words};

/// One thing that changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The call.
    pub operation: String,
    /// The property by its path; empty for the whole body.
    pub property: String,
    /// What became of it.
    pub what: String,
    /// Something that was accepted no longer is.
    pub breaks: bool,
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.property.is_empty() {
            return write!(f, "{} {}", self.operation, self.what);
        }
        let property = words::short(&self.property);
        write!(f, "{}: `{property}` {}", self.operation, self.what)
    }
}

/// What changed from one contract to another, in the order of the names. None where they are equal.
pub fn changes(old: &Contract, new: &Contract) -> Vec<Change> {
    let mut found = Vec::new();
    let names: BTreeSet<&String> = old.operations.keys().chain(new.operations.keys()).collect();
    for operation in names {
        let mut told = Told {
            operation,
            found: &mut found,
        };
        match (old.operations.get(operation), new.operations.get(operation)) {
            (Some(old), Some(new)) => told.compare(old, new, ""),
            (Some(_), None) => told.tell("", "is no longer described", true),
            (None, Some(_)) => told.tell("", "is described now", false),
            (None, None) => {}
        }
    }
    found
}

struct Told<'a> {
    operation: &'a str,
    found: &'a mut Vec<Change>,
}

impl Told<'_> {
    fn tell(&mut self, property: &str, what: impl Into<String>, breaks: bool) {
        self.found.push(Change {
            operation: self.operation.to_owned(),
            property: property.to_owned(),
            what: what.into(),
            breaks,
        });
    }

    fn compare(&mut self, old: &Schema, new: &Schema, path: &str) {
        if old.kinds != new.kinds {
            let what = format!("was {} and is {}", words::kinds(old), words::kinds(new));
            self.tell(path, what, narrows(old.kinds.as_ref(), new.kinds.as_ref()));
        }
        if old.values != new.values {
            let told = |values: Option<&BTreeSet<String>>| {
                values.map_or_else(|| "any value".to_owned(), words::values)
            };
            let (before, after) = (old.values.as_ref(), new.values.as_ref());
            let what = format!("accepted {} and accepts {}", told(before), told(after));
            self.tell(path, what, narrows(before, after));
        }
        if old.max_length != new.max_length {
            let told = |most: Option<u64>| {
                most.map_or_else(|| "any number".to_owned(), |most| most.to_string())
            };
            let what = format!(
                "had {} characters at most and has {}",
                told(old.max_length),
                told(new.max_length)
            );
            let most = |length: Option<u64>| length.unwrap_or(u64::MAX);
            self.tell(path, what, most(new.max_length) < most(old.max_length));
        }
        match (old.read_only, new.read_only) {
            (false, true) => self.tell(path, "is only shown now", true),
            (true, false) => self.tell(path, "is accepted now", false),
            _ => {}
        }
        match (old.open, new.open) {
            (true, false) => self.tell(path, "accepts no other properties any more", true),
            (false, true) => self.tell(path, "accepts other properties now", false),
            _ => {}
        }
        match (&old.entries, &new.entries) {
            (Some(old), Some(new)) => self.compare(old, new, &below(path, "*")),
            (None, Some(_)) => self.tell(path, "says what its entries are now", true),
            (Some(_), None) => self.tell(path, "no longer says what its entries are", false),
            (None, None) => {}
        }
        self.compare_properties(old, new, path);
    }

    fn compare_properties(&mut self, old: &Schema, new: &Schema, path: &str) {
        let names = [&old.required, &new.required].into_iter().flatten();
        let names = names
            .chain(old.properties.keys())
            .chain(new.properties.keys());
        for name in names.collect::<BTreeSet<_>>() {
            let at = below(path, name);
            let (before, after) = (old.properties.get(name), new.properties.get(name));
            let required = (old.required.contains(name), new.required.contains(name));
            match (before, after) {
                (None, Some(_)) if required.1 => self.tell(&at, "is new and required", true),
                (None, Some(_)) => self.tell(&at, "is new", false),
                (Some(_), None) => self.tell(&at, "is no longer there", true),
                (before, after) => {
                    match required {
                        (false, true) => self.tell(&at, "is required now", true),
                        (true, false) => self.tell(&at, "is no longer required", false),
                        _ => {}
                    }
                    if let (Some(before), Some(after)) = (before, after) {
                        self.compare(before, after, &at);
                    }
                }
            }
        }
    }
}

fn below(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}/{name}")
    }
}

/// Whether something that was in the old set is not in the new one; a set that is missing has everything.
fn narrows<T: Ord>(old: Option<&BTreeSet<T>>, new: Option<&BTreeSet<T>>) -> bool {
    match (old, new) {
        (_, None) => false,
        (None, Some(_)) => true,
        (Some(old), Some(new)) => !old.is_subset(new),
    }
}
