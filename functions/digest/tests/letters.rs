//! Dead letters and the daily mail.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::time::Duration;

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_digest::handle;
use tidegate_engine::{
    Audited, FlowDigest, Reconciled,
    api::{Access, PauseRequest},
    digest_mail,
};
use tidegate_lambda::BaseUrl;
use tidegate_model::{FlowId, Message, RecordKey, Tier, metric};
use tidegate_policy::{
    flow_state::Scope,
    reconcile::{Kind, MAX_NOTES, Note, ReconcileRequest},
    run::{Mode, RunRequest},
};
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START},
    memory::MemoryHttp,
};

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/digest.json");

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

/// Two suppliers, staged and waiting.
async fn host() -> Host {
    let host = Host::new(&[FLOW], [], tidegate_connect::connect).unwrap();
    let page = json!({ "items": realistic_suppliers(1, 2, START.0), "has_more": false });
    host.http
        .answer(move |_| Ok(MemoryHttp::json(200, page.clone())));
    let request = RunRequest {
        window: None,
        mode: Some(Mode::Incremental),
        lookback_s: None,
        resume: None,
        trigger: None,
    };
    let deadline = START + Duration::from_mins(5);
    let report = host.engine.run(&flow(), &request, deadline).await.unwrap();
    assert_eq!(report.counts.staged, 2, "{report:?}");
    host
}

fn letter(id: &str, body: &str) -> Value {
    json!({"messageId": id, "receiptHandle": "h", "body": body, "attributes": {}})
}

fn about(keys: &[&str]) -> String {
    let keys = keys.iter().map(|key| RecordKey::try_new(*key).unwrap());
    Message::new(flow(), keys.collect(), Tier::Batch, START).encode()
}

fn invoked(event: Value) -> LambdaEvent<Value> {
    LambdaEvent::new(event, Context::default())
}

async fn answer(host: &Host, event: Value) -> Value {
    let base_url = BaseUrl(Some("https://api.example.com".to_owned()));
    handle(&host.engine, &base_url, invoked(event))
        .await
        .unwrap()
}

async fn reviews(host: &Host) -> Vec<(String, String)> {
    let page = host
        .engine
        .reviews(&flow(), None, 10, Access::Fields)
        .await
        .unwrap();
    let mut all: Vec<_> = page
        .items
        .into_iter()
        .map(|entry| (entry.id, entry.cause.kind.as_str().to_owned()))
        .collect();
    all.sort();
    all
}

fn dead(id: &str) -> (String, String) {
    (id.to_owned(), "dead_letter".to_owned())
}

#[tokio::test]
async fn every_dead_letter_ends_with_a_person() {
    let host = host().await;
    let event = json!({"Records": [
        letter("a", &about(&["SUP-000001", "SUP-000002"])),
        letter("b", "not a message"),
    ]});
    assert_eq!(answer(&host, event).await, json!({"batchItemFailures": []}));
    let all = [
        dead("suppliers!b"),
        dead("suppliers~SUP-000001"),
        dead("suppliers~SUP-000002"),
    ];
    assert_eq!(reviews(&host).await, all);
}

#[tokio::test]
async fn a_letter_that_can_not_be_kept_stays_in_its_queue() {
    let host = host().await;
    let event = json!({"Records": [letter("a", &about(&["SUP-000001"])), letter("b", "x")]});
    host.store.fail(true);
    assert_eq!(
        answer(&host, event.clone()).await,
        json!({"batchItemFailures": [{"itemIdentifier": "a"}, {"itemIdentifier": "b"}]})
    );
    assert_eq!(host.metrics.values(&metric::FAILED, &[]), [2.0]);
    host.store.fail(false);
    assert_eq!(answer(&host, event).await, json!({"batchItemFailures": []}));
    let all = [dead("suppliers!b"), dead("suppliers~SUP-000001")];
    assert_eq!(reviews(&host).await, all);
}

#[tokio::test]
async fn the_daily_mail_lists_what_is_stuck_with_a_link_to_act() {
    let host = host().await;
    let letters = json!({"Records": [letter("a", &about(&["SUP-000001"]))]});
    answer(&host, letters).await;
    let shipped: Value = serde_json::from_str(EVENT).unwrap();
    let answered = answer(&host, shipped).await;
    assert_eq!(answered, json!({"subject": "Tidegate: 1 record needs you"}));
    let mails = host.mailer.all();
    assert_eq!(mails.len(), 1);
    let link = "https://api.example.com/v1/reviews/suppliers~SUP-000001";
    assert!(mails[0].text.contains(link), "{}", mails[0].text);
}

