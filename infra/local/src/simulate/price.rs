//! What the simulated days would cost on AWS: counted units at list prices, never a constant for a
//! record.

use std::{collections::BTreeMap, time::Duration};

use serde::Serialize;
use tidegate_model::Tier;
use tidegate_simulator::{Invocations, Meters, ProcessKind};

/// The region of the list.
pub(crate) const REGION: &str = "US East (N. Virginia), us-east-1";
/// What is billed and not counted here.
pub(crate) const NOT_COUNTED: &str = "Not counted: stored data, logs, the poll requests of idle queues, data transfer, secrets (0.40 $ each a month), what the daily reconciliation reads (its start is counted), and the computing time of the functions, of which only the waiting passes in virtual time.";

/// One list price.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Price {
    /// What is billed.
    pub unit: &'static str,
    /// Dollars for a million of it.
    pub dollars_a_million: f64,
    /// Where the price stands.
    pub source: &'static str,
    /// When it was read there.
    pub read: &'static str,
}

const fn price(unit: &'static str, dollars_a_million: f64, source: &'static str) -> Price {
    Price {
        unit,
        dollars_a_million,
        source,
        read: "2026-11",
    }
}

const WRITE: Price = price(
    "DynamoDB write request units",
    0.625,
    "aws.amazon.com/dynamodb/pricing/on-demand",
);
const READ: Price = price(
    "DynamoDB read request units",
    0.125,
    "aws.amazon.com/dynamodb/pricing/on-demand",
);
const QUEUE: Price = price(
    "SQS requests, standard queues",
    0.40,
    "aws.amazon.com/sqs/pricing",
);
const INVOCATION: Price = price("Lambda requests", 0.20, "aws.amazon.com/lambda/pricing");
/// 0.0000133334 $ a GB-second, which is 0.0000000133334 $ a GB-millisecond.
const COMPUTE: Price = price(
    "Lambda GB-milliseconds, arm64",
    0.013_333_4,
    "aws.amazon.com/lambda/pricing",
);
const GATEWAY: Price = price(
    "API Gateway requests, HTTP API",
    1.00,
    "aws.amazon.com/api-gateway/pricing",
);
const EVENT: Price = price(
    "EventBridge custom events",
    1.00,
    "aws.amazon.com/eventbridge/pricing",
);
const SCHEDULE: Price = price(
    "EventBridge Scheduler invocations",
    1.00,
    "aws.amazon.com/eventbridge/pricing",
);
const MAIL: Price = price("SES mails", 100.00, "aws.amazon.com/ses/pricing");

/// Memory of a function in MB, as `infra/template.yaml` sizes it.
const MEMORY_MB: u64 = 256;
const BATCH_SYNC_MEMORY_MB: u64 = 512;
const MB_PER_GB: f64 = 1_024.0;

/// A line of the bill.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub(crate) struct Line {
    /// What is billed.
    pub unit: &'static str,
    /// How many were counted.
    pub count: u64,
    /// Dollars for a million.
    pub dollars_a_million: f64,
    /// What they cost.
    pub dollars: f64,
    /// Where the price stands.
    pub source: &'static str,
    /// When it was read there.
    pub read: &'static str,
}

/// Units, counted over a span.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Units {
    /// Write request units of table and index.
    pub writes: u64,
    /// Read request units, started halves rounded up.
    pub reads: u64,
    /// Requests to the queues.
    pub queue_requests: u64,
    /// Invocations.
    pub invocations: u64,
    /// Billed GB-milliseconds.
    pub gb_ms: u64,
    /// Requests to the HTTP API.
    pub gateway: u64,
    /// Events on the bus.
    pub events: u64,
    /// Starts by a schedule.
    pub schedules: u64,
    /// Mails.
    pub mails: u64,
}

impl Units {
    /// What was counted between two looks at the meters; `windows` were started by a schedule.
    pub(crate) fn between(before: &Meters, after: &Meters, windows: u64) -> Self {
        let writes = |meters: &Meters| meters.store.write_units + meters.store.index_write_units;
        let invocations = between(&before.invocations, &after.invocations);
        let count = |kind| invocations.get(&kind).map_or(0, |of_kind| of_kind.count);
        let gb_ms: f64 = invocations
            .iter()
            .map(|(kind, of_kind)| gb_ms(*kind, of_kind))
            .sum();
        #[allow(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a sum of counts, far below 2^52"
        )]
        let gb_ms = gb_ms.ceil() as u64;
        Self {
            writes: writes(after) - writes(before),
            reads: (after.store.half_read_units - before.store.half_read_units).div_ceil(2),
            queue_requests: queue_requests(after) - queue_requests(before),
            invocations: invocations.values().map(|of_kind| of_kind.count).sum(),
            gb_ms,
            gateway: count(ProcessKind::Webhook) + count(ProcessKind::Api),
            events: after.events - before.events,
            schedules: count(ProcessKind::Tick) + windows,
            mails: after.mails - before.mails,
        }
    }

    /// The bill.
    pub(crate) fn bill(&self) -> Vec<Line> {
        let lines = [
            (WRITE, self.writes),
            (READ, self.reads),
            (QUEUE, self.queue_requests),
            (INVOCATION, self.invocations),
            (COMPUTE, self.gb_ms),
            (GATEWAY, self.gateway),
            (EVENT, self.events),
            (SCHEDULE, self.schedules),
            (MAIL, self.mails),
        ];
        let line = |(price, count): (Price, u64)| Line {
            unit: price.unit,
            count,
            dollars_a_million: price.dollars_a_million,
            dollars: exact(count) * price.dollars_a_million / 1e6,
            source: price.source,
            read: price.read,
        };
        lines.into_iter().map(line).collect()
    }
}

