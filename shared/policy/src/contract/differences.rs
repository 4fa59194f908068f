//! What a flow writes that its target does not accept.

use std::fmt;

use super::{Contract, Kind, Operation, Schema, Writes, words};

/// Differences that are told in one text: who sees these mends, and looks again.
const MAX_TOLD: usize = 5;

/// One thing that a flow writes and its target does not accept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Difference {
    /// The call, such as `PUT /members/{}`.
    pub operation: String,
    /// JSON pointer to the place in the flow file that decides what is written.
    pub pointer: String,
    /// The property by its path, such as `address/city`; empty for the whole body.
    pub property: String,
    /// What the flow writes.
    pub written: String,
    /// What the target accepts.
    pub accepted: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            operation,
            property,
            written,
            accepted,
            ..
        } = self;
        if property.is_empty() {
            return write!(f, "{operation}: {written}, {accepted}");
        }
        let property = words::short(property);
        write!(f, "{operation}: `{property}`: {written}, {accepted}")
    }
}

/// The first few of several, in one text.
pub fn told<T: fmt::Display>(all: &[T]) -> String {
    let mut texts: Vec<String> = all.iter().take(MAX_TOLD).map(ToString::to_string).collect();
    if all.len() > MAX_TOLD {
        texts.push(format!("and {} more", all.len() - MAX_TOLD));
    }
    texts.join("; ")
}

/// What the flow writes that the target does not accept, in the order of its calls and of the names.
pub fn differences(writes: &Writes, contract: &Contract) -> Vec<Difference> {
    let mut found = Vec::new();
    for operation in writes.operations() {
        match contract.operations.get(&operation.name()) {
            Some(accepted) => Comparison {
                operation,
                found: &mut found,
            }
            .compare(writes.body(), accepted, &[]),
            None => found.push(Difference {
                operation: operation.name(),
                pointer: format!("/target/{}", operation.call),
                property: String::new(),
                written: "the flow calls it".to_owned(),
                accepted: "the target does not describe it".to_owned(),
            }),
        }
    }
    found
}

struct Comparison<'a> {
    operation: &'a Operation,
    found: &'a mut Vec<Difference>,
}

impl Comparison<'_> {
    fn differs(&mut self, path: &[&str], written: String, accepted: String) {
        let steps = path
            .iter()
            .map(|name| name.replace('~', "~0").replace('/', "~1"));
        let steps: Vec<String> = steps.collect();
        self.found.push(Difference {
            operation: self.operation.name(),
            pointer: std::iter::once("/target/body".to_owned())
                .chain(steps)
                .collect::<Vec<_>>()
                .join("/"),
            property: path.join("/"),
            written,
            accepted,
        });
    }

    fn compare(&mut self, written: &Schema, accepted: &Schema, path: &[&str]) {
        if accepted.read_only && !written.read_only {
            let reads = "the target only shows it (`readOnly`)".to_owned();
            return self.differs(path, "the flow writes it".to_owned(), reads);
        }
        if let (Some(mine), Some(theirs)) = (&written.kinds, &accepted.kinds) {
            // Null is left out of a body, and in a list it is what the source gave.
            let mut others = mine.difference(theirs).filter(|kind| **kind != Kind::Null);
            if others.next().is_some() {
                return self.differs(
                    path,
                    format!("the flow writes {}", words::kinds(written)),
                    format!("the target accepts {}", words::kinds(accepted)),
                );
            }
        }
        self.compare_values(written, accepted, path);
        if let (Some(mine), Some(theirs)) = (&written.entries, &accepted.entries) {
            self.compare(mine, theirs, &[path, &["*"]].concat());
        }
        if written.is_table() && accepted.is_table() {
            self.compare_tables(written, accepted, path);
        }
    }

    fn compare_values(&mut self, written: &Schema, accepted: &Schema, path: &[&str]) {
        if let (Some(mine), Some(theirs)) = (&written.values, &accepted.values) {
            let others: Vec<String> = mine.difference(theirs).cloned().collect();
            if !others.is_empty() {
                self.differs(
                    path,
                    format!(
                        "the flow may write {}",
                        words::values(&others.into_iter().collect())
                    ),
                    format!("the target accepts {}", words::values(theirs)),
                );
            }
        }
        if let (Some(mine), Some(theirs)) = (written.max_length, accepted.max_length)
            && mine > theirs
        {
            self.differs(
                path,
                format!("the flow writes up to {mine} characters"),
                format!("the target accepts {theirs}"),
            );
        }
    }

    fn compare_tables(&mut self, written: &Schema, accepted: &Schema, path: &[&str]) {
        for (name, mine) in &written.properties {
            let path = [path, &[name.as_str()]].concat();
            match accepted.properties.get(name) {
                Some(theirs) => self.compare(mine, theirs, &path),
                None if accepted.open => {}
                None => self.differs(
                    &path,
                    "the flow writes it".to_owned(),
                    "the target does not name it".to_owned(),
                ),
            }
        }
        for name in &accepted.required {
            let shown = accepted
                .properties
                .get(name)
                .is_some_and(|one| one.read_only);
            if shown || written.required.contains(name) {
                continue;
            }
            let lacks = if written.properties.contains_key(name) {
                "the flow leaves it out where its field has no value (it is not in `schema.required`)"
            } else {
                "the flow does not write it"
            };
            let path = [path, &[name.as_str()]].concat();
            self.differs(&path, lacks.to_owned(), "the target requires it".to_owned());
        }
    }
}
