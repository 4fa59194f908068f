//! Findings that a person is to look at.

use super::*;

#[tokio::test]
async fn what_a_person_is_to_look_at_is_a_review_until_it_is_put_right() {
    let host = host();
    let sound = json!({ "email": "a@x.example" });
    has(
        &host,
        "SUP-1",
        1,
        json!({ "email": "a@x.example", "blocked": true }),
    )
    .await;
    let report = complete(&host, by_hand()).await;
    assert_eq!((report.reviews, report.not_reviewed), (1, 0));
    let [review] = <[ReviewEntry; 1]>::try_from(reviews(&host).await).unwrap();
    assert_eq!(review.id, "suppliers!audit:blocked-is-not-approved:SUP-1");
    assert_eq!(review.key.as_deref(), Some("SUP-1"));
    assert_eq!(review.cause.kind, ReviewKind::Audit);
    assert_eq!(
        review.cause.reason,
        "blocked-is-not-approved: the rule does not hold"
    );
    let told = |event: &Event| matches!(event, Event::RecordInReview { key: Some(key), .. } if key.as_str() == "SUP-1");
    assert_eq!(
        host.events
            .take()
            .iter()
            .filter(|event| told(event))
            .count(),
        1
    );
    let item = host.store.item(&keys::register(&flow(), &key("SUP-1")));
    let register = Register::read(&item.unwrap()).unwrap().unwrap();
    assert_eq!(register.state(), State::Applied, "its sync goes on");

    host.clock.advance(Duration::from_hours(24));
    complete(&host, by_hand()).await;
    assert_eq!(reviews(&host).await.len(), 1, "the same one");
    assert_eq!(
        host.events
            .take()
            .iter()
            .filter(|event| told(event))
            .count(),
        0
    );

    has(&host, "SUP-1", 2, sound).await;
    host.clock.advance(Duration::from_hours(24));
    complete(&host, by_hand()).await;
    assert!(reviews(&host).await.is_empty());
}

#[tokio::test]
async fn what_a_person_has_discarded_comes_again_only_when_it_was_right_in_between() {
    let host = host();
    let wrong = json!({ "email": "a@x.example", "blocked": true });
    has(&host, "SUP-1", 1, wrong.clone()).await;
    complete(&host, by_hand()).await;
    let id = ReviewId::parse("suppliers!audit:blocked-is-not-approved:SUP-1").unwrap();
    host.engine.discard(&id).await.unwrap();
    let right = json!({ "email": "a@x.example" });
    let changes = [None, None, Some((2, right)), Some((3, wrong))];
    for (change, shown) in changes.into_iter().zip([0, 0, 0, 1]) {
        if let Some((version, changed)) = change {
            has(&host, "SUP-1", version, changed).await;
        }
        host.clock.advance(Duration::from_hours(24));
        complete(&host, by_hand()).await;
        assert_eq!(reviews(&host).await.len(), shown);
    }
}

#[tokio::test]
async fn more_than_a_person_can_look_at_is_counted_and_closes_nothing() {
    let host = host();
    let blocked = |name: String| json!({ "email": format!("{name}@x.example"), "blocked": true });
    for name in (0..40).map(|number| format!("OLD-{number}")) {
        has(&host, &name, 1, blocked(name.clone())).await;
    }
    complete(&host, by_hand()).await;
    for name in (0..503).map(|number| format!("SUP-{number}")) {
        has(&host, &name, 1, blocked(name.clone())).await;
    }
    host.clock.advance(Duration::from_hours(24));
    let report = complete(&host, by_hand()).await;
    assert_eq!((report.reviews, report.not_reviewed), (500, 43));
    assert_eq!(report.unnamed(), 443);
    let items = host.store.items().into_iter();
    let old = items.filter(|(key, item)| key.sort.contains(":OLD-") && item.contains_key("rv"));
    assert_eq!(old.count(), 40, "some of them were not come to");
}
