//! A worker of the walk: claim, call, commit, each a step of its own, as the engine takes them.

use tidegate_model::flow::Deletion;

use super::{target::Effect, *};
use crate::plan::{self, Step};

/// What a worker will do next.
enum State {
    Idle,
    Received,
    Claimed,
    /// An answer comes at this moment, unless the call broke.
    Called {
        answer_at: UnixMs,
        answer: Answer,
    },
    Found {
        name: String,
        ids: Vec<String>,
        search: String,
    },
    /// A repeated create told the id; what is desired is still to be written.
    Made {
        name: String,
    },
    Landed {
        id: Option<String>,
    },
    /// The commit was refused: newer content came.
    Overtaken {
        id: Option<String>,
    },
    Refused(ReviewKind),
    /// There is no such record, and an earlier call's outcome is open: it is created anew.
    Forgets {
        name: String,
    },
}

#[derive(Clone, Copy)]
enum Answer {
    Done,
    Gone,
    Failed,
    Broke,
}

pub(super) struct Worker {
    ahead: Duration,
    state: State,
    token: ClaimToken,
    claimed: Option<Register>,
    until: UnixMs,
    started: UnixMs,
    frozen_until: UnixMs,
    /// When its message comes back.
    message: UnixMs,
    /// What to update once a repeated create has told the id.
    after_create: Option<String>,
    /// What it was about to write into a record that there may be no more.
    update: Option<String>,
}

