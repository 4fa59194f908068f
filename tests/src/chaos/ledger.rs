//! The world's own account of what happened, and the checkers that read it. It sees each port call,
//! the items of the table before and after each write, arrivals and effects at the target; it asks
//! the engine nothing and knows nothing of its decisions.

mod words;

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Arc, Mutex},
};

use tidegate_engine::{
    Event,
    ports::{Effect as CallEffect, Request, Sent, TransportError},
};
use tidegate_model::{
    Tier, UnixMs,
    item::{Item, ItemKey, Value as Attribute},
};
use tidegate_simulator::{Effect, Fate, Operation, PortCall, ProcessId, ProcessKind};

use words::{about, shown, told};

use super::{
    book::Book,
    check::{
        breaker::Breakers,
        decision::Decisions,
        delivery::Deliveries,
        limit::Limits,
        message::Messages,
        news,
        permit::Grants,
        register::{Registers, versions},
        run::Runs,
    },
    locked,
    plan::Plan,
    target::TargetEffect,
};

/// One life of a process.
pub type Life = (ProcessId, u32);

/// The account.
pub struct Ledger {
    plan: Arc<Plan>,
    state: Mutex<State>,
}

/// What the account holds.
pub struct State {
    /// The story's book.
    pub book: Book,
    /// The table, as it stands.
    pub items: BTreeMap<ItemKey, Item>,
    /// Who took which token: claims, leases and probes.
    pub owners: BTreeMap<String, Life>,
    /// Lives of batch-sync and api in which a port call failed: they may stage and not queue.
    pub interrupted: BTreeSet<Life>,
    /// Who staged what is desired of a record.
    pub stagers: BTreeMap<String, Life>,
    /// Until when a process stood still last.
    pub stalls: BTreeMap<ProcessId, UnixMs>,
    fates: BTreeMap<u64, Fate>,
    keys: BTreeMap<u64, String>,
    /// Checkers.
    pub registers: Registers,
    /// Of runs.
    pub runs: Runs,
    /// Of breakers.
    pub breakers: Breakers,
    /// Of limits.
    pub limits: Limits,
    /// Of permits.
    pub grants: Grants,
    /// When a version of a record was last staged.
    pub staged_at: BTreeMap<String, UnixMs>,
    /// Of messages.
    pub messages: Messages,
    /// Of their deliveries.
    pub deliveries: Deliveries,
    /// Of what people decide about reviews.
    pub decisions: Decisions,
    /// Webhooks that were sent and not yet answered with 2xx, by record.
    pub unanswered: BTreeMap<String, u64>,
    /// Calls to other systems that were begun.
    pub calls: u64,
    /// Records of which the source knows nothing at present, though they are not deleted.
    pub hidden: BTreeSet<String>,
    /// Reconciliations under way.
    pub comparing: u32,
    /// What a reconciliation that was cut off asked for.
    pub rest: Option<Event>,
}

/// A text attribute.
pub fn text<'a>(item: Option<&'a Item>, name: &str) -> Option<&'a str> {
    item?.get(name)?.as_text()
}

/// A number attribute.
pub fn number(item: Option<&Item>, name: &str) -> Option<i64> {
    item?.get(name).and_then(Attribute::as_number)
}

/// The record of a register's item.
pub fn record_of(key: &ItemKey) -> Option<&str> {
    key.partition
        .starts_with("register#")
        .then_some(key.sort.as_str())
}

impl State {
    /// The number of the version that is staged of a record.
    pub fn staged(&self, record: &str) -> Option<u64> {
        let mut items = self.items.iter();
        let (_, item) = items.find(|(key, _)| record_of(key) == Some(record))?;
        text(Some(item), "dv")?.get(..20)?.parse().ok()
    }
}

impl Ledger {
    /// An empty account; `traced` keeps every line.
    pub fn new(plan: Arc<Plan>, traced: bool) -> Self {
        let mut book = Book::default();
        book.trace = traced.then(Vec::new);
        Self {
            state: Mutex::new(State {
                book,
                items: BTreeMap::new(),
                owners: BTreeMap::new(),
                interrupted: BTreeSet::new(),
                stagers: BTreeMap::new(),
                stalls: BTreeMap::new(),
                fates: BTreeMap::new(),
                keys: BTreeMap::new(),
                registers: Registers::new(&plan),
                runs: Runs::new(&plan),
                breakers: Breakers::default(),
                limits: Limits::new(&plan),
                grants: Grants::default(),
                staged_at: BTreeMap::new(),
                messages: Messages::default(),
                deliveries: Deliveries::default(),
                decisions: Decisions::default(),
                unanswered: BTreeMap::new(),
                calls: 0,
                hidden: BTreeSet::new(),
                comparing: 0,
                rest: None,
            }),
            plan,
        }
    }

    /// Looks at the account, or adds to it.
    pub fn with<T>(&self, look: impl FnOnce(&mut State) -> T) -> T {
        look(&mut locked(&self.state))
    }

    /// Calls to other systems that were begun so far.
    pub fn calls_so_far(&self) -> u64 {
        locked(&self.state).calls
    }

