//! The target of the walk: records with ids, calls that take effect when they like.

use super::*;

/// What a call does when it takes effect.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    /// The first call of an update that takes two: reads the record of this id, to be replaced by
    /// one of this name.
    Read(String, String),
    Create(String),
    /// Under an idempotency key: a repeat makes nothing.
    CreateUnder(String, String),
    Upsert(String),
    Update(String, String),
    /// Of this number; of the one there is, where our key names it.
    Remove(Removal, Option<String>),
}

#[derive(Clone, Debug)]
struct Call {
    by: ClaimToken,
    /// By when it has surely ended.
    ends: UnixMs,
    /// When it takes effect, if it will.
    at: Option<UnixMs>,
    effect: Effect,
}

#[derive(Clone, Debug)]
struct Record {
    name: String,
    archived: bool,
}

#[derive(Clone, Debug, Default)]
pub(super) struct Target {
    /// By number of the record; none of one that was deleted.
    records: Vec<Option<Record>>,
    /// Idempotency keys under which a record was made, and its number.
    keys: Vec<(String, usize)>,
    calls: Vec<Call>,
}

impl Target {
    pub(super) fn records(&self) -> usize {
        self.records.iter().flatten().count()
    }

    /// Whether there is such a record.
    pub(super) fn has(&self, id: &str) -> bool {
        self.records[number(id)].is_some()
    }

    /// The id that a create is answered with: the newest, or the one of its key.
    pub(super) fn id_of(&self, key: &str) -> String {
        let of_key = self.keys.iter().find(|(known, _)| known == key);
        let newest = self.records.len().saturating_sub(1);
        of_key.map_or(newest, |(_, number)| *number).to_string()
    }

    pub(super) fn content(&self) -> Option<&str> {
        let record = self.records.iter().flatten().next()?;
        Some(if record.archived {
            ARCHIVED
        } else {
            &record.name
        })
    }

    /// A person writes into the record.
    pub(super) fn edit(&mut self, name: &str) {
        if let Some(record) = self.records.iter_mut().flatten().next() {
            name.clone_into(&mut record.name);
        }
    }

    /// A person deletes the record.
    pub(super) fn delete(&mut self) {
        self.records.fill_with(|| None);
    }

    /// A call leaves at `now` and takes effect at `at`, if at all.
    pub(super) fn call(
        &mut self,
        by: &ClaimToken,
        now: UnixMs,
        at: Option<UnixMs>,
        effect: Effect,
    ) {
        for other in self.calls.iter().filter(|call| call.by != *by) {
            assert!(
                now > other.ends,
                "EFF-1: {effect:?} of {by} leaves at {now} while {other:?} may take effect"
            );
        }
        if matches!(effect, Effect::Read(..)) {
            // It leaves when no write can take effect, but takes none itself.
            return;
        }
        self.calls.push(Call {
            by: by.clone(),
            ends: now + TIMEOUT + SETTLE,
            at,
            effect,
        });
    }

    /// The answer has come: it takes effect no more.
    pub(super) fn ended(&mut self, by: &ClaimToken) {
        self.calls
            .retain(|call| call.by != *by || call.at.is_some());
        for call in self.calls.iter_mut().filter(|call| call.by == *by) {
            call.ends = UnixMs::EPOCH;
        }
    }

    /// When the next call takes effect, or ends.
    pub(super) fn next_after(&self, now: UnixMs) -> Option<UnixMs> {
        let moments = self
            .calls
            .iter()
            .flat_map(|call| [Some(call.ends), call.at]);
        moments.flatten().filter(|at| *at > now).min()
    }

    /// Lets all calls take effect that are due.
    pub(super) fn settle(&mut self, now: UnixMs) {
        let mut due: Vec<(UnixMs, Effect)> = Vec::new();
        for call in &mut self.calls {
            if let Some(at) = call.at.filter(|at| *at <= now) {
                due.push((at, call.effect.clone()));
                call.at = None;
            }
        }
        due.sort_by_key(|(at, _)| *at);
        for (_, effect) in due {
            self.take_effect(effect);
        }
        self.calls
            .retain(|call| call.at.is_some() || call.ends > now);
    }

    fn take_effect(&mut self, effect: Effect) {
        match effect {
            Effect::Read(..) => {}
            Effect::Create(name) => self.make(name),
            Effect::CreateUnder(key, _) if self.keys.iter().any(|(known, _)| *known == key) => {}
            Effect::CreateUnder(key, name) => {
                self.keys.push((key, self.records.len()));
                self.make(name);
            }
            Effect::Upsert(name) => {
                self.records.clear();
                self.make(name);
            }
            Effect::Update(id, name) => {
                if let Some(record) = &mut self.records[number(&id)] {
                    record.name = name;
                    record.archived = false;
                }
            }
            Effect::Remove(how, id) => {
                let of_id = id.map(|id| number(&id));
                for (number, record) in self.records.iter_mut().enumerate() {
                    if of_id.is_some_and(|of_id| of_id != number) {
                        continue;
                    }
                    match (how, record.as_mut()) {
                        (Removal::Archive, Some(record)) => record.archived = true,
                        _ => *record = None,
                    }
                }
            }
        }
    }

    fn make(&mut self, name: String) {
        let archived = false;
        self.records.push(Some(Record { name, archived }));
    }

    pub(super) fn find(&self, name: &str) -> Vec<String> {
        let bears = |record: &Option<Record>| record.as_ref().is_some_and(|it| it.name == name);
        (0..self.records.len())
            .filter(|number| bears(&self.records[*number]))
            .map(|number| number.to_string())
            .collect()
    }
}

fn number(id: &str) -> usize {
    id.parse().unwrap()
}
