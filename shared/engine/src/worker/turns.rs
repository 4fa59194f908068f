//! Permits for what a message needs, or a turn among those that wait for them (LIM-4).

use std::time::Duration;

use tidegate_model::{Message, Turn, UnixMs};
use tidegate_policy::limiter::{Permit, Place};

use crate::{
    Engine, EngineError,
    budget::{Budget, Permits},
    session::STEP,
};

/// The least wait for a permit: a queue delays by whole seconds.
const AGAIN: Duration = Duration::from_secs(1);

/// What asking for permits came to.
pub(crate) struct Asked {
    pub permits: Vec<Permit>,
    /// When the keys that got none come back.
    pub rest_at: UnixMs,
    /// Their turn.
    pub turn: Option<Turn>,
}

impl Asked {
    fn all(permits: Vec<Permit>) -> Self {
        Self {
            permits,
            rest_at: UnixMs::EPOCH,
            turn: None,
        }
    }
}

/// Where a message stands among those that wait for permits.
pub(crate) fn place_of(message: &Message) -> Place {
    match message.turn {
        Some(turn) => Place::At(turn),
        None if message.had_turn => Place::First,
        None => Place::Last,
    }
}

impl Engine {
    /// Permits for the first groups, and when the others come back (LIM-4). Work that comes for the
    /// first time takes a turn behind those that wait, without a promise when it repeats another; what
    /// its keys no longer need it gives up.
    pub(crate) async fn permits_or_turn(
        &self,
        budget: &Budget,
        groups: &[u32],
        mut place: Place,
        repeat: bool,
    ) -> Result<Asked, EngineError> {
        let wanted: u32 = groups.iter().sum();
        if let Place::At(turn) = &mut place
            && turn.calls > wanted
        {
            self.leave_queue(budget, turn.calls - wanted).await?;
            turn.at += i64::from(turn.calls - wanted);
            turn.calls = wanted;
        }
        if wanted == 0 {
            return Ok(Asked::all(Vec::new()));
        }
        let turn = match place {
            Place::At(turn) => Some(turn),
            Place::First | Place::Last => None,
        };
        let asked = self.permits(budget, groups, STEP, place).await?;
        let now = self.now();
        let (permits, room_at) = match asked {
            Permits::Granted(permits) => (permits, None),
            Permits::OthersWait => (Vec::new(), None),
            Permits::NoneBefore(until) => (Vec::new(), Some(until)),
            Permits::DayUsedUp(until) => {
                // No turn comes before the quota is renewed.
                let promised = turn.map_or(0, |turn| turn.calls);
                self.leave_queue(budget, promised).await?;
                return Ok(Asked {
                    permits: Vec::new(),
                    rest_at: until,
                    turn: None,
                });
            }
        };
        let granted = u32::try_from(permits.len()).unwrap_or(u32::MAX);
        let left = wanted.saturating_sub(granted);
        if left == 0 {
            return Ok(Asked::all(permits));
        }
        let turn = match turn {
            // Its turn has come, there is work, and nothing was promised to it: the message that it
            // repeats was never sent, or did older work. It queues like any other from now on.
            Some(turn) if turn.calls == 0 && room_at.is_some() => {
                self.take_turn(budget, left).await?
            }
            // What was not promised to it, as for a record that needs more calls by now, it takes
            // from what is there.
            Some(turn) => Turn {
                at: turn.at + i64::from(granted.min(turn.calls)),
                calls: turn.calls.saturating_sub(granted),
            },
            None if repeat => self.take_turn(budget, 0).await?,
            None => self.take_turn(budget, left).await?,
        };
        // Not before its slots can be reserved, and never at once: whoever comes back sooner finds
        // what it found now.
        let first_group = groups.first().copied().unwrap_or(1);
        let within_reach = room_at.map_or(now, |room| room - budget.limit.reach(first_group));
        let comes_at = self.comes_at(budget, turn).await?;
        Ok(Asked {
            permits,
            rest_at: comes_at.max(within_reach).max(now + AGAIN),
            turn: Some(turn),
        })
    }
}
