//! What stands at Qualio: edited, gone, doubled, unknown.

use serde_json::json;
use tidegate_engine::RunEnd;
use tidegate_policy::reconcile::Kind;
use tidegate_testkit::doubles::{
    Action, Fault, Point,
    qualio::{Supplier, key_marker},
};

use super::{LATER, anew, calls_that_write, counts, flow, heals, id_of, settled};

#[tokio::test(start_paused = true)]
async fn a_hand_in_the_target_is_found_and_the_desired_content_sent_again() {
    let world = settled(10).await;
    world.reconcile(&anew()).await;
    let rows = world.erp.suppliers();
    let (edited, unmarked, kept) = (&rows[0].id, &rows[1].id, &rows[2].id);
    let phone = rows[0].contact.phone.clone();
    world.qualio.edit(&id_of(&world, edited), |supplier| {
        supplier.contact_information.as_mut().unwrap().phone = Some("0".to_owned());
    });
    let unmarked_id = id_of(&world, unmarked);
    world.qualio.edit(&unmarked_id, |supplier| {
        supplier.contact_information.as_mut().unwrap().notes = None;
    });
    // What people write beside our line is theirs, and so is how a text is spaced.
    world.qualio.edit(&id_of(&world, kept), |supplier| {
        let contact = supplier.contact_information.as_mut().unwrap();
        let ours = contact.notes.clone().unwrap();
        contact.notes = Some(format!("Ask for Jo.\r\n{ours}\n"));
        supplier.name.push(' ');
    });
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 8), (Kind::EditedAtTarget, 2)]
    );
    let before = world.register(edited).desired;
    assert!(
        world.register(edited).is_dirty(),
        "healed through apply alone"
    );
    heals(&world).await;
    assert_eq!(world.register(edited).desired, before, "REG-1");
    let contact = |key: &str| {
        world.qualio.suppliers_of_key(key)[0]
            .contact_information
            .clone()
    };
    assert_eq!(contact(edited).unwrap().phone, Some(phone));
    assert_eq!(id_of(&world, unmarked), unmarked_id, "found by its id");
    assert!(
        contact(kept)
            .unwrap()
            .notes
            .unwrap()
            .starts_with("Ask for Jo.")
    );
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 10)]);
    assert_eq!(world.qualio.suppliers().len(), 10, "nothing stands twice");
}

/// A target may show what was written only after a while (`settle_s`).
#[tokio::test(start_paused = true)]
async fn what_was_applied_a_moment_ago_is_not_held_against_a_listing() {
    let world = settled(10).await;
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.change(&key, |row| row.purpose.push('!')).unwrap();
    world.settle().await;
    world
        .qualio
        .edit(&id_of(&world, &key), |supplier| supplier.name.push('!'));
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 9), (Kind::Pending, 1)]
    );
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.edited_at_target, 1, "{report:?}");
}

#[tokio::test(start_paused = true)]
async fn what_only_the_target_has_is_told_by_name_and_left_alone() {
    let world = settled(8).await;
    let mut stray = Supplier::draft("Nobody's");
    let contact = stray.contact_information.get_or_insert_default();
    contact.notes = Some(key_marker("SUP-999999"));
    world.qualio.put_standing(stray);
    world.qualio.put_standing(Supplier::draft("Without a mark"));
    for _ in 0..2 {
        let report = world.reconcile(&anew()).await;
        assert_eq!(
            counts(&report.findings),
            [(Kind::Equal, 8), (Kind::UnknownAtSource, 1)]
        );
        assert_eq!(report.notes[0].key, "SUP-999999");
    }
    assert_eq!(world.qualio.suppliers().len(), 10);
}

#[tokio::test(start_paused = true)]
async fn what_stands_twice_is_told_and_not_written_to() {
    let world = settled(8).await;
    let key = world.erp.suppliers()[0].id.clone();
    let mut twin = Supplier::draft("Twin");
    twin.contact_information.get_or_insert_default().notes = Some(key_marker(&key));
    world.qualio.put_standing(twin);
    let written = calls_that_write(&world);
    let report = world.reconcile(&anew()).await;
    assert_eq!(
        counts(&report.findings),
        [(Kind::Equal, 7), (Kind::DoubledAtTarget, 1)]
    );
    // No review tells of it, so the daily mail does.
    let mail = world
        .engine
        .daily_digest("https://t.example")
        .await
        .unwrap();
    assert_eq!(
        mail.subject,
        "Tidegate: nothing is stuck, 1 finding of a comparison"
    );
    let line = format!("    {key}: {}\n", Kind::DoubledAtTarget.why());
    assert!(mail.text.contains(&line), "{}", mail.text);
    assert!(!mail.text.contains(" more: "), "{}", mail.text);
    heals(&world).await;
    assert_eq!(calls_that_write(&world), written);
}

#[tokio::test(start_paused = true)]
async fn a_record_without_a_register_that_stands_in_the_target_is_linked() {
    let world = settled(8).await;
    let mut row = world.erp.suppliers()[0].clone();
    row.id = "SUP-000777".to_owned();
    let row = world.erp.insert(row);
    let mut standing = Supplier::draft("From before");
    standing.contact_information.get_or_insert_default().notes = Some(key_marker(&row.id));
    world.qualio.put_standing(standing);
    tokio::time::sleep(LATER).await;
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.findings.webhook_missed, 1, "{report:?}");
    heals(&world).await;
    let standing = world.qualio.suppliers_of_key(&row.id);
    assert_eq!((standing.len(), &standing[0].name), (1, &row.legal_name));
}

/// A listing of the target that lost records makes work, and no second record.
#[tokio::test(start_paused = true)]
async fn what_the_target_does_not_list_is_sent_again_and_never_created_twice() {
    let world = settled(10).await;
    let nothing = Action::answer(200, json!({"items": []}));
    let drafts = Fault::new(nothing)
        .at(Point::BeforeAct)
        .path_contains("DRAFT");
    world.qualio.set_fault(drafts.times(1)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(counts(&report.findings), [(Kind::MissingAtTarget, 10)]);
    heals(&world).await;
    assert_eq!(world.qualio.suppliers().len(), 10);
    let again = world.reconcile(&anew()).await;
    assert_eq!(counts(&again.findings), [(Kind::Equal, 10)]);
}

#[tokio::test(start_paused = true)]
async fn a_target_that_can_not_be_listed_is_said_and_nothing_is_concluded_from_it() {
    let world = settled(10).await;
    let broken = Fault::new(Action::answer(500, json!({}))).at(Point::BeforeAct);
    world.qualio.set_fault(broken.times(3)).unwrap();
    let report = world.reconcile(&anew()).await;
    assert_eq!(report.end, RunEnd::Complete);
    assert!(report.not_compared.unwrap().contains("500"));
    assert_eq!(counts(&report.findings), [(Kind::Equal, 10)]);
    let pause = tidegate_engine::api::PauseRequest {
        scope: tidegate_policy::flow_state::Scope::Target,
        reason: "audit".to_owned(),
        by: "ada".to_owned(),
    };
    world.engine.pause(&flow(), pause).await.unwrap();
    let before = world.qualio.calls().len();
    let report = world.reconcile(&anew()).await;
    assert!(report.not_compared.unwrap().contains("audit"));
    assert_eq!(world.qualio.calls().len(), before);
}
