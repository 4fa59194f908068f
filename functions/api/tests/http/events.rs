//! Events of other systems, told by HTTP.

use serde_json::{Value, json};
use tidegate_engine::Event;
use tidegate_testkit::host::START;

use crate::caller::Caller;

/// The flow `contacts` starts at the end of a day in the region `us`.
fn end_of_day(region: &str) -> Value {
    json!({
        "source": "crm", "detail_type": "end of day", "id": "day-1",
        "detail": {"region": region},
    })
}

fn asked(caller: &Caller) -> Vec<(String, String)> {
    let events = caller.host.events.all();
    events
        .into_iter()
        .map(|event| match event {
            Event::RunRequested { flow, request, .. } => {
                let trigger = request.trigger.unwrap();
                assert_eq!(trigger.at, START);
                (flow.to_string(), trigger.id.to_string())
            }
            other => panic!("{other:?}"),
        })
        .collect()
}

#[tokio::test]
async fn an_event_asks_for_a_run_of_each_flow_that_has_a_trigger_for_it() {
    let caller = Caller::with_contacts();
    let answer = caller.post_json("/v1/events", end_of_day("us")).await;
    assert_eq!(
        answer.ok(202),
        json!({"id": "day-1", "flows": ["contacts"]})
    );
    assert_eq!(
        asked(&caller),
        [("contacts".to_owned(), "day-1".to_owned())]
    );
}

#[tokio::test]
async fn an_event_that_no_flow_waits_for_starts_nothing_and_says_so() {
    let caller = Caller::with_contacts();
    let answer = caller.post_json("/v1/events", end_of_day("eu")).await;
    assert_eq!(answer.ok(202)["flows"], json!([]));
    let bare = json!({"source": "crm", "detail_type": "end of day"});
    let answer = caller.post_json("/v1/events", bare).await.ok(202);
    assert_eq!(answer["flows"], json!([]), "it has no region");
    assert_eq!(
        answer["id"].as_str().unwrap().len(),
        32,
        "a name of its own"
    );
    assert_eq!(asked(&caller), []);
}

#[tokio::test]
async fn an_event_that_can_not_be_read_or_sent_starts_nothing() {
    let caller = Caller::with_contacts();
    for (body, field) in [
        (json!({"detail_type": "end of day"}), "source"),
        (json!({"source": "crm"}), "detail_type"),
        (
            json!({"source": "crm", "detail-type": "end of day", "detail_type": "x"}),
            "detail-type",
        ),
        (
            json!({"source": "crm", "detail_type": "x", "detail": "us"}),
            "detail",
        ),
        (json!({"source": "crm", "detail_type": "x", "id": ""}), "id"),
    ] {
        let shown = body.to_string();
        let problem = caller.post_json("/v1/events", body).await.problem(400);
        assert_eq!(problem["field"], field, "{shown}");
    }
    caller.host.events.fail(true);
    caller
        .post_json("/v1/events", end_of_day("us"))
        .await
        .problem(503);
    caller.host.events.fail(false);
    assert_eq!(asked(&caller), []);
}

#[tokio::test]
async fn a_bad_id_of_an_event_is_answered_with_what_is_wrong_with_it() {
    let caller = Caller::with_contacts();
    for (id, why) in [
        // 65 characters, and each is two bytes.
        (
            json!("\u{fc}".repeat(65)),
            "`id`: the id of an event has 130 bytes, at most 128 are allowed",
        ),
        (
            json!("day\n1"),
            "`id`: the id of an event may hold no control characters; it has '\\n'",
        ),
        (json!(""), "`id`: the id of an event is empty"),
        (json!(1), "`id` is not a text"),
    ] {
        let mut body = end_of_day("us");
        body["id"] = id;
        let problem = caller.post_json("/v1/events", body).await.problem(400);
        assert_eq!(problem["detail"], why);
        assert_eq!(problem["field"], "id");
    }
    assert_eq!(asked(&caller), []);
}
