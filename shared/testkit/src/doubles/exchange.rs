//! The way of one call through a double: into the log, past the faults, to the system and back.
//!
//! Invariants: the entry in the log is made before anything else; a call runs in a task of its
//! own, so that a client that goes away does not undo it; "after the answer" is reached only
//! when the answer's last byte has left.

use std::{
    process::{Command, Stdio},
    sync::{
        Arc, Mutex, Weak,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use axum::{
    body::Bytes,
    http::{HeaderMap, Uri},
};

use super::{
    Action, Call, CallFacts, Clock, Ended, Point,
    call_log::CallLog,
    fault_script::{Due, FaultScript},
    locked,
    serve::Connection,
};

/// How often a kill between two calls looks for a quiet moment before it gives up; at the
/// usual 20 ms this is a minute and a half, longer than any test's run of calls.
const MAX_QUIET_TRIES: usize = 5_000;

/// A call as a system sees it.
#[derive(Clone, Debug)]
pub struct Incoming {
    /// HTTP method in capitals.
    pub method: String,
    /// Path and query as sent.
    pub uri: Uri,
    /// Headers as sent.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Reply {
    /// HTTP status.
    pub status: u16,
    /// Headers by name, lower case.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Reply {
    /// An answer with a JSON body.
    pub fn json(status: u16, body: &serde_json::Value) -> Self {
        Self::of_type(status, "application/json", body.to_string())
    }

    /// An answer whose body is of the content type `mime`.
    pub fn of_type(status: u16, mime: &str, body: impl Into<Bytes>) -> Self {
        Self {
            status,
            headers: vec![("content-type".to_owned(), mime.to_owned())],
            body: body.into(),
        }
    }
}

/// What a call is about, as far as it can be seen before acting.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Subject {
    /// Key of the record.
    pub key: Option<String>,
    /// The id in the path.
    pub id: Option<String>,
}

/// What a system did with a call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Acted {
    /// The answer to give.
    pub reply: Reply,
    /// Whether the state was changed.
    pub effect: bool,
}

impl Acted {
    /// An answer that came without a change of state.
    pub const fn read(reply: Reply) -> Self {
        Self {
            reply,
            effect: false,
        }
    }

    /// An answer after a change of state.
    pub const fn wrote(reply: Reply) -> Self {
        Self {
            reply,
            effect: true,
        }
    }
}

/// A system that a double stands in for.
pub trait System: Send + Sync + 'static {
    /// What the call is about.
    fn subject(&self, call: &Incoming) -> Subject;

    /// Does what the call asks for. `now_ms` is milliseconds since the epoch.
    fn act(&self, call: &Incoming, now_ms: i64) -> Acted;
}

/// What a double keeps beside the system: its clock, the log, the faults.
pub(super) struct Desk {
    pub(super) clock: Clock,
    pub(super) log: Mutex<CallLog>,
    pub(super) script: Mutex<FaultScript>,
    traffic: Arc<Traffic>,
}

#[derive(Debug, Default)]
struct Traffic {
    arrivals: AtomicU64,
    in_hand: AtomicUsize,
}

/// Counts a call as in hand for as long as it lives.
struct InHand(Arc<Traffic>);

