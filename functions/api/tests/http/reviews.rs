//! Reviews.

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_model::Tier;

use crate::caller::{Caller, invalid, is_now, rows};

const PATH: &str = "/v1/reviews/suppliers~SUP-000001";

/// One supplier in review.
async fn with_review() -> Caller {
    let caller = Caller::new();
    let row = invalid(rows(1).remove(0));
    caller.batch("suppliers", vec![row]).await;
    caller
}

/// A row without key in review; returns its path.
async fn with_orphan() -> (Caller, String) {
    let caller = Caller::new();
    let mut row = rows(1).remove(0);
    row["id"] = Value::Null;
    caller.batch("suppliers", vec![row]).await;
    let reviews = caller.get("/v1/reviews").await.ok(200);
    let id = reviews["items"][0]["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("suppliers!"), "{id}");
    let path = tidegate_engine::api::ReviewId::encode_path(&id);
    (caller, format!("/v1/reviews/{path}"))
}

fn edit(fields: &Value) -> Value {
    json!({"fields": fields, "by": "Ana", "why": "the contract says so"})
}

#[tokio::test]
async fn a_review_shows_its_cause_and_its_fields() {
    let caller = with_review().await;
    let review = caller.get(PATH).await.ok(200);
    assert_eq!(review["id"], "suppliers~SUP-000001");
    assert_eq!(review["cause"]["kind"], "invalid");
    assert_eq!(review["cause"]["field"], "name");
    is_now(&review["cause"]["since"]);
    assert_eq!(review["fields"]["name"], "");
    assert_eq!(review["edited"], Value::Null);
}

#[tokio::test]
async fn what_is_not_in_review_is_not_found() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(1)).await;
    for id in [
        "suppliers~SUP-000001",
        "suppliers~SUP-000002",
        "orders~SUP-000001",
        "suppliers!x",
        "suppliers!",
        "nothing",
        "%ff",
    ] {
        let path = format!("/v1/reviews/{id}");
        caller.get(&path).await.problem(404);
        caller.post(&format!("{path}/discard")).await.problem(404);
    }
    caller.post(&format!("{PATH}/replay")).await.problem(404);
    let body = edit(&json!({"name": "x"}));
    caller.patch_json(PATH, body).await.problem(404);
}

#[tokio::test]
async fn reviews_of_all_flows_or_of_one_come_oldest_first_and_once() {
    let caller = Caller::new();
    for flow in ["suppliers", "vendors"] {
        for row in rows(3).into_iter().rev() {
            caller.batch(flow, vec![invalid(row)]).await;
            caller.host.clock.advance(Duration::from_secs(1));
        }
    }
    let of_flow = |flow: &str| [3, 2, 1].map(|n| format!("{flow}~SUP-00000{n}")).to_vec();
    for limit in 1..=7 {
        let all = [of_flow("suppliers"), of_flow("vendors")].concat();
        assert_eq!(
            ids(&caller, &format!("limit={limit}")).await,
            all,
            "{limit}"
        );
        let one = ids(&caller, &format!("flow=vendors&limit={limit}")).await;
        assert_eq!(one, of_flow("vendors"), "{limit}");
    }
}

/// The ids of all pages of a listing.
async fn ids(caller: &Caller, query: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut path = format!("/v1/reviews?{query}");
    loop {
        let page = caller.get(&path).await.ok(200);
        let items = page["items"].as_array().unwrap();
        all.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        assert!(all.len() <= 6, "{all:?}");
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/reviews?{query}&cursor={next}"),
            None => return all,
        }
    }
}

#[tokio::test]
async fn a_listing_of_reviews_refuses_what_it_does_not_know() {
    let caller = with_review().await;
    caller.get("/v1/reviews?flow=orders").await.problem(404);
    let problem = caller.get("/v1/reviews?cursor=x").await.problem(400);
    assert_eq!(problem["field"], "cursor");
    let problem = caller.get("/v1/reviews?flows=suppliers").await.problem(400);
    assert_eq!(problem["field"], "flows");
}

#[tokio::test]
async fn an_edit_changes_what_will_be_sent_and_says_who_and_why() {
    let caller = with_review().await;
    let body = edit(&json!({"name": "Quillon Validation"}));
    let review = caller.patch_json(PATH, body).await.ok(200);
    assert_eq!(review["fields"]["name"], "Quillon Validation");
    let edited = &review["edited"];
    assert_eq!(edited["fields"], json!({"name": "Quillon Validation"}));
    assert_eq!(edited["by"], "Ana");
    assert_eq!(edited["why"], "the contract says so");
    is_now(&edited["at"]);
    let record = caller.get("/v1/flows/suppliers/records/SUP-000001").await;
    assert_eq!(record.ok(200)["edited"]["by"], "Ana");
}

#[tokio::test]
async fn an_edit_names_its_mistakes() {
    let caller = with_review().await;
    for (body, field) in [
        (json!({"by": "Ana", "why": "x"}), "fields"),
        (json!({"by": "Ana", "why": "x", "fields": {}}), "fields"),
        (json!({"by": "Ana", "why": "x", "fields": []}), "fields"),
        (json!({"why": "x", "fields": {"name": "a"}}), "by"),
        (json!({"by": "Ana", "fields": {"name": "a"}}), "why"),
    ] {
        let problem = caller.patch_json(PATH, body).await.problem(400);
        assert_eq!(problem["field"], field);
    }
    let unknown = caller.patch_json(PATH, edit(&json!({"nmae": "a"}))).await;
    assert_eq!(unknown.problem(422)["field"], "fields.nmae");
    let review = caller.get(PATH).await.ok(200);
    assert_eq!(review["edited"], Value::Null);
}

