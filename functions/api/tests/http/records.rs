//! Records.

use std::{collections::BTreeSet, time::Duration};

use axum::{body::Body, http::Request};
use serde_json::{Value, json};
use tidegate_engine::ports::Store as _;
use tidegate_model::{
    EndpointId, Fetch, Message, Tier,
    item::{Condition, Update},
};
use tidegate_policy::keys;

use crate::caller::{Answer, Caller, bearing, is_now, rows};

const PATH: &str = "/v1/flows/suppliers/records/SUP-000001";

async fn get_unless(caller: &Caller, known: &str) -> Answer {
    let request = bearing(Request::get(PATH)).header("if-none-match", known);
    caller.send(request, Body::empty()).await
}

#[tokio::test]
async fn a_record_shows_its_fields_its_state_and_why_it_is_in_its_tier() {
    let caller = Caller::new();
    let row = rows(1).remove(0);
    caller.batch("suppliers", vec![row.clone()]).await;
    let record = caller.get(PATH).await.ok(200);
    assert_eq!(record["key"], "SUP-000001");
    assert_eq!(record["state"], "pending");
    assert_eq!(record["fields"]["name"], row["legal_name"]);
    assert_eq!(record["tier"], "batch");
    assert_eq!(record["tier_reason"], json!({"why": "first_seen_in_batch"}));
    is_now(&record["pending_since"]);
    for absent in [
        "last_updated",
        "staleness_s",
        "degraded",
        "review",
        "edited",
        "target_id",
    ] {
        assert_eq!(record[absent], Value::Null, "{absent}");
    }

    caller.apply("suppliers", "SUP-000001").await;
    caller.host.clock.advance(Duration::from_secs(90));
    let record = caller.get(PATH).await.ok(200);
    assert_eq!(record["state"], "applied");
    is_now(&record["last_updated"]);
    assert_eq!(record["staleness_s"], 90);
    assert_eq!(record["stale"], false);
    assert_eq!(record["target_id"], "qualio-1");
    assert_eq!(record["pending_since"], Value::Null);
}

#[tokio::test]
async fn a_reader_is_told_what_is_stale_and_why_newer_changes_may_not_show() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(1)).await;
    caller.apply("suppliers", "SUP-000001").await;
    // The flow's goal for what is not critical is nine hours.
    for (after_s, stale) in [(32_400, false), (1, true)] {
        caller.host.clock.advance(Duration::from_secs(after_s));
        let record = caller.get(PATH).await.ok(200);
        assert_eq!(record["stale"], stale, "{record}");
        assert_eq!(record["degraded"], Value::Null);
    }
    let pause = json!({"reason": "move", "by": "ada", "scope": "source"});
    caller.post_json("/v1/flows/suppliers/pause", pause).await;
    let page = caller.get("/v1/flows/suppliers/records").await.ok(200);
    assert_eq!(page["items"][0]["degraded"], "paused by ada: move");
    let resume = json!({"by": "ada"});
    caller.post_json("/v1/flows/suppliers/resume", resume).await;
    assert_eq!(caller.get(PATH).await.ok(200)["degraded"], Value::Null);

    let until = caller.host.engine.now() + Duration::from_mins(5);
    let open = Update::when(Condition::ALWAYS).set("until", until.0);
    let source = keys::breaker(&EndpointId::try_new("erp").unwrap());
    caller.host.store.update(&source, &open).await.unwrap();
    let record = caller.get(PATH).await.ok(200);
    assert_eq!(record["degraded"], "calls to erp pause after failures");
}

/// The name changes, then the audit score (a critical field), then the name again.
#[tokio::test]
async fn a_record_that_changes_often_is_as_old_as_its_oldest_change_that_waits() {
    let caller = Caller::new();
    let mut row = rows(1).remove(0);
    caller.batch("suppliers", vec![row.clone()]).await;
    caller.apply("suppliers", "SUP-000001").await;
    let changes = [
        json!({"version": 1_002, "legal_name": "Alpha"}),
        json!({"version": 1_003, "quality": {"audit_score": 7}}),
        json!({"version": 1_004, "legal_name": "Beta"}),
    ];
    for change in changes {
        caller.host.clock.advance(Duration::from_mins(10));
        merge(&mut row, &change);
        caller.batch("suppliers", vec![row.clone()]).await;
    }
    caller.host.clock.advance(Duration::from_mins(10));
    let record = caller.get(PATH).await.ok(200);
    assert_eq!(record["tier"], "real_time");
    is_at("02:10:00", &record["pending_since"]);
    is_at("02:00:00", &record["last_updated"]);

    caller.host.engine.tick(None).await.unwrap();
    let flow = caller.get("/v1/flows").await.ok(200)["items"][0].clone();
    let backlog = &flow["backlog"];
    is_at("02:10:00", &backlog["oldest_batch"]);
    is_at("02:20:00", &backlog["oldest_real_time"]);
    assert_eq!(flow["freshness"]["critical_s"], 20 * 60);
    assert_eq!(flow["freshness"]["other_s"], 30 * 60);
}

/// RFC 7396, but for nulls.
fn merge(into: &mut Value, change: &Value) {
    match change {
        Value::Object(members) => {
            for (name, value) in members {
                merge(&mut into[name], value);
            }
        }
        value => *into = value.clone(),
    }
}

fn is_at(time: &str, moment: &Value) {
    let text = moment.as_str().unwrap();
    assert!(text.starts_with(&format!("2026-11-20T{time}.")), "{text}");
}

