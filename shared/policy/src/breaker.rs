//! The breaker of a source or target: closed, open until a time, half-open with one probe
//! (BRK-1, TRY-1).
//!
//! The last `of` calls are remembered: a run of successes by its length, a failure by its record, a
//! slow answer as such. Successes are reported only while something else is remembered, so a
//! healthy target costs no write. It opens on n slow answers, or on n failures of at least two
//! records: one record that alone makes a healthy target fail can not open it.
//!
//! The order of calls is that of their reports: each is one write that adds to what it saw, or is
//! planned again. What a report says is counted once, also when its answer is lost. A success is
//! reported while something else is remembered: with the session's next failure or at its end. Those
//! of calls that were under way when the first failure was reported are not, so it may open by so
//! many calls early, at most one for each record at work; never late.
//!
//! An epoch begins with each opening. An attempt stores the epoch it was made in; when that epoch
//! ends by opening, its attempts are given back, since nothing then says that the records were at
//! fault.
//!
//! Open for long, it is an outage: a pause that ends itself. Messages would wake in vain again and
//! again, so they are dropped, and tick has the records probe one after another; when the outage is
//! over, everything dirty is queued anew, in packs (LIM-2).

#[cfg(test)]
mod tests;

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::{
    ClaimToken, ContentHash, RecordKey, UnixMs,
    flow::{BreakerPreset, BreakerSpec},
    item::{Condition, Item, Op, Update, Value},
};

use crate::register::CLOCK_SKEW;

const EPOCH: &str = "epoch";
const OPEN_UNTIL: &str = "until";
const OPENED: &str = "opened";
const PROBE: &str = "probe";
const PROBE_UNTIL: &str = "probe_until";
const RECENT: &str = "recent";
const HOLD_UNTIL: &str = "hold";
const OUTAGE_OVER: &str = "outage_over";
const SUCCEEDED: &str = "succeeded";
const SEQUENCE: &str = "seq";
/// Number of the newest report: tells one's own write after a lost answer.
const BY: &str = "by";

/// Open for so long, it is an outage: from then on a message would wait in several hops, since a
/// queue delays by 15 minutes at most.
pub const OUTAGE: Duration = Duration::from_mins(15);

/// When a breaker opens, and for how long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// An answer is slow after this; `None` judges no answer slow.
    pub slow_after: Option<Duration>,
    /// Slow answers that open it.
    pub slow: u32,
    /// Calls that are remembered.
    pub of: u32,
    /// Failures that open it.
    pub failures: u32,
    /// Time until the probe.
    pub cool_down: Duration,
}

impl From<&BreakerSpec> for Settings {
    fn from(spec: &BreakerSpec) -> Self {
        let (slow_ms, cool_down_s) = match spec.preset {
            BreakerPreset::SlowAnswers => (Some(3_000), 300),
            BreakerPreset::Failures => (None, 60),
        };
        let failures = spec.failures.unwrap_or(5);
        let slow = spec.slow.unwrap_or(5);
        Self {
            slow_after: spec
                .slow_ms
                .or(slow_ms)
                .map(|ms| Duration::from_millis(ms.into())),
            slow,
            of: spec.of.unwrap_or(10).max(failures).max(slow),
            failures,
            cool_down: Duration::from_secs(spec.cool_down_s.unwrap_or(cool_down_s).into()),
        }
    }
}

/// What the breaker allows at a moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Gate {
    /// Calls may be made; a failure counts in this epoch.
    Closed {
        /// The epoch.
        epoch: u64,
    },
    /// No call before this moment.
    Open {
        /// Its end.
        until: UnixMs,
    },
    /// One call, by whoever takes the probe.
    HalfOpen,
    /// Another makes the probe.
    Probing {
        /// When it is over at the latest.
        until: UnixMs,
    },
    /// The provider asked to wait (429), or has nothing left.
    Held {
        /// How long.
        until: UnixMs,
    },
}

/// One remembered call, or a run of successes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Recent {
    #[serde(rename = "o")]
    Ok(u32),
    #[serde(rename = "f")]
    Failed(String),
    #[serde(rename = "s")]
    Slow,
}

/// The breaker, read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    epoch: u64,
    open_until: Option<UnixMs>,
    opened: Option<UnixMs>,
    probe: Option<(ClaimToken, UnixMs)>,
    hold_until: Option<UnixMs>,
    outage_over: Option<UnixMs>,
    succeeded: Option<UnixMs>,
    recent: Vec<Recent>,
    sequence: i64,
    by: Option<i64>,
}

/// A call that ended, as the breaker sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Report {
    /// So many calls succeeded.
    Ok(u32),
    /// It was answered, but slowly.
    Slow,
    /// The system failed: 5xx, time-out, broken connection.
    Failed {
        /// The record whose call it was.
        key: RecordKey,
    },
}

