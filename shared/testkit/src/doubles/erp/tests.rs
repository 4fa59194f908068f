//! The ERP double: pages, changes, webhooks.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    ChangeKind, ErpConfig, ErpDouble, ErpSupplier, realistic_suppliers,
    webhook::{Told, sign, sign_body},
};
use crate::doubles::{
    Seed,
    qualio::SPONSORS,
    tests::{NOON_MS, StandingClock, client},
};

async fn start(count: u32) -> (ErpDouble, StandingClock) {
    let clock = StandingClock::new(NOON_MS);
    let rows = realistic_suppliers(7, count, NOON_MS);
    let config = ErpConfig::new(clock.clock(), "a-token").suppliers(rows);
    (ErpDouble::start(config).await.unwrap(), clock)
}

async fn get(erp: &ErpDouble, path: &str, token: &str) -> (u16, Value) {
    let request = client().get(format!("{}{path}", erp.url()));
    let answer = request.header("Authorization", token).send().await.unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

async fn list(erp: &ErpDouble, query: &str) -> (Vec<ErpSupplier>, bool) {
    let (status, page) = get(erp, &format!("/api/suppliers?{query}"), "Bearer a-token").await;
    assert_eq!(status, 200, "{page}");
    let items = serde_json::from_value(page["items"].clone()).unwrap();
    (items, page["has_more"].as_bool().unwrap())
}

async fn post(erp: &ErpDouble, path: &str, body: Value) -> (u16, Value) {
    let answer = client()
        .post(format!("{}/_double/{path}", erp.url()))
        .header("Content-Type", "application/json")
        .body(body.to_string())
        .send()
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap())
}

#[tokio::test]
async fn pages_by_time_and_id_hold_every_row_once_though_many_share_a_second() {
    let (erp, clock) = start(60).await;
    clock.set(NOON_MS + 999);
    for number in 11..=40 {
        erp.change(&format!("SUP-{number:06}"), |row| row.purpose.push('!'));
    }
    let mut seen = Vec::new();
    let mut query = "limit=7".to_owned();
    loop {
        let (items, has_more) = list(&erp, &query).await;
        assert_eq!(items.len(), if has_more { 7 } else { 4 });
        seen.extend(items);
        let last = seen.last().unwrap();
        query = format!(
            "limit=7&modified_since={}&after_id={}",
            last.modified_at, last.id
        );
        if !has_more {
            break;
        }
    }
    let ids: BTreeSet<_> = seen.iter().map(|row| row.id.clone()).collect();
    assert_eq!((seen.len(), ids.len()), (60, 60));
    assert!(seen.is_sorted_by_key(|row| (row.modified_at, row.id.clone())));
    assert!(list(&erp, &query).await.0.is_empty());
}

#[tokio::test]
async fn a_list_since_a_time_holds_the_rows_of_that_second_too() {
    let (erp, clock) = start(5).await;
    clock.set(NOON_MS + 5_700);
    let changed = erp
        .change("SUP-000003", |row| row.quality.blocked = true)
        .unwrap();
    let second = Timestamp::from_millisecond(NOON_MS + 5_000).unwrap();
    assert_eq!(changed.modified_at, second);
    let (rows, _) = list(&erp, &format!("modified_since={second}")).await;
    assert_eq!(rows, [changed]);
    let later = Timestamp::from_millisecond(NOON_MS + 6_000).unwrap();
    assert!(
        list(&erp, &format!("modified_since={later}"))
            .await
            .0
            .is_empty()
    );
    let past = format!("modified_since={second}&after_id=SUP-000003");
    assert!(list(&erp, &past).await.0.is_empty());
}

