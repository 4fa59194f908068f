//! An [`Update`] in DynamoDB's expressions. Mechanical: nothing is added to what the policy built,
//! but for the copy of an attribute that may be absent.
//!
//! `SET a = b` fails where `b` is absent, while [`Update::evaluate`] then removes `a`. So a copy is
//! rendered under the assumption that its source exists, and the assumption joins the condition.
//! Where it was wrong, the loser's item shows it, and the update is rendered anew with `REMOVE a`.
//!
//! Not equal to `evaluate`: adding to an attribute that holds a text, or beyond 64 bits, is an
//! error here. No write of the policy does either.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use tidegate_model::item::{Change, Condition, Item, Op, Update, Value};

use super::attribute::{PARTITION, raw};

/// The parts of an `UpdateItem` request. What is empty is `None`, since DynamoDB refuses it.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Rendered {
    pub(super) update: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) names: Option<HashMap<String, String>>,
    pub(super) values: Option<HashMap<String, AttributeValue>>,
}

/// Sources of copies that the item lacks.
pub(super) fn absent_copies(update: &Update, item: Option<&Item>) -> Vec<&'static str> {
    let exists = |name: &str| item.is_some_and(|item| item.contains_key(name));
    copies(update).filter(|from| !exists(from)).collect()
}

/// Renders an update of an item in which, of the attributes that it copies, `absent` are absent.
pub(super) fn render(update: &Update, absent: &[&'static str]) -> Rendered {
    let mut renderer = Renderer::default();
    for (name, change) in &update.changes {
        renderer.change(name, change, absent);
    }
    let assumed = copies(update).map(|from| {
        if absent.contains(&from) {
            Condition::Absent(from.to_owned())
        } else {
            Condition::Exists(from)
        }
    });
    let whole: Vec<_> = std::iter::once(update.condition.clone())
        .chain(assumed)
        .collect();
    let condition = renderer.condition(&Condition::All(whole));
    renderer.finish(condition)
}

fn copies(update: &Update) -> impl Iterator<Item = &'static str> {
    update.changes.values().filter_map(|change| match change {
        Change::Copy(from) => Some(*from),
        _ => None,
    })
}

/// A condition after its constant parts are gone: DynamoDB has no `true`.
enum Term {
    Always,
    Never,
    Test(String),
}

#[derive(Default)]
struct Renderer {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
    sets: Vec<String>,
    removes: Vec<String>,
}

impl Renderer {
    /// The placeholder of an attribute, the same for each use.
    fn name(&mut self, attribute: &str) -> String {
        let next = format!("#a{}", self.names.len());
        let placeholder = self.names.entry(attribute.to_owned()).or_insert(next);
        placeholder.clone()
    }

    /// A new placeholder for a value.
    fn value(&mut self, value: &Value) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), raw(value));
        placeholder
    }

    fn change(&mut self, attribute: &str, change: &Change, absent: &[&'static str]) {
        let a = self.name(attribute);
        let right = match change {
            Change::Set(value) => self.value(value),
            Change::Default(value) => format!("if_not_exists({a}, {})", self.value(value)),
            Change::DefaultCopy(from, fallback) => {
                let from = self.name(from);
                let fallback = self.value(fallback);
                format!("if_not_exists({a}, if_not_exists({from}, {fallback}))")
            }
            Change::Add(n) => {
                let zero = self.value(&Value::Number(0));
                let n = self.value(&Value::Number(*n));
                format!("if_not_exists({a}, {zero}) + {n}")
            }
            Change::Copy(from) if !absent.contains(from) => self.name(from),
            Change::Copy(_) | Change::Remove => {
                self.removes.push(a);
                return;
            }
        };
        self.sets.push(format!("{a} = {right}"));
    }

    fn condition(&mut self, condition: &Condition) -> Term {
        match condition {
            Condition::Exists(name) => Term::Test(format!("attribute_exists({})", self.name(name))),
            Condition::Absent(name) => {
                Term::Test(format!("attribute_not_exists({})", self.name(name)))
            }
            Condition::Is(name, op, value) => Term::Test(self.comparison(name, *op, value)),
            Condition::All(parts) => self.all(parts),
            Condition::Any(parts) => self.any(parts),
        }
    }

    fn comparison(&mut self, name: &str, op: Op, value: &Value) -> String {
        let (name, value) = (self.name(name), self.value(value));
        let sign = match op {
            Op::Eq => "=",
            Op::Ne => return format!("(attribute_not_exists({name}) OR {name} <> {value})"),
            Op::Lt => "<",
            Op::Le => "<=",
            Op::Gt => ">",
            Op::Ge => ">=",
        };
        format!("{name} {sign} {value}")
    }

    fn all(&mut self, parts: &[Condition]) -> Term {
        let mut tests = Vec::new();
        for part in parts {
            match self.condition(part) {
                Term::Always => {}
                Term::Never => return Term::Never,
                Term::Test(test) => tests.push(test),
            }
        }
        join(&tests, " AND ").map_or(Term::Always, Term::Test)
    }

    fn any(&mut self, parts: &[Condition]) -> Term {
        let mut tests = Vec::new();
        for part in parts {
            match self.condition(part) {
                Term::Always => return Term::Always,
                Term::Never => {}
                Term::Test(test) => tests.push(test),
            }
        }
        join(&tests, " OR ").map_or(Term::Never, Term::Test)
    }

    fn finish(mut self, condition: Term) -> Rendered {
        let mut clauses = Vec::new();
        if let Some(sets) = join_list(&self.sets) {
            clauses.push(format!("SET {sets}"));
        }
        if let Some(removes) = join_list(&self.removes) {
            clauses.push(format!("REMOVE {removes}"));
        }
        let update = Some(clauses.join(" ")).filter(|text| !text.is_empty());
        let condition = match condition {
            Term::Always => None,
            Term::Never => {
                let key = self.name(PARTITION);
                Some(format!(
                    "attribute_exists({key}) AND attribute_not_exists({key})"
                ))
            }
            Term::Test(test) => Some(test),
        };
        let used = [update.as_deref(), condition.as_deref()];
        let used = |placeholder: &str| {
            used.iter()
                .flatten()
                .any(|text| mentions(text, placeholder))
        };
        // A part that fell away with a constant leaves its placeholders, which DynamoDB refuses.
        let names: HashMap<_, _> = self
            .names
            .into_iter()
            .filter(|(_, placeholder)| used(placeholder))
            .map(|(attribute, placeholder)| (placeholder, attribute))
            .collect();
        let mut values = self.values;
        values.retain(|placeholder, _| used(placeholder));
        Rendered {
            names: Some(names).filter(|names| !names.is_empty()),
            values: Some(values).filter(|values| !values.is_empty()),
            update,
            condition,
        }
    }
}