    /// A call has been decided upon. `key`: the record that a call to the target is about.
    pub fn decided(&self, call: &PortCall<'_>, site: &str, fate: Fate, key: Option<String>) {
        let mut state = locked(&self.state);
        let state = &mut *state;
        state.book.operation = call.seq;
        state.book.totals.operations = call.seq;
        let (end, code) = match fate {
            Fate::FailUnsent => (Some(0), 1),
            Fate::CrashBefore => (Some(0), 2),
            Fate::LoseAnswer => (Some(1), 3),
            Fate::CrashAfter => (Some(1), 4),
            Fate::StallBefore(_) => (Some(2), 5),
            Fate::StallAfter(_) => (Some(2), 6),
            // Its caller learns of nothing but the second try.
            Fate::Repeat => (Some(2), 7),
            Fate::Proceed => (Some(2), 0),
        };
        let ends = state.book.sites.entry(site.to_owned()).or_default();
        if let Some(count) = end.and_then(|end: usize| ends.get_mut(end)) {
            *count += 1;
        }
        let process = i64::from(call.process.number);
        state.book.hash_in(site, &[call.at.0, process, code]);
        if let Fate::StallBefore(span) | Fate::StallAfter(span) = fate {
            state.stalls.insert(call.process, call.at + span);
        }
        let about = key.clone().or_else(|| about(call));
        state.book.line(call.at, about.as_deref(), || {
            format!(
                "{}.{} {}{}",
                call.process,
                call.incarnation,
                shown(call),
                told(fate)
            )
        });
        no_calls_from_readers(state, call);
        if let Operation::Http { request } = &call.operation {
            state.calls += 1;
            state
                .breakers
                .leaves(&mut state.book, call, request, &state.stalls);
            if matches!(fate, Fate::FailUnsent | Fate::CrashBefore) {
                // It was about to leave, and is under way nowhere.
                state.breakers.ended(call);
            }
            if fate == Fate::FailUnsent {
                state.registers.failed(call, key.as_deref(), request, false);
            }
            if !matches!(fate, Fate::FailUnsent | Fate::CrashBefore) {
                state.grants.leaves(&mut state.book, call, request);
                let record = key.as_deref();
                state
                    .decisions
                    .leaves(&mut state.book, call, request, record);
                let (book, items, owners) = (&mut state.book, &state.items, &state.owners);
                state
                    .registers
                    .leaves(book, call, request, key.as_deref(), (items, owners));
            }
            if let Some(key) = key {
                state.keys.insert(call.seq, key);
            }
        }
        if let Operation::Emit { events } = &call.operation {
            for event in *events {
                state.runs.tells(&mut state.book, call, event);
                news::tells(&mut state.book, call, event);
                if matches!(event, Event::ReconcileRequested { .. }) {
                    state.rest = Some(event.clone());
                }
            }
        }
        if fate != Fate::Proceed {
            state.deliveries.befell(call);
            let stages = matches!(
                call.process.kind,
                ProcessKind::BatchSync | ProcessKind::Api | ProcessKind::Reconcile
            );
            if stages && fate != Fate::Repeat {
                state.interrupted.insert((call.process, call.incarnation));
            }
            state.fates.insert(call.seq, fate);
        }
    }

    /// A call did something.
    pub fn observed(&self, now: UnixMs, call: &PortCall<'_>, effect: &Effect<'_>) {
        let mut state = locked(&self.state);
        let state = &mut *state;
        state.book.operation = state.book.operation.max(call.seq);
        let fate = state.fates.get(&call.seq).copied().unwrap_or(Fate::Proceed);
        match (&call.operation, effect) {
            (Operation::Update { key, .. }, Effect::Written { before, after }) => {
                written(state, (now, call), key, (*before, after));
            }
            (Operation::Send { messages }, Effect::Done) => {
                state.messages.sent(&mut state.book, now, call, messages);
            }
            (Operation::Receive { .. }, Effect::Delivered { messages }) => {
                state.messages.delivered(messages);
                let seen = (now, call);
                state.deliveries.delivered(&mut state.book, seen, messages);
            }
            (Operation::Http { request }, Effect::Answered { answer, .. }) => {
                let key = state.keys.remove(&call.seq);
                let seen = match fate {
                    // Its caller learns of no answer, whatever there was.
                    Fate::LoseAnswer | Fate::Repeat | Fate::CrashAfter => {
                        &Err(TransportError::Broken)
                    }
                    _ => *answer,
                };
                self.answered(state, (now, call), request, key.as_deref(), seen);
            }
            _ => {}
        }
    }

