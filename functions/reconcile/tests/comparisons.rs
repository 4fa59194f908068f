//! Reconciliations, as the daily schedule and the bus ask for them.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests fail by panic"
)]

use std::{sync::Arc, time::Duration};

use lambda_runtime::{Context, LambdaEvent};
use serde_json::{Value, json};
use tidegate_engine::{
    Delivery, Disposition, Event, ReconcileReport, RunEnd, ports::TransportError,
};
use tidegate_model::{FlowId, Message, Tier, UnixMs, flow::Method};
use tidegate_reconcile::handle;
use tidegate_testkit::{
    doubles::erp::realistic_suppliers,
    host::{Host, START},
    memory::MemoryHttp,
};

const FLOW: &str = include_str!("../../../infra/flows/suppliers.toml");
const EVENT: &str = include_str!("../../../infra/events/reconcile.json");

/// An ERP with three suppliers that no window and no webhook has told of, and a Qualio with none.
fn host() -> Host {
    let host = Host::new(&[FLOW], [], tidegate_connect::connect).unwrap();
    let long_ago = START.0 - 3_600_000;
    let page = json!({ "items": realistic_suppliers(1, 3, long_ago), "has_more": false });
    let none = json!({ "items": [] });
    host.http.answer(move |request| {
        let of_erp = request.url.starts_with("https://erp.");
        let rows = if of_erp { &page } else { &none };
        Ok(MemoryHttp::json(200, rows.clone()))
    });
    host
}

fn event(payload: Value) -> LambdaEvent<Value> {
    LambdaEvent::new(payload, Context::default())
}

fn shipped() -> LambdaEvent<Value> {
    event(serde_json::from_str(EVENT).unwrap())
}

/// What the bus delivers.
fn envelope(detail: &Value) -> LambdaEvent<Value> {
    event(json!({
        "version": "0", "id": "1", "detail-type": "ReconcileRequested", "source": "tidegate",
        "account": "0", "time": "2026-11-20T02:00:00Z", "region": "us-east-1", "resources": [],
        "detail": detail,
    }))
}

async fn reconcile(host: &Host, event: LambdaEvent<Value>) -> ReconcileReport {
    handle(&host.engine, event).await.unwrap()
}

#[tokio::test]
async fn a_day_is_compared_once_and_the_answer_tells_what_was_found() {
    let host = host();
    let report = reconcile(&host, shipped()).await;
    let answer = serde_json::to_value(&report).unwrap();
    assert_eq!(answer["ended"], "complete");
    assert_eq!(answer["window"], 1_795_143_600_000_i64);
    assert_eq!(answer["findings"]["compared"], 3);
    assert_eq!(answer["findings"]["webhook_missed"], 3);
    assert_eq!(answer["notes"][0]["kind"], "webhook_missed");

    assert_eq!(reconcile(&host, shipped()).await.end, RunEnd::AlreadyDone);
    let asked = json!({"flow": "suppliers", "window": 1_795_143_600_000_i64});
    let again = reconcile(&host, envelope(&asked)).await;
    assert_eq!(again.end, RunEnd::AlreadyDone);
}

#[tokio::test]
async fn one_asked_for_on_the_bus_is_done_as_it_was_asked() {
    let host = host();
    let asked = json!({"flow": "suppliers", "accept_absent": true});
    let report = reconcile(&host, envelope(&asked)).await;
    assert_eq!((report.end, report.window), (RunEnd::Complete, None));
    // What was staged waits in the queue now.
    let again = reconcile(&host, envelope(&json!({"flow": "suppliers"}))).await;
    assert_eq!(again.findings.pending, 3, "{again:?}");
}

#[tokio::test]
async fn a_source_that_breaks_off_is_told_and_is_no_error() {
    let host = host();
    host.http.answer(|_| Err(TransportError::Broken));
    let report = reconcile(&host, shipped()).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    assert!(report.not_compared.is_some(), "{report:?}");
}

#[tokio::test]
async fn one_without_time_for_anything_is_left_to_the_heartbeat() {
    let host = host();
    let mut soon = shipped();
    soon.context.deadline = u64::try_from(START.0 + 10_000).unwrap();
    let report = reconcile(&host, soon).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    assert_eq!(asked_for(&host, &report), 0, "or it would spin");
}

#[tokio::test]
async fn one_whose_time_is_nearly_over_asks_for_its_rest() {
    let host = host();
    let page = json!({
        "items": realistic_suppliers(1, 3, START.0 - 3_600_000),
        "has_more": true, "next_cursor": "2",
    });
    let clock = Arc::clone(&host.clock);
    host.http.answer(move |request| {
        if request.url.starts_with("https://erp.") {
            clock.advance(Duration::from_secs(8));
            return Ok(MemoryHttp::json(200, page.clone()));
        }
        Ok(MemoryHttp::json(200, json!({ "items": [] })))
    });
    let mut soon = shipped();
    soon.context.deadline = u64::try_from(START.0 + 30_000).unwrap();
    let report = reconcile(&host, soon).await;
    assert_eq!((report.end.clone(), report.pages), (RunEnd::Continues, 1));
    assert_eq!(asked_for(&host, &report), 1);
}

/// Events that ask for the rest of what was reported.
fn asked_for(host: &Host, report: &ReconcileReport) -> usize {
    let asks = |event: &&Event| {
        matches!(
            event,
            Event::ReconcileRequested { flow, request, .. }
                if *flow == FlowId::try_new("suppliers").unwrap()
                    && request.resume == report.run
                    && request.window == Some(UnixMs(1_795_143_600_000))
        )
    };
    host.events.all().iter().filter(asks).count()
}

