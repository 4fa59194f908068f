//! A target that upserts by our key, whose listing the flow file describes.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tidegate_engine::RunEnd;
use tidegate_model::UnixMs;
use tidegate_policy::reconcile::{Kind, ReconcileRequest};
use tidegate_testkit::doubles::{
    Action, Call, Fault, Point, busiest_window,
    members::{Lie, Member},
};

use super::{LATER, anew, complete, counts, flow, heals, in_parts, settled_under};
use crate::world::{World, suppliers_flow};

const PAGE: usize = 20;

/// The supplier flow to the service, listed or not.
fn to_service(list: &str) -> String {
    let suppliers = suppliers_flow();
    let start = suppliers.find("[target]").unwrap();
    let target = format!(
        r#"[target]
type = "rest"
name = "members"
base_url = "http://members"
auth = {{ type = "bearer", secret = "ERP_TOKEN" }}
upsert = {{ method = "PUT", path = "/v1/members/{{{{ key }}}}", id = "/id" }}
delete = {{ method = "DELETE", path = "/v1/members/{{{{ key }}}}" }}
{list}
[target.limits]
real_time = {{ calls = 20, per_s = 60 }}
batch = {{ calls = 50, per_s = 60 }}
[target.body]
name = "fields.name"
purpose = "fields.purpose"
score = "fields.audit_score"
blocked = "fields.blocked"
contact = {{ phone = "fields.phone", email = "fields.email" }}
"#
    );
    format!("{}{target}", &suppliers[..start])
}

fn listing() -> String {
    format!(
        r#"[target.list]
path = "/v1/members"
query = {{ cursor = "{{{{ page.cursor }}}}", limit = "{{{{ page.size }}}}" }}
rows = "/members"
page_size = {PAGE}
pages = {{ by = "cursor", next = "/next" }}
key = "row.ref"
id = "/id""#
    )
}

async fn served(count: u32) -> World {
    settled_under(count, &to_service(&listing())).await
}

/// Calls that list.
fn listings(world: &World) -> Vec<Call> {
    let calls = world.members.calls().into_iter();
    calls.filter(|call| call.method == "GET").collect()
}

fn writes(world: &World) -> usize {
    world.members.calls().len() - listings(world).len()
}

fn keys(world: &World) -> Vec<String> {
    let suppliers = world.erp.suppliers().into_iter();
    suppliers.map(|supplier| supplier.id).collect()
}

/// What stands there of records of ours, in the order of their keys.
fn ours(world: &World) -> Vec<Member> {
    let mut members = world.members.members();
    members.retain(|member| member.reference.is_some());
    members.sort_by(|one, other| one.reference.cmp(&other.reference));
    members
}

/// One listing a reconciliation, a permit a page, and no write.
#[tokio::test(start_paused = true)]
async fn what_agrees_costs_one_listing_and_no_write() {
    let world = served(45).await;
    let sent = writes(&world);
    for round in 1..=2 {
        let report = world.reconcile(&anew()).await;
        complete(&report);
        assert_eq!(counts(&report.findings), [(Kind::Equal, 45)]);
        assert_eq!((report.queued, listings(&world).len()), (0, 3 * round));
    }
    assert_eq!(writes(&world), sent);
}

