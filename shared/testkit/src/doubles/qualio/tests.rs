//! The Qualio double against what is known of Qualio, sent raw over HTTP. The refusals have
//! their own table.

use serde_json::{Value, json};

use super::{QualioConfig, QualioDouble, RISK_LEVELS, Status, Supplier, conflict};
use crate::doubles::{
    Limit, Seed, erp, stand_in_qualio,
    tests::{NOON_MS, StandingClock, client},
};

/// The right key and the right content type.
pub(super) const JSON_KEY: (&str, &str) = ("a-key", "application/json");

pub(super) const SUPPLIERS: &str = "/v1/suppliers/suppliers";
const LOW: &str = RISK_LEVELS[0].0;
const HIGH: &str = RISK_LEVELS[2].0;

pub(super) async fn start(limit: Limit) -> (QualioDouble, StandingClock) {
    let clock = StandingClock::new(NOON_MS);
    let config = QualioConfig::new(clock.clock(), "a-key").limit(limit);
    (QualioDouble::start(config).await.unwrap(), clock)
}

/// Sends a body as it is, with this key and content type where they are not empty.
pub(super) async fn send_raw(
    qualio: &QualioDouble,
    (method, path): (&str, &str),
    (key, mime): (&str, &str),
    body: &str,
) -> (u16, reqwest::header::HeaderMap, Value) {
    let url = format!("{}{path}", qualio.url());
    let mut request = client().request(method.parse().unwrap(), url);
    if !key.is_empty() {
        request = request.header("X-Api-Key", key);
    }
    if !mime.is_empty() {
        request = request.header("Content-Type", mime);
    }
    let answer = request.body(body.to_owned()).send().await.unwrap();
    let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
    let text = answer.text().await.unwrap();
    (status, headers, serde_json::from_str(&text).unwrap())
}

async fn send(qualio: &QualioDouble, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = body.to_string();
    let with = ("a-key", "application/json");
    let (status, _, body) = send_raw(qualio, (method, path), with, &body).await;
    (status, body)
}

pub(super) async fn created(qualio: &QualioDouble, body: Value) -> Supplier {
    let (status, body) = send(qualio, "POST", SUPPLIERS, body).await;
    assert_eq!(status, 200, "{body}");
    serde_json::from_value(body).unwrap()
}

#[tokio::test]
async fn every_mistake_of_a_body_is_told_at_once() {
    let (qualio, _) = start(Limit::CountOnly).await;
    let body = json!({ "extra": 1, "sponsor_user_id": 5, "contact_information": { "fax": 1 } });
    let (status, answer) = send(&qualio, "POST", SUPPLIERS, body).await;
    assert_eq!(status, 400);
    assert_eq!(answer["errors"].as_array().unwrap().len(), 4, "{answer}");
}

#[tokio::test]
async fn the_201st_call_of_a_minute_is_429_without_retry_after_and_does_nothing() {
    let (qualio, clock) = start(Limit::QUALIO).await;
    for call in 0..200 {
        clock.set(NOON_MS + call);
        let (status, _) = send(&qualio, "GET", "/v1/suppliers/risks", Value::Null).await;
        assert_eq!(status, 200);
    }
    clock.set(NOON_MS + 59_999);
    let body = r#"{"name":"A"}"#;
    let (status, headers, answer) = send_raw(&qualio, ("POST", SUPPLIERS), JSON_KEY, body).await;
    assert_eq!(status, 429);
    assert!(answer["message"].is_string());
    assert!(!headers.contains_key("retry-after"));
    assert!(qualio.suppliers().is_empty());
    clock.set(NOON_MS + 60_000);
    created(&qualio, json!({ "name": "A" })).await;
}

#[tokio::test]
async fn a_create_makes_a_draft_and_a_second_one_makes_another() {
    let (qualio, _) = start(Limit::CountOnly).await;
    let body = json!({
        "name": "Acme", "intended_use": "Reagents", "sponsor_user_id": 101.0, "risk_id": HIGH,
        "contact_information": {
            "name": "A", "email": "a@acme.example", "phone": "1", "address": "B",
            "website": "https://acme.example", "notes": "Closed in May.\n[key:SUP-000123]",
        },
    });
    let (status, headers, shown) =
        send_raw(&qualio, ("POST", SUPPLIERS), JSON_KEY, &body.to_string()).await;
    assert_eq!(status, 200);
    assert!(!headers.contains_key("etag"));
    let one: Supplier = serde_json::from_value(shown.clone()).unwrap();
    assert_eq!((one.status, one.archived), (Status::Draft, false));
    assert_eq!(one.sponsor_user_id, Some(101));
    assert_eq!(one.key().as_deref(), Some("SUP-000123"));
    assert_eq!(shown["risk_type"]["id"], HIGH);
    assert_eq!(shown["approved_at"], Value::Null);
    assert!(shown.get("risk_id").is_none());

    let two = created(&qualio, body).await;
    assert_ne!(one.supplier_id, two.supplier_id);
    assert_eq!(qualio.created_by_key()["SUP-000123"], 2);
    assert_eq!(qualio.suppliers_of_key("SUP-000123"), [one.clone(), two]);
    let path = format!("{SUPPLIERS}/{}", one.supplier_id);
    let (status, read) = send(&qualio, "GET", &path, Value::Null).await;
    assert_eq!((status, read), (200, shown));
    assert_eq!(qualio.calls()[2].key.as_deref(), Some("SUP-000123"));
}

