//! What a comparison with the warehouse finds, and what mends it.

use tidegate_model::{ClaimToken, item::ItemKey};
use tidegate_policy::{
    load::{self, Kind, Note},
    reconcile,
};

use super::*;

async fn loaded() -> World {
    let world = World::new();
    for name in ["S-1", "S-2", "S-3"] {
        world.has(name, 5, "ada@x.example").await;
    }
    world.load().await;
    world.settle().await;
    world
}

/// The next load has so many, after which both sides are equal.
async fn is_mended_by_loading(world: &World, records: u64) {
    assert_eq!(world.load().await.counts.loaded, records);
    world.settle().await;
    let comparison = world.compare().await;
    assert!(
        comparison.agrees() && comparison.is_clean(),
        "{comparison:?}"
    );
}

fn notes(comparison: &Comparison) -> Vec<(&str, Kind)> {
    let notes = comparison.notes.iter();
    notes
        .map(|Note { key, kind }| (key.as_str(), *kind))
        .collect()
}

#[tokio::test]
async fn equal_counts_and_checksums_are_told_of_both_sides() {
    let world = loaded().await;
    let rows_read = || {
        let calls = world.warehouse.calls();
        calls.iter().filter(|call| *call == "rows").count()
    };
    let before = rows_read();
    let comparison = world.compare().await;
    assert!(
        comparison.agrees() && comparison.is_clean(),
        "{comparison:?}"
    );
    assert_eq!(comparison.found.equal, 3);
    assert_eq!(comparison.registers.held, 3);
    assert_ne!(comparison.registers.checksum, "0");
    assert_eq!(rows_read(), before, "no row was read");
}

#[tokio::test]
async fn what_is_on_its_way_is_no_finding() {
    let world = loaded().await;
    world.has("S-4", 1, "eve@x.example").await;
    world.has("S-1", 6, "eve@x.example").await;
    let comparison = world.compare().await;
    assert_eq!(comparison.found.in_transit, 2);
    assert_eq!(comparison.found.found(), 0);
    assert!(!comparison.agrees());
}

#[tokio::test]
async fn a_row_that_is_missing_or_older_is_loaded_again() {
    let world = loaded().await;
    let at = |key: &str| ("suppliers".to_owned(), key.to_owned());
    let older = world.warehouse.records().remove(1);
    world.has("S-2", 6, "eve@x.example").await;
    world.load().await;
    world.settle().await;
    world.warehouse.meddle(|rows| {
        rows.remove(&at("S-1"));
        rows.insert(at("S-2"), older);
    });
    let comparison = world.compare().await;
    let mut found = notes(&comparison);
    found.sort_by_key(|(key, _)| *key);
    assert_eq!(found, [("S-1", Kind::Missing), ("S-2", Kind::Older)]);
    assert!((comparison.integrity_percent() - 100.0 / 3.0).abs() < 0.01);
    is_mended_by_loading(&world, 2).await;
}

#[tokio::test]
async fn what_only_a_person_can_mend_is_told_and_left() {
    let world = loaded().await;
    let at = |key: &str| ("suppliers".to_owned(), key.to_owned());
    world.has("S-9", 7, "eve@x.example").await;
    world.load().await;
    world.settle().await;
    let newest = world.warehouse.records().pop().unwrap();
    world.warehouse.meddle(|rows| {
        let mut newer = newest.clone();
        newer.key = "S-2".to_owned();
        newer.digest = newer.digest_now();
        rows.insert(at("S-2"), newer);
        let mut unknown = newest;
        unknown.key = "S-8".to_owned();
        unknown.digest = unknown.digest_now();
        rows.insert(at("S-8"), unknown);
    });
    let comparison = world.compare().await;
    let mut found = notes(&comparison);
    found.sort_by_key(|(key, _)| *key);
    let expected = [("S-2", Kind::Newer), ("S-8", Kind::Unknown)];
    assert_eq!(found, expected);
    assert_eq!(world.load().await.counts.loaded, 0);
}

#[tokio::test]
async fn a_row_that_somebody_altered_is_named_and_loaded_again() {
    let world = loaded().await;
    world.warehouse.meddle(|rows| {
        let at = ("suppliers".to_owned(), "S-1".to_owned());
        let altered = rows.get_mut(&at).unwrap();
        altered.content = Some("{}".to_owned());
    });
    let comparison = world.compare().await;
    assert_eq!(notes(&comparison), [("S-1", Kind::Altered)]);
    assert_eq!(comparison.unsound, ["S-1"]);
    is_mended_by_loading(&world, 1).await;
}

/// People see `fields`, which no digest covers.
#[tokio::test]
async fn a_row_that_is_unsound_beyond_its_digest_is_told_and_loaded_again() {
    let world = loaded().await;
    world.warehouse.spoil("S-2");
    let comparison = world.compare().await;
    assert_eq!(comparison.found.equal, 3);
    assert_eq!(comparison.unsound, ["S-2"]);
    assert!(!comparison.is_clean());
    is_mended_by_loading(&world, 1).await;
}

#[tokio::test]
async fn one_that_is_asked_for_while_a_load_is_at_work_is_asked_for_by_tick() {
    let world = loaded().await;
    let first = world.compare().await;
    world.host.engine.tick(None).await.unwrap();
    let before = world.requests();
    // Another process is at work.
    let held = reconcile::take(
        &ClaimToken::try_new("another").unwrap(),
        &load::Checkpoint::read(world.host.store.item(&lease()).as_ref()),
        &load::Progress {
            compared_at: Some(first.began),
            ..load::Progress::default()
        },
        world.host.clock.now(),
    );
    let written = world.host.store.update(&lease(), &held).await.unwrap();
    assert!(matches!(written, Written::Done { .. }), "{written:?}");
    world.host.clock.advance(Duration::from_secs(1));
    let asked = event(json!({ "flow": "suppliers", "compare": true }));
    let report = world.asked(asked).await;
    assert!(matches!(report.end, RunEnd::Busy { .. }), "{report:?}");
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), before, "it is at work still");

    world.host.clock.advance(Duration::from_mins(3));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), before + 1);
    world.load().await;
    let latest = world.host.engine.latest_load_comparison(&flow_id()).await;
    assert!(latest.unwrap().unwrap().began > first.began);
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), before + 1, "one began after it");
}

fn lease() -> ItemKey {
    keys::load_lease(&flow_id())
}

#[tokio::test]
async fn it_is_compared_daily_and_when_asked() {
    let world = loaded().await;
    let first = world.compare().await;
    world.host.clock.advance(Duration::from_hours(1));
    world.load().await;
    let latest = || async {
        let latest = world.host.engine.latest_load_comparison(&flow_id()).await;
        latest.unwrap().unwrap().began
    };
    assert_eq!(latest().await, first.began);
    world.host.clock.advance(Duration::from_hours(23));
    world.load().await;
    assert!(latest().await > first.began);
}