#[tokio::test]
async fn mistaken_calls_are_refused_in_one_shape() {
    let (erp, _) = start(2).await;
    let cases = [
        ("/api/suppliers", "", 401),
        ("/api/suppliers", "Bearer b-token", 401),
        ("/api/suppliers/SUP-000001", "Basic a-token", 401),
        ("/api/suppliers/SUP-000009", "Bearer a-token", 404),
        ("/api/other", "Bearer a-token", 404),
        ("/api/suppliers?limit=0", "Bearer a-token", 400),
        ("/api/suppliers?limit=501", "Bearer a-token", 400),
        ("/api/suppliers?limit=ten", "Bearer a-token", 400),
        (
            "/api/suppliers?modified_since=yesterday",
            "Bearer a-token",
            400,
        ),
    ];
    for (path, token, status) in cases {
        let (answered, body) = get(&erp, path, token).await;
        assert_eq!(answered, status, "{path}");
        assert!(body["error"]["code"].is_string(), "{path}: {body}");
    }
    assert_eq!(erp.calls().len(), cases.len());
}

#[tokio::test]
async fn one_row_is_read_by_its_id_until_it_is_deleted() {
    let (erp, _) = start(3).await;
    let path = "/api/suppliers/SUP-000002";
    let (status, row) = get(&erp, path, "Bearer a-token").await;
    assert_eq!((status, row), (200, json!(erp.supplier("SUP-000002"))));
    assert!(erp.delete("SUP-000002"));
    assert!(!erp.delete("SUP-000002"));
    assert_eq!(get(&erp, path, "Bearer a-token").await.0, 404);
    assert_eq!(list(&erp, "").await.0.len(), 2);
    assert_eq!(erp.calls()[0].key.as_deref(), Some("SUP-000002"));
}

#[test]
fn realistic_suppliers_are_equal_for_an_equal_seed_and_sound() {
    let rows = realistic_suppliers(7, 120, NOON_MS);
    assert_eq!(rows, realistic_suppliers(7, 120, NOON_MS));
    assert_ne!(rows, realistic_suppliers(8, 120, NOON_MS));
    assert_eq!(rows[122 - 3].id, "SUP-000120");
    for row in &rows {
        assert!((0.0..=100.0).contains(&row.quality.audit_score));
        assert!(SPONSORS.contains(&row.sponsor_id));
        assert!(!row.legal_name.is_empty() && row.contact.email.ends_with(".example"));
        assert!(row.modified_at.as_millisecond() < NOON_MS);
        assert!(row.contact.email.is_ascii(), "{}", row.contact.email);
    }
    assert_eq!(rows[38].legal_name, rows[39].legal_name, "namesakes");
    let seconds: BTreeSet<_> = rows.iter().map(|row| row.modified_at).collect();
    assert!(seconds.len() < rows.len(), "some share a second");
}

#[tokio::test]
async fn each_kind_of_random_change_does_what_it_is_called_for() {
    let (erp, _) = start(30).await;
    let mut seed = Seed::new(3);
    for round in 0..400 {
        let kind = [
            ChangeKind::Ordinary,
            ChangeKind::Critical,
            ChangeKind::Invalid,
            ChangeKind::Refused,
        ][round % 4];
        let before = erp.suppliers();
        let after = erp.random_change(&mut seed, kind).unwrap();
        let before = before.into_iter().find(|row| row.id == after.id).unwrap();
        assert_eq!(after.version, before.version + 1);
        let same_quality = after.quality == before.quality;
        let (name, points) = (&after.legal_name, after.quality.audit_score);
        match kind {
            ChangeKind::Ordinary => {
                assert!(same_quality);
                let told = |row: &ErpSupplier| (row.contact.clone(), row.purpose.clone());
                assert_ne!(told(&after), told(&before));
            }
            ChangeKind::Critical => {
                assert!(!same_quality);
                assert_eq!(after.contact, before.contact);
            }
            ChangeKind::Invalid => assert!(name.is_empty() || points > 100.0),
            ChangeKind::Refused => assert!(!SPONSORS.contains(&after.sponsor_id)),
        }
    }
}

