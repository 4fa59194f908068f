//! Targets that give their records ids of their own: what is known of a record there must survive an
//! answer that is lost (EFF-2).

use std::time::Duration;

use serde_json::json;
use tidegate_engine::Event;
use tidegate_model::{Fetch, Tier};
use tidegate_policy::{keys, register::State};
use tidegate_testkit::doubles::{Action, Fault};

use crate::{
    hand::{Hand, flow},
    world::suppliers_flow,
};

/// The supplier flow to a service that creates, updates and deletes by ids of its own.
fn to_service(also: &str) -> String {
    let suppliers = suppliers_flow().replace("deletion = \"review\"", "deletion = \"delete\"");
    let start = suppliers.find("[target]").unwrap();
    let target = format!(
        r#"[target]
type = "rest"
name = "members"
base_url = "http://members"
auth = {{ type = "bearer", secret = "ERP_TOKEN" }}
create = {{ method = "POST", path = "/v1/members", id = "/id" }}
update = {{ method = "PUT", path = "/v1/members/{{{{ target_id }}}}" }}
delete = {{ method = "DELETE", path = "/v1/members/{{{{ target_id }}}}" }}
{also}
[target.limits]
real_time = {{ calls = 20, per_s = 60 }}
batch = {{ calls = 50, per_s = 60 }}
[target.body]
name = "fields.name"
"#
    );
    format!("{}{target}", &suppliers[..start])
}

/// A record of such a service that an earlier claim may have created, under this value.
async fn maybe_created(also: &str, intent: &str) -> Hand {
    let hand = Hand::staged(1, to_service(also)).await;
    let key = keys::register(&flow(), &hand.keys[0]);
    let mut item = hand.world.table().item(&key).unwrap();
    item.insert("un".to_owned(), "0".repeat(32).as_str().into());
    item.insert("iv".to_owned(), intent.into());
    hand.world.table().put(key, item);
    service_answers(&hand, "POST", 201, json!({"id": "m-1"}));
    service_answers(&hand, "PUT", 200, json!({"id": "m-1"}));
    hand
}

fn service_answers(hand: &Hand, method: &str, status: u16, body: serde_json::Value) {
    let fault = Fault::new(Action::answer(status, body)).method(method);
    hand.world.members.set_fault(fault).unwrap();
}

/// Methods of the calls that the service got.
fn called(hand: &Hand) -> Vec<String> {
    let calls = hand.world.members.calls().into_iter();
    calls.map(|call| call.method).collect()
}

async fn apply(hand: &Hand) -> State {
    let handled = hand.handle(hand.message(1, Tier::RealTime)).await;
    assert!(handled.sent.is_empty(), "{handled:?}");
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.claim, None);
    register.state()
}

#[tokio::test(start_paused = true)]
async fn a_create_that_may_have_happened_is_repeated_under_its_key_and_then_updated_eff_2() {
    let hand = maybe_created("idempotency_header = \"Idempotency-Key\"", "").await;
    assert_eq!(apply(&hand).await, State::Applied);
    assert_eq!(called(&hand), ["POST", "PUT"]);
    let register = hand.world.register(hand.keys[0].as_str());
    assert_eq!(register.target_id.as_deref(), Some("m-1"));
}

#[tokio::test(start_paused = true)]
async fn a_record_that_a_look_up_by_its_old_name_does_not_find_is_created_eff_2() {
    let find = r#"find = { path = "/v1/members", query = { name = "{{ search }}" }, by = "fields.name", rows = "/members", id = "/id" }"#;
    let hand = maybe_created(find, "its old name").await;
    service_answers(&hand, "GET", 200, json!({"members": []}));
    assert_eq!(apply(&hand).await, State::Applied);
    assert_eq!(called(&hand), ["GET", "POST"]);
}

#[tokio::test(start_paused = true)]
async fn the_id_of_a_record_is_kept_until_it_is_deleted_at_the_target_and_forgotten_with_it() {
    let hand = Hand::staged(1, to_service("")).await;
    service_answers(&hand, "POST", 201, json!({"id": "m-1"}));
    service_answers(&hand, "DELETE", 204, json!(null));
    assert_eq!(apply(&hand).await, State::Applied);
    let key = hand.keys[0].as_str();
    let id = hand.world.register(key).target_id;
    assert_eq!(id.as_deref(), Some("m-1"));
    hand.world.erp.delete(key);
    let forced = hand.message(1, Tier::RealTime).fetching(Fetch::Forced);
    let handled = hand.handle(forced).await;
    assert!(handled.sent.is_empty(), "{handled:?}");
    assert_eq!(called(&hand), ["POST", "DELETE"]);
    let register = hand.world.register(key);
    assert_eq!(register.state(), State::Applied);
    assert_eq!(register.target_id, None);
}

/// Whether each applied change was told as a deletion, when, and how long it had waited.
fn told(hand: &Hand) -> Vec<(bool, i64, Option<u64>)> {
    let applied = |event| match event {
        Event::RecordApplied {
            deleted,
            at_ms,
            latency_ms,
            ..
        } => Some((deleted, at_ms.0, latency_ms)),
        _ => None,
    };
    hand.world
        .events()
        .into_iter()
        .filter_map(applied)
        .collect()
}

#[tokio::test(start_paused = true)]
async fn news_of_an_applied_change_says_whether_it_deletes_and_how_long_it_waited() {
    let hand = Hand::staged(1, to_service("")).await;
    service_answers(&hand, "POST", 201, json!({"id": "m-1"}));
    service_answers(&hand, "DELETE", 204, json!(null));
    let key = hand.keys[0].as_str();
    let since = hand.world.register(key).pending_since.unwrap();
    tokio::time::sleep(Duration::from_secs(30)).await;
    apply(&hand).await;
    let news = told(&hand);
    let [(deleted, at_ms, latency_ms)] = news[..] else {
        panic!("{news:?}")
    };
    assert!(!deleted);
    assert!(at_ms >= since.0 + 30_000);
    assert_eq!(latency_ms, u64::try_from(at_ms - since.0).ok());
    hand.world.erp.delete(key);
    let forced = hand.message(1, Tier::RealTime).fetching(Fetch::Forced);
    hand.handle(forced).await;
    assert!(told(&hand)[1].0, "{:?}", told(&hand));
}
