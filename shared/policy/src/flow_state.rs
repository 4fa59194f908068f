//! What stops a flow: a person's pause, or a blocker that needs one.

#[cfg(test)]
mod tests;

use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tidegate_model::{
    UnixMs,
    item::{Condition, Item, Op, Update, Value},
};

const PAUSED_SOURCE: &str = "pause_source";
const PAUSED_TARGET: &str = "pause_target";
const BLOCKER: &str = "blocker";
const BLOCKED_SIDE: &str = "blocked_side";
/// Stands where the side of a blocker does, while only the target's description can close it.
const BY_CONTRACT: &str = "contract";
const CHECKING: &str = "checking";
const SWEEP_ALL: &str = "sweep_all";
const SWEPT: &str = "swept";
const OUTAGE: &str = "outage";

/// Clocks differ: a message that looks a little older than a sweep may be younger.
const SWEEP_MARGIN: Duration = Duration::from_secs(1);

/// What is paused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Calls to the target.
    Target,
    /// Calls to the source.
    Source,
    /// Both.
    All,
}

impl Scope {
    /// The scope in logs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Target => "target",
            Self::Source => "source",
            Self::All => "all",
        }
    }
}

/// The systems of a flow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Side {
    /// Where records come from.
    Source,
    /// Where they go.
    Target,
    /// The warehouse that they are loaded into. A pause of the target is one of the warehouse too.
    Warehouse,
}

impl Side {
    /// The side in logs and messages.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Target => "target",
            Self::Warehouse => "warehouse",
        }
    }
}

/// A person's pause of one side.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pause {
    /// Why.
    pub reason: String,
    /// Who.
    pub by: String,
    /// Since when.
    pub since: UnixMs,
}

/// What people paused. Each side by itself, so that a pause of one never lifts that of the other.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Paused {
    /// Calls to the source.
    pub source: Option<Pause>,
    /// Calls to the target.
    pub target: Option<Pause>,
}

impl Paused {
    /// The pause of a side.
    pub fn of(&self, side: Side) -> Option<&Pause> {
        match side {
            Side::Source => self.source.as_ref(),
            Side::Target | Side::Warehouse => self.target.as_ref(),
        }
    }
}

/// What a blocker is about: whose answer tells that its cause is gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum BlockerCause {
    /// A system refused a call; the next call tells.
    #[default]
    Refusal,
    /// The target accepts something else than the flow writes (R20); its description tells. A call of a
    /// record would be the harm itself.
    Drift,
}

impl BlockerCause {
    #[allow(
        clippy::trivially_copy_pass_by_ref,
        reason = "serde passes a reference"
    )]
    fn is_refusal(&self) -> bool {
        *self == Self::Refusal
    }
}

/// A cause that stops a whole flow and needs a person.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Blocker {
    /// The system that refuses.
    pub side: Side,
    /// What it is about.
    #[serde(default, skip_serializing_if = "BlockerCause::is_refusal")]
    pub cause: BlockerCause,
    /// What it says, without secrets.
    pub reason: String,
    /// Since when.
    pub since: UnixMs,
}

impl Blocker {
    /// Whose word closes it.
    fn closed_by(&self) -> &'static str {
        match self.cause {
            BlockerCause::Refusal => self.side.as_str(),
            BlockerCause::Drift => BY_CONTRACT,
        }
    }
}

/// What stops a flow at present.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FlowState {
    /// What people paused.
    pub paused: Paused,
    /// A blocker.
    pub blocker: Option<Blocker>,
    /// A person asked to check the blocker's cause again: calls are made, and the first answer
    /// closes the blocker or puts it back.
    pub checking: bool,
    /// After a pause every dirty record is to be queued again, however young.
    pub sweep_all: Option<UnixMs>,
    /// Every record that was dirty then has been queued again since: older messages are one too
    /// many, and would draw on capacity that is promised to the new ones.
    pub swept: Option<UnixMs>,
    /// End of the newest outage of the target after which a sweep was asked for.
    pub outage: Option<UnixMs>,
}

