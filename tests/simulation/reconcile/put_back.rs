//! A source that shows an older version with other content: restored from a backup, or created anew.
//! What is newest stands until a person has decided (REG-1).

use std::time::Duration;

use tidegate_engine::api::{Access, ReviewEntry, ReviewId};
use tidegate_model::{Fetch, RecordKey, Tier};
use tidegate_policy::{
    reconcile::{Kind, MAX_NOTES},
    register::{ReviewKind, State},
};
use tidegate_simulator::{Fate, Operation};
use tidegate_testkit::doubles::{
    Action, Fault, Gate, Point,
    erp::{ErpSupplier, webhook::Told},
};

use super::{
    LATER, anew, calls_that_write, counts, flow, heals, in_parts, settled, settled_under,
    source::list_once,
};
use crate::{
    hand::Hand,
    world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow},
};

/// A record that was changed and applied, and then put back to what it was.
async fn put_back(world: &World) -> ErpSupplier {
    let before = world.erp.suppliers()[3].clone();
    change(world, &before.id, "(newer)").await;
    change(world, &before.id, "(new)").await;
    begin_anew(world, &before);
    tokio::time::sleep(LATER).await;
    before
}

async fn change(world: &World, key: &str, how: &str) {
    world.erp.change(key, |row| row.purpose.push_str(how));
    world.run(MANUAL).await;
    heals(world).await;
}

/// The versions of what is created anew begin again.
fn begin_anew(world: &World, row: &ErpSupplier) {
    let newest = world.erp.supplier(&row.id).unwrap().version;
    assert!(world.erp.delete(&row.id));
    assert!(world.erp.insert(row.clone()).version < newest);
}

fn id(key: &str) -> ReviewId {
    ReviewId::Record(flow(), RecordKey::try_new(key).unwrap())
}

async fn review(world: &World, key: &str) -> ReviewEntry {
    world.engine.review(&id(key), Access::Fields).await.unwrap()
}

fn purpose_at_target(world: &World, key: &str) -> String {
    let supplier = &world.qualio.suppliers_of_key(key)[0];
    supplier.intended_use.clone().unwrap()
}

async fn compared(world: &World) -> Vec<(Kind, u64)> {
    counts(&world.reconcile(&anew()).await.findings)
}

#[tokio::test(start_paused = true)]
async fn what_a_listing_alone_shows_to_be_older_is_no_matter() {
    let world = settled(12).await;
    let before = world.erp.suppliers();
    change(&world, &before[3].id, "(new)").await;
    list_once(&world, &before);
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_put_back_is_in_review_and_a_replay_sends_it() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 11), (Kind::PutBackAtSource, 1)]
    );
    assert_eq!(report.notes[0].key, row.id);
    let entry = review(&world, &row.id).await;
    assert_eq!(entry.cause.kind, ReviewKind::PutBackAtSource);
    let reason = &entry.cause.reason;
    assert!(reason.contains("shows version 1 after 3"), "{reason}");
    assert_eq!(entry.fields.unwrap()["purpose"], row.purpose.as_str());
    world.settle().await;
    assert!(
        purpose_at_target(&world, &row.id).ends_with("(new)"),
        "nobody has decided yet"
    );
    let waiting = [(Kind::Equal, 11), (Kind::InReview, 1)];
    assert_eq!(compared(&world).await, waiting);

    world.engine.replay(&id(&row.id)).await.unwrap();
    heals(&world).await;
    assert_eq!(purpose_at_target(&world, &row.id), row.purpose);
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
    assert_eq!(world.register(&row.id).state(), State::Applied);
    // Its versions have not passed the old one yet.
    world.erp.change(&row.id, |row| row.purpose.push('!'));
    world.run(MANUAL).await;
    tokio::time::sleep(LATER).await;
    let again = [(Kind::Equal, 11), (Kind::PutBackAtSource, 1)];
    assert_eq!(compared(&world).await, again);
    for _ in 0..2 {
        world.erp.change(&row.id, |row| row.purpose.push('!'));
    }
    world.run(MANUAL).await;
    heals(&world).await;
    assert!(purpose_at_target(&world, &row.id).ends_with("!!!"));
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
}

#[tokio::test(start_paused = true)]
async fn what_was_put_back_and_discarded_leaves_the_target_as_it_is() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    compared(&world).await;
    world.engine.discard(&id(&row.id)).await.unwrap();
    for _ in 0..2 {
        world.settle().await;
        tokio::time::sleep(LATER).await;
        let decided = [(Kind::Equal, 11), (Kind::Discarded, 1)];
        assert_eq!(compared(&world).await, decided);
    }
    assert!(purpose_at_target(&world, &row.id).ends_with("(new)"));
}

