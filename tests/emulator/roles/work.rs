//! Each function at all of its work, so that whatever its role allows is asked for.

use std::{cell::Cell, pin::pin};

use serde_json::{Value, json};
use tidegate_testkit::doubles::{Action, Fault, Gate};

use crate::world::{
    FLOW, World, api_event, decide_event, fields_event, wall_clock_ms, webhook_event,
};

/// What the emulator says of a permission that is lacking.
const DENIED: &str = "is not authorized to perform";
/// Longer than any lawful wait.
const LONG_MS: i64 = 7 * 24 * 3_600_000;

/// A function of the stack.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Function {
    Api,
    BatchSync,
    Decide,
    Digest,
    QualityAudit,
    Reconcile,
    Tick,
    Warehouse,
    Webhook,
    WorkerBatch,
    WorkerRealtime,
}

impl Function {
    pub const ALL: [Self; 11] = [
        Self::Api,
        Self::BatchSync,
        Self::Decide,
        Self::Digest,
        Self::QualityAudit,
        Self::Reconcile,
        Self::Tick,
        Self::Warehouse,
        Self::Webhook,
        Self::WorkerBatch,
        Self::WorkerRealtime,
    ];

    /// The end of its name and of its log group's.
    pub fn name(self) -> &'static str {
        match self {
            Self::Api => "api",
            Self::BatchSync => "batch-sync",
            Self::Decide => "decide",
            Self::Digest => "digest",
            Self::QualityAudit => "quality-audit",
            Self::Reconcile => "reconcile",
            Self::Tick => "tick",
            Self::Warehouse => "warehouse",
            Self::Webhook => "webhook",
            Self::WorkerBatch => "worker-batch",
            Self::WorkerRealtime => "worker-realtime",
        }
    }
}

/// Sets functions to work in a stack that does nothing by itself.
pub struct Works<'a> {
    world: &'a World,
    keys: Vec<String>,
    rounds: Cell<u64>,
}

impl<'a> Works<'a> {
    pub fn new(world: &'a World) -> Self {
        let keys = world.erp.suppliers().into_iter().map(|row| row.id);
        Self {
            world,
            keys: keys.collect(),
            rounds: Cell::new(0),
        }
    }

    /// Lets a function do all of its work from an empty table, and gives what it was refused.
    pub async fn denials(&self, function: Function) -> Vec<String> {
        self.rounds.set(self.rounds.get() + 1);
        self.world.stack.empty_table().await;
        self.prepare(function).await;
        self.restart(function).await;
        let before = self.log(function).await.len();
        self.work(function).await;
        let lines = self.log(function).await.split_off(before);
        lines
            .into_iter()
            .filter(|line| line.contains(DENIED))
            .collect()
    }

    async fn log(&self, function: Function) -> Vec<String> {
        let group = self.world.stack.log_group(function.name());
        self.world.stack.wire().log_lines(&group).await
    }

    /// A new process, which has no secret in memory.
    async fn restart(&self, function: Function) {
        let path = format!(
            "/2015-03-31/functions/{}/configuration",
            self.world.stack.name(function.name())
        );
        // Any new size will do.
        let memory = json!({"MemorySize": 512 + self.rounds.get()});
        let put = reqwest::Method::PUT;
        self.world
            .stack
            .wire()
            .rest("lambda", put, &path, &memory)
            .await;
    }

    async fn invoke(&self, function: Function, event: Value) -> Value {
        let name = self.world.stack.name(function.name());
        self.world.stack.wire().invoke(&name, &event).await
    }

    /// What others have done before: all is staged for the batch tier, then one is critical.
    async fn prepare(&self, function: Function) {
        if function == Function::BatchSync {
            return;
        }
        self.score(&self.keys[4], 50.0);
        let all = json!({"flow": FLOW, "mode": "initial"});
        self.invoke(Function::BatchSync, all).await;
        match function {
            Function::Tick => {
                self.change(&self.keys[0]);
                self.tell(&self.keys[0]).await;
                self.world.stack.age_registers(LONG_MS).await;
            }
            Function::Reconcile => {
                self.change(&self.keys[0]);
                self.world.stack.forget_register(&self.keys[1]).await;
            }
            Function::Warehouse => {
                let sent = message(&self.keys[0], "batch").to_string();
                let records = json!({"Records": [record("batch", &sent)]});
                self.invoke(Function::WorkerBatch, records).await;
            }
            Function::Digest | Function::Api => {
                let letter = message(&self.keys[1], "batch").to_string();
                let letter = record("dead-letters", &letter);
                self.invoke(Function::Digest, json!({"Records": [letter]}))
                    .await;
            }
            _ => {}
        }
    }

    async fn work(&self, function: Function) {
        match function {
            Function::Webhook => {
                self.change(&self.keys[0]);
                self.tell(&self.keys[0]).await;
                // It waits for the batch tier as it is.
                self.tell(&self.keys[1]).await;
                self.score(&self.keys[4], 140.0);
                self.tell(&self.keys[4]).await;
            }
            Function::BatchSync => {
                let asked = json!({"flow": FLOW, "mode": "initial"});
                self.invoke(function, asked.clone()).await;
                self.change(&self.keys[0]);
                self.invoke(function, asked).await;
            }
            Function::WorkerBatch => self.apply(function, "batch").await,
            Function::WorkerRealtime => self.apply(function, "real_time").await,
            Function::Tick => {
                self.invoke(function, json!({})).await;
            }
            Function::QualityAudit | Function::Reconcile => {
                self.invoke(function, json!({"flow": FLOW})).await;
            }
            Function::Digest => {
                let letter = record("dead-letters", "not a message");
                self.invoke(function, json!({"Records": [letter]})).await;
                self.invoke(function, json!({"digest": "daily"})).await;
            }
            Function::Warehouse => self.load().await,
            Function::Decide => self.decide().await,
            Function::Api => self.ask().await,
        }
    }

