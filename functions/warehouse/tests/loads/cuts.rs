//! A load that is cut at any point, repeated, or run twice at once leaves the same table.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use async_trait::async_trait;
use rstest::rstest;
use tidegate_engine::{
    Engine, EngineError, Ports,
    ports::{Listing, ListingPage, Store, StoreError, WarehouseError, Written},
};
use tidegate_model::{
    ClaimToken,
    item::{Item, ItemKey},
};
use tidegate_policy::{
    flow_state::Side,
    reconcile::{self, Kept},
};
use tidegate_testkit::memory::Trouble;

use super::*;

#[tokio::test]
async fn a_merge_whose_answer_was_lost_is_asked_for_under_the_same_name_again() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    world.load().await;
    world.warehouse.land();
    world.warehouse.trouble("merge", Trouble::AnswerLost);
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    // It has the schema for itself still.
    world.load().await;
    let merges: Vec<String> = world.warehouse.calls();
    let merges: Vec<&String> = merges
        .iter()
        .filter(|call| call.starts_with("merge"))
        .collect();
    // That of the first load, the lost one, the same again, and the one that is owed.
    assert_eq!(merges.len(), 4);
    assert_eq!(merges[1], merges[2]);
    assert_ne!(merges[2], merges[3]);
    assert_eq!(world.held(), [("S-1".to_owned(), false, 1)]);
}

/// Under its old name it would have the old answer.
#[rstest]
#[case::refused(true)]
#[case::undone(false)]
#[tokio::test]
async fn a_merge_that_was_answered_is_not_asked_for_again(#[case] is_refused: bool) {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let reason = "no such table".to_owned();
    let error = if is_refused {
        WarehouseError::Refused { reason }
    } else {
        WarehouseError::Undone { reason }
    };
    world.warehouse.trouble("merge", Trouble::Fails(error));
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    if is_refused {
        assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
        world.host.clock.advance(Duration::from_secs(1));
        world.host.engine.resume(&flow_id(), "ada").await.unwrap();
    } else {
        let is_cut = matches!(report.end, RunEnd::Interrupted { .. });
        assert!(is_cut, "{report:?}");
    }
    world.load().await;
    let merges = world.warehouse.calls();
    let merges: Vec<&String> = merges
        .iter()
        .filter(|call| call.starts_with("merge"))
        .collect();
    assert_ne!(merges[0], merges[1]);
}

async fn another_flow_merges(world: &World) -> ItemKey {
    // Names are without case.
    let turn = keys::merge_lease("ORG-ACC", "db", "Market");
    let other = FlowId::try_new("other").unwrap();
    let owner = ClaimToken::try_new("another").unwrap();
    let seen = Kept::<FlowId>::read(world.host.store.item(&turn).as_ref());
    let held = reconcile::take(&owner, &seen, &other, world.host.clock.now());
    let written = world.host.store.update(&turn, &held).await.unwrap();
    assert!(matches!(written, Written::Done { .. }), "{written:?}");
    turn
}

/// Merges for two flows of one schema do not overlap.
#[tokio::test]
async fn while_another_flow_merges_none_is_begun_and_the_debt_stays() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let turn = another_flow_merges(&world).await;
    let report = world.load().await;
    assert_eq!((report.counts.loaded, report.merged), (1, false));
    let calls = world.warehouse.calls();
    assert!(
        !calls.iter().any(|call| call.starts_with("merge")),
        "{calls:?}"
    );

    // It ended, or its turn lapsed.
    world.host.clock.advance(Duration::from_mins(3));
    world.warehouse.land();
    assert!(world.load().await.merged);
    assert_eq!(world.held(), [("S-1".to_owned(), false, 1)]);
    let free = Kept::<FlowId>::read(world.host.store.item(&turn).as_ref());
    assert_eq!(free.held_until(world.host.clock.now()), None);
}

/// Nobody knows what had landed when it began.
#[tokio::test]
async fn a_merge_of_an_earlier_load_does_not_pay_for_files_that_landed_since() {
    let world = World::new();
    // No comparison is due, before which what has landed would be merged.
    world.compare().await;
    world.has("S-1", 1, "a@x.example").await;
    world.warehouse.trouble("merge", Trouble::AnswerLost);
    world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    world.warehouse.land();
    world.host.clock.advance(Duration::from_hours(1));
    world.load().await;
    assert_eq!(world.held(), [("S-1".to_owned(), false, 1)]);
}

