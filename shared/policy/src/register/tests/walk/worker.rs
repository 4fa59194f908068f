//! A worker of the walk: claim, call, commit, each a step of its own, as the engine takes them.

mod ends;

use super::{gate::Deferred, people::is_invalid, target::Effect, *};
use crate::{
    limiter::Permit,
    plan::{self, Step},
};

/// What a worker will do next.
#[derive(Clone, Debug)]
enum State {
    Idle,
    Received,
    Claimed,
    Sends(Effect),
    /// An answer comes at this moment, unless the call broke.
    Called {
        effect: Effect,
        answer: Answer,
        answer_at: UnixMs,
    },
    Found {
        name: String,
        ids: Vec<String>,
        search: String,
    },
    /// A repeated create told the id; what is desired is still to be written.
    Made {
        name: String,
        id: String,
    },
    Landed(Option<String>),
    /// The commit was refused: newer content came.
    Overtaken(Option<String>),
    /// A person must look; the call that was answered so, if there was one.
    Refused(ReviewKind, Option<Failure>),
    /// There is no such record, and an earlier call's outcome is open: it is created anew.
    Forgets {
        name: String,
    },
}

#[derive(Clone, Copy, Debug)]
enum Answer {
    Done,
    Gone,
    Failed,
    Broke,
}

