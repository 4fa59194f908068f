//! How a worker's work on a record ends: a failure's write, a commit, a review.

use super::*;
use crate::plan::AfterFailure;

impl Worker {
    pub(super) fn failure(&self, outcome: Outcome, attempt: Option<u64>, now: UnixMs) -> Failure {
        Failure {
            outcome,
            attempt,
            next_attempt: now + Duration::from_millis(300),
            reason: "it failed".to_owned(),
            started: self.started,
        }
    }

    pub(super) fn failed(&mut self, world: &mut World, effect: &Effect, answer: Answer) -> State {
        let now = self.clock(world);
        let attempt = if world.rules.gated {
            world.gate.unhealthy(&self.token, "mine", self.epoch, now)
        } else {
            Some(0)
        };
        let outcome = match (effect, answer) {
            // A read changes nothing, whatever became of it.
            (Effect::Read(..), _) | (_, Answer::Failed) => Outcome::Known,
            _ => Outcome::Unknown {
                quiet_until: self.started + TIMEOUT + SETTLE,
            },
        };
        let failure = self.failure(outcome, attempt, now);
        let claimed = self.claimed.as_ref().unwrap();
        let attempts = attempt.map_or(0, |epoch| claimed.attempts_in(epoch) + 1);
        if attempts > 0 && plan::after_failure(attempts, &RETRIES) == AfterFailure::Review {
            return State::Refused(ReviewKind::RetriesSpent, Some(failure));
        }
        self.write_failure(world, &failure)
    }

    pub(super) fn write_failure(&self, world: &mut World, failure: &Failure) -> State {
        let claimed = self.claimed.as_ref().unwrap();
        if world.write_attempt(&fail(&self.token, failure, claimed), failure) {
            // The message waits by its visibility.
            return State::Idle;
        }
        // The claim was taken over, or the answer of this write was lost: then nobody else has a
        // message for it.
        let register = world.table.read();
        if needs_message(&register) {
            return self.copy_and_delete(world, register.claimable_at());
        }
        self.delete(world)
    }

    pub(super) fn done(&self, world: &World, target_id: Option<String>) -> Committed {
        let claimed = self.claimed.as_ref().unwrap();
        Committed {
            hash: claimed.desired.hash.clone(),
            version: claimed.desired.version,
            target_id,
            etag: None,
            deleted: claimed.desired.content == Content::Deleted
                && world.rules.deletion == Deletion::Delete,
            started: self.started,
        }
    }

    pub(super) fn commit(&mut self, world: &mut World, id: Option<String>) -> State {
        self.give_back(world);
        let claimed = self.claimed.clone().unwrap();
        let done = self.done(world, id.clone());
        let wrote = world.write(&commit(&self.token, &done, &claimed, world.now));
        if wrote.happened {
            world.attempts.clear();
            assert_applied(world, &claimed);
            world.ages.applied(world.table.read().desired.version);
        }
        let claim = world.table.read().claim;
        if !wrote.told && claim.is_some_and(|claim| claim.token == self.token) {
            return State::Overtaken(id);
        }
        // Else it was taken over, or done by a write whose answer was lost.
        self.delete(world)
    }

    pub(super) fn commit_part(&mut self, world: &mut World, id: Option<String>) -> State {
        let claimed = self.claimed.clone().unwrap();
        let done = self.done(world, id);
        let wrote = world.write(&commit_part(&self.token, &done, &claimed, world.now));
        if wrote.happened {
            world.attempts.clear();
            assert_applied(world, &claimed);
            world.ages.applied(claimed.desired.version);
        }
        if wrote.told {
            return self.copy_and_delete(world, world.now);
        }
        self.delete(world)
    }

    pub(super) fn review(
        &mut self,
        world: &mut World,
        kind: ReviewKind,
        failure: Option<&Failure>,
    ) -> State {
        self.give_back(world);
        let claimed = self.claimed.clone().unwrap();
        let why = cause(kind);
        let write = match failure {
            Some(failure) if kind == ReviewKind::Refused => {
                gone_to_review(&self.token, &flow(), &why, failure, &claimed)
            }
            _ => to_review(&self.token, &flow(), &why, failure, &claimed),
        };
        let told = match failure {
            Some(failure) => world.write_attempt(&write, failure),
            None => world.write(&write).told,
        };
        if told {
            if kind == ReviewKind::RetriesSpent {
                world.assert_retries_are_spent(failure.unwrap());
            }
            return self.delete(world);
        }
        // Newer content came: what was judged is not what is desired.
        match failure {
            Some(failure) => self.write_failure(world, failure),
            None => self.defer(world, world.now),
        }
    }
}

/// What was just committed is what the target holds: no other call can have come between. A hand
/// can.
fn assert_applied(world: &World, claimed: &Register) {
    if world.rules.hands || world.rules.traits.own {
        return;
    }
    let holds = world.target.content();
    match (claimed.effective().fields(), world.rules.deletion) {
        (Some(fields), _) => assert_eq!(holds, Some(name_of(fields).as_str()), "REG-2"),
        (None, Deletion::Delete) => assert_eq!(holds, None, "REG-2"),
        (None, Deletion::Archive) => assert!([None, Some(ARCHIVED)].contains(&holds), "REG-2"),
        (None, Deletion::Keep) => {}
        (None, Deletion::Review) => panic!("a person was to decide"),
    }
}
