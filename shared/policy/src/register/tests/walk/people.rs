//! People in the walk: one who works at the reviews and has the record forgotten, reads first and acts
//! later, and hands that touch the target itself. And the dead letters, which make reviews of healthy records.

use super::*;

/// What the person saw.
#[derive(Clone, Debug, Default)]
pub(super) struct Person {
    seen: Option<Box<Register>>,
}

impl Person {
    pub(super) fn step(&mut self, world: &mut World) {
        match self.seen.take() {
            None => {
                let register = world.table.item.as_ref().map(|_| world.table.read());
                let now = world.now;
                let forgets = world.rules.forgets && world.rough;
                let acts = |register: &Register| {
                    let erasable = why_not_erasable(register, now).is_none();
                    register.review.is_some() || forgets && erasable
                };
                self.seen = register.filter(acts).map(Box::new);
            }
            Some(seen) if seen.review.is_none() => forget_as_seen(world, &seen),
            Some(seen) => match world.dice.one_of(if world.rough { 3 } else { 1 }) {
                0 => replay_as_seen(world, &seen),
                1 => edit_as_seen(world, &seen),
                _ => {
                    let name = seen.desired.content.fields().map(|fields| &fields["name"]);
                    let name = name.and_then(serde_json::Value::as_str);
                    let search = name.filter(|_| world.rules.traits.searchable);
                    if world.write(&discard(&seen, search)).happened {
                        world.ages.discarded();
                        world.edited = None;
                        world.discarded = Some(world.table.read().desired.hash);
                    }
                }
            },
        }
    }

    /// Nothing is in review that a replay could help.
    pub(super) fn is_content(world: &World) -> bool {
        let Some(item) = &world.table.item else {
            return true;
        };
        let register = Register::read(item).unwrap().unwrap();
        let kind = register.review.as_ref().map(|cause| cause.kind);
        matches!(
            kind,
            None | Some(ReviewKind::DeletedAtSource | ReviewKind::Ambiguous)
        ) || is_invalid(&register)
    }
}

/// What breaks the flow's schema is not sent, whoever asks.
pub(super) fn is_invalid(register: &Register) -> bool {
    register.effective() == named(INVALID)
}

fn replay_as_seen(world: &mut World, seen: &Register) {
    if is_invalid(seen) {
        return;
    }
    let wrote = world.write(&replay(world.now));
    if !wrote.happened {
        return;
    }
    world.attempts.clear();
    world.ages.replayed(world.now);
    if wrote.told && !world.chance(5) {
        world.send(world.now);
    } else {
        // It died before it sent, or took its own write for another's: the sweep's case.
        world.stranded = true;
    }
}

fn forget_as_seen(world: &mut World, seen: &Register) {
    if world.write(&erase(seen, world.now)).happened && seen.desired.content != Content::Deleted {
        let desired = world.table.read().desired;
        world.forgotten = Some((desired.version, desired.hash));
    }
}

fn edit_as_seen(world: &mut World, seen: &Register) {
    if seen.desired.content == Content::Deleted {
        return;
    }
    let name = NAMES[world.dice.one_of(NAMES.len())];
    let made = Override {
        fields: named(name).fields().unwrap().clone(),
        by: "ann".to_owned(),
        why: "typing error".to_owned(),
        at: world.now,
        base: seen.desired.content.hash(),
    };
    let search = world.rules.traits.searchable.then_some(name);
    let write = edit(&seen.desired, &named(name).hash(), search, &made);
    if world.write(&write).happened {
        world.edited = Some((made.base, name));
    }
}

/// A message was received too often: it goes, and its record to a person.
pub(super) fn dead_letter_of_a_message(world: &mut World) {
    let Some(at) = world.messages.iter().position(|(at, _)| *at <= world.now) else {
        return;
    };
    world.messages.swap_remove(at);
    let why = cause(ReviewKind::DeadLetter);
    if !world.write(&dead_letter(&flow(), &why, world.now)).told {
        // Worked on: should that worker die, the sweep finds the record.
        world.stranded = true;
    }
}

/// A hand in the target. Nobody may rename what is found by its name: that is promised in DESIGN.md.
pub(super) fn hand(world: &mut World) {
    if world.dice.one_of(2) == 0 {
        world.target.delete();
    } else if !world.rules.traits.searchable {
        world.target.edit("a hand's");
    }
}
