//! The same journey with functions that `cargo lambda watch` serves and `tidegate bridge` starts.
//!
//! The stack is the whole template, deployed with `StartedBy=bridge`: its mappings, rules and
//! schedules are off, so that nothing is delivered twice. With `TIDEGATE_JOURNEY_ENDPOINT` it is
//! deployed there, as a stage of its own that goes when the journey has succeeded.

use serde_json::{Value, json};

use crate::{
    journey::{self, FEW, LIMIT, QUICK_RETRIES},
    local::Bridge,
    stack::{FUNCTION_LOGS, RunBy},
    until::until,
    world::{FLOW, World},
};

#[tokio::test(flavor = "multi_thread")]
async fn the_journey_passes_through_the_bridge_with_cargo_lambda_watch() {
    let mut world = World::run_by(RunBy::Bridge, FEW, &[QUICK_RETRIES]).await;
    let refused = Bridge::refused(&world, "nowhere").await;
    assert!(
        refused.contains("no queue tidegate-nowhere-realtime"),
        "{refused}"
    );
    let bridge = Bridge::start(&world).await;
    world.stack.served = Some(bridge.served());
    journey::take_it(&world).await;
    a_run_that_is_asked_for_comes_by_the_bus(&world).await;

    nothing_ran_on_the_emulator(&world).await;
    let said = bridge.log();
    assert!(!said.contains("AWS starts it too"), "{said}");
    drop(bridge);
    until("the bridge has left nothing behind", LIMIT, || async {
        let left = what_the_bridge_made(&world).await;
        left.is_empty().then_some(())
    })
    .await;
    world.stack.remove().await;
}

/// A change that is not critical, and a run by the API: a `RunRequested` event starts it.
async fn a_run_that_is_asked_for_comes_by_the_bus(world: &World) {
    let key = world.erp.suppliers()[1].id.clone();
    let name = "Renamed GmbH";
    let changed = world
        .erp
        .change(&key, |row| name.clone_into(&mut row.legal_name));
    assert!(changed.is_some());
    let answer = world
        .post(&format!("/v1/flows/{FLOW}/runs"), &json!({}))
        .await;
    assert_eq!(answer, 202);
    until("the change stands in Qualio", LIMIT, || async {
        let suppliers = world.qualio.suppliers_of_key(&key);
        (suppliers.len() == 1 && suppliers[0].name == name).then_some(())
    })
    .await;
    world.drained(LIMIT).await;
}

/// Whatever ran there would have logged.
async fn nothing_ran_on_the_emulator(world: &World) {
    for function in FUNCTION_LOGS {
        let group = world.stack.log_group(function);
        let asked = json!({ "logGroupName": group });
        let wire = world.stack.wire();
        let logged = wire
            .json("logs", "Logs_20140328.FilterLogEvents", &asked)
            .await;
        assert_eq!(logged["events"], json!([]), "{group}");
    }
}

/// Queues and rules whose names are the bridge's.
async fn what_the_bridge_made(world: &World) -> Vec<Value> {
    let wire = world.stack.wire();
    let prefix = world.stack.name("bridge-");
    let asked = json!({ "QueueNamePrefix": prefix });
    let queues = wire.json("sqs", "AmazonSQS.ListQueues", &asked).await;
    let bus = world.stack.output("BusName");
    let asked = json!({ "EventBusName": bus, "NamePrefix": prefix });
    let rules = wire.json("events", "AWSEvents.ListRules", &asked).await;
    let lists = [&queues["QueueUrls"], &rules["Rules"]];
    lists
        .into_iter()
        .filter_map(Value::as_array)
        .flatten()
        .cloned()
        .collect()
}