#[tokio::test(start_paused = true)]
async fn what_was_edited_deleted_or_never_arrived_is_named_counted_and_sent_again() {
    let world = served(60).await;
    world.reconcile(&anew()).await;
    let keys = keys(&world);
    let right = ours(&world);
    // By hand: two edits, one of them in a table; what the service keeps for itself is none.
    assert!(world.members.edit(&keys[3], |body| {
        body.insert("name".to_owned(), json!("Nobody"));
    }));
    assert!(world.members.edit(&keys[7], |body| {
        body["contact"]["phone"] = json!("0");
    }));
    assert!(world.members.edit(&keys[9], |body| {
        body.insert("rating".to_owned(), json!(5));
        body["contact"]["since"] = json!("2026");
    }));
    assert!(world.members.remove(&keys[12]));
    world.members.put_standing(None, serde_json::Map::new());
    world
        .members
        .put_standing(Some("SUP-999999"), serde_json::Map::new());
    // Taken with a 200 and never kept.
    world
        .erp
        .change(&keys[20], |row| row.quality.blocked ^= true)
        .unwrap();
    let lost = Fault::new(Action::answer(200, json!({"id": "m-0"})))
        .at(Point::BeforeAct)
        .path_contains(&keys[20]);
    world.members.set_fault(lost).unwrap();
    world.settle().await;
    world.members.clear_faults();
    tokio::time::sleep(LATER).await;
    // Changed without a word, by the source.
    world
        .erp
        .change(&keys[30], |row| row.purpose.push('!'))
        .unwrap();
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [
            (Kind::Equal, 55),
            (Kind::WebhookMissed, 1),
            (Kind::EditedAtTarget, 3),
            (Kind::MissingAtTarget, 1),
            (Kind::UnknownAtSource, 1),
        ]
    );
    assert_eq!((report.findings.compared, report.rows), (61, 60), "OUT-1");
    let mut named: Vec<(&str, Kind)> = report
        .notes
        .iter()
        .map(|note| (note.key.as_str(), note.kind))
        .collect();
    named.sort_unstable();
    assert_eq!(
        named,
        [
            (keys[3].as_str(), Kind::EditedAtTarget),
            (keys[7].as_str(), Kind::EditedAtTarget),
            (keys[12].as_str(), Kind::MissingAtTarget),
            (keys[20].as_str(), Kind::EditedAtTarget),
            (keys[30].as_str(), Kind::WebhookMissed),
            ("SUP-999999", Kind::UnknownAtSource),
        ]
    );
    heals(&world).await;
    let again = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&again.findings),
        [(Kind::Equal, 60), (Kind::UnknownAtSource, 1)]
    );
    let healed = ours(&world);
    assert_eq!(healed.len(), 61, "nothing stands twice");
    for (was, is) in right.iter().zip(&healed) {
        let key = was.reference.as_ref().unwrap();
        let changed = key == &keys[20] || key == &keys[30] || key == &keys[9];
        assert!(changed || was.body == is.body, "{key}");
    }
}

/// A record that the service lost, and one that never got there at all.
#[tokio::test(start_paused = true)]
async fn what_never_arrived_is_missing_and_arrives() {
    let world = World::new(
        tidegate_testkit::doubles::erp::realistic_suppliers(9, 30, 0),
        &[to_service(&listing())],
    );
    world.start();
    let key = keys(&world)[4].clone();
    let lost = Fault::new(Action::answer(201, json!({"id": "m-0"})))
        .at(Point::BeforeAct)
        .path_contains(&key);
    world.members.set_fault(lost).unwrap();
    world.settle().await;
    world.members.clear_faults();
    tokio::time::sleep(LATER).await;
    assert_eq!(world.members.member(&key), None);
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 29), (Kind::MissingAtTarget, 1)]
    );
    heals(&world).await;
    assert!(world.members.member(&key).is_some());
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 30)]);
}

#[tokio::test(start_paused = true)]
async fn a_mass_absence_stops_the_flow_and_nothing_is_deleted_there() {
    let text = to_service(&listing()).replace("deletion = \"review\"", "deletion = \"delete\"");
    assert!(text.contains("deletion = \"delete\""));
    let world = settled_under(50, &text).await;
    world.reconcile(&anew()).await;
    for key in &keys(&world)[..3] {
        assert!(world.erp.delete(key));
    }
    let report = world.reconcile(&anew()).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    tokio::time::sleep(LATER).await;
    assert_eq!(world.members.members().len(), 50);
    world.engine.resume(&flow(), "ada").await.unwrap();
    let accepted = ReconcileRequest {
        accept_absent: true,
        ..anew()
    };
    let report = world.reconcile(&accepted).await;
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 47), (Kind::DeletedAtSource, 3)]
    );
    heals(&world).await;
    assert_eq!(world.members.members().len(), 47);
}

#[rstest]
#[case::repeats(Lie::Repeats)]
#[case::reorders(Lie::Reorders)]
#[tokio::test(start_paused = true)]
async fn pages_that_repeat_or_reorder_are_compared_all_the_same(#[case] lie: Lie) {
    let world = served(45).await;
    world.members.lie(Some(lie));
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(counts(&report.findings), [(Kind::Equal, 45)]);
}

/// It ends, it says so, and nothing is concluded from it.
#[rstest]
#[case::circle(Lie::Circle, "go round", 9)]
#[case::same_page(Lie::SamePage, "the same page again", 5)]
#[case::to_itself(Lie::ToItself, "never end", 6)]
#[tokio::test(start_paused = true)]
async fn a_listing_without_an_end_is_not_believed(
    #[case] lie: Lie,
    #[case] said: &str,
    #[case] most: usize,
) {
    let world = served(45).await;
    let sent = writes(&world);
    assert!(world.members.remove(&keys(&world)[0]));
    world.members.lie(Some(lie));
    let report = world.reconcile(&anew()).await;
    let told = report.not_compared.unwrap();
    assert!(told.contains(said), "{told}");
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(counts(&report.findings), [(Kind::Equal, 45)]);
    let pages = listings(&world).len();
    assert!(pages <= most, "{pages} pages");
    assert_eq!(writes(&world), sent);
    world.members.lie(None);
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.missing_at_target, 1, "{report:?}");
}

