//! What stands between a question and the source.

use std::time::Duration;

use tidegate_engine::{api::PauseRequest, ports::Clock as _};
use tidegate_model::{EndpointId, FlowId, RecordKey, Tier};
use tidegate_policy::{flow_state::Scope, keys};
use tidegate_testkit::memory::MemoryHttp;

use crate::asker::{Asker, DECIDE, approved};

fn crm() -> EndpointId {
    EndpointId::try_new("crm").unwrap()
}

fn contacts() -> FlowId {
    FlowId::try_new("contacts").unwrap()
}

#[tokio::test]
async fn a_permit_that_is_not_there_is_a_no_at_once() {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    for _ in 0..5 {
        assert_eq!(asker.ask().await.why(), "approved");
    }
    let before = asker.host.clock.now();
    assert_eq!(asker.ask().await.why(), "no_permit");
    assert!(asker.host.clock.now().since(before) < Duration::from_millis(250));
    assert_eq!(asker.host.http.requests().len(), 5);
    asker.host.clock.advance(Duration::from_secs(61));
    assert_eq!(asker.ask().await.why(), "approved");
}

#[tokio::test]
async fn a_permit_that_could_be_had_in_a_second_is_not_waited_for() {
    let asker = Asker::new(&DECIDE.replace("calls = 5, per_s = 60", "calls = 1, per_s = 2"));
    asker.source_says(200, approved(5_000));
    assert_eq!(asker.ask().await.why(), "approved");
    asker.host.clock.advance(Duration::from_millis(1_400));
    let before = asker.host.clock.now();
    assert_eq!(asker.ask().await.why(), "no_permit");
    assert!(asker.host.clock.now().since(before) < Duration::from_millis(250));
    // Nor is it kept from who comes then.
    asker.host.clock.advance(Duration::from_millis(1_500));
    assert_eq!(asker.ask().await.why(), "approved");
}

#[tokio::test]
async fn decisions_have_calls_of_their_own() {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    assert_eq!(asker.ask().await.why(), "approved");
    let store = &asker.host.store;
    assert!(store.item(&keys::slots(&crm(), Tier::RealTime)).is_some());
    assert!(store.item(&keys::slots(&crm(), Tier::Batch)).is_none());
}

#[tokio::test]
async fn a_provider_that_asked_to_wait_is_not_asked() {
    let asker = Asker::new(DECIDE);
    asker.host.http.answer(|_| {
        let mut sent = MemoryHttp::json(429, serde_json::json!({}));
        sent.headers
            .push(("retry-after".to_owned(), "30".to_owned()));
        Ok(sent)
    });
    assert_eq!(asker.ask().await.why(), "no_permit");
    asker.source_says(200, approved(5_000));
    assert_eq!(asker.ask().await.why(), "no_permit");
    assert_eq!(asker.host.http.requests().len(), 1);
    asker.host.clock.advance(Duration::from_secs(31));
    assert_eq!(asker.ask().await.why(), "approved");
}

#[tokio::test]
async fn a_pause_of_the_source_stops_decisions_and_one_of_the_target_does_not() {
    for (scope, why) in [(Scope::Source, "stopped"), (Scope::Target, "approved")] {
        let asker = Asker::new(DECIDE);
        asker.source_says(200, approved(5_000));
        let pause = PauseRequest {
            scope,
            reason: "audit".to_owned(),
            by: "a person".to_owned(),
        };
        asker.host.engine.pause(&contacts(), pause).await.unwrap();
        assert_eq!(asker.ask().await.why(), why, "{scope:?}");
    }
}

#[tokio::test]
async fn a_table_that_fails_is_a_no() {
    let asker = Asker::new(DECIDE);
    asker.source_says(200, approved(5_000));
    asker.host.store.fail(true);
    assert_eq!(asker.ask().await.why(), "failed");
}

#[tokio::test]
async fn what_we_hold_of_the_record_does_not_matter() {
    let asker = Asker::new(DECIDE);
    let key = RecordKey::try_new("C-1").unwrap();
    let yes = approved(5_000).to_string();
    let item = [("yes", yes.as_str()), ("answer", yes.as_str())];
    let item = item.map(|(name, text)| (name.to_owned(), text.into()));
    asker
        .host
        .store
        .put(keys::register(&contacts(), &key), item.into());
    asker.host.http.hang(true);
    assert_eq!(asker.ask().await.why(), "no_answer_in_time");
    asker.host.http.hang(false);
    asker.source_says(200, serde_json::json!({"decision": "declined", "limit": 0}));
    assert_eq!(asker.ask().await.why(), "declined");
    // Nor is an answer kept: each decision is asked for anew.
    asker.source_says(200, approved(5_000));
    assert_eq!(asker.ask().await.why(), "approved");
    asker.host.http.hang(true);
    assert_eq!(asker.ask().await.why(), "no_answer_in_time");
}
