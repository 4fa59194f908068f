//! Messages that are handled one at a time, by hand: no worker runs, and what each leaves is looked at.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use tidegate_engine::{Delivery, Disposition, ports::Outgoing, ports::Receipt};
use tidegate_model::{
    EndpointId, FlowId, Message, RecordKey, Tier, UnixMs,
    item::{Item, ItemKey, Value},
};
use tidegate_policy::{
    keys,
    limiter::{GUARD, Limit},
    run::{Mode, RunRequest},
};
use tidegate_simulator::{Fate, Interposer, Operation, PortCall};
use tidegate_testkit::doubles::{Action, Fault, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

type Matches = Box<dyn Fn(&Operation<'_>) -> bool + Send + Sync>;

/// Lets the n-th call of a kind meet its fate, and notes for how long deliveries are hidden.
#[derive(Default)]
pub struct Script {
    strikes: Mutex<Vec<(Matches, u32, Fate)>>,
    held: Mutex<Vec<Duration>>,
}

impl Interposer for Script {
    fn decide(&self, call: &PortCall<'_>) -> Fate {
        if let Operation::Hold { after, .. } = call.operation {
            self.held.lock().unwrap().push(after);
        }
        let mut strikes = self.strikes.lock().unwrap();
        for (matches, left, fate) in strikes.iter_mut() {
            if *left > 0 && matches(&call.operation) {
                *left -= 1;
                if *left == 0 {
                    return *fate;
                }
            }
        }
        Fate::Proceed
    }
}

/// What handling a message came to.
#[derive(Debug)]
pub struct Handled {
    pub disposition: Disposition,
    /// What it sent.
    pub sent: Vec<Outgoing>,
    /// For how long it hid its delivery.
    pub held: Vec<Duration>,
    pub took: Duration,
}

/// A world in which nothing happens but by hand.
pub struct Hand {
    pub world: World,
    pub keys: Vec<RecordKey>,
    script: Arc<Script>,
}

impl Hand {
    /// Records that no target has yet, staged by a run. A create is one call.
    pub async fn staged(records: u32, flow: String) -> Self {
        let hand = Self::empty(records, flow);
        // An initial run lists the target first.
        let mode = Some(Mode::Incremental);
        hand.world.run(RunRequest { mode, ..MANUAL }).await;
        hand
    }

    /// Records that are applied. An update is two calls.
    pub async fn settled(records: u32, flow: String) -> Self {
        Self::settled_under(records, &[flow]).await
    }

    /// The same under several flow files.
    pub async fn settled_under(records: u32, flows: &[String]) -> Self {
        let hand = Self::under(records, flows);
        hand.world.start();
        hand.world.settle().await;
        hand.world.stop();
        hand
    }

    /// Records that were never read.
    pub fn empty(records: u32, flow: String) -> Self {
        Self::under(records, &[flow])
    }

    fn under(records: u32, flows: &[String]) -> Self {
        let rows = realistic_suppliers(9, records, 0);
        let id = |row: &str| RecordKey::try_new(row).unwrap();
        let keys = rows.iter().map(|row| id(&row.id)).collect();
        let script = Arc::new(Script::default());
        let world = World::with_interposer(rows, flows, Arc::<Script>::clone(&script));
        Self {
            world,
            keys,
            script,
        }
    }

    /// The n-th call from now on for which this holds meets the fate.
    pub fn strike(
        &self,
        nth: u32,
        fate: Fate,
        matches: impl Fn(&Operation<'_>) -> bool + Send + Sync + 'static,
    ) {
        let strike = (Box::new(matches) as Matches, nth, fate);
        self.script.strikes.lock().unwrap().push(strike);
    }

    /// The n-th write of this item from now on meets the fate.
    pub fn strike_write(&self, nth: u32, fate: Fate, item: ItemKey) {
        self.strike(
            nth,
            fate,
            move |operation| matches!(operation, Operation::Update { key, .. } if **key == item),
        );
    }

    /// The next full second of the engine's clock: a deferral ends with one.
    pub async fn full_second(&self) -> UnixMs {
        let past = self.world.engine.now().0.rem_euclid(1_000);
        let rest = u64::try_from(1_000 - past).unwrap();
        tokio::time::sleep(Duration::from_millis(rest)).await;
        self.world.engine.now()
    }

    pub fn message(&self, count: usize, tier: Tier) -> Message {
        let keys = self.keys[..count].to_vec();
        Message::new(flow(), keys, tier, self.world.engine.now())
    }

    /// Handles a message as a worker does.
    pub async fn handle(&self, message: Message) -> Handled {
        let before = self.world.queue().sent().len();
        self.script.held.lock().unwrap().clear();
        let began = self.world.engine.now();
        let tier = message.tier;
        let handle = "by hand".to_owned();
        let receipt = Receipt { tier, handle };
        let delivery = Delivery { message, receipt };
        let disposition = self.world.engine.work(&[delivery]).await[0];
        Handled {
            disposition,
            sent: self.world.queue().sent().split_off(before),
            held: self.script.held.lock().unwrap().clone(),
            took: self.world.engine.now().since(began),
        }
    }

    /// Qualio answers so, from now on.
    pub fn qualio_answers(&self, method: &str, status: u16) {
        let answer = Action::answer(status, serde_json::Value::Null);
        let fault = Fault::new(answer).method(method);
        self.world.qualio.set_fault(fault).unwrap();
    }

    /// A breaker as another left it; attributes by name, moments in milliseconds.
    pub fn put_breaker(&self, endpoint: &str, attributes: &[(&str, i64)]) {
        let key = keys::breaker(&EndpointId::try_new(endpoint).unwrap());
        let number = |(name, value): &(&str, i64)| ((*name).to_owned(), Value::Number(*value));
        let mut item: Item = attributes.iter().map(number).collect();
        if item.contains_key("probe_until") {
            item.insert("probe".to_owned(), "0".repeat(32).as_str().into());
        }
        self.world.table().put(key, item);
    }

    /// A limit's slots, which fall free so many milliseconds from now, the last of these and all others
    /// together; and its queue: calls promised, and served.
    pub fn put_slots(&self, key: &ItemKey, limit: Limit, free_in_ms: &[i64], queue: (i64, i64)) {
        let window = i64::try_from((limit.window + GUARD).as_millis()).unwrap();
        let now = self.world.engine.now().0;
        let stamp = |free_in: &i64| Value::Number((now + free_in - window - 1) * 1_000);
        let free = free_in_ms
            .iter()
            .chain(std::iter::repeat(&free_in_ms[free_in_ms.len() - 1]));
        let slots = free.map(stamp).zip(0..limit.calls);
        let mut item: Item = slots.map(|(stamp, n)| (format!("s{n}"), stamp)).collect();
        item.insert("queued".to_owned(), queue.0.into());
        item.insert("served".to_owned(), queue.1.into());
        self.world.table().put(key.clone(), item);
    }

    /// Calls that a limit has promised and served.
    pub fn queue_of(&self, key: &ItemKey) -> (i64, i64) {
        let item = self.world.table().item(key).unwrap_or_default();
        let number = |name: &str| item.get(name).and_then(Value::as_number).unwrap_or(0);
        (number("queued"), number("served"))
    }
}

pub fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

/// The flow that ships, with other text where this stands.
pub fn flow_with(changes: &[(&str, &str)]) -> String {
    changes.iter().fold(suppliers_flow(), |text, (from, to)| {
        assert!(text.contains(from), "no {from} in the flow");
        text.replace(from, to)
    })
}

/// How long a copy waits, from a moment.
pub fn wait(outgoing: &Outgoing, from: UnixMs) -> Duration {
    outgoing.message.not_before.unwrap().since(from)
}
