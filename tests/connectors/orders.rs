//! The flows of two marketplaces as they ship, each against its double, to our own store.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use tidegate_engine::{HookAnswer, HookOutcome, RunEnd};
use tidegate_policy::register::{Register, State};
use tidegate_testkit::doubles::{
    amazon::{self, AmazonConfig, AmazonDouble, GERMANY},
    authority::AuthorityDouble,
    shopify::{Access, ShopifyConfig, ShopifyDouble},
};

use crate::place::{Hands, Place};

/// An example as it ships, up to our store: `emulator/real/orders.rs` has it go on to a warehouse.
pub fn example(name: &str) -> String {
    let folder: PathBuf = Path::new(env!("CARGO_MANIFEST_DIR")).join("../infra/flows/examples");
    let whole = fs::read_to_string(folder.join(name)).unwrap();
    let own = whole.split("# --- And on to a warehouse").next();
    own.unwrap_or_default().to_owned()
}

/// All are applied, and no field of an order is missing that the schema asks for.
fn assert_whole(place: &Place, marketplace: &str, orders: usize) {
    let registers = place.registers();
    assert_eq!(registers.len(), orders);
    let states: Vec<State> = registers.values().map(Register::state).collect();
    assert!(
        states.iter().all(|state| *state == State::Applied),
        "{states:?}"
    );
    let told: BTreeMap<String, Value> = place.field("marketplace");
    assert!(told.values().all(|value| value == marketplace));
    for field in ["placed_at", "status", "units"] {
        assert!(
            place.field(field).values().all(|value| !value.is_null()),
            "{field}"
        );
    }
}

#[tokio::test]
async fn the_orders_of_a_web_shop_come_to_our_store_and_change_there() {
    let hands = Hands::new();
    let config = ShopifyConfig::new(hands.for_double(), "shop-token").orders(3, 600);
    let shop = ShopifyDouble::start(config.access(Access::AllOrders))
        .await
        .unwrap();
    let settings = [("SHOPIFY_URL", shop.url())];
    let secrets = [("SHOPIFY_TOKEN", "shop-token")];
    let place = Place::of(&hands, &example("orders-shopify.toml"), &settings, &secrets);
    assert_eq!(place.run().await.end, RunEnd::Complete);
    assert_whole(&place, "shopify", 600);

    let id = ShopifyDouble::id_of(7);
    shop.change(id, |order| {
        order.insert(
            "cancelled_at".to_owned(),
            json!("2026-11-20T03:00:00+01:00"),
        );
    })
    .unwrap();
    place.clock.advance(Duration::from_mins(15));
    let report = place.run().await;
    assert_eq!((report.counts.staged, report.counts.queued), (1, 0));
    assert_whole(&place, "shopify", 600);
    assert_eq!(place.field("status")[&id.to_string()], json!("cancelled"));
}

/// As Shopify signs (its documentation, "Verify a webhook").
fn signed(body: &[u8], secret: &str) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    STANDARD.encode(hmac::sign(&key, body))
}

#[tokio::test]
async fn a_shop_that_pushes_is_believed_by_its_signature_and_its_order_stands_at_once_hook_1() {
    let hands = Hands::new();
    let config = ShopifyConfig::new(hands.for_double(), "shop-token").orders(3, 20);
    let shop = ShopifyDouble::start(config).await.unwrap();
    let webhook = "real_time_reason = \"Stock.\"\n[webhook]\nsecrets = [\"SHOPIFY_WEBHOOK\"]\n";
    let listens =
        example("orders-shopify.toml").replacen("[expected]", &format!("{webhook}[expected]"), 1);
    let settings = [("SHOPIFY_URL", shop.url())];
    let secret = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let secrets = [("SHOPIFY_TOKEN", "shop-token"), ("SHOPIFY_WEBHOOK", secret)];
    let place = Place::of(&hands, &listens, &settings, &secrets);
    place.run().await;
    let id = ShopifyDouble::id_of(7);
    let order = shop
        .change(id, |order| {
            order.insert("total_price".to_owned(), json!("12.34"));
        })
        .unwrap();
    let body = order.to_string().into_bytes();
    let (good, bad) = (signed(&body, secret), signed(&body, "another-secret-text"));
    let before = shop.calls().len();
    for signature in ["", &bad] {
        let headers = [("x-shopify-hmac-sha256", signature)];
        let answer = place.webhook(&headers, &body).await;
        assert_eq!(answer, HookAnswer::Unauthorized, "{signature}");
    }
    let headers = [
        ("x-shopify-hmac-sha256", good.as_str()),
        ("x-shopify-webhook-id", "w1"),
    ];
    for outcome in [HookOutcome::Applied, HookOutcome::Known] {
        let answer = place.webhook(&headers, &body).await;
        assert_eq!(answer, HookAnswer::Accepted(outcome));
    }
    assert_eq!(place.field("total")[&id.to_string()], json!("12.34"));
    assert_whole(&place, "shopify", 20);
    assert_eq!(shop.calls().len(), before, "the body was whole");
}

