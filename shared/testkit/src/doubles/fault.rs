//! A fault: what goes wrong, at which point of which call.
//!
//! A fault is data, the same from Rust and as JSON over `POST /_double/faults`:
//! `{"at":"before_act","nth":17,"do":{"kill_pid":12345}}`.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::Gate;

/// The longest delay that a fault may ask for: no client waits longer than a function lives.
const MAX_DELAY_MS: u64 = 900_000;

/// The largest body that a fault may ask for: beyond what any client should read, small
/// enough for the machine of a test.
const MAX_HUGE_BODY_BYTES: usize = 64 * 1024 * 1024;

/// How long no call must be in hand for [`Point::BetweenCalls`], unless a fault says it.
/// Longer than the gap between two calls that are sent at once.
const QUIET_MS: u64 = 20;

/// A point in the life of a call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Point {
    /// The call is received, nothing is done yet.
    #[default]
    BeforeAct,
    /// The state is changed, nothing is answered yet.
    #[serde(alias = "after_act")]
    AfterActBeforeAnswer,
    /// The last byte of the answer was handed to the network.
    AfterAnswer,
    /// The call was answered, and then no call was in hand for a while.
    BetweenCalls,
}

/// What happens to a call. Where the connection ends without an answer, the call does not act
/// if the point is [`Point::BeforeAct`], and has acted at any other.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Gives this answer in place of the true one.
    Answer(Answer),
    /// Waits, then goes on. Milliseconds of real time.
    DelayMs(u64),
    /// Cuts the connection without an answer.
    Drop,
    /// Answers 200 with a page of HTML, as a proxy in the way does.
    Garbage,
    /// Answers 200 with a JSON text of this many bytes.
    HugeBody(usize),
    /// Sends SIGKILL to a process, then cuts the connection if there was no answer yet.
    KillPid(u32),
    /// Runs a callback, then goes on.
    #[serde(skip)]
    Run(Callback),
    /// Holds the call at a gate until it is opened, then goes on.
    #[serde(skip)]
    Hold(Gate),
}

/// An answer given in place of the true one.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Headers by name.
    #[serde(default)]
    pub headers: BTreeMap<String, String>,
    /// Body: a string is sent as it is, null as nothing, anything else as JSON.
    #[serde(default)]
    pub body: Value,
}

/// What a fault's callback and predicate see of a call.
#[derive(Clone, Debug)]
pub struct CallFacts {
    /// Number of the call in the log.
    pub seq: u64,
    /// When it arrived, milliseconds since the epoch on the double's clock.
    pub at_ms: i64,
    /// HTTP method.
    pub method: String,
    /// Path and query as sent.
    pub path: String,
    /// Key of the record that it is about.
    pub key: Option<String>,
    /// Body as text.
    pub body: String,
}

/// A function that a fault runs; it must not block.
#[derive(Clone)]
pub struct Callback(pub(super) Arc<dyn Fn(&CallFacts) + Send + Sync>);

impl fmt::Debug for Callback {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Callback")
    }
}

/// What goes wrong for which calls. All predicates that are given must hold.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// What it is called in the log; the action's name where nothing is given.
    #[serde(default)]
    pub name: Option<String>,
    /// Where in the life of the call it strikes.
    #[serde(default)]
    pub at: Point,
    /// Only calls of this method.
    #[serde(default)]
    pub method: Option<String>,
    /// Only calls whose path and query contain this.
    #[serde(default)]
    pub path_contains: Option<String>,
    /// Only calls whose body contains this.
    #[serde(default)]
    pub body_contains: Option<String>,
    /// Only calls about the record of this key.
    #[serde(default)]
    pub key: Option<String>,
    /// Only calls that arrive at this time or later, milliseconds on the double's clock.
    #[serde(default)]
    pub from_ms: Option<i64>,
    /// Only calls that arrive before this time, milliseconds on the double's clock.
    #[serde(default)]
    pub until_ms: Option<i64>,
    /// Starts with the nth call (from 1) of those that all other predicates match and that
    /// reach the point, counted from when the fault was set.
    #[serde(default)]
    pub nth: Option<u64>,
    /// How often it strikes. Where nothing is given: once with `nth`, else without end.
    #[serde(default)]
    pub times: Option<u64>,
    /// For [`Point::BetweenCalls`]: how long no call must be in hand. Milliseconds of real
    /// time, 20 where nothing is given.
    #[serde(default)]
    pub quiet_ms: Option<u64>,
    /// What happens.
    #[serde(rename = "do")]
    pub action: Action,
}

/// Why a fault is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FaultError {
    /// After the answer nothing but a kill or a callback can happen.
    #[error("after the answer only kill_pid is possible")]
    TooLate,
    /// 0 would kill the whole group of this process, 1 is init, and the double's own process
    /// is the one that runs the test.
    #[error("kill_pid must name another process than 0, 1 and the double's own")]
    Pid,
    /// The status is not one of HTTP.
    #[error("status must be from 200 to 599")]
    Status,
    /// `nth` counts from 1, and `times` 0 would do nothing.
    #[error("nth and times must be at least 1")]
    Count,
    /// The delay or the quiet time is longer than any caller lives.
    #[error("delay_ms and quiet_ms must be at most {MAX_DELAY_MS}")]
    Delay,
    /// The body is larger than a test needs.
    #[error("huge_body must be at most {MAX_HUGE_BODY_BYTES} bytes")]
    Body,
}

