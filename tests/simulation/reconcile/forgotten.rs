//! A record whose values were forgotten: neither a run nor a comparison brings it back or sends blanks.

use tidegate_engine::{HookAnswer, HookOutcome, api::Access};
use tidegate_model::{Content, RecordKey};
use tidegate_policy::{
    reconcile::Kind,
    register::State,
    run::{Mode, RunRequest},
};
use tidegate_testkit::doubles::erp::{ErpSupplier, webhook::Told};

use super::{anew, calls_that_write, complete, counts, flow, heals, settled};
use crate::world::{MANUAL, WEBHOOK_SECRETS, World};

/// Everything that the table holds, as text.
fn table(world: &World) -> String {
    format!("{:?}", world.table().items())
}

fn values(row: &ErpSupplier) -> [&str; 4] {
    let contact = &row.contact;
    [
        &contact.name,
        &contact.email,
        &contact.phone,
        &row.legal_name,
    ]
}

async fn forget(world: &World, key: &str) {
    let key = RecordKey::try_new(key).unwrap();
    let forgotten = world.engine.forget(&flow(), &key).await.unwrap();
    assert_eq!(forgotten.key, key);
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_record_stays_so_until_its_source_has_newer_content() {
    let world = settled(3).await;
    let row = world.erp.suppliers().remove(0);
    let key = row.id.clone();
    assert!(table(&world).contains(values(&row)[1]));
    forget(&world, &key).await;
    for value in values(&row) {
        assert!(!table(&world).contains(value), "{value}");
    }
    let writes = calls_that_write(&world);

    // A run that reads it again, and webhooks that repeat it or are late.
    let initial = RunRequest {
        mode: Some(Mode::Initial),
        ..MANUAL
    };
    world.run(initial).await;
    let mut late = row.clone();
    late.version -= 1;
    for (id, row) in [("m1", &row), ("m2", &late)] {
        let answer = world
            .webhook(Told::Whole(row), id, WEBHOOK_SECRETS[0])
            .await;
        assert_eq!(answer, HookAnswer::Accepted(HookOutcome::Known));
    }
    // Two comparisons: the second one goes by its index. Not even a hand in the target is sent
    // blanks over.
    let id = super::id_of(&world, &key);
    world
        .qualio
        .edit(&id, |there| there.name = "By hand".to_owned());
    for _ in 0..2 {
        let report = world.reconcile(&anew()).await;
        complete(&report);
        assert_eq!(counts(&report.findings), [(Kind::Equal, 3)]);
        heals(&world).await;
    }
    assert_eq!(calls_that_write(&world), writes);
    assert_eq!(world.register(&key).desired.content, Content::Forgotten);
    for value in values(&row) {
        assert!(!table(&world).contains(value), "{value}");
    }
    let record = RecordKey::try_new(key.clone()).unwrap();
    let view = world.engine.record(&flow(), &record, Access::Fields).await;
    assert_eq!(view.unwrap().unwrap().fields, None);

    let changed = world
        .erp
        .change(&key, |row| row.contact.phone = "+49 555 0199".to_owned());
    world.settle().await;
    let register = world.register(&key);
    assert_eq!(register.state(), State::Applied);
    assert_eq!(
        register.effective().fields().unwrap()["phone"],
        changed.unwrap().contact.phone
    );
    let there = world.qualio.suppliers_of_key(&key);
    assert_eq!(
        (there.len(), there[0].name.as_str()),
        (1, row.legal_name.as_str())
    );
}

#[tokio::test(start_paused = true)]
async fn a_forgotten_record_that_is_gone_at_its_source_is_deleted_as_the_flow_says() {
    let world = settled(3).await;
    let key = world.erp.suppliers().remove(0).id;
    forget(&world, &key).await;
    assert!(world.erp.delete(&key));
    let report = world.reconcile(&anew()).await;
    complete(&report);
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 2), (Kind::DeletedAtSource, 1)]
    );
    assert_eq!(world.register(&key).state(), State::InReview);
}

/// Nor is it taken for missing.
#[tokio::test(start_paused = true)]
async fn a_hand_that_takes_the_mark_out_of_a_forgotten_record_makes_no_second_one() {
    let world = settled(3).await;
    let key = world.erp.suppliers().remove(0).id;
    forget(&world, &key).await;
    let id = super::id_of(&world, &key);
    world
        .qualio
        .edit(&id, |there| there.contact_information = None);
    let writes = calls_that_write(&world);
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::Equal, 3)]);
    heals(&world).await;
    assert_eq!(calls_that_write(&world), writes);
    assert_eq!(world.qualio.suppliers().len(), 3);
}