#[tokio::test]
async fn a_record_that_is_known_is_not_sent_again_until_it_changes() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(1)).await;
    let first = caller.get(PATH).await;
    let tag = first.headers["etag"].to_str().unwrap().to_owned();
    assert!(tag.starts_with("W/\""), "{tag}");
    assert_eq!(first.headers["cache-control"], "private, no-cache");
    first.ok(200);

    // Its age grows, the record does not change.
    caller.host.clock.advance(Duration::from_mins(1));
    let strong = tag.trim_start_matches("W/").to_owned();
    for known in [&tag, &strong, "*", &format!("\"other\", {tag}")] {
        let answer = get_unless(&caller, known).await;
        assert_eq!(answer.headers["etag"], tag.as_str());
        assert_eq!(answer.ok(304), Value::Null, "{known}");
    }
    get_unless(&caller, "\"other\"").await.ok(200);

    caller.apply("suppliers", "SUP-000001").await;
    let changed = get_unless(&caller, &tag).await;
    assert_ne!(changed.headers["etag"], tag.as_str());
    changed.ok(200);
}

#[tokio::test]
async fn a_record_or_flow_that_is_not_known_is_not_found() {
    let caller = Caller::new();
    caller.get(PATH).await.problem(404);
    for path in [
        "/v1/flows/orders/records/SUP-000001",
        "/v1/flows/No%20Flow/records/SUP-000001",
        "/v1/flows/%ff/records/SUP-000001",
        "/v1/flows/orders/records",
    ] {
        caller.get(path).await.problem(404);
    }
    let sync = caller.post("/v1/flows/orders/records/A/sync").await;
    sync.problem(404);
}

#[tokio::test]
async fn a_key_may_hold_what_a_path_must_escape_and_has_its_limits() {
    let caller = Caller::new();
    let mut row = rows(1).remove(0);
    row["id"] = json!("Zürich/7 %2F?");
    caller.batch("suppliers", vec![row]).await;
    let path = "/v1/flows/suppliers/records/Z%C3%BCrich%2F7%20%252F%3F";
    assert_eq!(caller.get(path).await.ok(200)["key"], "Zürich/7 %2F?");
    caller.post(&format!("{path}/sync")).await.ok(202);
    let sent = caller.host.queue.receive(Tier::RealTime, 10);
    let message = Message::decode(&sent[0].body).unwrap();
    assert_eq!(message.keys[0].as_str(), "Zürich/7 %2F?");
    caller.post(path).await.problem(404);

    for bad in ["%00", &"x".repeat(257)] {
        let path = format!("/v1/flows/suppliers/records/{bad}");
        assert_eq!(caller.get(&path).await.problem(400)["field"], "key");
    }
}

#[tokio::test]
async fn pages_show_every_record_once() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(7)).await;
    let mut seen = Vec::new();
    let mut path = "/v1/flows/suppliers/records?limit=2".to_owned();
    // 7 records, 2 a page: 4 pages, and one more may be empty.
    for _ in 0..5 {
        let page = caller.get(&path).await.ok(200);
        let items = page["items"].as_array().unwrap();
        assert!(items.len() <= 2);
        seen.extend(
            items
                .iter()
                .map(|item| item["key"].as_str().unwrap().to_owned()),
        );
        match page["next"].as_str() {
            Some(next) => path = format!("/v1/flows/suppliers/records?limit=2&cursor={next}"),
            None => break,
        }
    }
    let once: BTreeSet<_> = seen.iter().cloned().collect();
    assert_eq!((seen.len(), once.len()), (7, 7), "{seen:?}");
    let all = caller.get("/v1/flows/suppliers/records").await.ok(200);
    assert_eq!(all["items"].as_array().unwrap().len(), 7);
    assert_eq!(all["next"], Value::Null);
}

#[tokio::test]
async fn a_listing_takes_only_its_own_cursors_and_a_limit_in_range() {
    let caller = Caller::new();
    caller.batch("suppliers", rows(3)).await;
    let page = caller
        .get("/v1/flows/suppliers/records?limit=1")
        .await
        .ok(200);
    let next = page["next"].as_str().unwrap();
    for cursor in ["x", "0.x", &next[..next.len() - 1], &format!("0{next}")] {
        let path = format!("/v1/flows/suppliers/records?cursor={cursor}");
        assert_eq!(
            caller.get(&path).await.problem(400)["field"],
            "cursor",
            "{cursor}"
        );
    }
    let other = format!("/v1/flows/vendors/records?cursor={next}");
    assert_eq!(caller.get(&other).await.problem(400)["field"], "cursor");
    for (query, field) in [
        ("limit=0", "limit"),
        ("limit=101", "limit"),
        ("limit=ten", "limit"),
        ("limit=1&limit=2", "limit"),
        ("curser=x", "curser"),
    ] {
        let path = format!("/v1/flows/suppliers/records?{query}");
        assert_eq!(
            caller.get(&path).await.problem(400)["field"],
            field,
            "{query}"
        );
    }
}

#[tokio::test]
async fn a_force_sync_is_queued_once_in_ten_seconds() {
    let caller = Caller::new();
    let path = format!("{PATH}/sync");
    for (wait_s, coalesced) in [(0, false), (0, true), (11, false)] {
        caller.host.clock.advance(Duration::from_secs(wait_s));
        let accepted = caller.post(&path).await.ok(202);
        assert_eq!(accepted["coalesced"], coalesced);
        // Whether the source has it turns out later, and is then seen in the log.
        let note = accepted["note"].as_str().unwrap();
        assert!(note.contains("`not found at source`"), "{note}");
    }
    let sent = caller.host.queue.receive(Tier::RealTime, 10);
    assert_eq!(sent.len(), 2);
    let message = Message::decode(&sent[0].body).unwrap();
    assert_eq!(message.fetch, Some(Fetch::Forced));
    assert_eq!(message.keys[0].as_str(), "SUP-000001");
}