/// A key that is read from where it is not would send everything again, every day.
#[tokio::test(start_paused = true)]
async fn a_listing_in_which_nothing_is_ours_is_a_matter_for_a_person() {
    let world = served(45).await;
    world.reconcile(&anew()).await;
    let sent = writes(&world);
    let mistaken = listing().replace("row.ref", "row.reference");
    let world = world.redeployed(&[to_service(&mistaken)]);
    let report = world.reconcile(&anew()).await;
    let told = report.not_compared.clone().unwrap();
    assert!(told.contains("none of the 45 records"), "{told}");
    assert_eq!(counts(&report.findings), [(Kind::Equal, 45)]);
    assert!(report.summary().contains("the target was not compared"));
    assert_eq!(writes(&world), sent);
}

#[tokio::test(start_paused = true)]
async fn a_flow_that_names_no_listing_is_told_that_its_target_is_not_compared() {
    let world = settled_under(30, &to_service("")).await;
    assert!(world.members.remove(&keys(&world)[0]));
    let report = world.reconcile(&anew()).await;
    let told = report.not_compared.clone().unwrap();
    assert!(told.contains("[target.list]"), "{told}");
    assert!(report.summary().contains(&told), "{}", report.summary());
    assert_eq!(counts(&report.findings), [(Kind::Equal, 30)]);
    assert_eq!(listings(&world), []);
}

/// LIM-1: every page takes a permit of the target's batch budget.
#[tokio::test(start_paused = true)]
async fn pages_keep_to_the_batch_limit() {
    let text = to_service(&listing().replace("page_size = 20", "page_size = 2"));
    let world = settled_under(
        40,
        &text.replace("calls = 50, per_s = 60", "calls = 6, per_s = 60"),
    )
    .await;
    tokio::time::sleep(LATER).await;
    let began = world.clock_ms();
    complete(&world.reconcile(&anew()).await);
    let pages: Vec<i64> = listings(&world).iter().map(|call| call.at_ms).collect();
    assert_eq!(pages.len(), 20);
    assert!(world.clock_ms() - began > 180_000, "20 pages at 6 a minute");
    assert!(
        busiest_window(pages.iter().copied(), 60_000) <= 6,
        "{pages:?}"
    );
}

/// CP-1: what was listed before a cut is kept, so that no page is called for twice.
#[tokio::test(start_paused = true)]
async fn a_listing_that_is_cut_goes_on_where_it_was() {
    let world = served(260).await;
    world.reconcile(&anew()).await;
    world.stop();
    let keys = keys(&world);
    // On the first page and on the last.
    assert!(world.members.remove(&keys[1]));
    assert!(world.members.edit(&keys[255], |body| {
        body.insert("name".to_owned(), json!("Nobody"));
    }));
    world
        .members
        .put_standing(Some("SUP-999999"), serde_json::Map::new());
    let before = listings(&world).len();
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.members.set_fault(slow.clone()).unwrap();
    world.erp.set_fault(slow).unwrap();
    let (report, parts) = in_parts(&world, Duration::from_secs(34)).await;
    assert!(parts > 3, "{parts}");
    assert_eq!(
        listings(&world).len() - before,
        13,
        "260 records are 13 pages"
    );
    assert_eq!(
        (report.rows, counts(&report.findings)),
        (
            260,
            vec![
                (Kind::Equal, 258),
                (Kind::EditedAtTarget, 1),
                (Kind::MissingAtTarget, 1),
                (Kind::UnknownAtSource, 1),
            ]
        )
    );
    let stray = report
        .notes
        .iter()
        .find(|note| note.kind == Kind::UnknownAtSource);
    assert_eq!(stray.unwrap().key, "SUP-999999", "its name is kept too");
}

/// Memory is bounded: the target is listed once for each pass.
#[tokio::test(start_paused = true)]
async fn more_members_than_memory_holds_are_compared_in_passes() {
    let world = served(60).await;
    assert!(world.members.remove(&keys(&world)[5]));
    let deadline = UnixMs(i64::MAX);
    let report = world
        .engine
        .reconcile_within(&flow(), &anew(), deadline, 20)
        .await
        .unwrap();
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 59), (Kind::MissingAtTarget, 1)]
    );
}
