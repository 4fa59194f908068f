//! The log of the calls that a double received.
//!
//! Invariants: sequence numbers start at 1, have no gap and follow the order of arrival; a
//! call is in the log before anything is done about it, so that a killed client's call is
//! found there too. No header but `User-Agent` is kept: the others may hold secrets.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};

/// Calls kept; older ones are forgotten. A demo may run for days, and at 70 calls a minute
/// this is a day and more.
const MAX_CALLS_KEPT: usize = 150_000;

/// One call that a double received.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Call {
    /// Number of the call, from 1, in order of arrival.
    pub seq: u64,
    /// When it arrived, milliseconds since the epoch on the double's clock.
    pub at_ms: i64,
    /// HTTP method.
    pub method: String,
    /// Path without the query.
    pub path: String,
    /// Query as sent.
    pub query: Option<String>,
    /// `User-Agent` as sent.
    pub user_agent: Option<String>,
    /// Key of the record that it is about, from the body or from what the path names.
    pub key: Option<String>,
    /// The id in the path, as the double knows it.
    pub id: Option<String>,
    /// Whether it changed the double's state.
    pub effect: bool,
    /// How it ended.
    pub ended: Ended,
    /// When it ended, milliseconds since the epoch on the double's clock.
    pub ended_ms: Option<i64>,
    /// Names of the faults that it met.
    pub faults: Vec<String>,
}

/// How a call ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// It has not ended yet.
    InHand,
    /// An answer with this status was given to the connection.
    Answered(u16),
    /// The connection was cut without an answer.
    Cut,
}

impl Call {
    /// The status answered, if there was an answer.
    pub const fn status(&self) -> Option<u16> {
        match self.ended {
            Ended::Answered(status) => Some(status),
            Ended::InHand | Ended::Cut => None,
        }
    }
}

/// The most calls that fall into one window `[t, t + window_ms)`, over all `t`.
///
/// `times_ms` are arrivals in any order.
pub fn busiest_window(times_ms: impl IntoIterator<Item = i64>, window_ms: i64) -> usize {
    let mut times: Vec<i64> = times_ms.into_iter().collect();
    times.sort_unstable();
    let mut window = VecDeque::new();
    let mut most = 0;
    for at in times {
        window.push_back(at);
        while window.front().is_some_and(|first| *first <= at - window_ms) {
            window.pop_front();
        }
        most = most.max(window.len());
    }
    most
}

/// The calls, newest last.
#[derive(Debug, Default)]
pub(super) struct CallLog {
    calls: VecDeque<Call>,
    forgotten: u64,
}

impl CallLog {
    /// Adds a call that has arrived and gives its number. `call.seq` is set here.
    pub(super) fn arrive(&mut self, mut call: Call) -> u64 {
        if self.calls.len() >= MAX_CALLS_KEPT {
            self.calls.pop_front();
            self.forgotten += 1;
        }
        let seq = self.forgotten + self.calls.len() as u64 + 1;
        call.seq = seq;
        self.calls.push_back(call);
        seq
    }

    /// Alters the entry `seq`, if it is still kept.
    pub(super) fn note(&mut self, seq: u64, alter: impl FnOnce(&mut Call)) {
        let place = seq.checked_sub(self.forgotten + 1);
        if let Some(call) = place
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| self.calls.get_mut(place))
        {
            alter(call);
        }
    }

    /// The calls that arrived in `[from_ms, until_ms)`, in order.
    pub(super) fn between(&self, from_ms: i64, until_ms: i64) -> Vec<Call> {
        let inside = |call: &&Call| (from_ms..until_ms).contains(&call.at_ms);
        self.calls.iter().filter(inside).cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::busiest_window;

    #[test]
    fn the_busiest_window_is_found_wherever_it_starts() {
        assert_eq!(busiest_window([], 1_000), 0);
        assert_eq!(busiest_window([0, 1_000, 2_000], 1_000), 1);
        assert_eq!(busiest_window([2_400, 0, 1_500, 1_600, 2_500], 1_000), 3);
    }
}
