//! Forget: values go, and what still needs them is refused.

use axum::{body::Body, http::Request};
use serde_json::{Value, json};

use crate::caller::{Caller, FIELDS_TOKEN, invalid, rows};

const RECORD: &str = "/v1/flows/suppliers/records/SUP-000001";
const FORGET: &str = "/v1/flows/suppliers/records/SUP-000001/forget";

fn table(caller: &Caller) -> String {
    format!("{:?}", caller.host.store.items())
}

#[tokio::test]
async fn an_applied_record_is_forgotten() {
    let caller = Caller::new();
    let row = rows(1).remove(0);
    caller.batch("suppliers", vec![row.clone()]).await;
    caller.apply("suppliers", "SUP-000001").await;
    let email = row["contact"]["email"].as_str().unwrap();
    assert!(table(&caller).contains(email));
    let forgotten = caller.post(FORGET).await.ok(200);
    assert_eq!(forgotten, json!({"key": "SUP-000001", "reviews": 0}));
    assert!(!table(&caller).contains(email));
    let asked = Request::get(RECORD).header("authorization", format!("Bearer {FIELDS_TOKEN}"));
    let record = caller.send(asked, Body::empty()).await.ok(200);
    assert_eq!(record["fields"], Value::Null);
    assert_eq!(record["state"], "applied");
    assert_eq!(record["target_id"], "qualio-1");
    assert_eq!(record["history"][0]["outcome"], "forgotten");
    // The same row again brings nothing back.
    caller.batch("suppliers", vec![row.clone()]).await;
    assert!(!table(&caller).contains(email));
    caller.post(FORGET).await.ok(200);
}

#[tokio::test]
async fn what_has_work_or_is_in_review_is_not_forgotten_and_says_why() {
    let caller = Caller::new();
    let mut all = rows(2);
    all[1] = invalid(all[1].clone());
    caller.batch("suppliers", all.clone()).await;
    for (key, why) in [
        ("SUP-000001", "waits to be sent"),
        ("SUP-000002", "in review"),
    ] {
        let path = format!("/v1/flows/suppliers/records/{key}/forget");
        let problem = caller.post(&path).await.problem(409);
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why), "{detail}");
    }
    for row in &all {
        let email = row["contact"]["email"].as_str().unwrap();
        assert!(table(&caller).contains(email), "nothing is lost");
    }
    caller
        .post("/v1/reviews/suppliers~SUP-000002/discard")
        .await
        .ok(200);
    let path = "/v1/flows/suppliers/records/SUP-000002/forget";
    caller.post(path).await.ok(200);
}

#[tokio::test]
async fn rows_of_it_that_are_no_record_are_discarded_and_stay_so() {
    let caller = Caller::new();
    let mut all = rows(2);
    for row in &mut all {
        row["version"] = Value::Null;
    }
    caller.batch("suppliers", all.clone()).await;
    let email = all[0]["contact"]["email"].as_str().unwrap();
    assert!(table(&caller).contains(email));
    let forgotten = caller.post(FORGET).await.ok(200);
    assert_eq!(forgotten["reviews"], 1);
    assert!(!table(&caller).contains(email));
    caller.batch("suppliers", all.clone()).await;
    assert!(!table(&caller).contains(email));
    let others = all[1]["contact"]["email"].as_str().unwrap();
    assert!(table(&caller).contains(others), "another's row stays");
}

#[tokio::test]
async fn what_nobody_knows_is_not_found() {
    let caller = Caller::new();
    caller.post(FORGET).await.problem(404);
    caller
        .post("/v1/flows/orders/records/A/forget")
        .await
        .problem(404);
    caller
        .post("/v1/flows/suppliers/records/forget")
        .await
        .problem(404);
}
