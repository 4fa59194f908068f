//! The target of the walk: records with ids, calls that take effect when they like.

use super::*;

/// What a call does when it takes effect.
#[derive(Clone, Debug)]
pub(super) enum Effect {
    Create(String),
    /// Under an idempotency key: a repeat makes nothing.
    CreateUnder(String, String),
    Upsert(String),
    Update(String, String),
    /// Of this number; of the one there is, where our key names it.
    Remove(Option<String>),
}

#[derive(Debug)]
struct Call {
    by: ClaimToken,
    /// By when it has surely ended.
    ends: UnixMs,
    /// When it takes effect, if it will.
    at: Option<UnixMs>,
    effect: Effect,
}

#[derive(Default)]
pub(super) struct Target {
    /// Content by number of the record; none of one that was deleted.
    records: Vec<Option<String>>,
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
        let number: usize = id.parse().unwrap();
        self.records[number].is_some()
    }

    /// The id that a create is answered with: the newest, or the one of its key.
    pub(super) fn id_of(&self, key: &str) -> String {
        let of_key = self.keys.iter().find(|(known, _)| known == key);
        let newest = self.records.len().saturating_sub(1);
        of_key.map_or(newest, |(_, number)| *number).to_string()
    }

    pub(super) fn content(&self) -> Option<&str> {
        self.records.iter().flatten().next().map(String::as_str)
    }

    /// A person writes into the record.
    pub(super) fn edit(&mut self, name: &str) {
        if let Some(record) = self.records.iter_mut().flatten().next() {
            name.clone_into(record);
        }
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
            match effect {
                Effect::Create(name) => self.records.push(Some(name)),
                Effect::CreateUnder(key, _) if self.keys.iter().any(|(known, _)| *known == key) => {
                }
                Effect::CreateUnder(key, name) => {
                    self.keys.push((key, self.records.len()));
                    self.records.push(Some(name));
                }
                Effect::Upsert(name) => self.records = vec![Some(name)],
                Effect::Update(id, name) => {
                    let number: usize = id.parse().unwrap();
                    if self.records[number].is_some() {
                        self.records[number] = Some(name);
                    }
                }
                Effect::Remove(None) => self.records.clear(),
                Effect::Remove(Some(id)) => {
                    let number: usize = id.parse().unwrap();
                    self.records[number] = None;
                }
            }
        }
        self.calls
            .retain(|call| call.at.is_some() || call.ends > now);
    }

    pub(super) fn find(&self, name: &str) -> Vec<String> {
        (0..self.records.len())
            .filter(|number| self.records[*number].as_deref() == Some(name))
            .map(|number| number.to_string())
            .collect()
    }
}
