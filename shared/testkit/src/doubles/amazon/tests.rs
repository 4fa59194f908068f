//! The Orders API, sent raw over HTTP with a token of a login. The refusals have their own table.

use reqwest::header::HeaderMap;
use rstest::rstest;
use serde_json::{Value, json};

use super::{AmazonConfig, AmazonDouble, GERMANY, login};
use crate::doubles::{
    Quota,
    authority::{AuthorityDouble, Tokens},
    tests::{NOON_MS, StandingClock, client},
};

const HOUR_MS: i64 = 3_600_000;
/// All 40 orders of the tests changed later.
const LONG_AGO: &str = "2026-01-01T00:00:00Z";

pub(super) struct World {
    pub(super) amazon: AmazonDouble,
    login: AuthorityDouble,
    pub(super) tokens: Tokens,
    pub(super) clock: StandingClock,
}

pub(super) async fn world(quota: Quota) -> World {
    world_of(quota, 40, &[GERMANY]).await
}

async fn world_of(quota: Quota, count: u64, marketplaces: &[&str]) -> World {
    let clock = StandingClock::new(NOON_MS);
    let login = login(clock.clock(), "an-app", "a-secret", "Atzr|a-refresh");
    let tokens = login.tokens();
    let config = AmazonConfig::new(clock.clock(), tokens.clone())
        .orders(7, count)
        .marketplaces(marketplaces)
        .quota(quota);
    World {
        amazon: AmazonDouble::start(config).await.unwrap(),
        login: AuthorityDouble::start(login).await.unwrap(),
        tokens,
        clock,
    }
}

impl World {
    /// Sends a request as it is, with this token where there is one.
    pub(super) async fn raw(
        &self,
        (method, path): (&str, &str),
        token: Option<&str>,
    ) -> (u16, HeaderMap, Value) {
        let url = format!("{}{path}", self.amazon.url());
        let mut request = client().request(method.parse().unwrap(), url);
        if let Some(token) = token {
            request = request.header("x-amz-access-token", token);
        }
        let answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let text = answer.text().await.unwrap();
        (status, headers, serde_json::from_str(&text).unwrap())
    }

    async fn get(&self, path: &str) -> (u16, HeaderMap, Value) {
        let token = self.tokens.give("Atza|", 3_600);
        self.raw(("GET", path), Some(&token)).await
    }

    /// `payload` of a listing with these further parameters.
    async fn list(&self, parameters: &str) -> Value {
        let path = format!("/orders/v0/orders?MarketplaceIds={GERMANY}&{parameters}");
        let (status, _, body) = self.get(&path).await;
        assert_eq!(status, 200, "{parameters}: {body}");
        body["payload"].clone()
    }

    async fn refresh(&self) -> String {
        let form = "grant_type=refresh_token&refresh_token=Atzr%7Ca-refresh\
            &client_id=an-app&client_secret=a-secret";
        let request = client().post(self.login.token_url());
        let request = request.header("Content-Type", "application/x-www-form-urlencoded");
        let answer = request.body(form).send().await.unwrap();
        let body: Value = serde_json::from_str(&answer.text().await.unwrap()).unwrap();
        assert_eq!(body["refresh_token"], "Atzr|a-refresh", "{body}");
        body["access_token"].as_str().unwrap().to_owned()
    }
}

fn ids(payload: &Value) -> Vec<&str> {
    let orders = payload["Orders"].as_array().unwrap().iter();
    orders
        .map(|order| order["AmazonOrderId"].as_str().unwrap())
        .collect()
}

