//! What people do: review, edit, replay, discard, pause; blockers and dead letters.

use std::{collections::BTreeMap, time::Duration};

use serde_json::json;
use tidegate_engine::{
    DeadLetter, Event,
    api::{Access, ReviewError, ReviewId},
};
use tidegate_model::{FlowId, Message, RecordKey, Tier};
use tidegate_policy::register::{ReviewKind, State};
use tidegate_testkit::doubles::{
    Action, Answer, Fault, Point,
    erp::{realistic_suppliers, webhook::Told},
};

use crate::world::{MANUAL, WEBHOOK_SECRETS, World, suppliers_flow};

fn flow() -> FlowId {
    FlowId::try_new("suppliers").unwrap()
}

async fn world_with_refused() -> (World, String, ReviewId) {
    let mut rows = realistic_suppliers(6, 5, 0);
    // A sponsor that Qualio does not know: our schema takes it, the target refuses it.
    rows[2].sponsor_id = 999_999;
    let key = rows[2].id.clone();
    let world = World::new(rows, &[suppliers_flow()]);
    world.start();
    world.settle().await;
    let id = ReviewId::Record(flow(), RecordKey::try_new(key.clone()).unwrap());
    (world, key, id)
}

#[tokio::test(start_paused = true)]
async fn a_refused_record_is_edited_tried_dry_replayed_and_applied() {
    let (world, key, id) = world_with_refused().await;
    let review = world.engine.review(&id, Access::Fields).await.unwrap();
    assert_eq!(review.cause.kind, ReviewKind::Refused);
    assert_eq!(review.cause.field.as_deref(), Some("sponsor_user_id"));
    // News names no field that the flow does not: it may be anything.
    let told = world.events().into_iter().find_map(|event| match event {
        Event::RecordInReview { field, .. } => Some(field),
        _ => None,
    });
    assert_eq!(told, Some(None));
    let edit = serde_json::from_value(
        json!({"fields": {"sponsor_id": 101}, "by": "ada", "why": "left the company"}),
    )
    .unwrap();
    world
        .engine
        .edit_review(&id, edit, Access::Fields)
        .await
        .unwrap();
    let calls = world.qualio.calls().len();
    let dry = world.engine.dry_run(&id, Access::Fields).await.unwrap();
    assert_eq!(world.qualio.calls().len(), calls, "a dry run sends nothing");
    let request = dry.requests.last().unwrap();
    assert_eq!(request.body.as_ref().unwrap()["sponsor_user_id"], 101);
    assert!(
        request
            .headers
            .iter()
            .all(|(_, value)| !value.contains("qualio-key")),
        "no secret: {request:?}"
    );

    world.engine.replay(&id).await.unwrap();
    world
        .until("applied", Duration::from_secs(60), || async {
            world.register(&key).state() == State::Applied
        })
        .await;
    assert_eq!(
        world.qualio.suppliers_of_key(&key)[0].sponsor_user_id,
        Some(101)
    );
    // A run that reads the same version again leaves the edit alone; the next version replaces it.
    world.run(MANUAL).await;
    assert!(world.register(&key).edited.is_some());
    world.erp.change(&key, |row| row.sponsor_id = 102).unwrap();
    world.settle().await;
    assert_eq!(
        world.qualio.suppliers_of_key(&key)[0].sponsor_user_id,
        Some(102)
    );
    assert!(world.register(&key).edited.is_none());
}

