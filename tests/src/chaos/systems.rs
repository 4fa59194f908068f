//! The other systems: a source and a target, each a little server in virtual time that may be slow,
//! refuse, break off, or do what it was asked and not say so.

mod qualio;

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use percent_encoding::percent_decode_str;
use serde_json::Value;
use tidegate_engine::ports::{Clock, Effect, Http, Request, Sent, TransportError};
use tidegate_model::{Tier, UnixMs};
use tidegate_simulator::{ProcessKind, TrueClock, caller};
use tidegate_testkit::doubles::qualio::QualioDouble;

pub use qualio::marked_key;
use qualio::{incoming, notes_of, qualio_effect};

use super::{
    ledger::Ledger,
    locked,
    plan::{Plan, TIMEOUT_S},
    script::Script,
    source::{PageRates, Source},
    target::{Asked, Things},
};

/// Rows of a page.
const PAGE: usize = 4;
/// The longest way of a call to the other side, in milliseconds: what LIM-1 allows for travel.
const TRAVEL_MS: u64 = 250;

/// Where a target keeps what it is told.
pub enum Kept {
    /// One of our own making.
    Things(Mutex<Things>),
    /// Qualio's double.
    Qualio(Box<QualioDouble>),
}

/// Source and target of a story.
pub struct Systems {
    /// What goes wrong.
    pub script: Arc<Script>,
    /// What happened.
    pub ledger: Arc<Ledger>,
    /// The story.
    pub plan: Arc<Plan>,
    /// The time.
    pub clock: Arc<TrueClock>,
    /// The source.
    pub source: Mutex<Source>,
    /// The target.
    pub kept: Kept,
}

/// How a server treats a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manner {
    /// As it should.
    Well,
    /// With this status; what was asked may be done all the same.
    Status(u16, Acts),
    /// With something that is not JSON.
    Garbage(Acts),
    /// Not at all, and the connection breaks.
    Cut(Acts),
    /// Not at all, in silence.
    Silent(Acts),
}

/// Whether what was asked is done although it is not said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Acts {
    No,
    AtOnce,
    /// So long after the call began.
    Late(Duration),
}

/// How a call is treated, and how long it takes.
#[derive(Clone, Copy, Debug)]
struct Treatment {
    travel: Duration,
    manner: Manner,
    takes: Duration,
    retry_after_s: Option<u64>,
    hides: Duration,
}

/// Takes a request apart.
pub fn taken_apart(request: &Request) -> (String, Asked) {
    let rest = request.url.split_once("://").map_or("", |(_, rest)| rest);
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let mut parts = place.split('/').map(decoded);
    let host = parts.next().unwrap_or_default();
    let query: BTreeMap<String, String> = query
        .split('&')
        .filter_map(|pair| pair.split_once('='))
        .map(|(name, value)| (decoded(name), decoded(value)))
        .collect();
    let idempotency = request
        .headers
        .iter()
        .find(|header| header.name.eq_ignore_ascii_case("idempotency-key"))
        .map(|header| header.value.to_string());
    let asked = Asked {
        method: request.method.as_str().to_owned(),
        path: parts.collect(),
        query,
        body: request.json().cloned().unwrap_or(Value::Null),
        idempotency,
    };
    (host, asked)
}

fn decoded(text: &str) -> String {
    percent_decode_str(text).decode_utf8_lossy().into_owned()
}

impl Systems {
    /// The key of the record that a call to the target is about.
    pub fn key_of(&self, request: &Request) -> Option<String> {
        let (_, asked) = taken_apart(request);
        match &self.kept {
            Kept::Things(things) => locked(things).key_of(&asked),
            Kept::Qualio(qualio) => {
                let notes = asked.body.pointer("/contact_information/notes");
                let marked = notes.and_then(Value::as_str).and_then(marked_key);
                let standing = || qualio.supplier(asked.path.get(3)?)?.key();
                marked.or_else(standing)
            }
        }
    }

