//! A backlog of 10,000 in the batch tier (LIM-2, LIM-4).

use std::time::Duration;

use tidegate_model::Tier;
use tidegate_testkit::doubles::{busiest_window, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const RECORDS: u32 = 10_000;
const WINDOW_MS: i64 = 60_000;
const LIMIT: usize = 50;

#[tokio::test(start_paused = true)]
async fn a_record_in_a_backlog_of_10_000_is_received_one_and_a_half_times_at_most_lim_4() {
    let world = World::new(realistic_suppliers(3, RECORDS, 0), &[suppliers_flow()]);
    world.start();
    world.run(MANUAL).await;
    let began = world.clock_ms();
    let limit = Duration::from_secs(86_400);
    world.until("applied", limit, || world.is_done()).await;
    let calls = world.qualio.calls_between(began, i64::MAX);
    let times: Vec<i64> = calls.iter().map(|call| call.at_ms).collect();
    let queue = world.queue_meter(Tier::Batch);
    let applied = world.registers().len();
    let minutes = (times[times.len() - 1] - times[0]) / WINDOW_MS;
    let store = world.store_meter();
    println!(
        "{applied} applied by {} calls in {minutes} min: {:.3} receives, {:.3} sends, {:.3} writes ({:.3} refused), {:.3} gets a record",
        times.len(),
        per(queue.received, applied),
        per(queue.sent, applied),
        per(store.writes, applied),
        per(store.refused, applied),
        per(store.gets, applied),
    );
    let busiest = busiest_window(times.iter().copied(), WINDOW_MS);
    let full = times.len() * 60_000 / usize::try_from(times[times.len() - 1] - times[0]).unwrap();
    println!("LIM-2: {full} calls a minute of {LIMIT}, busiest window {busiest}");
}

fn per(count: u64, records: usize) -> f64 {
    count as f64 / records as f64
}
