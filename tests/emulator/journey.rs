//! A supplier's way from the ERP to Qualio on deployed functions.

use std::{collections::BTreeSet, time::Duration};

use serde_json::{Value, json};
use tidegate_testkit::doubles::{Action, Fault};

use crate::{
    stack::MAIL_TO,
    until::until,
    world::{FLOW, World, scheduled_now, wall_clock_ms},
};

/// Above anything that the journeys need on a busy machine of two cores.
pub const LIMIT: Duration = Duration::from_mins(4);

/// Suppliers in the ERP: more than one pack and less than one window of the batch limit.
pub const FEW: u32 = 24;

/// A first try and three retries.
const ATTEMPTS: usize = 4;

/// So that a record that fails is in review before long.
pub const QUICK_RETRIES: (&str, &str) = ("after_s = [60, 300, 900]", "after_s = [1, 1, 1]");

#[tokio::test(flavor = "multi_thread")]
async fn a_scheduled_batch_reaches_qualio_and_what_fails_reaches_a_person() {
    let world = World::start(FEW, &[QUICK_RETRIES]).await;
    take_it(&world).await;
    let key = world.keys_in_erp().pop_last().expect("a supplier");
    a_sync_is_followed_from_the_api_to_the_worker(&world, &key).await;
}

/// The journey, whoever runs the functions.
pub async fn take_it(world: &World) {
    let scheduled = scheduled_now();
    world.stack.fire_schedule("suppliers", &scheduled).await;
    let all = world.keys_in_erp();
    until("every supplier stands in Qualio", LIMIT, || async {
        (world.keys_in_qualio() == all).then_some(())
    })
    .await;
    world.drained(LIMIT).await;
    assert_eq!(world.created_twice(), Vec::<String>::new());

    a_redelivery_changes_nothing(world, &all, &scheduled).await;
    the_daily_comparison_heals_a_hand_in_the_target(world, all.len()).await;
    let failing = all.first().expect("a supplier").clone();
    let healthy = all.last().expect("another").clone();
    a_failing_record_reaches_review(world, &failing, &healthy).await;
    a_dead_letter_reaches_review(world).await;
    the_digest_names_it(world, &failing).await;
}

/// The same window again, and a second copy of every message, as SQS may deliver them.
async fn a_redelivery_changes_nothing(world: &World, keys: &BTreeSet<String>, scheduled: &str) {
    let registers = world.registers().await;
    let writes = world.writes_to_qualio().len();
    let window = json!({"flow": FLOW, "window": scheduled});
    world.stack.invoke("BatchSyncName", &window).await;
    for (tier, queue) in [
        ("real_time", "RealtimeQueueUrl"),
        ("batch", "BatchQueueUrl"),
    ] {
        for key in keys {
            let message = json!({
                "v": 1, "flow": FLOW, "keys": [key], "tier": tier, "first_sent": wall_clock_ms(),
            });
            world.stack.send(queue, &message).await;
        }
    }
    world.drained(LIMIT).await;
    assert_eq!(
        world.writes_to_qualio().len(),
        writes,
        "Qualio was written again"
    );
    assert_eq!(world.registers().await, registers);
}

/// R33: what a person changed in Qualio is found by the deployed function and sent again.
async fn the_daily_comparison_heals_a_hand_in_the_target(world: &World, count: usize) {
    let name = "Somebody's own name";
    let edited = world.qualio.suppliers().remove(0).supplier_id;
    let before = world
        .qualio
        .edit(&edited, |supplier| name.clone_into(&mut supplier.name));
    assert!(before.is_some());
    let asked = json!({"flow": FLOW});
    // What was applied a moment ago is not compared with a listing that may not show it yet.
    let findings = until("the hand was found", LIMIT, || async {
        let report = world.stack.invoke("ReconcileName", &asked).await;
        assert_eq!(report["ended"], "complete", "{report}");
        assert_eq!(report["findings"]["compared"], count, "{report}");
        let findings = report["findings"].clone();
        (findings["edited_at_target"] == 1).then_some(findings)
    })
    .await;
    assert_eq!(findings["equal"], count - 1, "{findings}");
    until("the desired name stands again", LIMIT, || async {
        let now = world.qualio.supplier(&edited).expect("a supplier");
        (now.name != name).then_some(())
    })
    .await;
    world.drained(LIMIT).await;
}

/// The id under which Lambda invoked the api stands in what the worker says of the change.
async fn a_sync_is_followed_from_the_api_to_the_worker(world: &World, key: &str) {
    let changed = world
        .erp
        .change(key, |row| row.quality.blocked = !row.quality.blocked);
    assert!(changed.is_some());
    let path = format!("/v1/flows/{FLOW}/records/{key}/sync");
    assert_eq!(world.post(&path, &json!({})).await, 202);
    let asked = until("the api says who asked", LIMIT, || async {
        let mut lines = logged(world, "api", "force sync").await;
        lines.retain(|line| line["key"] == key);
        lines.pop()
    })
    .await;
    let request = asked["request_id"].clone();
    assert!(request.is_string(), "{asked}");
    assert_eq!(asked["span"]["requestId"], request, "{asked}");
    for message in ["fetched", "call", "applied", "verdict"] {
        let line = until("the worker says for whom it works", LIMIT, || async {
            let mut lines = logged(world, "worker-realtime", message).await;
            lines.retain(|line| line["request_id"] == request);
            lines.pop()
        })
        .await;
        assert_eq!(line["key"], key, "{line}");
        let own = &line["span"]["requestId"];
        assert!(own.is_string() && *own != request, "{line}");
    }
}

