//! A reconciliation of the walk: lists the target, later reads the register, later writes; all moves
//! on in between.

use super::*;
use crate::reconcile::{self, AtTarget, Kind};

#[derive(Clone, Default)]
enum Stage {
    #[default]
    Idle,
    Listed {
        content: Option<String>,
        from: UnixMs,
    },
    Compared {
        register: Box<Register>,
    },
    Reopened,
}

#[derive(Clone, Default)]
pub(super) struct Reconciler {
    stage: Stage,
    /// The register in which the newest comparison found nothing to heal.
    equal: Option<Item>,
}

impl Reconciler {
    /// Nothing to heal, and nothing has changed since: what was in review then may be applied now.
    pub(super) fn found_equal(&self, table: &Table) -> bool {
        self.equal.is_some() && self.equal == table.item
    }

    pub(super) fn step(&mut self, world: &mut World) {
        if world.chance(5) {
            // Dies, and begins anew; what it had not queued is found by the next one.
            self.stage = Stage::Idle;
            return;
        }
        self.stage = match std::mem::take(&mut self.stage) {
            Stage::Idle => Stage::Listed {
                content: world.target.content().map(str::to_owned),
                from: world.now,
            },
            Stage::Listed { content, from } => self.compare(world, content.as_deref(), from),
            Stage::Compared { register } => {
                let wrote = world.write(&reopen(&register, world.now));
                if wrote.happened {
                    world.attempts.clear();
                    world.ages.began(&world.table.read(), world.now);
                }
                if wrote.told {
                    Stage::Reopened
                } else {
                    Stage::Idle
                }
            }
            Stage::Reopened => {
                world.send(world.now);
                Stage::Idle
            }
        };
    }

    fn compare(&mut self, world: &mut World, content: Option<&str>, from: UnixMs) -> Stage {
        self.equal = None;
        if world.table.item.is_none() {
            return Stage::Idle;
        }
        let register = world.table.read();
        let at_target = match content {
            _ if register.desired.content == Content::Forgotten => AtTarget::NotCompared,
            None => AtTarget::Missing,
            Some(name) if named(name) == register.effective() => AtTarget::Same,
            Some(_) => AtTarget::Other,
        };
        let settled = reconcile::is_settled(&register, TIMEOUT + SETTLE, from);
        // Its messages are never lost here but by its own death between write and queue.
        let stranded = register.is_dirty() && world.messages.is_empty();
        let deletion = world.rules.deletion;
        match reconcile::judge(&register, at_target, deletion, settled, stranded) {
            Kind::Pending => {}
            Kind::Stranded => world.send(world.now),
            Kind::EditedAtTarget | Kind::MissingAtTarget => {
                let register = Box::new(register);
                return Stage::Compared { register };
            }
            _ => self.equal = world.table.item.clone(),
        }
        Stage::Idle
    }
}