#[tokio::test]
async fn a_store_that_does_not_answer_is_an_error_so_that_lambda_asks_again() {
    let host = host();
    host.store.fail(true);
    assert!(handle(&host.engine, shipped()).await.is_err());
    host.store.fail(false);
    assert_eq!(reconcile(&host, shipped()).await.end, RunEnd::Complete);
}

#[tokio::test]
async fn an_event_that_asks_for_none_is_an_error() {
    let host = host();
    for payload in [
        json!({}),
        json!({"flow": "orders"}),
        json!({"flow": "suppliers", "window": "noon"}),
        json!({"flow": "suppliers", "accept": true}),
    ] {
        let shown = payload.to_string();
        let refused = handle(&host.engine, event(payload)).await;
        assert!(refused.is_err(), "{shown}");
    }
    assert!(host.http.requests().is_empty());
}

const CONTACTS: &str = include_str!("../../../infra/flows/examples/contacts.toml");

/// A CRM of thirty contacts, of which some are gone or are told to be, and a service that upserts
/// and deletes by key. It is not asked for its list: the flow does not name it.
fn crm(host: &Host, gone: &'static [usize], tombstones: &'static [usize]) {
    host.http.answer(move |request| {
        let contact = |n: usize| {
            let state = if tombstones.contains(&n) { "deleted" } else { "active" };
            json!({
                "id": format!("C-{n:02}"), "state": state,
                "updated_at": if state == "active" { "2026-11-19T10:00:00" } else { "2026-11-19T11:00:00" },
                "email": format!("c{n}@example.com"), "given_name": "Jo", "family_name": "Doe",
                "consent": {"newsletter": true},
            })
        };
        let url = request.url.as_str();
        if !url.starts_with("https://crm.") {
            return Ok(MemoryHttp::json(200, json!({})));
        }
        let key = url.split("/v2/contacts/C-").nth(1);
        Ok(match key.map(|number| number.parse::<usize>().unwrap()) {
            Some(n) if gone.contains(&n) => MemoryHttp::json(404, json!({})),
            Some(n) => MemoryHttp::json(200, json!({"data": contact(n)})),
            None => {
                let rows: Vec<Value> = (0..30)
                    .filter(|n| !gone.contains(n))
                    .map(contact)
                    .collect();
                MemoryHttp::json(200, json!({"data": rows, "meta": {"next_cursor": null}}))
            }
        })
    });
}

/// Works until both queues are empty.
async fn work(host: &Host) {
    for _ in 0..200 {
        let mut received = host.queue.receive(Tier::RealTime, 10);
        received.extend(host.queue.receive(Tier::Batch, 10));
        if received.is_empty() {
            if host.queue.is_empty() {
                return;
            }
            host.clock.advance(Duration::from_secs(1));
            continue;
        }
        let deliveries: Vec<Delivery> = received
            .into_iter()
            .map(|delivery| Delivery {
                message: Message::decode(&delivery.body).unwrap(),
                receipt: delivery.receipt,
            })
            .collect();
        let done = host.engine.work(&deliveries).await;
        for (delivery, done) in deliveries.iter().zip(done) {
            if done == Disposition::Delete {
                host.queue.delete(&delivery.receipt);
            }
        }
    }
    panic!("the work does not end");
}

fn sent(host: &Host, method: Method) -> Vec<String> {
    let requests = host.http.requests().into_iter();
    requests
        .filter(|request| request.method == method)
        .map(|request| request.url)
        .collect()
}

/// A target whose listing the flow does not name is said not to be compared; a deletion does what the
/// flow says.
#[tokio::test]
async fn a_flow_of_another_kind_is_compared_as_far_as_its_systems_tell() {
    let start = CONTACTS.find("[target.list]").unwrap();
    let end = CONTACTS.find("# Each leaf is").unwrap();
    let unlisted = format!("{}{}", &CONTACTS[..start], &CONTACTS[end..]);
    let host = Host::new(&[&unlisted], [], tidegate_connect::connect).unwrap();
    let asked = || envelope(&json!({"flow": "contacts"}));
    crm(&host, &[], &[]);
    let report = reconcile(&host, asked()).await;
    assert_eq!(report.findings.webhook_missed, 30, "{report:?}");
    let why = report.not_compared.unwrap();
    assert!(why.contains("[target.list]"), "{why}");
    work(&host).await;
    assert_eq!(sent(&host, Method::Put).len(), 30);

    // What was applied within the clocks' difference of a comparison's begin is not held against it.
    host.clock.advance(Duration::from_secs(1));
    crm(&host, &[7], &[8]);
    let report = reconcile(&host, asked()).await;
    assert_eq!(
        (report.findings.equal, report.findings.deleted_at_source),
        (28, 2),
        "{report:?}"
    );
    work(&host).await;
    let deleted = sent(&host, Method::Delete);
    assert_eq!(deleted.len(), 2, "{deleted:?}");
    assert!(deleted.iter().any(|url| url.ends_with("/C-07")));
    let again = reconcile(&host, asked()).await;
    assert_eq!(again.findings.equal, 30, "{again:?}");
    assert_eq!(sent(&host, Method::Put).len(), 30, "nothing came back");
}
