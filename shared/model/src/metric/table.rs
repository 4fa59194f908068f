//! The table itself. Order and sentences are those of the documentation.

use super::{
    Dimension::{Class, Flow, Kind, Outcome, Start, System, Tier, Why, Window},
    Metric,
    Statistic::{Average, Maximum, Sum},
    Unit::{Count, Milliseconds, Percent, Seconds},
};

/// Requests to other systems.
pub static CALLS: Metric = Metric {
    name: "Calls",
    unit: Count,
    dimensions: &[System, Tier],
    statistic: Sum,
    meaning: "Requests that were sent to a source or target, at the end of each.",
};

/// Whether requests were answered as they should be.
pub static CALL_SUCCESS: Metric = Metric {
    name: "CallSuccess",
    unit: Percent,
    dimensions: &[System, Tier],
    statistic: Average,
    meaning: "100 for a request that the system answered, 0 for one that it failed: no answer, 5xx, \
              429, or refused credentials. What it says of a record (422, 404) is an answer. The \
              average is the success rate.",
};

/// How long answers take.
pub static RESPONSE_TIME: Metric = Metric {
    name: "ResponseTime",
    unit: Milliseconds,
    dimensions: &[System, Window],
    statistic: Average,
    meaning: "Time from a request's leaving to its whole answer, where one came. `inside` from a \
              window's start for `max_run_minutes`, `outside` at other times.",
};

/// From staging to commit.
pub static SYNC_LATENCY: Metric = Metric {
    name: "SyncLatency",
    unit: Milliseconds,
    dimensions: &[Flow, Tier],
    statistic: Average,
    meaning: "Time from the staging of a record's oldest change that was not applied to its commit, at \
              each commit.",
};

/// Age of a class of fields.
pub static FRESHNESS: Metric = Metric {
    name: "Freshness",
    unit: Seconds,
    dimensions: &[Flow, Class],
    statistic: Maximum,
    meaning: "Age that the goal of the flow file is held against, at each tick. `critical`: that of the \
              oldest critical change that waits, 0 when none does. `other`: that of the newest complete \
              run or of the oldest other change that waits; none before the first complete run.",
};

/// Permits that are free.
pub static BUDGET_LEFT: Metric = Metric {
    name: "BudgetLeft",
    unit: Percent,
    dimensions: &[System, Tier],
    statistic: Average,
    meaning: "Calls of the limit's window that could leave at once, at each tick. A source has one \
              budget, told as `batch`.",
};

/// What is left of the day's share.
pub static QUOTA_LEFT: Metric = Metric {
    name: "QuotaLeft",
    unit: Percent,
    dimensions: &[System, Tier],
    statistic: Average,
    meaning: "What is left of the tier's share in the day's quota, at each tick; only where the flow \
              file names a quota (`limits.day`).",
};

/// For how long calls have been paused.
pub static BREAKER_OPEN: Metric = Metric {
    name: "BreakerOpen",
    unit: Seconds,
    dimensions: &[System],
    statistic: Maximum,
    meaning: "Time since the breaker opened, its probes included; 0 while it is closed. At each tick.",
};

/// What waits.
pub static BACKLOG: Metric = Metric {
    name: "Backlog",
    unit: Count,
    dimensions: &[Flow, Tier],
    statistic: Maximum,
    meaning: "Records that wait to be applied, counted from the registers at each tick.",
};

/// What needs a person.
pub static REVIEWS: Metric = Metric {
    name: "Reviews",
    unit: Count,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Records in review, counted from the registers at each tick. Rows and messages that are no \
              record are not among them.",
};

/// By how much that grew.
pub static REVIEWS_GROWTH: Metric = Metric {
    name: "ReviewsGrowth",
    unit: Count,
    dimensions: &[Flow],
    statistic: Sum,
    meaning: "Records in review, less those of the tick before; negative when people were quicker. The \
              sum over a time is the growth in it.",
};

/// What came to review.
pub static REVIEWS_OPENED: Metric = Metric {
    name: "ReviewsOpened",
    unit: Count,
    dimensions: &[Flow, Kind],
    statistic: Sum,
    meaning: "Records, rows and messages that came to need a person, by why.",
};

/// What came in.
pub static RECEIVED: Metric = Metric {
    name: "Received",
    unit: Count,
    dimensions: &[Flow],
    statistic: Sum,
    meaning: "Changes that a run, a webhook, a fetch or a comparison brought.",
};

/// How changes ended.
pub static OUTCOMES: Metric = Metric {
    name: "Outcomes",
    unit: Count,
    dimensions: &[Flow, Outcome],
    statistic: Sum,
    meaning: "Changes by how they ended: `applied`; `unchanged`, the register held the same; \
              `superseded`, it held something newer; `coalesced`, a newer one came before it was sent; \
              `rejected`, no record; `in_review`. The rest waits (`Backlog`).",
};

/// How long runs take.
pub static RUN_TIME: Metric = Metric {
    name: "RunTime",
    unit: Seconds,
    dimensions: &[Flow, Start],
    statistic: Maximum,
    meaning: "Time from the start of a run to its complete end, all its parts. Told apart by what \
              started it, since the night run reads more: so the graph of one is its trend.",
};

/// A run that did not happen.
pub static RUN_OVERDUE: Metric = Metric {
    name: "RunOverdue",
    unit: Seconds,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Time since the first window that is due and that no complete run has covered; 0 when all \
              are. At each tick.",
};