    fn answered(
        &self,
        state: &mut State,
        (now, call): (UnixMs, &PortCall<'_>),
        request: &Request,
        key: Option<&str>,
        seen: &Result<Sent, TransportError>,
    ) {
        state.breakers.ended(call);
        let failed = match seen {
            Ok(sent) => sent.status >= 500 || (sent.status < 300 && sent.body.is_none()),
            Err(_) => true,
        };
        let status = seen.as_ref().map_or(0, |sent| i64::from(sent.status));
        state.book.hash_in("answer", &[now.0, status]);
        state.book.line(now, key, || {
            format!(
                "{} got {status} from {} {}",
                call.process,
                request.method.as_str(),
                request.url
            )
        });
        if failed || status >= 400 {
            state.deliveries.befell(call);
        }
        if failed {
            let unknown = request.effect == CallEffect::Write;
            state.registers.failed(call, key, request, unknown);
        }
        if let Ok(sent) = seen
            && request.url.starts_with("http://tgt/")
        {
            state.registers.answered(call, key, sent.status);
        }
        let path = request.url.split('/').nth(3).unwrap_or_default();
        let is_page = path == "rows" || path.starts_with("rows?");
        if request.url.starts_with("http://src/")
            && is_page
            && let Ok(Sent {
                status: 200,
                body: Some(body),
                ..
            }) = seen
        {
            state.runs.paged(now, call.process, body, self.plan.order);
        }
    }

    /// An invocation of a process has ended.
    pub fn ended(&self, life: Life) {
        locked(&self.state).deliveries.ended(life);
    }

    /// A call arrived at a system.
    pub fn arrived(&self, host: &str, tier: Tier, now: UnixMs) {
        let mut state = locked(&self.state);
        let state = &mut *state;
        state.limits.arrived(&mut state.book, host, tier, now);
    }

    /// Something was done at the target.
    pub fn effect(&self, now: UnixMs, effect: &TargetEffect) {
        let mut state = locked(&self.state);
        let state = &mut *state;
        let stamp = i64::try_from(effect.stamp.unwrap_or(0)).unwrap_or(0);
        state.book.hash_in(&effect.key, &[now.0, stamp]);
        state.book.line(now, Some(&effect.key), || {
            format!(
                "    the target did: {:?} stamp {:?}",
                effect.did, effect.stamp
            )
        });
        state.registers.effect(&mut state.book, now, effect);
    }
}

/// READ-1: whoever reads calls nobody, and has no secret of another system.
fn no_calls_from_readers(state: &mut State, call: &PortCall<'_>) {
    let calls_nobody = matches!(
        call.process.kind,
        ProcessKind::Api | ProcessKind::Tick | ProcessKind::Webhook | ProcessKind::Digest
    );
    let fault = match &call.operation {
        Operation::Http { request } if calls_nobody => Some(request.url.clone()),
        Operation::Secret { name } if calls_nobody && !name.starts_with("HOOK_") => {
            Some(format!("the secret {name}"))
        }
        _ => None,
    };
    if let Some(what) = fault {
        let what = format!("{} asked for {what}", call.process);
        state.book.fault("READ-1", call.at, None, what);
    }
}

fn written(
    state: &mut State,
    (now, call): (UnixMs, &PortCall<'_>),
    key: &ItemKey,
    (before, after): (Option<&Item>, &Item),
) {
    if let Some(record) = record_of(key) {
        let reopened = number(before, "du").is_none() && number(Some(after), "du").is_some();
        let replayed = text(before, "rv").is_some() && text(Some(after), "rv").is_none();
        if reopened || replayed {
            // That, too, stages what is then queued.
            let life = (call.process, call.incarnation);
            state.stagers.insert(record.to_owned(), life);
        }
        if text(before, "dv") != text(Some(after), "dv") {
            let life = (call.process, call.incarnation);
            state.stagers.insert(record.to_owned(), life);
            state.staged_at.insert(record.to_owned(), now);
        }
        let states = (before, after);
        state
            .decisions
            .written(&mut state.book, (now, call), record, states);
        if state.hidden.contains(record) {
            let names = state.items.keys().filter_map(record_of);
            let hidden = names.filter(|name| state.hidden.contains(*name)).count();
            let seen = (now, call.process);
            versions::deletion(&mut state.book, seen, record, states, hidden);
        }
        let (book, owners) = (&mut state.book, &mut state.owners);
        let openings = &state.breakers;
        let worn = &state.messages;
        state.registers.written(
            book,
            (now, call),
            record,
            (before, after),
            (owners, openings, worn),
        );
    } else if key.partition.starts_with("run#") && key.sort == "lease" {
        let (book, owners, items) = (&mut state.book, &mut state.owners, &state.items);
        state.runs.written(
            book,
            (now, call),
            (before, after),
            (owners, items, &state.messages),
        );
    } else if let Some(endpoint) = key.partition.strip_prefix("budget#") {
        let place = (endpoint, key.sort.as_str());
        state
            .grants
            .written(&mut state.book, (now, call), place, (before, after));
    } else if let Some(endpoint) = key.partition.strip_prefix("breaker#") {
        let (book, owners) = (&mut state.book, &mut state.owners);
        state
            .breakers
            .written(book, (now, call), endpoint, (before, after), owners);
    } else if key.partition.starts_with("orphan#") {
        state.messages.kept(&mut state.book, now, call, &key.sort);
    }
    state.items.insert(key.clone(), after.clone());
}
