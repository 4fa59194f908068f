//! What an answer of the source comes to.

use serde_json::{Value, json};
use tidegate_engine::ports::{Body, Sent, TransportError};
use tidegate_model::{flow::Method, metric};

use crate::asker::{Asker, DECIDE, approved};

#[tokio::test]
async fn each_answer_of_the_source_has_its_reason() {
    for (status, body, why) in [
        (200, approved(5_000), "approved"),
        (200, approved("300.00"), "approved"),
        (200, approved(299.99), "declined"),
        (
            200,
            json!({"decision": "declined", "limit": 5_000}),
            "declined",
        ),
        // What `yes` names is not there.
        (200, json!({"decision": "approved"}), "unclear"),
        (200, approved(Value::Null), "unclear"),
        (200, json!({"limit": 5_000}), "unclear"),
        // What it is makes no number.
        (200, approved("plenty"), "unclear"),
        (200, approved(json!([5_000])), "unclear"),
        (200, json!([approved(5_000)]), "unclear"),
        (200, json!("approved"), "unclear"),
        (200, Value::Null, "unclear"),
        // Whatever stands in an answer that is no success.
        (404, approved(5_000), "refused"),
        (409, approved(5_000), "refused"),
        (422, approved(5_000), "refused"),
        (401, approved(5_000), "refused"),
        (403, approved(5_000), "refused"),
        (302, approved(5_000), "refused"),
        (429, approved(5_000), "no_permit"),
        (500, approved(5_000), "failed"),
        (503, approved(5_000), "failed"),
    ] {
        let asker = Asker::new(DECIDE);
        asker.source_says(status, body.clone());
        let answer = asker.ask().await;
        assert_eq!(answer.why(), why, "{status} {body}");
        assert_eq!(asker.host.http.requests().len(), 1);
        let told = asker
            .host
            .metrics
            .values(&metric::DECISIONS, &["contacts", why]);
        assert_eq!(told, [1.0], "{why}");
    }
}

#[tokio::test]
async fn what_breaks_on_the_way_is_a_no() {
    let timed_out = TransportError::TimedOut(std::time::Duration::from_secs(1));
    for (broken, why) in [
        (TransportError::NotConnected, "failed"),
        (TransportError::Broken, "failed"),
        (TransportError::TooLarge { limit_bytes: 1 }, "failed"),
        (
            TransportError::NoSecret("CRM_API_KEY".to_owned()),
            "refused",
        ),
        (
            TransportError::SecretUnavailable("CRM_API_KEY".to_owned()),
            "failed",
        ),
        (timed_out, "no_answer_in_time"),
    ] {
        let asker = Asker::new(DECIDE);
        let told = broken.clone();
        asker.host.http.answer(move |_| Err(broken.clone()));
        assert_eq!(asker.ask().await.why(), why, "{told}");
    }
    let asker = Asker::new(DECIDE);
    let no_json = || Sent {
        status: 200,
        headers: Vec::new(),
        body: None,
    };
    asker.host.http.answer(move |_| Ok(no_json()));
    assert_eq!(asker.ask().await.why(), "failed");
}

#[tokio::test]
async fn only_true_is_a_yes() {
    let decide = DECIDE.replace(
        "answer.decision == 'approved' and answer.limit | float >= ask.amount | float",
        "answer.ok",
    );
    for (ok, why) in [
        (json!(true), "approved"),
        (json!(false), "declined"),
        (json!(1), "unclear"),
        (json!("true"), "unclear"),
        (json!("yes"), "unclear"),
        (json!({"true": true}), "unclear"),
        (json!([true]), "unclear"),
        (Value::Null, "unclear"),
    ] {
        let asker = Asker::new(&decide);
        asker.source_says(200, json!({"ok": ok}));
        assert_eq!(asker.ask().await.why(), why, "{ok}");
    }
}

#[tokio::test]
async fn a_yes_that_gives_no_value_is_a_no() {
    let asker =
        Asker::new(&DECIDE.replace("answer.limit | float", "answer.limit / ask.share | float"));
    asker.source_says(200, approved(5_000));
    let none = json!({"key": "C-1", "ask": {"amount": 300, "share": 0}});
    assert_eq!(asker.ask_for(none).await.why(), "unclear");
}

#[tokio::test]
async fn what_is_not_asked_for_is_no_yes() {
    // To minijinja 5000 is more than null, and more than false.
    let asker = Asker::new(&DECIDE.replace("query = { amount = \"{{ ask.amount }}\" }\n", ""));
    asker.source_says(200, approved(5_000));
    for ask in [json!({}), json!({"amount": null}), json!({"amount": "all"})] {
        let answer = asker.ask_for(json!({"key": "C-1", "ask": ask})).await;
        assert_eq!(answer.why(), "unclear", "{ask}");
    }
}

#[tokio::test]
async fn the_question_is_asked_by_path_and_query() {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    let answer = asker
        .ask_for(json!({"key": "C/1 ä", "ask": {"amount": "3&4"}}))
        .await;
    assert_eq!(answer.why(), "unclear");
    let requests = asker.host.http.requests();
    assert_eq!(requests[0].method, Method::Get);
    assert_eq!(
        requests[0].url,
        "https://crm.example.com/v2/contacts/C%2F1%20%C3%A4/credit?amount=3%264"
    );
    assert_eq!(requests[0].body, None);
    let headers: Vec<_> = requests[0]
        .headers
        .iter()
        .map(|header| format!("{}: {}", header.name, header.value))
        .collect();
    assert_eq!(
        headers,
        ["Accept: application/json", "X-Api-Key: <CRM_API_KEY>"]
    );
}

#[tokio::test]
async fn a_post_sends_what_the_flow_says() {
    let asker = Asker::new(
        r#"
[decide]
path = "/v2/credit"
method = "POST"
body = { customer = "key", order = { amount = "ask.amount", currency = "ask.currency" }, kind = 7 }
yes = "answer.ok"
limit = { calls = 5, per_s = 60 }
"#,
    );
    asker.source_says(200, json!({"ok": true}));
    assert_eq!(asker.ask().await.why(), "approved");
    let request = asker.host.http.requests().remove(0);
    assert_eq!(request.method, Method::Post);
    // What is null is left out.
    let sent = json!({"customer": "C-1", "order": {"amount": 300}, "kind": 7});
    assert_eq!(request.body, Some(Body::Json(sent)));
}