/// A review of the past would tell of a deletion that is none any more.
#[tokio::test(start_paused = true)]
async fn what_was_deleted_and_is_there_again_is_named_whatever_a_person_had_decided() {
    let text = suppliers_flow();
    let world = settled_under(40, &text).await;
    let rows = world.erp.suppliers();
    for row in &rows[..2] {
        change(&world, &row.id, "(new)").await;
        assert!(world.erp.delete(&row.id));
        tokio::time::sleep(LATER).await;
        world.reconcile(&anew()).await;
        let cause = review(&world, &row.id).await.cause;
        assert_eq!(cause.kind, ReviewKind::DeletedAtSource);
    }
    world.engine.discard(&id(&rows[1].id)).await.unwrap();
    for row in &rows[..2] {
        world.erp.insert(row.clone());
    }
    tokio::time::sleep(LATER).await;
    let found = [(Kind::Equal, 38), (Kind::PutBackAtSource, 2)];
    assert_eq!(compared(&world).await, found);
    for row in &rows[..2] {
        let cause = review(&world, &row.id).await.cause;
        assert_eq!(cause.kind, ReviewKind::PutBackAtSource);
        world.engine.replay(&id(&row.id)).await.unwrap();
    }
    heals(&world).await;
    assert_eq!(purpose_at_target(&world, &rows[0].id), rows[0].purpose);
    assert_eq!(compared(&world).await, [(Kind::Equal, 40)]);
}

/// Of a whole source that was put back each would cost a call, and a person's time.
#[tokio::test(start_paused = true)]
async fn of_a_source_that_was_put_back_as_a_whole_a_part_is_put_in_review_at_a_time() {
    let world = settled(60).await;
    let before = world.erp.suppliers();
    for row in &before {
        world.erp.change(&row.id, |row| row.purpose.push('!'));
    }
    world.run(MANUAL).await;
    heals(&world).await;
    for row in &before {
        begin_anew(&world, row);
    }
    tokio::time::sleep(LATER).await;
    assert_eq!(compared(&world).await, [(Kind::PutBackAtSource, 60)]);
    let most = u64::try_from(MAX_NOTES).unwrap();
    let second = [(Kind::PutBackAtSource, 60 - most), (Kind::InReview, most)];
    assert_eq!(compared(&world).await, second);
    assert_eq!(compared(&world).await, [(Kind::InReview, 60)]);
}

/// Whoever wants the target to hold what the source shows need not wait for the comparison.
#[tokio::test(start_paused = true)]
async fn a_forced_sync_of_what_was_put_back_asks_the_person() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    let key = RecordKey::try_new(row.id.as_str()).unwrap();
    world.engine.force_sync(&flow(), &key).await.unwrap();
    world.settle().await;
    let cause = review(&world, &row.id).await.cause;
    assert_eq!(cause.kind, ReviewKind::PutBackAtSource);
    // What the source says meanwhile is what a replay sends.
    world
        .erp
        .change(&row.id, |row| row.purpose = "meanwhile".to_owned());
    tokio::time::sleep(Duration::from_secs(20)).await;
    world.engine.force_sync(&flow(), &key).await.unwrap();
    world.settle().await;
    let reason = review(&world, &row.id).await.cause.reason;
    assert!(reason.contains("shows version 2 after 3"), "{reason}");
    world.engine.replay(&id(&row.id)).await.unwrap();
    heals(&world).await;
    assert_eq!(purpose_at_target(&world, &row.id), "meanwhile");
}

/// What the source said before a change is no answer about it, however late it is taken in.
#[tokio::test(start_paused = true)]
async fn a_forced_read_that_stood_still_is_not_taken_for_a_source_that_went_back_reg_1() {
    let hand = Hand::settled(2, suppliers_flow()).await;
    tokio::time::sleep(LATER).await;
    let key = hand.keys[0].clone();
    let one = format!("/api/suppliers/{key}");
    let reads_it = move |operation: &Operation<'_>| matches!(operation, Operation::Http { request } if request.url.ends_with(&one));
    hand.strike(1, Fate::StallAfter(LATER), reads_it);
    let mut forced = hand.message(1, Tier::RealTime);
    forced.fetch = Some(Fetch::Forced);
    let change = async {
        tokio::time::sleep(Duration::from_secs(30)).await;
        let new = |row: &mut ErpSupplier| row.purpose.push_str("(new)");
        hand.world.erp.change(key.as_str(), new).unwrap();
        assert_eq!(hand.world.run(MANUAL).await.counts.staged, 1);
    };
    let (handled, ()) = tokio::join!(hand.handle(forced), change);
    assert!(handled.took >= LATER, "{handled:?}");
    let register = hand.world.register(key.as_str());
    assert_eq!(register.review, None);
    let desired = serde_json::to_string(&register.desired.content).unwrap();
    assert!(desired.contains("(new)"), "{desired}");
}

/// The newer version never reached it, and is no more: there is nothing to decide.
#[tokio::test(start_paused = true)]
async fn what_was_put_back_to_what_the_target_holds_ends_its_review() {
    let world = settled(12).await;
    let row = world.erp.suppliers()[3].clone();
    world
        .erp
        .change(&row.id, |row| row.quality.audit_score = 140.0);
    world.run(MANUAL).await;
    assert_eq!(world.register(&row.id).state(), State::InReview);
    begin_anew(&world, &row);
    tokio::time::sleep(LATER).await;
    let writes = calls_that_write(&world);
    compared(&world).await;
    heals(&world).await;
    assert_eq!(world.register(&row.id).state(), State::Applied);
    assert_eq!(
        calls_that_write(&world),
        writes,
        "it held that all the time"
    );
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
}

