//! Who decides what becomes of each port call.

use std::time::Duration;

use tidegate_engine::ports::{Metrics, Outgoing};
use tidegate_model::{UnixMs, metric::Sample};

use crate::{Effect, PortCall, ProcessId};

/// What becomes of a port call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Fate {
    /// It is made, and answered.
    Proceed,
    /// It fails and is not made.
    FailUnsent,
    /// It is made, and its caller sees it fail.
    LoseAnswer,
    /// It is made, its answer is lost, and the client makes it again, as the AWS SDK does of its own
    /// accord: the caller sees only what the second try came to. Not for a call to another system,
    /// whose client repeats nothing: there its answer is lost.
    Repeat,
    /// The process dies; the call is not made.
    CrashBefore,
    /// The call is made, and the process dies before it learns of it.
    CrashAfter,
    /// The whole process stands still for so long, then makes the call: a zombie.
    StallBefore(Duration),
    /// The call is made, then the whole process stands still for so long.
    StallAfter(Duration),
}

/// Stands between the processes and their ports. Asked and told in the order of virtual time.
pub trait Interposer: Send + Sync {
    /// What becomes of this call.
    fn decide(&self, _call: &PortCall<'_>) -> Fate {
        Fate::Proceed
    }

    /// Told of what a call did, at the moment when it did it; not told when nothing was done.
    fn observe(&self, _call: &PortCall<'_>, _effect: &Effect<'_>) {}

    /// Told that an invocation of a process has ended, well or by its death.
    fn ended(&self, _process: ProcessId, _incarnation: u32) {}

    /// Extra delays of the copies of a message that is sent, or of an event (`None`): one copy and no
    /// delay is what a queue does on a good day. An empty list would lose it, which no queue does.
    fn copies(&self, _call: &PortCall<'_>, _message: Option<&Outgoing>) -> Vec<Duration> {
        vec![Duration::ZERO]
    }

    /// Which of so many visible messages, oldest first, is delivered next.
    fn pick(&self, _call: &PortCall<'_>, _visible: usize) -> usize {
        0
    }

    /// After which time a message that is delivered now is delivered again although its visibility
    /// has not ended. At-least-once delivery allows it.
    fn redeliver(&self, _call: &PortCall<'_>) -> Option<Duration> {
        None
    }
}

/// Nothing goes wrong.
#[derive(Clone, Copy, Debug, Default)]
pub struct Quiet;

impl Interposer for Quiet {}

/// Nobody looks at them.
impl Metrics for Quiet {
    fn emit(&self, _: UnixMs, _: &[Sample]) {}
}