    fn treatment(&self, host: &str, request: &Request) -> Treatment {
        let now = self.clock.now();
        let rates = &self.plan.rates;
        let about = format!("{host} {}", request.method.as_str());
        let dice = &self.plan.dice;
        let n = self.ledger.calls_so_far();
        let about_to = if host == "src" {
            rates.source
        } else {
            rates.target
        };
        let mut treatment = Treatment {
            travel: Duration::from_millis(dice.between(1, TRAVEL_MS, "travel", host, n)),
            manner: Manner::Well,
            takes: Duration::from_millis(dice.between(5, 300, "takes", host, n)),
            retry_after_s: None,
            hides: Duration::from_millis(dice.between(0, 20_000, "hides", host, n)),
        };
        let outage = self
            .plan
            .outages
            .iter()
            .find(|outage| host == outage.host && outage.from <= now && now < outage.until);
        if let Some(outage) = outage {
            treatment.manner = if outage.silent {
                Manner::Silent(Acts::No)
            } else {
                Manner::Status(503, Acts::No)
            };
            return treatment;
        }
        if let Some(status) = self.sore(now, host, request) {
            treatment.manner = Manner::Status(status, Acts::No);
            return treatment;
        }
        let strike =
            |question: &str, rate: u64| self.script.strikes(now, question, &about, |_| rate);
        if let Some(strike) = strike("throttle", rates.throttle) {
            treatment.manner = Manner::Status(429, Acts::No);
            treatment.retry_after_s = match strike.between(0, 2, "says") {
                0 => None,
                _ => Some(strike.between(1, 40, "wait")),
            };
        } else if strike("forbid", rates.forbid).is_some() {
            treatment.manner = Manner::Status(403, Acts::No);
        } else if let Some(strike) = strike("fail", about_to) {
            let latest = u64::from(TIMEOUT_S + self.plan.settle_s) * 1_000;
            let acts = match strike.between(0, 2, "acts") {
                0 => Acts::No,
                1 => Acts::AtOnce,
                _ => Acts::Late(Duration::from_millis(strike.between(
                    300,
                    latest - 300,
                    "late",
                ))),
            };
            treatment.manner = match strike.between(0, 4, "manner") {
                0 | 1 => Manner::Status(500, acts),
                2 => Manner::Garbage(acts),
                3 => Manner::Cut(acts),
                _ => Manner::Silent(acts),
            };
        } else if let Some(strike) = strike("slow", rates.slow) {
            // Some end just before the time-out, some just after it.
            treatment.takes = Duration::from_millis(strike.between(2_000, 5_600, "takes"));
        }
        treatment
    }

    /// A person edits a record at the target or removes it, where one can be compared with what it
    /// should be.
    pub fn tamper(&self, key: &str, n: u64) {
        let Kept::Things(things) = &self.kept else {
            return;
        };
        let now = self.clock.now();
        let did = if n.is_multiple_of(2) {
            locked(things).remove(key).then_some("removes")
        } else {
            locked(things).tamper(key, n).then_some("edits")
        };
        let Some(did) = did else {
            return;
        };
        self.ledger.with(|state| {
            if did == "removes" {
                state.registers.removed_by_hand(key);
            }
            state
                .book
                .line(now, Some(key), || format!("    a hand {did} it"));
        });
    }

    /// The status of a call about a record with which the target fails, or that it refuses.
    fn sore(&self, now: UnixMs, host: &str, request: &Request) -> Option<u16> {
        let sore = self.plan.dose.sore;
        if host == "src" || sore == 0 {
            return None;
        }
        let key = self.key_of(request)?;
        let number: u64 = key.strip_prefix("K-")?.parse().ok()?;
        if number >= sore {
            return None;
        }
        self.script.strikes(now, "sore", &key, |_| 1_000)?;
        Some(if number.is_multiple_of(2) { 500 } else { 422 })
    }

