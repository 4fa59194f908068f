//! The worker: takes messages, applies their records, and settles each key by itself.
//!
//! A pack is only for the first try: keys that are not done leave it as messages of their own,
//! sent before the pack is deleted (PROTOCOL rule 6). A deferral is a delayed copy, so that it
//! costs no receive; a failure of a single message waits by changed visibility.

mod settle;
mod turns;

use std::time::Duration;

use futures_util::future::join_all;
use tidegate_model::{Fetch, Message, RecordKey, Tier, Turn, UnixMs};
use tidegate_policy::{
    breaker::{Breaker, Gate},
    flow_state::{FlowState, Side},
    keys,
    limiter::{HORIZON, Limit, Place},
    plan,
    register::Register,
};

use crate::{
    Engine, EngineError, FlowRuntime,
    apply::{Job, Verdict, is_of_newer_release, not_claimable},
    budget::Budget,
    fetch::{Fetched, source_budget},
    ports::{Receipt, Wait},
};
pub(crate) use settle::{chunks_of_messages, delayed};
pub(crate) use turns::{Asked, place_of};

/// A message that is early by less than this is worked on at once.
const EARLY_ENOUGH: Duration = Duration::from_millis(250);
/// How long a fetch waits while its flow is stopped; the hint must not be lost.
const FETCH_WHILE_STOPPED: Duration = Duration::from_secs(60);
/// A record that could not be read from its source for so long needs a person.
const FETCH_GIVE_UP: Duration = Duration::from_secs(86_400);
/// How long a message waits that came while another makes the probe.
const AFTER_PROBE: Duration = Duration::from_secs(5);

/// A message as the queue delivered it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The message.
    pub message: Message,
    /// Its handle.
    pub receipt: Receipt,
}

/// What the host does with a delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Disposition {
    /// Delete it: everything that follows from it is durable.
    Delete,
    /// Leave it: it comes back by its visibility.
    Keep,
}

/// How the handling of one key ended.
struct Judged {
    key: RecordKey,
    verdict: Verdict,
    /// The number of the attempt that was made, where the record was taken to its target.
    attempt: Option<u32>,
}

impl Judged {
    fn untried(key: &RecordKey, verdict: Verdict) -> Self {
        Self {
            key: key.clone(),
            verdict,
            attempt: None,
        }
    }
}

/// The verdicts of a message's keys.
struct Settled {
    verdicts: Vec<Judged>,
    /// The source still has to be read.
    fetch: Option<Fetch>,
    /// The turn of the keys that wait for permits: of the source, while it still has to be read.
    turn: Option<Turn>,
    /// Other messages are on their way for its records.
    repeat: bool,
}

/// What reading a message's records first came to.
enum ReadFirst {
    /// They are staged.
    Done {
        /// Other messages are on their way to apply them.
        repeat: bool,
    },
    /// That could not be done now.
    Not(Settled),
}

impl Engine {
    /// Handles deliveries side by side; one's failure does not touch another.
    pub async fn work(&self, deliveries: &[Delivery]) -> Vec<Disposition> {
        let done = join_all(deliveries.iter().map(|delivery| async move {
            let working = self.working_for(&delivery.message.trace);
            working.work_one(delivery).await
        }));
        let done = done.await;
        self.tell_noted().await;
        done
    }

    async fn work_one(&self, delivery: &Delivery) -> Disposition {
        let message = &delivery.message;
        let now = self.now();
        if let Some(not_before) = message
            .not_before
            .filter(|moment| *moment > now + EARLY_ENOUGH)
        {
            // A turn is told anew at each hop: the queue went faster or slower than was thought.
            let not_before = self.turn_of(message).await.unwrap_or(not_before);
            if not_before > now + EARLY_ENOUGH {
                return self.delay_again(delivery, not_before).await;
            }
        }
        match self.verdicts(message).await {
            Ok(settled) => self.settle(delivery, settled, now).await,
            Err(error) => {
                tracing::error!(flow = %message.flow, tier = message.tier.as_str(), keys = message.keys.len(), run = self.run_id(), request_id = self.request(), took_ms = self.ms_since(now), error = %crate::chain(&error), "message left");
                // One of another release, which knows more flows, is on its way to a function of that.
                if !matches!(error, EngineError::UnknownFlow(_)) {
                    self.note_failure();
                }
                Disposition::Keep
            }
        }
    }

    /// When a message's turn comes, if it waits for one.
    async fn turn_of(&self, message: &Message) -> Option<UnixMs> {
        let turn = message.turn?;
        let runtime = self.flow(&message.flow).ok()?;
        let budget = match message.fetch {
            Some(_) => source_budget(runtime),
            None => target_budget(runtime, message.tier),
        };
        self.comes_at(&budget, turn).await.ok()
    }