#[tokio::test]
async fn a_review_is_as_old_as_the_change_that_the_target_lacks() {
    let host = host().await;
    host.clock.advance(Duration::from_hours(3));
    let letters = json!({"Records": [letter("a", &about(&["SUP-000001"])), letter("b", "x")]});
    answer(&host, letters).await;
    host.clock.advance(Duration::from_mins(5));
    answer(&host, json!({"digest": "daily"})).await;
    let text = host.mailer.all().remove(0).text;
    assert!(text.contains("SUP-000001 for 3 h\n"), "{text}");
    assert!(text.contains("(no key) for 5 min\n"), "{text}");
}

#[tokio::test]
async fn the_daily_mail_tells_what_the_newest_reconciliation_found() {
    let host = host().await;
    let page = json!({ "items": realistic_suppliers(1, 2, START.0), "has_more": false });
    let none = json!({ "items": [] });
    host.http.answer(move |request| {
        let of_erp = request.url.starts_with("https://erp.");
        let rows = if of_erp { &page } else { &none };
        Ok(MemoryHttp::json(200, rows.clone()))
    });
    let deadline = START + Duration::from_mins(15);
    let request = ReconcileRequest::default();
    let report = host.engine.reconcile(&flow(), &request, deadline).await;
    assert_eq!(report.unwrap().findings.pending, 2);
    host.clock.advance(Duration::from_hours(3));
    answer(&host, json!({"digest": "daily"})).await;
    let text = host.mailer.all().remove(0).text;
    let line = "  reconciled 3 h ago: 2 compared: 2 pending\n";
    assert!(text.contains(line), "{text}");
}

#[test]
fn the_mail_says_how_many_it_does_not_name() {
    let named = Note {
        key: "SUP-000001".to_owned(),
        kind: Kind::UnknownAtSource,
    };
    let named = vec![named; MAX_NOTES];
    let found = FlowDigest {
        flow: flow(),
        stopped: Vec::new(),
        reviews: Vec::new(),
        reconciled: Some(Reconciled {
            at: START,
            summary: "60 compared: 60 unknown at source".to_owned(),
            needing_person: 60,
            named,
        }),
        audited: Some(Audited {
            at: START,
            summary: "60 audited: 59 clean, 1 with findings (1 email missing)".to_owned(),
        }),
    };
    let mail = digest_mail(&[found], "https://t.example/", START);
    assert_eq!(
        mail.subject,
        "Tidegate: nothing is stuck, 60 findings of comparisons"
    );
    let lines: Vec<&str> = mail.text.lines().collect();
    assert_eq!(
        lines[..3],
        [
            "suppliers: 0 in review",
            "  reconciled 0 s ago: 60 compared: 60 unknown at source",
            "    SUP-000001: the target has it, the source does not; look at it",
        ]
    );
    assert_eq!(
        lines[2 + MAX_NOTES..],
        [
            "    and 10 more; the log of reconcile names each",
            "  audited 0 s ago: 60 audited: 59 clean, 1 with findings (1 email missing)",
            "",
        ]
    );
}

/// Nothing of it is a review, and it is what needs a person first.
#[tokio::test]
async fn the_mail_says_first_that_a_flow_stands_still() {
    let host = host().await;
    let pause = PauseRequest {
        scope: Scope::Target,
        reason: "audit".to_owned(),
        by: "ada".to_owned(),
    };
    host.engine.pause(&flow(), pause).await.unwrap();
    handle(
        &host.engine,
        &BaseUrl(None),
        invoked(json!({"digest": "daily"})),
    )
    .await
    .unwrap();
    let mail = host.mailer.all().remove(0);
    assert!(
        mail.subject.starts_with("Tidegate: suppliers stands still"),
        "{}",
        mail.subject
    );
    let first = mail.text.lines().next();
    let told = "suppliers stands still, target: paused by ada: audit";
    assert_eq!(first, Some(told));
}

#[tokio::test]
async fn a_mail_that_was_not_sent_is_an_error_so_that_the_schedule_asks_again() {
    let host = host().await;
    host.mailer.fail(true);
    let failed = handle(
        &host.engine,
        &BaseUrl(None),
        invoked(json!({"digest": "daily"})),
    )
    .await;
    assert!(failed.is_err());
    assert!(host.mailer.all().is_empty());
}

#[tokio::test]
async fn what_is_neither_is_an_error() {
    let host = host().await;
    for event in [
        json!({}),
        json!({"digest": "weekly"}),
        json!({"Records": [letter("", "x")]}),
    ] {
        let shown = event.to_string();
        let refused = handle(&host.engine, &BaseUrl(None), invoked(event)).await;
        assert!(refused.is_err(), "{shown}");
    }
}