/// Else what waits for that merge would show as missing.
#[tokio::test]
async fn nothing_is_compared_while_rows_wait_and_another_flow_merges() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    world.load().await;
    world.host.clock.advance(Duration::from_mins(40));
    world.warehouse.land();
    another_flow_merges(&world).await;
    let asked = event(json!({ "flow": "suppliers", "compare": true }));
    let before = world.host.clock.now();
    let flow = flow_id();
    let latest = || world.host.engine.latest_load_comparison(&flow);
    assert_eq!(world.asked(asked).await.end, RunEnd::Complete);
    assert!(latest().await.unwrap().unwrap().began < before);

    world.host.clock.advance(Duration::from_mins(3));
    world.host.engine.tick(None).await.unwrap();
    assert_eq!(world.requests(), 1, "it is wished still");
    world.load().await;
    let comparison = latest().await.unwrap().unwrap();
    assert!(
        comparison.began > before && comparison.agrees() && comparison.is_clean(),
        "{comparison:?}"
    );
}

/// The names of files order what was loaded of one version, and our own clock may go back.
#[tokio::test]
async fn a_later_file_has_a_greater_name_whatever_the_clock_says() {
    let world = World::new();
    for (version, back) in [(1, 0), (2, 10), (3, 3_600)] {
        let now = world.host.clock.now();
        world.host.clock.set(now - Duration::from_secs(back));
        world
            .has("S-1", version, &format!("{version}@x.example"))
            .await;
        assert_eq!(world.load().await.counts.loaded, 1);
    }
    let names: Vec<String> = world
        .warehouse
        .files()
        .into_iter()
        .map(|file| file.0)
        .collect();
    assert!(names.is_sorted() && names.len() == 3, "{names:?}");
}

#[tokio::test]
async fn a_place_that_takes_no_file_blocks_the_warehouse() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let reason = "AccessDenied".to_owned();
    world
        .warehouse
        .trouble("put", Trouble::Fails(WarehouseError::Refused { reason }));
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    let RunEnd::Stopped { reason } = &report.end else {
        panic!("{report:?}")
    };
    assert!(
        reason.contains("no file may be put") && reason.contains("AccessDenied"),
        "{reason}"
    );
    let state = world.host.engine.flow_state(&flow_id()).await.unwrap();
    assert!(state.stops(Side::Warehouse).is_some());
    assert_eq!(state.stops(Side::Target), None);
}

#[tokio::test]
async fn two_loads_at_once_are_one_and_the_other_is_told() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let both = async {
        futures_util::join!(
            world.asked(by_bus(&json!({ "flow": "suppliers" }))),
            world.asked(by_bus(&json!({ "flow": "suppliers" }))),
        )
    };
    let (one, other) = both.await;
    let busy = [&one, &other]
        .into_iter()
        .filter(|report| matches!(report.end, RunEnd::Busy { .. }));
    assert!(busy.count() <= 1, "{one:?} {other:?}");
    world.settle().await;
    assert_eq!(world.held(), [("S-1".to_owned(), false, 1)]);
    assert!(world.compare().await.agrees());
}

/// Writes of a table that die at one of them, with effect or without, and stay dead.
struct Dying {
    store: Arc<dyn Store>,
    left: AtomicI64,
    takes_effect: bool,
}

impl Dying {
    fn is_dead(&self) -> bool {
        self.left.load(Ordering::SeqCst) <= 0
    }
}

fn dead() -> StoreError {
    StoreError {
        operation: "update".to_owned(),
        source: "the process died".into(),
    }
}

#[async_trait]
impl Store for Dying {
    async fn update(&self, key: &ItemKey, update: &Update) -> Result<Written, StoreError> {
        if self.is_dead() {
            return Err(dead());
        }
        if self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            if self.takes_effect {
                self.store.update(key, update).await?;
            }
            return Err(dead());
        }
        self.store.update(key, update).await
    }

    async fn get(&self, keys: &[ItemKey]) -> Result<Vec<Option<Item>>, StoreError> {
        if self.is_dead() {
            return Err(dead());
        }
        self.store.get(keys).await
    }

    async fn list(
        &self,
        listing: &Listing,
        after: Option<&str>,
        limit: u32,
    ) -> Result<ListingPage, StoreError> {
        if self.is_dead() {
            return Err(dead());
        }
        self.store.list(listing, after, limit).await
    }
}

async fn dies_at(world: &World, write: i64, takes_effect: bool) -> bool {
    let dying = Arc::new(Dying {
        store: world.host.store.clone(),
        left: AtomicI64::new(write),
        takes_effect,
    });
    let ports = Ports {
        store: dying.clone(),
        ..world.host.ports.clone()
    };
    let flow = world.host.engine.flow(&flow_id()).unwrap().flow.clone();
    let (source, target) = tidegate_connect::connect(&flow);
    let runtime = tidegate_engine::FlowRuntime::new(flow, source, target);
    let engine = Engine::new(ports, vec![runtime]);
    let event = event(json!({ "flow": "suppliers", "compare": true }));
    let ended: Result<_, tidegate_warehouse::LoadError> =
        handle(&engine, &world.warehouse, event).await;
    if let Err(error) = &ended {
        let of_store = matches!(
            error,
            tidegate_warehouse::LoadError::Engine(EngineError::Store(_))
        );
        assert!(of_store, "{error:?}");
    }
    dying.is_dead()
}

