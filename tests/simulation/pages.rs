//! What becomes of a page and of its rows: tries, waits for the source, counts, rejections, links.

use std::{sync::Arc, time::Duration};

use serde_json::{Value as Json, json};
use tidegate_engine::{Event, RunEnd, RunReport, api::Access};
use tidegate_model::{FlowId, RecordKey, SourceVersion, UnixMs, Version, item::Value};
use tidegate_policy::{
    keys,
    register::ReviewKind,
    run::{Lease, Mode, RunRequest},
};
use tidegate_simulator::MONDAY_MORNING;
use tidegate_testkit::doubles::{Action, Answer, Call, Fault, Point, erp::realistic_suppliers};

use crate::world::{MANUAL, World, suppliers_flow};

const HOUR: Duration = Duration::from_secs(3_600);

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

fn world(suppliers: u32) -> World {
    World::new(realistic_suppliers(5, suppliers, 0), &[suppliers_flow()])
}

/// Calls for pages of the source.
fn pages(world: &World) -> Vec<Call> {
    let calls = world.erp.calls_between(i64::MIN, i64::MAX).into_iter();
    calls.filter(|call| call.path == "/api/suppliers").collect()
}

fn lease(world: &World) -> Lease {
    Lease::read(world.table().item(&keys::lease(&flow())).as_ref())
}

/// The second page of the source meets this, so many times.
fn second_page(world: &World, action: Action, times: u64) {
    let fault = Fault::new(action).at(Point::BeforeAct);
    world.erp.set_fault(fault.nth(2).times(times)).unwrap();
}

fn wait(seconds: u32) -> Action {
    Action::Answer(Answer {
        status: 429,
        headers: [("retry-after".to_owned(), seconds.to_string())].into(),
        body: Json::Null,
    })
}

async fn run_until(world: &World, left: Duration) -> RunReport {
    let deadline = world.engine.now() + left;
    let report = world.engine.run(&flow(), &MANUAL, deadline).await.unwrap();
    assert!(report.counts.add_up(), "OUT-1: {report:?}");
    report
}

