//! The flows of two sources of reviews as they ship, each against its double, to our own store.

use std::{collections::BTreeSet, time::Duration};

use rstest::rstest;
use serde_json::{Value, json};
use tidegate_engine::RunEnd;
use tidegate_policy::register::{Register, State};
use tidegate_testkit::doubles::{
    Action, Fault,
    authority::AuthorityDouble,
    trustpilot::{self, BUSINESS_UNIT, TrustpilotConfig, TrustpilotDouble},
    webwinkelkeur::{self, SHOP, WebwinkelkeurConfig, WebwinkelkeurDouble},
};

use crate::{
    orders::example,
    place::{Hands, Place},
};

/// What every source of reviews says of one.
const SHARED: [&str; 10] = [
    "author",
    "external_id",
    "language",
    "rating",
    "reply",
    "source",
    "text",
    "title",
    "url",
    "written_at",
];

async fn trustpilot(reviews: u64) -> (TrustpilotDouble, Place, AuthorityDouble) {
    let hands = Hands::new();
    let login = trustpilot::login(hands.for_double(), "api-key", "api-secret");
    let config = TrustpilotConfig::new(hands.for_double(), login.tokens()).reviews(3, reviews);
    let reviews = TrustpilotDouble::start(config).await.unwrap();
    let login = AuthorityDouble::start(login).await.unwrap();
    let settings = [
        ("TRUSTPILOT_URL", reviews.url()),
        ("TRUSTPILOT_LOGIN_URL", login.token_url()),
        ("TRUSTPILOT_API_KEY", "api-key".to_owned()),
        ("TRUSTPILOT_BUSINESS_UNIT", BUSINESS_UNIT.to_owned()),
    ];
    let text = example("reviews-trustpilot.toml");
    let secrets = [("TRUSTPILOT_SECRET", "api-secret")];
    let place = Place::of(&hands, &text, &settings, &secrets);
    (reviews, place, login)
}

async fn webwinkelkeur(ratings: u64) -> (WebwinkelkeurDouble, Place) {
    let hands = Hands::new();
    let config = WebwinkelkeurConfig::new(hands.for_double(), "code", "public").ratings(3, ratings);
    let shop = WebwinkelkeurDouble::start(config).await.unwrap();
    let settings = [
        ("WEBWINKELKEUR_URL", shop.url()),
        ("WEBWINKELKEUR_ID", SHOP.to_owned()),
        ("WEBWINKELKEUR_PUBLIC_CODE", "public".to_owned()),
    ];
    let text = example("reviews-webwinkelkeur.toml");
    let place = Place::of(&hands, &text, &settings, &[]);
    (shop, place)
}

/// Those that are there, all applied and all of the shared form.
fn live(place: &Place) -> BTreeSet<String> {
    let registers = place.registers().into_iter();
    let live = registers.filter_map(|(key, register)| {
        assert_eq!(Register::state(&register), State::Applied, "{key}");
        let fields = register.desired.content.fields()?;
        let names: Vec<&String> = fields.keys().collect();
        assert_eq!(names, SHARED, "{key}");
        Some(key)
    });
    live.collect()
}

#[tokio::test]
async fn reviews_with_ids_come_to_our_store_change_there_and_go() {
    let (reviews, place, _login) = trustpilot(300).await;
    assert_eq!(place.run().await.end, RunEnd::Complete);
    assert_eq!(live(&place).len(), 300);

    let new = reviews.add(|review| {
        review.insert("stars".to_owned(), json!(2));
    });
    let new = new["id"].as_str().unwrap().to_owned();
    place.clock.advance(Duration::from_mins(15));
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(report.counts.staged, 1, "{report:?}");
    assert_eq!(place.field("rating")[&new], json!(2));

    // What is older than the last run is found by the comparison: an answer of the shop, and a removal.
    let (edited, gone) = (TrustpilotDouble::id_of(7), TrustpilotDouble::id_of(8));
    place.clock.advance(Duration::from_mins(15));
    let now = reviews.review(&new).unwrap()["createdAt"].clone();
    reviews.change(&edited, |review| {
        let reply = json!({"text": "Thank you.", "createdAt": now});
        review.insert("companyReply".to_owned(), reply);
    });
    assert!(reviews.delete(&gone));
    let findings = place.reconcile().await;
    assert_eq!(findings.deleted_at_source, 1, "{findings:?}");
    assert_eq!(place.field("reply")[&edited], json!("Thank you."));
    let live = live(&place);
    assert_eq!((live.len(), live.contains(&gone)), (300, false));
}

#[tokio::test]
async fn reviews_without_ids_are_each_one_record_however_often_they_are_listed() {
    let (shop, place) = webwinkelkeur(300).await;
    let twin = shop.repeat(7).unwrap();
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(report.counts.received, 301);
    // Of the made ones three are twins, too.
    assert_eq!(live(&place).len(), 297);

    // Nothing new, and nothing twice.
    place.clock.advance(Duration::from_hours(1));
    let report = place.run().await;
    assert_eq!((report.counts.staged, live(&place).len()), (0, 297));

    // What changes beside author, time and text is a change of the same record.
    let number = twin["number"].as_u64().unwrap();
    shop.change(number, |rating| {
        rating.insert("reaction".to_owned(), json!("Thank you."));
    });
    shop.change(7, |rating| {
        rating.insert("reaction".to_owned(), json!("Thank you."));
    });
    let report = place.run().await;
    assert_eq!((report.counts.staged, live(&place).len()), (1, 297));
    let replies = place.field("reply");
    assert!(replies.values().any(|reply| reply == "Thank you."));
}

