//! A target that begins to accept something else than the flow writes (R20).

use std::time::Duration;

use serde_json::{Value, json};
use tidegate_engine::{Event, RunEnd};
use tidegate_model::FlowId;
use tidegate_policy::{
    flow_state::{FlowState, Side},
    reconcile::ReconcileRequest,
    run::RunRequest,
};
use tidegate_simulator::MONDAY_MORNING;
use tidegate_testkit::doubles::{Action, Call, Fault, Point, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const HOUR: Duration = Duration::from_hours(1);
/// Longer than the breaker of a source stays open.
const SLOW_IS_FORGOTTEN: Duration = Duration::from_mins(30);

/// The supplier flow to a service that describes itself; `also` is a line of the body.
fn flow(revision: u32, also: &str) -> String {
    let suppliers = suppliers_flow();
    let start = suppliers.find("[target]").unwrap();
    let target = format!(
        r#"[target]
type = "rest"
name = "members"
base_url = "http://members"
auth = {{ type = "bearer", secret = "ERP_TOKEN" }}
upsert = {{ method = "PUT", path = "/v1/members/{{{{ key }}}}", id = "/id" }}
contract = {{ openapi = "/openapi.json" }}
[target.limits]
real_time = {{ calls = 20, per_s = 60 }}
batch = {{ calls = 50, per_s = 60 }}
[target.body]
name = "fields.name"
score = "fields.audit_score"
{also}
"#
    );
    let head = suppliers[..start].replacen("revision = 1", &format!("revision = {revision}"), 1);
    format!("{head}{target}")
}

fn member(properties: &[&str], required: &[&str]) -> Value {
    let named = properties
        .iter()
        .map(|name| ((*name).to_owned(), json!({})));
    json!({
        "type": "object",
        "properties": named.collect::<serde_json::Map<_, _>>(),
        "required": required,
        "additionalProperties": false,
    })
}

async fn begun(count: u32) -> World {
    let world = World::new(
        realistic_suppliers(7, count, MONDAY_MORNING.0),
        &[flow(1, "")],
    );
    world
        .members
        .describe(member(&["name", "score"], &["name"]));
    world.start();
    world.settle().await;
    assert_eq!(world.members.members().len(), count as usize);
    world
}

async fn state(world: &World) -> FlowState {
    world.engine.flow_state(&id()).await.unwrap()
}

fn id() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn calls(world: &World, method: &str) -> Vec<Call> {
    let calls = world.members.calls().into_iter();
    calls.filter(|call| call.method == method).collect()
}

fn change(world: &World, count: usize) {
    for row in world.erp.suppliers().iter().take(count) {
        world
            .erp
            .change(&row.id, |row| row.legal_name.push('!'))
            .unwrap();
    }
}

fn refused(world: &World) -> usize {
    let puts = calls(world, "PUT");
    puts.iter()
        .filter(|call| call.status() == Some(422))
        .count()
}

fn in_review(world: &World) -> usize {
    let registers = world.registers();
    registers
        .values()
        .filter(|one| one.review.is_some())
        .count()
}

#[tokio::test(start_paused = true)]
async fn a_drift_stops_the_flow_before_a_refused_call_and_nothing_is_lost() {
    let world = begun(10).await;
    let written = calls(&world, "PUT").len();
    world
        .members
        .describe(member(&["name", "points", "since"], &["name", "points"]));
    change(&world, 5);
    let report = world.run(MANUAL).await;
    assert_eq!(
        report.end,
        RunEnd::Complete,
        "what changed is kept for later"
    );
    tokio::time::sleep(HOUR).await;
    let stopped = state(&world).await.stops(Side::Target).unwrap();
    for told in [
        "blocked: members does not accept what the flow writes: PUT /v1/members/{}: `score`: the flow writes it, the target does not name it",
        "`points`: the flow does not write it, the target requires it",
        "changed since 2026-",
        "`since` is new",
        "`score` is no longer there",
    ] {
        assert!(stopped.contains(told), "{told} in {stopped}");
    }
    let blocked = |event: &Event| matches!(event, Event::FlowBlocked { .. });
    assert_eq!(world.events().iter().filter(|one| blocked(one)).count(), 1);
    assert_eq!(calls(&world, "PUT").len(), written, "nothing was sent");

    // Asked too early: what the target says is looked at again, and no record is risked for it.
    world.engine.resume(&id(), "ana").await.unwrap();
    tokio::time::sleep(HOUR).await;
    assert!(state(&world).await.stops(Side::Target).is_some());
    assert_eq!(calls(&world, "PUT").len(), written, "nothing was sent");

    // Mended in the flow file.
    let world = world.redeployed(&[flow(2, "points = \"fields.audit_score\"").replacen(
        "score = \"fields.audit_score\"\n",
        "",
        1,
    )]);
    world.start();
    world.engine.resume(&id(), "ana").await.unwrap();
    world.until("applied", HOUR, || world.is_clean()).await;
    assert!(state(&world).await.blocker.is_none());
    assert_eq!((refused(&world), in_review(&world)), (0, 0));
    for row in world.erp.suppliers() {
        assert_eq!(
            world.members.member(&row.id).unwrap().body["name"],
            json!(row.legal_name)
        );
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_is_mended_is_asked_again_and_the_flow_goes_on() {
    let world = begun(4).await;
    world.members.describe(member(&["name"], &[]));
    change(&world, 2);
    world.reconcile(&ReconcileRequest::default()).await;
    assert!(
        state(&world).await.has_drifted(),
        "a reconciliation asks, too"
    );
    world
        .members
        .describe(member(&["name", "score", "more"], &[]));
    world.engine.resume(&id(), "ana").await.unwrap();
    world
        .until("open", HOUR, || async {
            state(&world).await.blocker.is_none()
        })
        .await;
    world.settle().await;
    assert_eq!((refused(&world), in_review(&world)), (0, 0));
    let names = |row: tidegate_testkit::doubles::erp::ErpSupplier| row.legal_name.ends_with('!');
    assert_eq!(
        world
            .erp
            .suppliers()
            .into_iter()
            .filter(|row| names(row.clone()))
            .count(),
        2
    );
}

#[tokio::test(start_paused = true)]
async fn a_run_asks_once_and_what_is_harmless_stops_nothing() {
    let world = begun(3).await;
    let before = calls(&world, "GET").len();
    let known = world.engine.kept_contract(&id()).await.unwrap().unwrap();
    world
        .members
        .describe(member(&["name", "score", "more"], &["name"]));
    world.run(MANUAL).await;
    assert_eq!(calls(&world, "GET").len(), before + 1);
    let now = world.engine.kept_contract(&id()).await.unwrap().unwrap();
    assert_ne!(now.hash, known.hash, "it is known from now on");
    assert!(state(&world).await.blocker.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_target_that_does_not_tell_is_believed_as_before() {
    let world = begun(3).await;
    let known = world.engine.kept_contract(&id()).await.unwrap().unwrap();
    let broken = Fault::new(Action::answer(500, Value::Null))
        .method("GET")
        .times(1);
    world.members.set_fault(broken).unwrap();
    change(&world, 1);
    world.settle().await;
    let now = world.engine.kept_contract(&id()).await.unwrap().unwrap();
    assert_eq!((now.hash, now.fetched_at), (known.hash, known.fetched_at));
    assert!(state(&world).await.blocker.is_none());
    assert_eq!(in_review(&world), 0);
}

#[tokio::test(start_paused = true)]
async fn a_run_that_goes_on_in_another_invocation_does_not_ask_again() {
    let world = World::new(realistic_suppliers(4, 260, 0), &[flow(1, "")]);
    world
        .members
        .describe(member(&["name", "score"], &["name"]));
    let slow = Fault::new(Action::DelayMs(8_000)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    let soon = world.engine.now() + Duration::from_secs(45);
    let first = world.engine.run(&id(), &MANUAL, soon).await.unwrap();
    assert_eq!(first.end, RunEnd::Continues);
    assert_eq!(calls(&world, "GET").len(), 1);
    world.erp.clear_faults();
    tokio::time::sleep(SLOW_IS_FORGOTTEN).await;
    let rest = RunRequest {
        resume: first.run,
        ..MANUAL
    };
    let report = world.run(rest).await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(calls(&world, "GET").len(), 1);
    world.run(MANUAL).await;
    assert_eq!(calls(&world, "GET").len(), 2, "another run asks");
}

/// The supplier flow as it ships, to a Qualio that describes itself.
fn qualio_flow(contract: &str) -> String {
    suppliers_flow().replace(
        "secret = \"QUALIO_API_KEY\"",
        &format!("secret = \"QUALIO_API_KEY\"\n{contract}"),
    )
}

/// What a Qualio takes; `notes` holds the marker that stands in for an external id.
fn supplier(required: &[&str], notes: &Value) -> Value {
    let contact = ["name", "email", "phone", "address", "website"];
    let contact = contact.map(|name| (name.to_owned(), json!({ "type": "string" })));
    let mut contact = serde_json::Map::from_iter(contact);
    contact.insert("notes".to_owned(), notes.clone());
    json!({
        "type": "object",
        "properties": {
            "name": { "type": "string" },
            "contact_information": { "type": "object", "properties": contact },
            "intended_use": { "type": "string" },
            "sponsor_user_id": { "type": "number" },
            "risk_id": { "type": "string" },
        },
        "required": required,
    })
}

#[tokio::test(start_paused = true)]
async fn a_qualio_that_drifts_gets_no_supplier_until_it_is_mended() {
    let text = json!({ "type": "string" });
    let world = World::new(
        realistic_suppliers(7, 8, MONDAY_MORNING.0),
        &[qualio_flow("contract = { openapi = \"/openapi.json\" }")],
    );
    world.qualio.describe(supplier(&["name"], &text));
    world.start();
    world.settle().await;
    assert!(
        world.engine.kept_contract(&id()).await.unwrap().is_some(),
        "it is known what Qualio takes"
    );
    let sent = || {
        let calls = world.qualio.calls().into_iter();
        calls.filter(|call| call.method != "GET").count()
    };
    let applied = sent();
    assert!(applied > 0 && in_review(&world) == 0);

    world.qualio.describe(supplier(
        &["name", "category"],
        &json!({ "type": "object" }),
    ));
    change(&world, 5);
    assert_eq!(world.run(MANUAL).await.end, RunEnd::Complete);
    tokio::time::sleep(HOUR).await;
    let stopped = state(&world).await.stops(Side::Target).unwrap();
    for told in [
        "blocked: qualio does not accept what the flow writes: POST /v1/suppliers/suppliers: ",
        "`contact_information/notes`: the flow writes a text, the target accepts a table",
        "`category`: the flow does not write it, the target requires it",
        "PUT /v1/suppliers/suppliers/{}: ",
        "changed since 2026-",
        "`contact_information/notes` was a text and is a table",
    ] {
        assert!(stopped.contains(told), "{told} in {stopped}");
    }
    let blocked = |event: &Event| matches!(event, Event::FlowBlocked { .. });
    assert_eq!(world.events().iter().filter(|one| blocked(one)).count(), 1);
    assert_eq!(sent(), applied, "nothing was sent");

    world.qualio.describe(supplier(&["name"], &text));
    world.engine.resume(&id(), "ana").await.unwrap();
    world.until("applied", HOUR, || world.is_clean()).await;
    assert!(state(&world).await.blocker.is_none());
    assert_eq!((sent(), in_review(&world)), (applied + 5, 0));
}

#[tokio::test(start_paused = true)]
async fn a_qualio_that_the_flow_does_not_ask_is_not_asked() {
    let world = World::new(
        realistic_suppliers(7, 2, MONDAY_MORNING.0),
        &[qualio_flow("")],
    );
    world.qualio.describe(supplier(&["category"], &Value::Null));
    world.start();
    world.settle().await;
    let calls = world.qualio.calls();
    assert!(calls.iter().all(|call| !call.path.contains("openapi")));
    assert!(state(&world).await.blocker.is_none());
}
