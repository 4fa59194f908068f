//! Many records to be read one by one at a source that allows few calls: hints and force syncs.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use tidegate_engine::{HookAnswer, HookOutcome};
use tidegate_model::{FlowId, RecordKey, Tier, UnixMs};
use tidegate_policy::{keys, run::RunRequest};
use tidegate_simulator::{Effect, Interposer, PortCall};
use tidegate_testkit::doubles::{
    busiest_window,
    erp::{realistic_suppliers, webhook::Told},
};

use crate::world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow};

const RECORDS: u32 = 200;
const WINDOW_MS: i64 = 20_000;
const LIMIT: usize = 4;
const BY_READ: &str = r#"version = { by = "read" }"#;
const BY_SEQUENCE: &str = r#"version = { by = "sequence", at = "row.version" }"#;

/// Counts port calls.
#[derive(Default)]
struct Count(AtomicU64);

impl Interposer for Count {
    fn observe(&self, _: &PortCall<'_>, _: &Effect<'_>) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
}

/// The supplier flow at a source that allows 4 calls in 20 s.
fn slow_source(version: &str) -> String {
    let limit = "limit = { calls = 120, per_s = 60 }";
    let text = suppliers_flow();
    assert!(text.contains(limit) && text.contains(BY_SEQUENCE));
    text.replace(limit, "limit = { calls = 4, per_s = 20 }")
        .replace(BY_SEQUENCE, version)
}

/// A world in which everything is applied, the keys of its suppliers, and a count of port calls.
async fn settled(version: &str, records: u32) -> (World, Vec<String>, Arc<Count>) {
    let count = Arc::new(Count::default());
    let suppliers = realistic_suppliers(9, records, 0);
    let interposer = Arc::clone(&count);
    let world = World::with_interposer(suppliers, &[slow_source(version)], interposer);
    world.start();
    world.settle().await;
    // The night's window has run, 02:00 in Berlin: no run is due for hours, and none reads meanwhile.
    let now = world.clock_ms();
    let night = RunRequest {
        window: Some(UnixMs(now - now.rem_euclid(86_400_000) + 3_600_000)),
        ..MANUAL
    };
    world.run(night).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let suppliers = world.erp.suppliers().into_iter();
    let keys = suppliers.map(|row| row.id).collect();
    (world, keys, count)
}

/// Changes what is not critical, so that nothing but the fetch is in the way.
fn change(world: &World, key: &str, text: &str) {
    let text = text.to_owned();
    world
        .erp
        .change(key, |row| row.contact.phone = text)
        .unwrap();
}

async fn hint(world: &World, key: &str, id: &str) {
    let answer = world
        .webhook(Told::Partial(key), id, WEBHOOK_SECRETS[0])
        .await;
    assert_eq!(answer, HookAnswer::Accepted(HookOutcome::Fetching));
}

async fn until_fetched(world: &World, limit: Duration) {
    let none_waits = || async { world.queue().len(Tier::RealTime) == 0 };
    world.until("no hint waits", limit, none_waits).await;
}