#[tokio::test(start_paused = true)]
async fn a_page_is_read_at_the_third_try_after_two_seconds_and_four() {
    let world = world(120);
    second_page(&world, Action::answer(500, json!({})), 2);
    let report = world.run(MANUAL).await;
    assert_eq!(
        (report.end, report.counts.received),
        (RunEnd::Complete, 120)
    );
    let times: Vec<i64> = pages(&world).iter().map(|call| call.at_ms).collect();
    let waits: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!((2_000..3_500).contains(&waits[1]), "{waits:?}");
    assert!((4_000..5_500).contains(&waits[2]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_waits_for_its_source_where_the_function_lasts_and_learns_nothing_from_the_wait_r34()
{
    let world = world(120);
    second_page(&world, wait(60), 1);
    let before = world.engine.now();
    let report = run_until(&world, Duration::from_secs(60 + 40)).await;
    assert_eq!(
        (report.end, report.counts.received),
        (RunEnd::Complete, 120)
    );
    assert!(world.engine.now().since(before) >= Duration::from_secs(60));
}

#[tokio::test(start_paused = true)]
async fn the_time_of_a_wait_is_not_taken_for_the_time_of_a_page_r34() {
    let world = world(200);
    second_page(&world, wait(60), 1);
    // The third page breaks, so that the run leaves what it has learnt.
    let fault = Fault::new(Action::Garbage).at(Point::BeforeAct);
    world.erp.set_fault(fault.nth(4).times(3)).unwrap();
    let report = run_until(&world, HOUR).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let learnt = lease(&world).progress.unwrap().paging;
    assert!(learnt.page_us < 5_000_000, "{learnt:?}");
}

#[tokio::test(start_paused = true)]
async fn a_run_does_not_wait_for_longer_than_its_function_lasts() {
    let world = world(120);
    second_page(&world, wait(60), 1);
    let before = world.engine.now();
    let report = run_until(&world, Duration::from_secs(60 + 20)).await;
    assert_eq!(report.end, RunEnd::Continues, "there was some progress");
    assert!(world.engine.now().since(before) < Duration::from_secs(30));
}

#[tokio::test(start_paused = true)]
async fn a_run_does_not_wait_for_longer_than_its_lease_lasts() {
    let world = world(120);
    // 80 s and a page of 25 s leave less of two minutes than the 30 s that staging may take.
    second_page(&world, wait(80), 1);
    let before = world.engine.now();
    let report = run_until(&world, HOUR).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    assert!(world.engine.now().since(before) < Duration::from_secs(30));
}

/// CP-2: what another holds by now is not moved, and no further page is read.
#[tokio::test(start_paused = true)]
async fn a_run_whose_lease_another_has_moved_on_stops_at_its_checkpoint_cp_2() {
    let world = Arc::new(world(200));
    second_page(&world, Action::DelayMs(5_000), 1);
    let engine = Arc::clone(&world.engine);
    let running = tokio::spawn(async move {
        let deadline = UnixMs(i64::MAX);
        engine.run(&flow(), &MANUAL, deadline).await.unwrap()
    });
    world
        .until("the second page is under way", HOUR, || {
            std::future::ready(pages(&world).len() == 2)
        })
        .await;
    // Another took it over and has done one page since.
    let id = keys::lease(&flow());
    let mut item = world.table().item(&id).unwrap();
    for (name, by) in [("fence", 1), ("seq", 1)] {
        let number = item.get(name).and_then(Value::as_number).unwrap();
        item.insert(name.to_owned(), Value::from(number + by));
    }
    item.insert("owner".to_owned(), Value::from("f".repeat(32)));
    world.table().put(id, item);
    let report = running.await.unwrap();
    assert_eq!(report.end, RunEnd::LeaseLost);
    assert_eq!(pages(&world).len(), 2);
    let told = |event: &Event| matches!(event, Event::RunFinished { .. });
    assert!(
        !world.events().iter().any(told),
        "whoever goes on tells of it"
    );
}

#[tokio::test(start_paused = true)]
async fn what_ended_says_whether_everything_was_read() {
    let world = world(120);
    second_page(&world, Action::Garbage, 3);
    world.run(MANUAL).await;
    world.run(MANUAL).await;
    let ends: Vec<(bool, u64)> = world
        .events()
        .into_iter()
        .filter_map(|event| match event {
            Event::RunFinished {
                complete, counts, ..
            } => Some((complete, counts.received)),
            _ => None,
        })
        .collect();
    assert_eq!(ends, [(false, 50), (true, 120)]);
}

/// R1: the night window reads the day before once more, the others what is new.
#[tokio::test(start_paused = true)]
async fn the_night_window_looks_back_a_day_and_the_others_do_not_r1() {
    let world = world(10);
    world.run(MANUAL).await;
    let rows = world.erp.suppliers();
    let change = |at: usize| world.erp.change(&rows[at].id, |row| row.purpose.push('!'));
    for at in [1, 2, 3] {
        change(at).unwrap();
    }
    world.run(MANUAL).await;
    tokio::time::sleep(2 * HOUR).await;
    change(4).unwrap();
    world.run(MANUAL).await;
    let received = async |window| {
        let request = RunRequest {
            window: Some(window),
            ..MANUAL
        };
        world.run(request).await.counts.received
    };
    assert_eq!(received(MONDAY_MORNING - 6 * HOUR).await, 4, "at 02:00");
    assert_eq!(received(MONDAY_MORNING + 2 * HOUR).await, 1, "at 10:00");
}

/// OUT-1: what each row came to.
#[tokio::test(start_paused = true)]
async fn each_row_is_counted_as_what_became_of_it_out_1() {
    let world = world(10);
    world.start();
    world.settle().await;
    world.stop();
    let rows = world.erp.suppliers();
    let change = |at: usize, score: f64, name: &str| {
        let changed = world.erp.change(&rows[at].id, |row| {
            row.quality.audit_score = score;
            row.legal_name.push_str(name);
        });
        changed.unwrap();
    };
    change(0, rows[0].quality.audit_score + 1.0, "");
    change(1, rows[1].quality.audit_score, " Ltd");
    change(2, rows[2].quality.audit_score, " Ltd");
    change(3, 140.0, "");
    for id in ["", &"x".repeat(5_000)] {
        let mut nameless = rows[1].clone();
        nameless.id = id.to_owned();
        world.erp.insert(nameless);
    }
    let counts = world.run(MANUAL).await.counts;
    assert_eq!(
        (
            counts.staged,
            counts.critical,
            counts.in_review,
            counts.rejected
        ),
        (3, 1, 1, 2),
        "{counts:?}"
    );
    assert_eq!(counts.queued, 3, "{counts:?}");
    // Found again by the same name when the same row comes again.
    world.run(MANUAL).await;
    let reviews = world
        .engine
        .reviews(&flow(), None, 50, Access::Fields)
        .await
        .unwrap();
    let kinds = reviews.items.iter().map(|review| review.cause.kind);
    let rejected = kinds.filter(|kind| *kind == ReviewKind::Rejected);
    assert_eq!(
        rejected.count(),
        2,
        "each row that is no record is named by its content"
    );
    let events = world.events().into_iter();
    let told = events.filter(|event| matches!(event, Event::RecordInReview { key: None, .. }));
    assert_eq!(told.count(), 2, "each is told of once");
}

/// OUT-1: neither an older row nor a register that can not be read is lost count of.
#[tokio::test(start_paused = true)]
async fn an_older_row_and_one_whose_register_can_not_be_read_are_counted_out_1() {
    let world = world(5);
    world.run(MANUAL).await;
    let rows = world.erp.suppliers();
    let id = |at: usize| keys::register(&flow(), &RecordKey::try_new(&*rows[at].id).unwrap());
    let put = |at: usize, name: &str, value: String| {
        let mut item = world.table().item(&id(at)).unwrap();
        item.insert(name.to_owned(), Value::from(value));
        world.table().put(id(at), item);
    };
    let newer = Version {
        source: SourceVersion(u64::MAX / 2),
        revision: 1,
        read: 0,
    };
    put(0, "dv", newer.encode());
    put(1, "dv", "no version".to_owned());
    let again = RunRequest {
        lookback_s: Some(86_400),
        ..MANUAL
    };
    let counts = world.run(again).await.counts;
    let all = (counts.unchanged, counts.superseded, counts.rejected);
    assert_eq!(all, (3, 1, 1), "{counts:?}");
}

/// EFF-2: at a target that can be searched and not listed, an initial run can not know what stands
/// there: it looks before each create. A later run does not.
#[tokio::test(start_paused = true)]
async fn an_initial_run_looks_before_it_creates_where_nothing_can_be_listed_eff_2() {
    for (mode, looked) in [(Mode::Initial, 3), (Mode::Incremental, 0)] {
        let world = World::new(realistic_suppliers(5, 3, 0), &[searched()]);
        let request = RunRequest {
            mode: Some(mode),
            ..MANUAL
        };
        world.run(request).await;
        let waiting = world.registers();
        let look = waiting.values().filter(|it| it.unknown.is_some()).count();
        assert_eq!(look, looked, "{mode:?}");
    }
    // Where a repeat of a create changes nothing there is nothing to look for.
    let upserts = searched().replace(
        r#"create = { method = "POST", path = "/v1/members", id = "/id" }
update = { method = "PUT", path = "/v1/members/{{ target_id }}" }"#,
        r#"upsert = { method = "PUT", path = "/v1/members/{{ key }}", id = "/id" }"#,
    );
    let world = World::new(realistic_suppliers(5, 3, 0), &[upserts]);
    let request = RunRequest {
        mode: Some(Mode::Initial),
        ..MANUAL
    };
    world.run(request).await;
    let waiting = world.registers();
    assert!(waiting.values().all(|it| it.unknown.is_none()));
}

/// The supplier flow to a service that can be searched and not listed.
fn searched() -> String {
    let suppliers = suppliers_flow();
    let start = suppliers.find("[target]").unwrap();
    let target = r#"[target]
type = "rest"
name = "members"
base_url = "http://members"
auth = { type = "bearer", secret = "ERP_TOKEN" }
create = { method = "POST", path = "/v1/members", id = "/id" }
update = { method = "PUT", path = "/v1/members/{{ target_id }}" }
find = { path = "/v1/members", query = { ref = "{{ search }}" }, by = "key", rows = "/members", id = "/id" }
[target.limits]
real_time = { calls = 20, per_s = 60 }
batch = { calls = 50, per_s = 60 }
[target.body]
name = "fields.name"
"#;
    format!("{}{target}", &suppliers[..start])
}