/// The lines of a function's log that tell of this.
async fn logged(world: &World, function: &str, message: &str) -> Vec<Value> {
    let group = world.stack.log_group(function);
    let lines = world.stack.wire().log_lines(&group).await.into_iter();
    lines
        .filter_map(|line| serde_json::from_str::<Value>(&line).ok())
        .filter(|line| line["message"] == message)
        .collect()
}

/// It is at fault by itself: another is sent while it fails.
async fn a_failing_record_reaches_review(world: &World, key: &str, healthy: &str) {
    let broken = Fault::new(Action::answer(500, json!({"message": "broken"}))).key(key);
    world.qualio.set_fault(broken).expect("a fault");
    let before = world.qualio.calls().len();
    world
        .erp
        .change(key, |row| row.quality.blocked = !row.quality.blocked);
    assert_eq!(world.tell(key, "msg_failing").await, 202);
    let failed = || {
        let calls = world.qualio.calls();
        let of_it = calls[before..].iter();
        of_it.filter(|call| call.status() == Some(500)).count()
    };
    until("its first try fails", LIMIT, || async {
        (failed() > 0).then_some(())
    })
    .await;
    world
        .erp
        .change(healthy, |row| row.quality.blocked = !row.quality.blocked);
    assert_eq!(world.tell(healthy, "msg_healthy").await, 202);
    until("the record is in review", LIMIT, || async {
        let reviews = world.read("/v1/reviews").await;
        reviews.to_string().contains(key).then_some(())
    })
    .await;
    assert_eq!(failed(), ATTEMPTS, "one first try and three retries");
}

/// What a worker could never read would end here after ten receives.
pub async fn a_dead_letter_reaches_review(world: &World) {
    let poison = json!("not a message");
    world.stack.send("RealtimeDeadLettersUrl", &poison).await;
    until("the dead letter is in review", LIMIT, || async {
        let reviews = world.read("/v1/reviews").await;
        reviews
            .to_string()
            .contains("can not be read")
            .then_some(())
    })
    .await;
    let left = world.stack.output("RealtimeDeadLettersUrl");
    until("the dead letter was taken", LIMIT, || async {
        (world.stack.wire().queue_depth(left).await == 0).then_some(())
    })
    .await;
}

async fn the_digest_names_it(world: &World, key: &str) {
    world.stack.fire_schedule("digest", &scheduled_now()).await;
    let mail = until("a digest was mailed", LIMIT, || async {
        world.stack.wire().mails().await.pop()
    })
    .await;
    assert_eq!(mail["To"], json!([MAIL_TO]));
    let text = mail["BodyText"].as_str().expect("a text body");
    assert!(text.contains(key), "{text}");
    assert!(text.contains("/v1/reviews"), "a link to act: {text}");
}

/// Calls of the batch tier in eighteen seconds: a backlog of more than a minute. Fewer could not
/// carry the longest record, and `check` refuses them.
const SLOW_BATCH: usize = 7;

/// Critical changes that are told while the backlog stands.
const OVERTAKING: usize = 3;

#[tokio::test(flavor = "multi_thread")]
async fn a_signed_webhook_overtakes_a_batch_backlog() {
    let slow = format!("batch = {{ calls = {SLOW_BATCH}, per_s = 18 }}");
    let edits = [("batch = { calls = 50, per_s = 60 }", slow.as_str())];
    let world = World::start(FEW, &edits).await;
    world
        .stack
        .fire_schedule("suppliers", &scheduled_now())
        .await;
    let staged = until("every supplier is staged", LIMIT, || async {
        let registers = world.registers().await;
        (registers.len() == FEW as usize).then_some(registers)
    })
    .await;
    let known = world.keys_in_qualio();
    let overtaking: Vec<&String> = staged
        .keys()
        .filter(|key| !known.contains(*key))
        .take(OVERTAKING)
        .collect();
    for key in &overtaking {
        let changed = world.erp.change(key, |row| {
            row.quality.blocked = !row.quality.blocked;
        });
        assert!(changed.is_some());
        assert_eq!(world.tell(key, &format!("msg_{key}")).await, 202);
    }
    until("the critical changes stand in Qualio", LIMIT, || async {
        overtaking
            .iter()
            .all(|key| world.shows_blocked(key))
            .then_some(())
    })
    .await;
    // What the batch may have done meanwhile: the rest of one window and the start of the next.
    let others = world.keys_in_qualio().len() - known.len() - OVERTAKING;
    assert!(others <= 2 * SLOW_BATCH, "{others} others came first");
    assert!(
        world.keys_in_qualio().len() < FEW as usize,
        "nothing was left to overtake"
    );
    for key in &overtaking {
        let record = world.read(&format!("/v1/flows/{FLOW}/records/{key}")).await;
        assert_eq!(record["tier"], "real_time", "{record}");
        let again = world.tell(key, &format!("msg_{key}")).await;
        assert_eq!(again, 202, "a replay is welcome and changes nothing");
    }
    assert_eq!(world.created_twice(), Vec::<String>::new());
}