#[tokio::test]
async fn an_edit_that_would_not_be_sent_is_refused_and_its_value_is_told_to_nobody() {
    let caller = Caller::new();
    let mut row = invalid(rows(1).remove(0));
    row["quality"]["audit_score"] = json!(250);
    caller.batch("suppliers", vec![row]).await;
    for (fields, field, why) in [
        (json!({"name": ""}), "fields.name", "must not be empty"),
        (json!({"name": null}), "fields.name", "has no value"),
        (
            json!({"audit_score": 731}),
            "fields.audit_score",
            "at most 100",
        ),
        (
            json!({"audit_score": "a731"}),
            "fields.audit_score",
            "must be",
        ),
    ] {
        let problem = caller.patch_json(PATH, edit(&fields)).await.problem(422);
        assert_eq!(problem["field"], field, "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains(why) && !detail.contains("731"), "{detail}");
    }
    assert_eq!(caller.get(PATH).await.ok(200)["edited"], Value::Null);

    // One at a time: what is wrong with the other field waits for its own edit.
    for fields in [json!({"name": "Acme"}), json!({"audit_score": 73})] {
        caller.patch_json(PATH, edit(&fields)).await.ok(200);
    }
    caller.post(&format!("{PATH}/replay")).await.ok(202);
}

#[tokio::test]
async fn a_dry_run_shows_faults_and_request_and_sends_nothing() {
    let caller = with_review().await;
    let path = format!("{PATH}/replay?dry_run=true");
    let plan = caller.post(&path).await.ok(200);
    assert_eq!(plan["faults"][0]["field"], "name");

    let body = edit(&json!({"name": "Quillon Validation"}));
    caller.patch_json(PATH, body).await.ok(200);
    let plan = caller.post(&path).await.ok(200);
    assert_eq!(plan["faults"], json!([]));
    let request = &plan["requests"][0];
    assert_eq!(request["method"], "POST");
    assert_eq!(request["body"]["name"], "Quillon Validation");
    // The secret stands there by its name.
    let headers = request["headers"].to_string();
    assert!(headers.contains("<QUALIO_API_KEY>"), "{headers}");

    caller.get(PATH).await.ok(200);
    for tier in [Tier::RealTime, Tier::Batch] {
        assert_eq!(caller.host.queue.len(tier), 0);
    }
}

#[tokio::test]
async fn a_misspelt_dry_run_sends_nothing() {
    let caller = with_review().await;
    for query in [
        "dryrun=true",
        "dry_run=yes",
        "dry_run",
        "dry_run=true&dry_run=false",
    ] {
        let answer = caller.post(&format!("{PATH}/replay?{query}")).await;
        answer.problem(400);
    }
    assert_eq!(caller.host.queue.len(Tier::Batch), 0);
    caller.get(PATH).await.ok(200);
}

#[tokio::test]
async fn a_replay_takes_the_record_out_of_review_and_queues_it() {
    let caller = with_review().await;
    // As it stands it would be refused again without a call.
    caller.post(&format!("{PATH}/replay")).await.problem(409);
    caller.get(PATH).await.ok(200);
    let body = edit(&json!({"name": "Acme"}));
    caller.patch_json(PATH, body).await.ok(200);
    let answer = caller.post(&format!("{PATH}/replay")).await.ok(202);
    assert_eq!(answer, json!({"id": "suppliers~SUP-000001"}));
    assert_eq!(caller.host.queue.receive(Tier::Batch, 10).len(), 1);
    caller.get(PATH).await.problem(404);
    let record = caller.get("/v1/flows/suppliers/records/SUP-000001").await;
    assert_eq!(record.ok(200)["state"], "pending");
}

#[tokio::test]
async fn what_is_discarded_is_not_sent() {
    let caller = with_review().await;
    caller.post(&format!("{PATH}/discard")).await.ok(200);
    caller.get(PATH).await.problem(404);
    let record = caller.get("/v1/flows/suppliers/records/SUP-000001").await;
    assert_eq!(record.ok(200)["state"], "discarded");
    assert_eq!(caller.host.queue.len(Tier::Batch), 0);
}

#[tokio::test]
async fn what_is_no_record_can_only_be_discarded() {
    let (caller, path) = with_orphan().await;
    let review = caller.get(&path).await.ok(200);
    assert_eq!(review["key"], Value::Null);
    assert_eq!(review["cause"]["kind"], "rejected");
    caller.post(&format!("{path}/replay")).await.problem(409);
    caller
        .post(&format!("{path}/replay?dry_run=true"))
        .await
        .problem(409);
    let body = edit(&json!({"name": "x"}));
    caller.patch_json(&path, body).await.problem(409);
    caller.post(&format!("{path}/discard")).await.ok(200);
    caller.get(&path).await.problem(404);
    let none = caller.get("/v1/reviews").await.ok(200);
    assert_eq!(none, json!({"items": [], "next": null}));
}

#[tokio::test]
async fn a_review_of_a_key_with_a_slash_can_be_acted_on() {
    let caller = Caller::new();
    let mut row = invalid(rows(1).remove(0));
    row["id"] = json!("100/2026");
    caller.batch("suppliers", vec![row]).await;
    // Encoded, as on one machine, and decoded, as behind API Gateway.
    for path in [
        "/v1/reviews/suppliers~100%2F2026",
        "/v1/reviews/suppliers~100/2026",
    ] {
        let review = caller.get(path).await.ok(200);
        assert_eq!(review["id"], "suppliers~100/2026");
        caller.post(path).await.problem(404);
        caller
            .post(&format!("{path}/replay?dry_run=true"))
            .await
            .ok(200);
    }
    let path = "/v1/reviews/suppliers~100/2026/discard";
    caller
        .post(&format!("{path}?dry_run=true"))
        .await
        .problem(400);
    caller.post(path).await.ok(200);
}
