//! Orders of a Shopify shop.

use std::time::Duration;

use rstest::rstest;
use serde_json::json;
use tidegate_engine::RunEnd;
use tidegate_testkit::doubles::{
    Action, Answer, Fault,
    shopify::{Access, ShopifyConfig, ShopifyDouble},
};

use crate::place::{Hands, Place};

const FIELDS: &str = r#"total = "row.total_price""#;

async fn shop(hands: &Hands, orders: u64) -> (ShopifyDouble, Place) {
    let config = ShopifyConfig::new(hands.for_double(), "shop-token").orders(3, orders);
    let shop = ShopifyDouble::start(config.access(Access::AllOrders))
        .await
        .unwrap();
    let source = format!(
        r#"
[source]
connector = "shopify-orders"
name = "shop"
base_url = "{}"
auth = {{ secret = "SHOP_TOKEN" }}
list = {{ page_size = 50 }}
"#,
        shop.url()
    );
    let place = Place::new(hands, &source, FIELDS, &[], &[("SHOP_TOKEN", "shop-token")]);
    (shop, place)
}

fn refused(shop: &ShopifyDouble) -> usize {
    let calls = shop.calls();
    calls
        .iter()
        .filter(|call| call.status() != Some(200))
        .count()
}

#[tokio::test]
async fn all_orders_are_read_within_the_shop_s_bucket_and_then_what_changed_alone() {
    let hands = Hands::new();
    let (shop, place) = shop(&hands, 3_000).await;
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(place.registers().len(), 3_000);
    assert!(
        shop.calls().len() >= 60,
        "more pages than the bucket holds calls"
    );
    assert_eq!(refused(&shop), 0, "a call was refused");

    let id = ShopifyDouble::id_of(7);
    shop.change(id, |order| {
        order.insert("total_price".to_owned(), json!("99.95"));
    })
    .unwrap();
    place.clock.advance(Duration::from_mins(15));
    let before = shop.calls().len();
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(report.counts.staged, 1, "{report:?}");
    assert!(shop.calls().len() - before <= 2);
    assert_eq!(place.field("total")[&id.to_string()], json!("99.95"));
}

#[rstest]
#[case::frozen(402)]
#[case::locked(423)]
#[case::taken_for_an_attack(430)]
#[case::a_wrong_token(401)]
#[case::no_leave(403)]
#[tokio::test]
async fn what_needs_a_person_stops_the_flow(#[case] status: u16) {
    let hands = Hands::new();
    let (shop, place) = shop(&hands, 10).await;
    let answer = Action::answer(status, json!({"errors": "not now"}));
    shop.set_fault(Fault::new(answer)).unwrap();
    let report = place.run_part().await;
    assert!(
        !matches!(report.end, RunEnd::Complete | RunEnd::Continues),
        "{report:?}"
    );
    assert_eq!(
        place.blocked(),
        [format!(
            "shop refused the credentials with {status}: set SHOP_TOKEN anew, then resume the flow"
        )]
    );
    assert_eq!(shop.calls().len(), 1);
}

#[tokio::test]
async fn a_call_too_many_waits_as_long_as_the_shop_says() {
    let hands = Hands::new();
    let (shop, place) = shop(&hands, 600).await;
    let answer = Action::Answer(Answer {
        status: 429,
        headers: [("Retry-After".to_owned(), "2.0".to_owned())].into(),
        body: json!({"errors": "Exceeded 2 calls per second for api client"}),
    });
    shop.set_fault(Fault::new(answer).times(1)).unwrap();
    let report = place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!((place.registers().len(), refused(&shop)), (600, 1));
    assert_eq!(place.blocked(), [] as [String; 0]);
}