    fn change(&self, key: &str) {
        let changed = self
            .world
            .erp
            .change(key, |row| row.quality.blocked = !row.quality.blocked);
        assert!(changed.is_some());
    }

    /// Gives a supplier an audit score; the flow's schema takes 0 to 100.
    fn score(&self, key: &str, score: f64) {
        let changed = self
            .world
            .erp
            .change(key, |row| row.quality.audit_score = score);
        assert!(changed.is_some());
    }

    /// Tells of the present state of a supplier.
    async fn tell(&self, key: &str) {
        let row = self.world.erp.supplier(key).expect("a supplier");
        let event = webhook_event(&row, &format!("msg_{}_{key}", self.rounds.get()));
        self.invoke(Function::Webhook, event).await;
    }

    /// A record to read and to send, one that must wait, one that the target fails with, and a hint
    /// about one that belongs to the batch tier.
    async fn apply(&self, function: Function, tier: &str) {
        self.world.qualio.clear_faults();
        let failing = &self.keys[2];
        let broken = Fault::new(Action::answer(500, json!({"message": "broken"}))).key(failing);
        self.world.qualio.set_fault(broken).expect("a fault");
        let mut read = message(&self.keys[0], tier);
        read["fetch"] = json!("forced");
        let mut later = message(&self.keys[1], tier);
        later["not_before"] = json!(wall_clock_ms() + LONG_MS);
        let mut hint = message(&self.keys[3], tier);
        hint["fetch"] = json!("hint");
        for body in [read, later, message(failing, tier), hint] {
            let records = [record(tier, &body.to_string())];
            self.invoke(function, json!({"Records": records})).await;
        }
        self.overtake(function, tier).await;
    }

    /// A critical change comes while a record is being sent: what waits then is sent for anew.
    async fn overtake(&self, function: Function, tier: &str) {
        let key = &self.keys[5];
        let gate = Gate::new();
        let held = Fault::new(Action::Hold(gate.clone())).key(key).times(1);
        self.world.qualio.set_fault(held).expect("a fault");
        let records = [record(tier, &message(key, tier).to_string())];
        let work = self.invoke(function, json!({"Records": records}));
        let overtaking = async {
            gate.reached(1).await;
            self.change(key);
            self.tell(key).await;
            gate.open();
        };
        let (mut work, mut overtaking) = (pin!(work), pin!(overtaking));
        tokio::select! {
            // It was refused something before it came so far.
            _ = &mut work => {}
            () = &mut overtaking => {
                work.await;
            }
        }
    }

    /// A load, and one that is refused, which is told.
    async fn load(&self) {
        let load = json!({"flow": FLOW, "compare": true});
        let snowflake = self.world.snowflake.as_ref();
        let snowflake = snowflake.expect("the double of Snowflake");
        // What an earlier round did not come to.
        snowflake.behave(json!({"refuse": 0})).await;
        self.invoke(Function::Warehouse, load.clone()).await;
        let refuses = json!({"refuse": 1, "refuse_status": 403});
        snowflake.behave(refuses).await;
        self.invoke(Function::Warehouse, load).await;
    }

    /// A decision, and those of a source that fails until its breaker opens, which is told of.
    async fn decide(&self) {
        self.world.erp.clear_faults();
        self.invoke(Function::Decide, decide_event(&self.keys[0]))
            .await;
        let broken = Fault::new(Action::answer(500, json!({"message": "broken"})));
        self.world.erp.set_fault(broken).expect("a fault");
        for key in &self.keys {
            self.invoke(Function::Decide, decide_event(key)).await;
        }
        self.world.erp.clear_faults();
    }

    async fn ask(&self) {
        let (first, review) = (&self.keys[0], &self.keys[1]);
        for (method, path, body) in [
            ("GET", "/v1/flows".to_owned(), Value::Null),
            ("GET", "/v1/reviews".to_owned(), Value::Null),
            ("GET", format!("/v1/flows/{FLOW}/records"), Value::Null),
            ("POST", format!("/v1/flows/{FLOW}/runs"), json!({})),
            (
                "POST",
                format!("/v1/flows/{FLOW}/records/{first}/sync"),
                json!({}),
            ),
            (
                "POST",
                format!("/v1/reviews/{FLOW}~{review}/replay"),
                json!({}),
            ),
        ] {
            let event = api_event(method, &path, &body);
            self.invoke(Function::Api, event).await;
        }
        let event = fields_event("GET", "/v1/reviews");
        self.invoke(Function::Api, event).await;
    }
}

/// A message about a record.
fn message(key: &str, tier: &str) -> Value {
    let now = wall_clock_ms();
    json!({"v": 1, "flow": FLOW, "keys": [key], "tier": tier, "first_sent": now})
}

/// A delivery of a message, as a mapping hands it over.
fn record(queue: &str, body: &str) -> Value {
    json!({
        "messageId": format!("message-in-{queue}"),
        "receiptHandle": "of-no-queue",
        "body": body,
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": wall_clock_ms().to_string()},
        "eventSource": "aws:sqs",
        "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{queue}"),
        "awsRegion": "us-east-1",
    })
}