/// Comparisons that do not happen.
pub static RECONCILE_AGE: Metric = Metric {
    name: "ReconcileAge",
    unit: Seconds,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Time since the newest comparison that is complete was due, or was asked for by a person; or \
              else since the flow was first looked at. At each tick.",
};

/// Records that an audit looked at.
pub static AUDITED: Metric = Metric {
    name: "Audited",
    unit: Count,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Records that an audit looked at, at its complete end; only of flows with an `[audit]`.",
};

/// What audits find.
pub static AUDIT_FINDINGS: Metric = Metric {
    name: "AuditFindings",
    unit: Count,
    dimensions: &[Flow, Kind],
    statistic: Maximum,
    meaning: "What an audit found, at its complete end: `missing`, fields that should be filled; `broken`, \
              rules that do not hold; `failed`, rules whose expression gives no value; `shared`, values \
              that another record has too. 0 of what it did not find.",
};

/// A side of a flow that stands still until somebody has seen to it.
pub static BLOCKED: Metric = Metric {
    name: "Blocked",
    unit: Seconds,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Time since a blocker stopped the calls to a side of the flow: credentials that are refused, a \
              target that accepts something else, most records absent at once. A resume that is refused \
              begins it anew; 0 while there is none. At each tick.",
};

/// Deliveries that were taken.
pub static WEBHOOKS: Metric = Metric {
    name: "Webhooks",
    unit: Count,
    dimensions: &[Flow],
    statistic: Sum,
    meaning: "Signed deliveries that were taken, repeated ones included.",
};

/// Decisions that somebody waited for.
pub static DECISIONS: Metric = Metric {
    name: "Decisions",
    unit: Count,
    dimensions: &[Flow, Why],
    statistic: Sum,
    meaning: "Decisions that were asked for; only of flows with `[decide]`. `approved` is the one yes, \
              every other a no: `declined`; `unclear`, the answer is neither; `no_answer_in_time`; \
              `no_permit`; `breaker_open`; `stopped`, by a person or a blocker; `refused`, the question or \
              our credentials; `failed`.",
};

/// The heartbeat.
pub static TICKS: Metric = Metric {
    name: "Ticks",
    unit: Count,
    dimensions: &[],
    statistic: Sum,
    meaning: "Ticks that looked at every flow without an error.",
};

/// What we could not do.
pub static FAILED: Metric = Metric {
    name: "Failed",
    unit: Count,
    dimensions: &[],
    statistic: Sum,
    meaning: "Messages that came back, and requests that were answered 5xx, since something of our own \
              failed: table, queue, bus, secrets, or code. What another system does is none of these.",
};

/// Waits of a message without progress.
pub static MESSAGE_HOPS: Metric = Metric {
    name: "MessageHops",
    unit: Count,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Waits of a message in which nothing came of it, each time that it waits once more.",
};

/// What the table is read for.
pub static READ_UNITS: Metric = Metric {
    name: "ReadUnits",
    unit: Count,
    dimensions: &[],
    statistic: Sum,
    meaning: "Read request units that DynamoDB says it has billed.",
};

/// What the table is written for.
pub static WRITE_UNITS: Metric = Metric {
    name: "WriteUnits",
    unit: Count,
    dimensions: &[],
    statistic: Sum,
    meaning: "Write request units that DynamoDB says it has billed, the index's included. Of writes that \
              a condition refused it says nothing: each is counted as one.",
};

/// Records that were put into files for a warehouse.
pub static LOADED: Metric = Metric {
    name: "Loaded",
    unit: Count,
    dimensions: &[Flow],
    statistic: Sum,
    meaning: "Records that were put into files for the flow's warehouse, as each load ends.",
};

/// How long something waits for a load.
pub static LOAD_LAG: Metric = Metric {
    name: "LoadLag",
    unit: Seconds,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "How long there has been a record that was applied and is in no file for the flow's \
              warehouse, as tick sees it; 0 where there is none.",
};

/// What comparisons with a warehouse find.
pub static LOAD_FINDINGS: Metric = Metric {
    name: "LoadFindings",
    unit: Count,
    dimensions: &[Flow],
    statistic: Sum,
    meaning: "Records of which the flow's warehouse does not hold what was loaded, as each comparison ends.",
};

/// Comparisons with a warehouse that do not happen.
pub static LOAD_COMPARISON_AGE: Metric = Metric {
    name: "LoadComparisonAge",
    unit: Seconds,
    dimensions: &[Flow],
    statistic: Maximum,
    meaning: "Time since the newest complete comparison of the flow's warehouse began, or else its first load. \
              At each tick; only of flows with a `[warehouse]`.",
};

/// All of them.
pub static METRICS: [&Metric; 31] = [
    &CALLS,
    &CALL_SUCCESS,
    &RESPONSE_TIME,
    &SYNC_LATENCY,
    &FRESHNESS,
    &BUDGET_LEFT,
    &QUOTA_LEFT,
    &BREAKER_OPEN,
    &BACKLOG,
    &REVIEWS,
    &REVIEWS_GROWTH,
    &REVIEWS_OPENED,
    &RECEIVED,
    &OUTCOMES,
    &RUN_TIME,
    &RUN_OVERDUE,
    &RECONCILE_AGE,
    &AUDITED,
    &AUDIT_FINDINGS,
    &LOADED,
    &LOAD_LAG,
    &LOAD_FINDINGS,
    &LOAD_COMPARISON_AGE,
    &BLOCKED,
    &WEBHOOKS,
    &DECISIONS,
    &TICKS,
    &FAILED,
    &MESSAGE_HOPS,
    &READ_UNITS,
    &WRITE_UNITS,
];