    async fn verdicts(&self, message: &Message) -> Result<Settled, EngineError> {
        let runtime = self.flow(&message.flow)?;
        let state = self.flow_state(&message.flow).await?;
        if let Some(settled) = self.stopped(message, &state) {
            if message.fetch.is_some() {
                let budget = source_budget(runtime);
                self.leave_turn(&budget, message.turn).await?;
            }
            return Ok(settled);
        }
        if message.fetch.is_none() && state.swept.is_some_and(|swept| message.first_sent < swept) {
            let verdict = Verdict::Nothing("queued again since");
            return Ok(one_for_all(message, &verdict));
        }
        let repeat = match self.read_first(message, runtime, &state).await? {
            ReadFirst::Done { repeat } => repeat,
            ReadFirst::Not(settled) => return Ok(settled),
        };
        let registers = self.registers(runtime, &message.keys).await?;
        let mut verdicts = Vec::new();
        let mut todo = Vec::new();
        let now = self.now();
        for (key, register) in message.keys.iter().zip(registers) {
            match register {
                None => verdicts.push(Judged::untried(key, Verdict::Nothing("no register"))),
                Some(register)
                    if !register.is_dirty()
                        || register.review.is_some()
                        || register.claimable_at() > now =>
                {
                    verdicts.push(Judged::untried(key, not_claimable(&register)));
                }
                Some(register) if let Some(wait) = is_of_newer_release(runtime, &register, now) => {
                    verdicts.push(Judged::untried(key, wait));
                }
                Some(register)
                    if message.fetch == Some(Fetch::Hint) && register.tier == Tier::Batch =>
                {
                    let verdict = self.leave_to_batch(message, key, &register, repeat).await?;
                    verdicts.push(Judged::untried(key, verdict));
                }
                Some(register) => todo.push((key, register)),
            }
        }
        let turn = self
            .work_keys(message, runtime, todo, &state, repeat, &mut verdicts)
            .await?;
        Ok(Settled {
            verdicts,
            fetch: None,
            turn,
            repeat,
        })
    }

    /// Reads what has to be read before it is applied.
    async fn read_first(
        &self,
        message: &Message,
        runtime: &FlowRuntime,
        state: &FlowState,
    ) -> Result<ReadFirst, EngineError> {
        let mut repeat = message.repeat;
        if message.fetch.is_none() {
            return Ok(ReadFirst::Done { repeat });
        }
        for key in &message.keys {
            let (verdict, turn) = match self.fetch(runtime, key, message, state).await? {
                Fetched::Staged { repeats } => {
                    repeat = repeats;
                    continue;
                }
                Fetched::Not(verdict, turn) => (verdict, turn),
            };
            // Neither a pause, an outage nor a long queue is the record's own fault.
            let why = Wait::FailedRead;
            let failed = matches!(verdict, Verdict::Defer { why: found, .. } if found == why);
            let since = message.failing_since.filter(|_| failed);
            if since.is_some_and(|since| self.now() > since + FETCH_GIVE_UP) {
                let given_up = self.give_up_fetch(runtime, key).await?;
                return Ok(ReadFirst::Not(one_for_all(message, &given_up)));
            }
            return Ok(ReadFirst::Not(Settled {
                turn,
                ..one_for_all(message, &verdict)
            }));
        }
        Ok(ReadFirst::Done { repeat })
    }

    /// A hint whose record turns out not to be critical: it waits for its window. One that has no such
    /// time, as after a newer revision of the flow, gets a message of the batch tier (QUE-2).
    async fn leave_to_batch(
        &self,
        message: &Message,
        key: &RecordKey,
        register: &Register,
        repeat: bool,
    ) -> Result<Verdict, EngineError> {
        if register.due.is_none() {
            let flow = message.flow.clone();
            let batch = Message::new(flow, vec![key.clone()], Tier::Batch, self.now());
            self.send_one(batch.repeating(repeat)).await?;
        }
        Ok(Verdict::Nothing(
            "not critical, it waits for the next window",
        ))
    }

    /// A stopped flow makes no calls; its records are found again when it goes on.
    fn stopped(&self, message: &Message, state: &FlowState) -> Option<Settled> {
        let source_stopped = message.fetch.and_then(|_| state.stops(Side::Source));
        let why = source_stopped.or_else(|| state.stops(Side::Target))?;
        tracing::info!(flow = %message.flow, tier = message.tier.as_str(), keys = message.keys.len(), run = self.run_id(), request_id = self.request(), reason = why, "parked");
        let verdict = if message.fetch.is_some() {
            Verdict::Defer {
                until: self.now() + FETCH_WHILE_STOPPED,
                why: Wait::Stopped,
            }
        } else {
            Verdict::Parked
        };
        Some(one_for_all(message, &verdict))
    }