/// Whether each register holds the phone that the source has.
fn assert_all_read(world: &World, keys: &[String]) {
    for key in keys {
        let rows = world.erp.suppliers();
        let row = rows.iter().find(|row| row.id == *key).unwrap();
        let text = serde_json::to_string(&world.register(key).desired.content).unwrap();
        assert!(text.contains(&row.contact.phone), "{key}: {text}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_waiting_hint_is_received_one_and_a_half_times_at_most_lim_4() {
    two_hundred_hints(BY_SEQUENCE).await;
}

#[tokio::test(start_paused = true)]
async fn a_hint_that_waits_where_reads_are_the_versions_is_received_no_oftener_lim_4() {
    two_hundred_hints(BY_READ).await;
}

async fn two_hundred_hints(version: &str) {
    let (world, keys, ports) = settled(version, RECORDS).await;
    let since = world.clock_ms();
    let (received, calls) = (
        world.queue_meter(Tier::RealTime).received,
        ports.0.load(Ordering::Relaxed),
    );
    for (n, key) in keys.iter().enumerate() {
        change(&world, key, &format!("+49 {n} 7"));
        hint(&world, key, &format!("m{n}")).await;
    }
    until_fetched(&world, Duration::from_secs(3_600)).await;
    assert_all_read(&world, &keys);
    let reads = world.erp.calls_between(since, i64::MAX);
    let times: Vec<i64> = reads.iter().map(|call| call.at_ms).collect();
    let received = world.queue_meter(Tier::RealTime).received - received;
    let calls = ports.0.load(Ordering::Relaxed) - calls;
    let took_s = (times[times.len() - 1] - since) / 1_000;
    println!(
        "{} reads for {} hints in {took_s} s: {received} receives, {calls} port calls",
        times.len(),
        keys.len()
    );
    assert_eq!(times.len(), keys.len());
    assert!(
        busiest_window(times.iter().copied(), WINDOW_MS) <= LIMIT,
        "LIM-1"
    );
    assert!(received * 2 <= u64::from(RECORDS) * 3, "LIM-4: {received}");
    // Of these five are of the webhook, and eight of the read itself.
    assert!(calls <= u64::from(RECORDS) * 25, "{calls} port calls");
    // 200 calls at 4 in 20.55 s take 1,028 s.
    assert!(took_s < 1_060, "LIM-2: {took_s} s");
}

#[tokio::test(start_paused = true)]
async fn hints_for_one_record_that_wait_together_are_one_read() {
    ten_hints_each(BY_SEQUENCE).await;
}

#[tokio::test(start_paused = true)]
async fn hints_for_one_record_are_one_read_where_reads_are_the_versions() {
    ten_hints_each(BY_READ).await;
}

/// A read that began after a hint came has seen what the hint tells of.
async fn ten_hints_each(version: &str) {
    let (world, keys, _) = settled(version, 12).await;
    let since = world.clock_ms();
    for round in 0..10 {
        for (n, key) in keys.iter().enumerate() {
            change(&world, key, &format!("+49 {n} {round}"));
            hint(&world, key, &format!("m{n}-{round}")).await;
        }
    }
    until_fetched(&world, Duration::from_secs(3_600)).await;
    assert_all_read(&world, &keys);
    let reads = world.erp.calls_between(since, i64::MAX).len();
    println!("{reads} reads for 120 hints about 12 records");
    // A read may have begun before the later hints came: those of the first window.
    assert!((12..=12 + 2 * LIMIT).contains(&reads), "{reads} reads");
}

/// What changes after a read began is read again, whatever that read staged.
#[tokio::test(start_paused = true)]
async fn a_hint_that_comes_after_a_read_is_read_anew_hook_1() {
    let (world, keys, _) = settled(BY_READ, 2).await;
    for round in 0..3 {
        change(&world, &keys[0], &format!("+49 30 {round}"));
        hint(&world, &keys[0], &format!("m{round}")).await;
        until_fetched(&world, Duration::from_secs(60)).await;
        assert_all_read(&world, &keys[..1]);
    }
}

/// A fetch that died holds the flow's lease until its end. Each hint finds that out once.
#[tokio::test(start_paused = true)]
async fn the_lease_of_a_fetch_that_died_is_waited_for_once() {
    let (world, keys, _) = settled(BY_READ, 20).await;
    let end = hold_lease(&world, 20_000, true);
    let received = world.queue_meter(Tier::RealTime).received;
    for (n, key) in keys.iter().enumerate() {
        change(&world, key, &format!("+49 {n} 7"));
        hint(&world, key, &format!("m{n}")).await;
    }
    until_fetched(&world, Duration::from_secs(600)).await;
    assert_all_read(&world, &keys);
    let first = world.erp.calls_between(end - 20_000, i64::MAX)[0].at_ms;
    assert!(first >= end, "no read overlaps another");
    let received = world.queue_meter(Tier::RealTime).received - received;
    println!("{received} receives of 20 hints behind a dead fetch");
    // Once in vain, once for the turn behind the others, once to read.
    assert!(received <= 60, "{received} receives of 20 hints");
}

/// A run holds the lease for as long as it takes, and renews it.
#[tokio::test(start_paused = true)]
async fn hints_wait_for_a_run_without_asking_for_permits() {
    let (world, keys, _) = settled(BY_READ, 20).await;
    let writes = world.store_meter();
    for _ in 0..8 {
        hold_lease(&world, 120_000, false);
        for (n, key) in keys.iter().enumerate() {
            // Known ids, after the first time.
            world
                .webhook(Told::Partial(key), &format!("m{n}"), WEBHOOK_SECRETS[0])
                .await;
        }
        tokio::time::sleep(Duration::from_secs(100)).await;
    }
    let (before, writes) = (writes, world.store_meter());
    let written = writes.writes + writes.refused - before.writes - before.refused;
    // The ids of 20 webhooks are remembered; tick writes a few items in 13 minutes.
    println!("{written} writes while a run holds the lease");
    assert!(written <= 40, "{written} writes");
    until_fetched(&world, Duration::from_secs(600)).await;
    for key in &keys {
        let sid = world.register(key).desired.staged_by;
        assert!(sid.starts_with("fetch"), "{key} was not read: {sid}");
    }
}

/// Who asks for a record gets a read of it, and has it applied although a hint left it to its window.
#[tokio::test(start_paused = true)]
async fn a_force_sync_waits_for_its_turn_and_is_read_for_itself() {
    let (world, keys, _) = settled(BY_SEQUENCE, 12).await;
    let flow = FlowId::try_new("suppliers").unwrap();
    let since = world.clock_ms();
    for (n, key) in keys.iter().enumerate() {
        change(&world, key, &format!("+49 {n} 7"));
        hint(&world, key, &format!("m{n}")).await;
    }
    let key = RecordKey::try_new(keys[11].clone()).unwrap();
    change(&world, &keys[11], "+49 30");
    world.engine.force_sync(&flow, &key).await.unwrap();
    until_fetched(&world, Duration::from_secs(600)).await;
    assert_all_read(&world, &keys);
    world
        .until("applied", Duration::from_secs(60), || async {
            !world.register(&keys[11]).is_dirty()
        })
        .await;
    let reads = world.erp.calls_between(since, i64::MAX);
    let path = format!("/api/suppliers/{}", keys[11]);
    let reads = reads.iter().filter(|call| call.path == path).count();
    assert_eq!(reads, 2, "the hint's and the person's");
}

/// Puts a lease of another there that ends after so long; says when.
fn hold_lease(world: &World, lasts_ms: i64, fetches: bool) -> i64 {
    let flow = FlowId::try_new("suppliers").unwrap();
    let lease = keys::lease(&flow);
    let mut item = world.table().item(&lease).unwrap();
    let end = world.clock_ms() + lasts_ms;
    item.insert(
        "owner".to_owned(),
        "00000000000000000000000000000000".into(),
    );
    item.insert("until".to_owned(), end.into());
    if fetches {
        item.insert("fetches".to_owned(), 1.into());
    }
    world.table().put(lease, item);
    end
}