/// A query's value as it must be sent.
fn escaped(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

#[tokio::test]
async fn a_token_of_the_login_opens_until_its_hour_is_over_or_it_is_taken_back() {
    let world = world(Quota::CountOnly).await;
    let one = format!("/orders/v0/orders/{}", AmazonDouble::id_of(1));
    let token = world.refresh().await;
    assert!(token.starts_with("Atza|"));
    assert_eq!(world.raw(("GET", &one), Some(&token)).await.0, 200);
    world.clock.set(NOON_MS + HOUR_MS);
    let (status, _, body) = world.raw(("GET", &one), Some(&token)).await;
    let error = json!({
        "code": "Unauthorized",
        "message": "Access to requested resource is denied.",
        "details": "The access token you provided has expired.",
    });
    assert_eq!((status, &body["errors"][0]), (403, &error));
    let token = world.refresh().await;
    assert_eq!(world.raw(("GET", &one), Some(&token)).await.0, 200);
    world.tokens.revoke_all();
    let (status, _, body) = world.raw(("GET", &one), Some(&token)).await;
    let details = body["errors"][0]["details"].as_str().unwrap();
    assert!(status == 403 && details.contains("revoked"), "{body}");
}

#[tokio::test]
async fn a_listing_is_followed_by_its_tokens_to_the_end() {
    let world = world(Quota::CountOnly).await;
    let first = format!("LastUpdatedAfter={LONG_AGO}&MaxResultsPerPage=15");
    let mut payload = world.list(&first).await;
    let mut seen: Vec<String> = Vec::new();
    let mut pages = 0;
    loop {
        seen.extend(ids(&payload).into_iter().map(str::to_owned));
        pages += 1;
        let Some(token) = payload["NextToken"].as_str() else {
            break;
        };
        // It stands for all other criteria.
        payload = world.list(&format!("NextToken={}", escaped(token))).await;
    }
    let all: Vec<String> = (1..=40).map(AmazonDouble::id_of).collect();
    assert_eq!((seen, pages), (all, 3));
}

#[tokio::test]
async fn the_newest_two_minutes_are_not_listed_yet_and_the_answer_says_so() {
    let world = world(Quota::CountOnly).await;
    let id = AmazonDouble::id_of(3);
    world.amazon.change(&id, |order| {
        order.insert("OrderStatus".to_owned(), json!("Shipped"));
        order.insert("LastUpdateDate".to_owned(), json!("never"));
    });
    let since = "LastUpdatedAfter=2026-09-21T14:00:00Z";
    world.clock.set(NOON_MS + 119_000);
    let payload = world.list(since).await;
    assert_eq!(payload["LastUpdatedBefore"], "2026-09-21T14:13:19Z");
    assert!(!ids(&payload).contains(&id.as_str()));
    world.clock.set(NOON_MS + 120_000);
    let payload = world.list(since).await;
    assert_eq!(ids(&payload), [id.as_str()]);
    assert_eq!(
        payload["Orders"][0]["LastUpdateDate"],
        "2026-09-21T14:13:20Z"
    );
    let (_, _, body) = world.get(&format!("/orders/v0/orders/{id}")).await;
    assert_eq!(body["payload"], payload["Orders"][0]);
}

#[tokio::test]
async fn a_listing_keeps_to_its_marketplaces_statuses_channels_and_times() {
    let other = "A13V1IB3VIYZZH";
    let world = world_of(Quota::CountOnly, 150, &[GERMANY, other]).await;
    let after = format!("LastUpdatedAfter={LONG_AGO}");
    let german = world.list(&after).await["Orders"].as_array().unwrap().len();
    let path = format!("/orders/v0/orders?MarketplaceIds={GERMANY},{other}&{after}");
    let (_, _, body) = world.get(&path).await;
    assert!((50..100).contains(&german), "{german}");
    assert_eq!(body["payload"]["Orders"].as_array().unwrap().len(), 100);
    assert!(body["payload"]["NextToken"].is_string());
    let some = "OrderStatuses=Unshipped,PartiallyShipped&FulfillmentChannels=MFN";
    let payload = world.list(&format!("{after}&{some}")).await;
    assert!(!ids(&payload).is_empty());
    for order in payload["Orders"].as_array().unwrap() {
        assert!(order["OrderStatus"].as_str().unwrap().ends_with("hipped"));
        assert_ne!(order["OrderStatus"], "Shipped");
        assert_eq!(order["FulfillmentChannel"], "MFN");
        assert_eq!(order["MarketplaceId"], GERMANY);
    }
    let created = world.list(&format!("CreatedAfter={LONG_AGO}")).await;
    assert!(created["CreatedBefore"].is_string() && created["LastUpdatedBefore"].is_null());
    let none = format!("CreatedAfter={LONG_AGO}&CreatedBefore=2026-01-02T00%3A00%3A00%2B02%3A00");
    assert!(ids(&world.list(&none).await).is_empty());
}

/// Names and kinds of the order 902-1845936-5435065, which Amazon's sandbox answers by its public
/// model, as far as the double has them.
const SANDBOX_ORDER: [(&str, &str); 26] = [
    ("AmazonOrderId", "text"),
    ("PurchaseDate", "text"),
    ("LastUpdateDate", "text"),
    ("OrderStatus", "text"),
    ("FulfillmentChannel", "text"),
    ("SalesChannel", "text"),
    ("ShipServiceLevel", "text"),
    ("OrderTotal", "table"),
    ("NumberOfItemsShipped", "number"),
    ("NumberOfItemsUnshipped", "number"),
    ("PaymentMethod", "text"),
    ("PaymentMethodDetails", "list"),
    ("IsReplacementOrder", "flag"),
    ("MarketplaceId", "text"),
    ("ShipmentServiceLevelCategory", "text"),
    ("OrderType", "text"),
    ("EarliestShipDate", "text"),
    ("LatestShipDate", "text"),
    ("IsBusinessOrder", "flag"),
    ("IsPrime", "flag"),
    ("IsGlobalExpressEnabled", "flag"),
    ("IsPremiumOrder", "flag"),
    ("IsSoldByAB", "flag"),
    ("IsIBA", "flag"),
    ("IsISPU", "flag"),
    ("IsAccessPointOrder", "flag"),
];
/// What the model's own example has besides.
const EXAMPLE_ORDER: [(&str, &str); 2] = [("ShippingAddress", "table"), ("BuyerInfo", "table")];

fn kind(value: &Value) -> &'static str {
    match value {
        Value::String(_) => "text",
        Value::Number(_) => "number",
        Value::Bool(_) => "flag",
        Value::Array(_) => "list",
        Value::Object(_) => "table",
        Value::Null => "nothing",
    }
}

