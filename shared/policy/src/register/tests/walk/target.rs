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
    /// Content by number of the record.
    records: Vec<String>,
    /// Idempotency keys under which a record was made.
    keys: Vec<String>,
    calls: Vec<Call>,
}

impl Target {
    pub(super) fn records(&self) -> usize {
        self.records.len()
    }

    pub(super) fn content(&self) -> Option<&str> {
        self.records.first().map(String::as_str)
    }

    /// A person writes into the record.
    pub(super) fn edit(&mut self, name: &str) {
        if let Some(record) = self.records.first_mut() {
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
                Effect::Create(name) => self.records.push(name),
                Effect::CreateUnder(key, _) if self.keys.contains(&key) => {}
                Effect::CreateUnder(key, name) => {
                    self.keys.push(key);
                    self.records.push(name);
                }
                Effect::Upsert(name) => self.records = vec![name],
                Effect::Update(id, name) => {
                    let number: usize = id.parse().unwrap();
                    self.records[number] = name;
                }
            }
        }
        self.calls
            .retain(|call| call.at.is_some() || call.ends > now);
    }

    pub(super) fn find(&self, name: &str) -> Vec<String> {
        (0..self.records.len())
            .filter(|number| self.records[*number] == name)
            .map(|number| number.to_string())
            .collect()
    }
}