fn join(tests: &[String], word: &str) -> Option<String> {
    match tests {
        [] => None,
        [one] => Some(one.clone()),
        several => Some(format!("({})", several.join(word))),
    }
}

fn join_list(parts: &[String]) -> Option<String> {
    (!parts.is_empty()).then(|| parts.join(", "))
}

/// Whether the placeholder stands in the text, and not only as the beginning of a longer one.
fn mentions(text: &str, placeholder: &str) -> bool {
    text.match_indices(placeholder).any(|(at, _)| {
        let rest = text.get(at + placeholder.len()..).unwrap_or_default();
        !rest.starts_with(|c: char| c.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_update_that_says_nothing_has_no_expression() {
        assert_eq!(
            render(&Update::when(Condition::ALWAYS), &[]),
            Rendered::default()
        );
    }

    #[test]
    fn each_change_has_its_expression() {
        let update = Update::when(Condition::absent_or("a", Op::Lt, 5))
            .set("a", 1)
            .change("b", Change::Add(2))
            .change("c", Change::DefaultCopy("a", "none".into()))
            .change("d", Change::Default("x".into()))
            .remove(&["e"]);
        let rendered = render(&update, &[]);
        assert_eq!(
            rendered.update.as_deref(),
            Some(
                "SET #a0 = :v0, #a1 = if_not_exists(#a1, :v1) + :v2, \
                 #a2 = if_not_exists(#a2, if_not_exists(#a0, :v3)), \
                 #a3 = if_not_exists(#a3, :v4) REMOVE #a4"
            )
        );
        assert_eq!(
            rendered.condition.as_deref(),
            Some("(attribute_not_exists(#a0) OR #a0 < :v5)")
        );
        assert_eq!(rendered.names.map(|names| names.len()), Some(5));
    }

    #[test]
    fn a_copy_states_what_it_assumes() {
        let update = Update::when(Condition::ALWAYS).change("a", Change::Copy("b"));
        let rendered = render(&update, &[]);
        assert_eq!(rendered.update.as_deref(), Some("SET #a0 = #a1"));
        assert_eq!(rendered.condition.as_deref(), Some("attribute_exists(#a1)"));
        let rendered = render(&update, &["b"]);
        assert_eq!(rendered.update.as_deref(), Some("REMOVE #a0"));
        assert_eq!(
            rendered.condition.as_deref(),
            Some("attribute_not_exists(#a1)")
        );
    }

    #[test]
    fn constant_parts_fall_away_with_their_placeholders() {
        let always = Condition::Any(vec![Condition::is("a", Op::Eq, 1), Condition::ALWAYS]);
        assert_eq!(render(&Update::when(always), &[]), Rendered::default());
        let never = render(&Update::when(Condition::Any(Vec::new())), &[]);
        assert_eq!(
            never.condition.as_deref(),
            Some("attribute_exists(#a0) AND attribute_not_exists(#a0)")
        );
    }
}