impl Breaker {
    /// Reads the item; an absent one is a closed breaker in epoch 0.
    pub fn read(item: Option<&Item>) -> Self {
        let Some(item) = item else {
            return Self::default();
        };
        let number = |name: &str| item.get(name).and_then(Value::as_number);
        let text = |name: &str| item.get(name).and_then(Value::as_text);
        let probe = text(PROBE).and_then(|token| ClaimToken::try_new(token).ok());
        Self {
            epoch: number(EPOCH)
                .and_then(|n| u64::try_from(n).ok())
                .unwrap_or(0),
            open_until: number(OPEN_UNTIL).map(UnixMs),
            opened: number(OPENED).map(UnixMs),
            probe: probe.zip(number(PROBE_UNTIL).map(UnixMs)),
            hold_until: number(HOLD_UNTIL).map(UnixMs),
            outage_over: number(OUTAGE_OVER).map(UnixMs),
            succeeded: number(SUCCEEDED).map(UnixMs),
            recent: text(RECENT)
                .and_then(|text| serde_json::from_str(text).ok())
                .unwrap_or_default(),
            sequence: number(SEQUENCE).unwrap_or(0),
            by: number(BY),
        }
    }

    /// The epoch.
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// Since when it is open.
    pub fn open_since(&self) -> Option<UnixMs> {
        self.opened.filter(|_| self.open_until.is_some())
    }

    /// Whether messages are dropped, to be queued anew when it closes: sure of it by every clock, so
    /// that whoever closes it knows of the outage too.
    pub fn parks(&self, now: UnixMs) -> bool {
        self.open_since()
            .is_some_and(|since| since + OUTAGE + CLOCK_SKEW * 2 < now)
    }

    /// When the last outage ended, if there was one.
    pub fn outage_over(&self) -> Option<UnixMs> {
        self.outage_over
    }

    /// Whether it is known of a call that succeeded after this moment. A record's failures since then
    /// are its own only if one did; else the system may be away, and the record alone met it (TRY-1).
    pub fn succeeded_since(&self, since: UnixMs) -> bool {
        self.succeeded.is_some_and(|at| at > since)
    }

    /// Whether anything but success is remembered, so that successes are worth a write.
    pub fn wants_successes(&self) -> bool {
        self.open_until.is_none()
            && self
                .recent
                .iter()
                .any(|call| !matches!(call, Recent::Ok(_)))
    }

    /// What is allowed now.
    pub fn gate(&self, now: UnixMs) -> Gate {
        if let Some(until) = self.hold_until.filter(|until| *until > now) {
            return Gate::Held { until };
        }
        let Some(open_until) = self.open_until else {
            return Gate::Closed { epoch: self.epoch };
        };
        if now <= open_until + CLOCK_SKEW {
            return Gate::Open {
                until: open_until + CLOCK_SKEW,
            };
        }
        match &self.probe {
            Some((_, until)) if now <= *until + CLOCK_SKEW => Gate::Probing {
                until: *until + CLOCK_SKEW,
            },
            _ => Gate::HalfOpen,
        }
    }

    /// Until when the provider asked to wait, if it ever did.
    pub fn held_until(&self) -> Option<UnixMs> {
        self.hold_until
    }

    /// Takes the probe until the moment at which its calls have surely ended.
    pub fn take_probe(&self, token: &ClaimToken, until: UnixMs, now: UnixMs) -> Update {
        let past = (now - CLOCK_SKEW).0;
        Update::when(Condition::All(vec![
            Condition::is(OPEN_UNTIL, Op::Lt, past),
            Condition::absent_or(PROBE_UNTIL, Op::Lt, past),
        ]))
        .set(PROBE, token.as_str())
        .set(PROBE_UNTIL, until.0)
    }

    /// Whether the token holds the probe.
    pub fn is_probe(&self, token: &ClaimToken) -> bool {
        self.probe
            .as_ref()
            .is_some_and(|(holder, _)| holder == token)
    }

    /// Until when the probe is held.
    pub fn probe_until(&self) -> Option<UnixMs> {
        self.probe.as_ref().map(|(_, until)| *until)
    }

    /// Holds the probe longer: its permit came late, and the call would outlast it (BRK-1).
    pub fn renew_probe(token: &ClaimToken, until: UnixMs) -> Update {
        Update::when(Condition::is(PROBE, Op::Eq, token.as_str())).set(PROBE_UNTIL, until.0)
    }

    /// Whether the newest report is the one of this number: the answer of an earlier try was lost.
    pub fn is_reported(&self, by: i64) -> bool {
        self.by == Some(by)
    }