#[tokio::test]
async fn the_orders_of_a_marketplace_come_to_our_store_and_change_there() {
    let hands = Hands::new();
    let login = amazon::login(
        hands.for_double(),
        "seller",
        "client-secret",
        "refresh-token",
    );
    let config = AmazonConfig::new(hands.for_double(), login.tokens()).orders(3, 600);
    let market = AmazonDouble::start(config).await.unwrap();
    let login = AuthorityDouble::start(login).await.unwrap();
    let settings = [
        ("AMAZON_URL", market.url()),
        ("AMAZON_LOGIN_URL", login.token_url()),
        ("AMAZON_CLIENT_ID", "seller".to_owned()),
        ("AMAZON_MARKETPLACES", GERMANY.to_owned()),
    ];
    let secrets = [
        ("AMAZON_CLIENT_SECRET", "client-secret"),
        ("AMAZON_REFRESH_TOKEN", "refresh-token"),
    ];
    let place = Place::of(&hands, &example("orders-amazon.toml"), &settings, &secrets);
    assert_eq!(place.run().await.end, RunEnd::Complete);
    assert_whole(&place, "amazon", 600);

    let id = AmazonDouble::id_of(7);
    market
        .change(&id, |order| {
            order.insert("OrderStatus".to_owned(), json!("Canceled"));
        })
        .unwrap();
    place.clock.advance(Duration::from_mins(15));
    let report = place.run().await;
    assert_eq!((report.counts.staged, report.counts.queued), (1, 0));
    assert_whole(&place, "amazon", 600);
    assert_eq!(place.field("status")[&id], json!("cancelled"));
}

#[tokio::test]
async fn each_hint_that_nothing_names_is_read_since_equal_bodies_are_no_repeat_hook_1() {
    let hands = Hands::new();
    let config = ShopifyConfig::new(hands.for_double(), "shop-token").orders(3, 20);
    let shop = ShopifyDouble::start(config).await.unwrap();
    let webhook = "real_time_reason = \"Stock.\"\n[webhook]\nsecrets = [\"SHOPIFY_WEBHOOK\"]\nrow = \"none\"\n";
    let listens =
        example("orders-shopify.toml").replacen("[expected]", &format!("{webhook}[expected]"), 1);
    let secret = "a1b2c3d4e5f60718293a4b5c6d7e8f90";
    let settings = [("SHOPIFY_URL", shop.url())];
    let secrets = [("SHOPIFY_TOKEN", "shop-token"), ("SHOPIFY_WEBHOOK", secret)];
    let place = Place::of(&hands, &listens, &settings, &secrets);
    let body = format!("{{\"id\":{}}}", ShopifyDouble::id_of(7)).into_bytes();
    let signature = signed(&body, secret);
    let headers = [("x-shopify-hmac-sha256", signature.as_str())];
    let named = [headers[0], ("x-shopify-webhook-id", "w1")];
    for (headers, outcome) in [
        (&headers[..], HookOutcome::Fetching),
        (&headers[..], HookOutcome::Fetching),
        (&named[..], HookOutcome::Fetching),
        (&named[..], HookOutcome::Known),
    ] {
        let answer = place.webhook(headers, &body).await;
        assert_eq!(answer, HookAnswer::Accepted(outcome), "{headers:?}");
    }
}
