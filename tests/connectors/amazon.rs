//! Orders of Amazon's marketplaces, behind Login with Amazon.

use std::time::Duration;

use serde_json::json;
use tidegate_engine::RunEnd;
use tidegate_testkit::doubles::{
    amazon::{self, AmazonConfig, AmazonDouble, GERMANY},
    authority::{AuthorityDouble, Tokens},
};

use crate::place::{Hands, Place};

const FIELDS: &str = r#"total = "row.OrderTotal.Amount""#;

struct Market {
    amazon: AmazonDouble,
    _login: AuthorityDouble,
    tokens: Tokens,
    place: Place,
}

async fn market(hands: &Hands, orders: u64, secret: &str) -> Market {
    let login = amazon::login(
        hands.for_double(),
        "seller",
        "client-secret",
        "refresh-token",
    );
    let tokens = login.tokens();
    let config = AmazonConfig::new(hands.for_double(), tokens.clone()).orders(3, orders);
    let amazon = AmazonDouble::start(config).await.unwrap();
    let login = AuthorityDouble::start(login).await.unwrap();
    let source = format!(
        r#"
[source]
connector = "amazon-orders"
name = "amazon"
base_url = "{}"

[source.auth]
token_url = "{}"
client_id = "seller"
secret = "AMAZON_SECRET"
refresh_token = "AMAZON_REFRESH_TOKEN"
"#,
        amazon.url(),
        login.token_url(),
    );
    let settings = [("AMAZON_MARKETPLACES", GERMANY)];
    let secrets = [
        ("AMAZON_SECRET", secret),
        ("AMAZON_REFRESH_TOKEN", "refresh-token"),
    ];
    let place = Place::new(hands, &source, FIELDS, &settings, &secrets);
    Market {
        amazon,
        _login: login,
        tokens,
        place,
    }
}

fn with_status(amazon: &AmazonDouble, status: u16) -> usize {
    let calls = amazon.calls();
    calls
        .iter()
        .filter(|call| call.status() == Some(status))
        .count()
}

#[tokio::test]
async fn all_orders_are_read_within_amazon_s_quota_and_then_what_changed_alone() {
    let hands = Hands::new();
    let market = market(&hands, 3_500, "client-secret").await;
    let report = market.place.run().await;
    assert_eq!(report.end, RunEnd::Complete, "{report:?}");
    assert_eq!(market.place.registers().len(), 3_500);
    assert!(
        market.amazon.calls().len() >= 35,
        "more pages than are allowed at once"
    );
    assert_eq!(with_status(&market.amazon, 429), 0);

    let id = AmazonDouble::id_of(7);
    market
        .amazon
        .change(&id, |order| {
            order.insert(
                "OrderTotal".to_owned(),
                json!({"CurrencyCode": "EUR", "Amount": "1.00"}),
            );
        })
        .unwrap();
    market.place.clock.advance(Duration::from_mins(15));
    let report = market.place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!(report.counts.staged, 1, "{report:?}");
    assert_eq!(market.place.field("total")[&id], json!("1.00"));
}

#[tokio::test]
async fn a_token_that_dies_in_the_middle_is_renewed_and_nothing_is_lost() {
    let hands = Hands::new();
    let market = market(&hands, 250, "client-secret").await;
    // The third call has a token that was good for the first two.
    let tokens = market.tokens.clone();
    let first = market.place.run_part().await;
    assert_eq!(first.end, RunEnd::Complete);
    tokens.revoke_all();
    market.place.clock.advance(Duration::from_mins(15));
    let report = market.place.run().await;
    assert_eq!(report.end, RunEnd::Complete);
    assert_eq!((with_status(&market.amazon, 403), tokens.given()), (1, 2));
    assert_eq!(market.place.registers().len(), 250);
    assert_eq!(market.place.blocked(), [] as [String; 0]);
}

#[tokio::test]
async fn a_client_that_amazon_does_not_know_stops_the_flow_before_any_call() {
    let hands = Hands::new();
    let market = market(&hands, 10, "another").await;
    market.place.run_part().await;
    assert_eq!(
        market.place.blocked(),
        [
            "amazon: no token for seller, its credentials are refused with 401 (invalid_client): set AMAZON_SECRET, AMAZON_REFRESH_TOKEN anew, then resume the flow"
        ]
    );
    assert_eq!(market.amazon.calls().len(), 0);
}