impl Worker {
    pub(super) fn new(ahead: Duration) -> Self {
        Self {
            ahead,
            state: State::Idle,
            token: token("none"),
            claimed: None,
            until: UnixMs::EPOCH,
            started: UnixMs::EPOCH,
            frozen_until: UnixMs::EPOCH,
            message: UnixMs::EPOCH,
            after_create: None,
            update: None,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Its own clock.
    fn clock(&self, world: &World) -> UnixMs {
        world.now + self.ahead
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if world.now < self.frozen_until {
            return;
        }
        if !self.is_idle() && world.chance(3) {
            // Dies: the message comes back by its visibility.
            self.state = State::Idle;
            return;
        }
        if world.chance(3) {
            self.frozen_until =
                world.now + Duration::from_millis(world.dice.random_range(0..=8_000));
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => self.receive(world),
            State::Received => self.claim(world),
            State::Claimed => self.begin(world),
            State::Called { answer_at, answer } if world.now >= answer_at => {
                self.answered(world, answer)
            }
            called @ State::Called { .. } => called,
            State::Found { name, ids, search } => self.found(world, name, &ids, &search),
            State::Made { name } => {
                let claimed = self.claimed.as_ref().unwrap();
                let key = plan::idempotency_key(claimed, &self.token);
                let id = world.target.id_of(key);
                self.found(world, name.clone(), &[id], &name)
            }
            State::Landed { id } => self.commit(world, id),
            State::Overtaken { id } => self.commit_part(world, id),
            State::Refused(kind) => self.review(world, kind),
            State::Forgets { name } => self.forget(world, name),
        };
    }

    fn receive(&mut self, world: &mut World) -> State {
        let Some(message) = world.messages.iter_mut().find(|at| **at <= world.now) else {
            return State::Idle;
        };
        self.message = world.now + VISIBILITY + Duration::from_millis(u64::from(world.tokens));
        *message = self.message;
        State::Received
    }

    fn delete(&self, world: &mut World) -> State {
        // One that came back meanwhile stays.
        if let Some(at) = world.messages.iter().position(|at| *at == self.message) {
            world.messages.swap_remove(at);
        }
        State::Idle
    }

    /// A copy first, then the original goes (rule 6).
    fn copy_and_delete(&self, world: &mut World, at: UnixMs) -> State {
        world.send(at);
        if world.chance(10) {
            return State::Idle;
        }
        self.delete(world)
    }

    fn claim(&mut self, world: &mut World) -> State {
        self.token = world.token();
        let now = self.clock(world);
        self.until = now + PREPARE + TIMEOUT + SETTLE + S;
        let update = claim(&self.token, self.until, now, world.traits.searchable);
        world.write(&update);
        let register = world.table.read();
        // Rule 4: the token tells, whatever the answer was.
        let mine = register
            .claim
            .as_ref()
            .is_some_and(|claim| claim.token == self.token);
        if mine {
            self.claimed = Some(register);
            return State::Claimed;
        }
        if !register.is_dirty() || register.review.is_some() {
            return self.delete(world);
        }
        let at = register.claimable_at();
        self.copy_and_delete(world, at)
    }

    fn begin(&mut self, world: &mut World) -> State {
        let claimed = self.claimed.clone().unwrap();
        if world.chance(10) {
            // A deferral after the claim.
            world.write(&release(&self.token, &claimed));
            return self.copy_and_delete(world, world.now);
        }
        let id = claimed.target_id.clone();
        let key = plan::idempotency_key(&claimed, &self.token).to_owned();
        self.after_create = None;
        match plan::step(&claimed, &self.token, world.traits, Deletion::Delete) {
            Step::Skip => State::Landed { id },
            Step::Create(fields) => {
                let name = name_of(&fields);
                let effect = if world.traits.upsert {
                    Effect::Upsert(name)
                } else if world.traits.idempotent_create {
                    Effect::CreateUnder(key, name)
                } else {
                    Effect::Create(name)
                };
                self.call(world, effect)
            }
            Step::Update(fields) => self.call(world, Effect::Update(id.unwrap(), name_of(&fields))),
            Step::CreateAgain(fields) => {
                let name = name_of(&fields);
                self.after_create = Some(name.clone());
                self.call(world, Effect::CreateUnder(key, name))
            }
            Step::LookUp { search, fields } => State::Found {
                name: name_of(&fields),
                ids: world.target.find(&search),
                search,
            },
            Step::Review { kind, .. } => State::Refused(kind),
            Step::Keep => State::Landed { id: None },
            Step::Remove(_) => {
                let id = id.filter(|_| !world.traits.upsert);
                self.call(world, Effect::Remove(id))
            }
        }
    }

    fn call(&mut self, world: &mut World, effect: Effect) -> State {
        let now = self.clock(world);
        if now > self.until - (TIMEOUT + SETTLE + S) {
            // Rule 2: too late for a call. The message comes back.
            return State::Idle;
        }
        self.started = now;
        let within = |world: &mut World, span: Duration| {
            let span_ms = u64::try_from(span.as_millis()).unwrap();
            world.now + Duration::from_millis(world.dice.random_range(0..=span_ms))
        };
        let gone = matches!(&effect, Effect::Update(id, _) if !world.target.has(id));
        self.update = match &effect {
            Effect::Update(_, name) => Some(name.clone()),
            _ => None,
        };
        let answer = match world.dice.random_range(0..100) {
            0..65 if gone => Answer::Gone,
            _ if gone && !world.rough => Answer::Gone,
            _ if !world.rough => Answer::Done,
            0..50 => Answer::Done,
            50..65 => Answer::Failed,
            _ => Answer::Broke,
        };
        let answer_at = match answer {
            Answer::Broke => world.now + TIMEOUT,
            Answer::Done | Answer::Gone | Answer::Failed => within(world, TIMEOUT),
        };
        let effect_at = match answer {
            Answer::Done => Some(answer_at),
            Answer::Broke if world.chance(70) => Some(within(world, TIMEOUT + SETTLE)),
            Answer::Gone | Answer::Failed | Answer::Broke => None,
        };
        world.target.call(&self.token, world.now, effect_at, effect);
        State::Called { answer_at, answer }
    }

    fn answered(&mut self, world: &mut World, answer: Answer) -> State {
        let claimed = self.claimed.clone().unwrap();
        let outcome = match answer {
            Answer::Done => {
                world.target.ended(&self.token);
                if let Some(name) = self.after_create.take() {
                    return State::Made { name };
                }
                let made = || {
                    let key = plan::idempotency_key(&claimed, &self.token);
                    world.target.id_of(key)
                };
                let id = claimed.target_id.clone().unwrap_or_else(made);
                return State::Landed { id: Some(id) };
            }
            Answer::Gone => {
                world.target.ended(&self.token);
                let open = claimed.unknown.as_ref() != Some(&self.token);
                assert!(open, "only our own deletion takes it");
                let name = self.update.take().unwrap();
                return State::Forgets { name };
            }
            Answer::Failed => {
                world.target.ended(&self.token);
                Outcome::Known
            }
            Answer::Broke => Outcome::Unknown {
                quiet_until: self.started + TIMEOUT + SETTLE,
            },
        };
        let failed = Failure {
            outcome,
            attempt: Some(0),
            next_attempt: self.clock(world) + Duration::from_millis(300),
            reason: "it failed".to_owned(),
            started: self.started,
        };
        world.write(&fail(&self.token, &failed, &claimed));
        // The message waits by its visibility.
        State::Idle
    }

    fn forget(&mut self, world: &mut World, name: String) -> State {
        let search = world.traits.searchable.then_some(name.as_str());
        if !world.write(&forget(&self.token, search)) {
            return State::Idle;
        }
        if let Some(claimed) = &mut self.claimed {
            claimed.target_id = None;
            claimed.unknown = Some(self.token.clone());
        }
        let effect = if world.traits.idempotent_create {
            Effect::CreateUnder(self.token.to_string(), name)
        } else {
            Effect::Create(name)
        };
        self.call(world, effect)
    }

    fn found(&mut self, world: &mut World, name: String, ids: &[String], search: &str) -> State {
        match ids {
            [] => {
                if name != search && !world.write(&rewrite_intent(&self.token, &name)) {
                    return State::Idle;
                }
                self.call(world, Effect::Create(name))
            }
            [id] => {
                if !world.write(&adopt(&self.token, id)) {
                    return State::Idle;
                }
                if let Some(claimed) = &mut self.claimed {
                    claimed.target_id = Some(id.clone());
                }
                self.call(world, Effect::Update(id.clone(), name))
            }
            _ => panic!("EFF-2: created twice"),
        }
    }

    fn done(&self, id: Option<String>) -> Committed {
        let claimed = self.claimed.as_ref().unwrap();
        Committed {
            hash: claimed.desired.hash.clone(),
            version: claimed.desired.version,
            target_id: id,
            etag: None,
            deleted: claimed.desired.content == Content::Deleted,
            started: self.started,
        }
    }

    fn commit(&mut self, world: &mut World, id: Option<String>) -> State {
        let claimed = self.claimed.clone().unwrap();
        let done = self.done(id.clone());
        if world.write(&commit(&self.token, &done, &claimed, world.now)) {
            assert_applied(world, &claimed);
            return self.delete(world);
        }
        let register = world.table.read();
        if register
            .claim
            .is_some_and(|claim| claim.token == self.token)
        {
            return State::Overtaken { id };
        }
        // Taken over, or done by a write whose answer was lost: the message tells another.
        State::Idle
    }

    fn commit_part(&mut self, world: &mut World, id: Option<String>) -> State {
        let claimed = self.claimed.clone().unwrap();
        let done = self.done(id);
        if world.write(&commit_part(&self.token, &done, &claimed, world.now)) {
            assert_applied(world, &claimed);
            return self.copy_and_delete(world, world.now);
        }
        State::Idle
    }

    fn review(&mut self, world: &mut World, kind: ReviewKind) -> State {
        let claimed = self.claimed.clone().unwrap();
        let why = cause(kind);
        world.write(&to_review(&self.token, &flow(), &why, None, &claimed));
        State::Idle
    }
}

/// What was just committed is what the target holds: no other call can have come between. A hand
/// can.
fn assert_applied(world: &World, claimed: &Register) {
    if world.hands {
        return;
    }
    let wanted = claimed.desired.content.fields().map(name_of);
    assert_eq!(world.target.content(), wanted.as_deref(), "REG-2");
}

fn name_of(fields: &tidegate_model::Fields) -> String {
    match fields.get("name") {
        Some(serde_json::Value::String(name)) => name.clone(),
        other => panic!("{other:?}"),
    }
}
