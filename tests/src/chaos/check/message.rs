//! QUE-1 and QUE-2: messages carry keys and nothing else, and a dirty record has one, or a reason
//! why it has none.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use tidegate_engine::ports::Outgoing;
use tidegate_model::UnixMs;
use tidegate_simulator::{Delivered, PortCall, ProcessKind};

use crate::chaos::{
    book::Book,
    ledger::{State, number, record_of, text},
};

/// A record that is dirty without a message for so long is stranded: no step of a process takes it.
const STRANDED: Duration = Duration::from_secs(120);
/// Open for so long, by the fastest clock, a breaker has messages dropped: it is an outage.
const OUTAGE: Duration = Duration::from_secs(15 * 60 - 1);
/// After an outage tick queues everything again, at its second look if the first one broke off.
const TWO_TICKS: Duration = Duration::from_secs(11 * 60);
/// Deliveries after which a message is a dead letter.
pub const MAX_RECEIVES: u32 = 10;

/// Messages seen.
#[derive(Default)]
pub struct Messages {
    /// When a message about a record was last sent.
    pub last_sent: BTreeMap<String, UnixMs>,
    /// Records of messages that came so often that they may be dead letters.
    pub worn: BTreeSet<String>,
    /// Whether one that nobody can read did.
    worn_junk: bool,
    uncovered: BTreeMap<String, (i64, UnixMs)>,
}

impl Messages {
    /// Messages were sent.
    pub fn sent(
        &mut self,
        book: &mut Book,
        now: UnixMs,
        call: &PortCall<'_>,
        messages: &[Outgoing],
    ) {
        for outgoing in messages {
            for key in &outgoing.message.keys {
                self.last_sent.insert(key.as_str().to_owned(), now);
            }
            let body = outgoing.message.encode();
            if body.contains('§') || body.contains("\"N.") {
                let what = format!("{} sent a field's value: {body}", call.process);
                book.fault("QUE-1", now, None, what);
            }
        }
    }

    /// Messages were delivered.
    pub fn delivered(&mut self, messages: &[Delivered]) {
        for message in messages
            .iter()
            .filter(|message| message.receive_count >= MAX_RECEIVES)
        {
            let Ok(message) = tidegate_model::Message::decode(&message.body) else {
                self.worn_junk = true;
                continue;
            };
            self.worn
                .extend(message.keys.iter().map(|key| key.as_str().to_owned()));
        }
    }

    /// What has no register was kept for a person: in these stories that is a dead letter.
    pub fn kept(&self, book: &mut Book, now: UnixMs, call: &PortCall<'_>, name: &str) {
        let unread = name.starts_with("dead-") && self.worn_junk;
        let lawful =
            call.process.kind == ProcessKind::Digest && (unread || self.worn.contains(name));
        if !lawful {
            let what = format!(
                "{} keeps {name} for a person, without a cause",
                call.process
            );
            book.fault("OUT-1", now, None, what);
        }
    }
}

/// QUE-2 at a moment: `queued` are the texts of all messages there are.
pub fn look_for_stranded(state: &mut State, now: UnixMs, queued: &[String]) {
    let lease = state
        .items
        .iter()
        .find(|(key, _)| key.partition.starts_with("run#") && key.sort == "lease")
        .map(|(_, item)| item);
    let unfinished = text(lease, "progress").is_some();
    let flow = state
        .items
        .iter()
        .find(|(key, _)| key.partition.starts_with("flow#") && key.sort == "state");
    let flow = flow.map(|(_, item)| item);
    // A stopped flow is swept when it goes on.
    let stopped = ["pause_source", "pause_target", "blocker", "sweep_all"]
        .iter()
        .any(|name| flow.is_some_and(|item| item.contains_key(*name)));
    let stopped = stopped || is_outage(state, now);
    let mut uncovered = BTreeMap::new();
    for (key, item) in &state.items {
        let Some(record) = record_of(key) else {
            continue;
        };
        let item = Some(item);
        let Some(since) = number(item, "du").filter(|_| text(item, "rv").is_none()) else {
            continue;
        };
        let name = format!("\"{record}\"");
        let has_message = queued.iter().any(|body| body.contains(&name));
        let has_time = number(item, "due").is_some();
        let unanswered = state.unanswered.get(record).is_some_and(|open| *open > 0);
        let dead = state.messages.worn.contains(record);
        // QUE-2, "or is found by the sweep": a run that broke off between staging and queueing, and
        // whose page the source then gave otherwise.
        let stager = state.stagers.get(record);
        let broke_off = stager.is_some_and(|life| state.interrupted.contains(life));
        // A run that has not advanced does its page again, and queues what it has staged.
        let by_run = stager.is_none_or(|(process, _)| process.kind == ProcessKind::BatchSync);
        // A comparison queues what it has put right at the end of its page.
        let compares = state.comparing > 0
            && stager.is_some_and(|(process, _)| process.kind == ProcessKind::Reconcile);
        let unfinished = unfinished && by_run || compares;
        if has_message || has_time || unfinished || stopped || unanswered || dead || broke_off {
            continue;
        }
        let begun = match state.messages.uncovered.get(record) {
            Some((seen, begun)) if *seen == since => *begun,
            _ => now,
        };
        uncovered.insert(record.to_owned(), (since, begun));
    }
    let stranded: Vec<String> = uncovered
        .iter()
        .filter(|(_, (_, begun))| *begun + STRANDED <= now && now < *begun + STRANDED * 2)
        .map(|(record, _)| record.clone())
        .collect();
    for record in stranded {
        let what = "it is dirty, and has no message, no named time and no review".to_owned();
        state.book.fault("QUE-2", now, Some(&record), what);
    }
    state.messages.uncovered = uncovered;
}

/// Whether a breaker has been open for long, or was until lately: what is dirty is found by the sweep.
fn is_outage(state: &State, now: UnixMs) -> bool {
    state.items.values().any(|item| {
        let moment = |name: &str| number(Some(item), name).map(UnixMs);
        moment("opened").is_some_and(|opened| opened + OUTAGE <= now)
            || moment("outage_over").is_some_and(|over| now < over + TWO_TICKS)
    })
}