/// Its values are gone for good, whatever a backup brings back.
#[tokio::test(start_paused = true)]
async fn what_was_forgotten_and_put_back_stays_forgotten() {
    let world = settled(12).await;
    let before = world.erp.suppliers()[3].clone();
    let key = RecordKey::try_new(before.id.as_str()).unwrap();
    change(&world, &before.id, "(new)").await;
    world.engine.forget(&flow(), &key).await.unwrap();
    begin_anew(&world, &before);
    tokio::time::sleep(LATER).await;
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
    world.engine.force_sync(&flow(), &key).await.unwrap();
    world.settle().await;
    let table = format!("{:?}", world.table().items());
    assert!(!table.contains(&before.contact.email));
    assert!(world.register(&before.id).review.is_none());
}

/// Rule 1: whoever staged it meanwhile may have died before it was queued.
#[tokio::test(start_paused = true)]
async fn what_came_while_the_source_was_asked_stands_and_is_queued() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    let gate = Gate::new();
    let by_key = Fault::new(Action::Hold(gate.clone())).path_contains(&row.id);
    world.erp.set_fault(by_key.times(1)).unwrap();
    let mut newest = row.clone();
    newest.version = 9;
    newest.purpose = "newest".to_owned();
    let pushed = async {
        gate.reached(1).await;
        world
            .webhook(Told::Whole(&newest), "m1", WEBHOOK_SECRETS[0])
            .await;
        gate.open();
    };
    let request = anew();
    let (report, ()) = tokio::join!(world.reconcile(&request), pushed);
    let found = [(Kind::Equal, 11), (Kind::Pending, 1)];
    assert_eq!(counts(&report.findings), found);
    assert_eq!(report.queued, 1);
    heals(&world).await;
    assert_eq!(purpose_at_target(&world, &row.id), "newest");
}

/// The versions of the source are below the newest that was seen, and the mapping goes on.
#[tokio::test(start_paused = true)]
async fn what_a_person_took_is_mapped_anew_by_a_newer_revision() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    compared(&world).await;
    world.engine.replay(&id(&row.id)).await.unwrap();
    heals(&world).await;
    let remapped = suppliers_flow()
        .replacen("revision = 1", "revision = 2", 1)
        .replace(
            "intended_use = \"fields.purpose\"",
            "intended_use = \"fields.purpose ~ ' (mapped anew)'\"",
        );
    let world = world.redeployed(&[remapped]);
    world.start();
    assert_eq!(compared(&world).await, [(Kind::Remapped, 12)]);
    heals(&world).await;
    assert!(purpose_at_target(&world, &row.id).ends_with("(mapped anew)"));
    assert_eq!(compared(&world).await, [(Kind::Equal, 12)]);
}

/// CP-1, OUT-1: each is asked for by its key, which takes time, and a cut between counts none twice.
#[tokio::test(start_paused = true)]
async fn a_cut_among_what_was_put_back_counts_each_once() {
    let world = settled(12).await;
    let before = world.erp.suppliers();
    for how in ["(newer)", "(new)"] {
        for row in &before[2..] {
            world.erp.change(&row.id, |row| row.purpose.push_str(how));
        }
        world.run(MANUAL).await;
        heals(&world).await;
    }
    for row in &before[2..] {
        begin_anew(&world, row);
    }
    let mut nameless = before[0].clone();
    nameless.id = String::new();
    world.erp.insert(nameless);
    world.stop();
    let slow = Fault::new(Action::DelayMs(2_500)).at(Point::BeforeAct);
    world.erp.set_fault(slow).unwrap();
    tokio::time::sleep(LATER).await;
    let (report, parts) = in_parts(&world, Duration::from_secs(34)).await;
    assert!(parts > 1);
    assert_eq!(
        counts(&report.findings),
        [
            (Kind::Equal, 2),
            (Kind::PutBackAtSource, 10),
            (Kind::Rejected, 1)
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn another_records_row_is_no_answer_about_what_was_put_back() {
    let world = settled(12).await;
    let row = put_back(&world).await;
    let other = world.erp.suppliers().remove(0);
    assert_ne!(other.id, row.id);
    let answer = Action::answer(200, serde_json::to_value(&other).unwrap());
    let wrong = Fault::new(answer).at(Point::BeforeAct);
    let by_key = wrong.path_contains(&row.id).times(1);
    world.erp.set_fault(by_key).unwrap();
    let before = world.register(&other.id);
    let pending = [(Kind::Equal, 11), (Kind::Pending, 1)];
    assert_eq!(compared(&world).await, pending);
    assert_eq!(world.register(&other.id), before);
    let found = [(Kind::Equal, 11), (Kind::PutBackAtSource, 1)];
    assert_eq!(compared(&world).await, found);
}
