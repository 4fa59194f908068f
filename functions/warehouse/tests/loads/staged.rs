//! What is put into files, and what is not.

use rstest::rstest;
use tidegate_engine::ports::WarehouseError;
use tidegate_engine::{api::PauseRequest, ports::Column};
use tidegate_model::metric;
use tidegate_policy::{
    flow_state::{Scope, Side},
    register::{Register, ReviewCause, ReviewKind},
};
use tidegate_testkit::memory::Trouble;

use super::*;

#[tokio::test]
async fn what_was_applied_is_in_one_file_and_only_once() {
    let world = World::new();
    for name in ["S-1", "S-2", "S-3"] {
        world.has(name, 5, "ada@x.example").await;
    }
    let first = world.load().await;
    assert_eq!((first.counts.loaded, first.files), (3, 1));
    let files = world.warehouse.files();
    let (name, lines) = &files[0];
    assert!(
        name.starts_with("suppliers/") && name.ends_with(".jsonl.gz"),
        "{name}"
    );
    assert_eq!(lines.len(), 3);
    for line in lines {
        assert_eq!(line.digest, line.digest_now());
        assert_eq!(content_of(line)["name"], line.key);
    }

    world.has("S-2", 6, "eve@x.example").await;
    let second = world.load().await;
    assert_eq!((second.counts.loaded, second.counts.unchanged), (1, 2));
    let third = world.load().await;
    assert_eq!((third.counts.loaded, third.files), (0, 0));
    world.warehouse.land();
    world.load().await;
    let expected = [("S-1", 5), ("S-2", 6), ("S-3", 5)];
    let expected = expected.map(|(key, version)| (key.to_owned(), false, version));
    assert_eq!(world.held(), expected);
}

#[tokio::test]
async fn a_name_of_a_file_is_used_once_even_by_loads_of_one_moment() {
    let world = World::new();
    for version in 1..=3 {
        world
            .has("S-1", version, &format!("{version}@x.example"))
            .await;
        world.load().await;
    }
    let mut names: Vec<String> = world
        .warehouse
        .files()
        .into_iter()
        .map(|(name, _)| name)
        .collect();
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[tokio::test]
async fn a_deletion_goes_and_what_waits_or_is_in_review_does_not() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    world
        .stages(
            "S-1",
            &register::stage_applied(&change(2, Content::Deleted), START),
        )
        .await;
    world
        .stages("S-2", &register::stage(&change(1, Content::Deleted), START))
        .await;
    let cause = ReviewCause {
        kind: ReviewKind::Invalid,
        field: None,
        reason: "a test".to_owned(),
        since: START,
    };
    let reviewed = Stage {
        review: Some((flow_id(), cause)),
        ..change(1, Content::Record(serde_json::Map::new()))
    };
    world
        .stages("S-3", &register::stage_applied(&reviewed, START))
        .await;
    let report = world.load().await;
    assert_eq!((report.counts.loaded, report.counts.held_back), (1, 2));
    let lines = world.warehouse.files().remove(0).1;
    assert_eq!((lines[0].key.as_str(), lines[0].deleted), ("S-1", true));
}

#[tokio::test]
async fn private_fields_never_leave_and_what_is_forgotten_goes_from_the_warehouse_too() {
    let world = World::new();
    world.has("S-1", 1, "ada@x.example").await;
    world.load().await;
    let line = world.warehouse.files()[0].1[0].clone();
    let private = ["email", "contact_name"];
    for field in private {
        assert!(content_of(&line).get(field).is_none(), "{field}");
    }
    let at = keys::register(&flow_id(), &key("S-1"));
    let item = world.host.store.item(&at).unwrap();
    let register = Register::read(&item).unwrap().unwrap();
    world
        .stages("S-1", &register::erase(&register, START))
        .await;
    assert_eq!(world.load().await.counts.loaded, 1);
    assert_eq!(world.load().await.counts.loaded, 0);
    world.warehouse.land();
    world.load().await;
    assert_eq!(world.held(), [("S-1".to_owned(), true, 1)]);
}