impl Drop for InHand {
    fn drop(&mut self) {
        self.0.in_hand.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Where a call stands after a point.
enum Passed {
    On,
    Instead(Reply),
    Cut,
}

impl Desk {
    pub(super) fn new(clock: Clock) -> Self {
        Self {
            clock,
            log: Mutex::default(),
            script: Mutex::default(),
            traffic: Arc::default(),
        }
    }

    fn enter(&self) -> InHand {
        self.traffic.arrivals.fetch_add(1, Ordering::SeqCst);
        self.traffic.in_hand.fetch_add(1, Ordering::SeqCst);
        InHand(Arc::clone(&self.traffic))
    }

    /// Writes the call into the log and gives what faults see of it.
    pub(super) fn arrive(&self, call: &Incoming, subject: Subject) -> CallFacts {
        let at_ms = (self.clock)();
        let agent = call.headers.get("user-agent");
        let agent = agent.and_then(|value| value.to_str().ok());
        let seq = locked(&self.log).arrive(Call {
            seq: 0,
            at_ms,
            method: call.method.clone(),
            path: call.uri.path().to_owned(),
            query: call.uri.query().map(str::to_owned),
            user_agent: agent.map(str::to_owned),
            key: subject.key.clone(),
            id: subject.id,
            effect: false,
            ended: Ended::InHand,
            ended_ms: None,
            faults: Vec::new(),
        });
        CallFacts {
            seq,
            at_ms,
            method: call.method.clone(),
            path: call.uri.to_string(),
            key: subject.key,
            body: String::from_utf8_lossy(&call.body).into_owned(),
        }
    }

    pub(super) fn end(&self, seq: u64, ended: Ended) {
        let now_ms = (self.clock)();
        locked(&self.log).note(seq, |call| {
            call.ended = ended;
            call.ended_ms = Some(now_ms);
        });
    }

    fn due(&self, point: Point, call: &CallFacts) -> Vec<Due> {
        locked(&self.script).due(point, call)
    }

    fn happened(&self, due: &Due, call: &CallFacts) {
        let name = locked(&self.script).happened(due);
        locked(&self.log).note(call.seq, |entry| entry.faults.push(name));
    }

    /// Takes the call past the faults of a point before its answer.
    async fn pass(&self, point: Point, call: &CallFacts) -> Passed {
        for due in self.due(point, call) {
            self.happened(&due, call);
            match due.action {
                Action::DelayMs(delay) => tokio::time::sleep(Duration::from_millis(delay)).await,
                Action::Hold(gate) => gate.hold().await,
                Action::Run(callback) => (callback.0)(call),
                Action::Answer(answer) => return Passed::Instead(given(&answer)),
                Action::Garbage => return Passed::Instead(garbage()),
                Action::HugeBody(bytes) => return Passed::Instead(huge(bytes)),
                Action::Drop => return Passed::Cut,
                Action::KillPid(pid) => {
                    kill(pid);
                    return Passed::Cut;
                }
            }
        }
        Passed::On
    }

    /// Takes the call past the faults that come after its answer.
    fn answered(self: &Arc<Self>, call: &CallFacts) {
        for due in self.due(Point::AfterAnswer, call) {
            self.strike_late(&due, call);
        }
        for due in self.due(Point::BetweenCalls, call) {
            tokio::spawn(strike_when_quiet(Arc::downgrade(self), due, call.clone()));
        }
    }

    fn strike_late(&self, due: &Due, call: &CallFacts) {
        self.happened(due, call);
        match &due.action {
            Action::KillPid(pid) => kill(*pid),
            Action::Run(callback) => (callback.0)(call),
            // A fault with anything else at such a point is refused when it is set.
            _ => {}
        }
    }
}

/// Strikes once no call has been in hand, and none has come, for the fault's quiet time.
async fn strike_when_quiet(desk: Weak<Desk>, due: Due, call: CallFacts) {
    for _ in 0..MAX_QUIET_TRIES {
        let Some(before) = desk.upgrade().map(|desk| Arc::clone(&desk.traffic)) else {
            return;
        };
        let arrivals = before.arrivals.load(Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(due.quiet_ms)).await;
        let quiet = before.in_hand.load(Ordering::SeqCst) == 0
            && before.arrivals.load(Ordering::SeqCst) == arrivals;
        if let Some(desk) = desk.upgrade().filter(|_| quiet) {
            desk.strike_late(&due, &call);
            return;
        }
    }
}

/// A system behind its desk.
pub(super) struct Exchange<S> {
    pub(super) system: S,
    pub(super) desk: Arc<Desk>,
}

impl<S: System> Exchange<S> {
    /// Takes one call through; nothing is answered when it gives nothing.
    pub(super) async fn run(
        self: Arc<Self>,
        call: Incoming,
        connection: Connection,
    ) -> Option<Reply> {
        let in_hand = self.desk.enter();
        let facts = self.desk.arrive(&call, self.system.subject(&call));
        let Some(reply) = self.reply(&call, &facts).await else {
            self.desk.end(facts.seq, Ended::Cut);
            connection.cut();
            return None;
        };
        self.desk.end(facts.seq, Ended::Answered(reply.status));
        let desk = Arc::clone(&self.desk);
        connection.when_flushed(move || {
            drop(in_hand);
            desk.answered(&facts);
        });
        Some(reply)
    }

    async fn reply(&self, call: &Incoming, facts: &CallFacts) -> Option<Reply> {
        match self.desk.pass(Point::BeforeAct, facts).await {
            Passed::On => {}
            Passed::Instead(reply) => return Some(reply),
            Passed::Cut => return None,
        }
        let acted = self.system.act(call, (self.desk.clock)());
        locked(&self.desk.log).note(facts.seq, |entry| entry.effect = acted.effect);
        match self.desk.pass(Point::AfterActBeforeAnswer, facts).await {
            Passed::On => Some(acted.reply),
            Passed::Instead(reply) => Some(reply),
            Passed::Cut => None,
        }
    }
}

fn given(answer: &super::Answer) -> Reply {
    let (mime, body) = match &answer.body {
        serde_json::Value::Null => ("text/plain", String::new()),
        serde_json::Value::String(text) => ("text/plain", text.clone()),
        json => ("application/json", json.to_string()),
    };
    let mut reply = Reply::of_type(answer.status, mime, body);
    for (name, value) in &answer.headers {
        let name = name.to_ascii_lowercase();
        reply.headers.retain(|(have, _)| *have != name);
        reply.headers.push((name, value.clone()));
    }
    reply
}

fn garbage() -> Reply {
    let page = "<!DOCTYPE html>\n<html><head><title>Please sign in</title></head>\
                <body><h1>Your connection is being checked</h1></body></html>\n";
    Reply::of_type(200, "text/html; charset=utf-8", page)
}

/// A JSON text of `bytes` bytes (two at least, the quotes).
fn huge(bytes: usize) -> Reply {
    let body = format!("\"{}\"", "a".repeat(bytes.saturating_sub(2)));
    Reply::of_type(200, "application/json", body)
}

/// Sends SIGKILL. The shell's own `kill` is used, since it needs no tool beside the shell. It
/// blocks for a few milliseconds, which is what is wanted: nothing goes on before the kill.
/// A process that is gone already can not be killed, and whoever waits for it sees its end.
fn kill(pid: u32) {
    let status = Command::new("sh")
        .args(["-c", "kill -9 \"$0\"", &pid.to_string()])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status();
    drop(status);
}