impl Action {
    /// A callback.
    pub fn run(callback: impl Fn(&CallFacts) + Send + Sync + 'static) -> Self {
        Self::Run(Callback(Arc::new(callback)))
    }

    /// An answer of `status` with a JSON body.
    pub const fn answer(status: u16, body: Value) -> Self {
        Self::Answer(Answer {
            status,
            headers: BTreeMap::new(),
            body,
        })
    }

    /// The name in the log.
    pub(super) const fn name(&self) -> &'static str {
        match self {
            Self::Answer(_) => "answer",
            Self::DelayMs(_) => "delay_ms",
            Self::Drop => "drop",
            Self::Garbage => "garbage",
            Self::HugeBody(_) => "huge_body",
            Self::KillPid(_) => "kill_pid",
            Self::Run(_) => "run",
            Self::Hold(_) => "hold",
        }
    }

    /// Whether the call goes on to its next point afterwards.
    pub(super) const fn goes_on(&self) -> bool {
        matches!(self, Self::DelayMs(_) | Self::Run(_) | Self::Hold(_))
    }
}

impl Fault {
    /// A fault that strikes every call before it acts; the other methods narrow it.
    pub const fn new(action: Action) -> Self {
        Self {
            name: None,
            at: Point::BeforeAct,
            method: None,
            path_contains: None,
            body_contains: None,
            key: None,
            from_ms: None,
            until_ms: None,
            nth: None,
            times: None,
            quiet_ms: None,
            action,
        }
    }

    /// Gives it a name for the log.
    #[must_use]
    pub fn named(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Strikes at `point`.
    #[must_use]
    pub const fn at(mut self, point: Point) -> Self {
        self.at = point;
        self
    }

    /// Only calls of `method`.
    #[must_use]
    pub fn method(mut self, method: &str) -> Self {
        self.method = Some(method.to_owned());
        self
    }

    /// Only calls whose path and query contain `part`.
    #[must_use]
    pub fn path_contains(mut self, part: &str) -> Self {
        self.path_contains = Some(part.to_owned());
        self
    }

    /// Only calls whose body contains `part`.
    #[must_use]
    pub fn body_contains(mut self, part: &str) -> Self {
        self.body_contains = Some(part.to_owned());
        self
    }

    /// Only calls about the record `key`.
    #[must_use]
    pub fn key(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    /// Only calls that arrive in `[from_ms, until_ms)` on the double's clock.
    #[must_use]
    pub const fn between(mut self, from_ms: i64, until_ms: i64) -> Self {
        self.from_ms = Some(from_ms);
        self.until_ms = Some(until_ms);
        self
    }

    /// Starts with the `nth` matching call, from 1.
    #[must_use]
    pub const fn nth(mut self, nth: u64) -> Self {
        self.nth = Some(nth);
        self
    }

    /// Strikes so often.
    #[must_use]
    pub const fn times(mut self, times: u64) -> Self {
        self.times = Some(times);
        self
    }

    /// The name in the log.
    pub(super) fn label(&self) -> String {
        let name = self.name.as_deref();
        name.unwrap_or_else(|| self.action.name()).to_owned()
    }

    /// How long no call must be in hand for [`Point::BetweenCalls`], in milliseconds.
    pub(super) fn quiet_ms(&self) -> u64 {
        self.quiet_ms.unwrap_or(QUIET_MS)
    }

    /// Whether the predicates match, `nth` and `times` aside.
    pub(super) fn matches(&self, call: &CallFacts) -> bool {
        let within = |text: &str, part: &Option<String>| {
            part.as_deref().is_none_or(|part| text.contains(part))
        };
        self.method
            .as_deref()
            .is_none_or(|method| method.eq_ignore_ascii_case(&call.method))
            && within(&call.path, &self.path_contains)
            && within(&call.body, &self.body_contains)
            && (self.key.is_none() || self.key == call.key)
            && self.from_ms.is_none_or(|from| call.at_ms >= from)
            && self.until_ms.is_none_or(|until| call.at_ms < until)
    }

    /// Refuses a fault that could never do what it says.
    pub(super) fn check(&self) -> Result<(), FaultError> {
        let late = matches!(self.at, Point::AfterAnswer | Point::BetweenCalls);
        if late && !matches!(self.action, Action::KillPid(_) | Action::Run(_)) {
            return Err(FaultError::TooLate);
        }
        if self.nth == Some(0) || self.times == Some(0) {
            return Err(FaultError::Count);
        }
        if self.quiet_ms() > MAX_DELAY_MS {
            return Err(FaultError::Delay);
        }
        match &self.action {
            Action::KillPid(pid) if *pid <= 1 || *pid == std::process::id() => Err(FaultError::Pid),
            Action::Answer(answer) if !(200..=599).contains(&answer.status) => {
                Err(FaultError::Status)
            }
            Action::DelayMs(delay) if *delay > MAX_DELAY_MS => Err(FaultError::Delay),
            Action::HugeBody(bytes) if *bytes > MAX_HUGE_BODY_BYTES => Err(FaultError::Body),
            _ => Ok(()),
        }
    }
}
