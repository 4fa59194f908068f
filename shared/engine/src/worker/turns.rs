//! Permits for what a message needs, or a turn among those that wait for them (LIM-4).

use std::time::Duration;

use tidegate_model::{Message, Turn, UnixMs};
use tidegate_policy::limiter::{self, Permit, Place};

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
        let (permits, room_at) = match self.permits(budget, groups, STEP, place).await? {
            Permits::Granted(permits) => (permits, self.now()),
            Permits::NoneBefore(until) => (Vec::new(), until),
            Permits::OthersWait => (Vec::new(), self.now()),
        };
        let granted = u32::try_from(permits.len()).unwrap_or(u32::MAX);
        let left = wanted.saturating_sub(granted);
        let now = self.now();
        if left == 0 {
            return Ok(Asked::all(permits));
        }
        if room_at > now + budget.limit.window + limiter::GUARD + limiter::HORIZON {
            // The day's quota is used up: no turn comes before it is renewed.
            if let Some(turn) = turn {
                let promised = turn.calls.saturating_sub(granted);
                self.leave_queue(budget, promised).await?;
            }
            return Ok(Asked {
                permits,
                rest_at: room_at,
                turn: None,
            });
        }
        let turn = if let Some(turn) = turn {
            // What was not promised to it, as for a record that needs more calls by now, it takes
            // from what is there.
            Turn {
                at: turn.at + i64::from(granted.min(turn.calls)),
                calls: turn.calls.saturating_sub(granted),
            }
        } else {
            let promised = if repeat { 0 } else { left };
            self.take_turn(budget, promised).await?
        };
        // Never at once: whoever comes back sooner finds what it found now.
        let rest_at = self.comes_at(budget, turn).await?.max(now + AGAIN);
        Ok(Asked {
            permits,
            rest_at,
            turn: Some(turn),
        })
    }
}