/// R20: a Blocker before a file is written.
#[rstest]
#[case::no_column("RECORDS", "DIGEST", None, "`RECORDS` has no column `DIGEST`")]
#[case::another_type(
    "LANDING",
    "DELETED",
    Some("VARCHAR"),
    "`DELETED` of `LANDING` is VARCHAR"
)]
#[case::no_field(
    "SHOWN",
    "NAME",
    None,
    "the view `SHOWN` has no column for the field `name`"
)]
#[tokio::test]
async fn a_warehouse_of_another_shape_stops_the_loads_before_a_file_until_a_person_resumes(
    #[case] table: &str,
    #[case] name: &str,
    #[case] becomes: Option<&str>,
    #[case] why: &str,
) {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let runtime = world.host.engine.flow(&flow_id()).unwrap();
    let fields = runtime.flow.file().fields.keys().map(String::as_str);
    let whole = warehouse_columns("SHOWN", &fields.collect::<Vec<_>>());
    let drifted = whole.iter().filter_map(|column| {
        let is_it = column.table == table && column.name == name;
        let kind = if is_it {
            becomes?
        } else {
            column.kind.as_str()
        };
        Some(Column {
            kind: kind.to_owned(),
            ..column.clone()
        })
    });
    world.warehouse.has_columns(drifted.collect());
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    let reason = match &report.end {
        RunEnd::Stopped { reason } => reason.clone(),
        other => panic!("{other:?}"),
    };
    assert!(reason.contains(why), "{reason}");
    assert!(world.warehouse.files().is_empty());
    let state = world.host.engine.flow_state(&flow_id()).await.unwrap();
    assert!(state.stops(Side::Warehouse).unwrap().contains(why));
    assert_eq!(
        (state.stops(Side::Source), state.stops(Side::Target)),
        (None, None)
    );

    // Mended, it waits for a person all the same.
    world.warehouse.has_columns(whole);
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    world.host.clock.advance(Duration::from_secs(1));
    world.host.engine.resume(&flow_id(), "ada").await.unwrap();
    assert_eq!(world.load().await.counts.loaded, 1);
    let state = world.host.engine.flow_state(&flow_id()).await.unwrap();
    assert_eq!(state.blocker, None);
}

#[tokio::test]
async fn refused_credentials_block_and_a_warehouse_that_fails_does_not() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let reason = "busy".to_owned();
    world
        .warehouse
        .trouble("columns", Trouble::Fails(WarehouseError::Later { reason }));
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    let state = world.host.engine.flow_state(&flow_id()).await.unwrap();
    assert_eq!(state.blocker, None);
    let reason = "the key of the user is refused".to_owned();
    world.warehouse.trouble(
        "columns",
        Trouble::Fails(WarehouseError::Refused { reason }),
    );
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    let state = world.host.engine.flow_state(&flow_id()).await.unwrap();
    assert!(state.stops(Side::Warehouse).unwrap().contains("is refused"));
}

#[tokio::test]
async fn a_pause_of_the_target_is_one_of_the_warehouse() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let pause = PauseRequest {
        scope: Scope::Target,
        reason: "a move".to_owned(),
        by: "ada".to_owned(),
    };
    world.host.engine.pause(&flow_id(), pause).await.unwrap();
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert!(world.warehouse.calls().is_empty());
}

#[tokio::test]
async fn tick_asks_for_a_load_while_there_is_something_to_do_and_not_beyond() {
    let world = World::new();
    // The first comparison is due.
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 1);
    world.compare().await;
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(
        world.requests(),
        1,
        "nothing to load, to merge or to compare"
    );
    world.has("S-1", 1, "a@x.example").await;
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 1, "one was a moment ago");
    world.host.clock.advance(Duration::from_mins(5));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 2);
    world.load().await;
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 2, "the file is on its way");
    world.host.clock.advance(Duration::from_mins(5));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 3, "a merge is owed");
    world.host.clock.advance(Duration::from_mins(31));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 4, "none began so long after the file");
    world.load().await;
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 4);
    world.host.clock.advance(Duration::from_hours(24));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 5, "a comparison is due");
    let ages = world
        .host
        .metrics
        .values(&metric::LOAD_COMPARISON_AGE, &["suppliers"]);
    let hours = |age: Option<&f64>| age.map(|seconds| (seconds / 3_600.0).round());
    assert_eq!(
        (hours(ages.first()), hours(ages.last())),
        (Some(0.0), Some(25.0))
    );
}