#[tokio::test]
async fn an_order_has_the_fields_of_the_sandbox_and_none_besides() {
    let world = world(Quota::CountOnly).await;
    let known: Vec<_> = SANDBOX_ORDER.into_iter().chain(EXAMPLE_ORDER).collect();
    let payload = world.list(&format!("LastUpdatedAfter={LONG_AGO}")).await;
    let (mut pending, mut shipped) = (0, 0);
    for order in payload["Orders"].as_array().unwrap() {
        for (name, value) in order.as_object().unwrap() {
            assert!(known.contains(&(name, kind(value))), "{name}: {value}");
        }
        let is_pending = order["OrderStatus"] == "Pending";
        assert_eq!(order.get("OrderTotal").is_none(), is_pending, "{order}");
        assert_eq!(
            order.as_object().unwrap().len(),
            known.len() - usize::from(is_pending)
        );
        pending += usize::from(is_pending);
        shipped += usize::from(order["NumberOfItemsShipped"].as_u64() > Some(0));
    }
    assert!(pending > 0 && shipped > 0, "{pending} {shipped}");
}

#[tokio::test]
async fn the_items_of_an_order_come_to_its_total() {
    let world = world(Quota::CountOnly).await;
    let cents = |amount: &Value| {
        let text = amount["Amount"].as_str().unwrap().replace('.', "");
        text.parse::<u64>().unwrap()
    };
    for number in 1..=20 {
        let id = AmazonDouble::id_of(number);
        let order = world.amazon.order(&id).unwrap();
        let (status, _, body) = world
            .get(&format!("/orders/v0/orders/{id}/orderItems"))
            .await;
        assert_eq!(
            (status, &body["payload"]["AmazonOrderId"]),
            (200, &json!(id))
        );
        let items = body["payload"]["OrderItems"].as_array().unwrap();
        let shipped = items
            .iter()
            .map(|item| item["QuantityShipped"].as_u64().unwrap());
        assert_eq!(Some(shipped.sum()), order["NumberOfItemsShipped"].as_u64());
        if let Some(total) = order.get("OrderTotal") {
            let sum: u64 = items.iter().map(|item| cents(&item["ItemPrice"])).sum();
            assert_eq!(sum, cents(total), "{id}");
        }
    }
}