impl FlowState {
    /// Reads the item.
    pub fn read(item: Option<&Item>) -> Self {
        let text = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_text)
        };
        let time = |name: &str| {
            item.and_then(|item| item.get(name))
                .and_then(Value::as_number)
                .map(UnixMs)
        };
        let pause = |name: &str| text(name).and_then(|text| serde_json::from_str(text).ok());
        Self {
            paused: Paused {
                source: pause(PAUSED_SOURCE),
                target: pause(PAUSED_TARGET),
            },
            blocker: text(BLOCKER).and_then(|text| serde_json::from_str(text).ok()),
            checking: item.is_some_and(|item| item.contains_key(CHECKING)),
            sweep_all: time(SWEEP_ALL),
            swept: time(SWEPT),
            outage: time(OUTAGE),
        }
    }

    /// Why no call may be made to this side, if so.
    pub fn stops(&self, side: Side) -> Option<String> {
        if let Some(pause) = self.paused.of(side) {
            return Some(format!("paused by {}: {}", pause.by, pause.reason));
        }
        match &self.blocker {
            Some(blocker)
                if blocker.side == side && !(self.checking && blocker.cause.is_refusal()) =>
            {
                Some(format!("blocked: {}", blocker.reason))
            }
            _ => None,
        }
    }

    /// Whether the flow stands because its target drifted.
    pub fn has_drifted(&self) -> bool {
        let blocker = self.blocker.as_ref();
        blocker.is_some_and(|blocker| blocker.cause == BlockerCause::Drift)
    }

    /// Whether a run asks what made the flow stand: that of the source, and whether a drift is over. What
    /// the sweep sends again asks the target.
    pub fn is_asked_by_a_run(&self) -> bool {
        let of_source = |blocker: &Blocker| blocker.side == Side::Source;
        self.has_drifted() || self.blocker.as_ref().is_some_and(of_source)
    }

    /// Whether the target may be asked what it accepts: as any call, and after a drift once a person
    /// asked to look again.
    pub fn may_ask_contract(&self) -> bool {
        if self.has_drifted() {
            self.paused.target.is_none() && self.checking
        } else {
            self.stops(Side::Target).is_none()
        }
    }
}

/// Pauses what the scope names. What else is paused stays so; of one side the newest pause stands.
pub fn pause(scope: Scope, pause: &Pause) -> Update {
    let sides: &[&str] = match scope {
        Scope::Source => &[PAUSED_SOURCE],
        Scope::Target => &[PAUSED_TARGET],
        Scope::All => &[PAUSED_SOURCE, PAUSED_TARGET],
    };
    sides
        .iter()
        .fold(Update::when(Condition::ALWAYS), |update, side| {
            update.set(*side, json(pause))
        })
}

/// Ends every pause; an open blocker's cause is checked again by the next call.
pub fn resume(state: &FlowState, now: UnixMs) -> Update {
    let update = Update::when(Condition::ALWAYS)
        .set(SWEEP_ALL, now.0)
        .remove(&[PAUSED_SOURCE, PAUSED_TARGET]);
    if state.blocker.is_some() {
        update.set(CHECKING, now.0)
    } else {
        update
    }
}

/// An outage of the target ended at `over`: what was dropped meanwhile is queued again. Once for each
/// outage, since several look.
pub fn after_outage(over: UnixMs, now: UnixMs) -> Update {
    Update::when(Condition::absent_or(OUTAGE, Op::Lt, over.0))
        .set(OUTAGE, over.0)
        .set(SWEEP_ALL, now.0)
}

/// Opens a blocker, or puts it back when its check failed. Refused for what began before a person
/// asked for the check: it tells nothing about what the person mended.
/// That of a warehouse does not take the place of one of source or target, which matter more.
pub fn block(blocker: &Blocker, began: UnixMs) -> Update {
    let mut holds = vec![Condition::absent_or(CHECKING, Op::Lt, began.0)];
    if blocker.side == Side::Warehouse {
        let own = Condition::is(BLOCKED_SIDE, Op::Eq, blocker.closed_by());
        let none = Condition::Absent(BLOCKER.to_owned());
        holds.push(Condition::Any(vec![none, own]));
    }
    Update::when(Condition::All(holds))
        .set(BLOCKER, json(blocker))
        .set(BLOCKED_SIDE, blocker.closed_by())
        .remove(&[CHECKING])
}

/// A call succeeded while the blocker of that side was being checked. What was parked meanwhile is
/// queued again.
pub fn unblock(side: Side, now: UnixMs) -> Update {
    close(side.as_str(), now)
}

/// The target accepts again what the flow writes, as a person asked to check.
pub fn unblock_drift(now: UnixMs) -> Update {
    close(BY_CONTRACT, now)
}

fn close(by: &str, now: UnixMs) -> Update {
    Update::when(Condition::All(vec![
        Condition::Exists(CHECKING),
        Condition::is(BLOCKED_SIDE, Op::Eq, by),
    ]))
    .set(SWEEP_ALL, now.0)
    .remove(&[BLOCKER, BLOCKED_SIDE, CHECKING])
}

/// The sweep that was asked for is done: everything that was dirty when it `began` has been queued.
pub fn swept_all(asked: UnixMs, began: UnixMs) -> Update {
    Update::when(Condition::is(SWEEP_ALL, Op::Eq, asked.0))
        .remove(&[SWEEP_ALL])
        .set(SWEPT, (began - SWEEP_MARGIN).0)
}

/// Types of this module always have a JSON form.
fn json<T: Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}
