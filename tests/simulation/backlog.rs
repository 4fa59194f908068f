//! A backlog of 10,000 in the batch tier (LIM-2, LIM-4).

use std::time::Duration;

use tidegate_model::{FlowId, Tier};
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
        "{applied} applied by {} calls in {minutes} min; of a thousand records: {} receives, {} sends, {} writes, {} refused, {} gets",
        times.len(),
        of_1000(queue.received, applied),
        of_1000(queue.sent, applied),
        of_1000(store.writes, applied),
        of_1000(store.refused, applied),
        of_1000(store.gets, applied),
    );
    let busiest = busiest_window(times.iter().copied(), WINDOW_MS);
    let span_ms = usize::try_from(times[times.len() - 1] - times[0]).unwrap();
    let used_percent = times.len() * 60_000 * 100 / span_ms / LIMIT;
    println!("LIM-2: {used_percent} % used, busiest window {busiest} of {LIMIT}");
    let flow = FlowId::try_new("suppliers").unwrap();
    let gauges = world.engine.gauges(&flow).await.unwrap();
    assert_eq!(gauges.swept_batch_ms, None, "QUE-2: none was stranded");
    assert!(of_1000(queue.received, applied) <= 1_500, "LIM-4");
    assert!(busiest <= LIMIT, "LIM-1");
    assert!(used_percent >= 98, "LIM-2");
}

fn of_1000(count: u64, records: usize) -> u64 {
    count * 1_000 / u64::try_from(records).unwrap()
}
