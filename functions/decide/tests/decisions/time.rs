//! Two seconds, over all.

use std::time::Duration;

use serde_json::json;
use tidegate_engine::{ANSWER_WITHIN, ports::Clock as _};
use tidegate_testkit::{host::START, memory::MemoryHttp};

use crate::asker::{Asker, DECIDE, TOKEN, approved, flow};

fn took(asker: &Asker) -> Duration {
    asker.host.clock.now().since(START)
}

#[tokio::test]
async fn a_source_that_does_not_answer_is_cut_and_the_breaker_knows() {
    let asker = Asker::new(&DECIDE.replace("calls = 5", "calls = 50"));
    asker.host.http.hang(true);
    let mut questions = 0;
    loop {
        let began = took(&asker);
        // Questions about one customer that break say nothing of the others'.
        let key = format!("C-{questions}");
        let answer = asker
            .ask_for(json!({"key": key, "ask": {"amount": 300}}))
            .await;
        assert!(
            took(&asker).saturating_sub(began) < ANSWER_WITHIN,
            "{:?}",
            took(&asker)
        );
        if answer.why() == "breaker_open" {
            break;
        }
        assert_eq!(answer.why(), "no_answer_in_time");
        assert_eq!(answer.body["took_ms"], 1_750);
        questions += 1;
        assert!(questions < 20, "the breaker never opens");
    }
    // What is not questions costs no call.
    assert_eq!(asker.host.http.requests().len(), questions);
    asker.host.http.hang(false);
    asker.source_says(200, approved(5_000));
    assert_eq!(asker.ask().await.why(), "breaker_open");
    // After its pause a decision is the probe that closes it.
    asker.host.clock.advance(Duration::from_secs(600));
    assert_eq!(asker.ask().await.why(), "approved");
    assert_eq!(asker.ask().await.why(), "approved");
    assert_eq!(asker.host.http.requests().len(), questions + 2);
}

#[tokio::test]
async fn a_table_that_does_not_answer_is_a_no_after_two_seconds() {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    asker.host.store.hang(true);
    let answer = asker.ask().await;
    assert_eq!(answer.why(), "no_answer_in_time");
    assert_eq!(answer.body["took_ms"], 2_000);
    assert!(asker.host.http.requests().is_empty());
}

#[tokio::test]
async fn a_yes_that_comes_late_is_a_no() {
    let asker = Asker::new(DECIDE);
    let clock = asker.host.clock.clone();
    asker.host.http.answer(move |_| {
        // As where the process stood still.
        clock.advance(ANSWER_WITHIN);
        Ok(MemoryHttp::json(200, approved(5_000)))
    });
    assert_eq!(asker.ask().await.why(), "no_answer_in_time");
}

#[tokio::test]
async fn a_token_is_asked_for_within_the_same_time() {
    let oauth = "auth = { type = \"oauth2\", token_url = \"https://id.example.com/token\", client_id = \"tidegate\", secret = \"CRM_API_KEY\" }";
    let api_key = "auth = { type = \"api_key\", header = \"X-Api-Key\", secret = \"CRM_API_KEY\" }";
    let text = flow(DECIDE);
    assert!(text.contains(api_key));
    let asker = Asker::of(&text.replace(api_key, oauth), [("DECIDE_TOKEN", TOKEN)]);
    asker.host.http.hang(true);
    let answer = asker.ask().await;
    assert_eq!(answer.why(), "no_answer_in_time");
    assert_eq!(answer.body["took_ms"], 1_750);
    let requests = asker.host.http.requests();
    assert_eq!(requests[0].url, "https://id.example.com/token");
    assert_eq!(requests.len(), 1);
    asker.host.http.hang(false);
    asker.host.http.answer(|request| {
        let is_token = request.url.ends_with("/token");
        let given = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3_600});
        Ok(MemoryHttp::json(
            200,
            if is_token { given } else { approved(5_000) },
        ))
    });
    assert_eq!(asker.ask().await.why(), "approved");
    assert_eq!(asker.ask().await.why(), "approved");
    assert_eq!(asker.host.http.requests().len(), 4);
}

#[tokio::test]
async fn a_call_that_could_only_leave_too_late_is_not_made() {
    let oauth = "auth = { type = \"oauth2\", token_url = \"https://id.example.com/token\", client_id = \"tidegate\", secret = \"CRM_API_KEY\" }";
    let api_key = "auth = { type = \"api_key\", header = \"X-Api-Key\", secret = \"CRM_API_KEY\" }";
    let asker = Asker::of(
        &flow(DECIDE).replace(api_key, oauth),
        [("DECIDE_TOKEN", TOKEN)],
    );
    let clock = asker.host.clock.clone();
    asker.host.http.answer(move |_| {
        clock.advance(Duration::from_millis(1_660));
        let given = json!({"access_token": "t", "token_type": "Bearer", "expires_in": 3_600});
        Ok(MemoryHttp::json(200, given))
    });
    assert_eq!(asker.ask().await.why(), "no_answer_in_time");
    assert_eq!(asker.host.http.requests().len(), 1);
}