    /// The probe succeeded: closed, with nothing remembered but that there was an outage.
    pub fn close(&self, token: &ClaimToken, now: UnixMs) -> Update {
        let update = Update::when(Condition::is(PROBE, Op::Eq, token.as_str())).remove(&[
            OPEN_UNTIL,
            OPENED,
            PROBE,
            PROBE_UNTIL,
            RECENT,
            HOLD_UNTIL,
        ]);
        let update = update.set(SUCCEEDED, now.0);
        if self.open_since().is_some_and(|since| since + OUTAGE < now) {
            update.set(OUTAGE_OVER, now.0)
        } else {
            update
        }
    }

    /// The probe failed: open for another cool-down.
    pub fn reopen(token: &ClaimToken, settings: &Settings, now: UnixMs) -> Update {
        Update::when(Condition::is(PROBE, Op::Eq, token.as_str()))
            .set(OPEN_UNTIL, (now + settings.cool_down).0)
            .remove(&[PROBE, PROBE_UNTIL])
    }

    /// The probe was not made: another may take it.
    pub fn drop_probe(token: &ClaimToken) -> Update {
        Update::when(Condition::is(PROBE, Op::Eq, token.as_str())).remove(&[PROBE, PROBE_UNTIL])
    }

    /// Records calls that ended in `epoch`, and whether that opens the breaker. `by` is a random
    /// number of this report. `None`: the epoch is over, or it is open already; a late result changes
    /// nothing.
    pub fn report(
        &self,
        reports: &[Report],
        epoch: u64,
        by: i64,
        settings: &Settings,
        now: UnixMs,
    ) -> Option<(Update, bool)> {
        if epoch != self.epoch || self.open_until.is_some() {
            return None;
        }
        let mut recent = self.recent.clone();
        for report in reports {
            push(&mut recent, report);
        }
        trim(&mut recent, settings.of);
        let unchanged = match self.sequence {
            0 => Condition::Absent(SEQUENCE.to_owned()),
            seen => Condition::is(SEQUENCE, Op::Eq, seen),
        };
        let update = Update::when(unchanged)
            .set(SEQUENCE, self.sequence + 1)
            .set(BY, by);
        let succeeded = reports.iter().any(|report| match report {
            Report::Ok(calls) => *calls > 0,
            Report::Slow => true,
            Report::Failed { .. } => false,
        });
        let update = if succeeded {
            update.set(SUCCEEDED, now.0)
        } else {
            update
        };
        let opens = opens(&recent, settings);
        let update = if opens {
            update
                .set(EPOCH, i64::try_from(self.epoch + 1).unwrap_or(i64::MAX))
                .set(OPEN_UNTIL, (now + settings.cool_down).0)
                .set(OPENED, now.0)
                .remove(&[RECENT, PROBE, PROBE_UNTIL])
        } else {
            update.set(RECENT, serde_json::to_string(&recent).unwrap_or_default())
        };
        Some((update, opens))
    }

    /// The provider asked to wait (429), or has nothing left: no call before `until`. A longer wait
    /// stands.
    pub fn hold(until: UnixMs) -> Update {
        Update::when(Condition::absent_or(HOLD_UNTIL, Op::Lt, until.0)).set(HOLD_UNTIL, until.0)
    }
}

fn push(recent: &mut Vec<Recent>, report: &Report) {
    match report {
        Report::Ok(0) => {}
        Report::Ok(calls) => match recent.last_mut() {
            Some(Recent::Ok(before)) => *before = before.saturating_add(*calls),
            _ => recent.push(Recent::Ok(*calls)),
        },
        Report::Slow => recent.push(Recent::Slow),
        Report::Failed { key } => recent.push(Recent::Failed(short(key))),
    }
}

/// Keeps the newest `of` calls.
fn trim(recent: &mut Vec<Recent>, of: u32) {
    let mut left = of;
    let mut kept = Vec::new();
    for call in recent.drain(..).rev() {
        if left == 0 {
            break;
        }
        let (call, size) = match call {
            Recent::Ok(calls) => (Recent::Ok(calls.min(left)), calls.min(left)),
            other => (other, 1),
        };
        left -= size;
        kept.push(call);
    }
    kept.reverse();
    *recent = kept;
}

fn opens(recent: &[Recent], settings: &Settings) -> bool {
    let slow = recent
        .iter()
        .filter(|call| matches!(call, Recent::Slow))
        .count();
    let failed: Vec<&String> = recent
        .iter()
        .filter_map(|call| match call {
            Recent::Failed(key) => Some(key),
            _ => None,
        })
        .collect();
    let several_records = failed
        .first()
        .is_some_and(|first| failed.iter().any(|key| key != first));
    slow >= settings.slow as usize
        || (failed.len() >= settings.failures as usize && several_records)
}

/// A few digits that tell records apart: the item stays small, and no key stands in it.
fn short(key: &RecordKey) -> String {
    let ContentHash(hash) = tidegate_model::Content::Record(
        std::iter::once((key.as_str().to_owned(), true.into())).collect(),
    )
    .hash();
    hash.chars().take(6).collect()
}