#[tokio::test(start_paused = true)]
async fn a_second_replay_works_like_the_first() {
    let (world, key, id) = world_with_refused().await;
    for _ in 0..2 {
        let calls = world.qualio.calls().len();
        world.engine.replay(&id).await.unwrap();
        world
            .until("reviewed again", Duration::from_secs(60), || async {
                world.register(&key).review.is_some() && world.qualio.calls().len() > calls
            })
            .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_discarded_version_is_not_sent_and_the_next_one_is() {
    let (world, key, id) = world_with_refused().await;
    world.engine.discard(&id).await.unwrap();
    assert_eq!(world.register(&key).state(), State::Discarded);
    assert!(matches!(
        world.engine.replay(&id).await,
        Err(ReviewError::NotFound)
    ));
    world.erp.change(&key, |row| row.sponsor_id = 101).unwrap();
    world.settle().await;
    assert_eq!(world.register(&key).state(), State::Applied);
}

/// Else what the source comes to say would be taken for what is desired already.
#[tokio::test(start_paused = true)]
async fn what_was_edited_and_discarded_is_sent_once_the_source_says_it() {
    let (world, key, id) = world_with_refused().await;
    let edit = json!({"fields": {"sponsor_id": 101}, "by": "ada", "why": "left the company"});
    let edit = serde_json::from_value(edit).unwrap();
    world
        .engine
        .edit_review(&id, edit, Access::Fields)
        .await
        .unwrap();
    world.engine.discard(&id).await.unwrap();
    let register = world.register(&key);
    assert_eq!(
        (register.state(), register.edited),
        (State::Discarded, None)
    );
    world.erp.change(&key, |row| row.sponsor_id = 101).unwrap();
    world.settle().await;
    assert_eq!(world.register(&key).state(), State::Applied);
    let held = &world.qualio.suppliers_of_key(&key)[0];
    assert_eq!(held.sponsor_user_id, Some(101));
}

#[tokio::test(start_paused = true)]
async fn a_deletion_becomes_a_review() {
    let (world, _, _) = world_with_refused().await;
    let key = world.erp.suppliers()[0].id.clone();
    world.erp.delete(&key);
    world
        .engine
        .force_sync(&flow(), &RecordKey::try_new(key.clone()).unwrap())
        .await
        .unwrap();
    world
        .until("in review", Duration::from_secs(60), || async {
            world.register(&key).review.is_some()
        })
        .await;
    assert_eq!(
        world.register(&key).review.unwrap().kind,
        ReviewKind::DeletedAtSource
    );
    assert_eq!(
        world.qualio.suppliers_of_key(&key).len(),
        1,
        "nothing is deleted"
    );
    // Sent again, it would only be in review again.
    let id = ReviewId::Record(flow(), RecordKey::try_new(key.clone()).unwrap());
    let dry = world.engine.dry_run(&id, Access::Fields).await.unwrap();
    assert!(dry.requests.is_empty());
    assert!(dry.faults[0].reason.contains("then discard"), "{dry:?}");
    let refused = world.engine.replay(&id).await.unwrap_err();
    assert!(refused.to_string().contains("then discard"), "{refused}");
    world.engine.discard(&id).await.unwrap();
    assert_eq!(world.register(&key).state(), State::Discarded);
}

#[tokio::test(start_paused = true)]
async fn refused_credentials_stop_the_flow_until_a_person_resumes_it() {
    let world = World::new(realistic_suppliers(6, 40, 0), &[suppliers_flow()]);
    let body = json!({"message": "forbidden"});
    let forbidden = Action::Answer(Answer {
        status: 403,
        headers: BTreeMap::new(),
        body,
    });
    world
        .qualio
        .set_fault(Fault::new(forbidden).at(Point::BeforeAct).method("POST"))
        .unwrap();
    world.start();
    world.run(MANUAL).await;
    let blocked = || async {
        world
            .engine
            .flow_state(&flow())
            .await
            .unwrap()
            .blocker
            .is_some()
    };
    world
        .until("blocked", Duration::from_secs(60), blocked)
        .await;
    tokio::time::sleep(Duration::from_secs(30)).await;
    let calls = world.qualio.calls().len();
    tokio::time::sleep(Duration::from_secs(900)).await;
    assert_eq!(
        world.qualio.calls().len(),
        calls,
        "nothing is sent while blocked"
    );
    assert!(
        world
            .registers()
            .values()
            .all(|register| register.review.is_none() && register.attempts == 0)
    );
    // Webhooks are still taken.
    let row = world.erp.suppliers().remove(0);
    world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;

    // Not mended yet: the check puts the blocker back.
    world.engine.resume(&flow(), "ada").await.unwrap();
    world
        .until("checked", Duration::from_secs(60), || async {
            let state = world.engine.flow_state(&flow()).await.unwrap();
            state.blocker.is_some() && !state.checking
        })
        .await;
    world.qualio.clear_faults();
    world.engine.resume(&flow(), "ada").await.unwrap();
    world
        .until("applied", Duration::from_secs(600), || world.is_clean())
        .await;
    assert!(
        world
            .engine
            .flow_state(&flow())
            .await
            .unwrap()
            .blocker
            .is_none()
    );
    assert!(
        world
            .qualio
            .created_by_key()
            .values()
            .all(|count| *count == 1)
    );
}

#[tokio::test(start_paused = true)]
async fn a_dead_letter_becomes_a_review_and_stands_in_the_mail() {
    let (world, key, _) = world_with_refused().await;
    let other = world.erp.suppliers()[0].id.clone();
    world
        .erp
        .change(&other, |row| row.contact.phone = "7".to_owned())
        .unwrap();
    let row = world.erp.supplier(&other).unwrap();
    world
        .webhook(Told::Whole(&row), "m1", WEBHOOK_SECRETS[0])
        .await;
    let record = RecordKey::try_new(other.clone()).unwrap();
    let message = Message::new(flow(), vec![record], Tier::Batch, world.engine.now());
    let letters = [
        DeadLetter {
            body: message.encode(),
            message: Some(message),
            id: "a".to_owned(),
        },
        DeadLetter {
            body: "not a message".to_owned(),
            message: None,
            id: "b".to_owned(),
        },
    ];
    world.engine.dead_letters(&letters).await.unwrap();
    assert_eq!(
        world.register(&other).review.unwrap().kind,
        ReviewKind::DeadLetter
    );
    world
        .engine
        .daily_digest("https://tidegate.example")
        .await
        .unwrap();
    let mail = world.mails().remove(0);
    assert_eq!(mail.subject, "Tidegate: 3 records need you");
    for part in [
        &key,
        &other,
        "dead_letter: 2",
        "refused: 1",
        "https://tidegate.example/v1/reviews/suppliers~",
    ] {
        assert!(mail.text.contains(part), "{part} in {}", mail.text);
    }
}

/// What a target repeats of a private value is kept nowhere: not in the history, in the review, in a
/// mail.
#[tokio::test(start_paused = true)]
async fn a_refusal_that_repeats_private_values_keeps_none_of_them() {
    let rows = realistic_suppliers(6, 1, 0);
    let (key, contact) = (rows[0].id.clone(), rows[0].contact.clone());
    let world = World::new(rows, &[suppliers_flow()]);
    let told = format!(
        "{} of {} is in use by {}",
        contact.email.to_uppercase(),
        contact.name,
        contact.phone
    );
    let refused = Action::answer(400, json!({ "message": told }));
    world
        .qualio
        .set_fault(Fault::new(refused).method("POST"))
        .unwrap();
    world.start();
    world.settle().await;
    let id = ReviewId::Record(flow(), RecordKey::try_new(key.clone()).unwrap());
    let review = world.engine.review(&id, Access::Masked).await.unwrap();
    assert!(
        review.cause.reason.contains("… of … is in use by …"),
        "{review:?}"
    );
    let register = world.register(&key);
    let mail = world
        .engine
        .daily_digest("https://api.example")
        .await
        .unwrap();
    for text in [
        format!("{:?}", register.history),
        format!("{review:?}"),
        mail.text,
    ] {
        for value in [&contact.email, &contact.name, &contact.phone] {
            let found = text.to_lowercase().contains(&value.to_lowercase());
            assert!(!found, "{value} in {text}");
        }
    }
}