#[tokio::test]
async fn a_replace_clears_what_it_does_not_name_the_risk_level_too() {
    let (qualio, clock) = start(Limit::CountOnly).await;
    let body = json!({
        "name": "Acme", "intended_use": "Reagents", "sponsor_user_id": 101, "risk_id": LOW,
        "contact_information": { "notes": "[key:SUP-000123]", "phone": "1" },
    });
    let old = created(&qualio, body).await;
    qualio.edit(&old.supplier_id, |supplier| {
        supplier.status = Status::Approved;
    });
    clock.set(NOON_MS + 1_000);
    let path = format!("{SUPPLIERS}/{}", old.supplier_id);
    let body = json!({ "name": "Acme Ltd", "contact_information": { "email": "x@y.example" } });
    let (status, shown) = send(&qualio, "PUT", &path, body).await;
    assert_eq!(status, 200);
    let new: Supplier = serde_json::from_value(shown).unwrap();
    assert_eq!(new.name, "Acme Ltd");
    assert_eq!(new.status, Status::Approved);
    assert_eq!(new.created_at, old.created_at);
    assert!(new.modified_at > old.modified_at);
    let cleared = (new.intended_use, new.sponsor_user_id, new.risk_type);
    assert_eq!(cleared, (None, None, None));
    let contact = new.contact_information.unwrap();
    assert_eq!((contact.phone, contact.notes), (None, None));
    assert_eq!(contact.email.as_deref(), Some("x@y.example"));
}

#[tokio::test]
async fn a_list_holds_one_status_and_the_risks_hold_three_levels() {
    let (qualio, _) = start(Limit::CountOnly).await;
    created(&qualio, json!({ "name": "A" })).await;
    let approved = created(&qualio, json!({ "name": "B" })).await;
    qualio.edit(&approved.supplier_id, |supplier| {
        supplier.status = Status::Approved;
    });
    let mut seen = Vec::new();
    for status in [
        "REVIEW_PENDING",
        "APPROVED",
        "REJECTED",
        "DRAFT",
        "ARCHIVED",
    ] {
        let path = format!("{SUPPLIERS}?status={status}");
        let (_, list) = send(&qualio, "GET", &path, Value::Null).await;
        seen.push(list["items"].as_array().unwrap().len());
    }
    assert_eq!(seen, [0, 1, 0, 1, 0]);
    let (_, risks) = send(&qualio, "GET", "/v1/suppliers/risks", Value::Null).await;
    assert_eq!(risks["items"][0]["type"], "Risk");
    let titles = risks["items"][0]["options"].as_array().unwrap();
    let titles: Vec<_> = titles.iter().map(|level| level["title"].as_str()).collect();
    assert_eq!(titles, [Some("Low"), Some("Medium"), Some("High")]);
}

#[tokio::test]
async fn a_conflict_can_be_made_to_happen() {
    let (qualio, _) = start(Limit::CountOnly).await;
    let fault = conflict("name", "is taken").times(1);
    qualio.set_fault(fault).unwrap();
    let (status, body) = send(&qualio, "POST", SUPPLIERS, json!({ "name": "A" })).await;
    assert_eq!(status, 409);
    assert_eq!(
        body,
        json!({ "errors": [{ "field": "name", "message": "is taken" }] })
    );
}

#[tokio::test]
async fn standing_suppliers_carry_marker_notes_sponsor_and_risk_but_count_as_nothing_created() {
    let (qualio, _) = start(Limit::CountOnly).await;
    let rows = erp::realistic_suppliers(1, 40, NOON_MS);
    let standing = stand_in_qualio(&qualio, &rows, &mut Seed::new(1));
    assert_eq!(qualio.suppliers(), standing);
    for (row, supplier) in rows.iter().zip(&standing) {
        assert_eq!(supplier.key().as_deref(), Some(row.id.as_str()));
        assert_eq!(supplier.name, row.legal_name);
        assert_eq!(supplier.sponsor_user_id, Some(row.sponsor_id));
        assert!(supplier.risk_type.is_some());
        let notes = supplier.contact_information.clone().unwrap().notes.unwrap();
        assert_eq!(notes.lines().count(), 2, "{notes}");
    }
    assert!(qualio.created_by_key().is_empty());
    assert!(qualio.calls().is_empty());
}

#[tokio::test]
async fn a_double_that_is_given_what_was_written_goes_on_as_the_one_before() {
    let clock = StandingClock::new(NOON_MS);
    let told = std::sync::Arc::new(std::sync::Mutex::new(Vec::<Supplier>::new()));
    let kept = std::sync::Arc::clone(&told);
    let config = QualioConfig::new(clock.clock(), "a-key")
        .on_write(move |supplier| kept.lock().unwrap().push(supplier.clone()));
    let one = QualioDouble::start(config).await.unwrap();
    let standing = one.put_standing(Supplier::draft("Old"));
    let new = created(&one, json!({ "name": "New" })).await;
    let path = format!("{SUPPLIERS}/{}", new.supplier_id);
    send(&one, "PUT", &path, json!({ "name": "Newer" })).await;
    one.edit(&standing.supplier_id, |supplier| supplier.archived = true);
    let names: Vec<_> = told
        .lock()
        .unwrap()
        .iter()
        .map(|s| s.name.clone())
        .collect();
    assert_eq!(names, ["Old", "New", "Newer", "Old"]);

    let newest = told.lock().unwrap()[2..].to_vec();
    let config = QualioConfig::new(clock.clock(), "a-key").suppliers(newest);
    let two = QualioDouble::start(config).await.unwrap();
    assert_eq!(two.suppliers(), one.suppliers());
    let third = created(&two, json!({ "name": "Third" })).await;
    assert_eq!(two.suppliers().len(), 3);
    assert_eq!(two.suppliers().last(), Some(&third), "ids go on growing");
}
