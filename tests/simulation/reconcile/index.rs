//! The index of fingerprints: what it spares, and that it hides nothing.

use std::{sync::Arc, time::Duration};

use tidegate_engine::ports::Write;
use tidegate_model::{ClaimToken, Tier, TierReason, UnixMs, Version, item::Item};
use tidegate_policy::{
    flow::{Flow, NormalRow},
    keys,
    reconcile::Kind,
    register,
};
use tidegate_testkit::doubles::{
    erp::realistic_suppliers,
    qualio::{RiskLevel, Supplier},
};

use super::{
    anew, calls_that_write, complete, counts, flow, id_of, index_items, settled, without_limits,
};
use crate::world::{World, settings};

#[tokio::test(start_paused = true)]
async fn what_agrees_is_compared_and_nothing_is_sent() {
    let world = settled(30).await;
    let written = calls_that_write(&world);
    let first = world.reconcile(&anew()).await;
    complete(&first);
    assert_eq!(
        (first.rows, counts(&first.findings)),
        (30, vec![(Kind::Equal, 30)])
    );
    let before = world.store_meter();
    let second = world.reconcile(&anew()).await;
    assert_eq!(counts(&second.findings), [(Kind::Equal, 30)]);
    assert_eq!((second.queued, second.notes.len()), (0, 0));
    let registers_read = world.store_meter().gets - before.gets;
    assert!(
        registers_read < 30,
        "the index spares them: {registers_read}"
    );
    assert_eq!(calls_that_write(&world), written);
}

/// Rule 9: a stale index costs a read; it never hides a change.
#[tokio::test(start_paused = true)]
async fn an_index_that_is_stale_hides_nothing() {
    let world = settled(20).await;
    world.reconcile(&anew()).await;
    let stale = world.table().items();
    let row = world.erp.suppliers()[4].clone();
    let purpose = row.purpose.clone();
    // There and back: the content is the old one, the version is not.
    world
        .erp
        .change(&row.id, |row| row.purpose.push('!'))
        .unwrap();
    world
        .erp
        .change(&row.id, |row| row.purpose.clone_from(&purpose))
        .unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 20)]);
    let version = world.erp.supplier(&row.id).unwrap().version;
    assert_eq!(
        world.register(&row.id).desired.version.source.0,
        version,
        "REG-1"
    );
    // The old index comes back, and a hand has been in the target.
    for key in index_items(&world) {
        world.table().put(key.clone(), stale[&key].clone());
    }
    world
        .qualio
        .edit(&id_of(&world, &row.id), |supplier| supplier.name.push('!'));
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 19), (Kind::EditedAtTarget, 1)]
    );
}

/// An index that was written before its checkpoint is not believed (CP-1).
#[tokio::test(start_paused = true)]
async fn an_index_of_a_run_that_never_reached_its_checkpoint_is_not_read() {
    let world = settled(20).await;
    world.reconcile(&anew()).await;
    for key in index_items(&world) {
        let mut item = world.table().item(&key).unwrap();
        let fence = item["f"].as_number().unwrap();
        item.insert("f".to_owned(), (fence + 5).into());
        world.table().put(key, item);
    }
    let before = world.store_meter().gets;
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 20)]);
    assert!(
        world.store_meter().gets - before >= 20,
        "each register is read"
    );
}

/// Puts every supplier of the ERP into Qualio and the registers, as if each had been applied long ago.
fn put_applied(world: &World) {
    let flow = Arc::new(Flow::load("flow.toml", &without_limits(), &settings()).unwrap());
    let (_, target) = tidegate_connect::connect(&flow);
    let long_ago = UnixMs(world.clock_ms() - 86_400_000);
    for row in world.erp.suppliers() {
        let row = flow.normalise(&serde_json::to_value(row).unwrap()).unwrap();
        let fields = row.content.fields().unwrap();
        let write = Write {
            key: &row.key,
            fields,
            target_id: None,
            etag: None,
            idempotency_key: "",
        };
        let planned = target.describe(write).unwrap().remove(0);
        let sent = planned.json().unwrap();
        let mut standing = Supplier::draft(sent["name"].as_str().unwrap());
        standing.risk_type = RiskLevel::of_id(sent["risk_id"].as_str().unwrap());
        standing.intended_use = sent["intended_use"].as_str().map(str::to_owned);
        standing.sponsor_user_id = serde_json::from_value(sent["sponsor_user_id"].clone()).unwrap();
        standing.contact_information =
            serde_json::from_value(sent["contact_information"].clone()).unwrap();
        let id = world.qualio.put_standing(standing).supplier_id;
        let item = applied(&row, &id, long_ago);
        world
            .table()
            .put(keys::register(&self::flow(), &row.key), item);
    }
}

/// The register after a stage, a claim and a commit.
fn applied(row: &NormalRow, id: &str, at: UnixMs) -> Item {
    let token = ClaimToken::try_new("t").unwrap();
    let version = Version {
        source: row.source_version.unwrap(),
        revision: 1,
        read: 1,
    };
    let stage = register::Stage {
        version,
        content: row.content.clone(),
        by: "t".to_owned(),
        tier: Tier::Batch,
        tier_reason: TierReason::FirstSeenInBatch,
        search: Some(row.key.to_string()),
        link: None,
        look_first: false,
        due: None,
        review: None,
    };
    let item = register::stage(&stage, at).evaluate(None).unwrap();
    let until = at + Duration::from_secs(60);
    let item = register::claim(&token, until, at, true).evaluate(Some(&item));
    let item = item.unwrap();
    let claimed = register::Register::read(&item).unwrap().unwrap();
    let done = register::Committed {
        hash: row.content.hash(),
        version,
        target_id: Some(id.to_owned()),
        etag: None,
        deleted: false,
        started: at,
    };
    let commit = register::commit(&token, &done, &claimed, at);
    commit.evaluate(Some(&item)).unwrap()
}

/// At most 0.01 read units and no register write for a record that has not changed: all reads of the
/// reconciliation are in it, those of budgets and breakers too.
#[tokio::test(start_paused = true)]
async fn five_thousand_unchanged_records_cost_a_hundredth_of_a_read_unit_each() {
    let rows = realistic_suppliers(9, 5_000, 0);
    let world = World::new(rows, &[without_limits()]);
    put_applied(&world);
    world.engine.tick(None).await.unwrap();
    let first = world.reconcile(&anew()).await;
    assert_eq!(counts(&first.findings), [(Kind::Equal, 5_000)], "{first:?}");
    world.engine.tick(None).await.unwrap();
    let registers = world.registers();
    let before = world.store_meter();
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(counts(&report.findings), [(Kind::Equal, 5_000)]);
    let after = world.store_meter();
    let units = after.read_units() - before.read_units();
    let writes = (after.writes + after.refused) - (before.writes + before.refused);
    println!(
        "5,000 unchanged records: {units} read units in all, {writes} writes of lease, budgets and report"
    );
    assert!(units <= 50.0, "{units} read units for 5,000 records");
    assert!(writes < 60, "{writes}");
    assert!(world.registers() == registers, "no register was written");
}