#[tokio::test]
async fn another_process_can_change_insert_and_delete() {
    let (erp, clock) = start(3).await;
    clock.set(NOON_MS + 10_000);
    let before = erp.supplier("SUP-000001").unwrap();
    let set = json!({ "quality": { "blocked": true }, "purpose": "x", "version": 99 });
    let (status, row) = post(&erp, "change", json!({ "id": "SUP-000001", "set": set })).await;
    assert_eq!(status, 200);
    let after = erp.supplier("SUP-000001").unwrap();
    assert_eq!(row, json!(after));
    assert!(after.quality.blocked);
    assert_eq!(after.version, before.version + 1);
    assert_eq!(after.quality.certificates, before.quality.certificates);

    let (_, row) = post(&erp, "change", json!({ "random": "invalid", "seed": 4 })).await;
    assert_eq!(row["modified_at"], after.modified_at.to_string());
    let (_, row) = post(&erp, "insert", json!({ "seed": 5 })).await;
    assert_eq!(
        (&row["id"], &row["version"]),
        (&json!("SUP-000004"), &json!(1))
    );
    let mut other = after.clone();
    other.id = "SUP-000900".to_owned();
    let (status, _) = post(&erp, "insert", json!({ "supplier": other })).await;
    assert_eq!((status, erp.suppliers().len()), (200, 5));
    let (status, _) = post(&erp, "delete", json!({ "id": "SUP-000900" })).await;
    assert_eq!((status, erp.suppliers().len()), (200, 4));

    let mistakes = [
        ("delete", json!({ "id": "SUP-000900" }), 404),
        ("change", json!({ "id": "SUP-000900", "set": {} }), 404),
        (
            "change",
            json!({ "id": "SUP-000001", "set": { "fax": 1 } }),
            400,
        ),
        ("change", json!({ "id": "SUP-000001" }), 400),
        ("insert", json!({}), 400),
    ];
    for (path, body, status) in mistakes {
        assert_eq!(post(&erp, path, body).await.0, status, "{path}");
    }
    assert!(erp.calls().is_empty());
}

#[test]
fn webhooks_are_signed_as_the_published_vectors_say() {
    let cases = [
        (
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            ("msg_27UH4WbU6Z5A5EzD8u03UvzRbpk", 1_649_367_553),
            r#"{"email":"test@example.com","username":"test_user"}"#,
            "v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw=",
        ),
        (
            "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            ("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330),
            r#"{"test": 2432232314}"#,
            "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
        ),
    ];
    for (secret, (id, timestamp_s), body, signature) in cases {
        let signed = sign_body(body.to_owned(), secret, id, timestamp_s).unwrap();
        let expected = [
            ("content-type", "application/json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", timestamp_s.to_string()),
            ("webhook-signature", signature.to_owned()),
        ];
        assert_eq!(signed.headers, expected);
        assert_eq!(signed.body, body);
    }
    assert!(sign_body(String::new(), "whsec_!", "msg_1", 0).is_err());
}

#[test]
fn a_webhook_tells_the_whole_row_or_only_its_id() {
    let rows = realistic_suppliers(7, 1, NOON_MS);
    let secret = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
    let body = |told| {
        let signed = sign(told, secret, "msg_1", 1_790_000_000).unwrap();
        serde_json::from_str::<Value>(&signed.body).unwrap()
    };
    let whole = json!({ "event": "supplier.changed", "supplier": rows[0] });
    assert_eq!(body(Told::Whole(&rows[0])), whole);
    let partial = json!({ "event": "supplier.changed", "id": "SUP-000001" });
    assert_eq!(body(Told::Partial("SUP-000001")), partial);
}

#[tokio::test]
async fn every_change_is_told_as_it_then_stands() {
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let kept = std::sync::Arc::clone(&told);
    let clock = StandingClock::new(NOON_MS);
    let config = ErpConfig::new(clock.clock(), "a-token")
        .suppliers(realistic_suppliers(7, 1, NOON_MS))
        .on_write(move |id, row| {
            let name = row.map(|row| row.legal_name.clone());
            kept.lock().unwrap().push((id.to_owned(), name));
        });
    let erp = ErpDouble::start(config).await.unwrap();
    erp.change("SUP-000001", |row| {
        "Changed".clone_into(&mut row.legal_name);
    });
    let added = erp.insert_random(&mut Seed::new(3));
    assert!(erp.delete("SUP-000001"));
    assert!(!erp.delete("SUP-000001"));
    let expected = [
        ("SUP-000001".to_owned(), Some("Changed".to_owned())),
        (added.id.clone(), Some(added.legal_name.clone())),
        ("SUP-000001".to_owned(), None),
    ];
    assert_eq!(*told.lock().unwrap(), expected);
}