/// The sum of a bill.
pub(crate) fn total(bill: &[Line]) -> f64 {
    bill.iter().map(|line| line.dollars).sum()
}

#[allow(clippy::cast_precision_loss, reason = "counts are far below 2^52")]
fn exact(count: u64) -> f64 {
    count as f64
}

fn between(
    before: &BTreeMap<ProcessKind, Invocations>,
    after: &BTreeMap<ProcessKind, Invocations>,
) -> BTreeMap<ProcessKind, Invocations> {
    let since = |(kind, after): (&ProcessKind, &Invocations)| {
        let before = before.get(kind).copied().unwrap_or_default();
        let grown = Invocations {
            count: after.count - before.count,
            busy: after.busy.saturating_sub(before.busy),
            died: after.died - before.died,
        };
        (*kind, grown)
    };
    after.iter().map(since).collect()
}

/// Billed by the started millisecond: half a millisecond each on average is added.
fn gb_ms(kind: ProcessKind, invocations: &Invocations) -> f64 {
    let memory = match kind {
        ProcessKind::BatchSync | ProcessKind::Reconcile => BATCH_SYNC_MEMORY_MB,
        _ => MEMORY_MB,
    };
    let rounding =
        Duration::from_micros(500) * u32::try_from(invocations.count).unwrap_or(u32::MAX);
    (invocations.busy + rounding).as_secs_f64() * 1e3 * exact(memory) / MB_PER_GB
}

fn queue_requests(meters: &Meters) -> u64 {
    let of_tier = |tier| {
        meters.queues.get(&tier).map_or(0, |queue| {
            queue.send_requests + queue.receive_requests + queue.delete_requests + queue.holds
        })
    };
    of_tier(Tier::RealTime) + of_tier(Tier::Batch)
}

#[cfg(test)]
mod tests {
    use tidegate_simulator::{QueueMeter, StoreMeter};

    use super::*;

    fn meters(factor: u64) -> Meters {
        let queue = QueueMeter {
            send_requests: 10 * factor,
            receive_requests: 20 * factor,
            delete_requests: 30 * factor,
            holds: factor,
            ..QueueMeter::default()
        };
        let invocations = |count, ms| Invocations {
            count,
            busy: Duration::from_millis(ms),
            died: 0,
        };
        Meters {
            store: StoreMeter {
                write_units: 900 * factor,
                index_write_units: 100 * factor,
                half_read_units: 401 * factor,
                ..StoreMeter::default()
            },
            queues: [(Tier::Batch, queue)].into(),
            events: 5 * factor,
            mails: factor,
            invocations: [
                (
                    ProcessKind::Webhook,
                    invocations(100 * factor, 950 * factor),
                ),
                (
                    ProcessKind::BatchSync,
                    invocations(2 * factor, 1_999 * factor),
                ),
                (ProcessKind::Tick, invocations(10 * factor, 0)),
            ]
            .into(),
            ..Meters::default()
        }
    }

    #[test]
    fn units_are_what_was_counted_between_two_looks() {
        let units = Units::between(&meters(1), &meters(3), 4);
        let expected = Units {
            writes: 2_000,
            reads: 401,
            queue_requests: 122,
            invocations: 224,
            // (1,900 ms + 200 × 0.5 ms) at 256 MB, (3,998 + 4 × 0.5) at 512 MB, 20 × 0.5 at 256 MB.
            gb_ms: 500 + 2_000 + 3,
            gateway: 200,
            events: 10,
            schedules: 24,
            mails: 2,
        };
        assert_eq!(units, expected);
    }

    #[test]
    fn a_million_of_each_costs_its_list_price() {
        let million = 1_000_000;
        let units = Units {
            writes: million,
            reads: million,
            queue_requests: million,
            invocations: million,
            gb_ms: 1_000 * million,
            gateway: million,
            events: million,
            schedules: million,
            mails: million,
        };
        let dollars: Vec<String> = units
            .bill()
            .iter()
            .map(|line| format!("{:.4}", line.dollars))
            .collect();
        let expected = [
            "0.6250", "0.1250", "0.4000", "0.2000", "13.3334", "1.0000", "1.0000", "1.0000",
            "100.0000",
        ];
        assert_eq!(dollars, expected);
        assert!((total(&units.bill()) - 117.6834).abs() < 1e-9);
    }
}
