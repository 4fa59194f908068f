//! Where the loads of a flow stand, and what to do when one is asked for. The lease is one as a
//! comparison with source and target has.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use tidegate_model::{
    ClaimToken, UnixMs,
    item::{Condition, Item, Update},
};

use super::{Difference, LANDING, Note};
use crate::reconcile::Kept;

const WISHED: &str = "wish";

/// How far apart loads are: tick asks each five minutes on AWS, and four times a minute on one machine.
pub(super) const LOAD_EVERY: Duration = Duration::from_mins(4);
/// How often a warehouse is compared with the registers.
const COMPARE_EVERY: Duration = Duration::from_hours(24);

/// The item of a flow's loads, read.
pub type Checkpoint = Kept<Progress>;

/// What asks for a load.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LoadRequest {
    /// Wishes for a comparison of the warehouse with the registers, although it is not due.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub compare: bool,
}

/// Where the loads of a flow stand. It stays between them.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// When the first load began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub since: Option<UnixMs>,
    /// When a file was last put, and what its name begins with: a later one than the last, whatever the clock
    /// says, since the names order what was loaded of one version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub put_at: Option<UnixMs>,
    /// When the newest merge began that is done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merged_at: Option<UnixMs>,
    /// When the newest load began that put all that was due.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub staged_at: Option<UnixMs>,
    /// The merge that was asked for last and is not known to be done.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub merge: Option<String>,
    /// When the newest complete comparison began.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub compared_at: Option<UnixMs>,
    /// A comparison that has not ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub comparing: Option<Comparing>,
}

/// Where a comparison stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Comparing {
    /// When it began.
    pub began: UnixMs,
    /// Into how many passes the keys are parted.
    pub passes: u32,
    /// Those that are done.
    pub done: u32,
    /// What the present one found is counted; what is lacking may not be marked yet.
    #[serde(default)]
    pub counted: bool,
    /// What was found.
    pub found: Difference,
    /// The first of it by name.
    pub notes: Vec<Note>,
    /// Records that registers hold, as loaded: their number, deletions, and the sum of their digests.
    pub held: u64,
    /// Deletions among them.
    pub deleted: u64,
    /// The sum, as a decimal number.
    pub checksum: String,
}

impl Progress {
    /// Whether rows may have landed that no merge has settled: until one began so long after the last file.
    pub fn owes_merge(&self) -> bool {
        let landed = self.put_at.map(|at| at + LANDING);
        self.merge.is_some() || landed.is_some_and(|at| self.merged_at < Some(at))
    }

    /// Whether the warehouse is to be compared with the registers: daily, and when it is wished.
    pub fn owes_comparison(&self, wished: Option<UnixMs>, now: UnixMs) -> bool {
        let is_old = |began: UnixMs| began + COMPARE_EVERY <= now || Some(began) < wished;
        self.comparing.is_some() || self.compared_at.is_none_or(is_old)
    }

    /// Whether a load has anything to do, when so many records are in no file yet. Files and merges are apart:
    /// each costs, and a file takes a minute to land.
    pub fn is_due(&self, not_loaded: u64, wished: Option<UnixMs>, now: UnixMs) -> bool {
        let is_time = |last: Option<UnixMs>| last.is_none_or(|at| at + LOAD_EVERY <= now);
        (not_loaded > 0 && is_time(self.staged_at))
            || (self.owes_merge() && is_time(self.merged_at))
            || self.owes_comparison(wished, now)
    }

    /// How long ago the newest complete comparison began, or else the first load.
    pub fn comparison_age(&self, now: UnixMs) -> Duration {
        let from = self.compared_at.or(self.since);
        from.map_or(Duration::ZERO, |from| now.since(from))
    }

    /// The moment of the next file.
    pub fn next_put(&self, now: UnixMs) -> UnixMs {
        let after_last = self.put_at.map(|last| last + Duration::from_millis(1));
        after_last.map_or(now, |least| least.max(now))
    }
}

/// `wish`: somebody asked for a comparison. It stands beside the lease, which whoever asks does not hold, until
/// a comparison that began after it is complete.
pub fn wish(now: UnixMs) -> Update {
    Update::when(Condition::ALWAYS).set(WISHED, now.0)
}

/// When a comparison was last wished for.
pub fn wished(item: Option<&Item>) -> Option<UnixMs> {
    let at = item?.get(WISHED)?.as_number()?;
    Some(UnixMs(at))
}

/// What to do about a request.
#[derive(Clone, Debug, PartialEq)]
pub enum Start {
    /// Another holds the lease until then.
    Busy {
        /// Its end, unless it is renewed.
        until: UnixMs,
    },
    /// Take the lease, then go on from here.
    Go(Box<Progress>),
}

/// Decides about a request.
pub fn plan(seen: &Checkpoint, now: UnixMs) -> Start {
    match seen.held_until(now) {
        Some(until) => Start::Busy { until },
        None => Start::Go(Box::new(seen.progress.clone().unwrap_or_default())),
    }
}

/// A comparison of so many records that begins now.
pub fn begin(passes: u32, now: UnixMs) -> Comparing {
    Comparing {
        began: now,
        passes,
        done: 0,
        counted: false,
        found: Difference::default(),
        notes: Vec::new(),
        held: 0,
        deleted: 0,
        checksum: "0".to_owned(),
    }
}

/// The token in whose name a merge was asked for.
pub fn merge_token(id: &str) -> Option<ClaimToken> {
    ClaimToken::try_new(id.replace('-', "")).ok()
}

/// The name of a merge, as a UUID.
pub fn merge_id(token: &ClaimToken) -> String {
    let digits = token.as_str();
    let part = |from: usize, to: usize| digits.get(from..to).unwrap_or("0");
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}
