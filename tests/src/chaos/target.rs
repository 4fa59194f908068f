//! Targets that hold what they are told, by what they offer against doing a thing twice.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use tidegate_model::UnixMs;

use super::plan::TargetKind;

/// What a target holds of one record.
#[derive(Clone, Debug)]
pub struct Thing {
    /// Our key, which the target itself makes nothing of.
    pub key: String,
    /// The body as it was sent.
    pub body: Value,
    /// From when its list shows it.
    pub shown_from: UnixMs,
}

/// What a call did at the target.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Did {
    /// A record was made.
    Created,
    /// One was changed, or set to what it was.
    Updated,
    /// One was removed.
    Deleted,
}

/// An effect at the target.
#[derive(Clone, Debug)]
pub struct TargetEffect {
    /// What.
    pub did: Did,
    /// Our key.
    pub key: String,
    /// The version in the body, where there is one.
    pub stamp: Option<u64>,
    /// Whether anything is other than before.
    pub alters: bool,
}

/// A target that makes its own ids, or takes our keys for ids.
pub struct Things {
    kind: TargetKind,
    /// What it holds, by id.
    pub held: BTreeMap<String, Thing>,
    made: u64,
    by_idempotency: BTreeMap<String, String>,
}

/// A request, taken apart.
#[derive(Clone, Debug)]
pub struct Asked {
    /// The method.
    pub method: String,
    /// The path's parts.
    pub path: Vec<String>,
    /// The query.
    pub query: BTreeMap<String, String>,
    /// The body.
    pub body: Value,
    /// The idempotency key.
    pub idempotency: Option<String>,
}

impl Things {
    /// A target that holds nothing.
    pub fn new(kind: TargetKind) -> Self {
        Self {
            kind,
            held: BTreeMap::new(),
            made: 0,
            by_idempotency: BTreeMap::new(),
        }
    }

    /// The key of the record that a request is about.
    pub fn key_of(&self, asked: &Asked) -> Option<String> {
        let id = asked.path.get(1);
        match (self.kind, id) {
            (TargetKind::Upsert, Some(id)) => Some(id.clone()),
            (_, Some(id)) => self.held.get(id).map(|thing| thing.key.clone()),
            (_, None) => {
                let named = asked.body.get("ref").and_then(Value::as_str);
                let found = asked.query.get("name").and_then(|name| {
                    // Names are N.<key>.<number>.
                    name.strip_prefix("N.")?
                        .rsplit_once('.')
                        .map(|(key, _)| key)
                });
                named.or(found).map(str::to_owned)
            }
        }
    }

    /// Does what is asked. A record that is made is in the list from `shown_from`.
    pub fn act(
        &mut self,
        asked: &Asked,
        now: UnixMs,
        shown_from: UnixMs,
    ) -> (u16, Value, Option<TargetEffect>) {
        let id = asked.path.get(1).cloned();
        match (asked.method.as_str(), id) {
            ("GET", None) => (200, self.list(asked, now), None),
            ("POST", None) => self.create(asked, shown_from),
            ("PUT", Some(id)) => self.replace(&id, asked, shown_from),
            ("DELETE", Some(id)) => match self.held.remove(&id) {
                Some(thing) => {
                    let effect = TargetEffect {
                        did: Did::Deleted,
                        key: thing.key,
                        stamp: None,
                        alters: true,
                    };
                    (204, Value::Null, Some(effect))
                }
                None => (404, json!({ "error": "no such thing" }), None),
            },
            _ => (404, json!({ "error": "no such path" }), None),
        }
    }

    /// A person removes the record.
    pub fn remove(&mut self, key: &str) -> bool {
        let before = self.held.len();
        self.held.retain(|_, thing| thing.key != key);
        self.held.len() < before
    }

    /// A person writes another note into the record.
    pub fn tamper(&mut self, key: &str, n: u64) -> bool {
        let mut mine = self.held.values_mut().filter(|thing| thing.key == key);
        let note = mine.next().and_then(|thing| thing.body.get_mut("note"));
        note.is_some_and(|note| {
            *note = json!(format!("by hand {n}"));
            true
        })
    }

    fn list(&self, asked: &Asked, now: UnixMs) -> Value {
        let name = asked.query.get("name").map(String::as_str);
        let number = |what: &str| asked.query.get(what)?.parse::<usize>().ok();
        let items: Vec<Value> = self
            .held
            .iter()
            .filter(|(_, thing)| thing.shown_from <= now)
            .filter(|(_, thing)| {
                name.is_none() || thing.body.get("name").and_then(Value::as_str) == name
            })
            .skip(number("offset").unwrap_or(0))
            .take(number("count").unwrap_or(usize::MAX))
            .map(|(id, thing)| {
                let mut row = thing.body.clone();
                if let Some(row) = row.as_object_mut() {
                    row.insert("id".to_owned(), json!(id));
                }
                row
            })
            .collect();
        json!({ "items": items })
    }

    fn create(&mut self, asked: &Asked, shown_from: UnixMs) -> (u16, Value, Option<TargetEffect>) {
        if let Some(id) = asked
            .idempotency
            .as_ref()
            .and_then(|key| self.by_idempotency.get(key))
        {
            return (200, json!({ "id": id }), None);
        }
        self.made += 1;
        let id = format!("T{}", self.made);
        if let Some(key) = &asked.idempotency {
            self.by_idempotency.insert(key.clone(), id.clone());
        }
        let thing = thing(&asked.body, shown_from);
        let effect = effect(Did::Created, &thing, true);
        self.held.insert(id.clone(), thing);
        (201, json!({ "id": id }), Some(effect))
    }

    fn replace(
        &mut self,
        id: &str,
        asked: &Asked,
        shown_from: UnixMs,
    ) -> (u16, Value, Option<TargetEffect>) {
        let before = self.held.get(id);
        if before.is_none() && self.kind != TargetKind::Upsert {
            return (404, json!({ "error": "no such thing" }), None);
        }
        let alters = before.is_none_or(|before| before.body != asked.body);
        let did = if before.is_some() {
            Did::Updated
        } else {
            Did::Created
        };
        let shown_from = before.map_or(shown_from, |before| before.shown_from);
        let thing = thing(&asked.body, shown_from);
        let effect = effect(did, &thing, alters);
        self.held.insert(id.to_owned(), thing);
        (200, json!({ "id": id }), Some(effect))
    }
}

fn thing(body: &Value, shown_from: UnixMs) -> Thing {
    let key = body.get("ref").and_then(Value::as_str).unwrap_or_default();
    Thing {
        key: key.to_owned(),
        body: body.clone(),
        shown_from,
    }
}

fn effect(did: Did, thing: &Thing, alters: bool) -> TargetEffect {
    TargetEffect {
        did,
        key: thing.key.clone(),
        stamp: thing.body.get("stamp").and_then(Value::as_u64),
        alters,
    }
}
