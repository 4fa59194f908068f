//! Private fields: masked wherever fields are shown, but for the token with the scope `fields`.

use axum::{
    body::Body,
    http::{Request, request::Builder},
};
use serde_json::{Value, json};

use crate::caller::{Answer, Caller, FIELDS_TOKEN, TOKEN, invalid, rows};

const RECORD: &str = "/v1/flows/suppliers/records/SUP-000001";
const REVIEW: &str = "/v1/reviews/suppliers~SUP-000001";
/// The fields that the flow calls private, and where the row has them.
const PRIVATE: [(&str, &str); 4] = [
    ("contact_name", "/contact/name"),
    ("email", "/contact/email"),
    ("phone", "/contact/phone"),
    ("address", "/contact/address"),
];

async fn by(caller: &Caller, token: &str, request: Builder, body: &Value) -> Answer {
    let request = request.header("authorization", format!("Bearer {token}"));
    let body = if body.is_null() {
        String::new()
    } else {
        body.to_string()
    };
    caller.send(request, Body::from(body)).await
}

/// Private values of a row.
fn values(row: &Value) -> Vec<String> {
    let value = |(_, at): &(&str, &str)| row.pointer(at).unwrap().as_str().unwrap().to_owned();
    PRIVATE.iter().map(value).collect()
}

/// It shows none of the private values, where anything of the record is shown; or all of them.
fn shows(answer: &Answer, values: &[String], is_shown: bool) {
    let text = answer.body.to_string();
    for value in values {
        assert_eq!(text.contains(value), is_shown, "{value} in {text}");
    }
    assert_eq!(text.contains("(private)"), !is_shown, "{text}");
}

#[tokio::test]
async fn the_private_fields_of_records_are_shown_to_the_token_with_the_scope_only() {
    let caller = Caller::new();
    let row = rows(1).remove(0);
    caller.batch("suppliers", vec![row.clone()]).await;
    for path in [RECORD, "/v1/flows/suppliers/records"] {
        for (token, is_shown) in [(TOKEN, false), (FIELDS_TOKEN, true)] {
            let answer = by(&caller, token, Request::get(path), &Value::Null).await;
            assert_eq!(answer.status, 200);
            shows(&answer, &values(&row), is_shown);
        }
    }
    let masked = by(&caller, TOKEN, Request::get(RECORD), &Value::Null).await;
    let whole = by(&caller, FIELDS_TOKEN, Request::get(RECORD), &Value::Null).await;
    for (name, _) in PRIVATE {
        assert_eq!(masked.body["fields"][name], "(private)");
    }
    assert_eq!(masked.body["fields"]["name"], row["legal_name"]);
    // What one token was shown is not taken for what the other one is.
    assert_ne!(masked.headers["etag"], whole.headers["etag"]);
}

#[tokio::test]
async fn what_is_null_is_shown_as_null() {
    let caller = Caller::new();
    let mut row = rows(1).remove(0);
    row["contact"]["email"] = Value::Null;
    caller.batch("suppliers", vec![row]).await;
    let record = caller.get(RECORD).await.ok(200);
    assert_eq!(record["fields"]["email"], Value::Null);
    assert_eq!(record["fields"]["phone"], "(private)");
}

#[tokio::test]
async fn reviews_their_edits_and_what_a_replay_would_send_are_masked() {
    let caller = Caller::new();
    let mut row = invalid(rows(1).remove(0));
    row["contact"]["email"] = json!("Grete.Olsen@example.com");
    caller.batch("suppliers", vec![row.clone()]).await;
    let values = values(&row);
    let edit = json!({"fields": {"phone": "+49 555 0100"}, "by": "Ana", "why": "she called"});
    let dry_run = format!("{REVIEW}/replay?dry_run=true");
    for (token, is_shown) in [(TOKEN, false), (FIELDS_TOKEN, true)] {
        for path in ["/v1/reviews", REVIEW] {
            shows(
                &by(&caller, token, Request::get(path), &Value::Null).await,
                &values,
                is_shown,
            );
        }
    }
    let mut edited = values.clone();
    edited[2] = "+49 555 0100".to_owned();
    for (token, is_shown) in [(TOKEN, false), (FIELDS_TOKEN, true)] {
        let answer = by(&caller, token, Request::patch(REVIEW), &edit).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        shows(&answer, &edited, is_shown);
        let named = json!({"fields": {"name": "Olsen"}, "by": "Ana", "why": "so it is"});
        let named = by(&caller, token, Request::patch(REVIEW), &named).await;
        shows(&named, &edited, is_shown);
        let planned = by(&caller, token, Request::post(&dry_run), &Value::Null).await;
        assert_eq!(planned.body["faults"], json!([]));
        shows(&planned, &edited, is_shown);
    }
}

#[tokio::test]
async fn a_row_that_is_no_record_is_masked_as_a_whole() {
    let caller = Caller::new();
    let mut row = rows(1).remove(0);
    row["id"] = Value::Null;
    caller.batch("suppliers", vec![row.clone()]).await;
    let masked = caller.get("/v1/reviews").await.ok(200);
    assert_eq!(masked["items"][0]["body"], "(private)");
    let whole = by(
        &caller,
        FIELDS_TOKEN,
        Request::get("/v1/reviews"),
        &Value::Null,
    )
    .await;
    shows(&whole, &values(&row), true);
}

/// Whoever was shown the mask and sends all fields back means to keep what it hides.
#[tokio::test]
async fn the_mask_is_not_taken_for_a_value() {
    let caller = Caller::new();
    caller
        .batch("suppliers", vec![invalid(rows(1).remove(0))])
        .await;
    let fields = caller.get(REVIEW).await.ok(200)["fields"].clone();
    let edit = json!({"fields": fields, "by": "Ana", "why": "all of it"});
    for token in [TOKEN, FIELDS_TOKEN] {
        let answer = by(&caller, token, Request::patch(REVIEW), &edit).await;
        let problem = answer.problem(422);
        assert_eq!(problem["field"], "fields.contact_name", "{problem}");
    }
    let record = by(&caller, FIELDS_TOKEN, Request::get(RECORD), &Value::Null).await;
    assert!(!record.body.to_string().contains("(private)"));
}

#[tokio::test]
async fn where_both_tokens_are_one_it_sees_the_less() {
    let caller = Caller::with_secrets(&[("API_TOKEN", TOKEN), ("API_TOKEN_FIELDS", TOKEN)]);
    caller.batch("suppliers", rows(1)).await;
    let record = caller.get(RECORD).await.ok(200);
    assert_eq!(record["fields"]["email"], "(private)");
}

#[tokio::test]
async fn an_empty_second_token_is_nobodys() {
    let caller = Caller::with_secrets(&[("API_TOKEN", TOKEN), ("API_TOKEN_FIELDS", "")]);
    let answer = by(&caller, "", Request::get("/v1/flows"), &Value::Null).await;
    answer.problem(401);
}
