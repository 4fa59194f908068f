//! Long statements, lost answers, limits, wrong keys and missing rights.

use serde_json::{Value, json};
use tidegate_engine::ports::{Warehouse as _, WarehouseError};

use crate::{
    double::{KEY, key_pair},
    place::{Place, Record, deadline, flow},
};

const ID: &str = "6f7bdbcd-9bd0-4f6a-8a85-0c3a7c3ef0a1";
const ANOTHER_ID: &str = "6f7bdbcd-9bd0-4f6a-8a85-0c3a7c3ef0a2";

fn record() -> Record<'static> {
    Record {
        flow: "orders-shopify",
        key: "s:1",
        source: 1,
        content: Some("{}"),
    }
}

#[tokio::test]
async fn a_statement_that_runs_on_is_polled_to_its_end() {
    let place = Place::new();
    place.land("one", &[record().line()]).await;
    for runs_at_poll in [false, true] {
        let behaviour = json!({ "every_nth_202": 1, "polls": 3, "runs_at_poll": runs_at_poll });
        place.double.behave(behaviour).await;
        place.merge(ID, false).await.unwrap();
        assert_eq!(place.waiting().await.unwrap(), 0);
    }
    assert_eq!(place.turns().await, "2");
    let log = place.double.log().await;
    let polls = log.iter().filter(|call| call["method"] == "GET").count();
    assert_eq!(polls, 4 * 3);
}

#[tokio::test]
async fn a_merge_whose_answer_is_lost_is_done_once_under_its_id() {
    let place = Place::new();
    place.land("one", &[record().line()]).await;
    for behaviour in [
        json!({ "lose": 1 }),
        json!({ "lose": 1, "every_nth_202": 1, "polls": 2 }),
    ] {
        let before: u64 = place.turns().await.parse().unwrap();
        place.double.behave(behaviour).await;
        let id = format!("6f7bdbcd-9bd0-4f6a-8a85-0c3a7c3ef0a{before}");
        let lost = place.merge(&id, false).await.unwrap_err();
        assert!(matches!(lost, WarehouseError::Failed { .. }), "{lost:?}");
        place.merge(&id, true).await.unwrap();
        place.merge(&id, true).await.unwrap();
        assert_eq!(place.turns().await, (before + 1).to_string());
    }
    let behaviour = json!({ "lose": 1, "every_nth_202": 0 });
    place.double.behave(behaviour).await;
    assert_eq!(place.waiting().await.unwrap(), 0, "a read is repeated");
    let log = place.double.log().await;
    let [.., first, second] = log.as_slice() else {
        panic!("two calls: {log:?}")
    };
    assert_eq!(second["request"], first["request"]);
    let flags = |call: &Value| (call["retry"] == true, call["ran"] == true);
    assert_eq!(
        [flags(first), flags(second)],
        [(false, true), (true, false)]
    );
}

#[tokio::test]
async fn who_has_to_wait_and_who_has_to_act_is_told() {
    let place = Place::new();
    for status in [429, 503] {
        let behaviour = json!({ "refuse": 1, "refuse_status": status });
        place.double.behave(behaviour).await;
        let error = place.waiting().await.unwrap_err();
        assert!(matches!(error, WarehouseError::Later { .. }), "{error:?}");
    }
    place.double.behave(json!({ "time_out": 1 })).await;
    let error = place.merge(ID, false).await.unwrap_err();
    assert!(matches!(error, WarehouseError::Undone { .. }), "{error:?}");
    place.merge(ANOTHER_ID, false).await.unwrap();
    assert_eq!(place.turns().await, "1", "what was stopped is undone");

    for name in ["database", "schema", "warehouse", "role"] {
        let mut spec = serde_json::to_value(&place.spec).unwrap();
        spec[name] = json!("OTHER");
        let spec = serde_json::from_value(spec).unwrap();
        let waiting = place.snowflake.waiting(&spec, deadline());
        let error = waiting.await.unwrap_err();
        assert!(matches!(error, WarehouseError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("OTHER"), "{error}");
    }
    place.double.sql("DROP VIEW records_checked").await;
    let (spec, flow) = (&place.spec, flow("returns"));
    let held = place.snowflake.held(spec, &flow, deadline());
    let error = held.await.unwrap_err();
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error:?}");
    let told = error.to_string().to_uppercase();
    assert!(told.contains("RECORDS_CHECKED"), "{error}");
}

#[tokio::test]
async fn a_wrong_key_is_refused_until_the_right_one_is_set() {
    let place = Place::new();
    let right = place.double.private_key().to_owned();
    let (wrong, _) = key_pair();
    place.vault.put(KEY, &wrong);
    let error = place.waiting().await.unwrap_err();
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error:?}");
    assert!(error.to_string().contains("390144"), "{error}");
    let calls = place.double.log().await.len();
    assert!(calls <= 2, "one key, and once more at most: {calls}");
    place.vault.put(KEY, &right);
    assert_eq!(
        place.waiting().await.unwrap(),
        0,
        "the new one is looked up"
    );
    place.vault.put(KEY, "no key at all");
    let waiting = place.fresh();
    let waiting = waiting.waiting(&place.spec, deadline());
    let error = waiting.await.unwrap_err();
    assert!(matches!(error, WarehouseError::Refused { .. }), "{error:?}");
    assert!(!error.to_string().contains("no key at all"), "{error}");
}