    /// The server's side of a call.
    async fn serve(
        self: Arc<Self>,
        request: Request,
        tier: Tier,
        began: UnixMs,
    ) -> Result<Sent, TransportError> {
        let (host, asked) = taken_apart(&request);
        let treatment = self.treatment(&host, &request);
        tokio::time::sleep(treatment.travel).await;
        self.ledger.arrived(&host, tier, self.clock.now());
        let well = |status, body| Sent {
            status,
            headers: Vec::new(),
            body: Some(body),
        };
        let (answer, acts) = match treatment.manner {
            Manner::Well => {
                // It is done somewhere within the time that the call takes.
                let half = treatment.takes / 2;
                tokio::time::sleep(half).await;
                let (status, body) = self.act(&host, &request, &asked, began, treatment).await;
                tokio::time::sleep(treatment.takes.saturating_sub(half)).await;
                return Ok(well(status, body));
            }
            Manner::Status(status, acts) => (Some(well(status, Value::Null)), acts),
            Manner::Garbage(acts) => {
                let garbage = Sent {
                    status: 200,
                    headers: Vec::new(),
                    body: None,
                };
                (Some(garbage), acts)
            }
            Manner::Cut(acts) | Manner::Silent(acts) => (None, acts),
        };
        match acts {
            Acts::No => {}
            Acts::AtOnce => drop(self.act(&host, &request, &asked, began, treatment).await),
            Acts::Late(after) => {
                let this = Arc::clone(&self);
                let (host, request, asked) = (host.clone(), request.clone(), asked.clone());
                tokio::spawn(async move {
                    this.clock.wait_until(began + after).await;
                    drop(this.act(&host, &request, &asked, began, treatment).await);
                });
            }
        }
        tokio::time::sleep(treatment.takes).await;
        match answer {
            Some(mut sent) => {
                if let Some(seconds) = treatment.retry_after_s {
                    sent.headers
                        .push(("retry-after".to_owned(), seconds.to_string()));
                }
                Ok(sent)
            }
            None if treatment.manner == Manner::Cut(acts) => Err(TransportError::Broken),
            None => {
                tokio::time::sleep(request.timeout * 2).await;
                Err(TransportError::Broken)
            }
        }
    }

    /// Does what is asked.
    async fn act(
        &self,
        host: &str,
        request: &Request,
        asked: &Asked,
        began: UnixMs,
        treatment: Treatment,
    ) -> (u16, Value) {
        let now = self.clock.now();
        if host == "src" {
            return self.show(asked, now);
        }
        // Its list shows a record within D of the call's end at the latest.
        let surely = began + Duration::from_secs((TIMEOUT_S + self.plan.settle_s).into());
        let shown_from = (now + treatment.hides).min(surely).max(now);
        match &self.kept {
            Kept::Things(things) => {
                let (status, body, effect) = locked(things).act(asked, now, shown_from);
                if let Some(effect) = effect {
                    self.ledger.effect(now, &effect);
                }
                (status, body)
            }
            Kept::Qualio(qualio) => {
                let before = request.effect == Effect::Write;
                let standing = before.then(|| notes_of(qualio, asked)).flatten();
                let reply = qualio.call(incoming(request)).await;
                let Some(reply) = reply else {
                    return (500, Value::Null);
                };
                let body: Value = serde_json::from_slice(&reply.body).unwrap_or(Value::Null);
                if before && reply.status == 200 {
                    let effect = qualio_effect(request, &body, standing.as_deref());
                    self.ledger.effect(now, &effect);
                }
                (reply.status, body)
            }
        }
    }

    fn show(&self, asked: &Asked, now: UnixMs) -> (u16, Value) {
        let rates = PageRates {
            page: self.plan.rates.page,
            // Without a version of its own, what is read last wins, and an older state would.
            stale: match self.plan.order {
                super::plan::Order::Read => 0,
                _ => self.plan.rates.stale,
            },
        };
        let chance = (&*self.script, now, rates);
        let source = locked(&self.source);
        match asked.path.get(1) {
            None => (200, source.page(&asked.query, PAGE, chance)),
            Some(key) => match source.one(key, chance) {
                Some(row) => (200, row),
                None => (404, Value::Null),
            },
        }
    }
}

/// Systems behind the port.
pub struct Wire(pub Arc<Systems>);

#[async_trait]
impl Http for Wire {
    async fn send(&self, request: &Request) -> Result<Sent, TransportError> {
        let tier = match caller().map(|caller| caller.kind) {
            Some(ProcessKind::Worker(tier)) => tier,
            _ => Tier::Batch,
        };
        let began = self.0.clock.now();
        // A task of its own: a client that goes away does not undo what it has sent.
        let served = tokio::spawn(Arc::clone(&self.0).serve(request.clone(), tier, began));
        served.await.unwrap_or(Err(TransportError::Broken))
    }
}
