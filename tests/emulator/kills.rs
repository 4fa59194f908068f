//! Functions that die: the process of each is killed at its work, and in the end nothing is lost,
//! nothing stands twice and all are in step.
//!
//! What calls the ERP or Qualio dies at such a call; the others while they are asked, again and again
//! until an invocation has failed of it.

use std::{
    collections::BTreeSet,
    fs,
    process::Command,
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use serde_json::{Value, json};
use tidegate_testkit::doubles::{Action, CallFacts, Fault, Point};

use crate::{
    journey::{QUICK_RETRIES, a_dead_letter_reaches_review},
    stack::{FUNCTION_LOGS, Stack},
    until::{until, until_every},
    world::{FLOW, World, scheduled_now},
};

const SUPPLIERS: u32 = 12;

/// A claim ends some seconds after its owner died. A run's lease still takes two minutes.
const SHORT_CLAIMS: (&str, &str) = (
    "secret = \"QUALIO_API_KEY\"",
    "secret = \"QUALIO_API_KEY\"\ntimeout_s = 4\nsettle_s = 1",
);
/// What a function that died had received comes again; the template waits longer than its functions
/// may take.
const VISIBILITY_S: &str = "3";
/// Two leases of two minutes, one after another on a busy machine.
const LIMIT: Duration = Duration::from_mins(8);
/// Between two ticks while a lease is waited for: each is an invocation.
const TICK_EVERY: Duration = Duration::from_secs(2);

/// Steps by which a kill comes later than the one before, up to the time that an invocation may take.
const KILL_LATER_MS: u64 = 10;
const KILLS_APART: u64 = 20;

/// Kills the functions of one stack.
#[derive(Clone)]
struct Reaper {
    /// What the environment of each of its functions says.
    endpoint: String,
    prefix: String,
    killed: Arc<Mutex<BTreeSet<String>>>,
}

impl Reaper {
    fn of(stack: &Stack) -> Self {
        Self {
            endpoint: format!("AWS_ENDPOINT_URL={}", stack.emulator().endpoint()),
            prefix: format!("AWS_LAMBDA_FUNCTION_NAME={}", stack.name("")),
            killed: Arc::default(),
        }
    }

    fn killed(&self) -> BTreeSet<String> {
        let killed = self.killed.lock();
        killed.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends every process of a function as the kernel does that is out of memory.
    fn kill(&self, function: &str) {
        let wanted = format!("{}{function}", self.prefix);
        for process in fs::read_dir("/proc").expect("processes").flatten() {
            let environment = fs::read(process.path().join("environ")).unwrap_or_default();
            let environment = String::from_utf8_lossy(&environment);
            let has = |wanted: &str| environment.split('\0').any(|text| text == wanted);
            if has(&wanted) && has(&self.endpoint) {
                let pid = process.file_name();
                let sent = Command::new("kill").arg("-KILL").arg(&pid).status();
                if sent.is_ok_and(|status| status.success()) {
                    let killed = self.killed.lock();
                    let mut killed = killed.unwrap_or_else(PoisonError::into_inner);
                    killed.insert(function.to_owned());
                }
            }
        }
    }

    /// Kills it at a point of the first call that the fault is of.
    fn at(&self, function: &'static str, point: Point) -> Fault {
        let reaper = self.clone();
        let kill = move |_: &CallFacts| reaper.kill(function);
        Fault::new(Action::run(kill)).at(point).times(1)
    }

    async fn has_killed(&self, function: &str) {
        until(&format!("{function} was killed"), LIMIT, || async {
            self.killed().contains(function).then_some(())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whatever_function_dies_at_its_work_nothing_is_lost_or_done_twice() {
    let world = World::start(SUPPLIERS, &[QUICK_RETRIES, SHORT_CLAIMS]).await;
    for queue in ["RealtimeQueueUrl", "BatchQueueUrl"] {
        let shorter = json!({
            "QueueUrl": world.stack.output(queue),
            "Attributes": {"VisibilityTimeout": VISIBILITY_S},
        });
        let set = "AmazonSQS.SetQueueAttributes";
        world.stack.wire().json("sqs", set, &shorter).await;
    }
    let reaper = Reaper::of(&world.stack);
    let rows = world.erp.suppliers();
    let kill_at = |fault: Fault, key: &str| {
        world.qualio.set_fault(fault.key(key)).expect("a fault");
    };

    // Creates of which nobody learns that they took effect, or did not.
    let after = reaper.at("worker-batch", Point::AfterActBeforeAnswer);
    kill_at(after.method("POST"), &rows[0].id);
    let before = reaper.at("worker-batch", Point::BeforeAct);
    kill_at(before.method("POST"), &rows[1].id);
    // Pages of which nothing is staged yet.
    let page = reaper.at("batch-sync", Point::AfterActBeforeAnswer);
    world.erp.set_fault(page.path_contains("limit")).unwrap();
    let window = scheduled_now();
    world.stack.fire_schedule(FLOW, &window).await;
    reaper.has_killed("batch-sync").await;
    let page = reaper.at("reconcile", Point::BeforeAct);
    world.erp.set_fault(page.path_contains("limit")).unwrap();
    let compared = json!({"flow": FLOW});
    world.stack.invoke("ReconcileName", &compared).await;
    reaper.has_killed("reconcile").await;

    all_stand_in_qualio(&world).await;
    reaper.has_killed("worker-batch").await;

    // A critical change that took effect, and a webhook that its sender has no answer to.
    let after = reaper.at("worker-realtime", Point::AfterActBeforeAnswer);
    kill_at(after.method("PUT"), &rows[2].id);
    for (at, row) in rows[2..5].iter().enumerate() {
        world
            .erp
            .change(&row.id, |row| row.quality.blocked = !row.quality.blocked);
        while_it_is_killed(&reaper, "webhook", || async {
            world.tell(&row.id, &format!("msg_{at}")).await == 202
        })
        .await;
    }
    let sync = format!("/v1/flows/{FLOW}/records/{}/sync", rows[5].id);
    while_it_is_killed(&reaper, "api", || async {
        world.post(&sync, &json!({})).await == 202
    })
    .await;
    for (function, name, event) in [
        ("tick", "TickName", json!({})),
        ("digest", "DigestName", json!({"digest": "daily"})),
        ("quality-audit", "QualityAuditName", json!({"flow": FLOW})),
    ] {
        while_it_is_killed(&reaper, function, || async {
            let answer = world.stack.invoke(name, &event).await;
            answer.get("errorType").is_none()
        })
        .await;
    }
    reaper.has_killed("worker-realtime").await;
    a_dead_letter_reaches_review(&world).await;

    all_are_in_step(&world).await;
    let killed: Vec<String> = reaper.killed().into_iter().collect();
    // What decides keeps nothing that could be lost, and the flow of this stack asks it nothing. It has no
    // warehouse either: functions/warehouse shows that a load which dies at any write is repeated.
    let all: Vec<&str> = FUNCTION_LOGS
        .into_iter()
        .filter(|name| !["decide", "warehouse"].contains(name))
        .collect();
    assert_eq!(killed, all, "each was killed");
    assert_eq!(world.created_twice(), Vec::<String>::new());
    let reviews = world.read("/v1/reviews").await;
    let reviews = reviews["items"].as_array().expect("reviews").iter();
    // What an audit puts to a person is of the suppliers as they are.
    let lost: Vec<&Value> = reviews
        .filter(|review| review["cause"]["kind"] != "audit")
        .collect();
    assert_eq!(lost.len(), 1, "the dead letter alone: {lost:?}");
}

/// Works with a function that is killed meanwhile, until an invocation has failed of it; then once more
/// in peace: so do a sender, a person and a schedule.
async fn while_it_is_killed<F, Fut>(reaper: &Reaper, function: &str, work: F)
where
    F: Fn() -> Fut,
    Fut: Future<Output = bool>,
{
    let delays = AtomicU64::new(0);
    until(&format!("{function} died at its work"), LIMIT, || async {
        // Each a little later in its work than the one before.
        let delay = KILL_LATER_MS * (delays.fetch_add(1, Ordering::Relaxed) % KILLS_APART);
        let kill = async {
            tokio::time::sleep(Duration::from_millis(delay)).await;
            reaper.kill(function);
        };
        let (done, ()) = tokio::join!(work(), kill);
        (!done).then_some(())
    })
    .await;
    until(&format!("{function} works again"), LIMIT, || async {
        work().await.then_some(())
    })
    .await;
}

/// Ticks go on with what a run that died has left.
async fn all_stand_in_qualio(world: &World) {
    let all = world.keys_in_erp();
    until_every(
        TICK_EVERY,
        "every supplier stands in Qualio",
        LIMIT,
        || async {
            world.stack.invoke("TickName", &json!({})).await;
            (world.keys_in_qualio() == all).then_some(())
        },
    )
    .await;
}

/// No work is left, and a full comparison finds nothing.
async fn all_are_in_step(world: &World) {
    until_every(TICK_EVERY, "nothing waits", LIMIT, || async {
        let registers = world.registers().await;
        let works = |register: &Value| register.get("du").is_some() || register.get("un").is_some();
        (!registers.values().any(works)).then_some(())
    })
    .await;
    until_every(TICK_EVERY, "all are equal", LIMIT, || async {
        let asked = json!({"flow": FLOW});
        let report = world.stack.invoke("ReconcileName", &asked).await;
        let findings = &report["findings"];
        let all = findings["compared"] == SUPPLIERS && findings["equal"] == SUPPLIERS;
        (report["ended"] == "complete" && all).then_some(())
    })
    .await;
    for row in world.erp.suppliers() {
        assert!(world.shows_blocked(&row.id), "{}", row.id);
    }
}