#[derive(Clone, Debug)]
pub(super) struct Worker {
    ahead: Duration,
    state: State,
    token: ClaimToken,
    claimed: Option<Register>,
    until: UnixMs,
    started: UnixMs,
    frozen_until: UnixMs,
    /// The receipt of its message.
    receipt: u32,
    tier: Tier,
    permit: Option<Permit>,
    /// The breaker's epoch of the call; none of the probe.
    epoch: Option<u64>,
    /// What to update once a repeated create has told the id.
    after_create: Option<String>,
    /// Should the record to be updated be gone, it is created anew.
    forgets: bool,
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
            receipt: 0,
            tier: Tier::Batch,
            permit: None,
            epoch: None,
            after_create: None,
            forgets: false,
        }
    }

    pub(super) fn is_idle(&self) -> bool {
        matches!(self.state, State::Idle)
    }

    /// Its own clock.
    fn clock(&self, world: &World) -> UnixMs {
        world.now + self.ahead
    }

    /// Moments at which what it may do next changes.
    pub(super) fn next_after(&self, now: UnixMs) -> Option<UnixMs> {
        let last_call = self.until - (TIMEOUT + SETTLE + S) - self.ahead;
        let moment = match self.state {
            State::Called { answer_at, .. } => answer_at,
            State::Claimed | State::Sends(_) if last_call >= now => last_call + MS,
            _ => return None,
        };
        Some(moment).filter(|at| *at > now)
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if world.now < self.frozen_until {
            return;
        }
        if !self.is_idle() && world.chance(3) {
            // Dies: the message comes back by its visibility.
            *self = Self::new(self.ahead);
            return;
        }
        if let Some(span) = world.freeze() {
            self.frozen_until = world.now + span;
            return;
        }
        self.state = match std::mem::replace(&mut self.state, State::Idle) {
            State::Idle => self.receive(world),
            State::Received => self.claim(world),
            State::Claimed => self.begin(world),
            State::Sends(effect) => self.call(world, effect),
            State::Called {
                effect,
                answer,
                answer_at,
            } if world.now >= answer_at => self.answered(world, effect, answer),
            called @ State::Called { .. } => called,
            State::Found { name, ids, search } => self.found(world, name, &ids, &search),
            State::Made { name, id } => self.found(world, name.clone(), &[id], &name),
            State::Landed(id) => self.commit(world, id),
            State::Overtaken(id) => self.commit_part(world, id),
            State::Refused(kind, failure) => self.review(world, kind, failure.as_ref()),
            State::Forgets { name } => self.forget(world, name),
        };
        if self.is_idle() {
            // Nothing is remembered from one message to the next.
            *self = Self::new(self.ahead);
        }
    }

    /// Whether it waits for nothing but its turn.
    pub(super) fn can_act(&self, world: &World) -> bool {
        match self.state {
            State::Idle => world.messages.iter().any(|(at, _)| *at <= world.now),
            State::Called { answer_at, .. } => answer_at <= world.now,
            _ => true,
        }
    }

    fn receive(&mut self, world: &mut World) -> State {
        let now = world.now;
        let Some(message) = world.messages.iter_mut().find(|(at, _)| *at <= now) else {
            return State::Idle;
        };
        world.receipts += 1;
        self.receipt = world.receipts;
        *message = (now + VISIBILITY, self.receipt);
        State::Received
    }

    fn delete(&self, world: &mut World) -> State {
        // One that another has received meanwhile stays.
        let mine = |(_, receipt): &(UnixMs, u32)| *receipt == self.receipt;
        if let Some(at) = world.messages.iter().position(mine) {
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
        let now = self.clock(world);
        let register = world.table.read();
        if !needs_message(&register) {
            return self.delete(world);
        }
        self.tier = register.tier;
        if let Err(Deferred(until)) = self.take_permit(world, now) {
            return self.copy_and_delete(world, until);
        }
        self.token = world.token();
        let calls = world.rules.traits.update_calls;
        self.until = now + PREPARE + TIMEOUT * calls + SETTLE + S;
        let update = claim(&self.token, self.until, now, world.rules.traits.searchable);
        world.write(&update);
        let register = world.table.read();
        // Rule 4: the token tells, whatever the answer was.
        if register
            .claim
            .as_ref()
            .is_some_and(|claim| claim.token == self.token)
        {
            self.claimed = Some(register);
            return State::Claimed;
        }
        self.give_back(world);
        if !needs_message(&register) {
            return self.delete(world);
        }
        let at = register.claimable_at();
        self.copy_and_delete(world, at)
    }

    fn take_permit(&mut self, world: &mut World, now: UnixMs) -> Result<(), Deferred> {
        if self.permit.is_some_and(|permit| permit.until() >= now) || !world.rules.gated {
            return Ok(());
        }
        self.give_back(world);
        self.permit = Some(world.gate.permit(self.tier, now)?);
        Ok(())
    }

    fn give_back(&mut self, world: &mut World) {
        if let Some(permit) = self.permit.take() {
            world.gate.give_back(self.tier, permit);
        }
    }

    /// Waits, after a claim, without a call.
    fn defer(&mut self, world: &mut World, until: UnixMs) -> State {
        self.give_back(world);
        let claimed = self.claimed.clone().unwrap();
        world.write(&release(&self.token, &claimed));
        self.copy_and_delete(world, until)
    }

    fn begin(&mut self, world: &mut World) -> State {
        let claimed = self.claimed.clone().unwrap();
        if world.chance(10) {
            return self.defer(world, world.now);
        }
        let traits = world.rules.traits;
        let id = claimed.target_id.clone();
        let key = plan::idempotency_key(&claimed, &self.token).to_owned();
        self.after_create = None;
        self.forgets = false;
        let step = plan::step(&claimed, &self.token, traits, world.rules.deletion);
        if !matches!(step, Step::Remove(_) | Step::Skip | Step::Keep) && is_invalid(&claimed) {
            return State::Refused(ReviewKind::Invalid, None);
        }
        match step {
            Step::Skip | Step::Keep => State::Landed(None),
            Step::Create(_) | Step::Update(_) | Step::Remove(_) if traits.own => {
                self.started = self.clock(world);
                State::Landed(None)
            }
            Step::Create(fields) => {
                let name = name_of(&fields);
                State::Sends(if traits.upsert {
                    Effect::Upsert(name)
                } else if traits.idempotent_create {
                    Effect::CreateUnder(key, name)
                } else {
                    Effect::Create(name)
                })
            }
            Step::Update(fields) => {
                self.forgets = claimed.unknown.as_ref() != Some(&self.token);
                State::Sends(update(world, id.unwrap(), name_of(&fields)))
            }
            Step::CreateAgain(fields) => {
                let name = name_of(&fields);
                self.after_create = Some(name.clone());
                State::Sends(Effect::CreateUnder(key, name))
            }
            Step::LookUp { search, fields } => State::Found {
                name: name_of(&fields),
                ids: world.target.find(&search),
                search,
            },
            Step::Review { kind, .. } => State::Refused(kind, None),
            Step::Remove(how) => State::Sends(Effect::Remove(how, id.filter(|_| !traits.upsert))),
        }
    }

    fn call(&mut self, world: &mut World, effect: Effect) -> State {
        let now = self.clock(world);
        if now > self.until - (TIMEOUT + SETTLE + S) {
            // Rule 2: too late for a call, whichever of the record's calls it is.
            return self.defer(world, world.now);
        }
        if world.rules.gated {
            if let Err(Deferred(until)) = self.take_permit(world, now) {
                return self.defer(world, until);
            }
            match world.gate.pass(&self.token, now) {
                Ok(epoch) => self.epoch = epoch,
                Err(Deferred(until)) => return self.defer(world, until),
            }
            world.gate.leave(self.tier, self.permit.take().unwrap());
        }
        self.started = now;
        let gone =
            matches!(&effect, Effect::Update(id, _) | Effect::Read(id, _) if !world.target.has(id));
        let answer = if world.gate.down || world.chance(50) {
            [Answer::Failed, Answer::Broke][world.dice.one_of(2)]
        } else if gone {
            Answer::Gone
        } else {
            Answer::Done
        };
        let answer_at = match answer {
            Answer::Broke => world.now + TIMEOUT,
            _ => world.now + world.dice.span(TIMEOUT),
        };
        let effect_at = match answer {
            Answer::Done => Some(answer_at),
            Answer::Broke if world.dice.one_of(2) == 1 => {
                Some(world.now + world.dice.span(TIMEOUT + SETTLE))
            }
            Answer::Gone | Answer::Failed | Answer::Broke => None,
        };
        world
            .target
            .call(&self.token, world.now, effect_at, effect.clone());
        State::Called {
            effect,
            answer,
            answer_at,
        }
    }

    fn answered(&mut self, world: &mut World, effect: Effect, answer: Answer) -> State {
        if !matches!(answer, Answer::Broke) {
            world.target.ended(&self.token);
        }
        if matches!(answer, Answer::Failed | Answer::Broke) {
            return self.failed(world, &effect, answer);
        }
        let now = self.clock(world);
        if world.rules.gated {
            world.gate.healthy(&self.token, self.epoch, now);
        }
        match (effect, answer) {
            (Effect::Read(_, name) | Effect::Update(_, name), Answer::Gone) if self.forgets => {
                State::Forgets { name }
            }
            (_, Answer::Gone) => {
                let epoch = self.claimed.as_ref().unwrap().attempts_epoch;
                let failure = self.failure(Outcome::Known, Some(epoch), now);
                State::Refused(ReviewKind::Refused, Some(failure))
            }
            (Effect::Read(id, name), _) => State::Sends(Effect::Update(id, name)),
            (Effect::Create(_) | Effect::Upsert(_), _) => {
                State::Landed(Some(world.target.id_of("")))
            }
            (Effect::CreateUnder(key, _), _) => {
                let id = world.target.id_of(&key);
                match self.after_create.take() {
                    Some(name) => State::Made { name, id },
                    None => State::Landed(Some(id)),
                }
            }
            (Effect::Update(id, _), _) => State::Landed(Some(id)),
            (Effect::Remove(_, id), _) => State::Landed(id),
        }
    }

    /// The claim's unknown call is its own now; what the worker remembers of it stays as it was.
    fn forget(&mut self, world: &mut World, name: String) -> State {
        let search = world.rules.traits.searchable.then_some(name.as_str());
        if !world.write(&forget(&self.token, search)).told {
            return self.delete(world);
        }
        State::Sends(if world.rules.traits.idempotent_create {
            Effect::CreateUnder(self.token.to_string(), name)
        } else {
            Effect::Create(name)
        })
    }

    fn found(&mut self, world: &mut World, name: String, ids: &[String], search: &str) -> State {
        match ids {
            [] => {
                if name != search && !world.write(&rewrite_intent(&self.token, &name)).told {
                    return self.delete(world);
                }
                State::Sends(Effect::Create(name))
            }
            [id] => {
                if !world.write(&adopt(&self.token, id)).told {
                    return self.delete(world);
                }
                State::Sends(update(world, id.clone(), name))
            }
            _ => panic!("EFF-2: created twice"),
        }
    }
}

/// An update: one call, or a read and a replace.
fn update(world: &World, id: String, name: String) -> Effect {
    if world.rules.traits.update_calls == 1 {
        Effect::Update(id, name)
    } else {
        Effect::Read(id, name)
    }
}

fn name_of(fields: &tidegate_model::Fields) -> String {
    match fields.get("name") {
        Some(serde_json::Value::String(name)) => name.clone(),
        other => panic!("{other:?}"),
    }
}