#[tokio::test]
async fn a_local_time_is_told_in_utc_by_the_zone_that_the_flow_names() {
    let (shop, place) = webwinkelkeur(0).await;
    for (created, comment) in [
        ("2026-07-01 12:00:00", "summer"),
        ("2026-11-19 12:00:00", "winter"),
        // Told twice on that night, of which the first is taken.
        ("2026-10-25 02:30:00", "autumn"),
        ("2026-03-29 02:30:00", "never"),
    ] {
        shop.add(|rating| {
            rating.insert("created".to_owned(), json!(created));
            rating.insert("comment".to_owned(), json!(comment));
        });
    }
    place.run().await;
    let (texts, times) = (place.field("text"), place.field("written_at"));
    let mut told: Vec<(&Value, &Value)> = texts.values().zip(times.values()).collect();
    told.sort_by_key(|(text, _)| text.as_str());
    assert_eq!(
        json!(told),
        json!([
            ["autumn", "2026-10-25T00:30:00Z"],
            ["never", "2026-03-29T01:30:00Z"],
            ["summer", "2026-07-01T10:00:00Z"],
            ["winter", "2026-11-19T11:00:00Z"],
        ])
    );
}

#[tokio::test]
async fn an_edited_text_is_another_record_and_the_old_one_goes_once_two_listings_lack_it() {
    let (shop, place) = webwinkelkeur(150).await;
    place.run().await;
    let before = live(&place);
    shop.change(9, |rating| {
        rating.insert("comment".to_owned(), json!("On second thoughts, splendid."));
    });
    place.run().await;
    assert_eq!(live(&place).len(), before.len() + 1, "both are there");

    place.clock.advance(Duration::from_mins(1));
    let calls = shop.calls().len();
    let findings = place.reconcile().await;
    assert_eq!(findings.deleted_at_source, 1, "{findings:?}");
    assert_eq!(shop.calls().len() - calls, 2 * 3, "pages of two listings");
    let after = live(&place);
    assert_eq!(after.len(), before.len());
    assert_eq!(after.difference(&before).count(), 1);

    // Where nothing is missed, the source is listed once.
    let calls = shop.calls().len();
    let findings = place.reconcile().await;
    assert_eq!((findings.found(), shop.calls().len() - calls), (0, 3));
}

#[tokio::test]
async fn who_asks_for_one_record_of_a_source_that_gives_none_has_a_run_asked_for() {
    let (shop, place) = webwinkelkeur(10).await;
    place.run().await;
    let (key, calls) = (live(&place).pop_first().unwrap(), shop.calls().len());
    assert!(place.sync(&key).await);
    assert_eq!(
        shop.calls().len(),
        calls,
        "READ-1: nothing is called by who asks"
    );
    let (_reviews, place, _login) = trustpilot(10).await;
    assert!(!place.sync(&TrustpilotDouble::id_of(1)).await);
}

fn error(status: u16, message: &str) -> Fault {
    let body = json!({"status": "error", "message": message});
    Fault::new(Action::answer(status, body))
}

#[rstest]
#[case::wrong_code(error(200, "Incorrect authentication credentials."))]
#[case::no_code(error(200, "Not all obligated variables are set."))]
#[tokio::test]
async fn what_the_body_tells_of_credentials_stops_the_flow(#[case] fault: Fault) {
    let (shop, place) = webwinkelkeur(10).await;
    shop.set_fault(fault).unwrap();
    let report = place.run_part().await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert_eq!(place.blocked().len(), 1);
    assert_eq!(shop.calls().len(), 1);
}

#[rstest]
#[case::unexpected(webwinkelkeur::unexpected())]
#[case::too_many(error(429, "Too many requests."))]
#[tokio::test]
async fn what_is_over_soon_is_tried_again(#[case] fault: Fault) {
    let (shop, place) = webwinkelkeur(10).await;
    shop.set_fault(fault.times(1)).unwrap();
    assert_eq!(place.run().await.end, RunEnd::Complete);
    assert_eq!(live(&place).len(), 10);
    assert_eq!(place.blocked(), [] as [String; 0]);
}

#[rstest]
#[case::no_leave(403)]
#[case::a_token_that_is_no_longer_good(401)]
#[tokio::test]
async fn a_source_that_refuses_for_good_stops_the_flow(#[case] status: u16) {
    let (reviews, place, _login) = trustpilot(10).await;
    let body = json!({"message": "no"});
    reviews
        .set_fault(Fault::new(Action::answer(status, body)))
        .unwrap();
    let report = place.run().await;
    assert!(matches!(report.end, RunEnd::Stopped { .. }), "{report:?}");
    assert_eq!(place.blocked().len(), 1);
    assert!(reviews.calls().len() <= 2, "a token is renewed once");
}