    /// Works on keys that have something to do. The turn is of those that wait for permits.
    async fn work_keys(
        &self,
        message: &Message,
        runtime: &FlowRuntime,
        mut todo: Vec<(&RecordKey, Register)>,
        state: &FlowState,
        repeat: bool,
        verdicts: &mut Vec<Judged>,
    ) -> Result<Option<Turn>, EngineError> {
        let budget = target_budget(runtime, message.tier);
        let epoch = self.look_at_breaker(&budget, &mut todo, verdicts).await?;
        if !todo.is_empty() {
            // Before the permits: each has its moment, which a call for a token would let pass.
            let session = self.target_session(runtime, message.tier, HORIZON);
            self.warm(session, runtime.target.grant()).await;
        }
        let traits = runtime.target.traits();
        let groups: Vec<u32> = todo
            .iter()
            // More than a whole window is never free at once; the rest is asked for as it goes.
            .map(|(_, register)| plan::calls_of(register, traits).min(budget.limit.calls))
            .collect();
        // A fetch had its turn at the source; at the target it has just come.
        let place = match message.fetch {
            Some(_) => Place::Last,
            None => place_of(message),
        };
        let Asked {
            mut permits,
            rest_at,
            turn,
        } = self
            .permits_or_turn(&budget, &groups, place, repeat)
            .await?;
        let why = turn.map_or(Wait::Permit, |_| Wait::Turn);
        let mut jobs = Vec::new();
        for ((key, register), calls) in todo.into_iter().zip(groups) {
            let calls = usize::try_from(calls).unwrap_or(usize::MAX);
            if calls > permits.len() {
                let until = rest_at;
                verdicts.push(Judged::untried(key, Verdict::Defer { until, why }));
                continue;
            }
            let mine = permits.drain(..calls).collect();
            jobs.push(Job {
                runtime,
                key,
                budget: &budget,
                permits: mine,
                checking: state.checking,
                attempt: register.attempts_in(epoch) + 1,
            });
        }
        let done = join_all(jobs.into_iter().map(|job| async move {
            let (key, attempt) = (job.key.clone(), Some(job.attempt));
            let verdict = self.apply(job).await;
            Judged {
                key,
                verdict,
                attempt,
            }
        }));
        verdicts.extend(done.await);
        Ok(turn)
    }

    /// While the breaker is open nothing is claimed; half-open, one key goes and the others wait. In
    /// an outage they are dropped, but for what comes shortly before the probe: that is to make it.
    /// Says in which epoch of the breaker attempts count.
    async fn look_at_breaker(
        &self,
        budget: &Budget,
        todo: &mut Vec<(&RecordKey, Register)>,
        verdicts: &mut Vec<Judged>,
    ) -> Result<u64, EngineError> {
        let now = self.now();
        let breaker = Breaker::read(self.read(&keys::breaker(&budget.endpoint)).await?.as_ref());
        let (keep, until, why) = match breaker.gate(now) {
            Gate::Closed { epoch } => return Ok(epoch),
            Gate::HalfOpen => (1, now + AFTER_PROBE, Wait::Probe),
            Gate::Probing { until } => (0, until.min(now + AFTER_PROBE), Wait::Probe),
            Gate::Open { until } => (0, until, Wait::Breaker),
            Gate::Held { until } => (0, until, Wait::Provider),
        };
        let soon = why == Wait::Breaker && until <= now + AFTER_PROBE;
        let verdict = if breaker.parks(now) && why != Wait::Provider && !soon {
            Verdict::Parked
        } else {
            Verdict::Defer { until, why }
        };
        let keep = keep.min(todo.len());
        verdicts.extend(
            todo.drain(keep..)
                .map(|(key, _)| Judged::untried(key, verdict.clone())),
        );
        Ok(breaker.epoch())
    }
}

/// The budget of a tier of a flow's target.
pub(crate) fn target_budget(runtime: &FlowRuntime, tier: Tier) -> Budget {
    let target = &runtime.flow.file().target;
    Budget {
        endpoint: target.name().clone(),
        tier,
        limit: Limit::of_target(target.limits(), tier),
    }
}

fn one_for_all(message: &Message, verdict: &Verdict) -> Settled {
    Settled {
        verdicts: message
            .keys
            .iter()
            .map(|key| Judged::untried(key, verdict.clone()))
            .collect(),
        fetch: message.fetch,
        turn: None,
        repeat: message.repeat,
    }
}