#[rstest]
#[case::list(
    "/orders/v0/orders?MarketplaceIds=A1PA6795UKMFR9&CreatedAfter=2026-01-01T00:00:00Z",
    20,
    "0.0167",
    59_881
)]
#[case::one("/orders/v0/orders/302-0000001-7654321", 30, "0.5", 2_000)]
#[case::items("/orders/v0/orders/302-0000001-7654321/orderItems", 30, "0.5", 2_000)]
#[tokio::test]
async fn each_operation_has_a_burst_and_then_its_rate(
    #[case] path: &str,
    #[case] burst: usize,
    #[case] rate: &str,
    #[case] next_ms: i64,
) {
    let world = world(Quota::Kept).await;
    for _ in 0..burst {
        let (status, headers, body) = world.get(path).await;
        assert_eq!(status, 200, "{body}");
        assert_eq!(headers["x-amzn-ratelimit-limit"], rate);
        assert!(headers.contains_key("x-amzn-requestid"));
    }
    world.clock.set(NOON_MS + next_ms - 1);
    let (status, headers, body) = world.get(path).await;
    let error = json!({
        "code": "QuotaExceeded",
        "message": "You exceeded your quota for the requested resource.",
        "details": "",
    });
    assert_eq!((status, body), (429, json!({ "errors": [error] })));
    assert!(!headers.contains_key("retry-after"));
    assert!(!headers.contains_key("x-amzn-ratelimit-limit"));
    world.clock.set(NOON_MS + next_ms);
    assert_eq!(world.get(path).await.0, 200);
    assert_eq!(world.get(path).await.0, 429);
}

#[tokio::test]
async fn orders_are_added_deleted_and_committed_late() {
    let world = world(Quota::CountOnly).await;
    let amazon = &world.amazon;
    let added = amazon.add(|order| {
        order.insert("OrderStatus".to_owned(), json!("Unshipped"));
    });
    let id = added["AmazonOrderId"].as_str().unwrap().to_owned();
    assert_eq!(id, AmazonDouble::id_of(41));
    let late = amazon.change_at(&id, NOON_MS - HOUR_MS, |_| {}).unwrap();
    assert_eq!(late["LastUpdateDate"], "2026-09-21T13:13:20Z");
    let payload = world.list("LastUpdatedAfter=2026-09-21T13:13:20Z").await;
    assert!(ids(&payload).contains(&id.as_str()));
    assert!(amazon.delete(&id) && !amazon.delete(&id));
    assert_eq!(world.get(&format!("/orders/v0/orders/{id}")).await.0, 404);
    assert_eq!(
        world
            .get(&format!("/orders/v0/orders/{id}/orderItems"))
            .await
            .0,
        404
    );
    assert_eq!(amazon.change(&id, |_| {}), None);
}

#[tokio::test]
async fn a_million_orders_are_paged_from_any_place() {
    let world = world_of(Quota::Kept, 1_000_000, &[GERMANY]).await;
    let id = AmazonDouble::id_of(900_000);
    let at = world.amazon.order(&id).unwrap()["LastUpdateDate"].clone();
    let payload = world
        .list(&format!("LastUpdatedAfter={}", at.as_str().unwrap()))
        .await;
    assert_eq!(ids(&payload).len(), 100);
    assert!(ids(&payload)[..10].contains(&id.as_str()));
    let token = escaped(payload["NextToken"].as_str().unwrap());
    let next = world.list(&format!("NextToken={token}")).await;
    assert_eq!(ids(&next).len(), 100);
    assert!(ids(&payload).last() < ids(&next).first());
}