#[tokio::test]
async fn a_load_that_dies_at_any_write_is_repeated_and_leaves_the_same_table() {
    let names = ["S-1", "S-2", "S-3", "S-4"];
    let mut deaths = 0;
    for takes_effect in [false, true] {
        for write in 1.. {
            let world = World::new();
            for name in names {
                world.has(name, 1, "a@x.example").await;
            }
            world.load().await;
            world.settle().await;
            // One changes, one is gone from the warehouse, which the comparison of the dying load finds.
            world.has("S-2", 2, "b@x.example").await;
            world
                .warehouse
                .meddle(|rows| rows.retain(|(_, key), _| key != "S-3"));
            if !dies_at(&world, write, takes_effect).await {
                break;
            }
            deaths += 1;
            // Its lease runs out, which it may hold for a statement.
            world.host.clock.advance(Duration::from_mins(11));
            world.compare().await;
            world.settle().await;
            world.compare().await;
            world.settle().await;
            let comparison = world.compare().await;
            assert!(
                comparison.agrees() && comparison.is_clean(),
                "write {write}: {comparison:?}"
            );
            let expected = [("S-1", 1), ("S-2", 2), ("S-3", 1), ("S-4", 1)];
            let expected = expected.map(|(key, version)| (key.to_owned(), false, version));
            assert_eq!(world.held(), expected, "write {write}");
        }
    }
    assert!(deaths >= 16, "{deaths}");
}

/// Somebody emptied the table, and the comparison dies while it has all of it loaded again.
#[tokio::test]
async fn a_mass_loss_whose_comparison_is_cut_is_counted_once_and_mended_whole() {
    const RECORDS: u64 = 100;
    let mut cuts = 0;
    for write in (1..).step_by(10) {
        let world = World::new();
        for number in 0..RECORDS {
            world.has(&format!("S-{number}"), 1, "a@x.example").await;
        }
        world.load().await;
        world.settle().await;
        world.warehouse.meddle(std::collections::BTreeMap::clear);
        if !dies_at(&world, write, true).await {
            break;
        }
        let marked = (0..RECORDS).filter(|number| {
            let at = keys::register(&flow_id(), &key(&format!("S-{number}")));
            let item = world.host.store.item(&at).unwrap();
            !item.contains_key("ll")
        });
        if !(1..100).contains(&marked.count()) {
            continue;
        }
        cuts += 1;
        world.host.clock.advance(Duration::from_mins(11));
        let loaded_before = world.load().await.counts.loaded;
        let comparison = world.host.engine.latest_load_comparison(&flow_id()).await;
        let comparison = comparison.unwrap().unwrap();
        assert_eq!(comparison.found.missing, RECORDS, "write {write}");
        assert_eq!(comparison.notes.len(), 100);
        let loaded = loaded_before + world.load().await.counts.loaded;
        assert_eq!(loaded, RECORDS, "write {write}");
        world.settle().await;
        let comparison = world.compare().await;
        assert!(
            comparison.agrees() && comparison.is_clean(),
            "write {write}: {comparison:?}"
        );
    }
    assert!(cuts >= 5, "{cuts}");
}

#[tokio::test]
async fn what_lands_when_no_merge_is_owed_is_merged_before_it_is_compared() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    world.load().await;
    world.host.clock.advance(Duration::from_hours(2));
    world.warehouse.land();
    let comparison = world.compare().await;
    assert!(
        comparison.agrees() && comparison.is_clean(),
        "{comparison:?}"
    );
    assert_eq!(world.held(), [("S-1".to_owned(), false, 1)]);
}

#[tokio::test]
async fn what_changes_while_its_file_is_put_is_loaded_by_the_next() {
    let world = World::new();
    world.has("S-1", 1, "a@x.example").await;
    let reason = "slow".to_owned();
    world
        .warehouse
        .trouble("put", Trouble::Fails(WarehouseError::Failed { reason }));
    let report = world.asked(by_bus(&json!({ "flow": "suppliers" }))).await;
    assert!(
        matches!(report.end, RunEnd::Interrupted { .. }),
        "{report:?}"
    );
    world.has("S-1", 2, "b@x.example").await;
    assert_eq!(world.load().await.counts.loaded, 1);
    world.settle().await;
    assert_eq!(world.held(), [("S-1".to_owned(), false, 2)]);
}
