//! Our own store as a target: what is staged is applied by the same write.

use std::time::Duration;

use serde_json::json;
use tidegate_engine::Event;
use tidegate_model::{Content, Tier};
use tidegate_policy::{reconcile::ReconcileRequest, register::State};
use tidegate_testkit::doubles::erp::{ErpSupplier, realistic_suppliers, webhook::Told};

use crate::world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow};

/// The supplier flow into our own store.
fn flow() -> String {
    let text = suppliers_flow();
    let (head, _) = text.split_once("[target]").unwrap();
    let head = head.replace("deletion = \"review\"", "deletion = \"delete\"");
    format!("{head}[target]\ntype = \"store\"\n")
}

fn world(records: u32) -> World {
    World::new(realistic_suppliers(9, records, 0), &[flow()])
}

fn change(world: &World, key: &str) -> ErpSupplier {
    let change = |row: &mut ErpSupplier| row.quality.blocked = !row.quality.blocked;
    world.erp.change(key, change).unwrap()
}

fn keys(world: &World) -> Vec<String> {
    world
        .erp
        .suppliers()
        .into_iter()
        .map(|row| row.id)
        .collect()
}

fn all_applied(world: &World) -> bool {
    let registers = world.registers();
    registers
        .values()
        .all(|register| register.state() == State::Applied)
}

#[tokio::test(start_paused = true)]
async fn a_new_or_changed_record_costs_one_write_an_unchanged_one_none_and_nothing_is_queued() {
    let world = world(120);
    let none = world.writes();
    let first = world.run(MANUAL).await;
    assert_eq!(first.counts.staged, 120);
    assert!(all_applied(&world) && world.registers().len() == 120);
    assert_eq!(world.queued_keys().len(), 0);
    // What the run itself writes: its lease, its pages, permits of the source.
    let of_run = world.writes() - none - 120;
    for key in keys(&world).iter().take(7) {
        change(&world, key);
    }
    let before = world.writes();
    let second = world.run(MANUAL).await;
    assert_eq!((second.counts.staged, second.counts.queued), (7, 0));
    assert!(world.writes() - before <= 7 + of_run, "{of_run}");
    let before = world.writes();
    let third = world.run(MANUAL).await;
    assert_eq!(third.counts.staged, 0);
    assert!(world.writes() - before <= of_run, "{of_run}");
    assert!(all_applied(&world));
    assert_eq!(world.queued_keys().len(), 0);
    assert_eq!(world.qualio.calls().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn each_record_is_told_of_as_applied_once_and_counted_as_it_reg_1_out_1() {
    let world = world(20);
    world.run(MANUAL).await;
    let applied = |world: &World| {
        let is = |event: &&Event| matches!(event, Event::RecordApplied { .. });
        world.events().iter().filter(is).count()
    };
    assert_eq!(applied(&world), 20);
    let key = &keys(&world)[3];
    let older = change(&world, key);
    let newer = |row: &mut ErpSupplier| row.quality.approved = !row.quality.approved;
    let newer = world.erp.change(key, newer).unwrap();
    for (row, id) in [(&newer, "b"), (&older, "a"), (&newer, "b")] {
        world
            .webhook(Told::Whole(row), id, WEBHOOK_SECRETS[0])
            .await;
    }
    let register = world.register(key);
    assert_eq!(register.state(), State::Applied);
    assert_eq!(register.tier, Tier::RealTime);
    let fields = register.desired.content.fields().unwrap();
    assert_eq!(fields["blocked"], json!(newer.quality.blocked));
    assert_eq!(
        applied(&world),
        21,
        "an older version and a repeat change nothing"
    );
}

#[tokio::test(start_paused = true)]
async fn what_breaks_the_schema_waits_for_a_person_and_the_next_good_version_ends_that() {
    let world = world(20);
    world.start();
    world.run(MANUAL).await;
    let key = &keys(&world)[5];
    world
        .erp
        .change(key, |row| row.quality.audit_score = 101.0)
        .unwrap();
    let report = world.run(MANUAL).await;
    assert_eq!(report.counts.in_review, 1);
    let register = world.register(key);
    assert_eq!(register.state(), State::InReview);
    assert!(register.applied.is_some(), "what was good is known");
    world
        .erp
        .change(key, |row| row.quality.audit_score = 99.0)
        .unwrap();
    world.run(MANUAL).await;
    assert!(all_applied(&world));
    assert!(world.register(key).review.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_deletion_leaves_a_tombstone_that_an_older_version_does_not_raise_reg_1() {
    let world = world(20);
    world.start();
    world.run(MANUAL).await;
    let key = keys(&world)[5].clone();
    let older = change(&world, &key);
    world
        .webhook(Told::Whole(&older), "first", WEBHOOK_SECRETS[0])
        .await;
    assert!(world.erp.delete(&key));
    world
        .webhook(Told::Partial(&key), "gone", WEBHOOK_SECRETS[0])
        .await;
    let limit = Duration::from_secs(600);
    let is_gone = || async { world.register(&key).desired.content == Content::Deleted };
    world.until("it is gone", limit, is_gone).await;
    assert_eq!(world.register(&key).state(), State::Applied);
    world
        .webhook(Told::Whole(&older), "late", WEBHOOK_SECRETS[0])
        .await;
    assert_eq!(world.register(&key).desired.content, Content::Deleted);
}

#[tokio::test(start_paused = true)]
async fn a_comparison_heals_what_was_missed_by_one_write_and_is_whole_without_a_listing() {
    let world = world(20);
    world.run(MANUAL).await;
    let key = keys(&world)[5].clone();
    // A change that no run has seen: its time is before the last run's.
    let row = change(&world, &key);
    let report = world.reconcile(&ReconcileRequest::default()).await;
    assert_eq!(report.not_compared, None, "{}", report.summary());
    assert_eq!(report.findings.compared, 20, "{}", report.summary());
    let register = world.register(&key);
    assert_eq!(register.state(), State::Applied);
    let fields = register.desired.content.fields().unwrap();
    assert_eq!(fields["blocked"], json!(row.quality.blocked));
    assert_eq!(world.qualio.calls().len(), 0);
    assert_eq!(world.queued_keys().len(), 0);
}
